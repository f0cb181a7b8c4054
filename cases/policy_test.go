package cases_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/fault"
)

func TestTheDefaultPolicyExplainsItself(t *testing.T) {
	var b strings.Builder
	if err := cases.DefaultPolicy().Explain(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"CHN: cn_resident_id.\n", "cn_resident_id asks for document_front and document_back", "everybody else: passport or cn_foreigner_card",
		"passport asks for document_page", "Nobody under 18", "Level 1 is approved at once", "Level 1 for somebody else's account goes to a person", "Level 2 goes to a person",
		"Photos are sent back at once for: document.none, document.too_small, document.dark,", "cannot tell goes to a person",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, b.String())
		}
	}
}

func TestMistakesInAPolicyAreNamed(t *testing.T) {
	file := string(cases.DefaultPolicyFile())
	for _, row := range []struct{ old, new, want string }{
		{"minimum_age:", "minimum_agee:", "minimum_agee"},
		{"minimum_age: 18", "minimum_age: eighteen", "line 1"},
		{"minimum_age: 18", "minimum_age: 8", "not between 14 and 100"},
		{"version: default-1", "version: ''", "version is missing"},
		{"Asia/Shanghai", "Asia/Shangai", "no time zone"},
		{"[cn_resident_id]", "[cn_resident]", `"cn_resident" is not a known document; write one of cn_foreigner_card`},
		{"[CHN]", "[China]", `"China" is no country`},
		{"[TWN]", "[HKG]", `"HKG" is covered by a rule above`},
		{"level_1: rules", "level_1: nobody", "write rules or person"},
		{"level_1_business: person", "level_1_business: nobody", "approve.level_1_business"},
		{"threshold: 25%", "threshold: 25", "beneficial_owners.threshold: \"25\" is no share"},
		{"at_least: true", "atleast: true", "atleast"},
		{"level_1_for_other: person", "level_1_for_other: nobody", "approve.level_1_for_other"},
		{"- document.dark", "- document.darkness", `"document.darkness" is nothing that is found on photos`},
		{"photo: [desk, phone]", "photo: [fax]", "write desk or phone"},
		{"photo: [desk, phone]", "photo: []", "channels.photo is missing"},
		{"photo:", "video:", `"video" is no kind of step`},
		{"attempts: 5", "attempts: 0", "attempts: 0"},
		{"search: false", "search: true", "face.duplicates.search and consents.face_search go together"},
		{"within: 0.75", "within: 1.5", "face.duplicates.within: 1.5"},
		{"report: marks", "report: melts", `report: "melts" is unknown`},
	} {
		bad := strings.Replace(file, row.old, row.new, 1)
		if bad == file {
			t.Fatalf("%q is not in the file", row.old)
		}
		if _, err := cases.ReadPolicy(strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q in it", row.new, err, row.want)
		}
	}
	if _, err := cases.ReadPolicy(strings.NewReader("")); err == nil {
		t.Error("an empty file is a policy")
	}
}

func FuzzReadPolicy(f *testing.F) {
	f.Add(cases.DefaultPolicyFile())
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := cases.ReadPolicy(bytes.NewReader(b)); err == nil {
			if err := p.Explain(&strings.Builder{}); err != nil || len(p.Documents) == 0 {
				t.Errorf("%+v, %v", p, err)
			}
		}
	})
}

func TestDocumentsByNationality(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	for _, row := range []struct {
		nationality, kind, number, birth, sex, want, steps string
	}{
		{"HKG", cases.HKMacauPermit, "H1234567801", "1990-01-01", "", "", "document_front document_back"},
		{"MAC", cases.HKMacauResidencePermit, "820000198001010016", "1980-01-01", "male", "", "document_front document_back"},
		{"MAC", cases.HKMacauResidencePermit, "820000198001010016", "1980-01-02", "", "birth_date birth_date_mismatch", ""},
		{"HKG", cases.CNResidentID, "11010519491231002X", "1949-12-31", "", "document.type document.type_not_allowed_for_nationality", ""},
		{"TWN", cases.TaiwanPermit, "12345678", "1990-01-01", "", "", "document_front document_back"},
		{"TWN", cases.TaiwanResidencePermit, "810000199408230021", "1994-08-23", "", "document.number document_number_form", ""},
		{"USA", cases.CNForeignerCard, "911840198511020016", "1985-11-02", "", "document.number document_number_check", ""},
		{"USA", cases.CNForeignerCard, "911840198511020019", "1985-11-02", "", "", "document_front document_back"},
		{"USA", cases.Passport, "L898902C3", "1974-08-12", "", "", "document_page"},
		{"CHN", cases.Passport, "L898902C3", "1974-08-12", "", "document.type document.type_not_allowed_for_nationality", ""},
		{"CHN", "library_card", "1", "1974-08-12", "", "document.type document.type_not_allowed_for_nationality", ""},
	} {
		f := goodFacts()
		f.Nationality, f.BirthDate, f.Sex = row.nationality, row.birth, row.sex
		f.Document = cases.DocumentFacts{Type: row.kind, Number: row.number, ExpiresOn: "2030-01-01"}
		got, err := b.PutIdentity(t.Context(), by, c.ID, b.get(c.ID).Version, f)
		var e *fault.Error
		if row.want != "" {
			if !errors.As(err, &e) || len(e.Fields) != 1 || e.Fields[0].Field+" "+e.Fields[0].Code != row.want {
				t.Errorf("%s %s %s: %v, want %s", row.nationality, row.kind, row.number, err, row.want)
			}
			continue
		}
		var steps []string
		for _, st := range got.Steps {
			steps = append(steps, st.ID)
		}
		if err != nil || strings.Join(steps, " ") != row.steps {
			t.Errorf("%s %s %s: %v, steps %v, want %s", row.nationality, row.kind, row.number, err, steps, row.steps)
		}
	}
}

func TestAStepThatIsSentBackTooOftenGoesToAPerson(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	b.levelOne(c, by)
	b.keep(c.ID, cases.DocumentFront, by, "ses_1", photo(7))
	for attempt := 1; ; attempt++ {
		b.keep(c.ID, cases.DocumentBack, by, "ses_1", photo(7)) // the same picture again and again
		if _, err := b.Submit(t.Context(), by, c.ID, 2, b.get(c.ID).Version); err != nil {
			t.Fatal(err)
		}
		b.work()
		switch got := b.get(c.ID).Levels[1].State; {
		case attempt <= cases.DefaultPolicy().Attempts && got == cases.Resubmit:
		case attempt == cases.DefaultPolicy().Attempts+1 && got == cases.InReview:
			return
		default:
			t.Fatalf("after attempt %d: %s", attempt, got)
		}
	}
}
