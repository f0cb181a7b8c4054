import { describe, expect, it } from "vitest";
import { codeInFragment, enteredCode, grouped, typedCode, typedDigits } from "../phone/code";
import { appOf, deviceOf } from "../phone/device";
import { nextStep, screenOf, stepsLeft, type Facts, type LocalTake } from "../phone/screen";
import { Teller } from "../phone/teller";
import type { Capture, CaptureStep, HandoffState, StepState } from "../shared/types";

describe("codes", () => {
  it("forgives what people type", () => {
    for (const text of ["7K3M-9QXT", "7k3m 9qxt", " 7K3M9QXT ", "７Ｋ３Ｍ－９ＱＸＴ", "7k3m.9qxt"]) expect(enteredCode(text)).toBe("7K3M-9QXT");
    expect(enteredCode("OIL0-U234")).toBe("0110-V234");
    expect(typedCode("7K3M-9QXT-AB")).toBe("7K3M9QXT");
  });
  it("waits for all eight characters", () => {
    for (const text of ["", "7K3M", "7K3M-9QX", "****-****", "#c="]) expect(enteredCode(text)).toBeNull();
    expect(grouped("7K3")).toBe("7K3");
  });
  it("takes the code out of a pasted link and out of the address", () => {
    expect(enteredCode("https://kyc.example.com/h#c=abcDEF_12-3.x")).toBe("abcDEF_12-3.x");
    expect(codeInFragment("#c=abcDEF_12-3.x")).toBe("abcDEF_12-3.x");
    for (const hash of ["", "#", "#c=", "#x=abcdef", "#c=ab", "#c=<script>", `#c=${"a".repeat(300)}`]) expect(codeInFragment(hash)).toBeNull();
  });
  it("keeps two digits of a number", () => {
    expect(typedDigits("4")).toBe("4");
    expect(typedDigits(" 4 7 9")).toBe("47");
    expect(typedDigits("４７")).toBe("47");
    expect(typedDigits("ab")).toBe("");
  });
});

describe("devices", () => {
  const iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Mobile/15E148 Safari/604.1";
  const android = "Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Mobile Safari/537.36";
  it("knows the common ones", () => {
    expect(deviceOf(iphone)).toEqual({ kind: "phone", os: "iOS", browser: "Safari" });
    expect(deviceOf(android)).toEqual({ kind: "phone", os: "Android", browser: "Chrome" });
    expect(deviceOf("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/26.0 Safari/605.1.15", 5)).toMatchObject({ kind: "tablet", os: "iOS" });
    expect(deviceOf("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/150.0.0.0 Safari/537.36 Edg/150.0")).toEqual({ kind: "computer", os: "Windows", browser: "Edge" });
    expect(deviceOf("")).toEqual({ kind: "computer", os: "unknown", browser: "unknown" });
  });
  it("tells in-app browsers from real ones", () => {
    expect(appOf(`${android} MicroMessenger/8.0.50`)).toBe("wechat");
    expect(appOf(`${iphone} AlipayClient/10.5`)).toBe("alipay");
    expect(appOf(`${iphone} [FBAN/FBIOS;FBAV/450.0]`)).toBe("other");
    expect(appOf("Mozilla/5.0 (Linux; Android 14; Pixel 8; wv) AppleWebKit/537.36 Chrome/150 Mobile Safari/537.36")).toBe("other");
    expect(appOf(iphone)).toBeNull();
    expect(appOf(android)).toBeNull();
    expect(appOf(`${android} MQQBrowser/14.0`)).toBeNull();
  });
});

const step = (id: string, state: StepState, takes: CaptureStep["takes"] = []): CaptureStep => ({
  id,
  kind: "photo",
  state,
  limits: { max_bytes: 1, filetypes: [] },
  takes,
});
const capture = (state: HandoffState, ...steps: CaptureStep[]): Capture => ({ handoff: { state } as Capture["handoff"], operator: "", account: "", desk: { browser: "", os: "" }, steps, consents: [], budget: { bytes: 1, used: 0 } });
const facts = (over: Partial<Facts>): Facts => ({
  reading: false,
  unreachable: false,
  missing: null,
  app: null,
  code: null,
  landing: null,
  capture: null,
  end: null,
  denied: false,
  done: false,
  started: true,
  returned: false,
  allowed: true,
  wifi: false,
  tested: false,
  written: null,
  takes: [],
  ...over,
});
const take = (step: string, state: LocalTake["state"]): LocalTake => ({ id: `t-${step}`, step, state });
const name = (over: Partial<Facts>): string => screenOf(facts(over)).name;
const landing = {} as Facts["landing"];

describe("screens", () => {
  it("leave the face to Alipay where that was chosen, without a camera", () => {
    const face = { ...step("face", "todo"), kind: "face" };
    const chosen = capture("active", face);
    chosen.handoff.provider = "alipay";
    expect(name({ capture: chosen, missing: "none", app: "alipay" })).toBe("alipay");
    expect(name({ capture: capture("active", face), missing: "none" })).toBe("unsupported");
    // What is asked first is asked here, too.
    const unasked = { ...chosen, consents: [{ id: "face", state: "needed" }] } as Capture;
    expect(name({ capture: unasked })).toBe("faceconsent");
    // Whether it may be looked for elsewhere is asked once, whatever the answer.
    for (const [state, screen] of [["needed", "faceconsent"], ["declined", "face"], ["given", "face"], ["withdrawn", "face"]] as const) {
      const consents = [{ id: "face", state: "given" }, { id: "face_search", state }];
      expect(name({ capture: { ...capture("active", face), consents } as Capture, allowed: true })).toBe(screen);
    }
    expect(name({ capture: { ...chosen, steps: [step("document_front", "todo"), face] } })).toBe("photo");
    expect(name({ capture: { ...chosen, steps: [{ ...face, state: "checked" }] } })).toBe("sending");
    // Alipay's own browser is left for the camera, and stayed in for Alipay.
    const asked = { ...landing, provider: "alipay" } as Facts["landing"];
    expect(name({ code: "x", landing, app: "alipay" })).toBe("inapp");
    expect(name({ code: "x", landing: asked, app: "alipay", missing: "none" })).toBe("landing");
    expect(name({ code: "x", landing: asked, app: "wechat" })).toBe("inapp");
  });
  it("follow the state of the handoff", () => {
    const names: Record<HandoffState, string> = {
      offered: "stopped",
      claimed: "number",
      active: "sending",
      done: "done",
      expired: "stopped",
      cancelled: "stopped",
      locked: "stopped",
      reported: "stopped",
      superseded: "stopped",
    };
    for (const [state, expected] of Object.entries(names)) expect(name({ capture: capture(state as HandoffState) }), state).toBe(expected);
  });
  it("ask for a code where there is none, and show who asks where there is one", () => {
    expect(name({})).toBe("enter");
    expect(name({ code: "x", landing })).toBe("landing");
    // Back from Alipay in a browser that has no part in this.
    expect(name({ returned: true })).toBe("returned");
    expect(name({ returned: true, code: "x", landing })).toBe("landing");
    expect(name({ code: "x", landing, app: "wechat" })).toBe("inapp");
    expect(name({ code: "x", landing, missing: "insecure" })).toBe("unsupported");
    expect(name({ reading: true })).toBe("starting");
    expect(name({ unreachable: true })).toBe("unreachable");
    expect(screenOf(facts({ end: "used" }))).toEqual({ name: "stopped", end: "used" });
    expect(name({ denied: true, capture: capture("active") })).toBe("denied");
  });
  it("go from the plan over the permission to each photo that is missing", () => {
    const all = capture("active", step("document_front", "todo"), step("document_back", "todo"));
    expect(name({ capture: all, started: false })).toBe("plan");
    expect(name({ capture: all, allowed: false })).toBe("permission");
    expect(name({ capture: all, missing: "unsupported" })).toBe("unsupported");
    expect(screenOf(facts({ capture: all }))).toMatchObject({ name: "photo", step: { id: "document_front" } });
    expect(screenOf(facts({ capture: all, takes: [take("document_front", "sending")] }))).toMatchObject({ name: "photo", step: { id: "document_back" } });
    expect(name({ capture: all, takes: [take("document_front", "sending"), take("document_back", "queued")] })).toBe("sending");
    const again = capture("active", step("document_front", "accepted"), step("document_back", "failed"));
    expect(screenOf(facts({ capture: again }))).toMatchObject({ name: "photo", step: { id: "document_back" } });
  });
  it("show a photo that waits for the look, and one that could not be sent, before anything else", () => {
    const all = capture("active", step("document_front", "accepted"), step("document_back", "todo"));
    expect(screenOf(facts({ capture: all, takes: [take("document_back", "look")] }))).toMatchObject({ name: "check", step: { id: "document_back" } });
    expect(name({ capture: all, takes: [take("document_back", "failed")] })).toBe("check");
  });
  it("return to the same place after a reload", () => {
    const half = capture("active", step("document_front", "accepted"), step("document_back", "todo"));
    expect(name({ capture: half, started: false })).toBe("photo");
    const stored = capture("active", step("document_front", "stored", [{ upload_id: "upl_1", media_id: "med_1", state: "stored" }]));
    expect(screenOf(facts({ capture: stored, started: false }))).toMatchObject({ name: "check", take: null });
    // Bytes that went with the page: the photo is taken again.
    const lost = capture("active", step("document_front", "uploading", [{ upload_id: "upl_1", state: "open" }]));
    expect(name({ capture: lost })).toBe("photo");
  });
  it("hand nothing in that was done elsewhere without a tap", () => {
    const all = capture("active", step("document_front", "accepted"), step("document_back", "accepted"));
    expect(name({ capture: all, started: false })).toBe("plan");
    expect(name({ capture: all })).toBe("sending");
  });
  it("count what is left for the person", () => {
    const all = capture("active", step("document_front", "accepted"), step("document_back", "todo"), step("address_proof", "todo"));
    expect(stepsLeft(all, [take("document_back", "sending")]).map((one) => one.id)).toEqual(["address_proof"]);
    expect(nextStep(all, [take("document_back", "sending")])?.id).toBe("address_proof");
  });
});

describe("telling the desk", () => {
  it("says each thing once, and no more than four a second", async () => {
    const { vi } = await import("vitest");
    vi.useFakeTimers();
    try {
      const told: string[] = [];
      const teller = new Teller((doing) => told.push(`${doing.phase}${doing.hint ?? ""}`), () => Date.now());
      teller.say({ step: "a", phase: "camera" });
      teller.say({ step: "a", phase: "aiming" });
      teller.say({ step: "a", phase: "aiming", hint: "glare" });
      teller.say({ step: "a", phase: "aiming", hint: "closer" });
      expect(told).toEqual(["camera"]);
      vi.advanceTimersByTime(249);
      expect(told).toEqual(["camera"]);
      vi.advanceTimersByTime(1);
      expect(told).toEqual(["camera", "aimingcloser"]);
      teller.say({ step: "a", phase: "aiming", hint: "closer" });
      vi.advanceTimersByTime(1_000);
      expect(told).toEqual(["camera", "aimingcloser"]);
      teller.say({ step: "a", phase: "sending" });
      teller.stop();
      vi.advanceTimersByTime(1_000);
      expect(told).toEqual(["camera", "aimingcloser", "sending"]);
    } finally {
      vi.useRealTimers();
    }
  });
});
