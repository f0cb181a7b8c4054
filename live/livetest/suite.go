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
					take := bus.Next
					if i%5 == 0 {
						take = changing(bus)
					}
					n, err := take(ctx, "case", 0)
					if err != nil {
						t.Error(err)
						return
					}
					if n <= last || n%2 != 0 {
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
		n, err := a.Next(ctx, "another", 0)
		if err != nil || n > time.Now().Add(time.Second).UnixMilli() {
			t.Errorf("the first number of a case is %d: %v", n, err)
		}
	})

	t.Run("a number is above what the node knows", func(t *testing.T) {
		a, b := open(t)
		far := time.Now().Add(time.Hour).UnixMilli()
		for i, take := range []func(context.Context, string, int64) (int64, error){a.Next, changing(b)} {
			floor := far + int64(i)*1000
			if n, err := take(ctx, "case", floor); err != nil || n <= floor || n > floor+2 {
				t.Errorf("above %d: %d, %v", floor, n, err)
			}
		}
		if n, err := a.Next(ctx, "case", 0); err != nil || n <= far+1001 || n > far+1004 {
			t.Errorf("the number went back to %d: %v", n, err)
		}
	})

	t.Run("a node hears that it may have missed something, then the others, never itself", func(t *testing.T) {
		a, b := open(t)
		ears := [2]*ear{listen(t, a), listen(t, b)}
		for _, e := range ears {
			e.wait(t, "lost")
		}
		big := bytes.Repeat([]byte{0, ' ', '\n', 255}, 256)
		for i := range 20 {
			n, err := changing(a)(ctx, fmt.Sprint("case", i), 0)
			if err != nil {
				t.Fatal(err)
			}
			ears[1].wait(t, fmt.Sprint("case", i, " ", n))
			if err := b.Relay(ctx, big); err != nil {
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

	t.Run("changes of one node arrive in their order", func(t *testing.T) {
		a, b := open(t)
		e := listen(t, b)
		e.wait(t, "lost")
		var want []string
		for range 200 {
			n, err := changing(a)(ctx, "case", 0)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, fmt.Sprint("case ", n))
		}
		for _, w := range want {
			e.wait(t, w)
		}
	})

	t.Run("many changes travel in one trip, each under its own number", func(t *testing.T) {
		a, b := open(t)
		e := listen(t, b)
		e.wait(t, "lost")
		var many []live.Change
		for i := range live.MaxBatch {
			many = append(many, live.Change{CaseID: "case_" + fmt.Sprintf("%026d", i%10)})
		}
		many[7].Floor = time.Now().Add(time.Hour).UnixMilli()
		numbers, err := a.Changed(ctx, many)
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
			before := int64(0)
			if i >= 10 {
				before = numbers[i-10].Seq
			}
			if n.Before != before || n.Seq <= before || i == 7 && n.Seq <= many[7].Floor {
				t.Errorf("change %d was given %+v after %d", i, n, before)
			}
		}
		next, err := b.Next(ctx, many[0].CaseID, 0)
		if last, err2 := a.Changed(ctx, many[:1]); err != nil || err2 != nil || len(last) != 1 || last[0].Before != next {
			t.Errorf("after %d: %+v (%v, %v)", next, last, err, err2)
		}
		if numbers, err := a.Changed(ctx, nil); err != nil || len(numbers) != 0 {
			t.Errorf("no change: %v, %v", numbers, err)
		}
		gone, cancel := context.WithCancel(ctx)
		cancel()
		if numbers, err := a.Changed(gone, many); err == nil || len(numbers) != len(many) {
			t.Errorf("%d numbers for nobody: %v", len(numbers), err)
		}
	})

	t.Run("it can run again", func(t *testing.T) {
		a, b := open(t)
		for range 2 {
			e := listen(t, a)
			e.wait(t, "lost")
			n, err := changing(b)(ctx, "case", 0)
			if err != nil {
				t.Fatal(err)
			}
			e.wait(t, fmt.Sprint("case ", n))
			e.stop(t)
		}
	})
}

// changing announces one change.
func changing(b live.Bus) func(context.Context, string, int64) (int64, error) {
	return func(ctx context.Context, caseID string, floor int64) (int64, error) {
		numbers, err := b.Changed(ctx, []live.Change{{CaseID: caseID, Floor: floor}})
		if len(numbers) != 1 {
			return 0, fmt.Errorf("livetest: %d numbers for one change: %w", len(numbers), err)
		}
		return numbers[0].Seq, err
	}
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
			func(caseID string, seq int64) { e.heard <- fmt.Sprint(caseID, " ", seq) },
			func(payload []byte) { e.heard <- "relay " + string(payload) },
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
