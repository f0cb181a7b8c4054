// What to say when something was refused. Raw codes never appear; an unknown one gets the general
// sentence with a reference.
import { NoAnswer, Problem } from "./api";
import { has, language, t, thin, type Key, type Params } from "./i18n";
import type { CatalogueReason } from "./types";

/** A problem in the reader's words. */
export function problemText(err: unknown): string {
  if (err instanceof NoAnswer) return t(err.timedOut ? "problem.no_answer" : "problem.offline");
  if (!(err instanceof Problem)) return t("problem.unknown", { reference: "–" });
  const minutes = Math.max(1, Math.ceil(err.retryAfter / 60));
  if (err.status === 429 && err.retryAfter > 0 && !has(`problem.${err.code}`)) return t("problem.limited", { minutes });
  const key = `problem.${err.code}`;
  if (has(key)) return t(key, { minutes });
  return t("problem.unknown", { reference: err.reference || err.code || String(err.status) });
}

/** What is wrong with a field. A code may have words of its own for a `sort` of field. Codes without words of their own get the server's sentence in English, a general one otherwise. */
export function fieldText(code: string, detail: string, about: Params = {}): string {
  for (const key of [`field.${about.sort ?? ""}.${code}`, `field.${code}`]) if (has(key)) return t(key as Key, about);
  return language() === "en" && detail ? detail : thin(t("field.invalid"));
}

let catalogue: ReadonlyMap<string, CatalogueReason> = new Map();

/** Takes the server's catalogue of reasons, for those that have no words here. */
export function knowReasons(reasons: readonly CatalogueReason[]): void {
  catalogue = new Map(reasons.map((reason) => [reason.code, reason]));
}

/** What is wrong by a reason of the catalogue, and how to do it better. */
export function reasonText(code: string): { what: string; how: string } {
  const told = catalogue.get(code)?.texts[language()];
  if (told !== undefined && !has(`reason.${code}.what`)) return { what: thin(told.wrong), how: thin(told.better) };
  const what = `reason.${code}.what`;
  const how = `reason.${code}.how`;
  return { what: has(what) ? t(what) : t("reason.other.what"), how: has(how) ? t(how) : t("reason.other.how") };
}
