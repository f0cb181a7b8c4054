/** The look at a photo before it is used: large, with a pinch or a button to come closer. */
import { useEffect, useRef, useState } from "preact/hooks";
import { StatusLine } from "../shared/components";
import { Icon } from "../shared/icons";
import { t } from "../shared/i18n";
import { Heading } from "../shared/page";
import { problemText } from "../shared/problems";
import type { Box } from "../shared/camera";
import type { CaptureStep } from "../shared/types";
import type { Phone, Take } from "./model";
import { stepName } from "./screens";
import { storedTake } from "./screen";
import { useSettled } from "./settled";
import { More, OfflineBar } from "./shell";
import { useAwake } from "./wake";

/** Looks at the photo of a step: one of this phone, or (null) the server's copy of one sent before. */
export function Check({ phone, step, take }: { phone: Phone; step: CaptureStep; take: Take | null }) {
  useAwake();
  useEffect(() => phone.say({ step: step.id, phase: "checking_take" }), [phone, step.id]);
  const settled = useSettled(take?.id);
  const failed = take?.state === "failed";
  const problem = take?.error ?? phone.problem;
  return (
    <div class="cap check">
      <main id="main" class="check-grid" tabIndex={-1}>
        <div class="cap-top">
          {phone.offline ? <OfflineBar phone={phone} /> : null}
          <Heading screen="check">{t("photo.check")}</Heading>
          <p class="check-problems" role={problem === null ? undefined : "alert"} data-test="photo-problems">
            {problem !== null ? (
              <span class="check-problem stop">
                <Icon name="warning" small />
                {problemText(problem)}
              </span>
            ) : (
              take?.problems.map((one) => (
                <span key={one} class="check-problem" data-problem={one}>
                  <Icon name="warning" small />
                  {t(`photo.problem.${one}`)}
                </span>
              ))
            )}
          </p>
        </div>
        <Picture take={take} step={step} />
        <div class="check-actions">
          <button type="button" class="button cap-button" data-test="retake" aria-busy={phone.busy || undefined} aria-disabled={!settled || undefined} onClick={() => settled && void phone.retake(step, take)}>
            {t("photo.check.again")}
          </button>
          <button
            type="button"
            class="button cap-button cap-primary"
            data-test="use-photo"
            aria-busy={phone.busy || undefined}
            aria-disabled={!settled || undefined}
            onClick={() => settled && void (take === null ? phone.useStored(step) : phone.use(take))}
          >
            {t(failed ? "phone.retry" : "photo.check.use")}
          </button>
        </div>
        <More phone={phone} on="camera" />
      </main>
      <StatusLine />
    </div>
  );
}

interface View {
  /** Screen pixels a picture pixel. */
  scale: number;
  /** The picture's point in the middle. */
  x: number;
  y: number;
}

function Picture({ take, step }: { take: Take | null; step: CaptureStep }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const bitmap = useRef<ImageBitmap | null>(null);
  const view = useRef<View>({ scale: 1, x: 0, y: 0 });
  const fingers = useRef(new Map<number, { x: number; y: number }>());
  const [state, setState] = useState<"loading" | "shown" | "unreadable">("loading");
  const [close, setClose] = useState(false);
  const id = take?.id ?? storedTake(step)?.upload_id;

  const size = (): { width: number; height: number; ratio: number } => {
    const element = canvas.current!;
    return { width: element.clientWidth, height: element.clientHeight, ratio: Math.min(devicePixelRatio || 1, 3) };
  };
  const draw = (): void => {
    const element = canvas.current;
    const picture = bitmap.current;
    const context = element?.getContext("2d");
    if (!element || !picture || !context) return;
    const { width, height, ratio } = size();
    if (element.width !== Math.round(width * ratio) || element.height !== Math.round(height * ratio)) {
      element.width = Math.round(width * ratio);
      element.height = Math.round(height * ratio);
    }
    const { scale, x, y } = view.current;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, element.width, element.height);
    context.imageSmoothingQuality = "high";
    context.setTransform(scale * ratio, 0, 0, scale * ratio, (width / 2 - x * scale) * ratio, (height / 2 - y * scale) * ratio);
    context.drawImage(picture, 0, 0);
  };
  /** Keeps the picture from being lost out of view. */
  const settle = (next: View): void => {
    const picture = bitmap.current;
    if (!picture || !canvas.current) return;
    const { width, height } = size();
    const whole = Math.min(width / picture.width, height / picture.height);
    const scale = Math.min(Math.max(next.scale, whole), Math.max(whole * 8, 2));
    const halfX = Math.min(picture.width / 2, width / 2 / scale);
    const halfY = Math.min(picture.height / 2, height / 2 / scale);
    view.current = {
      scale,
      x: Math.min(Math.max(next.x, halfX), picture.width - halfX),
      y: Math.min(Math.max(next.y, halfY), picture.height - halfY),
    };
    draw();
  };
  const fit = (near: boolean): void => {
    const picture = bitmap.current;
    if (!picture || !canvas.current) return;
    const { width, height } = size();
    const part: Box = take?.focus ?? { x: 0, y: 0, width: 1, height: 1 };
    const around = 1.04;
    const scale = Math.min(width / (part.width * picture.width * around), height / (part.height * picture.height * around));
    settle({ scale: near ? scale * 2 : scale, x: (part.x + part.width / 2) * picture.width, y: (part.y + part.height / 2) * picture.height });
  };

  useEffect(() => {
    let gone = false;
    setState("loading");
    setClose(false);
    const load = async (): Promise<void> => {
      try {
        const blob = take?.blob ?? (await stored(step));
        const picture = await createImageBitmap(blob, { imageOrientation: "from-image" });
        if (gone) return picture.close();
        bitmap.current = picture;
        setState("shown");
        fit(false);
      } catch {
        if (!gone) setState("unreadable");
      }
    };
    void load();
    const resized = new ResizeObserver(() => fit(false));
    resized.observe(canvas.current!);
    return () => {
      gone = true;
      resized.disconnect();
      bitmap.current?.close();
      bitmap.current = null;
    };
  }, [id]);

  const move = (event: PointerEvent): void => {
    const held = fingers.current;
    const before = held.get(event.pointerId);
    if (before === undefined) return;
    const { scale, x, y } = view.current;
    if (held.size === 1) settle({ scale, x: x - (event.clientX - before.x) / scale, y: y - (event.clientY - before.y) / scale });
    else {
      const other = [...held].find(([key]) => key !== event.pointerId)![1];
      const was = Math.hypot(before.x - other.x, before.y - other.y);
      const is = Math.hypot(event.clientX - other.x, event.clientY - other.y);
      const rect = canvas.current!.getBoundingClientRect();
      // What lies between the fingers stays between them.
      const cx = (event.clientX + other.x) / 2 - rect.x - rect.width / 2;
      const cy = (event.clientY + other.y) / 2 - rect.y - rect.height / 2;
      const next = was > 0 ? (scale * is) / was : scale;
      settle({ scale: next, x: x + cx / scale - cx / next, y: y + cy / scale - cy / next });
    }
    held.set(event.pointerId, { x: event.clientX, y: event.clientY });
  };
  const key = (event: KeyboardEvent): void => {
    const { scale, x, y } = view.current;
    const by = 60 / scale;
    const moves: Record<string, View> = {
      ArrowLeft: { scale, x: x - by, y },
      ArrowRight: { scale, x: x + by, y },
      ArrowUp: { scale, x, y: y - by },
      ArrowDown: { scale, x, y: y + by },
      "+": { scale: scale * 1.25, x, y },
      "-": { scale: scale / 1.25, x, y },
    };
    const next = moves[event.key];
    if (next === undefined) return;
    event.preventDefault();
    settle(next);
  };

  return (
    <div class="check-picture">
      <canvas
        ref={canvas}
        role="img"
        tabIndex={0}
        aria-label={t("photo.check.picture", { step: stepName(step) })}
        data-test="photo"
        data-state={state}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          fingers.current.set(event.pointerId, { x: event.clientX, y: event.clientY });
        }}
        onPointerMove={move}
        onPointerUp={(event) => fingers.current.delete(event.pointerId)}
        onPointerCancel={(event) => fingers.current.delete(event.pointerId)}
        onKeyDown={key}
      />
      {state === "unreadable" ? <p class="check-unreadable">{t("photo.unreadable")}</p> : null}
      <button
        type="button"
        class="cap-toggle check-zoom"
        aria-pressed={close}
        data-test="zoom"
        onClick={() => {
          fit(!close);
          setClose(!close);
        }}
      >
        {t(close ? "photo.check.whole" : "photo.check.zoom")}
      </button>
    </div>
  );
}

async function stored(step: CaptureStep): Promise<Blob> {
  const media = storedTake(step)?.media_id;
  if (!media) throw new Error("nothing stored");
  const answer = await fetch(`/v1/media/${encodeURIComponent(media)}`, { headers: { "Symbolon-As": "capture" }, credentials: "same-origin", cache: "no-store" });
  if (!answer.ok) throw new Error("not shown");
  return answer.blob();
}

