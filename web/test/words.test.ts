import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import en from "../i18n/en.json";
import zh from "../i18n/zh-Hans.json";
import { has, match, thin } from "../shared/i18n";

const pairs = Object.entries(en).map(([key, text]) => [key, text, (zh as Record<string, string>)[key] ?? ""] as const);

test("both languages have the same keys, in order", () => {
  expect(Object.keys(zh)).toEqual(Object.keys(en));
  expect(Object.keys(en)).toEqual([...Object.keys(en)].sort());
});

test.each(pairs)("%s says the same with the same parts", (_key, e, z) => {
  const parts = (s: string) => [...s.matchAll(/\{\w+\}/g)].map((m) => m[0]).sort();
  expect(e.trim()).toBe(e);
  expect(e).not.toBe("");
  expect(z).not.toBe("");
  expect(parts(z)).toEqual(parts(e));
});

test("no text shouts, speaks jargon or addresses the reader carelessly", () => {
  for (const [key, e, z] of pairs) {
    expect(e + z, key).not.toMatch(/[!！]/);
    expect(e, key).not.toMatch(/\b(KYC|liveness|session|token|upload failed|epoch|websocket)\b|\b[45]\d\d\b/i);
    expect(z, key).not.toMatch(/你|会话|令牌/);
    // 人像面 and 国徽面, never the ambiguous front and back.
    expect(z, key).not.toMatch(/正面|反面|背面/);
    // Full-width punctuation beside Chinese.
    expect(z, key).not.toMatch(/\p{Script=Han}[,.?:;()]|[,?:;()]\p{Script=Han}/u);
  }
});

test("a thin space stands between Chinese and Latin letters or digits, and nothing wider", () => {
  expect(thin("请 ACME 完成3项")).toBe("请\u2009ACME\u2009完成\u20093\u2009项");
  expect(thin("请在 7K3M-9QXT 输入")).toBe("请在\u20097K3M-9QXT\u2009输入");
  expect(thin("已完成，请回到电脑。")).toBe("已完成，请回到电脑。");
  expect(thin("plain text 12")).toBe("plain text 12");
});

test.each([["zh-CN", "zh-Hans"], ["zh", "zh-Hans"], ["zh-Hant-TW", "zh-Hans"], ["en-GB", "en"], ["de", undefined], ["", undefined], [null, undefined], ["zhx", undefined]])("the tag %s means %s", (tag, expected) => {
  expect(match(tag)).toBe(expected);
});

// Codes of the contract and of the rules, read where they are written.
const contract = readFileSync(new URL("../../server/openapi.yaml", import.meta.url), "utf8");
const problems = [...contract.slice(contract.indexOf("\nx-problem-codes:"), contract.indexOf("\npaths:")).matchAll(/^  ([a-z0-9_]+): \{status/gm)].map((m) => m[1] as string);

test("every problem of the contract has words", () => {
  expect(problems.length).toBeGreaterThan(60);
  expect(problems.filter((code) => !has(`problem.${code}`))).toEqual([]);
});

function enumOf(schema: string, field: string): string[] {
  const at = contract.indexOf(`\n    ${schema}:\n`);
  const m = new RegExp(`${field}: \\{type: string, enum: \\[([^\\]]+)\\]`).exec(contract.slice(at));
  return (m?.[1] ?? "").split(",").map((s) => s.trim());
}

test("every state of the contract has words", () => {
  const levels = enumOf("Level", "state");
  const steps = enumOf("Step", "state");
  const handoffs = enumOf("Handoff", "state");
  expect([levels.length, steps.length, handoffs.length]).toEqual([8, 6, 9]);
  expect(levels.filter((s) => !has(`level.state.${s}`))).toEqual([]);
  expect(steps.filter((s) => !has(`step.state.${s}`))).toEqual([]);
  expect(handoffs.filter((s) => !has(`handoff.said.${s}`))).toEqual([]);
  const ends = handoffs.filter((s) => !["offered", "claimed", "active"].includes(s));
  expect(ends.filter((s) => !has(`handoff.${s}`))).toEqual([]);
});

const cases = readdirSync(new URL("../../cases/", import.meta.url))
  .filter((n) => n.endsWith(".go") && !n.endsWith("_test.go"))
  .map((n) => readFileSync(new URL(`../../cases/${n}`, import.meta.url), "utf8"))
  .join("\n");

test("every complaint about a field has words", () => {
  const codes = [...cases.matchAll(/(?:v\.bad\([^,]+|fault\.Field\{Field: "[^"]+"), (?:Code: )?"([^"]+)"/g)].map((m) => m[1] as string).filter((c) => c !== "role_unknown");
  expect(codes.length).toBeGreaterThan(15);
  expect(codes.filter((c) => !has(`field.${c}`))).toEqual([]);
});

test("every step of the policy has a name", () => {
  const steps = [...cases.matchAll(/(?:Document(?:Front|Back|Page)|BusinessLicence|Authorisation)\s+= "(\w+)"/g)].map((m) => m[1] as string);
  expect(steps).toHaveLength(5);
  expect(steps.filter((s) => !has(`step.${s}`))).toEqual([]);
});

test("every reason that sends an applicant back says what and how", () => {
  const again = [...cases.matchAll(/again, Reason\{Code: "([^"]+)"|append\(reasons, Reason\{Code: "([^"]+)"/g)].map((m) => m[1] ?? m[2] ?? "");
  expect(again.length).toBeGreaterThan(0);
  expect(again.filter((r) => !has(`reason.${r}.what`) || !has(`reason.${r}.how`))).toEqual([]);
});

test("no words are kept that nothing says", () => {
  const source = ["shared", "desk", "phone", "review", "diagnose"]
    .flatMap((dir) => readdirSync(new URL(`../${dir}/`, import.meta.url), { recursive: true }).map((n) => `../${dir}/${String(n)}`))
    .filter((n) => /\.tsx?$/.test(n))
    .map((n) => readFileSync(new URL(n, import.meta.url), "utf8"))
    .join("\n");
  const said = new Set([...source.matchAll(/["'`]([a-z][\w.]*)["'`]/g)].map((m) => m[1] as string));
  // Plural forms are said through tn(key, …); keys made from a code begin with what stands before the ${.
  const plural = new Set([...source.matchAll(/\btn\("([\w.]+)"/g)].map((m) => m[1] as string));
  const made = [...new Set([...source.matchAll(/`([a-z][\w.]*\.)\$\{/g)].map((m) => m[1] as string))];
  const dead = Object.keys(en).filter((k) => !said.has(k) && !plural.has(k.replace(/\.(one|other)$/, "")) && !made.some((p) => k.startsWith(p)));
  expect(dead).toEqual([]);
});
