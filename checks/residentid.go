// Package checks examines evidence: document numbers, photos. It is pure: what it needs,
// the day included, comes in as an argument, and it reads and writes nothing.
package checks

import (
	"errors"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Verdicts on a document number, from the first that fails.
var (
	// ErrNumberForm: it does not have the length and characters of such a number.
	ErrNumberForm = errors.New("checks: number has not the form of this document")
	// ErrNumberCheck: the check character is wrong; most likely a typing error.
	ErrNumberCheck = errors.New("checks: check character is wrong")
	// ErrNumberDate: the check character is right but the date in it cannot be a birth date.
	ErrNumberDate = errors.New("checks: date in the number is impossible")
)

// Sex as identity documents state it.
type Sex string

// The values of Sex.
const (
	Male   Sex = "male"
	Female Sex = "female"
)

// ResidentID is what a PRC resident identity number says.
type ResidentID struct {
	Number string // normalised: 18 characters, upper-case X
	Birth  time.Time
	Sex    Sex
	Region Region // what is known of its first six digits; says nothing about a residence permit's
}

// oldestAge is the age in years above which a birth date is taken for a mistake.
const oldestAge = 150

// ParseResidentID reads a PRC resident identity number of 18 characters (GB 11643-1999:
// region 6, birth date 8, sequence 3 of which the last digit is odd for men, check
// character by ISO 7064 MOD 11-2). Spaces, hyphens and full-width characters are forgiven.
// today is the day on which the birth date must not lie ahead. The error is
// ErrNumberForm, ErrNumberCheck or ErrNumberDate; a region that is unknown or abandoned is
// none, while an unknown province is.
func ParseResidentID(s string, today time.Time) (ResidentID, error) {
	n := NormalizeNumber(s)
	if len(n) != 18 || !provinces[n[:2]] {
		return ResidentID{}, ErrNumberForm
	}
	id, err := parse18(n, today)
	if err != nil {
		return ResidentID{}, err
	}
	id.Region = RegionOf(n[:6])
	return id, nil
}

// parse18 reads a normalised number of 18 characters, whatever its region is.
func parse18(n string, today time.Time) (ResidentID, error) {
	if len(n) != 18 || !digits(n[:17]) || (n[17] != 'X' && !digits(n[17:])) {
		return ResidentID{}, ErrNumberForm
	}
	if residentCheck(n[:17]) != n[17] {
		return ResidentID{}, ErrNumberCheck
	}
	birth, err := time.Parse("20060102", n[6:14])
	if err != nil || !PlausibleBirth(birth, today) {
		return ResidentID{}, ErrNumberDate
	}
	sex := Female
	if (n[16]-'0')%2 == 1 {
		sex = Male
	}
	return ResidentID{Number: n, Birth: birth, Sex: sex}, nil
}

// residentCheck returns the check character of 17 digits (ISO 7064 MOD 11-2).
func residentCheck(d string) byte {
	weights := [17]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}
	sum := 0
	for i, w := range weights {
		sum += int(d[i]-'0') * w
	}
	return "10X98765432"[sum%11]
}

// provinces are the first two digits of GB/T 2260 codes on resident ID cards.
var provinces = func() map[string]bool {
	m := map[string]bool{}
	for _, p := range strings.Fields("11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71") {
		m[p] = true
	}
	return m
}()

// NormalizeNumber brings a typed document number to the form that is compared: NFKC (full-width
// characters become ASCII), upper case, without white space and hyphens.
func NormalizeNumber(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '-' || r == '\u2010' || r == '\u2011' {
			return -1
		}
		return unicode.ToUpper(r)
	}, norm.NFKC.String(s))
}

// PlausibleBirth reports whether somebody alive on the day today can be born on birth.
func PlausibleBirth(birth, today time.Time) bool {
	return !birth.After(today) && birth.AddDate(oldestAge, 0, 0).After(today)
}

// AgeOn returns the age in whole years on a day. Who is born on 29 February turns a year
// older on 1 March of a common year.
func AgeOn(birth, day time.Time) int {
	age := day.Year() - birth.Year()
	if day.Month() < birth.Month() || day.Month() == birth.Month() && day.Day() < birth.Day() {
		age--
	}
	return age
}

// Day returns the calendar day on which t falls in loc, as midnight UTC, so that days compare.
func Day(t time.Time, loc *time.Location) time.Time {
	y, m, d := t.In(loc).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
