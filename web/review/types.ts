// What the review calls answer, as server/openapi.yaml names it.
import type { LevelState } from "../shared/types";

export type ReviewState = LevelState | "awaiting_second" | "escalated" | "suspended" | "revoked" | "collecting" | "reported";
export type Verdict = "approve" | "resubmit" | "reject";
export type Method = "totp" | "passkey";
export type Role = "reviewer" | "supervisor" | "admin";

export interface Lease { account_id: string; name: string; taken_at: string; until: string; mine: boolean }

export interface QueueItem {
  id: string; version: number; kind?: "person" | "business"; state: ReviewState; level: number; waiting_since: string | null; updated_at?: string;
  reasons: string[]; language: string; reported: boolean; taken_by: Lease | null;
}

export interface QueueLength {
  total: number; taken: number; oldest_seconds: number; median_seconds: number; counts: { state: ReviewState; level: number; n: number }[];
  review_seconds: number | null;
}

export interface Queue { cases: QueueItem[]; next: string | null; queue: QueueLength }

export interface ReviewReason {
  code: string; type: "again" | "final" | "person"; redo: string | null; texts: Record<string, { wrong: string; better: string }>; hidden: boolean;
}

/** A reason of a decision: of a step, and of a recording's prompt (from 1). */
export interface Chosen { code: string; step?: string; prompt?: number }

export interface Check { level?: number; step: string; check: string; verdict: string; code: string; measures: Record<string, number> }

export interface ReviewLevel {
  level: number; state: ReviewState; reasons: Chosen[]; submitted_at: string | null; decided_at: string | null; waits_since: string | null;
  four_eyes: boolean; needs_level: number; approvals: { account_id: string; name: string; at: string }[];
}

export interface HistoryEvent {
  n: number; at: string; version: number; event: string; actor: { kind: "applicant" | "phone" | "staff" | "system"; account_id?: string; name?: string };
  level?: number; step?: string; reasons: string[]; data: Record<string, string>; note: string | null;
}

export interface Part { media_id: string; role: string; action: string; at_ms: number; filetype: string; size: number }

export interface ScriptPrompt { n: number; id: string; kind: string; text: string; lang: string; shown_at_ms: number | null }

/** What playing a recording found: loudness (base64, a byte each), how much speech each prompt may hold, and how much of it was said (0 to 1, null where no recogniser listened). */
export interface Found {
  duration_ms: number; peaks: string; peak_every_ms: number;
  prompts: { id: string; from_ms: number; to_ms: number; spoken_ms: number; speech: "pass" | "unsure" | "fail" | "skipped"; said: number | null }[];
}

export interface FaceTake {
  verdict: string; alternative: string; actions: string[]; model: string; compared: boolean; distance: number | null; accept: number | null;
  reject: number | null; chosen: number[]; checks: Check[]; portrait: Area | null;
}

/** A part of the photo with a digest: of what it is turned clockwise by quarters, and made smaller. */
export interface Area { sha256: string; x: number; y: number; width: number; height: number; of_width: number; of_height: number; quarters: number }

export interface ReviewTake {
  media_id: string; role: string; filetype: string; size: number; sha256: string; created_at: string; accepted_at: string | null; parts: Part[];
  script: { version: string; number: string; account_hint: string; prompts: ScriptPrompt[] } | null; face: FaceTake | null; found: Found | null;
}

export interface ReviewStep {
  id: string; level: number; kind: string; state: string; instructions: string; attempts: number; alternative: string; reasons: Chosen[]; takes: ReviewTake[];
}

export interface Fact { name: string; value: string; masked: boolean; warning?: { code: string; abandoned_by?: number } | null }

export interface Required { level: number; step: string | null; media_ids: string[]; seen: boolean }

export interface Evidence {
  fields: Fact[]; steps: ReviewStep[]; checks: Check[];
  consents: { id: string; state: string; version: number; language: string; at: string }[];
  objections: { level: number; at: string; text: string }[];
  required: Required[];
  face_hits: { case_id: string; distance: number }[];
}

export interface ReviewCase {
  id: string; version: number; kind: "person" | "business"; state: ReviewState; level: number; created_at: string; updated_at: string;
  reported_at: string | null; released_at: string | null; held_at: string | null; policy: string; levels: ReviewLevel[];
  waiting: { state: ReviewState; level: number; since: string; reasons: string[]; language: string; reported: boolean } | null;
  lease: Lease | null; history: HistoryEvent[]; evidence: Evidence | null;
}

export interface Count { name: string; n: number }

export interface Figures {
  from: string; to: string;
  days: { day: string; submitted: number; approved: number; resubmit: number; rejected: number; median_seconds: number }[];
  decided: { level: number; verdict: Verdict; n: number }[]; by_rules: { level: number; verdict: Verdict; n: number }[];
  reasons: Count[]; redone: Count[]; given_up: Count[]; median_seconds: number; p90_seconds: number; waited: number; overturned: number; truncated: boolean;
}

export interface Member { id: string; email: string; roles: Role[]; created_at: string; disabled_at: string | null; second_factor: Method[] }

export interface PasskeyRequest { challenge: string; rp_id: string; allow: string[]; user_verification: string; timeout_ms: number }
export interface PasskeyCreation {
  challenge: string; rp_id: string; rp_name: string; user_id: string; user_name: string; algorithms: number[]; exclude: string[]; user_verification: string; timeout_ms: number;
}
export interface Setup { challenge: string; totp: { secret: string; url: string; qr_png: string } | null; passkey: PasskeyCreation | null }
export interface PasskeyAnswer {
  id: string; client_data: string; authenticator_data?: string; signature?: string; user_handle?: string; attestation?: string; transports?: string[];
}
