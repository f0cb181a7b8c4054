package checks

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

type mrzVector struct {
	Note  string   `json:"note"`
	Lines []string `json:"lines"`
	AsOf  string   `json:"as_of"`
	Want  MRZ      `json:"want"`
	Wrong string   `json:"wrong"`
}

func TestMRZVectors(t *testing.T) {
	for _, v := range vectors[mrzVector](t, "mrz.json") {
		asOf, err := time.Parse(time.DateOnly, v.AsOf)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseMRZ(strings.Join(v.Lines, "\n"), asOf)
		var check *MRZCheckError
		switch {
		case v.Wrong == "" && err == nil:
			if !reflect.DeepEqual(got, v.Want) {
				t.Errorf("%s:\n%+v, want\n%+v", v.Note, got, v.Want)
			}
		case v.Wrong == "form" && errors.Is(err, ErrMRZForm), errors.As(err, &check) && check.Field == v.Wrong:
		default:
			t.Errorf("%s: %v, want %s", v.Note, err, v.Wrong)
		}
	}
}

func TestMRZCentury(t *testing.T) {
	day := func(s string) time.Time { d, _ := time.Parse(time.DateOnly, s); return d }
	for _, row := range []struct{ yymmdd, asOf, want string }{
		{"260630", "2026-06-30", "2026-06-30"}, {"260701", "2026-06-30", "1926-07-01"},
		{"250701", "2026-06-30", "2025-07-01"}, {"270101", "2026-06-30", "1927-01-01"},
		{"99<<<<", "2026-06-30", "1999"}, {"9912<<", "2026-06-30", "1999-12"}, {"<<<<<<", "2026-06-30", ""},
		{"000229", "2026-06-30", "2000-02-29"},
	} {
		if got, err := birthOf(row.yymmdd, day(row.asOf)); err != nil || got != row.want {
			t.Errorf("born %s as of %s: %q, %v, want %q", row.yymmdd, row.asOf, got, err, row.want)
		}
	}
	for _, row := range []struct{ yymmdd, asOf, want string }{
		{"120415", "2026-11-23", "2012-04-15"}, {"751122", "2026-11-23", "2075-11-22"}, {"970101", "2026-11-23", "1997-01-01"},
		{"361123", "2026-11-23", "2036-11-23"}, {"050101", "1999-06-01", "2005-01-01"},
	} {
		if got, err := expiryOf(row.yymmdd, day(row.asOf)); err != nil || got != row.want {
			t.Errorf("expires %s as of %s: %q, %v, want %q", row.yymmdd, row.asOf, got, err, row.want)
		}
	}
	if _, err := birthOf("990230", day("2026-06-30")); !errors.Is(err, ErrNumberDate) {
		t.Errorf("30 February: %v", err)
	}
}

func FuzzParseMRZ(f *testing.F) {
	for _, v := range vectors[mrzVector](f, "mrz.json") {
		f.Add(strings.Join(v.Lines, "\n"))
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMRZ(s, someDay)
		if err == nil && (m.Format == "" || m.Number == "" && strings.Trim(m.Number, "<") != m.Number) {
			t.Errorf("%+v", m)
		}
	})
}
