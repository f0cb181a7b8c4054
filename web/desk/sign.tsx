// The door: sign in and sign up.
import { useState } from "preact/hooks";
import { api, Problem } from "../shared/api";
import { Button, Callout, Field, fieldId } from "../shared/components";
import { t } from "../shared/i18n";
import { Heading } from "../shared/page";
import { fieldText } from "../shared/problems";
import { go } from "../shared/router";
import { Token } from "../shared/token";
import { useAction } from "./action";
import { useDesk } from "./desk";
import { Frame, To } from "./frame";

/** Of a new password, in characters. */
export const MIN_PASSWORD = 10;

// The address goes along from one door to the next, until somebody is in. It is never kept.
let typed = "";

/** The address of who is at the door, and how to change it. */
export function useEmail(): [string, (email: string) => void] {
  const [email, set] = useState(typed);
  return [email, (v) => { typed = v; set(v); }];
}

/** A field for a password, which can be shown; fresh where it is a new one. */
export function Secret({ name, value, fresh, error, onInput }: { name: string; value: string; fresh: boolean; error: string | undefined; onInput: (v: string) => void }) {
  const [shown, setShown] = useState(false);
  return (
    <>
      <Field name="password" label={t("signin.password")} help={fresh ? t("signup.password_help", { n: MIN_PASSWORD }) : undefined} error={error}>
        {(p) => (
          <input {...p} data-test={`${name}-password`} type={(shown ? "text" : "password") as "password"} name="password" autocomplete={fresh ? "new-password" : "current-password"} maxLength={256} value={value}
            onInput={(e) => onInput(e.currentTarget.value)} />
        )}
      </Field>
      <label class="choice small">
        <input type="checkbox" checked={shown} data-test={`${name}-show`} onChange={(e) => setShown(e.currentTarget.checked)} />
        <span>{t("signin.show")}</span>
      </label>
    </>
  );
}

/** Sign in, or sign up where `create`. Both have the same two fields and one way on. */
export function Sign({ create, changed }: { create: boolean; changed?: boolean }) {
  const { operator, signedIn, sessionEnded } = useDesk();
  const [email, setEmail] = useEmail();
  const [password, setPassword] = useState("");
  const [missing, setMissing] = useState<Record<string, string>>({});
  const send = useAction();
  const name = create ? "signup" : "signin";

  const problem = send.error instanceof Problem ? send.error : undefined;
  const taken = problem?.code === "account_exists";
  const fields: Record<string, string> = { ...missing };
  for (const e of problem?.errors ?? []) fields[e.field] = fieldText(e.code, e.detail);
  const general = send.text && !problem?.errors.length ? send.text : "";

  const submit = () => {
    const bad: Record<string, string> = {};
    if (!/^\S+@\S+\.\S+$/.test(email.trim())) bad.email = fieldText(email.trim() ? "email_invalid" : "required", "");
    if (!password) bad.password = fieldText("required", "");
    else if (create && [...password].length < MIN_PASSWORD) bad.password = fieldText("password_too_short", "");
    setMissing(bad);
    send.clear();
    const first = bad.email ? "email" : bad.password ? "password" : undefined;
    if (first) {
      document.getElementById(fieldId(first))?.focus();
      return;
    }
    send.run(async () => {
      if (create) await api.signUp(email.trim(), password);
      await api.signIn(email.trim(), password);
      await signedIn();
      typed = "";
      go("/", true);
    });
  };
  const fix = (field: string) => {
    if (missing[field]) setMissing((m) => ({ ...m, [field]: "" }));
    if (send.error !== undefined) send.clear();
  };

  return (
    <Frame>
      <main id="main" tabIndex={-1} class="door">
        <Token size="l" />
        <Heading screen={name} title={t(create ? "signup.title" : "signin.title")}>{t(create ? "signup.title" : "signin.title")}</Heading>
        {changed ? <Callout tone="ok" test="password-changed"><p>{t("reset.done")}</p></Callout> : <p class="lead">{sessionEnded && !create ? t("signin.ended") : t(create ? "signup.to" : "signin.to", { operator: operator.name })}</p>}
        <form class="form" noValidate onSubmit={(e) => { e.preventDefault(); if (!send.busy) submit(); }}>
          <Field name="email" label={t("signin.email")} error={fields.email}>
            {(p) => (
              <input {...p} data-test={`${name}-email`} type="email" name="email" autocomplete="username" autocapitalize="off" spellcheck={false} maxLength={254} value={email}
                onInput={(e) => { setEmail(e.currentTarget.value); fix("email"); }} />
            )}
          </Field>
          <Secret name={name} value={password} fresh={create} error={fields.password} onInput={(v) => { setPassword(v); fix("password"); }} />
          <Button kind="primary" type="submit" wide busy={send.busy} test={`${name}-submit`}>{t("continue")}</Button>
          <div class="message-space">
            {general ? <Callout tone={taken ? "warn" : "bad"} alert test={`${name}-error`}><p>{general}</p></Callout> : null}
          </div>
        </form>
        {operator.mail && !create ? <p class="door-other"><To place="/forgot" test="to-forgot">{t("forgot.link")}</To></p> : null}
        <p class="door-other">
          {t(create ? "signup.have" : "signin.new")} <To place={create ? "/signin" : "/signup"} test={create ? "to-signin" : "to-signup"}>{t(create ? "signin.title" : "signup.title")}</To>
        </p>
      </main>
    </Frame>
  );
}
