package checks

import (
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"
)

type residentVector struct {
	Number    string `json:"number"`
	Verdict   string `json:"verdict"`
	BirthDate string `json:"birth_date"`
	Sex       Sex    `json:"sex"`

	Warning     Warning `json:"warning"`
	AbandonedBy int     `json:"abandoned_by"`

	Note string `json:"note"`
}

func residentVectors(t testing.TB) []residentVector {
	t.Helper()
	b, err := os.ReadFile("testdata/cn_resident_id.json")
	if err != nil {
		t.Fatal(err)
	}
	var v []residentVector
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

var someDay = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

func verdict(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, ErrNumberForm):
		return "form"
	case errors.Is(err, ErrNumberCheck):
		return "check"
	case errors.Is(err, ErrNumberDate):
		return "date"
	}
	return err.Error()
}

func TestResidentIDVectors(t *testing.T) {
	for _, v := range residentVectors(t) {
		id, err := ParseResidentID(v.Number, someDay)
		if got := verdict(err); got != v.Verdict {
			t.Errorf("%q (%s): verdict %s, want %s", v.Number, v.Note, got, v.Verdict)
			continue
		}
		if err != nil {
			continue
		}
		if got := id.Birth.Format(time.DateOnly); got != v.BirthDate || id.Sex != v.Sex {
			t.Errorf("%q: born %s %s, want %s %s", v.Number, got, id.Sex, v.BirthDate, v.Sex)
		}
		if want := (Region{v.Warning, v.AbandonedBy}); id.Region != want {
			t.Errorf("%q (%s): region %+v, want %+v", v.Number, v.Note, id.Region, want)
		}
	}
}

func TestResidentIDBornTomorrowIsADateError(t *testing.T) {
	day := time.Date(2008, 2, 28, 0, 0, 0, 0, time.UTC)
	if _, err := ParseResidentID("110105200802291233", day); !errors.Is(err, ErrNumberDate) {
		t.Errorf("a day before birth: %v", err)
	}
	if _, err := ParseResidentID("110105200802291233", day.AddDate(0, 0, 1)); err != nil {
		t.Errorf("on the day of birth: %v", err)
	}
}

// The numbers in use differ in thousands of regions: the whole table must be there, and fit its provinces.
func TestRegionsAreOfKnownProvinces(t *testing.T) {
	var now, abandoned int
	for code, year := range regions() {
		if len(code) != 6 || !digits(code) || !provinces[code[:2]] || code[2:] == "0000" {
			t.Errorf("%q is no region", code)
		}
		switch r := RegionOf(code); {
		case year == 0 && r == Region{}:
			now++
		case year >= 2002 && year <= 2016 && r == Region{RegionAbandoned, int(year)}:
			abandoned++
		default:
			t.Errorf("%s of %d: %+v", code, year, r)
		}
	}
	if now < 3400 || abandoned < 900 {
		t.Errorf("%d regions and %d abandoned ones are known", now, abandoned)
	}
	for _, s := range []string{"", "1101", "110199", "990101", "1101011", "１１０１０１"} {
		if r := RegionOf(s); r != (Region{Warning: RegionUnknown}) {
			t.Errorf("%q: %+v", s, r)
		}
	}
}

func TestEverySingleDigitErrorIsFound(t *testing.T) {
	const good = "11010519491231002X"
	for i := range 17 {
		for d := byte('0'); d <= '9'; d++ {
			if good[i] == d {
				continue
			}
			bad := good[:i] + string(d) + good[i+1:]
			if _, err := ParseResidentID(bad, someDay); err == nil {
				t.Errorf("%s passes", bad)
			}
		}
	}
}

func TestAgeOnLeapDayBirthday(t *testing.T) {
	born := time.Date(2008, 2, 29, 0, 0, 0, 0, time.UTC)
	for day, want := range map[string]int{
		"2026-02-28": 17, "2026-03-01": 18, "2024-02-28": 15, "2024-02-29": 16, "2008-02-29": 0,
	} {
		d, _ := time.Parse(time.DateOnly, day)
		if got := AgeOn(born, d); got != want {
			t.Errorf("on %s: %d, want %d", day, got, want)
		}
	}
}

func FuzzParseResidentID(f *testing.F) {
	for _, v := range residentVectors(f) {
		f.Add(v.Number)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseResidentID(s, someDay)
		if err != nil {
			return
		}
		if (id.Region.AbandonedBy != 0) != (id.Region.Warning == RegionAbandoned) {
			t.Errorf("%q: region %+v", s, id.Region)
		}
		again, err := ParseResidentID(id.Number, someDay)
		if err != nil || again != id {
			t.Errorf("%q normalises to %q, which gives %v, %v", s, id.Number, again, err)
		}
	})
}
