package liveredis_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/symbolon/symbolon/live"
	"github.com/symbolon/symbolon/live/liveredis"
	"github.com/symbolon/symbolon/live/livetest"
	"github.com/symbolon/symbolon/seal"
	"github.com/symbolon/symbolon/sessions/embeddedredis"
	"github.com/symbolon/symbolon/sessions/redistest"
)

// A pool that was closed while it could not reach its server looks once more a second later.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

func TestContract(t *testing.T) {
	redistest.EachServer(t, func(t *testing.T, s *redistest.Server) {
		livetest.Run(t, func(t *testing.T) (a, b live.Bus) {
			s.Stop()
			s.Restart()
			return liveredis.New(s.Client()), liveredis.New(s.Client())
		})
	})
	t.Run("embedded", func(t *testing.T) { livetest.Run(t, embedded) })
}

// embedded gives two nodes on the Redis inside the process.
func embedded(t *testing.T) (a, b live.Bus) {
	s, err := embeddedredis.Start(embeddedredis.Config{Dir: t.TempDir(), Key: seal.NewKey()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return liveredis.New(s.Client()), liveredis.New(s.Client())
}

func TestChurn(t *testing.T) {
	redistest.EachServer(t, func(t *testing.T, s *redistest.Server) {
		livetest.Churn(t, func(*testing.T) (a, b live.Bus) {
			return liveredis.New(s.Client()), liveredis.New(s.Client())
		}, nil)
	})
	t.Run("embedded", func(t *testing.T) { livetest.Churn(t, embedded, nil) })
}

func TestChurnOverARestart(t *testing.T) {
	redistest.EachServer(t, func(t *testing.T, s *redistest.Server) {
		livetest.Churn(t, func(*testing.T) (a, b live.Bus) {
			return liveredis.New(s.Client()), liveredis.New(s.Client())
		}, func() {
			s.Stop()
			time.Sleep(200 * time.Millisecond) // the length of the failure
			s.Restart()
		})
	})
}

// A wish that ended is forgotten when somebody else wishes, and who had it is told.
func TestAWishEnds(t *testing.T) {
	redistest.EachServer(t, func(t *testing.T, s *redistest.Server) {
		a, b := liveredis.New(s.Client()), liveredis.New(s.Client())
		a.HearFor(time.Millisecond)
		hear := []live.Ask{{CaseID: "case", Hear: true}}
		for i, step := range []struct {
			bus   *liveredis.Bus
			heard bool
		}{{a, false}, {a, true}, {b, false}, {a, false}, {b, true}} {
			time.Sleep(2 * time.Millisecond) // until the wish of a ended
			given, err := step.bus.Take(t.Context(), hear)
			if err != nil || given[0].Heard != step.heard {
				t.Errorf("step %d: %+v, %v", i, given, err)
			}
		}
	})
}

// A node cannot know what was said while it was not listening.
func TestALostSubscriptionIsReported(t *testing.T) {
	redistest.EachServer(t, func(t *testing.T, s *redistest.Server) {
		ctx, cancel := context.WithCancel(context.Background())
		lost, done := make(chan struct{}, 100), make(chan error, 1)
		go func() {
			done <- liveredis.New(s.Client()).Run(ctx, func(live.News) {}, func([]byte) {}, func() { lost <- struct{}{} })
		}()
		for range 3 {
			select {
			case <-lost:
			case <-time.After(20 * time.Second):
				t.Fatal("not told")
			}
			if len(lost) != 0 {
				t.Error("told twice")
			}
			s.Stop()
			s.Restart()
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
