import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { noDocument, nobody, typeOf, type DocumentDraft, type Rules } from "../desk/facts";
import { check, emptyDraft, fromIdentity, groups, toIdentity, valueAt, type Draft } from "../desk/identity-form";
import { dayOrder, dayParts, isoDay, joinDay, readDay } from "../shared/day";
import { readNumber, typesFor } from "../shared/documents";
import { regionOf } from "../shared/regions";
import { ageOn, dayInChina, isDay, plausibleBirth, readResidentId } from "../shared/resident-id";

interface Vector { number: string; verdict: string; birth_date?: string; sex?: string; warning?: string; abandoned_by?: number; note: string }
const vectors = JSON.parse(readFileSync(new URL("../../checks/testdata/cn_resident_id.json", import.meta.url), "utf8")) as Vector[];
const today = "2026-03-01";

test.each(vectors.map((v) => [v.number, v.verdict, v] as const))("%s is judged %s, as the server judges it", (number, verdict, v) => {
  const read = readResidentId(number, today);
  expect(read.verdict).toBe(verdict);
  expect(read.birthDate).toBe(v.birth_date);
  expect(read.sex).toBe(v.sex);
  if (verdict === "ok") expect(regionOf(read.number.slice(0, 6))).toEqual({ warning: v.warning, abandonedBy: v.abandoned_by });
});

interface PermitVector { kind: string; number: string; verdict: string; upgraded?: string; note?: string }
const permits = JSON.parse(readFileSync(new URL("../../checks/testdata/permits.json", import.meta.url), "utf8")) as PermitVector[];
test.each(permits.filter((v) => v.kind === "cn_resident_id_15").map((v) => [v.number, v.verdict, v.upgraded ?? ""] as const))("the number of 15 digits %s is judged %s and becomes %s, as on the server", (number, verdict, upgraded) => {
  const read = readNumber("cn_resident_id", number, today);
  expect(read.verdict).toBe(verdict);
  if (upgraded) expect(read.number).toBe(upgraded);
});

const typed = permits.filter((v) => v.kind !== "cn_resident_id_15");

test("the vectors know every kind of permit and card", () => {
  expect([...new Set(typed.map((v) => v.kind))].sort()).toEqual(["cn_foreigner_card", "hk_macau_permit", "hk_macau_residence_permit", "taiwan_permit", "taiwan_residence_permit"]);
});

test.each(typed.map((v) => [v.kind, v.number, v.verdict] as const))("%s %s is judged %s, as the server judges it", (kind, number, verdict) => {
  expect(readNumber(kind, number, today).verdict).toBe(verdict);
});

test("a birth date must not lie ahead", () => {
  // 2008-02-29, read before and on that day.
  expect(readResidentId("110105200802291233", "2008-02-28").verdict).toBe("date");
  expect(readResidentId("110105200802291233", "2008-02-29").verdict).toBe("ok");
});

test("years are counted as a calendar does", () => {
  expect(ageOn("2008-02-29", "2026-02-28")).toBe(17);
  expect(ageOn("2008-02-29", "2026-03-01")).toBe(18);
  expect(plausibleBirth("1876-03-01", today)).toBe(false);
  expect(plausibleBirth("1876-03-02", today)).toBe(true);
  expect([isDay("2023-02-29"), isDay("2024-02-29"), isDay("2024-2-29"), isDay("")]).toEqual([false, true, false, false]);
  expect(dayInChina(new Date("2026-02-28T16:00:00Z"))).toBe("2026-03-01");
});

const now = new Date("2026-03-01T04:00:00Z");
const rules: Rules = {
  minimumAge: 18, minors: { way: "refuse", from: 14 }, owners: { threshold: { n: 1n, d: 4n }, atLeast: true },
  documents: [
    { nationalities: ["CHN"], types: ["cn_resident_id"] },
    { nationalities: ["HKG", "MAC"], types: ["hk_macau_permit", "hk_macau_residence_permit"] },
    { nationalities: ["*"], types: ["passport", "cn_foreigner_card"] },
  ],
};
const card: DocumentDraft = { ...noDocument, number: "11010519491231002X", longTerm: true };
const good: Draft = { ...emptyDraft, document: card, name: "张 三丰", birthDate: "1949-12-31", address: "北京市朝阳区建国路 1 号" };
const passport: DocumentDraft = { type: "passport", number: "C01X00T47", issuedOn: "2020-1-2", expiresOn: "2030-01-01", longTerm: false };

test("the documents of a nationality are those of the first rule that names it", () => {
  expect(typesFor(rules.documents, "CHN")).toEqual(["cn_resident_id"]);
  expect(typesFor(rules.documents, "FRA")).toEqual(["passport", "cn_foreigner_card"]);
  expect(typesFor(rules.documents.slice(0, 2), "FRA")).toEqual([]);
  // The only one is taken without asking; of several one has to be chosen, and a choice ends with the nationality.
  expect([typeOf(noDocument, "CHN", rules), typeOf(noDocument, "MAC", rules), typeOf(passport, "DEU", rules), typeOf(passport, "MAC", rules)]).toEqual(["cn_resident_id", "", "passport", ""]);
});

test("a right form has nothing to complain about and is sent tidy", () => {
  expect(check(good, now, rules)).toEqual({});
  expect(toIdentity({ ...good, document: { ...card, number: " １１０１０５ 19491231 002x " }, name: "  张  三丰 ", birthDate: "1949-12-31" }, rules)).toEqual({
    nationality: "CHN",
    document: { type: "cn_resident_id", number: "11010519491231002X", expires_on: "long_term" },
    name: "张 三丰", birth_date: "1949-12-31", address: "北京市朝阳区建国路 1 号", acting_for: { who: "self" },
  });
});

test("what was stored fills the form again", () => {
  const again = (d: Draft) => toIdentity(fromIdentity(toIdentity(d, rules)), rules);
  const foreign: Draft = { ...good, nationality: "DEU", document: passport, sex: "female", occupation: "Engineer", latinName: "Erika" };
  const somebody = { name: "李 雷", nationality: "CHN", birthDate: "2015-6-1", document: noDocument };
  for (const d of [
    good, foreign,
    { ...good, who: "other" as const, beneficiary: somebody },
    { ...good, who: "other" as const, beneficiary: somebody, director: "beneficiary" as const },
    { ...good, who: "other" as const, beneficiary: somebody, director: "other" as const, controller: { ...nobody, name: "Erika", nationality: "DEU", document: passport } },
  ]) {
    expect(again(d)).toEqual(toIdentity(d, rules));
    expect(fromIdentity(toIdentity(d, rules)).director).toBe(d.director);
  }
  expect(fromIdentity(toIdentity(good, rules)).document).toEqual({ ...card, type: "cn_resident_id" });
});

test("who is too young is refused, or asked for a guardian who is not", () => {
  const young: Draft = { ...good, document: { ...card, number: "110105201003072311" }, birthDate: "2010-03-07" };
  expect(check(young, now, rules)).toEqual({ birth_date: "age_under_minimum" });
  const taken: Rules = { ...rules, minors: { way: "guardian", from: 15 } };
  expect(check(young, now, taken)["guardian.name"]).toBe("required");
  const parent = { name: "李雷", nationality: "CHN", birthDate: "1990-03-07", document: { ...card, number: "11010119900307803X" } };
  expect(check({ ...young, guardian: parent }, now, taken)).toEqual({});
  expect(check({ ...young, guardian: { ...parent, document: young.document, birthDate: "2010-03-07" } }, now, taken)).toEqual({ "guardian.document.number": "guardian_same", "guardian.birth_date": "guardian_too_young" });
  // Too young even for that, and for a company.
  expect(check(young, now, { ...taken, minors: { way: "guardian", from: 16 } })).toEqual({ birth_date: "age_under_minimum" });
  expect(check(young, now, taken, "business").birth_date).toBe("age_under_minimum");
});

test.each<[string, Partial<Draft>, Partial<DocumentDraft>, string, string]>([
  ["an empty number", {}, { number: "" }, "document.number", "required"],
  ["a short number", {}, { number: "1101051949" }, "document.number", "document_number_form"],
  ["a mistyped number", {}, { number: "110105194912310021" }, "document.number", "document_number_check"],
  ["an impossible day", {}, { number: "110105190002290017" }, "document.number", "document_number_date"],
  ["another birth date", { birthDate: "1949-12-30" }, {}, "birth_date", "birth_date_mismatch"],
  ["half a birth date", { birthDate: "1949--31" }, {}, "birth_date", "date_invalid"],
  ["another sex", { sex: "male" }, {}, "sex", "sex_mismatch"],
  ["no end of validity", {}, { longTerm: false }, "document.expires_on", "required"],
  ["an expired card", {}, { longTerm: false, expiresOn: "2026-2-28" }, "document.expires_on", "document_expired"],
  ["an end before the issue", {}, { longTerm: false, issuedOn: "2026-02-01", expiresOn: "2026-03-01" }, "", ""],
  ["an issue to come", {}, { issuedOn: "2026-03-02" }, "document.issued_on", "date_in_future"],
  ["a name with digits", { name: "张3" }, {}, "name", "text_characters"],
  ["no name", { name: "  " }, {}, "name", "required"],
  ["a short address", { address: "北京" }, {}, "address", "text_too_short"],
  ["a long address", { address: "长".repeat(301) }, {}, "address", "text_too_long"],
  ["a passport with long-term", { nationality: "DEU" }, { ...passport, expiresOn: "", longTerm: true }, "document.expires_on", "required"],
  ["a passport number with signs", { nationality: "DEU" }, { ...passport, number: "C01*T47" }, "document.number", "document_number_form"],
  ["no choice of a document", { nationality: "DEU" }, { ...passport, type: "" }, "document.type", "required"],
  ["somebody under age", { nationality: "DEU", birthDate: "2008-03-02" }, passport, "birth_date", "age_under_minimum"],
  ["an account for nobody", { who: "other" }, {}, "acting_for.beneficiary.name", "required"],
  ["a child", { who: "other", beneficiary: { ...nobody, name: "李雷", birthDate: "2020-01-01" } }, {}, "", ""],
  ["nobody who decides", { who: "other", beneficiary: { ...nobody, name: "李雷" }, director: "other" }, {}, "acting_for.controller.name", "required"],
  ["another's mistyped number", { who: "other", beneficiary: { ...nobody, name: "李雷", nationality: "CHN", document: { ...card, number: "110105194912310021" } } }, {}, "acting_for.beneficiary.document.number", "document_number_check"],
  ["another's birth date", { who: "other", beneficiary: { ...nobody, name: "李雷", nationality: "CHN", birthDate: "1950-01-01", document: card } }, {}, "acting_for.beneficiary.birth_date", "birth_date_mismatch"],
])("%s is said at its field", (_what, change, document, field, code) => {
  expect(check({ ...good, document: { ...card, ...document }, ...change }, now, rules)).toEqual(field ? { [field]: code } : {});
});

test("what is sent is found by the name of its field", () => {
  expect(valueAt(toIdentity(good, rules), "document.number")).toBe("11010519491231002X");
  expect(valueAt(toIdentity(good, rules), "acting_for.beneficiary.name")).toBeUndefined();
});

test("a day is typed in parts and pasted whole", () => {
  expect(joinDay({ ...dayParts(""), month: "2" })).toBe("-2-");
  expect(dayParts("2026-1-")).toEqual({ year: "2026", month: "1", day: "" });
  expect(joinDay(dayParts("--"))).toBe("");
  expect([isoDay("2026-1-5"), isoDay("2026-11-"), isoDay("")]).toEqual(["2026-01-05", "2026-11-", ""]);
  for (const s of ["2026-11-23", "20261123", " 2026/11/23 ", "2026.11.23", "2026年11月23日", "２０２６－１１－２３"]) expect(readDay(s), s).toBe("2026-11-23");
  for (const s of ["11/23/2026", "23.11.2026", "2026", "2026-11", "260101", ""]) expect(readDay(s), s).toBeUndefined();
  expect(dayOrder()).toEqual(["month", "day", "year"]);
});

test("a number is shown in the groups of the card", () => {
  expect(groups("11010519491231002x")).toEqual(["110105", "19491231", "002X"]);
  expect(groups("11010")).toEqual(["11010"]);
});
