package checks

import "testing"

type companyVector struct{ Kind, Number, Verdict, Note string }

func parseCompany(kind, number string) (string, error) {
	if kind == "lei" {
		return ParseLEI(number)
	}
	return ParseUSCC(number)
}

func TestCompanyVectors(t *testing.T) {
	for _, v := range vectors[companyVector](t, "companies.json") {
		_, err := parseCompany(v.Kind, v.Number)
		if got := verdict(err); got != v.Verdict {
			t.Errorf("%s %q (%s): %s, want %s", v.Kind, v.Number, v.Note, got, v.Verdict)
		}
	}
}

func TestTheInnerCodeOfAUSCCIsChecked(t *testing.T) {
	// Another digit, with the outer check made right again, is found by the inner one.
	const good = "91110000600037341L"
	for i := 8; i < 17; i++ {
		for _, c := range "0123456789" {
			bad := good[:i] + string(c) + good[i+1:]
			if bad == good {
				continue
			}
			sum, weight := 0, 1
			for j := range 17 {
				sum += indexOf(bad[j]) * weight
				weight = weight * 3 % 31
			}
			bad = bad[:17] + string(usccAlphabet[(31-sum%31)%31])
			if _, err := ParseUSCC(bad); err == nil {
				t.Errorf("%s passes", bad)
			}
		}
	}
}

func indexOf(c byte) int {
	for i := range len(usccAlphabet) {
		if usccAlphabet[i] == c {
			return i
		}
	}
	return -1
}

func FuzzCompany(f *testing.F) {
	for _, v := range vectors[companyVector](f, "companies.json") {
		f.Add(v.Kind, v.Number)
	}
	f.Fuzz(func(t *testing.T, kind, number string) {
		n, err := parseCompany(kind, number)
		if err != nil {
			return
		}
		if again, err := parseCompany(kind, n); err != nil || again != n {
			t.Errorf("%q gives %q, which gives %q, %v", number, n, again, err)
		}
	})
}
