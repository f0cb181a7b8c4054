import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { addParty, dropParty, emptyCompany, holdingIndex, isKeyOwner, known, ownership, type CompanyDraft, type PartyDraft } from "../desk/company-form";
import { noDocument, nobody, type Rules } from "../desk/facts";
import { check, emptyDraft, fromIdentity, toIdentity, type Draft } from "../desk/identity-form";
import { readRegistration } from "../shared/companies";
import { compare, fraction, one, OwnershipError, owners, parseShare, percent, type Fraction } from "../shared/owners";

function read<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../checks/testdata/${name}`, import.meta.url), "utf8")) as T;
}
const say = (f: Fraction) => `${f.n}/${f.d}`;

const companies = read<{ kind: string; number: string; verdict: string }[]>("companies.json");
test.each(companies.map((v) => [v.kind, v.number, v.verdict] as const))("%s %s is judged %s, as the server judges it", (kind, number, verdict) => {
  expect(readRegistration(kind, number)).toBe(verdict);
});

const shares = read<{ text: string; share: string }[]>("shares.json");
test.each(shares.map((v) => [v.text, v.share] as const))("the share %j is %s", (text, share) => {
  const f = parseShare(text);
  expect(f ? say(f) : "").toBe(share);
});

interface Vector {
  name: string; holdings: { holder: string; in: string; share: string }[];
  owners?: { party: string; share: string; control: string }[]; rest?: string; error?: string; company?: string;
}
const vectors = read<Vector[]>("owners.json");
test.each(vectors.map((v) => [v.name, v] as const))("%s: owners are those that the server finds", (_name, v) => {
  const hs = v.holdings.map((h) => ({ ...h, share: parseShare(h.share) ?? fraction(0n, 1n) }));
  const find = () => owners("X", hs, (p) => p === p.toLowerCase());
  if (v.error) {
    let told: unknown;
    try { find(); } catch (err) { told = err; }
    expect(told).toBeInstanceOf(OwnershipError);
    expect(told).toMatchObject({ kind: v.error, company: v.company });
    return;
  }
  const { owners: found, rest } = find();
  expect(found.map((o) => ({ party: o.party, share: say(o.share), control: say(o.control) }))).toEqual(v.owners);
  expect(say(rest)).toBe(v.rest);
});

test("shares are shown in per cent without pretending to be more", () => {
  expect([percent(fraction(17n, 20n)), percent(fraction(1n, 3n)), percent(fraction(2n, 3n)), percent(one)]).toEqual([85, 33.33, 66.66, 100]);
  expect(compare(fraction(1n, 3n), fraction(2n, 6n))).toBe(0);
});

const now = new Date("2026-03-01T04:00:00Z");
const rules: Rules = {
  minimumAge: 18, minors: { way: "refuse", from: 14 }, owners: { threshold: { n: 1n, d: 4n }, atLeast: true },
  documents: [{ nationalities: ["CHN"], types: ["cn_resident_id"] }, { nationalities: ["*"], types: ["passport"] }],
};
const whole = { name: "李雷", nationality: "CHN", birthDate: "1990-03-07", document: { ...noDocument, number: "11010119900307803X", longTerm: true } };
const party = (id: string, p: Partial<PartyDraft>): PartyDraft => ({ id, kind: "person", person: { ...nobody, name: "王样" }, holds: [], basis: "", ...p });
const company: CompanyDraft = {
  ...emptyCompany, legalName: "样本贸易有限公司", regNumber: "91110000600037341L", activity: "贸易", address: "样本省样本市样本路 2 号",
  parties: [
    party("p1", { kind: "company", person: { ...nobody, name: "Example Holding Ltd" }, holds: [{ in: "company", share: "60%" }] }),
    party("p2", { person: whole, holds: [{ in: "p1", share: "100%" }] }),
    party("p3", { holds: [{ in: "company", share: "24.9 %" }, { in: "p1", share: "" }] }),
  ],
};
const draft: Draft = {
  ...emptyDraft, company, document: { ...noDocument, number: "11010519491231002X", longTerm: true }, name: "张三丰", birthDate: "1949-12-31", address: "北京市朝阳区建国路 1 号",
};

test("a right company has nothing to complain about, and comes back as it was stored", () => {
  expect(check(draft, now, rules, "business")).toEqual({});
  const sent = toIdentity(draft, rules, "business");
  expect(sent.acting_for).toBeUndefined();
  expect(sent.business).toMatchObject({
    holdings: [{ holder: "p1", in: "company", share: "60%" }, { holder: "p2", in: "p1", share: "100%" }, { holder: "p3", in: "company", share: "24.9%" }],
    controllers: [], beneficiary: { who: "self" },
  });
  expect(toIdentity(fromIdentity(sent), rules, "business")).toEqual(sent);
  const k = known(ownership(company));
  expect(k && [percent(k.known), percent(k.rest)]).toEqual([84.9, 15.1]);
});

test.each<[string, Partial<CompanyDraft>, Record<string, string>]>([
  ["no name", { legalName: "" }, { "business.legal_name": "required" }],
  ["a mistyped code", { regNumber: "91110000600037341M" }, { "business.registration.number": "registration_number_check" }],
  ["an agent of nobody", { actingAs: "authorised_agent" }, { "business.legal_representative.name": "required", "business.legal_representative.document.type": "required", "business.legal_representative.document.number": "required" }],
  ["a share that is none", { parties: [...company.parties.slice(0, 2), party("p3", { holds: [{ in: "company", share: "x" }] })] }, { "business.holdings.2.share": "share_form" }],
  ["more than the whole", { parties: [...company.parties, party("p4", { holds: [{ in: "company", share: "15.2%" }] })] }, { "business.holdings": "shares_over_whole" }],
  ["more than the whole of an owner", { parties: [...company.parties, party("p4", { holds: [{ in: "p1", share: "1%" }] })] }, { "business.parties.0.holdings": "shares_over_whole" }],
  ["a circle", { parties: [party("p1", { kind: "company", holds: [{ in: "company", share: "100%" }] }), party("p2", { kind: "company", holds: [{ in: "p1", share: "100%" }] }), party("p3", { kind: "company", holds: [{ in: "p2", share: "1%" }] })] }, { "business.holdings": "owners_unexplained" }],
  ["an owner of a quarter", { parties: [...company.parties.slice(0, 2), party("p3", { holds: [{ in: "company", share: "25%" }] })] }, { "business.parties.2.nationality": "required", "business.parties.2.birth_date": "required" }],
  ["nobody", { parties: [] }, { "business.holdings": "owners_unexplained" }],
  ["nobody, by declaration", { parties: [], exempt: true }, {}],
  ["a declaration with a company", { exempt: true }, { "business.exemption": "exemption_company" }],
  ["five equal owners", { parties: [1, 2, 3, 4, 5].map((n) => party(`p${n}`, { holds: [{ in: "company", share: "1/5" }] })) }, { "business.controllers": "controllers_needed" }],
  ["somebody who manages it", { parties: [party("p1", { person: whole, basis: "management" })] }, {}],
])("%s is said at its field", (_what, change, bad) => {
  expect(check({ ...draft, company: { ...company, ...change } }, now, rules, "business")).toEqual(bad);
});

test("owners come and go", () => {
  const more = addParty(company);
  expect(more.parties.map((p) => p.id)).toEqual(["p1", "p2", "p3", "p4"]);
  const fewer = dropParty(more, "p1");
  expect(fewer.parties.map((p) => [p.id, p.holds.length])).toEqual([["p2", 1], ["p3", 1], ["p4", 1]]);
  expect(addParty(fewer).parties.at(-1)?.id).toBe("p5");
  const hold = company.parties[2]?.holds ?? [];
  expect(hold.map((h) => holdingIndex(company, "p3", h))).toEqual([2, -1]);
  expect(company.parties.map((p) => isKeyOwner(company, p, ownership(company), rules))).toEqual([false, true, false]);
});
