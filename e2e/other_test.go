package e2e

import (
	"bytes"
	"fmt"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// otherWays are the ways that are not straight: the text code, a second phone, somebody who says
// that it is not them, taking the work back, and photos from the desk's own files and camera.
func (w *world) otherWays(t *testing.T) {
	for _, lang := range []string{"en", "zh-CN"} {
		t.Run(lang, func(t *testing.T) {
			p := w.newPerson(t, lang, false)
			p.byKeyboard()
			second := w.browser.open(t, phoneDevice, lang)
			p.textCode(second)
			p.notMe()
			p.refreshes()
			p.takeBack()
			p.signOut()
			p.fromDesk()
			for _, tab := range []*tab{p.desk, p.phone, second} {
				tab.calm()
			}
		})
	}
}

// byKeyboard signs up and passes Level 1 without a mouse.
func (p *person) byKeyboard() {
	d := p.desk
	d.goTo(p.server.url + "/#/signup")
	d.screen("signup")
	d.tabTo("signup-email")
	d.keys(p.email)
	d.tabTo("signup-password")
	d.keys(password + kb.Enter)
	d.screen("home")
	d.tabTo("home-identity")
	d.keys(kb.Enter)
	d.screen("overview")
	d.tabTo("level-1-go")
	d.keys(" ")
	d.screen("consent")
	d.tabTo("consent-agree")
	d.keys(" ")
	d.screen("level1")
	d.tabTo("field-document.number")
	d.keys(residentID)
	d.tabTo("field-long_term")
	d.keys(" ")
	d.tabTo("field-name")
	d.keys("张伟")
	d.tabTo("field-address")
	d.keys("样本省样本市样本路 1 号")
	d.tabTo("level1-check")
	d.keys(kb.Enter)
	d.screen("level1-check")
	d.tabTo("level1-send")
	d.keys(kb.Enter)
	d.until(`document.querySelector('[data-test=outcome]')?.dataset.state === "approved"`)
	d.tabTo("next-level")
	d.keys(kb.Enter)
	d.screen("level2")
}

// tabTo presses Tab until something has the focus, and shows it.
func (p *tab) tabTo(hook string) {
	p.t.Helper()
	p.seen(hook)
	for range 40 {
		p.must(chromedp.Do(p.ctx, chromedp.KeyEvent(kb.Tab)))
		if eval[bool](p, one(hook)+" === document.activeElement") {
			if !eval[bool](p, one(hook)+".matches(':focus-visible')") {
				p.t.Errorf("%s: %s has the focus and does not show it", p.name, hook)
			}
			return
		}
	}
	p.fail("%s cannot be reached with the Tab key", hook)
}

// textCode types the code of a new offer on the phone, and lets a second phone try it too late.
func (p *person) textCode(second *tab) {
	d, ph := p.desk, p.phone
	d.press("level2-phone")
	d.seen("text-code")
	code := d.text("text-code")

	ph.goTo(p.server.phones + "/h")
	ph.screen("enter")
	ph.shoot("enter")
	ph.typeIn("code", "7777 7777")
	ph.press("continue")
	ph.until(one("problem") + `.textContent !== ""`)
	ph.shoot("code-unknown")
	ph.clear("code")
	ph.typeIn("code", strings.ToLower(strings.ReplaceAll(code, "-", " ")))
	ph.press("continue")
	ph.screen("landing")
	ph.press("continue")
	ph.screen("number")

	second.goTo(p.server.phones + "/h")
	second.typeIn("code", code)
	second.press("continue")
	second.seen("end-used")
	second.shoot("code-used")
}

// notMe stops at the number and reports it; the next code needs the password.
func (p *person) notMe() {
	d, ph := p.desk, p.phone
	ph.press("not-me")
	ph.screen("denied")
	ph.shoot("denied")
	d.until(`document.querySelector('[data-test=handoff-ended]')?.dataset.state === "cancelled"`)
	d.shoot("handoff-cancelled")
	ph.press("report")
	ph.seen("end-reported")
	ph.shoot("reported")
	d.until(`document.querySelector('[data-test=handoff-ended]')?.dataset.state === "reported"`)
	d.shoot("handoff-reported")
	d.typeIn("confirm-password", "not the password")
	d.press("handoff-new")
	d.until(`document.querySelector(".has-error")`)
	d.clear("confirm-password")
	d.typeIn("confirm-password", password)
	d.press("handoff-new")
	d.screen("qr")
}

// refreshes reloads both pages at every stage: each comes back where it was, with the same code,
// number and step.
func (p *person) refreshes() {
	d, ph := p.desk, p.phone
	d.until(`document.querySelector('[data-test=qr]')?.dataset.state === "good"`)
	code := d.text("text-code")
	d.reload()
	d.seen("text-code")
	if again := d.text("text-code"); again != code {
		p.Errorf("after a reload the desk shows the code %q, not %q", again, code)
	}
	d.until(`document.querySelector('[data-test=qr]')?.dataset.state === "good"`)
	ph.goTo(readQR(p.T, d.picture()))
	ph.screen("landing")
	ph.reload()
	ph.screen("landing")
	ph.press("continue")
	ph.screen("number")
	d.seen("match-number")
	number := d.text("match-number")
	d.reload()
	d.seen("match-number")
	if again := d.text("match-number"); again != number {
		p.Errorf("after a reload the desk shows the number %q, not %q", again, number)
	}
	ph.reload()
	ph.screen("number")
	ph.typeIn("digits", number)
	ph.screen("plan")
	d.seen("mirror")
	d.reload()
	d.seen("mirror")
	ph.reload()
	ph.screen("plan")
	// Back and forward on the desk lead through its pages, not out of the handoff.
	eval[bool](d, "(history.back(), true)")
	d.until("!" + one("mirror"))
	eval[bool](d, "(history.forward(), true)")
	d.seen("mirror")
}

// takeBack takes the work back from the phone.
func (p *person) takeBack() {
	d, ph := p.desk, p.phone
	d.press("takeback")
	d.seen("takeback-dialog")
	d.shoot("takeback")
	d.press("takeback-yes")
	ph.seen("end-cancelled")
	ph.shoot("taken-back")
}

// signOut signs out while a phone works: the phone stops at once, and so it stays after the next
// sign-in.
func (p *person) signOut() {
	d, ph := p.desk, p.phone
	d.press("handoff-new")
	d.until(`document.querySelector('[data-test=qr]')?.dataset.state === "good"`)
	ph.goTo(readQR(p.T, d.picture()))
	ph.screen("landing")
	ph.press("continue")
	ph.screen("number")
	d.seen("match-number")
	ph.typeIn("digits", d.text("match-number"))
	ph.screen("plan")
	d.press("menu")
	d.press("menu-signout")
	d.screen("signin")
	ph.seen("screen-stopped")
	d.typeIn("signin-email", p.email)
	d.typeIn("signin-password", "not the password")
	d.press("signin-submit")
	d.seen("signin-error")
	d.shoot("signin-refused")
	d.clear("signin-password")
	d.typeIn("signin-password", password)
	d.press("signin-submit")
	d.screen("home")
	d.press("home-identity")
	d.press("level-2-go")
	d.screen("level2")
}

// reload loads the page again.
func (p *tab) reload() {
	p.t.Helper()
	p.must(chromedp.Do(p.ctx, chromedp.Reload()))
}

// fromDesk takes the photos at the desk: one from a file, one with its camera. What the desk
// sent it may read back until it hands the level in.
func (p *person) fromDesk() {
	d := p.desk
	d.press("level2-desk")
	d.screen("photo-document_front-choose")
	d.shoot("photo-choose")

	noPhoto := filepath.Join(p.TempDir(), "no-photo.jpg")
	if err := os.WriteFile(noPhoto, []byte("this is no photo"), 0o600); err != nil {
		p.Fatal(err)
	}
	d.must(chromedp.Do(d.ctx, chromedp.SetUploadFiles(chromedp.CSS(sel("file-document_front")), []string{noPhoto})))
	d.seen("photo-error")
	d.must(chromedp.Do(d.ctx, chromedp.SetUploadFiles(chromedp.CSS(sel("file-document_front")), []string{p.photoFile("front")})))
	d.seen("photo-look")
	d.shoot("photo-look")
	front := d.lastPhoto()
	d.press("photo-use")
	d.screen("photo-document_back-choose")
	p.readBack("document_front", front)

	p.camera.show(p.T, "back")
	d.press("photo-camera")
	d.until(`document.querySelector('[data-test=desk-camera]')?.dataset.ready === "true"`)
	d.shoot("photo-camera")
	d.press("photo-shoot")
	d.seen("photo-look")
	back := d.lastPhoto()
	d.press("photo-use")
	d.screen("photos-ready")
	p.readBack("document_back", back)
	d.shoot("photos-ready")
	d.press("level2-send")
	d.until(`document.querySelector('[data-test=outcome]')?.dataset.state === "in_review"`)
	d.shoot("in-review")
}

// photoFile writes a side of the card as a photo file.
func (p *person) photoFile(side string) string {
	p.Helper()
	img, err := png.Decode(bytes.NewReader(p.camera.shots[side]))
	if err != nil {
		p.Fatal(err)
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, &jpeg.Options{Quality: 92}); err != nil {
		p.Fatal(err)
	}
	path := filepath.Join(p.TempDir(), side+".jpg")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		p.Fatal(err)
	}
	return path
}

// readBack reads a photo over the API, byte for byte.
func (p *person) readBack(step string, want []byte) {
	p.Helper()
	for _, s := range p.theCase().Steps {
		if s.ID != step {
			continue
		}
		if s.MediaID == "" {
			p.Fatalf("%s: the case names no photo: %+v", step, s)
		}
		if got := p.desk.download("/v1/media/" + s.MediaID); !bytes.Equal(got, want) {
			p.Errorf("%s: the server gives %d bytes, the page sent %d others", step, len(got), len(want))
		}
		return
	}
	p.Errorf("the case has no step %s", step)
}

// clear empties a field.
func (p *tab) clear(hook string) {
	p.t.Helper()
	p.press(hook)
	eval[bool](p, "("+one(hook)+".select(), true)")
	p.keys(kb.Backspace)
	p.until(one(hook) + ".value === ''")
}

// download reads bytes from the server as the person who is signed in.
func (p *tab) download(path string) []byte {
	p.t.Helper()
	return eval[[][]byte](p, fmt.Sprintf(`fetch(%s, { cache: "no-store" }).then(async (r) => {
		if (!r.ok) throw new Error(r.status + " " + await r.text());
		return [%s(await r.arrayBuffer())];
	})`, quote(path), toBase64))[0]
}
