/** Tells the desk what the phone is doing: closed words only, at most four times a second, and only when it changed. */
import type { Phase } from "../shared/types";
import type { Hint } from "../shared/quality";
import type { Action } from "./face/moves";

/** What is told. */
export interface Doing {
  step: string;
  phase: Phase;
  /** What keeps a photo from being good, or the move that is asked for. */
  hint?: Hint | Action;
  /** Of a recording: which prompt (from 0) of how many, which take (from 1), and how long it is. */
  prompt_index?: number;
  prompt_count?: number;
  take?: number;
  elapsed_ms?: number;
}

const every = 250;

export class Teller {
  private last = "";
  private at = -Infinity;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `send` passes a message on; losing one is harmless. */
  constructor(
    private readonly send: (doing: Doing) => void,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Tells; the newest word wins where several come at once. */
  say(doing: Doing): void {
    const text = `${doing.step} ${doing.phase} ${doing.hint ?? ""} ${doing.prompt_index ?? ""} ${doing.take ?? ""} ${doing.elapsed_ms ?? ""}`;
    clearTimeout(this.timer);
    if (text === this.last) return;
    const wait = this.at + every - this.now();
    if (wait > 0) {
      this.timer = setTimeout(() => this.out(doing, text), wait);
      return;
    }
    this.out(doing, text);
  }

  /** Says nothing more of what waits. */
  stop(): void {
    clearTimeout(this.timer);
    this.last = "";
  }

  private out(doing: Doing, text: string): void {
    this.last = text;
    this.at = this.now();
    this.send(doing);
  }
}
