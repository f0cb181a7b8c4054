// Words in two languages. web/i18n/en.json and zh-Hans.json have the same keys; the type says so.
import { useEffect, useState } from "preact/hooks";
import en from "../i18n/en.json";
import zh from "../i18n/zh-Hans.json";

export type Key = keyof typeof en;
export type Lang = "en" | "zh-Hans";
export type Params = Record<string, string | number>;

const words: Record<Lang, Record<Key, string>> = { en, "zh-Hans": zh };
export const languages: { id: Lang; name: string }[] = [
  { id: "en", name: "English" },
  { id: "zh-Hans", name: "简体中文" },
];

const STORE = "symbolon.lang";
let lang: Lang = "en";
const listeners = new Set<() => void>();

/** Turns a language tag into one of ours, or undefined. */
export function match(tag: string | null | undefined): Lang | undefined {
  const t = (tag ?? "").toLowerCase();
  if (t === "en" || t.startsWith("en-")) return "en";
  if (t === "zh" || t.startsWith("zh-")) return "zh-Hans";
  return undefined;
}

/** Chooses the language: ?lang, the remembered one, the browser's; English otherwise. Call once at the start. */
export function startLanguage(): void {
  const asked = match(new URLSearchParams(location.search).get("lang"));
  if (asked) remember(asked);
  let kept: string | null = null;
  try {
    kept = localStorage.getItem(STORE);
  } catch {
    // Storage may be closed to us; the browser's language does then.
  }
  const browser = (navigator.languages ?? [navigator.language]).map(match).find((l) => l);
  use(asked ?? match(kept) ?? browser ?? "en");
}

/** Changes and remembers the language. */
export function setLanguage(l: Lang): void {
  remember(l);
  use(l);
}

function remember(l: Lang) {
  try {
    localStorage.setItem(STORE, l);
  } catch {
    // Not remembered, still used.
  }
}

function use(l: Lang) {
  lang = l;
  if (typeof document !== "undefined") document.documentElement.lang = l;
  for (const f of listeners) f();
}

export function language(): Lang {
  return lang;
}

/** The language; the component is drawn again when it changes. */
export function useLanguage(): Lang {
  const [l, set] = useState(lang);
  useEffect(() => {
    const f = () => set(lang);
    listeners.add(f);
    f();
    return () => void listeners.delete(f);
  }, []);
  return l;
}

/** The words of a key with {…} filled in. */
export function t(key: Key, params?: Params): string {
  return say(words[lang][key], params);
}

/** Whether there are words for this key: for keys made from a code. */
export function has(key: string): key is Key {
  return Object.hasOwn(words.en, key);
}

/** The words of `key.one` or `key.other`, by the language's plural of n; {n} is filled in. */
export function tn(key: string, n: number, params?: Params): string {
  const form = `${key}.${new Intl.PluralRules(lang).select(n)}`;
  const k = has(form) ? form : (`${key}.other` as Key);
  return say(words[lang][k], { n: number(n), ...params });
}

function say(text: string, params?: Params): string {
  const full = text.replace(/\{(\w+)\}/g, (whole, name: string) => String(params?.[name] ?? whole));
  return lang === "zh-Hans" ? thin(full) : full;
}

const THIN = "\u2009";

/** Words of a given language as they are shown. */
export function typeset(text: string, language: string): string {
  return language.startsWith("zh") ? thin(text) : text;
}

/** Puts a thin space, and nothing wider, between Han and Latin letters or digits. */
export function thin(text: string): string {
  return text
    .replace(/(\p{Script=Han})[ \u2009]?([A-Za-z0-9])/gu, `$1${THIN}$2`)
    .replace(/([A-Za-z0-9%*])[ \u2009]?(\p{Script=Han})/gu, `$1${THIN}$2`);
}

export function number(n: number, digits = 0): string {
  return new Intl.NumberFormat(lang, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(n);
}

/** Bytes as MB with one digit ("6.2"), or as an estimate without ("6"); the words around it name the unit. */
export function megabytes(bytes: number, estimate = false): string {
  return number(estimate ? Math.max(1, Math.round(bytes / 1_000_000)) : bytes / 1_000_000, estimate ? 0 : 1);
}

/** A calendar date (YYYY-MM-DD) or a moment in the reader's language; what cannot be read is returned as it is. */
export function date(value: string): string {
  const day = /^\d{4}-\d{2}-\d{2}$/.test(value);
  const at = new Date(day ? `${value}T00:00:00Z` : value);
  if (Number.isNaN(at.getTime())) return value;
  return thinIf(new Intl.DateTimeFormat(lang, { dateStyle: "long", ...(day ? { timeZone: "UTC" } : {}) }).format(at));
}

/** The time of day of a moment. */
export function clock(at: Date): string {
  return new Intl.DateTimeFormat(lang, { hour: "numeric", minute: "2-digit" }).format(at);
}

/** About how long: "15 seconds", "14 minutes", "3 hours", "2 days", "5 years". */
export function span(seconds: number): string {
  if (seconds < 55) return tn("span.seconds", Math.max(5, Math.round(seconds / 5) * 5));
  if (seconds < 90) return tn("span.minutes", 1);
  if (seconds < 5400) return tn("span.minutes", Math.round(seconds / 60));
  if (seconds < 129_600) return tn("span.hours", Math.round(seconds / 3600));
  const days = Math.round(seconds / 86_400);
  if (days >= 365 && days % 365 < 2) return tn("span.years", Math.floor(days / 365));
  return tn("span.days", days);
}

function thinIf(s: string): string {
  return lang === "zh-Hans" ? thin(s) : s;
}
