// Asking for a code, with everything that may stand in the way of it.
import { useEffect, useState } from "preact/hooks";
import { api, Problem } from "../shared/api";
import { Button, Callout, Dialog, Field } from "../shared/components";
import { t, tn } from "../shared/i18n";
import { fieldText } from "../shared/problems";
import { go } from "../shared/router";
import type { Case, Handoff } from "../shared/types";
import { useAction } from "./action";
import { useCase } from "./desk";
import { isTodo, stepsOf } from "./words";

/** Ends of a handoff; nothing can happen in it any more. */
export function ended(h: Handoff): boolean {
  return h.state !== "offered" && h.state !== "claimed" && h.state !== "active";
}

/** The handoff that is going on, if one is. */
export function liveHandoff(c: Case): Handoff | undefined {
  return c.handoff && !ended(c.handoff) ? c.handoff : undefined;
}

/**
 * The button that asks for a code for what is left of a level, and goes to it. It asks first where a phone would
 * be stopped by that, and for the password where a phone was reported.
 */
export function OfferButton({ level, words, test, kind = "primary", provider }: {
  level: number; words: string; test: string; kind?: "primary" | "plain" | "quiet"; provider?: "alipay";
}) {
  const { case: c, tookHandoff } = useCase();
  const offer = useAction();
  const [replacing, setReplacing] = useState(false);
  const reported = c.handoff?.state === "reported";
  const [needsPassword, setNeedsPassword] = useState(reported);
  useEffect(() => {
    if (reported) setNeedsPassword(true);
  }, [reported]);
  const [password, setPassword] = useState("");
  const [wrong, setWrong] = useState("");

  const ask = (replace: boolean) => offer.run(async () => {
    try {
      setWrong("");
      if (needsPassword) {
        if (!password) {
          setWrong(fieldText("required", ""));
          return;
        }
        await api.confirm(password);
        setNeedsPassword(false);
        setPassword("");
      }
      const steps = stepsOf(c, level).filter((s) => isTodo(s) && s.channels.includes("phone") && (!provider || s.providers?.includes(provider))).map((s) => s.id);
      const h = await api.offer(c.id, steps, replace, provider);
      tookHandoff(h);
      setReplacing(false);
      go(`/identity/${level}/phone`);
    } catch (err) {
      const code = err instanceof Problem ? err.code : "";
      if (code === "handoff_active") setReplacing(true);
      else if (code === "password_confirmation_required") setNeedsPassword(true);
      else if (code === "credentials_wrong") setWrong(t("confirm.wrong"));
      else throw err;
    }
  });

  const paused = offer.error instanceof Problem && offer.error.code === "handoff_paused" ? offer.error : undefined;
  const text = paused ? tn("locked", Math.max(1, Math.ceil(paused.retryAfter / 60))) : offer.text;
  return (
    <div class="offer">
      <form class="form" noValidate onSubmit={(e) => { e.preventDefault(); if (!offer.busy) ask(false); }}>
        {needsPassword ? (
          <Field name="confirm.password" label={t("confirm.label")} help={t("confirm.help")} error={wrong}>
            {(p) => <input {...p} data-test="confirm-password" type="password" autocomplete="current-password" maxLength={256} value={password} onInput={(e) => { setPassword(e.currentTarget.value); setWrong(""); }} />}
          </Field>
        ) : null}
        <Button kind={kind} type="submit" icon="phone" busy={offer.busy} test={test}>{words}</Button>
      </form>
      {text ? <Callout tone={paused ? "warn" : "bad"} alert test="offer-error"><p>{text}</p></Callout> : null}
      {replacing ? (
        <Dialog title={t("replace.title")} test="replace-dialog" onClose={() => setReplacing(false)}>
          <p>{t("replace.then")}</p>
          <div class="actions">
            <Button onClick={() => setReplacing(false)}>{t("cancel")}</Button>
            <Button kind="danger" test="replace-yes" busy={offer.busy} onClick={() => ask(true)}>{t("replace.yes")}</Button>
          </div>
        </Dialog>
      ) : null}
    </div>
  );
}

/** Takes the work back from the phone, after asking. */
export function TakeBack({ handoff, test = "takeback" }: { handoff: Handoff; test?: string }) {
  const { tookHandoff } = useCase();
  const [asking, ask] = useState(false);
  const stop = useAction();
  return (
    <>
      <Button kind="quiet" icon="computer" test={test} onClick={() => ask(true)}>{t("takeback")}</Button>
      {asking ? (
        <Dialog title={t("takeback")} test="takeback-dialog" onClose={() => ask(false)}>
          <p>{t("takeback.then")}</p>
          {stop.text ? <p class="hint error" role="alert">{stop.text}</p> : null}
          <div class="actions">
            <Button onClick={() => ask(false)}>{t("cancel")}</Button>
            <Button kind="primary" test="takeback-yes" busy={stop.busy} onClick={() => stop.run(async () => {
              tookHandoff(await api.cancelHandoff(handoff.id));
              ask(false);
            })}>{t("takeback")}</Button>
          </div>
        </Dialog>
      ) : null}
    </>
  );
}
