package checks

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
)

// structure reads "holder in company share" lines; persons are written in lower case.
func structure(t testing.TB, s string) (hs []Holding) {
	t.Helper()
	for _, l := range strings.Split(s, ";") {
		f := strings.Fields(l)
		share, ok := ParseShare(f[2])
		if !ok {
			t.Fatalf("share %q", f[2])
		}
		hs = append(hs, Holding{f[0], f[1], share})
	}
	return hs
}

func isLower(s string) bool { return s == strings.ToLower(s) }

func TestOwners(t *testing.T) {
	for _, row := range []struct{ name, structure, want string }{
		{"directly", "anna X 60%; bo X 40%", "anna 3/5 3/5, bo 2/5 2/5, rest 0/1"},
		{"multiplied along the chain", "anna A 60%; A X 45%; bo X 55%", "bo 11/20 11/20, anna 27/100 9/20, rest 9/50"},
		{"exactly a quarter", "anna A 50%; A X 50%", "anna 1/4 0/1, rest 3/4"},
		{"just under it", "anna A 26%; A X 95%", "anna 247/1000 0/1, rest 753/1000"},
		{"added over two chains", "anna A 1/2; anna B 1/2; A X 1/3; B X 1/3; anna X 1/3", "anna 2/3 1/3, rest 1/3"},
		{"a circle", "anna A 90%; X A 10%; A X 50%; bo X 50%", "bo 10/19 1/2, anna 9/19 1/2, rest 0/1"},
		{"a company that holds a part of itself", "X X 20%; anna X 80%", "anna 1/1 4/5, rest 0/1"},
		{"control through two levels", "anna A 51%; A B 51%; B X 51%", "anna 132651/1000000 51/100, rest 867349/1000000"},
		{"nobody named", "A X 100%", "rest 1/1"},
	} {
		owners, rest, err := Owners("X", structure(t, row.structure), isLower)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		var got strings.Builder
		for _, o := range owners {
			fmt.Fprintf(&got, "%s %s %s, ", o.Party, o.Share, o.Control)
		}
		fmt.Fprintf(&got, "rest %s", rest)
		if got.String() != row.want {
			t.Errorf("%s: %s, want %s", row.name, got.String(), row.want)
		}
	}
}

func TestOwnersThatCannotBe(t *testing.T) {
	for structured, want := range map[string]error{
		"anna X 60%; bo X 41%":           ErrSharesOverWhole,
		"A X 100%; anna A 60%; bo A 50%": ErrSharesOverWhole,
		"X X 100%":                       ErrClosedCircle,
		"A X 100%; B A 100%; X B 100%":   ErrClosedCircle,
	} {
		_, _, err := Owners("X", structure(t, structured), isLower)
		var e *OwnershipError
		if !errors.Is(err, want) || !errors.As(err, &e) || e.Company == "" {
			t.Errorf("%s: %v, want %v", structured, err, want)
		}
	}
}

func TestParseShare(t *testing.T) {
	for s, want := range map[string]string{
		"27%": "27/100", "27/100": "27/100", "33.4%": "167/500", "100%": "1/1", " 1 / 3 ": "1/3", "２７％": "27/100", "0.000000001%": "1/100000000000",
		"0%": "", "101%": "", "4/3": "", "1/0": "", "-1%": "", "27": "", "": "", "1e9%": "", "0x1/2": "", "1//2": "",
	} {
		got, ok := ParseShare(s)
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%q: %v, want %q", s, got, want)
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
