import { expect, test } from "vitest";
import { Pace } from "../desk/pace";

test("a pace is told from the last seconds, once there is enough to say", () => {
  const p = new Pace();
  expect(p.rate()).toBeNull();
  p.feed(0, 0);
  p.feed(50_000, 1_000);
  expect(p.rate()).toBeNull();
  p.feed(100_000, 2_000);
  expect(p.rate()).toBe(50_000);
  // It was fast for a while: the slow start is forgotten.
  for (let s = 3; s <= 14; s++) p.feed(100_000 + (s - 2) * 200_000, s * 1_000);
  expect(p.rate()).toBe(200_000);
});

test("bytes that do not grow say nothing", () => {
  const p = new Pace();
  p.feed(10, 0);
  p.feed(10, 5_000);
  p.feed(5, 6_000);
  expect(p.rate()).toBeNull();
});
