package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// wideSenders bounds how many senders have a large buffer at a time. Without it, a server that is late would find
// a lot of bytes waiting for it everywhere, take everybody for fast, and be in need of memory too.
const wideSenders = 64

var wide = make(chan struct{}, wideSenders)

// batch is how many segments are read or written at a time.
const batch = 4

// Buffers of one batch: sealed, and in the clear.
var (
	sealedBuffers = sync.Pool{New: func() any { return new([batch * sealedSize]byte) }}
	plainBuffers  = sync.Pool{New: func() any { return new([batch * SegmentSize]byte) }}
	smallBuffers  = sync.Pool{New: func() any { return new([SegmentSize]byte) }}
	// Those of slow senders, of whom there may be many.
	oneSealed    = sync.Pool{New: func() any { return new([sealedSize]byte) }}
	tinyBuffers  = sync.Pool{New: func() any { return new([SegmentSize / 4]byte) }}
	tightBuffers = sync.Pool{New: func() any { return new([SegmentSize / 2]byte) }}
)

// Object is a complete upload for reading: io.ReaderAt over the plaintext, opening only the
// segments a range touches. ReadAt fails with ErrDamaged when a segment does not open; it is
// safe for concurrent use.
type Object interface {
	io.ReaderAt
	io.Closer
	Size() int64
	SHA256() []byte
	Info() Info
}

type object struct {
	segments
	rec  record
	file File

	mu   sync.Mutex // guards the segment that was read last, for readers in small steps
	kept int64      // its number; -1: none
	last []byte     // it, in segments.plain
}

// Open opens a complete upload; ErrIncomplete, ErrUnknown, ErrGone, and ErrDamaged when the stored size
// is not the one it must have.
func (s *Service) Open(ctx context.Context, id string) (Object, error) {
	rec, err := s.load(ctx, id)
	if err != nil {
		return nil, err
	}
	if s.gone(rec) {
		return nil, ErrGone
	}
	if rec.Final == nil {
		return nil, ErrIncomplete
	}
	key, err := s.cfg.Key(ctx, rec.Info.CaseID)
	if err != nil {
		return nil, fmt.Errorf("key of the case: %w", err)
	}
	f, err := s.cfg.Store.Open(ctx, id)
	if errors.Is(err, ErrUnknown) {
		return nil, ErrGone // ended just now
	}
	if err != nil {
		return nil, fmt.Errorf("open upload: %w", err)
	}
	o := &object{
		segments: segments{f: f, box: box(key, id), id: id, length: rec.Final.Length, plain: make([]byte, 0, min(rec.Final.Length, SegmentSize))},
		rec:      rec, file: f, kept: -1,
	}
	size, err := f.Size()
	if err == nil && size != objectSize(rec.Final.Length) {
		err = ErrDamaged.Because(fmt.Errorf("%s has %d stored bytes, not %d", id, size, objectSize(rec.Final.Length)))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return o, nil
}

func (o *object) Size() int64    { return o.length }
func (o *object) SHA256() []byte { return o.rec.Final.SHA256 }
func (o *object) Info() Info     { return o.rec.Info }
func (o *object) Close() error   { return o.file.Close() }

// ReadAt implements io.ReaderAt over the plaintext.
func (o *object) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("media: negative offset")
	}
	if off >= o.length {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), o.length-off)]
	from, to := off/SegmentSize, (off+int64(len(want))-1)/SegmentSize
	done := 0
	put := func(n int64, plain []byte) {
		done += copy(want[done:], plain[off+int64(done)-n*SegmentSize:])
	}
	if len(want) == 0 {
		return 0, nil
	}

	o.mu.Lock()
	defer o.mu.Unlock()
	if from == o.kept {
		put(from, o.last)
		from++
	}
	if from <= to {
		buf := sealedBuffers.Get().(*[batch * sealedSize]byte)
		defer sealedBuffers.Put(buf)
		o.kept = -1
		for from <= to {
			next, err := o.read(from, to, buf[:], func(n int64, plain []byte) {
				put(n, plain)
				o.kept, o.last = n, plain
			})
			if err != nil {
				o.kept = -1
				return done, err
			}
			from = next
		}
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}
