/**
 * Sends one photo or recording through tus-js-client, unmodified, and does not give up while there is hope.
 *
 * The client library is used for single tries; when to try again is decided here, because it must
 * happen at once when the network is back and must end for good when the server says that this
 * phone no longer holds the case. Every try after the first asks the server how much it has
 * (HEAD), so nothing is guessed and nothing is sent twice that was acknowledged.
 */
import * as tus from "tus-js-client";
import { newKey } from "./api";
import type { Growing } from "./growing";
import { backOff, pause } from "./wait";

/** Whose credential the request uses. */
export type As = "capture" | "applicant";

/** What is to be sent. */
export interface Job {
  caseId: string;
  step: string;
  /** The bytes. Kept in memory for the whole upload; a Blob out of IndexedDB may turn up empty in some browsers. A recording may still grow. */
  blob: Blob | Growing;
  /** What the recording or its photo answers to: the challenge, and the part it plays. */
  challenge?: string;
  role?: "still";
  as: As;
  /** "/v1/uploads/upl_…" where an earlier try created it. */
  url?: string;
  /** Told the address as soon as the server gave one, so that a reload can go on with it. */
  onCreated?: (url: string) => void;
  /** Told the number of bytes the server has stored. It never goes back. While a recording grows, so does its total. */
  onProgress?: (stored: number, total: number) => void;
  /** Told true while bytes move and false while the upload waits for the network. */
  onMoving?: (moving: boolean) => void;
  signal?: AbortSignal;
}

/** A finished upload. The digest is the server's, lower-case hex, of the bytes it stored. */
export interface Uploaded {
  uploadId: string;
  mediaId: string | null;
  sha256: string | null;
}

/** Why an upload ended for good. `code` is the server's problem code, or "empty" where there was nothing to send. */
export class UploadError extends Error {
  constructor(
    readonly code: string,
    readonly status: number,
  ) {
    super(code);
    this.name = "UploadError";
  }
}

const endpoint = "/v1/uploads";
/** Small enough that the acknowledged count moves on a slow line, large enough not to cost round trips on a fast one. */
const chunk = 256 * 1024;
/** A try in which no byte moves for this long is dead, whatever the socket says. */
const stalled = 20_000;

/** Conflicts that asking the server again settles. */
const conflicts = new Set(["", "upload_offset_conflict", "upload_taken_over", "idempotency_in_progress"]);

/** What to do after a failed try. */
export type Verdict = "again" | "afresh" | "stop";

/**
 * Judges a failed try. `status` 0 means there was no answer; `code` is the problem's. A wrong offset
 * (409) only means that the server must be asked again; an upload that is not there any more (404,
 * 410) is sent afresh, unless the handoff itself is over.
 */
export function judge(status: number, code: string): Verdict {
  if (status === 0 || status === 408 || status === 423 || status === 429 || status === 460 || (status >= 500 && status !== 507)) {
    return "again";
  }
  if (status === 409) return conflicts.has(code) ? "again" : "stop";
  if ((status === 404 || status === 410) && (code === "" || code.startsWith("upload_"))) return "afresh";
  return "stop";
}

/** Sends the photo and resolves when the server has stored all of it; rejects with UploadError, or with the signal's reason. */
export async function uploadPhoto(job: Job): Promise<Uploaded> {
  // Nothing is begun before there is something to send.
  if (!(job.blob instanceof Blob)) await job.blob.read(0, 1, job.signal ?? new AbortController().signal);
  if (job.blob.size === 0) throw new UploadError("empty", 0);
  let url = job.url;
  let stored = 0;
  let afresh = 0;
  const key = newKey();
  const report = (offset: number): void => {
    if (offset > stored) {
      stored = offset;
      job.onProgress?.(stored, job.blob.size);
    }
  };
  job.onProgress?.(0, job.blob.size);
  for (let attempt = 0; ; attempt++) {
    job.signal?.throwIfAborted();
    const before = stored;
    try {
      job.onMoving?.(true);
      url = await attemptOnce(job, url, `${key}-${afresh}`, report, (created) => {
        url = created;
        job.onCreated?.(created);
      });
      report(job.blob.size);
      return await look(job, url);
    } catch (error) {
      if (error instanceof UploadError) throw error;
      job.signal?.throwIfAborted();
      const { status, code, wait } = explain(error);
      const verdict = judge(status, code);
      // An upload that vanishes again and again is not bad luck.
      if (verdict === "stop" || (verdict === "afresh" && ++afresh > 2)) throw new UploadError(code || "unknown", status);
      if (verdict === "afresh") url = undefined;
      if (stored > before) attempt = 0;
      // One broken connection is mended before anybody needs to know.
      if (attempt > 0 || !navigator.onLine) job.onMoving?.(false);
      if (verdict === "again" && status !== 409) await pause(Math.max(wait, backOff(attempt)), job.signal);
      else await pause(300, job.signal);
    }
  }
}

/** Ends an upload on the server so that its bytes are destroyed there. Failing is fine: it expires. */
export async function discardUpload(uploadId: string, as: As): Promise<void> {
  try {
    await fetch(`${endpoint}/${encodeURIComponent(uploadId)}`, {
      method: "DELETE",
      headers: { "Tus-Resumable": "1.0.0", "Symbolon-As": as },
      credentials: "same-origin",
      keepalive: true,
    });
  } catch {
    // Offline: the server lets unfinished uploads expire.
  }
}

/** The id at the end of an upload's address. */
export function uploadIdOf(url: string): string {
  return new URL(url, globalThis.location?.href ?? "http://localhost/").pathname.split("/").pop() ?? "";
}

function attemptOnce(
  job: Job,
  url: string | undefined,
  key: string,
  report: (offset: number) => void,
  created: (url: string) => void,
): Promise<string> {
  return new Promise((resolve, reject) => {
    let watchdog: ReturnType<typeof setTimeout> | undefined;
    const over = new AbortController();
    const alive = (): void => {
      clearTimeout(watchdog);
      if (!over.signal.aborted) watchdog = setTimeout(() => end(() => reject(new Error("stalled"))), stalled);
    };
    const end = (then: () => void): void => {
      clearTimeout(watchdog);
      // A read that still waits must not send anything after this try is over.
      over.abort(new Error("over"));
      job.signal?.removeEventListener("abort", aborted);
      void upload.abort();
      then();
    };
    const aborted = (): void => end(() => reject(job.signal?.reason));
    const growing = job.blob instanceof Blob ? undefined : job.blob;
    const upload = new tus.Upload(job.blob as Blob, {
      ...(growing === undefined ? {} : { uploadLengthDeferred: true, fileReader: { openFile: () => Promise.resolve(reader(growing)) } }),
      fingerprint: () => Promise.resolve(""),
      // With an address but no endpoint the library asks the server and reports a refusal instead of starting anew on its own.
      ...(url === undefined ? { endpoint } : { uploadUrl: url }),
      chunkSize: chunk,
      retryDelays: null,
      storeFingerprintForResuming: false,
      metadata: {
        case: job.caseId,
        step: job.step,
        filetype: job.blob.type.split(";")[0]!,
        ...(job.challenge === undefined ? {} : { challenge: job.challenge }),
        ...(job.role === undefined ? {} : { role: job.role }),
      },
      headers: { "Symbolon-As": job.as },
      onBeforeRequest: (request) => {
        // A creation whose answer got lost must not leave a second take behind.
        if (request.getMethod() === "POST") request.setHeader("Idempotency-Key", key);
      },
      onUploadUrlAvailable: () => {
        alive();
        if (upload.url !== null && url === undefined) created(upload.url);
      },
      // The library counts bytes handed to the socket here: a sign of life, not progress.
      onProgress: alive,
      onChunkComplete: (_size, accepted) => {
        alive();
        report(accepted);
      },
      onSuccess: () => end(() => resolve(upload.url ?? url ?? "")),
      onError: (error) => end(() => reject(error)),
    });
    job.signal?.addEventListener("abort", aborted);
    alive();
    upload.start();

    function reader(source: Growing): tus.FileSource {
      return {
        size: null as unknown as number, // told with the last bytes
        slice: async (start: number, until: number) => {
          // Waiting for the recorder is not a dead connection.
          clearTimeout(watchdog);
          if (start > source.size && source.done) {
            // The server has more than was made here: these are not the same bytes.
            end(() => reject(new UploadError("unknown", 0)));
          }
          try {
            const { value, done } = await source.read(start, until, over.signal);
            // Without bytes left only the length is told, and that without a body.
            return { value: (value.size === 0 ? null : value) as Blob, done };
          } finally {
            alive();
          }
        },
        close: () => undefined,
      };
    }
  });
}

/** Asks what became of the stored bytes. */
async function look(job: Job, url: string): Promise<Uploaded> {
  const uploadId = uploadIdOf(url);
  const answer = await fetch(`${endpoint}/${encodeURIComponent(uploadId)}`, {
    headers: { "Symbolon-As": job.as, Accept: "application/json" },
    credentials: "same-origin",
    signal: job.signal ?? null,
  });
  if (!answer.ok) throw await refused(answer);
  const seen = (await answer.json()) as { media_id?: string | null; sha256?: string | null };
  return { uploadId, mediaId: seen.media_id ?? null, sha256: seen.sha256 ?? null };
}

class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly wait: number,
  ) {
    super(code);
  }
}

async function refused(answer: Response): Promise<Refused> {
  return new Refused(answer.status, codeOf(await answer.text()), waitOf(answer.headers.get("Retry-After")));
}

function explain(error: unknown): { status: number; code: string; wait: number } {
  if (error instanceof Refused) return error;
  if (error instanceof tus.DetailedError) {
    const answer = error.originalResponse;
    const status = answer?.getStatus() ?? 0;
    const code = codeOf(answer?.getBody() ?? "");
    // HEAD answers have no body; only an ended phone is refused with 401 there.
    return { status, code: status === 401 && code === "" ? "capture_ended" : code, wait: waitOf(answer?.getHeader("Retry-After") ?? null) };
  }
  return { status: 0, code: "", wait: 0 };
}

function codeOf(body: string): string {
  try {
    const problem: unknown = JSON.parse(body);
    if (typeof problem === "object" && problem !== null && "code" in problem && typeof problem.code === "string") return problem.code;
  } catch {
    // Not a problem of ours: a proxy's page, or nothing.
  }
  return "";
}

function waitOf(header: string | null): number {
  const seconds = Number(header ?? "0");
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 120) * 1_000 : 0;
}
