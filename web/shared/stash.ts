/**
 * Photos that exist on this phone alone, so that a reload does not lose them.
 *
 * They are pictures of an identity document: each is removed the moment the server has accepted it,
 * and all of them when the handoff they belong to is over. They are stored as ArrayBuffers, with
 * their length beside them, because some browsers give a stored Blob back empty. Where the browser
 * keeps no database (private windows), memory alone has to do.
 */
export interface Kept {
  /** A local id. */
  id: string;
  handoffId: string;
  caseId: string;
  step: string;
  bytes: ArrayBuffer;
  length: number;
  type: string;
  /** Where the document is in the picture (0…1), for the look at it. */
  focus: { x: number; y: number; width: number; height: number };
  /** The applicant looked and uses it; until then it is not sent. */
  used: boolean;
  /** What it answers to, where it is the photo of a written statement. */
  challenge?: string;
  /** The upload's address once the server gave one. */
  url?: string;
  at: number;
}

const dbName = "symbolon-takes";
const storeName = "takes";
/** Older than the longest handoff: nothing can be done with it any more. */
const oldest = 60 * 60 * 1000;

let opening: Promise<IDBDatabase | null> | undefined;

function open(): Promise<IDBDatabase | null> {
  opening ??= new Promise((resolve) => {
    try {
      const request = indexedDB.open(dbName, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(storeName, { keyPath: "id" });
      request.onsuccess = () => {
        request.result.onversionchange = () => request.result.close();
        resolve(request.result);
      };
      request.onerror = () => resolve(null);
      request.onblocked = () => resolve(null);
    } catch {
      resolve(null);
    }
  });
  return opening;
}

async function run<T>(mode: IDBTransactionMode, ask: (store: IDBObjectStore) => IDBRequest<T>): Promise<T | undefined> {
  const db = await open();
  if (db === null) return undefined;
  return new Promise((resolve) => {
    try {
      const tx = db.transaction(storeName, mode);
      const request = ask(tx.objectStore(storeName));
      tx.oncomplete = () => resolve(request.result);
      tx.onerror = () => resolve(undefined);
      tx.onabort = () => resolve(undefined);
    } catch {
      resolve(undefined);
    }
  });
}

/** Stores or replaces a photo. */
export async function keep(photo: Kept): Promise<void> {
  await run("readwrite", (store) => store.put(photo));
}

/** Removes a photo. */
export async function forget(id: string): Promise<void> {
  await run("readwrite", (store) => store.delete(id));
}

/** Removes all photos. */
export async function forgetAll(): Promise<void> {
  await run("readwrite", (store) => store.clear());
}

/** Returns what can still be used of a handoff, oldest first, and removes everything else. */
export async function recall(handoffId: string, now: number = Date.now()): Promise<Kept[]> {
  const all = (await run<Kept[]>("readonly", (store) => store.getAll() as IDBRequest<Kept[]>)) ?? [];
  const good = all.filter((photo) => usable(photo, handoffId, now));
  for (const photo of all) if (!good.includes(photo)) await forget(photo.id);
  return good.sort((a, b) => a.at - b.at);
}

/** Says whether a restored photo is whole and belongs here. */
export function usable(photo: Kept, handoffId: string, now: number): boolean {
  return (
    photo.handoffId === handoffId &&
    photo.bytes instanceof ArrayBuffer &&
    photo.bytes.byteLength > 0 &&
    photo.bytes.byteLength === photo.length &&
    now - photo.at < oldest
  );
}
