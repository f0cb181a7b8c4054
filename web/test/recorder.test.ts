import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DeviceError, openBoth, Recorder, type Interruption } from "../shared/recorder";
import { best } from "../shared/recording";

class FakeMediaRecorder {
  state: "inactive" | "recording" | "paused" = "inactive";
  mimeType = "video/webm;codecs=vp8,opus";
  ondataavailable?: (event: { data: Blob }) => void;
  onstop?: () => void;
  onstart?: () => void;
  onerror?: () => void;
  slice = 0;
  constructor(
    readonly stream: unknown,
    readonly options: Record<string, unknown>,
  ) {
    made = this;
  }
  start(slice: number): void {
    this.slice = slice;
    this.state = "recording";
    queueMicrotask(() => this.onstart?.());
  }
  stop(): void {
    this.state = "inactive";
    queueMicrotask(() => {
      this.give(new Blob(["end"]));
      this.onstop?.();
    });
  }
  pause(): void {
    this.state = "paused";
  }
  resume(): void {
    this.state = "recording";
  }
  give(data: Blob): void {
    this.ondataavailable?.({ data });
  }
}

let made: FakeMediaRecorder;
let page: EventTarget & { visibilityState: string };
let view: EventTarget;
let video: EventTarget & { videoWidth: number; videoHeight: number };
let tracks: (EventTarget & { kind: string })[];
let lost: Interruption[];
let at: number;

const settle = async () => {
  for (let i = 0; i < 10; i++) await new Promise((next) => setImmediate(next));
};

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  at = 1_000;
  vi.spyOn(performance, "now").mockImplementation(() => at);
  page = Object.assign(new EventTarget(), { visibilityState: "visible" });
  view = new EventTarget();
  video = Object.assign(new EventTarget(), { videoWidth: 480, videoHeight: 640 });
  tracks = ["video", "audio"].map((kind) => Object.assign(new EventTarget(), { kind }));
  lost = [];
  vi.stubGlobal("MediaRecorder", FakeMediaRecorder);
  vi.stubGlobal("document", page);
  vi.stubGlobal("window", view);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

async function take(over: { most?: number; onPiece?: (bytes: ArrayBuffer) => void } = {}) {
  const recorder = new Recorder({
    stream: { getTracks: () => tracks } as unknown as MediaStream,
    video: video as unknown as HTMLVideoElement,
    type: "video/webm",
    quality: best,
    most: 1_000_000,
    onLost: (why) => lost.push(why),
    ...over,
  });
  await recorder.start();
  return recorder;
}
const piece = (size: number) => new Blob([new Uint8Array(size).fill(size)]);

describe("a take", () => {
  it("asks for pieces of two seconds at a bitrate, and keeps them in order without the empty ones", async () => {
    const pieces: number[] = [];
    const recorder = await take({ onPiece: (bytes) => pieces.push(bytes.byteLength) });
    expect(made.slice).toBeGreaterThanOrEqual(2_000);
    expect(made.options).toMatchObject({ videoBitsPerSecond: best.video, audioBitsPerSecond: best.audio });
    for (const size of [5, 0, 7, 0, 3]) made.give(piece(size));
    await recorder.stop();
    expect(pieces).toEqual([5, 7, 3, 3]);
    expect(recorder.bytes.size).toBe(18);
    expect(recorder.bytes.done).toBe(true);
    expect(lost).toEqual([]);
  });

  it("leaves out what comes while it pauses", async () => {
    const recorder = await take();
    at += 3_000;
    recorder.pause();
    at += 60_000;
    expect(recorder.ms).toBe(3_000);
    recorder.resume();
    at += 500;
    expect(recorder.ms).toBe(3_500);
    await recorder.stop();
    at += 500;
    expect(recorder.ms).toBe(3_500);
  });

  const interruptions: [string, Interruption, () => void][] = [
    ["a locked phone or another app", "hidden", () => ((page.visibilityState = "hidden"), page.dispatchEvent(new Event("visibilitychange")))],
    ["a page that is left", "hidden", () => view.dispatchEvent(new Event("pagehide"))],
    ["a camera that ends", "camera", () => tracks[0]!.dispatchEvent(new Event("ended"))],
    ["a camera that is taken away", "camera", () => tracks[0]!.dispatchEvent(new Event("mute"))],
    ["a call", "sound", () => tracks[1]!.dispatchEvent(new Event("mute"))],
    ["a phone that is turned", "turned", () => ((video.videoWidth = 640), (video.videoHeight = 480), video.dispatchEvent(new Event("resize")))],
    ["a recorder that fails", "recorder", () => made.onerror?.()],
    ["a recorder that hangs", "recorder", () => ((at += 9_000), vi.advanceTimersByTime(600))],
    ["a recorder that stopped by itself", "recorder", () => ((made.state = "inactive"), vi.advanceTimersByTime(600), made.onstop?.())],
  ];
  it.each(interruptions)("ends with %s, by its name and once", async (_what, why, happen) => {
    const recorder = await take();
    made.give(piece(10));
    happen();
    await settle();
    tracks[0]!.dispatchEvent(new Event("ended"));
    page.dispatchEvent(new Event("visibilitychange"));
    expect(lost).toEqual([why]);
    expect(recorder.bytes.done).toBe(true);
    expect(recorder.bytes.size).toBeGreaterThanOrEqual(10); // what came before is there
  });

  it("does not mind what is none", async () => {
    await take();
    page.dispatchEvent(new Event("visibilitychange")); // still visible
    video.dispatchEvent(new Event("resize")); // the same size
    at += 4_000;
    vi.advanceTimersByTime(600); // a slow piece
    expect(lost).toEqual([]);
  });

  it("ends when it is more than may be stored, and where a piece comes back empty that said that it was not", async () => {
    await take({ most: 100 });
    made.give(piece(101));
    await settle();
    expect(lost).toEqual(["long"]);
    lost = [];
    await take();
    made.give(Object.assign(piece(10), { arrayBuffer: async () => new ArrayBuffer(0) }));
    await settle();
    expect(lost).toEqual(["recorder"]);
  });
});

describe("camera and microphone", () => {
  const picture = { facing: "user", width: 640, height: 480 } as const;
  const stubs = (missing: "camera" | "microphone" | "both", error: string, states: Record<string, string> = {}) => {
    vi.stubGlobal("isSecureContext", true);
    const asked: string[] = [];
    vi.stubGlobal("navigator", {
      mediaDevices: {
        getUserMedia: async (wanted: { video?: unknown; audio?: unknown }) => {
          asked.push(Object.keys(wanted).join("+"));
          const fails = wanted.video && wanted.audio ? true : missing === (wanted.video ? "camera" : "microphone");
          if (fails) throw new DOMException("", error);
          return { getTracks: () => [] };
        },
      },
      permissions: { query: async ({ name }: { name: string }) => ({ state: states[name] ?? "prompt" }) },
    });
    return asked;
  };

  it("are asked for in one question, and what is missing is named", async () => {
    for (const [missing, error, states, device, fault] of [
      ["microphone", "NotFoundError", {}, "microphone", "none"],
      ["camera", "NotFoundError", {}, "camera", "none"],
      ["camera", "NotReadableError", {}, "camera", "busy"],
      ["both", "NotReadableError", {}, "camera", "busy"],
      ["microphone", "NotAllowedError", { camera: "granted", microphone: "denied" }, "microphone", "denied"],
      ["camera", "NotAllowedError", { camera: "denied", microphone: "granted" }, "camera", "denied"],
      ["both", "NotAllowedError", { camera: "denied", microphone: "denied" }, "camera", "denied"],
    ] as const) {
      const asked = stubs(missing, error, states);
      const found = await openBoth(picture).catch((e: unknown) => e);
      expect(found).toBeInstanceOf(DeviceError);
      expect(found).toMatchObject({ device, fault });
      expect(asked[0]).toBe("video+audio");
      // Who said no is not asked again.
      if (error === "NotAllowedError") expect(asked).toHaveLength(1);
    }
  });
});
