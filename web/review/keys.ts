// The keys of the reviewers' desk. Single keys do nothing in fields and can be switched off; none of them decides.

/** What a key asks for. */
export type Act =
  | "help" | "search" | "up" | "down" | "open" | "close" | "documents" | "face" | "clips" | "identity" | "history" | "reveal" | "prompt"
  | "back" | "play" | "forward" | "frame_back" | "frame_on" | "slower" | "faster" | "loop" | "zoom" | "turn" | "read" | "unclear" | "not_read" | "mute"
  | "approve" | "again" | "reject" | "confirm" | "hand_back" | "escalate" | "to_queue";

/** The table of keys as the help shows it, in pairs of what is pressed and what it does. */
export const table: readonly { keys: string; act: Act }[] = [
  { keys: "?", act: "help" }, { keys: "/", act: "search" }, { keys: "↑ ↓", act: "up" }, { keys: "Enter", act: "open" }, { keys: "Esc", act: "close" },
  { keys: "I", act: "identity" }, { keys: "D", act: "documents" }, { keys: "F", act: "face" }, { keys: "V", act: "clips" }, { keys: "H", act: "history" },
  { keys: "Shift+R", act: "reveal" }, { keys: "Z", act: "zoom" }, { keys: "T", act: "turn" },
  { keys: "1–9", act: "prompt" }, { keys: "J", act: "back" }, { keys: "K", act: "play" }, { keys: "L", act: "forward" }, { keys: ",", act: "frame_back" },
  { keys: ".", act: "frame_on" }, { keys: "[", act: "slower" }, { keys: "]", act: "faster" }, { keys: "O", act: "loop" }, { keys: "M", act: "mute" },
  { keys: "R", act: "read" }, { keys: "U", act: "unclear" }, { keys: "N", act: "not_read" },
  { keys: "A", act: "approve" }, { keys: "S", act: "again" }, { keys: "X", act: "reject" }, { keys: "Ctrl+Enter", act: "confirm" },
  { keys: "B", act: "hand_back" }, { keys: "E", act: "escalate" }, { keys: "G Q", act: "to_queue" },
];

const single: Record<string, Act> = {
  "?": "help", "/": "search", i: "identity", d: "documents", f: "face", v: "clips", h: "history", z: "zoom", t: "turn", j: "back", k: "play", l: "forward",
  ",": "frame_back", ".": "frame_on", "[": "slower", "]": "faster", o: "loop", m: "mute", r: "read", u: "unclear", n: "not_read", a: "approve", s: "again",
  x: "reject", b: "hand_back", e: "escalate",
};

/** What was pressed, as far as it counts here. */
export interface Pressed { key: string; ctrlKey: boolean; metaKey: boolean; altKey: boolean; shiftKey: boolean; repeat?: boolean; isComposing?: boolean }

/** Where it was pressed: in a field, where keys write; on a control, which has its own Enter and arrows; or on the page. */
export type Where = "field" | "control" | "page";

/** Reads keys one after the other: G Q is two of them. */
export class Reader {
  private g = 0;

  /** What this press asks for; n is the prompt of a digit. `singles` is off where the person switched single keys off. */
  read(e: Pressed, where: Where, singles: boolean, now: number): { act: Act; n?: number } | undefined {
    if (e.isComposing) return undefined;
    const before = this.g;
    this.g = 0;
    if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) return e.repeat ? undefined : { act: "confirm" };
    if (e.ctrlKey || e.metaKey || e.altKey) return undefined;
    if (e.key === "Escape") return { act: "close" };
    if (where === "field") return undefined;
    if (e.key === "ArrowUp") return { act: "up" };
    if (e.key === "ArrowDown") return { act: "down" };
    if (e.key === "Enter") return where === "page" ? { act: "open" } : undefined;
    if (!singles) return undefined;
    const key = e.key.length === 1 ? e.key.toLowerCase() : e.key;
    if (key === "g") {
      this.g = now;
      return undefined;
    }
    if (key === "q") return now - before < 1500 && before > 0 ? { act: "to_queue" } : undefined;
    if (e.shiftKey && key === "r") return { act: "reveal" };
    if (e.repeat && !["back", "forward", "frame_back", "frame_on"].includes(single[key] ?? "")) return undefined;
    if (e.shiftKey && /[a-z]/.test(key)) return undefined;
    if (/^[1-9]$/.test(key)) return { act: "prompt", n: Number(key) };
    const act = single[key];
    return act ? { act } : undefined;
  }
}

/** Where an event's target stands. */
export function whereOf(target: EventTarget | null): Where {
  if (!(target instanceof HTMLElement)) return "page";
  if (target.isContentEditable || target.matches("textarea, select, input:not([type=checkbox], [type=radio], [type=button], [type=range])")) return "field";
  if (target.matches("input[type=range], input[type=radio]")) return "field"; // they have arrows of their own
  return target.closest("button, a[href], summary, input") ? "control" : "page";
}
