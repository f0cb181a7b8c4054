package casetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
)

// WaitingCase is the nth of many cases that wait, for tests and benchmarks of the queue: each a millisecond after the one before,
// on the levels in turn, one in a thousand for a reason, one in 5,000 reported.
func WaitingCase(n int) cases.Document {
	w := &cases.Waiting{State: cases.InReview, Level: 1 + n%3, Since: time.UnixMilli(int64(n)).UTC(), Kind: cases.Person, Language: "en", Reported: n%5000 == 0}
	if n%1000 == 0 {
		w.Reason = "duplicate.identity"
	}
	id := fmt.Sprintf("cas_%07d", n)
	return cases.Document{ID: id, AccountID: "acc of " + id, Version: 1, Kind: cases.Person, State: cases.InReview, Waiting: w}
}

// BenchmarkQueue reads the queue of a store that holds the first n of WaitingCase: pages by each filter, the counts, the median.
func BenchmarkQueue(b *testing.B, s cases.Backend, n int) {
	b.Helper()
	ctx := b.Context()
	far := cases.Cursor{UpdatedAt: time.UnixMilli(int64(n) * 9 / 10).UTC(), ID: WaitingCase(n * 9 / 10).ID}.String()
	for _, c := range []struct {
		name string
		q    cases.QueueQuery
	}{
		{"all", cases.QueueQuery{}}, {"level", cases.QueueQuery{Level: 3}}, {"reason", cases.QueueQuery{Reason: "duplicate.identity"}},
		{"reported", cases.QueueQuery{Reported: true}}, {"far", cases.QueueQuery{Cursor: far}},
	} {
		c.q.Limit = 50
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if page, _, err := s.Waiting(ctx, c.q); err != nil || len(page) == 0 {
					b.Fatalf("%d cases, %v", len(page), err)
				}
			}
		})
	}
	b.Run("counts", func(b *testing.B) {
		for b.Loop() {
			if all, err := s.WaitingCounts(ctx); err != nil || len(all) != 3 {
				b.Fatal(all, err)
			}
		}
	})
	b.Run("median", func(b *testing.B) {
		for b.Loop() {
			if at, err := s.WaitingSince(ctx, int64(n)/2); err != nil || at.IsZero() {
				b.Fatal(at, err)
			}
		}
	})
}
