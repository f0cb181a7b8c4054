/**
 * The camera: opened by name, watched, and let go of.
 *
 * A camera can be refused, missing, taken by another app, or say that it runs while no frame ever
 * comes. Each of these ends in a CameraError with a name that the screens have words for; none
 * ends in a black picture. Tracks are always stopped before a camera is opened again, because some
 * phones give a second stream no frames.
 */
import { grayOf, margin, measure, type Gray, type Measures } from "./quality";

/** Why there is no camera. */
export type CameraFault =
  | "denied" // refused, now or earlier
  | "none" // no camera at all
  | "busy" // another app has it
  | "insecure" // the page was not opened over a safe address
  | "unsupported" // this browser cannot
  | "stuck"; // it opened, but no picture came

/** A camera that could not be opened, or that gave up. */
export class CameraError extends Error {
  constructor(readonly fault: CameraFault) {
    super(fault);
    this.name = "CameraError";
  }
}

/** A photo: a JPEG, upright, without metadata. */
export interface Photo {
  blob: Blob;
  width: number;
  height: number;
}

/** A rectangle in the camera's own pixels. */
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** An open camera. */
export interface Camera {
  readonly video: HTMLVideoElement;
  /** The light can be switched. */
  readonly torch: boolean;
  setTorch(on: boolean): Promise<void>;
  /** Takes the whole picture of the camera. */
  photo(): Promise<Photo>;
  /** Stops the camera. Twice is fine. */
  stop(): void;
}

const firstFrameWithin = 3_000;
const maxBytes = 8 << 20;
const maxSide = 4_096;

/** What is missing here before a camera can even be asked for, or null. */
export function cameraMissing(): CameraFault | null {
  if (!globalThis.isSecureContext) return "insecure";
  if (typeof navigator.mediaDevices?.getUserMedia !== "function") return "unsupported";
  return null;
}

/** Says whether the camera was allowed for this page before, so that opening it asks nothing. */
export async function cameraAllowed(): Promise<boolean> {
  try {
    const status = await navigator.permissions.query({ name: "camera" as PermissionName });
    return status.state === "granted";
  } catch {
    return false;
  }
}

/**
 * Lets the browser ask its question, best out of a tap. The camera is let go of at once; rejects
 * with CameraError when the answer was no, or when there is nothing to allow.
 */
export async function askCamera(facing: "environment" | "user"): Promise<void> {
  const missing = cameraMissing();
  if (missing !== null) throw new CameraError(missing);
  for (const track of (await acquire(facing)).getTracks()) track.stop();
}

/** Gives getUserMedia's errors our names. */
export function faultOf(error: unknown): CameraFault {
  if (error instanceof CameraError) return error.fault;
  switch (error instanceof Error || error instanceof DOMException ? error.name : "") {
    case "NotAllowedError":
    case "PermissionDeniedError":
    case "SecurityError":
      return "denied";
    case "NotFoundError":
    case "DevicesNotFoundError":
    case "OverconstrainedError":
      return "none";
    case "NotReadableError":
    case "TrackStartError":
    case "AbortError":
      return "busy";
    default:
      return "unsupported";
  }
}

/**
 * Opens a camera into `video` and resolves when a frame was decoded; otherwise rejects with
 * CameraError, or with the signal's reason. `onLost` is called once when the camera stops giving frames later. `acquire`
 * gets the stream where a camera alone is not enough.
 */
export async function openCamera(
  video: HTMLVideoElement,
  options: { facing: "environment" | "user"; signal?: AbortSignal; onLost?: (fault: CameraFault) => void; acquire?: () => Promise<MediaStream> },
): Promise<Camera> {
  const missing = cameraMissing();
  if (missing !== null) throw new CameraError(missing);
  for (let attempt = 0; ; attempt++) {
    const stream = await (options.acquire ?? (() => acquire(options.facing)))();
    try {
      options.signal?.throwIfAborted();
      await show(video, stream, options.signal);
      return watch(video, stream, options.onLost);
    } catch (error) {
      release(video, stream);
      options.signal?.throwIfAborted();
      if (attempt > 0) throw new CameraError(error instanceof CameraError ? error.fault : "stuck");
    }
  }
}

async function acquire(facing: "environment" | "user"): Promise<MediaStream> {
  // "ideal" never fails: a laptop without a rear camera gives the one it has.
  const wanted: MediaTrackConstraints = { facingMode: { ideal: facing }, width: { ideal: 2560 }, height: { ideal: 1440 }, frameRate: { ideal: 30 } };
  try {
    return await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
  } catch (error) {
    if (error instanceof Error && error.name === "OverconstrainedError") {
      return navigator.mediaDevices.getUserMedia({ video: true, audio: false }).catch(named);
    }
    return named(error);
  }
}

function named(error: unknown): never {
  throw new CameraError(faultOf(error));
}

async function show(video: HTMLVideoElement, stream: MediaStream, signal?: AbortSignal): Promise<void> {
  // As attributes and as properties: some phones open their own full-screen player otherwise.
  for (const name of ["muted", "playsinline", "autoplay"]) video.setAttribute(name, "");
  video.muted = true;
  video.playsInline = true;
  video.autoplay = true;
  video.srcObject = stream;
  // Some in-app browsers show the first frame only when told to play, and reject while doing it.
  void video.play().catch(() => undefined);
  await frame(video, firstFrameWithin, signal);
}

/** Resolves with the next decoded frame. */
function frame(video: HTMLVideoElement, within: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    let frameRequest = 0;
    const done = (then: () => void): void => {
      clearTimeout(timer);
      clearInterval(poll);
      if (frameRequest !== 0) video.cancelVideoFrameCallback(frameRequest);
      signal?.removeEventListener("abort", aborted);
      then();
    };
    const aborted = (): void => done(() => reject(signal?.reason));
    const timer = setTimeout(() => done(() => reject(new CameraError("stuck"))), within);
    const started = video.currentTime;
    const poll = setInterval(() => {
      if (video.readyState >= 2 && video.videoWidth > 0 && video.currentTime !== started) done(resolve);
    }, 100);
    if ("requestVideoFrameCallback" in video) {
      frameRequest = video.requestVideoFrameCallback(() => {
        frameRequest = 0;
        if (video.videoWidth > 0) done(resolve);
      });
    }
    signal?.addEventListener("abort", aborted);
  });
}

function release(video: HTMLVideoElement, stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
  if (video.srcObject === stream) video.srcObject = null;
}

function watch(video: HTMLVideoElement, stream: MediaStream, onLost?: (fault: CameraFault) => void): Camera {
  const track = stream.getVideoTracks()[0]!;
  let stopped = false;
  const stop = (): void => {
    if (stopped) return;
    stopped = true;
    clearInterval(timer);
    if (request !== 0) video.cancelVideoFrameCallback(request);
    track.removeEventListener("ended", ended);
    release(video, stream);
  };
  const lose = (fault: CameraFault): void => {
    if (stopped) return;
    stop();
    onLost?.(fault);
  };
  const ended = (): void => lose("busy");
  track.addEventListener("ended", ended);
  // After a call or a locked screen a track may say "live" and never give a frame again. The video's
  // clock goes on then, so frames are counted where the browser tells of them.
  let at = performance.now();
  let request = 0;
  const counts = typeof video.requestVideoFrameCallback === "function";
  const framed = (): void => {
    at = performance.now();
    if (!stopped) request = video.requestVideoFrameCallback(framed);
  };
  if (counts) request = video.requestVideoFrameCallback(framed);
  let last = video.currentTime;
  const timer = setInterval(() => {
    const now = performance.now();
    if (document.visibilityState === "hidden") at = now;
    else if (video.paused) void video.play().catch(() => undefined);
    else if (!counts && video.currentTime !== last) at = now;
    last = video.currentTime;
    if (track.readyState === "ended") lose("busy");
    else if (now - at > firstFrameWithin) lose("stuck");
  }, 500);
  const torch = hasTorch(track);
  return {
    video,
    torch,
    stop,
    setTorch: async (on) => {
      if (torch) await track.applyConstraints({ advanced: [{ torch: on } as MediaTrackConstraintSet] });
    },
    photo: async () => (await still(track, video)) ?? drawn(video, video.videoWidth, video.videoHeight),
  };
}

function hasTorch(track: MediaStreamTrack): boolean {
  try {
    return (track.getCapabilities?.() as { torch?: boolean } | undefined)?.torch === true;
  } catch {
    return false;
  }
}

interface StillCamera {
  takePhoto(settings?: { imageWidth?: number }): Promise<Blob>;
  getPhotoCapabilities(): Promise<{ imageWidth?: { max: number }; imageHeight?: { max: number } }>;
}

/**
 * A full photo of the sensor, where it is worth it: Android's Chrome does this well; other browsers
 * lack it or return the video's frame after a long wait. Null sends the caller to the video's frame.
 */
async function still(track: MediaStreamTrack, video: HTMLVideoElement): Promise<Photo | null> {
  const Still = (globalThis as { ImageCapture?: new (track: MediaStreamTrack) => StillCamera }).ImageCapture;
  if (Still === undefined || !/Android/.test(navigator.userAgent) || !/Chrome\//.test(navigator.userAgent)) return null;
  const within = <T>(ms: number, promise: Promise<T>): Promise<T> =>
    Promise.race([promise, new Promise<T>((_, reject) => setTimeout(() => reject(new Error("slow")), ms))]);
  try {
    const camera = new Still(track);
    const can = await within(500, camera.getPhotoCapabilities());
    const widest = Math.max(can.imageWidth?.max ?? 0, can.imageHeight?.max ?? 0);
    if (widest < Math.max(video.videoWidth, video.videoHeight) * 1.3) return null;
    const blob = await within(3_000, camera.takePhoto());
    const picture = await createImageBitmap(blob, { imageOrientation: "from-image" });
    try {
      // A photo lying down while the preview stands is a phone that lost its orientation: do not guess.
      if (picture.width > picture.height !== video.videoWidth > video.videoHeight) return null;
      return await drawn(picture, picture.width, picture.height);
    } finally {
      picture.close();
    }
  } catch {
    return null;
  }
}

/** Draws a picture into a JPEG of at most 8 MB. Drawing also leaves place and device data behind. */
export async function drawn(source: CanvasImageSource, width: number, height: number): Promise<Photo> {
  if (width === 0 || height === 0) throw new CameraError("stuck");
  const scale = Math.min(1, maxSide / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  if (context === null) throw new CameraError("unsupported");
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  for (const quality of [0.92, 0.85, 0.75]) {
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/jpeg", quality));
    if (blob === null || blob.size === 0) break;
    if (blob.size <= maxBytes) return { blob, width: canvas.width, height: canvas.height };
  }
  throw new CameraError("stuck");
}

/**
 * Where a rectangle of the page lies in a picture of the given size that covers `view`
 * (object-fit: cover), in the picture's pixels and cut to it.
 */
export function coverBox(view: { width: number; height: number }, picture: { width: number; height: number }, part: Box): Box {
  const scale = Math.max(view.width / picture.width, view.height / picture.height);
  const left = (picture.width * scale - view.width) / 2;
  const top = (picture.height * scale - view.height) / 2;
  const x = clamp((part.x + left) / scale, 0, picture.width);
  const y = clamp((part.y + top) / scale, 0, picture.height);
  return {
    x,
    y,
    width: clamp(part.width / scale, 0, picture.width - x),
    height: clamp(part.height / scale, 0, picture.height - y),
  };
}

/** Widens a rectangle by the margin that the measures expect. */
export function widened(box: Box): Box {
  return {
    x: box.x - box.width * margin,
    y: box.y - box.height * margin,
    width: box.width * (1 + 2 * margin),
    height: box.height * (1 + 2 * margin),
  };
}

/** Measures the frames of a video, at most eight a second. */
export class Eye {
  private readonly canvas = document.createElement("canvas");
  private readonly context: CanvasRenderingContext2D | null;
  private buffers: [Uint8Array, Uint8Array] = [new Uint8Array(0), new Uint8Array(0)];
  private before: Gray | undefined;

  constructor() {
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
  }

  /** Measures one part of a picture; null where it cannot be read. */
  look(source: CanvasImageSource, box: Box): Measures | null {
    if (this.context === null || box.width < 8 || box.height < 8) return null;
    const width = 480;
    const height = Math.round((width * box.height) / box.width);
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
      this.before = undefined;
      this.buffers = [new Uint8Array(width * height), new Uint8Array(width * height)];
    }
    this.context.drawImage(source, box.x, box.y, box.width, box.height, 0, 0, width, height);
    const now = grayOf(this.context.getImageData(0, 0, width, height).data, width, height, this.buffers[0]);
    const measures = measure(now, this.before);
    this.before = now;
    this.buffers.reverse();
    return measures;
  }

  /** Measures at most eight decoded frames a second until the returned function is called. */
  follow(video: HTMLVideoElement, box: () => Box | null, seen: (measures: Measures, now: number) => void): () => void {
    let stopped = false;
    let last = -Infinity;
    let request = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const step = (): void => {
      if (stopped) return;
      const now = performance.now();
      if (now - last >= 120 && document.visibilityState !== "hidden") {
        last = now;
        const part = box();
        const measures = part === null || video.readyState < 2 ? null : this.look(video, part);
        if (measures !== null) seen(measures, now);
      }
      next();
    };
    const next = (): void => {
      if ("requestVideoFrameCallback" in video) request = video.requestVideoFrameCallback(step);
      else timer = setTimeout(step, 125);
    };
    next();
    return () => {
      stopped = true;
      clearTimeout(timer);
      if (request !== 0 && "cancelVideoFrameCallback" in video) video.cancelVideoFrameCallback(request);
    };
  }
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
