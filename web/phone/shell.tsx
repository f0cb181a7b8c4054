/** What every light screen has around it: the header, the help sheet, the offline bar, the action bar. */
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Button, Dialog, LanguageToggle, StatusLine } from "../shared/components";
import { Icon } from "../shared/icons";
import { t, tn } from "../shared/i18n";
import { SkipLink } from "../shared/page";
import { problemText } from "../shared/problems";
import { Token } from "../shared/token";
import type { Phone } from "./model";

/** The operator's name, from whatever told it. */
export function operatorName(phone: Phone): string {
  const told = phone.capture?.operator ?? phone.landing?.operator ?? phone.operator;
  return typeof told === "string" ? told : (told?.name ?? "");
}

interface PageProps {
  phone: Phone;
  children: ComponentChildren;
  /** The buttons at the bottom: the primary one last. */
  actions?: ComponentChildren;
  /** Nothing more is to be stopped or helped with. */
  plain?: boolean;
}

/** A screen in the page's own theme. */
export function Page({ phone, children, actions, plain }: PageProps) {
  return (
    <div class="phone">
      <SkipLink />
      <header>
        <div class="phone-top">
          <Token size="m" />
          <span class="phone-operator">{operatorName(phone)}</span>
          <LanguageToggle />
          {plain ? null : <More phone={phone} />}
        </div>
        {phone.offline ? <OfflineBar phone={phone} /> : null}
      </header>
      <main id="main" class="phone-main" tabIndex={-1}>
        {children}
        <ProblemLine phone={phone} />
        <EndingBar phone={phone} />
      </main>
      {actions ? <div class="phone-actions">{actions}</div> : null}
      <StatusLine />
    </div>
  );
}

/** What the last call was refused for. Its place is always there, so nothing jumps. */
function ProblemLine({ phone }: { phone: Phone }) {
  return (
    <p class="phone-problem" role="alert" data-test="problem">
      {phone.problem === null ? null : (
        <>
          <Icon name="warning" small />
          <span>{problemText(phone.problem)}</span>
        </>
      )}
    </p>
  );
}

/** "No connection" on top, calm: nothing is asked of the person. */
export function OfflineBar({ phone }: { phone: Phone }) {
  const kept = phone.all.length > 0;
  return (
    <p class="phone-offline" data-test="offline">
      <Icon name="wifi" small />
      <span>{t(kept ? "send.offline" : "phone.offline")}</span>
    </p>
  );
}

function EndingBar({ phone }: { phone: Phone }) {
  const left = phone.ending;
  if (left === null) return null;
  return (
    <div class="callout warn" role="alert" data-test="ending">
      <Icon name="clock" />
      <p>{tn("phone.ending", Math.max(1, Math.ceil(left / 60)))}</p>
    </div>
  );
}

/** Help, and the way out that is there on every screen. `on` names the ground it lies on. */
export function More({ phone, on = "page" }: { phone: Phone; on?: "page" | "camera" }) {
  const [open, setOpen] = useState(false);
  const support = phone.operator?.support ?? "";
  const mayStop = phone.capture !== null;
  if (!mayStop && support === "") return null;
  return (
    <>
      <button type="button" class={`more more-${on}`} aria-label={t("phone.more")} data-test="more" onClick={() => setOpen(true)}>
        <Icon name="more" />
      </button>
      {open ? (
        <Dialog title={t("phone.help")} test="help" onClose={() => setOpen(false)}>
          {support === "" ? null : <p>{t("phone.support", { support })}</p>}
          {mayStop ? <p>{t("phone.stop.then")}</p> : null}
          <div class="phone-sheet-actions">
            {mayStop ? (
              <Button
                kind="plain"
                wide
                test="not-me-more"
                busy={phone.busy}
                onClick={() => {
                  setOpen(false);
                  void phone.deny();
                }}
              >
                {t("deny")}
              </Button>
            ) : null}
            <Button kind="primary" wide test="close" onClick={() => setOpen(false)}>
              {t("phone.close")}
            </Button>
          </div>
        </Dialog>
      ) : null}
    </>
  );
}

/** Draws the component again after every change of the phone's model. */
export function useChanges(phone: Phone): void {
  const [, again] = useState(0);
  useEffect(() => phone.subscribe(() => again((n) => n + 1)), [phone]);
}
