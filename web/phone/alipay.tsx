/** Alipay in place of this phone's camera. The result is the server's to ask for: nothing here decides. */
import { Button, Callout } from "../shared/components";
import { t } from "../shared/i18n";
import { Heading } from "../shared/page";
import { reasonText } from "../shared/problems";
import { Token } from "../shared/token";
import type { CaptureStep } from "../shared/types";
import type { Phone } from "./model";
import { operatorName, Page } from "./shell";

/** The way to Alipay, and what came of it so far. */
export function Alipay({ phone, step }: { phone: Phone; step: CaptureStep }) {
  const phase = step.provider?.phase ?? "";
  const waiting = phase === "waiting";
  const missed = reasonText(step.reasons?.[0]?.code ?? "provider.alipay_failed");
  return (
    <Page
      phone={phone}
      actions={
        waiting ? null : (
          <Button kind="primary" wide test="alipay-open" busy={phone.busy} onClick={() => void phone.toAlipay()}>
            {t(phase === "failed" ? "alipay.again" : "alipay.open")}
          </Button>
        )
      }
    >
      <Heading screen="alipay">{t("alipay.title")}</Heading>
      {phase === "failed" ? (
        <Callout tone="warn" alert>
          <p data-test="alipay-missed"><strong>{missed.what}</strong> {missed.how}</p>
        </Callout>
      ) : null}
      <p class="lead" data-test="alipay" data-phase={phase}>
        {t(waiting ? "alipay.waiting" : phase === "alipay_opened" ? "alipay.opened" : "alipay.lead", { operator: operatorName(phone) })}
      </p>
      {waiting ? null : <p class="soft">{t("alipay.who")}</p>}
    </Page>
  );
}

/** Back from Alipay in a browser that has no part in this: the page with the work is another one. */
export function Returned({ phone }: { phone: Phone }) {
  return (
    <Page phone={phone} plain>
      <div class="done">
        <Token state="checking" size="xl" />
        <Heading screen="returned">{t("alipay.returned")}</Heading>
      </div>
      <p class="lead">{t("alipay.returned.then")}</p>
    </Page>
  );
}
