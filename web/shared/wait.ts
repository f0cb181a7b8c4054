/** Waiting that ends early when the world changes: the network is back, the page is looked at again. */

/** Resolves after `ms`, or at once when the browser comes back online or the page is shown again. Rejects when aborted. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const seen = (): void => {
      if (typeof document === "undefined" || document.visibilityState !== "hidden") finish();
    };
    const finish = (): void => {
      leave();
      resolve();
    };
    const stop = (): void => {
      leave();
      reject(signal?.reason);
    };
    const timer = setTimeout(finish, ms);
    const leave = (): void => {
      clearTimeout(timer);
      globalThis.removeEventListener?.("online", finish);
      globalThis.removeEventListener?.("pageshow", seen);
      if (typeof document !== "undefined") document.removeEventListener("visibilitychange", seen);
      signal?.removeEventListener("abort", stop);
    };
    globalThis.addEventListener?.("online", finish);
    globalThis.addEventListener?.("pageshow", seen);
    if (typeof document !== "undefined") document.addEventListener("visibilitychange", seen);
    signal?.addEventListener("abort", stop);
  });
}

/** The wait before try number `attempt` (0, 1, …) in milliseconds: 1 s doubling to 15 s, ±20 % so that phones do not return together. */
export function backOff(attempt: number, random: () => number = Math.random): number {
  const base = Math.min(15_000, 1_000 * 2 ** Math.min(attempt, 10));
  return Math.round(base * (0.8 + 0.4 * random()));
}
