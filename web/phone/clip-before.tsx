/** Before the first recording: what it costs to send, and whether everything works here. */
import { useEffect, useRef, useState } from "preact/hooks";
import { announce, Button, Callout } from "../shared/components";
import { estimate } from "../shared/estimate";
import { Icon } from "../shared/icons";
import { megabytes, t } from "../shared/i18n";
import { Heading } from "../shared/page";
import { keepsUp, qualityFor } from "../shared/recording";
import { selfTest, untried, works, type Result } from "../shared/selftest";
import { TestLines, testFault } from "../shared/test-lines";
import type { CaptureStep } from "../shared/types";
import type { Phone } from "./model";
import { stepsLeft } from "./screen";
import { Page } from "./shell";

/** How much is sent, and the choice to do it later. */
export function Wifi({ phone }: { phone: Phone }) {
  const left = stepsLeft(phone.capture!, phone.all).filter((step) => step.kind === "clip");
  const { bytes } = estimate(left);
  return (
    <Page
      phone={phone}
      actions={
        <>
          <Button wide test="later" busy={phone.busy} onClick={() => void phone.later()}>
            {t("wifi.later")}
          </Button>
          <Button kind="primary" wide test="continue-now" onClick={() => phone.continueNow()}>
            {t("wifi.now")}
          </Button>
        </>
      }
    >
      <div class="done">
        <Icon name="wifi" />
        <Heading screen="wifi">{t("wifi.title")}</Heading>
      </div>
      <p class="lead">{t("wifi", { mb: megabytes(bytes, true) })}</p>
      <p class="soft">{t("wifi.later.then")}</p>
    </Page>
  );
}

/** Camera, microphone, recorder and line: the browser's question comes from the tap, before anything is to be read. */
export function SelfTest({ phone, step }: { phone: Phone; step: CaptureStep }) {
  const video = useRef<HTMLVideoElement>(null);
  const stop = useRef<AbortController | null>(null);
  const [result, setResult] = useState<Result | null>(null);
  const [running, setRunning] = useState(false);
  useEffect(() => phone.say({ step: step.id, phase: "camera" }), [phone, step.id]);
  useEffect(() => () => stop.current?.abort(new Error("left")), []);
  const run = async (): Promise<void> => {
    stop.current?.abort(new Error("again"));
    const mine = (stop.current = new AbortController());
    setRunning(true);
    setResult(untried());
    try {
      const found = await selfTest(video.current!, setResult, mine.signal);
      announce(t(works(found) ? "selftest.good" : "selftest.bad"));
    } catch {
      // Left, or begun again.
    } finally {
      if (stop.current === mine) setRunning(false);
    }
  };
  const tried = result !== null && !running;
  const good = tried && works(result);
  const slow = good && result.states.speed === "slow";
  const fault = phone.cameraFault;
  return (
    <Page
      phone={phone}
      actions={
        good ? (
          <Button kind="primary" wide test="go-on" onClick={() => phone.tested(result.type, result.rate)}>
            {t("selftest.go_on")}
          </Button>
        ) : (
          <>
            {tried ? (
              <Button wide test="later" busy={phone.busy} onClick={() => void phone.later()}>
                {t("selftest.later")}
              </Button>
            ) : null}
            <Button kind="primary" wide test="run-test" busy={running} onClick={() => void run()}>
              {t(tried ? "phone.retry" : "selftest.run")}
            </Button>
          </>
        )
      }
    >
      <Heading screen="selftest">{t("selftest.title")}</Heading>
      <p class="lead">{t("selftest.why")}</p>
      <div class="test">
        <TestLines result={result ?? untried()} />
        <div class="test-view">
          <Icon name="person" />
          <video ref={video} class="test-video" muted playsInline autoplay aria-hidden="true" />
        </div>
      </div>
      <div class="test-result">
        {tried && !good ? (
          <Callout tone="warn" alert test="test-fault">
            <p>{testFault(result)}</p>
          </Callout>
        ) : slow ? (
          <p class="soft" data-test="test-slow">
            {t(keepsUp(result.rate ?? 0, qualityFor(result.rate)) ? "selftest.slow" : "selftest.very_slow")}
          </p>
        ) : good ? (
          <p class="soft">{t("selftest.good")}</p>
        ) : result === null && fault !== null ? (
          <Callout tone="warn" alert test={`camera-${fault}`}>
            <p>{t(`camera.${fault}`)}</p>
          </Callout>
        ) : null}
      </div>
    </Page>
  );
}
