package livetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/symbolon/symbolon/live"
)

// Churn is Stir with 10,000 changes, as a test, and Newcomers with 500 cases where nothing disturbs them. disturb,
// where given, is called once in the middle.
func Churn(t *testing.T, open func(t *testing.T) (a, b live.Bus), disturb func()) {
	a, b := open(t)
	Stir(t, 10_000, a, b, disturb)
	if disturb == nil {
		a, b = open(t)
		Newcomers(t, 500, a, b)
	}
}

// Reporter takes what went wrong. *testing.T is one.
type Reporter interface {
	Errorf(format string, args ...any)
}

// Stirred is what happened under Stir.
type Stirred struct {
	Published int64 // trips of a change to the other node: one may stand for several changes of a case
	Snapshots int64 // that listeners took
	Visits    int64 // listeners that came and left
}

// Stir changes cases on two hubs, one over each bus, while listeners join and leave all the time. It
// checks that every listener that stays sees the final state, that no listener's seq repeats or goes back,
// and that no snapshot is older than its number.
func Stir(t Reporter, changes int64, busA, busB live.Bus, disturb func()) Stirred {
	const cases, writers, visitors, stayers = 40, 4, 8, 20
	w := &world{numbers: map[string][]number{}, seen: map[string][]number{}}
	for i := range cases {
		id := fmt.Sprint("case_", i)
		w.ids = append(w.ids, id)
		w.versions.Store(id, new(atomic.Int64))
	}

	ctx, stop := context.WithCancel(context.Background())
	var running, reading, writing sync.WaitGroup
	defer func() { stop(); running.Wait() }()
	hubs, ok := w.start(t, ctx, &running, busA, busB)
	if !ok {
		return Stirred{}
	}

	var staying []*socket
	for i := range stayers {
		s := &socket{hub: hubs[i%2], id: w.ids[i%cases]}
		staying = append(staying, s)
		s.listener = s.hub.Join(s.id, live.Desk)
		reading.Go(func() { s.read(t, ctx, w, 0) })
	}
	var visits atomic.Int64
	for range visitors {
		reading.Go(func() {
			for ctx.Err() == nil {
				s := &socket{hub: hubs[rand.IntN(2)], id: w.ids[rand.IntN(cases)]}
				s.listener = s.hub.Join(s.id, live.Role([]live.Role{live.Desk, live.Phone}[rand.IntN(2)]))
				s.hub.Seen(ctx, s.id, live.Desk)
				s.read(t, ctx, w, 1+rand.IntN(5))
				visits.Add(1)
			}
		})
	}

	var done atomic.Int64
	var once sync.Once
	for range writers {
		writing.Go(func() {
			for n := done.Add(1); n <= changes; n = done.Add(1) {
				id := w.ids[rand.IntN(cases)]
				w.version(id).Add(1) // stored
				hubs[rand.IntN(2)].Changed(ctx, id)
				if n == changes/2 && disturb != nil {
					once.Do(disturb)
				}
				if n%16 == 0 {
					time.Sleep(time.Millisecond) // so that it is a stream, not one burst
				}
			}
		})
	}
	writing.Wait()

	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		behind := 0
		for _, s := range staying {
			if s.last.Load() != w.version(s.id).Load() {
				behind++
			}
		}
		if behind == 0 {
			break
		}
		if time.Now().After(end) {
			t.Errorf("%d of %d listeners never saw the final state", behind, stayers)
			break
		}
	}
	stop()
	reading.Wait()
	running.Wait()
	did := Stirred{Visits: visits.Load()}
	for i, hub := range hubs {
		s := hub.Stats()
		did.Published += s.Changes
		if s.Listeners != 0 {
			t.Errorf("hub %d still holds %d listeners", i, s.Listeners)
		}
	}
	did.Snapshots = w.check(t, disturb == nil)
	return did
}

// Newcomers changes cases that one hub alone hears of, while a listener of the other hub joins. It checks that both
// see the final state, and what Stir checks of numbers. Stir does not: its cases are soon heard of by both hubs for good.
func Newcomers(t Reporter, cases int, busA, busB live.Bus) {
	const workers, changes = 16, 20
	w := &world{numbers: map[string][]number{}, seen: map[string][]number{}}
	ctx, stop := context.WithCancel(context.Background())
	var running, working sync.WaitGroup
	defer func() { stop(); running.Wait() }()
	hubs, ok := w.start(t, ctx, &running, busA, busB)
	if !ok {
		return
	}
	var done atomic.Int64
	for range workers {
		working.Go(func() {
			for n := done.Add(1); n <= int64(cases); n = done.Add(1) {
				w.newcomer(t, ctx, fmt.Sprint("case_", n), hubs[n%2], hubs[1-n%2], changes)
			}
		})
	}
	working.Wait()
	stop()
	running.Wait()
	w.check(t, true)
}

// newcomer plays one case, of which here alone hears at first.
func (w *world) newcomer(t Reporter, ctx context.Context, id string, here, there *live.Hub, changes int) {
	ctx, leave := context.WithCancel(ctx)
	var reading sync.WaitGroup
	defer func() { leave(); reading.Wait() }()
	version := new(atomic.Int64)
	version.Store(1)
	w.versions.Store(id, version)
	join := func(hub *live.Hub) *socket {
		s := &socket{hub: hub, id: id, listener: hub.Join(id, live.Desk)}
		reading.Go(func() { s.read(t, ctx, w, 0) })
		return s
	}
	follow := func(s *socket, who string) {
		for end := time.Now().Add(patience); s.last.Load() != version.Load(); time.Sleep(100 * time.Microsecond) {
			if time.Now().After(end) {
				t.Errorf("%s: who %s never saw the final state: %d of %d", id, who, s.last.Load(), version.Load())
				return
			}
		}
	}
	first := join(here)
	follow(first, "was first")
	var second *socket
	at := rand.IntN(changes)
	for n := range changes {
		if n == at {
			second = join(there)
		}
		version.Add(1)
		here.Changed(ctx, id)
		time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
	}
	follow(first, "was first")
	follow(second, "came later")
}

// start runs a hub over each bus until ctx ends.
func (w *world) start(t Reporter, ctx context.Context, running *sync.WaitGroup, buses ...live.Bus) (hubs [2]*live.Hub, ok bool) {
	for i, bus := range buses {
		hub, err := live.New(live.Config{Bus: &noting{bus, w}})
		if err != nil {
			t.Errorf("%v", err)
			return hubs, false
		}
		hubs[i] = hub
		running.Go(func() {
			if err := hub.Run(ctx); err != nil {
				t.Errorf("%v", err)
			}
		})
	}
	return hubs, true
}

// world is the truth that hubs only hint at, and what became of it.
type world struct {
	ids      []string
	versions sync.Map // case id → *atomic.Int64

	mu      sync.Mutex
	numbers map[string][]number // every number the bus gave, and the version stored before it was given
	seen    map[string][]number // every snapshot: its number and its version
}

type number struct{ seq, version int64 }

func (w *world) version(id string) *atomic.Int64 {
	v, _ := w.versions.Load(id)
	return v.(*atomic.Int64)
}

// check compares: a snapshot under seq must hold all that was stored before any number ≤ seq was
// given. That counts for a node's own numbers too, as long as the bus was never away.
func (w *world) check(t Reporter, always bool) (snapshots int64) {
	bySeq := func(a, b number) int { return int(a.seq - b.seq) }
	for id, numbers := range w.numbers {
		slices.SortFunc(numbers, bySeq)
		for i := 1; i < len(numbers); i++ {
			numbers[i].version = max(numbers[i].version, numbers[i-1].version)
		}
		for _, s := range w.seen[id] {
			i, given := slices.BinarySearchFunc(numbers, s, bySeq)
			snapshots++
			if !given {
				if i--; i < 0 || !always {
					continue
				}
			}
			if s.version < numbers[i].version {
				t.Errorf("%s: the snapshot under %d has version %d, older than %d", id, s.seq, s.version, numbers[i].version)
			}
		}
	}
	if snapshots == 0 {
		t.Errorf("no snapshot was taken")
	}
	return snapshots
}

// noting notes the numbers that a bus gives.
type noting struct {
	live.Bus
	w *world
}

func (n *noting) Take(ctx context.Context, asks []live.Ask) ([]live.Given, error) {
	before := make([]int64, len(asks))
	for i, a := range asks {
		before[i] = n.w.version(a.CaseID).Load()
	}
	numbers, err := n.Bus.Take(ctx, asks)
	for i, g := range numbers {
		n.note(asks[i].CaseID, number{g.Seq, before[i]})
	}
	return numbers, err
}

func (n *noting) note(id string, given number) {
	if given.seq == 0 {
		return
	}
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	given.seq *= live.Step // as hubs use it
	n.w.numbers[id] = append(n.w.numbers[id], given)
}

// socket plays the owner of a listener.
type socket struct {
	hub      *live.Hub
	listener *live.Listener
	id       string
	last     atomic.Int64 // version of the newest snapshot
}

// read takes snapshots (at most n, 0: any number) until the listener or ctx ends.
func (s *socket) read(t Reporter, ctx context.Context, w *world, n int) {
	defer s.listener.Leave()
	newest := int64(0)
	for i := 0; n == 0 || i < n; {
		select {
		case <-ctx.Done():
			return
		case <-s.listener.Done():
			return
		case <-s.listener.Ready():
		case <-time.After(50 * time.Millisecond):
			if n != 0 {
				return // a visitor does not wait for a case that is quiet
			}
			continue
		}
		p := s.listener.Take()
		if !p.Snapshot {
			continue
		}
		i++
		if p.Seq == 0 {
			var err error
			if p.Seq, err = s.hub.Next(ctx, s.id); err != nil {
				return
			}
		}
		v := w.version(s.id).Load()
		if p.Seq <= newest {
			t.Errorf("seq %d after %d", p.Seq, newest)
		}
		newest = p.Seq
		s.last.Store(v)
		w.mu.Lock()
		w.seen[s.id] = append(w.seen[s.id], number{p.Seq, v})
		w.mu.Unlock()
	}
}
