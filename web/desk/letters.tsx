// What the links of mails lead to, and what asks for such a mail. A link's token stands behind the # and reaches no server by
// itself: only a press sends it, so that programs that open links on somebody's behalf change nothing.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { api, Problem } from "../shared/api";
import { Button, Callout, Field, fieldId } from "../shared/components";
import { t } from "../shared/i18n";
import { Heading } from "../shared/page";
import { fieldText } from "../shared/problems";
import { go } from "../shared/router";
import { Token } from "../shared/token";
import { useAction, type Action } from "./action";
import { useDesk } from "./desk";
import { Frame, To } from "./frame";
import { MIN_PASSWORD, Secret, useEmail } from "./sign";
import { maskEmail } from "./words";

function Door({ name, title, lead, children }: { name: string; title: string; lead: string; children: ComponentChildren }) {
  return (
    <Frame>
      <main id="main" tabIndex={-1} class="door">
        <Token size="l" />
        <Heading screen={name} title={title}>{title}</Heading>
        <p class="lead">{lead}</p>
        {children}
      </main>
    </Frame>
  );
}

function Trouble({ of, test }: { of: Action; test: string }) {
  const fields = of.error instanceof Problem && of.error.errors.length > 0;
  return <div class="message-space">{of.text && !fields ? <Callout tone="bad" alert test={test}><p>{of.text}</p></Callout> : null}</div>;
}

/** Asks for a link to set a new password. What it says is the same for every address. */
export function Forgot() {
  const { operator } = useDesk();
  const [email, setEmail] = useEmail();
  const [missing, setMissing] = useState("");
  const [sent, setSent] = useState("");
  const send = useAction();
  if (sent) {
    return (
      <Door name="forgot-sent" title={t("forgot.sent")} lead={t("forgot.sent.text", { email: sent })}>
        <p>{t("forgot.sent.nothing")}</p>
        <div class="actions">
          <Button kind="plain" test="forgot-again" onClick={() => setSent("")}>{t("forgot.again")}</Button>
          <To place="/signin" test="to-signin">{t("signin.title")}</To>
        </div>
      </Door>
    );
  }
  const submit = () => {
    const bad = /^\S+@\S+\.\S+$/.test(email.trim()) ? "" : fieldText(email.trim() ? "email_invalid" : "required", "");
    setMissing(bad);
    if (bad) return document.getElementById(fieldId("email"))?.focus();
    send.run(async () => {
      await api.forgotPassword(email.trim());
      setSent(email.trim());
    });
  };
  return (
    <Door name="forgot" title={t("forgot.title")} lead={t("forgot.lead", { operator: operator.name })}>
      <form class="form" noValidate onSubmit={(e) => { e.preventDefault(); if (!send.busy) submit(); }}>
        <Field name="email" label={t("signin.email")} error={missing}>
          {(p) => (
            <input {...p} data-test="forgot-email" type="email" name="email" autocomplete="username" autocapitalize="off" spellcheck={false} maxLength={254} value={email}
              onInput={(e) => { setEmail(e.currentTarget.value); setMissing(""); send.clear(); }} />
          )}
        </Field>
        <Button kind="primary" type="submit" wide busy={send.busy} test="forgot-submit">{t("forgot.send")}</Button>
        <Trouble of={send} test="forgot-error" />
      </form>
      <p class="door-other"><To place="/signin" test="to-signin">{t("forgot.back")}</To></p>
    </Door>
  );
}

/** Sets a new password by the token of a link. */
export function Reset({ token }: { token: string }) {
  const { signedOut } = useDesk();
  const [password, setPassword] = useState("");
  const [missing, setMissing] = useState("");
  const send = useAction();
  const error = send.error instanceof Problem ? send.error.errors.find((e) => e.field === "password") : undefined;
  if (send.error instanceof Problem && send.error.code === "link_over") return <Over of="reset" />;
  const submit = () => {
    const bad = !password ? fieldText("required", "") : [...password].length < MIN_PASSWORD ? fieldText("password_too_short", "") : "";
    setMissing(bad);
    if (bad) return document.getElementById(fieldId("password"))?.focus();
    send.run(async () => {
      await api.resetPassword(token, password);
      signedOut();
      go("/signin/changed", true);
    });
  };
  return (
    <Door name="reset" title={t("reset.title")} lead={t("reset.lead")}>
      <form class="form" noValidate onSubmit={(e) => { e.preventDefault(); if (!send.busy) submit(); }}>
        <Secret name="reset" value={password} fresh error={missing || (error ? fieldText(error.code, error.detail) : "")}
          onInput={(v) => { setPassword(v); setMissing(""); send.clear(); }} />
        <Button kind="primary" type="submit" wide busy={send.busy} test="reset-submit">{t("reset.do")}</Button>
        <Trouble of={send} test="reset-error" />
      </form>
    </Door>
  );
}

/** Confirms an address by the token of a link. */
export function Confirm({ token }: { token: string }) {
  const { me, refreshMe } = useDesk();
  const [done, setDone] = useState(false);
  const send = useAction();
  if (send.error instanceof Problem && send.error.code === "link_over") return <Over of="confirm" />;
  if (done) {
    return (
      <Door name="confirmed" title={t("confirm.done")} lead={t("confirm.done.text")}>
        <div class="actions"><Button kind="primary" wide test="confirm-on" onClick={() => go(me ? "/identity" : "/signin", true)}>{t(me ? "confirm.on" : "signin.title")}</Button></div>
      </Door>
    );
  }
  return (
    <Door name="confirm" title={t("confirm.title")} lead={t("confirm.lead")}>
      <Button kind="primary" wide busy={send.busy} test="confirm-submit" onClick={() => send.run(async () => {
        await api.confirmEmail(token);
        await refreshMe().catch(() => undefined);
        setDone(true);
      })}>{t("confirm.do")}</Button>
      <Trouble of={send} test="confirm-error" />
    </Door>
  );
}

// Where a link that holds no more leads to: a new one of its kind.
function Over({ of }: { of: "confirm" | "reset" }) {
  const { me } = useDesk();
  const [place, words] = of === "reset" ? ["/forgot", t("link.over.new")] : me ? ["/", t("confirm.on")] : ["/signin", t("signin.title")];
  return (
    <Door name="link-over" title={t("link.over")} lead={t(of === "reset" ? "link.over.reset" : "link.over.confirm")}>
      <div class="actions"><Button kind="primary" wide test="link-over-on" onClick={() => go(place, true)}>{words}</Button></div>
    </Door>
  );
}

/** Asks somebody who is signed in to confirm their address, until they have. */
export function ConfirmNotice() {
  const { me, operator, refreshMe } = useDesk();
  const [sent, setSent] = useState(false);
  const send = useAction();
  const told = useRef<HTMLParagraphElement>(null);
  // It stands where the button was, which had the focus.
  useEffect(() => void (sent && told.current?.focus()), [sent]);
  const waits = operator.mail && me !== null && !me.account.email_confirmed;
  // They come back from their mail, where they may have confirmed it.
  useEffect(() => {
    if (!waits) return;
    const back = () => void (document.visibilityState === "visible" && refreshMe().catch(() => undefined));
    document.addEventListener("visibilitychange", back);
    return () => document.removeEventListener("visibilitychange", back);
  }, [waits, refreshMe]);
  if (!waits) return null;
  return (
    <Callout icon="mail" test="confirm-notice">
      <p>{t("confirm.notice", { email: maskEmail(me.account.email) })}</p>
      {sent ? <p ref={told} tabIndex={-1} class="callout-said" data-test="confirm-sent">{t("confirm.sent")}</p>
        : <Button kind="quiet" busy={send.busy} test="confirm-again" onClick={() => send.run(async () => { await api.askConfirmation(); setSent(true); })}>{t("confirm.again")}</Button>}
      {send.text ? <p role="alert" class="error-line">{send.text}</p> : null}
    </Callout>
  );
}
