package media

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/symbolon/symbolon/fault"
)

// patience is how long a newer request waits for the one it interrupted.
const patience = time.Second

// How a lock is asked for that another process holds.
const (
	lockFirst = 2 * time.Millisecond // to the second try
	lockMost  = 40 * time.Millisecond
	askEvery  = 250 * time.Millisecond // an asking may get lost
)

// settleTime is how long it waits while that one completes the upload, which cannot be interrupted.
const settleTime = 30 * time.Second

// endedFor is how long Interrupt is remembered for requests that were let in just before it.
const endedFor = 2 * time.Minute

var errClosed = fault.New(fault.Unavailable, "shutting_down", "This server is going. Another one answers soon.").After(time.Second)

// upload is one upload that somebody works on.
type upload struct {
	turn     chan struct{} // capacity 1; who put its element may change what is stored
	settling atomic.Bool   // the one whose turn it is completes the upload
	change   sync.Mutex    // held for each change of what is stored, and by Status while it looks

	inside map[*ticket]struct{} // guarded by Service.mu
	onlook int                  // guarded by Service.mu: how many only look
	ending bool                 // guarded by Service.mu: a Terminate is inside
}

// ticket is one request that works on an upload or waits for its turn.
type ticket struct {
	owner string // of the upload; guarded by Service.mu, "" until known

	turn    bool          // holds the turn; only the request's own goroutine touches it
	unlock  func()        // gives the store's lock back; nil without one; as turn
	stopped chan struct{} // closed when why is set

	mu        sync.Mutex // guards what follows
	why       error      // why it has to let go
	interrupt func()     // makes a blocked read return; nil once the request is over
}

func newTicket(body any) *ticket {
	t := &ticket{stopped: make(chan struct{})}
	if b, ok := body.(interface{ Interrupt() }); ok {
		t.interrupt = b.Interrupt
	}
	return t
}

// stop makes the request let go. The first reason counts.
func (t *ticket) stop(why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.why == nil {
		t.why = why
		close(t.stopped)
	}
	if t.interrupt != nil {
		t.interrupt()
	}
}

// reason returns why the request has to let go, nil if it need not.
func (t *ticket) reason() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.why
}

// over makes sure that the reader of the request is not touched any more.
func (t *ticket) over() {
	t.mu.Lock()
	t.interrupt = nil
	t.mu.Unlock()
}

// enter makes everybody else who is inside the upload let go (with why) and waits for the turn. The
// caller calls leave when there is no error.
func (s *Service) enter(ctx context.Context, id string, t *ticket, why error, ending bool) (*upload, error) {
	if !validID(id) {
		return nil, ErrUnknown
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, errClosed
	}
	u := s.at(id)
	if u.ending && !ending {
		s.mu.Unlock()
		return nil, ErrGone
	}
	others := make([]*ticket, 0, len(u.inside))
	for o := range u.inside {
		others = append(others, o)
	}
	u.inside[t] = struct{}{}
	u.ending = u.ending || ending
	s.running.Add(1)
	s.mu.Unlock()

	for _, o := range others {
		o.stop(why)
	}
	if err := s.await(ctx, u, t, ending); err != nil {
		s.part(id, u, t)
		return nil, err
	}
	t.turn = true
	if err := s.lock(ctx, id, t, ending); err != nil {
		s.leave(id, u, t)
		return nil, err
	}
	return u, nil
}

// lock takes the upload from the other processes that share the store: whoever holds it there is
// asked to let go, as somebody here would be.
func (s *Service) lock(ctx context.Context, id string, t *ticket, ending bool) error {
	store, ok := s.cfg.Store.(Locker)
	if !ok {
		return nil
	}
	stopped := t.stopped
	if ending {
		stopped = nil
	}
	limit := time.NewTimer(patience)
	defer limit.Stop()
	var asked time.Time
	for wait := lockFirst; ; wait = min(2*wait, lockMost) {
		unlock, err := store.Lock(ctx, id)
		if !errors.Is(err, ErrBusy) {
			t.unlock = unlock
			return err
		}
		if s.cfg.Elsewhere != nil && time.Since(asked) >= askEvery {
			asked = time.Now()
			s.cfg.Elsewhere(id)
		}
		select {
		case <-stopped:
			return t.reason()
		case <-ctx.Done():
			return fmt.Errorf("wait for the upload: %w", context.Cause(ctx))
		case <-limit.C:
			return ErrBusy
		case <-time.After(wait):
		}
	}
}

func (s *Service) await(ctx context.Context, u *upload, t *ticket, ending bool) error {
	stopped := t.stopped
	if ending {
		stopped = nil // nothing is newer than the end
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for waited := patience; ; waited += patience {
		select {
		case u.turn <- struct{}{}:
			return nil
		case <-stopped:
			return t.reason()
		case <-ctx.Done():
			return fmt.Errorf("wait for the upload: %w", context.Cause(ctx))
		case <-timer.C:
			if !u.settling.Load() || waited >= settleTime {
				return ErrBusy
			}
			timer.Reset(patience)
		}
	}
}

func (s *Service) leave(id string, u *upload, t *ticket) {
	t.over()
	t.yield(u)
	s.part(id, u, t)
}

// yield gives the turn to the next one. The request stays inside: Close waits for it.
func (t *ticket) yield(u *upload) {
	if t.unlock != nil {
		t.unlock()
		t.unlock = nil
	}
	if t.turn {
		t.turn = false
		<-u.turn
	}
}

func (s *Service) part(id string, u *upload, t *ticket) {
	t.over()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(u.inside, t)
	s.drop(id, u)
	s.running.Done()
}

// at returns the upload to work on. Service.mu is held.
func (s *Service) at(id string) *upload {
	u := s.uploads[id]
	if u == nil {
		u = &upload{turn: make(chan struct{}, 1), inside: map[*ticket]struct{}{}}
		s.uploads[id] = u
	}
	return u
}

// drop forgets an upload that nobody is at any more. Service.mu is held.
func (s *Service) drop(id string, u *upload) {
	if len(u.inside) == 0 && u.onlook == 0 {
		delete(s.uploads, id)
	}
}

// still holds off changes of what is stored until the returned function is called.
func (s *Service) still(id string) (release func()) {
	s.mu.Lock()
	u := s.at(id)
	u.onlook++
	s.mu.Unlock()
	u.change.Lock()
	return func() {
		u.change.Unlock()
		s.mu.Lock()
		defer s.mu.Unlock()
		u.onlook--
		s.drop(id, u)
	}
}

// known tells whose upload the request works on, and refuses when Interrupt was faster.
func (s *Service) known(t *ticket, info Info) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.owner = info.Owner
	if _, ok := s.ended[info.Owner]; ok {
		return ErrGone
	}
	return nil
}

// Interrupt makes running Appends to uploads of this owner stop with ErrGone within a second (its
// handoff ended). One that was let in just before starts no more, so the owner must not come back.
func (s *Service) Interrupt(owner string) {
	now := s.cfg.Now()
	var hit []*ticket
	s.mu.Lock()
	for o, at := range s.ended {
		if now.Sub(at) > endedFor {
			delete(s.ended, o)
		}
	}
	s.ended[owner] = now
	for _, u := range s.uploads {
		for t := range u.inside {
			if t.owner == owner {
				hit = append(hit, t)
			}
		}
	}
	s.mu.Unlock()
	for _, t := range hit {
		t.stop(ErrGone)
	}
}

// LetGo makes the requests here that work on an upload stop with ErrTaken: a newer one for
// it has come to another process.
func (s *Service) LetGo(id string) {
	var hit []*ticket
	s.mu.Lock()
	if u := s.uploads[id]; u != nil {
		for t := range u.inside {
			hit = append(hit, t)
		}
	}
	s.mu.Unlock()
	for _, t := range hit {
		t.stop(ErrTaken)
	}
}

// Close interrupts every Append and waits for them. Calls after it fail.
func (s *Service) Close() error {
	var all []*ticket
	s.mu.Lock()
	s.closed = true
	for _, u := range s.uploads {
		for t := range u.inside {
			all = append(all, t)
		}
	}
	s.mu.Unlock()
	for _, t := range all {
		t.stop(errClosed)
	}
	s.running.Wait()
	return nil
}
