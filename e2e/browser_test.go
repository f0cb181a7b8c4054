package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

const (
	waitFor = 20 * time.Second // for a page to get somewhere, on a busy machine
	lookFor = 25 * time.Millisecond
	outDir  = "out"
)

// browser is one Chromium.
type browser struct {
	ctx context.Context
	axe string
}

// findChromium returns Chromium's path; without it the test is skipped, or fails where CI=true.
func findChromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome-stable", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("there is no Chromium: CI must run the browser test (apt-get install chromium)")
	}
	t.Skip("SKIPPED: THE BROWSER TEST. There is no Chromium (apt-get install chromium)")
	return ""
}

// needFonts fails where Chinese text would be drawn as boxes: the pictures would look broken and
// nobody would notice.
func needFonts(t *testing.T) {
	t.Helper()
	out, err := exec.Command("fc-list", ":lang=zh-cn", "family").Output()
	if err != nil || len(bytes.TrimSpace(out)) == 0 {
		t.Fatalf("there is no Chinese font (apt-get install fontconfig fonts-noto-core fonts-noto-cjk): %v", err)
	}
}

// voice is what its microphone hears: somebody who speaks on and on.
func voice(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "voice.wav")
	words := "I want to open an account. I do this of my own free will. Nobody tells me to."
	out, err := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "flite=text='"+words+"'", "-ar", "48000", path).CombinedOutput()
	if err != nil {
		t.Fatalf("FFmpeg does not speak: %v\n%s", err, out)
	}
	return path
}

// newBrowser starts Chromium with a camera that shows the file.
func newBrowser(t *testing.T, cameraPath string) *browser {
	t.Helper()
	path := findChromium(t)
	needFonts(t)
	axe, err := os.ReadFile("../web/node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatalf("axe-core is not installed (make web): %v", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox,
		chromedp.IgnoreCertErrors, // the phone trusts the server's own certificate
		chromedp.Flag("use-fake-ui-for-media-stream", true),
		chromedp.Flag("use-fake-device-for-media-stream", true),
		chromedp.Flag("use-file-for-fake-video-capture", cameraPath),
		chromedp.Flag("use-file-for-fake-audio-capture", voice(t)),
		chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("font-render-hinting", "none"),
	)
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("Chromium does not start: %v", err)
	}
	return &browser{ctx: ctx, axe: string(axe)}
}

// device is what a tab pretends to be.
type device struct {
	name          string
	width, height int64
	scale         float64
	touch         bool
	agent         string
}

var (
	deskDevice  = device{"desk", 1440, 900, 1, false, "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"}
	phoneDevice = device{"phone", 390, 844, 2, true, "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36"}
)

// tab is one page of the browser, with cookies of its own.
type tab struct {
	t    *testing.T
	ctx  context.Context
	axe  string
	lang string
	device

	mu       sync.Mutex
	troubles []string // what the page complained about
	offline  bool     // the server is away on purpose: failed requests are no trouble
}

// onEveryPage runs before the page's own scripts: it adds up layout shifts, keeps the photos that
// the page makes, and notes what the mirror went through.
const onEveryPage = `(() => {
  const e2e = { shift: 0, shifts: [], photos: [], phases: [], watching: true };
  Object.defineProperty(window, "__e2e", { value: e2e });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (entry.hadRecentInput || !e2e.watching) continue;
      e2e.shift += entry.value;
      e2e.shifts.push(entry.value.toFixed(4) + " " + entry.sources.map((s) => (s.node?.className || s.node?.nodeName || "gone") + " " + JSON.stringify(s.previousRect) + " → " + JSON.stringify(s.currentRect)).join("; "));
    }
  }).observe({ type: "layout-shift", buffered: true });
  const toBlob = HTMLCanvasElement.prototype.toBlob;
  HTMLCanvasElement.prototype.toBlob = function (then, type, quality) {
    return toBlob.call(this, (blob) => { if (blob) e2e.photos.push(blob); then(blob); }, type, quality);
  };
  new MutationObserver(() => {
    const now = document.querySelector("[data-test=mirror-now]");
    const phase = now?.dataset.phase ?? "";
    if (phase && e2e.phases.at(-1) !== phase) e2e.phases.push(phase);
  }).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-phase"] });
})()`

// open makes a tab in a language.
func (b *browser) open(t *testing.T, d device, lang string) *tab {
	t.Helper()
	p := &tab{t: t, axe: b.axe, lang: lang, device: d}
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.listen))
	t.Cleanup(cancel)
	p.ctx = ctx
	p.size(d.width, d.height)
	call(p, emulation.SetLocaleOverride, emulation.SetLocaleOverrideParams{Locale: strings.ReplaceAll(lang, "-", "_")})
	call(p, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: d.agent, AcceptLanguage: lang})
	call(p, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: onEveryPage})
	p.theme("light")
	return p
}

func call[P, R any](p *tab, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	r, err := chromedp.Call(p.ctx, command, params)
	p.must(err)
	return r
}

// listen notes exceptions, and what the browser itself objects to, such as a broken policy.
func (p *tab) listen(event any) {
	var trouble string
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		trouble = e.ExceptionDetails.Text
		if o := e.ExceptionDetails.Exception; o != nil {
			trouble += " " + o.Description
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			for _, a := range e.Args {
				trouble += " " + string(a.Value) + a.Description
			}
		}
	case *cdplog.EventEntryAdded:
		// A request that is refused or finds nobody is for the page to handle, and it is tested that it does.
		if e.Entry.Level == cdplog.EntryLevelError && e.Entry.Source != cdplog.EntrySourceNetwork {
			trouble = e.Entry.Text
		}
	}
	if trouble == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.offline {
		p.troubles = append(p.troubles, trouble)
	}
}

func (p *tab) must(err error) {
	p.t.Helper()
	if err != nil {
		p.fail("%v", err)
	}
}

// fail ends the test with a picture of what was on the screen.
func (p *tab) fail(format string, args ...any) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
	defer cancel()
	file := filepath.Join(outDir, "failed-"+p.name+".png")
	if shot, err := chromedp.Run(ctx, chromedp.CaptureScreenshot()); err == nil {
		_ = os.WriteFile(file, shot, 0o600)
	}
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`location.pathname + "\n" + document.body.innerText`))
	p.t.Fatalf("%s: %s\nsee e2e/%s; the page says:\n%s\ntroubles: %q", p.name, fmt.Sprintf(format, args...), file, text, p.troubles)
}

// eval runs JavaScript in the page and returns what it (or its promise) gives.
func eval[T any](p *tab, script string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		p.fail("%s: %v", script, err)
	}
	return v
}

// until waits for a condition in the page.
func (p *tab) until(condition string) {
	p.t.Helper()
	if !p.comes(condition, waitFor) {
		p.fail("waited %v for %s", waitFor, condition)
	}
}

// comes waits for a condition in the page no longer than so long, and says whether it came.
func (p *tab) comes(condition string, within time.Duration) bool {
	p.t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(lookFor) {
		// While a page is being replaced there may be nobody to ask.
		if ok, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool]("!!("+condition+")")); err == nil && ok {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// sel is the selector of a hook.
func sel(hook string) string { return fmt.Sprintf("[data-test=%q]", hook) }

// one is the JavaScript of the element behind a hook.
func one(hook string) string { return fmt.Sprintf("document.querySelector(%s)", quote(sel(hook))) }

func quote(s string) string { b, _ := json.Marshal(s); return string(b) }

// seen waits until something is on the page and drawn.
func (p *tab) seen(hook string) {
	p.t.Helper()
	p.until(one(hook) + "?.checkVisibility({opacityProperty: false, visibilityProperty: true})")
}

// screen waits for a page by the name of its heading.
func (p *tab) screen(name string) { p.t.Helper(); p.seen("screen-" + name) }

func (p *tab) text(hook string) string {
	p.t.Helper()
	return strings.TrimSpace(eval[string](p, one(hook)+"?.textContent ?? ''"))
}

// press clicks with the mouse, or taps where the device is one to tap on, in the middle of what a
// person sees: a button under something else fails the test.
func (p *tab) press(hook string) {
	p.t.Helper()
	p.seen(hook)
	var at []float64
	for end := time.Now().Add(waitFor); ; time.Sleep(lookFor) {
		at = eval[[]float64](p, `(() => {
			const e = `+one(hook)+`;
			e?.scrollIntoView({ block: "center", behavior: "instant" });
			const r = e?.getBoundingClientRect();
			if (!r || e.ariaDisabled === "true" && !e.ariaBusy) return []; // not yet
			const x = r.x + r.width / 2, y = r.y + r.height / 2;
			const top = document.elementFromPoint(x, y);
			return top && (e.contains(top) || top.contains(e)) ? [x, y] : [];
		})()`)
		if len(at) == 2 {
			break
		}
		if time.Now().After(end) {
			p.fail("%s cannot be pressed: something else lies on it, or it waits for something", hook)
		}
	}
	if p.touch {
		p.must(chromedp.Do(p.ctx, chromedp.TapXY(at[0], at[1])))
	} else {
		p.must(chromedp.Do(p.ctx, chromedp.MouseClickXY(at[0], at[1])))
	}
}

// asLarge fails the test where a hook shows less of itself than another: less width, height, or only partly.
func (p *tab) asLarge(hook, other string) {
	p.t.Helper()
	if !eval[bool](p, `(() => {
		const a = `+one(hook)+`.getBoundingClientRect(), b = `+one(other)+`.getBoundingClientRect();
		return b.width > 0 && a.width >= b.width && a.height >= b.height && a.top >= 0 && a.bottom <= innerHeight && a.right <= innerWidth;
	})()`) {
		p.t.Errorf("%s is not as large as %s, or not in view", hook, other)
	}
}

// typeIn presses on a field and types, key by key.
func (p *tab) typeIn(hook, text string) {
	p.t.Helper()
	p.press(hook)
	p.until("document.activeElement === " + one(hook))
	p.keys(text)
	p.until(one(hook) + ".value.length > 0")
}

// paste puts text into a field as from the clipboard.
func (p *tab) paste(hook, text string) {
	p.t.Helper()
	p.press(hook)
	p.until("document.activeElement === " + one(hook))
	eval[bool](p, `(() => {
		const data = new DataTransfer();
		data.setData("text/plain", `+quote(text)+`);
		document.activeElement.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
		return true;
	})()`)
}

// keys types where the focus is.
func (p *tab) keys(text string) {
	p.t.Helper()
	for _, r := range text {
		if r > 0x7f { // as from an input method
			call(p, input.InsertText, input.InsertTextParams{Text: string(r)})
			continue
		}
		p.must(chromedp.Do(p.ctx, chromedp.KeyEvent(string(r))))
	}
}

// choose sets a choice, whose own pickers are the browser's and look different everywhere.
func (p *tab) choose(hook, value string) {
	p.t.Helper()
	p.seen(hook)
	eval[bool](p, `(() => {
		const e = `+one(hook)+`;
		Object.getOwnPropertyDescriptor(Object.getPrototypeOf(e), "value").set.call(e, `+quote(value)+`);
		e.dispatchEvent(new Event("input", { bubbles: true }));
		e.dispatchEvent(new Event("change", { bubbles: true }));
		return true;
	})()`)
	p.until(one(hook) + ".value === " + quote(value))
}

// goTo opens an address.
func (p *tab) goTo(url string) {
	p.t.Helper()
	p.must(chromedp.Do(p.ctx, chromedp.Navigate(url)))
}

// theme changes between light and dark, as the system's setting does.
func (p *tab) theme(name string) {
	p.t.Helper()
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
}

// uplink makes the way to the server slow, in bytes a second; -1 makes it fast again.
func (p *tab) uplink(rate float64) {
	p.t.Helper()
	call(p, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
		MatchedNetworkConditions: []*network.Conditions{{DownloadThroughput: -1, UploadThroughput: rate}},
	})
}

// picture is what is on the screen now.
func (p *tab) picture() image.Image {
	p.t.Helper()
	shot, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	p.must(err)
	img, err := png.Decode(bytes.NewReader(shot))
	p.must(err)
	return img
}

// shoot keeps pictures of the page in both themes and lets axe look at it in both. Then it makes
// the page as narrow as pages get: nothing may stick out, so that nobody has to scroll sideways.
func (p *tab) shoot(name string) {
	p.t.Helper()
	eval[bool](p, "(__e2e.watching = false, true)")
	scrolled := eval[float64](p, "scrollY")
	for _, theme := range []string{"dark", "light"} {
		p.theme(theme)
		p.settle()
		p.save(name, theme)
		// Colours differ by theme alone, words by language alone: one of them in both is enough.
		if theme == "light" || p.lang == "en" {
			p.accessible(name + ", " + p.lang + ", " + theme)
		}
	}
	const narrow = 360
	p.size(narrow, p.height)
	p.settle()
	p.save(name, "narrow")
	for _, wide := range eval[[]string](p, fmt.Sprintf(`document.documentElement.scrollWidth <= %d ? [] :
		[...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > %d).map((e) => e.outerHTML.slice(0, 150)).slice(-3)`, narrow, narrow)) {
		p.t.Errorf("%s, %s, %s: sticks out at %d points: %s", p.name, name, p.lang, narrow, wide)
	}
	p.size(p.width, p.height)
	p.settle()
	eval[bool](p, fmt.Sprintf("(scrollTo(0, %v), __e2e.watching = true)", scrolled))
}

// save writes a picture of the page: all of it on a desk, what is on the screen on a phone.
func (p *tab) save(name, how string) {
	p.t.Helper()
	take := chromedp.CaptureScreenshot()
	if !p.touch {
		take = chromedp.FullScreenshot(100)
	}
	shot, err := chromedp.Run(p.ctx, take)
	p.must(err)
	p.must(os.WriteFile(filepath.Join(outDir, fmt.Sprintf("%s-%s.%s.%s.png", p.name, name, p.lang, how)), shot, 0o600))
}

// size gives the page a size in points.
func (p *tab) size(width, height int64) {
	p.t.Helper()
	with := []chromedp.EmulateViewportOption{chromedp.EmulateScale(p.scale)}
	if p.touch {
		with = append(with, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulatePortrait)
	}
	p.must(chromedp.Do(p.ctx, chromedp.EmulateViewport(width, height, with...)))
}

// settle waits until the fonts are there, what moves has come to rest and two frames were drawn.
func (p *tab) settle() {
	p.t.Helper()
	eval[bool](p, `(async () => {
		await document.fonts.ready;
		const still = document.getAnimations().filter((a) => a.effect?.getComputedTiming().iterations !== Infinity).map((a) => a.finished.catch(() => 0));
		await Promise.race([Promise.all(still), new Promise((r) => setTimeout(r, 1500))]);
		await new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)));
		return true;
	})()`)
}

// accessible fails the test where axe-core finds something, but lets it go on.
func (p *tab) accessible(where string) {
	p.t.Helper()
	if !eval[bool](p, "typeof axe === 'object'") {
		p.must(chromedp.Do(p.ctx, chromedp.Evaluate[chromedp.Void](p.axe)))
	}
	found := eval[[]string](p, `axe.run(document, { resultTypes: ["violations"] }).then((r) => r.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + v.help + "\n    " + n.html.slice(0, 200) + "\n    " + (n.any[0] ?? n.all[0] ?? n.none[0])?.message)))`)
	for _, f := range found {
		p.t.Errorf("%s, %s: axe finds %s", p.name, where, f)
	}
}

// still fails the test where the page jumped. It is to be asked before a page is left.
func (p *tab) still() {
	p.t.Helper()
	const most = 0.02
	if sum := eval[float64](p, "__e2e.shift"); sum >= most {
		p.t.Errorf("%s, %s: the pages jumped by %.4f in all (at most %v):\n  %s", p.name, p.lang, sum, most,
			strings.Join(eval[[]string](p, "__e2e.shifts"), "\n  "))
	}
}

// calm fails the test where the page had troubles.
func (p *tab) calm() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.Sort(p.troubles)
	for _, trouble := range slices.Compact(p.troubles) {
		p.t.Errorf("%s, %s: %s", p.name, p.lang, trouble)
	}
}

func (p *tab) serverAway(away bool) { p.mu.Lock(); defer p.mu.Unlock(); p.offline = away }

// toBase64 is the JavaScript that turns an ArrayBuffer into what Go reads as a []byte.
const toBase64 = `((buffer) => {
	const bytes = new Uint8Array(buffer);
	let s = "";
	for (let i = 0; i < bytes.length; i += 8192) s += String.fromCharCode(...bytes.subarray(i, i + 8192));
	return btoa(s);
})`

// lastPhoto returns the bytes of the photo that the page made last.
func (p *tab) lastPhoto() []byte {
	p.t.Helper()
	return eval[[][]byte](p, `__e2e.photos.at(-1).arrayBuffer().then((b) => [`+toBase64+`(b)])`)[0]
}

// api calls the server from within the page, as the person who is signed in there.
func api[T any](p *tab, path string) T {
	p.t.Helper()
	return eval[T](p, `fetch(`+quote(path)+`, { cache: "no-store" }).then(async (r) => { if (!r.ok) throw new Error(r.status + " " + await r.text()); return r.json(); })`)
}

// readQR reads the code off a picture of the screen, as a phone's camera does.
func readQR(t *testing.T, img image.Image) string {
	t.Helper()
	bitmap, err := gozxing.NewBinaryBitmapFromImage(img)
	if err != nil {
		t.Fatal(err)
	}
	found, err := qrcode.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_TRY_HARDER: true})
	if err != nil {
		t.Fatalf("no QR code is read off the screenshot: %v", err)
	}
	return found.GetText()
}
