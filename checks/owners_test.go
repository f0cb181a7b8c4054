package checks

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
)

type ownersVector struct {
	Name     string
	Holdings []struct{ Holder, In, Share string }
	Owners   []struct{ Party, Share, Control string }
	Rest     string
	Error    string
	Company  string
}

// Parties of the vectors that are written in lower case are persons; X is the company.
func isLower(s string) bool { return s == strings.ToLower(s) }

func TestOwners(t *testing.T) {
	kinds := map[string]error{"over_whole": ErrSharesOverWhole, "circle": ErrClosedCircle}
	for _, v := range vectors[ownersVector](t, "owners.json") {
		var hs []Holding
		for _, h := range v.Holdings {
			share, ok := ParseShare(h.Share)
			if !ok {
				t.Fatalf("%s: share %q", v.Name, h.Share)
			}
			hs = append(hs, Holding{h.Holder, h.In, share})
		}
		owners, rest, err := Owners("X", hs, isLower)
		if v.Error != "" {
			var e *OwnershipError
			if !errors.Is(err, kinds[v.Error]) || !errors.As(err, &e) || e.Company != v.Company {
				t.Errorf("%s: %+v, want %s at %s", v.Name, err, v.Error, v.Company)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		var got, want strings.Builder
		for _, o := range owners {
			fmt.Fprintf(&got, "%s %s %s, ", o.Party, o.Share, o.Control)
		}
		for _, o := range v.Owners {
			fmt.Fprintf(&want, "%s %s %s, ", o.Party, o.Share, o.Control)
		}
		if got.String() != want.String() || rest.String() != v.Rest {
			t.Errorf("%s: %s rest %s, want %s rest %s", v.Name, got.String(), rest, want.String(), v.Rest)
		}
	}
}

func TestParseShare(t *testing.T) {
	for _, v := range vectors[struct{ Text, Share string }](t, "shares.json") {
		got, ok := ParseShare(v.Text)
		if ok != (v.Share != "") || ok && got.String() != v.Share {
			t.Errorf("%q: %v, want %q", v.Text, got, v.Share)
		}
	}
}

func FuzzOwners(f *testing.F) {
	f.Add([]byte{0, 1, 50, 2, 1, 50, 1, 2, 10})
	f.Fuzz(func(t *testing.T, b []byte) {
		var hs []Holding
		for ; len(b) >= 3 && len(hs) < 12; b = b[3:] {
			hs = append(hs, Holding{string("abcXYZ"[b[0]%6]), string("XYZ"[b[1]%3]), big.NewRat(int64(b[2]%100)+1, 100)})
		}
		owners, rest, err := Owners("X", hs, isLower)
		if err != nil {
			return
		}
		sum := new(big.Rat).Set(rest)
		for _, o := range owners {
			if o.Share.Sign() < 0 {
				t.Errorf("%s owns %s", o.Party, o.Share)
			}
			sum.Add(sum, o.Share)
		}
		if sum.Cmp(big.NewRat(1, 1)) != 0 || rest.Sign() < 0 {
			t.Errorf("%v: shares and rest are %s, rest %s", hs, sum, rest)
		}
	})
}
