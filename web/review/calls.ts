// The calls of the reviewers' desk, by name.
import { call, newKey } from "../shared/api";
import type { Me } from "../shared/types";
import type { Chosen, Figures, Lease, Member, Method, PasskeyAnswer, Queue, ReviewCase, ReviewReason, Role, Setup, Verdict } from "./types";

const enc = encodeURIComponent;
const of = (id: string, rest = "") => `/v1/review/cases/${enc(id)}${rest}`;

export const calls = {
  signIn: (email: string, password: string) => call<Me>("POST", "/v1/session", { body: { email, password } }),
  enrol: (method: Method, challenge?: string) => call<Setup>("POST", "/v1/session/second-factor/enrol", { body: challenge === undefined ? { method } : { method, challenge } }),
  second: (challenge: string, answer: { code: string } | { passkey: PasskeyAnswer }) => call<Me>("POST", "/v1/session/second-factor", { body: { challenge, ...answer } }),

  reasons: () => call<{ reasons: ReviewReason[] }>("GET", "/v1/review/reasons"),
  /** A page of the queue; `query` as the address of the page holds it. */
  queue: (query: string, signal?: AbortSignal) => call<Queue>("GET", `/v1/review/cases${query ? `?${query}` : ""}`, { signal }),
  case: (id: string, signal?: AbortSignal) => call<ReviewCase>("GET", of(id), { signal }),
  claim: (id: string) => call<Lease>("POST", of(id, "/claim"), { body: {} }),
  handBack: (id: string) => call<void>("DELETE", of(id, "/claim")),
  reveal: (id: string, fields: string[], reason: string) =>
    call<{ fields: Record<string, string>; hide_after_seconds: number }>("POST", of(id, "/reveal"), { body: { fields, reason } }),
  escalate: (id: string, level: number, note: string) => call<ReviewCase>("POST", of(id, "/escalate"), { body: { level, note } }),
  suspend: (id: string, level: number, note: string) => call<ReviewCase>("POST", of(id, "/suspend"), { body: { level, note } }),
  release: (id: string, note: string) => call<ReviewCase>("POST", of(id, "/release"), { body: { note } }),
  decide: (id: string, version: number, key: string, d: { level: number; verdict: Verdict; reasons?: Chosen[]; note: string }) =>
    call<ReviewCase>("POST", of(id, "/decisions"), { body: d, ifMatch: version, idempotencyKey: key }),
  figures: (from: string, to: string) => call<Figures>("GET", `/v1/review/figures?from=${enc(from)}&to=${enc(to)}`),

  staff: (after = "") => call<{ staff: Member[]; next: string | null }>("GET", `/v1/review/staff${after ? `?after=${enc(after)}` : ""}`),
  createStaff: (email: string, password: string, roles: Role[]) =>
    call<Member>("POST", "/v1/review/staff", { body: { email, password, roles }, idempotencyKey: newKey() }),
  changeStaff: (id: string, change: { roles?: Role[]; disabled?: boolean }) => call<Member>("PATCH", `/v1/review/staff/${enc(id)}`, { body: change }),
  forgetFactors: (id: string) => call<void>("DELETE", `/v1/review/staff/${enc(id)}/second-factor`),
};

/** Where the bytes of evidence are; opening it is a look, which the server notes. */
export const mediaURL = (id: string): string => `/v1/media/${enc(id)}`;
