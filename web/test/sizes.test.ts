import { describe, expect, it } from "vitest";
import { Follow, frameSizes, pause, surest, type Found } from "../phone/face/sizes";

const face = (score: number, side = 200, x = 100): Found => ({ score, x, y: 100, width: side, height: side });

/** A detector that finds these at their sizes, and notes what it was asked. */
function detector(at: Record<number, Found[]>): { detect: (size: number) => Promise<Found[]>; asked: number[] } {
  const asked: number[] = [];
  return { asked, detect: (size) => (asked.push(size), Promise.resolve([...(at[size] ?? [])])) };
}

describe("the size at which a face is looked for", () => {
  it("is the one at which the detector is surest, not the first with a hit", async () => {
    const part = face(0.45, 90);
    const whole = face(0.7, 400);
    const { detect, asked } = detector({ 224: [part], 160: [face(0.5, 30), whole] });
    expect(await surest(frameSizes, detect)).toEqual({ faces: [whole, face(0.5, 30)], size: 160 });
    expect(asked).toEqual(frameSizes);
  });
  it("is not looked for further once one is sure", async () => {
    const { detect, asked } = detector({ 224: [face(0.9)], 160: [face(0.99)] });
    expect((await surest(frameSizes, detect)).size).toBe(224);
    expect(asked).toEqual([224]);
  });
  it("is none where there is nobody", async () => {
    expect((await surest(frameSizes, detector({}).detect)).faces).toEqual([]);
  });
});

describe("a face that is followed", () => {
  it("is looked for at its size alone, also while it turns", async () => {
    const follow = new Follow();
    await follow.next(detector({ 224: [face(0.45, 90)], 160: [face(0.95, 400)] }).detect);
    const turned = detector({ 224: [face(0.9, 90)], 160: [face(0.5, 390)] });
    expect(await follow.next(turned.detect)).toEqual([face(0.5, 390)]);
    const again = detector({ 160: [face(0.5, 380)] });
    for (let i = 0; i < 2 * pause; i++) await follow.next(again.detect);
    expect([...turned.asked, ...again.asked]).toEqual(Array(1 + 2 * pause).fill(160));
  });
  it("is looked for at every size at once where it is lost", async () => {
    const follow = new Follow();
    await follow.next(detector({ 224: [face(0.9)] }).detect);
    const moved = detector({ 224: [face(0.5, 200, 400)], 320: [face(0.6, 200, 410)] });
    expect(await follow.next(moved.detect)).toEqual([face(0.6, 200, 410)]);
    expect(moved.asked).toEqual(frameSizes);
  });
  it("is looked for at every size only now and then where nobody is, or nobody surely", async () => {
    for (const at of [{}, { 160: [face(0.5, 400)] }] as Record<number, Found[]>[]) {
      const follow = new Follow();
      const { detect, asked } = detector(at);
      for (let i = 0; i <= pause; i++) await follow.next(detect);
      expect(asked).toHaveLength(frameSizes.length + pause);
      expect(await follow.next(detect)).toEqual(at[160] ?? []);
      expect(asked).toHaveLength(2 * frameSizes.length + pause);
    }
  });
});
