package checks

import (
	"encoding/json"
	"os"
	"testing"
)

type permitVector struct {
	Kind     string `json:"kind"`
	Number   string `json:"number"`
	Verdict  string `json:"verdict"`
	Person   string `json:"person"`
	Upgraded string `json:"upgraded"`
	Note     string `json:"note"`
}

func vectors[T any](t testing.TB, name string) []T {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var v []T
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if len(v) == 0 {
		t.Fatalf("%s is empty", name)
	}
	return v
}

// parsePermit reads a number of a kind, and returns what more it says.
func parsePermit(kind, number string) (more string, err error) {
	switch kind {
	case "hk_macau_permit":
		_, more, err = ParsePermitHKMacau(number)
	case "taiwan_permit":
		_, err = ParsePermitTaiwan(number)
	case "hk_macau_residence_permit":
		_, err = ParseResidencePermit(number, someDay, RegionHongKong, RegionMacau)
	case "taiwan_residence_permit":
		_, err = ParseResidencePermit(number, someDay, RegionTaiwan)
	case "cn_foreigner_card":
		_, err = ParseForeignerCard(number)
	case "cn_resident_id_15":
		more, err = UpgradeResidentID(number)
	default:
		panic(kind)
	}
	return more, err
}

func TestPermitVectors(t *testing.T) {
	for _, v := range vectors[permitVector](t, "permits.json") {
		more, err := parsePermit(v.Kind, v.Number)
		if got := verdict(err); got != v.Verdict {
			t.Errorf("%s %q (%s): %s, want %s", v.Kind, v.Number, v.Note, got, v.Verdict)
		}
		if want := v.Person + v.Upgraded; more != want {
			t.Errorf("%s %q: %q, want %q", v.Kind, v.Number, more, want)
		}
	}
}

func FuzzPermits(f *testing.F) {
	for _, v := range vectors[permitVector](f, "permits.json") {
		f.Add(v.Kind, v.Number)
	}
	f.Fuzz(func(t *testing.T, kind, number string) {
		switch kind {
		case "hk_macau_permit", "taiwan_permit", "hk_macau_residence_permit", "taiwan_residence_permit", "cn_foreigner_card", "cn_resident_id_15":
		default:
			return
		}
		more, err := parsePermit(kind, number)
		if err != nil && more != "" {
			t.Errorf("%q: both %q and %v", number, more, err)
		}
		if kind == "cn_resident_id_15" && err == nil {
			if _, err := ParseResidentID(more, someDay); err != nil {
				t.Errorf("%q upgrades to %q: %v", number, more, err)
			}
		}
	})
}
