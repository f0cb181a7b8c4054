// Package handofftest is what every handoff.Store must do, alone (Store) and under the
// rules of the protocol (Protocol). A backend runs both.
package handofftest

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/symbolon/symbolon/handoff"
)

// Start is the time at which every test starts.
var Start = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

const (
	keep  = time.Hour
	lease = 15 * time.Second
)

// newRecord returns an offer made at Start.
func newRecord() handoff.Record {
	id := ulid.Make().String()
	return handoff.Record{
		ID: "hnd_" + id, CaseID: "case_" + id, AccountID: "acc_" + id, SessionID: "ses_" + id,
		Epoch: 7, State: handoff.Offered, Steps: []string{"id_front", "id_back"}, Provider: "alipay",
		Locator: id[:10] + id[16:], TextIndex: "ti" + id, OfferKey: []byte{0, 1, 255}, Desk: []byte{2, 0, 128}, DeskNetwork: "net",
		OfferedAt: Start, ExpiresAt: Start.Add(handoff.OfferFor),
	}
}

func claimStep(now time.Time, key string) handoff.ClaimStep {
	return handoff.ClaimStep{
		Now: now, Fresh: true, ExpiresAt: now.Add(handoff.ClaimFor), AbsoluteAt: now.Add(handoff.AbsoluteFor),
		Phone: []byte{9, 0}, Key: key, RepeatAfter: now.Add(-handoff.RepeatClaim),
		Number: []byte{4, 7, 0}, NumberMAC: "mac47", Alert: []byte{3, 0},
	}
}

func matchStep(now time.Time, mac string) handoff.MatchStep {
	return handoff.MatchStep{
		Now: now, MAC: mac, IdleAt: now.Add(handoff.IdleFor), NewNumber: []byte{8, 2}, NewMAC: "mac82", Lease: now.Add(lease),
	}
}

func endStep(now time.Time, a handoff.Action, to handoff.State, by string) handoff.EndStep {
	return handoff.EndStep{Now: now, To: to, From: handoff.From(a), By: by, Lease: now.Add(lease)}
}

type harness struct {
	*testing.T
	store handoff.Store
}

func (h harness) create() handoff.Record {
	h.Helper()
	r := newRecord()
	if ok, err := h.store.Create(h.Context(), r, keep); err != nil || !ok {
		h.Fatalf("create: %v, %v", ok, err)
	}
	return r
}

// in creates a handoff and brings it into state s at Start.
func (h harness) in(s handoff.State) handoff.Record {
	h.Helper()
	ctx, r := h.Context(), h.create()
	claim := func() { h.want(handoff.OutOK)(h.store.Claim(ctx, r.ID, claimStep(Start, "key"))) }
	end := func(a handoff.Action, by string) {
		h.want(handoff.OutOK)(h.store.End(ctx, r.ID, endStep(Start, a, s, by)))
	}
	switch s {
	case handoff.Offered:
	case handoff.Claimed:
		claim()
	case handoff.Active:
		claim()
		h.want(handoff.OutOK)(h.store.Match(ctx, r.ID, matchStep(Start, "mac47")))
	case handoff.Done:
		claim()
		h.want(handoff.OutOK)(h.store.Match(ctx, r.ID, matchStep(Start, "mac47")))
		end(handoff.ActFinish, "")
	case handoff.Expired:
		end(handoff.ActExpire, "")
	case handoff.Cancelled:
		end(handoff.ActCancel, "phone")
	case handoff.Reported:
		end(handoff.ActReport, "phone")
	case handoff.Superseded:
		end(handoff.ActSupersede, "")
	case handoff.Locked:
		claim()
		h.want(handoff.OutWrong)(h.store.Match(ctx, r.ID, matchStep(Start, "x")))
		h.want(handoff.OutLocked)(h.store.Match(ctx, r.ID, matchStep(Start, "x")))
	}
	got := h.load(r.ID)
	if got.State != s {
		h.Fatalf("brought into %s, is %s", s, got.State)
	}
	return got
}

func (h harness) load(id string) handoff.Record {
	h.Helper()
	r, ok, err := h.store.Load(h.Context(), id)
	if err != nil || !ok {
		h.Fatalf("load: %v, %v", ok, err)
	}
	return r
}

// want returns a check that a step went as expected, and hands its record on.
func (h harness) want(want handoff.Outcome) func(handoff.Outcome, handoff.Record, error) handoff.Record {
	return func(got handoff.Outcome, r handoff.Record, err error) handoff.Record {
		h.Helper()
		if err != nil || got != want {
			h.Fatalf("outcome %q, %v; want %q", got, err, want)
		}
		return r
	}
}

// Store runs the contract of handoff.Store. open returns an empty store.
func Store(t *testing.T, open func(t *testing.T) handoff.Store) {
	tests := map[string]func(h harness){
		"what was created is read back":         readBack,
		"a code in use is refused":              codeInUse,
		"steps follow the table of transitions": followsTable,
		"one of many claims wins":               oneClaimWins,
		"a claim is repeated only in its time":  repeatedClaim,
		"a stale code claims nothing":           staleClaim,
		"numbers":                               numbers,
		"opening prolongs a picture once":       opening,
		"signs of the phone":                    signs,
		"a time that has run out stops steps":   runOut,
		"one of many sweeps ends it":            oneSweepEnds,
		"an announcement is handed on":          handsOn,
		"an announced end stays announced":      staysTold,
		"a report follows a deny in its time":   reportAfterDeny,
		"the greatest epoch is pointed at":      pointing,
		"trouble of a case":                     trouble,
		"what is not there":                     absent,
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		t.Run(name, func(t *testing.T) { tests[name](harness{t, open(t)}) })
	}
}

func readBack(h harness) {
	r := h.create()
	if got := h.load(r.ID); !reflect.DeepEqual(got, r) {
		h.Fatalf("loaded\n%+v\ncreated\n%+v", got, r)
	}
	for _, find := range []func() (string, error){
		func() (string, error) { return h.store.ByLocator(h.Context(), r.Locator) },
		func() (string, error) { return h.store.ByText(h.Context(), r.TextIndex) },
	} {
		if id, err := find(); id != r.ID || err != nil {
			h.Errorf("found %q, %v; want %q", id, err, r.ID)
		}
	}
}

func codeInUse(h harness) {
	first := h.create()
	for _, same := range []func(r *handoff.Record){
		func(r *handoff.Record) { r.Locator = first.Locator },
		func(r *handoff.Record) { r.TextIndex = first.TextIndex },
		func(r *handoff.Record) { r.ID = first.ID },
	} {
		r := newRecord()
		same(&r)
		if ok, err := h.store.Create(h.Context(), r, keep); ok || err != nil {
			h.Errorf("created over another: %v, %v", ok, err)
		}
	}
	if id, _ := h.store.ByLocator(h.Context(), first.Locator); id != first.ID {
		h.Errorf("the first one's code leads to %q", id)
	}
}

// followsTable does every action in every state and holds the result against handoff.Next.
func followsTable(h harness) {
	ctx, now := h.Context(), Start.Add(time.Second)
	do := map[handoff.Action]func(id string, to handoff.State) error{
		handoff.ActOpen: func(id string, _ handoff.State) error {
			_, _, err := h.store.Open(ctx, id, 0, now.Add(time.Minute), now)
			return err
		},
		handoff.ActClaim: func(id string, _ handoff.State) error {
			_, _, err := h.store.Claim(ctx, id, claimStep(now, "another"))
			return err
		},
		handoff.ActMatch: func(id string, _ handoff.State) error {
			_, _, err := h.store.Match(ctx, id, matchStep(now, "mac47"))
			return err
		},
		handoff.ActMismatch: func(id string, _ handoff.State) error {
			_, _, err := h.store.Match(ctx, id, matchStep(now, "wrong"))
			return err
		},
		handoff.ActLock: func(id string, _ handoff.State) error {
			for range handoff.MaxWrong {
				if _, _, err := h.store.Match(ctx, id, matchStep(now, "wrong")); err != nil {
					return err
				}
			}
			return nil
		},
		handoff.ActSeen: func(id string, _ handoff.State) error {
			_, _, err := h.store.Seen(ctx, id, now.Add(handoff.IdleFor), now)
			return err
		},
		handoff.ActReport: func(id string, to handoff.State) error {
			if _, _, err := h.store.End(ctx, id, endStep(now, handoff.ActReport, to, "phone")); err != nil {
				return err
			}
			_, _, err := h.store.Report(ctx, id, "phone", now.Add(-handoff.ReportFor), now, now.Add(lease))
			return err
		},
		handoff.ActExpire: func(id string, _ handoff.State) error {
			late := now.Add(24 * time.Hour)
			_, _, err := h.store.Sweep(ctx, id, late, late.Add(lease))
			return err
		},
	}
	for a, to := range map[handoff.Action]handoff.State{
		handoff.ActFinish: handoff.Done, handoff.ActCancel: handoff.Cancelled, handoff.ActSupersede: handoff.Superseded,
	} {
		do[a] = func(id string, _ handoff.State) error {
			_, _, err := h.store.End(ctx, id, endStep(now, a, to, ""))
			return err
		}
	}
	for _, s := range handoff.States {
		for _, a := range handoff.Actions {
			r := h.in(s)
			want, err := handoff.Next(s, a)
			if err := do[a](r.ID, handoff.Reported); err != nil {
				h.Fatalf("%s in %s: %v", a, s, err)
			}
			got := h.load(r.ID)
			if got.State != want {
				h.Errorf("%s in %s leads to %s, want %s", a, s, got.State, want)
			}
			if a != handoff.ActClaim && err != nil && !reflect.DeepEqual(got, r) {
				h.Errorf("%s in %s is refused but changed\n%+v\nto\n%+v", a, s, r, got)
			}
		}
	}
}

func oneClaimWins(h harness) {
	r := h.create()
	var won, lost atomic.Int64
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			c := claimStep(Start.Add(time.Second), "key"+strconv.Itoa(i))
			c.Phone, c.Alert = []byte(strconv.Itoa(i)), []byte(strconv.Itoa(i))
			outcome, got, err := h.store.Claim(h.Context(), r.ID, c)
			switch {
			case err != nil:
				h.Errorf("claim: %v", err)
			case outcome == handoff.OutOK:
				won.Add(1)
				if string(got.Phone) != strconv.Itoa(i) {
					h.Errorf("the winner %d got the claim of %s", i, got.Phone)
				}
			case outcome == handoff.OutClaimed:
				lost.Add(1)
			default:
				h.Errorf("claim: %s", outcome)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || lost.Load() != 99 {
		h.Fatalf("%d won, %d lost", won.Load(), lost.Load())
	}
	got := h.load(r.ID)
	if len(got.Alerts) != handoff.MaxAlerts {
		h.Errorf("%d alerts are kept", len(got.Alerts))
	}
	if slices.ContainsFunc(got.Alerts, func(a []byte) bool { return string(a) == string(got.Phone) }) {
		h.Error("there is an alert of the winner")
	}
}

func repeatedClaim(h harness) {
	ctx, r := h.Context(), h.create()
	first := h.want(handoff.OutOK)(h.store.Claim(ctx, r.ID, claimStep(Start, "k")))
	again := claimStep(Start.Add(handoff.RepeatClaim-time.Millisecond), "k")
	again.Fresh, again.Number = false, []byte{1}
	if got := h.want(handoff.OutRepeat)(h.store.Claim(ctx, r.ID, again)); !reflect.DeepEqual(got, first) {
		h.Errorf("the repetition got\n%+v\nnot\n%+v", got, first)
	}
	h.want(handoff.OutOK)(h.store.Match(ctx, r.ID, matchStep(Start, "mac47")))
	h.want(handoff.OutRepeat)(h.store.Claim(ctx, r.ID, claimStep(Start.Add(time.Minute), "k")))
	h.want(handoff.OutClaimed)(h.store.Claim(ctx, r.ID, claimStep(Start.Add(handoff.RepeatClaim), "k")))
	h.want(handoff.OutClaimed)(h.store.Claim(ctx, r.ID, claimStep(Start, "other")))

	unnamed := h.create()
	h.want(handoff.OutOK)(h.store.Claim(ctx, unnamed.ID, claimStep(Start, "")))
	h.want(handoff.OutClaimed)(h.store.Claim(ctx, unnamed.ID, claimStep(Start, "")))
}

func staleClaim(h harness) {
	r := h.create()
	c := claimStep(Start, "")
	c.Fresh = false
	h.want(handoff.OutStale)(h.store.Claim(h.Context(), r.ID, c))
	if got := h.load(r.ID); !reflect.DeepEqual(got, r) {
		h.Errorf("a stale code changed the offer: %+v", got)
	}
}

func numbers(h harness) {
	ctx, r := h.Context(), h.in(handoff.Claimed)
	if string(r.Number) != "\x04\x07\x00" {
		h.Errorf("the claim's number is %q", r.Number)
	}
	wrong := h.want(handoff.OutWrong)(h.store.Match(ctx, r.ID, matchStep(Start, "mac99")))
	if string(wrong.Number) != "\x08\x02" || wrong.WrongNumbers != 1 || !wrong.ExpiresAt.Equal(r.ExpiresAt) {
		h.Errorf("after a wrong number: %+v", wrong)
	}
	ok := h.want(handoff.OutOK)(h.store.Match(ctx, r.ID, matchStep(Start.Add(time.Second), "mac82")))
	if ok.Number != nil || !ok.ActiveAt.Equal(Start.Add(time.Second)) || !ok.ExpiresAt.Equal(Start.Add(time.Second+handoff.IdleFor)) {
		h.Errorf("after the right number: %+v", ok)
	}
	h.want(handoff.OutRepeat)(h.store.Match(ctx, r.ID, matchStep(Start, "mac82")))
	h.want(handoff.OutState)(h.store.Match(ctx, r.ID, matchStep(Start, "mac47")))

	old := h.in(handoff.Claimed) // the first number is dead after a wrong one
	h.want(handoff.OutWrong)(h.store.Match(ctx, old.ID, matchStep(Start, "mac99")))
	locked := h.want(handoff.OutLocked)(h.store.Match(ctx, old.ID, matchStep(Start, "mac47")))
	if locked.Number != nil || locked.NumberMAC != "" || !locked.EndedAt.Equal(Start) {
		h.Errorf("after the second wrong number: %+v", locked)
	}
}

func opening(h harness) {
	ctx, r := h.Context(), h.create()
	until := Start.Add(handoff.OpenedFor)
	h.want(handoff.OutOK)(h.store.Open(ctx, r.ID, 3, until, Start))
	h.want(handoff.OutSame)(h.store.Open(ctx, r.ID, 3, until.Add(time.Minute), Start))
	h.want(handoff.OutSame)(h.store.Open(ctx, r.ID, 0, until, Start))
	got := h.want(handoff.OutSame)(h.store.Open(ctx, r.ID, -1, until, Start))
	if want := (map[int]time.Time{0: until, 3: until}); !got.Opened || !reflect.DeepEqual(got.OpenedUntil, want) {
		h.Errorf("opened: %v %v", got.Opened, got.OpenedUntil)
	}
	if got = h.want(handoff.OutOK)(h.store.Claim(ctx, r.ID, claimStep(Start, ""))); got.Opened {
		h.Error("it is still opened after the claim")
	}
}

func signs(h harness) {
	ctx, r := h.Context(), h.in(handoff.Active)
	at := func(d time.Duration) time.Time { return Start.Add(d) }
	seen := func(d time.Duration, want handoff.Outcome) handoff.Record {
		h.Helper()
		return h.want(want)(h.store.Seen(ctx, r.ID, at(d+handoff.IdleFor), at(d)))
	}
	seen(handoff.SeenEvery-time.Millisecond, handoff.OutSame)
	if before := seen(handoff.SeenEvery, handoff.OutOK); !before.SeenAt.Equal(Start) {
		h.Errorf("the record is not the one before: %v", before.SeenAt)
	}
	if got := h.load(r.ID); !got.SeenAt.Equal(at(handoff.SeenEvery)) || !got.ExpiresAt.Equal(at(handoff.SeenEvery+handoff.IdleFor)) {
		h.Errorf("seen at %v, expires %v", got.SeenAt, got.ExpiresAt)
	}
	for d := 10 * time.Minute; d < handoff.AbsoluteFor; d += 10 * time.Minute {
		seen(d, handoff.OutOK)
	}
	if got := h.load(r.ID); !got.ExpiresAt.Equal(at(handoff.AbsoluteFor)) {
		h.Errorf("prolonged to %v, beyond the absolute end", got.ExpiresAt)
	}
	seen(handoff.AbsoluteFor, handoff.OutDue)

	claimed := h.in(handoff.Claimed)
	h.want(handoff.OutOK)(h.store.Seen(ctx, claimed.ID, at(time.Hour), at(time.Minute)))
	if got := h.load(claimed.ID); !got.ExpiresAt.Equal(claimed.ExpiresAt) {
		h.Error("a sign of the phone prolonged a claim")
	}
}

func runOut(h harness) {
	ctx := h.Context()
	for _, s := range []handoff.State{handoff.Offered, handoff.Claimed, handoff.Active} {
		r := h.in(s)
		at := r.ExpiresAt
		if s == handoff.Offered {
			h.want(handoff.OutDue)(h.store.Open(ctx, r.ID, 0, at, at))
		} else {
			h.want(handoff.OutDue)(h.store.Seen(ctx, r.ID, at, at))
		}
		if s == handoff.Claimed {
			h.want(handoff.OutDue)(h.store.Match(ctx, r.ID, matchStep(at, "mac47")))
		}
		h.want(handoff.OutDue)(h.store.Claim(ctx, r.ID, claimStep(at, "key")))
		if got := h.load(r.ID); got.State != s {
			h.Errorf("%s became %s", s, got.State)
		}
	}
}

func oneSweepEnds(h harness) {
	ctx, r := h.Context(), h.in(handoff.Claimed)
	due := func(now time.Time) bool {
		h.Helper()
		ids, err := h.store.Due(ctx, now, 10)
		if err != nil {
			h.Fatal(err)
		}
		return slices.Contains(ids, r.ID)
	}
	if due(r.ExpiresAt.Add(-time.Millisecond)) {
		h.Error("it is to be looked at too early")
	}
	if !due(r.ExpiresAt) {
		h.Fatal("nobody is told to look at it when its claim expires")
	}
	h.want(handoff.OutLater)(h.store.Sweep(ctx, r.ID, r.ExpiresAt.Add(-time.Millisecond), r.ExpiresAt.Add(lease)))
	if !due(r.ExpiresAt) {
		h.Fatal("a look that came too early is the last one")
	}
	outcomes := make(chan handoff.Outcome, 32)
	var wg sync.WaitGroup
	for range cap(outcomes) {
		wg.Go(func() {
			outcome, _, err := h.store.Sweep(ctx, r.ID, r.ExpiresAt, r.ExpiresAt.Add(lease))
			if err != nil {
				h.Errorf("sweep: %v", err)
			}
			outcomes <- outcome
		})
	}
	wg.Wait()
	close(outcomes)
	count := map[handoff.Outcome]int{}
	for o := range outcomes {
		count[o]++
	}
	if count[handoff.OutEnded] != 1 || count[handoff.OutLater] != 31 {
		h.Errorf("sweeps: %v", count)
	}
	if got := h.load(r.ID); got.State != handoff.Expired || !got.EndedAt.Equal(r.ExpiresAt) || got.Number != nil {
		h.Errorf("expired: %+v", got)
	}
}

func handsOn(h harness) {
	ctx := h.Context()
	for _, s := range handoff.States {
		if !s.Ended() {
			continue
		}
		r := h.in(s)
		at := Start.Add(lease)
		if s == handoff.Expired { // its announcer got the lease from a sweep or an end alike
			at = r.EndedAt.Add(lease)
		}
		ids, err := h.store.Due(ctx, at, 100)
		if err != nil || !slices.Contains(ids, r.ID) {
			h.Fatalf("%s: nobody looks after the lease: %v, %v", s, ids, err)
		}
		h.want(handoff.OutLater)(h.store.Sweep(ctx, r.ID, at.Add(-time.Millisecond), at.Add(lease)))
		h.want(handoff.OutAgain)(h.store.Sweep(ctx, r.ID, at, at.Add(lease)))
		h.want(handoff.OutLater)(h.store.Sweep(ctx, r.ID, at, at.Add(lease)))
		if err := h.store.Told(ctx, r.ID, s); err != nil {
			h.Fatal(err)
		}
		h.want(handoff.OutTold)(h.store.Sweep(ctx, r.ID, at.Add(lease), at.Add(2*lease)))
		if ids, _ := h.store.Due(ctx, at.Add(24*time.Hour), 100); slices.Contains(ids, r.ID) {
			h.Errorf("%s: it is looked at for ever", s)
		}
	}
}

func staysTold(h harness) {
	ctx, r := h.Context(), h.in(handoff.Cancelled)
	if err := h.store.Told(ctx, r.ID, handoff.Cancelled); err != nil {
		h.Fatal(err)
	}
	h.want(handoff.OutState)(h.store.End(ctx, r.ID, endStep(Start, handoff.ActCancel, handoff.Cancelled, "")))
	h.want(handoff.OutTold)(h.store.Sweep(ctx, r.ID, Start.Add(time.Hour), Start.Add(time.Hour+lease)))
	h.want(handoff.OutOK)(h.store.Report(ctx, r.ID, "phone", Start.Add(-time.Minute), Start, Start.Add(lease)))
	// An announcement of the deny that comes late does not stand for that of the report.
	if err := h.store.Told(ctx, r.ID, handoff.Cancelled); err != nil {
		h.Fatal(err)
	}
	h.want(handoff.OutAgain)(h.store.Sweep(ctx, r.ID, Start.Add(lease), Start.Add(2*lease)))
}

func reportAfterDeny(h harness) {
	ctx, r := h.Context(), h.in(handoff.Cancelled)
	report := func(by string, since time.Time) (handoff.Outcome, handoff.Record, error) {
		return h.store.Report(ctx, r.ID, by, since, Start, Start.Add(lease))
	}
	h.want(handoff.OutState)(report("desk", Start.Add(-time.Minute)))
	h.want(handoff.OutState)(report("phone", Start))
	if got := h.want(handoff.OutOK)(report("phone", Start.Add(-time.Millisecond))); got.State != handoff.Reported {
		h.Errorf("reported: %s", got.State)
	}
	h.want(handoff.OutState)(report("phone", Start.Add(-time.Minute)))
}

func pointing(h harness) {
	ctx := h.Context()
	point := func(id string, epoch int64, wantFormer string, wantOK bool) {
		h.Helper()
		former, ok, err := h.store.Point(ctx, "case_1", id, epoch, keep)
		if err != nil || former != wantFormer || ok != wantOK {
			h.Errorf("point %q at %d: %q, %v, %v; want %q, %v", id, epoch, former, ok, err, wantFormer, wantOK)
		}
	}
	point("hnd_a", 0, "", true)
	point("hnd_b", 5, "hnd_a", true)
	point("hnd_c", 5, "hnd_b", false)
	point("hnd_c", 4, "hnd_b", false)
	point("", 8, "hnd_b", true)
	point("hnd_c", 8, "hnd_b", false)
	point("", 7, "hnd_b", false)
	if id, err := h.store.Pointed(ctx, "case_1"); id != "hnd_b" || err != nil {
		h.Errorf("pointed at %q, %v", id, err)
	}
	point("hnd_c", 9, "hnd_b", true)
	if id, err := h.store.Pointed(ctx, "case_2"); id != "" || err != nil {
		h.Errorf("another case: %q, %v", id, err)
	}

	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			if _, _, err := h.store.Point(ctx, "case_3", "hnd_"+strconv.Itoa(i), int64(i), keep); err != nil {
				h.Errorf("point: %v", err)
			}
		})
	}
	wg.Wait()
	if id, _ := h.store.Pointed(ctx, "case_3"); id != "hnd_31" {
		h.Errorf("after a race: %q", id)
	}
}

func trouble(h harness) {
	ctx := h.Context()
	check := func(since time.Time, wantLocks int, wantReported bool) {
		h.Helper()
		locks, reported, err := h.store.Trouble(ctx, "case_1", since)
		if err != nil || len(locks) != wantLocks || reported != wantReported || !slices.IsSortedFunc(locks, time.Time.Compare) {
			h.Errorf("trouble since %v: %v, %v, %v", since, locks, reported, err)
		}
	}
	check(Start, 0, false)
	for i, id := range []string{"hnd_a", "hnd_b", "hnd_c", "hnd_b"} {
		if err := h.store.NoteLock(ctx, "case_1", id, Start.Add(time.Duration(i)*time.Minute)); err != nil {
			h.Fatal(err)
		}
	}
	if err := h.store.NoteReport(ctx, "case_1", keep); err != nil {
		h.Fatal(err)
	}
	check(Start, 3, true)
	check(Start.Add(time.Minute), 2, true)
	check(Start.Add(3*time.Minute), 0, true)
	if err := h.store.ClearReport(ctx, "case_1"); err != nil {
		h.Fatal(err)
	}
	check(Start, 3, false)
	if locks, reported, err := h.store.Trouble(ctx, "case_2", Start); len(locks) != 0 || reported || err != nil {
		h.Errorf("another case: %v, %v, %v", locks, reported, err)
	}
}

func absent(h harness) {
	ctx, id := h.Context(), "hnd_none"
	if _, ok, err := h.store.Load(ctx, id); ok || err != nil {
		h.Errorf("load: %v, %v", ok, err)
	}
	for _, find := range []func(context.Context, string) (string, error){h.store.ByLocator, h.store.ByText} {
		if got, err := find(ctx, "none"); got != "" || err != nil {
			h.Errorf("find: %q, %v", got, err)
		}
	}
	unknown := h.want(handoff.OutUnknown)
	unknown(h.store.Open(ctx, id, 0, Start, Start))
	unknown(h.store.Claim(ctx, id, claimStep(Start, "k")))
	unknown(h.store.Match(ctx, id, matchStep(Start, "m")))
	unknown(h.store.Seen(ctx, id, Start, Start))
	unknown(h.store.End(ctx, id, endStep(Start, handoff.ActCancel, handoff.Cancelled, "")))
	unknown(h.store.Report(ctx, id, "phone", Start, Start, Start))
	if err := h.store.Told(ctx, id, handoff.Done); err != nil {
		h.Error(err)
	}
	if _, ok, _ := h.store.Load(ctx, id); ok {
		h.Error("a step made a handoff out of nothing")
	}
	unknown(h.store.Sweep(ctx, id, Start, Start))
	if ids, err := h.store.Due(ctx, Start.Add(24*time.Hour), 10); len(ids) != 0 || err != nil {
		h.Errorf("still to be looked at: %v, %v", ids, err)
	}
	for i := range 5 {
		r := newRecord()
		r.ExpiresAt = Start.Add(time.Duration(i) * time.Second)
		if ok, err := h.store.Create(ctx, r, keep); !ok || err != nil {
			h.Fatal(ok, err)
		}
	}
	if ids, err := h.store.Due(ctx, Start.Add(time.Minute), 3); len(ids) != 3 || err != nil {
		h.Errorf("a batch of 3: %v, %v", ids, err)
	}
	if err := h.store.Ping(ctx); err != nil {
		h.Error(fmt.Errorf("ping: %w", err))
	}
}
