// The company's part of Level 1: what it is, who acts for it, and who owns it.
import { Button, Field, fieldId } from "../shared/components";
import { Choices } from "../shared/fields";
import { Icon } from "../shared/icons";
import { number, t } from "../shared/i18n";
import { percent } from "../shared/owners";
import type { Basis, Registration } from "../shared/types";
import { addParty, bases, dropParty, holdingIndex, isKeyOwner, known, MAX_PARTIES, ownership, THE_COMPANY, type CompanyDraft, type Ownership, type PartyDraft } from "./company-form";
import { allTypes } from "./facts";
import { DocumentFields, Group, SomebodyFields, type Form } from "./form-parts";

interface Props {
  form: Form;
  company: CompanyDraft;
  onChange: (c: CompanyDraft) => void;
  /** An owner went: what is marked by its place would mark another one. */
  onDrop: () => void;
}

const registrations: readonly Registration["type"][] = ["uscc", "lei", "other"];

/** The company itself, and who represents it. */
export function CompanyFields({ form, company: c, onChange }: Props) {
  const { errors, left } = form;
  return (
    <>
      <Group title={t("company.group")} test="company">
        <Field name="business.legal_name" label={t("company.legal_name")} help={t("company.legal_name_help")} error={errors["business.legal_name"]}>
          {(p) => <input {...p} autocomplete="organization" maxLength={400} value={c.legalName} onInput={(e) => onChange({ ...c, legalName: e.currentTarget.value })} onBlur={left("business.legal_name")} />}
        </Field>
        <Choices name="business.registration.type" label={t("company.registration.type")} error={errors["business.registration.type"]} value={c.regType}
          options={registrations.map((r) => ({ value: r, text: t(`company.registration.${r}`) }))} onChange={(regType) => onChange({ ...c, regType })} />
        <Field name="business.registration.number" label={t("company.registration.number")} help={t(`company.registration.help.${c.regType}`)} error={errors["business.registration.number"]}>
          {(p) => <input {...p} class="mono" autocomplete="off" autocapitalize="characters" spellcheck={false} maxLength={64} value={c.regNumber} onInput={(e) => onChange({ ...c, regNumber: e.currentTarget.value })} onBlur={left("business.registration.number")} />}
        </Field>
        {c.regType === "uscc" ? null : (
          <Field name="business.registration.country" label={t("company.registration.country")} error={errors["business.registration.country"]}>
            {(p) => (
              <select {...p} value={c.regCountry} onChange={(e) => onChange({ ...c, regCountry: e.currentTarget.value })}>
                {form.places.map((x) => <option key={x.code} value={x.code}>{x.name}</option>)}
              </select>
            )}
          </Field>
        )}
        <Field name="business.activity" label={t("company.activity")} help={t("company.activity_help")} error={errors["business.activity"]}>
          {(p) => <textarea {...p} rows={2} maxLength={1000} value={c.activity} onInput={(e) => onChange({ ...c, activity: e.currentTarget.value })} onBlur={left("business.activity")} />}
        </Field>
        <Field name="business.registered_address" label={t("company.registered_address")} help={t("company.registered_address_help")} error={errors["business.registered_address"]}>
          {(p) => <textarea {...p} rows={2} maxLength={600} value={c.address} onInput={(e) => onChange({ ...c, address: e.currentTarget.value })} onBlur={left("business.registered_address")} />}
        </Field>
      </Group>

      <Group title={t("company.acting_as")}>
        <Choices name="business.acting_as" label={t("company.acting_as")} unlabelled error={errors["business.acting_as"]} value={c.actingAs}
          options={(["legal_representative", "authorised_agent"] as const).map((a) => ({ value: a, text: t(`company.acting_as.${a}`) }))} onChange={(actingAs) => onChange({ ...c, actingAs })} />
        {c.actingAs === "authorised_agent" ? (
          <>
            <p class="hint">{t("company.agent_why")}</p>
            <h2 class="group-part">{t("company.representative")}</h2>
            <Field name="business.legal_representative.name" label={t("form.name")} error={errors["business.legal_representative.name"]}>
              {(p) => <input {...p} autocomplete="off" maxLength={200} value={c.representative.name} onInput={(e) => onChange({ ...c, representative: { ...c.representative, name: e.currentTarget.value } })} onBlur={left("business.legal_representative.name")} />}
            </Field>
            <DocumentFields form={form} at="business.legal_representative.document" document={c.representative.document} types={allTypes(form.rules)} others expiryOptional
              onChange={(document) => onChange({ ...c, representative: { ...c.representative, document } })} />
          </>
        ) : null}
      </Group>
    </>
  );
}

/** Who owns the company, with shares, and how much of it is explained. */
export function OwnerFields({ form, company: c, onChange, onDrop }: Props) {
  const o = ownership(c);
  const errors = form.errors;
  const atLeast = t(form.rules.owners.atLeast ? "owners.at_least" : "owners.more_than", { share: share(percent(form.rules.owners.threshold)) });
  return (
    <Group title={t("owners.group")} test="owners">
      <p class="soft">{t("owners.lead", { share: atLeast })}</p>
      {c.parties.map((p, i) => (
        <Owner key={p.id} form={form} company={c} party={p} n={i} o={o}
          onChange={(party) => onChange({ ...c, parties: c.parties.map((x) => (x.id === p.id ? party : x)) })}
          onDrop={() => {
            onChange(dropParty(c, p.id));
            onDrop();
          }} />
      ))}
      <div class="actions">
        {c.parties.length < MAX_PARTIES ? <Button icon="person" test="owner-add" onClick={() => onChange(addParty(c))}>{t(c.parties.length === 0 ? "owners.add_first" : "owners.add")}</Button> : <p class="soft">{t("field.too_many")}</p>}
      </div>
      <div class={errors["business.holdings"] || errors["business.controllers"] ? "field has-error" : "field"}>
        <p class="known numbers" id={fieldId("business.holdings")} tabIndex={-1} data-test="owners-known" aria-live="polite">{knownText(o)}</p>
        <p class="hint error" id={fieldId("business.controllers")} tabIndex={-1}>
          {errors["business.holdings"] || errors["business.controllers"] ? <><Icon name="warning" small /><span data-test="error-business.holdings">{errors["business.holdings"] ?? errors["business.controllers"]}</span></> : null}
        </p>
      </div>
      <div class={errors["business.exemption"] ? "field has-error" : "field"}>
        <label class="choice">
          <input type="checkbox" id={fieldId("business.exemption")} data-test="field-business.exemption" checked={c.exempt} onChange={(e) => onChange({ ...c, exempt: e.currentTarget.checked })} />
          <span>{t("owners.exempt")}</span>
        </label>
        <p class={errors["business.exemption"] ? "hint error" : "hint"}>{errors["business.exemption"] ?? t("owners.exempt_help")}</p>
      </div>
    </Group>
  );
}

function share(p: number): string {
  return new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 }).format(p);
}

function knownText(o: Ownership): string {
  const k = known(o);
  if (!k) return t("owners.impossible");
  const [a, b] = [percent(k.known), percent(k.rest)];
  const digits = (n: number) => (Number.isInteger(n) ? 0 : 2);
  return k.rest.n === 0n ? t("owners.all") : t("owners.known", { known: number(a, digits(a)), rest: number(b, digits(b)) });
}

function Owner({ form, company: c, party: p, n, o, onChange, onDrop }: {
  form: Form; company: CompanyDraft; party: PartyDraft; n: number; o: Ownership; onChange: (p: PartyDraft) => void; onDrop: () => void;
}) {
  const at = `business.parties.${n}`;
  const { errors, left } = form;
  const others = c.parties.filter((x) => x.kind === "company" && x.id !== p.id);
  const key = isKeyOwner(c, p, o, form.rules);
  const named = p.person.name.trim();
  return (
    <fieldset class="owner" data-test={`owner-${n}`} data-key={key}>
      <legend>{named ? t("owners.nth_named", { n: n + 1, name: named }) : t("owners.nth", { n: n + 1 })}</legend>
      <Choices name={`${at}.kind`} label={t("owners.kind")} value={p.kind}
        options={[{ value: "person", text: t("owners.kind.person") }, { value: "company", text: t("owners.kind.company") }]}
        onChange={(kind) => onChange({ ...p, kind, basis: "" })} />
      {p.kind === "person" && key ? (
        <>
          <p class="hint">{t("owners.details")}</p>
          <SomebodyFields form={form} at={at} person={p.person} whole onChange={(person) => onChange({ ...p, person })} />
        </>
      ) : (
        <Field name={`${at}.name`} label={t(p.kind === "person" ? "form.name" : "company.legal_name")} error={errors[`${at}.name`]}>
          {(f) => <input {...f} autocomplete="off" maxLength={400} value={p.person.name} onInput={(e) => onChange({ ...p, person: { ...p.person, name: e.currentTarget.value } })} onBlur={left(`${at}.name`)} />}
        </Field>
      )}
      {p.holds.map((h, i) => {
        const index = holdingIndex(c, p.id, h);
        const name = index < 0 ? `${at}.share.${i}` : `business.holdings.${index}.share`;
        const set = (part: Partial<typeof h>) => onChange({ ...p, holds: p.holds.map((x) => (x === h ? { ...x, ...part } : x)) });
        return (
          <div key={i} class="pair-fields">
            <Field name={`${at}.share.${i}`} label={t("owners.share")} help={t("owners.share_help")} error={errors[name]}>
              {(f) => <input {...f} class="numbers" inputMode="text" autocomplete="off" maxLength={24} value={h.share}
                onInput={(e) => set({ share: e.currentTarget.value })}
                onBlur={(e) => {
                  // 27 alone is meant as 27%.
                  if (/^\s*\d+([.．]\d+)?\s*$/.test(e.currentTarget.value.normalize("NFKC"))) set({ share: `${e.currentTarget.value.normalize("NFKC").trim()}%` });
                  left(name)();
                }} />}
            </Field>
            {others.length > 0 ? (
              <Field name={`${at}.in.${i}`} label={t("owners.in")}>
                {(f) => (
                  <select {...f} value={h.in} onChange={(e) => set({ in: e.currentTarget.value })}>
                    <option value={THE_COMPANY}>{t("owners.in_company")}</option>
                    {others.map((x) => <option key={x.id} value={x.id}>{x.person.name.trim() || t("owners.nth", { n: c.parties.indexOf(x) + 1 })}</option>)}
                  </select>
                )}
              </Field>
            ) : null}
          </div>
        );
      })}
      {errors[`${at}.holdings`] ? <p class="hint error" id={fieldId(`${at}.holdings`)} tabIndex={-1}><Icon name="warning" small /><span>{errors[`${at}.holdings`]}</span></p> : null}
      {p.kind === "person" ? (
        <Field name={`${at}.basis`} label={t("owners.basis")} optional>
          {(f) => (
            <select {...f} value={p.basis} onChange={(e) => onChange({ ...p, basis: e.currentTarget.value as "" | Basis })}>
              <option value="">{t("owners.basis.none")}</option>
              {bases.map((b) => <option key={b} value={b}>{t(`owners.basis.${b}`)}</option>)}
            </select>
          )}
        </Field>
      ) : null}
      <div class="actions">
        {others.length > 0 && p.holds.length <= others.length ? (
          <Button kind="quiet" test={`owner-${n}-share`} onClick={() => onChange({ ...p, holds: [...p.holds, { in: others[0]?.id ?? THE_COMPANY, share: "" }] })}>{t("owners.add_share")}</Button>
        ) : null}
        <Button kind="quiet" test={`owner-${n}-drop`} onClick={onDrop}>{t("owners.drop")}</Button>
      </div>
    </fieldset>
  );
}
