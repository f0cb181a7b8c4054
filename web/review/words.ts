// Words for what the review calls name, so that no raw code is ever shown.
import { countryName } from "../shared/countries";
import { date, has, language, t, thin, type Key } from "../shared/i18n";
import { reasonText } from "../shared/problems";
import type { Chosen, HistoryEvent, Lease, ReviewStep } from "./types";

const either = (keys: readonly string[], otherwise: Key): string => {
  const key = keys.find(has);
  return t((key ?? otherwise) as Key);
};

export const stateWord = (state: string): string => either([`review.state.${state}`], "review.unknown");
export const verdictWord = (v: string): string => either([`review.verdict.${v}`], "review.unknown");
export const roleWord = (r: string): string => either([`review.role.${r}`], "review.unknown");
export const stepWord = (s: Pick<ReviewStep, "id" | "instructions">): string => either([`review.step.${s.id}`, `step.${s.instructions}`, `step.${s.id}`], "step.other");
export const stepName = (id: string): string => either([`review.step.${id}`, `step.${id}`], "step.other");
/** What was checked; a check of the photo that was taken with a recording says so. */
export function checkWord(check: string): string {
  const of = check.startsWith("still_") ? check.slice("still_".length) : "";
  const own = `review.check.${of}`;
  return of && has(own) ? t("review.check.of_still", { what: t(own) }) : either([`review.check.${check}`], "review.check.other");
}
export const foundWord = (verdict: string): string => either([`review.found.${verdict}`], "review.unknown");
export const wayWord = (way: string): string => either([`face.way.${way}`, `review.way.${way}`], "review.unknown");
export const moveWord = (move: string): string => either([`face.move.${move}`], "review.frame");

/** Why something waits: the catalogue's words, or those that only reviewers read. */
export function reasonWord(code: string): string {
  const own = `review.reason.${code}`;
  return has(own) ? t(own) : reasonText(code).what;
}

/** A reason with the step and the prompt that it is about. */
export function chosenWord(c: Chosen): string {
  const about = c.step ? stepName(c.step) : "";
  const words = reasonWord(c.code);
  if (!about) return words;
  return c.prompt ? t("review.reason.prompt", { step: about, n: c.prompt, reason: words }) : t("review.reason.step", { step: about, reason: words });
}

/** "Name", "Owners · 2 · name": the words of a path such as business.parties.1.name. */
export function fieldWord(path: string): string {
  const words: string[] = [];
  for (const part of path.split(".")) {
    if (/^\d+$/.test(part)) words.push(String(Number(part) + 1));
    else words.push(either([`review.field.${part}`, `step.${part}`], "review.field.other"));
  }
  return words.join(" · ");
}

/** A value as people read it: codes in words, days as days. */
export function valueWord(path: string, value: string): string {
  const last = path.slice(path.lastIndexOf(".") + 1);
  if (last === "expires_on" && value === "long_term") return t("review.long_term");
  if (last === "nationality" || last === "country") return countryName(value);
  for (const key of [`document.${value}`, `review.value.${last}.${value}`]) if (has(key)) return t(key);
  return value;
}

/** A moment: the time of day when it is of today, else with its day. */
export function when(at: string): string {
  const d = new Date(at);
  const today = d.toDateString() === new Date().toDateString();
  const time = new Intl.DateTimeFormat(language(), today ? { hour: "numeric", minute: "2-digit" } : { dateStyle: "medium", timeStyle: "short" }).format(d);
  return language() === "zh-Hans" ? thin(time) : time;
}

/** A moment to the second, for histories. */
export const exactly = (at: string): string => `${date(at)} ${new Intl.DateTimeFormat(language(), { timeStyle: "medium" }).format(new Date(at))}`;

/** "yours until 14:20", "Li, until 14:20". */
export function leaseWord(l: Lease): string {
  return l.mine ? t("review.lease.mine", { time: when(l.until) }) : t("review.lease.other", { name: l.name, time: when(l.until) });
}

export function actorWord(a: HistoryEvent["actor"]): string {
  return a.kind === "staff" ? a.name || t("review.actor.staff") : either([`review.actor.${a.kind}`], "review.unknown");
}

/** What happened, in words. */
export function eventWord(e: HistoryEvent): string {
  if (e.event === "decision") return t("review.event.decided", { verdict: verdictWord(e.data.verdict ?? "") });
  return either([`review.event.${e.event}`], "review.event.other");
}

/** "01K9…5A7": enough of a case's number to tell it from others in a list. */
export const short = (id: string): string => id.slice(-6);

/** "1:04.2" */
export function minutes(ms: number): string {
  const s = Math.max(0, ms) / 1000;
  return `${Math.floor(s / 60)}:${(s % 60).toFixed(1).padStart(4, "0")}`;
}

// What stands between words, by the language's own punctuation.
const zh = (): boolean => language() === "zh-Hans";
export const comma = (): string => (zh() ? "，" : ", ");
export const enumeration = (): string => (zh() ? "、" : ", ");
export const semicolon = (): string => (zh() ? "；" : "; ");
export const colon = (): string => (zh() ? "：" : ": ");
