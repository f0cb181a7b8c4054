// Parts of the case's pages.
import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import { Button, Dialog } from "../shared/components";
import { Icon, type IconName } from "../shared/icons";
import { clock, t } from "../shared/i18n";
import type { Mark } from "./diff";
import { useClock, useOffice, useWork } from "./office";
import { foundWord } from "./words";

/** The reviewer's name and the time, thinly over evidence: a photo of the screen says who took it. */
export function Watermark() {
  const { me } = useOffice();
  const id = useId().replace(/\W/g, "");
  const now = useClock(30_000);
  const text = `${me?.account.email.split("@")[0] ?? ""} · ${clock(new Date(now))}`;
  return (
    <svg class="watermark" aria-hidden="true" focusable="false" data-test="watermark" data-text={text}>
      <defs>
        <pattern id={`w${id}`} width="260" height="130" patternUnits="userSpaceOnUse" patternTransform="rotate(-24)">
          <text class="watermark-text" x="8" y="60">{text}</text>
        </pattern>
      </defs>
      <rect width="100%" height="100%" fill={`url(#w${id})`} />
    </svg>
  );
}

const icons: Record<string, IconName> = { pass: "check", fail: "warning", unsure: "eye", skipped: "more", person: "person" };

/** What a check found, with its icon. */
export function FoundTag({ verdict }: { verdict: string }) {
  const tone = verdict === "pass" ? "ok" : verdict === "fail" ? "bad" : verdict === "unsure" || verdict === "person" ? "warn" : "";
  return <span class={`found ${tone}`}><Icon name={icons[verdict] ?? "more"} small /><span>{foundWord(verdict)}</span></span>;
}

/** A value with what differs set apart: by a box and a sign, not by colour alone. */
export function Marked({ marks, value }: { marks: readonly Mark[] | undefined; value: string }) {
  if (!marks) return <>{value}</>;
  return <>{marks.map((m, i) => (m.differs ? <mark key={i}>{m.text}</mark> : <span key={i}>{m.text}</span>))}</>;
}

/** Asks for a note before something is done. */
export function NoteDialog({ title, lead, action, needed, danger, onClose, onSend, test }: {
  title: string; lead: string; action: string; needed?: boolean; danger?: boolean; test: string; onClose: () => void; onSend: (note: string) => Promise<unknown>;
}) {
  const [note, setNote] = useState("");
  const [asked, setAsked] = useState(false);
  const work = useWork();
  const short = needed && note.trim().length < 3;
  return (
    <Dialog title={title} test={test} onClose={onClose}>
      <p>{lead}</p>
      <label class="field"><span class="label">{t(needed ? "review.note.needed" : "review.note")}</span>
        <textarea rows={3} maxLength={2000} value={note} data-test={`${test}-note`} onInput={(e) => setNote(e.currentTarget.value)} />
      </label>
      <p class="hint error" role="alert">{work.text || (asked && short ? t("review.note.missing") : "")}</p>
      <div class="actions">
        <Button onClick={onClose}>{t("cancel")}</Button>
        <Button kind={danger ? "danger" : "primary"} busy={work.busy} test={`${test}-yes`} onClick={() => {
          setAsked(true);
          if (!short) work.run(() => onSend(note.trim()));
        }}>{action}</Button>
      </div>
    </Dialog>
  );
}

/** A heading with what stands beside it. */
export function Head({ title, children }: { title: string; children?: ComponentChildren }) {
  return <div class="evidence-head"><h2>{title}</h2>{children}</div>;
}
