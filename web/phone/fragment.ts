/**
 * The code in the address, taken out of it before anything else runs: it must not stay in the
 * address bar, the history list or a shared link. It is kept in the history entry's state, which
 * is never shown or sent, so that a reload finds it again.
 */
import { newKey } from "../shared/api";
import { codeInFragment } from "./code";

/** A code on its way to being claimed. */
export interface Entry {
  code: string;
  /** Makes a claim safe to repeat, also after a reload. */
  key: string;
  /** *Continue* was tapped. */
  tapped: boolean;
}

/** Takes the code out of the address, or out of this history entry after a reload. */
export function takeCode(): Entry | null {
  const code = codeInFragment(location.hash);
  if (code !== null) {
    const entry: Entry = { code, key: newKey(), tapped: false };
    keepCode(entry);
    return entry;
  }
  if (location.hash !== "") keepCode(null);
  const state: unknown = history.state;
  if (typeof state === "object" && state !== null && "code" in state && "key" in state && typeof state.code === "string" && typeof state.key === "string") {
    return { code: state.code, key: state.key, tapped: "tapped" in state && state.tapped === true };
  }
  return null;
}

/** Remembers a code for a reload of this page, or forgets it. The address keeps neither. */
export function keepCode(entry: Entry | null): void {
  history.replaceState(entry, "", location.pathname + location.search);
}

/** The entry at the time the page was opened. */
export const first = takeCode();
