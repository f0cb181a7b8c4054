/** What can be told of a recording on the phone, before anybody waits for an answer. Hints for the look at it, never a verdict. */
import { voice } from "../shared/sound";
import type { Prompt } from "../shared/types";
import type { Hint } from "../shared/quality";
import { secondsOf, spoken, type Shown } from "./prompts";

/** A problem; `prompt` counts from 1, `at` is its moment in ms. */
export interface Finding {
  code: "dark" | "silent" | "quiet" | "short" | "photo_blurred" | "photo_dark" | "photo_glare";
  prompt?: number;
  at?: number;
}

/** What was measured while it was recorded, by its moment in ms. */
export interface Measured {
  /** Mean brightness of the picture, 0–255. */
  light: { at: number; value: number }[];
  /** Loudness in dB of full scale. */
  sound: { at: number; value: number }[];
  /** What the photo lacks. */
  photo: Hint[];
}

const limits = {
  /** Median brightness below which faces and letters are not seen. */
  dark: 55,
  /** A sentence in which a voice is heard for less than this was hardly read. */
  heard: 400,
  /** A sentence shown for less than this share of the time that it takes was hardly read. */
  hasty: 0.4,
};

/** Lists what is wrong, the gravest first. */
export function findingsOf(prompts: readonly Prompt[], timeline: readonly Shown[], ms: number, measured: Measured): Finding[] {
  const found: Finding[] = [];
  if (measured.light.length > 0 && median(measured.light.map((one) => one.value)) < limits.dark) found.push({ code: "dark" });
  const said = timeline.map((shown, i) => ({
    prompt: prompts.find((one) => one.id === shown.prompt_id),
    number: i + 1,
    from: shown.shown_at_ms,
    to: timeline[i + 1]?.shown_at_ms ?? ms,
  }));
  const read = said.filter((one) => one.prompt !== undefined && spoken(one.prompt));
  const heard = (from: number, to: number): number => {
    const inside = measured.sound.filter((one) => one.at >= from && one.at < to);
    return inside.length === 0 ? Infinity : (inside.filter((one) => one.value >= voice).length / inside.length) * (to - from);
  };
  if (read.length > 0 && measured.sound.length > 0 && read.every((one) => heard(one.from, one.to) < limits.heard)) {
    found.push({ code: "silent" });
  } else {
    for (const one of read) {
      const where = { prompt: one.number, at: one.from };
      if (heard(one.from, one.to) < limits.heard) found.push({ code: "quiet", ...where });
      else if (one.to - one.from < limits.hasty * secondsOf(one.prompt!) * 1000) found.push({ code: "short", ...where });
    }
  }
  const photo = { hold_still: "photo_blurred", more_light: "photo_dark", glare: "photo_glare" } as const;
  for (const hint of measured.photo) if (hint in photo) found.push({ code: photo[hint as keyof typeof photo] });
  return found;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
