// Whether this device can record, for anybody who wants to know before, and for who helps them. Nothing is kept.
import { render } from "preact";
import { useRef, useState } from "preact/hooks";
import "../shared/tokens.css";
import "../shared/base.css";
import "../phone/phone.css";
import { announce, Button, Callout, LanguageToggle, StatusLine } from "../shared/components";
import { Icon, Sprite } from "../shared/icons";
import { number, startLanguage, t, useLanguage } from "../shared/i18n";
import { Heading, SkipLink } from "../shared/page";
import { selfTest, untried, works, type Result } from "../shared/selftest";
import { TestLines, testFault } from "../shared/test-lines";
import { Token } from "../shared/token";
import { appOf, deviceOf } from "../phone/device";

function App() {
  useLanguage();
  const video = useRef<HTMLVideoElement>(null);
  const [result, setResult] = useState<Result | null>(null);
  const [running, setRunning] = useState(false);
  const run = async (): Promise<void> => {
    setRunning(true);
    try {
      const found = await selfTest(video.current!, setResult, new AbortController().signal);
      announce(t(works(found) ? "selftest.good" : "selftest.bad"));
    } finally {
      setRunning(false);
    }
  };
  const tried = result !== null && !running;
  const { browser, os } = deviceOf(navigator.userAgent, navigator.maxTouchPoints);
  const facts: [string, string][] = [
    [t("diagnose.browser"), `${browser}, ${os}`],
    [t("diagnose.app"), t(appOf(navigator.userAgent) === null ? "diagnose.no" : "diagnose.app.yes")],
    [t("diagnose.secure"), t(isSecureContext ? "diagnose.yes" : "diagnose.no")],
    [t("diagnose.type"), result?.type || "–"],
    [t("diagnose.rate"), result?.rate == null ? "–" : t("diagnose.rate.value", { kb: number(result.rate / 1000) })],
  ];
  return (
    <div class="phone">
      <SkipLink />
      <header>
        <div class="phone-top">
          <Token size="m" />
          <span class="phone-operator" />
          <LanguageToggle />
        </div>
      </header>
      <main id="main" class="phone-main" tabIndex={-1}>
        <Heading screen="diagnose">{t("diagnose.title")}</Heading>
        <p class="lead">{t("diagnose.lead")}</p>
        <div class="test">
          <TestLines result={result ?? untried()} />
          <div class="test-view">
            <Icon name="person" />
            <video ref={video} class="test-video" muted playsInline autoplay aria-hidden="true" />
          </div>
        </div>
        <div class="test-result">
          {!tried ? null : works(result) ? (
            <Callout tone="ok">
              <p>{t(result.states.speed === "slow" ? "selftest.slow" : "selftest.good")}</p>
            </Callout>
          ) : (
            <Callout tone="warn" alert test="test-fault">
              <p>{testFault(result)}</p>
            </Callout>
          )}
        </div>
        <dl class="facts">
          {facts.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      </main>
      <div class="phone-actions">
        <Button kind="primary" wide test="run-test" busy={running} onClick={() => void run()}>
          {t(tried ? "phone.retry" : "selftest.run")}
        </Button>
      </div>
      <StatusLine />
    </div>
  );
}

startLanguage();
const root = document.getElementById("app");
if (root !== null) {
  render(
    <>
      <Sprite />
      <App />
    </>,
    root,
  );
}
