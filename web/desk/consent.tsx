// What one agrees to before anything is stored, in the words of the operator's policy.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { api, Problem } from "../shared/api";
import { announce, Button, Callout, Skeleton } from "../shared/components";
import { language, t, useLanguage } from "../shared/i18n";
import { Heading } from "../shared/page";
import { go } from "../shared/router";
import type { Case, Consent, ConsentId } from "../shared/types";
import { useAction } from "./action";
import { useCase } from "./desk";
import { Verify } from "./frame";

// What a level rests on. A face is consented to where it is taken, on the phone.
const restsOn: Record<number, ConsentId> = { 1: "identity", 2: "documents", 3: "recording" };

/** Whether a level waits for the applicant's agreement. */
export function consentMissing(c: Case, level: number): boolean {
  return c.consents.some((x) => x.id === restsOn[level] && x.state !== "given");
}

/** What is asked on the page of a level: what it rests on, and at Level 1 whatever else is not asked apart. */
export function askedAt(all: readonly Consent[], level: number): Consent[] {
  return all.filter((x) => x.state !== "given" && (x.id === restsOn[level] || (level === 1 && !x.apart)));
}

/** The page of a level, once what it rests on is agreed to; the question before. */
export function WithConsent({ level, children }: { level: number; children: ComponentChildren }) {
  const { case: c } = useCase();
  return consentMissing(c, level) ? <ConsentPage level={level} /> : <>{children}</>;
}

function ConsentPage({ level }: { level: number }) {
  useLanguage();
  const { case: c, refresh, failed } = useCase();
  const [all, setAll] = useState<Consent[]>();
  const [closed, setClosed] = useState(false);
  const [error, setError] = useState(false);
  const answer = useAction();
  const load = () => {
    setError(false);
    return api.consents(c.id).then((r) => setAll(r.consents), (err) => {
      failed(err);
      setError(true);
    });
  };
  useEffect(() => void load(), [c.id]);
  const asked = askedAt(all ?? [], level);
  const declined = !closed && asked.some((x) => x.id === restsOn[level] && (x.state === "declined" || x.state === "withdrawn"));

  const say = (given: boolean) => answer.run(async () => {
    try {
      // What the level rests on comes last: with it the page goes on.
      for (const x of [...asked].sort((a, b) => Number(a.id === restsOn[level]) - Number(b.id === restsOn[level]))) {
        await api.answerConsent(c.id, x, given, language());
      }
    } catch (err) {
      if (err instanceof Problem && err.code === "consent_changed") await load();
      throw err;
    }
    if (!given) {
      await load();
      setClosed(false);
      announce(t("consent.declined.title"));
    }
    await refresh();
  });

  return (
    <Verify level={level}>
      <Heading screen={declined ? "consent-declined" : "consent"} title={t(declined ? "consent.declined.title" : "consent.title")}>{t(declined ? "consent.declined.title" : "consent.title")}</Heading>
      {all === undefined && !error ? <Skeleton lines={6} /> : null}
      {error ? <Callout tone="bad" alert><p>{t("problem.no_answer")}</p></Callout> : null}
      {error ? <div class="actions"><Button kind="primary" onClick={load}>{t("wait.reload")}</Button></div> : null}
      {asked.length > 0 && declined ? (
        <>
          {asked.map((x) => <p key={x.id}>{x.texts[language()].declined}</p>)}
          <div class="actions">
            <Button kind="primary" test="consent-again" onClick={() => setClosed(true)}>{t("consent.again")}</Button>
            <Button kind="quiet" test="consent-leave" onClick={() => go("/identity")}>{t("overview.title")}</Button>
          </div>
        </>
      ) : asked.length > 0 ? (
        <>
          <p class="lead">{t("consent.lead")}</p>
          {asked.map((x) => <ConsentWords key={x.id} consent={x} />)}
          <div class="actions equal">
            <Button kind="primary" test="consent-agree" busy={answer.busy} onClick={() => say(true)}>{t("consent.agree")}</Button>
            <Button test="consent-decline" disabled={answer.busy} onClick={() => say(false)}>{t("consent.decline")}</Button>
          </div>
          {answer.text ? <Callout tone="bad" alert test="consent-error"><p>{answer.text}</p></Callout> : null}
        </>
      ) : null}
    </Verify>
  );
}

/** What is taken, why, for how long, and who sees it. */
export function ConsentWords({ consent }: { consent: Consent }) {
  const words = consent.texts[language()];
  return (
    <section class="part" data-test={`consent-${consent.id}`} data-state={consent.state}>
      <h2>{words.title}</h2>
      <dl class="summary">
        {(["what", "why", "keep", "who"] as const).map((k) => <div key={k}><dt>{t(`consent.${k}`)}</dt><dd>{words[k]}</dd></div>)}
      </dl>
    </section>
  );
}
