package sessions_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/symbolon/symbolon/seal"
	"github.com/symbolon/symbolon/sessions"
)

// untouched is a store that nothing may reach.
type untouched struct{ sessions.Store }

// A token that is not of the form never reaches the store, and never panics.
func FuzzToken(f *testing.F) {
	for _, seed := range []string{"", "sd_", "ct_" + strings.Repeat("A", 43), "st_" + strings.Repeat("A", 42) + "B", "sd_\xff", "sk_" + strings.Repeat("A", 43)} {
		f.Add(seed)
	}
	s, err := sessions.New(sessions.Config{Store: untouched{}, Key: seal.NewKey()})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if len(token) == 46 && (strings.HasPrefix(token, "sd_") || strings.HasPrefix(token, "st_") || strings.HasPrefix(token, "ct_")) {
			if _, err := base64.RawURLEncoding.Strict().DecodeString(token[3:]); err == nil {
				return // well formed
			}
		}
		if _, err := s.Lookup(ctx, token); !errors.Is(err, sessions.ErrUnknown) {
			t.Errorf("%q: %v", token, err)
		}
	})
}
