// Level 1 as typed: its fields, their rules, and what is sent. The server has the last word; these
// rules only say early what it would say, by the same codes.
import { isoDay } from "../shared/day";
import { canBeLongTerm, readNumber, typesFor, type DocumentRule } from "../shared/documents";
import { ageOn, dayInChina, isDay, normalizeNumber, plausibleBirth } from "../shared/resident-id";
import type { ActingFor, DocumentFacts, Identity, Somebody } from "../shared/types";

export interface DocumentDraft { type: string; number: string; issuedOn: string; expiresOn: string; longTerm: boolean }

/** Somebody else than the reader. */
export interface SomebodyDraft { name: string; nationality: string; birthDate: string; document: DocumentDraft }

/** Who decides what happens with an account that is for somebody else. */
export type Director = "self" | "beneficiary" | "other";

export interface Draft {
  who: "self" | "other"; beneficiary: SomebodyDraft; director: Director; controller: SomebodyDraft;
  nationality: string; document: DocumentDraft;
  name: string; latinName: string; birthDate: string; sex: "" | "male" | "female"; address: string; occupation: string;
}

/** What the operator's policy says, as far as the form knows it. */
export interface Rules { documents: readonly DocumentRule[]; minimumAge: number }

export const noDocument: DocumentDraft = { type: "", number: "", issuedOn: "", expiresOn: "", longTerm: false };
export const nobody: SomebodyDraft = { name: "", nationality: "", birthDate: "", document: noDocument };

export const emptyDraft: Draft = {
  who: "self", beneficiary: nobody, director: "self", controller: nobody,
  nationality: "CHN", document: noDocument,
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

/** The document's type: the chosen one, or the only one that the nationality may use; "" while it has to be chosen. */
export function typeOf(d: DocumentDraft, nationality: string, rules: Rules): string {
  const types = typesFor(rules.documents, nationality);
  return types.length === 1 ? types[0] ?? "" : types.includes(d.type) ? d.type : "";
}

/** What is wrong, by the server's names of the fields, in the order of the page. */
export type Bad = Record<string, string>;

class Check {
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
  document(at: string, d: DocumentDraft, nationality: string, expiry: "needed" | "optional") {
    const type = typeOf(d, nationality, this.rules);
    if (type === "") this.say(`${at}.type`, typesFor(this.rules.documents, nationality).length > 0 ? "required" : "document.type_not_allowed_for_nationality");
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

  /** Somebody else: a name, and whatever else is known of them. */
  somebody(at: string, p: SomebodyDraft) {
    this.text(`${at}.name`, p.name, 1, 100, true);
    const document = p.nationality !== "" && p.document.number.trim() !== "";
    const read = document ? readNumber(typeOf(p.document, p.nationality, this.rules), p.document.number, this.today) : undefined;
    this.birth(`${at}.birth_date`, p.birthDate, false, read?.verdict === "ok" ? read.birthDate : undefined);
    if (document) this.document(`${at}.document`, p.document, p.nationality, "optional");
  }
}

/** Every field that is not right, with the code that says why. */
export function check(d: Draft, now: Date, rules: Rules): Bad {
  const c = new Check(rules, now);
  if (d.who === "other") {
    c.somebody("acting_for.beneficiary", d.beneficiary);
    if (d.director === "other") c.somebody("acting_for.controller", d.controller);
  }
  if (!d.nationality) c.say("nationality", "required");
  const read = c.document("document", d.document, d.nationality, "needed");
  c.text("name", d.name, 1, 100, true);
  if (d.latinName.trim()) c.say("latin_name", /[^\p{Script=Latin}\p{M} ·•.'’\-‐・]/u.test(d.latinName.trim()) ? "text_characters" : text(d.latinName, 1, 100, true));
  c.birth("birth_date", d.birthDate, true, read.birthDate);
  const birth = isoDay(d.birthDate);
  if (isDay(birth) && ageOn(birth, c.today) < rules.minimumAge) c.say("birth_date", "age_under_minimum");
  if (d.sex && read.sex && d.sex !== read.sex) c.say("sex", "sex_mismatch");
  c.text("address", d.address, 5, 300);
  if (d.occupation.trim()) c.text("occupation", d.occupation, 1, 100);
  return c.bad;
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

function documentFacts(d: DocumentDraft, nationality: string, rules: Rules): DocumentFacts {
  const type = typeOf(d, nationality, rules);
  const expires = d.longTerm && canBeLongTerm(type) ? "long_term" : isoDay(d.expiresOn);
  return {
    type,
    number: normalizeNumber(d.number),
    ...(d.issuedOn ? { issued_on: isoDay(d.issuedOn) } : {}),
    ...(expires ? { expires_on: expires } : {}),
  };
}

function somebody(p: SomebodyDraft, rules: Rules): Somebody {
  return {
    name: squeeze(p.name),
    ...(p.nationality ? { nationality: p.nationality } : {}),
    ...(p.birthDate ? { birth_date: isoDay(p.birthDate) } : {}),
    ...(p.nationality && p.document.number.trim() ? { document: documentFacts(p.document, p.nationality, rules) } : {}),
  };
}

function actingFor(d: Draft, rules: Rules): ActingFor {
  if (d.who === "self") return { who: "self" };
  const beneficiary = somebody(d.beneficiary, rules);
  return {
    who: "other", beneficiary,
    ...(d.director === "self" ? {} : { controller: d.director === "beneficiary" ? beneficiary : somebody(d.controller, rules) }),
  };
}

/** What is sent for a draft that is right. */
export function toIdentity(d: Draft, rules: Rules): Identity {
  return {
    nationality: d.nationality,
    document: documentFacts(d.document, d.nationality, rules),
    name: squeeze(d.name),
    ...(d.latinName.trim() ? { latin_name: squeeze(d.latinName) } : {}),
    birth_date: isoDay(d.birthDate),
    ...(d.sex ? { sex: d.sex } : {}),
    address: squeeze(d.address),
    ...(d.occupation.trim() ? { occupation: squeeze(d.occupation) } : {}),
    acting_for: actingFor(d, rules),
  };
}

function fromDocument(d: DocumentFacts | undefined): DocumentDraft {
  if (!d) return noDocument;
  const longTerm = d.expires_on === "long_term";
  return { type: d.type, number: d.number, issuedOn: d.issued_on ?? "", expiresOn: longTerm ? "" : d.expires_on ?? "", longTerm };
}

function fromSomebody(p: Somebody | undefined): SomebodyDraft {
  return p ? { name: p.name, nationality: p.nationality ?? "", birthDate: p.birth_date ?? "", document: fromDocument(p.document) } : nobody;
}

/** The draft of what was stored earlier. */
export function fromIdentity(i: Identity): Draft {
  const { beneficiary, controller } = i.acting_for;
  const same = controller !== undefined && JSON.stringify(controller) === JSON.stringify(beneficiary);
  return {
    who: i.acting_for.who, beneficiary: fromSomebody(beneficiary),
    director: !controller ? "self" : same ? "beneficiary" : "other", controller: same ? nobody : fromSomebody(controller),
    nationality: i.nationality, document: fromDocument(i.document),
    name: i.name, latinName: i.latin_name ?? "", birthDate: i.birth_date,
    sex: i.sex === "male" || i.sex === "female" ? i.sex : "", address: i.address, occupation: i.occupation ?? "",
  };
}

/** What is sent under a field's name; undefined where nothing is. */
export function valueAt(value: unknown, field: string): unknown {
  return field.split(".").reduce<unknown>((v, name) => (v !== null && typeof v === "object" ? (v as Record<string, unknown>)[name] : undefined), value);
}

/** The three groups of a resident ID number as they stand on the card: region, birth date, rest. */
export function groups(number: string): string[] {
  const n = normalizeNumber(number);
  return [n.slice(0, 6), n.slice(6, 14), n.slice(14)].filter((g) => g !== "");
}
