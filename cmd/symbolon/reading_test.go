package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// greeting starts a server, and returns what it says and logs until it is ready.
func greeting(t *testing.T) (said, logged string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out, errs bytes.Buffer
	status := run(ctx, []string{"serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "data")},
		stdio{strings.NewReader(""), io.MultiWriter(&out, onWrite(cancel)), &errs, nil})
	if status != 0 {
		t.Fatalf("%d %s", status, errs.String())
	}
	return out.String(), errs.String()
}

func TestWhatReadsDocumentsIsSaidAtTheStart(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	said, logged := greeting(t)
	if !strings.Contains(said, "documents are not read: Tesseract is not installed; install tesseract-ocr") || !strings.Contains(logged, "level=WARN msg=documents_not_read") {
		t.Errorf("without it: %s\n%s", said, logged)
	}
	program := "#!/bin/sh\ncase \"$1\" in --version) echo tesseract 9.9;; --list-langs) echo eng;; esac\n"
	if err := os.WriteFile(filepath.Join(bin, "tesseract"), []byte(program), 0o700); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
	said, logged = greeting(t)
	if !strings.Contains(said, "Tesseract 9.9 (eng); Chinese is not read") || !strings.Contains(logged, "chinese_not_read") {
		t.Errorf("without Chinese: %s\n%s", said, logged)
	}
}
