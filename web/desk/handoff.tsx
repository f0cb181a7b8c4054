// The handoff as the desk shows it: the code, the number, the mirror, the end.
import { useEffect, useRef, useState } from "preact/hooks";
import { api, serverNow } from "../shared/api";
import { announce, Button, Callout, DeviceLine, deviceName, Skeleton } from "../shared/components";
import { Icon } from "../shared/icons";
import { t, tn } from "../shared/i18n";
import { Heading } from "../shared/page";
import { go } from "../shared/router";
import { PairToken, Token } from "../shared/token";
import type { Handoff } from "../shared/types";
import { useAction } from "./action";
import { useCase, useDesk } from "./desk";
import { Verify } from "./frame";
import { Mirror } from "./mirror";
import { OfferButton } from "./offer";
import { Qr } from "./qr";
import { SecondPhone } from "./second-phone";
import { onPhone } from "./words";

// How long the joined halves stay before the mirror follows.
const JOINED_FOR = 900;

/** The page /identity/n/phone. */
export function HandoffPage({ level }: { level: number }) {
  const { case: c } = useCase();
  const h = c.handoff;
  const state = h?.state;
  // The number that a phone is typing; it stays on the halves while they join.
  const number = useRef("");
  if (state === "claimed" && h?.match) number.current = h.match.number;
  const [, draw] = useState(0);
  const joining = state === "active" && number.current !== "";
  useEffect(() => {
    if (!joining) return;
    const timer = setTimeout(() => {
      number.current = "";
      draw((n) => n + 1);
    }, JOINED_FOR);
    return () => clearTimeout(timer);
  }, [joining]);

  const before = useRef(state);
  useEffect(() => {
    if (state !== before.current && state) announce(t(`handoff.said.${state}`));
    if (state !== "claimed" && state !== "active") number.current = "";
    before.current = state;
  }, [state]);

  const editable = c.levels.some((l) => l.level === level && (l.state === "open" || l.state === "resubmit"));
  useEffect(() => {
    if (state === "done" && editable) go(`/identity/${level}`, true);
  }, [state, editable, level]);

  return <Verify level={level} aside={state === "claimed" || state === "active" ? <Safe /> : undefined}>{body()}</Verify>;

  function body() {
    if (!h) return <Ended level={level} state="none" />;
    switch (h.state) {
      case "offered": return <Offered h={h} level={level} />;
      case "claimed": return <Claimed h={h} number={number.current} joined={false} />;
      // The same place in the tree as "claimed", so that the halves move instead of being drawn anew.
      case "active": return joining ? <Claimed h={h} number={number.current} joined /> : <Mirror h={h} />;
      case "done": return <Done level={level} />;
      default: return <Ended level={level} state={h.state} />;
    }
  }
}

function Safe() {
  return (
    <section>
      <h2>{t("handoff.safe.title")}</h2>
      <p>{t("handoff.safe")}</p>
    </section>
  );
}

function useMinutesLeft(until: string): number {
  // The server's clock is known to two seconds: ten minutes must not read as eleven.
  const left = () => Math.max(1, Math.ceil((Date.parse(until) - serverNow() - 2_500) / 60_000));
  const [n, set] = useState(left);
  useEffect(() => {
    set(left());
    const timer = setInterval(() => set(left()), 5_000);
    return () => clearInterval(timer);
  }, [until]);
  return n;
}

/** The address to type on a phone. A bare host would be tried without TLS first where it is an address or has a port. */
export function typedHost(url: string): string {
  const u = new URL(url);
  return u.protocol === "https:" && u.port === "" && /[a-z]/i.test(u.hostname.split(".").pop() ?? "") ? u.host : u.origin;
}

function Offered({ h, level }: { h: Handoff; level: number }) {
  const { tookHandoff } = useCase();
  const minutes = useMinutesLeft(h.expires_at);
  const stop = useAction();
  const [copied, setCopied] = useState(false);

  // A snapshot may be drawn for another session; the offering one gets its code by asking.
  const mine = h.url !== null && h.qr !== null;
  const asked = useRef("");
  const [others, setOthers] = useState(false);
  useEffect(() => {
    if (mine || asked.current === h.id) return;
    asked.current = h.id;
    api.handoff(h.id).then(
      (full) => (full.url ? tookHandoff(full) : setOthers(true)),
      () => setOthers(true),
    );
  }, [mine, h.id]);

  if (!mine || !h.url || !h.qr) {
    if (!others) return <><Heading screen="qr" title={t("qr.title")}>{t("qr.title")}</Heading><Skeleton lines={4} /></>;
    return (
      <div class="ended" data-test="handoff-elsewhere">
        <Token state="locked" size="xl" />
        <Heading screen="elsewhere" title={t("handoff.elsewhere")}>{t("handoff.elsewhere")}</Heading>
        <p class="lead">{t("handoff.elsewhere.then")}</p>
        <OfferButton level={level} words={t("handoff.here")} test="handoff-new" />
      </div>
    );
  }
  const code = h.text_code ?? "";
  // The code is drawn large inside its sentence.
  const [before, after] = t("qr.text", { host: typedHost(h.url), code: "\u0000" }).split("\u0000");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(h.url ?? "");
      setCopied(true);
      announce(t("qr.copied"));
      setTimeout(() => setCopied(false), 3_000);
    } catch {
      // Where the clipboard is closed to us the link is shown, to be copied by hand.
      setCopied(false);
      prompt(t("qr.copy"), h.url ?? "");
    }
  };
  // A phone cannot scan its own screen.
  const same = onPhone(navigator.userAgent);
  const title = t(same ? "handoff.same.title" : h.provider === "alipay" ? "qr.alipay" : "qr.title");
  return (
    <>
      <Heading screen="qr" title={title}>{title}</Heading>
      {same ? null : <p class="lead">{t(h.provider === "alipay" ? "qr.alipay.how" : "qr.how")}</p>}
      <div class="handoff">
        {same ? (
          <div class="handoff-same">
            <a class="button primary" href={h.url} target="_blank" rel="noopener" data-test="open-here"><Icon name="phone" small /><span>{t("handoff.same")}</span></a>
            <p class="soft">{t("handoff.same.then")}</p>
          </div>
        ) : (
          <Qr key={h.id} h={h} again={<OfferButton level={level} words={t("handoff.new")} test="qr-new" />} />
        )}
        <div class="handoff-how">
          {same ? null : (
            <ol class="numbered">
              <li>{t("qr.step.scan")}</li>
              <li>{t("qr.step.number")}</li>
              <li>{t(h.provider === "alipay" ? "qr.alipay.do" : "qr.step.do")}</li>
            </ol>
          )}
          <p class="soft">
            {before}<strong class="text-code mono" data-test="text-code" role="img" aria-label={spelled(code)}>{code}</strong>{after}
          </p>
          <div class="actions">
            <Button test="copy-link" onClick={copy}>{t(copied ? "qr.copied" : "qr.copy")}</Button>
          </div>
        </div>
      </div>
      <p class="handoff-line" data-test="handoff-line">{h.opened ? <strong>{t("qr.opening")}</strong> : <span class="soft numbers">{tn("qr.time", minutes)}</span>}</p>
      <div class="actions">
        <Button kind="quiet" test="handoff-cancel" busy={stop.busy} onClick={() => stop.run(async () => {
          tookHandoff(await api.cancelHandoff(h.id));
          go(`/identity/${level}`);
        })}>{t("handoff.cancel")}</Button>
        <TrustLine url={h.url} />
      </div>
      {stop.text ? <Callout tone="bad" alert><p>{stop.text}</p></Callout> : null}
    </>
  );
}

/** "7 K 3 M, 9 Q X T", for the ear. */
export function spelled(code: string): string {
  return code.split("-").map((part) => [...part].join(" ")).join(", ");
}

// Phones reach this machine over TLS with a certificate made here, if there is a page that says how to trust it.
function TrustLine({ url }: { url: string }) {
  const [there, setThere] = useState(false);
  const local = new URL(url).protocol === "https:" && location.protocol === "http:";
  useEffect(() => {
    if (!local) return;
    let here = true;
    fetch("/trust", { method: "HEAD", credentials: "omit" }).then(
      (r) => here && setThere(r.ok),
      () => undefined,
    );
    return () => void (here = false);
  }, [local]);
  return there ? <a class="trust" href="/trust" target="_blank" rel="noopener" data-test="trust">{t("qr.trust")}</a> : null;
}

function Claimed({ h, number, joined }: { h: Handoff; number: string; joined: boolean }) {
  const { tookHandoff } = useCase();
  const deny = useAction();
  const [soon, setSoon] = useState(false);
  const until = h.match?.expires_at;
  useEffect(() => {
    if (!until) return;
    const look = () => setSoon(Date.parse(until) - serverNow() < 30_000);
    look();
    const timer = setInterval(look, 1_000);
    return () => clearInterval(timer);
  }, [until]);
  useEffect(() => {
    if (soon) announce(t("match.soon"));
  }, [soon]);
  const shown = useRef("");
  useEffect(() => {
    const n = h.match?.number ?? "";
    if (shown.current && n && n !== shown.current) announce(t("match.new"));
    shown.current = n || shown.current;
  }, [h.match?.number]);

  const notMine = (
    <div class="actions">
      <Button test="not-my-phone" busy={deny.busy} onClick={() => deny.run(async () => tookHandoff(await api.denyHandoff(h.id)))}>{t("match.device.not")}</Button>
      {deny.text ? <p class="hint error" role="alert">{deny.text}</p> : null}
    </div>
  );
  if (!number) {
    return (
      <div class="ended" data-test="match-elsewhere">
        <Token state="open" size="xl" />
        <Heading screen="match-elsewhere" title={t("match.elsewhere")}>{t("match.elsewhere")}</Heading>
        {h.device ? <DeviceLine device={h.device} /> : null}
        {notMine}
        <SecondPhone h={h} />
      </div>
    );
  }
  return (
    <div class="match">
      <PairToken side="desk" joined={joined}>
        <span class="match-number" data-test="match-number">{number}</span>
      </PairToken>
      <div class="match-text">
        <Heading screen="match" title={t("match.desk")}>{t(joined ? "match.joined" : "match.desk")}</Heading>
        {h.device ? (
          <div class="match-ask"><DeviceLine device={h.device} words={joined ? undefined : t("match.device", { device: deviceName(h.device) })} /></div>
        ) : null}
        <p class="hint numbers">{soon && !joined ? t("match.soon") : ""}</p>
        {joined ? null : notMine}
        <SecondPhone h={h} />
      </div>
    </div>
  );
}

function Done({ level }: { level: number }) {
  return (
    <div class="outcome" data-test="handoff-ended" data-state="done">
      <Token state="approved" size="xl" />
      <Heading screen="handoff-done" title={t("handoff.done")}>{t("handoff.done")}</Heading>
      <p class="lead">{t("handoff.done.then")}</p>
      <div class="actions">
        <Button kind="primary" test="handoff-next" onClick={() => go(`/identity/${level}`)}>{t("handoff.done.next")}</Button>
      </div>
    </div>
  );
}

function Ended({ level, state }: { level: number; state: "expired" | "cancelled" | "locked" | "reported" | "superseded" | "none" }) {
  const { operator, case: c } = useDesk();
  if (state === "reported" && c?.frozen) { // nothing can be begun until somebody has looked
    return (
      <div class="ended" data-test="handoff-ended" data-state={state}>
        <Token state="locked" size="xl" />
        <Heading screen="handoff-frozen" title={t("handoff.reported")}>{t("handoff.reported")}</Heading>
        <p class="lead" data-test="frozen">{t("problem.case_frozen")}</p>
        <p><Button kind="quiet" test="handoff-overview" onClick={() => go("/identity")}>{t("overview.title")}</Button></p>
      </div>
    );
  }
  return (
    <div class="ended" data-test="handoff-ended" data-state={state}>
      <Token state="locked" size="xl" />
      <Heading screen={`handoff-${state}`} title={t(`handoff.${state}`)}>{t(`handoff.${state}`)}</Heading>
      <p class="lead">{state === "reported" ? t("reported", { operator: operator.name }) : t(`handoff.${state}.then`)}</p>
      <OfferButton level={level} words={t("handoff.new")} test="handoff-new" />
      <p><Button kind="quiet" test="handoff-other" onClick={() => go(`/identity/${level}`)}>{t("handoff.other")}</Button></p>
    </div>
  );
}
