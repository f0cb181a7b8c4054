package cases_test

import (
	"slices"
	"testing"

	"github.com/symbolon/symbolon/cases"
)

// However people divide their work, an applicant knows the states of the contract and no others.
func TestStatesOfPeopleAreNotTold(t *testing.T) {
	told := []cases.LevelState{cases.Locked, cases.Open, cases.Submitted, cases.Checking, cases.InReview, cases.Approved, cases.Resubmit, cases.Rejected}
	for _, s := range append(slices.Clone(told), cases.AwaitingSecond, cases.Escalated, cases.Suspended, cases.Revoked) {
		if !slices.Contains(told, s.Outer()) {
			t.Errorf("%s is told as %s", s, s.Outer())
		}
		if s.Waits() && s.Refused() || s.Waits() != (s.Outer() == cases.InReview) || s.Refused() != (s.Outer() == cases.Rejected) {
			t.Errorf("%s: waits %v, refused %v, told as %s", s, s.Waits(), s.Refused(), s.Outer())
		}
	}
	// What approvals count is the state alone.
	l := cases.Level{State: cases.Suspended, Approvals: []cases.Approval{{By: "acc_1"}}}
	if l.Told() != nil {
		t.Error("a suspended level tells reasons")
	}
	l = cases.Level{State: cases.Revoked, Reasons: []cases.Reason{{Code: "blocklist"}, {Code: "liveness.spoof"}, {Code: "document.expired", Step: "document_front"}}}
	if got := l.Told(); !slices.Equal(got, []cases.Reason{{Code: cases.ReasonNotVerified}, {Code: "document.expired", Step: "document_front"}}) {
		t.Errorf("told %v", got)
	}
}

// Values of Level 1 are masked unless they are known to tell nothing: a new field is hidden until somebody decides.
func TestValuesAreMaskedByDefault(t *testing.T) {
	for _, c := range []struct {
		field cases.PersonalField
		want  string
	}{
		{cases.PersonalField{Name: "name", Value: "张三样本", Personal: true}, "张***"},
		{cases.PersonalField{Name: "name", Value: "李", Personal: true}, "*"},
		{cases.PersonalField{Name: "latin_name", Value: "ZHANG San", Personal: true}, "Z**** S**"},
		{cases.PersonalField{Name: "document.number", Value: "11010519491231002X", Personal: true}, "1***************2X"},
		{cases.PersonalField{Name: "document.number", Value: "A1234", Personal: true}, "*****"},
		{cases.PersonalField{Name: "read.document_front.numbers.0", Value: "11010519491231002X", Personal: true}, "1***************2X"},
		{cases.PersonalField{Name: "birth_date", Value: "1949-12-31", Personal: true}, "**********"},
		{cases.PersonalField{Name: "address", Value: "北京市朝阳区样本路一号", Personal: true}, "北京市********"},
		{cases.PersonalField{Name: "something.new", Value: "secret", Personal: true}, "******"},
		{cases.PersonalField{Name: "nationality", Value: "CHN"}, "CHN"},
	} {
		if got := c.field.Masked(); got != c.want {
			t.Errorf("%s %q is masked as %q, want %q", c.field.Name, c.field.Value, got, c.want)
		}
	}
}
