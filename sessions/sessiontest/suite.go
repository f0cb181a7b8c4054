// Package sessiontest is the contract of sessions.Store as tests. Every backend runs it.
package sessiontest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/symbolon/symbolon/sessions"
)

// Run runs the suite. open returns an empty store.
func Run(t *testing.T, open func(t *testing.T) sessions.Store) {
	// A time of our own: a store must judge by the time it is given.
	start := time.Date(2001, 2, 3, 4, 5, 6, 789e6, time.UTC)
	ctx := context.Background()
	full := sessions.Session{
		ID: "ses_1", Kind: sessions.Capture, AccountID: "acc_1", Roles: []string{"reviewer", "admin"},
		CaseID: "case_1", HandoffID: "hnd_1", Epoch: 7,
		CreatedAt: start, ExpiresAt: start.Add(time.Hour), IdleUntil: start.Add(10 * time.Minute), ConfirmedAt: start.Add(time.Second),
	}

	t.Run("a session comes back as it was put", func(t *testing.T) {
		s := open(t)
		ok(t, s.PutSession(ctx, "h1", full))
		plain := sessions.Session{ID: "ses_2", Kind: sessions.Desk, AccountID: "acc_2", CreatedAt: start, ExpiresAt: start.Add(time.Hour), IdleUntil: start.Add(time.Hour)}
		ok(t, s.PutSession(ctx, "h2", plain))
		for hash, want := range map[string]sessions.Session{"h1": full, "h2": plain} {
			got, err := s.Session(ctx, hash, start)
			ok(t, err)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		}
	})

	t.Run("putting again replaces all of it", func(t *testing.T) {
		s := open(t)
		ok(t, s.PutSession(ctx, "h", full))
		second := full
		second.ID, second.ConfirmedAt, second.Roles = "ses_9", time.Time{}, nil
		ok(t, s.PutSession(ctx, "h", second))
		got, err := s.Session(ctx, "h", start)
		ok(t, err)
		if !reflect.DeepEqual(got, second) {
			t.Errorf("got %+v", got)
		}
	})

	t.Run("unknown, idle and expired are all unknown", func(t *testing.T) {
		s := open(t)
		ok(t, s.PutSession(ctx, "h", full))
		_, err := s.Session(ctx, "other", start)
		is(t, err, sessions.ErrUnknown)
		_, err = s.Session(ctx, "h", full.IdleUntil.Add(-time.Millisecond))
		ok(t, err)
		_, err = s.Session(ctx, "h", full.IdleUntil)
		is(t, err, sessions.ErrUnknown)
		ok(t, s.TouchSession(ctx, "h", full.ExpiresAt.Add(time.Hour), time.Time{}))
		_, err = s.Session(ctx, "h", full.ExpiresAt.Add(-time.Millisecond))
		ok(t, err)
		_, err = s.Session(ctx, "h", full.ExpiresAt)
		is(t, err, sessions.ErrUnknown)
	})

	t.Run("a touch moves the idle end later, never earlier, never past the absolute end", func(t *testing.T) {
		s := open(t)
		ok(t, s.PutSession(ctx, "h", full))
		for _, step := range []struct{ to, want time.Time }{
			{start.Add(20 * time.Minute), start.Add(20 * time.Minute)},
			{start.Add(15 * time.Minute), start.Add(20 * time.Minute)},
			{start.Add(2 * time.Hour), full.ExpiresAt},
		} {
			ok(t, s.TouchSession(ctx, "h", step.to, time.Time{}))
			got, err := s.Session(ctx, "h", start)
			ok(t, err)
			if !got.IdleUntil.Equal(step.want) || !got.ConfirmedAt.Equal(full.ConfirmedAt) {
				t.Errorf("idle until %v, confirmed %v; want %v, %v", got.IdleUntil, got.ConfirmedAt, step.want, full.ConfirmedAt)
			}
		}
		at := start.Add(5 * time.Minute)
		ok(t, s.TouchSession(ctx, "h", start, at))
		got, err := s.Session(ctx, "h", start)
		ok(t, err)
		if !got.ConfirmedAt.Equal(at) {
			t.Errorf("confirmed %v, want %v", got.ConfirmedAt, at)
		}
	})

	t.Run("an ended session is not brought back by a touch", func(t *testing.T) {
		s := open(t)
		ok(t, s.PutSession(ctx, "h", full))
		ok(t, s.DeleteSession(ctx, "h"))
		ok(t, s.DeleteSession(ctx, "h"))
		is(t, s.TouchSession(ctx, "h", start.Add(time.Minute), start), sessions.ErrUnknown)
		_, err := s.Session(ctx, "h", start)
		is(t, err, sessions.ErrUnknown)
	})

	t.Run("the sessions of an account are known until they are over", func(t *testing.T) {
		s := open(t)
		for hash, ends := range map[string]time.Duration{"short": time.Minute, "long": time.Hour, "later": 2 * time.Hour} {
			ok(t, s.NoteSession(ctx, "a", hash, start.Add(ends), start))
		}
		ok(t, s.NoteSession(ctx, "b", "other", start.Add(time.Hour), start))
		at := func(now time.Time, want ...string) {
			t.Helper()
			got, err := s.SessionsOf(ctx, "a", now)
			ok(t, err)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%v later: %q, want %q", now.Sub(start), got, want)
			}
		}
		at(start, "later", "long", "short")
		at(start.Add(time.Minute), "later", "long")
		ok(t, s.NoteSession(ctx, "a", "new", start.Add(90*time.Minute), start.Add(time.Hour)))
		at(start.Add(time.Hour), "later", "new")
		at(start.Add(3 * time.Hour))
	})

	t.Run("a window counts and begins again", func(t *testing.T) {
		s := open(t)
		for i, want := range []struct {
			after time.Duration
			n     int64
			left  time.Duration
		}{
			{0, 1, time.Minute},
			{10 * time.Second, 2, 50 * time.Second},
			{59999 * time.Millisecond, 3, time.Millisecond},
			{60 * time.Second, 1, time.Minute},
			{61 * time.Second, 2, 59 * time.Second},
			{-time.Second, 1, time.Minute}, // the clock was set back by more than a window
		} {
			n, left, err := s.Take(ctx, "k", time.Minute, start.Add(want.after))
			ok(t, err)
			if n != want.n || left != want.left {
				t.Errorf("use %d: %d, %v; want %d, %v", i, n, left, want.n, want.left)
			}
		}
		// Callers race and clocks of nodes differ: an earlier use does not begin the window anew.
		for want := int64(1); want <= 2; want++ {
			if n, left, err := s.Take(ctx, "behind", time.Minute, start.Add(time.Duration(1-want)*time.Second)); err != nil || n != want || left != time.Minute {
				t.Errorf("a second before: %d, %v, %v", n, left, err)
			}
		}
		if n, _, err := s.Take(ctx, "behind", time.Minute, start.Add(-2*time.Minute)); err != nil || n != 1 {
			t.Errorf("after the clock was set back: %d, %v", n, err)
		}
		if n, _, err := s.Take(ctx, "other", time.Minute, start); err != nil || n != 1 {
			t.Errorf("another key: %d, %v", n, err)
		}
	})

	t.Run("a use can be given back, never more than there were", func(t *testing.T) {
		s := open(t)
		ok(t, s.GiveBack(ctx, "k", start)) // of no window at all
		for _, want := range []int64{1, 2, 3} {
			if n, _, err := s.Take(ctx, "k", time.Minute, start); err != nil || n != want {
				t.Errorf("%d, %v; want %d", n, err, want)
			}
		}
		ok(t, s.GiveBack(ctx, "k", start))
		if n, left, err := s.Take(ctx, "k", time.Minute, start.Add(20*time.Second)); err != nil || n != 3 || left != 40*time.Second {
			t.Errorf("after one given back: %d, %v, %v", n, left, err)
		}
		for range 5 {
			ok(t, s.GiveBack(ctx, "k", start.Add(20*time.Second)))
		}
		if n, _, err := s.Take(ctx, "k", time.Minute, start.Add(20*time.Second)); err != nil || n != 1 {
			t.Errorf("after all given back: %d, %v", n, err)
		}
		// A use of the window before does not make room in this one.
		later := start.Add(time.Minute)
		for range 2 {
			_, _, err := s.Take(ctx, "k", time.Minute, later)
			ok(t, err)
		}
		ok(t, s.GiveBack(ctx, "k", later.Add(-time.Millisecond)))
		if n, _, err := s.Take(ctx, "k", time.Minute, later); err != nil || n != 3 {
			t.Errorf("after a use of the window before was given back: %d, %v", n, err)
		}
	})

	t.Run("uses at once are all counted", func(t *testing.T) {
		s := open(t)
		var seen sync.Map
		parallel(100, func(int) {
			n, _, err := s.Take(ctx, "k", time.Minute, start)
			ok(t, err)
			if _, twice := seen.LoadOrStore(n, true); twice {
				t.Errorf("count %d was given twice", n)
			}
		})
		if n, _, _ := s.Take(ctx, "k", time.Minute, start); n != 101 {
			t.Errorf("101st use counted as %d", n)
		}
	})

	t.Run("an idempotency key has one worker", func(t *testing.T) {
		s := open(t)
		var winners, losers atomic.Int64
		parallel(50, func(i int) {
			a, err := s.BeginAnswer(ctx, "k", "digest", fmt.Sprint("claim", i), time.Minute, start)
			switch {
			case err == nil && a == nil:
				winners.Add(1)
			case errors.Is(err, sessions.ErrInProgress):
				losers.Add(1)
			default:
				t.Errorf("got %v, %v", a, err)
			}
		})
		if winners.Load() != 1 || losers.Load() != 49 {
			t.Errorf("%d winners, %d losers", winners.Load(), losers.Load())
		}
	})

	t.Run("an answer is given again to the same request only, until its time is over", func(t *testing.T) {
		s := open(t)
		begin := func(digest string, after time.Duration) (*sessions.Answer, error) {
			return s.BeginAnswer(ctx, "k", digest, "c", time.Minute, start.Add(after))
		}
		a, err := begin("d1", 0)
		ok(t, err)
		if a != nil {
			t.Fatal("an answer out of nothing")
		}
		_, err = begin("d1", time.Second)
		is(t, err, sessions.ErrInProgress)
		_, err = begin("d2", time.Second)
		is(t, err, sessions.ErrKeyReused)

		want := sessions.Answer{Status: 201, Header: map[string]string{"Location": "/x"}, Body: []byte{0, 255, 1, 254}}
		ok(t, s.EndAnswer(ctx, "k", "c", &want, 2*time.Hour, start.Add(2*time.Second)))
		got, err := begin("d1", time.Hour)
		ok(t, err)
		if got == nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		_, err = begin("d2", time.Hour)
		is(t, err, sessions.ErrKeyReused)

		a, err = begin("d2", 2*time.Hour+2*time.Second)
		ok(t, err)
		if a != nil {
			t.Error("an answer outlived its time")
		}
	})

	t.Run("a claim given back or lapsed can be claimed again, and its late answer counts no more", func(t *testing.T) {
		s := open(t)
		begin := func(claim string, after time.Duration) {
			t.Helper()
			a, err := s.BeginAnswer(ctx, "k", "d", claim, time.Minute, start.Add(after))
			ok(t, err)
			if a != nil {
				t.Fatal("an answer out of nothing")
			}
		}
		begin("c1", 0)
		ok(t, s.EndAnswer(ctx, "k", "c1", nil, time.Hour, start))
		begin("c2", 0)
		begin("c3", time.Minute) // c2 lapsed

		late := &sessions.Answer{Status: 200}
		ok(t, s.EndAnswer(ctx, "k", "c2", late, time.Hour, start.Add(time.Minute)))
		ok(t, s.EndAnswer(ctx, "k", "c2", nil, time.Hour, start.Add(time.Minute)))
		_, err := s.BeginAnswer(ctx, "k", "d", "c4", time.Minute, start.Add(61*time.Second))
		is(t, err, sessions.ErrInProgress)
		ok(t, s.EndAnswer(ctx, "nothing", "c", late, time.Hour, start))
	})
}

func parallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func is(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}
