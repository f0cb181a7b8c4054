// What a case shows: what was stated, documents, face, checks and history. Recordings have a file of their own.
import { useEffect, useState } from "preact/hooks";
import { Button, Callout } from "../shared/components";
import { has, number, t } from "../shared/i18n";
import { mediaURL } from "./calls";
import { compare, maskedOf, type Cell } from "./compare";
import type { CaseDesk } from "./case";
import { FoundTag, Head, Marked, Watermark } from "./parts";
import { useKeys } from "./office";
import type { Area, Check, Fact, FaceTake, Part, ReviewCase } from "./types";
import { Viewer } from "./viewer";
import { actorWord, checkWord, chosenWord, colon, comma, enumeration, eventWord, exactly, fieldWord, minutes, moveWord, reasonWord, semicolon, stateWord, stepName, stepWord, valueWord, wayWord, when, short } from "./words";

/** Why values are shown is asked once a case and stands in the access log with each of them. */
export function RevealBar({ d, names, all }: { d: CaseDesk; names: readonly string[]; all?: boolean }) {
  useKeys((act) => {
    if (act !== "reveal" || !names.length) return false;
    d.reveal(names);
    return true;
  });
  return (
    <div class="reveal-bar">
      <label class="reveal-why"><span>{t("review.reveal.why")}</span>
        <input id="reveal-why" type="text" class="field-small" maxLength={500} value={d.why} data-test="reveal-why" placeholder={t("review.reveal.example")} aria-describedby="reveal-hint" onInput={(e) => d.setWhy(e.currentTarget.value)} />
      </label>
      {all ? <Button kind="quiet" icon="eye" test="reveal-all" busy={d.revealing.busy} onClick={() => d.reveal(names)}>{t("review.reveal.all")}</Button> : null}
      <p id="reveal-hint" class={d.revealing.text || d.whyMissing ? "small bad-text" : "small soft"} role={d.revealing.text || d.whyMissing ? "alert" : undefined} data-test="reveal-hint">
        {d.revealing.text || (d.whyMissing ? t("review.reveal.missing") : Object.keys(d.shown).length ? t("review.reveal.recorded") : t("review.reveal.note"))}
      </p>
    </div>
  );
}

function Value({ d, f }: { d: CaseDesk; f: Fact }) {
  const full = d.shown[f.name];
  const number = /(^|\.)(number|numbers\.\d+)$/.test(f.name);
  return (
    <dd class="fact-value">
      <span class={number ? "mono" : ""} data-test={`value-${f.name}`} data-masked={f.masked && full === undefined}>{full ?? (f.masked ? f.value : valueWord(f.name, f.value))}</span>
      {f.masked && full === undefined ? <button type="button" class="link-button" data-test={`show-${f.name}`} aria-label={t("review.reveal.one", { field: fieldWord(f.name) })} onClick={() => d.reveal([f.name])}>{t("review.reveal.show")}</button> : null}
      {f.warning ? <p class="small soft" data-test={`warning-${f.name}`}>{f.warning.code === "region_abandoned" ? t("review.warning.region_abandoned", { year: String(f.warning.abandoned_by) }) : t("review.warning.region_unknown")}</p> : null}
    </dd>
  );
}

export function Identity({ d }: { d: CaseDesk }) {
  const stated = d.e.fields.filter((f) => !f.name.startsWith("read."));
  const masked = stated.filter((f) => f.masked && d.shown[f.name] === undefined).map((f) => f.name).slice(0, 50);
  return (
    <div class="evidence-body">
      <Head title={t("review.tab.identity")} />
      <RevealBar d={d} names={masked} all />
      <div class="marked-area">
        <dl class="facts" data-test="facts">
          {stated.map((f) => <div key={f.name}><dt>{fieldWord(f.name)}</dt><Value d={d} f={f} /></div>)}
        </dl>
        <Watermark />
      </div>
      <Checks all={d.e.checks.filter((c) => !c.step)} title={t("review.checks.identity")} />
      <section class="sub">
        <h3>{t("review.consents")}</h3>
        {d.e.consents.length === 0 ? <p class="soft">{t("review.consents.none")}</p> : (
          <table class="plain-table">
            <thead><tr><th scope="col">{t("review.consents.what")}</th><th scope="col">{t("review.col.state")}</th><th scope="col">{t("review.consents.at")}</th><th scope="col">{t("review.consents.version")}</th></tr></thead>
            <tbody>{d.e.consents.map((c) => <tr key={c.id}><td>{t(`review.consent.${c.id as "identity"}`)}</td><td>{t(`review.consent.state.${c.state as "given"}`)}</td><td>{exactly(c.at)}</td><td class="numbers">{c.version}, {c.language.startsWith("zh") ? t("review.language.zh-Hans") : t("review.language.en")}</td></tr>)}</tbody>
          </table>
        )}
      </section>
    </div>
  );
}

export function Documents({ d }: { d: CaseDesk }) {
  const photos = d.e.steps.filter((s) => s.kind === "photo").flatMap((s) => s.takes.map((take) => ({ step: s, take })));
  const [at, setAt] = useState(() => Math.max(0, photos.findIndex((p) => d.e.required.some((r) => !r.seen && r.media_ids.includes(p.take.media_id)))));
  useEffect(() => {
    const to = photos.findIndex((p) => p.step.id === d.focusStep);
    if (to >= 0) setAt(to);
  }, [d.focusStep]);
  const here = photos[Math.min(at, photos.length - 1)];
  if (!here) return <div class="evidence-body"><Head title={t("review.tab.documents")} /><p class="lead">{t("review.documents.none")}</p></div>;
  const lines = compare(d.e.fields, here.step.id, d.shown);
  const masked = maskedOf(lines, d.e.fields, here.step.id);
  const cell = (c: Cell | undefined) => <td class="mono">{c ? <Marked marks={c.marks} value={c.value} /> : <span class="soft">{t("review.none")}</span>}</td>;
  return (
    <div class="evidence-body documents">
      <Head title={stepWord(here.step)}>
        <div class="segments" role="group" aria-label={t("review.tab.documents")}>
          {photos.map((p, i) => <button key={p.take.media_id} type="button" aria-pressed={p === here} data-test={`photo-${p.step.id}`} onClick={() => setAt(i)}>{stepWord(p.step)}<SeenMark d={d} id={p.take.media_id} /></button>)}
        </div>
      </Head>
      <div class="documents-in">
        <Viewer id={here.take.media_id} alt={stepWord(here.step)} keys onSeen={d.saw} />
        <div class="documents-side">
          <RevealBar d={d} names={masked} all={masked.length > 0} />
          <table class="compare" data-test="compare">
            <thead><tr><th scope="col"><span class="unseen">{t("review.compare.field")}</span></th><th scope="col">{t("review.compare.stated")}</th><th scope="col">{t("review.compare.read")}</th><th scope="col">{t("review.compare.mrz")}</th></tr></thead>
            <tbody>
              {lines.map((l) => (
                <>
                  <tr key={l.field}><th scope="row">{t(`review.compare.${l.field}`)}</th>{cell(l.stated)}{cell(l.read)}{cell(l.mrz)}</tr>
                  {l.verdict ? (
                    <tr key={`${l.field}-v`} class="compare-verdict"><td /><td colSpan={3} data-test={`compare-${l.field}`} data-verdict={l.verdict}>
                      {l.verdict === "same" ? t("review.compare.same") : l.verdict === "masked" ? t("review.compare.masked") : t("review.compare.differs", { at: l.at.map((n) => number(n)).join(enumeration()) })}
                    </td></tr>
                  ) : null}
                </>
              ))}
            </tbody>
          </table>
          <Checks all={d.e.checks.filter((c) => c.step === here.step.id)} title={t("review.checks.photo")} />
          <p class="small soft">{t("review.take.facts", { size: number(here.take.size / 1_000_000, 1), time: when(here.take.accepted_at ?? here.take.created_at), digest: here.take.sha256.slice(0, 16) })}</p>
        </div>
      </div>
    </div>
  );
}

function SeenMark({ d, id }: { d: CaseDesk; id: string }) {
  const r = d.e.required.find((x) => x.media_ids.includes(id));
  if (!r) return null;
  return <span class={r.seen ? "seen ok-text" : "seen"}>{t(r.seen ? "review.seen" : "review.not_seen")}</span>;
}

/** The portrait beside the best frame, how far apart they are with the limits, and every move. */
export function Face({ d }: { d: CaseDesk }) {
  const document = d.e.steps.find((s) => s.id === "document_front" || s.id === "document_page")?.takes[0];
  const step = d.e.steps.find((s) => s.kind === "face");
  const take = step?.takes[0];
  const frames = (take?.parts ?? []).filter((p) => p.role === "frame");
  const at = frames.findIndex((_, i) => take?.face?.chosen.includes(i));
  const best = frames[Math.max(0, at)];
  const area = take?.face?.portrait && take.face.portrait.sha256 === document?.sha256 ? take.face.portrait : null;
  const first = frames[0]?.at_ms ?? 0;
  return (
    <div class="evidence-body">
      <Head title={t("review.tab.face")} />
      {!step || !take ? <p class="lead">{t("review.face.none")}</p> : (
        <>
          <div class="faces">
            {document ? (
              area
                ? <figure class="picture"><Portrait id={document.media_id} area={area} words={t("review.face.portrait")} d={d} /><figcaption>{t("review.face.portrait")}</figcaption></figure>
                : <Picture id={document.media_id} words={t("review.face.portrait")} d={d} />
            ) : null}
            {best ? <Picture id={best.media_id} words={frameWords(best, Math.max(0, at))} d={d} /> : null}
          </div>
          {take.face ? <Distance face={take.face} /> : null}
          {d.e.face_hits.length > 0 ? (
            <Callout tone="warn" test="face-hits">
              <p>{t("review.face.hits")}</p>
              <ul>{d.e.face_hits.map((h) => <li key={h.case_id}><a href={`#/case/${h.case_id}`} data-test={`hit-${h.case_id}`}>{t("review.case", { id: short(h.case_id) })}</a> <span class="soft numbers">{t("review.measure.distance")} {number(h.distance, 2)}</span></li>)}</ul>
            </Callout>
          ) : null}
          {step.alternative ? <p>{t("review.face.way", { way: wayWord(step.alternative) })}</p> : null}
          <section class="sub">
            <h3>{t("review.face.moves")}</h3>
            <ol class="moves">
              {frames.map((p, i) => (
                <li key={p.media_id}><Picture id={p.media_id} words={`${i + 1}. ${p.action ? moveWord(p.action) : t("review.frame")}`} note={minutes(p.at_ms - first)} d={d} small /></li>
              ))}
            </ol>
          </section>
          <Checks all={[...(take.face?.checks ?? []), ...d.e.checks.filter((c) => c.step === step.id)]} title={t("review.checks.face")} />
        </>
      )}
    </div>
  );
}

// As much around a face as a portrait has.
const around = 0.3;

/** A part of a photo, upright, with a little around it. */
function Portrait({ id, area, words, d }: { id: string; area: Area; words: string; d: CaseDesk }) {
  const side = Math.max(area.width, area.height) * (1 + 2 * around);
  const x = area.x + (area.width - side) / 2, y = area.y + (area.height - side) / 2;
  const percent = (v: number) => `${(v / side) * 100}%`;
  return (
    <div class="picture-in part-of">
      <div class="whole" style={{ left: percent(-x), top: percent(-y), width: percent(area.of_width), height: percent(area.of_height) }}>
        <img src={mediaURL(id)} alt={words} draggable={false} class={area.quarters % 2 ? "lying" : ""} style={{ transform: `translate(-50%, -50%) rotate(${area.quarters * 90}deg)` }} data-test={`media-${id}`} onLoad={() => d.saw(id)} />
      </div>
      <Watermark />
    </div>
  );
}

const frameWords = (p: Part, i: number) => `${t("review.face.frame", { n: i + 1 })}${p.action ? `${colon()}${moveWord(p.action)}` : ""}`;

function Picture({ id, words, note, d, small }: { id: string; words: string; note?: string; d: CaseDesk; small?: boolean }) {
  return (
    <figure class={small ? "picture picture-small" : "picture"}>
      <div class="picture-in"><img src={mediaURL(id)} alt={words} draggable={false} data-test={`media-${id}`} onLoad={() => d.saw(id)} /><Watermark /></div>
      <figcaption>{words}{note ? <span class="soft numbers"> {note}</span> : null}</figcaption>
    </figure>
  );
}

/** How far apart two faces are, on a scale that has its limits drawn on it. */
export function Distance({ face }: { face: FaceTake }) {
  if (!face.compared || face.distance === null || face.accept === null || face.reject === null) {
    return <Callout icon="eye"><p>{t("review.face.not_compared")}</p></Callout>;
  }
  const { distance, accept, reject } = face;
  const end = Math.max(reject * 1.5, distance * 1.1);
  const x = (v: number) => Math.round(Math.min(1, v / end) * 600);
  const side = distance <= accept ? "same" : distance >= reject ? "other" : "between";
  const said = t(`review.face.${side}`, { distance: number(distance, 2), accept: number(accept, 2), reject: number(reject, 2) });
  return (
    <figure class="distance" data-test="distance" data-side={side}>
      <svg viewBox="-10 0 620 64" role="img" aria-label={said}>
        <rect class="zone-ok" x="0" y="22" width={x(accept)} height="14" />
        <rect class="zone-warn" x={x(accept)} y="22" width={x(reject) - x(accept)} height="14" />
        <rect class="zone-bad" x={x(reject)} y="22" width={600 - x(reject)} height="14" />
        {[accept, reject].map((v) => <g key={v}><line class="limit" x1={x(v)} x2={x(v)} y1="16" y2="42" /><text class="tick" x={x(v)} y="58" text-anchor="middle">{number(v, 2)}</text></g>)}
        <path class="needle" d={`M${x(distance)} 40l-7 -24h14z`} />
      </svg>
      <figcaption>{said} <span class="soft">{t("review.face.model", { model: face.model })}</span></figcaption>
    </figure>
  );
}

/** The measures of a check: each with its name, no bare number. */
function Measures({ m }: { m: Record<string, number> }) {
  // What has no words here is for programs.
  const all = Object.entries(m).filter(([name]) => has(`review.measure.${name}`));
  if (!all.length) return null;
  return <span class="soft numbers">{all.map(([name, v]) => `${t(`review.measure.${name}` as "review.none")} ${number(v, Number.isInteger(v) ? 0 : 2)}`).join(semicolon())}</span>;
}

export function Checks({ all, title }: { all: readonly Check[]; title: string }) {
  if (all.length === 0) return null;
  return (
    <section class="sub">
      <h3>{title}</h3>
      <ul class="checks">
        {all.map((c, i) => (
          <li key={`${c.step}-${c.check}-${i}`} data-test={`check-${c.step}-${c.check}`} data-verdict={c.verdict}>
            <span>{checkWord(c.check)}</span><FoundTag verdict={c.verdict} />
            <span>{c.code && c.verdict !== "pass" ? reasonWord(c.code) : ""} <Measures m={c.measures} /></span>
          </li>
        ))}
      </ul>
    </section>
  );
}

export function AllChecks({ d }: { d: CaseDesk }) {
  const steps = [...new Set(d.e.checks.map((c) => c.step))];
  return (
    <div class="evidence-body">
      <Head title={t("review.tab.checks")} />
      {steps.length === 0 ? <p class="lead">{t("review.checks.none")}</p> : null}
      {steps.map((id) => <Checks key={id} all={d.e.checks.filter((c) => c.step === id)} title={id ? stepName(id) : t("review.checks.identity")} />)}
    </div>
  );
}

export function History({ c, e }: { c: ReviewCase; e: CaseDesk["e"] | null }) {
  return (
    <div class="evidence-body">
      <Head title={t("review.tab.history")} />
      {e?.objections.map((o) => (
        <Callout key={o.level} tone="warn" icon="person" test="objection"><p><strong>{t("review.objection", { n: o.level, time: exactly(o.at) })}</strong></p><p class="pre">{o.text || t("review.objection.empty")}</p></Callout>
      ))}
      <ol class="history" data-test="history">
        {c.history.toReversed().map((h) => (
          <li key={h.n} data-test={`event-${h.n}`} data-event={h.event}>
            <time class="soft numbers" dateTime={h.at}>{exactly(h.at)}</time>
            <div>
              <p><strong>{eventWord(h)}</strong>{h.level ? <>{comma()}{t("level.name", { n: h.level })}</> : null}{h.step ? <>{comma()}{stepName(h.step)}</> : null}{h.data.overturns ? <>{comma()}{t("review.event.overturned", { state: stateWord(h.data.overturns) })}</> : null}</p>
              <p class="soft">{actorWord(h.actor)}</p>
              {h.reasons.length ? <p>{h.reasons.map((code) => chosenWord({ code })).join(semicolon())}</p> : null}
              {h.note ? <p class="note pre"><span class="unseen">{t("review.note")}</span>{h.note}</p> : null}
            </div>
          </li>
        ))}
      </ol>
    </div>
  );
}
