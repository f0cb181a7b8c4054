import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { check, emptyDraft, fromIdentity, groups, toIdentity, type Draft } from "../desk/identity-form";
import { ageOn, dayInChina, isDay, plausibleBirth, readResidentId } from "../shared/resident-id";

interface Vector { number: string; verdict: string; birth_date?: string; sex?: string; note: string }
const vectors = JSON.parse(readFileSync(new URL("../../checks/testdata/cn_resident_id.json", import.meta.url), "utf8")) as Vector[];
const today = "2026-03-01";

test.each(vectors.map((v) => [v.number, v.verdict, v] as const))("%s is judged %s, as the server judges it", (number, verdict, v) => {
  const read = readResidentId(number, today);
  expect(read.verdict).toBe(verdict);
  expect(read.birthDate).toBe(v.birth_date);
  expect(read.sex).toBe(v.sex);
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
const good: Draft = { ...emptyDraft, number: "11010519491231002X", longTerm: true, name: "张 三丰", birthDate: "1949-12-31", address: "北京市朝阳区建国路 1 号" };

test("a right form has nothing to complain about and is sent tidy", () => {
  expect(check(good, now)).toEqual({});
  expect(toIdentity({ ...good, number: " １１０１０５ 19491231 002x ", name: "  张  三丰 " })).toEqual({
    nationality: "CHN",
    document: { type: "cn_resident_id", number: "11010519491231002X", expires_on: "long_term" },
    name: "张 三丰", birth_date: "1949-12-31", address: "北京市朝阳区建国路 1 号", acting_for: { who: "self" },
  });
});

test("what was stored fills the form again", () => {
  expect(fromIdentity(toIdentity(good))).toEqual(good);
  const passport: Draft = { ...good, nationality: "DEU", number: "C01X00T47", longTerm: false, issuedOn: "2020-01-02", expiresOn: "2030-01-01", sex: "female", occupation: "Engineer", latinName: "Erika" };
  expect(fromIdentity(toIdentity(passport))).toEqual(passport);
});

test.each<[string, Partial<Draft>, string, string]>([
  ["an empty number", { number: "" }, "document.number", "required"],
  ["a short number", { number: "1101051949" }, "document.number", "document_number_form"],
  ["a mistyped number", { number: "110105194912310021" }, "document.number", "document_number_check"],
  ["an impossible day", { number: "110105190002290017" }, "document.number", "document_number_date"],
  ["another birth date", { birthDate: "1949-12-30" }, "birth_date", "birth_date_mismatch"],
  ["another sex", { sex: "male" }, "sex", "sex_mismatch"],
  ["no end of validity", { longTerm: false }, "document.expires_on", "required"],
  ["an expired card", { longTerm: false, expiresOn: "2026-02-28" }, "document.expires_on", "document_expired"],
  ["an end before the issue", { longTerm: false, issuedOn: "2026-02-01", expiresOn: "2026-03-01" }, "", ""],
  ["an issue to come", { issuedOn: "2026-03-02" }, "document.issued_on", "date_in_future"],
  ["a name with digits", { name: "张3" }, "name", "text_characters"],
  ["no name", { name: "  " }, "name", "required"],
  ["a short address", { address: "北京" }, "address", "text_too_short"],
  ["a long address", { address: "长".repeat(301) }, "address", "text_too_long"],
  ["a passport with long-term", { nationality: "DEU", number: "C01X00T47" }, "document.expires_on", "required"],
  ["a passport number with signs", { nationality: "DEU", number: "C01*T47", longTerm: false, expiresOn: "2030-01-01" }, "document.number", "document_number_form"],
  ["somebody under age", { nationality: "DEU", number: "C01X00T47", birthDate: "2008-03-02", longTerm: false, expiresOn: "2030-01-01" }, "birth_date", "age_under_minimum"],
])("%s is said at its field", (_what, change, field, code) => {
  expect(check({ ...good, ...change }, now)).toEqual(field ? { [field]: code } : {});
});

test("a number is shown in the groups of the card", () => {
  expect(groups("11010519491231002x")).toEqual(["110105", "19491231", "002X"]);
  expect(groups("11010")).toEqual(["11010"]);
});
