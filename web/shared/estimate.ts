// What a person is told to expect before starting. These are set here, not measured: a photo of a
// document takes about a minute with looking at it, and its file is about 2 MB.
import type { Step } from "./types";

const MINUTES_A_PHOTO = 1;
const BYTES_A_PHOTO = 2_000_000;

/** Minutes to fill in Level 1. */
export const FORM_MINUTES = 3;

/** About how long these steps take and how much they send. */
export function estimate(steps: Pick<Step, "kind">[]): { minutes: number; bytes: number } {
  const photos = steps.filter((s) => s.kind === "photo").length;
  return { minutes: Math.max(1, photos * MINUTES_A_PHOTO), bytes: photos * BYTES_A_PHOTO };
}
