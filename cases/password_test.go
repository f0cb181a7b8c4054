package cases_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
)

// The time of an answer must not tell whether there is an account. Clocks are too coarse to show
// that, so this shows what the time is made of: every way through Authenticate comes to the one hash, and
// the hash of nobody costs what that of somebody does.
func TestEverySignInCostsOneHash(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	anna, err := b.SignUp(ctx, "anna@example.com", goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	tries := map[string][2]string{
		"right":               {"anna@example.com", goodPassword},
		"wrong":               {"anna@example.com", "not the password"},
		"nobody":              {"nobody@example.com", goodPassword},
		"no address":          {"no address", goodPassword},
		"no password":         {"anna@example.com", ""},
		"a long one":          {"anna@example.com", strings.Repeat("x", 1<<20)},
		"a long one, nobody":  {"nobody@example.com", strings.Repeat("x", 1<<20)},
		"bytes that are none": {"anna@example.com", "\xff\xfe\x00"},
	}
	release := b.TakeTurns(time.Millisecond)
	for name, try := range tries {
		if _, err := b.Authenticate(ctx, try[0], try[1]); !errors.Is(err, cases.ErrBusy) {
			t.Errorf("%s: answered without a hash: %v", name, err)
		}
	}
	if err := b.CheckPassword(ctx, "acc_unknown", goodPassword); !errors.Is(err, cases.ErrBusy) {
		t.Errorf("an account of nobody: answered without a hash: %v", err)
	}
	release()

	stored, err := b.store.Account(ctx, anna.ID)
	if err != nil {
		t.Fatal(err)
	}
	memory, passes, err := b.Cost(stored.Password)
	if err != nil {
		t.Fatal(err)
	}
	if m, p, err := b.Cost(""); err != nil || m != memory || p != passes || m < 19<<10 || p < 2 {
		t.Errorf("an account costs %d KiB and %d passes, nobody %d and %d (%v)", memory, passes, m, p, err)
	}
}
