// What waits for people: the longest first, live, without a row moving under the pointer.
import { useEffect, useRef, useState } from "preact/hooks";
import { Problem } from "../shared/api";
import { announce, Button, Callout, Skeleton } from "../shared/components";
import { number, span, t, tn } from "../shared/i18n";
import { openLive } from "../shared/live";
import { Heading } from "../shared/page";
import { problemText } from "../shared/problems";
import { go } from "../shared/router";
import { calls } from "./calls";
import { otherStates, readFilters, refresh, rowsOf, searched, toggled, waitingStates, writeFilters, type Filters, type Row } from "./filters";
import { Frame } from "./frame";
import { useClock, useKeys, useOffice, useWork } from "./office";
import type { Lease, Queue, QueueLength } from "./types";
import { colon, comma, leaseWord, reasonWord, semicolon, short, stateWord, when } from "./words";

const PAGE = 50;
const MOST = 200;

/** Whether this screen is too narrow for evidence. */
export function useNarrow(): boolean {
  const [narrow, set] = useState(() => matchMedia("(max-width:767px)").matches);
  useEffect(() => {
    const m = matchMedia("(max-width:767px)");
    const changed = () => set(m.matches);
    m.addEventListener("change", changed);
    return () => m.removeEventListener("change", changed);
  }, []);
  return narrow;
}

/** Takes a case and goes to it; what somebody else has is said with their name. */
export async function takeAndOpen(id: string): Promise<void> {
  await calls.claim(id);
  go(`/case/${id}`);
}

/** Why a case could not be taken, with the name of who has it. */
export function takenText(err: unknown): string {
  if (!(err instanceof Problem) || err.code !== "case_taken") return problemText(err);
  const holder = err.members.holder as { name?: string } | undefined;
  return t("review.taken_by", { name: holder?.name ?? "", time: when(String(err.members.until)) });
}

type Length = QueueLength & { seq?: number };

export function QueuePage({ query, reported }: { query: string; reported?: boolean }) {
  const { failed } = useOffice();
  const filters: Filters = reported ? { reported: "true" } : readFilters(query);
  const asked = writeFilters(filters);
  const [rows, setRows] = useState<Row[]>();
  const [next, setNext] = useState<string | null>(null);
  const [length, setLength] = useState<QueueLength>();
  const [fresh, setFresh] = useState(0);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const [error, setError] = useState<unknown>();
  const take = useWork();
  const more = useWork();
  const narrow = useNarrow();
  const body = useRef<HTMLTableSectionElement>(null);
  const search = useRef<HTMLInputElement>(null);
  const shown = useRef<{ asked: string; rows: Row[] }>({ asked, rows: [] });
  const now = useClock(30_000);
  const settled = otherStates.includes(filters.state as never);

  const show = (q: Queue) => {
    shown.current = { asked, rows: rowsOf(q) };
    setRows(shown.current.rows);
    setNext(q.next);
    setLength(q.queue);
    setFresh(0);
    setError(undefined);
  };
  const read = (signal?: AbortSignal) =>
    calls.queue(`${asked}${asked ? "&" : ""}limit=${PAGE}`, signal).then(show).catch((err) => {
      if (signal?.aborted) return;
      failed(err);
      setError(err);
    });
  useEffect(() => {
    const c = new AbortController();
    setRows(undefined);
    setAt(0);
    void read(c.signal);
    return () => c.abort();
  }, [asked]);

  // The live view says that something changed; what has changed is read then, and drawn where the rows are.
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let gone = false;
    const again = async () => {
      const limit = Math.min(MOST, Math.max(PAGE, shown.current.rows.length));
      try {
        const q = await calls.queue(`${asked}${asked ? "&" : ""}limit=${limit}`);
        if (gone || shown.current.asked !== asked) return;
        if (shown.current.rows.every((r) => r.gone) && q.cases.length) { // no row that could move
          show(q);
          announce(tn("review.queue.fresh", q.cases.length));
          return;
        }
        const seen = refresh(shown.current.rows, q);
        shown.current.rows = seen.rows;
        setRows(seen.rows);
        setFresh((before) => {
          if (seen.fresh > before) announce(tn("review.queue.fresh", seen.fresh));
          return seen.fresh;
        });
        setLength(q.queue);
      } catch (err) {
        failed(err);
      }
    };
    const live = openLive<Length>({
      path: "/v1/review/live",
      pick: (m) => (m as unknown as { queue?: Length }).queue,
      poll: async (signal) => (await calls.queue("limit=1", signal)).queue,
      onSnapshot: (q) => {
        setLength(q);
        clearTimeout(timer);
        timer = setTimeout(() => void again(), 250);
      },
      onEnd: (code) => code === 4401 && failed(new Problem(401, { code: "session_unknown" }, 0, "")),
    });
    return () => {
      gone = true;
      clearTimeout(timer);
      live.close();
    };
  }, [asked]);

  const wordsOf = (r: Row) => `${stateWord(r.state)} ${r.reasons.map(reasonWord).join(" ")} ${r.taken_by?.name ?? ""}`;
  const list = searched(rows ?? [], text, wordsOf);
  const open = (r: Row | undefined) => {
    if (!r || r.gone || narrow || take.busy) return;
    if (settled || (r.taken_by && !r.taken_by.mine)) go(`/case/${r.id}`);
    else take.run(async () => {
      try {
        await takeAndOpen(r.id);
      } catch (err) {
        void read();
        throw err;
      }
    });
  };
  const move = (by: number) => {
    const to = Math.max(0, Math.min(list.length - 1, at + by));
    setAt(to);
    body.current?.querySelectorAll<HTMLElement>("a")[to]?.focus();
  };
  useKeys((act) => {
    if (act === "down") move(document.activeElement?.closest("tbody") ? 1 : 0);
    else if (act === "up") move(-1);
    else if (act === "open") open(list[at]);
    else if (act === "search") search.current?.focus();
    else if (act === "close" && document.activeElement === search.current) {
      setText("");
      search.current?.blur();
    } else return false;
    return true;
  });

  const setFilter = (name: keyof Filters, value: string) => {
    const q = writeFilters(value === "" ? (({ [name]: _, ...rest }) => rest)(filters) : toggled(filters, name, value));
    go(`/queue${q ? `?${q}` : ""}`, true);
  };
  const chip = (name: keyof Filters, value: string, words: string, n?: number) => (
    <button key={`${name}=${value}`} type="button" class="chip" aria-pressed={filters[name] === value} data-test={`filter-${name}-${value}`} onClick={() => setFilter(name, value)}>
      {words}{n === undefined ? null : <span class="numbers chip-n"> {number(n)}</span>}
    </button>
  );
  const countOf = (pick: (c: { state: string; level: number }) => boolean) => length?.counts.filter(pick).reduce((sum, c) => sum + c.n, 0) ?? 0;
  const reasons = [...new Set([...(filters.reason ? [filters.reason] : []), ...(rows ?? []).map((r) => r.reasons[0] ?? "").filter(Boolean)])];
  const usual = length?.review_seconds;

  return (
    <Frame>
      <main id="main" tabIndex={-1} class="queue">
        <div class="queue-head">
          <Heading screen={reported ? "review-reported" : "review-queue"}>{t(reported ? "review.nav.reported" : "review.nav.queue")}</Heading>
          {length && !reported ? (
            <p class="soft numbers queue-length" data-test="queue-length" data-total={length.total}>
              {tn("review.queue.total", length.total)}
              {length.total > 0 ? `${comma()}${t("review.queue.oldest", { span: span(length.oldest_seconds) })}${comma()}${t("review.queue.median", { span: span(length.median_seconds) })}` : ""}
              {length.taken > 0 ? `${comma()}${tn("review.queue.taken", length.taken)}` : ""}
              {usual ? `${comma()}${t("review.queue.usual", { span: span(usual) })}` : ""}
            </p>
          ) : null}
        </div>
        {reported ? <p class="lead">{t("review.reported.lead")}</p> : (
          <div class="filters">
            <div class="chips" role="group" aria-label={t("review.filter.state")}>
              {waitingStates.map((s) => chip("state", s, stateWord(s), countOf((c) => c.state === s)))}
            </div>
            <div class="chips" role="group" aria-label={t("review.filter.more")}>
              {["1", "2", "3"].map((l) => chip("level", l, t("level.name", { n: l }), countOf((c) => c.level === Number(l))))}
              {(["free", "me", "any"] as const).map((v) => chip("taken", v, t(`review.filter.taken.${v}`)))}
              {(["person", "business"] as const).map((v) => chip("kind", v, t(`review.kind.${v}`)))}
              {(["en", "zh-Hans"] as const).map((v) => chip("language", v, t(`review.language.${v}`)))}
            </div>
            <div class="filter-fields">
              <label><span class="unseen">{t("review.search")}</span>
                <input ref={search} type="search" class="field-small" placeholder={t("review.search")} value={text} data-test="search" onInput={(e) => { setText(e.currentTarget.value); setAt(0); }} />
              </label>
              <label><span class="unseen">{t("review.filter.reason")}</span>
                <select class="field-small" value={filters.reason ?? ""} data-test="filter-reason" onChange={(e) => setFilter("reason", e.currentTarget.value)}>
                  <option value="">{t("review.filter.reason")}</option>
                  {reasons.map((r) => <option key={r} value={r}>{reasonWord(r)}</option>)}
                </select>
              </label>
              <label><span class="unseen">{t("review.filter.settled")}</span>
                <select class="field-small" value={settled ? filters.state : ""} data-test="filter-settled" onChange={(e) => setFilter("state", e.currentTarget.value)}>
                  <option value="">{t("review.filter.settled")}</option>
                  {otherStates.map((s) => <option key={s} value={s}>{stateWord(s)}</option>)}
                </select>
              </label>
            </div>
          </div>
        )}
        {narrow ? <Callout icon="computer" test="larger-screen"><p>{t("review.larger")}</p></Callout> : null}
        <div class="fresh-line">
          {take.error !== undefined ? <p class="error-line" role="alert" data-test="take-error">{takenText(take.error)}</p>
            : fresh > 0 ? <Button kind="quiet" icon="again" test="fresh" onClick={() => void read()}>{tn("review.queue.fresh", fresh)}</Button>
            : null}
        </div>
        {error !== undefined ? <Callout tone="bad" alert><p>{problemText(error)}</p><Button onClick={() => void read()}>{t("wait.reload")}</Button></Callout> : null}
        {!rows && error === undefined ? <Skeleton lines={8} /> : null}
        {rows && rows.length === 0 ? (
          <p class="lead" data-test="queue-empty">
            {reported ? t("review.reported.none") : asked ? t("review.queue.none_fits") : t("review.queue.empty")} {!asked && usual ? t("review.queue.empty_median", { span: span(usual) }) : ""}
          </p>
        ) : null}
        {rows && rows.length > 0 ? (
          <table class="queue-table">
            <thead>
              <tr>
                <th scope="col">{t(settled ? "review.col.changed" : "review.col.waiting")}</th><th scope="col">{t("review.col.level")}</th><th scope="col">{t("review.col.state")}</th>
                <th scope="col" class="wide-only">{t("review.col.reason")}</th><th scope="col" class="wide-only">{t("review.col.language")}</th>
                <th scope="col" class="wide-only">{t("review.col.case")}</th><th scope="col" class="wide-only">{t("review.col.taken")}</th>
              </tr>
            </thead>
            <tbody ref={body}>
              {list.map((r, i) => (
                <tr key={r.id} class={r.gone ? "gone" : ""} data-test={`row-${r.id}`} data-gone={r.gone} onClick={(e) => !(e.target instanceof HTMLAnchorElement) && open(r)}>
                  <td class="numbers">
                    {narrow || r.gone ? <Waited row={r} now={now} /> : (
                      <a href={`#/case/${r.id}`} data-test={`open-${r.id}`} onFocus={() => setAt(i)} onClick={(e) => { e.preventDefault(); open(r); }}><Waited row={r} now={now} /></a>
                    )}
                  </td>
                  <td>{r.level > 0 ? t("level.name", { n: r.level }) : t("review.none")}</td>
                  <td>{r.gone ? t("review.queue.gone") : <>{stateWord(r.state)}{r.reported && r.state !== "reported" ? <span class="tag warn">{t("review.reported.tag")}</span> : null}</>}</td>
                  <td class="wide-only cut">{r.reasons.map(reasonWord).join(semicolon()) || t("review.none")}</td>
                  <td class="wide-only">{r.language ? (r.language.startsWith("zh") ? t("review.language.zh-Hans") : t("review.language.en")) : ""}{r.kind === "business" ? <span class="tag">{t("review.kind.business")}</span> : null}</td>
                  <td class="wide-only mono">…{short(r.id)}</td>
                  <td class="wide-only cut"><Taken lease={r.taken_by} /></td>
                </tr>
              ))}
            </tbody>
          </table>
        ) : null}
        {rows && rows.length > 0 && list.length === 0 ? <p class="lead">{t("review.queue.none_fits")}</p> : null}
        {next ? (
          <div class="actions"><Button busy={more.busy} test="more" onClick={() => more.run(async () => {
            const q = await calls.queue(`${asked}${asked ? "&" : ""}limit=${PAGE}&cursor=${encodeURIComponent(next)}`);
            const known = new Set(shown.current.rows.map((r) => r.id));
            shown.current.rows = [...shown.current.rows, ...rowsOf(q).filter((r) => !known.has(r.id))];
            setRows(shown.current.rows);
            setNext(q.next);
          })}>{t("review.queue.more")}</Button>{more.text ? <p class="error-line" role="alert">{more.text}</p> : null}</div>
        ) : null}
      </main>
    </Frame>
  );
}

function Waited({ row, now }: { row: Row; now: number }) {
  const since = row.waiting_since ?? row.updated_at;
  return <>{since ? (row.waiting_since ? span(Math.max(0, (now - Date.parse(since)) / 1000)) : when(since)) : t("review.none")}</>;
}

function Taken({ lease }: { lease: Lease | null }) {
  return lease ? <>{leaseWord(lease)}</> : <span class="soft">{t("review.free")}</span>;
}
