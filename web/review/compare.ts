// What Level 1 states beside what was read on a photo: by eyes of a program, and in the machine-readable zone.
import { compared, marks, type Mark } from "./diff";
import type { Fact } from "./types";

/** One value of the comparison; masked while its characters are hidden. */
export interface Cell { name: string; value: string; masked: boolean; marks?: Mark[] }

/** A line of the comparison. verdict: "" where there is nothing to compare with. */
export interface Line { field: "number" | "birth_date" | "expires_on" | "name"; stated?: Cell; read?: Cell; mrz?: Cell; verdict: "" | "masked" | "same" | "differs"; at: number[] }

/** Compares what is stated with what was read on a step's photo; `shown` holds revealed values by name. */
export function compare(fields: readonly Fact[], step: string, shown: Readonly<Record<string, string>>): Line[] {
  const cell = (name: string): Cell | undefined => {
    const f = fields.find((x) => x.name === name);
    if (!f || f.value === "") return undefined;
    const full = shown[name];
    return full === undefined ? { name, value: f.value, masked: f.masked } : { name, value: full, masked: false };
  };
  const base = `read.${step}`;
  const zone = cell(`${base}.mrz`) !== undefined;
  const stated: Record<Line["field"], Cell | undefined> = {
    number: cell(step === "business_licence" ? "business.registration.number" : "document.number"), birth_date: cell("birth_date"),
    expires_on: cell("document.expires_on"), name: cell("latin_name") ?? cell("name"),
  };
  const numbers = fields.filter((f) => f.name.startsWith(`${base}.numbers.`)).map((f) => cell(f.name)).filter((c) => c !== undefined);
  const nearest = numbers.sort((a, b) => apart(a, stated.number) - apart(b, stated.number))[0];
  const surname = cell(`${base}.surname`), given = cell(`${base}.given_names`);
  const named: Cell | undefined = surname || given
    ? { name: surname?.name ?? given?.name ?? "", value: [surname?.value, given?.value].filter(Boolean).join(" "), masked: (surname?.masked ?? false) || (given?.masked ?? false) } : undefined;
  const found: Record<Line["field"], Cell | undefined> = {
    number: cell(`${base}.number`), birth_date: cell(`${base}.birth_date`), expires_on: cell(`${base}.expires_on`), name: named,
  };
  return (["number", "birth_date", "expires_on", "name"] as const).map((field): Line => {
    const line: Line = { field, verdict: "", at: [] };
    if (stated[field]) line.stated = { ...stated[field] };
    const here = found[field];
    if (here) line[zone ? "mrz" : "read"] = { ...here };
    if (field === "number" && nearest) line.read ??= { ...nearest };
    const others = [line.read, line.mrz].filter((c) => c !== undefined);
    if (!line.stated || others.length === 0) return line;
    if (line.stated.masked || others.some((c) => c.masked)) return { ...line, verdict: "masked" };
    line.verdict = "same";
    for (const other of others) {
      if (compared(line.stated.value) === compared(other.value)) continue;
      const m = marks(line.stated.value, other.value);
      line.verdict = "differs";
      line.stated.marks = m.a;
      other.marks = m.b;
      line.at = [...new Set([...line.at, ...m.at])].sort((a, b) => a - b);
    }
    return line;
  }).filter((l) => l.stated || l.read || l.mrz);
}

function apart(c: Cell, stated: Cell | undefined): number {
  if (!stated || c.masked || stated.masked) return 0;
  return marks(stated.value, c.value).at.length;
}

/** The names of the masked values of a comparison, to be shown together. */
export function maskedOf(lines: readonly Line[], fields: readonly Fact[], step: string): string[] {
  const names = lines.flatMap((l) => [l.stated, l.read, l.mrz]).filter((c) => c?.masked).map((c) => c?.name ?? "");
  const more = fields.filter((f) => f.masked && f.name.startsWith(`read.${step}.`)).map((f) => f.name);
  return [...new Set([...names, ...(names.length ? more : [])])];
}
