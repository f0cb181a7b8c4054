// How fast bytes arrive, from what the server counted lately.

const WINDOW = 8_000;
/** Less than this says nothing about a pace. */
const LEAST = 1_500;

export class Pace {
  private seen: { at: number; sent: number }[] = [];

  /** Tells how many bytes have arrived at a moment (ms). */
  feed(sent: number, at: number): void {
    const last = this.seen[this.seen.length - 1];
    if (last && sent <= last.sent) return;
    this.seen.push({ at, sent });
    while (this.seen.length > 2 && at - (this.seen[0]?.at ?? at) > WINDOW) this.seen.shift();
  }

  /** Bytes a second over the last seconds; null while that is too little to say. */
  rate(): number | null {
    const first = this.seen[0];
    const last = this.seen[this.seen.length - 1];
    if (!first || !last || last.at - first.at < LEAST) return null;
    return ((last.sent - first.sent) * 1_000) / (last.at - first.at);
  }
}
