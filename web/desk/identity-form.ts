// Level 1 as typed: its fields, their rules, and what is sent. The server has the last word; these
// rules only say early what it would say, by the same codes.
import { ageOn, dayInChina, isDay, normalizeNumber, plausibleBirth, readResidentId } from "../shared/resident-id";
import type { Identity } from "../shared/types";

export interface Draft {
  nationality: string; number: string; issuedOn: string; expiresOn: string; longTerm: boolean;
  name: string; latinName: string; birthDate: string; sex: "" | "male" | "female"; address: string; occupation: string;
}

export const emptyDraft: Draft = {
  nationality: "CHN", number: "", issuedOn: "", expiresOn: "", longTerm: false,
  name: "", latinName: "", birthDate: "", sex: "", address: "", occupation: "",
};

// What was typed stays in memory while the page lives: back, forward and the summary do not lose it.
// It is never written into the browser's storage.
let kept: { caseId: string; draft: Draft } | undefined;

/** What was typed for a case so far. */
export function keptDraft(caseId: string): Draft | undefined {
  return kept?.caseId === caseId ? kept.draft : undefined;
}

export function keepDraft(caseId: string, draft: Draft): void {
  kept = { caseId, draft };
}

/** When it was sent, and when its owner leaves. */
export function forgetDraft(): void {
  kept = undefined;
}

/** Fields by the server's names, in the order of the page. */
export const fieldNames = [
  "nationality", "document.type", "document.number", "document.issued_on", "document.expires_on",
  "name", "latin_name", "birth_date", "sex", "address", "occupation", "acting_for.who",
] as const;
export type FieldName = (typeof fieldNames)[number];

/** Residents of mainland China use their resident ID card, others their passport. */
export function documentType(nationality: string): "cn_resident_id" | "passport" {
  return nationality === "CHN" ? "cn_resident_id" : "passport";
}

const MINIMUM_AGE = 18;
const PASSPORT = /^[A-Z0-9]{5,20}$/;

/** Every field that is not right, with the code that says why. */
export function check(d: Draft, now: Date): Partial<Record<FieldName, string>> {
  const today = dayInChina(now);
  const bad: Partial<Record<FieldName, string>> = {};
  const resident = documentType(d.nationality) === "cn_resident_id";
  const say = (f: FieldName, code: string | undefined) => {
    if (code && !bad[f]) bad[f] = code;
  };
  if (!d.nationality) say("nationality", "required");

  if (!d.number.trim()) say("document.number", "required");
  else if (resident) {
    const id = readResidentId(d.number, today);
    if (id.verdict !== "ok") say("document.number", `document_number_${id.verdict}`);
    else {
      if (d.birthDate && d.birthDate !== id.birthDate) say("birth_date", "birth_date_mismatch");
      if (d.sex && d.sex !== id.sex) say("sex", "sex_mismatch");
    }
  } else if (!PASSPORT.test(normalizeNumber(d.number))) say("document.number", "document_number_form");

  if (d.issuedOn) {
    if (!isDay(d.issuedOn)) say("document.issued_on", "date_invalid");
    else if (d.issuedOn > today) say("document.issued_on", "date_in_future");
  }
  if (!(d.longTerm && resident)) {
    if (!d.expiresOn) say("document.expires_on", "required");
    else if (!isDay(d.expiresOn)) say("document.expires_on", "date_invalid");
    else if (d.expiresOn < today) say("document.expires_on", "document_expired");
    else if (d.issuedOn && d.expiresOn <= d.issuedOn) say("document.expires_on", "date_order");
  }

  say("name", text(d.name, 1, 100, true));
  if (d.latinName.trim()) say("latin_name", /[^\p{Script=Latin}\p{M} ·•.'’\-‐・]/u.test(d.latinName.trim()) ? "text_characters" : text(d.latinName, 1, 100, true));
  if (!d.birthDate) say("birth_date", "required");
  else if (!isDay(d.birthDate)) say("birth_date", "date_invalid");
  else if (!plausibleBirth(d.birthDate, today)) say("birth_date", "birth_date_impossible");
  else if (ageOn(d.birthDate, today) < MINIMUM_AGE) say("birth_date", "age_under_minimum");
  say("address", text(d.address, 5, 300, false));
  if (d.occupation.trim()) say("occupation", text(d.occupation, 1, 100, false));
  return bad;
}

function squeeze(s: string): string {
  return s.normalize("NFC").trim().replace(/\s+/gu, " ");
}

function text(value: string, least: number, most: number, name: boolean): string | undefined {
  const s = squeeze(value);
  const n = [...s].length;
  if (n === 0) return "required";
  if (name && /[^\p{L}\p{M} ·•.'’\-‐・]/u.test(s)) return "text_characters";
  if (/\p{Cc}|\p{Cf}/u.test(s)) return "text_characters";
  if (n < least) return "text_too_short";
  return n > most ? "text_too_long" : undefined;
}

/** What is sent for a draft that is right. */
export function toIdentity(d: Draft): Identity {
  const resident = documentType(d.nationality) === "cn_resident_id";
  return {
    nationality: d.nationality,
    document: {
      type: documentType(d.nationality),
      number: normalizeNumber(d.number),
      ...(d.issuedOn ? { issued_on: d.issuedOn } : {}),
      expires_on: d.longTerm && resident ? "long_term" : d.expiresOn,
    },
    name: squeeze(d.name),
    ...(d.latinName.trim() ? { latin_name: squeeze(d.latinName) } : {}),
    birth_date: d.birthDate,
    ...(d.sex ? { sex: d.sex } : {}),
    address: squeeze(d.address),
    ...(d.occupation.trim() ? { occupation: squeeze(d.occupation) } : {}),
    acting_for: { who: "self" },
  };
}

/** The draft of what was stored earlier. */
export function fromIdentity(i: Identity): Draft {
  const longTerm = i.document.expires_on === "long_term";
  return {
    nationality: i.nationality, number: i.document.number, issuedOn: i.document.issued_on ?? "",
    expiresOn: longTerm ? "" : i.document.expires_on, longTerm,
    name: i.name, latinName: i.latin_name ?? "", birthDate: i.birth_date,
    sex: i.sex === "male" || i.sex === "female" ? i.sex : "", address: i.address, occupation: i.occupation ?? "",
  };
}

/** The three groups of a resident ID number as they stand on the card: region, birth date, rest. */
export function groups(number: string): string[] {
  const n = normalizeNumber(number);
  return [n.slice(0, 6), n.slice(6, 14), n.slice(14)].filter((g) => g !== "");
}
