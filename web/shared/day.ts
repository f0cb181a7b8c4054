// A calendar day as it is typed: year, month and day apart, in no browser's own format.
import { language } from "./i18n";

export type DayPart = "year" | "month" | "day";

/** The three parts in the order of the reader's language. */
export function dayOrder(): DayPart[] {
  const parts = new Intl.DateTimeFormat(language(), { year: "numeric", month: "numeric", day: "numeric" }).formatToParts(new Date(0));
  return parts.map((p) => p.type).filter((p): p is DayPart => p === "year" || p === "month" || p === "day");
}

/** The parts of what was typed so far ("2026-1-5", "2026--"), "" for each that is missing. */
export function dayParts(typed: string): Record<DayPart, string> {
  const [year = "", month = "", day = ""] = typed.split("-");
  return { year, month, day };
}

/** What was typed, as one text: "" when there is nothing at all. */
export function joinDay(p: Record<DayPart, string>): string {
  return p.year || p.month || p.day ? `${p.year}-${p.month}-${p.day}` : "";
}

/** What was typed as YYYY-MM-DD; what is not whole stays as it is. */
export function isoDay(typed: string): string {
  const m = /^(\d{4})-(\d{1,2})-(\d{1,2})$/.exec(typed);
  return m ? `${m[1]}-${(m[2] ?? "").padStart(2, "0")}-${(m[3] ?? "").padStart(2, "0")}` : typed;
}

/** A pasted day that begins with its year (2026-11-23, 2026/11/23, 2026.11.23, 2026年11月23日, 20261123); nothing else, because it could be meant otherwise. */
export function readDay(pasted: string): string | undefined {
  const s = pasted.normalize("NFKC").trim();
  const m = /^(\d{4})(\d{2})(\d{2})$/.exec(s) ?? /^(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?$/.exec(s);
  return m ? isoDay(`${m[1]}-${m[2]}-${m[3]}`) : undefined;
}
