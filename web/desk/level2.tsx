// Level 2: how to take the photos, and taking them at this computer.
import { api, Problem } from "../shared/api";
import { Button, Callout } from "../shared/components";
import { estimate } from "../shared/estimate";
import { Icon, stepIcon } from "../shared/icons";
import { megabytes, t, tn } from "../shared/i18n";
import { Heading } from "../shared/page";
import { go } from "../shared/router";
import type { Level, Step } from "../shared/types";
import { useAction } from "./action";
import { useCase } from "./desk";
import { Verify } from "./frame";
import { liveHandoff, OfferButton } from "./offer";
import { isTodo, levelTitle, onPhone, reasonsText, stepsOf, stepWord } from "./words";

/** Where one chooses how to go on. */
export function Level2({ level }: { level: Level }) {
  const { case: c } = useCase();
  const steps = stepsOf(c, level.level);
  const todo = steps.filter(isTodo);
  const { minutes, bytes } = estimate(todo);
  const phone = onPhone(navigator.userAgent);
  const going = liveHandoff(c);
  const again = level.state === "resubmit";
  return (
    <Verify level={level.level}>
      <Heading screen="level2" title={levelTitle(c, level.level)}>{levelTitle(c, level.level)}</Heading>
      <p class="lead">
        {again ? tn("resubmit", todo.length) : todo.length === 0 ? t("level2.ready") : t("level2.lead", { min: minutes, mb: megabytes(bytes, true) })}
      </p>
      <ul class="step-list">
        {steps.map((s) => (
          <li key={s.id} data-test={`step-${s.id}`} data-state={s.state}>
            <Icon name={stepIcon(s)} />
            <div>
              <p class="step-name">{stepWord(s)}</p>
              {reasonsText(s.reasons, c.steps).map((r) => <p key={r.what} class="small"><strong>{r.what}</strong> {r.how}</p>)}
            </div>
            <span class="soft">{t(`step.state.${s.state}`)}</span>
          </li>
        ))}
      </ul>
      {going ? (
        <div class="choices">
          <Callout tone="plain" icon="phone"><p>{t(going.state === "active" ? "level2.phone_works" : "level2.code_shown")}</p></Callout>
          <div class="actions"><Button kind="primary" icon="phone" test="level2-phone" onClick={() => go(`/identity/${level.level}/phone`)}>{t(going.state === "active" ? "level2.follow" : "level2.to_code")}</Button></div>
          {todo.length > 0 ? <OfferButton level={level.level} words={t("handoff.new")} test="level2-new" kind="quiet" /> : null}
        </div>
      ) : todo.length === 0 ? (
        <SubmitLevel level={level.level} />
      ) : phone ? (
        <div class="choices">
          <div class="actions"><Button kind="primary" icon="phone" test="level2-desk" onClick={() => go(`/identity/${level.level}/photos`)}>{t("level2.this_phone")}</Button></div>
        </div>
      ) : (
        <div class="choices">
          <OfferButton level={level.level} words={t("level2.phone")} test="level2-phone" />
          {byAlipay(todo) ? <OfferButton level={level.level} words={t("level2.alipay")} test="level2-alipay" kind="plain" provider="alipay" /> : null}
          <p><Button kind="quiet" icon="computer" test="level2-desk" onClick={() => go(`/identity/${level.level}/photos`)}>{t("level2.desk")}</Button></p>
        </div>
      )}
    </Verify>
  );
}

/** Whether Alipay could do what is left: the face, once the portrait is there. */
function byAlipay(todo: Step[]): boolean {
  return todo.some((s) => s.providers?.includes("alipay")) && !todo.some((s) => s.kind === "photo");
}

/** Hands the level in, once every step is kept. */
export function SubmitLevel({ level }: { level: number }) {
  const { case: c, took, refresh } = useCase();
  const send = useAction();
  return (
    <div class="choices">
      <div class="actions">
        <Button kind="primary" test={`level${level}-send`} busy={send.busy} onClick={() => send.run(async () => {
          try {
            took(await api.submitLevel(c.id, level, c.version));
          } catch (err) {
            if (!(err instanceof Problem) || err.code !== "version_stale") throw err;
            const fresh = await refresh();
            if (fresh) took(await api.submitLevel(c.id, level, fresh.version));
          }
          go(`/identity/${level}`, true);
        })}>{t("form.send")}</Button>
      </div>
      {send.text ? <Callout tone="bad" alert><p>{send.text}</p></Callout> : null}
    </div>
  );
}
