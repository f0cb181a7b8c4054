// Numbers of companies, as package checks of the server reads them.
import { normalizeNumber } from "./resident-id";

export type CompanyVerdict = "ok" | "form" | "check";

const USCC = "0123456789ABCDEFGHJKLMNPQRTUWXY";
const ORGANISATION = [3, 7, 9, 10, 5, 8, 4, 2];

/** Judges a number of a register: a unified social credit code, a legal entity identifier, or another. */
export function readRegistration(type: string, typed: string): CompanyVerdict {
  const n = normalizeNumber(typed);
  switch (type) {
    case "uscc": return uscc(n);
    case "lei": return lei(n);
    default: return /^[A-Z0-9./]{2,40}$/.test(n) ? "ok" : "form";
  }
}

function base36(c: string): number {
  return parseInt(c, 36);
}

// GB 32100-2015, with the check of the organisation code inside (GB 11714-1997).
function uscc(n: string): CompanyVerdict {
  if (n.length !== 18 || !/^\d{6}$/.test(n.slice(2, 8)) || [...n].some((c) => !USCC.includes(c))) return "form";
  let sum = 0;
  let weight = 1;
  for (const c of n.slice(0, 17)) {
    sum += USCC.indexOf(c) * weight;
    weight = (weight * 3) % 31;
  }
  const inner = 11 - (ORGANISATION.reduce((s, w, i) => s + base36(n[8 + i] ?? "") * w, 0) % 11);
  const organisation = inner === 10 ? "X" : inner === 11 ? "0" : String(inner);
  return n[17] === USCC[(31 - (sum % 31)) % 31] && n[16] === organisation ? "ok" : "check";
}

// ISO 17442, ISO 7064 MOD 97-10.
function lei(n: string): CompanyVerdict {
  if (!/^[0-9A-Z]{18}\d{2}$/.test(n)) return "form";
  let rest = 0;
  for (const c of n) {
    const v = base36(c);
    rest = (rest * (v < 10 ? 10 : 100) + v) % 97;
  }
  return rest === 1 ? "ok" : "check";
}
