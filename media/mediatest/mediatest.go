// Package mediatest holds the contract of media.Store: what a backend must do by itself, and
// what package media must be able to promise on top of it, also when the process dies or the
// room ends between any two steps.
package mediatest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/symbolon/symbolon/media"
	"github.com/symbolon/symbolon/seal"
)

// Backend makes an empty place and returns what opens it. Opening it again without closing anything is what
// happens after a process was killed.
type Backend func(t testing.TB) (open func() media.Store)

// Run runs the contract.
func Run(t *testing.T, backend Backend) {
	for name, part := range map[string]func(*testing.T, Backend){
		"store": runStore, "bytes": runBytes, "crash": runCrash, "turns": runTurns, "nodes": runNodes, "tamper": runTamper, "life": runLife,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(t, backend)
		})
	}
}

// limit is the size that test uploads may have.
const limit = 1 << 20

var (
	caseKey  = seal.NewKey()
	otherKey = seal.NewKey()
)

// rig is a service on a place.
type rig struct {
	*media.Service
	t     testing.TB
	store media.Store

	mu   sync.Mutex // guards what follows
	now  time.Time
	told []media.Status
	fail error // what Completed answers
	on   func(media.Status) error
}

func newRig(t testing.TB, store media.Store, change ...func(*media.Config)) *rig {
	t.Helper()
	r := &rig{t: t, store: store, now: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)}
	cfg := media.Config{
		Store: store,
		Now: func() time.Time {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.now
		},
		Key: func(_ context.Context, caseID string) (seal.Key, error) {
			if caseID == "case_other" {
				return otherKey, nil
			}
			return caseKey, nil
		},
		Completed: func(_ context.Context, st media.Status) error {
			r.mu.Lock()
			r.told = append(r.told, st)
			fail, on := r.fail, r.on
			r.mu.Unlock()
			if on != nil {
				return on(st)
			}
			return fail
		},
	}
	for _, f := range change {
		f(&cfg)
	}
	var err error
	if r.Service, err = media.New(cfg); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

func (r *rig) tellings() []media.Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]media.Status(nil), r.told...)
}

func info() media.Info {
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	return media.Info{
		ID: "upl_" + ulid.Make().String(), CaseID: "case_1", Step: "document_front", Epoch: 3,
		Owner: "hnd_1", MaxBytes: limit, CreatedAt: at, ExpiresAt: at.Add(time.Hour),
	}
}

func (r *rig) create(length int64) string {
	r.t.Helper()
	i := info()
	st, err := r.Create(r.t.Context(), i, length)
	if err != nil {
		r.t.Fatal(err)
	}
	if st.ID != i.ID || st.Offset != 0 || st.Length != length || st.Complete {
		r.t.Fatalf("created: %+v", st)
	}
	return i.ID
}

// send appends b at an offset without a length or checksum.
func (r *rig) send(id string, offset int64, b []byte) (media.Status, error) {
	return r.Append(r.t.Context(), id, media.AppendRequest{Offset: offset, Length: -1, Body: bytes.NewReader(b)})
}

// stored makes a complete upload of b.
func (r *rig) stored(b []byte) string {
	r.t.Helper()
	id := r.create(int64(len(b)))
	st, err := r.send(id, 0, b)
	if err != nil || !st.Complete {
		r.t.Fatalf("store %d bytes: complete=%v, %v", len(b), st.Complete, err)
	}
	return id
}

// holds checks that a complete upload is b, byte for byte.
func (r *rig) holds(id string, b []byte) {
	r.t.Helper()
	o, err := r.Open(r.t.Context(), id)
	if err != nil {
		r.t.Fatalf("open: %v", err)
	}
	defer o.Close()
	got, err := io.ReadAll(io.NewSectionReader(o, 0, o.Size()))
	if err != nil {
		r.t.Fatalf("read: %v", err)
	}
	if !bytes.Equal(got, b) {
		r.t.Fatalf("stored bytes differ: %d bytes, want %d", len(got), len(b))
	}
	sum := sha256.Sum256(b)
	if !bytes.Equal(o.SHA256(), sum[:]) {
		r.t.Fatal("digest differs")
	}
}

func wants(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: got %v, want %v", what, err, want)
	}
}

// content returns n bytes that differ at every place and repeat for the same seed.
func content(seed uint64, n int) []byte {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

// cut is a body that breaks after its bytes.
type cut struct{ io.Reader }

var errCut = errors.New("the sender died")

func (c cut) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if err == io.EOF {
		err = errCut
	}
	return n, err
}

// stalled is a body that gives its bytes and then hangs until it is interrupted.
type stalled struct {
	first   io.Reader
	waiting chan struct{} // closed when it hangs
	once    sync.Once
	end     chan struct{}
	ends    sync.Once
}

func newStalled(b []byte) *stalled {
	return &stalled{first: bytes.NewReader(b), waiting: make(chan struct{}), end: make(chan struct{})}
}

func (s *stalled) Read(p []byte) (int, error) {
	if n, err := s.first.Read(p); err == nil {
		return n, nil
	}
	s.once.Do(func() { close(s.waiting) })
	<-s.end
	return 0, errors.New("interrupted")
}

func (s *stalled) Interrupt() { s.ends.Do(func() { close(s.end) }) }

// errCrash is what a store answers once its process is dead.
var errCrash = errors.New("the process is dead")

// Faulty is a store that fails at its n-th change: either it dies there (every call after it
// fails and nothing more is changed), or it has no room for that one change and the later ones. A change that
// appends is done by half.
type Faulty struct {
	media.Store
	at      int64 // the change that fails, from 1
	room    bool  // fail with ErrNoSpace instead of dying
	changes atomic.Int64
	dead    atomic.Bool
}

// change counts a change. Where it fails half says that a first part of it is done all the same.
func (f *Faulty) change(needsRoom bool) (half bool, err error) {
	if f.dead.Load() {
		if !f.room {
			return false, errCrash
		}
		if needsRoom {
			return false, media.ErrNoSpace
		}
		return false, nil
	}
	if f.changes.Add(1) != f.at {
		return false, nil
	}
	if f.room {
		if !needsRoom {
			f.changes.Add(-1) // wait for one that does
			return false, nil
		}
		f.dead.Store(true)
		return true, media.ErrNoSpace
	}
	f.dead.Store(true)
	return true, errCrash
}

// Create implements media.Store.
func (f *Faulty) Create(ctx context.Context, id string, info []byte) error {
	if _, err := f.change(true); err != nil {
		return err
	}
	return f.Store.Create(ctx, id, info)
}

// Save implements media.Store.
func (f *Faulty) Save(ctx context.Context, id string, info []byte) error {
	if _, err := f.change(true); err != nil {
		return err
	}
	return f.Store.Save(ctx, id, info)
}

// Destroy implements media.Store.
func (f *Faulty) Destroy(ctx context.Context, id string) error {
	if _, err := f.change(false); err != nil {
		return err
	}
	return f.Store.Destroy(ctx, id)
}

// Open implements media.Store.
func (f *Faulty) Open(ctx context.Context, id string) (media.File, error) {
	file, err := f.Store.Open(ctx, id)
	if err != nil {
		return nil, err
	}
	return &faultyFile{file, f}, nil
}

type faultyFile struct {
	media.File
	f *Faulty
}

func (f *faultyFile) Append(b []byte) error {
	half, err := f.f.change(true)
	if half {
		_ = f.File.Append(b[:len(b)*2/3])
	}
	if err != nil {
		return err
	}
	return f.File.Append(b)
}

func (f *faultyFile) Truncate(size int64) error {
	if _, err := f.f.change(false); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *faultyFile) PutNote(n media.Note, b []byte) error {
	if _, err := f.f.change(true); err != nil {
		return err
	}
	return f.File.PutNote(n, b)
}

func (f *faultyFile) MoveNote(from, to media.Note) error {
	if _, err := f.f.change(false); err != nil {
		return err
	}
	return f.File.MoveNote(from, to)
}

func (f *faultyFile) DropNote(n media.Note) error {
	if _, err := f.f.change(false); err != nil {
		return err
	}
	return f.File.DropNote(n)
}

func (f *faultyFile) Sync() error {
	if _, err := f.f.change(false); err != nil {
		return err
	}
	return f.File.Sync()
}
