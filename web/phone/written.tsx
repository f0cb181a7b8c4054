/** The statement written by hand: what to write, then a photo of it. */
import { useEffect, useState } from "preact/hooks";
import { Button, Callout } from "../shared/components";
import { api } from "../shared/api";
import { language, t, typeset } from "../shared/i18n";
import { Heading } from "../shared/page";
import { problemText } from "../shared/problems";
import type { CaptureStep, ClipChallenge } from "../shared/types";
import type { Phone } from "./model";
import { Page } from "./shell";

/** Shows the words and goes on to the camera. */
export function Written({ phone, step }: { phone: Phone; step: CaptureStep }) {
  const [script, setScript] = useState<ClipChallenge | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  useEffect(() => {
    let left = false;
    api.clipChallenge(phone.capture!.handoff.case_id, step.id, language(), "written").then(
      (got) => !left && setScript(got),
      (error: unknown) => !left && setProblem(error),
    );
    return () => {
      left = true;
    };
  }, [step.id]);
  return (
    <Page
      phone={phone}
      actions={
        <>
          <Button wide test="way-back" onClick={() => phone.chooseWay(step.id, undefined)}>
            {t("written.back")}
          </Button>
          {script === null ? null : (
            <Button kind="primary" wide test="written-photo" onClick={() => phone.writtenReady(step.id, script.id)}>
              {t("written.photo")}
            </Button>
          )}
        </>
      }
    >
      <Heading screen="written">{t("written.title")}</Heading>
      <p>{t("written.how")}</p>
      <div class="written" data-test="written">
        {script?.script.prompts.map((prompt) => (
          <p key={prompt.id} lang={prompt.lang}>
            {typeset(prompt.text, prompt.lang)}
          </p>
        ))}
      </div>
      {problem === null ? null : (
        <Callout tone="bad" alert>
          <p>{problemText(problem)}</p>
        </Callout>
      )}
      <p class="soft">{t("written.person")}</p>
    </Page>
  );
}
