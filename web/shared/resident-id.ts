// The number of the PRC resident identity card (GB 11643-1999), as package checks of the server reads it.

export type Verdict = "ok" | "form" | "date" | "check";

/** What the lists of GB/T 2260 say of a region, as package checks has it. */
export interface Region { warning?: "region_unknown" | "region_abandoned"; abandonedBy?: number }

export interface ResidentId { verdict: Verdict; number: string; birthDate?: string; sex?: "male" | "female" }

const WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const CHECK = "10X98765432";
// The first two digits: provinces of GB/T 2260 whose residents carry this card.
const PROVINCES = new Set("11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71".split(" "));
const OLDEST = 150;

/** Full-width characters become ordinary ones, letters capital; spaces and hyphens go. */
export function normalizeNumber(s: string): string {
  return s.normalize("NFKC").replace(/[\s\-\u2010\u2011]/gu, "").toUpperCase();
}

/** The calendar day in China at a moment, as YYYY-MM-DD. */
export function dayInChina(at: Date): string {
  return new Date(at.getTime() + 8 * 3_600_000).toISOString().slice(0, 10);
}

/** Whether YYYY-MM-DD is a day of the calendar. */
export function isDay(s: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(s)) return false;
  const at = new Date(`${s}T00:00:00Z`);
  return !Number.isNaN(at.getTime()) && at.toISOString().slice(0, 10) === s;
}

/** Whether somebody alive on the day `today` can be born on `birth` (both YYYY-MM-DD). */
export function plausibleBirth(birth: string, today: string): boolean {
  if (!isDay(birth) || birth > today) return false;
  // As a calendar adds years: 29 February falls on 1 March where there is none.
  const end = new Date(`${birth}T00:00:00Z`);
  end.setUTCFullYear(end.getUTCFullYear() + OLDEST);
  return end.toISOString().slice(0, 10) > today;
}

/** Age in whole years; who is born on 29 February turns a year older on 1 March of a common year. */
export function ageOn(birth: string, day: string): number {
  const age = Number(day.slice(0, 4)) - Number(birth.slice(0, 4));
  return day.slice(5) < birth.slice(5) ? age - 1 : age;
}

/** Reads a number; `today` is the day on which its birth date must not lie ahead. */
export function readResidentId(s: string, today: string): ResidentId {
  const number = normalizeNumber(s);
  return PROVINCES.has(number.slice(0, 2)) ? readResident18(number, today) : { verdict: "form", number };
}

/** Turns a number of the first generation, 15 digits, into today's of 18, as package checks of the server does. */
export function upgradeResidentId(s: string): ResidentId {
  const old = normalizeNumber(s);
  if (!/^\d{15}$/.test(old) || !PROVINCES.has(old.slice(0, 2)) || old.slice(12) >= "996") return { verdict: "form", number: old };
  if (!isDay(`19${old.slice(6, 8)}-${old.slice(8, 10)}-${old.slice(10, 12)}`)) return { verdict: "date", number: old };
  const number = `${old.slice(0, 6)}19${old.slice(6)}`;
  return { verdict: "ok", number: number + (CHECK[checkSum(number) % 11] ?? "") };
}

const checkSum = (number: string): number => WEIGHTS.reduce((n, w, i) => n + w * Number(number[i]), 0);

/** Reads a normalised number of 18 characters without looking at its region. */
export function readResident18(number: string, today: string): ResidentId {
  if (!/^\d{17}[\dX]$/.test(number)) return { verdict: "form", number };
  if (CHECK[checkSum(number) % 11] !== number[17]) return { verdict: "check", number };
  const birthDate = `${number.slice(6, 10)}-${number.slice(10, 12)}-${number.slice(12, 14)}`;
  if (!plausibleBirth(birthDate, today)) return { verdict: "date", number };
  return { verdict: "ok", number, birthDate, sex: Number(number[16]) % 2 === 1 ? "male" : "female" };
}
