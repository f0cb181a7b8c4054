import { describe, expect, it } from "vitest";
import { coverBox, faultOf, widened } from "../shared/camera";
import { HintClock, Readiness } from "../shared/hints";
import { grayOf, hintFor, measure, problemsOf, type Gray, type Measures } from "../shared/quality";
import { usable, type Kept } from "../shared/stash";
import { judge, uploadIdOf } from "../shared/upload";
import { backOff, pause } from "../shared/wait";

const width = 480;
const height = 303;

/** A drawn card with print on a dark table: `inset` is how far its edges lie inside the frame, `dim` how bright it is. */
function card({ inset = 0, dim = 1, shift = 0, tilt = 0 } = {}): Gray {
  const data = new Uint8Array(width * height);
  const frameX = width / 12;
  const frameY = height / 12;
  const x0 = frameX + inset * width + shift;
  const y0 = frameY + inset * height;
  const x1 = width - frameX - inset * width + shift;
  const y1 = height - frameY - inset * height;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const u = x - tilt * (y - height / 2);
      const v = y + tilt * (x - width / 2);
      const on = u >= x0 && u < x1 && v >= y0 && v < y1;
      const print = on && Math.floor((v - y0) / 14) % 2 === 1 && ((Math.floor(u / 3) * 7 + Math.floor(v / 3) * 13) % 5 < 2);
      data[y * width + x] = Math.round((on ? (print ? 40 : 205) : 70) * dim);
    }
  }
  return { data, width, height };
}

/** A box blur, so often. */
function blurred(picture: Gray, times: number): Gray {
  let from = picture.data;
  for (let n = 0; n < times; n++) {
    const to = new Uint8Array(from);
    for (let y = 1; y < height - 1; y++) {
      for (let x = 1; x < width - 1; x++) {
        let sum = 0;
        for (let v = -1; v <= 1; v++) for (let u = -1; u <= 1; u++) sum += from[(y + v) * width + x + u]!;
        to[y * width + x] = sum / 9;
      }
    }
    from = to;
  }
  return { data: from, width, height };
}

function spot(picture: Gray, x0: number, y0: number, side: number): Gray {
  const data = new Uint8Array(picture.data);
  for (let y = y0; y < y0 + side; y++) for (let x = x0; x < x0 + side; x++) data[y * width + x] = 255;
  return { data, width, height };
}

describe("measures of a picture", () => {
  it("find nothing wrong with a sharp, lit card in the frame", () => {
    expect(hintFor(measure(card(), card()))).toBeNull();
    expect(problemsOf(measure(card()))).toEqual([]);
  });
  it("accept a card a few degrees askew, or a little too small", () => {
    expect(measure(card({ tilt: 0.04 })).sides).toBeGreaterThanOrEqual(3);
    expect(measure(card({ inset: 0.05 })).sides).toBe(4);
  });
  it("ask to come closer when the card is small, or not there", () => {
    expect(hintFor(measure(card({ inset: 0.2 })))).toBe("closer");
    expect(hintFor(measure({ data: new Uint8Array(width * height).fill(120), width, height }))).toBe("closer");
  });
  it("ask for light in the dark, first of all", () => {
    expect(hintFor(measure(card({ dim: 0.25 })))).toBe("more_light");
    expect(problemsOf(measure(blurred(card({ dim: 0.25 }), 6)))).toContain("more_light");
  });
  it("see a reflection, but not white paper", () => {
    expect(hintFor(measure(spot(card(), 200, 120, 64)))).toBe("glare");
    expect(measure({ data: new Uint8Array(width * height).fill(255), width, height }).glare).toBe(0);
  });
  it("ask to hold still when it is blurred or moves", () => {
    expect(hintFor(measure(blurred(card(), 8)))).toBe("hold_still");
    expect(problemsOf(measure(blurred(card(), 8)))).toEqual(["hold_still"]);
    expect(hintFor(measure(card({ shift: 12 }), card()))).toBe("hold_still");
    expect(hintFor(measure(card({ shift: 1 }), card()))).toBeNull();
    // The camera's exposure moves everything alike; that is not movement.
    const brighter = { ...card(), data: card().data.map((grey) => grey + 10) };
    expect(measure(brighter, card()).motion).toBe(0);
  });
  it("turn colours into grey", () => {
    const grey = grayOf(new Uint8ClampedArray([255, 255, 255, 255, 0, 0, 0, 255, 255, 0, 0, 255]), 3, 1);
    expect([...grey.data]).toEqual([255, 0, 76]);
  });
});

describe("hints", () => {
  it("appear after 400 ms of being true and stay for 1.5 s", () => {
    const clock = new HintClock<"closer" | "glare">();
    expect(clock.feed("closer", 0)).toBeNull();
    expect(clock.feed("closer", 399)).toBeNull();
    expect(clock.feed("closer", 400)).toBe("closer");
    expect(clock.feed(null, 500)).toBe("closer");
    expect(clock.feed(null, 1_899)).toBe("closer");
    expect(clock.feed(null, 1_900)).toBeNull();
  });
  it("do not appear for a flicker, and never two at once", () => {
    const clock = new HintClock<"closer" | "glare">();
    for (let now = 0; now < 3_000; now += 300) expect(clock.feed(now % 600 === 0 ? "closer" : "glare", now)).toBeNull();
    clock.feed("glare", 3_000);
    expect(clock.feed("glare", 3_400)).toBe("glare");
    clock.feed("closer", 3_500);
    expect(clock.feed("closer", 4_800)).toBe("glare");
    expect(clock.feed("closer", 4_900)).toBe("closer");
  });
  it("let the picture be taken after 500 ms without a fault", () => {
    const ready = new Readiness();
    expect(ready.feed(true, 0)).toBe(false);
    expect(ready.feed(true, 499)).toBe(false);
    expect(ready.feed(true, 500)).toBe(true);
    expect(ready.feed(false, 520)).toBe(false);
    expect(ready.feed(true, 600)).toBe(false);
    expect(ready.feed(true, 1_099)).toBe(false);
    expect(ready.feed(true, 1_100)).toBe(true);
  });
});

describe("the camera", () => {
  it("has a name for every refusal", () => {
    const named = (name: string): Error => Object.assign(new Error(), { name });
    expect(faultOf(named("NotAllowedError"))).toBe("denied");
    expect(faultOf(named("NotFoundError"))).toBe("none");
    expect(faultOf(named("NotReadableError"))).toBe("busy");
    expect(faultOf(named("TypeError"))).toBe("unsupported");
    expect(faultOf("?")).toBe("unsupported");
  });
  it("finds the frame in the picture that covers the page", () => {
    // A landscape picture on a portrait page is cut at the sides.
    expect(coverBox({ width: 360, height: 640 }, { width: 1280, height: 640 }, { x: 20, y: 100, width: 320, height: 200 })).toEqual({ x: 480, y: 100, width: 320, height: 200 });
    // Twice as large, cut above and below.
    expect(coverBox({ width: 360, height: 640 }, { width: 720, height: 1600 }, { x: 0, y: 0, width: 360, height: 640 })).toEqual({ x: 0, y: 160, width: 720, height: 1280 });
    expect(coverBox({ width: 100, height: 100 }, { width: 100, height: 100 }, { x: 50, y: 50, width: 200, height: 200 })).toEqual({ x: 50, y: 50, width: 50, height: 50 });
    expect(widened({ x: 100, y: 100, width: 100, height: 50 })).toEqual({ x: 90, y: 95, width: 120, height: 60 });
  });
});

describe("photos kept for a reload", () => {
  const photo = (over: Partial<Kept>): Kept => ({
    id: "1",
    handoffId: "hnd_1",
    caseId: "case_1",
    step: "document_front",
    bytes: new ArrayBuffer(8),
    length: 8,
    type: "image/jpeg",
    focus: { x: 0, y: 0, width: 1, height: 1 },
    used: true,
    at: 1_000,
    ...over,
  });
  it("are used only when they are whole, of this handoff, and young", () => {
    expect(usable(photo({}), "hnd_1", 2_000)).toBe(true);
    expect(usable(photo({}), "hnd_2", 2_000)).toBe(false);
    expect(usable(photo({ length: 9 }), "hnd_1", 2_000)).toBe(false);
    expect(usable(photo({ bytes: new ArrayBuffer(0), length: 0 }), "hnd_1", 2_000)).toBe(false);
    expect(usable(photo({}), "hnd_1", 1_000 + 3_600_000)).toBe(false);
  });
});

describe("uploads", () => {
  it("try again, start afresh, or stop, by the answer", () => {
    const rows: [number, string, string][] = [
      [0, "", "again"],
      [500, "internal", "again"],
      [503, "", "again"],
      [429, "too_many_requests", "again"],
      [460, "upload_checksum_mismatch", "again"],
      [409, "upload_offset_conflict", "again"],
      [409, "", "again"],
      [409, "idempotency_in_progress", "again"],
      [409, "upload_taken_over", "again"],
      [404, "upload_unknown", "afresh"],
      [410, "", "afresh"],
      [410, "handoff_over", "stop"],
      [401, "capture_ended", "stop"],
      [403, "handoff_not_matched", "stop"],
      [409, "too_many_takes", "stop"],
      [409, "handoff_superseded", "stop"],
      [413, "upload_too_large", "stop"],
      [415, "filetype_unsupported", "stop"],
      [507, "storage_full", "stop"],
    ];
    for (const [status, code, verdict] of rows) expect(judge(status, code), `${status} ${code}`).toBe(verdict);
  });
  it("know their id", () => {
    expect(uploadIdOf("https://kyc.example.com/v1/uploads/upl_1?x=2")).toBe("upl_1");
    expect(uploadIdOf("/v1/uploads/upl_1")).toBe("upl_1");
  });
  it("wait longer each time, up to 15 s, and not all at once", () => {
    expect(backOff(0, () => 0.5)).toBe(1_000);
    expect(backOff(2, () => 0.5)).toBe(4_000);
    expect(backOff(40, () => 0.5)).toBe(15_000);
    expect(backOff(0, () => 0)).toBe(800);
  });
  it("stop waiting when told to", async () => {
    const stop = new AbortController();
    const waiting = pause(60_000, stop.signal);
    stop.abort(new Error("left"));
    await expect(waiting).rejects.toThrow("left");
  });
});

it("the limits are not changed by accident", () => {
  const good: Measures = { light: 120, glare: 0, detail: 200, motion: 0, sides: 4 };
  expect(hintFor(good)).toBeNull();
  expect(hintFor({ ...good, light: 54 })).toBe("more_light");
  expect(hintFor({ ...good, sides: 2 })).toBe("closer");
  expect(hintFor({ ...good, motion: 3 })).toBe("hold_still");
  expect(hintFor({ ...good, glare: 0.02 })).toBe("glare");
  expect(hintFor({ ...good, detail: 59 })).toBe("hold_still");
});
