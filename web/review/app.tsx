// Which page stands where.
import { useEffect } from "preact/hooks";
import { Button, Callout, LanguageSwitch, Skeleton } from "../shared/components";
import { Sprite } from "../shared/icons";
import { t, useLanguage } from "../shared/i18n";
import { Heading } from "../shared/page";
import { problemText } from "../shared/problems";
import { go, usePlace } from "../shared/router";
import { Token } from "../shared/token";
import { CasePage } from "./case";
import { FiguresPage } from "./figures";
import { Frame } from "./frame";
import { OfficeProvider, useOffice } from "./office";
import { QueuePage } from "./queue";
import { Security } from "./security";
import { Sign } from "./sign";
import { StaffPage } from "./people";

export function App() {
  useLanguage();
  return (
    <>
      <Sprite />
      <OfficeProvider waiting={<main id="main" class="door"><h1 class="unseen">{t("review.title")}</h1><Skeleton lines={4} /></main>} broken={(err, again) => <Broken err={err} again={again} />}>
        <Page />
      </OfficeProvider>
    </>
  );
}

function Broken({ err, again }: { err: unknown; again: () => void }) {
  return (
    <main id="main" class="door">
      <Token state="locked" size="l" />
      <Heading screen="failed">{t("failed.title")}</Heading>
      <p class="lead" role="alert">{problemText(err)}</p>
      <div class="actions"><Button kind="primary" onClick={again}>{t("wait.reload")}</Button></div>
      <LanguageSwitch />
    </main>
  );
}

function Move({ to }: { to: string }) {
  useEffect(() => go(to, true), [to]);
  return null;
}

/** For who is signed in and does not work here. */
function Stranger() {
  const { leave } = useOffice();
  return (
    <Frame>
      <main id="main" tabIndex={-1} class="door">
        <Heading screen="review-stranger">{t("review.title")}</Heading>
        <Callout tone="warn"><p>{t("problem.staff_only")}</p></Callout>
        <div class="actions"><Button kind="primary" onClick={() => void leave()}>{t("review.signin.again")}</Button></div>
      </main>
    </Frame>
  );
}

function Page() {
  // Everything below is drawn again in the other language.
  useLanguage();
  const at = usePlace();
  const { me, has } = useOffice();
  if (!me) return <Sign />;
  if (me.account.roles.length === 0) return <Stranger />;
  const [path = "", query = ""] = at.split("?", 2);
  const reviews = has("reviewer") || has("supervisor");
  if (path === "/security") return <Security />;
  if (path === "/staff" && has("admin")) return <StaffPage />;
  if (!reviews) return <Move to={has("admin") ? "/staff" : "/security"} />;
  if (path === "/figures" && has("supervisor")) return <FiguresPage />;
  if (path === "/queue") return <QueuePage query={query} />;
  if (path === "/reported") return <QueuePage key="reported" query="" reported />;
  const m = /^\/case\/(case_[0-9A-Z]{26})$/.exec(path);
  if (m?.[1]) return <CasePage key={m[1]} id={m[1]} />;
  return <Move to="/queue" />;
}
