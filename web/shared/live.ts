// The live view of a case: a websocket that brings whole snapshots, and polling where websockets
// do not get through. Nothing is replayed and nothing can be missed: the newest snapshot is the truth.
import type { LiveMessage, LiveProgress } from "./types";

/** How fresh what we show is. */
export type Link = "connecting" | "live" | "polling" | "offline";

export interface LiveOptions<T extends { seq?: number }> {
  /** Path of the socket, e.g. /v1/cases/case_…/live. */
  path: string;
  /** Picks the truth out of a snapshot message. */
  pick: (m: Extract<LiveMessage, { type: "snapshot" }>) => T | undefined;
  /** Reads the same truth by an ordinary call. */
  poll: (signal: AbortSignal) => Promise<T>;
  onSnapshot: (value: T) => void;
  onPresence?: (p: { phone: boolean; desk: boolean }) => void;
  onProgress?: (p: LiveProgress) => void;
  onLink?: (l: Link) => void;
  /** The server said not to come back: 4401 signed out, 4403, 4404, 4009 replaced, 4010 over. */
  onEnd?: (code: number) => void;
}

export interface Live {
  /** Reads again now: a socket that may be dead is replaced, a poll is made. */
  poke(): void;
  /** Sends a message; false where no socket is open or it is still busy with earlier ones. */
  send(message: unknown): boolean;
  close(): void;
}

const CONNECT_TIMEOUT = 5_000;
const SILENCE = 45_000;
const POLL_EVERY = 3_000;
/** What may wait in the socket before further messages are refused. */
const MAX_BUFFERED = 16_384;
const BACK_OFF = [300, 1_000, 2_000, 4_000, 8_000, 15_000];
/** After so many sockets that never opened, polling takes over; a socket is still tried now and then. */
const GIVE_UP_AFTER = 2;

const stay = new Set([4401, 4403, 4404, 4009, 4010]);

/** Opens the live view. Call close when the page is left. */
export function openLive<T extends { seq?: number }>(o: LiveOptions<T>): Live {
  let seq = -1;
  let closed = false;
  let socket: WebSocket | undefined;
  let tries = 0;
  let neverOpened = 0;
  let link: Link | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let connectTimer: ReturnType<typeof setTimeout> | undefined;
  let silence: ReturnType<typeof setTimeout> | undefined;
  let pollTimer: ReturnType<typeof setTimeout> | undefined;
  let polling: AbortController | undefined;

  function say(l: Link) {
    if (l !== link && !closed) o.onLink?.((link = l));
  }

  function take(value: T | undefined, number: number | undefined) {
    if (value === undefined || closed) return;
    // An older truth than the one shown is dropped, so that what was seen never goes back.
    if (number !== undefined) {
      if (number < seq) return;
      seq = number;
    }
    o.onSnapshot(value);
  }

  function end(code: number) {
    if (closed) return;
    stop();
    o.onEnd?.(code);
  }

  function connect() {
    if (closed) return;
    clearTimeout(retry);
    drop();
    if (link === undefined) say("connecting");
    let ws: WebSocket;
    try {
      const url = new URL(o.path, location.href);
      url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
      ws = new WebSocket(url);
    } catch {
      later();
      return;
    }
    socket = ws;
    let opened = false;
    connectTimer = setTimeout(() => fail(ws, opened), CONNECT_TIMEOUT);
    ws.onopen = () => {
      if (ws !== socket) return;
      opened = true;
      clearTimeout(connectTimer);
      neverOpened = 0;
      hear(ws);
    };
    ws.onmessage = (e) => {
      if (ws !== socket) return;
      hear(ws);
      let m: LiveMessage;
      try {
        m = JSON.parse(String(e.data)) as LiveMessage;
      } catch {
        return;
      }
      if (m.type === "snapshot") {
        tries = 0;
        stopPolling();
        say("live");
        take(o.pick(m), m.seq);
      } else if (m.type === "presence") o.onPresence?.({ phone: m.phone, desk: m.desk });
      else if (m.type === "progress") o.onProgress?.(m);
    };
    ws.onclose = (e) => {
      if (ws !== socket) return;
      if (stay.has(e.code)) end(e.code);
      else fail(ws, opened);
    };
  }

  // The server pings every 15 s, which a page cannot see; silence for much longer is checked by a poll,
  // since a quiet case sends nothing either.
  function hear(ws: WebSocket) {
    clearTimeout(silence);
    silence = setTimeout(() => {
      if (ws === socket) pollOnce();
      hear(ws);
    }, SILENCE);
  }

  function fail(ws: WebSocket, opened: boolean) {
    if (ws !== socket || closed) return;
    if (!opened) neverOpened++;
    drop();
    later();
  }

  function drop() {
    clearTimeout(connectTimer);
    clearTimeout(silence);
    const ws = socket;
    socket = undefined;
    if (ws) {
      ws.onopen = ws.onmessage = ws.onclose = null;
      ws.close();
    }
  }

  function later() {
    if (closed) return;
    const pause = BACK_OFF[Math.min(tries++, BACK_OFF.length - 1)] as number;
    // Half of the pause is chance, so that a restarted server is not met by everybody at once.
    retry = setTimeout(connect, pause / 2 + Math.random() * (pause / 2));
    if (neverOpened >= GIVE_UP_AFTER) startPolling();
    else if (!navigator.onLine) say("offline");
    else pollOnce();
  }

  function startPolling() {
    if (pollTimer === undefined && !closed) pollLoop();
  }

  function stopPolling() {
    clearTimeout(pollTimer);
    pollTimer = undefined;
    polling?.abort();
    polling = undefined;
  }

  function pollLoop() {
    pollTimer = setTimeout(() => void pollOnce().then(() => pollTimer !== undefined && pollLoop()), POLL_EVERY);
  }

  async function pollOnce() {
    if (closed || polling) return;
    const c = new AbortController();
    polling = c;
    try {
      const value = await o.poll(c.signal);
      if (c.signal.aborted) return;
      take(value, value.seq);
      if (!socket || socket.readyState !== WebSocket.OPEN) say("polling");
    } catch (err) {
      if (c.signal.aborted || closed) return;
      const status = (err as { status?: number }).status;
      if (status === 401) end(4401);
      else if (status === 403) end(4403);
      else if (status === 404) end(4404);
      else say("offline");
    } finally {
      if (polling === c) polling = undefined;
    }
  }

  function poke() {
    if (closed) return;
    tries = 0;
    if (!socket || socket.readyState !== WebSocket.OPEN) connect();
    void pollOnce();
  }

  function send(message: unknown): boolean {
    const ws = socket;
    if (!ws || ws.readyState !== WebSocket.OPEN || ws.bufferedAmount > MAX_BUFFERED) return false;
    ws.send(JSON.stringify(message));
    return true;
  }

  function wake() {
    if (document.visibilityState === "visible") poke();
  }
  function gone() {
    say("offline");
  }
  // With another network comes another address: a socket of the old one looks open and hears nothing any more.
  function back() {
    if (closed) return;
    tries = 0;
    connect();
    void pollOnce();
  }

  function stop() {
    closed = true;
    clearTimeout(retry);
    drop();
    stopPolling();
    document.removeEventListener("visibilitychange", wake);
    for (const e of ["pageshow", "focus"]) removeEventListener(e, wake);
    removeEventListener("online", back);
    removeEventListener("offline", gone);
  }

  document.addEventListener("visibilitychange", wake);
  for (const e of ["pageshow", "focus"]) addEventListener(e, wake);
  addEventListener("online", back);
  addEventListener("offline", gone);
  connect();
  return { poke, send, close: stop };
}
