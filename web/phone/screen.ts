/**
 * Which screen is shown. It follows from what the server said last and from the photos that exist
 * on this phone alone; nothing counts steps, so a reload or a return leads to the same place.
 */
import type { App } from "./device";
import type { CameraFault } from "../shared/camera";
import type { Capture, CaptureStep, Landing } from "../shared/types";

/**
 * Why this phone's part is over. "stale" and "unknown" are about a code, "expired" about a phone
 * that had begun; "elsewhere": the page was opened in another tab; "later": the person goes on when there is
 * Wi-Fi; "mistake": a wrong tap.
 */
export type End =
  | "stale"
  | "expired"
  | "used"
  | "unknown"
  | "locked"
  | "reported"
  | "cancelled"
  | "superseded"
  | "ended"
  | "elsewhere"
  | "later"
  | "mistake";

/** A photo or recording on this phone as far as screens care. */
export interface LocalTake {
  id: string;
  step: string;
  /** A recording. */
  clip?: true;
  /**
   * "recording": being made. "look": taken, not looked at yet. "queued" … "accepting": used, on its way. "failed":
   * needs the person. "lost": a recording that broke off.
   */
  state: "recording" | "look" | "queued" | "sending" | "accepting" | "failed" | "lost";
}

/** Everything that decides. */
export interface Facts {
  reading: boolean;
  /** The first call got no answer. */
  unreachable: boolean;
  missing: CameraFault | null;
  app: App | null;
  code: string | null;
  landing: Landing | null;
  capture: Capture | null;
  end: End | null;
  /** "It's not me" was tapped; the question after it is still open. */
  denied: boolean;
  done: boolean;
  started: boolean;
  /** Alipay sent the person back to this page. */
  returned: boolean;
  /** The camera was allowed since the page was opened. */
  allowed: boolean;
  /** What recordings cost to send was read, and they are to be made now. */
  wifi: boolean;
  /** Camera, microphone and recorder were tried since the page was opened. */
  tested: boolean;
  /** A statement that is written by hand, and whether the words were copied. */
  written: { step: string; ready: boolean } | null;
  takes: readonly LocalTake[];
}

export type Screen =
  | { name: "starting" | "unreachable" | "landing" | "enter" | "number" | "denied" | "plan" | "sending" | "done" | "returned" }
  | { name: "inapp"; app: App }
  | { name: "unsupported"; missing: CameraFault }
  | { name: "stopped"; end: End }
  | { name: "alipay" | "faceconsent" | "face" | "permission" | "photo" | "wifi" | "selftest" | "clip" | "written"; step: CaptureStep }
  | { name: "look" | "lost"; step: CaptureStep; take: LocalTake }
  | { name: "check"; step: CaptureStep; take: LocalTake | null };

/** Decides the screen. */
export function screenOf(f: Facts): Screen {
  if (f.denied) return { name: "denied" };
  if (f.done) return { name: "done" };
  if (f.end !== null) return { name: "stopped", end: f.end };
  if (f.reading) return { name: "starting" };
  if (f.unreachable) return { name: "unreachable" };
  if (f.capture === null) {
    if (f.code === null || f.landing === null) return { name: f.returned ? "returned" : "enter" };
    // In Alipay for Alipay: its own page does the work.
    if (f.app === "alipay" && f.landing.provider === "alipay") return { name: "landing" };
    if (f.app !== null) return { name: "inapp", app: f.app };
    if (f.missing !== null) return { name: "unsupported", missing: f.missing };
    return { name: "landing" };
  }
  switch (f.capture.handoff.state) {
    case "claimed":
      return { name: "number" };
    case "active":
      return work(f, f.capture);
    case "done":
      return { name: "done" };
    case "expired":
    case "cancelled":
    case "locked":
    case "reported":
    case "superseded":
      return { name: "stopped", end: f.capture.handoff.state };
    default:
      return { name: "stopped", end: "ended" };
  }
}

function work(f: Facts, capture: Capture): Screen {
  if (!begun(f, capture)) return { name: "plan" };
  for (const step of capture.steps) {
    const take = f.takes.find((one) => one.step === step.id);
    if (take?.state === "lost") return { name: "lost", step, take };
    if (take?.state === "recording") return { name: "clip", step };
    if (take?.state === "look" || take?.state === "failed") return { name: take.clip ? "look" : "check", step, take };
  }
  const next = nextStep(capture, f.takes);
  if (next === null) return { name: "sending" };
  // Stored by an earlier visit, with nothing of it left here: looked at from the server's copy.
  if (next.kind !== "clip" && next.state === "stored" && storedTake(next) !== null) return { name: "check", step: next, take: null };
  // The second is free: whoever answered it, however, goes on.
  if (next.kind === "face" && capture.consents.some((one) => one.id === "face" ? one.state !== "given" : one.id === "face_search" && one.state === "needed")) return { name: "faceconsent", step: next };
  if (next.kind === "face" && capture.handoff.provider === "alipay") return { name: "alipay", step: next };
  if (f.missing !== null) return { name: "unsupported", missing: f.missing };
  if (next.kind === "face") return { name: f.allowed ? "face" : "permission", step: next };
  if (next.kind === "clip" && f.written?.step === next.id) return { name: f.written.ready ? "photo" : "written", step: next };
  if (next.kind === "clip") return { name: !f.wifi ? "wifi" : f.tested ? "clip" : "selftest", step: next };
  return { name: f.allowed ? "photo" : "permission", step: next };
}

/**
 * The person has begun here, or some steps are done and others not. Where all are done already by
 * somebody else, the plan says so first: nothing is handed in without a tap.
 */
export function begun(f: Facts, capture: Capture): boolean {
  if (f.started || f.takes.length > 0 || capture.steps.some((step) => step.state === "stored")) return true;
  const done = capture.steps.filter(settled).length;
  return done > 0 && done < capture.steps.length;
}

/** The first step that still needs the person, or null. */
export function nextStep(capture: Capture, takes: readonly LocalTake[]): CaptureStep | null {
  return capture.steps.find((step) => !settled(step) && !takes.some((take) => take.step === step.id)) ?? null;
}

/** The step needs nothing more from this phone. */
export function settled(step: CaptureStep): boolean {
  return step.state === "accepted" || step.state === "checked";
}

/** The newest take of a step that the server has stored and nobody accepted. */
export function storedTake(step: CaptureStep): CaptureStep["takes"][number] | null {
  return step.takes.findLast((take) => take.state === "stored") ?? null;
}

/** Steps left for the person: those neither accepted nor on their way. */
export function stepsLeft(capture: Capture, takes: readonly LocalTake[]): CaptureStep[] {
  return capture.steps.filter((step) => !settled(step) && !takes.some((take) => take.step === step.id && take.state !== "look"));
}
