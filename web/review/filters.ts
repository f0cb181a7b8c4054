// What of the queue is shown. It stands in the page's address, so that it can be kept and sent.
import type { Queue, QueueItem, ReviewState } from "./types";

export const waitingStates: readonly ReviewState[] = ["in_review", "awaiting_second", "escalated", "suspended", "reported"];
export const otherStates: readonly ReviewState[] = ["collecting", "checking", "resubmit", "approved", "rejected", "revoked"];

/** The filters; what is not named is not restricted. */
export interface Filters { state?: string; level?: string; kind?: string; language?: string; taken?: string; reason?: string; reported?: string }

const allowed: Record<keyof Filters, RegExp> = {
  state: new RegExp(`^(${[...waitingStates, ...otherStates].join("|")})$`), level: /^[123]$/, kind: /^(person|business)$/, language: /^[A-Za-z0-9-]{1,35}$/,
  taken: /^(me|free|any)$/, reason: /^[a-z_]+(\.[a-z_]+)?$/, reported: /^true$/,
};

/** Filters of an address; what is not one is left out. */
export function readFilters(query: string): Filters {
  const p = new URLSearchParams(query);
  const f: Filters = {};
  for (const name of Object.keys(allowed) as (keyof Filters)[]) {
    const value = p.get(name);
    if (value !== null && allowed[name].test(value)) f[name] = value;
  }
  return f;
}

/** Filters as an address holds them, always in the same order. */
export function writeFilters(f: Filters): string {
  const p = new URLSearchParams();
  for (const name of Object.keys(allowed) as (keyof Filters)[]) if (f[name]) p.set(name, f[name]);
  return p.toString();
}

/** Sets one filter, or takes it away where it has that value already. */
export function toggled(f: Filters, name: keyof Filters, value: string): Filters {
  const { [name]: before, ...rest } = f;
  return before === value ? rest : { ...rest, [name]: value };
}

/** A row of the queue; gone where it waits no longer, or fits the filters no longer. */
export interface Row extends QueueItem { gone: boolean }

/** What is shown, and what has come since. */
export interface Shown { rows: Row[]; fresh: number }

/**
 * Brings what is shown up to date without moving a row: rows change in place, those that left stay, greyed, and those
 * that came are only counted until they are asked for.
 */
export function refresh(shown: readonly Row[], now: Queue): Shown {
  const by = new Map(now.cases.map((c) => [c.id, c]));
  // Beyond the end of what was read nobody knows whether a row still waits.
  const end = now.next === null || !now.cases.length ? undefined : now.cases.at(-1)?.waiting_since ?? undefined;
  const rows = shown.map((r) => {
    const c = by.get(r.id);
    if (c) return { ...c, gone: false };
    return end !== undefined && r.waiting_since !== null && r.waiting_since >= end ? r : { ...r, gone: true, taken_by: null };
  });
  const known = new Set(shown.map((r) => r.id));
  const fresh = now.cases.filter((c) => !known.has(c.id)).length;
  return { rows, fresh };
}

/** A queue as it is shown at first. */
export const rowsOf = (q: Queue): Row[] => q.cases.map((c) => ({ ...c, gone: false }));

/** Rows that a search leaves: by the end of the case's number, its reasons' words, who has it. */
export function searched(rows: readonly Row[], text: string, wordsOf: (r: Row) => string): Row[] {
  const wanted = text.trim().toLowerCase();
  return wanted === "" ? [...rows] : rows.filter((r) => `${r.id} ${wordsOf(r)}`.toLowerCase().includes(wanted));
}
