// The QR code: always the current one, in a box that never changes, without anything that ticks.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { serverNow } from "../shared/api";
import { t } from "../shared/i18n";
import type { Handoff } from "../shared/types";
import { useDesk } from "./desk";

const ROTATE_EVERY = 20_000;
/** A code fetched this long ago is not shown as good any more. */
const DEAD_AFTER = 35_000;
const CLOSE = 1_500;
const RETRY_AFTER = 3_000;

interface Picture { url: string }

/** The tile with the code of an offered handoff. `again` is put on it when the shown code may be dead. */
export function Qr({ h, again }: { h: Handoff; again: ComponentChildren }) {
  const { refresh } = useDesk();
  const [shown, setShown] = useState<Picture>();
  const [leaving, setLeaving] = useState<Picture>();
  const [dead, setDead] = useState(false);
  const [hidden, setHidden] = useState(false);
  const path = h.qr?.svg;
  // When the picture on the screen was due to change, by the server's clock.
  const due = useRef(Date.parse(h.code_expires_at ?? ""));

  useEffect(() => {
    const told = Date.parse(h.code_expires_at ?? "");
    if (!Number.isNaN(told) && (Number.isNaN(due.current) || told > due.current)) due.current = told;
  }, [h.code_expires_at]);

  useEffect(() => {
    if (!path) return;
    let here = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let last: string | undefined;
    let fetching = false;
    let fetched = Date.now();
    const urls = new Set<string>();

    async function next() {
      if (!here || fetching || document.visibilityState === "hidden") return;
      fetching = true;
      clearTimeout(timer);
      try {
        const res = await fetch(path as string, { cache: "no-store", credentials: "same-origin", signal: AbortSignal.timeout(10_000) });
        if (!res.ok) {
          if (res.status === 410 || res.status === 404) void refresh().catch(() => undefined);
          throw new Error("no picture");
        }
        const url = URL.createObjectURL(await res.blob());
        urls.add(url);
        const img = new Image();
        img.src = url;
        await img.decode();
        if (!here) return;
        fetched = Date.now();
        const now = serverNow();
        // Our idea of the server's clock is good to a second; a picture fetched close to its end counts as the next.
        if (Number.isNaN(due.current)) due.current = now + ROTATE_EVERY;
        while (due.current < now + CLOSE) due.current += ROTATE_EVERY;
        const old = last;
        last = url;
        setLeaving(old ? { url: old } : undefined);
        setShown({ url });
        setDead(false);
        setHidden(false);
        if (old) setTimeout(() => { URL.revokeObjectURL(old); urls.delete(old); }, 1_000);
        wait(Math.min(due.current - now, ROTATE_EVERY + CLOSE) + 300);
      } catch {
        if (!here) return;
        if (Date.now() - fetched > DEAD_AFTER) setDead(true);
        wait(RETRY_AFTER);
      } finally {
        fetching = false;
      }
    }
    function wait(ms: number) {
      clearTimeout(timer);
      if (here) timer = setTimeout(() => void next(), ms);
    }
    function visible() {
      if (document.visibilityState === "hidden") {
        clearTimeout(timer);
        return;
      }
      // What was on the screen while nobody looked is not shown before a new one is here.
      if (serverNow() > due.current) setHidden(true);
      void next();
    }
    document.addEventListener("visibilitychange", visible);
    addEventListener("online", visible);
    void next();
    return () => {
      here = false;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", visible);
      removeEventListener("online", visible);
      for (const u of urls) URL.revokeObjectURL(u);
    };
  }, [path]);

  const state = dead ? "dead" : h.opened ? "opening" : hidden ? "hidden" : "good";
  return (
    <div class="qr-column">
      <div class={`qr ${state}`} data-test="qr" data-state={shown ? state : "loading"}>
        {leaving && !dead ? <img key={leaving.url} class="leaving" src={leaving.url} alt="" onAnimationEnd={() => setLeaving(undefined)} /> : null}
        {shown ? <img key={shown.url} class="coming" src={shown.url} alt={t("qr.alt")} draggable={false} /> : null}
      </div>
      {dead ? <div class="qr-again">{again}</div> : null}
    </div>
  );
}
