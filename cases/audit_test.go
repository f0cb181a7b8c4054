package cases_test

import (
	"context"
	"testing"

	"github.com/symbolon/symbolon/cases"
)

// late is a store on which something happens right after a case was read.
type late struct {
	cases.Store
	then func()
}

func (l *late) Case(ctx context.Context, id string) (cases.Document, error) {
	d, err := l.Store.Case(ctx, id)
	if then := l.then; then != nil {
		l.then = nil
		then()
	}
	return d, err
}

func TestAnAuditReadsAgainWhatChangedMeanwhile(t *testing.T) {
	b := newBench(t)
	_, c, _ := b.applicant()
	b.work()
	store := &late{Store: b.store, then: func() {
		if _, err := b.RaiseEpoch(t.Context(), c.ID, "offer", cases.Actor{Kind: cases.BySystem}); err != nil {
			t.Error(err)
		}
		b.work() // the history is ahead of the case that was read
	}}
	var heads []cases.Head
	a := cases.Auditor{
		Store: store, History: b.store, Found: func(f cases.Finding) { t.Error(f) },
		Each: func(h cases.Head) { heads = append(heads, h) },
	}
	if _, err := a.Case(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	if now := b.get(c.ID).History; len(heads) != 1 || heads[0].N != now.N || string(heads[0].Hash) != string(now.Hash) {
		t.Errorf("heads: %+v, want one of %d", heads, now.N)
	}
}

func TestAnAuditThatIsInterruptedFindsNothing(t *testing.T) {
	b := newBench(t)
	_, c, _ := b.applicant()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := cases.Auditor{Store: b.store, History: b.store, Found: func(f cases.Finding) { t.Error(f) }}
	if _, err := a.Case(ctx, c.ID); err == nil {
		t.Error("no error")
	}
	if _, err := a.All(ctx); err == nil {
		t.Error("no error")
	}
}
