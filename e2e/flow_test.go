package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
)

var pictures = flag.Bool("pictures", false, "make the pictures of docs/pictures again")

const (
	residentID = "11010519491231002X" // the example of the standard: it is nobody's
	password   = "correct horse battery"
)

// person is somebody who verifies, at a desk and with a phone.
type person struct {
	*testing.T
	server *program
	camera *camera
	desk   *tab
	phone  *tab
	email  string

	handoffURL string
	photos     map[string][]byte // step → the photo as the phone made it
}

// world is what scenarios share that follow one another: a browser, a camera, the built server.
type world struct {
	browser *browser
	binary  string
	camera  *camera
}

// newPerson starts a server of their own for a person, with an empty desk and phone.
func (w *world) newPerson(t *testing.T, lang string, secure bool, more ...string) *person {
	t.Helper()
	return &person{
		T: t, server: newProgram(t, w.binary, secure, more...), camera: w.camera, photos: map[string][]byte{}, email: "lin@example.com",
		desk: w.browser.open(t, deskDevice, lang), phone: w.browser.open(t, phoneDevice, lang),
	}
}

func TestBrowser(t *testing.T) {
	findChromium(t)
	if err := os.RemoveAll(outDir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(outDir, 0o700); err != nil {
		t.Fatal(err)
	}
	binary := buildProgram(t)
	// Most of the time somebody waits for somebody, so two browsers share a small machine well.
	lanes := [][]scenario{
		{{"from the scan to the store", (*world).fromScanToStore}, {"other ways", (*world).otherWays}, {"facts of other people", (*world).facts}, {"the matrix", (*world).matrix}},
		{{"three levels", (*world).faces}, {"recordings", (*world).recordings}, {"by Alipay", (*world).byAlipay}, {"by mail", (*world).byMail}},
	}
	var running sync.WaitGroup
	for _, lane := range lanes {
		w := newWorld(t, binary)
		running.Go(func() {
			for _, s := range lane {
				t.Run(s.name, func(t *testing.T) { s.do(w, t) })
			}
		})
	}
	running.Wait()
}

// scenario is what people do with the program, from its start to its end.
type scenario struct {
	name string
	do   func(*world, *testing.T)
}

// newWorld opens a browser with a camera of its own.
func newWorld(t *testing.T, binary string) *world {
	t.Helper()
	w := &world{binary: binary, camera: newCamera(t)}
	w.browser = newBrowser(t, w.camera.path)
	w.camera.draw(t, w.browser)
	return w
}

// fromScanToStore is the straight way, in both languages, each with a power cut somewhere in the
// middle; once without TLS, and once with the phone on it.
func (w *world) fromScanToStore(t *testing.T) {
	for _, lang := range []string{"en", "zh-CN"} {
		t.Run(lang, func(t *testing.T) {
			var more []string
			if lang == "en" {
				more = []string{"--policy", ""} // as the program comes: with the face after the photos
			}
			p := w.newPerson(t, lang, lang != "en", more...)
			p.served()
			p.signUp()
			p.level1()
			p.toPhone()
			p.pair()
			p.photographs()
			if lang == "en" {
				p.declinesTheFace()
			}
			p.done()
			p.stored()
		})
	}
}

// served looks at the pages that the server makes itself.
func (p *person) served() {
	pages := []string{"docs"}
	if p.server.phones != p.server.url {
		pages = append(pages, "trust")
	}
	for _, page := range pages {
		p.phone.goTo(p.server.phones + "/" + page)
		p.phone.until(`document.querySelector("h1")`)
		p.phone.shoot(page)
	}
}

func (p *person) signUp() {
	d := p.desk
	d.goTo(p.server.url + "/")
	d.screen("signin")
	d.shoot("signin")
	d.press("to-signup")
	d.screen("signup")
	d.press("signup-submit")
	d.seen("error-email")
	d.shoot("signup-errors")
	d.typeIn("signup-email", p.email)
	d.typeIn("signup-password", password)
	d.shoot("signup")
	d.press("signup-submit")
	d.screen("home")
	d.shoot("home")
	d.press("menu")
	d.seen("menu-identity")
	d.shoot("menu")
	d.press("menu-identity")
	d.screen("overview")
	d.shoot("overview")
}

func (p *person) level1() {
	d := p.desk
	d.press("level-1-go")
	d.agree()
	d.screen("level1")
	d.press("level1-check")
	d.seen("error-list")
	d.shoot("level1-errors")
	d.choose("field-nationality", "CHN")
	d.typeIn("field-document.number", residentID[:17]+"1")
	d.press("field-name")
	d.seen("error-document.number")
	d.press("field-document.number")
	d.keys("\b")
	d.keys("X")
	d.press("field-long_term")
	d.typeIn("field-name", "张伟")
	d.until(one("field-birth_date") + ".dataset.value === '1949-12-31'")
	d.typeIn("field-address", "样本省样本市样本路 1 号")
	d.shoot("level1")
	d.press("level1-check")
	d.screen("level1-check")
	d.shoot("level1-check")
	d.press("level1-send")
	d.until(`document.querySelector('[data-test=outcome]')?.dataset.state === "approved"`)
	d.shoot("level1-approved")
}

// toPhone goes on to Level 2, shows the code and opens it on the phone.
func (p *person) toPhone() {
	d := p.desk
	d.press("next-level")
	d.screen("level2")
	d.shoot("level2")
	d.press("level2-phone")
	d.screen("qr")
	d.until(`document.querySelector('[data-test=qr]')?.dataset.state === "good"`)
	if minutes := d.text("handoff-line"); !strings.Contains(minutes, "10") {
		p.Errorf("a code of ten minutes says: %s", minutes)
	}
	d.shoot("code")
	p.handoffURL = readQR(p.T, d.picture())
	if want := p.server.phones + "/h#c="; !strings.HasPrefix(p.handoffURL, want) {
		p.Fatalf("the code leads to %q, not to %s…", p.handoffURL, want)
	}
	if code := d.text("text-code"); len(code) != 9 {
		p.Errorf("the text code is %q", code)
	}

	ph := p.phone
	ph.goTo(p.handoffURL)
	ph.screen("landing")
	ph.until(`location.hash === "" && !location.href.includes("c=")`)
	if ask := ph.text("ask"); !strings.Contains(ask, "Meridian") || !strings.Contains(ask, "Windows") || strings.Contains(ask, p.email) {
		p.Errorf("the landing page says %q", ask)
	}
	ph.shoot("landing")
	d.until(`document.querySelector('[data-test=qr]')?.dataset.state === "opening"`)
	d.shoot("code-opened")
}

func (p *person) pair() {
	d, ph := p.desk, p.phone
	ph.press("continue")
	ph.screen("number")
	d.seen("match-number")
	number := d.text("match-number")
	if len(number) != 2 {
		p.Fatalf("the desk shows the number %q", number)
	}
	d.shoot("number")
	ph.shoot("number")

	// A wrong number once: the desk shows another one.
	wrong := "10"
	if number == wrong {
		wrong = "11"
	}
	ph.typeIn("digits", wrong)
	ph.until(one("digits") + `.getAttribute("aria-invalid") === "true"`)
	d.until(one("match-number") + ".textContent !== " + quote(number))
	number = d.text("match-number")
	ph.shoot("number-wrong")

	ph.press("digits")
	ph.keys(number[:1])
	if *pictures && d.lang == "en" {
		makeTopPicture(p)
	}
	ph.keys(number[1:])
	ph.screen("plan")
	d.seen("mirror")
	d.shoot("mirror-plan")
	ph.shoot("plan")
}

func (p *person) photographs() {
	d, ph := p.desk, p.phone
	p.camera.show(p.T, "front")
	ph.press("start")
	ph.until(one("screen-permission") + " || " + one("screen-photo"))
	if eval[bool](ph, "!!"+one("screen-permission")) {
		ph.shoot("permission")
		d.until(`document.querySelector('[data-test=mirror-now]')?.dataset.phase === "camera"`)
		d.shoot("mirror-permission")
		ph.press("allow-camera")
	}
	p.photograph("document_front")
	p.looksAt("document_front", "front")
	// The camera is closed while one looks: what it shows next is the other side.
	p.camera.show(p.T, "back")
	ph.press("use-photo")
	d.until(mirrorStep("document_front", "accepted"))
	p.keptSoFar("document_front")

	p.photograph("document_back")
	if d.lang == "en" {
		p.powerCut()
	}
	p.looksAt("document_back", "back")
	if d.lang == "en" {
		ph.press("use-photo")
	} else {
		p.cutWhileSending("document_back")
	}
}

// cutWhileSending kills the server while a photo is on its way over a slow line, and starts it
// again: the phone sends what is missing, and not what had arrived.
func (p *person) cutWhileSending(step string) {
	d, ph := p.desk, p.phone
	size := len(p.photos[step])
	ph.uplink(float64(size) / 8) // the whole photo takes 8 s
	ph.press("use-photo")
	ph.screen("sending")
	ph.shoot("sending")
	before := len(p.photos["document_front"])
	d.until(fmt.Sprintf("Number(%s?.dataset.sent) > %d", one("mirror-sent"), before+size/4))
	for _, tab := range []*tab{d, ph} {
		tab.serverAway(true)
	}
	p.server.kill()
	log := len(p.server.log.String())
	ph.seen("offline")
	ph.shoot("offline")
	p.server.start()
	ph.uplink(-1)
	ph.screen("done")
	for _, tab := range []*tab{d, ph} {
		tab.serverAway(false)
	}
	again := 0
	for line := range strings.Lines(p.server.log.String()[log:]) {
		var request struct {
			Method, Route string
			BytesIn       int `json:"bytes_in"`
		}
		if json.Unmarshal([]byte(line), &request) == nil && request.Method == "PATCH" && strings.HasPrefix(request.Route, "/v1/uploads") {
			again += request.BytesIn
		}
	}
	if again == 0 || again >= size*7/8 {
		p.Errorf("after the cut the phone sent %d bytes of %d", again, size)
	}
}

func mirrorStep(step, state string) string {
	return fmt.Sprintf(`document.querySelector('[data-test="mirror-step-%s"]')?.dataset.state === %q`, step, state)
}

// photograph takes the photo of a step, by itself where the phone finds it good first.
func (p *person) photograph(step string) {
	d, ph := p.desk, p.phone
	ph.until(one("screen-photo") + " || " + one("screen-check"))
	d.until(`__e2e.phases.includes("aiming")`)
	if eval[bool](ph, "!!"+one("screen-photo")+" && document.querySelector('video').videoWidth > 0") {
		ph.shoot("camera-" + step)
		d.shoot("mirror-" + step)
	}
	if eval[bool](ph, "!!"+one("screen-photo")) {
		ph.until(one("shutter") + "?.disabled === false || " + one("screen-check"))
		if eval[bool](ph, "!!"+one("screen-photo")) {
			ph.press("shutter")
		}
	}
	ph.screen("check")
	ph.until(one("photo") + `?.dataset.state === "shown"`)
}

// looksAt checks what the phone shows of the photo, and remembers its bytes.
func (p *person) looksAt(step, side string) {
	ph := p.phone
	if problems := ph.text("photo-problems"); problems != "" {
		p.Errorf("%s: the phone finds fault with the photo: %s", side, problems)
	}
	ph.shoot("look-" + step)
	p.photos[step] = ph.lastPhoto()
	if !bytes.HasPrefix(p.photos[step], []byte{0xff, 0xd8, 0xff}) {
		p.Fatalf("%s: the photo is no JPEG", step)
	}
}

type caseView struct {
	ID     string `json:"id"`
	Levels []struct {
		Level int    `json:"level"`
		State string `json:"state"`
	} `json:"levels"`
	Steps []struct {
		ID      string `json:"id"`
		State   string `json:"state"`
		MediaID string `json:"media_id"`
		Takes   []struct {
			UploadID string `json:"upload_id"`
			State    string `json:"state"`
		} `json:"takes"`
	} `json:"steps"`
	Handoff struct {
		State string `json:"state"`
	} `json:"handoff"`
}

func (p *person) theCase() caseView {
	p.Helper()
	me := api[struct {
		CaseID string `json:"case_id"`
	}](p.desk, "/v1/me")
	return api[caseView](p.desk, "/v1/cases/"+me.CaseID)
}

// keptSoFar looks at the case as the desk sees it before the level is handed in: the photo is
// kept, and it is the phone's, so the desk gets no way to the bytes.
func (p *person) keptSoFar(step string) {
	p.Helper()
	for _, s := range p.theCase().Steps {
		if s.ID != step {
			continue
		}
		if s.State != "accepted" && s.State != "checked" {
			p.Errorf("%s is %s", step, s.State)
		}
		if s.MediaID != "" || len(s.Takes) > 0 {
			p.Errorf("the desk is offered what the phone took: %+v", s)
		}
		return
	}
	p.Errorf("the case has no step %s", step)
}

// powerCut kills the server in the middle of the work and starts it again. Desk and phone go on
// by themselves: nobody signs in, nobody scans.
func (p *person) powerCut() {
	d, ph := p.desk, p.phone
	for _, tab := range []*tab{d, ph} {
		tab.serverAway(true)
	}
	p.server.kill()
	d.until(`document.querySelector('[data-test=offline]') || document.querySelector('[data-test=mirror]')?.dataset.link !== "live"`)
	d.shoot("offline")
	p.server.start()
	d.until(`!document.querySelector('[data-test=offline]') && document.querySelector('[data-test=mirror]')?.dataset.here === "true"`)
	ph.until("!" + one("offline"))
	for _, tab := range []*tab{d, ph} {
		tab.serverAway(false)
	}
}

// declinesTheFace takes the other way, which is as large as the yes; a person decides then.
func (p *person) declinesTheFace() {
	p.Helper()
	ph := p.phone
	ph.screen("face-consent")
	ph.seen("face-decline")
	ph.press("face-decline")
}

func (p *person) done() {
	d, ph := p.desk, p.phone
	ph.screen("done")
	ph.shoot("done")
	for step, photo := range p.photos {
		sum := sha256.Sum256(photo)
		if shown := strings.Join(strings.Fields(ph.text("digest-"+step)), ""); shown != "" && shown != hex.EncodeToString(sum[:]) {
			p.Errorf("%s: the receipt shows %s, the photo has %x", step, shown, sum)
		}
	}
	d.until(`document.querySelector('[data-test=handoff-ended]')?.dataset.state === "done" || document.querySelector('[data-test=outcome]')`)
	d.shoot("handed-in")

	phases := eval[[]string](d, "__e2e.phases")
	for _, phase := range []string{"aiming", "checking_take"} {
		if !strings.Contains(strings.Join(phases, " "), phase) {
			p.Errorf("the desk never showed that the phone was %s; it showed %q", phase, phases)
		}
	}
	c := p.theCase()
	if c.Handoff.State != "done" {
		p.Errorf("the handoff is %q", c.Handoff.State)
	}
	for _, l := range c.Levels {
		if l.Level == 2 && l.State != "submitted" && l.State != "checking" && l.State != "in_review" && l.State != "approved" {
			p.Errorf("level 2 is %s", l.State)
		}
	}
	for _, tab := range []*tab{d, ph} {
		tab.still()
		tab.calm()
	}
	// The token of the phone died with its handoff, the phone says so only when it is opened again.
	ph.goTo(p.server.phones + "/h")
	ph.until(one("screen-enter") + " || " + one("screen-done") + " || " + one("screen-stopped"))
}
