// What a person is told to expect before starting. These are set here, not measured: a photo of a
// document takes about a minute with looking at it, and its file is about 2 MB. A recording takes two minutes with
// looking at it; it is at most a minute long, which at full quality are 9.5 MB.
import { best, bytesOf } from "./recording";
import type { Step } from "./types";

const MINUTES_A_PHOTO = 1;
const BYTES_A_PHOTO = 2_000_000;
const MINUTES_A_CLIP = 2;
/** The longest that a script may take. */
const SECONDS_A_CLIP = 60;

/** Minutes to fill in Level 1. */
export const FORM_MINUTES = 3;

/** About how long these steps take and how much they send. */
export function estimate(steps: Pick<Step, "kind">[]): { minutes: number; bytes: number } {
  const count = (kind: string) => steps.filter((s) => s.kind === kind).length;
  const photos = count("photo");
  const clips = count("clip");
  return {
    minutes: Math.max(1, photos * MINUTES_A_PHOTO + clips * MINUTES_A_CLIP),
    bytes: photos * BYTES_A_PHOTO + clips * bytesOf(best, SECONDS_A_CLIP),
  };
}
