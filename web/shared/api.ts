// The one way to call the server: problems become values, time limits and safe repeats are built in.
import type { Capture, Case, CatalogueReason, ClipChallenge, Consent, FieldError, Handoff, Held, Identity, Keeping, Landing, Me, Operator, Phase, ScriptPreview } from "./types";

/** The server's answer was a problem (RFC 9457). */
export class Problem extends Error {
  readonly status: number;
  /** Stable; see problems.ts for its words. */
  readonly code: string;
  readonly detail: string;
  readonly errors: FieldError[];
  /** Seconds to wait, 0 where the server named none. */
  readonly retryAfter: number;
  /** Further members of the problem, such as case_id or steps. */
  readonly members: Record<string, unknown>;
  /** What to tell a person who can look into the log; empty where there is none. */
  readonly reference: string;

  constructor(status: number, body: Record<string, unknown>, retryAfter: number, reference: string) {
    super(String(body.code ?? `http_${status}`));
    this.name = "Problem";
    this.status = status;
    this.code = typeof body.code === "string" ? body.code : "";
    this.detail = typeof body.detail === "string" ? body.detail : "";
    this.errors = Array.isArray(body.errors) ? (body.errors as FieldError[]) : [];
    this.retryAfter = retryAfter;
    this.members = body;
    this.reference = reference;
  }
}

/** No answer came: no connection, or none in time. */
export class NoAnswer extends Error {
  readonly timedOut: boolean;
  constructor(timedOut: boolean) {
    super(timedOut ? "no answer in time" : "no connection");
    this.name = "NoAnswer";
    this.timedOut = timedOut;
  }
}

export interface CallOptions {
  body?: unknown;
  /** Which cookie speaks, where a page could have both. */
  as?: "applicant" | "capture";
  /** The version of the case this change is for. */
  ifMatch?: number;
  /** Makes a POST safe to repeat. */
  idempotencyKey?: string;
  signal?: AbortSignal;
  /** The page may be gone before the answer comes. At most 64 KiB. */
  keepalive?: boolean;
  /** Milliseconds; 20 s where not given. */
  timeout?: number;
}

const TIMEOUT = 20_000;
const REPEAT_AFTER = [400, 1500];

let skew: number | undefined;

// What one answer tells is too little by up to a second (the header has no parts of one) and by its way
// here; so the largest of late is the nearest. One far off means that a clock was set.
function nearest(known: number | undefined, told: number): number {
  return known === undefined || Math.abs(told - known) > 5_000 ? told : Math.max(told, known - 50);
}

/** The server's clock in ms as far as its answers told (exact to about a second). */
export function serverNow(): number {
  return Date.now() + (skew ?? 0);
}

/** A fresh key for a POST that may be repeated. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

/**
 * Calls the server and returns the JSON of its answer (undefined for 204). Throws Problem, NoAnswer,
 * or the reason of `signal`. GET, PUT, DELETE and POSTs with an idempotency key are repeated twice
 * when no answer came.
 */
export async function call<T>(method: string, path: string, o: CallOptions = {}): Promise<T> {
  const repeatable = method !== "POST" || o.idempotencyKey !== undefined;
  for (let attempt = 0; ; attempt++) {
    try {
      return await once<T>(method, path, o);
    } catch (err) {
      const pause = REPEAT_AFTER[attempt];
      if (!(err instanceof NoAnswer) || err.timedOut || !repeatable || pause === undefined) throw err;
      await new Promise((done) => setTimeout(done, pause));
      o.signal?.throwIfAborted();
    }
  }
}

async function once<T>(method: string, path: string, o: CallOptions): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json" };
  const form = o.body instanceof FormData ? o.body : undefined; // the browser names its type
  if (o.body !== undefined && form === undefined) headers["Content-Type"] = "application/json";
  if (o.as) headers["Symbolon-As"] = o.as;
  if (o.ifMatch !== undefined) headers["If-Match"] = `"${o.ifMatch}"`;
  if (o.idempotencyKey) headers["Idempotency-Key"] = o.idempotencyKey;
  const limit = AbortSignal.timeout(o.timeout ?? TIMEOUT);
  const signal = o.signal ? either(o.signal, limit) : limit;
  let res: Response;
  let text: string;
  try {
    res = await fetch(path, {
      method, headers, signal, credentials: "same-origin", cache: "no-store", redirect: "error", keepalive: o.keepalive ?? false,
      body: form ?? (o.body === undefined ? undefined : JSON.stringify(o.body)),
    });
    text = await res.text();
  } catch {
    o.signal?.throwIfAborted();
    throw new NoAnswer(limit.aborted);
  }
  const date = Date.parse(res.headers.get("Date") ?? "");
  if (!Number.isNaN(date)) skew = nearest(skew, date - Date.now());
  let json: unknown;
  try {
    json = text === "" ? undefined : JSON.parse(text);
  } catch {
    json = undefined;
  }
  if (res.ok) return json as T;
  const body = typeof json === "object" && json !== null ? (json as Record<string, unknown>) : {};
  // A proxy's own words: the server behind it went away, and another one answers.
  if (body.code === undefined && (res.status === 502 || res.status === 504)) throw new NoAnswer(res.status === 504);
  throw new Problem(res.status, body, Number(res.headers.get("Retry-After")) || 0, res.headers.get("X-Request-Id") ?? "");
}

// AbortSignal.any is younger than the oldest browsers we serve.
function either(a: AbortSignal, b: AbortSignal): AbortSignal {
  const c = new AbortController();
  for (const s of [a, b]) {
    if (s.aborted) c.abort(s.reason);
    else s.addEventListener("abort", () => c.abort(s.reason), { once: true, signal: c.signal });
  }
  return c.signal;
}

const enc = encodeURIComponent;

/** The calls of the desk and of the phone, by name. */
export const api = {
  reasons: () => call<{ reasons: CatalogueReason[] }>("GET", "/v1/reasons"),
  operator: () => call<Operator>("GET", "/v1/operator"),
  me: (signal?: AbortSignal) => call<Me>("GET", "/v1/me", { signal }),
  signUp: (email: string, password: string) => call<unknown>("POST", "/v1/accounts", { body: { email, password } }),
  signIn: (email: string, password: string) => call<unknown>("POST", "/v1/session", { body: { email, password } }),
  signOut: () => call<void>("DELETE", "/v1/session"),
  confirm: (password: string) => call<void>("POST", "/v1/session/confirm", { body: { password } }),

  askConfirmation: () => call<void>("POST", "/v1/me/confirmation"),
  confirmEmail: (token: string) => call<void>("POST", "/v1/email/confirm", { body: { token } }),
  forgotPassword: (email: string) => call<void>("POST", "/v1/password/forgot", { body: { email } }),
  resetPassword: (token: string, password: string) => call<void>("POST", "/v1/password/reset", { body: { token, password } }),

  createCase: (kind: Case["kind"]) => call<Case>("POST", "/v1/cases", { body: { kind }, idempotencyKey: newKey() }),
  case: (id: string, signal?: AbortSignal) => call<Case>("GET", `/v1/cases/${enc(id)}`, { signal }),
  identity: (id: string) => call<Partial<Identity> & { draft?: unknown }>("GET", `/v1/cases/${enc(id)}/identity`),
  putIdentity: (id: string, version: number, identity: Identity) =>
    call<Case>("PUT", `/v1/cases/${enc(id)}/identity`, { body: identity, ifMatch: version }),
  putDraft: (id: string, draft: object, leaving: boolean) => call<{ version: number }>("PUT", `/v1/cases/${enc(id)}/identity/draft`, { body: draft, keepalive: leaving }),
  submitLevel: (id: string, level: number, version: number) =>
    call<Case | undefined>("POST", `/v1/cases/${enc(id)}/levels/${level}/submit`, { body: {}, ifMatch: version, idempotencyKey: newKey() }),

  consents: (caseId: string, as?: "applicant" | "capture") => call<{ consents: Consent[] }>("GET", `/v1/cases/${enc(caseId)}/consents`, as ? { as } : {}),
  /** Gives a consent that was read in a language, declines it, or withdraws it. */
  answerConsent: (caseId: string, c: Pick<Consent, "id" | "version">, given: boolean, language: "en" | "zh-Hans", as?: "applicant" | "capture") =>
    call<Consent>("PUT", `/v1/cases/${enc(caseId)}/consents/${c.id}`, { body: { given, version: c.version, language }, ...(as ? { as } : {}) }),
  data: (caseId: string) => call<Held>("GET", `/v1/cases/${enc(caseId)}/data`),
  /** Needs the password, confirmed before. */
  erase: (caseId: string, account: boolean) =>
    call<{ outcome: "erased" | "restricted"; account: boolean; keeping: Keeping | null }>("POST", `/v1/cases/${enc(caseId)}/erasure`, { body: { account }, idempotencyKey: newKey() }),
  object: (caseId: string, text: string) => call<Case>("POST", `/v1/cases/${enc(caseId)}/objection`, { body: { text }, idempotencyKey: newKey() }),

  accept: (caseId: string, step: string, uploadId: string, as: "applicant" | "capture") =>
    call<unknown>("POST", `/v1/cases/${enc(caseId)}/steps/${enc(step)}/accept`, { body: { upload_id: uploadId }, as, idempotencyKey: newKey() }),
  progress: (caseId: string, { step, ...doing }: { step: string; phase: Phase }, as: "applicant" | "capture") =>
    call<void>("POST", `/v1/cases/${enc(caseId)}/steps/${enc(step)}/progress`, { body: doing, as, timeout: 5_000 }),
  script: (caseId: string, step: string, lang: string, signal?: AbortSignal) =>
    call<ScriptPreview>("GET", `/v1/cases/${enc(caseId)}/steps/${enc(step)}/script?lang=${enc(lang)}`, { signal }),
  clipChallenge: (caseId: string, step: string, lang: string, alternative?: string) =>
    call<ClipChallenge>("POST", `/v1/cases/${enc(caseId)}/steps/${enc(step)}/challenge`, {
      body: alternative === undefined ? { lang } : { lang, alternative }, as: "capture", idempotencyKey: newKey(),
    }),
  acceptClip: (caseId: string, step: string, kept: { upload_id: string; still_upload_id?: string; timeline?: { prompt_id: string; shown_at_ms: number }[] }) =>
    call<unknown>("POST", `/v1/cases/${enc(caseId)}/steps/${enc(step)}/accept`, { body: kept, as: "capture", idempotencyKey: newKey() }),
  /** Sends bytes that nobody keeps; resolves when all of them arrived. */
  measure: (bytes: Uint8Array<ArrayBuffer>, signal?: AbortSignal) => fetch("/v1/diagnose", {
    method: "POST", body: bytes, headers: { "Content-Type": "application/octet-stream" }, credentials: "omit", cache: "no-store", signal: signal ?? null,
  }),

  offer: (caseId: string, steps: string[], replace = false, provider?: "alipay") =>
    call<Handoff>("POST", `/v1/cases/${enc(caseId)}/handoffs`, {
      body: { steps, ...(replace ? { replace } : {}), ...(provider === undefined ? {} : { provider }) }, idempotencyKey: newKey(),
    }),
  handoff: (id: string, signal?: AbortSignal) => call<Handoff>("GET", `/v1/handoffs/${enc(id)}`, { signal }),
  cancelHandoff: (id: string) => call<Handoff>("POST", `/v1/handoffs/${enc(id)}/cancel`, { body: {} }),
  denyHandoff: (id: string) => call<Handoff>("POST", `/v1/handoffs/${enc(id)}/deny`, { body: {} }),

  open: (code: string, idempotencyKey: string) => call<Landing>("POST", "/v1/handoffs/open", { body: { code }, idempotencyKey }),
  claim: (code: string, idempotencyKey: string) =>
    call<{ token: string; handoff: Handoff }>("POST", "/v1/handoffs/claim", { body: { code }, idempotencyKey }),
  capture: (signal?: AbortSignal) => call<Capture>("GET", "/v1/capture", { as: "capture", signal }),
  match: (number: string) => call<unknown>("POST", "/v1/capture/match", { body: { number }, as: "capture" }),
  deny: (report: boolean) => call<unknown>("POST", "/v1/capture/deny", { body: { report }, as: "capture" }),
  /** Where the phone goes to be recognised by Alipay: inside Alipay, and from any other browser. */
  alipay: () => call<{ certify_url: string; alipay_link: string }>("POST", "/v1/capture/alipay", { body: {}, as: "capture" }),
  submitCapture: () =>
    call<{ handoff: Handoff; submitted_levels: number[] }>("POST", "/v1/capture/submit", { body: {}, as: "capture", idempotencyKey: newKey() }),
};
