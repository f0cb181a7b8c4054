package casetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
)

// waitingCase is a case that has waited since some minutes after the start.
func waitingCase(minutes int, change func(*cases.Waiting)) cases.Document {
	d := newCase()
	d.Waiting = &cases.Waiting{State: cases.InReview, Level: 2, Since: start.Add(time.Duration(minutes) * time.Minute), Kind: cases.Person, Language: "en"}
	if change != nil {
		change(d.Waiting)
	}
	return d
}

func (s *store) waiting(t *testing.T, q cases.QueueQuery) []string {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 100
	}
	page, _, err := s.Waiting(t.Context(), q)
	noErr(t, err)
	var ids []string
	for _, i := range page {
		ids = append(ids, i.ID)
	}
	return ids
}

func testQueue(t *testing.T, s *store) {
	ctx := t.Context()
	s.create(t, newCase()) // does not wait
	a := s.create(t, waitingCase(3, nil))
	b := s.create(t, waitingCase(1, func(w *cases.Waiting) {
		w.Level, w.Kind, w.Reason, w.Reasons, w.Language = 1, cases.Business, "duplicate.identity", []string{"duplicate.identity", "account.for_other"}, "zh-Hans"
	}))
	c := s.create(t, waitingCase(2, func(w *cases.Waiting) { w.State, w.Reported = cases.Escalated, true }))
	for name, q := range map[string]struct {
		q    cases.QueueQuery
		want []string
	}{
		"all, the longest first": {cases.QueueQuery{}, []string{b.ID, c.ID, a.ID}},
		"state":                  {cases.QueueQuery{State: cases.InReview}, []string{b.ID, a.ID}},
		"level":                  {cases.QueueQuery{Level: 2}, []string{c.ID, a.ID}},
		"kind":                   {cases.QueueQuery{Kind: cases.Business}, []string{b.ID}},
		"reason":                 {cases.QueueQuery{Reason: "duplicate.identity"}, []string{b.ID}},
		"language":               {cases.QueueQuery{Language: "en"}, []string{c.ID, a.ID}},
		"reported":               {cases.QueueQuery{Reported: true}, []string{c.ID}},
		"among":                  {cases.QueueQuery{Among: []string{a.ID, "cas_none"}}, []string{a.ID}},
		"among none":             {cases.QueueQuery{Among: []string{}}, nil},
		"except":                 {cases.QueueQuery{Except: []string{a.ID, b.ID}}, []string{c.ID}},
		"several":                {cases.QueueQuery{State: cases.InReview, Level: 2, Kind: cases.Person, Language: "en"}, []string{a.ID}},
		"nothing fits":           {cases.QueueQuery{State: cases.Escalated, Reason: "duplicate.identity"}, nil},
		"not UTF-8":              {cases.QueueQuery{Reason: "\xff"}, nil},
	} {
		t.Run(name, func(t *testing.T) { sameIDs(t, s.waiting(t, q.q), q.want...) })
	}
	page, _, err := s.Waiting(ctx, cases.QueueQuery{State: cases.InReview, Limit: 1})
	noErr(t, err)
	if got := page[0]; got.Version != 1 || got.Waiting.Reason != "duplicate.identity" || len(got.Waiting.Reasons) != 2 || !got.Waiting.Since.Equal(b.Waiting.Since) {
		t.Errorf("got %+v", got)
	}

	counts, err := s.WaitingCounts(ctx)
	noErr(t, err)
	equal(t, "counts", fmt.Sprint(counts), fmt.Sprint([]cases.QueueCount{{State: cases.Escalated, Level: 2, N: 1}, {State: cases.InReview, Level: 1, N: 1}, {State: cases.InReview, Level: 2, N: 1}}))
	for place, want := range map[int64]time.Time{-1: b.Waiting.Since, 0: b.Waiting.Since, 2: a.Waiting.Since, 3: {}} {
		at, err := s.WaitingSince(ctx, place)
		noErr(t, err)
		if !at.Equal(want) {
			t.Errorf("place %d waits since %v, want %v", place, at, want)
		}
	}

	// It was decided: it is out of the queue with the same change.
	b.Waiting = nil
	s.replace(t, b, -1)
	sameIDs(t, s.waiting(t, cases.QueueQuery{}), c.ID, a.ID)
	for _, bad := range hostileCursors {
		_, _, err := s.Waiting(ctx, cases.QueueQuery{Cursor: bad, Limit: 10})
		wantErr(t, err, cases.ErrCursor)
	}
}

// hostileCursors were not made by this server.
var hostileCursors = []string{"x", "AAAA", "MTIz", "\x00"}

func testQueuePages(t *testing.T, s *store) {
	var want []string
	for i := range 7 {
		want = append(want, s.create(t, waitingCase(i/3, nil)).ID) // several wait equally long; ids grow
	}
	var got []string
	cursor := ""
	for {
		page, next, err := s.Waiting(t.Context(), cases.QueueQuery{Cursor: cursor, Limit: 2})
		noErr(t, err)
		for _, i := range page {
			got = append(got, i.ID)
		}
		if cursor = next; next == "" {
			break
		}
		if len(got) == 2 { // what comes meanwhile, and waits longest, does not move the rest
			s.create(t, waitingCase(-5, nil))
		}
	}
	sameIDs(t, got, want...)
}

func testStalled(t *testing.T, s *store) {
	ctx := t.Context()
	put := func(step string, acted time.Time) {
		d := newCase()
		d.AtStep, d.ActedAt = step, acted
		s.create(t, d)
	}
	put("identity", time.Time{}) // since it began
	put("document_front", start.Add(time.Hour))
	put("document_front", start.Add(2*time.Hour))
	put("document_front", start.Add(9*time.Hour))
	put("", start)
	n, err := s.Stalled(ctx, start.Add(8*time.Hour))
	noErr(t, err)
	equal(t, "stalled", fmt.Sprint(n), "map[document_front:2 identity:1]")
	n, err = s.Stalled(ctx, start)
	noErr(t, err)
	equal(t, "before anything", len(n), 0)
}

func testLeases(t *testing.T, s *store) {
	ctx := t.Context()
	id := newID("cas")
	lease := func(holder string, from, until int) cases.Lease {
		return cases.Lease{CaseID: id, Holder: holder, TakenAt: start.Add(time.Duration(from) * time.Minute), Until: start.Add(time.Duration(until) * time.Minute)}
	}
	take := func(l cases.Lease) cases.Lease {
		t.Helper()
		got, err := s.TakeLease(ctx, l, l.TakenAt)
		noErr(t, err)
		return got
	}
	equal(t, "taken", take(lease("acc_1", 0, 15)), lease("acc_1", 0, 15))
	equal(t, "by another", take(lease("acc_2", 14, 29)), lease("acc_1", 0, 15))
	equal(t, "renewed", take(lease("acc_1", 10, 25)), lease("acc_1", 0, 25)) // since when stays
	got, ok, err := s.Lease(ctx, id, start.Add(24*time.Minute))
	noErr(t, err)
	if !ok || got != lease("acc_1", 0, 25) {
		t.Errorf("lease: %+v %v", got, ok)
	}
	_, ok, err = s.Lease(ctx, id, start.Add(25*time.Minute))
	noErr(t, err)
	equal(t, "after its end", ok, false)
	equal(t, "taken over", take(lease("acc_2", 25, 40)), lease("acc_2", 25, 40))
	noErr(t, s.DropLease(ctx, id, "acc_1")) // not theirs any more
	equal(t, "still held", take(lease("acc_1", 26, 41)).Holder, "acc_2")

	other := lease("acc_3", 20, 30)
	other.CaseID = newID("cas")
	take(other)
	all, err := s.Leases(ctx, start.Add(26*time.Minute), 10)
	noErr(t, err)
	equal(t, "leases", fmt.Sprint(all), fmt.Sprint([]cases.Lease{other, lease("acc_2", 25, 40)}))
	noErr(t, s.DropLease(ctx, id, "acc_2"))
	noErr(t, s.DropLease(ctx, id, "acc_2"))
	equal(t, "after it was handed back", take(lease("acc_1", 27, 42)).Holder, "acc_1")
}

func testLeaseOfOne(t *testing.T, s *store) {
	handles := s.handles(t, 4)
	id := newID("cas")
	for round := range 3 {
		now := start.Add(time.Duration(round) * time.Hour) // the former lease is over
		holders := make([]string, writers)
		for _, err := range race(t, writers, func(ctx context.Context, i int) error {
			l, err := handles[i%len(handles)].TakeLease(ctx, cases.Lease{CaseID: id, Holder: fmt.Sprintf("acc_%d", i), TakenAt: now, Until: now.Add(time.Minute)}, now)
			holders[i] = l.Holder
			return err
		}) {
			noErr(t, err)
		}
		for _, h := range holders {
			equal(t, "holder", h, holders[0])
		}
	}
}

func testHappened(t *testing.T, s *store) {
	ctx := t.Context()
	var all []cases.Entry
	for i := range 6 {
		e := entry(fmt.Sprintf("cas_%d", i%2), int64(i/2)+1)
		e.At, e.Event = start.Add(time.Duration(i/3)*time.Minute), "decision"
		if i == 4 {
			e.Event = "take_stored" // no figure is made of it
		}
		all = append(all, e)
	}
	noErr(t, s.AppendHistory(ctx, all))
	noErr(t, s.AppendHistory(ctx, all))
	names := func(page []cases.Entry, err error) (out []string) {
		t.Helper()
		noErr(t, err)
		for _, e := range page {
			out = append(out, fmt.Sprintf("%s.%d", e.CaseID, e.N))
		}
		return out
	}
	end := start.Add(time.Hour)
	sameIDs(t, names(s.Happened(ctx, []string{"decision"}, start, end, cases.Place{}, 100)), "cas_0.1", "cas_0.2", "cas_1.1", "cas_1.2", "cas_1.3")
	sameIDs(t, names(s.Happened(ctx, []string{"decision"}, start.Add(time.Minute), end, cases.Place{}, 100)), "cas_1.2", "cas_1.3")
	sameIDs(t, names(s.Happened(ctx, []string{"decision"}, start, start.Add(time.Minute), cases.Place{}, 100)), "cas_0.1", "cas_0.2", "cas_1.1")
	sameIDs(t, names(s.Happened(ctx, []string{"level_approved"}, start, end, cases.Place{}, 100)))
	first, err := s.Happened(ctx, cases.CountedEvents(), start, end, cases.Place{}, 2)
	noErr(t, err)
	sameIDs(t, names(s.Happened(ctx, cases.CountedEvents(), start, end, cases.PlaceOf(first[1]), 2)), "cas_1.1", "cas_1.2")
}

func testStaff(t *testing.T, s *store) {
	ctx := t.Context()
	put := func(roles ...string) string {
		a := newAccount()
		a.Roles = roles
		noErr(t, s.CreateAccount(ctx, a))
		return a.ID
	}
	put()
	boss := put("supervisor", "reviewer")
	put()
	admin := put("admin")
	put("owner") // no role of staff
	got := func(after string, limit int) (ids []string) {
		t.Helper()
		all, err := s.Staff(ctx, after, limit)
		noErr(t, err)
		for _, a := range all {
			ids = append(ids, a.ID)
		}
		return ids
	}
	sameIDs(t, got("", 10), boss, admin)
	sameIDs(t, got("", 1), boss)
	sameIDs(t, got(boss, 10), admin)
	sameIDs(t, got("\xff", 10))
}
