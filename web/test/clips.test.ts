import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Job, Uploaded } from "../shared/upload";

const sent: { job: Job; done: (u: Uploaded) => void; fail: (e: unknown) => void }[] = [];
const discarded: string[] = [];
const accepted: Record<string, unknown>[] = [];
vi.mock("../shared/upload", async (original) => ({
  ...(await original<typeof import("../shared/upload")>()),
  uploadPhoto: (job: Job) =>
    new Promise<Uploaded>((done, fail) => {
      sent.push({ job, done, fail });
      job.signal?.addEventListener("abort", () => fail(job.signal?.reason));
    }),
  discardUpload: async (id: string) => void discarded.push(id),
}));
vi.mock("../shared/api", async (original) => {
  const real = await original<typeof import("../shared/api")>();
  return { ...real, api: { ...real.api, acceptClip: async (_case: string, _step: string, kept: Record<string, unknown>) => void accepted.push(kept), capture: async () => capture } };
});

import { Growing } from "../shared/growing";
import { UploadError } from "../shared/upload";
import type { Capture, CaptureStep, ClipChallenge } from "../shared/types";
import { Clips } from "../phone/clips";

const step = { id: "clip_document", kind: "clip", state: "todo", limits: { max_bytes: 1e6, filetypes: [] }, takes: [] } as unknown as CaptureStep;
const capture = { handoff: { id: "hnd_1", case_id: "case_1", state: "active" }, steps: [step] } as unknown as Capture;
const challenge = { id: "chl_1", nonce: "n", expires_at: "", script: { number: "1", account_hint: "1", prompts: [{ id: "a", text: "A", lang: "en", kind: "show" }] } } as ClipChallenge;
const told = vi.fn(async () => undefined);
let ends = false;
let clips: Clips;
const settle = async () => {
  for (let i = 0; i < 20; i++) await new Promise((next) => setImmediate(next));
};

beforeEach(() => {
  sent.length = discarded.length = accepted.length = 0;
  told.mockClear();
  ends = false;
  clips = new Clips({ capture: () => capture, changed: () => undefined, waiting: () => undefined, sent: () => undefined, accepted: told, owns: () => false, isEnd: async () => ends });
});

function begin() {
  const bytes = new Growing("video/webm");
  const clip = clips.begin(step, challenge, bytes);
  bytes.add(new ArrayBuffer(1_000));
  return { clip, bytes };
}

describe("a recording on the phone", () => {
  it("goes up while it is made, and is handed in once it is kept and all of it arrived", async () => {
    const { clip, bytes } = begin();
    expect(sent[0]!.job).toMatchObject({ challenge: "chl_1", step: "clip_document", blob: bytes });
    expect(clips.alone).toBe(true);
    clips.photographed(clip, new Blob([new Uint8Array(50)], { type: "image/jpeg" }));
    expect(sent[1]!.job).toMatchObject({ challenge: "chl_1", role: "still" });
    bytes.end();
    clips.finished(clip, [{ prompt_id: "a", shown_at_ms: 0 }], 5_000, []);
    expect(clip.state).toBe("look");
    void clips.use(clip);
    sent[0]!.done({ uploadId: "upl_1", mediaId: "med_1", sha256: "aa" });
    await settle();
    expect(accepted).toEqual([]); // its photo is on its way
    sent[1]!.done({ uploadId: "upl_2", mediaId: "med_2", sha256: "bb" });
    await settle();
    expect(accepted).toEqual([{ upload_id: "upl_1", still_upload_id: "upl_2", timeline: [{ prompt_id: "a", shown_at_ms: 0 }] }]);
    expect(told).toHaveBeenCalledWith("clip_document", "aa");
    expect(clips.list).toEqual([]);
    expect(clips.alone).toBe(false);
  });

  it("is not handed in before somebody looked and kept it", async () => {
    const { clip, bytes } = begin();
    bytes.end();
    sent[0]!.done({ uploadId: "upl_1", mediaId: "med_1", sha256: "aa" });
    clips.finished(clip, [], 5_000, []);
    await settle();
    expect(accepted).toEqual([]);
    expect(clip.state).toBe("look");
  });

  it("is over when it breaks off: what arrived is destroyed, and nothing of it is handed in", async () => {
    const { clip, bytes } = begin();
    sent[0]!.job.onCreated?.("/v1/uploads/upl_1");
    clips.broken(clip, "hidden", 4_000);
    bytes.end();
    await settle();
    expect(clip).toMatchObject({ state: "lost", lost: "hidden", error: null });
    expect(discarded).toEqual(["upl_1"]);
    await clips.use(clip);
    await settle();
    expect(sent).toHaveLength(1);
    expect(accepted).toEqual([]);
    expect(clips.alone).toBe(false);
  });

  it("can be made again as often as one likes, each take by itself", async () => {
    const { clip } = begin();
    sent[0]!.job.onCreated?.("/v1/uploads/upl_1");
    clips.again(clip);
    expect(clips.list).toEqual([]);
    expect(discarded).toEqual(["upl_1"]);
    const next = begin();
    expect(clips.list).toEqual([next.clip]);
    expect(sent[1]!.job.url).toBeUndefined();
  });

  it("names a refusal at its end, not in the middle of a sentence", async () => {
    const { clip, bytes } = begin();
    sent[0]!.fail(new UploadError("case_budget_exceeded", 413));
    await settle();
    expect(clip.state).toBe("recording");
    bytes.end();
    clips.finished(clip, [], 5_000, []);
    expect(clip.state).toBe("look");
    void clips.use(clip); // sent anew, as nothing arrived
    expect(sent).toHaveLength(2);
    sent[1]!.fail(new UploadError("case_budget_exceeded", 413));
    await settle();
    expect(clip.state).toBe("failed");
    expect(clip.error).toMatchObject({ code: "case_budget_exceeded" });
  });

  it("leaves an end of the phone's part to those who tell of it", async () => {
    const { clip, bytes } = begin();
    bytes.end();
    clips.finished(clip, [], 5_000, []);
    void clips.use(clip);
    ends = true;
    sent[0]!.fail(new UploadError("capture_ended", 401));
    await settle();
    expect(clip.state).toBe("queued");
    expect(clip.error).toBeNull();
  });

  it("makes the next take of less where the line fell behind", () => {
    const full = clips.quality.video;
    const { clip, bytes } = begin();
    bytes.add(new ArrayBuffer(200_000));
    sent[0]!.job.onProgress?.(40_000, 201_000);
    bytes.end();
    clips.finished(clip, [], 1_000, []);
    expect(clips.quality.video).toBeLessThan(full);
  });
});
