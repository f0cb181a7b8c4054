// Which page stands where.
import { useEffect } from "preact/hooks";
import { Button, LanguageSwitch, Skeleton } from "../shared/components";
import { Sprite } from "../shared/icons";
import { t, useLanguage } from "../shared/i18n";
import { Heading } from "../shared/page";
import { problemText } from "../shared/problems";
import { go, usePlace } from "../shared/router";
import { Token } from "../shared/token";
import { WithConsent } from "./consent";
import { DeskProvider, useDesk } from "./desk";
import { HandoffPage } from "./handoff";
import { Home, Loading, Overview } from "./home";
import { Level1 } from "./level1";
import { Level2 } from "./level2";
import { Level3 } from "./level3";
import { MyData } from "./mydata";
import { Photos } from "./photos";
import { Outcome } from "./result";
import { Confirm, Forgot, Reset } from "./letters";
import { Sign } from "./sign";

export function App() {
  useLanguage();
  return (
    <>
      <Sprite />
      <DeskProvider waiting={<Waiting />} failedToStart={(err, again) => <Failed err={err} again={again} />}>
        <Page />
      </DeskProvider>
    </>
  );
}

function Waiting() {
  return (
    <main id="main" class="door">
      <h1 class="unseen">{t("title.verification")}</h1>
      <Skeleton lines={4} slow={<><p>{t("wait.slow")}</p><Button onClick={() => location.reload()}>{t("wait.reload")}</Button></>} />
    </main>
  );
}

function Failed({ err, again }: { err: unknown; again: () => void }) {
  return (
    <main id="main" class="door" data-test="failed">
      <Token state="locked" size="l" />
      <Heading screen="failed" title={t("failed.title")}>{t("failed.title")}</Heading>
      <p class="lead" role="alert">{problemText(err)}</p>
      <div class="actions"><Button kind="primary" test="failed-again" onClick={again}>{t("wait.reload")}</Button></div>
      <LanguageSwitch />
    </main>
  );
}

// A place that no page stands at leads to another one.
function Move({ to }: { to: string }) {
  useEffect(() => go(to, true), [to]);
  return <Loading level={0} />;
}

function Page() {
  // The names of the words change with the language; every page below is drawn again with it.
  useLanguage();
  const at = usePlace();
  const { me, operator, case: c } = useDesk();
  const link = /^\/(confirm|reset)\/([\w-]{1,256})$/.exec(at);
  if (operator.mail && link) return link[1] === "reset" ? <Reset token={link[2]!} /> : <Confirm token={link[2]!} />;
  if (operator.mail && at === "/forgot") return <Forgot />;
  if (!me) return <Sign key={at === "/signup" ? "signup" : "signin"} create={at === "/signup"} changed={at === "/signin/changed"} />;
  if (at === "/" || at.startsWith("/signin") || at === "/signup") return <Home />;
  if (at === "/identity") return <Overview />;
  if (at === "/data") return c === undefined ? <Loading level={0} /> : <MyData />;
  const m = /^\/identity\/([123])(?:\/(check|phone|photos))?$/.exec(at);
  if (!m) return <Move to="/identity" />;
  const n = Number(m[1]);
  if (c === undefined) return <Loading level={n} />;
  const level = c?.levels.find((l) => l.level === n);
  if (!c || !level) return <Move to="/identity" />;
  const editable = level.state === "open" || level.state === "resubmit";
  const part = m[2];
  if (n > 1 && part === "phone" && level.state !== "locked") return <HandoffPage level={n} />;
  if (!editable) return <Outcome level={level} />;
  if (c.restricted) return <Move to="/data" />;
  if (c.frozen) return <Move to="/identity" />;
  return (
    <WithConsent level={n}>
      {n === 1 ? <Level1 /> : n === 3 ? <Level3 level={level} /> : part === "photos" ? <Photos level={n} /> : <Level2 level={level} />}
    </WithConsent>
  );
}
