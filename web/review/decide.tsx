// The decision: what is missing, why, what the applicant will read, and the confirmation.
import { useRef, useState } from "preact/hooks";
import { newKey, Problem } from "../shared/api";
import { announce, Button, Callout } from "../shared/components";
import { Icon } from "../shared/icons";
import { t, typeset, type Lang } from "../shared/i18n";
import { fieldText } from "../shared/problems";
import { calls } from "./calls";
import type { CaseDesk } from "./case";
import { useKeys, useOffice, useWork } from "./office";
import { FoundTag } from "./parts";
import { firstLevel, fitting, missingOf, stepsAgain, told, waits, withReason, type Missing } from "./preview";
import type { ReviewLevel, Verdict } from "./types";
import { chosenWord, colon, comma, enumeration, reasonWord, semicolon, stateWord, stepName, stepWord, when } from "./words";

const verdicts = [
  { v: "approve", kind: "primary", key: "A" }, { v: "resubmit", kind: "plain", key: "S" }, { v: "reject", kind: "plain", key: "X" },
] as const;

/** The levels that can be decided by who looks, the waiting ones first. */
function decidable(levels: readonly ReviewLevel[], supervisor: boolean): ReviewLevel[] {
  return levels.filter((l) => waits(l) || (l.state === "approved" && levels.some((a) => a.level > l.level && waits(a)))
    || (supervisor && ["approved", "rejected", "revoked"].includes(l.state)));
}

export function Decide({ d }: { d: CaseDesk }) {
  const { me, reasons, offline, has } = useOffice();
  const { c, e } = d;
  const supervisor = has("supervisor");
  const levels = decidable(c.levels, supervisor);
  const [level, setLevel] = useState(() => firstLevel(c));
  const [verdict, setVerdict] = useState<Verdict | null>(null);
  const [about, setAbout] = useState("");
  const [prompt, setPrompt] = useState(0);
  const [code, setCode] = useState("");
  const [note, setNote] = useState("");
  const key = useRef(newKey());
  const work = useWork();
  const l = c.levels.find((x) => x.level === level) ?? c.levels[0];
  const steps = e.steps.filter((s) => s.level === level);
  const own = l?.approvals.find((a) => a.account_id === me?.account.id);
  const chosen = d.chosen;
  const fits = verdict ? chosen.filter((x) => verdict === "reject" || (!x.step ? level === 1 : steps.some((s) => s.id === x.step))) : [];
  const overturn = l ? !waits(l) && ["approved", "rejected", "revoked"].includes(l.state) && !(verdict === "resubmit" && c.levels.some((a) => a.level > level && waits(a))) : false;
  const missing = missingOf(e, level, d.openedPrompts);
  const options = verdict ? fitting(reasons, verdict, level, about, e.steps) : [];
  const clip = steps.find((s) => s.id === about && s.kind === "clip");
  const mustRedo = Object.values(d.found).some((v) => v !== "read");

  const blocked: string[] = [];
  if (offline) blocked.push(t("review.blocked.offline"));
  if (!c.lease?.mine) blocked.push(t("review.blocked.lease"));
  if (own && l && waits(l)) blocked.push(t("review.blocked.own", { time: when(own.at) }));
  if (l && (l.state === "escalated" || l.state === "suspended") && !supervisor) blocked.push(t("review.blocked.supervisor"));
  if (verdict === "approve") {
    if (c.levels.some((x) => x.level < level && x.state !== "approved")) blocked.push(t("review.blocked.lower"));
    if (l?.needs_level) blocked.push(t("review.blocked.recordings", { n: l.needs_level }));
    if (missing.length) blocked.push(t("review.blocked.looks"));
    if (mustRedo && level === 3) blocked.push(t("review.blocked.prompts"));
  } else if (verdict) {
    if (!fits.length) blocked.push(t("review.blocked.reason"));
    else if (verdict === "reject" && !fits.some((x) => reasons.find((r) => r.code === x.code)?.type === "final")) blocked.push(t("review.blocked.final"));
    else if (verdict === "resubmit" && !fits.every((x) => reasons.find((r) => r.code === x.code)?.type === "again")) blocked.push(t("review.blocked.again"));
  }
  if (overturn && verdict && !note.trim()) blocked.push(t("review.blocked.note"));

  const open = (v: Verdict) => {
    setVerdict(v);
    setAbout(level === 1 ? "" : v === "reject" ? "" : steps.find((s) => s.id === d.focusStep)?.id ?? steps[0]?.id ?? "");
    setCode("");
    setPrompt(0);
    work.clear();
    key.current = newKey();
    requestAnimationFrame(() => document.getElementById("decide-title")?.focus());
  };
  const changed = () => {
    key.current = newKey();
    work.clear();
  };
  const add = () => {
    if (!code) return;
    changed();
    d.setChosen(withReason(chosen, { code, ...(about ? { step: about } : {}), ...(clip && prompt ? { prompt } : {}) }));
    setCode("");
  };
  const confirm = () => {
    if (!verdict || blocked.length || work.busy) return;
    work.run(async () => {
      try {
        const after = await calls.decide(c.id, c.version, key.current, { level, verdict, note: note.trim(), ...(verdict === "approve" ? {} : { reasons: fits }) });
        announce(t("review.decided.said", { level: t("level.name", { n: level }), verdict: t(`review.verdict.${verdict}`) }));
        d.decided(after, { level, verdict });
      } catch (err) {
        // Somebody else was first, or the case has changed: look again, and keep what was written.
        if (err instanceof Problem && [409, 412].includes(err.status) && err.code !== "looks_missing") await d.conflict(err);
        else if (err instanceof Problem && err.code === "looks_missing") await d.reload();
        throw err;
      }
    });
  };
  useKeys((act) => {
    if (act === "approve") open("approve");
    else if (act === "again") open("resubmit");
    else if (act === "reject") open("reject");
    else if (act === "confirm" && verdict) confirm();
    else if (act === "close" && verdict) setVerdict(null);
    else return false;
    return true;
  });
  if (!l || levels.length === 0) return <p class="soft">{t("review.nothing_to_decide")}</p>;
  const errors = work.error instanceof Problem ? work.error.errors.map((f) => fieldText(f.code, f.detail)) : [];

  return (
    <>
      {levels.length > 1 ? (
        <div class="segments" role="group" aria-label={t("review.decide.level")}>
          {levels.map((x) => <button key={x.level} type="button" aria-pressed={x.level === level} data-test={`decide-level-${x.level}`} onClick={() => { setLevel(x.level); setVerdict(null); }}>{t("level.name", { n: x.level })}</button>)}
        </div>
      ) : null}
      <p class="decide-level"><strong>{t("level.name", { n: level })}</strong>{comma()}{stateWord(l.state)}{l.four_eyes ? <span class="tag">{t("review.four_eyes")}</span> : null}</p>
      {l.approvals.length ? <p class="small" data-test="approvals">{l.approvals.map((a) => t("review.approved_by", { name: a.name, time: when(a.at) })).join(semicolon())}</p> : null}
      <Verdicts d={d} level={level} />
      {verdict === null ? (
        <>
          {blocked.length ? <ul class="blocked" data-test="blocked">{blocked.map((b) => <li key={b}><Icon name="lock" small />{b}</li>)}</ul> : null}
          <div class="decide-buttons">
            {verdicts.map((x) => <Button key={x.v} kind={x.kind} wide test={`decide-${x.v}`} onClick={() => open(x.v)}>{t(`review.do.${x.v}`)} <kbd>{x.key}</kbd></Button>)}
          </div>
        </>
      ) : (
        <section class="decide-open" data-test="decide-open" data-verdict={verdict}>
          <h3 id="decide-title" tabIndex={-1}>{t(`review.do.${verdict}`)}</h3>
          {verdict === "approve" ? <MissingList d={d} all={missing} /> : (
            <>
              {fits.length ? (
                <ul class="chosen" data-test="chosen">
                  {fits.map((x) => (
                    <li key={`${x.code}${x.step}${x.prompt}`}>
                      <span>{chosenWord(x)}{reasons.find((r) => r.code === x.code)?.hidden ? <span class="tag warn">{t("review.hidden")}</span> : null}</span>
                      <button type="button" class="link-button" aria-label={t("review.reason.drop", { reason: chosenWord(x) })} onClick={() => { changed(); d.setChosen(chosen.filter((y) => y !== x)); }}><Icon name="close" small /></button>
                    </li>
                  ))}
                </ul>
              ) : null}
              <div class="reason-pick">
                {level > 1 || verdict === "reject" ? (
                  <label class="field"><span class="label">{t("review.reason.about")}</span>
                    <select value={about} data-test="reason-about" onChange={(x) => { setAbout(x.currentTarget.value); setCode(""); setPrompt(0); }}>
                      {verdict === "reject" || level === 1 ? <option value="">{t("review.reason.all")}</option> : null}
                      {steps.map((s) => <option key={s.id} value={s.id}>{stepWord(s)}</option>)}
                    </select>
                  </label>
                ) : null}
                {clip ? (
                  <label class="field"><span class="label">{t("review.reason.which")}</span>
                    <select value={prompt} data-test="reason-prompt" onChange={(x) => setPrompt(Number(x.currentTarget.value))}>
                      <option value={0}>{t("review.reason.whole")}</option>
                      {clip.takes.find((x) => x.role === "")?.script?.prompts.map((p) => <option key={p.n} value={p.n}>{p.n}. {p.text}</option>)}
                    </select>
                  </label>
                ) : null}
                <label class="field"><span class="label">{t("review.reason.why")}</span>
                  <select value={code} data-test="reason-code" onChange={(x) => setCode(x.currentTarget.value)}>
                    <option value="">{t("review.reason.choose")}</option>
                    {options.map((r) => <option key={r.code} value={r.code}>{reasonWord(r.code)}{r.hidden ? ` (${r.code.replace(/[._]/g, " ")}${comma()}${t("review.hidden")})` : ""}</option>)}
                  </select>
                </label>
                <Button test="reason-add" onClick={add} disabled={!code}>{t("review.reason.add")}</Button>
              </div>
              {fits.length ? <Preview d={d} fits={fits} verdict={verdict} level={level} /> : null}
            </>
          )}
          <label class="field"><span class="label">{t(overturn ? "review.note.needed" : "review.note")}</span>
            <textarea rows={2} maxLength={2000} value={note} data-test="decide-note" onInput={(x) => { changed(); setNote(x.currentTarget.value); }} />
          </label>
          {blocked.length ? <ul class="blocked" id="blocked" data-test="blocked">{blocked.map((b) => <li key={b}><Icon name="lock" small />{b}</li>)}</ul> : null}
          {work.error !== undefined ? <p class="error-line" role="alert" data-test="decide-error">{errors.length ? errors.join(" ") : work.text}</p> : null}
          <Button kind={verdict === "reject" ? "danger" : "primary"} wide busy={work.busy} disabled={blocked.length > 0} describedBy={blocked.length ? "blocked" : undefined} test="decide-confirm" onClick={confirm}>{t(`review.confirm.${verdict}`, { n: level })}</Button>
          <p class="small soft">{t("review.confirm.key")}</p>
          <Button kind="quiet" wide test="decide-close" onClick={() => setVerdict(null)}>{t("cancel")}</Button>
        </section>
      )}
    </>
  );
}

function Verdicts({ d, level }: { d: CaseDesk; level: number }) {
  const rank = ["fail", "person", "unsure", "skipped", "pass"];
  const of = (id: string) => d.e.checks.filter((c) => (c.level ?? level) === level && c.step === id).map((c) => c.verdict).sort((a, b) => rank.indexOf(a) - rank.indexOf(b))[0];
  const rows = [...(level === 1 ? [{ id: "", words: t("review.tab.identity") }] : []), ...d.e.steps.filter((s) => s.level === level).map((s) => ({ id: s.id, words: stepWord(s) }))];
  return (
    <ul class="so-far" aria-label={t("review.so_far")}>
      {rows.map((r) => {
        const worst = of(r.id);
        return <li key={r.id}><span>{r.words}</span>{worst ? <FoundTag verdict={worst} /> : <span class="soft">{t("review.no_checks")}</span>}</li>;
      })}
    </ul>
  );
}

function missingWord(m: Missing): string {
  if (m.kind === "identity") return t("review.tab.identity");
  return m.kind === "step" ? stepName(m.step) : t("review.missing.prompt", { step: stepName(m.step), n: m.n });
}

function MissingList({ d, all }: { d: CaseDesk; all: readonly Missing[] }) {
  if (all.length === 0) return <p class="all-seen" data-test="all-seen"><Icon name="check" small />{t("review.all_seen")}</p>;
  return (
    <div data-test="missing">
      <p>{t("review.missing")}</p>
      <ul class="missing">
        {all.map((m) => <li key={JSON.stringify(m)}><button type="button" class="link-button" data-test={`missing-${m.kind === "identity" ? "identity" : m.kind === "step" ? m.step : `${m.step}-${m.n}`}`} onClick={() => d.show(m)}>{missingWord(m)}</button></li>)}
      </ul>
    </div>
  );
}

const both: { lang: Lang; words: "review.language.en" | "review.language.zh-Hans" }[] = [{ lang: "en", words: "review.language.en" }, { lang: "zh-Hans", words: "review.language.zh-Hans" }];

/** Exactly what the applicant reads, in both languages. */
function Preview({ d, fits, verdict, level }: { d: CaseDesk; fits: CaseDesk["chosen"]; verdict: Verdict; level: number }) {
  const { reasons } = useOffice();
  const again = verdict === "resubmit" ? stepsAgain(fits, reasons, level, d.e.steps) : [];
  return (
    <section class="preview" data-test="preview">
      <h4>{t("review.preview")}</h4>
      {both.map((b) => (
        <div key={b.lang} class="preview-one">
          <p class="meta">{t(b.words)}{d.c.waiting?.language.startsWith(b.lang.slice(0, 2)) ? <span class="tag">{t("review.preview.theirs")}</span> : null}</p>
          <ul lang={b.lang} data-test={`preview-${b.lang}`}>
            {told(fits, reasons, b.lang).map((x) => <li key={x.step + x.wrong}><strong>{typeset(x.wrong, b.lang)}</strong> {typeset(x.better, b.lang)}</li>)}
          </ul>
          {told(fits, reasons, b.lang).some((x) => x.hidden) ? <p class="meta">{t("review.preview.hidden")}</p> : null}
        </div>
      ))}
      {verdict === "resubmit" ? <p class="small" data-test="steps-again">{level === 1 ? t("review.preview.level1") : t("review.preview.steps", { steps: again.map(stepName).join(enumeration()) })}</p> : null}
    </section>
  );
}
