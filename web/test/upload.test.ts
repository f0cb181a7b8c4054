import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

// The browser's build of the library, over a network of our own.
vi.mock("tus-js-client", async () => {
  const built = (await import("tus-js-client/dist/tus.js" as string)) as { default?: unknown };
  return (built.default ?? built) as typeof import("tus-js-client");
});

import { Growing } from "../shared/growing";
import { uploadPhoto, UploadError } from "../shared/upload";

interface Request {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: Uint8Array;
}
interface Answer {
  status: number;
  headers?: Record<string, string>;
  body?: string;
}

/** A tus server in memory, with a place to break it. */
class Server {
  log: Request[] = [];
  uploads = new Map<string, { length: number; bytes: Uint8Array }>();
  /** Returns an answer instead of the server's, "cut" to store half and lose the connection, "lost" to lose only the answer. */
  trouble: (request: Request) => Answer | "cut" | "lost" | "silent" | undefined = () => undefined;

  answer(request: Request): Answer | "none" | "silent" {
    this.log.push(request);
    const trouble = this.trouble(request);
    if (trouble === "silent") return "silent";
    if (trouble === "cut") {
      const upload = this.uploads.get(request.path);
      if (upload) upload.bytes = join(upload.bytes, request.body.slice(0, request.body.length / 2));
      return "none";
    }
    if (trouble === "lost") {
      this.serve(request);
      return "none";
    }
    return trouble ?? this.serve(request);
  }

  private serve({ method, path, headers, body }: Request): Answer {
    if (method === "POST") {
      const location = `/v1/uploads/upl_${this.uploads.size + 1}`;
      this.uploads.set(location, { length: Number(headers["upload-length"]), bytes: new Uint8Array() });
      return { status: 201, headers: { location } };
    }
    const upload = this.uploads.get(path);
    if (!upload) return { status: 404, body: '{"code":"upload_unknown"}' };
    const offset = (): Record<string, string> => ({ "upload-offset": String(upload.bytes.length), "upload-length": String(upload.length) });
    if (method === "HEAD") return { status: 200, headers: offset() };
    if (method === "PATCH") {
      if (Number(headers["upload-offset"]) !== upload.bytes.length) return { status: 409, body: '{"code":"upload_offset_conflict"}' };
      upload.bytes = join(upload.bytes, body);
      if (headers["upload-length"] !== undefined) upload.length = Number(headers["upload-length"]);
      return { status: 204, headers: offset() };
    }
    return { status: 200, body: JSON.stringify({ media_id: "med_1", sha256: "00" }) };
  }
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

let server: Server;

class FakeXHR {
  status = 0;
  responseText = "";
  upload: { onprogress?: unknown } = {};
  onload?: () => void;
  onerror?: (error: unknown) => void;
  private request!: Request;
  private answered: Record<string, string> = {};
  private aborted = false;
  open(method: string, url: string): void {
    this.request = { method, path: new URL(url, "http://phone.test").pathname, headers: {}, body: new Uint8Array() };
  }
  setRequestHeader(name: string, value: string): void {
    this.request.headers[name.toLowerCase()] = value;
  }
  getResponseHeader(name: string): string | null {
    return this.answered[name.toLowerCase()] ?? null;
  }
  abort(): void {
    this.aborted = true;
  }
  async send(body: Blob | null): Promise<void> {
    if (body) this.request.body = new Uint8Array(await body.arrayBuffer());
    const answer = server.answer(this.request);
    if (this.aborted || answer === "silent") return;
    if (answer === "none") return this.onerror?.(new Error("gone"));
    this.status = answer.status;
    this.answered = answer.headers ?? {};
    this.responseText = answer.body ?? "";
    this.onload?.();
  }
}

const size = 600 * 1024;
const photo = new Uint8Array(size).map((_, i) => (i * 31) % 251);

function send(over: Partial<Parameters<typeof uploadPhoto>[0]> = {}) {
  const seen: number[] = [];
  const result = uploadPhoto({ caseId: "case_1", step: "document_front", blob: new Blob([photo], { type: "image/jpeg" }), as: "capture", onProgress: (stored) => seen.push(stored), ...over });
  result.catch(() => undefined);
  return { result, seen };
}

/** Lets pauses pass until the upload has ended. */
async function ended<T>(result: Promise<T>): Promise<T> {
  let done = false;
  const end = (): void => void (done = true);
  result.then(end, end);
  for (let i = 0; i < 2_000 && !done; i++) {
    await vi.advanceTimersByTimeAsync(100);
    // Blobs are read outside of the faked clock.
    await new Promise((next) => setImmediate(next));
  }
  return result;
}

beforeEach(() => {
  server = new Server();
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  vi.stubGlobal("XMLHttpRequest", FakeXHR);
  vi.stubGlobal("navigator", { onLine: true });
  vi.stubGlobal("location", { href: "http://phone.test/h" });
  vi.stubGlobal("fetch", async (path: string, o: { method?: string; headers: Record<string, string> }) => {
    const answer = server.answer({ method: o.method ?? "GET", path, headers: o.headers, body: new Uint8Array() });
    if (typeof answer === "string") throw new TypeError("no connection");
    return new Response(answer.body ?? null, { status: answer.status });
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const stored = () => server.uploads.get("/v1/uploads/upl_1")!.bytes;
/** Says whether the server has the photo, byte for byte. */
const whole = () => Buffer.compare(stored(), photo) === 0;
const methods = () => server.log.map((request) => request.method).join(" ");

describe("an upload", () => {
  it("arrives byte for byte, and says how much the server has", async () => {
    const { result, seen } = send();
    expect(await ended(result)).toEqual({ uploadId: "upl_1", mediaId: "med_1", sha256: "00" });
    expect(whole()).toBe(true);
    expect(methods()).toBe("POST PATCH PATCH PATCH GET");
    expect(seen).toEqual([0, 262_144, 524_288, size]);
    const creation = server.log[0]!;
    expect(creation.headers["symbolon-as"]).toBe("capture");
    expect(creation.headers["upload-metadata"]).toBe(`case ${btoa("case_1")},step ${btoa("document_front")},filetype ${btoa("image/jpeg")}`);
    expect(server.log.every((request) => request.method !== "PATCH" || request.body.length > 0)).toBe(true);
  });

  it("asks the server after a cut, and sends nothing twice", async () => {
    let cuts = 2;
    server.trouble = ({ method }) => (method === "PATCH" && cuts-- > 0 ? "cut" : undefined);
    const { result, seen } = send();
    await ended(result);
    expect(whole()).toBe(true);
    expect(methods()).toMatch(/^POST PATCH HEAD PATCH HEAD PATCH/);
    expect([...seen].sort((a, b) => a - b)).toEqual(seen);
  });

  it("mends a wrong offset by asking", async () => {
    server.trouble = ({ method, headers }) => {
      // Somebody's answer was lost: the server has more than this phone knows.
      if (method === "PATCH" && headers["upload-offset"] === "0" && stored().length === 0) return "lost";
      return undefined;
    };
    await ended(send().result);
    expect(whole()).toBe(true);
  });

  it("repeats a creation whose answer was lost under the same key", async () => {
    let lost = 1;
    server.trouble = ({ method }) => (method === "POST" && lost-- > 0 ? "lost" : undefined);
    await ended(send().result);
    const keys = server.log.filter((request) => request.method === "POST").map((request) => request.headers["idempotency-key"]);
    expect(keys).toHaveLength(2);
    expect(keys[0]).toMatch(/^\w{8,}/);
    expect(keys[0]).toBe(keys[1]);
    expect(server.log.filter((request) => request.method !== "POST").every((request) => request.headers["idempotency-key"] === undefined)).toBe(true);
  });

  it("goes on with what an earlier visit began", async () => {
    server.uploads.set("/v1/uploads/upl_1", { length: size, bytes: photo.slice(0, 300_000) });
    const { result, seen } = send({ url: "/v1/uploads/upl_1" });
    await ended(result);
    expect(whole()).toBe(true);
    expect(methods()).toBe("HEAD PATCH PATCH GET");
    expect(seen.at(-1)).toBe(size);
  });

  it("begins afresh when the server no longer has it, under another key", async () => {
    const urls: string[] = [];
    const { result } = send({ url: "/v1/uploads/upl_9", onCreated: (url) => urls.push(new URL(url, "http://phone.test").pathname) });
    await ended(result);
    expect(whole()).toBe(true);
    expect(urls).toEqual(["/v1/uploads/upl_1"]);
    expect(server.log.some((request) => request.headers["idempotency-key"]?.endsWith("-1"))).toBe(true);
  });

  it("stops when the phone's part is over, with the reason", async () => {
    server.trouble = ({ method }) => (method === "PATCH" ? { status: 401, body: '{"code":"capture_ended"}' } : undefined);
    const error = await ended(send().result).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(UploadError);
    expect(error).toMatchObject({ code: "capture_ended", status: 401 });
    expect(methods()).toBe("POST PATCH");
    // HEAD answers say nothing but the status.
    server.log = [];
    server.trouble = ({ method }) => (method === "HEAD" ? { status: 401 } : undefined);
    await expect(ended(send({ url: "/v1/uploads/upl_1" }).result)).rejects.toMatchObject({ code: "capture_ended" });
  });

  it("does not repeat what would be refused again, and refuses nothing itself but an empty photo", async () => {
    server.trouble = ({ method }) => (method === "POST" ? { status: 409, body: '{"code":"too_many_takes"}' } : undefined);
    await expect(ended(send().result)).rejects.toMatchObject({ code: "too_many_takes", status: 409 });
    expect(methods()).toBe("POST");
    server.log = [];
    await expect(ended(send({ blob: new Blob([]) }).result)).rejects.toMatchObject({ code: "empty" });
    expect(server.log).toEqual([]);
  });

  it("waits as long as a busy server asks", async () => {
    let busy = 1;
    server.trouble = ({ method }) => (method === "POST" && busy-- > 0 ? { status: 429, headers: { "retry-after": "30" }, body: '{"code":"too_many_requests"}' } : undefined);
    const { result } = send();
    for (let i = 0; i < 250; i++) {
      await vi.advanceTimersByTimeAsync(100);
      await new Promise((next) => setImmediate(next));
    }
    expect(methods()).toBe("POST");
    await ended(result);
    expect(whole()).toBe(true);
  });

  it("gives up on a connection in which nothing moves", async () => {
    let silent = 1;
    server.trouble = ({ method }) => (method === "PATCH" && silent-- > 0 ? "silent" : undefined);
    await ended(send().result);
    expect(whole()).toBe(true);
    expect(methods()).toMatch(/^POST PATCH HEAD PATCH/);
  });

  it("tries again at once when the network is back", async () => {
    const heard: Record<string, () => void> = {};
    vi.stubGlobal("addEventListener", (name: string, f: () => void) => (heard[name] = f));
    vi.stubGlobal("removeEventListener", (name: string) => delete heard[name]);
    let away = true;
    server.trouble = ({ method }) => (away && method === "PATCH" ? "cut" : undefined);
    const { result } = send();
    for (let i = 0; i < 40; i++) {
      await vi.advanceTimersByTimeAsync(200);
      await new Promise((next) => setImmediate(next));
    }
    away = false;
    const before = server.log.length;
    heard.online?.();
    for (let i = 0; i < 20; i++) await new Promise((next) => setImmediate(next));
    expect(server.log.length).toBeGreaterThan(before);
    await ended(result);
    expect(whole()).toBe(true);
  });

  it("ends when it is told to", async () => {
    const stop = new AbortController();
    server.trouble = ({ method }) => (method === "PATCH" ? "silent" : undefined);
    const { result } = send({ signal: stop.signal });
    await vi.advanceTimersByTimeAsync(500);
    stop.abort(new Error("left"));
    await expect(ended(result)).rejects.toThrow("left");
  });
});

describe("an upload of what is still being made", () => {
  const clip = new Uint8Array(900_000).map((_, i) => (i * 17) % 253);
  const piece = (i: number) => clip.slice(i * 90_000, (i + 1) * 90_000).buffer;
  /** Lets everything happen that waits for no clock. */
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 40; i++) await new Promise((next) => setImmediate(next));
  };
  const patches = () => server.log.filter((request) => request.method === "PATCH");

  it("sends each piece as it comes, tells the length at the end, and never sends nothing", async () => {
    const growing = new Growing("video/webm;codecs=vp8");
    const { result, seen } = send({ blob: growing, step: "clip_document", challenge: "chl_1" });
    await settle();
    expect(server.log).toEqual([]); // nothing is begun before there is something
    for (let i = 0; i < 10; i++) {
      growing.add(new ArrayBuffer(0)); // as Safari's recorder delivers them
      growing.add(piece(i));
      await settle();
      expect(server.uploads.get("/v1/uploads/upl_1")!.bytes.length).toBe((i + 1) * 90_000);
    }
    const before = server.log.length;
    await vi.advanceTimersByTimeAsync(120_000); // however long the person takes
    expect(server.log.length).toBe(before);
    growing.end();
    await ended(result);
    expect(Buffer.compare(stored(), clip)).toBe(0);
    expect(server.log[0]!.headers["upload-defer-length"]).toBe("1");
    expect(server.log[0]!.headers["upload-metadata"]).toContain(`filetype ${btoa("video/webm")},challenge ${btoa("chl_1")}`);
    expect(patches().slice(0, -1).every((request) => request.body.length > 0 && request.headers["upload-length"] === undefined)).toBe(true);
    expect(patches().at(-1)!.headers["upload-length"]).toBe("900000");
    expect(seen.at(-1)).toBe(900_000);
    expect(patches()).toHaveLength(11);
  });

  it("goes on where the server is after cuts in the middle, and sends nothing after a try that is over", async () => {
    const growing = new Growing("video/mp4");
    let cuts = 3;
    server.trouble = ({ method }) => (method === "PATCH" && cuts-- > 0 ? "cut" : undefined);
    const { result } = send({ blob: growing });
    for (let i = 0; i < 10; i++) {
      growing.add(piece(i));
      await settle();
      await vi.advanceTimersByTimeAsync(700);
    }
    growing.end();
    await ended(result);
    expect(Buffer.compare(stored(), clip)).toBe(0);
    const offsets = patches().map((request) => Number(request.headers["upload-offset"]));
    expect([...offsets].sort((a, b) => a - b)).toEqual(offsets);
  });

  it("begins afresh from the first byte where the server lost it", async () => {
    const growing = Growing.of("video/webm", [piece(0), piece(1), piece(2)]);
    await ended(send({ blob: growing, url: "/v1/uploads/upl_7" }).result);
    expect(Buffer.compare(stored(), clip.slice(0, 270_000))).toBe(0);
    expect(methods()).toMatch(/^HEAD POST PATCH/);
  });

  it("refuses to complete with bytes that are not its own, and to send a recording of nothing", async () => {
    server.uploads.set("/v1/uploads/upl_1", { length: NaN, bytes: clip.slice(0, 400_000) });
    await expect(ended(send({ blob: Growing.of("video/webm", [piece(0)]), url: "/v1/uploads/upl_1" }).result)).rejects.toBeInstanceOf(UploadError);
    expect(patches()).toEqual([]);
    await expect(ended(send({ blob: Growing.of("video/webm", []) }).result)).rejects.toMatchObject({ code: "empty" });
  });

  it("stops waiting when it is told to", async () => {
    const stop = new AbortController();
    const growing = new Growing("video/webm");
    const { result } = send({ blob: growing, signal: stop.signal });
    growing.add(piece(0));
    await settle();
    stop.abort(new Error("left"));
    await expect(ended(result)).rejects.toThrow("left");
    const before = server.log.length;
    growing.add(piece(1));
    await settle();
    expect(server.log.length).toBe(before);
  });
});
