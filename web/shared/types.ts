// The server's answers, as server/openapi.yaml names them.

export type CaseState = "collecting" | "checking" | "in_review" | "approved" | "resubmit" | "rejected";
export type LevelState = "locked" | "open" | "submitted" | "checking" | "in_review" | "approved" | "resubmit" | "rejected";
export type StepState = "todo" | "uploading" | "stored" | "accepted" | "checked" | "failed";
export type HandoffState =
  | "offered" | "claimed" | "active" | "done"
  | "expired" | "cancelled" | "locked" | "reported" | "superseded";
export type Channel = "desk" | "phone";
export type Phase = "camera" | "aiming" | "checking_take" | "moves" | "countdown" | "recording" | "sending" | "paused";

/** A reason with its words, by language. */
export interface CatalogueReason { code: string; texts: Record<string, { wrong: string; better: string }> }

/** A reason of the catalogue, perhaps about one step. */
export interface Reason { code: string; step?: string }

export interface Level {
  level: number; state: LevelState; reasons: Reason[]; submitted_at?: string; decided_at?: string;
  /** Another look at its refusal can be asked for. */
  may_object?: boolean;
  /** The level that has to be handed in before somebody decides about this one. */
  needs_level?: number;
}

export type ConsentId = "identity" | "documents" | "face" | "recording" | "face_search";
/** Needed: never answered, or the words have changed since. */
export type ConsentState = "needed" | "given" | "declined" | "withdrawn";
export interface ConsentStanding { id: ConsentId; state: ConsentState }

/** What is read before agreeing. */
export interface ConsentText { title: string; what: string; why: string; keep: string; who: string; declined: string }

export interface Consent extends ConsentStanding {
  /** Of the words in texts. */
  version: number;
  needed_for: "level_1" | "photo" | "face" | "clip";
  /** Asked on a page of its own, with a button of its own. */
  apart: boolean;
  /** What is left for who says no. */
  declined: "stop" | "person";
  at: string | null; language: "en" | "zh-Hans" | null;
  texts: Record<"en" | "zh-Hans", ConsentText>;
}

/** How long a case is kept; until is null while that is not known. */
export interface Keeping { rule: "abandoned" | "rejected" | "relation_ended" | "waiting"; until: string | null; days?: number; years?: number }

export interface Held {
  held: { data: "account" | "identity" | "draft" | "photo" | "readings" | "face" | "clip" | "objections" | "earlier" | "history"; items: number }[];
  keeping: Keeping; restricted_at: string | null;
}

/** One try at a step, as its owner sees it. */
export interface Take { upload_id: string; media_id?: string | null; state: "open" | "stored" | "accepted" | "discarded"; size?: number; filetype?: string }

export interface Step {
  id: string; level: number; kind: "photo" | "face" | "clip" | string; state: StepState;
  /** Which words it is told in. */
  instructions: string;
  channels: Channel[]; media_id: string | null; takes: Take[]; reasons: Reason[];
  /** Who else could verify it, and who does now. */
  providers?: "alipay"[]; provider?: Provider | null;
}

/** How far somebody else is who verifies a step. */
export interface Provider { name: "alipay"; phase: "alipay_opened" | "waiting" | "done" | "failed" }

/** What a browser says of itself. */
export interface Device { kind: "phone" | "tablet" | "computer" | "unknown"; os: string; browser: string; network?: "same" | "other" | "" }

export interface Handoff {
  id: string; case_id: string; epoch: number; state: HandoffState; steps: string[];
  /** Who else than this server verifies the face. */
  provider?: "alipay" | null;
  /** Null for every session but the one that offered, and once the code is used. */
  url: string | null; text_code: string | null; qr: { png: string; svg: string } | null; code_expires_at: string | null;
  expires_at: string; match: { number: string; expires_at: string } | null; device: Device | null;
  /** A phone has opened the page and not gone on yet. */
  opened: boolean;
  phone_present: boolean; alerts: { type: "second_claim"; device: Device; at: string }[];
}

/** The identity as the applicant may read it back: masked. */
export interface MaskedIdentity { name: string; document: { type: string; number: string }; business?: { legal_name: string } }

export interface Case {
  id: string; version: number; seq: number; kind: "person" | "business"; level: number; state: CaseState;
  levels: Level[]; steps: Step[]; identity: MaskedIdentity | null;
  /** Something was typed of Level 1 and not stored yet. */
  draft: boolean; consents: ConsentStanding[];
  /** An erasure was asked for that the law forbids for now; nothing is added. */
  restricted: boolean; frozen: boolean; handoff: Handoff | null;
}

export interface Account { id: string; email: string; roles: string[]; email_confirmed: boolean }
export interface Me { account: Account; case_id: string | null }

/** What is stored for Level 1. Dates are YYYY-MM-DD. */
export interface Identity {
  nationality: string;
  document: DocumentFacts;
  name: string; latin_name?: string; birth_date: string; sex?: "male" | "female" | "other"; address: string; occupation?: string;
  /** Of a person. */
  acting_for?: ActingFor;
  /** Of who is younger than the minimum age. */
  guardian?: Somebody;
  /** Of a company; the fields above are then the acting person's. */
  business?: Company;
}

export interface Registration { type: "uscc" | "lei" | "other"; number: string; country: string }

/** How a person controls a company otherwise than by shares. */
export type Basis = "income" | "votes" | "control" | "management";

export interface Party {
  id: string; kind: "person" | "company"; name: string;
  nationality?: string; birth_date?: string; document?: DocumentFacts; registration?: Registration;
}

/** What Level 1 states of a company. In holdings, "company" stands for the company itself. */
export interface Company {
  legal_name: string; registration: Registration; activity: string; registered_address: string;
  legal_representative?: { name: string; document: DocumentFacts };
  acting_as: "legal_representative" | "authorised_agent";
  parties: Party[] | null; holdings: { holder: string; in: string; share: string }[] | null; controllers: { party: string; basis: Basis }[] | null;
  beneficiary: ActingFor; exemption?: "small_company";
}

/** A document; expires_on is a day or "long_term". */
export interface DocumentFacts { type: string; number: string; issued_on?: string; expires_on?: string }

/** Somebody else than the applicant. */
export interface Somebody { name: string; nationality?: string; birth_date?: string; document?: DocumentFacts }

/** Who the account is for; without a controller the applicant directs it. */
export interface ActingFor { who: "self" | "other"; beneficiary?: Somebody; controller?: Somebody }

export type KeptData = "account" | "case" | "evidence" | "abandoned_case" | "rejected_case" | "unfinished_uploads" | "sessions" | "handoffs";
export type Way = "qr" | "text_code" | "link" | "sms" | "email" | "alipay";

export interface Operator {
  name: string; purpose: string; support: string;
  /** keep_minutes is null while the operator has set no end. */
  retention: { data: KeptData; keep_minutes: number | null; keep_years?: number; from?: "creation" | "last_activity" | "decision" | "relation_ended" }[];
  /** The measured median of a review; null until there is enough to measure. */
  review_minutes: number | null;
  /** Which ways to a phone are set up. */
  ways: Way[];
  /** Whether mail is sent, to confirm an address and to set a new password. */
  mail: boolean;
  /** Who may use which documents: the first rule that names the nationality, or "*", counts. */
  documents: { nationalities: string[]; types: string[] }[];
  minimum_age: number;
  /** What becomes of who is younger. */
  minors: { way: "refuse" | "guardian"; from: number };
  /** From which share of a company on a person has to be known in full. */
  beneficial_owners: { threshold: string; at_least: boolean };
}

/** What the phone's landing page shows; it claims nothing. */
export interface Landing { operator: string; purpose: string; account: string; desk: { browser: string; os: string }; provider?: "alipay" | null; expires_at: string }

export interface CaptureStep {
  id: string; kind: string; state: StepState; instructions?: string;
  limits: { max_bytes: number; filetypes: string[] }; takes: Take[]; reasons?: Reason[]; provider?: Provider | null;
  /** Other ways to do it, where there are any. */
  alternatives?: string[];
  /** Of a face: what compares, below which address its networks lie (empty where there are none), and how often the moves may still fail. */
  face?: { model: string; hash: string; networks: string; tries_left: number };
}

export interface Capture {
  handoff: Handoff; operator: string; account: string; desk: { browser: string; os: string };
  steps: CaptureStep[]; consents: ConsentStanding[]; budget: { bytes: number; used: number };
}

export interface UploadInfo {
  id: string; case_id: string; step: string; epoch: number; challenge_id: string | null;
  state: "open" | "stored" | "accepted" | "discarded"; offset: number; length: number | null;
  media_id: string | null; sha256: string | null; expires_at: string | null;
}

/** One thing to do in a recording. */
export interface Prompt { id: string; text: string; lang: string; kind: "show" | "read" | "repeat" | "write"; still?: boolean }

/** What a recording will ask for, told before. */
export interface ScriptPreview { template: string; account_hint: string; prompts: Prompt[] }

/** What one take of a recording is asked to follow. */
export interface ClipChallenge {
  id: string; nonce: string; alternative?: string; expires_at: string;
  script: { template?: string; number: string; account_hint: string; prompts: Prompt[] };
}

/** The moves that one try at a face is asked for, beginning with a look straight at the camera. */
export interface FaceChallenge {
  id: string; nonce: string; expires_at: string; tries_left?: number;
  actions: ("neutral" | "turn_left" | "turn_right" | "mouth_open" | "blink")[];
}

/** Messages of the two live sockets. */
export type LiveMessage =
  | { type: "snapshot"; seq: number; case?: Case; capture?: Capture }
  | { type: "presence"; phone: boolean; desk: boolean }
  | LiveProgress;

export interface LiveProgress { type: "progress"; step: string; phase?: Phase; sent_bytes?: number; total_bytes?: number; prompt_index?: number; prompt_count?: number; take?: number; elapsed_ms?: number; hint?: string }

export interface FieldError { field: string; code: string; detail: string }
