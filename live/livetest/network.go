// Package livetest holds the contract of live.Bus as tests, which every bus runs, a test
// of hubs under churn, and a bus in memory for the tests of others.
package livetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/symbolon/symbolon/live"
)

// ErrDown is what a Network that is down answers.
var ErrDown = errors.New("livetest: the network is down")

// Network joins buses in memory. It starts up.
type Network struct {
	mu    sync.Mutex
	down  bool
	seq   map[string]int64
	ears  map[hearing]time.Time // until when
	buses []*Bus
}

// hearing is a node that hears of a case's changes.
type hearing struct {
	bus    *Bus
	caseID string
}

// NewNetwork returns a network without nodes.
func NewNetwork() *Network { return &Network{seq: map[string]int64{}, ears: map[hearing]time.Time{}} }

// Bus returns the bus of a new node.
func (n *Network) Bus() *Bus {
	b := &Bus{net: n}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.buses = append(n.buses, b)
	return b
}

// Down makes every call fail and every message be lost until Up.
func (n *Network) Down() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = true
}

// Up ends Down. Everything was forgotten, and every bus says so.
func (n *Network) Up() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = false
	clear(n.seq)
	clear(n.ears)
	for _, b := range n.buses {
		b.push(event{lost: true})
	}
}

// Forget forgets which nodes hear of what, and no bus says so.
func (n *Network) Forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.ears)
}

// Bus is a live.Bus in memory.
type Bus struct {
	net *Network

	// Guarded by net.mu.
	running bool
	queue   []event
	wake    chan struct{}
}

var _ live.Bus = (*Bus)(nil)

type event struct {
	lost    bool
	news    live.News
	payload []byte
}

// push is called with net.mu held.
func (b *Bus) push(e event) {
	if !b.running {
		return
	}
	b.queue = append(b.queue, e)
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Take is a method of live.Bus.
func (b *Bus) Take(ctx context.Context, asks []live.Ask) ([]live.Given, error) {
	b.net.mu.Lock()
	defer b.net.mu.Unlock()
	given := make([]live.Given, len(asks))
	if err := ctx.Err(); err != nil {
		return given, err
	}
	if b.net.down {
		return given, ErrDown
	}
	now := time.Now()
	for i, a := range asks {
		before := b.net.seq[a.CaseID]
		seq := max(before+1, a.Floor+1, now.UnixMilli())
		b.net.seq[a.CaseID] = seq
		given[i] = live.Given{Seq: seq, Before: before, Heard: b.net.ears[hearing{b, a.CaseID}].After(now), Alone: true}
		for _, other := range b.net.buses {
			if other == b || !b.net.ears[hearing{other, a.CaseID}].After(now) {
				continue
			}
			given[i].Alone = false
			if a.Changed || !given[i].Heard {
				other.push(event{news: live.News{CaseID: a.CaseID, Seq: seq, Changed: a.Changed, Hears: a.Hear}})
			}
		}
		if a.Hear {
			b.net.ears[hearing{b, a.CaseID}] = now.Add(live.HearFor)
		}
	}
	return given, nil
}

// Relay is a method of live.Bus.
func (b *Bus) Relay(ctx context.Context, payload []byte) error {
	b.net.mu.Lock()
	defer b.net.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.net.down {
		return ErrDown
	}
	for _, other := range b.net.buses {
		if other != b {
			other.push(event{payload: slices.Clone(payload)})
		}
	}
	return nil
}

// Run is a method of live.Bus.
func (b *Bus) Run(ctx context.Context, told func(live.News), relayed func(payload []byte), lost func()) error {
	b.net.mu.Lock()
	b.running, b.queue, b.wake = true, []event{{lost: true}}, make(chan struct{}, 1)
	b.wake <- struct{}{}
	b.net.mu.Unlock()
	for {
		select {
		case <-ctx.Done():
			b.net.mu.Lock()
			b.running, b.queue = false, nil
			b.net.mu.Unlock()
			return nil
		case <-b.wake:
		}
		b.net.mu.Lock()
		queue := b.queue
		b.queue = nil
		b.net.mu.Unlock()
		for _, e := range queue {
			switch {
			case e.lost:
				lost()
			case e.payload != nil:
				relayed(e.payload)
			default:
				told(e.news)
			}
		}
	}
}
