// What stands around every page of the reviewers' desk.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Dialog, LanguageSwitch, StatusLine } from "../shared/components";
import { Icon } from "../shared/icons";
import { t } from "../shared/i18n";
import { SkipLink } from "../shared/page";
import { go, href, usePlace } from "../shared/router";
import { Token } from "../shared/token";
import { table } from "./keys";
import { useKeys, useOffice, useWork } from "./office";

/** A link to a place of this app. */
export function To({ place, test, class: cls, current, children }: { place: string; test?: string; class?: string; current?: boolean; children: ComponentChildren }) {
  return (
    <a class={cls} href={href(place)} data-test={test} aria-current={current ? "page" : undefined}
      onClick={(e) => {
        if (e.ctrlKey || e.metaKey || e.shiftKey || e.button !== 0) return;
        e.preventDefault();
        go(place);
      }}>
      {children}
    </a>
  );
}

function Help({ onClose }: { onClose: () => void }) {
  const { singles, setSingles } = useOffice();
  return (
    <Dialog title={t("review.keys.title")} test="keys" onClose={onClose}>
      <dl class="keys">
        {table.map((k) => (
          <div key={k.keys}><dt><kbd>{k.keys}</kbd></dt><dd>{t(`review.keys.${k.act}`)}</dd></div>
        ))}
      </dl>
      <label class="choice small">
        <input type="checkbox" checked={singles} data-test="keys-on" onChange={(e) => setSingles(e.currentTarget.checked)} />
        <span>{t("review.keys.on")}</span>
      </label>
      <div class="actions"><button type="button" class="button" data-test="keys-close" autoFocus onClick={onClose}><span>{t("review.close")}</span></button></div>
    </Dialog>
  );
}

/** Header and status line; `full` is a page that uses the whole width and scrolls in its own columns. */
export function Frame({ children, full }: { children: ComponentChildren; full?: boolean }) {
  const { operator, me, has, offline, leave } = useOffice();
  const at = usePlace();
  const [help, setHelp] = useState(false);
  const out = useWork();
  useKeys((act) => {
    if (act === "help") setHelp(true);
    else if (act === "to_queue" && me) go("/queue");
    else return false;
    return true;
  });
  useEffect(() => setHelp(false), [at]);
  const page = at.split("?")[0] ?? "";
  const nav: { place: string; key: "queue" | "reported" | "figures" | "staff" | "security"; shown: boolean }[] = [
    { place: "/queue", key: "queue", shown: has("reviewer") || has("supervisor") },
    { place: "/reported", key: "reported", shown: has("reviewer") || has("supervisor") },
    { place: "/figures", key: "figures", shown: has("supervisor") },
    { place: "/staff", key: "staff", shown: has("admin") },
    { place: "/security", key: "security", shown: me !== null },
  ];
  return (
    <div class={full ? "office office-full" : "office"}>
      <SkipLink />
      <header class="bar-top">
        <To place="/" class="brand" test="brand"><Token /><span>{operator.name}</span></To>
        {me ? (
          <nav aria-label={t("review.nav")} class="bar-nav">
            {nav.filter((n) => n.shown).map((n) => <To key={n.key} place={n.place} current={page === n.place} test={`nav-${n.key}`}>{t(`review.nav.${n.key}`)}</To>)}
          </nav>
        ) : null}
        <div class="bar-end">
          <LanguageSwitch />
          {me ? (
            <>
              <button type="button" class="bar-button" data-test="help" aria-label={t("review.keys.title")} onClick={() => setHelp(true)}><kbd>?</kbd></button>
              <button type="button" class="bar-button" data-test="signout" aria-busy={out.busy || undefined} onClick={() => out.run(leave)}><Icon name="lock" small /><span>{t("menu.signout")}</span></button>
            </>
          ) : null}
        </div>
      </header>
      {offline ? <p class="offline-line" role="status" data-test="offline"><Icon name="wifi" small /><span>{t("review.offline")}</span></p> : null}
      {children}
      <StatusLine />
      {help ? <Help onClose={() => setHelp(false)} /> : null}
    </div>
  );
}
