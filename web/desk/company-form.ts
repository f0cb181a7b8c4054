// A company as typed: its facts, who owns it, and what is sent of them.
import { readRegistration } from "../shared/companies";
import { compare, one, owners, OwnershipError, parseShare, zero, type Fraction, type Holding, type Owner } from "../shared/owners";
import { normalizeNumber } from "../shared/resident-id";
import type { ActingFor, Basis, Company, Registration } from "../shared/types";
import { allTypes, documentFacts, fromDocument, fromSomebody, noDocument, nobody, somebody, squeeze, type Check, type DocumentDraft, type Rules, type SomebodyDraft } from "./facts";

/** A share in the company ("company") or in another owner, by its id. */
export interface HoldDraft { in: string; share: string }

export interface PartyDraft { id: string; kind: "person" | "company"; person: SomebodyDraft; holds: HoldDraft[]; basis: "" | Basis }

export interface CompanyDraft {
  legalName: string; regType: Registration["type"]; regNumber: string; regCountry: string; activity: string; address: string;
  actingAs: Company["acting_as"]; representative: { name: string; document: DocumentDraft };
  parties: PartyDraft[]; exempt: boolean;
}

export const THE_COMPANY = "company";
export const MAX_PARTIES = 50;
export const bases: readonly Basis[] = ["votes", "income", "control", "management"];

export const emptyCompany: CompanyDraft = {
  legalName: "", regType: "uscc", regNumber: "", regCountry: "CHN", activity: "", address: "",
  actingAs: "legal_representative", representative: { name: "", document: noDocument },
  parties: [], exempt: false,
};

/** One more owner, with an id that none has. */
export function addParty(c: CompanyDraft): CompanyDraft {
  let n = c.parties.length + 1;
  while (c.parties.some((p) => p.id === `p${n}`)) n++;
  return { ...c, parties: [...c.parties, { id: `p${n}`, kind: "person", person: nobody, holds: [{ in: THE_COMPANY, share: "" }], basis: "" }] };
}

/** Without an owner, and without what the others hold of it. */
export function dropParty(c: CompanyDraft, id: string): CompanyDraft {
  const without = (holds: HoldDraft[]) => {
    const left = holds.filter((h) => h.in !== id);
    return left.length > 0 ? left : [{ in: THE_COMPANY, share: "" }];
  };
  return { ...c, parties: c.parties.filter((p) => p.id !== id).map((p) => ({ ...p, holds: without(p.holds) })) };
}

/** The shares in the order in which they are sent, with whose they are. */
export function holdingsOf(c: CompanyDraft): { holder: string; in: string; share: string }[] {
  return c.parties.flatMap((p) => p.holds.filter((h) => h.share.trim() !== "").map((h) => ({ holder: p.id, in: h.in, share: h.share })));
}

/** The place of a share among those that are sent; -1 while it is empty. */
export function holdingIndex(c: CompanyDraft, id: string, hold: HoldDraft): number {
  let n = 0;
  for (const p of c.parties) {
    for (const h of p.holds) {
      if (p.id === id && h === hold) return h.share.trim() === "" ? -1 : n;
      if (h.share.trim() !== "") n++;
    }
  }
  return -1;
}

export interface Ownership {
  owners: readonly Owner[];
  /** What belongs to nobody who is named; undefined while shares cannot be counted. */
  rest: Fraction | undefined;
  /** What cannot be, and in which company. */
  impossible?: OwnershipError;
}

/** Who owns the company in the end, by the shares that can be read. */
export function ownership(c: CompanyDraft): Ownership {
  const hs: Holding[] = [];
  for (const h of holdingsOf(c)) {
    const share = parseShare(h.share);
    if (share) hs.push({ ...h, share });
  }
  try {
    return owners(THE_COMPANY, hs, (id) => c.parties.some((p) => p.id === id && p.kind === "person"));
  } catch (err) {
    if (!(err instanceof OwnershipError)) throw err;
    return { owners: [], rest: undefined, impossible: err };
  }
}

function reaches(f: Fraction, rules: Rules): boolean {
  const c = compare(f, rules.owners.threshold);
  return c > 0 || (c === 0 && rules.owners.atLeast);
}

/** Whether everything has to be known of an owner: who owns or directs as much as the policy names, or controls the company otherwise. */
export function isKeyOwner(c: CompanyDraft, p: PartyDraft, o: Ownership, rules: Rules): boolean {
  if (p.kind !== "person") return false;
  if (p.basis !== "") return true;
  return !c.exempt && o.owners.some((x) => x.party === p.id && (reaches(x.share, rules) || reaches(x.control, rules)));
}

/** Every mistake, by the server's names of the fields. */
export function checkCompany(k: Check, c: CompanyDraft): void {
  const at = "business";
  k.text(`${at}.legal_name`, c.legalName, 2, 200);
  if (!c.regNumber.trim()) k.say(`${at}.registration.number`, "required");
  else {
    const verdict = readRegistration(c.regType, c.regNumber);
    if (verdict !== "ok") k.say(`${at}.registration.number`, `registration_number_${verdict}`);
  }
  k.text(`${at}.activity`, c.activity, 2, 500);
  k.text(`${at}.registered_address`, c.address, 5, 300);
  if (c.actingAs === "authorised_agent") {
    k.text(`${at}.legal_representative.name`, c.representative.name, 1, 100, true);
    k.document(`${at}.legal_representative.document`, c.representative.document, allTypes(k.rules), "optional");
  }
  const o = ownership(c);
  let countable = true;
  let n = 0;
  c.parties.forEach((p, i) => {
    const party = `${at}.parties.${i}`;
    if (p.kind === "person") {
      k.somebody(party, p.person);
      if (isKeyOwner(c, p, o, k.rules)) {
        if (!p.person.nationality) k.say(`${party}.nationality`, "required");
        k.birth(`${party}.birth_date`, p.person.birthDate, true);
        if (!p.person.document.number.trim()) k.say(p.person.nationality ? `${party}.document.number` : `${party}.nationality`, "required");
        else if (!p.person.document.expiresOn && !p.person.document.longTerm) k.say(`${party}.document.expires_on`, "required");
      }
    } else k.text(`${party}.name`, p.person.name, 2, 200);
    const seen = new Set<string>();
    for (const h of p.holds) {
      if (h.share.trim() === "") continue;
      const wrong = !parseShare(h.share) ? "share_form" : seen.has(h.in) ? "holding_twice" : undefined;
      k.say(`${at}.holdings.${n}.share`, wrong);
      if (wrong) countable = false;
      seen.add(h.in);
      n++;
    }
  });
  if (!countable) return;
  if (o.impossible) {
    const i = c.parties.findIndex((p) => p.id === o.impossible?.company);
    if (o.impossible.kind === "over_whole") k.say(i < 0 ? `${at}.holdings` : `${at}.parties.${i}.holdings`, "shares_over_whole");
    else k.say(`${at}.holdings.${holdingsOf(c).findLastIndex((h) => h.in === o.impossible?.company)}.share`, "ownership_circle");
    return;
  }
  if (c.exempt) {
    if (c.parties.some((p) => p.kind === "company")) k.say(`${at}.exemption`, "exemption_company");
    return;
  }
  if (c.parties.some((p) => p.basis !== "")) return;
  if (reaches(o.rest ?? one, k.rules)) k.say(`${at}.holdings`, "owners_unexplained");
  else if (!o.owners.some((x) => reaches(x.share, k.rules) || reaches(x.control, k.rules))) k.say(`${at}.controllers`, "controllers_needed");
}

/** What is sent. */
export function companyFacts(c: CompanyDraft, beneficiary: ActingFor, rules: Rules): Company {
  return {
    legal_name: squeeze(c.legalName),
    registration: { type: c.regType, number: normalizeNumber(c.regNumber), country: c.regType === "uscc" ? "CHN" : c.regCountry },
    activity: squeeze(c.activity), registered_address: squeeze(c.address), acting_as: c.actingAs,
    ...(c.actingAs === "authorised_agent" ? { legal_representative: { name: squeeze(c.representative.name), document: documentFacts(c.representative.document, allTypes(rules)) } } : {}),
    parties: c.parties.map((p) => (p.kind === "person" ? { id: p.id, kind: p.kind, ...somebody(p.person, rules) } : { id: p.id, kind: p.kind, name: squeeze(p.person.name) })),
    holdings: holdingsOf(c).map((h) => ({ ...h, share: h.share.normalize("NFKC").replace(/\s/gu, "") })),
    controllers: c.parties.filter((p) => p.kind === "person" && p.basis !== "").map((p) => ({ party: p.id, basis: p.basis as Basis })),
    beneficiary,
    ...(c.exempt ? { exemption: "small_company" as const } : {}),
  };
}

/** The draft of what was stored earlier. */
export function fromCompany(b: Company): CompanyDraft {
  const agent = b.acting_as === "authorised_agent";
  return {
    legalName: b.legal_name, regType: b.registration.type, regNumber: b.registration.number, regCountry: b.registration.country,
    activity: b.activity, address: b.registered_address, actingAs: b.acting_as,
    representative: agent ? { name: b.legal_representative?.name ?? "", document: fromDocument(b.legal_representative?.document) } : { name: "", document: noDocument },
    parties: (b.parties ?? []).map((p) => ({
      id: p.id, kind: p.kind, person: p.kind === "person" ? fromSomebody(p) : { ...nobody, name: p.name },
      holds: holdsOf(b, p.id), basis: b.controllers?.find((c) => c.party === p.id)?.basis ?? "",
    })),
    exempt: b.exemption !== undefined,
  };
}

function holdsOf(b: Company, id: string): HoldDraft[] {
  const holds = (b.holdings ?? []).filter((h) => h.holder === id).map((h) => ({ in: h.in, share: h.share }));
  return holds.length > 0 ? holds : [{ in: THE_COMPANY, share: "" }];
}

/** What is known of the company in shares. */
export function known(o: Ownership): { known: Fraction; rest: Fraction } | undefined {
  if (!o.rest) return undefined;
  const sum = o.owners.reduce((s, x) => ({ n: s.n * x.share.d + x.share.n * s.d, d: s.d * x.share.d }), zero);
  return { known: sum, rest: o.rest };
}
