package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/symbolon/symbolon/live/liveredis"
	"github.com/symbolon/symbolon/live/livetest"
)

// faults collects what went wrong; the first few are printed.
type faults struct {
	mu sync.Mutex
	n  int
}

func (f *faults) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n++; f.n <= 10 {
		fmt.Printf("  WRONG: "+format+"\n", args...)
	}
}

// churn makes changes on two hubs over one Redis while listeners come and go, and counts what was lost.
func churn(ctx context.Context, dir string, changes int64) (err error) {
	server, address, err := startRedis(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	var clients [2]*redis.Client
	for i := range clients {
		clients[i] = redis.NewClient(&redis.Options{Addr: address})
		defer clients[i].Close()
	}
	fmt.Printf("Churn: %d changes of 40 cases on two hubs over one Redis, 20 listeners that stay, 8 that come and go all the time\n", changes)
	var f faults
	begin := time.Now()
	did := livetest.Stir(&f, changes, liveredis.New(clients[0]), liveredis.New(clients[1]), nil)
	took := time.Since(begin)
	fmt.Printf("  %.1f s, %.0f changes a second; %d visits; %d snapshots; %d trips to the other node, each for all changes of a case that waited\n",
		took.Seconds(), float64(changes)/took.Seconds(), did.Visits, did.Snapshots, did.Published)
	begin = time.Now()
	newcomers := int(changes / 100)
	livetest.Newcomers(&f, newcomers, liveredis.New(clients[0]), liveredis.New(clients[1]))
	fmt.Printf("  %.1f s for %d cases more, of 20 changes each, that one hub alone heard of until a listener of the other joined\n", time.Since(begin).Seconds(), newcomers)
	word := "kept"
	if f.n > 0 {
		word = "MISSED"
		missed++
	}
	fmt.Printf("  = %-56s %5d  (goal 0: %s)\n", "changes lost, snapshots older than their number, numbers going back", f.n, word)
	return nil
}
