import "./fragment";
import { render } from "preact";
import { useEffect } from "preact/hooks";
import "../shared/tokens.css";
import "../shared/base.css";
import "./phone.css";
import { Sprite } from "../shared/icons";
import { startLanguage, useLanguage } from "../shared/i18n";
import { setOperatorName } from "../shared/page";
import { Alipay, Returned } from "./alipay";
import { Check } from "./check";
import { FaceConsent } from "./face/consent";
import { FaceScreen } from "./face/face";
import { ClipScreen } from "./clip";
import { SelfTest, Wifi } from "./clip-before";
import { Look, Lost } from "./look";
import { Phone } from "./model";
import { PhotoScreen } from "./photo";
import { Denied, Done, Enter, InApp, LandingScreen, NumberScreen, Permission, Plan, Sending, Starting, Stopped, Unreachable, Unsupported } from "./screens";
import { keepFiles } from "./pwa";
import { operatorName, useChanges } from "./shell";
import { Written } from "./written";

function App({ phone }: { phone: Phone }) {
  useLanguage();
  useChanges(phone);
  const operator = operatorName(phone);
  setOperatorName(operator);
  const screen = phone.screen;
  useEffect(() => {
    document.documentElement.classList.toggle("dark-ground", ["photo", "check", "clip", "look", "lost"].includes(screen.name));
  }, [screen.name]);
  switch (screen.name) {
    case "starting":
      return <Starting phone={phone} />;
    case "unreachable":
      return <Unreachable phone={phone} />;
    case "landing":
      return <LandingScreen phone={phone} />;
    case "inapp":
      return <InApp phone={phone} app={screen.app} />;
    case "unsupported":
      return <Unsupported phone={phone} missing={screen.missing} />;
    case "enter":
      return <Enter phone={phone} />;
    case "number":
      return <NumberScreen phone={phone} />;
    case "denied":
      return <Denied phone={phone} />;
    case "plan":
      return <Plan phone={phone} />;
    case "returned":
      return <Returned phone={phone} />;
    case "alipay":
      return <Alipay phone={phone} step={screen.step} />;
    case "faceconsent":
      return <FaceConsent phone={phone} step={screen.step} />;
    case "face":
      return <FaceScreen key={screen.step.id} phone={phone} step={screen.step} />;
    case "permission":
      return <Permission key={screen.step.id} phone={phone} step={screen.step} />;
    case "photo":
      return <PhotoScreen key={screen.step.id} phone={phone} step={screen.step} />;
    case "check":
      return <Check key={screen.step.id} phone={phone} step={screen.step} take={phone.photos.find((take) => take.id === screen.take?.id) ?? null} />;
    case "wifi":
      return <Wifi phone={phone} />;
    case "selftest":
      return <SelfTest phone={phone} step={screen.step} />;
    case "clip":
      return <ClipScreen key={screen.step.id} phone={phone} step={screen.step} />;
    case "written":
      return <Written phone={phone} step={screen.step} />;
    case "look":
    case "lost": {
      const clip = phone.clips.of(screen.step.id);
      if (clip === undefined) return <Starting phone={phone} />;
      return screen.name === "look" ? <Look key={clip.id} phone={phone} step={screen.step} clip={clip} /> : <Lost key={clip.id} phone={phone} step={screen.step} clip={clip} />;
    }
    case "sending":
      return <Sending phone={phone} />;
    case "done":
      return <Done phone={phone} />;
    case "stopped":
      return <Stopped phone={phone} end={screen.end} />;
  }
}

startLanguage();
keepFiles();
const phone = new Phone();
phone.start();
const root = document.getElementById("app");
if (root !== null) {
  render(
    <>
      <Sprite />
      <App phone={phone} />
    </>,
    root,
  );
}
