// The live mirror: what the phone does, in words. Never a picture, a number or a name.
import { useEffect, useRef, useState } from "preact/hooks";
import { announce, DeviceLine, Progress } from "../shared/components";
import { estimate } from "../shared/estimate";
import { Icon, stepIcon } from "../shared/icons";
import { has, megabytes, number, span, t } from "../shared/i18n";
import { Heading } from "../shared/page";
import { LinkMark } from "../shared/token";
import type { Handoff, LiveProgress, Step } from "../shared/types";
import { useCase } from "./desk";
import { Pace } from "./pace";
import { TakeBack } from "./offer";
import { SecondPhone } from "./second-phone";
import { reasonsText, stepWord } from "./words";

const CAMERA_HELP_AFTER = 20_000;
/** Bytes a second below which the pace is told, and seconds above which the time left is. */
const SLOW = 100_000;
const LONG = 10;

export function Mirror({ h }: { h: Handoff }) {
  const { case: c, phoneHere, progress, link } = useCase();
  const steps = h.steps.map((id) => c.steps.find((s) => s.id === id)).filter((s): s is Step => s !== undefined);
  const current = currentStep(steps, progress);
  const p = current ? progress.get(current.id) : undefined;

  const was = useRef(phoneHere);
  useEffect(() => {
    if (was.current !== phoneHere) announce(t(phoneHere ? "link.back" : "away"));
    was.current = phoneHere;
  }, [phoneHere]);

  const keptCount = steps.filter((s) => s.state === "accepted" || s.state === "checked").length;
  const count = useRef(keptCount);
  useEffect(() => {
    if (keptCount > count.current) announce(t("mirror.kept", { k: keptCount, n: steps.length }));
    count.current = keptCount;
  }, [keptCount, steps.length]);

  // Allowing the camera may be where somebody is stuck.
  const waitsForCamera = phoneHere && p?.phase === "camera";
  const [stuck, setStuck] = useState(false);
  useEffect(() => {
    setStuck(false);
    if (!waitsForCamera) return;
    const timer = setTimeout(() => setStuck(true), CAMERA_HELP_AFTER);
    return () => clearTimeout(timer);
  }, [waitsForCamera]);

  const now = nowText();
  const side = p && phoneHere && current?.kind === "photo" && (p.phase === "aiming" || p.phase === "camera" || p.phase === "checking_take") ? current.id : "";
  return (
    <div class="mirror" data-test="mirror" data-here={phoneHere} data-link={link}>
      <Heading screen="mirror" title={t("mirror.title")}>{t("mirror.title")}</Heading>
      <div class="mirror-link">
        <LinkMark here={phoneHere} />
        <p><strong>{t(phoneHere ? "link.here" : "link.away")}</strong></p>
        {h.device ? <DeviceLine device={h.device} /> : null}
      </div>

      <div class="mirror-now" data-test="mirror-now" data-phase={current?.provider?.phase ?? p?.phase ?? ""} data-hint={p?.hint ?? ""}>
        {p?.phase === "moves" && phoneHere ? <Moves p={p} /> : p?.phase === "recording" && phoneHere ? <Tape ms={p.elapsed_ms ?? 0} /> : <Outline side={side} />}
        <div class="mirror-words">
          <p class="mirror-doing">{now.doing}</p>
          <p class="soft mirror-hint">{now.hint}</p>
        </div>
      </div>

      <ol class="mirror-steps">
        {steps.map((s) => (
          <li key={s.id} class={s === current ? "mirror-step here" : "mirror-step"} data-test={`mirror-step-${s.id}`} data-state={s.state} aria-current={s === current ? "step" : undefined}>
            <span class="mirror-dot">{s.state === "accepted" || s.state === "checked" ? <Icon name="check" small /> : <Icon name={stepIcon(s)} small />}</span>
            <span>{stepWord(s)}</span>
            <span class="soft mirror-state">{s === current && p && phoneHere && s.state === "todo" ? t("step.now") : t(`step.state.${s.state}`)}</span>
          </li>
        ))}
      </ol>
      <Sent steps={steps} progress={progress} handoff={h.id} />
      <div class="actions"><TakeBack handoff={h} /></div>
      <SecondPhone h={h} />
    </div>
  );

  function nowText(): { doing: string; hint: string } {
    if (current?.provider && current.provider.phase !== "done") {
      // The phone shows Alipay, not our page: that it gives no sign says nothing.
      const said = t(`mirror.alipay.${current.provider.phase}`);
      const [why] = reasonsText(current.reasons, steps);
      return current.provider.phase === "failed" && why ? { doing: why.what, hint: said } : { doing: said, hint: "" };
    }
    if (!phoneHere) return { doing: t("away"), hint: "" };
    if (!current) return { doing: t("mirror.finishing"), hint: "" };
    const name = stepWord(current);
    const hint = p?.hint && has(`hint.${p.hint}`) ? t(`hint.${p.hint}` as "hint.closer") : "";
    switch (p?.phase) {
      case "camera": return { doing: t("mirror.camera"), hint: stuck ? t("mirror.camera_help") : "" };
      case "aiming": return { doing: t("mirror.aiming", { step: name }), hint };
      case "checking_take": return { doing: t("mirror.checking_take"), hint };
      case "moves": return { doing: t("mirror.moves"), hint: movePart(p) };
      case "countdown": return { doing: t("mirror.countdown"), hint: name };
      case "recording": return { doing: t("mirror.recording"), hint: part(p) };
      case "sending": return { doing: t("mirror.sending", { step: name }), hint: "" };
      case "paused": return { doing: t("mirror.paused"), hint: "" };
      case undefined: return { doing: current.state === "uploading" ? t("mirror.sending", { step: name }) : t("mirror.ready"), hint: "" };
      default: return { doing: t("mirror.working"), hint };
    }
  }
}

/** "Sentence 2 of 5", and from the second on which take it is. */
function part(p: LiveProgress): string {
  const said: string[] = [];
  if (p.prompt_index !== undefined && p.prompt_count) {
    const at = { i: p.prompt_index + 1, n: p.prompt_count };
    said.push(p.step === "clip_document" ? t("mirror.part", at) : t("mirror.sentence", at));
  }
  if ((p.take ?? 1) > 1) said.push(t("mirror.take", { n: p.take ?? 1 }));
  return said.join(" · ");
}

/** "Move 2 of 3: turn left slowly". The look straight at the camera before them has no number. */
function movePart(p: LiveProgress): string {
  const words = `face.move.${p.hint ?? ""}`;
  if (!has(words)) return "";
  const of = (p.prompt_count ?? 1) - 1;
  if (!p.prompt_index || of < 1) return t(words);
  return t("mirror.moves.part", { i: p.prompt_index, n: of, move: t(words) });
}

/** An oval with one segment for each move: those that are done, and the one that is asked for now. */
function Moves({ p }: { p: LiveProgress }) {
  const n = Math.max(1, (p.prompt_count ?? 1) - 1);
  const now = (p.prompt_index ?? 0) - 1;
  const each = 360 / n;
  const gap = n === 1 ? 0 : 6;
  return (
    <svg class="outline moves" viewBox="0 0 86 54" aria-hidden="true" focusable="false" data-test="mirror-ring">
      {Array.from({ length: n }, (_, i) => (
        <ellipse key={i} class={i < now ? "done" : i === now ? "current" : ""} cx="43" cy="27" rx="18" ry="24" pathLength={360}
          stroke-dasharray={`${each - gap} ${360 - each + gap}`} stroke-dashoffset={90 - gap / 2 - i * each} />
      ))}
    </svg>
  );
}

/** A steady dot and the time: never a picture. */
function Tape({ ms }: { ms: number }) {
  const seconds = Math.floor(ms / 1000);
  return (
    <p class="tape numbers" data-test="mirror-tape">
      <span class="tape-dot" aria-hidden="true" />
      {`${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`}
    </p>
  );
}

/** The step the phone is at: the one it last told of that is still to do, else the first that is. */
function currentStep(steps: Step[], progress: ReadonlyMap<string, LiveProgress>): Step | undefined {
  const open = steps.filter((s) => s.state !== "accepted" && s.state !== "checked");
  const told = [...progress.keys()].reverse();
  return open.find((s) => s.id === told[0]) ?? open[0];
}

/** The outline of the side that is asked for; its place is kept when there is nothing to show. */
export function Outline({ side }: { side: string }) {
  return (
    <svg class="outline" viewBox="0 0 86 54" aria-hidden="true" focusable="false" data-side={side}>
      <rect x="1" y="1" width="84" height="52" rx="5" class={side ? "outline-card" : "outline-card faint"} />
      {side === "document_front" ? <><circle cx="64" cy="20" r="7" /><path d="M50 44c2-9 8-13 14-13s12 4 14 13M9 16h26M9 25h26M9 34h18" /></> : null}
      {side === "document_back" ? <><path d="M18 12l2 4.2 4.6.5-3.4 3.1.9 4.6-4.1-2.3-4.1 2.3.9-4.6-3.4-3.1 4.6-.5z" /><path d="M38 18h36M38 26h36M12 42h58" /></> : null}
      {side === "document_page" ? <><rect x="9" y="10" width="22" height="26" rx="2" /><path d="M40 14h34M40 22h34M40 30h24M9 43h68M9 48h68" /></> : null}
    </svg>
  );
}

/** One bar for all steps: what the server has stored of about how much. Its place is kept before the first byte. */
function Sent({ steps, progress, handoff }: { steps: Step[]; progress: ReadonlyMap<string, LiveProgress>; handoff: string }) {
  const top = useRef<{ handoff: string; sent: Map<string, number>; total: Map<string, number>; pace: Pace } | undefined>(undefined);
  if (top.current?.handoff !== handoff) top.current = { handoff, sent: new Map(), total: new Map(), pace: new Pace() };
  const seen = top.current;
  for (const s of steps) {
    const p = progress.get(s.id);
    if (p?.total_bytes) seen.total.set(s.id, p.total_bytes);
    if (p?.sent_bytes) seen.sent.set(s.id, Math.max(seen.sent.get(s.id) ?? 0, p.sent_bytes));
  }
  const sent = steps.reduce((n, s) => n + (seen.sent.get(s.id) ?? 0), 0);
  const total = steps.reduce((n, s) => n + (seen.total.get(s.id) ?? (s.state === "accepted" || s.state === "checked" ? seen.sent.get(s.id) ?? 0 : Math.max(estimate([s]).bytes, seen.sent.get(s.id) ?? 0))), 0);
  seen.pace.feed(sent, Date.now());
  // What is on its way now: how fast, where that is slow, and how long it still takes, where that is long.
  const coming = steps.reduce((n, s) => n + Math.max(0, (seen.total.get(s.id) ?? 0) - (seen.sent.get(s.id) ?? 0)), 0);
  // A recording's length is known with its last bytes; while it is made its pace says nothing of the line.
  const draining = steps.some((s) => s.kind === "clip" && s.state === "uploading" && progress.get(s.id)?.phase !== "recording");
  const rate = coming > 0 || draining ? seen.pace.rate() : null;
  const label = [t("mirror.sent", { sent: megabytes(sent), total: megabytes(Math.max(total, sent), true) })];
  if (rate !== null && rate < SLOW) label.push(t("mirror.rate", { rate: number(rate / 1_000) }));
  if (rate !== null && rate > 0 && coming > 0 && coming / rate > LONG) label.push(t("mirror.left", { time: span(coming / rate) }));
  return (
    <div class="mirror-sent" data-test="mirror-sent" data-sent={sent}>
      {sent > 0 ? <Progress value={sent} total={total} of={handoff} label={label.join(" · ")} /> : null}
    </div>
  );
}
