package cases_test

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/fault"
)

// complaints are the fields of a refusal with their codes, in their order.
func complaints(err error) string {
	var e *fault.Error
	if !errors.As(err, &e) {
		return ""
	}
	var s []string
	for _, f := range e.Fields {
		s = append(s, f.Field+" "+f.Code)
	}
	return strings.Join(s, ", ")
}

func TestWhoAnAccountIsForIsChecked(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	child := func(change func(*cases.Somebody)) *cases.Somebody {
		p := &cases.Somebody{Name: " 李  小明 ", Nationality: "chn", BirthDate: "2002-02-29", Document: &cases.DocumentFacts{Type: cases.CNResidentID, Number: "110105 20020228 001x"}}
		change(p)
		return p
	}
	same := func(*cases.Somebody) {}
	for _, row := range []struct {
		name string
		in   cases.ActingFor
		want string
	}{
		{"nobody", cases.ActingFor{}, "acting_for.who acting_for_unknown"},
		{"another word", cases.ActingFor{Who: "them"}, "acting_for.who acting_for_unknown"},
		{"oneself and another", cases.ActingFor{Who: "self", Controller: child(same)}, "acting_for.who acting_for_contradiction"},
		{"somebody who is not named", cases.ActingFor{Who: "other"}, "acting_for.beneficiary required"},
		{
			"everything wrong at once",
			cases.ActingFor{Who: "other", Beneficiary: child(func(p *cases.Somebody) { p.Name = "" }), Controller: child(func(p *cases.Somebody) { p.Nationality = "XXX" })},
			"acting_for.beneficiary.name required, acting_for.beneficiary.document.number document_number_check, acting_for.beneficiary.birth_date date_invalid, " +
				"acting_for.controller.nationality nationality_unknown, acting_for.controller.document.type document.type_not_allowed_for_nationality, " +
				"acting_for.controller.document.number document_number_check, acting_for.controller.birth_date date_invalid",
		},
		{"a document of nowhere", cases.ActingFor{Who: "other", Beneficiary: &cases.Somebody{Name: "Erika", Document: &cases.DocumentFacts{Type: cases.Passport, Number: "C01X00T47"}}},
			"acting_for.beneficiary.nationality required"},
		{"a birth date that is not the card's", cases.ActingFor{Who: "other", Beneficiary: &cases.Somebody{Name: "李雷", Nationality: "CHN", BirthDate: "1949-12-30", Document: &cases.DocumentFacts{Type: cases.CNResidentID, Number: "11010519491231002X"}}},
			"acting_for.beneficiary.birth_date birth_date_mismatch"},
		{"tomorrow's child", cases.ActingFor{Who: "other", Beneficiary: &cases.Somebody{Name: "李雷", BirthDate: "2026-11-24"}}, "acting_for.beneficiary.birth_date birth_date_impossible"},
		{"today's child", cases.ActingFor{Who: "other", Beneficiary: &cases.Somebody{Name: "李雷", BirthDate: "2026-11-23"}}, ""},
		{"only a name", cases.ActingFor{Who: "other", Beneficiary: &cases.Somebody{Name: "李雷"}}, ""},
	} {
		f := goodFacts()
		f.ActingFor = row.in
		_, err := b.PutIdentity(t.Context(), by, c.ID, b.get(c.ID).Version, f)
		if got := complaints(err); got != row.want || row.want == "" && err != nil {
			t.Errorf("%s: %v\ngot  %s\nwant %s", row.name, err, got, row.want)
		}
	}
}

func TestACaseForSomebodyElseGoesToAPersonAndIsSealed(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	f := goodFacts()
	f.ActingFor = cases.ActingFor{Who: "other", Beneficiary: &cases.Somebody{Name: "  欧阳  样本 ", Nationality: "deu", Document: &cases.DocumentFacts{Type: cases.Passport, Number: "c01x 00t47"}}}
	c, err := b.PutIdentity(t.Context(), by, c.ID, c.Version, f)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []*cases.Somebody{c.Facts.ActingFor.Beneficiary, b.get(c.ID).Facts.ActingFor.Beneficiary} {
		if p.Name != "欧阳 样本" || p.Nationality != "DEU" || p.Document.Number != "C01X00T47" {
			t.Errorf("stored %+v of %+v", p.Document, p)
		}
	}
	if f.ActingFor.Beneficiary.Document.Number != "c01x 00t47" {
		t.Error("the caller's own value was changed")
	}
	if _, err = b.Submit(t.Context(), by, c.ID, 1, c.Version); err != nil {
		t.Fatal(err)
	}
	b.work()
	if l := b.get(c.ID).Levels[0]; l.State != cases.InReview || !slices.Equal(l.Reasons, []cases.Reason{{Code: "account.for_other"}}) {
		t.Errorf("level 1 is %s for %v", l.State, l.Reasons)
	}
	b.store.Close()
	stored, err := os.ReadFile(b.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, personal := range []string{"欧阳", "C01X00T47"} {
		if bytes.Contains(stored, []byte(personal)) {
			t.Errorf("%s stands in the database", personal)
		}
	}
}
