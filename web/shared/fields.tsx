// Fields of several controls: a day in three parts, and a choice of few.
import type { ComponentChildren } from "preact";
import { fieldId } from "./components";
import { dayOrder, dayParts, isoDay, joinDay, readDay, type DayPart } from "./day";
import { Icon } from "./icons";
import { t, useLanguage } from "./i18n";

interface GroupProps {
  name: string;
  label: string;
  help?: string;
  error?: string;
  optional?: boolean;
}

function Hint({ id, name, help, error }: { id: string; name: string; help?: string; error?: string }) {
  return (
    <p id={id} class={error ? "hint error" : "hint"} data-test={error ? `error-${name}` : undefined}>
      {error ? <Icon name="warning" small /> : null}
      <span>{error || help || ""}</span>
    </p>
  );
}

/** A day as three numbers, in the order of the language. `value` is what was typed (see day.ts). */
export function DayField({ name, label, help, error, optional, value, disabled, birthday, onChange, onBlur }: GroupProps & {
  value: string;
  disabled?: boolean;
  /** The reader's own birthday, which the browser may know. */
  birthday?: boolean;
  onChange: (typed: string) => void;
  onBlur: () => void;
}) {
  useLanguage();
  const id = fieldId(name);
  const parts = dayParts(value);
  const hint = `${id}-hint`;
  return (
    <fieldset class={error ? "field day has-error" : "field day"} id={id} disabled={disabled} data-test={`field-${name}`} data-value={isoDay(value)}
      onFocusOut={(e) => {
        if (!(e.relatedTarget instanceof Node && e.currentTarget.contains(e.relatedTarget))) onBlur();
      }}
    >
      <legend>
        {label}
        {optional ? <span class="optional"> {t("form.optional")}</span> : null}
      </legend>
      <div class="day-parts">
        {dayOrder().map((part) => (
          <label key={part} class={`day-part day-${part}`}>
            <span>{t(`day.${part}`)}</span>
            <input type="text" inputMode="numeric" autocomplete={birthday ? `bday-${part}` : "off"} name={`${name}.${part}`} data-test={`field-${name}-${part}`}
              aria-describedby={hint} aria-invalid={error ? true : undefined} value={parts[part]}
              onInput={(e) => {
                const typed = digits(e.currentTarget.value, part);
                e.currentTarget.value = typed;
                onChange(joinDay({ ...parts, [part]: typed }));
              }}
              onPaste={(e) => {
                const day = readDay(e.clipboardData?.getData("text") ?? "");
                if (day === undefined) return;
                e.preventDefault();
                onChange(day);
              }} />
          </label>
        ))}
      </div>
      <Hint id={hint} name={name} help={help} error={error} />
    </fieldset>
  );
}

function digits(typed: string, part: DayPart): string {
  return typed.normalize("NFKC").replace(/\D/g, "").slice(0, part === "year" ? 4 : 2);
}

/** A choice of few, all in view. */
export function Choices<V extends string>({ name, label, help, error, optional, value, options, onChange, unlabelled }: GroupProps & {
  value: V | "";
  options: readonly { value: V; text: ComponentChildren }[];
  onChange: (value: V) => void;
  /** The label stands above already, as the legend of a group. */
  unlabelled?: boolean;
}) {
  const id = fieldId(name);
  const hint = `${id}-hint`;
  return (
    <fieldset class={error ? "field has-error" : "field"} id={id} data-test={`field-${name}`} data-value={value} aria-describedby={error || help ? hint : undefined} aria-label={unlabelled ? label : undefined}>
      {unlabelled ? null : (
        <legend>
          {label}
          {optional ? <span class="optional"> {t("form.optional")}</span> : null}
        </legend>
      )}
      <div class="choice-list">
        {options.map((o) => (
          <label key={o.value} class="choice">
            <input type="radio" name={name} value={o.value} checked={o.value === value} data-test={`${name}-${o.value}`} onChange={() => onChange(o.value)} />
            <span>{o.text}</span>
          </label>
        ))}
      </div>
      {error || help ? <Hint id={hint} name={name} help={help} error={error} /> : null}
    </fieldset>
  );
}
