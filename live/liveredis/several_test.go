package liveredis_test

import (
	"testing"

	"github.com/symbolon/symbolon/live"
	"github.com/symbolon/symbolon/live/liveredis"
	"github.com/symbolon/symbolon/live/livetest"
	"github.com/symbolon/symbolon/sessions/redistest"
)

// On a cluster each case's number lies on one of three nodes, which publishes from there, while
// every hub listens at one: what one node says must reach those who listen at another.
func TestOnACluster(t *testing.T) {
	c := redistest.StartCluster(t)
	t.Run("contract", func(t *testing.T) {
		livetest.Run(t, func(*testing.T) (a, b live.Bus) {
			c.Clear()
			return liveredis.New(c.Client()), liveredis.New(c.Client())
		})
	})
	t.Run("churn", func(t *testing.T) {
		livetest.Churn(t, func(*testing.T) (a, b live.Bus) {
			c.Clear()
			return liveredis.New(c.Client()), liveredis.New(c.Client())
		}, nil)
		for i, n := range c.Keys() {
			if n == 0 {
				t.Errorf("no case lay on node %d", i)
			}
		}
	})
}

// Hubs over sentinels lose their subscription with the master, say so, and go on with the new one.
func TestChurnOverAFailover(t *testing.T) {
	s := redistest.StartSentinel(t)
	livetest.Churn(t, func(*testing.T) (a, b live.Bus) {
		return liveredis.New(s.Client()), liveredis.New(s.Client())
	}, s.KillMaster)
}

// The rights that docs/redis.md tells operators to give are enough.
func TestARestrictedUserIsEnough(t *testing.T) {
	s := redistest.StartReal(t)
	client := s.Restricted()
	livetest.Run(t, func(t *testing.T) (a, b live.Bus) {
		if err := s.Client().FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		return liveredis.New(client), liveredis.New(client)
	})
}
