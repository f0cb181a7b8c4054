/**
 * What the phone knows of faces while a handoff lasts: the worker with its networks, and who is on the document that
 * was photographed on this phone. Held in memory alone, and only to guide.
 */
import { newKey, call } from "../../shared/api";
import type { CaptureStep, FaceChallenge } from "../../shared/types";
import { distance, type Action } from "./moves";
import { canWatch, Watch } from "./watch";

/** A frame that is sent as evidence. */
export interface Shot { action: Action; at: number; blob: Blob; turn: number; eyes: number; mouth: number }

/** From how far on two pictures are somebody else's, beyond doubt; between that and a match the server decides. */
const surely = 0.6;

export class Faces {
  watch: Watch | null = null;
  private portrait: Promise<Float32Array | null> | null = null;

  /** Loads the networks of a step's server, once. */
  prepare(step: CaptureStep): void {
    if (this.watch !== null || !step.face?.networks || !canWatch()) return;
    this.watch = new Watch(step.face.networks, step.face.model);
  }

  /** Remembers who is on a document's photo. */
  document(blob: Blob): void {
    const watch = this.watch;
    if (watch === null) return;
    this.portrait = createImageBitmap(blob).then((bitmap) => watch.portrait(bitmap)).catch(() => null);
  }

  /** Says whether somebody is surely not the one on the document; null while that cannot be told. */
  async stranger(who: Float32Array): Promise<boolean | null> {
    const portrait = await this.portrait;
    if (!portrait || this.watch === null) return null;
    return distance(portrait, who, this.watch.model) > surely;
  }

  /** Forgets everything. */
  close(): void {
    this.watch?.close();
    this.watch = null;
    this.portrait = null;
  }
}

/** Asks what to do. */
export function faceChallenge(caseId: string, alternative: string): Promise<FaceChallenge> {
  return call("POST", `/v1/cases/${encodeURIComponent(caseId)}/steps/face/challenge`, { body: { alternative }, as: "capture", idempotencyKey: newKey() });
}

/** Sends what was seen. Repeated with the same key it counts once. */
export function sendFace(caseId: string, challenge: FaceChallenge, shots: readonly Shot[], model: string, key: string): Promise<{ verdict: "pass" | "review" }> {
  const form = new FormData();
  const first = shots[0]?.at ?? 0;
  const frames = shots.map((shot, i) => ({ part: `frame${i}`, action: shot.action, at_ms: Math.round(shot.at - first) }));
  const round = (v: number): number | null => (Number.isFinite(v) ? Math.round(v * 1000) / 1000 : null);
  const claims = { model, frames: shots.map((shot) => ({ turn: round(shot.turn), eyes: round(shot.eyes), mouth: round(shot.mouth) })) };
  form.append("meta", new Blob([JSON.stringify({ challenge_id: challenge.id, nonce: challenge.nonce, frames, claims })], { type: "application/json" }));
  shots.forEach((shot, i) => form.append(`frame${i}`, shot.blob));
  return call("POST", `/v1/cases/${encodeURIComponent(caseId)}/steps/face/evidence`, { body: form, as: "capture", idempotencyKey: key, timeout: 60_000 });
}
