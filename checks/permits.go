package checks

import (
	"regexp"
	"strings"
	"time"
)

// The permits and cards, besides the resident ID card, that the PRC issues to people. Each Parse
// function normalises what was typed (see NormalizeNumber) and returns ErrNumberForm,
// ErrNumberCheck or ErrNumberDate.

var (
	permitHM      = regexp.MustCompile(`^[HM][0-9]{8}([0-9]{2})?$`)
	permitTW      = regexp.MustCompile(`^[0-9]{8}$`)
	residence2017 = regexp.MustCompile(`^[A-Z]{3}[0-9]{12}$`)
	residence2023 = regexp.MustCompile(`^9[0-9]{16}[0-9X]$`)
)

// ParsePermitHKMacau reads the number of a Mainland Travel Permit for Hong Kong and Macau Residents
// (港澳居民来往内地通行证): H or M, eight digits that a person keeps for life, and on older cards two more that
// count the renewals. person is the part that stays the same.
func ParsePermitHKMacau(s string) (number, person string, err error) {
	n := NormalizeNumber(s)
	if !permitHM.MatchString(n) {
		return "", "", ErrNumberForm
	}
	return n, n[:9], nil
}

// ParsePermitTaiwan reads the number of a Mainland Travel Permit for Taiwan Residents
// (台湾居民来往大陆通行证) of the card kind issued since 2015: eight digits.
func ParsePermitTaiwan(s string) (string, error) {
	n := NormalizeNumber(s)
	if !permitTW.MatchString(n) {
		return "", ErrNumberForm
	}
	return n, nil
}

// ParseResidencePermit reads the number of a residence permit for Hong Kong, Macau or Taiwan
// residents (港澳台居民居住证, since 2018): the form of GB 11643 with the region 810000, 820000 or
// 830000. regions are those that are taken.
func ParseResidencePermit(s string, today time.Time, regions ...string) (ResidentID, error) {
	n := NormalizeNumber(s)
	for _, r := range regions {
		if strings.HasPrefix(n, r) {
			return parse18(n, today)
		}
	}
	return ResidentID{}, ErrNumberForm
}

// Regions of residence permits.
const (
	RegionHongKong = "810000"
	RegionMacau    = "820000"
	RegionTaiwan   = "830000"
)

// ParseForeignerCard reads the number of a foreigner's permanent residence card: three letters and
// twelve digits on the card of 2017, eighteen characters that begin with 9 and end with the check
// character of GB 11643 on the one issued since December 2023.
func ParseForeignerCard(s string) (string, error) {
	n := NormalizeNumber(s)
	switch {
	case residence2017.MatchString(n):
		return n, nil
	case !residence2023.MatchString(n):
		return "", ErrNumberForm
	case residentCheck(n[:17]) != n[17]:
		return "", ErrNumberCheck
	}
	return n, nil
}

// UpgradeResidentID turns a number of the first generation (GB 11643-1989, 15 digits) into today's of
// 18: the century and the check character are added. Sequences 996 to 999 marked people born in the
// 19th century; such a number is refused with ErrNumberForm rather than guessed at.
func UpgradeResidentID(s string) (string, error) {
	n := NormalizeNumber(s)
	if len(n) != 15 || !digits(n) || !provinces[n[:2]] || n[12:] >= "996" {
		return "", ErrNumberForm
	}
	if _, err := time.Parse("20060102", "19"+n[6:12]); err != nil {
		return "", ErrNumberDate
	}
	n = n[:6] + "19" + n[6:]
	return n + string(residentCheck(n)), nil
}
