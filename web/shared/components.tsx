// The parts that all pages are made of. They draw and ask; they know nothing of cases.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { Icon, type IconName } from "./icons";
import { language, languages, setLanguage, t, useLanguage } from "./i18n";
import type { Device } from "./types";

type ButtonKind = "primary" | "plain" | "quiet" | "danger";

interface ButtonProps {
  kind?: ButtonKind;
  busy?: boolean;
  disabled?: boolean;
  type?: "button" | "submit";
  icon?: IconName;
  wide?: boolean;
  test?: string;
  describedBy?: string;
  onClick?: (e: MouseEvent) => void;
  children: ComponentChildren;
}

/** A button. While busy its words stay and further presses do nothing. Disable it only with the reason beside it. */
export function Button({ kind = "plain", busy = false, disabled, type = "button", icon, wide, test, describedBy, onClick, children }: ButtonProps) {
  return (
    <button
      type={type}
      class={`button ${kind}${wide ? " wide" : ""}`}
      aria-busy={busy || undefined}
      aria-disabled={busy || undefined}
      aria-describedby={describedBy}
      disabled={disabled}
      data-test={test}
      onClick={(e) => {
        if (busy) e.preventDefault();
        else onClick?.(e);
      }}
    >
      {icon ? <Icon name={icon} small /> : null}
      <span>{children}</span>
      {busy ? <span class="button-busy" aria-hidden="true" /> : null}
    </button>
  );
}

interface FieldProps {
  /** The path of the value, as the server names it in errors. */
  name: string;
  label: string;
  help?: string;
  error?: string;
  optional?: boolean;
  children: (p: { id: string; "aria-describedby"?: string; "aria-invalid"?: boolean; "data-test": string }) => JSX.Element;
}

/** The id of a field's control, for links from the list of errors. */
export function fieldId(name: string): string {
  return `f-${name.replace(/\W/g, "-")}`;
}

/** Label above, help below; an error takes the place of the help. */
export function Field({ name, label, help, error, optional, children }: FieldProps) {
  const id = fieldId(name);
  const hint = error || help ? `${id}-hint` : undefined;
  return (
    <div class={error ? "field has-error" : "field"}>
      <label for={id}>
        {label}
        {optional ? <span class="optional"> {t("form.optional")}</span> : null}
      </label>
      {children({ id, "aria-describedby": hint, "aria-invalid": error ? true : undefined, "data-test": `field-${name}` })}
      <p id={hint} class={error ? "hint error" : "hint"} data-test={error ? `error-${name}` : undefined}>
        {error ? <Icon name="warning" small /> : null}
        <span>{error || help || ""}</span>
      </p>
    </div>
  );
}

type Tone = "plain" | "ok" | "warn" | "bad";
const toneIcon: Record<Tone, IconName> = { plain: "lock", ok: "check", warn: "warning", bad: "warning" };

/** At most one a screen: warn asks the reader to act, bad says that it cannot go on. */
export function Callout({ tone = "plain", icon, alert, test, children }: { tone?: Tone; icon?: IconName; alert?: boolean; test?: string; children: ComponentChildren }) {
  return (
    <div class={`callout ${tone}`} role={alert ? "alert" : undefined} data-test={test}>
      <Icon name={icon ?? toneIcon[tone]} />
      <div>{children}</div>
    </div>
  );
}

interface DialogProps {
  title: string;
  test?: string;
  onClose: () => void;
  children: ComponentChildren;
}

/** A confirmation: in the middle on a desk, from below on a phone. Escape closes it; the focus returns where it was. */
export function Dialog({ title, test, onClose, children }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const d = ref.current;
    const before = document.activeElement;
    if (d && !d.open) d.showModal();
    return () => {
      if (d?.open) d.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={ref}
      class="dialog"
      aria-labelledby={id}
      data-test={test}
      onCancel={(e) => {
        e.preventDefault();
        onClose();
      }}
      onClick={(e) => e.target === ref.current && onClose()}
    >
      <div class="dialog-body">
        <h2 id={id}>{title}</h2>
        {children}
      </div>
    </dialog>
  );
}

/**
 * A bar of bytes. With a total it fills, without one it only counts; it never goes back while
 * the same thing is sent (`of` names it).
 */
export function Progress({ value, total, label, of = "" }: { value: number; total?: number; label: string; of?: string }) {
  const high = useRef({ of, share: 0 });
  if (high.current.of !== of) high.current = { of, share: 0 };
  const known = total !== undefined && total > 0;
  const share = known ? Math.max(high.current.share, Math.min(1, value / total)) : 0;
  high.current.share = share;
  return (
    <div class="progress">
      {known ? (
        <div class="bar" role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(share * 100)}>
          <div class="bar-fill" style={{ transform: `scaleX(${share})` }} />
        </div>
      ) : null}
      <p class="progress-label numbers">{label}</p>
    </div>
  );
}

/** Shapes of what is coming, after 300 ms of nothing; after 8 s words and `slow`, a second way. */
export function Skeleton({ lines = 3, slow }: { lines?: number; slow?: ComponentChildren }) {
  const [phase, set] = useState(0);
  useEffect(() => {
    const a = setTimeout(() => set(1), 300);
    const b = setTimeout(() => set(2), 8000);
    return () => {
      clearTimeout(a);
      clearTimeout(b);
    };
  }, []);
  if (phase === 0) return <div class="skeleton" />;
  return (
    <div class="skeleton" aria-busy="true">
      {phase === 2 ? <div class="skeleton-slow">{slow ?? <p>{t("wait.slow")}</p>}</div> : null}
      {Array.from({ length: lines }, (_, i) => (
        <div key={i} class="skeleton-line" aria-hidden="true" />
      ))}
    </div>
  );
}

let status: ((text: string) => void) | undefined;
let lastSaid = 0;
let waiting: ReturnType<typeof setTimeout> | undefined;

/** Tells what just happened, once, in the page's status line: at most one message in 5 s, the newest wins. */
export function announce(text: string): void {
  clearTimeout(waiting);
  const wait = Math.max(0, lastSaid + 5000 - Date.now());
  waiting = setTimeout(() => {
    lastSaid = Date.now();
    status?.(text);
  }, wait);
}

/** The one place of a page that tells what just happened. */
export function StatusLine({ visible }: { visible?: boolean }) {
  const [text, set] = useState("");
  useEffect(() => {
    status = set;
    return () => {
      if (status === set) status = undefined;
    };
  }, []);
  return (
    <p class={visible ? "status" : "status unseen"} role="status" data-test="status">
      {text}
    </p>
  );
}

/** EN / 中文. Each choice is written in its own language. */
export function LanguageSwitch() {
  const now = useLanguage();
  return (
    <div class="languages" role="group" aria-label={t("language")}>
      {languages.map((l) => (
        <button key={l.id} type="button" lang={l.id} aria-pressed={l.id === now} data-test={`lang-${l.id}`} onClick={() => setLanguage(l.id)}>
          {l.name}
        </button>
      ))}
    </div>
  );
}

/** One button that goes to the other language: for narrow headers. */
export function LanguageToggle() {
  useLanguage();
  const other = languages.find((l) => l.id !== language());
  if (!other) return null;
  return (
    <button type="button" class="language-toggle" lang={other.id} data-test={`lang-${other.id}`} onClick={() => setLanguage(other.id)}>
      {other.id === "en" ? "English" : "中文"}
    </button>
  );
}

/** "iPhone, Safari". */
export function deviceName(d: Pick<Device, "os" | "browser"> & Partial<Device>): string {
  const unknown = (s: string | undefined) => !s || s === "unknown";
  const os =
    d.os === "iOS" ? (d.kind === "tablet" ? "iPad" : "iPhone")
    : d.os === "Android" || d.os === "HarmonyOS" ? t("device.on", { os: d.os })
    : unknown(d.os) ? t(d.kind === "computer" ? "device.computer" : d.kind === "tablet" ? "device.tablet" : "device.phone")
    : d.os;
  return unknown(d.browser) ? os : t("device.pair", { device: os, browser: d.browser });
}

/** Icon and name of a device, or words that hold its name. */
export function DeviceLine({ device, words }: { device: Device; words?: string }) {
  return (
    <p class="device" data-test="device">
      <Icon name={device.kind === "computer" ? "computer" : "phone"} small />
      <span>{words ?? deviceName(device)}</span>
      {device.network === "other" ? <span class="device-net">{t("device.other_network")}</span> : null}
    </p>
  );
}
