/** The page's end of the worker that looks for a face. It is started once and kept: its networks are large. */
import type { Sight } from "./moves";

/** A sight, and who it is where that was asked. */
export type Seen = Sight & { who: Float32Array | null };

export type ToWorker =
  | { type: "open"; base: string; model: string }
  | { type: "look"; id: number; bitmap: ImageBitmap; who: boolean }
  | { type: "portrait"; id: number; bitmap: ImageBitmap };

export type FromWorker =
  | { type: "ready"; what: "guide" | "moves" | "who" }
  | { type: "seen"; id: number; sight: Seen }
  | { type: "portrait"; id: number; who: Float32Array | null }
  | { type: "failed"; why: string };

/** "loading": nothing can be seen yet. "guide": faces are found. "moves": moves, too. "failed": this browser cannot. */
export type Readiness = "loading" | "guide" | "moves" | "failed";

/** Says whether this browser could run the worker at all. */
export function canWatch(): boolean {
  return typeof Worker === "function" && typeof WebAssembly === "object" && typeof OffscreenCanvas === "function" && typeof createImageBitmap === "function";
}

export class Watch {
  readiness: Readiness = "loading";
  /** Whoever it is can be told. */
  knows = false;
  private readonly worker: Worker;
  private waiting = new Map<number, (value: Seen | Float32Array | null) => void>();
  private last = 0;
  private listeners = new Set<() => void>();

  constructor(
    readonly base: string,
    readonly model: string,
  ) {
    this.worker = new Worker(new URL("./face-worker.ts", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.heard(data);
    this.worker.onerror = () => this.fail();
    this.worker.postMessage({ type: "open", base, model } satisfies ToWorker);
  }

  /** Calls `heard` when readiness changes; returns how to stop. */
  subscribe(heard: () => void): () => void {
    this.listeners.add(heard);
    return () => void this.listeners.delete(heard);
  }

  /** Looks at a picture, which the worker takes; null when it failed. */
  look(bitmap: ImageBitmap, who: boolean): Promise<Seen | null> {
    return this.ask((id) => ({ type: "look", id, bitmap, who }), bitmap) as Promise<Seen | null>;
  }

  /** Who is on a document's photo; null where no face is found. */
  portrait(bitmap: ImageBitmap): Promise<Float32Array | null> {
    return this.ask((id) => ({ type: "portrait", id, bitmap }), bitmap) as Promise<Float32Array | null>;
  }

  close(): void {
    this.worker.terminate();
    this.settle();
  }

  private ask(message: (id: number) => ToWorker, bitmap: ImageBitmap): Promise<Seen | Float32Array | null> {
    if (this.readiness === "failed") {
      bitmap.close();
      return Promise.resolve(null);
    }
    const id = ++this.last;
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      this.worker.postMessage(message(id), [bitmap]);
    });
  }

  private heard(message: FromWorker): void {
    switch (message.type) {
      case "ready":
        if (message.what === "who") this.knows = true;
        else this.readiness = message.what;
        break;
      case "seen":
        this.answer(message.id, message.sight);
        return;
      case "portrait":
        this.answer(message.id, message.who);
        return;
      case "failed":
        this.fail();
        return;
    }
    for (const heard of this.listeners) heard();
  }

  private answer(id: number, value: Seen | Float32Array | null): void {
    this.waiting.get(id)?.(value);
    this.waiting.delete(id);
  }

  private fail(): void {
    this.readiness = "failed";
    this.worker.terminate();
    this.settle();
    for (const heard of this.listeners) heard();
  }

  private settle(): void {
    for (const resolve of this.waiting.values()) resolve(null);
    this.waiting.clear();
  }
}
