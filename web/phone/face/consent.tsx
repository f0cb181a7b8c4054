/** What is agreed to before a face is compared: a page of its own, with another way as large as the yes. */
import { useEffect, useState } from "preact/hooks";
import { api, Problem } from "../../shared/api";
import { announce, Button, Callout, Skeleton } from "../../shared/components";
import { language, t } from "../../shared/i18n";
import { Heading } from "../../shared/page";
import { problemText } from "../../shared/problems";
import type { CaptureStep, Consent } from "../../shared/types";
import type { Phone } from "../model";
import { Page } from "../shell";

export function FaceConsent({ phone, step }: { phone: Phone; step: CaptureStep }) {
  const [consent, setConsent] = useState<Consent | null>(null);
  const [busy, setBusy] = useState<"" | "yes" | "no">("");
  const [problem, setProblem] = useState<unknown>(null);
  const caseId = phone.capture!.handoff.case_id;
  // Once the face may be compared, whether it may be looked for among others is asked apart.
  const search = phone.capture!.consents.every((one) => one.id !== "face" || one.state === "given");

  const load = async (): Promise<void> => {
    try {
      const { consents } = await api.consents(caseId, "capture");
      setConsent(consents.find((one) => one.id === (search ? "face_search" : "face")) ?? null);
    } catch (error) {
      if (error instanceof Problem && error.status === 401) void phone.refresh();
      else setProblem(error);
    }
  };
  useEffect(() => {
    setConsent(null);
    void load();
    // The networks come while one reads.
    phone.faces.prepare(step);
  }, [step.id, search]);

  const answer = async (given: boolean): Promise<void> => {
    if (consent === null || busy !== "") return;
    setBusy(given ? "yes" : "no");
    setProblem(null);
    try {
      await api.answerConsent(caseId, consent, given, language(), "capture");
      if (!given) announce(consent.texts[language()].declined);
      await phone.refresh();
    } catch (error) {
      if (error instanceof Problem && error.code === "consent_changed") await load();
      setProblem(error);
    } finally {
      setBusy("");
    }
  };

  const words = consent?.texts[language()];
  return (
    <Page
      phone={phone}
      actions={
        consent === null ? null : (
          <div class="face-actions">
            <Button kind="primary" wide test="face-agree" busy={busy === "yes"} onClick={() => void answer(true)}>
              {t("consent.agree")}
            </Button>
            <Button wide test="face-decline" busy={busy === "no"} onClick={() => void answer(false)}>
              {t(search ? "consent.no_thanks" : "face.another")}
            </Button>
          </div>
        )
      }
    >
      <Heading screen={search ? "face-search" : "face-consent"}>{words?.title ?? t("face.title")}</Heading>
      {words === undefined && problem === null ? <Skeleton lines={4} /> : null}
      {words === undefined ? null : (
        <>
          <p class="lead">{words.what}</p>
          <dl class="face-facts">
            {(["why", "keep", "who"] as const).map((part) => (
              <div key={part}>
                <dt>{t(`consent.${part}`)}</dt>
                <dd>{words[part]}</dd>
              </div>
            ))}
            <div>
              <dt>{t(search ? "consent.declining" : "face.another.what")}</dt>
              <dd>{words.declined}</dd>
            </div>
          </dl>
        </>
      )}
      {problem === null ? null : (
        <Callout tone="bad" alert>
          <p>{problemText(problem)}</p>
        </Callout>
      )}
    </Page>
  );
}
