/** The parts of a self-test, and what is missing where one failed. */
import { Icon } from "./icons";
import { t } from "./i18n";
import { parts, type Result, type State } from "./selftest";

const icon = { waiting: "more", trying: "clock", good: "check", slow: "clock", bad: "warning" } as const satisfies Record<State, string>;

/** One line a part; each has a word beside its icon. */
export function TestLines({ result }: { result: Result }) {
  return (
    <ul class="test-lines">
      {parts.map((part) => {
        const state = result.states[part];
        return (
          <li key={part} class={`test-line ${state}`} data-test={`test-${part}`} data-state={state}>
            <Icon name={icon[state]} />
            <span>{t(`selftest.part.${part}`)}</span>
            <span class="test-state">{t(`selftest.state.${state}`)}</span>
          </li>
        );
      })}
    </ul>
  );
}

/** Names what is missing, and what to do about it. */
export function testFault({ states, fault }: Result): string {
  if (states.camera === "bad") return t(`camera.${fault ?? "stuck"}`);
  if (states.microphone === "bad") return t(fault === "denied" ? "mic.denied" : fault === "busy" ? "mic.busy" : fault === null ? "mic.silent" : "mic.none");
  return t("record.none");
}
