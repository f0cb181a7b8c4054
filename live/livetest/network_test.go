package livetest_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/symbolon/symbolon/live"
	"github.com/symbolon/symbolon/live/livetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	livetest.Run(t, func(*testing.T) (a, b live.Bus) {
		n := livetest.NewNetwork()
		return n.Bus(), n.Bus()
	})
}

func TestChurn(t *testing.T) {
	var n *livetest.Network
	open := func(*testing.T) (a, b live.Bus) {
		n = livetest.NewNetwork()
		return n.Bus(), n.Bus()
	}
	t.Run("undisturbed", func(t *testing.T) { livetest.Churn(t, open, nil) })
	t.Run("the network fails for a while", func(t *testing.T) {
		livetest.Churn(t, open, func() {
			n.Down()
			time.Sleep(200 * time.Millisecond) // the length of the failure
			n.Up()
		})
	})
}
