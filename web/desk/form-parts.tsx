// Parts of the form of Level 1: a document, and somebody else.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Field, fieldId } from "../shared/components";
import { canBeLongTerm, readNumber, typesFor } from "../shared/documents";
import { Choices, DayField } from "../shared/fields";
import { Icon } from "../shared/icons";
import { has, t, type Key } from "../shared/i18n";
import { dayInChina } from "../shared/resident-id";
import type { Country } from "../shared/countries";
import { typeAmong, type DocumentDraft, type Rules, type SomebodyDraft } from "./facts";
import { documentName } from "./words";

/** What all fields of a form share. */
export interface Form {
  errors: Readonly<Record<string, string>>;
  /** To be called when a field is left: from then on its mistakes are told. */
  left: (field: string) => () => void;
  rules: Rules;
  places: readonly Country[];
}

export function Group({ title, children, test }: { title: string; children: ComponentChildren; test?: string }) {
  return (
    <fieldset class="group" data-test={test}>
      <legend>{title}</legend>
      <div class="group-body">{children}</div>
    </fieldset>
  );
}

/** Full-width characters become ordinary ones, letters capital; spaces and hyphens go. */
function tidy(number: string): string {
  return number.normalize("NFKC").replace(/[\s\-\u2010\u2011]/gu, "").toUpperCase();
}

/** The words for a document's number: those of its type, else general ones. */
export function numberWord(what: "label" | "help", type: string): string {
  const key = `number.${what}.${type}`;
  return has(key) ? t(key) : t(`number.${what}.other`);
}

/** The six digits of a resident ID number, right in itself, that no list of regions names; else empty. */
function useStrangeRegion(type: string, typed: string): string {
  const [strange, setStrange] = useState("");
  useEffect(() => {
    const read = type === "cn_resident_id" ? readNumber(type, typed, dayInChina(new Date())) : undefined;
    const region = read?.verdict === "ok" ? read.number.slice(0, 6) : "";
    let here = true;
    setStrange("");
    // The lists come when they are needed. Without them nothing is said.
    if (region) void import("../shared/regions").then((r) => { if (here && r.regionOf(region).warning === "region_unknown") setStrange(region); }, () => undefined);
    return () => { here = false; };
  }, [type, typed]);
  return strange;
}

interface DocumentProps {
  form: Form;
  /** The name of the document among the fields. */
  at: string;
  document: DocumentDraft;
  /** The types that may be used. */
  types: readonly string[];
  /** Why it is this one, where there is one only. */
  why?: string;
  /** birthDate is what the number says of its holder. */
  onChange: (d: DocumentDraft, birthDate?: string) => void;
  /** Not the reader's own: fewer questions. */
  others?: boolean;
  /** The end of its validity may be left out. */
  expiryOptional?: boolean;
}

/** A document: its type as far as there is a choice, number and validity. */
export function DocumentFields({ form, at, document: d, types, why, onChange, others, expiryOptional }: DocumentProps) {
  const { errors, left } = form;
  const type = typeAmong(d, types);
  const numbered = (number: string) => {
    const read = readNumber(type, number, dayInChina(new Date()));
    onChange({ ...d, number }, read.verdict === "ok" ? read.birthDate : undefined);
  };
  const field = (name: string) => `${at}.${name}`;
  const longTerm = canBeLongTerm(type);
  const strange = useStrangeRegion(type, d.number);
  return (
    <>
      {types.length > 1 ? (
        <Choices name={field("type")} label={t("form.document.type")} error={errors[field("type")]} value={type}
          options={types.map((x) => ({ value: x, text: documentName(x) }))} onChange={(x) => onChange({ ...d, type: x })} />
      ) : (
        <div class={errors[field("type")] ? "field has-error" : "field"} id={fieldId(field("type"))} tabIndex={-1}>
          <p class="label">{t("form.document.type")}</p>
          {type ? <p class="fact" data-test={`field-${at}.type`}><Icon name="id-front" small />{documentName(type)}</p> : null}
          <p class={errors[field("type")] || !type ? "hint error" : "hint"}>
            {errors[field("type")] ?? (!type ? t("field.document.type_not_allowed_for_nationality") : why ?? t("form.document.only"))}
          </p>
        </div>
      )}
      <Field name={field("number")} label={numberWord("label", type)} help={strange ? t("number.region_unknown", { region: strange }) : numberWord("help", type)} error={errors[field("number")]}>
        {(p) => (
          <span class={type === "cn_resident_id" ? "number-input grouped" : "number-input"}>
            <input {...p} name={field("number")} class="mono" inputMode="text" autocomplete="off" autocapitalize="characters" spellcheck={false} maxLength={64} value={d.number}
              onInput={(e) => numbered(e.currentTarget.value)}
              onPaste={(e) => {
                const pasted = e.clipboardData?.getData("text");
                if (pasted === undefined || e.currentTarget.selectionStart !== 0 || e.currentTarget.selectionEnd !== e.currentTarget.value.length) return;
                // A number pasted over the whole field arrives with its spaces and full-width digits put right.
                e.preventDefault();
                numbered(tidy(pasted));
              }}
              onBlur={(e) => {
                const number = tidy(e.currentTarget.value);
                if (number !== d.number) numbered(number);
                left(field("number"))();
              }} />
          </span>
        )}
      </Field>
      <div class="pair-fields">
        {others ? null : (
          <DayField name={field("issued_on")} label={t("form.document.issued_on")} optional error={errors[field("issued_on")]} value={d.issuedOn}
            onChange={(issuedOn) => onChange({ ...d, issuedOn })} onBlur={left(field("issued_on"))} />
        )}
        <DayField name={field("expires_on")} label={t("form.document.expires_on")} optional={expiryOptional} error={errors[field("expires_on")]}
          disabled={d.longTerm && longTerm} value={d.longTerm && longTerm ? "" : d.expiresOn}
          onChange={(expiresOn) => onChange({ ...d, expiresOn })} onBlur={left(field("expires_on"))} />
      </div>
      {longTerm ? (
        <label class="choice">
          <input type="checkbox" data-test={at === "document" ? "field-long_term" : `field-${at}.long_term`} checked={d.longTerm} onChange={(e) => onChange({ ...d, longTerm: e.currentTarget.checked })} />
          <span>{t("form.long_term")}</span>
        </label>
      ) : null}
    </>
  );
}

/** The choice of a nationality. */
export function NationalityField({ form, name, value, optional, onChange }: { form: Form; name: string; value: string; optional?: boolean; onChange: (code: string) => void }) {
  return (
    <Field name={name} label={t("form.nationality")} optional={optional} error={form.errors[name]}>
      {(p) => (
        <select {...p} name={name} value={value} onChange={(e) => onChange(e.currentTarget.value)} onBlur={form.left(name)}>
          {value === "" || optional ? <option value="">{t("form.nationality.none")}</option> : null}
          {form.places.map((x) => <option key={x.code} value={x.code}>{x.name}</option>)}
        </select>
      )}
    </Field>
  );
}

/** Somebody else: a name, and whatever else is known. With `whole`, everything is asked for. */
export function SomebodyFields({ form, at, person, label = "form.name", whole, onChange }: {
  form: Form; at: string; person: SomebodyDraft; label?: Key; whole?: boolean; onChange: (p: SomebodyDraft) => void;
}) {
  return (
    <>
      <Field name={`${at}.name`} label={t(label)} error={form.errors[`${at}.name`]}>
        {(p) => <input {...p} name={`${at}.name`} autocomplete="off" maxLength={200} value={person.name} onInput={(e) => onChange({ ...person, name: e.currentTarget.value })} onBlur={form.left(`${at}.name`)} />}
      </Field>
      <NationalityField form={form} name={`${at}.nationality`} value={person.nationality} optional={!whole} onChange={(nationality) => onChange({ ...person, nationality })} />
      <DayField name={`${at}.birth_date`} label={t("form.birth_date")} optional={!whole} error={form.errors[`${at}.birth_date`]} value={person.birthDate}
        onChange={(birthDate) => onChange({ ...person, birthDate })} onBlur={form.left(`${at}.birth_date`)} />
      {person.nationality ? (
        <DocumentFields form={form} at={`${at}.document`} document={person.document} types={typesFor(form.rules.documents, person.nationality)} others expiryOptional={!whole}
          onChange={(document, birth) => onChange({ ...person, document, birthDate: person.birthDate === "" && birth ? birth : person.birthDate })} />
      ) : null}
    </>
  );
}
