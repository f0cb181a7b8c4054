// Who works here now, and what every page of the reviewers' desk shares.
import { createContext, type ComponentChildren } from "preact";
import { useCallback, useContext, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { api, Problem } from "../shared/api";
import { setOperatorName } from "../shared/page";
import { knowReasons, problemText } from "../shared/problems";
import type { Me, Operator } from "../shared/types";
import { calls } from "./calls";
import { Reader, whereOf, type Act } from "./keys";
import type { ReviewReason, Role } from "./types";

const KEYS = "symbolon.review.keys";

interface Office {
  operator: Operator;
  me: Me | null;
  /** The session ended by itself. */
  ended: boolean;
  reasons: ReviewReason[];
  offline: boolean;
  /** Single keys are on. */
  singles: boolean;
  setSingles: (on: boolean) => void;
  has: (role: Role) => boolean;
  /** Reads again who is signed in. */
  enter: () => Promise<void>;
  leave: () => Promise<void>;
  /** Tells of a failed call: a session that ended leads to the door. */
  failed: (err: unknown) => void;
}

const Context = createContext<Office | undefined>(undefined);

/** The office; use it below OfficeProvider. */
export function useOffice(): Office {
  const o = useContext(Context);
  if (!o) throw new Error("no office");
  return o;
}

function kept(): boolean {
  try {
    return localStorage.getItem(KEYS) !== "off";
  } catch {
    return true;
  }
}

export function OfficeProvider({ waiting, broken, children }: {
  waiting: ComponentChildren; broken: (err: unknown, again: () => void) => ComponentChildren; children: ComponentChildren;
}) {
  const [operator, setOperator] = useState<Operator>();
  const [me, setMe] = useState<Me | null>();
  const [ended, setEnded] = useState(false);
  const [reasons, setReasons] = useState<ReviewReason[]>([]);
  const [offline, setOffline] = useState(!navigator.onLine);
  const [singles, setKept] = useState(kept);
  const [error, setError] = useState<unknown>();

  const enter = useCallback(async () => {
    let who: Me | null = null;
    try {
      who = await api.me();
    } catch (err) {
      if (!(err instanceof Problem && err.status === 401)) throw err;
    }
    if (who && who.account.roles.some((r) => r === "reviewer" || r === "supervisor")) setReasons((await calls.reasons()).reasons);
    if (who) setEnded(false);
    setMe(who);
  }, []);

  const start = useCallback(() => {
    setError(undefined);
    Promise.all([api.operator(), api.reasons(), enter()]).then(([o, r]) => {
      setOperatorName(o.name);
      knowReasons(r.reasons);
      setOperator(o);
    }).catch(setError);
  }, [enter]);
  useEffect(start, [start]);

  useEffect(() => {
    const on = () => setOffline(false), off = () => setOffline(true);
    addEventListener("online", on);
    addEventListener("offline", off);
    return () => {
      removeEventListener("online", on);
      removeEventListener("offline", off);
    };
  }, []);

  const value = useMemo<Office | undefined>(() => operator && me !== undefined ? {
    operator, me, ended, reasons, offline, singles,
    setSingles: (on) => {
      setKept(on);
      try {
        localStorage.setItem(KEYS, on ? "on" : "off");
      } catch {
        // Not remembered, still so.
      }
    },
    has: (role) => me?.account.roles.includes(role) ?? false,
    enter,
    leave: async () => {
      await api.signOut();
      setMe(null);
    },
    failed: (err) => {
      if (!(err instanceof Problem) || err.code !== "session_unknown") return;
      setEnded(true);
      setMe(null);
    },
  } : undefined, [operator, me, ended, reasons, offline, singles, enter]);

  if (error !== undefined) return <>{broken(error, start)}</>;
  if (!value) return <>{waiting}</>;
  return <Context.Provider value={value}>{children}</Context.Provider>;
}

/** One thing that a press starts: busy while it runs, and the words of what went wrong. */
export function useWork() {
  const { failed } = useOffice();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const here = useRef(true);
  useEffect(() => {
    here.current = true;
    return () => void (here.current = false);
  }, []);
  return {
    busy, error, text: error === undefined ? "" : problemText(error),
    clear: () => setError(undefined),
    run: (work: () => Promise<unknown>) => {
      setBusy(true);
      setError(undefined);
      work().catch((err) => {
        failed(err);
        if (here.current) setError(err);
      }).finally(() => here.current && setBusy(false));
    },
  };
}

/** Hears keys while the component stands. `does` answers whether the key meant something here. */
export function useKeys(does: (act: Act, n: number) => boolean): void {
  const { singles } = useOffice();
  const now = useRef(does);
  now.current = does;
  useEffect(() => {
    const reader = new Reader();
    const pressed = (e: KeyboardEvent) => {
      if (e.defaultPrevented) return;
      const read = reader.read(e, whereOf(e.target), singles, Date.now());
      // A dialog has its own keys.
      if (!read || (document.querySelector("dialog[open]") && read.act !== "confirm")) return;
      if (now.current(read.act, read.n ?? 0)) e.preventDefault();
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, [singles]);
}

/** A time that passes: drawn again every so many milliseconds. */
export function useClock(every: number): number {
  const [now, set] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => set(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}
