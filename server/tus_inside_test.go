package server

import (
	"strings"
	"testing"
)

func FuzzMetadata(f *testing.F) {
	for _, seed := range []string{
		"", "case Y2FzZV8x,step ZmFjZQ==", "case", "case ", ",", "a b,a b", "step Zm9v, case YmFy", " x  eA==", "x ====", "\x00 eA==", "ключ eA==",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		given, err := parseMetadata(text)
		if err != nil {
			return
		}
		if want := strings.Count(text, ",") + 1; text != "" && len(given) != want {
			t.Fatalf("%q: %d members, want %d", text, len(given), want)
		}
		for name := range given {
			if name == "" || strings.ContainsAny(name, " ,\r\n\x00") {
				t.Fatalf("%q: name %q", text, name)
			}
		}
	})
}

func FuzzRange(f *testing.F) {
	for _, seed := range []string{
		"bytes=0-0", "bytes=-1", "bytes=1-", "bytes=5-2", "bytes=0-1,2-3", "bytes=", "bytes=-", "bytes=99999999999999999999-", "bytes=+1-2", "items=1-2", "bytes=0-9223372036854775807",
	} {
		f.Add(seed, int64(100))
		f.Add(seed, int64(0))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		from, length, partial, ok := oneRange(header, size)
		switch {
		case !ok: // outside
			if !strings.HasPrefix(header, "bytes=") {
				t.Fatalf("%q is no range", header)
			}
		case !partial:
			if from != 0 || length != size {
				t.Fatalf("%q of %d: %d+%d", header, size, from, length)
			}
		case from < 0 || length <= 0 || from > size-length:
			t.Fatalf("%q of %d: %d+%d", header, size, from, length)
		}
	})
}
