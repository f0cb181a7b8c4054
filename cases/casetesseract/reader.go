// Package casetesseract reads documents with Tesseract, where it is installed: one process for
// each picture, bounded in time, memory and number.
//
// The process gets a plain grey picture that this program decoded and made small, never the
// bytes that somebody sent, through its standard input, and leaves no files.
package casetesseract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/symbolon/symbolon/cases"
)

// Bounds of one reading.
const (
	readFor   = 20 * time.Second
	findFor   = 10 * time.Second
	atOnce    = 2
	memoryKiB = 1 << 20  // of address space
	mostText  = 64 << 10 // bytes
	mostSide  = 4000     // pixels
)

// ErrAbsent is returned by Find where there is no Tesseract that can be used.
var ErrAbsent = errors.New("casetesseract: Tesseract is not installed")

// errText: a process wrote more than a document can hold.
var errText = errors.New("casetesseract: too much text")

// Reader reads pictures. It is safe for concurrent use.
type Reader struct {
	program   string
	shell     string // to set limits with, or ""
	version   string
	languages []string // of English and simplified Chinese, those that are installed
	slots     chan struct{}
}

// Find looks for the program in PATH and asks which languages it knows. The error is ErrAbsent, with what is missing.
func Find(ctx context.Context) (*Reader, error) {
	program, err := exec.LookPath("tesseract")
	if err != nil {
		return nil, ErrAbsent
	}
	r := &Reader{program: program, slots: make(chan struct{}, atOnce)}
	r.shell, _ = exec.LookPath("sh")
	ctx, cancel := context.WithTimeout(ctx, findFor)
	defer cancel()
	about, err := r.run(ctx, nil, "--version")
	if err != nil {
		return nil, fmt.Errorf("%w: it does not start: %w", ErrAbsent, err)
	}
	first, _, _ := strings.Cut(about, "\n")
	r.version = strings.TrimSpace(strings.TrimPrefix(first, "tesseract"))
	list, err := r.run(ctx, nil, "--list-langs")
	if err != nil {
		return nil, fmt.Errorf("%w: it does not list its languages: %w", ErrAbsent, err)
	}
	known := strings.Fields(list)
	for _, l := range []string{"chi_sim", "eng"} {
		if slices.Contains(known, l) {
			r.languages = append(r.languages, l)
		}
	}
	if !slices.Contains(r.languages, "eng") {
		return nil, fmt.Errorf("%w: its English data (eng) is missing", ErrAbsent)
	}
	return r, nil
}

// String says which version reads which languages.
func (r *Reader) String() string {
	return fmt.Sprintf("Tesseract %s (%s)", r.version, strings.Join(r.languages, ", "))
}

// Chinese reports whether simplified Chinese can be read; digits can be without.
func (r *Reader) Chinese() bool { return slices.Contains(r.languages, "chi_sim") }

// Read returns the text of a picture. It waits while as many are read as may be at once.
func (r *Reader) Read(ctx context.Context, m *image.Gray, s cases.Script) (string, error) {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	if w < 1 || h < 1 || w > mostSide || h > mostSide {
		return "", fmt.Errorf("casetesseract: a picture of %d×%d is not read", w, h)
	}
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, readFor)
	defer cancel()
	languages := "eng"
	if s == cases.Chinese && r.Chinese() {
		languages = "chi_sim+eng"
	}
	// One block of text (6) keeps lines together that other modes take for columns.
	return r.run(ctx, pgm(m), "stdin", "stdout", "-l", languages, "--psm", "6", "--dpi", "300")
}

// run runs the program with limits and returns what it wrote.
func (r *Reader) run(ctx context.Context, input []byte, args ...string) (string, error) {
	name := r.program
	if r.shell != "" {
		// A system that does not know one of the limits goes on without it.
		limits := fmt.Sprintf("ulimit -v %d; ulimit -t %d; ulimit -f 0; ulimit -c 0", memoryKiB, int(readFor/time.Second))
		args = append([]string{"-c", "{ " + limits + "; } 2>/dev/null; exec \"$@\"", "sh", r.program}, args...)
		name = r.shell
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // the program found at start, and arguments of ours
	cmd.Dir = "/"
	cmd.Env = []string{"OMP_THREAD_LIMIT=1", "LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	if data, ok := os.LookupEnv("TESSDATA_PREFIX"); ok {
		cmd.Env = append(cmd.Env, "TESSDATA_PREFIX="+data)
	}
	cmd.Stdin = bytes.NewReader(input)
	out := &bounded{full: func() { stop(errText) }}
	cmd.Stdout = out // what it says on standard error may hold what it read: nobody keeps it
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("casetesseract: %w", err)
	}
	return out.text.String(), nil
}

// bounded takes so many bytes and no more: then it calls full, which ends whoever writes.
type bounded struct {
	text bytes.Buffer // not embedded: its ReadFrom would go round Write
	full func()
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.text.Len()+len(p) > mostText {
		b.full()
		return 0, errText
	}
	return b.text.Write(p)
}

// pgm is a grey picture in the simplest form there is.
func pgm(m *image.Gray) []byte {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	out := fmt.Appendf(make([]byte, 0, w*h+32), "P5 %d %d 255\n", w, h)
	for y := range h {
		out = append(out, m.Pix[y*m.Stride:y*m.Stride+w]...)
	}
	return out
}
