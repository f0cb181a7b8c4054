package casetest

import (
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/seal"
)

// testService goes through a case's life with the operator's tools: what comes back from the store has to give the
// digests that were written, new keys, and nothing at all once it is erased.
func testService(t *testing.T, s *store) {
	ctx := t.Context()
	now := start.Add(123_456_789) // more exact than a store keeps
	old, fresh := seal.NewKey(), seal.NewKey()
	service := func(keys ...seal.Key) *cases.Service {
		t.Helper()
		made, err := cases.New(ctx, cases.Config{
			Store: s, History: s, Accounts: s, Keys: seal.NewKeyring(keys[0], keys[1:]...), Now: func() time.Time { return now },
		})
		noErr(t, err)
		return made
	}
	audit := func(entries int64) {
		t.Helper()
		n, err := cases.Auditor{Store: s, History: s, Found: func(f cases.Finding) { t.Errorf("audit: %v", f) }}.All(ctx)
		noErr(t, err)
		equal(t, "entries", n.Entries, entries)
	}
	first := service(old)
	a, err := first.SignUp(ctx, "person@example.com", "a rather long password")
	noErr(t, err)
	c, err := first.Create(ctx, a, cases.Person)
	noErr(t, err)
	staff := cases.Actor{Kind: cases.ByStaff, ID: "acc_1"}
	noErr(t, first.Hold(ctx, staff, c.ID, true, "for a while"))
	noErr(t, first.Hold(ctx, staff, c.ID, false, "that is over"))
	noErr(t, first.Look(ctx, c.ID, staff, "media", "med_1"))
	noErr(t, first.Look(ctx, c.ID, staff, "media", "med_2"))
	audit(4) // while some of them are pending
	noErr(t, first.Work(ctx))
	audit(4)

	n, err := service(fresh, old).Rotate(ctx)
	noErr(t, err)
	equal(t, "rotated", n, cases.KeyCount{Accounts: 1, Cases: 1})
	n, err = cases.Reindex(ctx, cases.Config{Store: s, History: s, Accounts: s, Keys: seal.NewKeyring(fresh)})
	noErr(t, err)
	equal(t, "re-indexed", n, cases.KeyCount{Accounts: 1, Right: 1})
	last := service(fresh)
	again, err := last.Authenticate(ctx, "person@example.com", "a rather long password")
	noErr(t, err)
	equal(t, "account", again.ID, a.ID)
	_, err = cases.New(ctx, cases.Config{Store: s, History: s, Accounts: s, Keys: seal.NewKeyring(old)})
	wantErr(t, err, cases.ErrWrongKey)
	audit(5)

	now = now.AddDate(0, 0, 31)
	for range 2 {
		noErr(t, last.Work(ctx))
	}
	_, err = last.Get(ctx, c.ID)
	wantErr(t, err, cases.ErrUnknown)
	cert, err := last.Certify(ctx, c.ID)
	noErr(t, err)
	equal(t, "rule", cert.Rule, cases.RuleAbandoned)
	d := s.get(t, c.ID)
	if len(d.WrappedKey) > 0 || len(d.Identity) > 0 || d.State != cases.Erased {
		t.Errorf("erased: %+v", d)
	}
	sameIDs(t, s.due(t, now.AddDate(50, 0, 0)))
	audit(6)
}
