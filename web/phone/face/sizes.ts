/**
 * At which size a face is looked for. The detector knows faces of some sizes only: of one that is too large for it, it
 * takes a part for a face, but is not sure. So the size at which it is surest counts, as on the server.
 */

export interface Box { x: number; y: number; width: number; height: number }

/** A face that the detector found, and how sure it is: 0 to 1. */
export interface Found extends Box { score: number }

type Detect = (size: number) => Promise<Found[]>;

/** For a picture that a face fills. A face that only a larger size would find has to come closer anyway. */
export const frameSizes = [224, 320, 160];
/** For a document's photo: a small face, and sometimes little else. */
export const portraitSizes = [416, 320, 224, 160];

/** From here on nothing else is looked for. */
export const sure = 0.8;

/** Two boxes' common share of their area from which on they are of one face, look after look. */
const same = 0.6;

/** So many looks go by before the other sizes are tried again: together they cost two or three times a look. */
export const pause = 4;

const bySureness = (a: Found, b: Found): number => b.score - a.score;

/** The faces at the size at which the detector is surest, surest first; empty where there are none. It is asked in the sizes' order, until it is sure. */
export async function surest(sizes: readonly number[], detect: Detect): Promise<{ faces: Found[]; size: number }> {
  let best: { faces: Found[]; size: number } = { faces: [], size: sizes[0]! };
  for (const size of sizes) {
    const faces = (await detect(size)).sort(bySureness);
    if ((faces[0]?.score ?? 0) > (best.faces[0]?.score ?? 0)) best = { faces, size };
    if ((best.faces[0]?.score ?? 0) >= sure) break;
  }
  return best;
}

/**
 * Follows a face from look to look, for the price of one size: as long as one that was surely found stays where it is,
 * it is looked for at its size alone, also while it turns and is less surely one. Where there is none such, the other
 * sizes are tried now and then.
 */
export class Follow {
  private face: Found | null = null; // that was sure, and is still where it was
  private size = frameSizes[0]!;
  private wait = 0;

  /** The faces of the next picture, surest first. */
  async next(detect: Detect): Promise<Found[]> {
    let faces = (await detect(this.size)).sort(bySureness);
    if (!this.keeps(faces[0]) && --this.wait < 0) {
      const first = faces;
      const others = frameSizes.filter((size) => size !== this.size);
      const best = await surest([this.size, ...others], (size) => (size === this.size ? Promise.resolve(first) : detect(size)));
      faces = best.faces;
      this.size = faces.length > 0 ? best.size : frameSizes[0]!;
      if (!this.keeps(faces[0])) this.wait = pause;
    }
    return faces;
  }

  /** Says whether a face is sure, or the one that was, and remembers it. */
  private keeps(best: Found | undefined): boolean {
    const kept = best !== undefined && (best.score >= sure || (this.face !== null && shared(this.face, best) >= same));
    this.face = kept ? best : null;
    if (kept) this.wait = 0;
    return kept;
  }
}

/** The share of two boxes' area that both have. */
export function shared(a: Box, b: Box): number {
  const w = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const h = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return w <= 0 || h <= 0 ? 0 : (w * h) / (a.width * a.height + b.width * b.height - w * h);
}
