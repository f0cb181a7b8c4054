import { expect, test } from "vitest";
import { askedAt, consentMissing } from "../desk/consent";
import { keepingText } from "../desk/mydata";
import type { Case, Consent, ConsentState } from "../shared/types";

const consent = (id: Consent["id"], state: ConsentState): Consent => ({
  id, state, version: 1, needed_for: "photo", apart: id === "face" || id === "recording", declined: "stop", at: null, language: null,
  texts: {} as Consent["texts"],
});
const all = (...states: ConsentState[]): Consent[] => (["identity", "documents", "face", "recording"] as const).map((id, i) => consent(id, states[i] ?? "needed"));

test("Level 1 asks for what is not asked apart, and only for what is not given", () => {
  expect(askedAt(all(), 1).map((c) => c.id)).toEqual(["identity", "documents"]);
  expect(askedAt(all("given"), 1).map((c) => c.id)).toEqual(["documents"]);
  expect(askedAt(all("given", "withdrawn"), 2).map((c) => c.id)).toEqual(["documents"]);
  expect(askedAt(all("given", "given"), 3).map((c) => c.id)).toEqual(["recording"]);
});

test("a level waits for the consent that it rests on, and for no other", () => {
  const c = (...states: ConsentState[]) => ({ consents: all(...states) }) as unknown as Case;
  expect([1, 2, 3].map((n) => consentMissing(c(), n))).toEqual([true, true, true]);
  expect([1, 2, 3].map((n) => consentMissing(c("given", "declined", "needed", "given"), n))).toEqual([false, true, false]);
  // What the policy does not ask for is not waited for.
  expect(consentMissing({ consents: [] } as unknown as Case, 1)).toBe(false);
});

test("until when something is kept is said by its rule", () => {
  expect(keepingText({ rule: "abandoned", until: "2027-01-02T03:04:05Z" })).toContain("2027");
  expect(keepingText({ rule: "relation_ended", until: null, years: 10 })).toContain("10");
  expect(keepingText({ rule: "relation_ended", until: null, years: 1 })).not.toContain("{");
  expect(keepingText({ rule: "waiting", until: null })).not.toContain("{");
});
