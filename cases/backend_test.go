package cases_test

import (
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
)

func FuzzParseCursor(f *testing.F) {
	for _, seed := range []string{
		"", "x", "MS4", cases.Cursor{UpdatedAt: time.UnixMilli(1772366400000), ID: "cas_01JNA3"}.String(),
		base64.RawURLEncoding.EncodeToString([]byte("01.cas_1")), base64.RawURLEncoding.EncodeToString([]byte("-5.姓")),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := cases.ParseCursor(s)
		if err != nil {
			if !errors.Is(err, cases.ErrCursor) || c != (cases.Cursor{}) {
				t.Fatalf("%q: %v, %v", s, c, err)
			}
			return
		}
		if c.String() != s {
			t.Fatalf("%q is read as %v, which is written %q", s, c, c.String())
		}
	})
}
