/**
 * Recordings that are not handed in yet, piece by piece as the recorder delivers them, so that a reload loses
 * nothing that was finished. Pieces are ArrayBuffers with their length beside them: some browsers give a
 * stored Blob back empty. They are removed the moment the server accepted the recording, or when
 * the handoff is over. Without a database, memory alone has to do.
 */

/** What is known of a recording beside its bytes. */
export interface KeptClip {
  id: string;
  handoffId: string;
  step: string;
  type: string;
  challenge: string;
  /** What was asked for and when it was shown, as the screens need it again. */
  facts: unknown;
  /** A photo taken during it. */
  still?: ArrayBuffer;
  /** The upload's address, and that of the photo, once the server gave one. */
  url?: string;
  stillUrl?: string;
  /** The take came to its end; without it, it broke off. */
  finished: boolean;
  /** The applicant looked and keeps it. */
  used: boolean;
  /** How many pieces there are and how many bytes, once it is finished. */
  pieces: number;
  length: number;
  at: number;
}

interface Piece {
  clip: string;
  n: number;
  bytes: ArrayBuffer;
  length: number;
}

/** Older than the longest handoff: nothing can be done with it any more. */
const oldest = 60 * 60 * 1000;

let opening: Promise<IDBDatabase | null> | undefined;

function open(): Promise<IDBDatabase | null> {
  opening ??= new Promise((resolve) => {
    try {
      const request = indexedDB.open("symbolon-clips", 1);
      request.onupgradeneeded = () => {
        request.result.createObjectStore("clips", { keyPath: "id" });
        request.result.createObjectStore("pieces", { keyPath: ["clip", "n"] });
      };
      request.onsuccess = () => {
        request.result.onversionchange = () => request.result.close();
        resolve(request.result);
      };
      request.onerror = request.onblocked = () => resolve(null);
    } catch {
      resolve(null);
    }
  });
  return opening;
}

async function run<T>(mode: IDBTransactionMode, ask: (tx: IDBTransaction) => IDBRequest<T> | undefined): Promise<T | undefined> {
  const db = await open();
  if (db === null) return undefined;
  return new Promise((resolve) => {
    try {
      const tx = db.transaction(["clips", "pieces"], mode);
      const request = ask(tx);
      tx.oncomplete = () => resolve(request?.result);
      tx.onerror = tx.onabort = () => resolve(undefined);
    } catch {
      resolve(undefined);
    }
  });
}

const piecesOf = (id: string): IDBKeyRange => IDBKeyRange.bound([id, 0], [id, Number.MAX_SAFE_INTEGER]);

/** Stores or replaces what is known of a recording. */
export async function keepClip(clip: KeptClip): Promise<void> {
  await run("readwrite", (tx) => tx.objectStore("clips").put(clip));
}

/** Stores a piece of it. */
export async function keepPiece(id: string, n: number, bytes: ArrayBuffer): Promise<void> {
  await run("readwrite", (tx) => tx.objectStore("pieces").put({ clip: id, n, bytes, length: bytes.byteLength } satisfies Piece));
}

/** Removes a recording. */
export async function forgetClip(id: string): Promise<void> {
  await run("readwrite", (tx) => {
    tx.objectStore("pieces").delete(piecesOf(id));
    tx.objectStore("clips").delete(id);
    return undefined;
  });
}

/** Removes all recordings. */
export async function forgetClips(): Promise<void> {
  await run("readwrite", (tx) => {
    tx.objectStore("pieces").clear();
    tx.objectStore("clips").clear();
    return undefined;
  });
}

/** Returns the recordings of a handoff with their bytes, oldest first, and removes everything else. One that is not `whole` broke off. */
export async function recallClips(handoffId: string, now: number = Date.now()): Promise<{ clip: KeptClip; bytes: ArrayBuffer[]; whole: boolean }[]> {
  const all = (await run<KeptClip[]>("readonly", (tx) => tx.objectStore("clips").getAll() as IDBRequest<KeptClip[]>)) ?? [];
  const found: { clip: KeptClip; bytes: ArrayBuffer[]; whole: boolean }[] = [];
  for (const clip of all.sort((a, b) => a.at - b.at)) {
    if (clip.handoffId !== handoffId || now - clip.at >= oldest) {
      await forgetClip(clip.id);
      continue;
    }
    const pieces = (await run<Piece[]>("readonly", (tx) => tx.objectStore("pieces").getAll(piecesOf(clip.id)) as IDBRequest<Piece[]>)) ?? [];
    found.push({ clip, bytes: pieces.map((piece) => piece.bytes), whole: isWhole(clip, pieces) });
  }
  return found;
}

/** Says whether a recording was finished and all of its pieces are there with all of their bytes. */
export function isWhole(clip: Pick<KeptClip, "finished" | "pieces" | "length">, pieces: readonly Omit<Piece, "clip">[]): boolean {
  return (
    clip.finished &&
    clip.length > 0 &&
    pieces.length === clip.pieces &&
    pieces.every((piece, i) => piece.n === i && piece.bytes instanceof ArrayBuffer && piece.bytes.byteLength > 0 && piece.bytes.byteLength === piece.length) &&
    pieces.reduce((sum, piece) => sum + piece.length, 0) === clip.length
  );
}
