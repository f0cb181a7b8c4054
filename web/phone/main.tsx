import { render } from "preact";
import "../shared/tokens.css";
import "../shared/base.css";
import { Sprite } from "../shared/icons";
import { startLanguage, t } from "../shared/i18n";

startLanguage();
render(<><Sprite /><main id="main"><h1>{t("title.verification")}</h1></main></>, document.getElementById("app") as HTMLElement);
