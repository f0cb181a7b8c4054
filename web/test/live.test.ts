import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openLive, type Link, type Live } from "../shared/live";

interface Truth { seq: number; text: string }

class FakeSocket {
  static OPEN = 1;
  static all: FakeSocket[] = [];
  readyState = 0;
  bufferedAmount = 0;
  sent: string[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((e: { data: string }) => void) | null = null;
  onclose: ((e: { code: number }) => void) | null = null;
  constructor(readonly url: URL) {
    FakeSocket.all.push(this);
  }
  open() {
    this.readyState = 1;
    this.onopen?.();
  }
  say(m: unknown) {
    this.onmessage?.({ data: JSON.stringify(m) });
  }
  die(code: number) {
    this.readyState = 3;
    this.onclose?.({ code });
  }
  close() {
    this.readyState = 3;
  }
  send(s: string) {
    this.sent.push(s);
  }
}

let seen: string[] = [];
let links: Link[] = [];
let ends: number[] = [];
let poll: (signal: AbortSignal) => Promise<Truth>;
let polls = 0;
let live: Live | undefined;
let doc: EventTarget & { visibilityState: string };
let win: EventTarget;

beforeEach(() => {
  vi.useFakeTimers();
  seen = [];
  links = [];
  ends = [];
  polls = 0;
  FakeSocket.all = [];
  poll = () => Promise.reject(new Error("offline"));
  doc = Object.assign(new EventTarget(), { visibilityState: "visible" });
  win = new EventTarget();
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.stubGlobal("location", { href: "https://desk.example/" });
  vi.stubGlobal("document", doc);
  vi.stubGlobal("navigator", { onLine: true });
  vi.stubGlobal("addEventListener", win.addEventListener.bind(win));
  vi.stubGlobal("removeEventListener", win.removeEventListener.bind(win));
});
afterEach(() => {
  live?.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function start() {
  live = openLive<Truth>({
    path: "/v1/cases/case_1/live",
    pick: (m) => m.case as unknown as Truth,
    poll: (signal) => {
      polls++;
      return poll(signal);
    },
    onSnapshot: (v) => seen.push(v.text),
    onLink: (l) => links.push(l),
    onEnd: (code) => ends.push(code),
  });
}
const socket = () => FakeSocket.all[FakeSocket.all.length - 1] as FakeSocket;
const snapshot = (seq: number, text: string) => ({ type: "snapshot", seq, case: { seq, text } });

test("it speaks wss where the page came over https", () => {
  start();
  expect(socket().url.href).toBe("wss://desk.example/v1/cases/case_1/live");
});

test("an older truth never replaces a newer one, whatever it comes by", async () => {
  start();
  socket().open();
  socket().say(snapshot(10, "ten"));
  socket().say(snapshot(9, "nine"));
  socket().say(snapshot(12, "twelve"));
  poll = async () => ({ seq: 11, text: "eleven" });
  live?.poke();
  await vi.advanceTimersByTimeAsync(1);
  expect(seen).toEqual(["ten", "twelve"]);
});

test("it comes back after a close, slower each time, and at once when somebody looks", async () => {
  start();
  for (let i = 0; i < 6; i++) {
    socket().open();
    socket().die(1006);
    await vi.advanceTimersByTimeAsync(20_000);
  }
  const after = FakeSocket.all.length;
  expect(after).toBeGreaterThan(5);
  socket().die(1006);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(FakeSocket.all).toHaveLength(after); // the pause has grown beyond a second
  win.dispatchEvent(new Event("pageshow"));
  expect(FakeSocket.all).toHaveLength(after + 1);
});

test.each(["visibilitychange", "pageshow", "focus", "online"])("%s reads again", async (event) => {
  start();
  socket().open();
  socket().say(snapshot(1, "one"));
  poll = async () => ({ seq: 2, text: "two" });
  (event === "visibilitychange" ? doc : win).dispatchEvent(new Event(event));
  await vi.advanceTimersByTimeAsync(1);
  expect(seen).toEqual(["one", "two"]);
});

test.each([4401, 4403, 4404, 4009, 4010])("close code %i means: do not come back", async (code) => {
  start();
  socket().open();
  socket().die(code);
  await vi.advanceTimersByTimeAsync(120_000);
  expect(ends).toEqual([code]);
  expect(FakeSocket.all).toHaveLength(1);
  expect(polls).toBe(0);
});

test.each([1001, 1006, 4008])("close code %i means: come back", async (code) => {
  start();
  socket().open();
  socket().die(code);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(ends).toEqual([]);
  expect(FakeSocket.all.length).toBeGreaterThan(1);
});

test("a socket that does not open in 5 s is given up, and polling takes over", async () => {
  poll = async () => ({ seq: polls, text: `poll ${polls}` });
  start();
  await vi.advanceTimersByTimeAsync(30_000);
  expect(FakeSocket.all.length).toBeGreaterThan(1);
  expect(polls).toBeGreaterThan(3);
  expect(links).toEqual(["connecting", "polling"]);
  // A socket that opens after all ends the polling. Between two tries there is none that could.
  const tried = FakeSocket.all.length;
  while (FakeSocket.all.length === tried) await vi.advanceTimersByTimeAsync(100);
  socket().open();
  socket().say(snapshot(1_000, "live"));
  const before = polls;
  await vi.advanceTimersByTimeAsync(30_000);
  expect(seen[seen.length - 1]).toBe("live");
  expect(polls).toBe(before);
  expect(links[links.length - 1]).toBe("live");
});

test("without any answer it says that it is offline", async () => {
  start();
  socket().die(1006);
  await vi.advanceTimersByTimeAsync(1);
  expect(links).toEqual(["connecting", "offline"]);
});

test("a poll that is refused ends it", async () => {
  poll = () => Promise.reject(Object.assign(new Error("x"), { status: 401 }));
  start();
  socket().die(1006);
  await vi.advanceTimersByTimeAsync(1);
  expect(ends).toEqual([4401]);
});

test("a silent socket is checked by a poll", async () => {
  poll = async () => ({ seq: 5, text: "missed" });
  start();
  socket().open();
  socket().say(snapshot(1, "one"));
  await vi.advanceTimersByTimeAsync(46_000);
  expect(seen).toEqual(["one", "missed"]);
});

test("messages go out only while the socket takes them", () => {
  start();
  expect(live?.send({ a: 1 })).toBe(false);
  socket().open();
  expect(live?.send({ a: 1 })).toBe(true);
  socket().bufferedAmount = 1 << 20;
  expect(live?.send({ a: 2 })).toBe(false);
  expect(socket().sent).toEqual(['{"a":1}']);
});

test("nothing is left after close", async () => {
  start();
  socket().open();
  live?.close();
  socket().say(snapshot(3, "late"));
  win.dispatchEvent(new Event("focus"));
  await vi.advanceTimersByTimeAsync(60_000);
  expect([seen, polls, FakeSocket.all.length]).toEqual([[], 0, 1]);
  expect(vi.getTimerCount()).toBe(0);
});

test("after the network was away, an open socket is replaced and the link is live again", () => {
  start();
  const first = FakeSocket.all[0]!;
  first.open();
  first.say(snapshot(1, "one"));
  win.dispatchEvent(new Event("offline"));
  expect(links.at(-1)).toBe("offline");
  win.dispatchEvent(new Event("online"));
  expect(first.readyState).toBe(3);
  const second = FakeSocket.all[1]!;
  second.open();
  second.say(snapshot(2, "two"));
  expect(links.at(-1)).toBe("live");
  expect(seen.at(-1)).toBe("two");
});
