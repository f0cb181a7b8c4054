package casetesseract

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/checks"
	"github.com/symbolon/symbolon/checks/checkstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// installed finds the real program, or says loudly that the test is left out.
func installed(t *testing.T) *Reader {
	t.Helper()
	r, err := Find(t.Context())
	switch {
	case err == nil && r.Chinese():
		return r
	case os.Getenv("CI") == "true":
		t.Fatalf("Tesseract with Chinese is needed here: %v, %v; see scripts/need.sh", r, err)
	default:
		t.Skipf("SKIPPED: documents are not read, as Tesseract with Chinese is not installed (%v); see scripts/need.sh", err)
	}
	return nil
}

// examined is what the checks hand on for reading.
func examined(t *testing.T, file []byte) *image.Gray {
	t.Helper()
	m, err := jpeg.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return checks.Examine(m).Reading
}

var today = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

func TestACardAndAPassportAreRead(t *testing.T) {
	r := installed(t)
	if s := r.String(); !strings.HasPrefix(s, "Tesseract ") || !strings.HasSuffix(s, "(chi_sim, eng)") {
		t.Errorf("it calls itself %q", s)
	}
	front := examined(t, checkstest.Evidence(checkstest.Document{Side: checkstest.Front, Number: "440308199901101512"}))
	text, err := r.Read(t.Context(), front, cases.Chinese)
	if err != nil || !slices.Equal(checks.FindResidentNumbers(text, today), []string{"440308199901101512"}) {
		t.Errorf("the front: %v\n%s", err, text)
	}
	text, err = r.Read(t.Context(), checks.Turned(front, 2), cases.Latin)
	if err != nil || len(checks.FindResidentNumbers(text, today)) != 0 {
		t.Errorf("upside down: %v\n%s", err, text)
	}
	back := examined(t, checkstest.Evidence(checkstest.Document{Side: checkstest.Back}))
	text, err = r.Read(t.Context(), back, cases.Chinese)
	if err != nil || len(checks.FindResidentNumbers(text, today)) != 0 || !checks.HasDay(text, time.Date(2036, 3, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("the back: %v\n%s", err, text)
	}
	// Without letters that look like digits: their number would not be what was printed.
	page := examined(t, checkstest.Evidence(checkstest.Document{Side: checkstest.Page, MRZ: []string{
		"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "X898902C30UTO7408122F1204159ZE184226B<<<<<12"}}))
	text, err = r.Read(t.Context(), page, cases.Latin)
	if m, ok := checks.FindMRZ(text, today); err != nil || !ok || m.Birth != "1974-08-12" || m.Number != "X898902C3" {
		t.Errorf("the page: %v, %+v\n%s", err, m, text)
	}
}

// fake puts a program of this name first in PATH.
func fake(t *testing.T, script string) {
	t.Helper()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("SKIPPED: there is no shell")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tesseract"), []byte("#!/bin/sh\n"+script), 0o700); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

const answers = `case "$1" in
--version) echo "tesseract 9.9"; exit;;
--list-langs) printf 'List of available languages in "/x/" (2):\neng\nosd\n'; exit;;
esac
`

var small = image.NewGray(image.Rect(0, 0, 40, 20))

func TestWithoutTheProgramNothingIsFound(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := Find(t.Context()); !errors.Is(err, ErrAbsent) {
		t.Errorf("%v", err)
	}
	for name, script := range map[string]string{
		"it does not start":   "exit 1",
		"no English":          strings.ReplaceAll(answers, "eng", "fra"),
		"it never answers":    "exec sleep 60",
		"it answers too much": "exec yes",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PATH", "/usr/bin:/bin")
			fake(t, script)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			if r, err := Find(ctx); !errors.Is(err, ErrAbsent) {
				t.Errorf("%v, %v", r, err)
			}
		})
	}
}

func TestAProcessIsBounded(t *testing.T) {
	fake(t, answers+`ulimit -v; ulimit -t; ulimit -f; echo "$OMP_THREAD_LIMIT" "$SECRET" "$@"; head -c 15 | tr '\n' '|'`)
	t.Setenv("SECRET", "not to be seen")
	r, err := Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Chinese() || r.String() != "Tesseract 9.9 (eng)" {
		t.Errorf("%s", r)
	}
	text, err := r.Read(t.Context(), small, cases.Chinese)
	if want := "1048576\n20\n0\n1  stdin stdout -l eng --psm 6 --dpi 300\nP5 40 20 255|\x00\x00"; err != nil || text != want {
		t.Errorf("%v, %q, want %q", err, text, want)
	}
	for _, bad := range []image.Rectangle{{}, image.Rect(0, 0, 5000, 1)} {
		if _, err := r.Read(t.Context(), image.NewGray(bad), cases.Latin); err == nil {
			t.Errorf("a picture of %v is read", bad)
		}
	}
}

func TestAProcessThatMisbehavesIsEnded(t *testing.T) {
	for name, row := range map[string]struct {
		script string
		want   error
	}{
		"hangs":       {"exec sleep 60", context.DeadlineExceeded},
		"floods":      {"exec yes", errText},
		"fails":       {"echo something; exit 3", nil},
		"eats memory": {"head -c 2000000000 /dev/zero | tail -c 1999999999 >/dev/null || exit 1; exit 1", nil},
	} {
		t.Run(name, func(t *testing.T) {
			fake(t, answers+row.script)
			r, err := Find(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			began := time.Now()
			text, err := r.Read(ctx, small, cases.Latin)
			if err == nil || row.want != nil && !errors.Is(err, row.want) || text != "" {
				t.Errorf("%q, %v; want %v", text, err, row.want)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestOnlySoManyAreReadAtOnce(t *testing.T) {
	fake(t, answers+"exec sleep 60")
	r, err := Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range atOnce {
		r.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Read(ctx, small, cases.Latin); !errors.Is(err, context.Canceled) {
		t.Errorf("one more: %v", err)
	}
}
