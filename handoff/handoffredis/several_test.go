package handoffredis_test

import (
	"errors"
	"testing"
	"time"

	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/handoff"
	"github.com/symbolon/symbolon/handoff/handoffredis"
	"github.com/symbolon/symbolon/handoff/handofftest"
	"github.com/symbolon/symbolon/sessions/redistest"
)

// The whole protocol, with its keys spread over three nodes.
func TestOnACluster(t *testing.T) {
	c := redistest.StartCluster(t)
	client := c.Client()
	open := func(*testing.T) handoff.Store {
		c.Clear()
		return handoffredis.New(client)
	}
	t.Run("store", func(t *testing.T) { handofftest.Store(t, open) })
	t.Run("protocol", func(t *testing.T) { handofftest.Protocol(t, open, func(*testing.T) { c.Clear() }) })
}

// A phone and a desk that are connected go on after the master died: neither scans again.
func TestAHandoffOutlivesItsMaster(t *testing.T) {
	sentinel := redistest.StartSentinel(t)
	w := handofftest.NewWorld(t, handoffredis.New(sentinel.Client()))
	h := w.MustOffer(handofftest.Request())
	h, err := w.Claim(t.Context(), handofftest.Phone(h.URL))
	if err != nil {
		t.Fatal(err)
	}
	sentinel.Replicated() // what it has not got when the master dies is lost
	sentinel.KillMaster()
	failed := 0
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got, err := w.Match(t.Context(), h.ID, h.Number)
		if err == nil {
			if got.State != handoff.Active || got.Epoch != h.Epoch {
				t.Errorf("%s in epoch %d", got.State, got.Epoch)
			}
			break
		}
		if failed++; fault.KindOf(err) != fault.Unavailable || time.Now().After(end) {
			t.Fatalf("after %d calls: %v", failed, err)
		}
	}
	t.Logf("%d calls failed", failed)
	if _, err := w.Finish(t.Context(), h.ID); err != nil {
		t.Error(err)
	}
	if _, err := w.Service.Open(t.Context(), "AAAA-AAAA"); !errors.Is(err, handoff.ErrCodeUnknown) {
		t.Errorf("an unknown code: %v", err)
	}
}

// The rights that docs/redis.md tells operators to give are enough.
func TestARestrictedUserIsEnough(t *testing.T) {
	s := redistest.StartReal(t)
	empty, client := empty(s.Client()), s.Restricted()
	open := func(t *testing.T) handoff.Store {
		empty(t)
		return handoffredis.New(client)
	}
	handofftest.Store(t, open)
	handofftest.Protocol(t, open, func(t *testing.T) { empty(t) })
}
