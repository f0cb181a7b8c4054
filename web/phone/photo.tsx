/** The viewfinder: one prompt on top, the document's frame, one control in the thumb's arc. */
import { useEffect, useRef, useState } from "preact/hooks";
import { announce, StatusLine } from "../shared/components";
import { t, type Key } from "../shared/i18n";
import { Heading } from "../shared/page";
import { coverBox, Eye, openCamera, widened, type Box, type Camera, type CameraFault } from "../shared/camera";
import { HintClock, Readiness } from "../shared/hints";
import { hintFor, problemsOf, type Hint } from "../shared/quality";
import type { CaptureStep } from "../shared/types";
import { vibrate, type Phone } from "./model";
import { More, OfflineBar } from "./shell";
import { useAwake } from "./wake";

/** The document's shape: an ID card, a passport page, or a sheet. */
type Shape = "card" | "page" | "sheet";

function shapeOf(step: CaptureStep): Shape {
  if (step.id === "document_page") return "page";
  return step.id.startsWith("document_") ? "card" : "sheet";
}

function promptOf(step: CaptureStep): Key {
  switch (step.id) {
    case "document_front":
      return "doc.front";
    case "document_back":
      return step.instructions === "document_back.card" ? "doc.back.card" : "doc.back";
    case "document_page":
      return "doc.page";
    default:
      return "doc.other";
  }
}

const autoKey = "symbolon.auto";

/** Takes the photo of one step. */
export function PhotoScreen({ phone, step }: { phone: Phone; step: CaptureStep }) {
  const stage = useRef<HTMLDivElement>(null);
  const frame = useRef<HTMLDivElement>(null);
  const video = useRef<HTMLVideoElement>(null);
  const camera = useRef<Camera | null>(null);
  const eye = useRef<Eye | null>(null);
  const taking = useRef(false);
  const [live, setLive] = useState(false);
  const [round, setRound] = useState(0);
  const [hint, setHint] = useState<Hint | null>(null);
  const [good, setGood] = useState(false);
  const [auto, setAuto] = useState(() => read(autoKey) !== "off");
  const autoNow = useRef(auto);
  autoNow.current = auto;
  const [torch, setTorch] = useState<boolean | null>(null);
  useAwake();

  const take = async (): Promise<void> => {
    const open = camera.current;
    if (open === null || taking.current) return;
    taking.current = true;
    try {
      const box = framed(stage.current!, frame.current!, open.video);
      const photo = await open.photo();
      vibrate(20);
      const focus = { x: box.x / open.video.videoWidth, y: box.y / open.video.videoHeight, width: box.width / open.video.videoWidth, height: box.height / open.video.videoHeight };
      const problems = await lookAt(photo.blob, focus);
      announce(t("capture.taken"));
      await phone.taken(step, photo, focus, problems);
    } catch {
      taking.current = false;
      phone.cameraLost("stuck");
    }
  };

  // One opening of the camera: from here until the page is hidden, the camera is lost, or the screen is left.
  useEffect(() => {
    const stop = new AbortController();
    let unfollow: (() => void) | undefined;
    let restarted = round > 0;
    setLive(false);
    setHint(null);
    setGood(false);
    phone.say({ step: step.id, phase: "camera" });
    const lost = (fault: CameraFault): void => {
      camera.current = null;
      unfollow?.();
      // Once by itself, out of the tap's reach; the second time in words.
      if (restarted) phone.cameraLost(fault);
      else {
        restarted = true;
        setRound((n) => n + 1);
      }
    };
    openCamera(video.current!, { facing: "environment", signal: stop.signal, onLost: lost }).then(
      (opened) => {
        if (stop.signal.aborted) return opened.stop();
        camera.current = opened;
        setTorch(opened.torch ? false : null);
        setLive(true);
        phone.say({ step: step.id, phase: "aiming" });
        unfollow = follow(opened);
      },
      (error: unknown) => {
        if (!stop.signal.aborted) phone.cameraLost(error instanceof Error && "fault" in error ? (error.fault as CameraFault) : "stuck");
      },
    );
    const follow = (opened: Camera): (() => void) => {
      const clock = new HintClock<Hint>();
      const ready = new Readiness();
      // After another photo the same side still lies there: nothing is taken by itself before it was moved.
      let armed = phone.photos.length + phone.receipts.length === 0;
      let shown: Hint | null = null;
      eye.current ??= new Eye();
      return eye.current.follow(
        opened.video,
        () => (stage.current && frame.current ? widened(framed(stage.current, frame.current, opened.video)) : null),
        (measures, now) => {
          const found = hintFor(measures);
          if (found === "closer" || measures.motion > 8) armed = true;
          const next = clock.feed(found, now);
          if (next !== shown) {
            shown = next;
            setHint(next);
            if (next !== null) announce(t(`hint.${next}`));
            phone.say({ step: step.id, phase: "aiming", ...(next === null ? {} : { hint: next }) });
          }
          const right = ready.feed(found === null, now);
          setGood(right);
          if (right && armed && autoNow.current) void take();
        },
      );
    };
    const seen = (): void => {
      if (document.visibilityState === "hidden") {
        // The camera is let go of: a phone gives a hidden page no frames, and another app may want it.
        stop.abort(new Error("hidden"));
        unfollow?.();
        camera.current?.stop();
        camera.current = null;
        setLive(false);
        phone.say({ step: step.id, phase: "paused" });
      } else if (stop.signal.aborted) {
        setRound((n) => n + 1);
      }
    };
    const shown = (event: PageTransitionEvent): void => {
      if (event.persisted) setRound((n) => n + 1);
    };
    document.addEventListener("visibilitychange", seen);
    addEventListener("pageshow", shown);
    return () => {
      document.removeEventListener("visibilitychange", seen);
      removeEventListener("pageshow", shown);
      stop.abort(new Error("left"));
      unfollow?.();
      camera.current?.stop();
      camera.current = null;
    };
  }, [step.id, round]);

  const prompt = t(promptOf(step));
  return (
    <div class={`cap ${lensSide()}`} data-shape={shapeOf(step)} ref={stage}>
      <video ref={video} class="cap-video" muted playsInline autoplay aria-hidden="true" />
      <main id="main" class="cap-grid" tabIndex={-1}>
        <div class="cap-top">
          <SideOutline id={step.id} />
          <Heading screen="photo" title={prompt}>
            {prompt}
          </Heading>
          <p class={`cap-hint${good ? " go" : ""}`} data-test="hint" data-hint={hint ?? ""}>
            {!live ? t("capture.opening") : hint !== null ? t(`hint.${hint}`) : good ? t("capture.good") : ""}
          </p>
        </div>
        <div class={`cap-frame${good ? " go" : ""}`} ref={frame} data-test="frame">
          <span class="bracket a" />
          <span class="bracket b" />
          <span class="bracket c" />
          <span class="bracket d" />
        </div>
        <div class="cap-bottom">
          {phone.offline ? <OfflineBar phone={phone} /> : null}
          <div class="cap-left">
            {torch === null ? null : (
              <button
                type="button"
                class="cap-toggle"
                aria-pressed={torch}
                data-test="torch"
                onClick={() => {
                  void camera.current?.setTorch(!torch).then(
                    () => setTorch(!torch),
                    () => setTorch(null),
                  );
                }}
              >
                {t("capture.torch")}
              </button>
            )}
          </div>
          <button type="button" class="shutter" aria-label={t("capture.shutter")} disabled={!live} data-test="shutter" onClick={() => void take()} />
          <div class="cap-right">
            <button
              type="button"
              class="cap-toggle"
              aria-pressed={auto}
              aria-label={t("capture.auto.long")}
              data-test="auto"
              onClick={() => {
                write(autoKey, auto ? "off" : "on");
                setAuto(!auto);
              }}
            >
              {t("capture.auto")}
            </button>
          </div>
        </div>
        <More phone={phone} on="camera" />
      </main>
      <StatusLine />
    </div>
  );
}

/** Where the frame on the screen lies in the camera's picture. */
function framed(stage: HTMLElement, frame: HTMLElement, video: HTMLVideoElement): Box {
  const view = stage.getBoundingClientRect();
  const part = frame.getBoundingClientRect();
  return coverBox(view, { width: video.videoWidth, height: video.videoHeight }, { x: part.x - view.x, y: part.y - view.y, width: part.width, height: part.height });
}

/** Measures the photo itself, not the last frame before it. */
async function lookAt(blob: Blob, focus: Box): Promise<Hint[]> {
  try {
    const picture = await createImageBitmap(blob);
    const part = { x: focus.x * picture.width, y: focus.y * picture.height, width: focus.width * picture.width, height: focus.height * picture.height };
    const measures = new Eye().look(picture, part);
    picture.close();
    return measures === null ? [] : problemsOf(measures);
  } catch {
    // Not measured; the person looks at it anyway.
    return [];
  }
}

/** Where the lens is in landscape: the prompt goes to that side. */
function lensSide(): "lens-left" | "lens-right" {
  return screen.orientation?.angle === 270 ? "lens-right" : "lens-left";
}

/** A small drawing of the side that is asked for. */
function SideOutline({ id }: { id: string }) {
  const card = <rect x="1" y="1" width="54" height="34" rx="4" />;
  return (
    <svg class="cap-side" viewBox="0 0 56 36" aria-hidden="true" focusable="false">
      {id === "document_front" ? (
        <>
          {card}
          <circle cx="42" cy="13" r="4.500" />
          <path d="M34 27c1-6 4-8 8-8s7 2 8 8M8 10h16M8 16h12M8 22h14M8 29h24" />
        </>
      ) : id === "document_back" ? (
        <>
          {card}
          <circle cx="12" cy="12" r="5" />
          <path d="M12 9.500v5M9.500 12h5M24 9h22M24 15h16M16 24h26M20 29h22" />
        </>
      ) : (
        <>
          {card}
          <rect x="6" y="7" width="12" height="14" rx="1" />
          <path d="M23 9h24M23 14h18M23 19h22M6 26h44M6 30h44" />
        </>
      )}
    </svg>
  );
}

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Remembered for this screen only.
  }
}
