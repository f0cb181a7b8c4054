// Who works here, for admins.
import { useEffect, useState } from "preact/hooks";
import { Problem } from "../shared/api";
import { announce, Button, Callout, Dialog, Field, Skeleton } from "../shared/components";
import { date, t } from "../shared/i18n";
import { Heading } from "../shared/page";
import { fieldText } from "../shared/problems";
import { calls } from "./calls";
import { Frame } from "./frame";
import { useOffice, useWork } from "./office";
import type { Member, Role } from "./types";
import { roleWord } from "./words";

const roles: readonly Role[] = ["reviewer", "supervisor", "admin"];

function Roles({ value, onChange, test, disabled }: { value: readonly Role[]; onChange: (r: Role[]) => void; test: string; disabled?: boolean }) {
  return (
    <div class="roles">
      {roles.map((r) => (
        <label key={r} class="choice-small">
          <input type="checkbox" checked={value.includes(r)} disabled={disabled} data-test={`${test}-${r}`}
            onChange={(e) => onChange(roles.filter((x) => (x === r ? e.currentTarget.checked : value.includes(x))))} />
          <span>{roleWord(r)}</span>
        </label>
      ))}
    </div>
  );
}

export function StaffPage() {
  const { me } = useOffice();
  const [all, setAll] = useState<Member[]>();
  const [next, setNext] = useState<string | null>(null);
  const [forget, setForget] = useState<Member>();
  const list = useWork();
  const change = useWork();
  useEffect(() => list.run(async () => {
    const page = await calls.staff();
    setAll(page.staff);
    setNext(page.next);
  }), []);
  const put = (m: Member) => setAll((before) => before?.map((x) => (x.id === m.id ? m : x)));
  return (
    <Frame>
      <main id="main" tabIndex={-1} class="page-wide">
        <Heading screen="review-staff">{t("review.nav.staff")}</Heading>
        {list.text ? <Callout tone="bad" alert><p>{list.text}</p></Callout> : null}
        {!all && !list.text ? <Skeleton lines={5} /> : null}
        {all ? (
          <div class="scroll-x" tabIndex={0} role="region" aria-label={t("review.nav.staff")}>
            <table class="plain-table">
              <thead><tr>
                <th scope="col">{t("signin.email")}</th><th scope="col">{t("review.staff.roles")}</th><th scope="col">{t("review.staff.factor")}</th><th scope="col">{t("review.staff.since")}</th><th scope="col"><span class="unseen">{t("review.staff.actions")}</span></th>
              </tr></thead>
              <tbody>
                {all.map((m) => {
                  const own = m.id === me?.account.id;
                  return (
                    <tr key={m.id} data-test={`member-${m.email}`} data-disabled={m.disabled_at !== null}>
                      <th scope="row">{m.email}{own ? <span class="tag">{t("review.staff.you")}</span> : null}{m.disabled_at ? <span class="tag warn">{t("review.staff.disabled")}</span> : null}</th>
                      <td><Roles value={m.roles} disabled={own || change.busy} test={`role-${m.email}`} onChange={(r) => r.length > 0 && change.run(async () => { put(await calls.changeStaff(m.id, { roles: r })); announce(t("review.staff.changed")); })} /></td>
                      <td>{m.second_factor.length ? m.second_factor.map((f) => t(`review.method.${f}`)).join(", ") : t("review.none")}</td>
                      <td>{date(m.created_at)}</td>
                      <td class="row-actions">
                        {own ? <span class="soft small">{t("review.staff.own")}</span> : (
                          <>
                            <Button kind="quiet" test={`disable-${m.email}`} busy={change.busy} onClick={() => change.run(async () => { put(await calls.changeStaff(m.id, { disabled: m.disabled_at === null })); announce(t("review.staff.changed")); })}>
                              {t(m.disabled_at === null ? "review.staff.disable" : "review.staff.enable")}
                            </Button>
                            {m.second_factor.length ? <Button kind="quiet" test={`forget-${m.email}`} onClick={() => setForget(m)}>{t("review.staff.forget")}</Button> : null}
                          </>
                        )}
                      </td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          </div>
        ) : null}
        <div class="fresh-line">{change.text ? <p class="error-line" role="alert" data-test="staff-error">{change.text}</p> : null}</div>
        {next ? <div class="actions"><Button busy={list.busy} onClick={() => list.run(async () => {
          const page = await calls.staff(next);
          setAll((before) => [...(before ?? []), ...page.staff]);
          setNext(page.next);
        })}>{t("review.queue.more")}</Button></div> : null}
        <NewMember onMade={(m) => setAll((before) => [...(before ?? []), m])} />
        {forget ? (
          <Dialog title={t("review.staff.forget")} onClose={() => setForget(undefined)}>
            <p>{t("review.staff.forget_how", { email: forget.email })}</p>
            <div class="actions">
              <Button onClick={() => setForget(undefined)}>{t("cancel")}</Button>
              <Button kind="danger" busy={change.busy} test="forget-yes" onClick={() => change.run(async () => {
                await calls.forgetFactors(forget.id);
                put({ ...forget, second_factor: [] });
                setForget(undefined);
              })}>{t("review.staff.forget")}</Button>
            </div>
          </Dialog>
        ) : null}
      </main>
    </Frame>
  );
}

function NewMember({ onMade }: { onMade: (m: Member) => void }) {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [chosen, setChosen] = useState<Role[]>(["reviewer"]);
  const work = useWork();
  const errors: Record<string, string> = {};
  for (const e of work.error instanceof Problem ? work.error.errors : []) errors[e.field] = fieldText(e.code, e.detail);
  return (
    <form class="form new-member" noValidate onSubmit={(e) => {
      e.preventDefault();
      if (!work.busy) work.run(async () => {
        const m = await calls.createStaff(email.trim(), password, chosen);
        onMade(m);
        setEmail("");
        setPassword("");
        announce(t("review.staff.made", { email: m.email }));
      });
    }}>
      <h2>{t("review.staff.new")}</h2>
      <p class="soft">{t("review.staff.new_how")}</p>
      <Field name="email" label={t("signin.email")} error={errors.email}>
        {(p) => <input {...p} type="email" autocomplete="off" maxLength={254} value={email} data-test="new-email" onInput={(e) => setEmail(e.currentTarget.value)} />}
      </Field>
      <Field name="password" label={t("review.staff.password")} error={errors.password} help={t("signup.password_help", { n: 10 })}>
        {(p) => <input {...p} type="password" autocomplete="new-password" maxLength={256} value={password} data-test="new-password" onInput={(e) => setPassword(e.currentTarget.value)} />}
      </Field>
      <fieldset class="field"><legend>{t("review.staff.roles")}</legend><Roles value={chosen} onChange={setChosen} test="new-role" />{errors.roles ? <p class="hint error">{errors.roles}</p> : null}</fieldset>
      <div class="actions"><Button kind="primary" type="submit" busy={work.busy} test="new-submit">{t("review.staff.create")}</Button></div>
      <div class="message-space">{work.text && Object.keys(errors).length === 0 ? <Callout tone="bad" alert><p>{work.text}</p></Callout> : null}</div>
    </form>
  );
}
