package live_test

import (
	"context"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/symbolon/symbolon/live"
	"github.com/symbolon/symbolon/live/livetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ctx = context.Background()

// nodes runs f with two hubs over one network, in a bubble with its own clock.
func nodes(t *testing.T, f func(t *testing.T, net *livetest.Network, a, b *live.Hub)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		net := livetest.NewNetwork()
		running, stop := context.WithCancel(ctx)
		defer func() { stop(); synctest.Wait() }()
		var hubs [2]*live.Hub
		for i := range hubs {
			hubs[i] = newHub(t, net.Bus())
			go hubs[i].Run(running)
			defer hubs[i].Close()
		}
		synctest.Wait()
		f(t, net, hubs[0], hubs[1])
	})
}

func newHub(t *testing.T, bus live.Bus) *live.Hub {
	t.Helper()
	h, err := live.New(live.Config{Bus: bus})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// take waits until everything has settled and takes what is pending; nothing when not ready.
func take(l *live.Listener) live.Pending {
	synctest.Wait()
	select {
	case <-l.Ready():
		return l.Take()
	default:
		return live.Pending{}
	}
}

// open joins as a socket does: it takes its first snapshot under a number of the bus.
func open(t *testing.T, h *live.Hub, id string, role live.Role) *live.Listener {
	t.Helper()
	l := h.Join(id, role)
	if p := take(l); !p.Snapshot || p.Seq != 0 {
		t.Fatalf("first %+v", p)
	}
	if _, err := h.Next(ctx, id); err != nil {
		t.Fatal(err)
	}
	return l
}

func why(l *live.Listener) live.Reason {
	synctest.Wait()
	select {
	case <-l.Done():
		return l.Why()
	default:
		return "open"
	}
}

func TestTheFirstTakeAsksForASnapshot(t *testing.T) {
	nodes(t, func(t *testing.T, _ *livetest.Network, a, b *live.Hub) {
		a.Seen(ctx, "c", live.Desk)
		l := a.Join("c", live.Desk)
		p := take(l)
		if !p.Snapshot || p.Seq != 0 || p.Presence == nil || *p.Presence != (live.Presence{Desk: true}) {
			t.Errorf("first: %+v", p)
		}
		if p := take(l); p.Snapshot || p.Presence != nil {
			t.Errorf("second, without a change: %+v", p)
		}
	})
}

func TestManyChangesAreOneSnapshotUnderTheirNewestNumber(t *testing.T) {
	nodes(t, func(t *testing.T, _ *livetest.Network, a, b *live.Hub) {
		here, there, other := open(t, a, "c", live.Desk), open(t, b, "c", live.Desk), open(t, b, "d", live.Desk)
		first, err := a.Next(ctx, "c")
		if err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			a.Changed(ctx, "c")
		}
		p, q := take(here), take(there)
		if !p.Snapshot || !q.Snapshot || p.Seq <= first || q.Seq != p.Seq {
			t.Errorf("here %+v, there %+v, after number %d", p, q, first)
		}
		for _, l := range []*live.Listener{here, there, other} {
			if p := take(l); p.Snapshot {
				t.Errorf("once more: %+v", p)
			}
		}
	})
}

func TestListenersHereAreToldBeforeTheBus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, livetest.NewNetwork().Bus()) // and Run does not run
		l := h.Join("c", live.Desk)
		take(l)
		h.Changed(ctx, "c")
		if p := take(l); !p.Snapshot || p.Seq != 0 {
			t.Errorf("got %+v", p)
		}
		if s := h.Stats(); s.Unpublished != 1 {
			t.Errorf("stats %+v", s)
		}
		h.Close()
	})
}

// Who has no goroutine that waits is woken instead, for every reason there is.
func TestAListenerCanBeWoken(t *testing.T) {
	nodes(t, func(t *testing.T, _ *livetest.Network, a, b *live.Hub) {
		var woken atomic.Int64
		l := a.JoinFunc("c", live.Phone, func() { woken.Add(1) })
		step := func(what string, f func()) live.Pending {
			t.Helper()
			before := woken.Load()
			f()
			synctest.Wait()
			if woken.Load() == before {
				t.Errorf("not woken by %s", what)
			}
			return l.Take()
		}
		if woken.Load() == 0 || !l.Take().Snapshot {
			t.Error("not woken by joining")
		}
		if p := step("a change here", func() { a.Changed(ctx, "c") }); !p.Snapshot {
			t.Errorf("%+v", p)
		}
		if p := step("a change elsewhere", func() { b.Changed(ctx, "c") }); !p.Snapshot {
			t.Errorf("%+v", p)
		}
		if p := step("progress", func() { b.Progress(ctx, "c", live.Progress{Step: "face"}) }); len(p.Progress) != 1 {
			t.Errorf("%+v", p)
		}
		if p := step("presence", func() { b.Seen(ctx, "c", live.Desk) }); p.Presence == nil || !p.Presence.Desk {
			t.Errorf("%+v", p)
		}
		step("being replaced", func() { b.Join("c", live.Phone) })
		if l.Why() != live.Replaced {
			t.Errorf("closed for %q", l.Why())
		}
		l.Leave()
		a.Close()
		late := int64(0)
		if l := a.JoinFunc("c", live.Desk, func() { late++ }); l.Why() != live.Going || late != 1 {
			t.Errorf("joining a closed hub: %q, woken %d times", l.Why(), late)
		}
	})
}

// Once a number is known, listeners here need none of the bus: theirs follows it, and the bus
// gives no such number.
func TestListenersHereDoNotWaitForTheBus(t *testing.T) {
	nodes(t, func(t *testing.T, net *livetest.Network, a, b *live.Hub) {
		here, there := open(t, a, "c", live.Desk), open(t, b, "c", live.Desk)
		known, err := a.Next(ctx, "c")
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			a.Changed(ctx, "c")
			<-here.Ready()
			p := here.Take() // before anything else runs
			if !p.Snapshot || p.Seq != known+1 || p.Seq%live.Step != 1 {
				t.Errorf("here %+v after %d", p, known)
			}
			q := take(there)
			if !q.Snapshot || q.Seq <= p.Seq || q.Seq%live.Step != 0 {
				t.Errorf("there %+v after %d", q, p.Seq)
			}
			if p := take(here); p.Snapshot {
				t.Errorf("once more: %+v", p)
			}
			known = q.Seq
		}
	})
}

// Somebody may hold a number of another node that is higher than the one used here, and drop
// the snapshot: it comes again under the bus's number.
func TestANumberThatWasTooLowIsFollowedByAHigherOne(t *testing.T) {
	nodes(t, func(t *testing.T, _ *livetest.Network, a, b *live.Hub) {
		l := a.Join("c", live.Desk)
		take(l)
		if _, err := a.Next(ctx, "c"); err != nil {
			t.Fatal(err)
		}
		elsewhere, err := b.Next(ctx, "c")
		if err != nil {
			t.Fatal(err)
		}
		a.Changed(ctx, "c")
		<-l.Ready()
		p := l.Take()
		low := p.Seq > 0 && p.Seq < elsewhere
		if low { // its own, before the bus answered: it nearly always is
			p = take(l)
		}
		if p.Snapshot && p.Seq == 0 { // on its way
			if p.Seq, err = a.Next(ctx, "c"); err != nil {
				t.Fatal(err)
			}
		}
		if !p.Snapshot || p.Seq <= elsewhere {
			t.Errorf("%+v, elsewhere %d", p, elsewhere)
		}
		if p := take(l); low && p.Snapshot {
			t.Errorf("a third time: %+v", p)
		}
	})
}

// A second change before the bus answered has no number of its own; a reader of this node waits
// for the one on its way instead of asking for another.
func TestANumberOnItsWayIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := livetest.NewNetwork()
		bus := &slow{Bus: net.Bus()}
		h := newHub(t, bus)
		hears(t, net.Bus(), "c")
		running, stop := context.WithCancel(ctx)
		go h.Run(running)
		l := h.Join("c", live.Desk)
		take(l)
		if _, err := h.Next(ctx, "c"); err != nil {
			t.Fatal(err)
		}
		asked := bus.asked.Load()
		h.Changed(ctx, "c")
		first := take(l)
		h.Changed(ctx, "c")
		if p := take(l); !p.Snapshot || p.Seq != 0 {
			t.Errorf("%+v", p)
		}
		n, err := h.Next(ctx, "c")
		if err != nil || n <= first.Seq {
			t.Errorf("%d after %d (%v)", n, first.Seq, err)
		}
		if bus.asked.Load() != asked {
			t.Error("the bus was asked for one more")
		}
		if m, err := h.Next(ctx, "c"); err != nil || m <= n {
			t.Errorf("%d after %d (%v)", m, n, err)
		}
		stop()
		h.Close()
		time.Sleep(time.Second) // the last trip
	})
}

// slow is a bus whose trips take a while, each longer than the one before.
type slow struct {
	live.Bus
	asked, trips atomic.Int64
}

func (s *slow) Take(ctx context.Context, asks []live.Ask) ([]live.Given, error) {
	if asks[0].Changed {
		time.Sleep(time.Duration(s.trips.Add(1)) * 10 * time.Millisecond)
	} else {
		s.asked.Add(1)
	}
	return s.Bus.Take(ctx, asks)
}

// hears lets a node hear of a case, so that changes on others travel.
func hears(t *testing.T, bus live.Bus, id string) {
	t.Helper()
	if _, err := bus.Take(ctx, []live.Ask{{CaseID: id, Hear: true}}); err != nil {
		t.Fatal(err)
	}
}

// Where nobody else hears of a case, its listeners are served without the bus, as long as the room between
// two numbers of it lasts.
func TestAChangeThatOnlyThisNodeHearsOfNeedsNoBus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &counting{Bus: livetest.NewNetwork().Bus()}
		h := newHub(t, bus)
		running, stop := context.WithCancel(ctx)
		go h.Run(running)
		synctest.Wait()
		l := open(t, h, "c", live.Desk)
		last, before := int64(0), bus.taken.Load()
		for range live.Step - 1 {
			h.Changed(ctx, "c")
			p := take(l)
			if !p.Snapshot || p.Seq <= last {
				t.Fatalf("%+v after %d", p, last)
			}
			last = p.Seq
		}
		if n := bus.taken.Load() - before; n != 0 {
			t.Errorf("the bus was asked %d times", n)
		}
		for range 3 {
			h.Changed(ctx, "c")
			if p := take(l); !p.Snapshot || p.Seq <= last {
				t.Fatalf("%+v after %d", p, last)
			} else {
				last = p.Seq
			}
		}
		if n := bus.taken.Load() - before; n != 1 {
			t.Errorf("the bus was asked %d times when the room was used up", n)
		}
		time.Sleep(10*live.HearFor + time.Second) // not while it asks to hear on
		before = bus.taken.Load()
		for range 3 {
			h.Changed(ctx, "c")
			if p := take(l); !p.Snapshot || p.Seq <= last {
				t.Errorf("later: %+v after %d", p, last)
			}
		}
		if n := bus.taken.Load() - before; n != 0 {
			t.Errorf("later the bus was asked %d times", n)
		}
		stop()
		h.Close()
		synctest.Wait()
	})
}

// counting counts the trips of a bus, and can hold its news back or drop it.
type counting struct {
	live.Bus
	taken atomic.Int64
	late  time.Duration
	deaf  bool

	answers time.Duration // until an answer arrives
}

func (c *counting) Take(ctx context.Context, asks []live.Ask) ([]live.Given, error) {
	c.taken.Add(1)
	given, err := c.Bus.Take(ctx, asks)
	time.Sleep(c.answers)
	return given, err
}

func (c *counting) Run(ctx context.Context, told func(live.News), relayed func([]byte), lost func()) error {
	return c.Bus.Run(ctx, func(n live.News) {
		time.Sleep(c.late)
		if !c.deaf {
			told(n)
		}
	}, relayed, lost)
}

// An answer that says that nobody else hears does not count once news of somebody overtook it.
func TestAnAnswerThatNewsOvertookIsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := livetest.NewNetwork()
		bus := &counting{Bus: net.Bus(), answers: 100 * time.Millisecond}
		a, b := newHub(t, bus), newHub(t, net.Bus())
		running, stop := context.WithCancel(ctx)
		go a.Run(running)
		go b.Run(running)
		synctest.Wait()
		l := a.Join("c", live.Desk)
		take(l)
		answered := make(chan error)
		go func() {
			_, err := a.Next(ctx, "c")
			answered <- err
		}()
		synctest.Wait()
		there := open(t, b, "c", live.Desk)
		if err := <-answered; err != nil {
			t.Fatal(err)
		}
		a.Changed(ctx, "c")
		time.Sleep(time.Second)
		if p := take(there); !p.Snapshot {
			t.Error("the change was kept silent")
		}
		stop()
		a.Close()
		b.Close()
		time.Sleep(time.Second)
	})
}

// Whoever took a number before a change that was kept silent, and may have read before it, is told of it later.
func TestWhatWasKeptSilentIsTold(t *testing.T) {
	const late = time.Second
	joins := func(t *testing.T, net *livetest.Network, a, b *live.Hub, l *live.Listener, bus *counting) (told func() bool) {
		there := open(t, b, "c", live.Desk) // and has read
		a.Changed(ctx, "c")
		return func() bool { return take(there).Snapshot }
	}
	for _, c := range []struct {
		name  string
		late  time.Duration // of the news that a gets
		deaf  bool
		begin func(t *testing.T, net *livetest.Network, a, b *live.Hub, l *live.Listener, bus *counting) (told func() bool)
		then  func(net *livetest.Network, a *live.Hub, l *live.Listener, stop func())
		wait  time.Duration // until it must be told
	}{
		{"to a node that began to hear", late, false, joins, nil, late},
		{"to who only read the case", late, false, func(t *testing.T, net *livetest.Network, a, b *live.Hub, l *live.Listener, bus *counting) func() bool {
			elsewhere, err := b.Next(ctx, "c")
			if err != nil {
				t.Fatal(err)
			}
			a.Changed(ctx, "c")
			if p := take(l); !p.Snapshot || p.Seq == 0 || p.Seq >= elsewhere {
				t.Errorf("first %+v, elsewhere %d", p, elsewhere)
			}
			return func() bool { // under a number that is newer than theirs
				p := take(l)
				return p.Snapshot && (p.Seq == 0 || p.Seq > elsewhere)
			}
		}, nil, late},
		{"when the last listener leaves", time.Hour, false, joins, func(_ *livetest.Network, _ *live.Hub, l *live.Listener, _ func()) { l.Leave() }, 0},
		{"when the hub closes", time.Hour, false, joins, func(_ *livetest.Network, a *live.Hub, _ *live.Listener, _ func()) { a.Close() }, 0},
		{"when the hub ends", time.Hour, false, joins, func(_ *livetest.Network, _ *live.Hub, _ *live.Listener, stop func()) { stop() }, 0},
		{"when the news of it were lost", 0, true, joins, nil, live.HearFor / 2},
		{"when a subscription was lost with them", 0, true, func(t *testing.T, net *livetest.Network, a, b *live.Hub, l *live.Listener, bus *counting) func() bool {
			told := joins(t, net, a, b, l, bus)
			net.Down()
			net.Up()
			synctest.Wait()
			bus.deaf = false
			return told
		}, nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := livetest.NewNetwork()
				bus := &counting{Bus: net.Bus(), late: c.late, deaf: c.deaf}
				a, b := newHub(t, bus), newHub(t, net.Bus())
				running, stop := context.WithCancel(ctx)
				runningB, stopB := context.WithCancel(ctx)
				go a.Run(running)
				go b.Run(runningB)
				synctest.Wait()
				l := open(t, a, "c", live.Desk)
				told := c.begin(t, net, a, b, l, bus)
				if before := bus.taken.Load(); c.wait > 0 {
					if synctest.Wait(); told() || bus.taken.Load() != before {
						t.Error("it was not kept silent")
					}
				}
				if c.then != nil {
					c.then(net, a, l, stop)
				}
				time.Sleep(c.wait)
				if !told() {
					t.Error("it was never told")
				}
				stop()
				stopB()
				a.Close()
				b.Close()
				time.Sleep(2 * time.Hour) // for the news that is late
			})
		})
	}
}

// A number that is pending must not be used once a newer one was handed out: the
// listener may have sent that.
func TestAPendingNumberIsNotUsedAfterANewerOne(t *testing.T) {
	nodes(t, func(t *testing.T, _ *livetest.Network, a, b *live.Hub) {
		l := open(t, a, "c", live.Desk)
		b.Changed(ctx, "c")
		synctest.Wait() // a number is pending at l
		newer, err := a.Next(ctx, "c")
		if err != nil {
			t.Fatal(err)
		}
		if p := take(l); !p.Snapshot || p.Seq != 0 {
			t.Errorf("got %+v though %d was given", p, newer)
		}
	})
}

func TestProgressKeepsToItsRateAndTheLastOneArrives(t *testing.T) {
	nodes(t, func(t *testing.T, _ *livetest.Network, a, b *live.Hub) {
		listeners := []*live.Listener{a.Join("c", live.Desk), b.Join("c", live.Desk)}
		for _, l := range listeners {
			take(l)
		}
		var got [2][]live.Progress
		collect := func() {
			for i, l := range listeners {
				got[i] = append(got[i], take(l).Progress...)
			}
		}
		for i := range 1000 { // one a millisecond, for a second
			a.Progress(ctx, "c", live.Progress{Step: "face", SentBytes: int64(i + 1), TotalBytes: 1000})
			collect()
			time.Sleep(time.Millisecond)
		}
		time.Sleep(200 * time.Millisecond)
		collect()
		for i, g := range got {
			if len(g) < 10 || len(g) > 12 {
				t.Errorf("node %d: %d progresses in a second", i, len(g))
			}
			if g[0].SentBytes != 1 || g[len(g)-1].SentBytes != 1000 {
				t.Errorf("node %d: from %d to %d", i, g[0].SentBytes, g[len(g)-1].SentBytes)
			}
		}
		// After a pause the next one is shown at once.
		a.Progress(ctx, "c", live.Progress{Step: "face", SentBytes: 7})
		if p := take(listeners[0]).Progress; len(p) != 1 || p[0].SentBytes != 7 {
			t.Errorf("after a pause: %+v", p)
		}
	})
}

func TestProgressOfAListenerThatDoesNotTakeIsOneAStep(t *testing.T) {
	nodes(t, func(t *testing.T, _ *livetest.Network, a, b *live.Hub) {
		l := b.Join("c", live.Desk)
		take(l)
		two := 2
		for range 50 {
			a.Progress(ctx, "c", live.Progress{Step: "face", SentBytes: 5, TotalBytes: 9})
			a.Progress(ctx, "c", live.Progress{Step: "clip", Phase: "recording", PromptIndex: &two, Hint: "louder"})
			time.Sleep(150 * time.Millisecond)
		}
		a.Progress(ctx, "c", live.Progress{Step: "clip", SentBytes: 1, TotalBytes: 2})
		a.Progress(ctx, "c", live.Progress{Step: "face", Phase: "sending"})
		want := []live.Progress{
			{Step: "face", Phase: "sending", SentBytes: 5, TotalBytes: 9},
			{Step: "clip", Phase: "recording", PromptIndex: &two, Hint: "louder", SentBytes: 1, TotalBytes: 2},
		}
		if p := take(l).Progress; !reflect.DeepEqual(p, want) {
			t.Errorf("got %+v, want %+v", p, want)
		}
		for i := range 1000 {
			a.Progress(ctx, "c", live.Progress{Step: fmt.Sprint("made up ", i)})
		}
		if p := take(l).Progress; len(p) > 64 {
			t.Errorf("%d steps at once", len(p))
		}
	})
}

// relays counts what a node sends.
type relays struct {
	live.Bus
	n atomic.Int64
}

func (r *relays) Relay(ctx context.Context, payload []byte) error {
	r.n.Add(1)
	return r.Bus.Relay(ctx, payload)
}

func TestPresenceFlipsAfter25SecondsOnEveryNode(t *testing.T) {
	nodes(t, func(t *testing.T, _ *livetest.Network, a, b *live.Hub) {
		here, there := a.Join("c", live.Desk), b.Join("c", live.Desk)
		take(here)
		take(there)
		a.Seen(ctx, "c", live.Phone)
		time.Sleep(10 * time.Second)
		a.Seen(ctx, "c", live.Phone)
		b.Seen(ctx, "c", live.Desk)
		both, phone, desk, none := live.Presence{Phone: true, Desk: true}, live.Presence{Phone: true}, live.Presence{Desk: true}, live.Presence{}
		for _, l := range []*live.Listener{here, there} {
			if p := take(l).Presence; p == nil || *p != both {
				t.Errorf("both gave a sign: %+v", p)
			}
		}
		time.Sleep(20 * time.Second)
		b.Seen(ctx, "c", live.Desk)
		time.Sleep(5*time.Second - time.Millisecond)
		for _, l := range []*live.Listener{here, there} {
			if p := take(l).Presence; p != nil {
				t.Errorf("too early: %+v", p)
			}
		}
		time.Sleep(2 * time.Millisecond)
		for i, l := range []*live.Listener{here, there} {
			if p := take(l).Presence; p == nil || *p != desk {
				t.Errorf("node %d, the phone is away: %+v", i, p)
			}
		}
		if a.Present("c") != desk || b.Present("c") != desk || a.Present("other") != none {
			t.Error(a.Present("c"), b.Present("c"), a.Present("other"))
		}
		time.Sleep(live.AwayAfter)
		for _, l := range []*live.Listener{here, there} {
			if p := take(l).Presence; p == nil || *p != none {
				t.Errorf("everybody is away: %+v", p)
			}
		}
		a.Seen(ctx, "c", live.Phone)
		if p := take(there).Presence; p == nil || *p != phone {
			t.Errorf("the phone is back: %+v", p)
		}
		a.Seen(ctx, "c", "stranger")
	})
}

func TestSignsOfLifeAreRelayedEvery5Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &relays{Bus: livetest.NewNetwork().Bus()}
		h := newHub(t, bus)
		running, stop := context.WithCancel(ctx)
		go h.Run(running)
		for range 1000 {
			h.Seen(ctx, "c", live.Phone)
			time.Sleep(20 * time.Millisecond)
		}
		if n := bus.n.Load(); n != 4 {
			t.Errorf("20 s of signs were relayed %d times", n)
		}
		stop()
		h.Close()
		synctest.Wait()
	})
}

func TestANewerPhoneReplacesTheOlderOnAnyNode(t *testing.T) {
	nodes(t, func(t *testing.T, _ *livetest.Network, a, b *live.Hub) {
		desk, elsewhere := a.Join("c", live.Desk), a.Join("d", live.Phone)
		first := a.Join("c", live.Phone)
		if w := why(first); w != "open" {
			t.Fatal(w)
		}
		second := a.Join("c", live.Phone)
		if w := why(first); w != live.Replaced {
			t.Errorf("first: %s", w)
		}
		third := b.Join("c", live.Phone)
		if w := why(second); w != live.Replaced {
			t.Errorf("second, on another node: %s", w)
		}
		for _, l := range []*live.Listener{desk, elsewhere, third} {
			if w := why(l); w != "open" {
				t.Errorf("closed too: %s", w)
			}
		}
		first.Leave()
		second.Leave()
		if s := a.Stats(); s.Listeners != 2 || s.Replaced != 2 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestTwoPhonesThatJoinAtOnceLeaveOne(t *testing.T) {
	for range 20 {
		nodes(t, func(t *testing.T, _ *livetest.Network, a, b *live.Hub) {
			made := make(chan *live.Listener, 2)
			for _, h := range []*live.Hub{a, b} {
				go func() { made <- h.Join("c", live.Phone) }()
			}
			open := 0
			for _, l := range []*live.Listener{<-made, <-made} {
				if why(l) == "open" {
					open++
				}
			}
			if open != 1 {
				t.Errorf("%d are left", open)
			}
		})
	}
}

func TestEndClosesARoleOnEveryNode(t *testing.T) {
	nodes(t, func(t *testing.T, _ *livetest.Network, a, b *live.Hub) {
		desk, phone, other := a.Join("c", live.Desk), a.Join("c", live.Phone), a.Join("d", live.Phone)
		b.End("c", live.Phone)
		if why(phone) != live.Over || why(desk) != "open" || why(other) != "open" {
			t.Error(why(phone), why(desk), why(other))
		}
		if p := phone.Take(); p.Seq != 0 {
			t.Errorf("%+v", p)
		}
		a.End("c", live.Desk)
		if why(desk) != live.Over {
			t.Error(why(desk))
		}
	})
}

func TestACloseEndsAllAndLetsNobodyIn(t *testing.T) {
	nodes(t, func(t *testing.T, _ *livetest.Network, a, b *live.Hub) {
		l, other := open(t, a, "c", live.Desk), open(t, b, "c", live.Desk)
		a.Progress(ctx, "c", live.Progress{Step: "face"})
		a.Seen(ctx, "c", live.Desk)
		a.Close()
		a.Close()
		late := a.Join("c", live.Phone)
		if why(l) != live.Going || why(late) != live.Going || why(other) != "open" {
			t.Error(why(l), why(late), why(other))
		}
		l.Leave()
		late.Leave()
		a.Seen(ctx, "c", live.Desk)
		a.Progress(ctx, "c", live.Progress{Step: "face"})
		a.End("c", live.Phone)
		if s := a.Stats(); s.Listeners != 0 || s.Cases != 0 {
			t.Errorf("%+v", s)
		}
		take(other)
		a.Changed(ctx, "c")
		if p := take(other); !p.Snapshot {
			t.Error("a closed hub no longer tells the others")
		}
	})
}

func TestNothingIsLeftOfAQuietCase(t *testing.T) {
	nodes(t, func(t *testing.T, _ *livetest.Network, a, b *live.Hub) {
		for i := range 100 {
			id := fmt.Sprint("case", i)
			l := a.Join(id, live.Phone)
			a.Seen(ctx, id, live.Phone)
			a.Progress(ctx, id, live.Progress{Step: "face"})
			a.Changed(ctx, id)
			l.Leave()
			l.Leave()
		}
		synctest.Wait()
		if s := b.Stats(); s.Cases != 100 {
			t.Errorf("the other node knows of %d present phones", s.Cases)
		}
		time.Sleep(live.AwayAfter + time.Second)
		for _, h := range []*live.Hub{a, b} {
			if s := h.Stats(); s.Cases != 0 || s.Listeners != 0 || s.Unpublished != 0 {
				t.Errorf("%+v", s)
			}
		}
	})
}

func TestAFailingBusIsTriedAgain(t *testing.T) {
	nodes(t, func(t *testing.T, net *livetest.Network, a, b *live.Hub) {
		here, there := open(t, a, "c", live.Desk), open(t, b, "c", live.Desk)
		before, err := a.Next(ctx, "c")
		if err != nil {
			t.Fatal(err)
		}
		net.Down()
		a.Changed(ctx, "c")
		p := take(here)
		if !p.Snapshot {
			t.Fatal("a listener here was not told")
		}
		own, err := a.Next(ctx, "c")
		again, err2 := a.Next(ctx, "c")
		if err != nil || err2 != nil || own <= before || again <= own {
			t.Errorf("numbers while the bus is away: %d, %d, %d (%v, %v)", before, own, again, err, err2)
		}
		time.Sleep(time.Minute)
		if p := take(there); p.Snapshot {
			t.Error("told through a network that is down")
		}
		if s := a.Stats(); s.BusErrors < 5 || s.BusErrors > 50 || s.Unpublished != 1 {
			t.Errorf("a minute without the bus: %+v", s)
		}
		net.Up() // and everybody reads again
		if p := take(there); !p.Snapshot || p.Seq != 0 {
			t.Errorf("not told that something may be lost: %+v", p)
		}
		if _, err := b.Next(ctx, "c"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if p := take(there); !p.Snapshot || p.Seq <= again {
			t.Errorf("the change never came: %+v", p)
		}
		if s := a.Stats(); s.Unpublished != 0 {
			t.Errorf("%+v", s)
		}
		if n, err := a.Next(ctx, "c"); err != nil || n <= again {
			t.Errorf("the number went back: %d after %d (%v)", n, again, err)
		}
	})
}

// What the bus forgot to tell is noticed when a node asks to hear on, and everybody who listens reads again.
func TestListenersHearOn(t *testing.T) {
	nodes(t, func(t *testing.T, net *livetest.Network, a, b *live.Hub) {
		l, other := open(t, a, "c", live.Desk), open(t, a, "d", live.Phone)
		time.Sleep(10 * live.HearFor)
		for range 3 {
			if p := take(l); p.Snapshot {
				t.Fatalf("read again for nothing: %+v", p)
			}
			b.Changed(ctx, "c")
			if p := take(l); !p.Snapshot || p.Seq == 0 {
				t.Fatalf("a change after a long time: %+v", p)
			}
		}
		net.Forget()
		b.Changed(ctx, "c")
		if p := take(l); p.Snapshot {
			t.Fatalf("the bus did not forget: %+v", p)
		}
		time.Sleep(live.HearFor / 2)
		for _, l := range []*live.Listener{l, other} {
			if p := take(l); !p.Snapshot {
				t.Errorf("%+v", p)
			}
		}
		b.Changed(ctx, "c")
		if p := take(l); !p.Snapshot || p.Seq == 0 {
			t.Errorf("the next change: %+v", p)
		}
		if p := take(other); p.Snapshot {
			t.Errorf("of another case: %+v", p)
		}
	})
}

// The number of a change that was on its way before anybody listened serves nobody who does now: with it
// the bus was not asked to tell of the next.
func TestANumberFromBeforeTheFirstListenerIsNotEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := livetest.NewNetwork()
		a, b := newHub(t, &slow{Bus: net.Bus()}), newHub(t, net.Bus())
		running, stop := context.WithCancel(ctx)
		go a.Run(running)
		go b.Run(running)
		synctest.Wait()
		a.Changed(ctx, "c")
		synctest.Wait()
		l := open(t, a, "c", live.Desk)
		b.Changed(ctx, "c")
		if p := take(l); !p.Snapshot {
			t.Error("the change came to nobody")
		}
		stop()
		a.Close()
		b.Close()
		time.Sleep(time.Second) // the last trip
	})
}

// A number that this node gave itself brings no hearing: whoever read under it reads again once the
// bus answers, though its subscription never broke.
func TestWhoReadWithoutTheBusReadsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := livetest.NewNetwork()
		bus := &deaf{Bus: net.Bus()}
		a, b := newHub(t, bus), newHub(t, net.Bus())
		running, stop := context.WithCancel(ctx)
		go a.Run(running)
		synctest.Wait()
		bus.deaf.Store(true)
		l := a.Join("c", live.Desk)
		take(l)
		if _, err := a.Next(ctx, "c"); err != nil {
			t.Fatal(err)
		}
		bus.deaf.Store(false)
		go b.Run(running)
		b.Changed(ctx, "c")
		time.Sleep(10 * time.Second)
		if p := take(l); !p.Snapshot || p.Seq != 0 {
			t.Errorf("%+v", p)
		}
		stop()
		a.Close()
		b.Close()
		synctest.Wait()
	})
}

// deaf is a bus that can be told to give no numbers.
type deaf struct {
	live.Bus
	deaf atomic.Bool
}

func (d *deaf) Take(ctx context.Context, asks []live.Ask) ([]live.Given, error) {
	if d.deaf.Load() {
		return make([]live.Given, len(asks)), livetest.ErrDown
	}
	return d.Bus.Take(ctx, asks)
}

// The bus forgot its numbers and its clock is slow: numbers still grow.
func TestNumbersGrowOverABusThatForgets(t *testing.T) {
	nodes(t, func(t *testing.T, net *livetest.Network, a, b *live.Hub) {
		l := a.Join("c", live.Desk)
		take(l)
		last := int64(0)
		for range 5000 { // runs ahead of the bus's clock, which stands still here
			n, err := a.Next(ctx, "c")
			if err != nil || n <= last {
				t.Fatalf("%d after %d (%v)", n, last, err)
			}
			last = n
		}
		net.Down()
		net.Up()
		take(l)
		if n, err := a.Next(ctx, "c"); err != nil || n <= last {
			t.Errorf("%d after %d (%v)", n, last, err)
		}
		b.Changed(ctx, "c") // b has no listener, so it knows no floor: its number is small
		p := take(l)
		if !p.Snapshot || p.Seq != 0 && p.Seq <= last {
			t.Errorf("%+v after %d", p, last)
		}
	})
}

func TestTooManyUnpublishedChangesBecomeOneForAll(t *testing.T) {
	nodes(t, func(t *testing.T, net *livetest.Network, a, b *live.Hub) {
		l := b.Join("never changed", live.Desk)
		take(l)
		net.Down()
		for i := range 30_000 {
			a.Changed(ctx, fmt.Sprint("case", i))
		}
		synctest.Wait()
		if s := a.Stats(); s.Unpublished > 10_001 {
			t.Errorf("holds %d", s.Unpublished)
		}
		net.Up()
		take(l) // for the loss
		losses := b.Stats().Losses
		time.Sleep(10 * time.Second)
		if p := take(l); !p.Snapshot || b.Stats().Losses != losses+1 {
			t.Errorf("%+v, %+v", p, b.Stats())
		}
		a.Changed(ctx, "never changed")
		if p := take(l); !p.Snapshot || p.Seq == 0 {
			t.Errorf("single changes do not travel any more: %+v", p)
		}
	})
}

func TestRunPublishesWhatWaitsBeforeItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := livetest.NewNetwork()
		a, b := newHub(t, net.Bus()), newHub(t, net.Bus())
		running, stop := context.WithCancel(ctx)
		go b.Run(running)
		synctest.Wait()
		l := open(t, b, "c", live.Desk)
		a.Changed(ctx, "c")
		over, cancel := context.WithCancel(ctx)
		cancel()
		if err := a.Run(over); err != nil {
			t.Error(err)
		}
		if p := take(l); !p.Snapshot {
			t.Error("the last change was lost")
		}
		stop()
		b.Close()
		synctest.Wait()
	})
}

func TestNextEndsWithItsContext(t *testing.T) {
	h := newHub(t, livetest.NewNetwork().Bus())
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if n, err := h.Next(gone, "c"); err == nil {
		t.Errorf("got %d", n)
	}
	if _, err := live.New(live.Config{}); err == nil {
		t.Error("a hub without a bus")
	}
}

func TestForeignMessagesAreIgnored(t *testing.T) {
	nodes(t, func(t *testing.T, net *livetest.Network, a, b *live.Hub) {
		l := a.Join("c", live.Phone)
		take(l)
		bus := net.Bus()
		for _, m := range []string{"", "x", "{}", `{"k":"join","c":"c","t":"zzz"}`, `{"k":"progress","c":"c"}`, `{"k":"seen","c":"c","r":"x"}`, `{"k":"new in the next version","c":"c"}`} {
			if err := bus.Relay(ctx, []byte(m)); err != nil {
				t.Fatal(err)
			}
		}
		if p := take(l); p.Snapshot || p.Presence != nil || p.Progress != nil || why(l) != "open" {
			t.Errorf("%+v, %s", p, why(l))
		}
	})
}

// Whatever another node or another version says, a hub goes on.
func FuzzRelayed(f *testing.F) {
	for _, seed := range []string{`{"k":"seen","c":"c","r":"phone"}`, `{"k":"progress","c":"c","p":{"step":"s"}}`, `{"k":"join","c":"c","t":"01ARZ3NDEKTSV4RRFFQ69G5FAV"}`, `{"k":"end","c":"c","r":"desk"}`, `{"k":"all"}`, "\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		synctest.Test(t, func(t *testing.T) {
			net := livetest.NewNetwork()
			h := newHub(t, net.Bus())
			running, stop := context.WithCancel(ctx)
			go h.Run(running)
			synctest.Wait()
			l := h.Join("c", live.Phone)
			take(l)
			if err := net.Bus().Relay(ctx, payload); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			h.Changed(ctx, "c")
			if p := take(l); !p.Snapshot && why(l) == "open" {
				t.Error("the hub no longer tells")
			}
			stop()
			h.Close()
			synctest.Wait()
		})
	})
}

func TestNodesTellEachOtherWhatTheirTopicsAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := livetest.NewNetwork()
		running, stop := context.WithCancel(ctx)
		defer func() { stop(); synctest.Wait() }()
		var hubs [3]*live.Hub
		heard := make(chan string, 20)
		for i := range hubs {
			var err error
			hubs[i], err = live.New(live.Config{Bus: net.Bus(), Told: map[string]func(string){
				"tea": func(text string) {
					hubs[i].Stats() // it may use the hub
					heard <- fmt.Sprint(i, " ", text)
				},
			}})
			if err != nil {
				t.Fatal(err)
			}
			go hubs[i].Run(running)
			defer hubs[i].Close()
		}
		synctest.Wait()
		hubs[1].Tell("tea", "is ready")
		hubs[1].Tell("coffee", "is ready")
		hubs[1].Tell("tea", string(make([]byte, 2000)))
		synctest.Wait()
		close(heard)
		got := map[string]bool{}
		for s := range heard {
			got[s] = true
		}
		if want := map[string]bool{"0 is ready": true, "2 is ready": true}; !reflect.DeepEqual(got, want) {
			t.Errorf("heard %v", got)
		}
	})
}
