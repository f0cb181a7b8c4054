// One's own sign-in: another passkey, or another app for codes.
import { useState } from "preact/hooks";
import { api } from "../shared/api";
import { announce, Button, Callout, Field } from "../shared/components";
import { t } from "../shared/i18n";
import { Heading } from "../shared/page";
import { go } from "../shared/router";
import { Frame } from "./frame";
import { useOffice, useWork } from "./office";
import { SetUp } from "./sign";
import { roleWord } from "./words";

export function Security() {
  const { me, singles, setSingles } = useOffice();
  const [password, setPassword] = useState("");
  const [open, setOpen] = useState(false);
  const work = useWork();
  if (!me) return null;
  return (
    <Frame>
      <main id="main" tabIndex={-1} class="page-narrow">
        {open ? (
          <SetUp onDone={async () => { announce(t("review.security.added")); setOpen(false); go("/security"); }} onBack={() => setOpen(false)} />
        ) : (
          <>
            <Heading screen="review-security">{t("review.nav.security")}</Heading>
            <p class="lead">{me.account.email}, {me.account.roles.map(roleWord).join(", ")}</p>
            <form class="form" noValidate onSubmit={(e) => {
              e.preventDefault();
              if (!work.busy) work.run(async () => { await api.confirm(password); setPassword(""); setOpen(true); });
            }}>
              <Field name="password" label={t("review.security.password")} help={t("review.security.why")}>
                {(p) => <input {...p} type="password" autocomplete="current-password" maxLength={256} value={password} data-test="security-password" onInput={(e) => setPassword(e.currentTarget.value)} />}
              </Field>
              <div class="actions"><Button kind="primary" type="submit" busy={work.busy} test="security-add">{t("review.security.add")}</Button></div>
              <div class="message-space">{work.text ? <Callout tone="bad" alert><p>{work.text}</p></Callout> : null}</div>
            </form>
            <label class="choice">
              <input type="checkbox" checked={singles} data-test="security-keys" onChange={(e) => setSingles(e.currentTarget.checked)} />
              <span>{t("review.keys.on")}</span>
            </label>
          </>
        )}
      </main>
    </Frame>
  );
}
