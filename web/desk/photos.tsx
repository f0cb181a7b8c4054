// Photos at this computer: a file or its camera, the same look before keeping, the same upload.
import { useEffect, useRef, useState } from "preact/hooks";
import { api, Problem } from "../shared/api";
import { cameraMissing, drawn, Eye, openCamera, CameraError, type Camera, type Photo } from "../shared/camera";
import { announce, Button, Callout, Progress } from "../shared/components";
import { megabytes, t, type Key } from "../shared/i18n";
import { Heading } from "../shared/page";
import { problemText } from "../shared/problems";
import { problemsOf, type Hint } from "../shared/quality";
import { go } from "../shared/router";
import type { Step } from "../shared/types";
import { uploadPhoto, UploadError } from "../shared/upload";
import { useCase } from "./desk";
import { Verify } from "./frame";
import { SubmitLevel } from "./level2";
import { Outline } from "./mirror";
import { liveHandoff, TakeBack } from "./offer";
import { isTodo, levelTitle, onPhone, stepsOf, stepWord } from "./words";

/** The page /identity/n/photos: one side after the other. */
export function Photos({ level }: { level: number }) {
  const { case: c } = useCase();
  const steps = stepsOf(c, level);
  const todo = steps.filter((s) => isTodo(s) && s.channels.includes("desk"));
  const step = todo[0];
  const held = liveHandoff(c);
  const onOther = held !== undefined && step !== undefined && held.steps.includes(step.id) && held.state !== "offered";
  if (onOther) {
    return (
      <Verify level={level}>
        <Heading screen="photos-held" title={levelTitle(c, level)}>{t("level2.held")}</Heading>
        <p class="lead">{t("level2.held.then")}</p>
        <div class="actions"><Button kind="primary" onClick={() => go(`/identity/${level}/phone`)}>{t("level2.follow")}</Button><TakeBack handoff={held} /></div>
      </Verify>
    );
  }
  if (!step) {
    return (
      <Verify level={level}>
        <Heading screen="photos-ready" title={levelTitle(c, level)}>{t("photos.ready")}</Heading>
        <p class="lead">{t("level2.ready")}</p>
        <SubmitLevel level={level} />
      </Verify>
    );
  }
  return (
    <Verify level={level}>
      <p class="meta" data-test="photos-count">{t("photos.count", { i: steps.indexOf(step) + 1, n: steps.length })}</p>
      <OnePhoto key={step.id} step={step} level={level} />
    </Verify>
  );
}

interface Taken extends Photo { url: string; problems: Hint[] }
type Mode = { at: "choose" } | { at: "camera" } | { at: "look"; taken: Taken } | { at: "send"; taken: Taken; sent: number; moving: boolean };

function OnePhoto({ step, level }: { step: Step; level: number }) {
  const { case: c, refresh, failed } = useCase();
  const [mode, setMode] = useState<Mode>({ at: "choose" });
  const [error, setError] = useState("");
  const file = useRef<HTMLInputElement>(null);
  const stop = useRef(new AbortController());
  const phone = onPhone(navigator.userAgent);
  useEffect(() => () => stop.current.abort(), []);
  const url = mode.at === "look" || mode.at === "send" ? mode.taken.url : undefined;
  useEffect(() => () => {
    if (url) URL.revokeObjectURL(url);
  }, [url]);

  const look = (p: Photo, problems: Hint[]) => {
    setError("");
    setMode({ at: "look", taken: { ...p, url: URL.createObjectURL(p.blob), problems } });
  };

  const chosen = async (f: File | undefined) => {
    if (!f) return;
    setError("");
    let picture: ImageBitmap;
    try {
      picture = await createImageBitmap(f, { imageOrientation: "from-image" });
    } catch {
      setError(t("photos.unreadable"));
      return;
    }
    try {
      // Drawn anew: where and with what it was taken stays here.
      const p = await drawn(picture, picture.width, picture.height);
      if (Math.min(p.width, p.height) < SMALLEST) setError(t("photos.small"));
      else look(p, problemsIn(picture, picture.width, picture.height));
    } catch {
      setError(t("photos.unreadable"));
    } finally {
      picture.close();
    }
  };

  const use = async (taken: Taken) => {
    setError("");
    setMode({ at: "send", taken, sent: 0, moving: true });
    const update = (part: { sent?: number; moving?: boolean }) => setMode((m) => (m.at === "send" ? { ...m, ...part } : m));
    try {
      const { uploadId } = await uploadPhoto({
        caseId: c.id, step: step.id, blob: taken.blob, as: "applicant", signal: stop.current.signal,
        onProgress: (sent) => update({ sent }), onMoving: (moving) => update({ moving }),
      });
      await api.accept(c.id, step.id, uploadId, "applicant");
      announce(t("photos.kept", { step: stepWord(step) }));
      await refresh();
    } catch (err) {
      if (stop.current.signal.aborted) return;
      failed(err);
      const p = err instanceof UploadError ? new Problem(err.status, { code: err.code }, 0, "") : err;
      setError(problemText(p));
      setMode({ at: "look", taken });
    }
  };

  const title = stepWord(step);
  return (
    <>
      <Heading screen={`photo-${step.id}-${mode.at}`} title={title}>{mode.at === "look" ? t("photo.check") : title}</Heading>
      {mode.at === "choose" ? (
        <>
          <p class="lead">{howTo(step)}</p>
          {step.id.startsWith("document_") ? <Outline side={step.id} /> : null}
          <input ref={file} class="unseen" type="file" accept="image/jpeg,image/png" capture={phone ? "environment" : undefined} tabIndex={-1} aria-hidden="true" data-test={`file-${step.id}`}
            onChange={(e) => { void chosen(e.currentTarget.files?.[0]); e.currentTarget.value = ""; }} />
          <div class="actions">
            {phone ? (
              <Button kind="primary" test="photo-camera" onClick={() => file.current?.click()}>{t("photos.take")}</Button>
            ) : (
              <>
                <Button kind="primary" test="photo-file" onClick={() => file.current?.click()}>{t("photos.file")}</Button>
                {cameraMissing() === null ? <Button icon="computer" test="photo-camera" onClick={() => { setError(""); setMode({ at: "camera" }); }}>{t("photos.camera")}</Button> : null}
              </>
            )}
          </div>
          {error ? <Callout tone="bad" alert test="photo-error"><p>{error}</p></Callout> : null}
          <p class="after"><Button kind="quiet" test="photos-back" onClick={() => go(`/identity/${level}`)}>{t("back")}</Button></p>
        </>
      ) : null}
      {mode.at === "camera" ? <DeskCamera step={step} taken={look} stopped={(why) => { setError(why); setMode({ at: "choose" }); }} /> : null}
      {mode.at === "look" ? (
        <>
          <p class="lead">{title}</p>
          <img class="photo" src={mode.taken.url} width={mode.taken.width} height={mode.taken.height} alt={t("photos.alt", { step: title })} data-test="photo-look" />
          <div class="message-space">
            {error ? <Callout tone="bad" alert test="photo-error"><p>{error}</p></Callout>
              : mode.taken.problems[0] ? <Callout tone="warn" test="photo-problem"><p>{t(`photo.problem.${mode.taken.problems[0]}` as Key)}</p></Callout> : null}
          </div>
          <div class="actions even">
            <Button kind="primary" test="photo-use" onClick={() => void use(mode.taken)}>{t("photo.check.use")}</Button>
            <Button test="photo-again" onClick={() => { setError(""); setMode({ at: "choose" }); }}>{t("photo.check.again")}</Button>
          </div>
        </>
      ) : null}
      {mode.at === "send" ? (
        <>
          <p class="lead">{t(mode.moving ? "photos.sending" : "photos.waiting")}</p>
          <img class="photo" src={mode.taken.url} width={mode.taken.width} height={mode.taken.height} alt={t("photos.alt", { step: title })} />
          <div class="message-space">
            <Progress value={mode.sent} total={mode.taken.blob.size} of={mode.taken.url}
              label={mode.sent >= mode.taken.blob.size ? t("photos.checking") : t("photos.sent", { sent: megabytes(mode.sent), total: megabytes(mode.taken.blob.size) })} />
          </div>
        </>
      ) : null}
    </>
  );
}

/** A document cannot be read from fewer pixels than this. */
const SMALLEST = 480;

function problemsIn(source: CanvasImageSource, width: number, height: number): Hint[] {
  const measures = new Eye().look(source, { x: 0, y: 0, width, height });
  return measures ? problemsOf(measures) : [];
}

function DeskCamera({ step, taken, stopped }: { step: Step; taken: (p: Photo, problems: Hint[]) => void; stopped: (why: string) => void }) {
  const video = useRef<HTMLVideoElement>(null);
  const camera = useRef<Camera | undefined>(undefined);
  const [ready, setReady] = useState(false);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    const el = video.current;
    if (!el) return;
    const c = new AbortController();
    const lost = (fault: string) => stopped(t((fault === "denied" || fault === "none" || fault === "busy" ? `camera.${fault}` : "camera.stuck") as Key));
    openCamera(el, { facing: "environment", signal: c.signal, onLost: lost }).then(
      (opened) => {
        camera.current = opened;
        setReady(true);
      },
      (err) => {
        if (!c.signal.aborted) lost(err instanceof CameraError ? err.fault : "stuck");
      },
    );
    return () => {
      c.abort();
      camera.current?.stop();
    };
  }, []);
  const shoot = async () => {
    const open = camera.current;
    if (!open || busy) return;
    setBusy(true);
    try {
      const p = await open.photo();
      const problems = problemsIn(open.video, open.video.videoWidth, open.video.videoHeight);
      open.stop();
      taken(p, problems);
    } catch {
      stopped(t("camera.stuck"));
    }
  };
  return (
    <>
      <p class="lead">{t(ready ? "photos.hold" : "photos.allow")}</p>
      <div class={step.id === "document_page" ? "desk-camera page-shape" : "desk-camera"} data-test="desk-camera" data-ready={ready}>
        <video ref={video} muted playsInline aria-label={t("photos.preview")} />
        <span class="desk-frame" aria-hidden="true" />
      </div>
      <div class="actions">
        <Button kind="primary" busy={busy} disabled={!ready} describedBy="camera-why" test="photo-shoot" onClick={() => void shoot()}>{t("photos.shoot")}</Button>
        <Button kind="quiet" test="photo-stop" onClick={() => stopped("")}>{t("cancel")}</Button>
        <span id="camera-why" class="soft small">{ready ? "" : t("photos.opening")}</span>
      </div>
    </>
  );
}

/** How to take the photo of a step. */
function howTo(step: Step): string {
  switch (step.id) {
    case "document_back": return t(step.instructions === "document_back.card" ? "photos.how.back.card" : "photos.how.back");
    case "document_page": return t("photos.how.page");
    case "document_front": return t("photos.how.front");
    default: return t("photos.how.sheet");
  }
}
