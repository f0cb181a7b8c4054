// Another phone tried the code: said wherever the desk waits for the first one.
import { useEffect, useRef } from "preact/hooks";
import { announce, Callout } from "../shared/components";
import { t } from "../shared/i18n";
import type { Handoff } from "../shared/types";

/** The alert about further phones. Its place is kept, so that nothing jumps when one tries. */
export function SecondPhone({ h }: { h: Handoff }) {
  const told = useRef(0);
  useEffect(() => {
    if (h.alerts.length > told.current) announce(t("second.phone"));
    told.current = h.alerts.length;
  }, [h.alerts.length]);
  return (
    <div class="message-space">
      {h.alerts.length > 0 ? <Callout tone="warn" test="second-phone"><p>{t("second.phone")}</p></Callout> : null}
    </div>
  );
}
