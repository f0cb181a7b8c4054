// Header, menu, rail and aside: what stands around every page.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon } from "../shared/icons";
import { LanguageSwitch, StatusLine } from "../shared/components";
import { clock, t } from "../shared/i18n";
import { SkipLink } from "../shared/page";
import { go, href, usePlace } from "../shared/router";
import { LinkMark, Token, type TokenState } from "../shared/token";
import type { Case, Level } from "../shared/types";
import { useAction } from "./action";
import { useDesk } from "./desk";
import { keptText, levelWord, maskEmail, offered, stepWord, tokenOf, unbegun } from "./words";

/** A link to a place of this app. */
export function To({ place, test, class: cls, current, onGo, children }: {
  place: string; test?: string; class?: string; current?: boolean; onGo?: () => void; children: ComponentChildren;
}) {
  return (
    <a
      class={cls}
      href={href(place)}
      data-test={test}
      aria-current={current ? "page" : undefined}
      onClick={(e) => {
        if (e.ctrlKey || e.metaKey || e.shiftKey || e.button !== 0) return;
        e.preventDefault();
        onGo?.();
        go(place);
      }}
    >
      {children}
    </a>
  );
}

function levelToken(c: Case | null | undefined): TokenState {
  if (!c) return "locked";
  const level = c.levels.find((l) => l.state === "resubmit") ?? c.levels.find((l) => l.state === "open") ?? c.levels.filter((l) => l.state !== "locked").pop();
  return level ? tokenOf(level) : "locked";
}

function Menu() {
  const { me, case: c, signOut } = useDesk();
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const leave = useAction();
  useEffect(() => {
    if (!open) return;
    const outside = (e: Event) => {
      if (e.target instanceof Node && !root.current?.contains(e.target)) setOpen(false);
    };
    const key = (e: KeyboardEvent) => {
      if (e.key !== "Escape") return;
      setOpen(false);
      button.current?.focus();
    };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("focusin", outside);
    document.addEventListener("keydown", key);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("focusin", outside);
      document.removeEventListener("keydown", key);
    };
  }, [open]);
  if (!me) return null;
  const level = c?.level ?? 0;
  return (
    <div class="menu" ref={root}>
      <button ref={button} type="button" class="menu-button" aria-expanded={open} aria-controls="account-menu" aria-label={t("menu.open")} data-test="menu" onClick={() => setOpen(!open)}>
        <Icon name="person" />
      </button>
      <div id="account-menu" class="menu-panel" hidden={!open}>
        <p class="menu-email" data-test="menu-email">{maskEmail(me.account.email)}</p>
        <To place="/identity" test="menu-identity" class="menu-item" onGo={() => setOpen(false)}>
          <Token state={levelToken(c)} size="s" />
          <span>{t("menu.identity")}</span>
          <span class="menu-note">{level > 0 ? t("level.reached", { n: level }) : t("level.none")}</span>
        </To>
        <To place="/data" test="menu-data" class="menu-item" onGo={() => setOpen(false)}>
          <Icon name="eye" small />
          <span>{t("data.title")}</span>
        </To>
        <div class="menu-language">
          <LanguageSwitch />
        </div>
        <button type="button" class="menu-item" data-test="menu-signout" aria-busy={leave.busy || undefined} onClick={() => leave.run(signOut)}>
          <Icon name="lock" small />
          <span>{t("menu.signout")}</span>
        </button>
        {leave.text ? <p class="hint error" role="alert">{leave.text}</p> : null}
      </div>
    </div>
  );
}

/** Where to turn to: a link where it is an address of mail or of the web. */
function Support({ to }: { to: string }) {
  const at = /^https?:\/\/\S+$/.test(to) ? to : /^\S+@\S+$/.test(to) ? `mailto:${to}` : "";
  return at ? <a href={at}>{to}</a> : <>{to}</>;
}

function LinkLine() {
  const { case: c, phoneHere } = useDesk();
  if (c?.handoff?.state !== "active") return null;
  return (
    <p class="link-line" data-test="link-line" data-here={phoneHere}>
      <LinkMark here={phoneHere} />
      <span>{t(phoneHere ? "link.here" : "link.away")}</span>
    </p>
  );
}

/** Everything around a page. */
export function Frame({ children, wide }: { children: ComponentChildren; wide?: boolean }) {
  const { operator, me, link, heardAt, case: c } = useDesk();
  return (
    <>
      <SkipLink />
      <header class="header">
        <div class="header-in">
          <To place="/" class="brand" test="brand">
            <Token />
            <span>{operator.name}</span>
          </To>
          <LinkLine />
          {me ? <Menu /> : <LanguageSwitch />}
        </div>
      </header>
      {me && c && link === "offline" ? (
        <p class="offline" role="status" data-test="offline">
          <Icon name="wifi" small />
          <span>{t("offline.desk", { time: clock(new Date(heardAt)) })}</span>
        </p>
      ) : null}
      <div class={wide ? "page page-wide" : "page"}>{children}</div>
      <StatusLine />
    </>
  );
}

function RailSteps({ c, level }: { c: Case; level: Level }) {
  const steps = c.steps.filter((s) => s.level === level.level);
  if (steps.length === 0 || level.state === "locked") return null;
  return (
    <ul class="rail-steps">
      {steps.map((s) => (
        <li key={s.id}>
          <span>{stepWord(s)}</span>
          <span class="meta">{t(`step.state.${s.state}`)}</span>
        </li>
      ))}
    </ul>
  );
}

/** Levels on the left (a bar on top where it is narrow), the page in the middle, why and help on the right. */
export function Verify({ level, children, aside }: { level: number; children: ComponentChildren; aside?: ComponentChildren }) {
  const { case: c, operator } = useDesk();
  const at = usePlace();
  return (
    <Frame wide>
      <nav class="rail" aria-label={t("rail.label")}>
        {level > 0 ? (
          <p class="rail-bar">
            {t("level.of", { n: level })}
            <To place="/identity" class="rail-back">{t("overview.title")}</To>
          </p>
        ) : null}
        <ol class="rail-levels">
          {(c?.levels ?? unbegun).map((l) => (
            <li key={l.level} class={l.level === level ? "rail-level here" : "rail-level"} data-test={`rail-level-${l.level}`} data-state={l.state}>
              <Token state={tokenOf(l)} />
              <div>
                <p class="rail-name" aria-current={l.level === level ? "step" : undefined}>{t("level.name", { n: l.level })}</p>
                <p class="meta">{(c ? offered(c, l.level) : l.level < 3) ? levelWord(l) : t("level.not_offered")}</p>
                {c && l.level === level ? <RailSteps c={c} level={l} /> : null}
              </div>
            </li>
          ))}
        </ol>
        {at !== "/identity" ? <To place="/identity" class="rail-overview" test="to-overview">{t("overview.title")}</To> : null}
      </nav>
      <main id="main" tabIndex={-1} class="main">{children}</main>
      <aside class="aside" aria-label={t("aside.label")}>
        <section>
          <h2>{t("aside.why")}</h2>
          <p>{t("why", { operator: operator.name })}</p>
        </section>
        <section>
          <h2>{t("aside.keep")}</h2>
          <p>{keptText(operator)}</p>
        </section>
        {operator.support ? (
          <section>
            <h2>{t("aside.help")}</h2>
            <p><Support to={operator.support} /></p>
          </section>
        ) : null}
        {/* Last, because it comes and goes: nothing has to make room. */}
        {aside}
      </aside>
    </Frame>
  );
}
