package casetest

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/fault"
)

func testCase(t *testing.T, s *store) {
	d := s.create(t, newCase())
	got := s.get(t, d.ID)
	equal(t, "account", got.AccountID, d.AccountID)
	of, err := s.CaseOf(t.Context(), d.AccountID)
	noErr(t, err)
	equal(t, "case of account", of.ID, d.ID)

	_, err = s.Case(t.Context(), newID("cas"))
	wantErr(t, err, cases.ErrUnknown)
	_, err = s.CaseOf(t.Context(), newID("acc"))
	wantErr(t, err, cases.ErrUnknown)
}

func testStaleVersion(t *testing.T, s *store) {
	ctx := t.Context()
	d := s.create(t, newCase())
	next := s.replace(t, d, -1)
	equal(t, "version", s.get(t, d.ID).Version, 2)

	for _, version := range []int64{0, 1, 2, 4, 1 << 40} { // only 3 follows 2
		bad := next
		bad.Version, bad.Level = version, 9
		wantErr(t, s.ReplaceCase(ctx, bad, -1), cases.ErrStaleVersion)
		wantErr(t, s.ReplaceCase(ctx, bad, 0), cases.ErrStaleVersion)
	}
	got := s.get(t, d.ID)
	equal(t, "version after refusals", got.Version, 2)
	equal(t, "level after refusals", got.Level, 1)

	absent := newCase()
	absent.Version = 2
	wantErr(t, s.ReplaceCase(ctx, absent, -1), cases.ErrUnknown)
	wantErr(t, s.ReplaceCase(ctx, absent, 3), cases.ErrUnknown)
}

func testStaleEpoch(t *testing.T, s *store) {
	ctx := t.Context()
	d := newCase()
	d.HandoffEpoch = 4
	s.create(t, d)

	next := d
	next.Version = 2
	for _, epoch := range []int64{0, 3, 5} {
		wantErr(t, s.ReplaceCase(ctx, next, epoch), cases.ErrStaleEpoch)
	}
	stale := d
	stale.Version = 7
	wantErr(t, s.ReplaceCase(ctx, stale, 3), cases.ErrStaleEpoch)   // wins over the version
	wantErr(t, s.ReplaceCase(ctx, stale, 4), cases.ErrStaleVersion) // the epoch is right
	equal(t, "version", s.get(t, d.ID).Version, 1)

	next = s.replace(t, d, 4)
	next.HandoffEpoch = 5
	next = s.replace(t, next, 4) // raising it is guarded by the old one
	again := next
	again.Version++
	wantErr(t, s.ReplaceCase(ctx, again, 4), cases.ErrStaleEpoch)
	s.replace(t, next, -1) // without a phone the epoch does not matter
	equal(t, "epoch", s.get(t, d.ID).HandoffEpoch, 5)
}

func testOneCase(t *testing.T, s *store) {
	ctx := t.Context()
	d := s.create(t, newCase())
	second := newCase()
	second.AccountID = d.AccountID
	wantErr(t, s.CreateCase(ctx, second), cases.ErrExists)
	_, err := s.Case(ctx, second.ID)
	wantErr(t, err, cases.ErrUnknown)
	wantErr(t, s.CreateCase(ctx, d), cases.ErrExists) // the same id
}

func testTakeOverCase(t *testing.T, s *store) {
	ctx := t.Context()
	d, other := s.create(t, newCase()), s.create(t, newCase())
	other.Version, other.AccountID = 2, d.AccountID
	wantErr(t, s.ReplaceCase(ctx, other, -1), cases.ErrExists)
	equal(t, "version", s.get(t, other.ID).Version, 1)
}

func testCaseRace(t *testing.T, s *store) {
	handles := s.handles(t, 4)
	account := newID("acc")
	oneWinner(t, race(t, writers, func(ctx context.Context, i int) error {
		d := newCase()
		d.AccountID = account
		return handles[i%len(handles)].CreateCase(ctx, d)
	}), cases.ErrExists)
	_, err := s.CaseOf(t.Context(), account)
	noErr(t, err)
}

// testWritersRace lets all write over the same version, several rounds: nothing may be lost and
// every loser must hear of it. Level counts the successes from inside the document.
func testWritersRace(t *testing.T, s *store) {
	const rounds = 5
	handles := s.handles(t, 4)
	d := newCase()
	d.Level = 0
	s.create(t, d)
	for round := range int64(rounds) {
		read := s.get(t, d.ID)
		equal(t, "version", read.Version, 1+round)
		oneWinner(t, race(t, writers, func(ctx context.Context, i int) error {
			mine := read
			mine.Version++
			mine.Level++
			return handles[i%len(handles)].ReplaceCase(ctx, mine, 0)
		}), cases.ErrStaleVersion)
	}

	var acknowledged atomic.Int64
	errs := race(t, writers, func(ctx context.Context, i int) error {
		for { // until this writer got one change through
			mine, err := handles[i%len(handles)].Case(ctx, d.ID)
			if err != nil {
				return err
			}
			mine.Version++
			mine.Level++
			err = handles[i%len(handles)].ReplaceCase(ctx, mine, -1)
			if err == nil {
				acknowledged.Add(1)
				return nil
			}
			if !errors.Is(err, cases.ErrStaleVersion) {
				return err
			}
		}
	})
	noErr(t, errors.Join(errs...))
	got := s.get(t, d.ID)
	equal(t, "acknowledged", acknowledged.Load(), writers)
	equal(t, "version", got.Version, 1+rounds+writers)
	equal(t, "counted", got.Level, rounds+writers)
}

func testBig(t *testing.T, s *store) {
	d := newCase()
	d.Identity = bytes.Repeat([]byte("0123456789abcdef"), 64<<10) // 1 MiB
	s.create(t, d)
	d.Identity[0] = 'x'
	d = s.replace(t, d, -1)
	if got := s.get(t, d.ID); !bytes.Equal(got.Identity, d.Identity) {
		t.Fatalf("got %d bytes back that differ from the %d sent", len(got.Identity), len(d.Identity))
	}
}

// allPages reads the list to its end.
func (s *store) allPages(t *testing.T, state cases.LevelState, limit int) (ids []string) {
	t.Helper()
	for cursor, pages := "", 0; ; pages++ {
		page, next, err := s.Cases(t.Context(), state, cursor, limit)
		noErr(t, err)
		if len(page) > limit {
			t.Fatalf("page of %d, limit %d", len(page), limit)
		}
		for _, c := range page {
			ids = append(ids, c.ID)
		}
		if next == "" {
			return ids
		}
		if next == cursor || len(page) == 0 || pages > 1000 {
			t.Fatalf("the list does not end: cursor %q", next)
		}
		cursor = next
	}
}

func testPaging(t *testing.T, s *store) {
	page, next, err := s.Cases(t.Context(), "", "", 10)
	noErr(t, err)
	if len(page) != 0 || next != "" {
		t.Fatalf("an empty store lists %v, next %q", page, next)
	}

	var all, open []string
	for i := range 23 {
		d := newCase()
		d.UpdatedAt = start.Add(time.Duration(i/5) * time.Millisecond) // five share a time
		if i%3 == 0 {
			d.State, d.Level = cases.InReview, 2
			open = append(open, d.ID)
		}
		all = append(all, d.ID)
		s.create(t, d)
	}
	for _, limit := range []int{1, 4, 5, 22, 23, 24} {
		sameIDs(t, s.allPages(t, "", limit), all...)
	}
	sameIDs(t, s.allPages(t, cases.InReview, 3), open...)
	sameIDs(t, s.allPages(t, cases.Rejected, 3))

	page, _, err = s.Cases(t.Context(), cases.InReview, "", 1)
	noErr(t, err)
	want := cases.Summary{ID: open[0], Version: 1, State: cases.InReview, Level: 2, UpdatedAt: start}
	equal(t, "summary", page[0], want)

	// A page without a sensible limit is small, not everything and not an error.
	for _, limit := range []int{0, -5} {
		page, _, err = s.Cases(t.Context(), "", "", limit)
		noErr(t, err)
		equal(t, "page size", len(page), 1)
	}

	// What changes moves to the end: a reader in the middle meets it again and misses nothing.
	first, next, err := s.Cases(t.Context(), "", "", 10)
	noErr(t, err)
	moved := s.get(t, first[0].ID)
	moved.UpdatedAt = start.Add(time.Hour)
	s.replace(t, moved, -1)
	rest, next, err := s.Cases(t.Context(), "", next, 100)
	noErr(t, err)
	equal(t, "next", next, "")
	var seen []string
	for _, c := range rest {
		seen = append(seen, c.ID)
	}
	sameIDs(t, seen, append(slices.Clone(all[10:]), all[0])...)
}

func testPagingUnderInserts(t *testing.T, s *store) {
	var before []string
	for i := range 30 {
		d := newCase()
		d.UpdatedAt = start.Add(time.Duration(i) * time.Second)
		before = append(before, s.create(t, d).ID)
	}
	other := s.another(t)
	done := make(chan error, 1)
	go func() {
		for i := range 60 {
			d := newCase()
			d.UpdatedAt = start.Add(time.Duration(i) * 500 * time.Millisecond)
			if err := other.CreateCase(context.WithoutCancel(t.Context()), d); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for range 5 {
		seen := map[string]int{}
		for _, id := range s.allPages(t, "", 4) {
			if seen[id]++; seen[id] > 1 {
				t.Errorf("%s is listed twice", id)
			}
		}
		for _, id := range before {
			if seen[id] != 1 {
				t.Errorf("%s is listed %d times", id, seen[id])
			}
		}
	}
	noErr(t, <-done)
	equal(t, "cases in the end", len(s.allPages(t, "", 7)), 90)
}

func testByDocument(t *testing.T, s *store) {
	index := bytes.Repeat([]byte{0xfe, 0x00}, 16)
	var want []string
	for range 3 {
		d := newCase()
		d.DocumentIndex = index
		want = append(want, s.create(t, d).ID)
	}
	plain := s.create(t, newCase())
	ids, err := s.CasesByDocument(t.Context(), index, 10)
	noErr(t, err)
	slices.Sort(ids)
	slices.Sort(want)
	sameIDs(t, ids, want...)

	ids, err = s.CasesByDocument(t.Context(), index, 2)
	noErr(t, err)
	equal(t, "limited", len(ids), 2)
	for _, other := range [][]byte{nil, {}, {1}, index[:31]} { // a case without an index is never found
		ids, err = s.CasesByDocument(t.Context(), other, 10)
		noErr(t, err)
		sameIDs(t, ids)
	}
	plain.DocumentIndex = []byte{1}
	s.replace(t, plain, -1)
	ids, err = s.CasesByDocument(t.Context(), []byte{1}, 10)
	noErr(t, err)
	sameIDs(t, ids, plain.ID)
}

func testFaces(t *testing.T, s *store) {
	s.create(t, newCase()) // one that may not be found
	var want []string
	for i := range 3 {
		d := newCase()
		d.FaceEntry = &cases.FaceEntry{Model: "one/01", UploadID: fmt.Sprint("upl_", i), Template: []byte{byte(i), 0, 0xff}}
		want = append(want, s.create(t, d).ID)
	}
	other := newCase()
	other.FaceEntry = &cases.FaceEntry{Model: "other/02", UploadID: "upl_9", Template: []byte{9}}
	other = s.create(t, other)
	slices.Sort(want)
	list := func(model, after string, limit int) []cases.FaceRow {
		t.Helper()
		rows, err := s.FaceEntries(t.Context(), model, after, limit)
		noErr(t, err)
		return rows
	}
	ids := func(rows []cases.FaceRow) (out []string) {
		for _, r := range rows {
			out = append(out, r.CaseID)
		}
		return out
	}
	all := list("one/01", "", 10)
	equal(t, "all", fmt.Sprint(ids(all)), fmt.Sprint(want))
	for _, r := range all {
		d, err := s.Case(t.Context(), r.CaseID)
		noErr(t, err)
		equal(t, "a face", fmt.Sprintf("%x %+v", r.WrappedKey, r.FaceEntry), fmt.Sprintf("%x %+v", d.WrappedKey, *d.FaceEntry))
	}
	equal(t, "a page", fmt.Sprint(ids(list("one/01", "", 2))), fmt.Sprint(want[:2]))
	equal(t, "the next", fmt.Sprint(ids(list("one/01", want[1], 2))), fmt.Sprint(want[2:]))
	for _, none := range []string{"", "one", "one/0", "two/01"} {
		equal(t, none, len(list(none, "", 10)), 0)
	}
	other.FaceEntry = nil
	s.replace(t, other, -1)
	equal(t, "one that is taken back", len(list("other/02", "", 10)), 0)
}

func (s *store) due(t *testing.T, now time.Time) []string {
	t.Helper()
	ids, err := s.Due(t.Context(), now, 100)
	noErr(t, err)
	return ids
}

func testDue(t *testing.T, s *store) {
	s.create(t, newCase()) // nothing to do

	pending := newCase()
	pending.Pending = []cases.Entry{{CaseID: pending.ID, N: 1, At: start, Version: 1, Event: "created", Hash: []byte{1}}}
	s.create(t, pending)
	sameIDs(t, s.due(t, start.Add(-time.Hour)), pending.ID) // history is due whatever the clock says

	job := newCase()
	job.Jobs = []cases.Job{
		{ID: "job_b", Kind: "rules", State: cases.JobQueued, RunAfter: start.Add(time.Minute)},
		{ID: "job_a", Kind: "rules", State: cases.JobQueued, RunAfter: start.Add(time.Second)},
	}
	s.create(t, job)
	sameIDs(t, s.due(t, start), pending.ID)
	sameIDs(t, s.due(t, start.Add(time.Second-time.Millisecond)), pending.ID)
	sameIDs(t, s.due(t, start.Add(time.Second)), pending.ID, job.ID)
	for _, at := range []time.Duration{0, time.Second, time.Hour} {
		n, oldest, err := s.Backlog(t.Context(), start.Add(at))
		noErr(t, err)
		wantN, want := 1, time.Time{}
		if at > 0 {
			wantN, want = 2, start.Add(time.Second)
		}
		equal(t, "cases in the backlog", n, wantN)
		equal(t, "oldest in the backlog", oldest.Equal(want), true)
	}

	ids, err := s.Due(t.Context(), start.Add(time.Second), 1)
	noErr(t, err)
	sameIDs(t, ids, pending.ID)

	job.Jobs = nil // done
	s.replace(t, job, -1)
	sameIDs(t, s.due(t, start.Add(time.Hour)), pending.ID)
}

func testLeaseExpires(t *testing.T, s *store) {
	d := newCase()
	d.Jobs = []cases.Job{{ID: "job_a", Kind: "rules", State: cases.JobQueued, RunAfter: start}}
	s.create(t, d)
	sameIDs(t, s.due(t, start), d.ID)

	d.Jobs = []cases.Job{{ID: "job_a", Kind: "rules", State: cases.JobLeased, RunAfter: start, LeaseOwner: "node", LeaseUntil: start.Add(time.Minute), Attempts: 1}}
	d = s.replace(t, d, -1)
	sameIDs(t, s.due(t, start.Add(time.Minute-time.Millisecond)))
	sameIDs(t, s.due(t, start.Add(time.Minute)), d.ID)
}

// testLeaseRace is how a worker takes a job: through the same guarded replace as every change.
func testLeaseRace(t *testing.T, s *store) {
	handles := s.handles(t, 4)
	d := newCase()
	d.Jobs = []cases.Job{{ID: "job_a", Kind: "rules", State: cases.JobQueued, RunAfter: start}}
	s.create(t, d)
	taken := errors.New("taken")
	lease := func(now time.Time) []error {
		return race(t, writers, func(ctx context.Context, i int) error {
			b := handles[i%len(handles)]
			mine, err := b.Case(ctx, d.ID)
			if err != nil {
				return err
			}
			job := &mine.Jobs[0]
			if job.State == cases.JobLeased && job.LeaseUntil.After(now) {
				return taken
			}
			*job = cases.Job{ID: job.ID, Kind: job.Kind, State: cases.JobLeased, RunAfter: job.RunAfter, Attempts: job.Attempts + 1,
				LeaseOwner: fmt.Sprint("node ", i), LeaseUntil: now.Add(time.Minute)}
			mine.Version++
			if err := b.ReplaceCase(ctx, mine, -1); errors.Is(err, cases.ErrStaleVersion) {
				return taken
			} else if err != nil {
				return err
			}
			return nil
		})
	}
	oneWinner(t, lease(start), taken)
	equal(t, "attempts", s.get(t, d.ID).Jobs[0].Attempts, 1)
	oneWinner(t, lease(start.Add(time.Minute)), taken) // the lease ran out
	equal(t, "attempts", s.get(t, d.ID).Jobs[0].Attempts, 2)
}

func testRelayed(t *testing.T, s *store) {
	ctx := t.Context()
	d := newCase()
	d.Pending = []cases.Entry{{CaseID: d.ID, N: 1, At: start, Version: 1, Event: "created", Hash: []byte{1}}}
	d.Jobs = []cases.Job{{ID: "job_a", Kind: "rules", State: cases.JobQueued, RunAfter: start.Add(time.Minute)}}
	s.create(t, d)

	noErr(t, s.Relayed(ctx, d.ID, 2)) // a version that is not stored
	noErr(t, s.Relayed(ctx, newID("cas"), 1))
	sameIDs(t, s.due(t, start), d.ID)

	noErr(t, s.Relayed(ctx, d.ID, 1))
	noErr(t, s.Relayed(ctx, d.ID, 1))
	sameIDs(t, s.due(t, start))
	sameIDs(t, s.due(t, start.Add(time.Minute)), d.ID) // the job still is
	got := s.get(t, d.ID)
	equal(t, "version", got.Version, 1)
	equal(t, "pending", len(got.Pending), 1)

	d.Pending = append(d.Pending, cases.Entry{CaseID: d.ID, N: 2, At: start, Version: 2, Event: "submitted", Hash: []byte{2}})
	d.Jobs = nil
	d = s.replace(t, d, -1)
	noErr(t, s.Relayed(ctx, d.ID, 1)) // of the version before
	sameIDs(t, s.due(t, start), d.ID)
	noErr(t, s.Relayed(ctx, d.ID, 2))
	sameIDs(t, s.due(t, start.Add(time.Hour)))
}

// hostile are ids as an attacker would write them into an address.
var hostile = []string{
	"", " ", "'", `"`, "' OR '1'='1", "cas_'; DROP TABLE cases; --", "%", "_", "*", "\x00", "cas_\x00", "$ne", `{"$gt":""}`,
	"a.b", "../../etc/passwd", "\xff\xfe", "\u202e", "ＣＡＳ", strings.Repeat("x", 100_000), "1", "null",
}

func testHostileIDs(t *testing.T, s *store) {
	ctx := t.Context()
	d := s.create(t, newCase())
	for _, id := range append(hostile, d.ID+"\x00", d.ID+" ", strings.ToLower(d.ID), d.ID[:len(d.ID)-1]) {
		_, err := s.Case(ctx, id)
		wantErr(t, err, cases.ErrUnknown)
		_, err = s.CaseOf(ctx, id)
		wantErr(t, err, cases.ErrUnknown)
		_, err = s.Account(ctx, id)
		wantErr(t, err, cases.ErrAccountUnknown)
		_, err = s.AccountByEmail(ctx, []byte(id))
		wantErr(t, err, cases.ErrAccountUnknown)
		entries, err := s.History(ctx, id, 0, 10)
		noErr(t, err)
		equal(t, "entries", len(entries), 0)
		looks, err := s.Looks(ctx, id, 0, 10)
		noErr(t, err)
		equal(t, "looks", len(looks), 0)
		l, err := s.LastLook(ctx, id)
		noErr(t, err)
		equal(t, "look", l.N, 0)
		noErr(t, s.Relayed(ctx, id, 1))
		if id != "" {
			page, _, err := s.Cases(ctx, cases.LevelState(id), "", 10)
			noErr(t, err)
			equal(t, "cases in a state that is none", len(page), 0)
		}
	}
	equal(t, "the case", s.get(t, d.ID).Version, 1)
}

func testHostileCursors(t *testing.T, s *store) {
	s.create(t, newCase())
	s.create(t, newCase())
	enc := func(v string) string { return base64.RawURLEncoding.EncodeToString([]byte(v)) }
	bad := append(slices.Clone(hostile[1:]),
		enc("."), enc("1."), enc(".cas_1"), enc("x.cas_1"), enc("1"), enc("01.cas_1"), enc("+1.cas_1"), enc("1.\xff"),
		enc("99999999999999999999.cas_1"), enc("1."+strings.Repeat("x", 129)), enc("1.cas_1")+"=", " "+enc("1.cas_1"), enc("1.cas_1")+"\n",
		base64.StdEncoding.EncodeToString([]byte("1.cas_12")),
	)
	for _, cursor := range bad {
		_, _, err := s.Cases(t.Context(), "", cursor, 1)
		wantErr(t, err, cases.ErrCursor)
		equal(t, "kind", fault.KindOf(err), fault.Invalid)
	}
	// A well-formed place that no case holds is a place all the same.
	for _, cursor := range []string{enc("-99999999999999.cas_1"), enc("0.' OR 1=1 --"), enc("0.$gt")} {
		page, _, err := s.Cases(t.Context(), "", cursor, 10)
		noErr(t, err)
		equal(t, "cases after "+cursor, len(page), 2)
	}
	page, _, err := s.Cases(t.Context(), "", enc("9223372036854775807.z"), 10)
	noErr(t, err)
	equal(t, "cases after the end of time", len(page), 0)
}

// testCancelled: with a context that is over, nothing happens and the error says why.
func testCancelled(t *testing.T, s *store) {
	d := s.create(t, newCase())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	next := d
	next.Version++
	_, errCase := s.Case(ctx, d.ID)
	_, _, errCases := s.Cases(ctx, "", "", 1)
	_, errDue := s.Due(ctx, start, 1)
	_, _, errBacklog := s.Backlog(ctx, start)
	_, errHistory := s.History(ctx, d.ID, 0, 1)
	_, errLook := s.LastLook(ctx, d.ID)
	_, errAccount := s.Account(ctx, "acc_1")
	_, _, errMeta := s.Meta(ctx)
	for name, err := range map[string]error{
		"create":         s.CreateCase(ctx, newCase()),
		"replace":        s.ReplaceCase(ctx, next, -1),
		"relayed":        s.Relayed(ctx, d.ID, 1),
		"append history": s.AppendHistory(ctx, []cases.Entry{{CaseID: d.ID, N: 1, Hash: []byte{1}}}),
		"append look":    s.AppendLook(ctx, cases.Look{CaseID: d.ID, N: 1, Hash: []byte{1}}),
		"create account": s.CreateAccount(ctx, newAccount()),
		"set meta":       s.SetMeta(ctx, cases.Meta{Schema: 1}, true),
		"ping":           s.Ping(ctx),
		"case":           errCase, "cases": errCases, "due": errDue, "backlog": errBacklog, "history": errHistory, "look": errLook, "account": errAccount, "meta": errMeta,
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want %v", name, err, context.Canceled)
		}
	}
	equal(t, "version", s.get(t, d.ID).Version, 1)
	entries, err := s.History(t.Context(), d.ID, 0, 10)
	noErr(t, err)
	equal(t, "entries", len(entries), 0)
	equal(t, "cases", len(s.allPages(t, "", 10)), 1)
	s.replace(t, d, -1)
}

// testCancelHalfway lets writers give up at any moment. What was acknowledged is there and the
// store works on.
func testCancelHalfway(t *testing.T, s *store) {
	d := s.create(t, newCase())
	var acknowledged atomic.Int64
	race(t, 16, func(ctx context.Context, i int) error {
		for try := range 8 {
			ctx, cancel := context.WithTimeout(ctx, time.Duration((i*8+try)*50)*time.Microsecond)
			mine, err := s.Case(ctx, d.ID)
			if err == nil {
				mine.Version++
				if err = s.ReplaceCase(ctx, mine, -1); err == nil {
					acknowledged.Add(1)
				}
			}
			if err != nil && !errors.Is(err, cases.ErrStaleVersion) && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("writer %d: %v", i, err)
			}
			cancel()
		}
		return nil
	})
	got := s.get(t, d.ID)
	if got.Version < 1+acknowledged.Load() {
		t.Fatalf("version %d after %d acknowledged changes", got.Version, acknowledged.Load())
	}
	s.replace(t, got, -1)
}

// testReopen looks through a second handle while the first is still open, as after a kill.
func testReopen(t *testing.T, s *store) {
	ctx := t.Context()
	d := s.replace(t, s.create(t, newCase()), -1)
	a := newAccount()
	noErr(t, s.CreateAccount(ctx, a))
	noErr(t, s.AppendHistory(ctx, []cases.Entry{{CaseID: d.ID, N: 1, At: start, Hash: []byte{1}}}))
	noErr(t, s.AppendLook(ctx, cases.Look{CaseID: d.ID, N: 1, At: start, Hash: []byte{1}}))
	noErr(t, s.SetMeta(ctx, cases.Meta{Schema: 1, WrappedIndex: []byte{7}}, true))

	after := &store{Backend: s.another(t), open: s.open}
	equal(t, "version", after.get(t, d.ID).Version, 2)
	_, err := after.Account(ctx, a.ID)
	noErr(t, err)
	entries, err := after.History(ctx, d.ID, 0, 10)
	noErr(t, err)
	equal(t, "entries", len(entries), 1)
	l, err := after.LastLook(ctx, d.ID)
	noErr(t, err)
	equal(t, "look", l.N, 1)
	m, ok, err := after.Meta(ctx)
	noErr(t, err)
	if !ok || !bytes.Equal(m.WrappedIndex, []byte{7}) {
		t.Fatalf("record: got %v %v", m, ok)
	}
	after.replace(t, d, -1)
	equal(t, "version through the first handle", s.get(t, d.ID).Version, 3)
}

func testMigrate(t *testing.T, s *store) {
	d := s.create(t, newCase())
	noErr(t, s.Migrate(t.Context()))
	noErr(t, s.Migrate(t.Context()))
	noErr(t, s.Ping(t.Context()))
	s.get(t, d.ID)
}

func testMigrateRace(t *testing.T, s *store) {
	d := s.create(t, newCase())
	handles := s.handles(t, 4)
	noErr(t, errors.Join(race(t, 8, func(ctx context.Context, i int) error {
		return handles[i%len(handles)].Migrate(ctx)
	})...))
	s.get(t, d.ID)
}
