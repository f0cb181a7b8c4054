// What was decided, how fast and why, for supervisors; drawn by hand, each with its numbers in words.
import { useEffect, useState } from "preact/hooks";
import { Button, Callout, Skeleton } from "../shared/components";
import { date, number, span, t } from "../shared/i18n";
import { Heading } from "../shared/page";
import { calls } from "./calls";
import { Frame } from "./frame";
import { useWork } from "./office";
import type { Count, Figures } from "./types";
import { reasonWord, stepName, verdictWord } from "./words";

const DAY = 86_400_000;
const iso = (ms: number) => new Date(ms).toISOString().slice(0, 10);

/** Every day from the first to the last, also those on which nothing happened. */
export function everyDay(f: Figures): Figures["days"] {
  const by = new Map(f.days.map((d) => [d.day, d]));
  const out: Figures["days"] = [];
  for (let at = Date.parse(f.from.slice(0, 10)); at <= Date.parse(f.to.slice(0, 10)); at += DAY) {
    const day = iso(at);
    out.push(by.get(day) ?? { day, submitted: 0, approved: 0, resubmit: 0, rejected: 0, median_seconds: 0 });
  }
  return out;
}

export function FiguresPage() {
  const [from, setFrom] = useState(() => iso(Date.now() - 29 * DAY));
  const [to, setTo] = useState(() => iso(Date.now()));
  const [f, setF] = useState<Figures>();
  const work = useWork();
  const read = () => work.run(async () => setF(await calls.figures(from, to)));
  useEffect(read, []);
  return (
    <Frame>
      <main id="main" tabIndex={-1} class="page-wide">
        <Heading screen="review-figures">{t("review.nav.figures")}</Heading>
        <form class="range" onSubmit={(e) => { e.preventDefault(); read(); }}>
          <label><span>{t("review.figures.from")}</span><input type="date" class="field-small" value={from} max={to} required data-test="figures-from" onInput={(e) => setFrom(e.currentTarget.value)} /></label>
          <label><span>{t("review.figures.to")}</span><input type="date" class="field-small" value={to} min={from} required data-test="figures-to" onInput={(e) => setTo(e.currentTarget.value)} /></label>
          <Button type="submit" busy={work.busy} test="figures-show">{t("review.figures.show")}</Button>
          <a class="button" href={`/v1/review/figures.csv?from=${from}&to=${to}`} download="figures.csv" data-test="figures-csv">{t("review.figures.csv")}</a>
        </form>
        {work.text ? <Callout tone="bad" alert><p>{work.text}</p></Callout> : null}
        {!f && !work.text ? <Skeleton lines={6} /> : null}
        {f ? <Plots f={f} /> : null}
      </main>
    </Frame>
  );
}

function Plots({ f }: { f: Figures }) {
  const days = everyDay(f);
  const people = f.decided.reduce((s, d) => s + d.n, 0);
  return (
    <>
      {f.truncated ? <Callout tone="warn"><p>{t("review.figures.truncated")}</p></Callout> : null}
      <dl class="numbers-row">
        <div><dt>{t("review.figures.decided")}</dt><dd class="numbers">{number(people)}</dd></div>
        <div><dt>{t("review.figures.median")}</dt><dd class="numbers">{f.waited ? span(f.median_seconds) : t("review.none")}</dd></div>
        <div><dt>{t("review.figures.p90")}</dt><dd class="numbers">{f.waited ? span(f.p90_seconds) : t("review.none")}</dd></div>
        <div><dt>{t("review.figures.overturned")}</dt><dd class="numbers">{number(f.overturned)}</dd></div>
      </dl>
      <section class="plot-block">
        <h2>{t("review.figures.by_day")}</h2>
        <Days days={days} />
      </section>
      <div class="plots">
        <section class="plot-block"><h2>{t("review.figures.by_level")}</h2><Levels f={f} /></section>
        <section class="plot-block"><h2>{t("review.figures.reasons")}</h2><Bars all={f.reasons} word={reasonWord} /></section>
        <section class="plot-block"><h2>{t("review.figures.redone")}</h2><Bars all={f.redone} word={stepName} /></section>
        <section class="plot-block"><h2>{t("review.figures.given_up")}</h2><p class="soft small">{t("review.figures.given_up_what")}</p><Bars all={f.given_up} word={stepName} /></section>
      </div>
    </>
  );
}

const kinds = ["approved", "resubmit", "rejected"] as const;

function Days({ days }: { days: Figures["days"] }) {
  const most = Math.max(1, ...days.map((d) => d.approved + d.resubmit + d.rejected), ...days.map((d) => d.submitted));
  const slowest = Math.max(1, ...days.map((d) => d.median_seconds));
  const w = 960, h = 180, step = w / days.length, bar = Math.max(1, step * 0.7);
  const y = (n: number) => h - (n / most) * h;
  const line = days.map((d, i) => ({ x: i * step + step / 2, y: h - (d.median_seconds / slowest) * h, known: d.median_seconds > 0 })).filter((p) => p.known);
  return (
    <figure class="plot">
      <svg viewBox={`-48 -12 ${w + 60} ${h + 40}`} role="img" aria-label={t("review.figures.by_day_alt", { most: number(most), from: date(days[0]?.day ?? ""), to: date(days.at(-1)?.day ?? "") })}>
        {[0, 0.5, 1].map((s) => <g key={s}><line class="grid" x1="0" x2={w} y1={h - s * h} y2={h - s * h} /><text class="tick" x="-8" y={h - s * h + 5} text-anchor="end">{Number.isInteger(most * s) ? number(most * s) : ""}</text></g>)}
        {days.map((d, i) => {
          let below = 0;
          return (
            <g key={d.day}>
              <title>{`${date(d.day)}: ${t("review.figures.day", { submitted: d.submitted, approved: d.approved, resubmit: d.resubmit, rejected: d.rejected })}`}</title>
              {kinds.map((k) => {
                const from = y(below), height = from - y(below + d[k]);
                below += d[k];
                return d[k] ? <rect key={k} class={`bar-${k}`} x={i * step + (step - bar) / 2} width={bar} y={from - height} height={height} /> : null;
              })}
              <circle class="dot-submitted" cx={i * step + step / 2} cy={y(d.submitted)} r={d.submitted ? 3 : 0} />
            </g>
          );
        })}
        {line.length > 1 ? <polyline class="line-median" points={line.map((p) => `${p.x},${p.y}`).join(" ")} /> : null}
        {[0, days.length - 1].map((i) => <text key={i} class="tick" x={i === 0 ? 0 : w} y={h + 22} text-anchor={i === 0 ? "start" : "end"}>{date(days[i]?.day ?? "")}</text>)}
      </svg>
      <figcaption class="legend">
        {kinds.map((k) => <span key={k}><i class={`swatch bar-${k}`} aria-hidden="true" />{t(`review.figures.${k}`)}</span>)}
        <span><i class="swatch dot" aria-hidden="true" />{t("review.figures.submitted")}</span>
        {line.length > 1 ? <span><i class="swatch line" aria-hidden="true" />{t("review.figures.median_line", { span: span(slowest) })}</span> : null}
      </figcaption>
    </figure>
  );
}

function Levels({ f }: { f: Figures }) {
  const rows = [1, 2, 3].flatMap((level) => (["approve", "resubmit", "reject"] as const).map((verdict) => ({
    level, verdict, people: f.decided.find((d) => d.level === level && d.verdict === verdict)?.n ?? 0, rules: f.by_rules.find((d) => d.level === level && d.verdict === verdict)?.n ?? 0,
  }))).filter((r) => r.people + r.rules > 0);
  if (rows.length === 0) return <p class="soft">{t("review.figures.nothing")}</p>;
  return (
    <table class="plain-table">
      <thead><tr><th scope="col">{t("review.col.level")}</th><th scope="col">{t("review.figures.verdict")}</th><th scope="col">{t("review.figures.people")}</th><th scope="col">{t("review.figures.rules")}</th></tr></thead>
      <tbody>{rows.map((r) => <tr key={`${r.level}${r.verdict}`}><td>{t("level.name", { n: r.level })}</td><td>{verdictWord(r.verdict)}</td><td class="numbers">{number(r.people)}</td><td class="numbers">{number(r.rules)}</td></tr>)}</tbody>
    </table>
  );
}

function Bars({ all, word }: { all: readonly Count[]; word: (name: string) => string }) {
  const most = Math.max(1, ...all.map((c) => c.n));
  if (all.length === 0) return <p class="soft">{t("review.figures.nothing")}</p>;
  return (
    <ul class="bars">
      {all.slice(0, 12).map((c) => (
        <li key={c.name}>
          <span>{word(c.name)}</span><span class="numbers">{number(c.n)}</span>
          <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect class="bar-back" width="100" height="4" /><rect class="bar-count" width={(c.n / most) * 100} height="4" /></svg>
        </li>
      ))}
    </ul>
  );
}
