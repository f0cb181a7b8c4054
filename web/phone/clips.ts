/**
 * The recordings on this phone: from the first byte, which is sent while the next ones are made, until the server
 * accepted one. A take that broke off is over: nothing is ever added to it.
 */
import { api, Problem } from "../shared/api";
import { forgetClip, forgetClips, keepClip, keepPiece, recallClips, type KeptClip } from "../shared/clip-stash";
import { Growing } from "../shared/growing";
import { qualityFor, type Quality } from "../shared/recording";
import type { Interruption } from "../shared/recorder";
import { discardUpload, UploadError, uploadIdOf, uploadPhoto, type Uploaded } from "../shared/upload";
import type { Capture, CaptureStep, ClipChallenge, Prompt } from "../shared/types";
import type { Finding } from "./findings";
import type { Shown } from "./prompts";
import { settled, type LocalTake } from "./screen";
import { patiently } from "./patiently";

/** A recording on this phone. */
export interface Clip extends LocalTake {
  clip: true;
  challenge: string;
  prompts: Prompt[];
  timeline: Shown[];
  bytes: Growing;
  still: Blob | null;
  /** Milliseconds; 0 while it is made. */
  ms: number;
  found: Finding[];
  /** Which take of its step it is, from 1. */
  number: number;
  /** Bytes the server has stored, the photo's included. */
  stored: number;
  url: string | undefined;
  stillUrl: string | undefined;
  /** All of it is on the server. */
  sent: Uploaded | null;
  stillSent: Uploaded | null;
  /** Why it broke off. */
  lost: Interruption | null;
  /** Why it needs the person: a problem. */
  error: unknown;
}

/** What the recordings want of the phone's part as a whole. */
export interface Host {
  capture(): Capture | null;
  changed(): void;
  /** Tells that bytes wait for the network, or move again. */
  waiting(waiting: boolean): void;
  /** More bytes were stored. */
  sent(): void;
  accepted(step: string, sha256: string | null): Promise<void>;
  /** Whether an upload belongs to a photo of this phone. */
  owns(uploadId: string): boolean;
  /** Asks whether this problem is the end of the phone's part. */
  isEnd(problem: unknown): Promise<boolean>;
}

interface Facts {
  prompts: Prompt[];
  timeline: Shown[];
  ms: number;
  found: Finding[];
  number: number;
}

const numberKey = "symbolon.clip-takes";

export class Clips {
  list: Clip[] = [];
  /** Bytes a second that this line carried when it was tried; null: not measured. */
  rate: number | null = null;
  /** The type that this browser was seen to record. */
  type = "";
  /** Bytes of the recordings that were accepted. */
  done = 0;
  private stops = new Map<string, AbortController>();
  private writes = new Map<string, Promise<void>>();

  constructor(private readonly host: Host) {}

  /** The quality for the next take: what the line keeps up with. */
  get quality(): Quality {
    return qualityFor(this.rate);
  }

  of(step: string): Clip | undefined {
    return this.list.find((clip) => clip.step === step);
  }

  /** Bytes exist on this phone alone. */
  get alone(): boolean {
    return this.list.some((clip) => clip.lost === null && (clip.state === "recording" || clip.sent === null));
  }

  /** Begins a take. Its bytes go up while they are made. */
  begin(step: CaptureStep, challenge: ClipChallenge, bytes: Growing): Clip {
    const handoff = this.host.capture()!.handoff;
    const clip: Clip = {
      id: `${handoff.id}.${step.id}.${Date.now()}`,
      step: step.id,
      clip: true,
      state: "recording",
      challenge: challenge.id,
      prompts: challenge.script.prompts,
      timeline: [],
      bytes,
      still: null,
      ms: 0,
      found: [],
      number: this.count(`${handoff.id}.${step.id}`),
      stored: 0,
      url: undefined,
      stillUrl: undefined,
      sent: null,
      stillSent: null,
      lost: null,
      error: null,
    };
    this.list = [...this.list.filter((one) => one.step !== step.id), clip];
    this.keep(clip);
    void this.send(clip);
    this.host.changed();
    return clip;
  }

  /** Keeps a piece on the phone until the server has all of it. */
  piece(clip: Clip, bytes: ArrayBuffer): void {
    const n = clip.bytes.count;
    this.write(clip.id, () => keepPiece(clip.id, n, bytes));
  }

  /** The photo that was taken during it. */
  photographed(clip: Clip, photo: Blob): void {
    clip.still = photo;
    this.keep(clip);
    void this.send(clip);
  }

  /** The take came to its end. */
  finished(clip: Clip, timeline: Shown[], ms: number, found: Finding[]): void {
    clip.timeline = timeline;
    clip.ms = ms;
    clip.found = found;
    clip.state = "look";
    // The line carried less than was made: the next take is made of less.
    const behind = clip.bytes.size - clip.stored;
    if (behind > clip.bytes.size / 4 && ms > 0) this.rate = Math.min(this.rate ?? Infinity, (clip.stored * 1000) / ms);
    this.keep(clip);
    this.host.changed();
  }

  /** The take broke off. What was made of it can be looked at and is never handed in. */
  broken(clip: Clip, why: Interruption, ms: number): void {
    clip.lost = why;
    clip.ms = ms;
    clip.state = "lost";
    this.drop(clip);
    this.write(clip.id, () => forgetClip(clip.id));
    this.host.changed();
  }

  /** All of a take that broke off is there now. */
  flushed(): void {
    this.host.changed();
  }

  /** *Keep this clip*. */
  async use(clip: Clip): Promise<void> {
    const again = clip.state === "failed";
    clip.state = "queued";
    clip.error = null;
    if (again && clip.sent === null) {
      // What was refused would be refused again.
      this.drop(clip);
      clip.url = clip.stillUrl = undefined;
      clip.sent = clip.stillSent = null;
      clip.stored = 0;
    }
    this.keep(clip);
    this.host.changed();
    await this.send(clip);
  }

  /** *Record again*. */
  again(clip: Clip): void {
    this.list = this.list.filter((one) => one !== clip);
    this.drop(clip);
    this.write(clip.id, () => forgetClip(clip.id));
    this.host.changed();
  }

  /** Brings back what an earlier visit of this page had, and discards on the server what nobody has any more. */
  async restore(capture: Capture): Promise<void> {
    const open = new Set(capture.steps.filter((step) => step.kind === "clip" && !settled(step)).map((step) => step.id));
    for (const { clip: kept, bytes, whole } of await recallClips(capture.handoff.id)) {
      if (!open.has(kept.step) || this.of(kept.step) !== undefined) {
        await forgetClip(kept.id);
        continue;
      }
      const facts = kept.facts as Facts;
      const clip: Clip = {
        id: kept.id,
        step: kept.step,
        clip: true,
        state: kept.used ? "queued" : "look",
        challenge: kept.challenge,
        ...facts,
        bytes: Growing.of(kept.type, bytes),
        still: kept.still === undefined ? null : new Blob([kept.still], { type: "image/jpeg" }),
        stored: 0,
        url: kept.url,
        stillUrl: kept.stillUrl,
        sent: null,
        stillSent: null,
        lost: null,
        error: null,
      };
      this.list.push(clip);
      if (whole) void this.send(clip);
      else this.broken(clip, "reload", clip.ms);
    }
    for (const step of capture.steps) if (open.has(step.id)) await this.discard(step);
  }

  private async clear(step: string): Promise<void> {
    const found = (await api.capture()).steps.find((one) => one.id === step);
    if (found !== undefined) await this.discard(found);
  }

  /** Ends the takes of a step that no recording here belongs to. */
  private async discard(step: CaptureStep): Promise<void> {
    for (const take of step.takes) {
      const mine = this.list.some((clip) => [clip.url, clip.stillUrl].some((url) => url !== undefined && uploadIdOf(url) === take.upload_id)) || this.host.owns(take.upload_id);
      if (take.state !== "accepted" && !mine) await discardUpload(take.upload_id, "capture");
    }
  }

  /** Stops sending. */
  stop(): void {
    for (const stop of this.stops.values()) stop.abort(new Error("left"));
    this.stops.clear();
    this.list = [];
    this.done = 0;
  }

  /** Leaves no recording behind on this phone. */
  async forget(): Promise<void> {
    await Promise.all(this.writes.values());
    await forgetClips();
  }

  /** Sends what is not sent yet, and hands the take in once it is kept and all of it arrived. */
  private async send(clip: Clip): Promise<void> {
    if (clip.lost !== null) return;
    await Promise.all([this.sendBytes(clip), this.sendStill(clip)]);
    await this.accept(clip);
  }

  private async sendBytes(clip: Clip): Promise<void> {
    if (clip.sent !== null || this.stops.has(clip.id)) return;
    let before = 0;
    await this.upload(clip, clip.id, async (signal) => {
      clip.sent = await uploadPhoto({
        ...this.job(clip, signal),
        blob: clip.bytes,
        ...(clip.url === undefined ? {} : { url: clip.url }),
        onCreated: (url) => {
          clip.url = url;
          this.keep(clip);
        },
        onProgress: (stored) => {
          clip.stored += stored - before;
          before = stored;
          this.host.sent();
          this.host.changed();
        },
      });
    });
  }

  private async sendStill(clip: Clip): Promise<void> {
    const name = `${clip.id}.still`;
    if (clip.still === null || clip.stillSent !== null || this.stops.has(name)) return;
    const still = clip.still;
    let before = 0;
    await this.upload(clip, name, async (signal) => {
      clip.stillSent = await uploadPhoto({
        ...this.job(clip, signal),
        role: "still",
        blob: still,
        ...(clip.stillUrl === undefined ? {} : { url: clip.stillUrl }),
        onCreated: (url) => {
          clip.stillUrl = url;
          this.keep(clip);
        },
        onProgress: (stored) => {
          clip.stored += stored - before;
          before = stored;
          this.host.sent();
          this.host.changed();
        },
      });
    });
  }

  private job(clip: Clip, signal: AbortSignal) {
    return {
      caseId: this.host.capture()!.handoff.case_id,
      step: clip.step,
      challenge: clip.challenge,
      as: "capture" as const,
      signal,
      onMoving: (moving: boolean) => this.host.waiting(!moving),
    };
  }

  private async upload(clip: Clip, name: string, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    if (this.host.capture() === null) return;
    const stop = new AbortController();
    this.stops.set(name, stop);
    try {
      try {
        await work(stop.signal);
      } catch (error) {
        if (!(error instanceof UploadError) || error.code !== "too_many_takes" || stop.signal.aborted) throw error;
        // Begun once, and the answer got lost: nobody has the rest of those.
        await this.clear(clip.step);
        await work(stop.signal);
      }
    } catch (error) {
      if (stop.signal.aborted) return;
      this.host.waiting(false);
      await this.failed(clip, error instanceof UploadError ? new Problem(error.status, { code: error.code }, 0, "") : error);
    } finally {
      if (this.stops.get(name) === stop) this.stops.delete(name);
      this.host.changed();
    }
  }

  private async accept(clip: Clip): Promise<void> {
    const capture = this.host.capture();
    if (clip.state !== "queued" || clip.sent === null || (clip.still !== null && clip.stillSent === null) || capture === null) return;
    clip.state = "accepting";
    this.host.changed();
    const stop = new AbortController();
    this.stops.set(`${clip.id}.accept`, stop);
    try {
      const { sent, stillSent } = clip;
      await patiently(
        () =>
          api.acceptClip(capture.handoff.case_id, clip.step, {
            upload_id: sent.uploadId,
            ...(stillSent === null ? {} : { still_upload_id: stillSent.uploadId }),
            timeline: clip.timeline,
          }),
        stop.signal,
      );
      this.list = this.list.filter((one) => one !== clip);
      this.done += clip.stored;
      this.write(clip.id, () => forgetClip(clip.id));
      await this.host.accepted(clip.step, sent.sha256);
    } catch (error) {
      if (!stop.signal.aborted) await this.failed(clip, error);
    } finally {
      this.stops.delete(`${clip.id}.accept`);
      this.host.changed();
    }
  }

  /** A refusal waits until the recording is at its end: nobody is stopped in the middle of a sentence for it. */
  private async failed(clip: Clip, error: unknown): Promise<void> {
    if (await this.host.isEnd(error)) return;
    clip.error = error;
    if (clip.state === "queued" || clip.state === "accepting") clip.state = "failed";
  }

  /** Ends what is on its way of a take and destroys what arrived. */
  private drop(clip: Clip): void {
    for (const name of [clip.id, `${clip.id}.still`, `${clip.id}.accept`]) {
      this.stops.get(name)?.abort(new Error("dropped"));
      this.stops.delete(name);
    }
    for (const url of [clip.url, clip.stillUrl]) if (url !== undefined) void discardUpload(uploadIdOf(url), "capture");
  }

  /** Writes what is known now, after everything that was to be written before. */
  private keep(clip: Clip): void {
    const capture = this.host.capture();
    if (capture === null) return;
    this.write(clip.id, async () => {
      if (!this.list.includes(clip) || clip.lost !== null) return;
      const { prompts, timeline, ms, found, number } = clip;
      const kept: KeptClip = {
        id: clip.id,
        handoffId: capture.handoff.id,
        step: clip.step,
        type: clip.bytes.type,
        challenge: clip.challenge,
        facts: { prompts, timeline, ms, found, number } satisfies Facts,
        ...(clip.still === null ? {} : { still: await clip.still.arrayBuffer() }),
        ...(clip.url === undefined ? {} : { url: clip.url }),
        ...(clip.stillUrl === undefined ? {} : { stillUrl: clip.stillUrl }),
        finished: clip.state !== "recording",
        used: clip.state !== "recording" && clip.state !== "look",
        pieces: clip.bytes.count,
        length: clip.bytes.size,
        at: Date.now(),
      };
      await keepClip(kept);
    });
  }

  private write(id: string, work: () => Promise<void>): void {
    const before = this.writes.get(id) ?? Promise.resolve();
    const after = before.then(work).catch(() => undefined);
    this.writes.set(id, after);
    void after.then(() => {
      if (this.writes.get(id) === after) this.writes.delete(id);
    });
  }

  /** Counts the takes of a step in this handoff, over reloads. */
  private count(of: string): number {
    try {
      const kept = JSON.parse(sessionStorage.getItem(numberKey) ?? "{}") as Record<string, number>;
      const n = (kept[of] ?? 0) + 1;
      sessionStorage.setItem(numberKey, JSON.stringify({ ...kept, [of]: n }));
      return n;
    } catch {
      return 1;
    }
  }
}
