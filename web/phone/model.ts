/**
 * The phone's part of a case: what the server said last, the photos on this phone, and the calls
 * that change either. Screens read it and call its methods; they hold nothing that matters.
 */
import { api, call, newKey, NoAnswer, Problem, serverNow } from "../shared/api";
import { cameraAllowed, cameraMissing, type CameraFault, type Photo } from "../shared/camera";
import { openLive, type Link, type Live } from "../shared/live";
import { knowReasons } from "../shared/problems";
import type { Hint } from "../shared/quality";
import { forget, forgetAll, keep, recall, type Kept } from "../shared/stash";
import { discardUpload, UploadError, uploadIdOf, uploadPhoto } from "../shared/upload";
import type { Capture, CaptureStep, Landing, Operator, UploadInfo } from "../shared/types";
import { Clips } from "./clips";
import { appOf, deviceOf } from "./device";
import { Faces } from "./face/faces";
import { first, keepCode, takeCode } from "./fragment";
import { patiently } from "./patiently";
import { begun, nextStep, screenOf, settled, storedTake, type End, type Facts, type LocalTake, type Screen } from "./screen";
import { Teller, type Doing } from "./teller";

/** A photo on this phone, from the shutter until the server accepted it. */
export interface Take extends LocalTake {
  blob: Blob;
  /** Bytes the server has stored. */
  stored: number;
  focus: Kept["focus"];
  problems: Hint[];
  /** Why it needs the person: a problem. */
  error: unknown;
  url: string | undefined;
  bytes: ArrayBuffer;
  /** What it answers to, where it is the photo of a written statement. */
  challenge?: string;
  /** Forgotten takes of the step were discarded to make room for this one. */
  cleared: boolean;
}

/** What the person may keep as a proof of what was handed in. */
export interface Receipt {
  step: string;
  instructions: string;
  sha256: string;
}

interface KeptReceipt {
  id: string;
  items: Receipt[];
  done: boolean;
}

const startedKey = "symbolon.started";
const receiptKey = "symbolon.receipt";
const readyKey = "symbolon.ready";

/** What was settled before recordings. */
interface Ready {
  id: string;
  wifi?: boolean;
  type?: string;
  rate?: number | null;
}

export class Phone {
  private facts: Facts = {
    reading: true,
    unreachable: false,
    missing: null,
    app: null,
    code: null,
    landing: null,
    capture: null,
    end: null,
    denied: false,
    done: false,
    started: false,
    returned: location.search === "?alipay",
    allowed: false,
    wifi: false,
    tested: false,
    written: null,
    takes: [],
  };
  private takes: Take[] = [];
  private listeners = new Set<() => void>();
  private live: Live | undefined;
  private entry = first;
  private pumping = false;
  private submitting = false;
  private matching = false;
  private postponed = false;
  private gone = new AbortController();
  private cancels = new Map<string, AbortController>();
  private rate: { at: number; bytes: number; perSecond: number } | null = null;
  private ways = new Map<string, string>();
  private writtenFor: string | undefined;
  private sentBefore = 0;
  /** Steps whose photo the server accepted; an older snapshot that arrives later cannot undo it. */
  private accepted = new Set<string>();
  private readonly teller = new Teller((doing) => this.tell(doing));
  /** The recordings of this phone. */
  readonly clips = new Clips({
    capture: () => this.facts.capture,
    changed: () => this.changed(),
    waiting: (waiting) => {
      this.waiting = waiting;
    },
    sent: () => this.measureRate(this.sending.stored),
    accepted: async (step, sha256) => {
      this.note(step, sha256);
      this.accepted.add(step);
      if (this.facts.capture !== null) this.set({ capture: this.withAccepted(this.facts.capture) });
      await this.refresh();
      void this.pump();
    },
    owns: (uploadId) => this.takes.some((take) => take.url !== undefined && uploadIdOf(take.url) === uploadId),
    isEnd: async (problem) => {
      if (!(problem instanceof Problem) || !(ends.has(problem.code) || problem.status === 401)) return false;
      await this.refresh();
      return this.facts.end !== null;
    },
  });

  /** What follows a face on this phone. */
  readonly faces = new Faces();

  /** Facts about the operator for the header and the help sheet. */
  operator: Operator | null = null;
  link: Link = "connecting";
  /** Bytes wait for the network. */
  waiting = false;
  /** The number typed last was wrong. */
  wrong = false;
  /** The number was right; the halves are joining. */
  joined = false;
  /** A call is running for the screen that is shown. */
  busy = false;
  /** The last call failed: a problem, told where it happened. */
  problem: unknown = null;
  /** Why the camera stopped, for the screen that asks for it again. */
  cameraFault: CameraFault | null = null;
  /** Seconds until a new code is possible, after a lock. */
  lockedFor = 0;
  receipts: Receipt[] = [];

  /** Begins. Call once. */
  start(): void {
    addEventListener("hashchange", () => {
      const entry = takeCode();
      if (entry !== null && entry.code !== this.facts.code) {
        this.leave();
        this.entry = entry;
        // Another code begins from the beginning.
        this.set({ capture: null, done: false, denied: false, started: false, wifi: false, written: null });
        void this.read();
      }
    });
    addEventListener("pageshow", (event) => {
      if (event.persisted) void this.refresh();
    });
    addEventListener("online", () => this.changed());
    addEventListener("offline", () => this.changed());
    addEventListener("beforeunload", (event) => {
      // Only while bytes exist on this phone alone.
      if (this.takes.some((take) => take.state === "queued" || take.state === "sending") || this.clips.alone) event.preventDefault();
    });
    setInterval(() => void this.watchTime(), 15_000);
    void this.read();
    void api.reasons().then(({ reasons }) => knowReasons(reasons)).catch(() => undefined);
    void api.operator().then(
      (operator) => {
        this.operator = operator;
        this.changed();
      },
      () => undefined,
    );
  }

  /** Calls `heard` after each change; returns how to stop. */
  subscribe(heard: () => void): () => void {
    this.listeners.add(heard);
    return () => void this.listeners.delete(heard);
  }

  get screen(): Screen {
    if (this.matching && this.facts.capture !== null) return { name: "number" };
    return screenOf({ ...this.facts, takes: this.all });
  }
  get landing(): Landing | null {
    return this.facts.landing;
  }
  get capture(): Capture | null {
    return this.facts.capture;
  }
  get code(): string | null {
    return this.facts.code;
  }
  /** Everything that exists on this phone alone, or is on its way. */
  get all(): readonly LocalTake[] {
    return [...this.takes, ...this.clips.list];
  }
  get photos(): readonly Take[] {
    return this.takes;
  }
  /** No connection, as far as the person needs to know. */
  get offline(): boolean {
    return !navigator.onLine || this.link === "offline" || (this.waiting && this.all.length > 0);
  }
  /** The browser was opened inside an app, but could try. */
  get mayTryHere(): boolean {
    return cameraMissing() === null;
  }

  /** Bytes of all photos of this phone: stored and in all, and seconds left (null while unknown). */
  get sending(): { stored: number; total: number; seconds: number | null } {
    const under = this.takes.filter((take) => take.state !== "look");
    const clips = this.clips.list.filter((clip) => clip.lost === null);
    const stored = this.sentBefore + this.clips.done + [...under, ...clips].reduce((sum, take) => sum + take.stored, 0);
    const total =
      this.sentBefore + this.clips.done + under.reduce((sum, take) => sum + take.blob.size, 0) + clips.reduce((sum, clip) => sum + clip.bytes.size + (clip.still?.size ?? 0), 0);
    const rate = this.rate?.perSecond ?? 0;
    return { stored, total, seconds: rate > 0 ? (total - stored) / rate : null };
  }

  /** Seconds left where they are less than two minutes, else null. */
  get ending(): number | null {
    const handoff = this.facts.capture?.handoff;
    if (handoff === undefined || handoff.state !== "active") return null;
    const left = (Date.parse(handoff.expires_at) - serverNow()) / 1000;
    return left < 120 ? Math.max(0, left) : null;
  }

  // — before the claim —

  /** Reads where things stand: the code in the address, or the phone's own session. */
  async read(): Promise<void> {
    const code = this.entry?.code ?? null;
    this.set({ reading: true, unreachable: false, code, landing: null, end: null, missing: cameraMissing(), app: this.facts.app ?? appOf(navigator.userAgent) });
    try {
      if (code === null) {
        await this.resume(null);
      } else {
        await this.look(code, this.entry?.key ?? newKey());
      }
    } catch (error) {
      if (error instanceof NoAnswer) this.set({ unreachable: true });
      else this.fail(error);
    } finally {
      this.set({ reading: false });
    }
  }

  private async look(code: string, key: string): Promise<void> {
    try {
      const landing = await api.open(code, key);
      // The code of a new handoff wins over an old one that this browser still remembers.
      this.set({ landing, capture: null });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.code === "handoff_already_claimed" && this.entry?.tapped === true) {
        // The tap may have claimed it and only the answer got lost: the same key gets the same claim.
        this.set({ code });
        await this.claim();
        return;
      }
      // Perhaps it was this very phone that used the code.
      await this.resume(endOfCode(error));
    }
  }

  /** Goes on with the phone's session if it has one; otherwise ends with `otherwise`. */
  private async resume(otherwise: End | "limited" | null): Promise<void> {
    try {
      await this.took(await api.capture());
      keepCode(null);
    } catch (error) {
      if (!(error instanceof Problem) || error.status >= 500) throw error;
      if (otherwise === "limited") throw error;
      if (otherwise !== null) return this.over(otherwise);
      const kept = readJSON<KeptReceipt>(receiptKey);
      this.receipts = kept?.items ?? [];
      if (error.code === "session_unknown" && kept?.done === true) return this.finished();
      this.ended(error, null);
    }
  }

  /** Takes a typed or pasted code. */
  async enter(code: string): Promise<void> {
    const entry = { code, key: newKey(), tapped: false };
    this.entry = entry;
    await this.doing(async () => {
      try {
        const landing = await api.open(code, entry.key);
        keepCode(entry);
        this.set({ code, landing, capture: null, end: null, missing: cameraMissing() });
      } catch (error) {
        const end = error instanceof Problem ? endOfCode(error) : null;
        // A typing mistake stays on the screen where it can be put right.
        if (end === null || end === "unknown" || end === "limited") throw error;
        this.over(end);
      }
    });
  }

  /** Shows the place for a code again. */
  another(): void {
    this.leave();
    keepCode(null);
    sessionStorage.removeItem(receiptKey);
    this.entry = null;
    this.set({ code: null, landing: null, capture: null, end: null, denied: false, done: false });
  }

  /** In an app's browser: goes on all the same. */
  tryHere(): void {
    this.set({ app: null });
  }

  /** Claims the code: the tap on *Continue*. */
  async claim(): Promise<void> {
    const entry = this.entry;
    if (entry === null) return;
    entry.tapped = true;
    keepCode(entry);
    await this.doing(async () => {
      try {
        await call("POST", "/v1/handoffs/claim", {
          body: { code: entry.code, device: deviceOf(navigator.userAgent, navigator.maxTouchPoints) },
          idempotencyKey: entry.key,
        });
        await this.took(await api.capture());
        keepCode(null);
      } catch (error) {
        const end = error instanceof Problem ? endOfCode(error) : null;
        if (end === null || end === "limited") throw error;
        this.over(end);
      }
    });
  }

  // — the number —

  /** Sends the number. */
  async match(number: string): Promise<void> {
    await this.doing(async () => {
      // News that arrive meanwhile wait: the halves are seen to join before the work begins.
      this.matching = true;
      try {
        await api.match(number);
        this.wrong = false;
        this.joined = true;
        this.changed();
        const [capture] = await Promise.all([api.capture(), new Promise((done) => setTimeout(done, 600))]);
        this.matching = this.joined = false;
        await this.took(capture);
      } catch (error) {
        this.matching = this.joined = false;
        if (error instanceof Problem && error.code === "handoff_wrong_number") {
          this.wrong = true;
          vibrate([40, 60, 40]);
          return;
        }
        if (error instanceof Problem && error.code === "handoff_locked") {
          this.lockedFor = error.retryAfter;
          return this.over("locked");
        }
        throw error;
      }
    });
  }

  /** *It's not me*: stops at once, then the screen asks. */
  async deny(): Promise<void> {
    await this.doing(async () => {
      await api.deny(false);
      this.leave();
      this.set({ denied: true, capture: null });
    });
  }

  /** It was a wrong tap. */
  mistake(): void {
    this.set({ denied: false, end: "mistake" });
  }

  /** It is reported. */
  async report(): Promise<void> {
    await this.doing(async () => {
      await api.deny(true);
      this.set({ denied: false, end: "reported" });
    });
  }

  // — the work —

  /** *Start* on the plan. */
  begin(): void {
    const id = this.facts.capture?.handoff.id;
    if (id !== undefined) writeJSON(startedKey, id);
    this.set({ started: true });
    void this.pump();
  }

  /** To Alipay: in its own browser to its page, from any other through its app. */
  async toAlipay(): Promise<void> {
    await this.doing(async () => {
      const to = await api.alipay();
      location.assign(appOf(navigator.userAgent) === "alipay" ? to.certify_url : to.alipay_link);
    });
  }

  /** The camera was allowed. */
  allow(): void {
    this.cameraFault = null;
    this.set({ allowed: true });
  }

  /** *Continue now*: what recordings cost to send was read. */
  continueNow(): void {
    this.remember({ wifi: true });
    this.set({ wifi: true });
  }

  /** *Later, on Wi-Fi*: ends this phone's part; everything that was kept stays. */
  async later(): Promise<void> {
    await this.doing(async () => {
      // The socket may tell of the end before the answer does.
      this.postponed = true;
      try {
        await api.deny(false);
      } catch (error) {
        this.postponed = false;
        throw error;
      }
      this.over("later");
    });
  }

  /** Camera, microphone and recorder were tried: what records here, and how fast the line is. */
  tested(type: string, rate: number | null): void {
    this.clips.type = type;
    this.clips.rate = rate;
    this.remember({ type, rate });
    this.set({ tested: true });
  }

  /** How a recording is made, where not in the usual way. */
  way(step: string): string | undefined {
    return this.ways.get(step);
  }

  /** Chooses another way, or (undefined) the usual one. */
  chooseWay(step: string, way: string | undefined): void {
    if (way === undefined) this.ways.delete(step);
    else this.ways.set(step, way);
    this.set({ written: way === "written" ? { step, ready: false } : null });
  }

  /** The words were copied by hand; next is the photo, which answers to a challenge. */
  writtenReady(step: string, challenge: string): void {
    this.writtenFor = challenge;
    this.set({ written: { step, ready: true } });
  }

  /** Remembers over a reload what was found out and chosen before recordings. */
  private remember(more: Partial<Ready>): void {
    const id = this.facts.capture?.handoff.id;
    if (id === undefined) return;
    const known = readJSON<Ready>(readyKey);
    writeJSON(readyKey, { ...(known?.id === id ? known : {}), id, ...more });
  }

  /** The camera gave up: it has to be asked for again. */
  cameraLost(fault: CameraFault): void {
    this.cameraFault = fault;
    this.set({ allowed: false, tested: false });
  }

  /** A photo was taken: it is kept here and shown. */
  async taken(step: CaptureStep, photo: Photo, focus: Kept["focus"], problems: Hint[]): Promise<void> {
    const capture = this.facts.capture;
    if (capture === null) return;
    const bytes = await photo.blob.arrayBuffer();
    const take: Take = {
      id: `${capture.handoff.id}.${step.id}.${Date.now()}`,
      step: step.id,
      state: "look",
      // Over memory of our own: no database stands behind these bytes.
      blob: new Blob([bytes], { type: photo.blob.type }),
      bytes,
      stored: 0,
      focus,
      problems,
      error: null,
      url: undefined,
      cleared: false,
      ...(step.kind === "clip" && this.writtenFor !== undefined ? { challenge: this.writtenFor } : {}),
    };
    this.takes = [...this.takes.filter((one) => one.step !== step.id), take];
    this.changed();
    await this.stash(take);
  }

  /** *Use this photo*. */
  async use(take: Take): Promise<void> {
    this.problem = null;
    if (take.state === "failed") this.renew(take);
    if (take.step === "document_front" || take.step === "document_page") this.faces.document(take.blob);
    take.state = "queued";
    take.error = null;
    this.changed();
    await this.stash(take);
    void this.pump();
  }

  /** The face is with the server. */
  async faceDone(step: CaptureStep): Promise<void> {
    this.accepted.add(step.id);
    if (this.facts.capture !== null) this.set({ capture: this.withAccepted(this.facts.capture) });
    await this.refresh();
    void this.pump();
  }

  /** Sends a refused photo as a new upload: the old one would be refused again. */
  private renew(take: Take): void {
    if (take.url !== undefined) void discardUpload(uploadIdOf(take.url), "capture");
    take.url = undefined;
    take.stored = 0;
  }

  /** *Use this photo*, of one that only the server has. */
  async useStored(step: CaptureStep): Promise<void> {
    const capture = this.facts.capture;
    const take = storedTake(step);
    if (capture === null || take === null) return;
    await this.doing(async () => {
      const seen = await call<UploadInfo>("GET", `/v1/uploads/${encodeURIComponent(take.upload_id)}`, { as: "capture" });
      await api.accept(capture.handoff.case_id, step.id, take.upload_id, "capture");
      this.note(step.id, seen.sha256);
      await this.refresh();
      void this.pump();
    });
  }

  /** *Take it again*. */
  async retake(step: CaptureStep, take: Take | null): Promise<void> {
    this.problem = null;
    if (take !== null) {
      this.cancels.get(take.id)?.abort();
      this.takes = this.takes.filter((one) => one !== take);
      this.changed();
      await forget(take.id);
      if (take.url !== undefined) await discardUpload(uploadIdOf(take.url), "capture");
      return;
    }
    await this.doing(async () => {
      for (const one of step.takes) if (one.state !== "accepted") await discardUpload(one.upload_id, "capture");
      await this.refresh();
    });
  }

  /** Tells the desk what happens here. */
  say(doing: Doing): void {
    this.teller.say(doing);
  }

  /** Reads the truth again. */
  async refresh(): Promise<void> {
    if (this.facts.capture === null) {
      if (this.facts.end === null && !this.facts.done && !this.facts.denied) await this.read();
      return;
    }
    try {
      await this.took(await api.capture());
    } catch (error) {
      if (error instanceof Problem && (error.status === 401 || error.status === 410)) this.ended(error, "ended");
      else if (!(error instanceof NoAnswer)) this.fail(error);
    }
  }

  /** Tries to hand in once more, after a refusal that may have passed. */
  again(): void {
    this.problem = null;
    this.changed();
    void this.pump();
  }

  private withAccepted(capture: Capture): Capture {
    const steps = capture.steps.map((step) =>
      this.accepted.has(step.id) && (step.state === "stored" || step.state === "uploading" || (step.kind === "face" && step.state !== "checked")) ? { ...step, state: "accepted" as const } : step,
    );
    return { ...capture, steps };
  }

  private async took(news: Capture): Promise<void> {
    if (this.facts.done || this.facts.denied) return;
    const before = this.facts.capture;
    const capture = this.withAccepted(news);
    if (before === null || before.handoff.id !== capture.handoff.id) {
      this.takes = [];
      this.accepted.clear();
      const kept = readJSON<KeptReceipt>(receiptKey);
      this.receipts = kept?.id === capture.handoff.id ? kept.items : [];
      this.clips.stop();
      if (capture.handoff.state === "active") await this.restore(capture);
    } else if (before.handoff.state !== "active" && capture.handoff.state === "active" && this.takes.length === 0) {
      await this.restore(capture);
    }
    const started = this.facts.started || readJSON<string>(startedKey) === capture.handoff.id;
    // After a reload in the middle: back to the viewfinder at once where the browser asks nothing any more.
    const allowed = this.facts.allowed || (before === null && started && (await cameraAllowed()));
    this.set({ capture, landing: null, code: null, end: null, unreachable: false, started, allowed });
    // Its networks come while the person photographs.
    const face = capture.handoff.state === "active" && capture.handoff.provider !== "alipay" ? capture.steps.find((step) => step.kind === "face" && !settled(step)) : undefined;
    if (face !== undefined) this.faces.prepare(face);
    const ready = before === null ? readJSON<Ready>(readyKey) : null;
    if (ready?.id === capture.handoff.id) {
      if (ready.type !== undefined && this.clips.type === "") [this.clips.type, this.clips.rate] = [ready.type, ready.rate ?? null];
      this.set({ wifi: ready.wifi === true, tested: this.clips.type !== "" });
    }
    if (capture.handoff.state === "done") return this.finished();
    if (capture.handoff.state !== "active" && capture.handoff.state !== "claimed") return this.over(capture.handoff.state as End);
    this.listen();
    void this.pump();
  }

  private async restore(capture: Capture): Promise<void> {
    const kept = await recall(capture.handoff.id);
    const open = new Set(capture.steps.filter((step) => !settled(step)).map((step) => step.id));
    for (const photo of kept) {
      if (!open.has(photo.step) || this.takes.some((take) => take.step === photo.step)) {
        await forget(photo.id);
        continue;
      }
      this.takes.push({
        id: photo.id,
        step: photo.step,
        state: photo.used ? "queued" : "look",
        blob: new Blob([photo.bytes], { type: photo.type }),
        bytes: photo.bytes,
        stored: 0,
        focus: photo.focus,
        problems: [],
        error: null,
        url: photo.url,
        cleared: false,
        ...(photo.challenge === undefined ? {} : { challenge: photo.challenge }),
      });
    }
    await this.clips.restore(capture);
    // Unfinished uploads of which nothing is left here can never be finished: they only take up the step's room.
    for (const step of capture.steps.filter((one) => one.kind !== "clip")) {
      for (const take of step.takes) {
        const mine = this.takes.some((one) => one.url !== undefined && uploadIdOf(one.url) === take.upload_id);
        if (take.state === "open" && !mine) await discardUpload(take.upload_id, "capture");
      }
    }
  }

  /** Ends the takes of a step that no photo here belongs to. */
  private async clear(step: string): Promise<void> {
    const capture = await api.capture();
    for (const one of capture.steps.find((other) => other.id === step)?.takes ?? []) {
      if (one.state === "open" || one.state === "stored") await discardUpload(one.upload_id, "capture");
    }
  }

  private listen(): void {
    if (this.live !== undefined) return;
    this.live = openLive<Capture & { seq?: number }>({
      path: "/v1/capture/live",
      pick: (message) => message.capture,
      poll: (signal) => api.capture(signal),
      onSnapshot: (capture) => {
        if (!this.matching) void this.took(capture);
      },
      onLink: (link) => {
        this.link = link;
        this.changed();
      },
      onEnd: (code) => {
        this.live = undefined;
        // While the photos are handed in, the answer to that says more.
        if (this.submitting || this.facts.done || this.facts.denied || this.facts.end !== null) return;
        if (code === 4009) this.over("elsewhere");
        else void this.refresh();
      },
    });
  }

  /** Sends what is to be sent, one photo after another, and submits when nothing is left. */
  private async pump(): Promise<void> {
    if (this.pumping) return;
    this.pumping = true;
    try {
      for (let take = this.queued(); take !== undefined; take = this.queued()) await this.deliver(take);
    } finally {
      this.pumping = false;
    }
    await this.submit();
  }

  private queued(): Take | undefined {
    if (this.facts.capture?.handoff.state !== "active") return undefined;
    return this.takes.find((take) => take.state === "queued");
  }

  private async deliver(take: Take): Promise<void> {
    const capture = this.facts.capture!;
    const caseId = capture.handoff.case_id;
    const stop = new AbortController();
    const leave = (): void => stop.abort(new Error("left"));
    this.gone.signal.addEventListener("abort", leave);
    this.cancels.set(take.id, stop);
    take.state = "sending";
    this.rate = null;
    this.changed();
    try {
      const done = await uploadPhoto({
        caseId,
        step: take.step,
        blob: take.blob,
        as: "capture",
        signal: stop.signal,
        ...(take.url === undefined ? {} : { url: take.url }),
        ...(take.challenge === undefined ? {} : { challenge: take.challenge }),
        onCreated: (url) => {
          take.url = url;
          void this.stash(take);
        },
        onProgress: (stored) => {
          this.measureRate(stored);
          take.stored = stored;
          if (nextStep(this.facts.capture ?? capture, this.takes) === null) this.say({ step: take.step, phase: "sending" });
          this.changed();
        },
        onMoving: (moving) => {
          this.waiting = !moving;
          this.changed();
        },
      });
      this.waiting = false;
      take.state = "accepting";
      this.changed();
      await patiently(() => api.accept(caseId, take.step, done.uploadId, "capture"), stop.signal);
      this.note(take.step, done.sha256);
      this.sentBefore += take.blob.size;
      this.takes = this.takes.filter((one) => one !== take);
      this.accepted.add(take.step);
      this.set({ capture: this.withAccepted(this.facts.capture ?? capture) });
      await forget(take.id);
      await this.refresh();
    } catch (error) {
      if (stop.signal.aborted) return;
      this.waiting = false;
      const code = error instanceof UploadError || error instanceof Problem ? error.code : "";
      if (code === "too_many_takes" && !take.cleared) {
        take.cleared = true;
        await this.clear(take.step).catch(() => undefined);
        take.state = "queued";
        return;
      }
      if (ends.has(code) || (error instanceof Problem && error.status === 401)) {
        await this.refresh();
        if (this.facts.end !== null) return;
      }
      take.state = "failed";
      take.error = error instanceof UploadError ? new Problem(error.status, { code: error.code }, 0, "") : error;
      vibrate([40, 60, 40]);
    } finally {
      this.gone.signal.removeEventListener("abort", leave);
      this.cancels.delete(take.id);
      this.changed();
    }
  }

  private async submit(): Promise<void> {
    const capture = this.facts.capture;
    if (capture === null || capture.handoff.state !== "active" || this.submitting || this.facts.end !== null) return;
    if (this.all.length > 0 || !capture.steps.every(settled) || !(begun(this.facts, capture) || this.accepted.size > 0)) return;
    this.submitting = true;
    this.problem = null;
    try {
      await patiently(() => api.submitCapture(), this.gone.signal);
      this.finished();
    } catch (error) {
      if (this.gone.signal.aborted) return;
      if (error instanceof Problem && error.status === 401) await this.refresh();
      else this.fail(error);
    } finally {
      this.submitting = false;
      this.changed();
    }
  }

  private finished(): void {
    const kept = readJSON<KeptReceipt>(receiptKey);
    writeJSON(receiptKey, { id: kept?.id ?? this.facts.capture?.handoff.id ?? "", items: this.receipts, done: true });
    this.set({ done: true });
    vibrate(20);
    this.leave();
  }

  private note(step: string, sha256: string | null): void {
    if (sha256 === null) return;
    this.receipts = [
      ...this.receipts.filter((one) => one.step !== step),
      { step, instructions: this.facts.capture?.steps.find((one) => one.id === step)?.instructions ?? step, sha256 },
    ];
    writeJSON(receiptKey, { id: this.facts.capture?.handoff.id ?? "", items: this.receipts, done: false });
  }

  private measureRate(stored: number): void {
    const now = performance.now();
    const before = this.rate;
    if (before === null || stored <= before.bytes) {
      this.rate = { at: now, bytes: stored, perSecond: before?.perSecond ?? 0 };
      return;
    }
    const seen = ((stored - before.bytes) * 1000) / Math.max(1, now - before.at);
    this.rate = { at: now, bytes: stored, perSecond: before.perSecond === 0 ? seen : before.perSecond * 0.6 + seen * 0.4 };
  }

  private tell(doing: Doing): void {
    const caseId = this.facts.capture?.handoff.case_id;
    if (caseId === undefined || this.facts.capture?.handoff.state !== "active") return;
    if (this.live?.send({ type: "progress", ...doing }) === true) return;
    void api.progress(caseId, doing, "capture").catch(() => undefined);
  }

  private async stash(take: Take): Promise<void> {
    const handoff = this.facts.capture?.handoff;
    if (handoff === undefined || !this.takes.includes(take)) return;
    await keep({
      id: take.id,
      handoffId: handoff.id,
      caseId: handoff.case_id,
      step: take.step,
      bytes: take.bytes,
      length: take.bytes.byteLength,
      type: take.blob.type,
      focus: take.focus,
      used: take.state !== "look",
      ...(take.url === undefined ? {} : { url: take.url }),
      ...(take.challenge === undefined ? {} : { challenge: take.challenge }),
      at: Date.now(),
    });
    // Taken away while it was being written.
    if (!this.takes.includes(take)) await forget(take.id);
  }

  /** Asks again when the end comes near, because the end moves while the phone is used. */
  private async watchTime(): Promise<void> {
    if (this.ending !== null) await this.refresh();
    this.changed();
  }

  /** The phone's session was refused: shows why, or `otherwise` where the server did not tell. */
  private ended(problem: Problem, otherwise: End | null): void {
    if (problem.members.state === "done") {
      this.finished();
      return;
    }
    const end = endOf(problem) ?? otherwise;
    if (end !== null) this.over(end);
  }

  private over(end: End): void {
    // Another tab of this phone goes on with what is kept here.
    if (end === "elsewhere") this.stop();
    else this.leave();
    // That it ended for this reason may be told more than once, and of an end that was wanted only the wish counts.
    const wanted = this.postponed || this.facts.end === "later";
    this.set({ end: wanted ? "later" : end, landing: null, capture: null });
    this.postponed = false;
  }

  /** Stops everything that runs for the present handoff. */
  private stop(): void {
    this.gone.abort();
    this.gone = new AbortController();
    this.live?.close();
    this.live = undefined;
    this.link = "connecting";
    this.teller.stop();
    this.takes = [];
    this.clips.stop();
    this.sentBefore = 0;
    this.accepted.clear();
    this.waiting = false;
    this.wrong = false;
    this.problem = null;
  }

  /** Stops, and leaves no photo behind. */
  private leave(): void {
    this.stop();
    void forgetAll();
    void this.clips.forget();
  }

  private async doing(work: () => Promise<void>): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.problem = null;
    this.changed();
    try {
      await work();
    } catch (error) {
      if (error instanceof Problem && error.status === 401) this.ended(error, "ended");
      else this.fail(error);
    } finally {
      this.busy = false;
      this.changed();
    }
  }

  private fail(error: unknown): void {
    this.problem = error;
    this.changed();
  }

  private set(facts: Partial<Facts>): void {
    this.facts = { ...this.facts, ...facts };
    this.changed();
  }

  private changed(): void {
    for (const heard of this.listeners) heard();
  }
}

/** Codes that mean that this phone's part may be over. */
const ends = new Set(["capture_ended", "handoff_over", "handoff_expired", "handoff_superseded", "handoff_not_matched", "handoff_locked", "upload_gone"]);

/** What a refused code means, or null when it says nothing about the code. */
export function endOfCode(problem: Problem): End | "limited" | null {
  switch (problem.code) {
    case "handoff_already_claimed":
      return "used";
    case "handoff_expired":
    case "handoff_over":
      return endState(problem) ?? "stale";
    case "handoff_superseded":
      return "superseded";
    case "handoff_locked":
      return "locked";
  }
  if (problem.status === 429) return "limited";
  if (problem.status === 404) return "unknown";
  if (problem.status === 410) return "stale";
  return null;
}

/** Why the phone's session is refused, as far as the server tells; null when it never had one. */
export function endOf(problem: Problem): End | null {
  const state = endState(problem);
  if (state !== null) return state;
  switch (problem.code) {
    case "handoff_expired":
      return "expired";
    case "handoff_superseded":
      return "superseded";
    case "handoff_locked":
      return "locked";
    case "capture_ended":
    case "handoff_over":
      return "ended";
  }
  return null;
}

function endState(problem: Problem): End | null {
  const told = problem.members.state;
  return told === "expired" || told === "cancelled" || told === "locked" || told === "reported" || told === "superseded" ? told : null;
}

/** Vibrates where there is a motor, once the page was touched, unless the person asked for calm. */
export function vibrate(pattern: number | number[]): void {
  if (navigator.userActivation?.hasBeenActive === false) return;
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) navigator.vibrate?.(pattern);
}

function readJSON<T>(key: string): T | null {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? "null") as T | null;
  } catch {
    return null;
  }
}

function writeJSON(key: string, value: unknown): void {
  try {
    sessionStorage.setItem(key, JSON.stringify(value));
  } catch {
    // A closed storage costs a little comfort after a reload, nothing else.
  }
}
