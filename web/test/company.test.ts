import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
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
