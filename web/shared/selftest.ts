/** Finds out before anybody waits whether this browser, on this device and this line, can make recordings. */
import { api } from "./api";
import { CameraError, openCamera, type CameraFault } from "./camera";
import { acquireBoth, DeviceError, Recorder } from "./recorder";
import { best, keepsUp, qualityFor, typesHere } from "./recording";
import { Ear } from "./sound";

/** What is tried, in this order. */
export const parts = ["camera", "microphone", "recorder", "speed"] as const;
export type Part = (typeof parts)[number];

/** How one part did: "slow" works all the same. */
export type State = "waiting" | "trying" | "good" | "slow" | "bad";

export interface Result {
  states: Record<Part, State>;
  /** Why the camera or the microphone is not there. */
  fault: CameraFault | null;
  /** The type that was recorded and read back; empty where none was. */
  type: string;
  /** Bytes a second; null where it could not be measured. */
  rate: number | null;
}

/** Nothing is tried yet. */
export function untried(): Result {
  return { states: { camera: "waiting", microphone: "waiting", recorder: "waiting", speed: "waiting" }, fault: null, type: "", rate: null };
}

/** How long is recorded to see that it works, in ms. */
const sample = 1_200;
/** How long a recording may take to be read back. */
const readBack = 5_000;

/**
 * Tries everything, best out of a tap, because the browser asks its question about both devices now. `told` hears
 * of every change. Resolves with what was found; the devices are let go of.
 */
export async function selfTest(video: HTMLVideoElement, told: (result: Result) => void, signal: AbortSignal): Promise<Result> {
  let result = untried();
  const say = (part: Part, state: State, more: Partial<Result> = {}): void => {
    result = { ...result, ...more, states: { ...result.states, [part]: state } };
    if (!signal.aborted) told(result);
  };
  say("camera", "trying");
  let camera;
  try {
    camera = await openCamera(video, { facing: "user", signal, acquire: acquireBoth({ facing: "user", width: 640, height: 480 }) });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof DeviceError) {
      say("camera", "good");
      say("microphone", "bad", { fault: error.fault });
    } else {
      say("camera", "bad", { fault: error instanceof CameraError ? error.fault : "stuck" });
    }
    return result;
  }
  const stream = video.srcObject as MediaStream;
  try {
    say("camera", "good");
    say("microphone", "trying");
    const ear = hear(stream);
    say("recorder", "trying");
    const type = await recorded(stream, video, signal);
    if (type === null) {
      ear?.stop();
      say("camera", "bad", { fault: "stuck" });
      return result;
    }
    const heard = ear?.stop() ?? true;
    say("microphone", heard ? "good" : "bad");
    say("recorder", type === "" ? "bad" : "good", { type });
  } finally {
    camera.stop();
  }
  signal.throwIfAborted();
  say("speed", "trying");
  const rate = await measureRate(signal);
  say("speed", rate !== null && !keepsUp(rate, best) ? "slow" : "good", { rate });
  return result;
}

/** Says whether everything works that recordings need. */
export function works(result: Result): boolean {
  const { camera, microphone, recorder } = result.states;
  return camera === "good" && microphone === "good" && recorder === "good";
}

/** Listens while it is recorded; a device that gives nothing but digital silence is no microphone. */
function hear(stream: MediaStream): { stop(): boolean } | null {
  try {
    const ear = new Ear(stream);
    let told = 0;
    let any = false;
    const timer = setInterval(() => {
      const level = ear.level();
      if (level === null) return;
      told++;
      if (level > -100) any = true;
    }, 50);
    return {
      stop: () => {
        clearInterval(timer);
        ear.close();
        return any || told < 5;
      },
    };
  } catch {
    // Without sound processing the meter is missing, not the microphone.
    return null;
  }
}

/** Records a moment of each type in turn, until one can be read back: "" where none can, null where the camera was lost meanwhile. */
async function recorded(stream: MediaStream, video: HTMLVideoElement, signal: AbortSignal): Promise<string | null> {
  for (const type of typesHere()) {
    signal.throwIfAborted();
    try {
      let lost = false;
      const recorder = new Recorder({ stream, video, type, quality: qualityFor(null), most: Infinity, onLost: () => (lost = true) });
      await recorder.start();
      await new Promise((done) => setTimeout(done, sample));
      await recorder.stop();
      if (lost) return null;
      if (await playable(recorder.bytes.blob())) return recorder.bytes.type;
    } catch {
      // Supported by its own word only: the next one.
    }
  }
  return "";
}

/** Says whether this browser shows the picture of a recording. */
export async function playable(blob: Blob): Promise<boolean> {
  if (blob.size === 0) return false;
  const player = document.createElement("video");
  player.muted = true;
  player.playsInline = true;
  player.preload = "auto";
  const url = URL.createObjectURL(blob);
  try {
    return await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), readBack);
      const done = (good: boolean): void => {
        clearTimeout(timer);
        resolve(good);
      };
      player.onloadeddata = () => done(player.videoWidth > 0);
      player.onerror = () => done(false);
      player.src = url;
    });
  } finally {
    player.removeAttribute("src");
    player.load();
    URL.revokeObjectURL(url);
  }
}

/** Measures how many bytes a second go up; null where nothing answered. */
export async function measureRate(signal: AbortSignal, now: () => number = () => performance.now()): Promise<number | null> {
  const took = async (bytes: number): Promise<number> => {
    const body = new Uint8Array(bytes);
    // Random, so that nothing on the way makes it smaller.
    crypto.getRandomValues(body);
    const before = now();
    const answer = await api.measure(body, AbortSignal.any === undefined ? signal : AbortSignal.any([signal, AbortSignal.timeout(15_000)]));
    if (!answer.ok) throw new Error("not measured");
    return now() - before;
  };
  try {
    // The first one opens the connection, the second tells how long the way alone is.
    await took(1);
    const way = await took(1);
    const large = 60_000;
    return Math.round((large * 1000) / Math.max(20, (await took(large)) - way));
  } catch {
    signal.throwIfAborted();
    return null;
  }
}
