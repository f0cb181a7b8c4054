// Recordings: a player, and under it what was asked when.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Button, Callout } from "../shared/components";
import { number, t, typeset } from "../shared/i18n";
import { mediaURL } from "./calls";
import type { CaseDesk } from "./case";
import { Checks, RevealBar } from "./evidence";
import { useKeys } from "./office";
import { Head, Watermark } from "./parts";
import type { PromptVerdict } from "./preview";
import { blockAt, blocksOf, captions, type Block } from "./timeline";
import type { ReviewStep, ReviewTake } from "./types";
import { minutes, stepWord } from "./words";
import { Viewer } from "./viewer";

const FRAME = 1000 / 30;
const speeds = [0.5, 0.75, 1, 1.25, 1.5, 2];

export function Clips({ d }: { d: CaseDesk }) {
  const steps = d.e.steps.filter((s) => s.kind === "clip" && s.takes.length > 0);
  const [at, setAt] = useState(0);
  useEffect(() => {
    const to = steps.findIndex((s) => s.id === d.focusStep);
    if (to >= 0) setAt(to);
  }, [d.focusStep]);
  const step = steps[Math.min(at, steps.length - 1)];
  if (!step) return <div class="evidence-body"><Head title={t("review.tab.clips")} /><p class="lead">{t("review.clips.none")}</p></div>;
  const clip = step.takes.find((x) => x.role === "");
  const photos = step.takes.filter((x) => x.role !== "");
  const heard = d.e.fields.filter((f) => f.name.startsWith(`read.${step.id}.heard.`) && d.shown[f.name] === undefined).map((f) => f.name);
  return (
    <div class="evidence-body clips">
      <Head title={stepWord(step)}>
        <div class="segments" role="group" aria-label={t("review.tab.clips")}>
          {steps.map((s, i) => <button key={s.id} type="button" aria-pressed={s === step} data-test={`clip-${s.id}`} onClick={() => setAt(i)}>{stepWord(s)}</button>)}
        </div>
      </Head>
      {clip ? <Player key={clip.media_id} d={d} step={step} take={clip} /> : null}
      {photos.map((p) => (
        <section key={p.media_id} class="sub">
          <h3>{t(p.role === "written" ? "review.clips.written" : "review.clips.still")}</h3>
          <Viewer id={p.media_id} alt={t(p.role === "written" ? "review.clips.written" : "review.clips.still")} onSeen={d.saw} />
          {p.script ? <ol class="script">{p.script.prompts.map((x) => <li key={x.id} lang={x.lang}>{typeset(x.text, x.lang)}</li>)}</ol> : null}
        </section>
      ))}
      {heard.length ? <RevealBar d={d} names={heard} all /> : null}
      <Checks all={d.e.checks.filter((c) => c.step === step.id)} title={t("review.checks.clip")} />
    </div>
  );
}

function Player({ d, step, take }: { d: CaseDesk; step: ReviewStep; take: ReviewTake }) {
  const video = useRef<HTMLVideoElement>(null);
  const [length, setLength] = useState(0);
  const [ms, setMs] = useState(0);
  const [picked, setPicked] = useState(1);
  const [playing, setPlaying] = useState(false);
  const [muted, setMuted] = useState(false);
  const [speed, setSpeed] = useState(1);
  const [loop, setLoop] = useState(false);
  const [broken, setBroken] = useState(false);
  const copy = take.parts.find((p) => p.role === "copy");
  const source = copy?.media_id ?? take.media_id;
  const prompts = take.script?.prompts ?? [];
  const blocks = useMemo(() => blocksOf(prompts, take.found, length * 1000), [take, length]);
  const now = broken || length === 0 ? blocks.find((b) => b.n === picked) : blockAt(blocks, ms);
  const track = useMemo(() => (typeof URL.createObjectURL === "function" ? URL.createObjectURL(new Blob([captions(blocks)], { type: "text/vtt" })) : ""), [blocks]);
  useEffect(() => () => URL.revokeObjectURL(track), [track]);
  const verdict = now ? d.found[`${step.id}:${now.n}`] : undefined;

  // While it plays the moment is read with every frame that is drawn.
  useEffect(() => {
    let frame = 0;
    const tick = () => {
      const v = video.current;
      if (v) {
        const at = v.currentTime * 1000;
        const b = blockAt(blocks, at);
        setMs(at);
        if (b && v.played.length > 0) d.opened(step.id, b.n);
        if (loop && now && at >= now.to - FRAME) v.currentTime = now.from / 1000;
      }
      frame = requestAnimationFrame(tick);
    };
    if (playing) tick();
    return () => cancelAnimationFrame(frame);
  }, [playing, blocks, loop, now?.n]);

  const jump = (n: number) => {
    const b = blocks.find((x) => x.n === n);
    if (!b) return false;
    setPicked(n);
    setMs(b.from);
    if (video.current) video.current.currentTime = b.from / 1000;
    d.opened(step.id, n);
    return true;
  };
  const to = (by: number) => {
    const v = video.current;
    if (!v) return;
    v.currentTime = Math.max(0, Math.min(v.duration || 0, v.currentTime + by / 1000));
    setMs(v.currentTime * 1000);
  };
  const toggle = () => {
    const v = video.current;
    if (!v) return;
    if (v.paused) void v.play().catch(() => setBroken(true));
    else v.pause();
  };
  const faster = (by: number) => {
    const next = speeds[Math.max(0, Math.min(speeds.length - 1, speeds.indexOf(speed) + by))] ?? 1;
    setSpeed(next);
    if (video.current) video.current.playbackRate = next;
  };
  const find = (v: PromptVerdict) => {
    if (!now) return;
    d.opened(step.id, now.n);
    d.setFound(step.id, now.n, verdict === v ? undefined : v);
  };
  useKeys((act, n) => {
    switch (act) {
      case "prompt": return jump(n);
      case "play": toggle(); return true;
      case "back": to(-5000); return true;
      case "forward": to(5000); return true;
      case "frame_back": video.current?.pause(); to(-FRAME); return true;
      case "frame_on": video.current?.pause(); to(FRAME); return true;
      case "slower": faster(-1); return true;
      case "faster": faster(1); return true;
      case "loop": setLoop(!loop); return true;
      case "mute": setMuted(!muted); return true;
      case "read": find("read"); return true;
      case "unclear": find("unclear"); return true;
      case "not_read": find("not_read"); return true;
    }
    return false;
  });

  return (
    <div class="clip">
      <div class="clip-top">
        <div class="player">
          <video ref={video} src={mediaURL(source)} preload="auto" playsInline muted={muted} data-test="player"
            onLoadedMetadata={(e) => { const v = e.currentTarget.duration; setLength(Number.isFinite(v) ? v : 0); d.saw(source); }}
            onDurationChange={(e) => Number.isFinite(e.currentTarget.duration) && setLength(e.currentTarget.duration)}
            onPlay={() => setPlaying(true)} onPause={() => setPlaying(false)} onError={() => { setBroken(true); d.saw(source); }} onClick={toggle}>
            <track kind="captions" srclang={now?.lang ?? "en"} label={t("review.clips.captions")} src={track} />
          </video>
          <Watermark />
          {broken ? <div class="player-broken"><Callout tone="warn"><p>{t("review.clips.broken")}</p><a href={mediaURL(take.media_id)} download={`${step.id}.${take.filetype.split("/")[1]}`}>{t("review.clips.download")}</a></Callout></div> : null}
        </div>
        <div class="prompt-now" data-test="prompt-now" data-n={now?.n}>
          {now ? (
            <>
              <p class="soft small">{t("review.clips.prompt", { n: now.n, of: blocks.length })}</p>
              <p class="prompt-text" lang={now.lang}>{typeset(now.text, now.lang)}</p>
              <Heard d={d} step={step.id} prompt={now.id} said={take.found?.prompts.find((p) => p.id === now.id)?.said ?? null} />
              <div class="verdicts" role="group" aria-label={t("review.clips.verdict")}>
                {(["read", "unclear", "not_read"] as const).map((v) => (
                  <button key={v} type="button" class={`verdict ${v}`} aria-pressed={verdict === v} data-test={`prompt-${v}`} onClick={() => find(v)}>{t(`review.prompt.${v}`)} <kbd>{t(`review.prompt.${v}.key`)}</kbd></button>
                ))}
              </div>
            </>
          ) : null}
          {take.script ? <p class="small soft">{t("review.clips.number", { number: [...take.script.number].join(" "), account: [...take.script.account_hint].join(" ") })}</p> : null}
        </div>
      </div>
      <div class="player-tools" role="toolbar" aria-label={t("review.clips.tools")}>
        <Button kind="quiet" test="play" onClick={toggle}>{t(playing ? "clip.pause" : "clip.play")}</Button>
        <span class="numbers">{minutes(ms)} / {minutes(blocks.at(-1)?.to ?? length * 1000)}</span>
        <Button kind="quiet" onClick={() => faster(-1)}>{t("review.keys.slower")}</Button>
        <span class="numbers">{number(speed, 2)}×</span>
        <Button kind="quiet" onClick={() => faster(1)}>{t("review.keys.faster")}</Button>
        <label class="choice-small"><input type="checkbox" checked={loop} onChange={(e) => setLoop(e.currentTarget.checked)} /><span>{t("review.keys.loop")}</span></label>
        <label class="choice-small"><input type="checkbox" checked={muted} onChange={(e) => setMuted(e.currentTarget.checked)} /><span>{t("review.keys.mute")}</span></label>
      </div>
      <Timeline blocks={blocks} now={broken || length === 0 ? now?.from ?? 0 : ms} found={(n) => d.found[`${step.id}:${n}`]} onJump={jump} current={now?.n ?? 0} />
    </div>
  );
}

/** How much of a sentence a recogniser heard, and its words once they are shown: a hint where to listen. */
function Heard({ d, step, prompt, said }: { d: CaseDesk; step: string; prompt: string; said: number | null }) {
  if (said === null) return null;
  const f = d.e.fields.find((x) => x.name === `read.${step}.heard.${prompt}`);
  const words = f ? d.shown[f.name] : undefined;
  return (
    <p class="heard small" data-test="heard" data-said={said}>
      <span class={said < SAID ? "warn-text" : "soft"}>{t("review.clips.said", { percent: number(Math.round(said * 100)) })}</span>{" "}
      {words !== undefined ? <q>{words}</q> : f ? <button type="button" class="link-button" data-test={`show-${f.name}`} onClick={() => d.reveal([f.name])}>{t("review.clips.heard")}</button> : null}
    </p>
  );
}

const SAID = 0.7; // from where on a check takes a sentence for read

const wave = 40;

/** One block a prompt, as long as it stood. Inside, how loud it was; hatched where nobody spoke. */
function Timeline({ blocks, now, found, onJump, current }: { blocks: readonly Block[]; now: number; found: (n: number) => PromptVerdict | undefined; onJump: (n: number) => void; current: number }) {
  const start = blocks[0]?.from ?? 0;
  const end = Math.max(start + 1, blocks.at(-1)?.to ?? 1);
  const loudest = Math.max(0.05, ...blocks.flatMap((b) => b.peaks));
  return (
    <div class="timeline-scroll" tabIndex={0} role="region" aria-label={t("review.clips.timeline")}>
      <ol class="timeline" data-test="timeline">
        {blocks.map((b) => {
          const v = found(b.n);
          const long = Math.max(1, b.to - b.from);
          return (
            <li key={b.n} style={{ flexGrow: long / (end - start) }}>
              <button type="button" class={`block ${v ?? ""}`} aria-current={b.n === current ? "step" : undefined} data-test={`block-${b.n}`} data-found={v ?? ""} onClick={() => onJump(b.n)}>
                <span class="block-words"><strong>{b.n}</strong> <span lang={b.lang}>{typeset(b.text, b.lang)}</span></span>
                <svg class="wave" viewBox={`0 0 100 ${wave}`} preserveAspectRatio="none" aria-hidden="true">
                  {b.gaps.map((g) => <rect key={g.from} class="gap" x={((g.from - b.from) / long) * 100} width={((g.to - g.from) / long) * 100} y="0" height={wave} />)}
                  {b.peaks.length ? <path d={b.peaks.map((p, i) => { const h = Math.max(1, (p / loudest) * wave); return `M${((i + 0.5) / b.peaks.length) * 100} ${(wave - h) / 2}v${h}`; }).join("")} /> : null}
                  {now >= b.from && now < b.to ? <path class="playhead" d={`M${((now - b.from) / long) * 100} 0v${wave}`} /> : null}
                </svg>
                <span class="block-found">{v ? t(`review.prompt.${v}`) : b.gaps.length || b.speech === "unsure" ? t("review.clips.gap") : t("review.clips.open")}</span>
              </button>
            </li>
          );
        })}
      </ol>
    </div>
  );
}
