package mediatest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/symbolon/symbolon/media"
)

// nodes are services over one place, as in several processes: each has opened it itself.
type nodes struct {
	rigs []*rig
	down atomic.Bool // nobody hears who is asked to let go
}

func newNodes(t *testing.T, backend Backend, count int) *nodes {
	t.Helper()
	open := backend(t)
	n := &nodes{}
	for i := range count {
		store := open()
		if _, ok := store.(media.Locker); !ok {
			t.Skip("this store is for one process")
		}
		n.rigs = append(n.rigs, newRig(t, store, func(c *media.Config) {
			c.Elsewhere = func(id string) {
				for j, r := range n.rigs {
					if j != i && !n.down.Load() {
						r.LetGo(id)
					}
				}
			}
		}))
	}
	return n
}

func runNodes(t *testing.T, backend Backend) {
	b := content(61, 3*seg+100)

	t.Run("a take-over interrupts another process and keeps the bytes", func(t *testing.T) {
		n := newNodes(t, backend, 2)
		id := n.rigs[0].create(int64(len(b)))
		for i, to := range []int{10, seg, 2*seg + 5} {
			r, other := n.rigs[i%2], n.rigs[(i+1)%2]
			st, err := r.TakeOver(t.Context(), id)
			must(t, err)
			first := r.begin(t.Context(), id, st.Offset, b[st.Offset:to])
			st, err = other.TakeOver(t.Context(), id)
			if err != nil || st.Offset != int64(to) {
				t.Fatalf("take over: %d, %v; want %d", st.Offset, err, to)
			}
			wants(t, "the older", within(t, first).err, media.ErrTaken)
		}
		must2(n.rigs[0].send(id, 2*seg+5, b[2*seg+5:]))(t)
		for _, r := range n.rigs {
			r.holds(id, b)
		}
	})

	t.Run("the newer append wins over another process", func(t *testing.T) {
		n := newNodes(t, backend, 2)
		id := n.rigs[0].create(int64(len(b)))
		first := n.rigs[0].begin(t.Context(), id, 0, b[:seg+1])
		st, err := n.rigs[1].send(id, 0, content(62, 10)) // it does not know what the older brought
		wants(t, "the newer's offset", err, media.ErrOffset)
		wants(t, "the older", within(t, first).err, media.ErrTaken)
		must2(n.rigs[1].send(id, st.Offset, b[st.Offset:]))(t)
		n.rigs[0].holds(id, b)
	})

	t.Run("a holder that nobody can ask is waited for about a second and loses nothing", func(t *testing.T) {
		n := newNodes(t, backend, 2)
		n.down.Store(true)
		id := n.rigs[0].create(int64(len(b)))
		ctx, cancel := context.WithCancel(t.Context())
		first := n.rigs[0].begin(ctx, id, 0, b[:seg+77])
		began := time.Now()
		_, err := n.rigs[1].send(id, 0, content(63, 10))
		wants(t, "append", err, media.ErrBusy)
		if d := time.Since(began); d < 500*time.Millisecond || d > 5*time.Second {
			t.Errorf("waited %v", d)
		}
		wants(t, "end", n.rigs[1].Terminate(t.Context(), id), media.ErrBusy)
		cancel()
		if a := within(t, first); a.st.Offset != seg+77 {
			t.Fatalf("the holder stored %d", a.st.Offset)
		}
		st, err := n.rigs[1].TakeOver(t.Context(), id)
		if err != nil || st.Offset != seg+77 {
			t.Fatalf("take over: %d, %v", st.Offset, err)
		}
		must2(n.rigs[1].send(id, st.Offset, b[st.Offset:]))(t)
		n.rigs[0].holds(id, b)
	})

	t.Run("the end interrupts another process", func(t *testing.T) {
		n := newNodes(t, backend, 2)
		id := n.rigs[0].create(int64(len(b)))
		first := n.rigs[0].begin(t.Context(), id, 0, b[:seg+77])
		must(t, n.rigs[1].Terminate(t.Context(), id))
		if a := within(t, first); a.err == nil {
			t.Fatal("the append ended well")
		}
		for _, r := range n.rigs {
			_, err := r.Status(t.Context(), id)
			wants(t, "status", err, media.ErrGone)
			_, err = r.send(id, 0, b)
			wants(t, "append", err, media.ErrGone)
			must(t, r.Terminate(t.Context(), id))
		}
	})

	// Nothing of a piece is visible before its checksum was found right.
	t.Run("status from another process is right while it is written", func(t *testing.T) {
		n := newNodes(t, backend, 2)
		big := content(64, limit)
		id := n.rigs[0].create(int64(len(big)))
		allowed, at := map[int64]bool{0: true}, 0
		var ends []int
		for at < len(big) {
			at = min(len(big), at+[]int{seg / 3, 70 * 1000, 6*seg + 1}[len(ends)%3])
			ends = append(ends, at)
			allowed[int64(at)] = true
		}
		var verified atomic.Int64 // no byte after it may be seen
		done := make(chan error, 1)
		go func() {
			from := 0
			for i, to := range ends {
				for _, wrong := range []bool{true, false} {
					sum := sha256.Sum256(big[from:to])
					if wrong {
						sum[0]++
					} else {
						verified.Store(int64(to))
					}
					_, err := n.rigs[0].Append(t.Context(), id, media.AppendRequest{
						Offset: int64(from), Length: -1, Body: bytes.NewReader(big[from:to]), Checksum: &media.Checksum{Algorithm: "sha256", Sum: sum[:]},
					})
					if wrong != errors.Is(err, media.ErrChecksum) || !wrong && err != nil {
						done <- fmt.Errorf("piece %d: %w", i, err)
						return
					}
				}
				from = to
			}
			done <- nil
		}()
		newest := int64(0)
		for {
			st, err := n.rigs[1].Status(t.Context(), id)
			must(t, err)
			if most := verified.Load(); !allowed[st.Offset] && st.Offset%seg != 0 || st.Offset < newest || st.Offset > most {
				t.Fatalf("offset %d after %d where %d are verified", st.Offset, newest, most)
			}
			newest = st.Offset
			select {
			case err := <-done:
				must(t, err)
				n.rigs[1].holds(id, big)
				return
			default:
			}
		}
	})

	t.Run("many senders of one upload in several processes", func(t *testing.T) {
		n := newNodes(t, backend, 3)
		id := n.rigs[0].create(int64(len(b)))
		var wg sync.WaitGroup
		errs := make(chan error, 6)
		for i := range 6 {
			r := n.rigs[i%len(n.rigs)]
			wg.Go(func() {
				taken := 0
				for limit := time.Now().Add(20 * time.Second); time.Now().Before(limit); {
					st, err := r.Status(t.Context(), id)
					if err == nil && st.Complete {
						return
					}
					if err == nil {
						to := min(st.Offset+int64(seg/4+i*100), int64(len(b)))
						_, err = r.send(id, st.Offset, b[st.Offset:to])
					}
					switch {
					case err == nil, errors.Is(err, media.ErrOffset):
						taken = 0
					case errors.Is(err, media.ErrTaken), errors.Is(err, media.ErrBusy): // as clients do
						taken++
						<-time.After(backOff(taken))
					default:
						errs <- err
						return
					}
				}
				errs <- fmt.Errorf("sender %d never finished", i)
			})
		}
		wg.Wait()
		close(errs)
		for err := range errs {
			t.Fatal(err)
		}
		for _, r := range n.rigs {
			r.holds(id, b)
		}
	})
}
