package medias3

import (
	"context"
	"errors"
	"time"

	"github.com/symbolon/symbolon/media"
)

// Lock implements media.Locker.
func (s *Store) Lock(ctx context.Context, id string) (unlock func(), err error) {
	if !valid(id) {
		return nil, media.ErrUnknown
	}
	c := s.cell(id)
	defer func() {
		if unlock == nil {
			s.release(c)
		}
	}()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held != "" {
		return nil, media.ErrBusy
	}
	err = s.refresh(ctx, id, c)
	if errors.Is(err, media.ErrUnknown) || err == nil && c.st.Gone {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if c.st.Holder != "" && c.st.Holder != c.left && !s.dead(c) {
		return nil, media.ErrBusy
	}
	st := c.st
	st.Holder = random()
	if err := s.write(ctx, id, c, st, nil); err != nil {
		if errors.Is(err, media.ErrTaken) {
			return nil, media.ErrBusy
		}
		c.left = st.Holder // it may have come through
		return nil, err
	}
	c.held, c.sure = st.Holder, true
	stop, done := make(chan struct{}), make(chan struct{})
	go s.beat(id, c, st.Holder, stop, done)
	return func() {
		close(stop)
		<-done
		s.unlock(id, c, st.Holder)
	}, nil
}

// dead reports whether the holder has written nothing for long, as seen from here. cell.mu is held.
func (s *Store) dead(c *cell) bool {
	if c.waitSeq != c.st.Seq {
		c.waitSeq, c.waitSince = c.st.Seq, time.Now()
		return false
	}
	return time.Since(c.waitSince) >= s.deadAfter
}

// beat writes an entry where a holder has been silent for a while, until it is stopped.
func (s *Store) beat(id string, c *cell, holder string, stop <-chan struct{}, done chan<- struct{}) {
	defer close(done)
	tick := time.NewTicker(s.beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		c.mu.Lock()
		if c.held == holder && c.st.Holder == holder && time.Since(c.written) >= s.beatEvery {
			if err := s.write(context.Background(), id, c, c.st, nil); errors.Is(err, media.ErrTaken) {
				c.mu.Unlock()
				return // whose request this is learns it when it writes next
			}
		}
		c.mu.Unlock()
	}
}

// unlock says that nobody holds the upload any more. Where that cannot be written,
// this process remembers it, and the others find the holder dead.
func (s *Store) unlock(id string, c *cell, holder string) {
	defer s.release(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held, c.sure = "", false
	if c.st.Holder != holder {
		return
	}
	st := c.st
	st.Holder = ""
	if s.write(context.Background(), id, c, st, nil) != nil {
		c.left = holder
	}
	c.sure = false
}
