package checks

import (
	"strings"
	"time"
	"unicode"
)

// maxText bounds the text of one picture that is searched, in bytes.
const maxText = 64 << 10

// FindResidentNumbers returns the numbers of the form of GB 11643, resident IDs and residence permits, that stand anywhere in
// text that was read from a picture: those whose region, birth date and check character are right, each once.
// Letters that optical reading takes digits for are exchanged; spaces within a line are no end.
func FindResidentNumbers(text string, today time.Time) []string {
	var out []string
	seen := map[string]bool{}
	for line := range strings.Lines(text[:min(len(text), maxText)]) {
		l := toDigits.Replace(NormalizeNumber(line))
		runes := []rune(l)
		for i := 0; i+18 <= len(runes); i++ {
			n := string(runes[i : i+18])
			if len(n) != 18 || seen[n] {
				continue
			}
			if !provinces[n[:2]] && !residenceRegions[n[:6]] {
				continue
			}
			if _, err := parse18(n, today); err == nil {
				seen[n] = true
				out = append(out, n)
			}
		}
	}
	return out
}

var residenceRegions = map[string]bool{RegionHongKong: true, RegionMacau: true, RegionTaiwan: true}

// HasNumber reports whether a normalised number stands in a line of text that was read from a picture.
func HasNumber(text, number string) bool {
	if number == "" {
		return false
	}
	for line := range strings.Lines(text[:min(len(text), maxText)]) {
		if strings.Contains(NormalizeNumber(line), number) {
			return true
		}
	}
	return false
}

// HasDay reports whether a day stands in text that was read from a picture, written 2026.03.01 or in another order
// of digits alone that begins with the year.
func HasDay(text string, day time.Time) bool {
	digits := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsDigit(r):
			return r
		case r == '\n':
			return r
		}
		return -1
	}, text[:min(len(text), maxText)])
	return strings.Contains(digits, day.Format("20060102"))
}

// FindMRZ returns the machine-readable zone in text that was read from a picture, if all of its check digits pass (see
// ParseMRZ). Fillers at the end of a passport's first line, which has no check digit, are often misread and their
// number miscounted: that line is brought to its length, so the names are to be compared, never trusted.
func FindMRZ(text string, asOf time.Time) (MRZ, bool) {
	text = text[:min(len(text), maxText)]
	if m, err := ParseMRZ(text, asOf); err == nil {
		return m, true
	}
	lines := mrzLines(text)
	for i := 1; i < len(lines); i++ {
		first, second := lines[i-1], lines[i]
		if len(second) != td3.width || len(first) < 30 || len(first) > 60 || first[0] != 'P' {
			continue
		}
		first = (first + strings.Repeat("<", td3.width))[:td3.width]
		if m, err := ParseMRZ(first+"\n"+second, asOf); err == nil {
			return m, true
		}
	}
	return MRZ{}, false
}

// SameReading reports whether two numbers differ at most in characters that optical reading confuses. Some of those, such as
// L and 1, a check digit of a machine-readable zone does not tell apart either.
func SameReading(a, b string) bool {
	return toDigits.Replace(a) == toDigits.Replace(b)
}
