/**
 * What a small grey picture of the document frame tells: light, glare, sharpness, movement, and
 * whether a document fills the frame. These are hints while aiming, never a verdict: the server
 * looks at the photo itself.
 */

/** A grey picture, one byte a pixel. */
export interface Gray {
  data: Uint8Array;
  width: number;
  height: number;
}

/** What was measured. */
export interface Measures {
  /** Mean brightness, 0–255. */
  light: number;
  /** Share (0–1) of the picture that lies in washed-out patches. */
  glare: number;
  /** Variance of the Laplacian: fine detail. */
  detail: number;
  /** Mean difference from the picture before, 0–255, without what changed everywhere alike; 0 for the first one. */
  motion: number;
  /** How many of the four edges of a document lie near the frame's. */
  sides: number;
}

/** A hint's code, as the desk gets it too. */
export type Hint = "more_light" | "glare" | "closer" | "hold_still";

/** How far the measured region reaches beyond the frame, as a share of the frame's width and height. */
export const margin = 0.1;

const limits = {
  dark: 55,
  glare: 0.012,
  detail: 60,
  motion: 2.2,
  sides: 3,
  /** A pixel counts as washed out from here. */
  white: 250,
  /** An edge must be this strong (grey levels) along its course. */
  edge: 7,
};

/** Turns RGBA bytes into a grey picture (ITU-R BT.601 weights), into `into` where it fits. */
export function grayOf(rgba: Uint8ClampedArray, width: number, height: number, into?: Uint8Array): Gray {
  const data = into !== undefined && into.length === width * height ? into : new Uint8Array(width * height);
  for (let i = 0, p = 0; i < data.length; i++, p += 4) {
    data[i] = (rgba[p]! * 77 + rgba[p + 1]! * 150 + rgba[p + 2]! * 29) >> 8;
  }
  return { data, width, height };
}

/** Measures a picture; `before` is the one measured last, where it has the same size. */
export function measure(now: Gray, before?: Gray): Measures {
  return { light: light(now), glare: glare(now), detail: detail(now), motion: motion(now, before), sides: sides(now) };
}

/** The one hint that helps most, or null when the picture is good. */
export function hintFor(m: Measures): Hint | null {
  if (m.light < limits.dark) return "more_light";
  if (m.sides < limits.sides) return "closer";
  if (m.motion > limits.motion) return "hold_still";
  if (m.glare > limits.glare) return "glare";
  if (m.detail < limits.detail) return "hold_still";
  return null;
}

/** Names what a taken photo lacks; framing is left to the eye. */
export function problemsOf(m: Measures): Hint[] {
  const found: Hint[] = [];
  if (m.light < limits.dark) found.push("more_light");
  if (m.glare > limits.glare) found.push("glare");
  if (m.detail < limits.detail) found.push("hold_still");
  return found;
}

function light({ data }: Gray): number {
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += data[i]!;
  return sum / data.length;
}

/** Reflections are patches: a cell of the picture counts when nearly all of it is washed out. */
function glare({ data, width, height }: Gray): number {
  const cell = 8;
  const columns = Math.floor(width / cell);
  const rows = Math.floor(height / cell);
  if (columns === 0 || rows === 0) return 0;
  let burnt = 0;
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      let white = 0;
      for (let y = 0; y < cell; y++) {
        const row = (r * cell + y) * width + c * cell;
        for (let x = 0; x < cell; x++) if (data[row + x]! >= limits.white) white++;
      }
      if (white > cell * cell * 0.9) burnt++;
    }
  }
  const share = burnt / (columns * rows);
  // A reflection is a spot. White on more than a fifth of the picture is white paper or a pale card.
  return share > 0.2 ? 0 : share;
}

function detail({ data, width, height }: Gray): number {
  // Only the inner part: the document's own edges are always sharp steps.
  const x0 = Math.round(width * 0.16);
  const y0 = Math.round(height * 0.16);
  let n = 0;
  let sum = 0;
  let squares = 0;
  for (let y = y0; y < height - y0; y++) {
    for (let x = x0; x < width - x0; x++) {
      const i = y * width + x;
      const l = data[i - 1]! + data[i + 1]! + data[i - width]! + data[i + width]! - 4 * data[i]!;
      n++;
      sum += l;
      squares += l * l;
    }
  }
  return n === 0 ? 0 : squares / n - (sum / n) ** 2;
}

function motion(now: Gray, before?: Gray): number {
  if (before === undefined || before.data.length !== now.data.length) return 0;
  // Means of cells, so that sensor noise in the dark does not look like movement.
  const cell = 6;
  const changes: number[] = [];
  for (let y = 0; y + cell <= now.height; y += cell) {
    for (let x = 0; x + cell <= now.width; x += cell) {
      let difference = 0;
      for (let v = 0; v < cell; v++) {
        const row = (y + v) * now.width + x;
        for (let u = 0; u < cell; u++) difference += now.data[row + u]! - before.data[row + u]!;
      }
      changes.push(difference / (cell * cell));
    }
  }
  if (changes.length === 0) return 0;
  // What changes everywhere alike is the camera's exposure, not movement.
  const all = changes.reduce((sum, change) => sum + change, 0) / changes.length;
  return changes.reduce((sum, change) => sum + Math.abs(change - all), 0) / changes.length;
}

/**
 * Looks for a document's edge in a band along each side of the frame. Each band is cut into four
 * pieces that may lie at different depths, so a few degrees of tilt do not hide an edge; within a
 * piece only a step in one direction along the whole piece counts, which print and texture do not make.
 */
function sides(picture: Gray): number {
  return (["top", "bottom", "left", "right"] as const).filter((side) => hasEdge(picture, side)).length;
}

function hasEdge({ data, width, height }: Gray, side: "top" | "bottom" | "left" | "right"): boolean {
  const flat = side === "top" || side === "bottom";
  const across = flat ? height : width;
  const along = flat ? width : height;
  const inner = margin / (1 + 2 * margin);
  // From the edge of the measured region to well inside the frame: a document a tenth too small still counts.
  const depth = Math.round(across * (inner + 0.1));
  const from = Math.round(along * (inner + 0.08));
  const to = along - from;
  const pieces = 4;
  const piece = Math.floor((to - from) / pieces);
  if (piece < 4 || depth < 4) return false;
  let found = 0;
  for (let p = 0; p < pieces; p++) {
    let best = 0;
    for (let d = 1; d < depth - 1; d++) {
      const at = side === "top" || side === "left" ? d : across - 1 - d;
      let step = 0;
      for (let k = 0; k < piece; k++) {
        const s = from + p * piece + k;
        step += flat ? data[(at + 1) * width + s]! - data[(at - 1) * width + s]! : data[s * width + at + 1]! - data[s * width + at - 1]!;
      }
      best = Math.max(best, Math.abs(step) / piece);
    }
    if (best >= limits.edge) found++;
  }
  return found >= 3;
}
