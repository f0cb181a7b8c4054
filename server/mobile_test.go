package server_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/checks/checkstest"
	"github.com/symbolon/symbolon/server/servertest"
)

// webm is a whole file without a picture: what plays recordings is not here, so a person would.
func webm(seed byte) []byte {
	head := []byte("\x1a\x45\xdf\xa3\x87\x42\x82\x84webm")
	block := append([]byte{0xa3, 0x43, 0xe8}, bytes.Repeat([]byte{seed}, 1000)...)
	return slices.Concat(head, []byte("\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff\x1f\x43\xb6\x75\x01\xff\xff\xff\xff\xff\xff\xff"), bytes.Repeat(block, 400))
}

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// The commands of docs/mobile.md take a native app through all levels.
func TestANativeAppGoesThroughAllLevels(t *testing.T) {
	for _, name := range []string{"bash", "curl", "node"} {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is needed here", name)
			}
			t.Skipf("SKIPPED: the commands of docs/mobile.md are not run, as %s is not installed", name)
		}
	}
	text, err := os.ReadFile("../docs/mobile.md")
	if err != nil {
		t.Fatal(err)
	}
	script := "set -euo pipefail\n"
	for _, block := range shellBlock.FindAllSubmatch(text, -1) {
		script += string(block[1]) + "\n"
	}
	s := servertest.StartWith(t, func(c *cases.Config) {
		c.Policy = servertest.Policy(t, func(p *cases.Policy) {
			p.Requires.Level2 = []string{cases.AskDocuments, cases.Face}
			p.Requires.Level3 = []string{cases.ClipDocument, cases.ClipStatement}
			p.Approve.Level2 = "person"
		})
	})
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = s.Cases.Run(ctx) })
	defer running.Wait()
	defer stop()

	files := t.TempDir()
	write := func(name string, b []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(files, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	front := checkstest.Evidence(checkstest.Document{Side: checkstest.Front, Number: "11010519491231002X"})
	write("document_front.jpg", front)
	write("document_back.jpg", checkstest.Evidence(checkstest.Document{Side: checkstest.Back}))
	write("still.jpg", front)
	for _, name := range []string{"face1.jpg", "face2.jpg", "face3.jpg", "face4.jpg"} {
		write(name, checkstest.Evidence(checkstest.Document{Side: checkstest.Front, Seed: uint64(name[4])}))
	}
	write("clip_document.webm", webm(1))
	write("clip_statement.webm", webm(2))

	cmd := exec.CommandContext(t.Context(), "bash", "-c", script) //nolint:gosec // the commands of our own text
	cmd.Env = append(os.Environ(), "SERVER="+s.URL, "EMAIL=app@example.com", "PASSWORD="+servertest.Password, "FILES="+files)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, said.String(), out)
	}
	lines := strings.Fields(string(out))
	if last := lines[len(lines)-1]; last != "in_review" {
		t.Errorf("level 3 ends %q\n%s", last, out)
	}
	for _, want := range []string{`symbolon_clip_checks_total{check="container",verdict="pass"} 2`, `symbolon_clip_checks_total{check="inspected",verdict="skipped"} 2`} {
		if _, text := ops(s, "/metrics"); !strings.Contains(text, want) {
			t.Errorf("not counted: %s", want)
		}
	}
	for _, b := range [][]byte{webm(1), webm(2)} { // what the person has in hand is the digest of what was recorded
		if sum := sha256.Sum256(b); !slices.Contains(lines, hex.EncodeToString(sum[:])) {
			t.Errorf("no receipt of %x in\n%s", sum, out)
		}
	}
}
