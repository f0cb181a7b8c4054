/** The look at a recording before it is kept, and what is shown when one broke off. */
import { useEffect, useRef, useState } from "preact/hooks";
import { StatusLine } from "../shared/components";
import { Icon } from "../shared/icons";
import { megabytes, t, typeset } from "../shared/i18n";
import { Heading } from "../shared/page";
import { problemText } from "../shared/problems";
import type { CaptureStep } from "../shared/types";
import { clock } from "./clip";
import type { Clip } from "./clips";
import type { Finding } from "./findings";
import type { Phone } from "./model";
import { promptAt } from "./prompts";
import { stepName } from "./screens";
import { useSettled } from "./settled";
import { More, OfflineBar } from "./shell";
import { useAwake } from "./wake";

/** Watch it once; keep it or record again, one as near as the other. */
export function Look({ phone, step, clip }: { phone: Phone; step: CaptureStep; clip: Clip }) {
  useAwake();
  useEffect(() => phone.say({ step: step.id, phase: "checking_take" }), [phone, step.id]);
  const settled = useSettled(clip.id);
  const total = clip.bytes.size + (clip.still?.size ?? 0);
  const problem = clip.state === "failed" ? (clip.error ?? phone.problem) : null;
  return (
    <div class="cap check">
      <main id="main" class="check-grid look-grid" tabIndex={-1}>
        <div class="cap-top">
          {phone.offline ? <OfflineBar phone={phone} /> : null}
          <Heading screen="look" title={stepName(step)}>
            {t("clip.check")}
          </Heading>
          <p class="check-problems" role={problem === null ? undefined : "alert"} data-test="clip-problems">
            {problem !== null ? (
              <span class="check-problem stop">
                <Icon name="warning" small />
                {problemText(problem)}
              </span>
            ) : (
              clip.found.slice(0, 3).map((one, i) => (
                <span key={i} class="check-problem" data-problem={one.code} data-prompt={one.prompt}>
                  <Icon name="warning" small />
                  {findingText(one)}
                </span>
              ))
            )}
          </p>
        </div>
        <Player clip={clip} name={stepName(step)} />
        <div class="look-bottom">
          <p class="look-sent numbers" data-test="clip-sent" data-stored={clip.stored} data-total={total}>
            {clip.sent !== null ? t("clip.sent", { mb: megabytes(total) }) : t("send.size", { sent: megabytes(clip.stored), total: megabytes(total) })}
          </p>
          <div class="check-actions">
            <button type="button" class="button cap-button" data-test="record-again" aria-disabled={!settled || undefined} onClick={() => settled && phone.clips.again(clip)}>
              {t("clip.check.again")}
            </button>
            <button type="button" class="button cap-button cap-primary" data-test="keep-clip" aria-disabled={!settled || undefined} onClick={() => settled && void phone.clips.use(clip)}>
              {t(problem === null ? "clip.check.keep" : "phone.retry")}
            </button>
          </div>
        </div>
        <More phone={phone} on="camera" />
      </main>
      <StatusLine />
    </div>
  );
}

/** A recording that broke off: why, what of it there is, and the way on. */
export function Lost({ phone, step, clip }: { phone: Phone; step: CaptureStep; clip: Clip }) {
  useEffect(() => phone.say({ step: step.id, phase: "paused" }), [phone, step.id]);
  return (
    <div class="cap check">
      <main id="main" class="check-grid look-grid" tabIndex={-1}>
        <div class="cap-top">
          <Heading screen="lost" title={stepName(step)}>
            {t("clip.lost.title")}
          </Heading>
          <p class="clip-lead" role="alert" data-test="clip-lost" data-reason={clip.lost}>
            {t("clip.lost", { reason: t(`clip.lost.${clip.lost ?? "recorder"}`) })}
          </p>
        </div>
        {clip.bytes.done && clip.bytes.size > 0 ? <Player clip={clip} name={stepName(step)} /> : <div />}
        <div class="look-bottom">
          <p class="look-sent">{clip.bytes.size > 0 ? t("clip.lost.look") : ""}</p>
          <div class="check-actions">
            <button type="button" class="button cap-button cap-primary" data-test="record-again" onClick={() => phone.clips.again(clip)}>
              {t("clip.check.again")}
            </button>
          </div>
        </div>
        <More phone={phone} on="camera" />
      </main>
      <StatusLine />
    </div>
  );
}

/** A problem in words, with its moment where it has one. */
function findingText(one: Finding): string {
  const words = t(`clip.found.${one.code}`, { n: one.prompt ?? 0 });
  return one.at === undefined ? words : t("clip.found.at", { what: words, at: clock(one.at) });
}

/** Plays from the phone at once, silently; with its sound after a tap. What the phone cannot play comes from the server. */
function Player({ clip, name }: { clip: Clip; name: string }) {
  const video = useRef<HTMLVideoElement>(null);
  const [source, setSource] = useState<"phone" | "server" | "none">("phone");
  const [playing, setPlaying] = useState(false);
  const [sound, setSound] = useState(false);
  const [ms, setMs] = useState(0);
  const media = clip.sent?.mediaId ?? null;

  useEffect(() => {
    const player = video.current!;
    // As attributes and as properties: some phones open their own player otherwise.
    for (const one of ["muted", "playsinline"]) player.setAttribute(one, "");
    player.muted = true;
    player.playsInline = true;
    if (source === "none") return;
    const url = source === "phone" ? URL.createObjectURL(clip.bytes.blob()) : `/v1/media/${encodeURIComponent(media ?? "")}`;
    const failed = (): void => setSource(source === "phone" ? "server" : "none");
    const timer = setTimeout(() => player.readyState < 2 && failed(), 5_000);
    player.onerror = failed;
    player.onloadeddata = () => clearTimeout(timer);
    player.src = url;
    void player.play().catch(() => undefined);
    return () => {
      clearTimeout(timer);
      player.onerror = player.onloadeddata = null;
      player.removeAttribute("src");
      player.load();
      if (source === "phone") URL.revokeObjectURL(url);
    };
    // The server's copy is played once it is there.
  }, [clip.id, source, source === "server" ? media : ""]);

  const play = (loud: boolean): void => {
    const player = video.current!;
    if (loud && !sound) {
      player.muted = false;
      player.currentTime = 0;
      setSound(true);
    } else if (!player.paused && !player.ended) return player.pause();
    void player.play().catch(() => undefined);
  };
  const caption = promptAt(clip.prompts, clip.timeline, ms);
  return (
    <div class="player" data-test="player" data-source={source} data-ms={Math.round(ms)}>
      <div class="player-view">
        <video
          ref={video}
          aria-label={t("clip.player", { step: name })}
          onTimeUpdate={(event) => setMs(event.currentTarget.currentTime * 1000)}
          onPlay={() => setPlaying(true)}
          onPause={() => setPlaying(false)}
          onEnded={() => setPlaying(false)}
        />
        {source === "none" ? <p class="check-unreadable">{t("clip.unplayable")}</p> : null}
      </div>
      <p class="player-caption" lang={caption?.lang}>
        {caption === undefined ? "" : typeset(caption.text, caption.lang)}
      </p>
      <div class="player-controls">
        <button type="button" class="cap-toggle" data-test="play" disabled={source === "none"} onClick={() => play(false)}>
          {t(playing ? "clip.pause" : "clip.play")}
        </button>
        <span class="bar player-bar" aria-hidden="true">
          <span class="bar-fill" style={{ transform: `scaleX(${clip.ms > 0 ? Math.min(1, ms / clip.ms) : 0})` }} />
        </span>
        <span class="numbers player-time">{clip.ms > 0 ? clock(clip.ms) : ""}</span>
        <button type="button" class="cap-toggle" data-test="play-sound" aria-pressed={sound} disabled={source === "none"} onClick={() => play(true)}>
          {t("clip.sound")}
        </button>
      </div>
    </div>
  );
}
