/**
 * Bytes that are still being made, read while they come: what a recorder has delivered so far.
 *
 * The upload reads it from any offset again and again, because after a cut only the server knows how much
 * arrived. A read waits until there is something to give: an empty answer before the end would be
 * sent as a request without bytes, over and over.
 */
export class Growing {
  private readonly chunks: { from: number; bytes: ArrayBuffer }[] = [];
  private ended = false;
  private waiting = new Set<() => void>();
  private length = 0;

  /** `type` is what the recorder says that it makes. */
  constructor(readonly type: string) {}

  /** A whole one, of bytes that were kept. */
  static of(type: string, bytes: readonly ArrayBuffer[]): Growing {
    const all = new Growing(type);
    for (const chunk of bytes) all.add(chunk);
    all.end();
    return all;
  }

  /** Bytes so far. */
  get size(): number {
    return this.length;
  }
  /** Nothing more comes. */
  get done(): boolean {
    return this.ended;
  }
  /** How many pieces there are. */
  get count(): number {
    return this.chunks.length;
  }

  /** Adds a piece; an empty one, which some recorders deliver, is passed over. */
  add(bytes: ArrayBuffer): void {
    if (this.ended) throw new Error("it has ended");
    if (bytes.byteLength === 0) return;
    this.chunks.push({ from: this.length, bytes });
    this.length += bytes.byteLength;
    this.wake();
  }

  /** Nothing more comes. */
  end(): void {
    this.ended = true;
    this.wake();
  }

  /** All bytes so far, over memory of its own. */
  blob(): Blob {
    return new Blob(
      this.chunks.map((chunk) => chunk.bytes),
      { type: this.type },
    );
  }

  /**
   * Bytes from `start` on, at most up to `end`: as many as there are, but never none before the end. `done` says
   * that with these it is whole. Rejects with the signal's reason.
   */
  async read(start: number, end: number, signal: AbortSignal): Promise<{ value: Blob; done: boolean }> {
    while (this.length <= start && !this.ended) await this.more(signal);
    signal.throwIfAborted();
    const until = Math.min(end, this.length);
    const parts = this.chunks
      .filter((chunk) => chunk.from < until && chunk.from + chunk.bytes.byteLength > start)
      .map((chunk) => chunk.bytes.slice(Math.max(0, start - chunk.from), until - chunk.from));
    return { value: new Blob(parts), done: this.ended && until === this.length };
  }

  private more(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (then: () => void): void => {
        this.waiting.delete(woken);
        signal.removeEventListener("abort", aborted);
        then();
      };
      const woken = (): void => settle(resolve);
      const aborted = (): void => settle(() => reject(signal.reason));
      if (signal.aborted) return reject(signal.reason);
      this.waiting.add(woken);
      signal.addEventListener("abort", aborted);
    });
  }

  private wake(): void {
    for (const woken of [...this.waiting]) woken();
  }
}
