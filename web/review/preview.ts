// What a decision means for the applicant: which reasons fit, what is done again, and what is read.
import en from "../i18n/en.json";
import zh from "../i18n/zh-Hans.json";
import type { Lang } from "../shared/i18n";
import type { Chosen, Evidence, ReviewCase, ReviewLevel, ReviewReason, ReviewStep, Verdict } from "./types";

const words: Record<Lang, Record<string, string>> = { en, "zh-Hans": zh };

/** What is told in place of a reason that is not. */
export const NOT_VERIFIED = "not_verified";

const documents = ["document_front", "document_back", "document_page"];

/** The steps of a level that are done again for a reason about a step ("" for the level's details); undefined where it does not fit. */
export function redone(r: ReviewReason, level: number, step: string, steps: readonly ReviewStep[]): string[] | undefined {
  const here = steps.filter((s) => s.level === level);
  const one = (fits: (s: ReviewStep) => boolean) => (here.some((s) => s.id === step && fits(s)) ? [step] : undefined);
  switch (r.redo ?? "") {
    case "side": return one((s) => s.kind === "photo");
    case "both": case "document": {
      if (level === 1) return r.redo === "document" && step === "" ? [] : undefined;
      const all = here.filter((s) => documents.includes(s.id)).map((s) => s.id);
      return all.includes(step) ? all : undefined;
    }
    case "level_1": return level === 1 && step === "" ? [] : undefined;
    case "face": return one((s) => s.kind === "face");
    case "clip": return one((s) => s.kind === "clip");
    case "step": case "": return one(() => true);
  }
  return one((s) => s.id === r.redo);
}

/** The reasons that can be given for a verdict about a step. */
export function fitting(all: readonly ReviewReason[], verdict: Verdict, level: number, step: string, steps: readonly ReviewStep[]): ReviewReason[] {
  if (verdict === "approve") return [];
  if (verdict === "reject") return all.filter((r) => r.type === "final");
  return all.filter((r) => r.type === "again" && r.code !== NOT_VERIFIED && redone(r, level, step, steps) !== undefined);
}

/** One thing that the applicant reads. */
export interface Told { step: string; wrong: string; better: string; /** Something else was chosen, which is not told. */ hidden: boolean }

/** What the applicant reads in a language: the pages' own words where there are some, else those of the catalogue. */
export function told(chosen: readonly Chosen[], all: readonly ReviewReason[], lang: Lang): Told[] {
  const by = new Map(all.map((r) => [r.code, r]));
  const out: Told[] = [];
  for (const c of chosen) {
    const hidden = by.get(c.code)?.hidden ?? false;
    const code = hidden ? NOT_VERIFIED : c.code;
    const step = hidden ? "" : c.step ?? "";
    const texts = by.get(code)?.texts[lang];
    const wrong = words[lang][`reason.${code}.what`] ?? texts?.wrong ?? words[lang]["reason.other.what"] ?? "";
    const better = words[lang][`reason.${code}.how`] ?? texts?.better ?? words[lang]["reason.other.how"] ?? "";
    const same = out.find((t) => t.step === step && t.wrong === wrong);
    if (same) same.hidden ||= hidden;
    else out.push({ step, wrong, better, hidden });
  }
  return out;
}

/** The steps of a level that are done again for these reasons, in their order. */
export function stepsAgain(chosen: readonly Chosen[], all: readonly ReviewReason[], level: number, steps: readonly ReviewStep[]): string[] {
  const by = new Map(all.map((r) => [r.code, r]));
  const ids = new Set(chosen.flatMap((c) => { const r = by.get(c.code); return (r && redone(r, level, c.step ?? "", steps)) ?? []; }));
  return steps.filter((s) => ids.has(s.id)).map((s) => s.id);
}

/** Adds a reason once. */
export function withReason(chosen: readonly Chosen[], c: Chosen): Chosen[] {
  return chosen.some((x) => x.code === c.code && x.step === c.step && x.prompt === c.prompt) ? [...chosen] : [...chosen, c];
}

/** How a prompt was found. */
export type PromptVerdict = "read" | "unclear" | "not_read";

/** The reason that a finding about a prompt is. */
export const reasonOf: Record<Exclude<PromptVerdict, "read">, string> = { unclear: "video.unclear", not_read: "video.script_incomplete" };

/** The reasons after a prompt was found so: an earlier finding about it is replaced, what was chosen by hand stays. */
export function afterPrompt(chosen: readonly Chosen[], step: string, n: number, verdict: PromptVerdict | undefined): Chosen[] {
  const rest = chosen.filter((c) => !(c.step === step && c.prompt === n && Object.values(reasonOf).includes(c.code)));
  return verdict === undefined || verdict === "read" ? rest : [...rest, { code: reasonOf[verdict], step, prompt: n }];
}

/** Whether a level waits for a decision of a person. */
export const waits = (l: ReviewLevel): boolean => ["in_review", "awaiting_second", "escalated", "suspended"].includes(l.state);

/** The level that is decided first: the lowest that waits. */
export const firstLevel = (c: ReviewCase): number => (c.levels.find(waits) ?? c.levels.findLast((l) => l.state !== "locked" && l.state !== "open"))?.level ?? 1;

/** Prompts of a level's recordings that have to be opened, as step and number. */
export function promptsOf(e: Evidence, level: number): { step: string; n: number }[] {
  return e.steps.filter((s) => s.level === level).flatMap((s) => s.takes.flatMap((t) => (t.role === "" ? t.script?.prompts ?? [] : []).map((p) => ({ step: s.id, n: p.n }))));
}

/** What is missing before a level can be approved. */
export type Missing = { kind: "identity" } | { kind: "step"; step: string } | { kind: "prompt"; step: string; n: number };

/** Lists what of a level nobody here has looked at; opened holds "step:n" of the prompts that were. */
export function missingOf(e: Evidence, level: number, opened: ReadonlySet<string>): Missing[] {
  const looks = e.required.filter((r) => r.level === level && !r.seen).map((r): Missing => (r.step === null ? { kind: "identity" } : { kind: "step", step: r.step }));
  const once = looks.filter((m, i) => looks.findIndex((o) => JSON.stringify(o) === JSON.stringify(m)) === i);
  return [...once, ...promptsOf(e, level).filter((p) => !opened.has(`${p.step}:${p.n}`)).map((p): Missing => ({ kind: "prompt", ...p }))];
}

/** The last decision about a case after a version, by somebody else. */
export function decidedMeanwhile(c: ReviewCase, version: number, me: string) {
  return c.history.findLast((e) => e.event === "decision" && e.version > version && e.actor.account_id !== me);
}
