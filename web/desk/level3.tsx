// Level 3: what the recordings ask for and what will be read, before anybody reaches for a phone.
import { useEffect, useState } from "preact/hooks";
import { api } from "../shared/api";
import { Button, Callout } from "../shared/components";
import { estimate } from "../shared/estimate";
import { Icon, type IconName } from "../shared/icons";
import { language, megabytes, typeset, t, tn, useLanguage } from "../shared/i18n";
import { Heading } from "../shared/page";
import { problemText } from "../shared/problems";
import { go } from "../shared/router";
import type { Level, ScriptPreview, Step } from "../shared/types";
import { useCase } from "./desk";
import { Verify } from "./frame";
import { SubmitLevel } from "./level2";
import { liveHandoff, OfferButton } from "./offer";
import { isTodo, levelTitle, reasonsText, stepsOf, stepWord } from "./words";

/** Where one prepares. */
export function Level3({ level }: { level: Level }) {
  const { case: c } = useCase();
  const steps = stepsOf(c, level.level);
  const todo = steps.filter(isTodo);
  const { minutes, bytes } = estimate(todo);
  const going = liveHandoff(c);
  const needs: [IconName, string][] = [
    ["id-front", t("level3.need.id")],
    ["sound", t("level3.need.quiet")],
    ["eye", t("level3.need.light")],
    ["wifi", t("level3.need.wifi", { mb: megabytes(bytes, true) })],
    ["clock", t("level3.need.time", { min: minutes })],
  ];
  return (
    <Verify level={level.level}>
      <Heading screen="level3" title={levelTitle(c, level.level)}>{levelTitle(c, level.level)}</Heading>
      <p class="lead">{level.state === "resubmit" ? tn("resubmit", todo.length) : todo.length === 0 ? t("level3.ready") : t("level3.lead")}</p>
      <ul class="step-list">
        {steps.map((s) => (
          <li key={s.id} data-test={`step-${s.id}`} data-state={s.state}>
            <Icon name="clip" />
            <div>
              <p class="step-name">{stepWord(s)}</p>
              {reasonsText(s.reasons, c.steps).map((r) => <p key={r.what} class="small"><strong>{r.what}</strong> {r.how}</p>)}
            </div>
            <span class="soft">{t(`step.state.${s.state}`)}</span>
          </li>
        ))}
      </ul>
      {todo.length > 0 ? (
        <section class="part">
          <h2>{t("level3.needs")}</h2>
          <ul class="needs">{needs.map(([icon, text]) => <li key={icon}><Icon name={icon} small /><span>{text}</span></li>)}</ul>
        </section>
      ) : null}
      {going ? (
        <div class="choices">
          <Callout tone="plain" icon="phone"><p>{t(going.state === "active" ? "level2.phone_works" : "level2.code_shown")}</p></Callout>
          <div class="actions"><Button kind="primary" icon="phone" test="level3-phone" onClick={() => go(`/identity/${level.level}/phone`)}>{t(going.state === "active" ? "level2.follow" : "level2.to_code")}</Button></div>
          {todo.length > 0 ? <OfferButton level={level.level} words={t("handoff.new")} test="level3-new" kind="quiet" /> : null}
        </div>
      ) : todo.length === 0 ? (
        <SubmitLevel level={level.level} />
      ) : (
        <div class="choices">
          <OfferButton level={level.level} words={t("level2.phone")} test="level3-phone" />
          <p><Button kind="quiet" test="level3-later" onClick={() => go("/identity")}>{t("level3.later")}</Button></p>
        </div>
      )}
      {todo.map((s) => <Words key={s.id} step={s} />)}
    </Verify>
  );
}

/** Everything that one recording asks for, in full. */
function Words({ step }: { step: Step }) {
  const { case: c } = useCase();
  const lang = useLanguage();
  const [script, setScript] = useState<ScriptPreview>();
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    const stop = new AbortController();
    setError(undefined);
    api.script(c.id, step.id, language(), stop.signal).then(setScript, (err) => stop.signal.aborted || setError(err));
    return () => stop.abort();
  }, [c.id, step.id, lang]);
  return (
    <section class="part words" data-test={`words-${step.id}`} data-ready={script !== undefined}>
      <h2>{t(`level3.words.${step.id === "clip_document" ? "document" : "statement"}`)}</h2>
      {error !== undefined ? <p class="hint error" role="alert">{problemText(error)}</p> : null}
      <ol class="numbered">
        {script?.prompts.map((p) => <li key={p.id} lang={p.lang}><span class={p.kind === "read" ? "read" : "soft"}>{p.kind === "read" ? t("level3.quoted", { text: typeset(p.text.replace("….", "…"), p.lang) }) : typeset(p.text, p.lang)}</span></li>)}
      </ol>
      {step.id === "clip_statement" ? <p class="soft small">{t("level3.words.number")}</p> : null}
    </section>
  );
}
