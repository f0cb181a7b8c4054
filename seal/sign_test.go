package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/symbolon/symbolon/seal"
)

type note struct {
	Text string `json:"text"`
	N    int64  `json:"n"`
}

func TestAPaperOpensWithItsKeyOnly(t *testing.T) {
	k := seal.NewSigningKey()
	want := note{"a < b & 姓名 \u2028", 1 << 60}
	paper, err := k.Sign("symbolon-note", want)
	if err != nil {
		t.Fatal(err)
	}
	read, err := seal.ParseSigningKey(k.Encode())
	if err != nil {
		t.Fatal(err)
	}
	public, err := seal.ParsePublicKey(read.Public().Encode())
	if err != nil {
		t.Fatal(err)
	}
	var got note
	if err := public.Open("symbolon-note", paper, &got); err != nil || got != want {
		t.Fatalf("%v %+v", err, got)
	}
	// Another layout of the same JSON is the same paper.
	if err := public.Open("symbolon-note", bytes.ReplaceAll(paper, []byte("\n "), []byte("\r\n\t\t")), &got); err != nil {
		t.Errorf("laid out differently: %v", err)
	}
	for name, row := range map[string]struct {
		kind  string
		paper []byte
		key   seal.PublicKey
		want  error
	}{
		"another key":       {"symbolon-note", paper, seal.NewSigningKey().Public(), seal.ErrSignature},
		"no key":            {"symbolon-note", paper, seal.PublicKey{}, seal.ErrSignature},
		"another kind":      {"symbolon-letter", paper, public, seal.ErrPaperForm},
		"passed as another": {"symbolon-letter", bytes.Replace(paper, []byte("symbolon-note"), []byte("symbolon-letter"), 1), public, seal.ErrSignature},
		"changed":           {"symbolon-note", bytes.Replace(paper, []byte("a "), []byte("b "), 1), public, seal.ErrSignature},
		"cut":               {"symbolon-note", paper[:len(paper)-5], public, seal.ErrPaperForm},
		"empty":             {"symbolon-note", nil, public, seal.ErrPaperForm},
		"nothing signed":    {"symbolon-note", []byte(`{"kind":"symbolon-note"}`), public, seal.ErrPaperForm},
	} {
		if err := row.key.Open(row.kind, row.paper, &got); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", name, err, row.want)
		}
	}
}

func TestSigningKeysAreNotPrinted(t *testing.T) {
	k := seal.NewSigningKey()
	if s := fmt.Sprintf("%v %+v %#v %s", k, k, k, k); strings.ReplaceAll(s, "[signing key]", "") != "   " {
		t.Errorf("printed: %s", s)
	}
	for _, bad := range []string{"", "symk1_AAAA", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", string(k.Public().Encode())} {
		if _, err := seal.ParseSigningKey([]byte(bad)); !errors.Is(err, seal.ErrSigningKeyForm) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := seal.ParsePublicKey(k.Encode()); !errors.Is(err, seal.ErrSigningKeyForm) {
		t.Errorf("a private key for a public one: %v", err)
	}
}

// TestAnotherProgramChecksASignature holds docs/formats/audit.md to its word.
func TestAnotherProgramChecksASignature(t *testing.T) {
	for _, tool := range []string{"openssl", "jq", "base64"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIPPED: %s is not installed", tool)
		}
	}
	dir := t.TempDir()
	k := seal.NewSigningKey()
	paper, err := k.Sign("symbolon-note", note{"plain", 7})
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"key.pub": k.Public().Encode(), "paper.json": paper} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("sh", "-ec", `
(jq -r .kind paper.json; jq -cj .content paper.json) > message
jq -r .signature paper.json | base64 -d > signature
openssl pkeyutl -verify -pubin -inkey key.pub -rawin -in message -sigfile signature`)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func FuzzOpenPaper(f *testing.F) {
	k := seal.NewSigningKey()
	paper, err := k.Sign("symbolon-note", note{"plain", 7})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(paper)
	f.Add([]byte(`{"kind":"symbolon-note","content":null,"signature":""}`))
	f.Add([]byte(`{"kind":"symbolon-note","content":{"n":1e999},"content":{},"signature":"AAAA"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var got note
		if err := k.Public().Open("symbolon-note", b, &got); err == nil && got != (note{"plain", 7}) {
			t.Errorf("something else opened: %+v", got)
		}
		_, _ = seal.ParseSigningKey(b)
		_, _ = seal.ParsePublicKey(b)
	})
}
