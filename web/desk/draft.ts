// What was typed of Level 1 is kept on the server, sealed, so that a reload or another browser goes on with it.
import { emptyCompany, type CompanyDraft, type PartyDraft } from "./company-form";
import { nobody } from "./facts";
import { emptyDraft, type Draft } from "./identity-form";

const VERSION = 1;
const WAIT = 1000;

/** The form in which a draft is kept. */
export interface KeptDraft { v: number; draft: Draft }

export function toKept(draft: Draft): KeptDraft {
  return { v: VERSION, draft };
}

/** A kept draft; undefined where it was made by a program that this one does not know. */
export function fromKept(kept: unknown): Draft | undefined {
  const k = kept as Partial<KeptDraft> | null | undefined;
  if (!k || k.v !== VERSION || !k.draft) return undefined;
  const d = fit(emptyDraft, k.draft);
  const parties: unknown[] = Array.isArray(k.draft.company?.parties) ? k.draft.company.parties : [];
  const company: CompanyDraft = { ...fit(emptyCompany, k.draft.company), parties: parties.map(party) };
  return { ...d, company };
}

function party(p: unknown): PartyDraft {
  const holds = (p as Partial<PartyDraft> | null)?.holds;
  return {
    ...fit<PartyDraft>({ id: "", kind: "person", person: nobody, holds: [], basis: "" }, p),
    holds: (Array.isArray(holds) ? holds : []).map((h) => fit({ in: "", share: "" }, h)),
  };
}

// Takes from a value what has the shape of the pattern, and the pattern for the rest.
function fit<T extends object>(pattern: T, value: unknown): T {
  const from = (value ?? {}) as Record<string, unknown>;
  return Object.fromEntries(Object.entries(pattern).map(([name, usual]) => {
    const v = from[name];
    if (Array.isArray(usual)) return [name, usual];
    if (usual !== null && typeof usual === "object") return [name, fit(usual as object, v)];
    return [name, typeof v === typeof usual ? v : usual];
  })) as T;
}

/** Keeps the newest draft: a second after the last change, or at once when told to. One at a time. */
export class DraftKeeper {
  /** The version of the case after the last draft; 0 before one. */
  version = 0;
  private readonly put: (d: KeptDraft, leaving: boolean) => Promise<{ version: number }>;
  private readonly kept: () => void;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private next: Draft | undefined;
  private running: Promise<void> | undefined;
  private paused = false;

  constructor(put: (d: KeptDraft, leaving: boolean) => Promise<{ version: number }>, kept: () => void) {
    this.put = put;
    this.kept = kept;
  }

  change(d: Draft) {
    this.next = d;
    clearTimeout(this.timer);
    if (!this.paused) this.timer = setTimeout(() => this.flush(), WAIT);
  }

  /** Keeps now what is not kept yet. `leaving`: the page may be gone before an answer comes. */
  flush(leaving = false) {
    clearTimeout(this.timer);
    const d = this.next;
    if (!d || this.paused || (this.running && !leaving)) return;
    this.next = undefined;
    this.running = this.put(toKept(d), leaving).then(
      ({ version }) => {
        this.version = Math.max(this.version, version);
        if (!this.next) this.kept();
      },
      // It is still in memory; the next change tries again.
      () => void (this.next ??= d),
    ).finally(() => {
      this.running = undefined;
    }).then(() => {
      if (this.next && this.next !== d) this.change(this.next);
    });
  }

  /** Ends keeping while the whole is sent: what is stored makes a draft of it old. */
  async pause(): Promise<void> {
    this.paused = true;
    clearTimeout(this.timer);
    await this.running;
  }

  resume() {
    this.paused = false;
  }

  /** The whole was stored: nothing is left to keep. */
  done() {
    this.next = undefined;
  }
}
