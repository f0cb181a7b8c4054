// What persons and companies have in common in Level 1: documents, other people, and how facts are checked.
import { isoDay } from "../shared/day";
import { canBeLongTerm, readNumber, typesFor, type DocumentRule } from "../shared/documents";
import type { Fraction } from "../shared/owners";
import { ageOn, dayInChina, isDay, normalizeNumber, plausibleBirth } from "../shared/resident-id";
import type { DocumentFacts, Somebody } from "../shared/types";

export interface DocumentDraft { type: string; number: string; issuedOn: string; expiresOn: string; longTerm: boolean }

/** Somebody else than the reader. */
export interface SomebodyDraft { name: string; nationality: string; birthDate: string; document: DocumentDraft }

/** What the operator's policy says, as far as the form knows it. */
export interface Rules {
  documents: readonly DocumentRule[];
  minimumAge: number;
  minors: { way: "refuse" | "guardian"; from: number };
  /** From this share on somebody is an owner who has to be known in full; with atLeast it counts itself. */
  owners: { threshold: Fraction; atLeast: boolean };
}

export const noDocument: DocumentDraft = { type: "", number: "", issuedOn: "", expiresOn: "", longTerm: false };
export const nobody: SomebodyDraft = { name: "", nationality: "", birthDate: "", document: noDocument };

/** The document's type: the chosen one, or the only one that there is; "" while it has to be chosen. */
export function typeAmong(d: DocumentDraft, types: readonly string[]): string {
  return types.length === 1 ? types[0] ?? "" : types.includes(d.type) ? d.type : "";
}

/** The document's type among those that the nationality may use. */
export function typeOf(d: DocumentDraft, nationality: string, rules: Rules): string {
  return typeAmong(d, typesFor(rules.documents, nationality));
}

/** Every type that anybody may use. */
export function allTypes(rules: Rules): readonly string[] {
  return [...new Set(rules.documents.flatMap((r) => r.types))];
}

/** What is wrong, by the server's names of the fields, in the order of the page. */
export type Bad = Record<string, string>;

export class Check {
  readonly bad: Bad = {};
  readonly today: string;
  readonly rules: Rules;
  constructor(rules: Rules, now: Date) {
    this.rules = rules;
    this.today = dayInChina(now);
  }

  say(field: string, code: string | undefined) {
    if (code && !this.bad[field]) this.bad[field] = code;
  }

  text(field: string, value: string, least: number, most: number, name = false) {
    this.say(field, text(value, least, most, name));
  }

  /** The document, and what its number says of its holder. */
  document(at: string, d: DocumentDraft, types: readonly string[], expiry: "needed" | "optional") {
    const type = typeAmong(d, types);
    if (type === "") this.say(`${at}.type`, types.length > 0 ? "required" : "document.type_not_allowed_for_nationality");
    const read = readNumber(type, d.number, this.today);
    if (!d.number.trim()) this.say(`${at}.number`, "required");
    else if (type !== "" && read.verdict !== "ok") this.say(`${at}.number`, `document_number_${read.verdict}`);

    const issued = isoDay(d.issuedOn);
    const expires = isoDay(d.expiresOn);
    if (issued) {
      if (!isDay(issued)) this.say(`${at}.issued_on`, "date_invalid");
      else if (issued > this.today) this.say(`${at}.issued_on`, "date_in_future");
    }
    if (d.longTerm && canBeLongTerm(type)) return read;
    if (!expires) this.say(`${at}.expires_on`, expiry === "needed" ? "required" : undefined);
    else if (!isDay(expires)) this.say(`${at}.expires_on`, "date_invalid");
    else if (expires < this.today) this.say(`${at}.expires_on`, "document_expired");
    else if (issued && expires <= issued) this.say(`${at}.expires_on`, "date_order");
    return read;
  }

  birth(field: string, typed: string, needed: boolean, says?: string) {
    const birth = isoDay(typed);
    if (!birth) this.say(field, needed ? "required" : undefined);
    else if (!isDay(birth)) this.say(field, "date_invalid");
    else if (!plausibleBirth(birth, this.today)) this.say(field, "birth_date_impossible");
    else if (says && birth !== says) this.say(field, "birth_date_mismatch");
  }

  /** Who stands in for somebody too young, whose number is given: known in full, and old enough. */
  guardian(p: SomebodyDraft, number: string) {
    this.text("guardian.name", p.name, 1, 100, true);
    if (!p.nationality) this.say("guardian.nationality", "required");
    const read = this.document("guardian.document", p.document, typesFor(this.rules.documents, p.nationality), "needed");
    if (read.number && read.number === number) this.say("guardian.document.number", "guardian_same");
    this.birth("guardian.birth_date", p.birthDate, true, read.birthDate);
    const birth = isoDay(p.birthDate);
    if (isDay(birth) && ageOn(birth, this.today) < this.rules.minimumAge) this.say("guardian.birth_date", "guardian_too_young");
  }

  /** Somebody else: a name, and whatever else is known of them. */
  somebody(at: string, p: SomebodyDraft) {
    this.text(`${at}.name`, p.name, 1, 100, true);
    const document = p.nationality !== "" && p.document.number.trim() !== "";
    const read = document ? readNumber(typeOf(p.document, p.nationality, this.rules), p.document.number, this.today) : undefined;
    this.birth(`${at}.birth_date`, p.birthDate, false, read?.verdict === "ok" ? read.birthDate : undefined);
    if (document) this.document(`${at}.document`, p.document, typesFor(this.rules.documents, p.nationality), "optional");
  }
}

export function squeeze(s: string): string {
  return s.normalize("NFC").trim().replace(/\s+/gu, " ");
}

export function text(value: string, least: number, most: number, name: boolean): string | undefined {
  const s = squeeze(value);
  const n = [...s].length;
  if (n === 0) return "required";
  if (name && /[^\p{L}\p{M} ·•.'’\-‐・]/u.test(s)) return "text_characters";
  if (/\p{Cc}|\p{Cf}/u.test(s)) return "text_characters";
  if (n < least) return "text_too_short";
  return n > most ? "text_too_long" : undefined;
}

export function documentFacts(d: DocumentDraft, types: readonly string[]): DocumentFacts {
  const type = typeAmong(d, types);
  const expires = d.longTerm && canBeLongTerm(type) ? "long_term" : isoDay(d.expiresOn);
  return {
    type,
    number: normalizeNumber(d.number),
    ...(d.issuedOn ? { issued_on: isoDay(d.issuedOn) } : {}),
    ...(expires ? { expires_on: expires } : {}),
  };
}

export function somebody(p: SomebodyDraft, rules: Rules): Somebody {
  return {
    name: squeeze(p.name),
    ...(p.nationality ? { nationality: p.nationality } : {}),
    ...(p.birthDate ? { birth_date: isoDay(p.birthDate) } : {}),
    ...(p.nationality && p.document.number.trim() ? { document: documentFacts(p.document, typesFor(rules.documents, p.nationality)) } : {}),
  };
}

export function fromDocument(d: DocumentFacts | undefined): DocumentDraft {
  if (!d) return noDocument;
  const longTerm = d.expires_on === "long_term";
  return { type: d.type, number: d.number, issuedOn: d.issued_on ?? "", expiresOn: longTerm ? "" : d.expires_on ?? "", longTerm };
}

export function fromSomebody(p: Somebody | undefined): SomebodyDraft {
  return p ? { name: p.name, nationality: p.nationality ?? "", birthDate: p.birth_date ?? "", document: fromDocument(p.document) } : nobody;
}
