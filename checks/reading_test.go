package checks

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestFindResidentNumbers(t *testing.T) {
	for text, want := range map[string]string{
		"公民身份号码11010519491231002X\n":                                 "11010519491231002X",
		"2ES056 11010519491231002X":                                  "11010519491231002X",
		"2ES05611010519491231002X":                                   "11010519491231002X",
		"110105 1949 1231 002x":                                      "11010519491231002X",
		"１１０１０５１９４９１２３１００２Ｘ":                                         "11010519491231002X",
		"11O1O5I949I23IOO2X":                                         "11010519491231002X",
		"110105194912310021":                                         "", // wrong check character
		"110105190002290017":                                         "", // no such day
		"11010519491231\n002X":                                       "", // two lines
		"990105194912310023":                                         "", // no such region
		"810000199408230021":                                         "810000199408230021",
		"11010519491231002X 11010519491231002X / 440308199901101512": "11010519491231002X 440308199901101512",
		"": "", "\xff\xfe110105": "",
	} {
		if got := strings.Join(FindResidentNumbers(text, someDay), " "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestFindMRZ(t *testing.T) {
	asOf := time.Date(2008, 1, 1, 0, 0, 0, 0, time.UTC)
	const second = "L898902C36UTO7408122F1204159ZE184226B<<<<<10"
	for name, row := range map[string]struct {
		text string
		ok   bool
	}{
		"clean":            {"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\n" + second, true},
		"among other text": {"UTOPIA\nPASSPORT\n\nP<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\n" + second + "\n\x0c", true},
		"spaces":           {"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<< <<<<<<<<\n" + second[:20] + " " + second[20:], true},
		"fillers lost":     {"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<\n" + second, true},
		"fillers misread":  {"P<UTOERIKSSON<<ANNA<MARIA<<<<<KKKKKKK<<<<<<<<<<\n" + second, true},
		"O read as 0":      {"P<UT0ERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\n" + strings.Replace(second, "UTO", "UT0", 1), true},
		"a wrong digit":    {"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\n" + strings.Replace(second, "7408122", "7408132", 1), false},
		"a digit lost":     {"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\n" + second[1:], false},
		"one line":         {second, false},
		"nothing":          {"", false},
	} {
		m, ok := FindMRZ(row.text, asOf)
		if ok != row.ok || ok && (m.Number != "L898902C3" || m.Birth != "1974-08-12" || m.Expires != "2012-04-15" || m.Surname != "ERIKSSON") {
			t.Errorf("%s: %+v, %v", name, m, ok)
		}
	}
}

func TestWhatIsReadIsCompared(t *testing.T) {
	if !HasNumber("No. h 1234\n56 12 ab-34567\n", "12AB34567") || HasNumber("12AB3456\n7", "12AB34567") || HasNumber("anything", "") {
		t.Error("numbers in text")
	}
	day := time.Date(2036, 3, 1, 0, 0, 0, 0, time.UTC)
	if !HasDay("有效期限 2016.03.01 — 2036.03.01", day) || !HasDay("2036年03月01日", day) || HasDay("2016.03.01 - 2036.03.02", day) || HasDay("2036.\n03.01", day) {
		t.Error("days in text")
	}
	if !SameReading("L898902C3", "1898902C3") || !SameReading("O0", "0O") || SameReading("L898902C3", "L898902C4") {
		t.Error("look-alikes")
	}
}

func FuzzReading(f *testing.F) {
	f.Add("公民身份号码 11010519491231002X\nP<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10")
	f.Add("\xff\xfe２０３６.03.01")
	f.Fuzz(func(t *testing.T, text string) {
		for _, n := range FindResidentNumbers(text, someDay) {
			if _, err := parse18(n, someDay); err != nil {
				t.Errorf("%q gives %q: %v", text, n, err)
			}
		}
		if m, ok := FindMRZ(text, someDay); ok && !slices.Contains([]string{"TD1", "TD2", "TD3"}, m.Format) {
			t.Errorf("%q gives %+v", text, m)
		}
		HasDay(text, someDay)
		HasNumber(text, "11010519491231002X")
	})
}
