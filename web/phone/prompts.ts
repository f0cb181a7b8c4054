/** The course of one recording: which prompt is shown, since when, and when the next one may come. Pure. */
import type { Prompt } from "../shared/types";

/** When a prompt was shown, in ms of the recording: what the server keeps beside it. */
export interface Shown {
  prompt_id: string;
  shown_at_ms: number;
}

/** A prompt stays at least so long. */
export const shortest = 2_000;

export class Course {
  readonly timeline: Shown[] = [];
  private photo = false;

  constructor(readonly prompts: readonly Prompt[]) {}

  /** Which prompt is shown; -1 before the first. */
  get index(): number {
    return this.timeline.length - 1;
  }
  get prompt(): Prompt | undefined {
    return this.prompts[this.index];
  }
  /** The one after it. */
  get next(): Prompt | undefined {
    return this.prompts[this.index + 1];
  }
  get last(): boolean {
    return this.index === this.prompts.length - 1;
  }

  /** Shows the next prompt at a moment of the recording; false when there is none. Times never go back. */
  show(ms: number): boolean {
    const next = this.next;
    if (next === undefined) return false;
    const before = this.timeline[this.index];
    const at = Math.round(before === undefined ? 0 : Math.max(ms, before.shown_at_ms + shortest));
    this.timeline.push({ prompt_id: next.id, shown_at_ms: at });
    return true;
  }

  /** The photo of the present prompt was taken. */
  photographed(): void {
    this.photo = true;
  }

  /** From 0 to 1: how near the moment is in which one may go on. */
  ready(ms: number): number {
    const at = this.timeline[this.index];
    if (at === undefined) return 0;
    if (this.prompt?.still === true && !this.photo) return 0;
    return Math.max(0, Math.min(1, (ms - at.shown_at_ms) / shortest));
  }
}

/** The prompt that was on the screen at a moment (ms) of a recording. */
export function promptAt(prompts: readonly Prompt[], timeline: readonly Shown[], ms: number): Prompt | undefined {
  const shown = timeline.findLast((one) => one.shown_at_ms <= ms);
  return prompts.find((prompt) => prompt.id === shown?.prompt_id);
}

/** Whether something is said in it: read aloud, or heard and repeated. */
export function spoken(prompt: Pick<Prompt, "kind">): boolean {
  return prompt.kind === "read" || prompt.kind === "repeat";
}

/** About how many seconds somebody takes for a prompt who reads calmly. */
export function secondsOf(prompt: Pick<Prompt, "text" | "kind">): number {
  if (!spoken(prompt)) return 6;
  let seconds = 1;
  for (const sign of prompt.text) seconds += /\p{Script=Han}/u.test(sign) ? 0.28 : /\d/.test(sign) ? 0.45 : 0.09;
  return seconds;
}
