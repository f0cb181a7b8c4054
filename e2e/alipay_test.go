package e2e

import (
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases/casetest"
	"github.com/symbolon/symbolon/server/servertest"
)

var gatewaySettings = regexp.MustCompile(`--alipay (\S+) --alipay-app-id (\S+) \\\s+--alipay-key-file (\S+) --alipay-trust (\S+)`)

// testGateway runs symbolon dev-alipay and returns the settings that it tells.
func testGateway(t *testing.T, binary string) []string {
	t.Helper()
	out := &lockedBuffer{}
	cmd := exec.Command("/bin/sh", "-c", `"$@" & p=$!; read _; kill -9 $p; wait $p`, "sh", binary, "dev-alipay", "--at", "127.0.0.1:0", "--data", t.TempDir())
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.Stdout, cmd.Stderr = out, out
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stdin.Close(); _ = cmd.Wait() })
	for end := time.Now().Add(waitFor); ; time.Sleep(lookFor) {
		if m := gatewaySettings.FindStringSubmatch(out.String()); m != nil {
			if !strings.Contains(out.String(), "TEST GATEWAY") {
				t.Errorf("it does not say what it is: %s", out)
			}
			return []string{"--alipay", m[1], "--alipay-app-id", m[2], "--alipay-key-file", m[3], "--alipay-trust", m[4]}
		}
		if time.Now().After(end) {
			t.Fatalf("the gateway is not ready within %v:\n%s", waitFor, out)
		}
	}
}

// byAlipay has a face recognised by the TEST GATEWAY, after it failed there once, and hands Level 2 in.
func (w *world) byAlipay(t *testing.T) {
	policy := policyFile(t, casetest.PolicyFile("[documents, face]", "[]"))
	server := newProgram(t, w.binary, false, append(testGateway(t, w.binary), "--policy", policy, "--face-model", "off")...)
	p := w.newPair(t, site{url: server.url}, "en")
	p.phone = w.browser.open(t, phoneDevice, "en")
	d, ph := p.desk, p.phone
	path := "/v1/cases/" + p.caseID
	ask[any](d, 200, "PUT", path+"/consents/face", map[string]any{"given": true, "version": 1, "language": "en"})
	d.screen("level2")
	if eval[bool](d, one("level2-alipay")+" !== null") {
		t.Error("Alipay is offered before the portrait is there")
	}
	p.keep("document_front", 1)
	p.keep("document_back", 2)

	d.press("level2-alipay")
	d.screen("qr")
	ph.goTo(p.scan())
	ph.screen("landing")
	p.claim(ph)
	p.match()
	ph.press("start")
	ph.screen("alipay")
	ph.shoot("alipay")
	recognised := func(button string) {
		t.Helper()
		ph.press("alipay-open")
		ph.until(`document.body.textContent.includes("TEST GATEWAY")`)
		d.until(`document.querySelector("[data-test=mirror-now]")?.dataset.phase === "alipay_opened"`)
		eval[bool](ph, fmt.Sprintf(`(document.querySelector("button[value=%s]").click(), true)`, button))
	}
	recognised("fail")
	ph.until(`document.querySelector("[data-test=alipay]")?.dataset.phase === "waiting"`)
	d.until(`document.querySelector("[data-test=mirror-now]")?.dataset.phase === "waiting"`)
	ph.until(`document.querySelector("[data-test=alipay]")?.dataset.phase === "failed"`)
	ph.shoot("alipay-failed")
	d.until(mirrorStep("face", "failed"))
	recognised("pass")
	ph.screen("done")
	d.until(`document.querySelector("[data-test=handoff-ended]")?.dataset.state === "done"`)
	if c := ask[caseView](d, 200, "GET", path, nil); c.Steps[len(c.Steps)-1].State != "checked" {
		t.Errorf("the steps are %+v", c.Steps)
	}
	// Who comes back to another browser than they left is sent back to the right one.
	other := w.browser.open(t, phoneDevice, "en")
	other.goTo(server.url + "/h/alipay/return?r=abc")
	other.screen("returned")
	other.shoot("alipay-returned")
	d.calm()
	ph.calm()
}

// keep makes a drawn photo the step's, as the desk does with a file.
func (p *pair) keep(step string, seed uint8) {
	p.Helper()
	p.keepPhoto(step, servertest.Photo(seed))
}

// keepPhoto makes a photo the step's.
func (p *pair) keepPhoto(step string, photo []byte) {
	p.Helper()
	b64 := base64.StdEncoding.EncodeToString
	upload := eval[string](p.desk, fmt.Sprintf(`fetch("/v1/uploads", {
		method: "POST", body: Uint8Array.from(atob(%s), (c) => c.charCodeAt(0)),
		headers: {"Content-Type": "application/offset+octet-stream", "Tus-Resumable": "1.0.0", "Upload-Length": %q, "Upload-Metadata": %q},
	}).then((r) => r.headers.get("Location").split("/").pop())`, quote(b64(photo)), fmt.Sprint(len(photo)),
		"case "+b64([]byte(p.caseID))+",step "+b64([]byte(step))+",filetype "+b64([]byte("image/jpeg"))))
	ask[any](p.desk, 200, "POST", "/v1/cases/"+p.caseID+"/steps/"+step+"/accept", map[string]any{"upload_id": upload})
}
