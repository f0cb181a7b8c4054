package checks

import (
	"regexp"
	"strings"
)

// usccAlphabet is the alphabet of GB 32100-2015: without I, O, S, V and Z.
const usccAlphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"

// ParseUSCC reads a unified social credit code (GB 32100-2015): authority 1, category 1, region 6,
// organisation code 9, check character. Both check characters are verified, the inner one of
// the organisation code (GB 11714-1997) too, because it finds transpositions that the outer one
// misses. The error is ErrNumberForm or ErrNumberCheck.
func ParseUSCC(s string) (string, error) {
	n := NormalizeNumber(s)
	if len(n) != 18 || !digits(n[2:8]) {
		return "", ErrNumberForm
	}
	sum, weight := 0, 1
	for i := range 17 {
		v := strings.IndexByte(usccAlphabet, n[i])
		if v < 0 {
			return "", ErrNumberForm
		}
		sum += v * weight
		weight = weight * 3 % 31
	}
	if strings.IndexByte(usccAlphabet, n[17]) < 0 {
		return "", ErrNumberForm
	}
	if n[17] != usccAlphabet[(31-sum%31)%31] || n[16] != organisationCheck(n[8:16]) {
		return "", ErrNumberCheck
	}
	return n, nil
}

// organisationCheck returns the check character of an organisation code (GB 11714-1997, MOD 11).
func organisationCheck(code string) byte {
	sum := 0
	for i, w := range [8]int{3, 7, 9, 10, 5, 8, 4, 2} {
		sum += base36(code[i]) * w
	}
	switch c := 11 - sum%11; c {
	case 10:
		return 'X'
	case 11:
		return '0'
	default:
		return byte('0' + c)
	}
}

var leiForm = regexp.MustCompile(`^[0-9A-Z]{18}[0-9]{2}$`)

// ParseLEI reads a legal entity identifier (ISO 17442: 20 characters, ISO 7064 MOD 97-10). The error
// is ErrNumberForm or ErrNumberCheck.
func ParseLEI(s string) (string, error) {
	n := NormalizeNumber(s)
	if !leiForm.MatchString(n) {
		return "", ErrNumberForm
	}
	rest := 0
	for i := range len(n) {
		if v := base36(n[i]); v < 10 {
			rest = (rest*10 + v) % 97
		} else {
			rest = (rest*100 + v) % 97
		}
	}
	if rest != 1 {
		return "", ErrNumberCheck
	}
	return n, nil
}

// base36 is the value of a digit or an upper-case letter: A is 10.
func base36(c byte) int {
	if c >= 'A' {
		return int(c-'A') + 10
	}
	return int(c - '0')
}
