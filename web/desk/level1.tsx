// Level 1 for a person: the form, the summary before sending.
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { api, Problem } from "../shared/api";
import { Button, Callout, Field, fieldId } from "../shared/components";
import { countries } from "../shared/countries";
import { isoDay } from "../shared/day";
import { canBeLongTerm, typesFor } from "../shared/documents";
import { Choices, DayField } from "../shared/fields";
import { Icon } from "../shared/icons";
import { date, has, t, useLanguage } from "../shared/i18n";
import { Heading } from "../shared/page";
import { fieldText } from "../shared/problems";
import { go, usePlace } from "../shared/router";
import { one, parseShare } from "../shared/owners";
import type { FieldError, Identity, Operator } from "../shared/types";
import { useAction } from "./action";
import { CompanyFields, OwnerFields } from "./company";
import { holdingIndex, THE_COMPANY, type CompanyDraft } from "./company-form";
import { useCase } from "./desk";
import { DraftKeeper, fromKept } from "./draft";
import { DocumentFields, Group, NationalityField, numberWord, SomebodyFields, type Form } from "./form-parts";
import { Verify } from "./frame";
import { typeOf, type Rules, type SomebodyDraft } from "./facts";
import { check, emptyDraft, forgetDraft, forWhom, fromIdentity, groups, keepDraft, keptDraft, needsGuardian, toIdentity, valueAt, type Director, type Draft } from "./identity-form";
import { documentName, levelTitle, reasonsText } from "./words";

/** What the server refused, and what it refused it of. */
interface Told { errors: readonly FieldError[]; of: Draft }

/** The form and, at …/check, its summary. */
export function Level1() {
  const { case: c, operator } = useCase();
  const lang = useLanguage();
  const summary = usePlace() === "/identity/1/check";
  const [draft, setDraft] = useState<Draft>(keptDraft(c.id) ?? emptyDraft);
  const [touched, setTouched] = useState<ReadonlySet<string> | "all">(new Set());
  const [listed, setListed] = useState(0);
  // A field that was changed since the server refused it is not marked.
  const [told, setTold] = useState<Told>();
  const list = useRef<HTMLDivElement>(null);
  const rules = useMemo(() => rulesOf(operator), [operator]);
  const kind = c.kind;
  const whom = forWhom(kind);

  const [kept, setKept] = useState(false);
  const keeper = useMemo(() => new DraftKeeper((d, leaving) => api.putDraft(c.id, d, leaving), () => setKept(true)), [c.id]);
  useEffect(() => {
    const hidden = () => document.visibilityState === "hidden" && keeper.flush(true);
    const left = () => keeper.flush(true);
    document.addEventListener("visibilitychange", hidden);
    addEventListener("pagehide", left);
    return () => {
      document.removeEventListener("visibilitychange", hidden);
      removeEventListener("pagehide", left);
      keeper.flush();
    };
  }, [keeper]);

  // What was typed or stored earlier fills the form again, unless something is typed already.
  useEffect(() => {
    if ((!c.identity && !c.draft) || keptDraft(c.id)) return;
    let here = true;
    api.identity(c.id).then(
      ({ draft: typed, ...stored }) => {
        const earlier = fromKept(typed) ?? (stored.document ? fromIdentity(stored as Identity) : undefined);
        if (here && earlier && !keptDraft(c.id)) show(earlier);
      },
      // Not being able to fill it again only means typing again.
      () => undefined,
    );
    return () => void (here = false);
  }, [c.id]);

  const show = (next: Draft) => {
    keepDraft(c.id, next);
    setDraft(next);
  };
  const change = (next: Draft) => {
    show(next);
    setKept(false);
    keeper.change(next);
  };
  // Two changes of one event build on each other, not on what was drawn.
  const set = (part: Partial<Draft>) => change({ ...(keptDraft(c.id) ?? draft), ...part });

  const codes = check(draft, new Date(), rules, kind);
  const complete = Object.keys(codes).length === 0;
  const errors: Record<string, string> = {};
  for (const [f, code] of Object.entries(codes)) if (touched === "all" || touched.has(f)) errors[f] = told1(f, code, "");
  for (const e of told?.errors ?? []) {
    const same = told && JSON.stringify(valueAt(toIdentity(told.of, rules, kind), e.field)) === JSON.stringify(valueAt(toIdentity(draft, rules, kind), e.field));
    if (same && !errors[e.field]) errors[e.field] = told1(e.field, e.code, e.detail);
  }

  function told1(field: string, code: string, detail: string): string {
    const type = field === "document.number" ? typeOf(draft.document, draft.nationality, rules) : "";
    return fieldText(code, detail, { sort: type, age: rules.minimumAge });
  }

  useEffect(() => {
    if (summary && !complete) go("/identity/1", true);
  }, [summary, complete]);
  useEffect(() => {
    if (listed > 0) list.current?.focus();
  }, [listed]);

  const places = useMemo(countries, [lang]);
  const countryName = (code: string) => places.find((p) => p.code === code)?.name ?? code;
  const refused = (bad: readonly FieldError[]) => {
    setTold({ errors: bad, of: draft });
    setListed((n) => n + 1);
    go("/identity/1");
  };

  if (summary && complete) return <Summary draft={draft} rules={rules} countryName={countryName} refused={refused} keeper={keeper} />;

  const level = c.levels.find((l) => l.level === 1);
  const left = (f: string) => () => {
    // A field that was passed by is not complained of before somebody asks to go on.
    const value = valueAt(toIdentity(keptDraft(c.id) ?? draft, rules, kind), f);
    if (value !== undefined && value !== "" && touched !== "all" && !touched.has(f)) setTouched(new Set([...touched, f]));
  };
  const dropped = () => {
    if (touched !== "all") setTouched(new Set([...touched].filter((f) => !f.startsWith("business."))));
    setTold(undefined);
  };
  const form: Form = { errors, left, rules, places };
  const bad = Object.keys(errors);
  const own = typeOf(draft.document, draft.nationality, rules);

  return (
    <Verify level={1}>
      <Heading screen="level1" title={levelTitle(c, 1)}>{levelTitle(c, 1)}</Heading>
      <p class="lead">{t("form.lead")}</p>
      {level?.state === "resubmit" ? (
        <Callout tone="warn"><p>{reasonsText(level.reasons, c.steps).map((r) => `${r.what} ${r.how}`).join(" ") || t("resubmit.facts")}</p></Callout>
      ) : null}
      {listed > 0 && bad.length > 0 ? (
        <div class="error-list" ref={list} tabIndex={-1} role="alert" data-test="error-list">
          <h2><Icon name="warning" />{t("form.errors")}</h2>
          <ul>
            {bad.map((f) => (
              <li key={f}>
                <a href={`#${fieldId(f)}`} data-test={`error-link-${f}`} onClick={(e) => { e.preventDefault(); toField(holdingField(draft.company, f)); }}>{fieldName(f, own, draft.company)}</a> <span>{errors[f]}</span>
              </li>
            ))}
          </ul>
        </div>
      ) : null}
      <form
        class="form form-long"
        noValidate
        onFocusOut={() => keeper.flush()}
        onSubmit={(e) => {
          e.preventDefault();
          setTouched("all");
          setTold(undefined);
          if (complete) go("/identity/1/check");
          else setListed((n) => n + 1);
        }}
      >
        {kind === "business" ? (
          <>
            <CompanyFields form={form} company={draft.company} onChange={(company) => set({ company })} onDrop={dropped} />
            <OwnerFields form={form} company={draft.company} onChange={(company) => set({ company })} onDrop={dropped} />
          </>
        ) : null}

        <Group title={t("account.for")} test="acting-for">
          <Choices name={`${whom}.who`} label={t("account.for")} unlabelled value={draft.who}
            options={[{ value: "self", text: t(kind === "business" ? "company.for.self" : "account.for.self") }, { value: "other", text: t("account.for.other") }]} onChange={(who) => set({ who })} />
          {draft.who === "other" ? (
            <>
              <p class="hint">{t("form.other_why")}</p>
              <h2 class="group-part">{t("form.group.beneficiary")}</h2>
              <SomebodyFields form={form} at={`${whom}.beneficiary`} person={draft.beneficiary} onChange={(beneficiary) => set({ beneficiary })} />
              <Choices name={`${whom}.controller`} label={t("form.director")} value={draft.director}
                options={directors.map((d) => ({ value: d, text: t(`form.director.${d}`) }))} onChange={(director) => set({ director })} />
              {draft.director === "other" ? (
                <>
                  <h2 class="group-part">{t("form.group.controller")}</h2>
                  <SomebodyFields form={form} at={`${whom}.controller`} person={draft.controller} onChange={(controller) => set({ controller })} />
                </>
              ) : null}
            </>
          ) : null}
        </Group>

        <Group title={t(kind === "business" ? "form.group.acting" : "form.group.document")}>
          <NationalityField form={form} name="nationality" value={draft.nationality} onChange={(nationality) => set({ nationality })} />
          <DocumentFields form={form} at="document" document={draft.document} types={typesFor(rules.documents, draft.nationality)}
            why={draft.nationality === "CHN" && own === "cn_resident_id" ? t("domestic") : undefined}
            // The number says the birth date; it is filled in where nothing stands yet.
            onChange={(document, birth) => set({ document, ...(birth && draft.birthDate === "" ? { birthDate: birth } : {}) })} />
        </Group>

        <Group title={t("form.group.you")}>
          <Field name="name" label={t("form.name")} help={t(own === "cn_resident_id" ? "form.name_help" : "form.name_help_document")} error={errors.name}>
            {(p) => <input {...p} name="name" autocomplete="name" maxLength={200} value={draft.name} onInput={(e) => set({ name: e.currentTarget.value })} onBlur={left("name")} />}
          </Field>
          <DayField name="birth_date" label={t("form.birth_date")} error={errors.birth_date} birthday value={draft.birthDate} onChange={(birthDate) => set({ birthDate })} onBlur={left("birth_date")} />
          <Field name="sex" label={t("form.sex")} optional error={errors.sex}>
            {(p) => (
              <select {...p} name="sex" value={draft.sex} onChange={(e) => set({ sex: e.currentTarget.value as Draft["sex"] })} onBlur={left("sex")}>
                <option value="">{t("form.sex.none")}</option>
                <option value="female">{t("form.sex.female")}</option>
                <option value="male">{t("form.sex.male")}</option>
              </select>
            )}
          </Field>
        </Group>

        {needsGuardian(draft, new Date(), rules, kind) ? (
          <Group title={t("form.group.guardian")} test="guardian">
            <p class="hint">{t("form.guardian_why", { age: rules.minimumAge })}</p>
            <SomebodyFields form={form} at="guardian" person={draft.guardian} whole onChange={(guardian) => set({ guardian })} />
          </Group>
        ) : null}

        <Group title={t("form.group.address")}>
          <Field name="address" label={t("form.address")} help={t("form.address_help")} error={errors.address}>
            {(p) => <textarea {...p} name="address" rows={2} autocomplete="street-address" maxLength={600} value={draft.address} onInput={(e) => set({ address: e.currentTarget.value })} onBlur={left("address")} />}
          </Field>
          <Field name="occupation" label={t("form.occupation")} optional error={errors.occupation}>
            {(p) => <input {...p} name="occupation" autocomplete="organization-title" maxLength={200} value={draft.occupation} onInput={(e) => set({ occupation: e.currentTarget.value })} onBlur={left("occupation")} />}
          </Field>
        </Group>

        <div class="actions">
          <Button kind="primary" type="submit" test="level1-check">{t("form.check")}</Button>
          <p class="soft small" data-test="draft-kept">{kept ? t("form.kept") : ""}</p>
        </div>
      </form>
    </Verify>
  );
}

const directors: readonly Director[] = ["self", "beneficiary", "other"];

function toField(f: string) {
  const el = document.getElementById(fieldId(f));
  const control = el?.tagName === "FIELDSET" ? el.querySelector<HTMLElement>("input:checked,input") : el;
  el?.scrollIntoView({ block: "center" });
  control?.focus({ preventScroll: true });
}

function rulesOf(o: Operator): Rules {
  return {
    documents: o.documents, minimumAge: o.minimum_age, minors: o.minors,
    owners: { threshold: parseShare(o.beneficial_owners.threshold) ?? one, atLeast: o.beneficial_owners.at_least },
  };
}

/** Where the page has a share that the server knows by its place among all. */
function holdingField(c: CompanyDraft, f: string): string {
  const n = /^business\.holdings\.(\d+)\./.exec(f)?.[1];
  for (const [i, p] of c.parties.entries())
    for (const [j, h] of p.holds.entries()) if (n !== undefined && holdingIndex(c, p.id, h) === Number(n)) return `business.parties.${i}.share.${j}`;
  return f;
}

/** What the page calls a field: "Whom it is for: Name". */
function fieldName(f: string, type: string, c: CompanyDraft): string {
  if (f === "document.number") return numberWord("label", type);
  const of = (whose: string, rest: string) => t("form.of", { whose, field: fieldName(rest, "", c) });
  const somebody = /^(?:acting_for|business\.beneficiary)\.(beneficiary|controller)\.(.+)$/.exec(f);
  if (somebody) return of(t(`form.group.${somebody[1] as "beneficiary" | "controller"}`), somebody[2] ?? "");
  if (f.startsWith("guardian.")) return of(t("form.group.guardian"), f.slice("guardian.".length));
  const owner = /^business\.parties\.(\d+)\.(.+)$/.exec(holdingField(c, f));
  if (owner) {
    const whose = t("owners.nth", { n: Number(owner[1]) + 1 });
    return /^share\.|^holdings$/.test(owner[2] ?? "") ? t("form.of", { whose, field: t("owners.share") }) : of(whose, owner[2] ?? "");
  }
  if (f.startsWith("business.legal_representative.")) return of(t("company.representative"), f.slice("business.legal_representative.".length));
  if (f === "business.holdings") return t("owners.group");
  for (const key of [`form.${f}`, f.replace(/^business\./, "company.")]) if (has(key)) return t(key);
  return t(f.endsWith("document.number") ? "number.label.other" : "form.other_field");
}

function Summary({ draft, rules, countryName, refused, keeper }: { draft: Draft; rules: Rules; countryName: (code: string) => string; refused: (bad: readonly FieldError[]) => void; keeper: DraftKeeper }) {
  const { case: c, took, refresh } = useCase();
  const send = useAction();
  const type = typeOf(draft.document, draft.nationality, rules);
  const rows: [string, ComponentChildren][] = [
    ...(c.kind === "business" ? companyRows(draft.company) : []),
    [t("account.for"), c.kind === "business" && draft.who === "self" ? t("company.for.self") : t(`account.for.${draft.who}`)],
    ...(draft.who === "other" ? somebodyRows("beneficiary", draft.beneficiary) : []),
    ...(draft.who === "other" ? ([[t("form.director"), t(`form.director.${draft.director}`)]] as [string, ComponentChildren][]) : []),
    ...(draft.who === "other" && draft.director === "other" ? somebodyRows("controller", draft.controller) : []),
    [t("form.nationality"), countryName(draft.nationality)],
    [t("form.document.type"), documentName(type)],
    [numberWord("label", type),
      <span class="mono number-groups">{type === "cn_resident_id" ? groups(draft.document.number).map((g) => <span key={g}>{g}</span>) : draft.document.number}</span>],
    [t("form.validity"), validity(draft, type)],
    [t("form.name"), draft.name],
    [t("form.birth_date"), date(isoDay(draft.birthDate))],
    ...(needsGuardian(draft, new Date(), rules, c.kind) ? somebodyRows("guardian", draft.guardian) : []),
    ...(draft.sex ? ([[t("form.sex"), t(`form.sex.${draft.sex}`)]] as [string, ComponentChildren][]) : []),
    [t("form.address"), draft.address],
    ...(draft.occupation ? ([[t("form.occupation"), draft.occupation]] as [string, ComponentChildren][]) : []),
  ];

  function companyRows(d: CompanyDraft): [string, ComponentChildren][] {
    const name = (id: string) => d.parties.find((p) => p.id === id)?.person.name ?? "";
    const owners = d.parties.map((p) => [
      p.person.name,
      ...p.holds.filter((h) => h.share.trim() !== "").map((h) => (h.in === THE_COMPANY ? h.share : `${h.share} (${name(h.in)})`)),
      ...(p.basis ? [t(`owners.basis.${p.basis}`)] : []),
    ].join(" · "));
    return [
      [t("company.legal_name"), d.legalName],
      [t("company.registration.number"), <span class="mono">{d.regNumber}</span>],
      ...(d.regType === "uscc" ? [] : ([[t("company.registration.country"), countryName(d.regCountry)]] as [string, ComponentChildren][])),
      [t("company.activity"), d.activity],
      [t("company.registered_address"), d.address],
      [t("company.acting_as"), t(`company.acting_as.${d.actingAs}`)],
      ...(d.actingAs === "authorised_agent" ? ([[t("company.representative"), d.representative.name]] as [string, ComponentChildren][]) : []),
      [t("owners.group"), d.exempt && owners.length === 0 ? t("company.exempt_short") : owners.length === 0 ? t("owners.none") : owners.map((o, i) => <span key={i} class="summary-line">{o}</span>)],
    ];
  }

  function somebodyRows(who: "beneficiary" | "controller" | "guardian", p: SomebodyDraft): [string, ComponentChildren][] {
    const said: string[] = [p.name];
    if (p.nationality) said.push(countryName(p.nationality));
    if (p.birthDate) said.push(date(isoDay(p.birthDate)));
    if (p.nationality && p.document.number) said.push(`${documentName(typeOf(p.document, p.nationality, rules))} ${p.document.number}`);
    return [[t(`form.group.${who}`), said.map((s) => <span key={s} class="summary-line">{s}</span>)]];
  }

  const submit = () => send.run(async () => {
    const identity = toIdentity(draft, rules, c.kind);
    // A draft that came after the entry would stand beside it.
    await keeper.pause();
    try {
      await store(identity);
    } finally {
      keeper.resume();
    }
  });

  const store = async (identity: Identity) => {
    let version = Math.max(c.version, keeper.version);
    for (let tries = 0; ; tries++) {
      try {
        const stored = await api.putIdentity(c.id, version, identity);
        took(stored);
        took(await api.submitLevel(c.id, 1, stored.version));
        forgetDraft();
        keeper.done();
        go("/identity/1", true);
        return;
      } catch (err) {
        if (err instanceof Problem && err.errors.length > 0) {
          refused(err.errors);
          return;
        }
        // The case moved on meanwhile (a phone, another tab): the facts are still these, so once more on its new version.
        if (!(err instanceof Problem) || err.code !== "version_stale" || tries > 1) throw err;
        const fresh = await refresh();
        if (!fresh) throw err;
        version = fresh.version;
      }
    }
  };

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

function validity({ document: d }: Draft, type: string): string {
  const [from, until] = [isoDay(d.issuedOn), isoDay(d.expiresOn)];
  if (d.longTerm && canBeLongTerm(type)) return from ? t("form.validity.from_long_term", { from: date(from) }) : t("form.long_term_short");
  return from ? t("form.validity.range", { from: date(from), until: date(until) }) : t("form.validity.until", { until: date(until) });
}
