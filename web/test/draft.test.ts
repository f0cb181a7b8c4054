import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { addParty } from "../desk/company-form";
import { DraftKeeper, fromKept, toKept, type KeptDraft } from "../desk/draft";
import { emptyDraft, type Draft } from "../desk/identity-form";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("a draft comes back as it was kept, and nothing else comes with it", () => {
  const d: Draft = { ...emptyDraft, name: "欧阳", birthDate: "1990-3-", who: "other", company: addParty(addParty(emptyDraft.company)) };
  expect(fromKept(JSON.parse(JSON.stringify(toKept(d))))).toEqual(d);
  for (const other of [undefined, null, {}, { v: 2, draft: d }, { v: 1 }, "x"]) expect(fromKept(other)).toBeUndefined();
  const odd = fromKept({ v: 1, draft: { name: 7, evil: true, document: "x", company: { parties: [null, { id: "p1", holds: "x" }] } } });
  expect(odd).toEqual({ ...emptyDraft, company: { ...emptyDraft.company, parties: [expect.objectContaining({ id: "" }), expect.objectContaining({ id: "p1", holds: [] })] } });
});

function keeper() {
  const puts: { d: KeptDraft; answer: (version: number) => void; fail: () => void }[] = [];
  let kept = 0;
  const k = new DraftKeeper((d) => new Promise((done, fail) => puts.push({ d, answer: (version) => done({ version }), fail: () => fail(new Error("offline")) })), () => kept++);
  return { k, puts, kept: () => kept };
}
const named = (name: string): Draft => ({ ...emptyDraft, name });

test("it is kept a second after the last key, one at a time", async () => {
  const { k, puts, kept } = keeper();
  k.change(named("a"));
  await vi.advanceTimersByTimeAsync(900);
  k.change(named("ab"));
  await vi.advanceTimersByTimeAsync(900);
  expect(puts).toHaveLength(0);
  await vi.advanceTimersByTimeAsync(100);
  expect(puts.map((p) => p.d.draft.name)).toEqual(["ab"]);
  k.change(named("abc"));
  k.flush();
  expect(puts).toHaveLength(1);
  puts[0]?.answer(7);
  await vi.advanceTimersByTimeAsync(1000);
  expect(puts.map((p) => p.d.draft.name)).toEqual(["ab", "abc"]);
  expect([kept(), k.version]).toEqual([0, 7]);
  puts[1]?.answer(8);
  await vi.advanceTimersByTimeAsync(5000);
  expect([kept(), k.version, puts.length]).toEqual([1, 8, 2]);
});

test("leaving the page does not wait, and what could not be kept is kept with the next change", async () => {
  const { k, puts } = keeper();
  k.change(named("a"));
  k.flush(true);
  expect(puts).toHaveLength(1);
  puts[0]?.fail();
  await vi.advanceTimersByTimeAsync(5000);
  expect(puts).toHaveLength(1);
  k.flush();
  expect(puts.map((p) => p.d.draft.name)).toEqual(["a", "a"]);
});

test("nothing is kept while the whole is sent, nor after it", async () => {
  const { k, puts } = keeper();
  k.change(named("a"));
  k.flush();
  let paused = false;
  void k.pause().then(() => (paused = true));
  await vi.advanceTimersByTimeAsync(10);
  expect(paused).toBe(false);
  puts[0]?.answer(3);
  await vi.advanceTimersByTimeAsync(10);
  expect(paused).toBe(true);
  k.change(named("b"));
  await vi.advanceTimersByTimeAsync(5000);
  k.done();
  k.resume();
  k.flush();
  expect(puts).toHaveLength(1);
});
