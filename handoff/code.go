package handoff

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/symbolon/symbolon/seal"
)

// A code is written in one of two ways:
//
//   - <locator>.<secret>, in the fragment of an address: ten Crockford characters that find
//     the offer and 128 bits that prove it. The secret is that of the link, or of the n-th
//     picture of the offer.
//   - the text code, eight Crockford characters that a person reads off the desk and types.
const (
	crockford     = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	locatorLength = 10
	textLength    = 8
	secretBytes   = 16
	secretLength  = 22 // of secretBytes in base64url
	maxCodeInput  = 512
	fragment      = "/h#c=" // between the origin and the code
)

var secretCoding = base64.RawURLEncoding.Strict()

// code is what somebody presented, taken apart: either locator and secret, or text.
type code struct {
	locator string
	secret  []byte
	text    string
}

// parseCode reads a code as a scanner, a link or a person gives it. It forgives what people
// mistype (O for 0, I or L for 1, U for V, lower case, full-width characters, spaces,
// hyphens) and takes a whole pasted address. Whatever it returns is well formed.
func parseCode(s string) (code, bool) {
	if len(s) > maxCodeInput {
		return code{}, false
	}
	s = strings.TrimSpace(s)
	if _, after, ok := strings.Cut(s, "#"); ok {
		s = after
	}
	s = strings.TrimPrefix(s, "c=")
	if locator, secret, ok := strings.Cut(s, "."); ok {
		if locator, ok = readCrockford(locator, locatorLength); !ok || len(secret) != secretLength {
			return code{}, false
		}
		b, err := secretCoding.DecodeString(secret)
		if err != nil || len(b) != secretBytes {
			return code{}, false
		}
		return code{locator: locator, secret: b}, true
	}
	text, ok := readCrockford(s, textLength)
	return code{text: text}, ok
}

// Guessable reports whether what somebody presents is in the form of a text code, which is short
// enough to be found by trying many. Whoever lets codes in has to bound those tries before they are
// looked at; pictures and links need no such bound.
func Guessable(presented string) bool {
	c, ok := parseCode(presented)
	return ok && c.text != ""
}

// readCrockford brings n typed characters into their one written form.
func readCrockford(s string, n int) (string, bool) {
	var b strings.Builder
	for _, r := range s {
		if r >= 0xFF01 && r <= 0xFF5E { // full-width forms, as Chinese keyboards send them
			r -= 0xFF01 - '!'
		}
		switch r {
		case ' ', '-', '\t', '\u00a0', '\u3000', '\u2010', '\u2011', '\u2012', '\u2013', '\u2014', '\u2212':
			continue
		}
		if r >= 'a' && r <= 'z' {
			r -= 'a' - 'A'
		}
		switch r {
		case 'O':
			r = '0'
		case 'I', 'L':
			r = '1'
		case 'U':
			r = 'V'
		}
		if r > 'Z' || strings.IndexByte(crockford, byte(r)) < 0 || b.Len() == n {
			return "", false
		}
		b.WriteByte(byte(r))
	}
	return b.String(), b.Len() == n
}

// toCrockford writes n characters (n ≤ len(random)) with five bits of each byte.
func toCrockford(random []byte, n int) string {
	out := make([]byte, n)
	for i := range out {
		out[i] = crockford[random[i]&31]
	}
	return string(out)
}

// newLocator returns a fresh random locator.
func newLocator() string {
	var b [locatorLength]byte
	_, _ = rand.Read(b[:]) // never fails
	return toCrockford(b[:], locatorLength)
}

// newNumber returns a random number from 10 to 99 that is not old.
func newNumber(old string) string {
	for {
		var b [1]byte
		_, _ = rand.Read(b[:])
		if b[0] >= 180 { // the rest would make some numbers likelier than others
			continue
		}
		if n := strconv.Itoa(10 + int(b[0])%90); n != old {
			return n
		}
	}
}

// offerKey makes every code of one offer.
type offerKey struct{ seal.Key }

func (k offerKey) text() string         { return toCrockford(k.Index("text", ""), textLength) }
func (k offerKey) link() []byte         { return k.Index("link", "")[:secretBytes] }
func (k offerKey) picture(n int) []byte { return k.Index("qr", strconv.Itoa(n))[:secretBytes] }

// showText writes a text code as the desk shows it.
func showText(text string) string { return text[:textLength/2] + "-" + text[textLength/2:] }

// pictureAt returns which picture is on the screen at t, and when the next one comes.
func pictureAt(offered, t time.Time) (n int, next time.Time) {
	n = max(0, int(t.Sub(offered)/RotateEvery))
	return n, offered.Add(time.Duration(n+1) * RotateEvery)
}

// lastPicture is the number of the last picture that an offer can show.
const lastPicture = int(OfferFor / RotateEvery)

// judged is what a secret turned out to be.
type judged struct {
	known   bool // it is a code of this offer
	fresh   bool // and still counts
	picture int  // which one, or -1 for the link and the text code
}

// judge compares a secret with every code of the offer, each in constant time. A picture
// counts until GoodAfter after it left the screen, or as long as an `open` prolonged it. The
// picture that comes next counts too: another node's clock may be a little ahead.
func (r Record) judge(k offerKey, secret []byte, now time.Time) judged {
	if subtle.ConstantTimeCompare(secret, k.link()) == 1 {
		return judged{known: true, fresh: true, picture: -1}
	}
	current, _ := pictureAt(r.OfferedAt, now)
	for n := range min(current+1, lastPicture) + 1 {
		if subtle.ConstantTimeCompare(secret, k.picture(n)) != 1 {
			continue
		}
		left := r.OfferedAt.Add(time.Duration(n+1) * RotateEvery)
		fresh := now.Before(left.Add(GoodAfter)) || now.Before(r.OpenedUntil[n])
		return judged{known: true, fresh: fresh, picture: n}
	}
	return judged{}
}
