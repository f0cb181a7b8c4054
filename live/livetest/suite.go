package livetest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/symbolon/symbolon/live"
)

const patience = 20 * time.Second

// Run runs the contract of live.Bus. open returns the buses of two nodes of one deployment.
func Run(t *testing.T, open func(t *testing.T) (a, b live.Bus)) {
	ctx := context.Background()

	t.Run("numbers grow, never repeat, and keep up with the clock", func(t *testing.T) {
		a, b := open(t)
		var seen sync.Map
		var wg sync.WaitGroup
		for w := range 8 {
			bus := a
			if w%2 == 1 {
				bus = b
			}
			wg.Go(func() {
				last := time.Now().Add(-time.Second).UnixMilli()
				for i := range 50 {
					given, err := one(bus, live.Ask{CaseID: "case", Changed: i%5 == 0, Hear: i%7 == 0})
					n := given.Seq
					if err != nil {
						t.Error(err)
						return
					}
					if n <= last {
						t.Errorf("%d after %d", n, last)
					}
					last = n
					if _, twice := seen.LoadOrStore(n, true); twice {
						t.Errorf("%d was given twice", n)
					}
				}
			})
		}
		wg.Wait()
		n, err := one(a, live.Ask{CaseID: "another"})
		if err != nil || n.Seq > time.Now().Add(time.Second).UnixMilli() {
			t.Errorf("the first number of a case is %d: %v", n.Seq, err)
		}
	})

	t.Run("a number is above what the node knows", func(t *testing.T) {
		a, b := open(t)
		far := time.Now().Add(time.Hour).UnixMilli()
		for i, bus := range []live.Bus{a, b} {
			floor := far + int64(i)*1000
			if n, err := one(bus, live.Ask{CaseID: "case", Floor: floor, Changed: i == 1}); err != nil || n.Seq <= floor || n.Seq > floor+2 {
				t.Errorf("above %d: %d, %v", floor, n.Seq, err)
			}
		}
		if n, err := one(a, live.Ask{CaseID: "case"}); err != nil || n.Seq <= far+1001 || n.Seq > far+1004 {
			t.Errorf("the number went back to %d: %v", n.Seq, err)
		}
	})

	t.Run("a node hears that it may have missed something, then the others, never itself", func(t *testing.T) {
		a, b := open(t)
		ears := [2]*ear{listen(t, a), listen(t, b)}
		for _, e := range ears {
			e.wait(t, "lost")
		}
		what := [2]string{"", " heard"}
		big := bytes.Repeat([]byte{0, ' ', '\n', 255}, 256)
		for i := range 20 {
			id := fmt.Sprint("case", i)
			hear(t, a, id)
			ears[0].wait(t, fmt.Sprint(id, " ", hear(t, b, id), " taken heard"))
			n, err := one(a, live.Ask{CaseID: id, Changed: true, Hear: i%2 == 0})
			if err != nil || !n.Heard {
				t.Fatal(n, err)
			}
			ears[1].wait(t, fmt.Sprint(id, " ", n.Seq, what[(i+1)%2]))
			if err := b.Relay(ctx, append([]byte(t.Name()), big...)); err != nil {
				t.Fatal(err)
			}
			ears[0].wait(t, "relay "+string(big))
		}
		// What a sent itself would be there by now: it comes before the last relay.
		for i, e := range ears {
			if rest := e.rest(); len(rest) != 0 {
				t.Errorf("node %d also heard %q", i, rest)
			}
		}
	})

	t.Run("a node hears of the cases it asked for, and is told whether it did all the time", func(t *testing.T) {
		a, b := open(t)
		e := listen(t, b)
		e.wait(t, "lost")
		for i, step := range []struct {
			bus   live.Bus
			ask   live.Ask
			heard bool // before
			alone bool
			told  string
		}{
			{a, live.Ask{CaseID: "case", Changed: true, Hear: true}, false, true, ""},
			{b, live.Ask{CaseID: "case"}, false, false, ""},
			{a, live.Ask{CaseID: "case", Changed: true}, true, true, ""},
			{b, live.Ask{CaseID: "case", Hear: true}, false, false, ""},
			{b, live.Ask{CaseID: "case"}, true, false, ""},
			{b, live.Ask{CaseID: "case", Changed: true, Hear: true}, true, false, ""},
			{a, live.Ask{CaseID: "another", Changed: true}, false, true, ""},
			{a, live.Ask{CaseID: "case"}, true, false, ""},
			{a, live.Ask{CaseID: "case", Hear: true}, true, false, ""},
			{a, live.Ask{CaseID: "case", Changed: true}, true, false, "changed"},
			{b, live.Ask{CaseID: "another", Hear: true}, false, true, ""},
			{a, live.Ask{CaseID: "another", Changed: true}, false, false, "changed"},
			{b, live.Ask{CaseID: "another"}, true, true, ""},
			{a, live.Ask{CaseID: "another"}, false, false, "taken"},
			{a, live.Ask{CaseID: "another", Hear: true}, false, false, "taken heard"},
			{b, live.Ask{CaseID: "another"}, true, false, ""},
			{a, live.Ask{CaseID: "case", Changed: true, Hear: true}, true, false, "changed heard"},
			{b, live.Ask{CaseID: "third", Hear: true}, false, true, ""},
			{a, live.Ask{CaseID: "third", Changed: true, Hear: true}, false, false, "changed heard"},
		} {
			n, err := one(step.bus, step.ask)
			if err != nil || n.Heard != step.heard || n.Alone != step.alone {
				t.Errorf("step %d: %+v was given %+v: %v", i, step.ask, n, err)
			}
			if step.told != "" {
				e.wait(t, strings.TrimSuffix(strings.Replace(fmt.Sprint(step.ask.CaseID, " ", n.Seq, " ", step.told), " changed", "", 1), " "))
			}
		}
		if rest := e.rest(); len(rest) != 0 {
			t.Errorf("also heard %q", rest)
		}
	})

	t.Run("changes of one node arrive in their order", func(t *testing.T) {
		a, b := open(t)
		e := listen(t, b)
		e.wait(t, "lost")
		hear(t, b, "case")
		var want []string
		for range 200 {
			n, err := one(a, live.Ask{CaseID: "case", Changed: true})
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, fmt.Sprint("case ", n.Seq))
		}
		for _, w := range want {
			e.wait(t, w)
		}
	})

	t.Run("many changes travel in one trip, each under its own number", func(t *testing.T) {
		a, b := open(t)
		e := listen(t, b)
		e.wait(t, "lost")
		var many []live.Ask
		before := map[string]int64{}
		for i := range live.MaxBatch {
			id := "case_" + fmt.Sprintf("%026d", i%10)
			before[id] = hear(t, b, id)
			many = append(many, live.Ask{CaseID: id, Changed: true})
		}
		many[7].Floor = time.Now().Add(time.Hour).UnixMilli()
		numbers, err := a.Take(ctx, many)
		if err != nil || len(numbers) != len(many) {
			t.Fatalf("%d numbers for %d changes: %v", len(numbers), len(many), err)
		}
		heard := map[string][]string{} // by case: those of two cases may come over two ways
		for range numbers {
			got := e.next(t)
			id, _, _ := strings.Cut(got, " ")
			heard[id] = append(heard[id], got)
		}
		for i, n := range numbers {
			id := many[i].CaseID
			if want := fmt.Sprint(id, " ", n.Seq); len(heard[id]) == 0 || heard[id][0] != want {
				t.Fatalf("of %s heard %q, want %q", id, heard[id], want)
			}
			heard[id] = heard[id][1:]
			if n.Before != before[id] || n.Seq <= before[id] || i == 7 && n.Seq <= many[7].Floor {
				t.Errorf("change %d was given %+v after %d", i, n, before[id])
			}
			before[id] = n.Seq
		}
		next, err := one(b, live.Ask{CaseID: many[0].CaseID})
		if last, err2 := one(a, many[0]); err != nil || err2 != nil || last.Before != next.Seq {
			t.Errorf("after %d: %+v (%v, %v)", next.Seq, last, err, err2)
		}
		if numbers, err := a.Take(ctx, nil); err != nil || len(numbers) != 0 {
			t.Errorf("no change: %v, %v", numbers, err)
		}
		gone, cancel := context.WithCancel(ctx)
		cancel()
		if numbers, err := a.Take(gone, many); err == nil || len(numbers) != len(many) {
			t.Errorf("%d numbers for nobody: %v", len(numbers), err)
		}
	})

	t.Run("it can run again", func(t *testing.T) {
		a, b := open(t)
		for range 2 {
			e := listen(t, a)
			e.wait(t, "lost")
			hear(t, a, "case")
			n, err := one(b, live.Ask{CaseID: "case", Changed: true})
			if err != nil {
				t.Fatal(err)
			}
			e.wait(t, fmt.Sprint("case ", n.Seq))
			e.stop(t)
		}
	})
}

// one asks for one number.
func one(b live.Bus, a live.Ask) (live.Given, error) {
	numbers, err := b.Take(context.Background(), []live.Ask{a})
	if len(numbers) != 1 {
		return live.Given{}, fmt.Errorf("livetest: %d numbers for one: %w", len(numbers), err)
	}
	return numbers[0], err
}

// hear asks to hear of a case, and returns the number it was given with that.
func hear(t *testing.T, b live.Bus, caseID string) int64 {
	t.Helper()
	n, err := one(b, live.Ask{CaseID: caseID, Hear: true})
	if err != nil {
		t.Fatal(err)
	}
	return n.Seq
}

// ear notes what a bus delivers.
type ear struct {
	heard  chan string
	cancel context.CancelFunc
	done   chan error
}

func listen(t *testing.T, b live.Bus) *ear {
	ctx, cancel := context.WithCancel(context.Background())
	e := &ear{heard: make(chan string, 10_000), cancel: cancel, done: make(chan error, 1)}
	go func() {
		e.done <- b.Run(ctx,
			func(n live.News) {
				what := ""
				if !n.Changed {
					what = " taken"
				}
				if n.Hears {
					what += " heard"
				}
				e.heard <- fmt.Sprint(n.CaseID, " ", n.Seq, what)
			},
			func(payload []byte) {
				// Nodes of a cluster tell each other late: what another test sent may come only now.
				if own, ok := bytes.CutPrefix(payload, []byte(t.Name())); ok {
					e.heard <- "relay " + string(own)
				}
			},
			func() { e.heard <- "lost" })
	}()
	t.Cleanup(func() { e.stop(t) })
	return e
}

func (e *ear) stop(t *testing.T) {
	e.cancel()
	select {
	case err := <-e.done:
		if err != nil {
			t.Errorf("Run ended with %v", err)
		}
		e.done <- nil // stopping twice is fine
	case <-time.After(patience):
		t.Error("Run does not end with its context")
	}
}

func (e *ear) wait(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-e.heard:
		if got != want {
			t.Fatalf("heard %q, want %q", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("never heard %q", want)
	}
}

func (e *ear) next(t *testing.T) string {
	t.Helper()
	select {
	case got := <-e.heard:
		return got
	case <-time.After(patience):
		t.Fatal("heard nothing more")
		return ""
	}
}

func (e *ear) rest() (all []string) {
	for {
		select {
		case got := <-e.heard:
			all = append(all, got)
		default:
			return all
		}
	}
}
