package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

// reviewer is somebody who works here, signed in with a code beside the password.
type reviewer struct {
	*tab
	server *program
}

// hire makes a reviewer at the command line, who signs in for the first time.
func (w *world) hire(t *testing.T, server *program, email, lang string) *reviewer {
	t.Helper()
	create := exec.Command(w.binary, "account", "create", "--data", server.data, "--email", email, "--role", "reviewer")
	create.Env = []string{"PATH=" + os.Getenv("PATH")}
	create.Stdin = strings.NewReader(password + "\n")
	if out, err := create.CombinedOutput(); err != nil {
		t.Fatalf("a reviewer: %v\n%s", err, out)
	}
	r := &reviewer{tab: w.browser.open(t, deskDevice, lang), server: server}
	r.goTo(server.url + "/review")
	r.screen("review-signin")
	r.shoot("review-signin")
	r.typeIn("signin-email", email)
	r.typeIn("signin-password", password)
	r.press("signin-submit")
	r.seen("setup-totp")
	r.press("setup-totp")
	r.seen("totp-secret")
	code, err := totp.GenerateCode(strings.Join(strings.Fields(r.text("totp-secret")), ""), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	r.typeIn("factor-code", code)
	r.press("factor-submit")
	r.seen("queue-length")
	return r
}

// finds opens a case out of the queue.
func (r *reviewer) finds(id string) {
	r.t.Helper()
	r.goTo(r.server.url + "/review")
	r.seen("row-" + id)
	r.press("open-" + id)
	r.seen("case")
}

// takes opens a case and takes it.
func (r *reviewer) takes(id string) {
	r.t.Helper()
	r.finds(id)
	if eval[bool](r.tab, one("claim")+" !== null") {
		r.press("claim")
	}
	r.until(one("case") + `?.dataset.mine === "true"`)
}

// asksAgain sends a step back for a reason, whose words the applicant will read.
func (r *reviewer) asksAgain(step, reason, words string) {
	r.t.Helper()
	r.keys("s")
	r.seen("decide-confirm")
	r.choose("reason-about", step)
	r.choose("reason-code", reason)
	r.press("reason-add")
	r.until(one("preview") + `?.textContent.includes(` + quote(words) + `)`)
	r.shoot("review-decide")
	r.press("decide-confirm")
	r.seen("decided")
}

// writesDown is a recogniser that hears the same words in everything.
func writesDown(t *testing.T, words string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, _, err := r.FormFile("file"); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"text": words})
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// listens is shown how much of a sentence was heard, and the words once it says why.
func (r *reviewer) listens() {
	r.t.Helper()
	r.press("tab-clips")
	r.press("clip-clip_statement")
	r.press("block-2")
	const show = "show-read.clip_statement.heard.who"
	r.until(one(show))
	r.typeIn("reveal-why", "the sentence is hard to follow")
	r.press(show)
	r.until(one("heard") + `?.querySelector("q")?.textContent === "I want to open an account"`)
	r.shootHere("review-heard")
}

// approves looks at all that the approval of a level needs, one after the other, and approves.
func (r *reviewer) approves(level int) {
	r.t.Helper()
	if choice := fmt.Sprintf("decide-level-%d", level); eval[bool](r.tab, one(choice)+" !== null") {
		r.press(choice)
	}
	r.keys("a")
	r.until(one("decide-open") + `?.dataset.verdict === "approve"`)
	for {
		next := eval[string](r.tab, `document.querySelector("[data-test=missing] button")?.dataset.test ?? ""`)
		if next == "" {
			break
		}
		r.press(next)
		rest := strings.TrimPrefix(next, "missing-")
		if at := strings.LastIndex(rest, "-"); at > 0 { // a prompt of a recording
			r.press("clip-" + rest[:at])
			r.press("block-" + rest[at+1:])
			r.until(one("prompt-now") + "?.dataset.n === " + quote(rest[at+1:]))
			r.press("prompt-read")
		}
		r.until("!" + one(next))
	}
	r.seen("all-seen")
	r.shootHere(fmt.Sprintf("review-approve-%d", level))
	r.press("decide-confirm")
	r.seen("decided")
}

// decided takes somebody whose face was recognised through Level 3, and has two people decide: one asks for a photo again,
// sees it come back and approves; the recordings need the other as well. What was decided leaves as a bundle that proves itself
// wherever the program is, until a bit of it is changed.
func (w *world) decided(t *testing.T, server *program, p *pair) {
	path := "/v1/cases/" + p.caseID
	who := &person{T: t, server: server, camera: w.camera, desk: p.desk, phone: p.phone}
	p.levelIs(path, 2, "in_review")
	ask[any](p.desk, 200, "PUT", path+"/consents/recording", map[string]any{"given": true, "version": 1, "language": "en"})
	p.desk.goTo(server.url + "/#/identity/3")
	p.desk.reload()
	p.desk.press("level3-phone")
	who.joins()
	ph := p.phone
	ph.press("start")
	ph.press("continue-now")
	ph.press("run-test")
	ph.press("go-on")
	who.records()
	who.records()
	ph.screen("done")
	p.levelIs(path, 3, "in_review")

	first := w.hire(t, server, "first@example.com", "en")
	second := w.hire(t, server, "second@example.com", "zh-CN")
	first.takes(p.caseID)
	first.shoot("review-case")
	for _, tab := range []string{"documents", "face", "clips", "checks", "history"} {
		first.press("tab-" + tab)
		first.settle()
		first.shootHere("review-" + tab)
	}
	first.listens()
	first.approves(1)

	// Who comes second sees who has it, and nothing of the person.
	second.finds(p.caseID)
	second.seen("no-evidence")
	second.shoot("review-taken")

	// A photo is asked for again; the desk of whoever it is says so by itself.
	p.desk.goTo(server.url + "/#/identity/2")
	first.asksAgain("document_back", "document.glare", "Light is reflected")
	p.levelIs(path, 2, "resubmit")
	p.desk.until(`document.body.textContent.includes("Light is reflected")`)
	p.keep("document_back", 4)
	p.handIn(path, 2)

	first.takes(p.caseID)
	first.approves(2)
	p.levelIs(path, 2, "approved")
	first.takes(p.caseID)
	first.approves(3)
	p.levelIs(path, 3, "in_review") // for the applicant; the other one has to look
	second.takes(p.caseID)
	second.approves(3)
	p.levelIs(path, 3, "approved")
	p.desk.goTo(server.url + "/#/identity")
	p.desk.until(one("level-3") + `?.dataset.state === "approved"`)
	p.desk.settle()
	p.desk.shootHere("approved")
	for _, tab := range []*tab{first.tab, second.tab, p.desk, ph} {
		tab.calm()
	}
	w.proves(t, server, p.caseID)
}

// records records a clip as fast as it goes, looks at it and keeps it.
func (p *person) records() {
	p.Helper()
	ph := p.phone
	ph.screen("clip")
	ph.until(one("clip-start") + "?.disabled === false")
	ph.press("clip-start")
	ph.screen("clip-on")
	for eval[string](ph, one("clip-next")+".dataset.last") != "true" {
		ph.next("")
	}
	ph.finish()
	ph.until(`Number(` + one("player") + `?.dataset.ms) > 300`)
	ph.press("keep-clip")
}

// proves makes a bundle of a case, which verifies in an empty folder; no byte of it can be changed unseen.
func (w *world) proves(t *testing.T, server *program, id string) {
	t.Helper()
	bundle := filepath.Join(t.TempDir(), "case.zip")
	tool := func(args ...string) (string, error) {
		cmd := exec.Command(w.binary, append([]string{"bundle"}, args...)...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
		cmd.Dir = filepath.Dir(bundle)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := tool("create", "--data", server.data, "--case", id, "--out", bundle); err != nil {
		t.Fatalf("the bundle: %v\n%s", err, out)
	}
	if out, err := tool("verify", bundle); err != nil {
		t.Fatalf("the bundle does not verify: %v\n%s", err, out)
	}
	b, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		at := (2*i + 1) * len(b) / 16
		b[at] ^= 1
		if err := os.WriteFile(bundle, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := tool("verify", bundle); err == nil {
			t.Errorf("a bundle whose byte %d is changed verifies:\n%s", at, out)
		}
		b[at] ^= 1
	}
}

// handIn hands a level in.
func (p *pair) handIn(path string, level int) {
	p.Helper()
	version := ask[struct {
		Version int64 `json:"version"`
	}](p.desk, 200, "GET", path, nil).Version
	ask[any](p.desk, 202, "POST", fmt.Sprintf("%s/levels/%d/submit", path, level), map[string]any{}, "If-Match", strconv.Quote(fmt.Sprint(version)))
	p.levelIs(path, level, "in_review")
}

// levelIs waits until a level of the case is in a state.
func (p *pair) levelIs(path string, level int, state string) {
	p.Helper()
	(&person{T: p.T, desk: p.desk}).levelIs(path, level, state)
}
