/**
 * The course of the moves: which one is asked for now, what keeps the person from it, and which frames are kept as
 * evidence. Pure: it is told what was seen and when, and says what to show. Its limits are a little stricter than the
 * server's, so that what passes here passes there.
 */
import { flatten, eyesOf, mouthOf, poseOf, type Face } from "./geometry";

export type Action = "neutral" | "turn_left" | "turn_right" | "mouth_open" | "blink";

/** What keeps a person from going on. */
export type Advice = "none" | "only_you" | "closer" | "back" | "more_light" | "centre" | "straight" | "close_mouth" | "wait";

/** What one look at the camera showed. */
export interface Sight {
  face: Face | null;
  /** How high another face is, as a share of the largest. */
  second: number;
  /** The face's place, as shares of the picture: its middle, and its height. */
  x: number;
  y: number;
  height: number;
  /** Mean brightness of the face, 0 to 255. */
  light: number;
  /** The picture very small, to know a frame again. */
  print: Uint8Array;
}

/** What to show now. */
export interface Stand {
  /** The action that is asked for; null when all is done. */
  action: Action | null;
  /** Its place among the actions. */
  index: number;
  advice: Advice | null;
  /** The frame of this look is evidence for this action. */
  keep: Action | null;
  /** The last look finished a move. */
  finished: boolean;
  /** All that was kept so far is void: begin anew. */
  again: boolean;
  done: boolean;
}

export const limits = {
  second: 0.35,
  tooSmall: 0.28,
  tooLarge: 0.8,
  offCentre: 0.2,
  dark: 50,
  presence: 0.6,
  rest: 0.12,
  closed: 0.08,
  turn: 0.3,
  relief: 0.07,
  mouth: 0.26,
  blink: 0.58,
  /** Frames at rest before the first move. */
  neutral: 4,
  /** Between kept frames, in ms; and more between those of different actions. */
  gap: 180,
  moveGap: 250,
  /** From the first frame to the last the server takes a minute. */
  longest: 50_000,
  /** How long one looks straight ahead who cannot move. */
  still: 5_500,
  stillGap: 650,
  /** Least mean difference of two kept pictures, in grey levels. */
  same: 0.6,
};

/** How many frames show one move: the peak, and a second one if it is held. */
const perMove = 2;

/** Who cannot move looks ahead; who wants a person to look is not judged at all. */
export type Way = "" | "fewer_moves" | "still" | "person";

export class Course {
  private index = 0;
  private kept: { action: Action; at: number; print: Uint8Array }[] = [];
  private frames = 0;
  private resting: Float32Array | null = null;
  private open: number[] = [];
  private first: number | null = null;
  private held: number | null = null;
  private returning = false;

  constructor(
    private readonly actions: readonly Action[],
    private readonly way: Way = "",
  ) {}

  /** Takes a look at `at` ms into account. */
  next(sight: Sight, at: number): Stand {
    if (this.first !== null && at - this.first > limits.longest) {
      this.restart();
      return this.stand({ again: true });
    }
    if (this.way === "person") return this.plain(sight, at);
    // In the middle of a move the head is elsewhere, and that is right.
    const moving = !this.returning && this.actions[this.index] !== undefined && this.actions[this.index] !== "neutral";
    const advice = this.advice(sight, moving);
    if (advice !== null) {
      // A look ahead that was broken off begins anew.
      this.held = null;
      return this.stand({ advice });
    }
    if (this.way === "still") return this.still(sight, at);
    if (this.returning) return this.back(sight, at);
    const action = this.actions[this.index];
    if (action === undefined) return this.stand({ done: true });
    if (action === "neutral") return this.rest(sight, at, limits.neutral);
    return this.move(action, sight, at);
  }

  /** What the frames show better without a course: that there is a face, alone, near and lit. */
  private advice(sight: Sight, moving: boolean): Advice | null {
    const face = sight.face;
    if (face === null) return sight.light < limits.dark ? "more_light" : "none";
    if (sight.second >= limits.second) return "only_you";
    if (sight.height < limits.tooSmall) return "closer";
    if (sight.height > limits.tooLarge) return "back";
    if (!moving && (Math.abs(sight.x - 0.5) > limits.offCentre || Math.abs(sight.y - 0.45) > limits.offCentre)) return "centre";
    if (sight.light < limits.dark) return "more_light";
    if (face.mesh.length === 0) return "wait";
    return face.presence < limits.presence ? "none" : null;
  }

  /** At rest: `count` frames, looking straight at the camera. */
  private rest(sight: Sight, at: number, count: number): Stand {
    const face = sight.face!;
    const advice = this.restless(face);
    if (advice !== null) return this.stand({ advice });
    const pose = poseOf(face);
    // Eyes that happen to close are no portrait.
    if (pose.eyes < 0.75 * this.eyes()) return this.stand({});
    if (!this.mayKeep("neutral", sight.print, at)) return this.stand({});
    this.keep("neutral", sight.print, at);
    this.open.push(pose.eyes);
    if (this.frames === Math.ceil(count / 2) || this.resting === null) this.resting = face.mesh;
    const finished = this.frames >= count;
    if (finished) this.index++;
    return this.stand({ keep: "neutral", finished });
  }

  /** Back at rest between two moves: one frame. */
  private back(sight: Sight, at: number): Stand {
    const advice = this.restless(sight.face!);
    if (advice !== null) return this.stand({ advice });
    if (!this.mayKeep("neutral", sight.print, at)) return this.stand({});
    this.returning = false;
    if (poseOf(sight.face!).eyes < 0.75 * this.eyes()) return this.stand({});
    this.keep("neutral", sight.print, at);
    const done = this.index >= this.actions.length;
    return this.stand({ keep: "neutral", done });
  }

  private restless(face: Face): Advice | null {
    const pose = poseOf(face);
    if (Math.abs(pose.turn) > limits.rest) return "straight";
    return pose.mouth > limits.closed ? "close_mouth" : null;
  }

  private move(action: Action, sight: Sight, at: number): Stand {
    const shown = this.shows(action, sight.face!);
    const mine = this.kept.filter((k) => k.action === action && k.at > this.began()).length;
    if (!shown) {
      // The peak is over: what is kept of it is enough.
      if (mine > 0) return this.finish();
      return this.stand({});
    }
    if (!this.mayKeep(action, sight.print, at)) return this.stand({});
    this.keep(action, sight.print, at);
    // An eye's blink is short; a head that is turned stays a moment.
    if (mine + 1 >= perMove || action === "blink") return this.finish(action);
    return this.stand({ keep: action });
  }

  private finish(keep: Action | null = null): Stand {
    this.index++;
    this.returning = true;
    return this.stand({ keep, finished: true });
  }

  /** When the present move began: the last frame of another action. */
  private began(): number {
    const action = this.actions[this.index];
    return this.kept.findLast((k) => k.action !== action)?.at ?? -1;
  }

  /** Whether a face shows an action. */
  shows(action: Action, face: Face): boolean {
    const pose = poseOf(face);
    const flat = this.resting === null ? null : flatten(this.resting, face.mesh);
    if (flat === null) return false;
    switch (action) {
      case "turn_left":
        return pose.turn >= limits.turn && pose.yaw > 0 && flat.relief >= limits.relief;
      case "turn_right":
        return pose.turn <= -limits.turn && pose.yaw < 0 && flat.relief >= limits.relief;
      case "mouth_open":
        return mouthOf(flat.flat) >= limits.mouth;
      case "blink":
        return eyesOf(flat.flat) <= limits.blink * this.eyes();
      case "neutral":
        return this.restless(face) === null;
    }
  }

  /** The eyes' own opening. */
  private eyes(): number {
    const sorted = [...this.open].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? 0;
  }

  private still(sight: Sight, at: number): Stand {
    const advice = this.restless(sight.face!);
    if (advice !== null) {
      this.restart();
      return this.stand({ advice });
    }
    this.held ??= at;
    const last = this.kept.at(-1)?.at ?? -Infinity;
    let keep: Action | null = null;
    if (at - last >= limits.stillGap && this.fresh(sight.print)) {
      this.keep("neutral", sight.print, at);
      keep = "neutral";
    }
    const over = this.kept.length > 1 ? this.kept.at(-1)!.at - this.kept[0]!.at : 0;
    const done = over >= limits.still;
    if (done) this.index = this.actions.length;
    return this.stand({ keep, done });
  }

  /** For a person's eyes: some frames, whatever they show. */
  private plain(sight: Sight, at: number): Stand {
    const last = this.kept.at(-1)?.at ?? -Infinity;
    if (at - last < limits.stillGap || !this.fresh(sight.print)) return this.stand({});
    this.keep("neutral", sight.print, at);
    const done = this.kept.length >= 6;
    if (done) this.index = this.actions.length;
    return this.stand({ keep: "neutral", done });
  }

  private mayKeep(action: Action, print: Uint8Array, at: number): boolean {
    const last = this.kept.at(-1);
    if (last !== undefined && at - last.at < (last.action === action ? limits.gap : limits.moveGap)) return false;
    return this.fresh(print);
  }

  /** A camera that stands still, or shows the same again, gives no evidence. */
  private fresh(print: Uint8Array): boolean {
    return this.kept.every((k) => difference(k.print, print) >= limits.same);
  }

  private keep(action: Action, print: Uint8Array, at: number): void {
    this.first ??= at;
    this.frames++;
    this.kept.push({ action, at, print });
  }

  private restart(): void {
    this.index = 0;
    this.kept = [];
    this.frames = 0;
    this.resting = null;
    this.open = [];
    this.first = null;
    this.held = null;
    this.returning = false;
  }

  private stand(of: Partial<Stand>): Stand {
    const done = of.done ?? false;
    const action = done ? null : this.returning || this.index >= this.actions.length ? "neutral" : this.actions[this.index]!;
    return { action, index: this.index, advice: null, keep: null, finished: false, again: false, ...of, done };
  }
}

/** Mean difference of two small pictures, in grey levels. */
export function difference(a: Uint8Array, b: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i]! - b[i]!);
  return a.length === 0 ? Infinity : sum / a.length;
}

/** Distance of two embeddings, as the server measures it for a model. */
export function distance(a: Float32Array, b: Float32Array, model: string): number {
  let [dot, aa, bb, diff] = [0, 0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
    diff += (a[i]! - b[i]!) ** 2;
  }
  return model === "dlib" ? Math.sqrt(diff) : 1 - dot / Math.sqrt(aa * bb);
}
