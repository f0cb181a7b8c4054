import { describe, expect, it, vi } from "vitest";
import { isWhole } from "../shared/clip-stash";
import { estimate } from "../shared/estimate";
import { Growing } from "../shared/growing";
import { best, bytesOf, keepsUp, qualityFor, recordingTypes } from "../shared/recording";
import { measureRate, untried, works } from "../shared/selftest";
import { Bars, decibels, Quiet } from "../shared/sound";
import { testFault } from "../shared/test-lines";
import type { Prompt } from "../shared/types";
import { findingsOf, type Measured } from "../phone/findings";
import { Course, promptAt, secondsOf } from "../phone/prompts";

describe("what a recording is made of", () => {
  const chromium = (type: string): boolean => !/mp4a|hvc1/.test(type);
  const safari = (type: string): boolean => /mp4|webm/.test(type);

  it("is MP4 on Safari whatever else it could, and WebM first elsewhere", () => {
    expect(recordingTypes(safari, true).every((type) => type.startsWith("video/mp4"))).toBe(true);
    expect(recordingTypes(safari, true)).not.toHaveLength(0);
    expect(recordingTypes(chromium, false)[0]).toBe("video/webm;codecs=vp8,opus");
    expect(recordingTypes(chromium, false)).toContain("video/mp4");
    expect(recordingTypes((type) => type === "video/mp4", false)).toEqual(["video/mp4"]);
    expect(recordingTypes(() => false, true)).toEqual([]);
    expect(recordingTypes((type) => type.startsWith("video/webm"), true)).toEqual([]);
  });

  it("keeps up with the line, with room for its worse moments", () => {
    expect(qualityFor(null)).toBe(best);
    expect(qualityFor(10_000_000)).toBe(best);
    for (let rate = 1_000; rate < 400_000; rate += 1_000) {
      const chosen = qualityFor(rate);
      const least = chosen === qualityFor(0);
      expect(least || (chosen.video + chosen.audio) * 1.3 <= rate * 8).toBe(true);
      expect(keepsUp(rate, chosen) || least).toBe(true);
    }
    // 400 kbit/s carry the smallest one while it is made.
    expect(keepsUp(50_000, qualityFor(50_000))).toBe(true);
    expect(keepsUp(40_000, qualityFor(40_000))).toBe(false);
    expect(qualityFor(50_000).video).toBeLessThan(qualityFor(120_000).video);
  });

  it("is about 20 MB in all, as people are told", () => {
    expect(bytesOf({ video: 800_000, audio: 0 }, 10)).toBe(1_000_000);
    const { bytes, minutes } = estimate([{ kind: "clip" }, { kind: "clip" }]);
    expect(bytes).toBeGreaterThan(17_000_000);
    expect(bytes).toBeLessThan(21_000_000);
    expect(minutes).toBe(4);
    expect(estimate([{ kind: "photo" }, { kind: "clip" }]).minutes).toBe(3);
  });
});

describe("a growing source", () => {
  const bytes = (...values: number[]): ArrayBuffer => new Uint8Array(values).buffer;
  const signal = new AbortController().signal;
  const read = async (source: Growing, from: number, to: number) => {
    const { value, done } = await source.read(from, to, signal);
    return { values: [...new Uint8Array(await value.arrayBuffer())], done };
  };

  it("is read from any offset, again and again", async () => {
    const source = Growing.of("video/webm", [bytes(1, 2, 3), bytes(), bytes(4, 5), bytes(6)]);
    expect(source.count).toBe(3);
    expect(await read(source, 0, 100)).toEqual({ values: [1, 2, 3, 4, 5, 6], done: true });
    expect(await read(source, 2, 4)).toEqual({ values: [3, 4], done: false });
    expect(await read(source, 5, 6)).toEqual({ values: [6], done: true });
    expect(await read(source, 6, 10)).toEqual({ values: [], done: true });
    expect(source.blob().size).toBe(6);
  });
  it("waits rather than give nothing, and refuses what comes after its end", async () => {
    const source = new Growing("video/webm");
    const waiting = read(source, 0, 10);
    source.add(bytes());
    source.add(bytes(7));
    expect(await waiting).toEqual({ values: [7], done: false });
    const last = read(source, 1, 10);
    source.end();
    expect(await last).toEqual({ values: [], done: true });
    expect(() => source.add(bytes(8))).toThrow();
  });
});

const prompts: Prompt[] = [
  { id: "hold", text: "Hold your ID beside your face.", lang: "en", kind: "show" },
  { id: "who", text: "I am the one who wants to open an account.", lang: "en", kind: "read" },
  { id: "date", text: "今天是二〇二六年十一月二十三日。", lang: "zh-Hans", kind: "read" },
];

describe("the course of a take", () => {
  it("shows every prompt once and in order, each for two seconds at least", () => {
    const course = new Course(prompts);
    expect(course.ready(0)).toBe(0);
    expect(course.show(7)).toBe(true);
    expect(course.timeline).toEqual([{ prompt_id: "hold", shown_at_ms: 0 }]); // what is recorded before it is shown with it
    expect(course.ready(1_000)).toBe(0.5);
    expect(course.ready(2_000)).toBe(1);
    course.show(1_200); // a clock that went back a little
    expect(course.timeline[1]).toEqual({ prompt_id: "who", shown_at_ms: 2_000 });
    course.show(5_432.7);
    expect(course.last).toBe(true);
    expect(course.timeline[2]).toEqual({ prompt_id: "date", shown_at_ms: 5_433 });
    expect(course.show(9_000)).toBe(false);
    expect(course.timeline).toHaveLength(3);
  });
  it("stays at a prompt until its photo is taken", () => {
    const course = new Course([{ ...prompts[0]!, still: true }, prompts[1]!]);
    course.show(0);
    expect(course.ready(60_000)).toBe(0);
    course.photographed();
    expect(course.ready(60_000)).toBe(1);
  });
  it("says which prompt was on the screen at a moment", () => {
    const timeline = [{ prompt_id: "hold", shown_at_ms: 0 }, { prompt_id: "who", shown_at_ms: 2_000 }];
    expect(promptAt(prompts, timeline, 1_999)?.id).toBe("hold");
    expect(promptAt(prompts, timeline, 2_000)?.id).toBe("who");
    expect(promptAt(prompts, [], 5)).toBeUndefined();
  });
  it("takes longer for more to read", () => {
    expect(secondsOf(prompts[2]!)).toBeGreaterThan(4);
    expect(secondsOf({ text: "4 8 2 1", kind: "read" })).toBeGreaterThan(secondsOf({ text: "abcd", kind: "read" }));
  });
});

describe("what is found on the phone", () => {
  const timeline = [{ prompt_id: "hold", shown_at_ms: 0 }, { prompt_id: "who", shown_at_ms: 3_000 }, { prompt_id: "date", shown_at_ms: 8_000 }];
  const measured = (loud: (at: number) => number, light = 120, over: Partial<Measured> = {}): Measured => ({
    sound: Array.from({ length: 130 }, (_, i) => ({ at: i * 100, value: loud(i * 100) })),
    light: Array.from({ length: 26 }, (_, i) => ({ at: i * 500, value: light })),
    photo: [],
    ...over,
  });
  const codes = (m: Measured, ms = 13_000) => findingsOf(prompts, timeline, ms, m).map((one) => `${one.code}${one.prompt ?? ""}`);

  it("is nothing where all is well", () => {
    expect(codes(measured(() => -25))).toEqual([]);
    expect(codes({ sound: [], light: [], photo: [] })).toEqual([]); // nothing could be measured
  });
  it("is the dark, and silence", () => {
    expect(codes(measured(() => -25, 40))).toEqual(["dark"]);
    expect(codes(measured(() => -80))).toEqual(["silent"]);
    // Who is silent while the document is shown has done nothing wrong.
    expect(codes(measured((at) => (at < 3_000 ? -90 : -25)))).toEqual([]);
  });
  it("is the sentence that was not heard, or hardly read, by its number and moment", () => {
    const quiet = findingsOf(prompts, timeline, 13_000, measured((at) => (at >= 3_000 && at < 8_000 ? -70 : -25)));
    expect(quiet).toEqual([{ code: "quiet", prompt: 2, at: 3_000 }]);
    expect(codes(measured(() => -25), 9_000)).toEqual(["short3"]);
  });
  it("is what the photo lacks", () => {
    expect(codes(measured(() => -25, 120, { photo: ["hold_still", "glare", "more_light"] }))).toEqual(["photo_blurred", "photo_glare", "photo_dark"]);
  });
});

describe("sound", () => {
  it("is shown quickly up and slowly down", () => {
    const bars = new Bars();
    expect(bars.feed(-100)).toBe(0);
    expect(bars.feed(-10)).toBe(5);
    expect(bars.feed(-100)).toBe(5);
    let n = 5;
    for (let i = 0; i < 30; i++) {
      const next = bars.feed(-100);
      expect(next).toBeLessThanOrEqual(n);
      n = next;
    }
    expect(n).toBe(0);
  });
  it("is missed after a while, and anew in each sentence", () => {
    const quiet = new Quiet();
    expect(quiet.feed(-20, 0)).toBe(0);
    expect(quiet.feed(-70, 2_500)).toBe(2_500);
    quiet.reset(3_000);
    expect(quiet.feed(-70, 4_000)).toBe(1_000);
    expect(quiet.feed(-20, 5_000)).toBe(0);
  });
  it("is measured in dB of full scale", () => {
    expect(decibels(1)).toBe(0);
    expect(decibels(0.1)).toBeCloseTo(-20);
    expect(decibels(0)).toBe(-100);
  });
});

describe("what is kept on the phone", () => {
  const piece = (n: number, size: number, length = size) => ({ n, bytes: new ArrayBuffer(size), length });
  it("is whole only with every piece and every byte", () => {
    const clip = { finished: true, pieces: 2, length: 30 };
    expect(isWhole(clip, [piece(0, 10), piece(1, 20)])).toBe(true);
    expect(isWhole({ ...clip, finished: false }, [piece(0, 10), piece(1, 20)])).toBe(false);
    expect(isWhole(clip, [piece(0, 10)])).toBe(false);
    expect(isWhole(clip, [piece(0, 10), piece(2, 20)])).toBe(false);
    expect(isWhole(clip, [piece(0, 10), piece(1, 0, 20)])).toBe(false); // a piece that came back empty
    expect(isWhole(clip, [piece(0, 10), piece(1, 21)])).toBe(false);
    expect(isWhole({ finished: true, pieces: 0, length: 0 }, [])).toBe(false);
  });
});

describe("the self-test", () => {
  it("measures the line without the time that the way alone takes", async () => {
    let at = 0;
    const sent: number[] = [];
    vi.stubGlobal("fetch", async (_path: string, o: { body: Uint8Array }) => {
      sent.push(o.body.length);
      at += 300 + o.body.length / 50; // 300 ms away, 50 kB/s
      return new Response("{}");
    });
    const rate = await measureRate(new AbortController().signal, () => at);
    expect(rate).toBeGreaterThan(49_000);
    expect(rate).toBeLessThan(51_000);
    expect(Math.max(...sent)).toBeLessThanOrEqual(65_536);
    vi.stubGlobal("fetch", async () => Promise.reject(new TypeError("no connection")));
    expect(await measureRate(new AbortController().signal)).toBeNull();
    vi.stubGlobal("fetch", async () => new Response("", { status: 503 }));
    expect(await measureRate(new AbortController().signal)).toBeNull();
    vi.unstubAllGlobals();
  });
  it("names what is missing, each in its own words", () => {
    const bad = (part: "camera" | "microphone" | "recorder", fault: "denied" | "none" | "busy" | null) => ({ ...untried(), fault, states: { ...untried().states, [part]: "bad" as const } });
    const said = [bad("camera", "denied"), bad("camera", "none"), bad("microphone", "denied"), bad("microphone", "busy"), bad("microphone", "none"), bad("microphone", null), bad("recorder", null)].map(testFault);
    expect(new Set(said).size).toBe(said.length);
    expect(works(untried())).toBe(false);
    expect(works({ ...untried(), states: { camera: "good", microphone: "good", recorder: "good", speed: "slow" } })).toBe(true);
  });
});
