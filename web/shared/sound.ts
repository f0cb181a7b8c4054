/** How loud it is, for the person and for the look afterwards. Levels are dB of full scale: 0 is the loudest there is. */

/** Below this nobody is heard to speak. */
export const voice = -48;

/** The loudness of a stream's microphone. */
export class Ear {
  private readonly context: AudioContext;
  private readonly analyser: AnalyserNode;
  private readonly samples: Float32Array<ArrayBuffer>;

  /** Throws where the browser has no sound processing. Make it in a tap: it stays silent otherwise. */
  constructor(stream: MediaStream) {
    this.context = new AudioContext();
    this.analyser = this.context.createAnalyser();
    this.analyser.fftSize = 2048;
    this.samples = new Float32Array(this.analyser.fftSize);
    this.context.createMediaStreamSource(stream).connect(this.analyser);
    void this.context.resume();
  }

  /** The level now; null while there is nothing to tell from. */
  level(): number | null {
    if (this.context.state !== "running") return null;
    this.analyser.getFloatTimeDomainData(this.samples);
    let sum = 0;
    for (const sample of this.samples) sum += sample * sample;
    return decibels(Math.sqrt(sum / this.samples.length));
  }

  close(): void {
    void this.context.close().catch(() => undefined);
  }
}

/** A share of full scale in dB, at least -100. */
export function decibels(share: number): number {
  return share <= 0 ? -100 : Math.max(-100, 20 * Math.log10(share));
}

/** A meter's bars: fast up, slow down. Feed it about ten times a second. */
export class Bars {
  private shown = -100;

  /** How many of five bars are lit at this level. */
  feed(level: number): number {
    this.shown = level > this.shown ? level : Math.max(level, this.shown - 4);
    return Math.max(0, Math.min(5, Math.floor((this.shown - voice) / 7) + 1));
  }
}

/** Says for how long nobody has spoken. */
export class Quiet {
  private last: number | null = null;

  /** Begins to listen anew at a moment (ms). */
  reset(at: number): void {
    this.last = at;
  }

  /** Milliseconds since a voice was heard, or since the beginning. */
  feed(level: number, at: number): number {
    if (this.last === null || level >= voice) this.last = at;
    return at - this.last;
  }
}
