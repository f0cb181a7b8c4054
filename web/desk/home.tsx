// Home: where an account lands, and the overview of the levels.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Button, Callout, Skeleton } from "../shared/components";
import { Choices } from "../shared/fields";
import { megabytes, t } from "../shared/i18n";
import { estimate } from "../shared/estimate";
import { Heading } from "../shared/page";
import { go } from "../shared/router";
import { Token } from "../shared/token";
import type { Case, Level, Operator } from "../shared/types";
import { useAction } from "./action";
import { useDesk } from "./desk";
import { Frame, To, Verify } from "./frame";
import { ConfirmNotice } from "./letters";
import { keptText, levelAsks, levelTitle, levelWord, maskEmail, minutesOf, offered, stepsOf, tokenOf, unbegun, waitingText } from "./words";

export function Home() {
  const { me, case: c, operator } = useDesk();
  const level = c?.level ?? 0;
  const state = c ? levelToAct(c) ?? c.levels.filter((l) => l.state !== "locked").pop() : undefined;
  return (
    <Frame>
      <main id="main" tabIndex={-1} class="home">
        <Heading screen="home" title={t("home.title")}>{t("home.title")}</Heading>
        <p class="lead">{t("home.lead", { email: maskEmail(me?.account.email ?? ""), operator: operator.name })}</p>
        <To place="/identity" class="home-row" test="home-identity">
          <Token state={state ? tokenOf(state) : "locked"} size="l" />
          <span class="home-row-text">
            <strong>{t("menu.identity")}</strong>
            <span class="soft">{level > 0 ? t("level.reached", { n: level }) : t("level.none")}</span>
          </span>
          <span class="home-row-go">{t("home.open")}</span>
        </To>
        <ConfirmNotice />
      </main>
    </Frame>
  );
}

/** The level that waits for the applicant, if one does. */
export function levelToAct(c: Case): Level | undefined {
  return c.levels.find((l) => l.state === "resubmit") ?? c.levels.find((l) => l.state === "open" && offered(c, l.level));
}

function LevelAction({ level }: { level: Level }) {
  const name = t("level.name", { n: level.level });
  const words = level.state === "resubmit" ? t("resubmit.do") : level.level === 1 ? t("overview.start", { level: name }) : t("overview.go_on", { level: name });
  return <Button kind="primary" test={`level-${level.level}-go`} onClick={() => go(`/identity/${level.level}`)}>{words}</Button>;
}

function LevelRow({ c, level, action, operator }: { c: Case | null; level: Level; action?: ComponentChildren; operator: Operator }) {
  const here = c ? offered(c, level.level) : level.level < 3;
  const asks = c ? stepsOf(c, level.level) : [];
  const cost: string[] = [];
  if (here && (level.state === "open" || level.state === "locked" || level.state === "resubmit")) {
    cost.push(t("overview.minutes", { n: c ? minutesOf(c, level.level) : level.level === 1 ? 3 : 2 }));
    const { bytes } = estimate(asks);
    if (bytes > 0) cost.push(t("overview.size", { mb: megabytes(bytes, true) }));
  }
  const waits = level.state === "in_review" || level.state === "submitted" || level.state === "checking";
  return (
    <li class={here ? "level-row" : "level-row not-here"} data-test={`level-${level.level}`} data-state={level.state}>
      <Token state={tokenOf(level)} size="l" />
      <div class="level-row-body">
        <h2><span class="level-n">{t("level.name", { n: level.level })}</span> {levelTitle(c, level.level)}</h2>
        <p class="level-state">
          <strong>{here ? levelWord(level) : t("level.not_offered")}</strong>
          {cost.length ? <span class="soft"> · {cost.join(" · ")}</span> : null}
        </p>
        <p class="soft">{level.state === "in_review" ? waitingText(operator) : levelAsks(c, level.level)}</p>
        {action ? <div class="level-row-action">{action}</div> : null}
        {!action && waits ? <p><To place={`/identity/${level.level}`}>{t("overview.see")}</To></p> : null}
      </div>
    </li>
  );
}

/** Where one stands, and the one thing to do next. */
export function Overview() {
  const { case: c, operator, begin, me } = useDesk();
  const start = useAction();
  const [kind, setKind] = useState<Case["kind"]>("person");
  if (c === undefined) return <Loading level={0} />;
  const act = c && !c.restricted && !c.frozen ? levelToAct(c) : undefined;
  const staff = (me?.account.roles.length ?? 0) > 0;
  const questions = ["what", "why", "how", "who", "long"] as const;
  const total = c ? c.levels.filter((l) => offered(c, l.level)).reduce((n, l) => n + minutesOf(c, l.level), 0) : 5;
  return (
    <Verify level={0}>
      <Heading screen="overview" title={t("overview.title")}>{t("menu.identity")}</Heading>
      {c?.frozen ? null : <p class="lead">{c?.state === "approved" && !act ? t("overview.done") : t("prepare", { min: total })}</p>}
      {c?.restricted ? <Callout tone="plain"><p>{t("problem.case_restricted")} <To place="/data">{t("data.title")}</To></p></Callout> : null}
      {c && !c.frozen && !c.restricted ? <ConfirmNotice /> : null}
      {c?.frozen ? <Callout tone="warn" test="frozen"><p>{t("problem.case_frozen")}</p></Callout> : null}
      {staff ? <Callout tone="plain"><p>{t("problem.staff_has_no_case")}</p></Callout> : null}
      <ol class="level-rows">
        {(c?.levels ?? unbegun).map((l) => (
          <LevelRow key={l.level} c={c} level={l} operator={operator} action={
            act?.level === l.level ? <LevelAction level={l} />
            : c === null && l.level === 1 && !staff ? (
              <div class="begin">
                <Choices name="kind" label={t("company.choice")} help={t("company.choice_help")} value={kind} onChange={setKind}
                  options={(["person", "business"] as const).map((k) => ({ value: k, text: t(`company.choice.${k}`) }))} />
                <Button kind="primary" test="level-1-go" busy={start.busy} onClick={() => start.run(async () => { await begin(kind); go("/identity/1"); })}>
                  {t("overview.start", { level: t("level.name", { n: 1 }) })}
                </Button>
                {start.text ? <p class="hint error" role="alert">{start.text}</p> : null}
              </div>
            ) : undefined
          } />
        ))}
      </ol>
      {c === null || act ? (
        <section class="part">
          <h2>{t("need.title")}</h2>
          <ul class="dots">
            <li>{t("need.document")}</li>
            <li>{t("need.phone")}</li>
            <li>{t("need.light")}</li>
          </ul>
        </section>
      ) : null}
      <section class="part">
        <h2>{t("faq.title")}</h2>
        {questions.map((q) => (
          <details key={q} class="faq">
            <summary>{t(`faq.${q}.q`)}</summary>
            <p>{q === "why" ? t("why", { operator: operator.name }) : q === "long" ? keptText(operator) : t(`faq.${q}.a`, { operator: operator.name })}</p>
          </details>
        ))}
      </section>
    </Verify>
  );
}

/** The shape of a page while the case is read. */
export function Loading({ level }: { level: number }) {
  return (
    <Verify level={level}>
      <Heading screen="loading" title={t("menu.identity")}>{t("menu.identity")}</Heading>
      <Skeleton lines={5} slow={<><p>{t("wait.slow")}</p><Button onClick={() => location.reload()}>{t("wait.reload")}</Button></>} />
    </Verify>
  );
}
