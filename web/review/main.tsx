import { render } from "preact";
import "../shared/tokens.css";
import "../shared/base.css";
import "./review.css";
import { startLanguage } from "../shared/i18n";
import { App } from "./app";

startLanguage();
const root = document.getElementById("app");
if (root) render(<App />, root);
