// Who owns a company in the end, counted exactly, as package checks of the server counts it.

/** An exact fraction in lowest terms; d is above 0. */
export interface Fraction { n: bigint; d: bigint }

export interface Holding { holder: string; in: string; share: Fraction }
export interface Owner { party: string; share: Fraction; control: Fraction }

/** Shares that cannot be: more than the whole of a company, or companies that own each other wholly. */
export class OwnershipError extends Error {
  readonly kind: "over_whole" | "circle";
  readonly company: string;
  constructor(kind: "over_whole" | "circle", company: string) {
    super(kind);
    this.kind = kind;
    this.company = company;
  }
}

export const zero: Fraction = { n: 0n, d: 1n };
export const one: Fraction = { n: 1n, d: 1n };

export function fraction(n: bigint, d: bigint): Fraction {
  const sign = d < 0n ? -1n : 1n;
  let [a, b] = [n < 0n ? -n : n, d < 0n ? -d : d];
  while (b !== 0n) [a, b] = [b, a % b];
  const by = (a === 0n ? 1n : a) * sign;
  return { n: n / by, d: d / by };
}

export const add = (a: Fraction, b: Fraction): Fraction => fraction(a.n * b.d + b.n * a.d, a.d * b.d);
export const sub = (a: Fraction, b: Fraction): Fraction => fraction(a.n * b.d - b.n * a.d, a.d * b.d);
export const mul = (a: Fraction, b: Fraction): Fraction => fraction(a.n * b.n, a.d * b.d);
const div = (a: Fraction, b: Fraction): Fraction => fraction(a.n * b.d, a.d * b.n);

/** Below 0, 0 or above 0, as a is less than, equal to or more than b. */
export function compare(a: Fraction, b: Fraction): number {
  const x = a.n * b.d - b.n * a.d;
  return x < 0n ? -1 : x > 0n ? 1 : 0;
}

/** Reads "27%", "33.4%" or "1/3": above 0 and at most the whole. */
export function parseShare(text: string): Fraction | undefined {
  const s = text.normalize("NFKC").replace(/\s/gu, "");
  const percent = /^(\d{1,9})(?:\.(\d{1,9}))?%$/.exec(s);
  const parts = /^(\d{1,9})\/(\d{1,9})$/.exec(s);
  let f: Fraction;
  if (percent) f = fraction(BigInt(`${percent[1]}${percent[2] ?? ""}`), 100n * 10n ** BigInt((percent[2] ?? "").length));
  else if (parts && BigInt(parts[2] ?? "0") !== 0n) f = fraction(BigInt(parts[1] ?? "0"), BigInt(parts[2] ?? "1"));
  else return undefined;
  return f.n > 0n && compare(f, one) <= 0 ? f : undefined;
}

/** What each natural person owns of a company in the end, the largest share first, and what nobody among the parties accounts for. */
export function owners(company: string, holdings: readonly Holding[], isPerson: (party: string) => boolean): { owners: Owner[]; rest: Fraction } {
  const companies = [company];
  for (let i = 0; i < companies.length; i++)
    for (const h of holdings) if (h.in === companies[i] && !isPerson(h.holder) && !companies.includes(h.holder)) companies.push(h.holder);
  for (const c of companies) {
    const sum = holdings.filter((h) => h.in === c).reduce((s, h) => add(s, h.share), zero);
    if (compare(sum, one) > 0) throw new OwnershipError("over_whole", c);
  }
  const through = shareThrough(companies, holdings);
  const shares = new Map<string, Fraction>();
  for (const h of holdings) {
    const part = through.get(h.in);
    if (part && isPerson(h.holder)) shares.set(h.holder, add(shares.get(h.holder) ?? zero, mul(h.share, part)));
  }
  let rest = one;
  const out: Owner[] = [];
  for (const [party, share] of shares) {
    rest = sub(rest, share);
    out.push({ party, share, control: control(party, company, companies, holdings) });
  }
  out.sort((a, b) => compare(b.share, a.share) || (a.party < b.party ? -1 : 1));
  return { owners: out, rest };
}

// How much of the first company is held through each: x[first] = 1 + …, x[c] = Σ share(c in d)·x[d], by elimination.
function shareThrough(companies: readonly string[], holdings: readonly Holding[]): Map<string, Fraction> {
  const size = companies.length;
  const m = companies.map((_, i) => Array.from({ length: size + 1 }, (_, j) => (i === j || (i === 0 && j === size) ? one : zero)));
  for (const h of holdings) {
    const [i, j] = [companies.indexOf(h.holder), companies.indexOf(h.in)];
    const row = m[i];
    if (row && j >= 0) row[j] = sub(row[j] ?? zero, h.share);
  }
  for (let col = 0; col < size; col++) {
    const pivot = m.findIndex((row, i) => i >= col && (row[col] ?? zero).n !== 0n);
    const top = m[pivot];
    if (!top) throw new OwnershipError("circle", companies[col] ?? "");
    m[pivot] = m[col] ?? top;
    const first = top[col] ?? one;
    const lead = top.map((x, j) => (j < col ? x : div(x, first)));
    m[col] = lead;
    m.forEach((row, i) => {
      const by = row[col] ?? zero;
      if (i !== col && by.n !== 0n) m[i] = row.map((x, j) => (j < col ? x : sub(x, mul(by, lead[j] ?? zero))));
    });
  }
  return new Map(companies.map((c, i) => [c, m[i]?.[size] ?? zero]));
}

// What a person directs: their own share and that of every company of which they direct more than half.
function control(person: string, company: string, companies: readonly string[], holdings: readonly Holding[]): Fraction {
  const by = [person];
  const directed = (c: string) => holdings.filter((h) => h.in === c && by.includes(h.holder)).reduce((s, h) => add(s, h.share), zero);
  for (let grown = true; grown; ) {
    grown = false;
    for (const c of companies) {
      if (c !== company && !by.includes(c) && compare(directed(c), { n: 1n, d: 2n }) > 0) {
        by.push(c);
        grown = true;
      }
    }
  }
  return directed(company);
}

/** A share in per cent with at most two digits, rounded down: 85, 33.33. */
export function percent(f: Fraction): number {
  return Number((f.n * 10_000n) / f.d) / 100;
}
