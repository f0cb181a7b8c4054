/** When a hint is shown: calm enough to read, and never two at once. Times in milliseconds. */

const trueFor = 400;
const shownFor = 1_500;
const readyFor = 500;

/** Decides which hint is on the screen from what is true at each moment. */
export class HintClock<H extends string> {
  private candidate: H | null = null;
  private since = -Infinity;
  private shown: H | null = null;
  private shownAt = -Infinity;

  /** Tells what is true now; returns what to show. */
  feed(hint: H | null, now: number): H | null {
    if (hint !== this.candidate) {
      this.candidate = hint;
      this.since = now;
    }
    if (this.candidate === this.shown) return this.shown;
    if (this.shown !== null && now - this.shownAt < shownFor) return this.shown;
    if (now - this.since >= trueFor) {
      this.shown = this.candidate;
      this.shownAt = now;
    }
    return this.shown;
  }
}

/** Says once when everything has been right for long enough to take the picture. */
export class Readiness {
  private since: number | null = null;

  /** Tells whether all is right now; returns true while it has been for 500 ms. */
  feed(right: boolean, now: number): boolean {
    if (!right) {
      this.since = null;
      return false;
    }
    this.since ??= now;
    return now - this.since >= readyFor;
  }

  /** Starts again. */
  reset(): void {
    this.since = null;
  }
}
