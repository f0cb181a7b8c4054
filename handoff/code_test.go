package handoff

import (
	"strings"
	"testing"
	"time"

	"github.com/symbolon/symbolon/seal"
)

// FuzzParseCode: whatever comes in, what comes out is one well-formed code, and reading it
// as it is written gives the same again.
func FuzzParseCode(f *testing.F) {
	k := offerKey{seal.NewKey()}
	link := newLocator() + "." + secretCoding.EncodeToString(k.link())
	for _, s := range []string{
		"", link, "https://kyc.example.com/h#c=" + link, "#c=" + link, "7K3M-9QXT", "7k3m 9qxt", "oil0-uvvu", "７Ｋ３Ｍ－９ＱＸＴ",
		"7K3M—9QXT", "\xff\xfe", "#", "c=", "c=c=", ".", strings.Repeat("-", maxCodeInput), strings.Repeat("0", maxCodeInput+1), link + "=",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, ok := parseCode(s)
		if !ok {
			return
		}
		written := c.text
		switch {
		case c.locator != "" && c.text == "" && len(c.secret) == secretBytes && len(c.locator) == locatorLength:
			written = c.locator + "." + secretCoding.EncodeToString(c.secret)
		case c.locator == "" && c.secret == nil && len(c.text) == textLength:
		default:
			t.Fatalf("%q gave %+v", s, c)
		}
		if strings.Trim(c.locator+c.text, crockford) != "" {
			t.Errorf("%q gave characters outside the alphabet: %+v", s, c)
		}
		again, ok := parseCode(written)
		if !ok || again.locator != c.locator || again.text != c.text || string(again.secret) != string(c.secret) {
			t.Errorf("%q gave %+v, which reads as %+v", s, c, again)
		}
	})
}

func TestCodesOfAnOfferAreAllDifferent(t *testing.T) {
	k := offerKey{seal.NewKey()}
	seen := map[string]bool{string(k.link()): true}
	for n := range lastPicture + 2 {
		seen[string(k.picture(n))] = true
	}
	if len(seen) != lastPicture+3 {
		t.Errorf("%d different codes of %d", len(seen), lastPicture+3)
	}
	if other := (offerKey{seal.NewKey()}); other.text() == k.text() || string(other.link()) == string(k.link()) {
		t.Error("two offers have the same codes")
	}
}

// A picture of a node whose clock is ahead is taken, one of the far future is not.
func TestClocksMayDifferALittle(t *testing.T) {
	k, offered := offerKey{seal.NewKey()}, time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	r := Record{OfferedAt: offered}
	if j := r.judge(k, k.picture(4), offered.Add(4*RotateEvery-time.Second)); !j.known || !j.fresh || j.picture != 4 {
		t.Errorf("the next picture: %+v", j)
	}
	if j := r.judge(k, k.picture(4), offered.Add(3*RotateEvery-time.Second)); j.known {
		t.Errorf("the one after: %+v", j)
	}
	if j := r.judge(k, k.picture(0), offered.Add(-time.Hour)); !j.known {
		t.Errorf("a clock far behind the offer: %+v", j)
	}
}

func TestNumbersCoverTheirRangeAndChange(t *testing.T) {
	seen := map[string]bool{}
	for last := ""; len(seen) < 90; {
		n := newNumber(last)
		if n == last || len(n) != 2 || n < "10" || n > "99" {
			t.Fatalf("%q after %q", n, last)
		}
		seen[n], last = true, n
	}
}
