// The door: the password, then a code or a passkey; the first time one of these is set up.
import { useState } from "preact/hooks";
import { Problem } from "../shared/api";
import { Button, Callout, Field, fieldId } from "../shared/components";
import { t } from "../shared/i18n";
import { Heading } from "../shared/page";
import { fieldText } from "../shared/problems";
import { Token } from "../shared/token";
import { calls } from "./calls";
import { Frame } from "./frame";
import { useOffice, useWork } from "./office";
import { canUsePasskeys, makePasskey, signWithPasskey } from "./passkeys";
import type { Method, PasskeyRequest, Setup } from "./types";

/** What the password led to: give a factor, or set one up. */
interface Ask { challenge: string; methods: Method[]; enrol: boolean; passkey: PasskeyRequest | null }

function askOf(err: unknown): Ask | undefined {
  if (!(err instanceof Problem) || err.code !== "second_factor_required") return undefined;
  const m = err.members as { challenge: string; methods?: Method[]; enrol?: boolean; passkey?: PasskeyRequest | null };
  return { challenge: m.challenge, methods: m.methods ?? [], enrol: m.enrol ?? false, passkey: m.passkey ?? null };
}

// What a browser says when a passkey was not given is no problem of the server.
const isRefusal = (err: unknown) => err instanceof DOMException || (err instanceof Error && err.message === "no passkey");

export function Sign() {
  const { operator, ended, enter } = useOffice();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [ask, setAsk] = useState<Ask>();
  const [missing, setMissing] = useState<Record<string, string>>({});
  const work = useWork();
  if (ask) {
    return (
      <Frame>
        <main id="main" tabIndex={-1} class="door">
          <Token size="l" />
          {ask.enrol ? <SetUp challenge={ask.challenge} onDone={enter} onBack={() => setAsk(undefined)} /> : <Second ask={ask} onDone={enter} onBack={() => setAsk(undefined)} />}
        </main>
      </Frame>
    );
  }
  const submit = () => {
    const bad: Record<string, string> = {};
    if (!email.trim()) bad.email = fieldText("required", "");
    if (!password) bad.password = fieldText("required", "");
    setMissing(bad);
    const first = Object.keys(bad)[0];
    if (first) {
      document.getElementById(fieldId(first))?.focus();
      return;
    }
    work.run(async () => {
      try {
        await calls.signIn(email.trim(), password);
      } catch (err) {
        const next = askOf(err);
        if (!next) throw err;
        setPassword("");
        setAsk(next);
        return;
      }
      await enter();
    });
  };
  return (
    <Frame>
      <main id="main" tabIndex={-1} class="door">
        <Token size="l" />
        <Heading screen="review-signin">{t("review.signin.title")}</Heading>
        <p class="lead">{ended ? t("review.signin.ended") : t("review.signin.lead", { operator: operator.name })}</p>
        <form class="form" noValidate onSubmit={(e) => { e.preventDefault(); if (!work.busy) submit(); }}>
          <Field name="email" label={t("signin.email")} error={missing.email}>
            {(p) => <input {...p} data-test="signin-email" type="email" autocomplete="username" autocapitalize="off" spellcheck={false} maxLength={254} value={email} onInput={(e) => setEmail(e.currentTarget.value)} />}
          </Field>
          <Field name="password" label={t("signin.password")} error={missing.password}>
            {(p) => <input {...p} data-test="signin-password" type="password" autocomplete="current-password" maxLength={256} value={password} onInput={(e) => setPassword(e.currentTarget.value)} />}
          </Field>
          <Button kind="primary" type="submit" wide busy={work.busy} test="signin-submit">{t("continue")}</Button>
          <div class="message-space">{work.text ? <Callout tone="bad" alert test="signin-error"><p>{work.text}</p></Callout> : null}</div>
        </form>
      </main>
    </Frame>
  );
}

function CodeField({ value, onChange, error }: { value: string; onChange: (v: string) => void; error?: string }) {
  return (
    <Field name="code" label={t("review.code")} help={t("review.code.help")} error={error}>
      {(p) => (
        <input {...p} class="mono code-input" data-test="factor-code" type="text" inputMode="numeric" autocomplete="one-time-code" maxLength={10} value={value}
          onInput={(e) => {
            const digits = e.currentTarget.value.normalize("NFKC").replace(/\D/g, "").slice(0, 6);
            e.currentTarget.value = digits;
            onChange(digits);
          }} />
      )}
    </Field>
  );
}

function Second({ ask, onDone, onBack }: { ask: Ask; onDone: () => Promise<void>; onBack: () => void }) {
  const [code, setCode] = useState("");
  const work = useWork();
  const passkey = ask.passkey && canUsePasskeys() ? ask.passkey : null;
  const text = isRefusal(work.error) ? t("review.passkey.refused") : work.text;
  return (
    <>
      <Heading screen="review-factor">{t("review.factor.title")}</Heading>
      {ask.methods.includes("totp") ? (
        <form class="form" noValidate onSubmit={(e) => {
          e.preventDefault();
          if (!work.busy) work.run(async () => { await calls.second(ask.challenge, { code }); await onDone(); });
        }}>
          <CodeField value={code} onChange={setCode} />
          <Button kind="primary" type="submit" wide busy={work.busy} test="factor-submit">{t("continue")}</Button>
        </form>
      ) : null}
      {passkey ? (
        <Button kind={ask.methods.includes("totp") ? "plain" : "primary"} wide busy={work.busy} test="factor-passkey"
          onClick={() => work.run(async () => { await calls.second(ask.challenge, { passkey: await signWithPasskey(passkey) }); await onDone(); })}>
          {t("review.passkey.use")}
        </Button>
      ) : null}
      <div class="message-space">{text ? <Callout tone="bad" alert test="factor-error"><p>{text}</p></Callout> : null}</div>
      <Button kind="quiet" test="factor-back" onClick={onBack}>{t("review.signin.again")}</Button>
    </>
  );
}

/** Sets a second factor up: within a sign-in (with its challenge), or later for who is signed in. */
export function SetUp({ challenge, onDone, onBack }: { challenge?: string; onDone: () => Promise<void>; onBack: () => void }) {
  const [setup, setSetup] = useState<Setup>();
  const [code, setCode] = useState("");
  const work = useWork();
  const text = isRefusal(work.error) ? t("review.passkey.refused") : work.text;
  const totp = setup?.totp;
  return (
    <>
      <Heading screen={totp ? "review-totp" : "review-setup"}>{t(totp ? "review.totp.title" : "review.setup.title")}</Heading>
      {totp ? (
        <form class="form" noValidate onSubmit={(e) => {
          e.preventDefault();
          if (!work.busy) work.run(async () => { await calls.second(setup.challenge, { code }); await onDone(); });
        }}>
          <p class="lead">{t("review.totp.how")}</p>
          <div class="totp-tile"><img src={`data:image/png;base64,${totp.qr_png}`} alt={t("review.totp.qr")} data-test="totp-qr" /></div>
          <p class="small">{t("review.totp.text")} <span class="mono totp-secret" data-test="totp-secret">{totp.secret.replace(/(.{4})(?=.)/g, "$1 ")}</span></p>
          <CodeField value={code} onChange={setCode} />
          <Button kind="primary" type="submit" wide busy={work.busy} test="factor-submit">{t("review.totp.done")}</Button>
        </form>
      ) : (
        <>
          <p class="lead">{t("review.setup.lead")}</p>
          <div class="choices">
            <Button kind="primary" wide busy={work.busy} test="setup-totp" onClick={() => work.run(async () => setSetup(await calls.enrol("totp", challenge)))}>{t("review.setup.totp")}</Button>
            {canUsePasskeys() ? (
              <Button wide busy={work.busy} test="setup-passkey" onClick={() => work.run(async () => {
                const made = await calls.enrol("passkey", challenge);
                if (!made.passkey) return;
                await calls.second(made.challenge, { passkey: await makePasskey(made.passkey) });
                await onDone();
              })}>{t("review.setup.passkey")}</Button>
            ) : null}
          </div>
        </>
      )}
      <div class="message-space">{text ? <Callout tone="bad" alert test="factor-error"><p>{text}</p></Callout> : null}</div>
      <Button kind="quiet" test="factor-back" onClick={totp ? () => { setSetup(undefined); setCode(""); work.clear(); } : onBack}>{t("back")}</Button>
    </>
  );
}
