// Words for states and things of the case, so that no raw code is ever shown.
import { has, span, t, tn, type Key } from "../shared/i18n";
import { estimate, FORM_MINUTES } from "../shared/estimate";
import { reasonText } from "../shared/problems";
import type { TokenState } from "../shared/token";
import type { Case, Level, Operator, Reason, Step } from "../shared/types";

/** "p***@example.com". */
export function maskEmail(email: string): string {
  const at = email.lastIndexOf("@");
  return at < 1 ? "***" : `${email.slice(0, 1)}***${email.slice(at)}`;
}

export function tokenOf(l: Level): TokenState {
  switch (l.state) {
    case "approved": return "approved";
    case "open": return "open";
    case "submitted": case "checking": case "in_review": return "checking";
    case "resubmit": case "rejected": return "again";
    default: return "locked";
  }
}

export function levelWord(l: Level): string {
  if (l.state === "locked" && l.level > 1) return t("level.after", { n: l.level - 1 });
  return t(`level.state.${l.state}`);
}

const levelKey = (key: string, n: number, c: Case | null | undefined): Key => {
  const own = c?.kind === "business" ? `${key}.business` : c?.steps.some((s) => s.level === n && s.kind === "face") ? `${key}.face` : key;
  return (has(own) ? own : key) as Key;
};

/** What a level is called; a company's may have a name of their own, and so may one with a face in it. */
export const levelTitle = (c: Case | null | undefined, n: number): string => t(levelKey(`level.${n}.title`, n, c));

/** What a level asks for. */
export const levelAsks = (c: Case | null | undefined, n: number): string => t(levelKey(`level.${n}.asks`, n, c));

export function stepWord(s: Pick<Step, "id" | "instructions">): string {
  for (const key of [`step.${s.instructions}`, `step.${s.id}`]) if (has(key)) return t(key as Key);
  return t("step.other");
}

/** The levels of somebody who has not begun. */
export const unbegun: Level[] = [
  { level: 1, state: "open", reasons: [] },
  { level: 2, state: "locked", reasons: [] },
  { level: 3, state: "locked", reasons: [] },
];

/** Whether this server has something to do for the level. */
export function offered(c: Case, level: number): boolean {
  return level === 1 || c.steps.some((s) => s.level === level) || c.levels.some((l) => l.level === level && l.state !== "locked");
}

export function stepsOf(c: Case, level: number): Step[] {
  return c.steps.filter((s) => s.level === level);
}

/** Whether a step still needs the applicant. */
export function isTodo(s: Step): boolean {
  return s.state !== "accepted" && s.state !== "checked";
}

/** Minutes to expect for a level. */
export function minutesOf(c: Case, level: number): number {
  return level === 1 ? FORM_MINUTES : estimate(stepsOf(c, level)).minutes;
}

export function keptText(o: Operator): string {
  const kept = o.retention.find((r) => r.data === "evidence") ?? o.retention.find((r) => r.data === "case");
  if (kept?.keep_years) return t("keep.customer", { until: tn("data.until.relation", kept.keep_years), operator: o.name });
  return kept?.keep_minutes ? t("keep", { retention: span(kept.keep_minutes * 60), operator: o.name }) : t("keep.unset", { operator: o.name });
}

export function waitingText(o: Operator): string {
  return o.review_minutes === null ? t("waiting.unmeasured") : t("waiting", { median: span(o.review_minutes * 60) });
}

/** Reasons as sentences, each once. */
export function reasonsText(reasons: Reason[], steps: Step[]): { what: string; how: string; step?: string }[] {
  return reasons.map((r) => ({ ...reasonText(r.code), ...(r.step ? { step: stepWord(steps.find((s) => s.id === r.step) ?? { id: r.step, instructions: r.step }) } : {}) }));
}

/** Whether the browser runs on a phone: then the desk gives way to the phone's own camera, without a code. */
export function onPhone(agent: string): boolean {
  return /iPhone|iPod|HarmonyOS.*Mobile|Android.*Mobile/.test(agent);
}

export const documentName = (type: string): string => {
  const key = `document.${type}`;
  return has(key) ? t(key as Key) : t("document.other");
};
