// Level 1 as typed: its fields, their rules, and what is sent. The server has the last word; these
// rules only say early what it would say, by the same codes.
import { isoDay } from "../shared/day";
import { typesFor } from "../shared/documents";
import { ageOn, dayInChina, isDay, normalizeNumber } from "../shared/resident-id";
import type { ActingFor, Identity } from "../shared/types";
import { checkCompany, companyFacts, emptyCompany, fromCompany, type CompanyDraft } from "./company-form";
import { Check, documentFacts, fromDocument, fromSomebody, noDocument, nobody, somebody, squeeze, text, type Bad, type DocumentDraft, type Rules, type SomebodyDraft } from "./facts";

/** Who decides what happens with an account that is for somebody else. */
export type Director = "self" | "beneficiary" | "other";

export interface Draft {
  /** Of a company's case; the rest is then about the one who acts for it, and the company's account is who it is for. */
  company: CompanyDraft;
  who: "self" | "other"; beneficiary: SomebodyDraft; director: Director; controller: SomebodyDraft;
  nationality: string; document: DocumentDraft;
  /** Stands in for somebody who is too young. */
  guardian: SomebodyDraft;
  name: string; latinName: string; birthDate: string; sex: "" | "male" | "female"; address: string; occupation: string;
}

export const emptyDraft: Draft = {
  company: emptyCompany,
  who: "self", beneficiary: nobody, director: "self", controller: nobody,
  nationality: "CHN", document: noDocument, guardian: nobody,
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

export type Kind = "person" | "business";

/** The name of the fields that say who the account is for. */
export function forWhom(kind: Kind): string {
  return kind === "business" ? "business.beneficiary" : "acting_for";
}

/** Every field that is not right, with the code that says why. */
export function check(d: Draft, now: Date, rules: Rules, kind: Kind = "person"): Bad {
  const c = new Check(rules, now);
  if (kind === "business") checkCompany(c, d.company);
  if (d.who === "other") {
    c.somebody(`${forWhom(kind)}.beneficiary`, d.beneficiary);
    if (d.director === "other") c.somebody(`${forWhom(kind)}.controller`, d.controller);
  }
  if (!d.nationality) c.say("nationality", "required");
  const read = c.document("document", d.document, typesFor(rules.documents, d.nationality), "needed");
  c.text("name", d.name, 1, 100, true);
  if (d.latinName.trim()) c.say("latin_name", /[^\p{Script=Latin}\p{M} ·•.'’\-‐・]/u.test(d.latinName.trim()) ? "text_characters" : text(d.latinName, 1, 100, true));
  c.birth("birth_date", d.birthDate, true, read.birthDate);
  const birth = isoDay(d.birthDate);
  if (needsGuardian(d, now, rules, kind)) c.guardian(d.guardian, read.number);
  else if (isDay(birth) && ageOn(birth, c.today) < rules.minimumAge) c.say("birth_date", "age_under_minimum");
  if (d.sex && read.sex && d.sex !== read.sex) c.say("sex", "sex_mismatch");
  c.text("address", d.address, 5, 300);
  if (d.occupation.trim()) c.text("occupation", d.occupation, 1, 100);
  return c.bad;
}

/** Whether somebody else has to stand in for the applicant, who is too young. */
export function needsGuardian(d: Draft, now: Date, rules: Rules, kind: Kind): boolean {
  const birth = isoDay(d.birthDate);
  if (kind === "business" || rules.minors.way !== "guardian" || !isDay(birth)) return false;
  const age = ageOn(birth, dayInChina(now));
  return age < rules.minimumAge && age >= rules.minors.from;
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
export function toIdentity(d: Draft, rules: Rules, kind: Kind = "person"): Identity {
  return {
    nationality: d.nationality,
    document: documentFacts(d.document, typesFor(rules.documents, d.nationality)),
    name: squeeze(d.name),
    ...(d.latinName.trim() ? { latin_name: squeeze(d.latinName) } : {}),
    birth_date: isoDay(d.birthDate),
    ...(d.sex ? { sex: d.sex } : {}),
    address: squeeze(d.address),
    ...(d.occupation.trim() ? { occupation: squeeze(d.occupation) } : {}),
    ...(needsGuardian(d, new Date(), rules, kind) ? { guardian: somebody(d.guardian, rules) } : {}),
    ...(kind === "business" ? { business: companyFacts(d.company, actingFor(d, rules), rules) } : { acting_for: actingFor(d, rules) }),
  };
}

/** The draft of what was stored earlier. */
export function fromIdentity(i: Identity): Draft {
  const whom = i.acting_for ?? i.business?.beneficiary ?? { who: "self" };
  const { beneficiary, controller } = whom;
  const same = controller !== undefined && JSON.stringify(controller) === JSON.stringify(beneficiary);
  return {
    company: i.business ? fromCompany(i.business) : emptyCompany,
    who: whom.who, beneficiary: fromSomebody(beneficiary),
    director: !controller ? "self" : same ? "beneficiary" : "other", controller: same ? nobody : fromSomebody(controller),
    nationality: i.nationality, document: fromDocument(i.document), guardian: fromSomebody(i.guardian),
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
