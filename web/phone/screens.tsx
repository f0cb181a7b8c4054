/** The screens that are read and answered; the camera's are in photo.tsx and check.tsx. */
import { useEffect, useRef, useState } from "preact/hooks";
import { announce, Button, Callout, Progress, Skeleton } from "../shared/components";
import { Icon, stepIcon } from "../shared/icons";
import { has, megabytes, span, t, tn } from "../shared/i18n";
import { Heading } from "../shared/page";
import { serverNow } from "../shared/api";
import { estimate } from "../shared/estimate";
import { askCamera, CameraError, type CameraFault } from "../shared/camera";
import { PairToken, Token } from "../shared/token";
import type { CaptureStep } from "../shared/types";
import { enteredCode, typedDigits } from "./code";
import type { App } from "./device";
import type { Phone } from "./model";
import { operatorName, Page } from "./shell";
import { settled, stepsLeft, type End } from "./screen";

/** A step's name in words. */
export function stepName(step: { id: string; instructions?: string }): string {
  for (const key of [`step.${step.instructions}`, `step.${step.id}`]) if (has(key)) return t(key);
  return t("step.other");
}

/** Waiting for the first answer: nothing, then shapes, then words and a second way. */
export function Starting({ phone }: { phone: Phone }) {
  return (
    <Page phone={phone} plain>
      <h1 class="unseen">{t("title.verification")}</h1>
      <Skeleton
        slow={
          <>
            <p>{t("wait.slow")}</p>
            <Button test="reload" onClick={() => location.reload()}>
              {t("wait.reload")}
            </Button>
          </>
        }
      />
    </Page>
  );
}

/** The server could not be reached. */
export function Unreachable({ phone }: { phone: Phone }) {
  return (
    <Page
      phone={phone}
      plain
      actions={
        <Button kind="primary" wide test="retry" busy={phone.busy} onClick={() => void phone.read()}>
          {t("phone.retry")}
        </Button>
      }
    >
      <Heading screen="unreachable">{t("phone.unreachable")}</Heading>
      <p class="lead">{t("problem.offline")}</p>
    </Page>
  );
}

/** Who asks, for which account, from where. Nothing is claimed before the tap. */
export function LandingScreen({ phone }: { phone: Phone }) {
  const landing = phone.landing!;
  const operator = operatorName(phone);
  const desk = { browser: landing.desk.browser, os: landing.desk.os };
  return (
    <Page
      phone={phone}
      actions={
        <Button kind="primary" wide test="continue" busy={phone.busy} onClick={() => void phone.claim()}>
          {t("phone.continue")}
        </Button>
      }
    >
      <Heading screen="landing">{t("menu.identity")}</Heading>
      <p class="lead" data-test="ask">
        {t("phone.ask", {
          operator,
          account: landing.account,
          browser: known(desk.browser, t("phone.browser")),
          os: known(desk.os, t("phone.computer")),
        })}
      </p>
      <p class="soft">{landing.purpose === "" ? t("why", { operator }) : landing.purpose}</p>
      <Callout tone="warn" test="warning">
        <p>{t("phone.warn")}</p>
      </Callout>
    </Page>
  );
}

function known(name: string, otherwise: string): string {
  return name === "" || name === "unknown" ? otherwise : name;
}

/** The text code, typed or pasted. */
export function Enter({ phone }: { phone: Phone }) {
  const [text, setText] = useState("");
  const [short, setShort] = useState(false);
  const send = (): void => {
    const code = enteredCode(text);
    setShort(code === null);
    if (code !== null) void phone.enter(code);
  };
  return (
    <Page
      phone={phone}
      actions={
        <Button kind="primary" wide test="continue" busy={phone.busy} onClick={send}>
          {t("phone.continue")}
        </Button>
      }
    >
      <Heading screen="enter">{t("phone.enter")}</Heading>
      <form
        class={short ? "field has-error" : "field"}
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <label for="code">{t("phone.enter.label")}</label>
        <input
          id="code"
          class="mono phone-code"
          data-test="code"
          value={text}
          autocomplete="off"
          autocapitalize="characters"
          autocorrect="off"
          spellcheck={false}
          enterkeyhint="go"
          aria-describedby="code-help"
          aria-invalid={short || undefined}
          onInput={(event) => {
            const typed = event.currentTarget.value;
            // A pasted link stays as it is; a code becomes capitals while it is typed.
            const shown = typed.includes("#") ? typed : typed.toUpperCase();
            if (shown !== typed) event.currentTarget.value = shown;
            setText(shown);
            if (short) setShort(enteredCode(shown) === null);
          }}
        />
        <p id="code-help" class={short ? "hint error" : "hint"}>
          {short ? <Icon name="warning" small /> : null}
          <span>{t(short ? "phone.enter.short" : "phone.enter.help")}</span>
        </p>
      </form>
    </Page>
  );
}

/** The number on the desk: two boxes, one field; sent by itself. */
export function NumberScreen({ phone }: { phone: Phone }) {
  const [digits, setDigits] = useState("");
  const [focused, setFocused] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const soon = useSoon(phone.capture?.handoff.expires_at, 30);
  useEffect(() => {
    if (!phone.wrong) return;
    setDigits("");
    if (field.current) field.current.value = "";
    field.current?.focus();
  }, [phone.wrong, phone.busy]);
  const shown = phone.wrong && digits === "";
  return (
    <Page phone={phone} plain>
      <Heading screen="number">{t("match.phone")}</Heading>
      <div class="number">
        <div class={`number-field${focused ? " focused" : ""}`}>
          <PairToken side="phone" joined={phone.joined} />
          <div class="number-boxes" aria-hidden="true">
            <span class="number-box numbers">{digits[0] ?? ""}</span>
            <span class="number-box numbers">{digits[1] ?? ""}</span>
          </div>
          <input
            ref={field}
            class="number-input"
            data-test="digits"
            aria-label={t("phone.number.label")}
            aria-describedby="number-note"
            aria-invalid={shown || undefined}
            type="text"
            inputmode="numeric"
            pattern="[0-9]*"
            autocomplete="off"
            enterkeyhint="done"
            onFocus={() => setFocused(true)}
            onBlur={() => setFocused(false)}
            onInput={(event) => {
              const typed = typedDigits(event.currentTarget.value);
              event.currentTarget.value = typed;
              if (phone.busy || typed === digits) return;
              setDigits(typed);
              if (typed.length === 2) void phone.match(typed);
            }}
          />
        </div>
        <p id="number-note" class={shown ? "number-note bad" : "number-note"} role="alert" data-test="number-note">
          {shown ? t("match.wrong") : soon ? t("phone.number.soon") : ""}
        </p>
        <button type="button" class="button number-deny" data-test="not-me" aria-busy={phone.busy || undefined} onClick={() => void phone.deny()}>
          {t("deny")}
        </button>
      </div>
    </Page>
  );
}

/** True from `seconds` before the moment on. */
function useSoon(moment: string | undefined, seconds: number): boolean {
  const [soon, set] = useState(false);
  useEffect(() => {
    if (moment === undefined) return;
    const left = Date.parse(moment) - serverNow() - seconds * 1000;
    if (Number.isNaN(left)) return;
    set(left <= 0);
    const timer = setTimeout(() => set(true), Math.max(0, left));
    return () => clearTimeout(timer);
  }, [moment, seconds]);
  return soon;
}

/** After *It's not me*: it has stopped already; this only asks why. */
export function Denied({ phone }: { phone: Phone }) {
  return (
    <Page
      phone={phone}
      plain
      actions={
        <>
          <Button wide test="mistake" onClick={() => phone.mistake()}>
            {t("deny.then.mistake")}
          </Button>
          <Button wide test="report" busy={phone.busy} onClick={() => void phone.report()}>
            {t("deny.then.report")}
          </Button>
        </>
      }
    >
      <Heading screen="denied">
        {t("deny.then")
          .match(/[^。.]+[。.]?/g)
          ?.map((sentence) => (
            <span key={sentence} class="sentence">
              {sentence}{" "}
            </span>
          ))}
      </Heading>
    </Page>
  );
}

/** What comes: only the steps of this handoff. */
export function Plan({ phone }: { phone: Phone }) {
  const capture = phone.capture!;
  const left = stepsLeft(capture, phone.all);
  const { minutes, bytes } = estimate(left);
  const clips = capture.steps.some((step) => step.kind === "clip");
  const photosOnly = capture.steps.every((step) => step.kind === "photo");
  return (
    <Page
      phone={phone}
      actions={
        <Button kind="primary" wide test="start" onClick={() => phone.begin()}>
          {t(left.length === 0 ? "phone.hand_in" : "phone.start")}
        </Button>
      }
    >
      <Heading screen="plan">{left.length === 0 ? t("phone.plan.none") : photosOnly ? tn("phone.plan", left.length) : tn("phone.plan.steps", left.length)}</Heading>
      <ol class="plan">
        {capture.steps.map((step) => (
          <li key={step.id} class="plan-step" data-test={`plan-${step.id}`}>
            <Icon name={stepIcon(step)} />
            <span>{stepName(step)}</span>
            {settled(step) ? <span class="plan-state">{t("step.state.accepted")}</span> : null}
          </li>
        ))}
      </ol>
      {left.length === 0 ? null : (
        <>
          <p>{t("prepare", { min: minutes })}</p>
          <div class="soft">
            <p>{t(clips ? "phone.plan.data.clips" : photosOnly ? "phone.plan.data" : "phone.plan.data.steps", { mb: megabytes(bytes, true) })}</p>
            <p>{t(photosOnly ? "phone.plan.private" : "phone.plan.private.clips", { operator: operatorName(phone) })}</p>
          </div>
        </>
      )}
    </Page>
  );
}

/** Why the camera; the browser's own question comes from the tap. */
export function Permission({ phone, step }: { phone: Phone; step: CaptureStep }) {
  const [fault, setFault] = useState<CameraFault | null>(phone.cameraFault);
  const [asking, setAsking] = useState(false);
  const [slow, setSlow] = useState(false);
  useEffect(() => phone.say({ step: step.id, phase: "camera" }), [phone, step.id]);
  useEffect(() => {
    if (!asking) return;
    const timer = setTimeout(() => setSlow(true), 8_000);
    return () => clearTimeout(timer);
  }, [asking]);
  const ask = async (): Promise<void> => {
    setAsking(true);
    setSlow(false);
    setFault(null);
    try {
      await askCamera(step.kind === "face" ? "user" : "environment");
      phone.allow();
    } catch (error) {
      setFault(error instanceof CameraError ? error.fault : "stuck");
    } finally {
      setAsking(false);
    }
  };
  return (
    <Page
      phone={phone}
      actions={
        <Button kind="primary" wide test="allow-camera" busy={asking} onClick={() => void ask()}>
          {fault === null ? t("camera.why.allow") : t("phone.retry")}
        </Button>
      }
    >
      <Heading screen="permission">{t("phone.permission")}</Heading>
      <p class="lead">{t("camera.why")}</p>
      {fault !== null ? (
        <Callout tone="warn" alert test={`camera-${fault}`}>
          <p>{t(`camera.${fault}`)}</p>
        </Callout>
      ) : (
        <p class="soft">{slow ? t("phone.permission.slow") : t(step.kind === "face" ? "camera.why.face" : "camera.why.photo")}</p>
      )}
      {fault === null || fault === "denied" || fault === "busy" ? null : <p class="soft">{t("phone.permission.elsewhere")}</p>}
    </Page>
  );
}

/** In an app's own browser: the way out. */
export function InApp({ phone, app }: { phone: Phone; app: App }) {
  return (
    <Page
      phone={phone}
      plain // the menu that is meant is the app's own
      actions={
        <>
          {phone.mayTryHere ? (
            <Button kind="quiet" wide test="try-here" onClick={() => phone.tryHere()}>
              {t("inapp.here")}
            </Button>
          ) : null}
          <CopyLink phone={phone} primary />
        </>
      }
    >
      {app === "wechat" ? (
        <svg class="inapp-arrow" viewBox="0 0 96 96" aria-hidden="true" focusable="false">
          <path d="M12 88c8-40 30-62 70-70M58 10l26 7-9 26" />
        </svg>
      ) : null}
      <Heading screen="inapp">{t("inapp.title")}</Heading>
      <p class="lead" data-test="way-out">{t(app === "wechat" ? "inapp.wechat" : "inapp.other")}</p>
    </Page>
  );
}

/** Copies the address with the code, where there is one. */
function CopyLink({ phone, primary }: { phone: Phone; primary?: boolean }) {
  const [said, setSaid] = useState<"" | "copied" | "select">("");
  const link = phone.code === null ? `${location.origin}${location.pathname}` : `${location.origin}${location.pathname}#c=${phone.code}`;
  const shown = useRef<HTMLInputElement>(null);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(link);
      setSaid("copied");
    } catch {
      // Not allowed here: the link is shown, selected, to be copied by hand.
      setSaid("select");
      setTimeout(() => shown.current?.select(), 0);
    }
  };
  return (
    <div class="copy">
      <Button kind={primary ? "primary" : "plain"} wide test="copy-link" onClick={() => void copy()}>
        {t("inapp.copy")}
      </Button>
      {said === "select" ? <input ref={shown} class="copy-link mono" readOnly value={link} aria-label={t("inapp.link")} data-test="link" /> : null}
      <p class="status" role="status">
        {said === "copied" ? t("inapp.copied") : said === "select" ? t("inapp.select") : ""}
      </p>
    </div>
  );
}

/** Which piece is missing here. */
export function Unsupported({ phone, missing }: { phone: Phone; missing: CameraFault }) {
  return (
    <Page phone={phone} actions={<CopyLink phone={phone} primary />}>
      <Heading screen="unsupported">{t("phone.unsupported")}</Heading>
      <Callout tone="bad" test={`camera-${missing}`}>
        <p>{t(`camera.${missing}`)}</p>
      </Callout>
    </Page>
  );
}

/** Everything is taken; the bytes go. The last part is named, not hidden behind a full bar. */
export function Sending({ phone }: { phone: Phone }) {
  const { stored, total, seconds } = phone.sending;
  const moving = phone.all.some((take) => take.state === "queued" || take.state === "sending");
  const quarter = total === 0 ? 0 : Math.floor((stored / total) * 4) * 25;
  useEffect(() => {
    if (quarter > 0 && moving) announce(t("phone.sent", { n: quarter }));
    if (!moving) announce(t("phone.handing_in"));
  }, [quarter, moving]);
  const sizes = { sent: megabytes(stored), total: megabytes(total) };
  const label = seconds !== null && seconds > 10 ? t("send", { ...sizes, time: about(seconds) }) : t("send.size", sizes);
  return (
    <Page
      phone={phone}
      actions={
        phone.problem === null ? null : (
          <Button kind="primary" wide test="retry" onClick={() => phone.again()}>
            {t("phone.retry")}
          </Button>
        )
      }
    >
      <Heading screen="sending">{t(moving ? "phone.sending" : "phone.handing_in")}</Heading>
      {moving ? <Progress value={stored} total={total} label={label} of="photos" /> : <p class="lead">{t("phone.handing_in.wait")}</p>}
      {moving && !phone.offline ? <p class="soft">{t("phone.sending.stay")}</p> : null}
    </Page>
  );
}

/** A short time in tens of seconds, a longer one in minutes. */
function about(seconds: number): string {
  return seconds < 75 ? tn("span.seconds", Math.ceil(seconds / 10) * 10) : span(seconds);
}

/** Done: back to the desk, and a receipt. */
export function Done({ phone }: { phone: Phone }) {
  return (
    <Page phone={phone} plain>
      <div class="done">
        <Token state="approved" size="xl" />
        <Heading screen="done">{t("done.phone")}</Heading>
      </div>
      {phone.receipts.length === 0 ? null : (
        <section class="receipt" aria-labelledby="receipt" data-test="receipt">
          <h2 id="receipt">{t("phone.receipt")}</h2>
          <p class="soft small">{t("phone.receipt.why")}</p>
          <dl>
            {phone.receipts.map((one) => (
              <div key={one.step} class="receipt-line">
                <dt>{stepName({ id: one.step, instructions: one.instructions })}</dt>
                <dd class="mono" data-test={`digest-${one.step}`}>
                  {one.sha256.match(/.{1,4}/g)?.map((group, i) => <span key={i}>{group} </span>)}
                </dd>
              </div>
            ))}
          </dl>
        </section>
      )}
    </Page>
  );
}

/** Why it stopped, each in its own words, and nothing about the case. */
export function Stopped({ phone, end }: { phone: Phone; end: End }) {
  return (
    <Page
      phone={phone}
      actions={
        end === "elsewhere" ? (
          <Button kind="primary" wide test="here" onClick={() => location.reload()}>
            {t("phone.end.elsewhere.here")}
          </Button>
        ) : (
          <Button kind={end === "cancelled" || end === "reported" || end === "locked" ? "quiet" : "primary"} wide test="enter-code" onClick={() => phone.another()}>
            {t("phone.enter.go")}
          </Button>
        )
      }
    >
      <Token state="locked" size="xl" />
      <Heading screen="stopped">{t(codeEnds.has(end) ? "phone.end.code" : "phone.end")}</Heading>
      <p class="lead" data-test={`end-${end}`}>
        {endText(phone, end)}
      </p>
    </Page>
  );
}

const codeEnds = new Set<End>(["stale", "used", "unknown"]);

function endText(phone: Phone, end: End): string {
  switch (end) {
    case "stale":
      return t("code.expired");
    case "used":
      return t("code.used");
    case "reported":
      return t("reported", { operator: operatorName(phone) });
    case "locked":
      return phone.lockedFor > 0 ? tn("locked", Math.ceil(phone.lockedFor / 60)) : t("phone.end.locked");
    default:
      return t(`phone.end.${end}`);
  }
}

