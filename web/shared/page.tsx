// A page: its h1 takes the focus after a change of screen, its title names the step.
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { t, useLanguage } from "./i18n";

let operator = "";

/** The operator's name, once known, ends every title. */
export function setOperatorName(name: string): void {
  operator = name;
}

/** "Step – Verification – Operator". */
export function pageTitle(step: string): string {
  return [step, t("title.verification"), operator].filter((part, i, all) => part && all.indexOf(part) === i).join(" – ");
}

let first = true;

/**
 * The heading of a screen. Give it a `screen` name that changes with the screen: then the focus goes to it,
 * except on the very first one, where the browser's own start is right.
 */
export function Heading({ screen, title, children }: { screen: string; title?: string; children: ComponentChildren }) {
  const ref = useRef<HTMLHeadingElement>(null);
  const lang = useLanguage();
  useEffect(() => {
    const h = ref.current;
    if (h) document.title = pageTitle(title ?? h.textContent ?? "");
  }, [lang, title, screen, children]);
  // With the page itself: later it could take the focus out of a field that somebody is in already.
  useLayoutEffect(() => {
    if (first) {
      first = false;
      return;
    }
    scrollTo(0, 0);
    ref.current?.focus({ preventScroll: true });
  }, [screen]);
  return (
    <h1 ref={ref} tabIndex={-1} data-test={`screen-${screen}`}>
      {children}
    </h1>
  );
}

/** Lets a keyboard jump over the header. A fragment address would disturb the router, hence the click. */
export function SkipLink() {
  return (
    <a
      class="skip"
      href="#main"
      onClick={(e) => {
        e.preventDefault();
        const main = document.getElementById("main");
        main?.focus();
        main?.scrollIntoView();
      }}
    >
      {t("skip")}
    </a>
  );
}
