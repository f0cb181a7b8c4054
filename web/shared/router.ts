// Where we are. The address's fragment holds it (#/level-1), so that one file serves every page,
// nothing of it reaches a server or its logs, and back and forward are the browser's own.
import { useEffect, useState } from "preact/hooks";

const listeners = new Set<() => void>();

/** The present place, e.g. "/level-1"; "/" where the fragment names none. */
export function place(): string {
  return location.hash.startsWith("#/") ? location.hash.slice(1) : "/";
}

/** Goes to a place; replace leaves no trace in the history. */
export function go(to: string, replace = false): void {
  if (to === place()) return;
  history[replace ? "replaceState" : "pushState"](null, "", to === "/" ? location.pathname + location.search : `#${to}`);
  tell();
}

/** The address of a place, for links. */
export function href(to: string): string {
  return to === "/" ? location.pathname + location.search || "/" : `#${to}`;
}

function tell() {
  for (const l of listeners) l();
}

if (typeof addEventListener === "function" && typeof location !== "undefined") {
  addEventListener("popstate", tell);
  addEventListener("hashchange", tell);
  // A page that comes back from the back/forward cache shows what was true when it left.
  addEventListener("pageshow", (e) => e.persisted && tell());
}

/** The present place; the component is drawn again when it changes. */
export function usePlace(): string {
  const [at, set] = useState(place);
  useEffect(() => {
    const l = () => set(place());
    listeners.add(l);
    l();
    return () => void listeners.delete(l);
  }, []);
  return at;
}

/** Calls again whenever what is shown may be old: return to the page, back, forward, back online. */
export function onReturn(again: () => void): () => void {
  const visible = () => document.visibilityState === "visible" && again();
  const shown = (e: PageTransitionEvent) => e.persisted && again();
  document.addEventListener("visibilitychange", visible);
  addEventListener("pageshow", shown);
  addEventListener("online", again);
  listeners.add(again);
  return () => {
    document.removeEventListener("visibilitychange", visible);
    removeEventListener("pageshow", shown);
    removeEventListener("online", again);
    listeners.delete(again);
  };
}
