package casetest

import (
	"testing"

	"github.com/symbolon/symbolon/cases"
)

// Agree gives every consent that a case is asked for, as its applicant, and returns the case.
func Agree(t testing.TB, s *cases.Service, c cases.Case) cases.Case {
	t.Helper()
	for _, a := range s.Consents(c) {
		answer := cases.ConsentAnswer{ID: a.Rule.ID, Given: true, Version: a.Rule.Version, Language: "en"}
		var err error
		if c, err = s.AnswerConsent(t.Context(), cases.Actor{Kind: cases.ByApplicant, ID: c.AccountID}, c.ID, answer); err != nil {
			t.Fatal(err)
		}
	}
	return c
}
