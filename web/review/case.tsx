// A case: its levels on the left, the evidence in the middle, the decision on the right.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { Problem } from "../shared/api";
import { announce, Button, Callout, Skeleton } from "../shared/components";
import { span, t } from "../shared/i18n";
import { Heading } from "../shared/page";
import { problemText } from "../shared/problems";
import { go } from "../shared/router";
import { Token, type TokenState } from "../shared/token";
import { calls } from "./calls";
import { Clips } from "./clips";
import { Decide } from "./decide";
import { AllChecks, Documents, Face, History, Identity } from "./evidence";
import { Frame, To } from "./frame";
import { useClock, useKeys, useOffice, useWork } from "./office";
import { FoundTag, NoteDialog } from "./parts";
import { afterPrompt, decidedMeanwhile, waits, type Missing, type PromptVerdict } from "./preview";
import { takenText, useNarrow } from "./queue";
import type { Chosen, Evidence, HistoryEvent, ReviewCase, ReviewLevel, Verdict } from "./types";
import { chosenWord, colon, comma, leaseWord, reasonWord, semicolon, short, stateWord, stepWord, verdictWord, when } from "./words";

type Tab = "identity" | "documents" | "face" | "clips" | "checks" | "history";

/** What the pages of a case share. */
export interface CaseDesk {
  c: ReviewCase;
  e: Evidence;
  reload: () => Promise<void>;
  /** A medium was shown. */
  saw: (mediaId: string) => void;
  /** A prompt of a recording was opened. */
  opened: (step: string, n: number) => void;
  openedPrompts: ReadonlySet<string>;
  /** How prompts were found, by "step:n". */
  found: Readonly<Record<string, PromptVerdict>>;
  setFound: (step: string, n: number, v: PromptVerdict | undefined) => void;
  chosen: readonly Chosen[];
  setChosen: (all: Chosen[]) => void;
  /** Values in full, for half a minute, by name. */
  shown: Readonly<Record<string, string>>;
  why: string;
  setWhy: (text: string) => void;
  whyMissing: boolean;
  reveal: (names: readonly string[]) => void;
  revealing: { busy: boolean; text: string };
  focusStep: string;
  show: (m: Missing) => void;
  decided: (after: ReviewCase, what: { level: number; verdict: Verdict }) => void;
  conflict: (err: Problem) => Promise<void>;
}

const tokenOf = (l: ReviewLevel): TokenState =>
  l.state === "approved" ? "approved" : waits(l) || l.state === "checking" || l.state === "submitted" ? "checking" : l.state === "open" ? "open" : l.state === "locked" ? "locked" : "again";

export function CasePage({ id }: { id: string }) {
  const { failed } = useOffice();
  const narrow = useNarrow();
  const [c, setC] = useState<ReviewCase>();
  const [error, setError] = useState<unknown>();
  const load = useCallback(async () => {
    try {
      setC(await calls.case(id));
      setError(undefined);
    } catch (err) {
      failed(err);
      setError(err);
    }
  }, [id, failed]);
  // A narrow screen shows no evidence, so it does not ask for it. One that becomes narrow keeps what it has, unseen.
  const began = useRef(false);
  useEffect(() => {
    if (narrow || began.current) return;
    began.current = true;
    void load();
  }, [narrow]);
  return (
    <Frame full>
      <div class="narrow-only page-narrow">
        <Callout icon="computer" test="larger-screen"><p>{t("review.larger")}</p></Callout>
        <To place="/queue">{t("review.to_queue")}</To>
      </div>
      {error !== undefined && !c ? (
        <main id="main" tabIndex={-1} class="page-narrow">
          <Heading screen="review-case">{t("review.case", { id: short(id) })}</Heading>
          <Callout tone="bad" alert><p>{problemText(error)}</p></Callout>
          <div class="actions"><Button onClick={() => void load()}>{t("wait.reload")}</Button><To place="/queue">{t("review.to_queue")}</To></div>
        </main>
      ) : c ? <Case c={c} setC={setC} load={load} /> : <main id="main" tabIndex={-1} class="page-narrow wide-screen"><h1 class="unseen">{t("review.case", { id: short(id) })}</h1><Skeleton lines={6} /></main>}
    </Frame>
  );
}

interface Clash { event: HistoryEvent | undefined; err: Problem }

function Case({ c, setC, load }: { c: ReviewCase; setC: (c: ReviewCase) => void; load: () => Promise<void> }) {
  const { me, has } = useOffice();
  const supervisor = has("supervisor");
  const [tab, setTab] = useState<Tab>(() => firstTab(c));
  const [page, setPage] = useState<"evidence" | "decision">("evidence");
  const [openedPrompts, setOpened] = useState<ReadonlySet<string>>(new Set());
  const [found, setFound] = useState<Record<string, PromptVerdict>>({});
  const [chosen, setChosen] = useState<Chosen[]>([]);
  const [shown, setShown] = useState<Record<string, string>>({});
  const [why, setWhy] = useState("");
  const [whyMissing, setWhyMissing] = useState(false);
  const [focusStep, setFocusStep] = useState("");
  const [dialog, setDialog] = useState<"escalate" | "suspend" | "release" | null>(null);
  const [clash, setClash] = useState<Clash>();
  const [done, setDone] = useState<{ level: number; verdict: Verdict }>();
  const take = useWork();
  const revealing = useWork();
  const hide = useRef<ReturnType<typeof setTimeout>>();
  const again = useRef<ReturnType<typeof setTimeout>>();
  const now = useClock(10_000);
  const mine = c.lease?.mine ?? false;
  const over = c.lease !== null && Date.parse(c.lease.until) <= now;
  const e = c.evidence;
  useEffect(() => () => {
    clearTimeout(hide.current);
    clearTimeout(again.current);
  }, []);
  // What was revealed is gone with the case, and when the page is left out of sight.
  useEffect(() => {
    if (e) setTab(firstTab(c));
    else setShown({});
  }, [e === null]);

  const claim = () => take.run(async () => {
    await calls.claim(c.id);
    setDone(undefined);
    setClash(undefined);
    await load();
  });
  const handBack = () => take.run(async () => {
    await calls.handBack(c.id);
    go("/queue");
  });
  const reveal = (names: readonly string[]) => {
    if (names.length === 0) return;
    if (why.trim().length < 3) {
      setWhyMissing(true);
      document.getElementById("reveal-why")?.focus();
      return;
    }
    setWhyMissing(false);
    revealing.run(async () => {
      const got = await calls.reveal(c.id, [...names], why.trim());
      setShown((before) => ({ ...before, ...got.fields }));
      announce(t("review.reveal.recorded"));
      clearTimeout(hide.current);
      hide.current = setTimeout(() => setShown({}), got.hide_after_seconds * 1000);
    });
  };
  const desk: CaseDesk | null = e && {
    c, e, reload: load, openedPrompts, found, chosen, shown, why, whyMissing, focusStep,
    setChosen, reveal, revealing,
    setWhy: (text) => { setWhy(text); setWhyMissing(false); },
    saw: (id) => {
      if (!e.required.some((r) => !r.seen && r.media_ids.includes(id))) return;
      // The server has noted the look; several at once are read back together.
      clearTimeout(again.current);
      again.current = setTimeout(() => void load(), 400);
    },
    opened: (step, n) => setOpened((before) => (before.has(`${step}:${n}`) ? before : new Set([...before, `${step}:${n}`]))),
    setFound: (step, n, v) => {
      setFound(({ [`${step}:${n}`]: _, ...rest }) => (v === undefined ? rest : { ...rest, [`${step}:${n}`]: v }));
      setChosen((before) => afterPrompt(before, step, n, v));
    },
    show: (m) => {
      setPage("evidence");
      if (m.kind === "identity") setTab("identity");
      else {
        const kind = e.steps.find((s) => s.id === m.step)?.kind;
        setFocusStep(m.step);
        setTab(kind === "face" ? "face" : kind === "clip" ? "clips" : "documents");
      }
    },
    decided: (after, what) => {
      setC(after);
      setDone(what);
      setChosen([]);
      setFound({});
      setShown({});
      if (!after.evidence) setTab("history");
    },
    conflict: async (err) => {
      const before = c.version;
      const fresh = await calls.case(c.id);
      setC(fresh);
      setClash({ err, event: decidedMeanwhile(fresh, before, me?.account.id ?? "") });
      if (!fresh.evidence) setTab("history");
    },
  };

  const go2 = (to: Tab) => { setTab(to); setPage("evidence"); };
  useKeys((act) => {
    if (act === "documents" || act === "face" || act === "clips" || act === "identity") {
      if (!e) return false;
      go2(act);
    } else if (act === "history") go2("history");
    else if (act === "open" && !mine) claim();
    else if (act === "hand_back" && mine) handBack();
    else if (act === "escalate" && mine) setDialog("escalate");
    else if (act === "close") go("/queue");
    else return false;
    return true;
  });

  const tabs: Tab[] = e ? ["identity", "documents", "face", "clips", "checks", "history"] : ["history"];
  const here = tabs.includes(tab) ? tab : "history";
  const waiting = c.levels.find(waits);
  const suspendable = c.levels.filter((l) => l.state === "approved").at(-1);

  return (
    <main id="main" tabIndex={-1} class="case wide-screen" data-test="case" data-page={page} data-version={c.version} data-mine={mine}>
      <aside class="case-rail" aria-label={t("review.rail")}>
        <Heading screen="review-case" title={t("review.case", { id: short(c.id) })}>{t("review.case", { id: short(c.id) })}</Heading>
        <p class="soft">{t(`review.kind.${c.kind}`)} · {stateWord(c.state)}</p>
        {c.waiting ? <p class="small">{t("review.waits", { span: span(Math.max(0, (now - Date.parse(c.waiting.since)) / 1000)) })}{c.waiting.reasons.length ? <><br />{c.waiting.reasons.map(reasonWord).join(semicolon())}</> : null}</p> : null}
        {c.reported_at ? <Callout tone="warn" test="reported"><p>{t("review.reported.at", { time: when(c.reported_at) })}</p></Callout> : null}
        <div class="lease" data-test="lease">
          <p>{c.lease && !over ? leaseWord(c.lease) : over && mine ? t("review.lease.over") : t("review.free")}</p>
          {!mine || over ? <Button kind="primary" wide busy={take.busy} test="claim" onClick={claim}>{t("review.take")} <kbd>Enter</kbd></Button> : null}
          {take.error !== undefined ? <p class="error-line" role="alert" data-test="take-error">{takenText(take.error)}</p> : null}
        </div>
        <ol class="rail-levels">
          {c.levels.map((l) => (
            <li key={l.level} data-test={`level-${l.level}`} data-state={l.state}>
              <Token state={tokenOf(l)} />
              <div>
                <p><strong>{t("level.name", { n: l.level })}</strong></p>
                <p class="meta">{stateWord(l.state)}</p>
                {l.reasons.map((r) => <p key={`${r.code}${r.step}${r.prompt}`} class="meta">{chosenWord(r)}</p>)}
                <ul class="rail-steps">
                  {e?.steps.filter((s) => s.level === l.level).map((s) => {
                    const bad = e.checks.find((x) => x.step === s.id && x.verdict !== "pass");
                    const any = bad ?? e.checks.find((x) => x.step === s.id);
                    return (
                      <li key={s.id}>
                        <button type="button" class="link-button" onClick={() => desk?.show({ kind: "step", step: s.id })}>{stepWord(s)}</button>
                        {any ? <FoundTag verdict={any.verdict} /> : <span class="meta">{s.takes.length ? "" : t("review.no_take")}</span>}
                      </li>
                    );
                  })}
                </ul>
              </div>
            </li>
          ))}
        </ol>
        <div class="rail-actions">
          {mine ? <Button kind="quiet" wide test="hand-back" busy={take.busy} onClick={handBack}>{t("review.hand_back")} <kbd>B</kbd></Button> : null}
          {mine && waiting && waiting.state !== "escalated" ? <Button kind="quiet" wide test="escalate" onClick={() => setDialog("escalate")}>{t("review.escalate")} <kbd>E</kbd></Button> : null}
          {mine && c.reported_at ? <Button kind="quiet" wide test="release" onClick={() => setDialog("release")}>{t("review.release")}</Button> : null}
          {mine && supervisor && suspendable ? <Button kind="quiet" wide test="suspend" onClick={() => setDialog("suspend")}>{t("review.suspend", { n: suspendable.level })}</Button> : null}
          {mine && supervisor ? <a class="button quiet wide" href={`/v1/review/cases/${c.id}/bundle`} download={`${c.id}.zip`} data-test="bundle">{t("review.bundle")}</a> : null}
          <To place="/queue" class="button quiet wide" test="to-queue">{t("review.to_queue")} <kbd>G Q</kbd></To>
        </div>
      </aside>
      <div class="case-pages" role="group" aria-label={t("review.pages")}>
        <button type="button" aria-pressed={page === "evidence"} data-test="page-evidence" onClick={() => setPage("evidence")}>{t("review.page.evidence")}</button>
        <button type="button" aria-pressed={page === "decision"} data-test="page-decision" onClick={() => setPage("decision")}>{t("review.page.decision")}</button>
      </div>
      <section class="case-evidence" aria-label={t("review.page.evidence")}>
        <div class="tabs" role="tablist" aria-label={t("review.page.evidence")}>
          {tabs.map((x) => <button key={x} type="button" role="tab" id={`tab-${x}`} aria-selected={x === here} aria-controls="tab-panel" tabIndex={x === here ? 0 : -1} data-test={`tab-${x}`} onClick={() => setTab(x)}
            onKeyDown={(ev) => {
              const by = ev.key === "ArrowRight" ? 1 : ev.key === "ArrowLeft" ? -1 : 0;
              if (!by) return;
              ev.preventDefault();
              const to = tabs[(tabs.indexOf(here) + by + tabs.length) % tabs.length] ?? here;
              setTab(to);
              document.getElementById(`tab-${to}`)?.focus();
            }}>{t(`review.tab.${x}`)}</button>)}
        </div>
        <div class="tab-panel" id="tab-panel" role="tabpanel" aria-labelledby={`tab-${here}`} tabIndex={0}>
          {!desk ? <Callout icon="lock" test="no-evidence"><p>{t("review.no_evidence")}</p></Callout> : null}
          {here === "history" || !desk ? <History c={c} e={e} />
            : here === "identity" ? <Identity d={desk} /> : here === "documents" ? <Documents d={desk} /> : here === "face" ? <Face d={desk} />
            : here === "clips" ? <Clips d={desk} /> : <AllChecks d={desk} />}
        </div>
      </section>
      <section class="case-decision" aria-label={t("review.page.decision")}>
        <h2>{t("review.page.decision")}</h2>
        {clash ? (
          <Callout tone="warn" alert test="clash">
            <p>{clash.event ? t("review.clash.decided", { name: clash.event.actor.name ?? t("review.actor.staff"), time: when(clash.event.at), verdict: verdictWord(clash.event.data.verdict ?? "") }) : problemText(clash.err)}</p>
            <p class="small">{t("review.clash.kept")}</p>
          </Callout>
        ) : null}
        {done ? (
          <Callout tone="ok" test="decided"><p>{t("review.decided.said", { level: t("level.name", { n: done.level }), verdict: verdictWord(done.verdict) })}{c.levels.find((l) => l.level === done.level)?.state === "awaiting_second" ? ` ${t("review.decided.second")}` : ""}</p><To place="/queue">{t("review.to_queue")}</To></Callout>
        ) : null}
        {desk ? <Decide key={`${waiting?.level}`} d={desk} /> : !done ? <p class="soft">{t(c.waiting ? "review.take_first" : "review.nothing_to_decide")}</p> : null}
      </section>
      {dialog === "escalate" && waiting ? (
        <NoteDialog test="escalate-dialog" title={t("review.escalate")} lead={t("review.escalate.how")} action={t("review.escalate")} onClose={() => setDialog(null)}
          onSend={async (note) => { setC(await calls.escalate(c.id, waiting.level, note)); setDialog(null); announce(t("review.escalated")); }} />
      ) : null}
      {dialog === "release" ? (
        <NoteDialog test="release-dialog" title={t("review.release")} lead={t("review.release.how")} action={t("review.release")} onClose={() => setDialog(null)}
          onSend={async (note) => { setC(await calls.release(c.id, note)); setDialog(null); announce(t("review.released")); }} />
      ) : null}
      {dialog === "suspend" && suspendable ? (
        <NoteDialog test="suspend-dialog" needed danger title={t("review.suspend", { n: suspendable.level })} lead={t("review.suspend.how")} action={t("review.suspend", { n: suspendable.level })} onClose={() => setDialog(null)}
          onSend={async (note) => { setC(await calls.suspend(c.id, suspendable.level, note)); setDialog(null); }} />
      ) : null}
    </main>
  );
}

// Where a look begins: with what waits.
function firstTab(c: ReviewCase): Tab {
  const level = c.levels.find(waits)?.level ?? 0;
  const kind = c.evidence?.steps.find((s) => s.level === level && s.takes.length > 0)?.kind;
  if (!c.evidence) return "history";
  return level === 1 || !kind ? "identity" : kind === "clip" ? "clips" : kind === "face" ? "face" : "documents";
}
