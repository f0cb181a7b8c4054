package mediatest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/symbolon/symbolon/media"
)

type answer struct {
	st  media.Status
	err error
}

// begin starts an Append that stalls after b and waits until it does.
func (r *rig) begin(ctx context.Context, id string, offset int64, b []byte) <-chan answer {
	r.t.Helper()
	body, done := newStalled(b), make(chan answer, 1)
	go func() {
		st, err := r.Append(ctx, id, media.AppendRequest{Offset: offset, Length: -1, Body: body})
		done <- answer{st, err}
	}()
	select {
	case <-body.waiting:
	case a := <-done:
		r.t.Fatalf("append ended: %v", a.err)
	case <-time.After(10 * time.Second):
		r.t.Fatal("append did not begin")
	}
	return done
}

// within returns what comes, in a second as promised (and some for a busy machine).
func within[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(5 * time.Second):
		t.Fatal("it did not let go")
		panic("unreachable")
	}
}

func runTurns(t *testing.T, backend Backend) {
	b := content(31, 3*seg+100)

	t.Run("a take-over interrupts and keeps the bytes", func(t *testing.T) {
		r := newRig(t, backend(t)())
		id := r.create(int64(len(b)))
		for _, n := range []int{10, seg, 2*seg + 5} {
			st, err := r.TakeOver(t.Context(), id)
			must(t, err)
			first := r.begin(t.Context(), id, st.Offset, b[st.Offset:n])
			st, err = r.TakeOver(t.Context(), id)
			if err != nil || st.Offset != int64(n) {
				t.Fatalf("take over: %d, %v; want %d", st.Offset, err, n)
			}
			a := within(t, first)
			wants(t, "the older", a.err, media.ErrTaken)
			if a.st.Offset != int64(n) {
				t.Fatalf("the older says %d", a.st.Offset)
			}
		}
		must2(r.send(id, 2*seg+5, b[2*seg+5:]))(t)
		r.holds(id, b)
	})

	t.Run("the newer of two appends wins", func(t *testing.T) {
		r := newRig(t, backend(t)())
		id := r.create(int64(len(b)))
		first := r.begin(t.Context(), id, 0, b[:seg+1])
		st, err := r.send(id, 0, content(32, 10)) // it does not know what the older brought
		wants(t, "the newer's offset", err, media.ErrOffset)
		wants(t, "the older", within(t, first).err, media.ErrTaken)
		must2(r.send(id, st.Offset, b[st.Offset:]))(t)
		r.holds(id, b)
	})

	t.Run("an older one whose piece has a checksum leaves nothing", func(t *testing.T) {
		r := newRig(t, backend(t)())
		big := content(33, 10*seg)
		id := r.create(int64(len(big)))
		must2(r.send(id, 0, big[:9]))(t)
		body, done := newStalled(big[9:9*seg]), make(chan answer, 1)
		go func() {
			st, err := r.Append(t.Context(), id, media.AppendRequest{Offset: 9, Length: -1, Body: body, Checksum: &media.Checksum{Algorithm: "sha256"}})
			done <- answer{st, err}
		}()
		within(t, body.waiting)
		if st, err := r.Status(t.Context(), id); err != nil || st.Offset != 9 {
			t.Fatalf("unverified bytes are visible: %d, %v", st.Offset, err)
		}
		if st, err := r.TakeOver(t.Context(), id); err != nil || st.Offset != 9 {
			t.Fatalf("take over: %d, %v", st.Offset, err)
		}
		wants(t, "the older", within(t, done).err, media.ErrTaken)
		must2(r.send(id, 9, big[9:]))(t)
		r.holds(id, big)
	})

	t.Run("status disturbs nobody", func(t *testing.T) {
		r := newRig(t, backend(t)())
		id := r.create(int64(len(b)))
		first := r.begin(t.Context(), id, 0, b[:seg])
		for range 20 {
			_, err := r.Status(t.Context(), id)
			must(t, err)
		}
		select {
		case a := <-first:
			t.Fatalf("it ended: %v", a.err)
		default:
		}
		_, err := r.TakeOver(t.Context(), id)
		must(t, err)
		within(t, first)
	})

	t.Run("a request that is over keeps its bytes", func(t *testing.T) {
		r := newRig(t, backend(t)())
		id := r.create(int64(len(b)))
		ctx, cancel := context.WithCancel(t.Context())
		first := r.begin(ctx, id, 0, b[:seg+77])
		cancel()
		a := within(t, first)
		wants(t, "cancelled", a.err, context.Canceled)
		if st, err := r.Status(t.Context(), id); err != nil || st.Offset != seg+77 {
			t.Fatalf("%d bytes kept, %v", st.Offset, err)
		}
	})

	t.Run("the end interrupts", func(t *testing.T) {
		r := newRig(t, backend(t)())
		id := r.create(int64(len(b)))
		first := r.begin(t.Context(), id, 0, b[:seg+77])
		must(t, r.Terminate(t.Context(), id))
		wants(t, "append", within(t, first).err, media.ErrGone)
		_, err := r.Status(t.Context(), id)
		wants(t, "status", err, media.ErrGone)
	})

	t.Run("an owner that is over loses its own uploads only", func(t *testing.T) {
		r := newRig(t, backend(t)())
		id := r.create(int64(len(b))) // of hnd_1
		first := r.begin(t.Context(), id, 0, b[:50])
		r.Interrupt("hnd_2")
		select {
		case a := <-first:
			t.Fatalf("it ended: %v", a.err)
		default:
		}
		r.Interrupt("hnd_1")
		wants(t, "append", within(t, first).err, media.ErrGone)
		_, err := r.send(id, 50, b[50:])
		wants(t, "one let in before the owner was over", err, media.ErrGone)
		_, err = r.Create(t.Context(), info(), 10)
		wants(t, "create", err, media.ErrGone)
		other := info()
		other.Owner = "hnd_3"
		_, err = r.Create(t.Context(), other, 10)
		must(t, err)
	})

	t.Run("close interrupts and waits", func(t *testing.T) {
		r := newRig(t, backend(t)())
		id := r.create(int64(len(b)))
		first := r.begin(t.Context(), id, 0, b[:50])
		must(t, r.Close())
		select {
		case a := <-first:
			if a.err == nil {
				t.Fatal("it says that it ended well")
			}
		case <-time.After(time.Second): // it is past its turn; only its answer is under way
			t.Fatal("close did not wait")
		}
		if _, err := r.send(id, 50, b[50:]); err == nil {
			t.Fatal("append after close")
		}
		must(t, r.Close())
	})

	t.Run("whoever cannot be interrupted is waited for about a second", func(t *testing.T) {
		r := newRig(t, backend(t)())
		id := r.create(int64(len(b)))
		body, done := newStalled(b[:5]), make(chan answer, 1)
		go func() {
			st, err := r.Append(t.Context(), id, media.AppendRequest{Length: -1, Body: struct{ readerOnly }{readerOnly{body}}})
			done <- answer{st, err}
		}()
		within(t, body.waiting)
		began := time.Now()
		_, err := r.TakeOver(t.Context(), id)
		wants(t, "take over", err, media.ErrBusy)
		if d := time.Since(began); d < 500*time.Millisecond {
			t.Fatalf("waited %v", d)
		}
		body.Interrupt()
		wants(t, "append", within(t, done).err, media.ErrTaken)
	})

	t.Run("many senders of one upload", func(t *testing.T) {
		r := newRig(t, backend(t)())
		id := r.create(int64(len(b)))
		var wg sync.WaitGroup
		errs := make(chan error, 8)
		for i := range 8 {
			wg.Go(func() {
				taken := 0
				for limit := time.Now().Add(20 * time.Second); time.Now().Before(limit); {
					st, err := r.Status(t.Context(), id)
					if err == nil && st.Complete {
						return
					}
					if err == nil {
						n := min(st.Offset+int64(seg/4+i*100), int64(len(b)))
						_, err = r.send(id, st.Offset, b[st.Offset:n])
					}
					if err != nil && !errors.Is(err, media.ErrOffset) && !errors.Is(err, media.ErrTaken) && !errors.Is(err, media.ErrBusy) {
						errs <- err
						return
					}
					if taken++; errors.Is(err, media.ErrTaken) { // as clients do; else the newest would always be too new
						<-time.After(backOff(taken))
					} else {
						taken = 0
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
		r.holds(id, b)
	})
}

// backOff is a time that grows with every failure in a row, so that a slow store gets its turn, too.
func backOff(failures int) time.Duration {
	return time.Duration(rand.Int64N(int64(4*time.Millisecond) << min(failures, 7)))
}

// readerOnly hides that a body can be interrupted.
type readerOnly struct{ s *stalled }

func (r readerOnly) Read(p []byte) (int, error) { return r.s.Read(p) }
