// My data: what is held, why and until when; what was agreed to; taking it along; having it erased.
import { useEffect, useState } from "preact/hooks";
import { api, Problem } from "../shared/api";
import { announce, Button, Callout, Dialog, Field, Skeleton } from "../shared/components";
import { Icon } from "../shared/icons";
import { date, language, t, tn, useLanguage } from "../shared/i18n";
import { Heading } from "../shared/page";
import { fieldText } from "../shared/problems";
import { go } from "../shared/router";
import type { Consent, Held, Keeping } from "../shared/types";
import { useAction, type Action } from "./action";
import { ConsentWords } from "./consent";
import { useDesk } from "./desk";
import { Frame } from "./frame";

/** Until when something is kept, in words. */
export function keepingText(k: Keeping): string {
  if (k.until) return t("data.until", { day: date(k.until.slice(0, 10)) });
  if (k.rule === "relation_ended") return tn("data.until.relation", k.years ?? 0);
  return t("data.until.waiting");
}

type Asking = "download" | "erase" | { answer: Consent };

export function MyData() {
  useLanguage();
  const { case: c, operator, failed, refresh } = useDesk();
  const [held, setHeld] = useState<Held>();
  const [consents, setConsents] = useState<Consent[]>([]);
  const [error, setError] = useState(false);
  const [asking, ask] = useState<Asking>();
  const [gone, setGone] = useState(false);
  const id = c?.id;
  const load = () => {
    if (!id) return;
    setError(false);
    Promise.all([api.data(id), api.consents(id)]).then(([h, k]) => {
      setHeld(h);
      setConsents(k.consents);
    }, (err) => {
      failed(err);
      setError(true);
    });
  };
  useEffect(load, [id, c?.version]);
  const close = () => ask(undefined);
  const answered = consents.filter((x) => x.at !== null);
  const nothing = c === null;
  return (
    <Frame>
      <main id="main" tabIndex={-1} class="home">
        <Heading screen="data" title={t("data.title")}>{t("data.title")}</Heading>
        <p class="lead">{nothing ? t(gone ? "data.erased" : "data.nothing") : t("data.lead", { operator: operator.name })}</p>
        {!nothing && !held && !error ? <Skeleton lines={6} /> : null}
        {error ? <Callout tone="bad" alert><p>{t("problem.no_answer")}</p></Callout> : null}
        {error ? <div class="actions"><Button onClick={load}>{t("wait.reload")}</Button></div> : null}
        {!nothing && held ? (
          <>
            {held.restricted_at ? <Callout tone="plain" test="data-restricted"><p>{t("data.restricted", { until: keepingText(held.keeping) })}</p></Callout> : null}
            <section class="part">
              <h2>{t("data.held")}</h2>
              <dl class="summary" data-test="data-held" data-rule={held.keeping.rule}>
                {held.held.map((h) => (
                  <div key={h.data} data-test={`data-${h.data}`} data-items={h.items}>
                    <dt>{t(`data.${h.data}`)}</dt>
                    <dd>{t(`data.${h.data}.why`)}<span class="summary-line soft">{h.data === "account" ? t("data.until.account") : h.data === "history" ? t("data.until.history") : keepingText(held.keeping)}</span></dd>
                  </div>
                ))}
              </dl>
            </section>
            <section class="part">
              <h2>{t("data.consents")}</h2>
              {answered.length === 0 ? <p>{t("data.consents.none")}</p> : (
                <ul class="step-list">
                  {answered.map((x) => (
                    <li key={x.id} data-test={`data-consent-${x.id}`} data-state={x.state}>
                      <Icon name={x.state === "given" ? "check" : "close"} />
                      <div>
                        <p class="step-name">{x.texts[language()].title}</p>
                        <p class="small soft">{t(`data.consent.${x.state}`, { day: date((x.at ?? "").slice(0, 10)) })}</p>
                      </div>
                      {x.state === "given" && !held.restricted_at ? <Button kind="quiet" test={`data-withdraw-${x.id}`} onClick={() => ask({ answer: x })}>{t("data.withdraw")}</Button>
                        : !held.restricted_at ? <Button kind="quiet" test={`data-again-${x.id}`} onClick={() => ask({ answer: x })}>{t("consent.again")}</Button> : <span />}
                    </li>
                  ))}
                </ul>
              )}
            </section>
            <section class="part">
              <h2>{t("data.take")}</h2>
              <p>{t("data.take.what")}</p>
              <div class="actions"><Button test="data-download" onClick={() => ask("download")}>{t("data.download")}</Button></div>
            </section>
            {held.restricted_at ? null : (
              <section class="part">
                <h2>{t("data.erase")}</h2>
                <p>{held.keeping.rule === "relation_ended" ? t("data.erase.kept", { until: keepingText(held.keeping) }) : t("data.erase.what")}</p>
                <div class="actions"><Button test="data-erase" onClick={() => ask("erase")}>{t("data.erase.ask")}</Button></div>
              </section>
            )}
          </>
        ) : null}
        {nothing ? <div class="actions"><Button kind="primary" test="data-begin" onClick={() => go("/identity")}>{t("menu.identity")}</Button></div> : null}
        {id && asking === "download" ? <Download id={id} onClose={close} /> : null}
        {id && asking === "erase" ? <Erase id={id} onClose={close} onErased={() => { close(); setGone(true); }} /> : null}
        {id && typeof asking === "object" ? <Answer id={id} consent={asking.answer} onClose={close} onDone={(said) => { close(); announce(said); void refresh(); load(); }} /> : null}
      </main>
    </Frame>
  );
}

// Withdraws what was given, or gives after all what was not.
function Answer({ id, consent, onClose, onDone }: { id: string; consent: Consent; onClose: () => void; onDone: (said: string) => void }) {
  const send = useAction();
  const withdraw = consent.state === "given";
  const answer = (given: boolean) => send.run(async () => {
    await api.answerConsent(id, consent, given, language());
    onDone(t(given ? "data.given" : "data.withdrawn"));
  });
  return (
    <Dialog title={withdraw ? t("data.withdraw.title", { what: consent.texts[language()].title }) : t("consent.again")} test={withdraw ? "withdraw-dialog" : "give-dialog"} onClose={onClose}>
      {withdraw ? <p>{t(consent.declined === "person" ? "data.withdraw.face" : "data.withdraw.then")}</p> : <ConsentWords consent={consent} />}
      {send.text ? <p class="hint error" role="alert">{send.text}</p> : null}
      <div class="actions">
        <Button onClick={onClose}>{t("cancel")}</Button>
        {withdraw
          ? <Button kind="danger" busy={send.busy} test="withdraw-yes" onClick={() => answer(false)}>{t("data.withdraw")}</Button>
          : <Button kind="primary" busy={send.busy} test="give-yes" onClick={() => answer(true)}>{t("consent.agree")}</Button>}
      </div>
    </Dialog>
  );
}

// Asks for the password, and goes on once it is right.
function usePassword(send: Action, then: () => Promise<void>) {
  const [password, setPassword] = useState("");
  const [wrong, setWrong] = useState("");
  const submit = () => send.run(async () => {
    if (!password) {
      setWrong(fieldText("required", ""));
      return;
    }
    try {
      await api.confirm(password);
    } catch (err) {
      if (!(err instanceof Problem) || err.code !== "credentials_wrong") throw err;
      setWrong(t("confirm.wrong"));
      return;
    }
    await then();
  });
  const field = (
    <Field name="data.password" label={t("confirm.label")} error={wrong}>
      {(p) => <input {...p} data-test="data-password" type="password" autocomplete="current-password" maxLength={256} value={password} onInput={(e) => { setPassword(e.currentTarget.value); setWrong(""); }} />}
    </Field>
  );
  return { submit, field };
}

function Download({ id, onClose }: { id: string; onClose: () => void }) {
  const send = useAction();
  const { submit, field } = usePassword(send, async () => {
    // The browser saves what it gets as a file, and the page stays.
    location.assign(`/v1/cases/${encodeURIComponent(id)}/data.zip`);
    announce(t("data.download.begun"));
    onClose();
  });
  return (
    <Dialog title={t("data.download")} test="download-dialog" onClose={onClose}>
      <form class="form" noValidate onSubmit={(e) => { e.preventDefault(); if (!send.busy) submit(); }}>
        {field}
        {send.text ? <p class="hint error" role="alert">{send.text}</p> : null}
        <div class="actions">
          <Button onClick={onClose}>{t("cancel")}</Button>
          <Button kind="primary" type="submit" busy={send.busy} test="download-yes">{t("data.download")}</Button>
        </div>
      </form>
    </Dialog>
  );
}

function Erase({ id, onClose, onErased }: { id: string; onClose: () => void; onErased: () => void }) {
  const { refresh, signedIn } = useDesk();
  const [account, setAccount] = useState(false);
  const send = useAction();
  const { submit, field } = usePassword(send, async () => {
    const r = await api.erase(id, account);
    if (r.account) {
      announce(t("data.erased"));
      await signedIn(); // nobody is, any more
      go("/", true);
      return;
    }
    await refresh();
    if (r.outcome === "erased") onErased();
    else onClose();
  });
  return (
    <Dialog title={t("data.erase.ask")} test="erase-dialog" onClose={onClose}>
      <form class="form" noValidate onSubmit={(e) => { e.preventDefault(); if (!send.busy) submit(); }}>
        <p>{t("data.erase.sure")}</p>
        {field}
        <label class="choice small">
          <input type="checkbox" checked={account} data-test="erase-account" onChange={(e) => setAccount(e.currentTarget.checked)} />
          <span>{t("data.erase.account")}</span>
        </label>
        {send.text ? <p class="hint error" role="alert">{send.text}</p> : null}
        <div class="actions">
          <Button onClick={onClose}>{t("cancel")}</Button>
          <Button kind="danger" type="submit" busy={send.busy} test="erase-yes">{t("data.erase.ask")}</Button>
        </div>
      </form>
    </Dialog>
  );
}
