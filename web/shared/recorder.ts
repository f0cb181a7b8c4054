/**
 * Records camera and microphone, and is honest about it: whatever stops the picture or the sound ends the
 * take with a reason. Nothing is joined, nothing is recorded without a picture.
 */
import { CameraError, cameraMissing, faultOf, type CameraFault } from "./camera";
import { Growing } from "./growing";
import type { Quality } from "./recording";

/** Why a take ended by itself. */
export type Interruption =
  | "hidden" // locked, or another app in front
  | "camera" // the camera stopped, or was taken away
  | "sound" // a call or another app took the microphone
  | "turned" // the picture changed its size
  | "recorder" // the browser's recorder failed
  | "long" // more than may be stored
  | "reload"; // the page was loaded again

/** What is missing of the two. */
export class DeviceError extends Error {
  constructor(
    readonly device: "camera" | "microphone",
    readonly fault: CameraFault,
  ) {
    super(`${device} ${fault}`);
    this.name = "DeviceError";
  }
}

/** The picture that is asked for: a document needs more of it than a face. */
export interface Picture {
  facing: "environment" | "user";
  width: number;
  height: number;
}

/**
 * Opens camera and microphone in one question. Rejects with DeviceError, which names the one that is missing. The
 * browser does not tell: of a refusal it is asked, without a new question; otherwise each is tried alone.
 */
export async function openBoth(picture: Picture): Promise<MediaStream> {
  const missing = cameraMissing();
  if (missing !== null) throw new DeviceError("camera", missing);
  const video: MediaTrackConstraints = {
    facingMode: { ideal: picture.facing },
    width: { ideal: picture.width },
    height: { ideal: picture.height },
    frameRate: { ideal: 30, max: 30 },
  };
  const audio: MediaTrackConstraints = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  try {
    return await navigator.mediaDevices.getUserMedia({ video, audio });
  } catch (error) {
    const fault = faultOf(error);
    if (fault === "denied") throw new DeviceError((await allowed("camera")) && !(await allowed("microphone")) ? "microphone" : "camera", fault);
    for (const [device, wanted] of [
      ["camera", { video }],
      ["microphone", { audio }],
    ] as const) {
      try {
        const alone = await navigator.mediaDevices.getUserMedia(wanted);
        for (const track of alone.getTracks()) track.stop();
      } catch (alone) {
        throw new DeviceError(device, faultOf(alone));
      }
    }
    // Each works alone: together they are busy.
    throw new DeviceError("camera", fault);
  }
}

async function allowed(device: "camera" | "microphone"): Promise<boolean> {
  try {
    return (await navigator.permissions.query({ name: device as PermissionName })).state === "granted";
  } catch {
    return false;
  }
}

/** As openBoth, for openCamera, which knows cameras only. */
export function acquireBoth(picture: Picture): () => Promise<MediaStream> {
  return () =>
    openBoth(picture).catch((error: unknown) => {
      throw error instanceof DeviceError && error.device === "camera" ? new CameraError(error.fault) : error;
    });
}

/** How often a piece is delivered, in ms: Safari's are empty when they are short. */
const slice = 2_000;
/** Without a piece for this long the recorder hangs. */
const silent = 4 * slice;

export interface RecorderOptions {
  stream: MediaStream;
  video: HTMLVideoElement;
  type: string;
  quality: Quality;
  /** Told when the take ended by itself. What came before is in `bytes`, and whole. */
  onLost: (why: Interruption) => void;
  /** Told each piece, in order, before it can be read from `bytes`. */
  onPiece?: (bytes: ArrayBuffer) => void;
  /** More bytes than this are too many. */
  most: number;
}

/** One take. */
export class Recorder {
  /** What was recorded so far; it ends when the take does. */
  readonly bytes: Growing;
  private readonly recorder: MediaRecorder;
  private readonly off = new AbortController();
  private tail: Promise<void> = Promise.resolve();
  private begun = 0;
  private before = 0;
  private heard = 0;
  private over = false;
  private readonly ended: Promise<void>;

  /** Throws where the browser cannot record this type. */
  constructor(private readonly options: RecorderOptions) {
    const { stream, type, quality } = options;
    this.recorder = new MediaRecorder(stream, {
      mimeType: type,
      videoBitsPerSecond: quality.video,
      audioBitsPerSecond: quality.audio,
      // Chromium's MP4 is cut at key frames only.
      ...(type.startsWith("video/mp4") ? { videoKeyFrameIntervalDuration: slice } : {}),
    });
    this.bytes = new Growing(this.recorder.mimeType || type);
    this.recorder.ondataavailable = (event) => this.take(event.data);
    this.ended = new Promise((resolve) => {
      this.recorder.onstop = () => {
        void this.tail.then(() => {
          this.bytes.end();
          resolve();
        });
      };
    });
  }

  /** Begins, and resolves when the first moment is recorded. */
  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.recorder.onstart = () => resolve();
      this.recorder.onerror = () => reject(new CameraError("unsupported"));
      this.recorder.start(slice);
    });
    this.begun = this.heard = performance.now();
    this.watch();
  }

  /** Milliseconds of the recording so far. */
  get ms(): number {
    return Math.round(this.before + (this.recorder.state === "recording" ? performance.now() - this.begun : 0));
  }

  /** Leaves out what comes next, until resume. */
  pause(): void {
    if (this.recorder.state !== "recording") return;
    this.before = this.ms;
    this.recorder.pause();
  }

  resume(): void {
    if (this.recorder.state !== "paused") return;
    this.begun = this.heard = performance.now();
    this.recorder.resume();
  }

  /** Ends the take; resolves when all of it is in `bytes`. */
  async stop(): Promise<void> {
    this.before = this.ms;
    this.over = true;
    this.off.abort();
    if (this.recorder.state !== "inactive") this.recorder.stop();
    await this.ended;
  }

  private take(data: Blob): void {
    this.heard = performance.now();
    if (data.size === 0) return;
    this.tail = this.tail.then(async () => {
      const bytes = await data.arrayBuffer();
      // Some browsers give a piece back empty that said that it was not: the file would have a hole.
      if (bytes.byteLength !== data.size) return this.lose("recorder");
      this.options.onPiece?.(bytes);
      this.bytes.add(bytes);
      if (this.bytes.size > this.options.most) this.lose("long");
    });
  }

  private lose(why: Interruption): void {
    if (this.over) return;
    void this.stop();
    this.options.onLost(why);
  }

  private watch(): void {
    const { video, stream } = this.options;
    const signal = this.off.signal;
    const on = (target: EventTarget, name: string, why: () => Interruption | null): void =>
      target.addEventListener(
        name,
        () => {
          const found = why();
          if (found !== null) this.lose(found);
        },
        { signal },
      );
    on(document, "visibilitychange", () => (document.visibilityState === "hidden" ? "hidden" : null));
    on(window, "pagehide", () => "hidden");
    for (const track of stream.getTracks()) {
      const why: Interruption = track.kind === "audio" ? "sound" : "camera";
      on(track, "ended", () => why);
      on(track, "mute", () => why);
    }
    const { videoWidth, videoHeight } = video;
    on(video, "resize", () => (video.videoWidth !== videoWidth || video.videoHeight !== videoHeight ? "turned" : null));
    this.recorder.onerror = () => this.lose("recorder");
    const timer = setInterval(() => {
      if (this.recorder.state === "recording" && performance.now() - this.heard > silent) this.lose("recorder");
      else if (this.recorder.state === "inactive") this.lose("recorder");
    }, 500);
    signal.addEventListener("abort", () => clearInterval(timer));
  }
}
