package casebundle_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casebundle"
	"github.com/symbolon/symbolon/cases/casesqlite"
	"github.com/symbolon/symbolon/seal"
)

type evidence struct{ *bytes.Reader }

func (evidence) Close() error { return nil }

// made is the bundle of a case with an identity, a photo and a note, and the key that signed it.
func made(t *testing.T) ([]byte, seal.SigningKey) {
	t.Helper()
	ctx := context.Background()
	store, err := casesqlite.Open(ctx, filepath.Join(t.TempDir(), "cases.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	photo := bytes.Repeat([]byte("a photo "), 500)
	s, err := cases.New(ctx, cases.Config{
		Store: store, History: store, Accounts: store, Keys: seal.NewKeyring(seal.NewKey()),
		Evidence: func(context.Context, string) (cases.Evidence, error) { return evidence{bytes.NewReader(photo)}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	a, err := s.SignUp(ctx, "person@example.com", "a rather long password")
	must(err)
	c, err := s.Create(ctx, a, cases.Person)
	must(err)
	for _, r := range s.Policy().Consents {
		_, err := s.AnswerConsent(ctx, cases.Actor{Kind: cases.ByApplicant, ID: a.ID}, c.ID, cases.ConsentAnswer{ID: r.ID, Given: true, Version: r.Version, Language: "en"})
		if err != nil && !strings.Contains(err.Error(), "consent_unknown") {
			t.Fatal(err)
		}
	}
	c, err = s.Get(ctx, c.ID)
	must(err)
	_, err = s.PutIdentity(ctx, cases.Actor{Kind: cases.ByApplicant, ID: a.ID}, c.ID, c.Version, cases.Identity{
		Nationality: "CHN", Name: "张三样本", BirthDate: "1949-12-31", Address: "北京市朝阳区样本路一号 (Hof \\ 2)",
		Document:  cases.DocumentFacts{Type: cases.CNResidentID, Number: "11010519491231002X", IssuedOn: "2020-01-01", ExpiresOn: "long_term"},
		ActingFor: cases.ActingFor{Who: cases.ForSelf},
	})
	must(err)
	must(s.Look(ctx, c.ID, cases.Actor{Kind: cases.ByStaff, ID: "operator"}, "bundle", c.ID))
	key := seal.NewSigningKey()
	var b bytes.Buffer
	must(casebundle.Write(ctx, casebundle.Config{Cases: s, Key: key, Operator: "Beispiel 样本"}, c.ID, &b))
	return b.Bytes(), key
}

func verify(b []byte, key *seal.PublicKey) (casebundle.Verified, error) {
	return casebundle.Verify(bytes.NewReader(b), int64(len(b)), key)
}

func TestABundleVerifiesWithItsKeyAndOpensAnywhere(t *testing.T) {
	b, key := made(t)
	pub := key.Public()
	v, err := verify(b, &pub)
	if err != nil || !v.Trusted || v.Key != pub.ID() || v.Events < 3 || v.Looks != 1 || v.Operator != "Beispiel 样本" {
		t.Fatalf("%+v, %v", v, err)
	}
	if v, err := verify(b, nil); err != nil || v.Trusted {
		t.Errorf("without a key: %+v, %v", v, err)
	}
	other := seal.NewSigningKey().Public()
	if _, err := verify(b, &other); !errors.Is(err, seal.ErrSignature) {
		t.Errorf("with another key: %v", err)
	}
	// Any program that knows ZIP reads it.
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		if f.Name == "case.json" && (!json.Valid(body) || !strings.Contains(string(body), "张三样本") || strings.Contains(string(body), "wrapped_key")) {
			t.Errorf("case.json: %s", body)
		}
	}
}

// Bytes all over the archive are flipped, each in one bit drawn for it: nothing may stay unseen.
func TestNotOneByteOfABundleCanBeChanged(t *testing.T) {
	b, key := made(t)
	pub := key.Public()
	step := 5 // each run begins elsewhere
	if raceEnabled {
		step = 41
	}
	for i := rand.IntN(step); i < len(b); i += step {
		bad := bytes.Clone(b)
		bad[i] ^= 1 << rand.IntN(8)
		given := &pub
		if i%2 == 0 {
			given = nil // it is found without the operator's key, too
		}
		if _, err := verify(bad, given); err == nil {
			t.Fatalf("byte %d of %d was changed unseen: %q", i, len(b), b[max(0, i-20):min(len(b), i+20)])
		}
	}
	for name, bad := range map[string][]byte{
		"cut": b[:len(b)-1], "longer": append(bytes.Clone(b), 0), "preceded": append([]byte{0}, b...), "empty": nil,
		"twice": append(bytes.Clone(b), b...), "half": b[:len(b)/2],
	} {
		if _, err := verify(bad, &pub); err == nil {
			t.Errorf("%s: it verifies", name)
		}
	}
}

// A file that was added and signed by nobody, though the archive is whole.
func TestARepackedBundleIsNone(t *testing.T) {
	b, key := made(t)
	pub := key.Public()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range z.File {
		if err := w.Copy(f); err != nil {
			t.Fatal(err)
		}
	}
	extra, _ := w.CreateHeader(&zip.FileHeader{Name: "media/extra.txt"})
	_, _ = extra.Write([]byte("more"))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := verify(out.Bytes(), &pub); err == nil {
		t.Error("it verifies")
	}
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte("PK\x03\x04"))
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := verify(b, nil); err == nil {
			t.Fatal("it verifies")
		}
	})
}

// The summary is a PDF whose table points at its objects; the name stands in it as UTF-16.
func TestTheSummaryIsAPDFWithTheName(t *testing.T) {
	b, _ := made(t)
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	r, err := z.Open("summary.pdf")
	if err != nil {
		t.Fatal(err)
	}
	pdf, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(pdf, []byte("%PDF-1.7\n")) || !bytes.Contains(pdf, []byte("<5F204E096837672C>")) || !bytes.Contains(pdf, []byte(`(11010519491231002X`)) && !bytes.Contains(pdf, []byte("11010519491231002X")) {
		t.Error("the name or the number is missing")
	}
	start, err := strconv.Atoi(string(regexp.MustCompile(`startxref\n(\d+)\n`).FindSubmatch(pdf)[1]))
	if err != nil || !bytes.HasPrefix(pdf[start:], []byte("xref\n0 ")) {
		t.Fatalf("the table is not at %d", start)
	}
	for i, row := range regexp.MustCompile(`(\d{10}) 00000 n `).FindAllSubmatch(pdf[start:], -1) {
		at, _ := strconv.Atoi(string(row[1]))
		if !bytes.HasPrefix(pdf[at:], []byte(strconv.Itoa(i+1)+" 0 obj\n")) {
			t.Errorf("object %d is not at %d", i+1, at)
		}
	}
	tool, err := exec.LookPath("pdftotext")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("pdftotext is missing; scripts/need.sh installs it")
		}
		t.Skip("SKIPPED: pdftotext is not installed, nobody read the summary")
	}
	name := filepath.Join(t.TempDir(), "summary.pdf")
	if err := os.WriteFile(name, pdf, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	text, err := exec.CommandContext(ctx, tool, name, "-").CombinedOutput()
	if err != nil || !strings.Contains(string(text), "11010519491231002X") || !strings.Contains(string(text), "张三样本") || !strings.Contains(string(text), `(Hof \ 2)`) {
		t.Errorf("pdftotext: %v\n%s", err, text)
	}
}
