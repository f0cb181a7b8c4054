import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { call, NoAnswer, Problem, serverNow } from "../shared/api";

const answers: (() => Promise<Response>)[] = [];
let asked: { path: string; init: RequestInit }[] = [];

beforeEach(() => {
  vi.useFakeTimers();
  answers.length = 0;
  asked = [];
  vi.stubGlobal("fetch", (path: string, init: RequestInit) => {
    asked.push({ path, init });
    const next = answers.shift();
    if (!next) throw new Error("nobody expected this call");
    return next();
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const json = (status: number, body: unknown, headers: Record<string, string> = {}) => async () => new Response(body === undefined ? null : JSON.stringify(body), { status, headers });
const lost = async () => { throw new TypeError("network"); };
const settle = async <T>(p: Promise<T>): Promise<T> => {
  p.catch(() => undefined);
  await vi.runAllTimersAsync();
  return p;
};

test("a call says who speaks, for which version, and under which key", async () => {
  answers.push(json(200, { ok: true }));
  await expect(settle(call("POST", "/v1/x", { body: { a: 1 }, as: "capture", ifMatch: 7, idempotencyKey: "k" }))).resolves.toEqual({ ok: true });
  expect(asked[0]?.init.headers).toEqual({ Accept: "application/json", "Content-Type": "application/json", "Symbolon-As": "capture", "If-Match": '"7"', "Idempotency-Key": "k" });
  expect(asked[0]?.init.body).toBe('{"a":1}');
});

test("a problem keeps its code, fields, members and how long to wait", async () => {
  answers.push(json(422, { code: "invalid_fields", status: 422, errors: [{ field: "name", code: "required", detail: "x" }], case_id: "case_1" }, { "Retry-After": "30", "X-Request-Id": "req_1" }));
  const err = await settle(call("GET", "/v1/x")).catch((e: unknown) => e);
  expect(err).toBeInstanceOf(Problem);
  expect(err).toMatchObject({ status: 422, code: "invalid_fields", retryAfter: 30, reference: "req_1", errors: [{ field: "name", code: "required" }], members: { case_id: "case_1" } });
});

test("an answer that is no problem is one without a code", async () => {
  answers.push(async () => new Response("<html>gateway</html>", { status: 500 }));
  await expect(settle(call("GET", "/v1/x"))).rejects.toMatchObject({ status: 500, code: "", errors: [] });
});

test("nothing to say is undefined", async () => {
  answers.push(async () => new Response(null, { status: 204 }));
  await expect(settle(call("DELETE", "/v1/x"))).resolves.toBeUndefined();
});

test.each([["GET", undefined], ["PUT", undefined], ["POST", "key"]] as const)("%s (key %s) is repeated when no answer came", async (method, idempotencyKey) => {
  answers.push(lost, lost, json(200, { n: 3 }));
  await expect(settle(call(method, "/v1/x", { idempotencyKey }))).resolves.toEqual({ n: 3 });
  expect(asked).toHaveLength(3);
});

test("a POST without a key is never repeated, and repeats end", async () => {
  answers.push(lost);
  await expect(settle(call("POST", "/v1/x", { body: {} }))).rejects.toBeInstanceOf(NoAnswer);
  answers.push(lost, lost, lost);
  await expect(settle(call("GET", "/v1/x"))).rejects.toBeInstanceOf(NoAnswer);
  expect(asked).toHaveLength(4);
});

test("a proxy that reached no server is no answer", async () => {
  answers.push(() => Promise.resolve(new Response("<h1>502</h1>", { status: 502, headers: { "Content-Type": "text/html" } })), json(200, { n: 4 }));
  await expect(settle(call("PUT", "/v1/x", { body: {} }))).resolves.toEqual({ n: 4 });
  answers.push(() => Promise.resolve(new Response("<h1>504</h1>", { status: 504 })));
  await expect(settle(call("GET", "/v1/x"))).rejects.toMatchObject({ timedOut: true });
  expect(asked).toHaveLength(3);
});

test("a problem is not repeated", async () => {
  answers.push(json(503, { code: "busy" }));
  await expect(settle(call("GET", "/v1/x"))).rejects.toMatchObject({ code: "busy" });
  expect(asked).toHaveLength(1);
});

test("a caller who leaves gets the caller's reason", async () => {
  const c = new AbortController();
  answers.push(() => new Promise((_, no) => asked[0]?.init.signal?.addEventListener("abort", () => no(new DOMException("", "AbortError")))));
  const p = call("GET", "/v1/x", { signal: c.signal });
  c.abort(new Error("left"));
  await expect(settle(p)).rejects.toThrow("left");
});

test("the server's clock is learnt from its answers", async () => {
  vi.setSystemTime(new Date("2026-03-01T10:00:00Z"));
  answers.push(json(200, {}, { Date: "Sun, 01 Mar 2026 10:05:00 GMT" }));
  await settle(call("GET", "/v1/x"));
  expect(Math.abs(serverNow() - Date.parse("2026-03-01T10:05:00Z"))).toBeLessThan(1000);
});
