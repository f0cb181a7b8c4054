package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casetest"
	"github.com/symbolon/symbolon/server/servertest"
)

// onEveryRecording notes what the recorder makes, before the page gets it, and when a take ends.
const onEveryRecording = `(() => {
  const made = { takes: [], stopped: 0, stored: 0 };
  Object.defineProperty(window, "__clips", { value: made });
  const Made = window.MediaRecorder;
  window.MediaRecorder = class extends Made {
    constructor(stream, options) {
      super(stream, options);
      const pieces = [];
      made.takes.push({ pieces, type: this.mimeType, bits: options.videoBitsPerSecond });
      this.addEventListener("dataavailable", (e) => pieces.push(e.data));
      this.addEventListener("stop", () => (made.stopped = performance.now()));
    }
  };
  new MutationObserver(() => {
    const sent = document.querySelector("[data-test=clip-sent]");
    if (sent && sent.dataset.stored === sent.dataset.total && made.stored < made.stopped) made.stored = performance.now();
  }).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  made.last = async () => {
    const take = made.takes.at(-1);
    const bytes = await new Blob(take.pieces).arrayBuffer();
    const sum = await crypto.subtle.digest("SHA-256", bytes);
    return { size: bytes.byteLength, sum: [...new Uint8Array(sum)].map((b) => b.toString(16).padStart(2, "0")).join(""), bits: take.bits };
  };
})()`

// recordings goes through Level 3: both clips, on a slow line, through a power cut, a lost network and a reload, and
// what is stored is what was recorded.
func (w *world) recordings(t *testing.T) {
	policy := policyFile(t, recordingPolicy(t))
	p := &person{
		T: t, server: newProgram(t, w.binary, false, "--policy", policy), camera: w.camera, email: "lin@example.com",
		desk: w.browser.open(t, deskDevice, "en"), phone: w.browser.open(t, phoneDevice, "en"),
	}
	call(p.phone, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: onEveryRecording})
	p.camera.show(t, "front")
	p.diagnosed()
	p.openLevel3()
	p.prepared()
	p.recordsDocument()
	p.recordsStatement()
	p.handedIn()
}

// recordingPolicy is the default policy with Level 3 on and nothing that sends photos back.
func recordingPolicy(t *testing.T) []byte {
	t.Helper()
	text := string(casetest.PolicyFile("[documents]", "[clip_document, clip_statement]"))
	before, rest, ok := strings.Cut(text, "  send_back:\n")
	if !ok {
		t.Fatal("the default policy has no send_back")
	}
	_, after, _ := strings.Cut(rest, "\n\n")
	return []byte(before + "  send_back: []\n\n" + after)
}

// openLevel3 goes through Levels 1 and 2 by calls, with drawn photos.
func (p *person) openLevel3() {
	p.Helper()
	d := p.desk
	d.goTo(p.server.url + "/")
	d.screen("signin")
	ask[any](d, 201, "POST", "/v1/accounts", map[string]any{"email": p.email, "password": password})
	ask[any](d, 200, "POST", "/v1/session", map[string]any{"email": p.email, "password": password})
	type view struct {
		ID      string `json:"id"`
		Version int64  `json:"version"`
	}
	id := ask[view](d, 201, "POST", "/v1/cases", map[string]any{"kind": "person"}).ID
	path := "/v1/cases/" + id
	for _, consent := range []string{"identity", "documents", "recording"} {
		ask[any](d, 200, "PUT", path+"/consents/"+consent, map[string]any{"given": true, "version": 1, "language": "en"})
	}
	version := func() string { return strconv.Quote(fmt.Sprint(ask[view](d, 200, "GET", path, nil).Version)) }
	ask[any](d, 200, "PUT", path+"/identity", servertest.Identity(), "If-Match", version())
	ask[any](d, 202, "POST", path+"/levels/1/submit", map[string]any{}, "If-Match", version())
	p.levelIs(path, 2, "open")
	for i, step := range []string{"document_front", "document_back"} {
		upload := eval[string](d, fmt.Sprintf(`(async () => {
			const canvas = document.createElement("canvas");
			canvas.width = 1600; canvas.height = 1000;
			const draw = canvas.getContext("2d");
			for (let i = 0; i < 400; i++) { draw.fillStyle = "hsl(" + (i * %d) %% 360 + " 60%% 60%%)"; draw.fillRect((i * 37) %% 1600, (i * 53) %% 1000, 90, 60); }
			const blob = await new Promise((r) => canvas.toBlob(r, "image/jpeg", 0.9));
			const meta = ["case " + btoa(%q), "step " + btoa(%q), "filetype " + btoa("image/jpeg")].join(",");
			const r = await fetch("/v1/uploads", { method: "POST", body: blob, headers: { "Tus-Resumable": "1.0.0", "Upload-Length": blob.size, "Upload-Metadata": meta, "Content-Type": "application/offset+octet-stream" } });
			if (r.status !== 201) throw new Error(r.status + " " + (await r.text()));
			return r.headers.get("Location").split("/").pop();
		})()`, 7+i, id, step))
		ask[any](d, 200, "POST", path+"/steps/"+step+"/accept", map[string]any{"upload_id": upload})
	}
	ask[any](d, 202, "POST", path+"/levels/2/submit", map[string]any{}, "If-Match", version())
	p.levelIs(path, 3, "open")
}

// levelIs waits until a level of the case is in a state.
func (p *person) levelIs(path string, level int, state string) {
	p.Helper()
	for end := time.Now().Add(waitFor); ; time.Sleep(lookFor) {
		c := ask[caseView](p.desk, 200, "GET", path, nil)
		if got := c.Levels[level-1].State; got == state {
			return
		} else if time.Now().After(end) {
			p.Fatalf("level %d is %s, not %s", level, got, state)
		}
	}
}

// diagnosed looks at the page that tells whether a device can record.
func (p *person) diagnosed() {
	ph := p.phone
	ph.goTo(p.server.phones + "/diagnose")
	ph.screen("diagnose")
	ph.press("run-test")
	ph.until(`document.querySelector('[data-test=test-speed]')?.dataset.state === "good"`)
	for _, part := range []string{"camera", "microphone", "recorder"} {
		if state := eval[string](ph, one("test-"+part)+".dataset.state"); state != "good" {
			p.Errorf("%s is %s", part, state)
		}
	}
	ph.shoot("diagnose")
}

// prepared reads at the desk what will be asked, and joins a phone on a slow line that tries everything first.
func (p *person) prepared() {
	d, ph := p.desk, p.phone
	d.goTo(p.server.url + "/#/identity/3")
	d.reload()
	d.screen("level3")
	d.until(one("words-clip_statement") + `?.dataset.ready === "true" && ` + one("words-clip_document") + `?.dataset.ready === "true"`)
	if words := d.text("words-clip_statement"); !strings.Contains(words, "Meridian") || !strings.Contains(words, "…") {
		p.Errorf("what will be read is %q", words)
	}
	d.shoot("level3")
	d.both("level3", "words-clip_statement")
	d.press("level3-phone")
	p.joins()
	ph.shootHere("clips-plan")
	ph.press("start")
	ph.screen("wifi")
	ph.shoot("wifi")
	ph.both("wifi", "continue-now")
	// Later ends this phone's part, and nothing else.
	ph.press("later")
	ph.seen("end-later")
	d.until(`document.querySelector('[data-test=handoff-ended]')?.dataset.state === "cancelled"`)
	d.press("handoff-new")
	p.joins()
	ph.press("start")
	ph.press("continue-now")
	ph.screen("selftest")
	ph.shootHere("selftest")
	ph.uplink(50_000) // 400 kbit/s
	ph.press("run-test")
	ph.seen("go-on")
	ph.seen("test-slow")
	ph.shoot("selftest-done")
	ph.both("selftest-done", "go-on")
	d.seen("mirror")
	ph.press("go-on")
}

// joins scans the code that is on the desk, and types the number.
func (p *person) joins() {
	p.Helper()
	d, ph := p.desk, p.phone
	d.screen("qr")
	d.until(`document.querySelector('[data-test=qr]')?.dataset.state === "good"`)
	ph.goTo(readQR(p.T, d.picture()))
	ph.screen("landing")
	ph.press("continue")
	ph.screen("number")
	d.seen("match-number")
	ph.typeIn("digits", d.text("match-number"))
	ph.screen("plan")
}

// both makes pictures of a page in the other language, and goes back.
func (p *tab) both(name, hook string) {
	p.t.Helper()
	other, here := "zh-CN", p.lang
	toggle := sel("lang-zh-Hans")
	if !eval[bool](p, "!!document.querySelector("+quote(toggle)+")") {
		p.press("menu")
	}
	eval[bool](p, "(document.querySelector("+quote(toggle)+").click(), true)")
	p.until(`document.documentElement.lang === "zh-Hans"`)
	p.seen(hook)
	p.lang = other
	p.settle()
	p.save(name, "light")
	eval[bool](p, "(document.querySelector("+quote(sel("lang-en"))+").click(), true)")
	p.until(`document.documentElement.lang === "en"`)
	p.lang = here
}

// recordsDocument records the document on a line that carries 400 kbit/s, through a power cut of the server and a
// lost network.
func (p *person) recordsDocument() {
	d, ph := p.desk, p.phone
	ph.screen("clip")
	ph.until(one("clip-start") + "?.disabled === false")
	ph.shoot("clip-ready")
	ph.press("clip-start")
	ph.screen("clip-count")
	ph.shootHere("clip-count")
	ph.screen("clip-on")
	ph.until(one("prompt") + `?.dataset.id === "portrait_side"`)
	d.until(`document.querySelector('[data-test=mirror-now]')?.dataset.phase === "recording"`)
	d.until(one("mirror-now") + `.textContent.replace(/\s/g, " ").includes("1 of 3")`)
	d.shoot("mirror-recording")

	// The server dies in the middle, and the bytes wait.
	for _, tab := range []*tab{d, ph} {
		tab.serverAway(true)
	}
	ph.until(`Number(` + one("clip-time") + `.textContent.slice(-2)) >= 4`)
	p.server.kill()
	ph.next("tilt")
	p.server.start()
	// Then the network goes.
	ph.lost(true)
	ph.next("other_side")
	ph.shootHere("clip-offline")
	ph.lost(false)
	ph.uplink(50_000)
	ph.finish()
	p.looks("clip_document")
	for _, tab := range []*tab{d, ph} {
		tab.until("!" + one("offline"))
		tab.serverAway(false)
	}
	if bits := p.madeBits(); bits > 320_000 {
		p.Errorf("on a line of 400 kbit/s it records %d bit/s", bits)
	}
	ph.uplink(-1)
	ph.press("keep-clip")
	d.until(mirrorStep("clip_document", "accepted"))
}

// recordsStatement records the statement in Chinese: the first take breaks off by a reload, the second one arrives
// with its last byte soon after its end.
func (p *person) recordsStatement() {
	d, ph := p.desk, p.phone
	ph.screen("clip")
	// For who cannot speak aloud: the same words on paper.
	ph.press("way-written")
	ph.screen("written")
	ph.until(one("written") + ".children.length >= 3")
	ph.shoot("written")
	ph.press("way-back")
	ph.screen("clip")
	ph.until(one("clip-start") + "?.disabled === false")
	ph.lying("clip-ready")
	eval[bool](ph, `(localStorage.setItem("symbolon.lang", "zh-Hans"), true)`)
	ph.lang = "zh-CN"
	ph.until(one("clip-start") + "?.disabled === false")
	ph.press("clip-start")
	ph.screen("clip-on")
	ph.until("Number(" + one("clip-time") + ".textContent.slice(-2)) >= 3")
	ph.reloadAnyway()
	ph.screen("lost")
	if why := eval[string](ph, one("clip-lost")+".dataset.reason"); why != "reload" {
		p.Errorf("the take ended because of %s", why)
	}
	ph.shoot("clip-lost")
	ph.press("record-again")
	ph.screen("clip")
	ph.until(one("clip-start") + "?.disabled === false")
	ph.shootHere("clip-ready-statement")
	ph.press("clip-start")
	ph.screen("clip-on")
	ids := []string{"beside_face"}
	for len(ids) < 20 {
		if len(ids) == 3 {
			d.until(one("mirror-now") + `.textContent.includes("Sentence 3 of") && ` + one("mirror-now") + `.textContent.includes("Take 2")`)
			ph.shootHere("clip-on")
		}
		if eval[string](ph, one("clip-next")+".dataset.last") == "true" {
			break
		}
		ids = append(ids, ph.next(""))
	}
	if len(ids) < 5 {
		p.Errorf("the statement has only the prompts %q", ids)
	}
	ph.finish()
	p.looks("clip_statement")
	ph.until("__clips.stored > __clips.stopped")
	if took := eval[float64](ph, "__clips.stored - __clips.stopped"); took > 2000 {
		p.Errorf("the last byte was stored %.0f ms after the end", took)
	}
	ph.press("keep-clip")
}

// next goes to the next prompt, and returns its name.
func (p *tab) next(want string) string {
	p.t.Helper()
	before := eval[string](p, one("prompt")+"?.dataset.id ?? ''")
	p.until(one("clip-next") + ".ariaDisabled !== 'true'")
	p.press("clip-next")
	p.until(one("prompt") + `?.dataset.id !== ` + quote(before))
	got := eval[string](p, one("prompt")+".dataset.id")
	if want != "" && got != want {
		p.fail("the prompt is %s, not %s", got, want)
	}
	return got
}

// finish ends the take.
func (p *tab) finish() {
	p.t.Helper()
	p.until(one("clip-next") + `.dataset.last === "true" && ` + one("clip-next") + ".ariaDisabled !== 'true'")
	p.press("clip-next")
	p.screen("look")
}

type made struct {
	Size int64  `json:"size"`
	Sum  string `json:"sum"`
	Bits int64  `json:"bits"`
}

func (p *person) madeBits() int64 { return eval[made](p.phone, "__clips.last()").Bits }

// looks watches what was recorded, and remembers what it is.
func (p *person) looks(step string) {
	p.Helper()
	ph := p.phone
	ph.until(`Number(` + one("player") + `?.dataset.ms) > 300 && ` + one("player") + `.dataset.source === "phone"`)
	ph.shoot("look-" + step)
	got := eval[made](ph, "__clips.last()")
	if p.photos == nil {
		p.photos = map[string][]byte{}
	}
	p.photos[step] = []byte(got.Sum)
	ph.until(fmt.Sprintf(`Number(%s?.dataset.total) >= %d`, one("clip-sent"), got.Size))
}

// handedIn compares what is stored with what was recorded.
func (p *person) handedIn() {
	d, ph := p.desk, p.phone
	ph.screen("done")
	ph.shoot("clips-done")
	for step, sum := range p.photos {
		if shown := strings.Join(strings.Fields(ph.text("digest-"+step)), ""); shown != string(sum) {
			p.Errorf("%s: the receipt shows %s, recorded was %s", step, shown, sum)
		}
	}
	d.until(`document.querySelector('[data-test=handoff-ended]')?.dataset.state === "done" || document.querySelector('[data-test=outcome]')`)
	id := p.theCase().ID
	for _, tab := range []*tab{d, ph} {
		tab.still()
		tab.calm()
	}
	// What the server accepted is not kept on the phone any more.
	for _, name := range []string{"clips", "pieces"} {
		if left := eval[int](ph, fmt.Sprintf(`new Promise((resolve, reject) => {
			const open = indexedDB.open("symbolon-clips");
			open.onerror = reject;
			open.onsuccess = () => { const count = open.result.transaction(%[1]q).objectStore(%[1]q).count(); count.onsuccess = () => resolve(count.result); };
		})`, name)); left != 0 {
			p.Errorf("%d %s are left on the phone", left, name)
		}
	}
	ph.until("navigator.serviceWorker.controller !== null")
	p.server.kill()
	found := 0
	c, files := p.openStored(id)
	for _, step := range c.Steps {
		for _, take := range step.Takes {
			if step.Kind != cases.KindClip || take.State != cases.TakeAccepted {
				continue
			}
			found++
			o, err := files.Open(p.Context(), take.UploadID)
			if err != nil {
				p.Fatalf("%s: %v", step.ID, err)
			}
			h := sha256.New()
			n, err := io.Copy(h, io.NewSectionReader(o, 0, o.Size()))
			_ = o.Close()
			if got := hex.EncodeToString(h.Sum(nil)); err != nil || got != string(p.photos[step.ID]) || n == 0 {
				p.Errorf("%s: %d bytes are stored, %v, with the digest %s; recorded was %s", step.ID, n, err, got, p.photos[step.ID])
			}
			if len(take.Timeline) < 3 || (step.ID == cases.ClipDocument) != (len(take.Parts) > 0) {
				p.Errorf("%s: its prompts were shown at %v, its parts are %v", step.ID, take.Timeline, take.Parts)
			}
		}
	}
	if found != 2 {
		p.Errorf("%d recordings are stored", found)
	}
	p.installed()
}

// installed opens the phone's page without a server: it comes from the phone, which keeps nothing but the page's own files.
func (p *person) installed() {
	p.Helper()
	ph := p.phone
	ph.serverAway(true)
	ph.goTo(p.server.phones + "/h")
	ph.screen("unreachable")
	kept := eval[[]string](ph, `caches.keys().then(async (names) => (await Promise.all(names.map(async (n) => (await (await caches.open(n)).keys()).map((r) => new URL(r.url).pathname)))).flat())`)
	if len(kept) < 4 {
		p.Errorf("the phone keeps only %q", kept)
	}
	for _, path := range kept {
		if path != "/h" && path != "/phone.webmanifest" && !strings.HasPrefix(path, "/assets/") && !strings.HasPrefix(path, "/icon-") {
			p.Errorf("the phone keeps %s", path)
		}
	}
}

// shootHere keeps a picture of a moment that does not wait.
func (p *tab) shootHere(name string) {
	p.t.Helper()
	p.save(name, "light")
}

// lying keeps a picture with the phone on its side, where nothing may stick out either.
func (p *tab) lying(name string) {
	p.t.Helper()
	eval[bool](p, "(__e2e.watching = false, true)")
	p.size(p.height, 360)
	p.settle()
	p.save(name, "lying")
	if out := eval[[]string](p, `[...document.querySelectorAll(".clip *")].filter((e) => { const r = e.getBoundingClientRect(); return r.width > 0 && (r.right > innerWidth + 1 || r.bottom > innerHeight + 1); }).map((e) => e.outerHTML.slice(0, 120))`); len(out) > 0 {
		p.t.Errorf("%s, lying: sticks out: %q", name, out)
	}
	p.size(p.width, p.height)
	p.settle()
	eval[bool](p, "(__e2e.watching = true)")
}

// reloadAnyway reloads the page and answers its warning that bytes are only here.
func (p *tab) reloadAnyway() {
	p.t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for end := time.Now().Add(waitFor); time.Now().Before(end); time.Sleep(lookFor) {
			if _, err := chromedp.Call(p.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true}); err == nil {
				return
			}
		}
		p.t.Error("nothing warned that the recording is only on this phone")
	}()
	_, _ = chromedp.Run(p.ctx, chromedp.Evaluate[bool]("(setTimeout(() => location.reload(), 0), true)"))
	<-done
}
