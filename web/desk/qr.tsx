// The QR code: always the current one, in a box that never changes, without anything that ticks.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { serverNow } from "../shared/api";
import { t } from "../shared/i18n";
import type { Handoff } from "../shared/types";
import { useDesk } from "./desk";

const ROTATE_EVERY = 20_000;
/** A code this long past its time is not shown as good any more. */
const DEAD_AFTER = 35_000;
const RETRY_AFTER = 3_000;

interface Picture { url: string; at: number }

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
        const now = serverNow();
        while (Number.isNaN(due.current) || due.current <= now) due.current = Number.isNaN(due.current) ? now + ROTATE_EVERY : due.current + ROTATE_EVERY;
        const old = last;
        last = url;
        setShown((was) => {
          setLeaving(was);
          return { url, at: Date.now() };
        });
        setDead(false);
        setHidden(false);
        if (old) setTimeout(() => { URL.revokeObjectURL(old); urls.delete(old); }, 1_000);
        wait(Math.min(ROTATE_EVERY, Math.max(1_000, due.current - now + 100)));
      } catch {
        if (!here) return;
        if (serverNow() - due.current > DEAD_AFTER - ROTATE_EVERY || Number.isNaN(due.current)) setDead(true);
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
