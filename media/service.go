package media

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// graveFor is how long an ended upload still answers ErrGone; after that it is unknown.
const graveFor = 7 * 24 * time.Hour

// tellTime bounds what Completed may take.
const tellTime = 30 * time.Second

// Service is the door of the package. It is safe for concurrent use.
type Service struct {
	cfg     Config
	running sync.WaitGroup // requests inside an upload

	mu      sync.Mutex           // guards what follows
	uploads map[string]*upload   // those that somebody works on
	ended   map[string]time.Time // when Interrupt was told an owner
	closed  bool
	swept   bool // Expired has finished what Terminates before the start left
}

// New checks the configuration and returns the service.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.Key == nil || cfg.Completed == nil {
		return nil, errors.New("media: Store, Key and Completed are needed")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{cfg: cfg, uploads: map[string]*upload{}, ended: map[string]time.Time{}}, nil
}

// Create makes an empty upload. length -1: deferred. ErrTooLarge above info.MaxBytes, ErrGone when the
// owner was interrupted just now.
func (s *Service) Create(ctx context.Context, info Info, length int64) (Status, error) {
	if !validID(info.ID) || info.CaseID == "" || info.MaxBytes <= 0 || info.ExpiresAt.IsZero() {
		return Status{}, fmt.Errorf("media: incomplete info of upload %q", info.ID)
	}
	if length < -1 {
		return Status{}, ErrLength
	}
	if length > info.MaxBytes {
		return Status{}, ErrTooLarge
	}
	if err := s.known(&ticket{}, info); err != nil {
		return Status{}, err
	}
	info.CreatedAt = info.CreatedAt.UTC()
	info.ExpiresAt = info.ExpiresAt.UTC()
	rec := record{Schema: recordSchema, Info: info, Length: length}
	b, err := json.Marshal(rec)
	if err != nil {
		return Status{}, fmt.Errorf("info of %s: %w", info.ID, err)
	}
	if err := s.cfg.Store.Create(context.WithoutCancel(ctx), info.ID, b); err != nil {
		return Status{}, fmt.Errorf("create upload: %w", err)
	}
	return rec.status(0), nil
}

// Put stores b as a complete upload at once: what came in one piece, or was made here. Completed is not asked.
func (s *Service) Put(ctx context.Context, info Info, b []byte) (Status, error) {
	info.Whole = true
	if _, err := s.Create(ctx, info, int64(len(b))); err != nil {
		return Status{}, err
	}
	return s.Append(ctx, info.ID, AppendRequest{Body: bytes.NewReader(b), Length: -1})
}

// Status returns the upload as it is, without disturbing anybody; ErrUnknown, or ErrGone once terminated or
// expired. With ErrGone the Info is returned too, so that the caller can tell whose it was.
func (s *Service) Status(ctx context.Context, id string) (Status, error) {
	if !validID(id) {
		return Status{}, ErrUnknown
	}
	defer s.still(id)()
	rec, err := s.load(ctx, id)
	if err != nil {
		return Status{}, err
	}
	if s.gone(rec) {
		return Status{Info: rec.Info, Length: rec.Length}, ErrGone
	}
	if rec.Final != nil {
		return rec.status(0), nil
	}
	f, err := s.cfg.Store.Open(ctx, id)
	if errors.Is(err, ErrUnknown) { // ended just now
		return Status{Info: rec.Info, Length: rec.Length}, ErrGone
	}
	if err != nil {
		return Status{}, fmt.Errorf("open upload: %w", err)
	}
	defer f.Close()
	if _, ok := s.cfg.Store.(Locker); ok {
		return s.steady(ctx, rec, f)
	}
	p, err := look(f)
	if err != nil {
		return Status{}, err
	}
	return rec.status(p.offset()), nil
}

// steadyLooks bounds how often steady looks. A change takes longer than a look, so it is not reached.
const steadyLooks = 50

// steady reads the position while another process may be changing it, without holding that up: what is
// read twice alike was not read in the middle of a change, because each one seals bytes anew.
func (s *Service) steady(ctx context.Context, rec record, f File) (Status, error) {
	before, err := look(f)
	for range steadyLooks {
		if errors.Is(err, ErrDamaged) { // a mark and a size of different times
			before, err = look(f)
			continue
		}
		if err != nil {
			return Status{}, err
		}
		var again position
		if again, err = look(f); err == nil && again.equal(before) {
			break
		}
		before = again
	}
	if err != nil {
		return Status{}, err
	}
	// The end may have come meanwhile; it takes the tail away.
	after, err := s.load(ctx, rec.Info.ID)
	if err != nil {
		return Status{}, err
	}
	if s.gone(after) {
		return Status{Info: after.Info, Length: after.Length}, ErrGone
	}
	return after.status(before.offset()), nil
}

// Append stores the bytes of r.Body at r.Offset. It keeps what it received when the sender
// dies or stalls (the error of the reader comes back with the new Status), unless a checksum
// covers the piece. A newer Append, TakeOver or Terminate of the same upload interrupts one
// that still reads: within a second it stops with ErrTaken (or ErrGone) and its bytes stay. When the
// length is reached the upload is completed before Append returns. A Status with an ID is valid
// beside an error too.
func (s *Service) Append(ctx context.Context, id string, r AppendRequest) (Status, error) {
	t := newTicket(r.Body)
	u, err := s.enter(ctx, id, t, ErrTaken, false)
	if err != nil {
		return Status{}, err
	}
	defer s.leave(id, u, t)
	defer context.AfterFunc(ctx, func() { t.stop(fmt.Errorf("receive: %w", context.Cause(ctx))) })()

	w, err := s.writer(ctx, id, u, t)
	if err != nil {
		return w.status(), err
	}
	defer w.close()
	if err := w.admit(r); err != nil {
		return w.status(), err
	}
	if w.rec.Final == nil {
		err = w.receive(t, r)
	} else {
		err = w.nothing(r.Body)
	}
	if err != nil && (t.reason() != nil || errors.Is(err, ErrTooLarge)) {
		return w.status(), err
	}
	// Where every byte is here, that the sender died after the last one harms nobody.
	if ferr := w.finish(t); err == nil {
		err = ferr
	}
	return w.status(), err
}

// TakeOver makes an Append that is still reading let go and returns the settled Status: what a HEAD
// before a resume asks for. An upload that has all its bytes is completed, and Completed is told.
func (s *Service) TakeOver(ctx context.Context, id string) (Status, error) {
	t := newTicket(nil)
	u, err := s.enter(ctx, id, t, ErrTaken, false)
	if err != nil {
		return Status{}, err
	}
	defer s.leave(id, u, t)
	w, err := s.writer(ctx, id, u, t)
	if err != nil {
		return w.status(), err
	}
	defer w.close()
	err = w.finish(t)
	if errors.Is(err, ErrOffset) {
		err = nil // bytes were lost and are not counted any more: the sender learns that from the offset
	}
	return w.status(), err
}

// Terminate ends the upload, complete or not, and destroys its bytes. Twice is fine; ErrUnknown.
func (s *Service) Terminate(ctx context.Context, id string) error {
	t := newTicket(nil)
	u, err := s.enter(ctx, id, t, ErrGone, true)
	if err != nil {
		return err
	}
	defer s.leave(id, u, t)
	ctx = context.WithoutCancel(ctx)
	u.change.Lock()
	defer u.change.Unlock()
	rec, err := s.load(ctx, id)
	if err != nil {
		return err
	}
	if rec.GoneAt.IsZero() {
		rec.GoneAt = s.cfg.Now().UTC()
		rec.Final = nil // the digest goes with the bytes
		if err := s.save(ctx, rec); errors.Is(err, ErrNoSpace) {
			// No room for the note that it is over: the bytes go first and make some.
			if err := s.cfg.Store.Destroy(ctx, id); err != nil {
				return fmt.Errorf("destroy upload: %w", err)
			}
			err = s.save(ctx, rec)
			if err != nil {
				return fmt.Errorf("end upload: %w", err)
			}
		} else if err != nil {
			return fmt.Errorf("end upload: %w", err)
		}
	}
	if err := s.cfg.Store.Destroy(ctx, id); err != nil {
		return fmt.Errorf("destroy upload: %w", err)
	}
	return nil
}

// Expired calls fn for every upload that is incomplete and past ExpiresAt, for the janitor; fn
// calls Terminate when it is done with it. On the way it forgets what ended long ago and finishes
// Terminates that a crash cut short. It reads the info of every upload.
func (s *Service) Expired(ctx context.Context, fn func(Info) error) error {
	s.mu.Lock()
	swept := s.swept
	s.mu.Unlock()
	err := s.cfg.Store.Each(ctx, func(id string) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		rec, err := s.load(ctx, id)
		switch {
		case errors.Is(err, ErrUnknown), errors.Is(err, ErrDamaged):
			return nil // forgotten meanwhile; or not ours to judge, and nothing can be told about it
		case err != nil:
			return err
		case !rec.GoneAt.IsZero() && s.cfg.Now().Sub(rec.GoneAt) > graveFor:
			return s.cfg.Store.Forget(ctx, id)
		case !rec.GoneAt.IsZero() && !swept:
			return s.cfg.Store.Destroy(ctx, id)
		case rec.GoneAt.IsZero() && s.gone(rec):
			return fn(rec.Info)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for expired uploads: %w", err)
	}
	s.mu.Lock()
	s.swept = true
	s.mu.Unlock()
	return nil
}
