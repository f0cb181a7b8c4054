/** The face: an oval with a ring of moves around it, one prompt on top, and another way in sight from the first second. */
import { useEffect, useRef, useState } from "preact/hooks";
import { Problem } from "../../shared/api";
import { CameraError, faultOf, openCamera, type Camera, type CameraFault } from "../../shared/camera";
import { announce, Button, StatusLine } from "../../shared/components";
import { HintClock } from "../../shared/hints";
import { t, tn } from "../../shared/i18n";
import { Heading } from "../../shared/page";
import { problemText, reasonText } from "../../shared/problems";
import type { CaptureStep, FaceChallenge, Reason } from "../../shared/types";
import { vibrate, type Phone } from "../model";
import { patiently } from "../patiently";
import { More, OfflineBar, Page } from "../shell";
import { useAwake } from "../wake";
import { faceChallenge, sendFace, type Shot } from "./faces";
import { poseOf } from "./geometry";
import { Course, type Action, type Advice, type Stand, type Way } from "./moves";

/** Where the screen is. "moves" covers everything in front of the camera; the others are pages. */
type Stage =
  | { name: "moves" }
  | { name: "sending" }
  | { name: "failed"; reasons: Reason[]; left: number }
  | { name: "choose" }
  | { name: "lost"; why: "hidden" | "camera" | "slow" }
  | { name: "refused"; problem: unknown };

const longest = 640;
/** Below this brightness of a face the surround turns white to light it. */
const dim = 75;

export function FaceScreen({ phone, step }: { phone: Phone; step: CaptureStep }) {
  const watch = phone.faces.watch;
  const [stage, setStage] = useState<Stage>(() => ((step.face?.tries_left ?? 1) > 0 ? { name: "moves" } : { name: "choose" }));
  const [way, setWay] = useState<Way>(watch === null ? "person" : "");
  const [turn, setTurn] = useState(0);
  const retry = (next: Way): void => {
    setWay(next);
    setTurn((n) => n + 1);
    setStage({ name: "moves" });
  };
  const ways = (step.alternatives ?? []).filter((one) => (one === "person" ? true : watch !== null && (step.face?.tries_left ?? 1) > 0)) as Way[];
  switch (stage.name) {
    case "moves":
    case "sending":
      return (
        <Moves key={`${way} ${turn}`} phone={phone} step={step} way={way} sending={stage.name === "sending"} go={setStage} another={ways.length > 0 ? () => setStage({ name: "choose" }) : null} />
      );
    case "failed":
      return (
        <Page
          phone={phone}
          actions={
            <div class="face-actions">
              {stage.left > 0 ? (
                <Button kind="primary" wide test="face-again" onClick={() => retry(way)}>
                  {t("face.again")}
                </Button>
              ) : null}
              {ways.length > 0 ? (
                <Button kind={stage.left > 0 ? "plain" : "primary"} wide test="face-another" onClick={() => setStage({ name: "choose" })}>
                  {t("face.another")}
                </Button>
              ) : null}
            </div>
          }
        >
          <Heading screen="face-failed">{t("face.failed")}</Heading>
          {stage.reasons.slice(0, 2).map((reason) => {
            const text = reasonText(reason.code);
            return (
              <div key={reason.code} class="face-reason" data-test="face-reason" data-code={reason.code}>
                <p class="lead">{text.what}</p>
                <p>{text.how}</p>
              </div>
            );
          })}
          <p class="soft" data-test="face-left">{stage.left > 0 ? tn("face.left", stage.left) : t("face.left.none")}</p>
        </Page>
      );
    case "choose":
      return (
        <Page
          phone={phone}
          actions={
            <Button kind="quiet" wide test="face-back" onClick={() => retry(watch === null ? "person" : "")}>
              {t("face.choose.back")}
            </Button>
          }
        >
          <Heading screen="face-choose">{t("face.choose")}</Heading>
          <p class="lead">{t("face.choose.lead")}</p>
          <div class="face-ways">
            {ways.map((one) => (
              <button key={one} type="button" class="face-way" data-test={`face-way-${one}`} onClick={() => retry(one)}>
                <strong>{t(`face.way.${one as "person"}`)}</strong>
                <span>{t(`face.way.${one as "person"}.how`)}</span>
              </button>
            ))}
          </div>
        </Page>
      );
    case "lost":
      return (
        <Page
          phone={phone}
          actions={
            <Button kind="primary" wide test="face-again" onClick={() => retry(way)}>
              {t("face.again")}
            </Button>
          }
        >
          <Heading screen="face-lost">{t("face.lost")}</Heading>
          <p class="lead">{t(`face.lost.${stage.why}`)}</p>
          <p>{t("face.lost.safe")}</p>
        </Page>
      );
    case "refused":
      return (
        <Page
          phone={phone}
          actions={
            <Button kind="primary" wide test="face-again" onClick={() => retry(way)}>
              {t("phone.retry")}
            </Button>
          }
        >
          <Heading screen="face-refused">{t("face.failed")}</Heading>
          <p class="lead">{problemText(stage.problem)}</p>
        </Page>
      );
  }
}

interface MovesProps {
  phone: Phone;
  step: CaptureStep;
  way: Way;
  sending: boolean;
  go: (stage: Stage) => void;
  /** To the other ways, where there are any. */
  another: (() => void) | null;
}

function Moves({ phone, step, way, sending, go, another }: MovesProps) {
  const video = useRef<HTMLVideoElement>(null);
  const [live, setLive] = useState(false);
  const [stand, setStand] = useState<{ action: Action | null; index: number }>({ action: "neutral", index: 0 });
  const [advice, setAdvice] = useState<Advice | null>(null);
  const [actions, setActions] = useState<readonly Action[]>(["neutral"]);
  const [lit, setLit] = useState(false);
  const [stranger, setStranger] = useState(false);
  useAwake();
  useEffect(() => {
    document.documentElement.classList.add("face-ground");
    return () => document.documentElement.classList.remove("face-ground");
  }, []);

  useEffect(() => {
    const stop = new AbortController();
    let camera: Camera | null = null;
    const end = (stage: Stage): void => {
      if (stop.signal.aborted) return;
      stop.abort(new Error("ended"));
      camera?.stop();
      go(stage);
    };
    const hidden = (): void => {
      if (document.visibilityState === "hidden") {
        phone.say({ step: step.id, phase: "paused" });
        end({ name: "lost", why: "hidden" });
      }
    };
    document.addEventListener("visibilitychange", hidden);
    const run = async (): Promise<void> => {
      phone.say({ step: step.id, phase: "camera" });
      let lost: CameraFault | null = null;
      camera = await openCamera(video.current!, {
        facing: "user",
        signal: stop.signal,
        onLost: (fault) => {
          lost = fault;
          end({ name: "lost", why: "camera" });
        },
        acquire: selfie,
      });
      if (stop.signal.aborted) return camera.stop();
      setLive(true);
      const challenge = await patiently(() => faceChallenge(phone.capture!.handoff.case_id, way), stop.signal);
      setActions(challenge.actions);
      const shots = await follow(camera, challenge, stop.signal);
      if (shots === null || lost !== null) return;
      go({ name: "sending" });
      phone.say({ step: step.id, phase: "sending" });
      const key = crypto.randomUUID().replaceAll("-", "");
      const model = phone.faces.watch?.model ?? "";
      await patiently(() => sendFace(phone.capture!.handoff.case_id, challenge, shots, model, key), stop.signal);
      vibrate(20);
      announce(t("face.done"));
      camera.stop();
      await phone.faceDone(step);
    };
    run().catch((error: unknown) => {
      if (stop.signal.aborted) return;
      if (error instanceof CameraError) {
        camera?.stop();
        phone.cameraLost(error.fault);
        return;
      }
      vibrate([40, 60, 40]);
      if (error instanceof Problem) {
        if (error.status === 401) return void phone.refresh();
        if (error.code === "face_failed") {
          void phone.refresh();
          return end({ name: "failed", reasons: error.members.reasons as Reason[], left: Number(error.members.tries_left) });
        }
        if (error.code === "face_tries_used") return end({ name: "choose" });
        if (["challenge_expired", "challenge_used", "challenge_unknown"].includes(error.code)) return end({ name: "lost", why: "slow" });
      }
      end({ name: "refused", problem: error });
    });
    return () => {
      document.removeEventListener("visibilitychange", hidden);
      stop.abort(new Error("left"));
      camera?.stop();
    };
  }, []);

  /** Looks at the camera until every move was made; null when one left. */
  const follow = async (camera: Camera, challenge: FaceChallenge, signal: AbortSignal): Promise<Shot[] | null> => {
    const watch = phone.faces.watch;
    const course = new Course(challenge.actions, way);
    const clock = new HintClock<Advice>();
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (context === null) throw new CameraError("unsupported");
    let shots: Shot[] = [];
    let known = false;
    for (;;) {
      await frame(camera.video, signal);
      if (signal.aborted) return null;
      const at = performance.now();
      const scale = longest / Math.max(camera.video.videoWidth, camera.video.videoHeight);
      canvas.width = Math.round(camera.video.videoWidth * scale);
      canvas.height = Math.round(camera.video.videoHeight * scale);
      context.drawImage(camera.video, 0, 0, canvas.width, canvas.height);
      const seen = watch === null ? blind(context, canvas) : await watch.look(await createImageBitmap(canvas), !known && watch.knows);
      if (signal.aborted) return null;
      if (seen === null) {
        // The worker gave up: a person looks at plain pictures instead.
        if (way !== "person") go({ name: "choose" });
        return null;
      }
      if (watch?.readiness === "loading") continue;
      if (seen.who !== null && !known) {
        const other = await phone.faces.stranger(seen.who);
        known = other !== null;
        setStranger(other === true);
      }
      const next = course.next(seen, at);
      if (next.again) shots = [];
      if (next.keep !== null) {
        const pose = seen.face === null ? null : poseOf(seen.face);
        shots.push({ action: next.keep, at, blob: await jpeg(canvas), turn: pose?.turn ?? NaN, eyes: pose?.eyes ?? NaN, mouth: pose?.mouth ?? NaN });
      }
      if (next.finished) vibrate(20);
      show(next, clock.feed(next.advice, at), seen.light, challenge.actions.length);
      if (next.done) return shots;
    }
  };

  const shown = useRef({ action: "" as Action | null | "", advice: null as Advice | null });
  const show = (next: Stand, hint: Advice | null, light: number, count: number): void => {
    // Once lit it stays: a surround that comes and goes would flicker by itself.
    if (light < dim) setLit(true);
    if (next.action !== shown.current.action || hint !== shown.current.advice) {
      if (next.action !== null && next.action !== shown.current.action) announce(t(`face.move.${next.action}`));
      else if (hint !== null) announce(t(`face.advice.${hint}`));
      shown.current = { action: next.action, advice: hint };
      setStand({ action: next.action, index: next.index });
      setAdvice(hint);
    }
    phone.say({ step: step.id, phase: "moves", prompt_index: Math.min(next.index, count - 1), prompt_count: count, ...(next.action === null ? {} : { hint: next.action }) });
  };

  const moves = actions.filter((one) => one !== "neutral");
  const prompt = sending ? t("face.checking") : !live ? t("capture.opening") : way === "person" || way === "still" ? t(`face.prompt.${way}`) : t(`face.move.${stand.action ?? "neutral"}`);
  const done = stand.action === null ? moves.length : Math.max(0, stand.index - 1);
  return (
    <div class={`cap face${lit ? " lit" : ""}`} data-test="face" data-action={sending ? "sending" : (stand.action ?? "")} data-advice={advice ?? ""}>
      <video ref={video} class="cap-video face-video" muted playsInline autoplay aria-hidden="true" />
      <main id="main" class="face-grid" tabIndex={-1}>
        <div class="cap-top face-top">
          <Heading screen="face" title={t("face.title")}>
            <Arrow action={sending ? null : stand.action} />
            <span>{prompt}</span>
          </Heading>
          <p class="cap-hint" data-test="face-hint">
            {sending || !live ? "" : advice !== null ? t(`face.advice.${advice}`) : stranger ? t("face.unfit") : ""}
          </p>
        </div>
        <div class="face-oval">
          <Ring moves={moves} done={done} current={!sending && stand.action !== null && stand.action !== "neutral" ? stand.index - 1 : -1} />
        </div>
        <div class="face-bottom">
          {phone.offline ? <OfflineBar phone={phone} /> : null}
          {moves.length > 0 ? <p class="face-count">{t("face.count", { n: done, of: moves.length })}</p> : null}
          {another === null || sending ? null : (
            <button type="button" class="cap-toggle" data-test="face-alt" onClick={another}>
              {t("face.alt")}
            </button>
          )}
        </div>
        <More phone={phone} on="camera" />
      </main>
      <StatusLine />
    </div>
  );
}

/** One segment for each move, with gaps between them. */
function Ring({ moves, done, current }: { moves: readonly Action[]; done: number; current: number }) {
  const n = Math.max(1, moves.length);
  const each = 360 / n;
  const gap = n === 1 ? 0 : 6;
  return (
    <svg class="face-ring" viewBox="0 0 100 132" preserveAspectRatio="none" aria-hidden="true" focusable="false">
      {Array.from({ length: n }, (_, i) => (
        <ellipse
          key={i}
          class={i < done ? "done" : i === current ? "current" : ""}
          cx="50"
          cy="66"
          rx="49"
          ry="65"
          pathLength={360}
          stroke-dasharray={`${each - gap} ${360 - each + gap}`}
          stroke-dashoffset={90 - gap / 2 - i * each}
        />
      ))}
    </svg>
  );
}

/** Where to turn. The preview is a mirror, so the person's left is left on the screen. */
function Arrow({ action }: { action: Action | null }) {
  if (action !== "turn_left" && action !== "turn_right") return null;
  return (
    <svg class={`face-arrow ${action}`} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d="M15 5l-7 7 7 7" />
    </svg>
  );
}

function selfie(): Promise<MediaStream> {
  return navigator.mediaDevices
    .getUserMedia({ video: { facingMode: { ideal: "user" }, width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } }, audio: false })
    .catch((error: unknown) => {
      throw new CameraError(faultOf(error));
    });
}

/** Resolves with the next frame of a video. */
function frame(video: HTMLVideoElement, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      signal.removeEventListener("abort", done);
      resolve();
    };
    signal.addEventListener("abort", done);
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(done);
    else setTimeout(done, 40);
  });
}

function jpeg(canvas: HTMLCanvasElement): Promise<Blob> {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob === null ? reject(new CameraError("stuck")) : resolve(blob)), "image/jpeg", 0.9);
  });
}

/** What can be told of a picture without networks: how bright it is, and how to know it again. */
function blind(context: CanvasRenderingContext2D, canvas: HTMLCanvasElement): { face: null; second: number; x: number; y: number; height: number; light: number; print: Uint8Array; who: null } {
  const n = 40;
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const print = new Uint8Array(n * n);
  let sum = 0;
  for (let j = 0; j < n; j++) {
    for (let i = 0; i < n; i++) {
      const at = 4 * (Math.floor(((j + 0.5) * canvas.height) / n) * canvas.width + Math.floor(((i + 0.5) * canvas.width) / n));
      const v = Math.round(0.299 * data[at]! + 0.587 * data[at + 1]! + 0.114 * data[at + 2]!);
      print[j * n + i] = v;
      sum += v;
    }
  }
  return { face: null, second: 0, x: 0.5, y: 0.5, height: 0, light: sum / (n * n), print, who: null };
}
