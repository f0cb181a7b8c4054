/** The recording: prompts on top beside the lens, one control at the bottom, and an end that is named whenever it breaks off. */
import { useEffect, useRef, useState } from "preact/hooks";
import { StatusLine } from "../shared/components";
import { Icon } from "../shared/icons";
import { language, t, typeset, type Key } from "../shared/i18n";
import { Heading } from "../shared/page";
import { api, Problem } from "../shared/api";
import { CameraError, drawn, Eye, openCamera, type Camera, type CameraFault } from "../shared/camera";
import { problemText } from "../shared/problems";
import { problemsOf } from "../shared/quality";
import { acquireBoth, DeviceError, Recorder, type Interruption, type Picture } from "../shared/recorder";
import { onVoices, speak, voiceOf } from "../shared/speak";
import { Bars, Ear, Quiet } from "../shared/sound";
import type { CaptureStep, ClipChallenge } from "../shared/types";
import type { Clip } from "./clips";
import { findingsOf, type Measured } from "./findings";
import { vibrate, type Phone } from "./model";
import { Course, secondsOf, spoken } from "./prompts";
import { More, OfflineBar } from "./shell";
import { useAwake } from "./wake";

/** A document's letters need more of the picture than a face. */
const pictures: Record<"document" | "statement", Picture> = {
  document: { facing: "environment", width: 1280, height: 720 },
  statement: { facing: "user", width: 640, height: 480 },
};

/** "opening": camera and prompts are fetched. "speaking": a sentence is spoken before its part. "ending": the last piece comes. */
type Stage = "opening" | "ready" | "speaking" | "counting" | "recording" | "ending";

const tick = 100;
/** The photo is counted down after its prompt was read. */
const photoAfter = 2_500;
const photoCount = 2;
/** Silence inside a sentence after which one is asked to speak louder, in ms. */
const tooQuiet = 2_000;
/** No recording is longer, in ms: the server takes no later prompt. */
const longest = 118_000;
/** A script is fetched anew when it would run out soon. */
const spare = 10 * 60_000;

interface Tick {
  ms: number;
  bars: number | null;
  quiet: boolean;
  ready: number;
  /** Counts down to the photo; 0 without one. */
  photo: number;
}

const still: Tick = { ms: 0, bars: null, quiet: false, ready: 0, photo: 0 };

/** What belongs to one take while it is made. */
interface Run {
  recorder: Recorder;
  course: Course;
  clip: Clip;
  measured: Measured;
  stop: AbortController;
  photographed: boolean;
}

export function ClipScreen({ phone, step }: { phone: Phone; step: CaptureStep }) {
  const kind = step.id === "clip_document" ? "document" : "statement";
  const picture = pictures[kind];
  const video = useRef<HTMLVideoElement>(null);
  const camera = useRef<Camera | null>(null);
  const run = useRef<Run | null>(null);
  const gone = useRef(new AbortController());
  const [live, setLive] = useState(false);
  const [round, setRound] = useState(0);
  const [stage, setStageNow] = useState<Stage>("opening");
  const stageNow = useRef(stage);
  const setStage = (next: Stage): void => {
    stageNow.current = next;
    setStageNow(next);
  };
  const [script, setScript] = useState<ClipChallenge | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const [asked, setAsked] = useState(0);
  const [count, setCount] = useState(3);
  const [index, setIndex] = useState(-1);
  const [now, setNow] = useState<Tick>(still);
  const busy = stage === "speaking" || stage === "counting" || stage === "recording" || stage === "ending";
  const lying = useLying(busy);
  useAwake();

  // The script of this take.
  useEffect(() => {
    let left = false;
    setProblem(null);
    const caseId = phone.capture!.handoff.case_id;
    api.clipChallenge(caseId, step.id, language(), phone.way(step.id)).then(
      (got) => {
        if (!left) setScript(got);
      },
      (error: unknown) => {
        if (left) return;
        if (error instanceof Problem && error.status === 401) void phone.refresh();
        else setProblem(error);
      },
    );
    return () => {
      left = true;
    };
  }, [step.id, asked, phone.way(step.id)]);

  // One opening of camera and microphone.
  useEffect(() => {
    const stop = new AbortController();
    let restarted = round > 0;
    setLive(false);
    phone.say({ step: step.id, phase: "camera" });
    const lost = (fault: CameraFault): void => {
      camera.current = null;
      if (run.current !== null) return broken("camera");
      if (restarted) phone.cameraLost(fault);
      else {
        restarted = true;
        setRound((n) => n + 1);
      }
    };
    openCamera(video.current!, { facing: picture.facing, signal: stop.signal, onLost: lost, acquire: acquireBoth(picture) }).then(
      (opened) => {
        if (stop.signal.aborted) return opened.stop();
        camera.current = opened;
        setLive(true);
        phone.say({ step: step.id, phase: "aiming" });
      },
      (error: unknown) => {
        if (stop.signal.aborted) return;
        phone.cameraLost(error instanceof CameraError || error instanceof DeviceError ? error.fault : "stuck");
      },
    );
    const seen = (): void => {
      if (run.current !== null) return;
      if (document.visibilityState === "hidden") {
        stop.abort(new Error("hidden"));
        gone.current.abort(new Error("hidden"));
        camera.current?.stop();
        camera.current = null;
        setLive(false);
        phone.say({ step: step.id, phase: "paused" });
      } else if (stop.signal.aborted) {
        gone.current = new AbortController();
        setStage("opening");
        setRound((n) => n + 1);
      }
    };
    document.addEventListener("visibilitychange", seen);
    return () => {
      document.removeEventListener("visibilitychange", seen);
      stop.abort(new Error("left"));
      camera.current?.stop();
      camera.current = null;
    };
  }, [step.id, round]);

  useEffect(
    () => () => {
      gone.current.abort(new Error("left"));
      const open = run.current;
      run.current = null;
      open?.stop.abort(new Error("left"));
      if (open !== null) void open.recorder.stop();
    },
    [],
  );

  useEffect(() => {
    if (stageNow.current === "opening" && live && script !== null) setStage("ready");
  }, [live, script, stage]);

  const broken = (why: Interruption): void => {
    const open = run.current;
    if (open === null) return;
    run.current = null;
    const ms = open.recorder.ms;
    open.stop.abort(new Error(why));
    // What there is of it can be looked at once its last piece has come.
    void open.recorder.stop().then(() => phone.clips.flushed());
    vibrate([40, 60, 40]);
    phone.say({ step: step.id, phase: "paused" });
    phone.clips.broken(open.clip, why, ms);
  };

  /** Speaks a sentence where it is to be repeated; false when one left meanwhile. */
  const spokenFirst = async (text: string, lang: string, signal: AbortSignal): Promise<boolean> => {
    await speak(text, lang, signal);
    return !signal.aborted;
  };

  const start = async (): Promise<void> => {
    const opened = camera.current;
    if (opened === null || script === null || stageNow.current !== "ready") return;
    if (Date.parse(script.expires_at) - Date.now() < spare) {
      setStage("opening");
      setScript(null);
      setAsked((n) => n + 1);
      return;
    }
    const signal = gone.current.signal;
    const course = new Course(script.script.prompts);
    const first = course.next!;
    let ear: Ear | null = null;
    try {
      // In the tap, or it stays silent.
      ear = new Ear(opened.video.srcObject as MediaStream);
    } catch {
      // Without sound processing there is no meter.
    }
    setIndex(-1);
    setNow(still);
    if (first.kind === "repeat") {
      setStage("speaking");
      if (!(await spokenFirst(first.text, first.lang, signal))) return ear?.close();
    }
    setStage("counting");
    phone.say({ step: step.id, phase: "countdown" });
    for (let n = 3; n > 0; n--) {
      setCount(n);
      await new Promise((next) => setTimeout(next, 1_000));
      if (signal.aborted || camera.current !== opened) return ear?.close();
    }
    const stop = new AbortController();
    stop.signal.addEventListener("abort", () => ear?.close());
    let clip: Clip | undefined;
    try {
      const recorder = new Recorder({
        stream: opened.video.srcObject as MediaStream,
        video: opened.video,
        type: phone.clips.type,
        quality: phone.clips.quality,
        most: step.limits.max_bytes,
        onLost: broken,
        onPiece: (bytes) => clip !== undefined && phone.clips.piece(clip, bytes),
      });
      await recorder.start();
      if (signal.aborted) return void recorder.stop();
      clip = phone.clips.begin(step, script, recorder.bytes);
      run.current = { recorder, course, clip, measured: { light: [], sound: [], photo: [] }, stop, photographed: false };
      course.show(0);
      setIndex(0);
      setStage("recording");
      follow(run.current, ear, opened);
    } catch {
      stop.abort(new Error("failed"));
      phone.cameraLost("stuck");
    }
  };

  /** Ten times a second: time, sound, light, and the photo where one is asked for. */
  const follow = (open: Run, ear: Ear | null, opened: Camera): void => {
    const { recorder, course, clip, measured, stop } = open;
    const bars = new Bars();
    const quiet = new Quiet();
    const eye = new Eye();
    let lastLight = -Infinity;
    let heardFor = -1;
    const timer = setInterval(() => {
      const ms = recorder.ms;
      if (ms > longest) return broken("long");
      const level = ear?.level() ?? null;
      const prompt = course.prompt;
      const paused = stageNow.current !== "recording";
      let silent = false;
      if (level !== null && !paused) {
        measured.sound.push({ at: ms, value: level });
        if (heardFor !== course.index) {
          heardFor = course.index;
          quiet.reset(ms);
        }
        silent = quiet.feed(level, ms) > tooQuiet && prompt !== undefined && spoken(prompt);
      }
      if (ms - lastLight > 500) {
        lastLight = ms;
        const { videoWidth, videoHeight } = opened.video;
        const seen = eye.look(opened.video, { x: 0, y: 0, width: videoWidth, height: videoHeight });
        if (seen !== null) measured.light.push({ at: ms, value: seen.light });
      }
      let photo = 0;
      if (prompt?.still === true && !open.photographed) {
        const since = ms - (course.timeline[course.index]?.shown_at_ms ?? 0);
        photo = Math.max(0, Math.min(photoCount, Math.ceil((photoAfter + photoCount * 1_000 - since) / 1_000)));
        if (since >= photoAfter + photoCount * 1_000) {
          open.photographed = true;
          void photograph(open, opened);
        } else if (since < photoAfter) photo = 0;
      }
      setNow({ ms, bars: level === null ? null : bars.feed(level), quiet: silent, ready: course.ready(ms), photo });
      phone.say({
        step: step.id,
        phase: "recording",
        prompt_index: course.index,
        prompt_count: course.prompts.length,
        take: clip.number,
        elapsed_ms: Math.max(1, Math.floor(ms / 1_000) * 1_000),
      });
    }, tick);
    stop.signal.addEventListener("abort", () => clearInterval(timer));
  };

  const photograph = async (open: Run, opened: Camera): Promise<void> => {
    try {
      const { videoWidth, videoHeight } = opened.video;
      // The frame that is being recorded: a photo of the sensor would stop the recording on some phones.
      const photo = await drawn(opened.video, videoWidth, videoHeight);
      if (run.current !== open) return;
      const seen = new Eye().look(opened.video, { x: 0, y: 0, width: videoWidth, height: videoHeight });
      open.measured.photo = seen === null ? [] : problemsOf(seen);
      open.course.photographed();
      phone.clips.photographed(open.clip, photo.blob);
      vibrate(20);
    } catch {
      if (run.current === open) broken("camera");
    }
  };

  const next = async (): Promise<void> => {
    const open = run.current;
    if (open === null || stageNow.current !== "recording" || open.course.ready(open.recorder.ms) < 1) return;
    const { recorder, course, clip, measured, stop } = open;
    if (course.last) {
      setStage("ending");
      run.current = null;
      const ms = recorder.ms;
      stop.abort(new Error("done"));
      await recorder.stop();
      vibrate(20);
      phone.clips.finished(clip, course.timeline, ms, findingsOf(course.prompts, course.timeline, ms, measured));
      return;
    }
    setNow((was) => ({ ...was, ready: 0, quiet: false }));
    const coming = course.next!;
    if (coming.kind === "repeat") {
      setStage("speaking");
      setIndex(course.index + 1);
      recorder.pause();
      if (!(await spokenFirst(coming.text, coming.lang, stop.signal)) || run.current !== open) return;
      recorder.resume();
      setStage("recording");
    }
    course.show(recorder.ms);
    setIndex(course.index);
  };

  const again = (): void => {
    const open = run.current;
    if (open === null) return;
    run.current = null;
    open.stop.abort(new Error("again"));
    void open.recorder.stop();
    phone.clips.again(open.clip);
    setIndex(-1);
    setNow(still);
    setScript(null);
    setStage("opening");
    setAsked((n) => n + 1);
    phone.say({ step: step.id, phase: "aiming" });
  };

  const prompts = script?.script.prompts ?? [];
  const shown = stage === "recording" || stage === "ending" || (stage === "speaking" && index >= 0) ? prompts[index] : stage === "counting" && count === 1 ? prompts[0] : undefined;
  const after = prompts[index + 1];
  const last = index === prompts.length - 1;
  return (
    <div class={`cap clip${lying === "" ? "" : ` lying ${lying}`}`} data-kind={kind} data-stage={stage} data-test="clip">
      <main id="main" class="clip-grid" tabIndex={-1}>
        <div class="clip-bar">
          <p class="clip-time numbers" data-test="clip-time">
            {stage === "recording" || stage === "ending" || stage === "speaking" ? (
              <>
                <span class={stage === "recording" ? "dot on" : "dot"} aria-hidden="true" />
                {clock(now.ms)}
              </>
            ) : null}
          </p>
          {busy ? <Meter bars={now.bars} /> : null}
          {busy ? null : <More phone={phone} on="camera" />}
        </div>
        <div class="clip-top">
          {busy ? (
            <>
              <Heading screen={`clip-${stage === "counting" ? "count" : "on"}`} title={t(`step.${step.id}` as Key)}>
                {shown !== undefined ? (
                  <span class="clip-prompt" lang={shown.lang} data-test="prompt" data-id={shown.id}>
                    {typeset(shown.text, shown.lang)}
                  </span>
                ) : stage === "speaking" ? (
                  <span class="clip-prompt">{t("clip.listen")}</span>
                ) : (
                  <span class="clip-count numbers">{count}</span>
                )}
              </Heading>
              {stage === "counting" ? (
                <p class="unseen" role="alert">
                  {t("clip.starts")}
                </p>
              ) : null}
              <p class="clip-next" lang={after?.lang}>
                {stage === "counting" ? t("clip.begins", { n: count }) : stage === "speaking" ? t("clip.listen") : last || after === undefined ? "" : typeset(after.text, after.lang)}
              </p>
              <Dots of={prompts.length} at={index} />
            </>
          ) : (
            <>
              <Heading screen="clip" title={t(`step.${step.id}` as Key)}>
                {t(`clip.ready.${kind}`)}
              </Heading>
              <p class="clip-lead">
                {problem !== null ? (
                  <span class="check-problem stop" role="alert">
                    <Icon name="warning" small />
                    {problemText(problem)}
                  </span>
                ) : stage === "opening" ? (
                  t("capture.opening")
                ) : (
                  t(kind === "statement" ? (phone.way(step.id) === "listen_repeat" ? "clip.repeat" : "clip.read") : "clip.show")
                )}
              </p>
              <p class="clip-next">
                {script === null ? "" : t("clip.about", { n: prompts.length, seconds: Math.round(prompts.reduce((sum, one) => sum + secondsOf(one), 0) / 5) * 5 })}
              </p>
            </>
          )}
        </div>
        <div class="clip-view">
          <video ref={video} class={picture.facing === "user" ? "clip-video mirrored" : "clip-video"} muted playsInline autoplay aria-hidden="true" />
          <span class={kind === "document" ? "clip-outline card" : "clip-outline oval"} aria-hidden="true" />
          <p class={`clip-hint${now.quiet ? " wait" : ""}`} data-test="clip-hint">
            {stage !== "recording"
              ? ""
              : now.photo > 0
                ? t("clip.still", { n: now.photo })
                : shown?.still === true && now.ready === 0
                  ? t("hint.hold_still")
                  : shown !== undefined && spoken(shown) && now.bars !== null
                    ? t(now.quiet ? "clip.louder" : "clip.heard")
                    : ""}
          </p>
          {phone.offline ? <OfflineBar phone={phone} /> : null}
        </div>
        <div class="clip-bottom">
          {busy ? (
            <>
              <button type="button" class="clip-again" data-test="clip-again" disabled={stage !== "recording"} onClick={again}>
                {t("clip.again")}
              </button>
              <button
                type="button"
                class="clip-go"
                data-test="clip-next"
                aria-disabled={stage !== "recording" || now.ready < 1 || undefined}
                data-last={last}
                onClick={() => void next()}
              >
                <span class="clip-fill" style={{ transform: `scaleX(${stage === "recording" ? now.ready : 0})` }} aria-hidden="true" />
                <span class="clip-go-text">{t(stage === "ending" ? "clip.ending" : last ? "clip.finish" : kind === "document" ? "clip.next.part" : "clip.next")}</span>
              </button>
            </>
          ) : (
            <>
              <OtherWay phone={phone} step={step} />
              {problem !== null ? (
                <button type="button" class="button cap-button cap-primary" data-test="retry" onClick={() => setAsked((n) => n + 1)}>
                  {t("phone.retry")}
                </button>
              ) : (
                <button type="button" class="button cap-button cap-primary" data-test="clip-start" disabled={stage !== "ready"} onClick={() => void start()}>
                  {t("clip.start")}
                </button>
              )}
            </>
          )}
        </div>
      </main>
      <StatusLine />
    </div>
  );
}

/** Ways for people who cannot read or speak aloud, where there are any; the reason is not asked. */
function OtherWay({ phone, step }: { phone: Phone; step: CaptureStep }) {
  const [, again] = useState(0);
  useEffect(() => onVoices(() => again((n) => n + 1)), []);
  const may = step.alternatives ?? [];
  const repeat = may.includes("listen_repeat") && voiceOf(language()) !== undefined;
  const write = may.includes("written");
  if (!repeat && !write) return null;
  const way = phone.way(step.id);
  return (
    <div class="clip-ways">
      {repeat ? (
        <button type="button" class="cap-toggle" data-test="way-repeat" aria-pressed={way === "listen_repeat"} onClick={() => phone.chooseWay(step.id, way === "listen_repeat" ? undefined : "listen_repeat")}>
          {t("clip.way.repeat")}
        </button>
      ) : null}
      {write ? (
        <button type="button" class="cap-toggle" data-test="way-written" onClick={() => phone.chooseWay(step.id, "written")}>
          {t("clip.way.written")}
        </button>
      ) : null}
    </div>
  );
}

function Meter({ bars }: { bars: number | null }) {
  if (bars === null) return null;
  return (
    <p class="meter" data-test="meter" data-bars={bars}>
      <Icon name="sound" small />
      <span class="unseen">{t("clip.level")}</span>
      {[1, 2, 3, 4, 5].map((n) => (
        <span key={n} class={n <= bars ? "meter-bar on" : "meter-bar"} aria-hidden="true" />
      ))}
    </p>
  );
}

function Dots({ of, at }: { of: number; at: number }) {
  return (
    <p class="clip-dots" aria-hidden="true">
      {Array.from({ length: of }, (_, i) => (
        <span key={i} class={i < at ? "clip-dot past" : i === at ? "clip-dot here" : "clip-dot"} />
      ))}
    </p>
  );
}

/** "0:07". */
export function clock(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** Whether the phone lies on its side, and where its lens is then. During a take it stays as it began. */
function useLying(fixed: boolean): "" | "lens-left" | "lens-right" {
  const look = (): "" | "lens-left" | "lens-right" =>
    !matchMedia("(orientation:landscape) and (max-height:480px)").matches ? "" : screen.orientation?.angle === 270 ? "lens-right" : "lens-left";
  const [lying, set] = useState(look);
  useEffect(() => {
    if (fixed) return;
    const turned = (): void => set(look());
    turned();
    addEventListener("resize", turned);
    return () => removeEventListener("resize", turned);
  }, [fixed]);
  return lying;
}
