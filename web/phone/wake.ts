/** Keeps the screen awake while a component is shown. */
import { useEffect } from "preact/hooks";

export function useAwake(): void {
  useEffect(() => {
    let lock: WakeLockSentinel | undefined;
    let gone = false;
    const ask = async (): Promise<void> => {
      if (document.visibilityState !== "visible") return;
      try {
        const got = await navigator.wakeLock?.request("screen");
        if (gone) void got?.release();
        else lock = got;
      } catch {
        // A low battery may refuse it; the screen then dims as always.
      }
    };
    void ask();
    // The lock is lost whenever the page is hidden.
    document.addEventListener("visibilitychange", ask);
    return () => {
      gone = true;
      document.removeEventListener("visibilitychange", ask);
      void lock?.release();
    };
  }, []);
}
