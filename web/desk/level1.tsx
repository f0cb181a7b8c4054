// Level 1 for a person: the form, the summary before sending.
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { api, Problem } from "../shared/api";
import { Button, Callout, Field, fieldId } from "../shared/components";
import { countries } from "../shared/countries";
import { Icon } from "../shared/icons";
import { date, t, useLanguage } from "../shared/i18n";
import { Heading } from "../shared/page";
import { fieldText } from "../shared/problems";
import { dayInChina, readResidentId } from "../shared/resident-id";
import { go, usePlace } from "../shared/router";
import { useAction } from "./action";
import { useCase } from "./desk";
import { Verify } from "./frame";
import { check, documentType, emptyDraft, fieldNames, forgetDraft, fromIdentity, groups, keepDraft, keptDraft, toIdentity, type Draft, type FieldName } from "./identity-form";
import { documentName, reasonsText } from "./words";

interface Told { codes: Partial<Record<FieldName, { code: string; detail: string }>>; of: Draft }

/** The form and, at …/check, its summary. */
export function Level1() {
  const { case: c } = useCase();
  const lang = useLanguage();
  const summary = usePlace() === "/identity/1/check";
  const [draft, setDraft] = useState<Draft>(keptDraft(c.id) ?? emptyDraft);
  const [touched, setTouched] = useState<ReadonlySet<FieldName>>(new Set());
  const [listed, setListed] = useState(0);
  // What the server refused, with the draft it refused: a field that was changed since is not marked.
  const [told, setTold] = useState<Told>();
  const list = useRef<HTMLDivElement>(null);

  // An entry stored earlier fills the form again, unless something was typed already.
  useEffect(() => {
    if (!c.identity || keptDraft(c.id)) return;
    let here = true;
    api.identity(c.id).then(
      (i) => {
        if (here && !keptDraft(c.id)) change(fromIdentity(i));
      },
      // Not being able to fill it again only means typing again.
      () => undefined,
    );
    return () => void (here = false);
  }, [c.id]);

  const change = (next: Draft) => {
    keepDraft(c.id, next);
    setDraft(next);
  };
  const set = <K extends keyof Draft>(key: K, value: Draft[K]) => change({ ...(keptDraft(c.id) ?? draft), [key]: value });

  const now = new Date();
  const codes = check(draft, now);
  const complete = Object.keys(codes).length === 0;
  const errors: Partial<Record<FieldName, string>> = {};
  for (const f of fieldNames) {
    const own = touched.has(f) ? codes[f] : undefined;
    const theirs = told && valueOf(told.of, f) === valueOf(draft, f) ? told.codes[f] : undefined;
    if (own) errors[f] = fieldText(own, "", f);
    else if (theirs) errors[f] = fieldText(theirs.code, theirs.detail, f);
  }

  useEffect(() => {
    if (summary && !complete) go("/identity/1", true);
  }, [summary, complete]);
  useEffect(() => {
    if (listed > 0) list.current?.focus();
  }, [listed]);

  const places = useMemo(countries, [lang]);
  const refused = (bad: Told["codes"]) => {
    setTold({ codes: bad, of: draft });
    setListed((n) => n + 1);
    go("/identity/1");
  };

  if (summary && complete) return <Summary draft={draft} countryName={places.find((p) => p.code === draft.nationality)?.name ?? draft.nationality} refused={refused} />;

  const level = c.levels.find((l) => l.level === 1);
  const resident = documentType(draft.nationality) === "cn_resident_id";
  const blur = (f: FieldName) => () => {
    const value = valueOf(draft, f);
    if (value !== "" && !touched.has(f)) setTouched(new Set([...touched, f]));
  };
  const bad = fieldNames.filter((f) => errors[f]);

  return (
    <Verify level={1}>
      <Heading screen="level1" title={t("level.1.title")}>{t("level.1.title")}</Heading>
      <p class="lead">{t("form.lead")}</p>
      {level?.state === "resubmit" ? (
        <Callout tone="warn"><p>{reasonsText(level.reasons).map((r) => `${r.what} ${r.how}`).join(" ") || t("resubmit.facts")}</p></Callout>
      ) : null}
      {listed > 0 && bad.length > 0 ? (
        <div class="error-list" ref={list} tabIndex={-1} role="alert" data-test="error-list">
          <h2><Icon name="warning" />{t("form.errors")}</h2>
          <ul>
            {bad.map((f) => (
              <li key={f}>
                <a href={`#${fieldId(f)}`} data-test={`error-link-${f}`} onClick={(e) => { e.preventDefault(); toField(f); }}>{t(`form.${f}`)}</a> <span>{errors[f]}</span>
              </li>
            ))}
          </ul>
        </div>
      ) : null}
      <form
        class="form form-long"
        noValidate
        onSubmit={(e) => {
          e.preventDefault();
          setTouched(new Set(fieldNames));
          setTold(undefined);
          if (complete) go("/identity/1/check");
          else setListed((n) => n + 1);
        }}
      >
        <Group title={t("account.for")}>
          <p class="fact" data-test="acting-for"><Icon name="check" small />{t("account.for.self")}</p>
          <p class="hint">{t("form.self_only")}</p>
        </Group>

        <Group title={t("form.group.document")}>
          <Field name="nationality" label={t("form.nationality")} error={errors.nationality}>
            {(p) => (
              <select {...p} name="nationality" value={draft.nationality} onChange={(e) => set("nationality", e.currentTarget.value)} onBlur={blur("nationality")}>
                {places.map((x) => <option key={x.code} value={x.code}>{x.name}</option>)}
              </select>
            )}
          </Field>
          <div class="field" id={fieldId("document.type")} tabIndex={-1}>
            <p class="label">{t("form.document.type")}</p>
            <p class="fact" data-test="field-document.type"><Icon name="id-front" small />{documentName(documentType(draft.nationality))}</p>
            <p class={errors["document.type"] ? "hint error" : "hint"}>{errors["document.type"] ?? t(resident ? "domestic" : "form.passport_why")}</p>
          </div>
          <Field name="document.number" label={t(resident ? "form.document.number" : "form.passport_number")} help={t(resident ? "form.number_help" : "form.passport_help")} error={errors["document.number"]}>
            {(p) => (
              <span class={resident ? "number-input grouped" : "number-input"}>
                <input {...p} name="document-number" class="mono" inputMode="text" autocomplete="off" autocapitalize="characters" spellcheck={false} maxLength={64} value={draft.number}
                  onInput={(e) => {
                    const number = e.currentTarget.value;
                    const read = resident ? readResidentId(number, dayInChina(now)) : undefined;
                    // The number says the birth date; it is filled in where nothing stands yet.
                    change({ ...(keptDraft(c.id) ?? draft), number, birthDate: draft.birthDate === "" && read?.verdict === "ok" ? read.birthDate ?? "" : draft.birthDate });
                  }}
                  onPaste={(e) => {
                    const pasted = e.clipboardData?.getData("text");
                    if (pasted === undefined || e.currentTarget.selectionStart !== 0 || e.currentTarget.selectionEnd !== e.currentTarget.value.length) return;
                    // A number pasted over the whole field arrives with its spaces and full-width digits put right.
                    e.preventDefault();
                    const number = tidy(pasted);
                    const read = resident ? readResidentId(number, dayInChina(now)) : undefined;
                    change({ ...(keptDraft(c.id) ?? draft), number, birthDate: draft.birthDate === "" && read?.verdict === "ok" ? read.birthDate ?? "" : draft.birthDate });
                  }}
                  onBlur={(e) => {
                    const number = tidy(e.currentTarget.value);
                    if (number !== draft.number) set("number", number);
                    blur("document.number")();
                  }} />
              </span>
            )}
          </Field>
          <div class="pair-fields">
            <Field name="document.issued_on" label={t("form.document.issued_on")} optional error={errors["document.issued_on"]}>
              {(p) => <input {...p} type="date" name="issued" max={dayInChina(now)} value={draft.issuedOn} onInput={(e) => set("issuedOn", e.currentTarget.value)} onBlur={blur("document.issued_on")} />}
            </Field>
            <Field name="document.expires_on" label={t("form.document.expires_on")} error={errors["document.expires_on"]}>
              {(p) => <input {...p} type="date" name="expires" disabled={draft.longTerm && resident} value={draft.longTerm && resident ? "" : draft.expiresOn} onInput={(e) => set("expiresOn", e.currentTarget.value)} onBlur={blur("document.expires_on")} />}
            </Field>
          </div>
          {resident ? (
            <label class="choice">
              <input type="checkbox" data-test="field-long_term" checked={draft.longTerm} onChange={(e) => set("longTerm", e.currentTarget.checked)} />
              <span>{t("form.long_term")}</span>
            </label>
          ) : null}
        </Group>

        <Group title={t("form.group.you")}>
          <Field name="name" label={t("form.name")} help={t(resident ? "form.name_help" : "form.name_help_passport")} error={errors.name}>
            {(p) => <input {...p} name="name" autocomplete="name" maxLength={200} value={draft.name} onInput={(e) => set("name", e.currentTarget.value)} onBlur={blur("name")} />}
          </Field>
          <div class="pair-fields">
            <Field name="birth_date" label={t("form.birth_date")} error={errors.birth_date}>
              {(p) => <input {...p} type="date" name="bday" autocomplete="bday" max={dayInChina(now)} value={draft.birthDate} onInput={(e) => set("birthDate", e.currentTarget.value)} onBlur={blur("birth_date")} />}
            </Field>
            <Field name="sex" label={t("form.sex")} optional error={errors.sex}>
              {(p) => (
                <select {...p} name="sex" value={draft.sex} onChange={(e) => set("sex", e.currentTarget.value as Draft["sex"])} onBlur={blur("sex")}>
                  <option value="">{t("form.sex.none")}</option>
                  <option value="female">{t("form.sex.female")}</option>
                  <option value="male">{t("form.sex.male")}</option>
                </select>
              )}
            </Field>
          </div>
        </Group>

        <Group title={t("form.group.address")}>
          <Field name="address" label={t("form.address")} help={t("form.address_help")} error={errors.address}>
            {(p) => <textarea {...p} name="address" rows={2} autocomplete="street-address" maxLength={600} value={draft.address} onInput={(e) => set("address", e.currentTarget.value)} onBlur={blur("address")} />}
          </Field>
          <Field name="occupation" label={t("form.occupation")} optional error={errors.occupation}>
            {(p) => <input {...p} name="occupation" autocomplete="organization-title" maxLength={200} value={draft.occupation} onInput={(e) => set("occupation", e.currentTarget.value)} onBlur={blur("occupation")} />}
          </Field>
        </Group>

        <div class="actions">
          <Button kind="primary" type="submit" test="level1-check">{t("form.check")}</Button>
        </div>
      </form>
    </Verify>
  );
}

function Group({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <fieldset class="group">
      <legend>{title}</legend>
      <div class="group-body">{children}</div>
    </fieldset>
  );
}

function tidy(number: string): string {
  return number.normalize("NFKC").replace(/[\s\-\u2010\u2011]/gu, "").toUpperCase();
}

function toField(f: FieldName) {
  const el = document.getElementById(fieldId(f));
  el?.scrollIntoView({ block: "center" });
  el?.focus({ preventScroll: true });
}

function valueOf(d: Draft, f: FieldName): string {
  switch (f) {
    case "nationality": case "document.type": return d.nationality;
    case "document.number": return d.number;
    case "document.issued_on": return d.issuedOn;
    case "document.expires_on": return d.longTerm ? "long_term" : d.expiresOn;
    case "name": return d.name;
    case "latin_name": return d.latinName;
    case "birth_date": return d.birthDate;
    case "sex": return d.sex;
    case "address": return d.address;
    case "occupation": return d.occupation;
    case "acting_for.who": return "self";
  }
}

function Summary({ draft, countryName, refused }: { draft: Draft; countryName: string; refused: (bad: Told["codes"]) => void }) {
  const { case: c, took, refresh } = useCase();
  const send = useAction();
  const type = documentType(draft.nationality);
  const rows: [string, ComponentChildren][] = [
    [t("account.for"), t("account.for.self")],
    [t("form.nationality"), countryName],
    [t("form.document.type"), documentName(type)],
    [t(type === "cn_resident_id" ? "form.document.number" : "form.passport_number"),
      <span class="mono number-groups">{type === "cn_resident_id" ? groups(draft.number).map((g) => <span key={g}>{g}</span>) : draft.number}</span>],
    [t("form.validity"), validity(draft)],
    [t("form.name"), draft.name],
    [t("form.birth_date"), date(draft.birthDate)],
    ...(draft.sex ? ([[t("form.sex"), t(`form.sex.${draft.sex}`)]] as [string, ComponentChildren][]) : []),
    [t("form.address"), draft.address],
    ...(draft.occupation ? ([[t("form.occupation"), draft.occupation]] as [string, ComponentChildren][]) : []),
  ];

  const submit = () => send.run(async () => {
    const identity = toIdentity(draft);
    let version = c.version;
    for (let tries = 0; ; tries++) {
      try {
        const stored = await api.putIdentity(c.id, version, identity);
        took(stored);
        took(await api.submitLevel(c.id, 1, stored.version));
        forgetDraft();
        go("/identity/1", true);
        return;
      } catch (err) {
        if (err instanceof Problem && err.errors.length > 0) {
          const bad: Told["codes"] = {};
          for (const e of err.errors) if ((fieldNames as readonly string[]).includes(e.field)) bad[e.field as FieldName] = e;
          if (Object.keys(bad).length > 0) {
            refused(bad);
            return;
          }
        }
        // The case moved on meanwhile (a phone, another tab): the facts are still these, so once more on its new version.
        if (!(err instanceof Problem) || err.code !== "version_stale" || tries > 1) throw err;
        const fresh = await refresh();
        if (!fresh) throw err;
        version = fresh.version;
      }
    }
  });

  return (
    <Verify level={1}>
      <Heading screen="level1-check" title={t("form.summary")}>{t("form.summary")}</Heading>
      <p class="lead">{t("form.summary_lead")}</p>
      <dl class="summary" data-test="summary">
        {rows.map(([k, v]) => (
          <div key={k}><dt>{k}</dt><dd>{v}</dd></div>
        ))}
      </dl>
      <div class="actions">
        <Button kind="primary" busy={send.busy} test="level1-send" onClick={submit}>{t("form.send")}</Button>
        <Button kind="quiet" test="level1-change" onClick={() => go("/identity/1")}>{t("form.change")}</Button>
      </div>
      <div class="message-space">{send.text ? <Callout tone="bad" alert test="level1-error"><p>{send.text}</p></Callout> : null}</div>
    </Verify>
  );
}

function validity(d: Draft): string {
  const longTerm = d.longTerm && documentType(d.nationality) === "cn_resident_id";
  if (longTerm) return d.issuedOn ? t("form.validity.from_long_term", { from: date(d.issuedOn) }) : t("form.long_term_short");
  return d.issuedOn ? t("form.validity.range", { from: date(d.issuedOn), until: date(d.expiresOn) }) : t("form.validity.until", { until: date(d.expiresOn) });
}
