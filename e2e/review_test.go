package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

// reviewers has a person look at somebody's photos: ask for one of them again, see it come back, and approve. What they
// decided on leaves as a bundle that proves itself, until a bit of it is changed.
func (w *world) reviewers(t *testing.T) {
	server := newProgram(t, w.binary, false)
	p := w.newPair(t, site{url: server.url}, "en")
	path := "/v1/cases/" + p.caseID
	p.keep("document_front", 1)
	p.keep("document_back", 2)
	p.handIn(path)
	p.levelIs(path, 2, "in_review")

	create := exec.Command(w.binary, "account", "create", "--data", server.data, "--email", "reviewer@example.com", "--role", "reviewer")
	create.Env = []string{"PATH=" + os.Getenv("PATH")}
	create.Stdin = strings.NewReader(password + "\n")
	if out, err := create.CombinedOutput(); err != nil {
		t.Fatalf("a reviewer: %v\n%s", err, out)
	}
	r := w.browser.open(t, deskDevice, "en")
	r.goTo(server.url + "/review")
	r.screen("review-signin")
	r.shoot("review-signin")
	r.typeIn("signin-email", "reviewer@example.com")
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
	r.seen("row-" + p.caseID)
	r.shoot("review-queue")
	r.press("open-" + p.caseID)
	r.seen("case")
	if !eval[bool](r, one("claim")+" === null") {
		r.press("claim")
	}
	r.seen("lease")
	r.press("tab-documents")
	r.seen("photo-document_front")
	r.shoot("review-case")

	// Ask for the back again; the desk of whoever it is says so by itself.
	p.desk.goTo(server.url + "/#/identity/2")
	r.keys("s")
	r.seen("decide-confirm")
	r.choose("reason-about", "document_back")
	r.choose("reason-code", "document.glare")
	r.press("reason-add")
	r.until(`document.querySelector("[data-test=preview]")?.textContent.includes("Light is reflected")`)
	r.shoot("review-decide")
	r.press("decide-confirm")
	r.seen("decided")
	p.levelIs(path, 2, "resubmit")
	p.desk.until(`document.body.textContent.includes("Light is reflected")`)
	p.keep("document_back", 4)
	p.handIn(path)
	p.levelIs(path, 2, "in_review")

	// Approved once everything was looked at.
	r.goTo(server.url + "/review")
	r.seen("row-" + p.caseID)
	r.press("open-" + p.caseID)
	r.seen("case")
	if !eval[bool](r, one("claim")+" === null") {
		r.press("claim")
	}
	r.seen("lease")
	r.press("tab-identity")
	r.press("tab-documents")
	r.seen("photo-document_back")
	r.press("photo-document_back")
	r.keys("a")
	r.seen("decide-confirm")
	r.until(`!document.querySelector("[data-test=missing]")`)
	r.press("decide-confirm")
	r.seen("decided")
	p.levelIs(path, 2, "approved")
	r.calm()
	p.desk.calm()

	server.kill()
	bundle := filepath.Join(t.TempDir(), "case.zip")
	tool := func(args ...string) (string, error) {
		cmd := exec.Command(w.binary, append([]string{"bundle"}, args...)...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := tool("create", "--data", server.data, "--case", p.caseID, "--out", bundle); err != nil {
		t.Fatalf("the bundle: %v\n%s", err, out)
	}
	if out, err := tool("verify", bundle); err != nil {
		t.Errorf("the bundle does not verify: %v\n%s", err, out)
	}
	b, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(bundle, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := tool("verify", bundle); err == nil {
		t.Errorf("a changed bundle verifies:\n%s", out)
	}
}

// handIn hands Level 2 in.
func (p *pair) handIn(path string) {
	p.Helper()
	version := ask[struct {
		Version int64 `json:"version"`
	}](p.desk, 200, "GET", path, nil).Version
	ask[any](p.desk, 202, "POST", path+"/levels/2/submit", map[string]any{}, "If-Match", strconv.Quote(fmt.Sprint(version)))
}

// levelIs waits until a level of the case is in a state.
func (p *pair) levelIs(path string, level int, state string) {
	p.Helper()
	(&person{T: p.T, desk: p.desk}).levelIs(path, level, state)
}
