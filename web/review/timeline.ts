// The course of a recording: which prompt stood when, how loud it was, and where nobody spoke.
import type { Found, ScriptPrompt } from "./types";

/** One prompt on the timeline, in milliseconds. */
export interface Block { n: number; id: string; text: string; lang: string; kind: string; from: number; to: number; peaks: number[]; gaps: { from: number; to: number }[]; speech: string }

const QUIET = 0.12; // of the loudest
const GAP = 800; // ms of quiet that are worth showing

/** Loudness of base64 bytes, 0 to 1. */
export function peaksOf(found: Found | null): number[] {
  if (!found || found.peaks === "") return [];
  return Array.from(atob(found.peaks), (c) => c.charCodeAt(0) / 255);
}

/** The blocks of a recording; `playing` is its length in ms as the player knows it, 0 where it does not. */
export function blocksOf(prompts: readonly ScriptPrompt[], found: Found | null, playing: number): Block[] {
  const last = prompts.reduce((m, p) => Math.max(m, p.shown_at_ms ?? 0), 0);
  const end = Math.max(found?.duration_ms ?? 0, Number.isFinite(playing) ? playing : 0, last + 1000);
  const peaks = peaksOf(found);
  const every = found?.peak_every_ms || 100;
  const loudest = Math.max(...peaks, 0.05);
  return prompts.map((p, i) => {
    const from = p.shown_at_ms ?? (end / prompts.length) * i;
    const next = prompts[i + 1];
    const to = Math.max(from, next ? next.shown_at_ms ?? (end / prompts.length) * (i + 1) : end);
    const mine = peaks.slice(Math.floor(from / every), Math.ceil(to / every));
    const gaps: Block["gaps"] = [];
    const spoken = p.kind === "read" || p.kind === "repeat";
    for (let k = 0, since = -1; spoken && k <= mine.length; k++) {
      const quiet = k < mine.length && (mine[k] as number) < loudest * QUIET;
      if (quiet && since < 0) since = k;
      if (!quiet && since >= 0) {
        if ((k - since) * every >= GAP) gaps.push({ from: from + since * every, to: from + k * every });
        since = -1;
      }
    }
    return { n: p.n, id: p.id, text: p.text, lang: p.lang, kind: p.kind, from, to, peaks: mine, gaps, speech: found?.prompts.find((x) => x.id === p.id)?.speech ?? "" };
  });
}

/** The prompt that stands at a moment. */
export const blockAt = (blocks: readonly Block[], ms: number): Block | undefined => blocks.findLast((b) => b.from <= ms) ?? blocks[0];

/** The prompts as captions (WebVTT). */
export function captions(blocks: readonly Block[]): string {
  const at = (ms: number) => `${String(Math.floor(ms / 3_600_000)).padStart(2, "0")}:${String(Math.floor(ms / 60_000) % 60).padStart(2, "0")}:${((ms % 60_000) / 1000).toFixed(3).padStart(6, "0")}`;
  const plain = (s: string) => s.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll("-->", "→");
  return `WEBVTT\n\n${blocks.map((b) => `${at(b.from)} --> ${at(Math.max(b.to, b.from + 1))}\n${plain(b.text)}\n`).join("\n")}`;
}
