import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const css = readFileSync(new URL("../shared/tokens.css", import.meta.url), "utf8");

function values(block: string): Map<string, string> {
  return new Map([...block.matchAll(/--([\w-]+):\s*(#[0-9A-Fa-f]{6}|rgb\([^)]*\))/g)].map((m) => [m[1] as string, m[2] as string]));
}
const at = css.indexOf("@media (prefers-color-scheme:dark)");
const light = values(css.slice(0, at));
const dark = new Map([...light, ...values(css.slice(at, css.indexOf("@media (prefers-reduced-motion")))]);

function rgb(hex: string): [number, number, number] {
  return [1, 3, 5].map((i) => Number.parseInt(hex.slice(i, i + 2), 16)) as [number, number, number];
}

// WCAG 2.2 relative luminance and contrast.
function luminance(c: [number, number, number]): number {
  const [r, g, b] = c.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4)) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function ratio(a: [number, number, number], b: [number, number, number]): number {
  const [hi, lo] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (hi + 0.05) / (lo + 0.05);
}
function pair(theme: Map<string, string>, a: string, b: string): number {
  const [x, y] = [theme.get(a), theme.get(b)];
  if (!x || !y) throw new Error(`no token ${x ? b : a}`);
  return Math.round(ratio(rgb(x), rgb(y)) * 10) / 10;
}

test.each([
  ["ink", "bg", 15.1, 16.0],
  ["ink", "surface", 16.6, 14.4],
  ["ink-2", "bg", 6.7, 8.7],
  ["ink-2", "surface", 7.4, 7.8],
  ["edge", "bg", 3.6, 4.7],
  ["accent", "bg", 6.3, 9.4],
  ["accent", "surface", 6.9, 8.4],
  ["on-accent", "accent", 6.9, 8.2],
  ["accent", "accent-soft", 5.6, 6.8],
  ["ok", "surface", 7.0, 8.9],
  ["ok", "ok-soft", 5.9, 7.6],
  ["warn", "surface", 6.7, 9.2],
  ["warn", "warn-soft", 5.7, 7.8],
  ["bad", "surface", 7.3, 7.7],
  ["bad", "bad-soft", 5.9, 7.0],
  ["on-bad", "bad", 7.3, 8.5],
])("%s on %s has the contrast that was promised", (a, b, inLight, inDark) => {
  expect([pair(light, a, b), pair(dark, a, b)]).toEqual([inLight, inDark]);
});

test.each([
  ["cap-ink", 19.3],
  ["cap-ink-2", 12.2],
  ["cap-go", 9.8],
  ["cap-wait", 11.3],
  ["cap-stop", 8.4],
])("%s on the capture ground has the contrast that was promised", (a, expected) => {
  expect(pair(light, a, "cap-bg")).toBe(expected);
});

test("white on the scrim is readable over a white picture", () => {
  const scrim = /rgb\((\d+) (\d+) (\d+)\/(\.\d+)\)/.exec(light.get("cap-scrim") ?? "");
  const [r, g, b, alpha] = (scrim ?? []).slice(1).map(Number) as [number, number, number, number];
  const over = [r, g, b].map((v) => Math.round(v * alpha + 255 * (1 - alpha))) as [number, number, number];
  expect(ratio([255, 255, 255], over)).toBeGreaterThanOrEqual(9.8);
});

test.each([
  ["ink", "sunk", 4.5], // pressed buttons, callouts
  ["ink-2", "sunk", 4.5],
  ["ink", "warn-soft", 4.5],
  ["ink", "bad-soft", 4.5],
  ["ink", "ok-soft", 4.5],
  ["accent", "sunk", 4.5],
  ["edge", "surface", 3],
])("%s on %s is readable in both themes", (a, b, least) => {
  expect(pair(light, a, b)).toBeGreaterThanOrEqual(least);
  expect(pair(dark, a, b)).toBeGreaterThanOrEqual(least);
});

test.each(["index.html", "h.html", "review.html"])("the browser's own bars around %s have the page's colour, and nothing is inline", (name) => {
  const html = readFileSync(new URL(`../${name}`, import.meta.url), "utf8");
  const themes = [...html.matchAll(/name="theme-color" content="(#\w{6})" media="\(prefers-color-scheme: (\w+)\)"/g)].map((m) => [m[2], m[1]]);
  expect(themes).toEqual([["light", light.get("bg")], ["dark", dark.get("bg")]]);
  expect(html).not.toMatch(/<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)/);
});
