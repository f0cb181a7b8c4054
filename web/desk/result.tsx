// What became of a level: being checked, with a person, approved, refused.
import { useEffect, useRef, useState } from "preact/hooks";
import { announce, Button, Callout, Dialog, Field } from "../shared/components";
import { t } from "../shared/i18n";
import { Heading } from "../shared/page";
import { go } from "../shared/router";
import { Token } from "../shared/token";
import type { Level } from "../shared/types";
import { api, call, newKey } from "../shared/api";
import type { Case } from "../shared/types";
import { useAction } from "./action";
import { useCase } from "./desk";
import { Verify } from "./frame";
import { levelToAct } from "./home";
import { levelWord, offered, reasonsText, tokenOf, waitingText } from "./words";

/** The outcome of a level that is not the applicant's to work on now. */
export function Outcome({ level }: { level: Level }) {
  const { case: c, operator } = useCase();
  const before = useRef(level.state);
  useEffect(() => {
    if (before.current !== level.state) announce(headline(level));
    before.current = level.state;
  }, [level.state]);
  const next = levelToAct(c);
  const reasons = reasonsText(level.reasons, c.steps);
  return (
    <Verify level={level.level}>
      <div class="outcome" data-test="outcome" data-state={level.state}>
        <Token state={tokenOf(level)} size="xl" />
        <Heading screen={`outcome-${level.level}-${level.state}`} title={headline(level)}>{headline(level)}</Heading>
        <p class="lead">{detail(level)}</p>
        {level.state === "in_review" && !level.needs_level ? <p>{waitingText(operator)}</p> : null}
        {level.state === "rejected" ? (
          <Callout tone="bad"><p>{reasons[0]?.what ?? t("reason.other.what")}</p>{operator.support ? <p>{t("rejected.write", { support: operator.support })}</p> : null}</Callout>
        ) : null}
        {level.may_object ? <Objection /> : null}
        <div class="actions">
          {next && next.level !== level.level ? (
            <Button kind="primary" test="next-level" onClick={() => go(`/identity/${next.level}`)}>{t("overview.go_on", { level: t("level.name", { n: next.level }) })}</Button>
          ) : null}
          <Button kind={next && next.level !== level.level ? "quiet" : "plain"} test="outcome-overview" onClick={() => go("/identity")}>{t("overview.title")}</Button>
        </div>
        {level.level === 1 && reopenable(c) ? <Reopen /> : null}
      </div>
    </Verify>
  );

  function headline(l: Level): string {
    switch (l.state) {
      case "approved": return t("approved", { n: l.level });
      case "submitted": case "checking": return t("outcome.checking");
      case "in_review": return t("outcome.review");
      case "rejected": return t("outcome.rejected");
      default: return levelWord(l);
    }
  }
  function detail(l: Level): string {
    switch (l.state) {
      case "approved": return l.level === c.levels.filter((x) => offered(c, x.level)).length ? t("outcome.approved.last") : t("outcome.approved.next", { n: l.level + 1 });
      case "submitted": case "checking": return t(l.level === 1 ? "outcome.checking.facts" : "outcome.checking.photos");
      case "in_review":
        if (l.needs_level) return t("outcome.review.needs", { n: l.needs_level });
        return next && next.level !== l.level ? t("outcome.review.next", { n: next.level }) : t("outcome.review.detail");
      case "locked": return t("level.after", { n: l.level - 1 });
      default: return "";
    }
  }
}

// One may ask once that somebody looks again.
function Objection() {
  const { case: c, took } = useCase();
  const [text, setText] = useState("");
  const send = useAction();
  return (
    <form class="form" noValidate data-test="objection" onSubmit={(e) => {
      e.preventDefault();
      if (!send.busy) send.run(async () => {
        took(await api.object(c.id, text));
        announce(t("object.sent"));
      });
    }}>
      <p>{t("object.then")}</p>
      <Field name="objection" label={t("object.label")}>
        {(p) => <textarea {...p} data-test="objection-text" rows={4} maxLength={2000} value={text} onInput={(e) => setText(e.currentTarget.value)} />}
      </Field>
      <div class="actions"><Button kind="primary" type="submit" busy={send.busy} test="objection-send">{t("object.ask")}</Button></div>
      {send.text ? <Callout tone="bad" alert><p>{send.text}</p></Callout> : null}
    </form>
  );
}

// Level 1 can be changed while nothing above it is decided.
function reopenable(c: Case): boolean {
  const [first, ...above] = c.levels;
  return first !== undefined && ["checking", "submitted", "in_review", "approved"].includes(first.state) && !above.some((l) => l.state === "approved" || l.state === "rejected");
}

function Reopen() {
  const { case: c, took } = useCase();
  const [asking, ask] = useState(false);
  const reopen = useAction();
  return (
    <p class="after">
      <Button kind="quiet" test="level1-reopen" onClick={() => ask(true)}>{t("reopen")}</Button>
      {asking ? (
        <Dialog title={t("reopen")} test="reopen-dialog" onClose={() => ask(false)}>
          <p>{t("reopen.then")}</p>
          {reopen.text ? <p class="hint error" role="alert">{reopen.text}</p> : null}
          <div class="actions">
            <Button onClick={() => ask(false)}>{t("cancel")}</Button>
            <Button kind="danger" busy={reopen.busy} test="level1-reopen-yes" onClick={() => reopen.run(async () => {
              took(await call<Case>("POST", `/v1/cases/${c.id}/levels/1/reopen`, { body: {}, ifMatch: c.version, idempotencyKey: newKey() }));
              ask(false);
              go("/identity/1");
            })}>{t("reopen.yes")}</Button>
          </div>
        </Dialog>
      ) : null}
    </p>
  );
}
