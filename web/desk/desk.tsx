// What every page of the desk knows: the operator, who is signed in, and the case as it is now.
import { createContext, type ComponentChildren } from "preact";
import { useCallback, useContext, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { api, Problem } from "../shared/api";
import { openLive, type Link, type Live } from "../shared/live";
import { setOperatorName } from "../shared/page";
import { knowReasons } from "../shared/problems";
import { go, onReturn } from "../shared/router";
import type { Case, Handoff, LiveProgress, Me, Operator } from "../shared/types";
import { forgetDraft } from "./identity-form";

export interface Desk {
  operator: Operator;
  /** Null: nobody is signed in. */
  me: Me | null;
  /** The case; undefined while it is read, null where the account has none. */
  case: Case | null | undefined;
  /** How fresh the case is, and when it was heard of last. */
  link: Link;
  heardAt: number;
  /** Whether the phone showed a sign of life lately. */
  phoneHere: boolean;
  /** The last progress of each step of the present handoff. */
  progress: ReadonlyMap<string, LiveProgress>;
  /** Takes the case out of an answer, unless something newer is known already. */
  took: (c: Case | undefined) => void;
  /** Takes a handoff out of an answer into the case. */
  tookHandoff: (h: Handoff) => void;
  /** Reads the case again now. */
  refresh: () => Promise<Case | null>;
  /** Begins the case where there is none. */
  begin: (kind: Case["kind"]) => Promise<Case>;
  signedIn: () => Promise<void>;
  /** The server ended all sessions of this account. */
  signedOut: () => void;
  /** Asks again who is signed in. */
  refreshMe: () => Promise<unknown>;
  signOut: () => Promise<void>;
  /** To be told of every failed call: one that says "not signed in" leads to the door. */
  failed: (err: unknown) => void;
  /** The session ended by itself, and the door says so. */
  sessionEnded: boolean;
}

const Context = createContext<Desk | null>(null);

export function useDesk(): Desk {
  const d = useContext(Context);
  if (!d) throw new Error("useDesk outside of DeskProvider");
  return d;
}

/** The desk with a case: for pages that are only drawn with one. */
export function useCase(): Desk & { case: Case } {
  const d = useDesk();
  if (!d.case) throw new Error("useCase without a case");
  return d as Desk & { case: Case };
}

/** What is done and how much has arrived are told apart while something is sent as it is made: each stays until it is told anew. */
function joined(before: LiveProgress | undefined, p: LiveProgress): LiveProgress {
  if (before === undefined) return p;
  const { phase, prompt_index, prompt_count, take, elapsed_ms, hint } = p.phase === undefined ? before : p;
  const { sent_bytes, total_bytes } = p.sent_bytes === undefined ? before : p;
  return { type: "progress", step: p.step, phase, prompt_index, prompt_count, take, elapsed_ms, hint, sent_bytes, total_bytes };
}

// At most four visual updates a second.
const DRAW_EVERY = 250;

export function DeskProvider({ waiting, failedToStart, children }: {
  waiting: ComponentChildren;
  failedToStart: (err: unknown, again: () => void) => ComponentChildren;
  children: ComponentChildren;
}) {
  const [operator, setOperator] = useState<Operator>();
  const [me, setMe] = useState<Me | null>();
  const [startError, setStartError] = useState<unknown>();
  const [theCase, setCase] = useState<Case | null>();
  const [link, setLink] = useState<Link>("connecting");
  const [heardAt, setHeardAt] = useState(0);
  const [phoneHere, setPhoneHere] = useState(false);
  const [progress, setProgress] = useState<ReadonlyMap<string, LiveProgress>>(new Map());
  const [sessionEnded, setSessionEnded] = useState(false);
  const live = useRef<Live | undefined>(undefined);
  const now = useRef<Case | null | undefined>(undefined);

  const took = useCallback((c: Case | undefined) => {
    if (!c) return;
    const have = now.current;
    if (have && have.id === c.id && c.seq < have.seq) return;
    if (have?.handoff?.id !== c.handoff?.id) setProgress(new Map());
    now.current = c;
    setCase(c);
    setHeardAt(Date.now());
    if (c.handoff) setPhoneHere(c.handoff.phone_present);
  }, []);

  const tookHandoff = useCallback((h: Handoff) => {
    if (now.current) took({ ...now.current, handoff: h });
  }, [took]);

  const forget = useCallback(() => {
    now.current = undefined;
    setCase(undefined);
    setProgress(new Map());
    setPhoneHere(false);
  }, []);

  const readMe = useCallback(async () => {
    try {
      const m = await api.me();
      setMe(m);
      if (m.case_id === null) {
        now.current = null;
        setCase(null);
      }
      return m;
    } catch (err) {
      if (!(err instanceof Problem) || err.status !== 401) throw err;
      setMe(null);
      forget();
      return null;
    }
  }, [forget]);

  const start = useCallback(() => {
    setStartError(undefined);
    // Without it reasons are told in general words.
    const reasons = api.reasons().then(({ reasons }) => knowReasons(reasons), () => undefined);
    Promise.all([api.operator(), readMe(), reasons]).then(
      ([o]) => {
        setOperatorName(o.name);
        setOperator(o);
      },
      (err) => setStartError(err),
    );
  }, [readMe]);
  useEffect(start, [start]);

  const failed = useCallback((err: unknown) => {
    if (err instanceof Problem && err.status === 401 && err.code === "session_unknown") {
      setSessionEnded(true);
      setMe(null);
      forget();
    }
  }, [forget]);

  // The live view of the case, as long as somebody is signed in who has one.
  const caseId = me?.case_id ?? null;
  useEffect(() => {
    if (!caseId) return;
    let fresh = new Map<string, LiveProgress>();
    const latest = new Map<string, LiveProgress>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let drawn = 0;
    const draw = () => {
      timer = undefined;
      drawn = Date.now();
      const batch = fresh;
      fresh = new Map();
      setProgress((old) => new Map([...old, ...batch]));
    };
    const l = openLive<Case>({
      path: `/v1/cases/${encodeURIComponent(caseId)}/live`,
      pick: (m) => m.case,
      poll: (signal) => api.case(caseId, signal),
      onSnapshot: took,
      onPresence: (p) => setPhoneHere(p.phone),
      onProgress: (p) => {
        fresh.set(p.step, p.phase === undefined || p.sent_bytes === undefined ? joined(fresh.get(p.step) ?? latest.get(p.step), p) : p);
        latest.set(p.step, fresh.get(p.step)!);
        timer ??= setTimeout(draw, Math.max(0, drawn + DRAW_EVERY - Date.now()));
      },
      onLink: setLink,
      onEnd: () => {
        // Signed out elsewhere, or the case is not ours any more: who we are is asked again.
        readMe().then((m) => m === null && setSessionEnded(true), () => undefined);
      },
    });
    live.current = l;
    return () => {
      clearTimeout(timer);
      live.current = undefined;
      l.close();
    };
  }, [caseId, took, readMe]);

  // Without a live view, who is signed in may still change in another tab.
  useEffect(() => onReturn(() => {
    if (!live.current && now.current !== undefined) readMe().catch(() => undefined);
  }), [readMe]);

  const refresh = useCallback(async () => {
    const m = await readMe();
    if (!m?.case_id) return null;
    const c = await api.case(m.case_id);
    took(c);
    return c;
  }, [readMe, took]);

  const begin = useCallback(async (kind: Case["kind"]) => {
    try {
      const c = await api.createCase(kind);
      took(c);
      setMe((m) => (m ? { ...m, case_id: c.id } : m));
      return c;
    } catch (err) {
      // Begun in another tab meanwhile.
      if (!(err instanceof Problem) || err.code !== "case_exists") throw err;
      const c = await refresh();
      if (!c) throw err;
      return c;
    }
  }, [refresh, took]);

  const signedIn = useCallback(async () => {
    setSessionEnded(false);
    forget();
    await readMe();
  }, [forget, readMe]);

  const signedOut = useCallback(() => {
    setSessionEnded(false);
    setMe(null);
    forget();
    forgetDraft();
  }, [forget]);

  const signOut = useCallback(async () => {
    await api.signOut();
    signedOut();
    go("/", true);
  }, [signedOut]);

  const value = useMemo<Desk | null>(
    () => operator === undefined || me === undefined ? null
      : { operator, me, case: theCase, link, heardAt, phoneHere, progress, took, tookHandoff, refresh, begin, signedIn, signedOut, refreshMe: readMe, signOut, failed, sessionEnded },
    [operator, me, theCase, link, heardAt, phoneHere, progress, took, tookHandoff, refresh, begin, signedIn, signedOut, readMe, signOut, failed, sessionEnded],
  );
  if (startError !== undefined) return <>{failedToStart(startError, start)}</>;
  if (!value) return <>{waiting}</>;
  return <Context.Provider value={value}>{children}</Context.Provider>;
}
