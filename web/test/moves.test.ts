import { expect, test } from "vitest";
import { flatten, mirrored, poseOf, sample, type Face } from "../phone/face/geometry";
import { Course, difference, limits, type Action, type Sight, type Stand, type Way } from "../phone/face/moves";

/** A head of our own making: points on an egg, with eyes and a mouth that open. */
function head(pose: { turn?: number; mouth?: number; eyes?: number }): Face {
  const turn = pose.turn ?? 0;
  const points: [number, number, number][] = Array.from({ length: 468 }, (_, i) => {
    const across = ((i * 37) % 101) / 50 - 1;
    const down = ((i * 53) % 97) / 48 - 1;
    return [80 * across, 100 * down, 120 * Math.sqrt(Math.max(0, 1 - across * across * 0.9))];
  });
  const put = (i: number, x: number, y: number, z: number): void => void (points[i] = [x, y, z]);
  const open = 24 * (pose.eyes ?? 0.34);
  for (const [outer, inner, ups, lows, side] of [[33, 133, [159, 158], [145, 153], -1], [263, 362, [386, 385], [374, 380], 1]] as const) {
    put(outer, side * 52, -30, 35);
    put(inner, side * 28, -30, 50);
    ups.forEach((i) => put(i, side * 40, -30 - open / 2, 46));
    lows.forEach((i) => put(i, side * 40, -30 + open / 2, 46));
  }
  const mouth = 50 * (pose.mouth ?? 0.02);
  put(78, -25, 50, 55);
  put(308, 25, 50, 55);
  put(13, 0, 50 - mouth / 2, 62);
  put(14, 0, 50 + mouth / 2, 62);
  const seen = (x: number, y: number, z: number): [number, number, number] => [320 + x * Math.cos(turn) + z * Math.sin(turn), 220 + y, -(z * Math.cos(turn) - x * Math.sin(turn))];
  const mesh = new Float32Array(468 * 3);
  points.forEach((p, i) => mesh.set(seen(...p), 3 * i));
  const landmarks = new Float32Array(136);
  const mark = (i: number, x: number, y: number, z: number): void => landmarks.set(seen(x, y, z).slice(0, 2), 2 * i);
  for (let i = 0; i < 68; i++) mark(i, 0, 0, 60);
  mark(0, -80, 0, 0);
  mark(16, 80, 0, 0);
  mark(30, 0, 10, 90);
  for (let i = 36; i < 42; i++) mark(i, -40, -30, 45);
  for (let i = 42; i < 48; i++) mark(i, 40, -30, 45);
  return { landmarks, mesh, presence: 0.99 };
}

const shapes: Record<Action, Parameters<typeof head>[0]> = {
  neutral: {},
  turn_left: { turn: 0.5 },
  turn_right: { turn: -0.5 },
  mouth_open: { mouth: 0.4 },
  blink: { eyes: 0.12 },
};

let shot = 0;
function sight(face: Face | null, more: Partial<Sight> = {}): Sight {
  shot++;
  return { face, second: 0, x: 0.5, y: 0.45, height: 0.5, light: 120, print: Uint8Array.from({ length: 1600 }, (_, i) => (i * 7 + shot * 13) % 251), ...more };
}

/** Plays somebody who does what is asked, at twelve looks a second; returns the actions of what is kept. */
function play(actions: Action[], way: Way = "", does: (asked: Action, look: number) => Parameters<typeof head>[0] = (asked) => shapes[asked]): { kept: Action[]; at: number[]; done: boolean } {
  const course = new Course(actions, way);
  const kept: Action[] = [];
  const at: number[] = [];
  let stand: Stand = { action: "neutral", index: 0, advice: null, keep: null, finished: false, again: false, done: false };
  for (let look = 0; look < 400 && !stand.done; look++) {
    stand = course.next(sight(head(does(stand.action ?? "neutral", look))), look * 83);
    if (stand.again) kept.length = at.length = 0;
    if (stand.keep !== null) {
      kept.push(stand.keep);
      at.push(look * 83);
    }
  }
  return { kept, at, done: stand.done };
}

test("a head is measured as it stands", () => {
  expect(Math.abs(poseOf(head({})).turn)).toBeLessThan(0.01);
  expect(poseOf(head({ turn: 0.5 })).turn).toBeGreaterThan(limits.turn);
  expect(poseOf(head({ turn: 0.5 })).yaw).toBeGreaterThan(0);
  expect(poseOf(head({ turn: -0.5 })).yaw).toBeLessThan(0);
  expect(poseOf(head({ mouth: 0.4 })).mouth).toBeCloseTo(0.4, 1);
});

test("all moves in their order, at rest between them", () => {
  const { kept, at, done } = play(["neutral", "turn_right", "blink", "mouth_open"]);
  expect(done).toBe(true);
  expect(kept.filter((a, i) => a !== "neutral" && a !== kept[i - 1])).toEqual(["turn_right", "blink", "mouth_open"]);
  expect(kept.filter((a) => a === "neutral").length).toBeGreaterThanOrEqual(6);
  expect(kept.length).toBeLessThanOrEqual(30);
  at.slice(1).forEach((t, i) => expect(t - at[i]!).toBeGreaterThanOrEqual(kept[i] === kept[i + 1] ? limits.gap : limits.moveGap));
});

test("another move than the one asked for is not taken", () => {
  const { kept, done } = play(["neutral", "turn_left", "blink", "mouth_open"], "", (asked) => (asked === "turn_left" ? shapes.turn_right : shapes[asked]));
  expect(done).toBe(false);
  expect(kept.every((a) => a === "neutral")).toBe(true);
});

test("a flat picture that is bent shows no relief", () => {
  const face = head({});
  const bent = { ...face, mesh: face.mesh.map((v, i) => (i % 3 === 0 ? 320 + (v - 320) * 0.8 : v)) };
  expect(flatten(face.mesh, bent.mesh)!.relief).toBeLessThan(0.001);
  expect(flatten(face.mesh, head({ turn: 0.5 }).mesh)!.relief).toBeGreaterThan(limits.relief);
});

test("who cannot move keeps still, and begins again when it was broken off", () => {
  const calm = play(["neutral"], "still");
  expect(calm.done).toBe(true);
  expect(calm.at.at(-1)! - calm.at[0]!).toBeGreaterThanOrEqual(5_000);
  const course = new Course(["neutral"], "still");
  for (let look = 0; look < 40; look++) course.next(sight(head({})), look * 83);
  expect(course.next(sight(head({ turn: 0.5 })), 41 * 83).advice).toBe("straight");
  let taken = 0;
  for (let look = 42; look < 80; look++) taken += course.next(sight(head({})), look * 83).done ? 1 : 0;
  expect(taken).toBe(0);
});

test("what keeps somebody from going on is said", () => {
  const advice = (s: Sight): string | null => new Course(["neutral", "blink"]).next(s, 0).advice;
  expect(advice(sight(null))).toBe("none");
  expect(advice(sight(null, { light: 20 }))).toBe("more_light");
  expect(advice(sight(head({}), { second: 0.5 }))).toBe("only_you");
  expect(advice(sight(head({}), { height: 0.1 }))).toBe("closer");
  expect(advice(sight(head({}), { height: 0.95 }))).toBe("back");
  expect(advice(sight(head({}), { x: 0.1 }))).toBe("centre");
  expect(advice(sight({ ...head({}), mesh: new Float32Array(0) }))).toBe("wait");
  expect(advice(sight(head({ turn: 0.5 })))).toBe("straight");
  expect(advice(sight(head({ mouth: 0.3 })))).toBe("close_mouth");
  expect(advice(sight(head({})))).toBe(null);
});

test("a camera that shows the same again gives no evidence", () => {
  const course = new Course(["neutral", "blink"]);
  const frozen = sight(head({}));
  let kept = 0;
  for (let look = 0; look < 60; look++) kept += course.next(frozen, look * 83).keep === null ? 0 : 1;
  expect(kept).toBe(1);
  expect(difference(Uint8Array.of(1, 5), Uint8Array.of(3, 5))).toBe(1);
});

test("after too long it begins anew", () => {
  const course = new Course(["neutral", "blink"]);
  for (let look = 0; look < 40; look++) course.next(sight(head({})), look * 83);
  expect(course.next(sight(head({})), 60_000).again).toBe(true);
  expect(course.next(sight(head({})), 60_083)).toMatchObject({ action: "neutral", index: 0, keep: "neutral" });
});

test("for a person's eyes some pictures are taken, whatever they show", () => {
  const course = new Course(["neutral"], "person");
  let kept = 0;
  let done = false;
  for (let look = 0; look < 80 && !done; look++) {
    const stand = course.next(sight(null), look * 83);
    kept += stand.keep === null ? 0 : 1;
    done = stand.done;
  }
  expect([kept, done]).toEqual([6, true]);
});

test("a square is taken from a picture at any angle", () => {
  const picture = { data: Uint8ClampedArray.from({ length: 4 * 64 }, (_, i) => (i % 4 === 3 ? 255 : (Math.floor(i / 4) % 8) * 30)), width: 8, height: 8 };
  const plain = sample(picture, { x: 0, y: 0, step: 1, cos: 1, sin: 0 }, 8);
  expect(plain[3 * 5]).toBeCloseTo(150, 3);
  expect(mirrored(plain, 8)[3 * 5]).toBeCloseTo(60, 3);
  const turned = sample(picture, { x: 8, y: 0, step: 1, cos: 0, sin: 1 }, 8); // a quarter clockwise
  expect(turned[3 * (8 * 2)]).toBeCloseTo(plain[3 * 5]!, 3);
});
