package media

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // the tus checksum extension demands it; it guards against accidents only
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/seal"
)

// pace is how long whole segments may wait in memory for more to come.
const pace = 100 * time.Millisecond

// A sender who fills so many segments in a row, each within that time, gets a large buffer. One or two
// also come from a slow sender, when this process was late.
const (
	fast     = 20 * time.Millisecond
	fastRuns = 4
)

// idleReads is how often a reader may return nothing in a row before it is given up.
const idleReads = 100

var errChecksumKind = fault.New(fault.Malformed, "upload_checksum_invalid", "Checksums are sha1 or sha256.")

// writer is the one that changes an upload.
type writer struct {
	s   *Service
	ctx context.Context // of the storing: it does not end with the request
	u   *upload
	id  string
	rec record
	ok  bool // rec is loaded
	f   File
	pos position
	box *seal.Box
}

// writer opens the upload for who has the turn. The status of the returned writer is valid beside an error.
func (s *Service) writer(ctx context.Context, id string, u *upload, t *ticket) (*writer, error) {
	w := &writer{s: s, ctx: context.WithoutCancel(ctx), u: u, id: id}
	var err error
	if w.rec, err = s.load(w.ctx, id); err != nil {
		return w, err
	}
	w.ok = true
	if s.gone(w.rec) {
		return w, ErrGone
	}
	if w.rec.Final != nil {
		return w, nil
	}
	if err := s.known(t, w.rec.Info); err != nil {
		return w, err
	}
	f, err := s.cfg.Store.Open(w.ctx, id)
	if errors.Is(err, ErrUnknown) {
		return w, ErrGone
	}
	if err == nil {
		w.f = f
		if err = w.settle(); err == nil {
			return w, nil
		}
		f.Close()
	} else {
		err = fmt.Errorf("open upload: %w", err)
	}
	w.ok = false // nobody knows how far it is
	return w, err
}

func (w *writer) close() {
	if w.f != nil {
		w.f.Close()
	}
}

func (w *writer) status() Status {
	if !w.ok {
		return Status{}
	}
	return w.rec.status(w.pos.offset())
}

// change runs one change of what is stored while nobody looks.
func (w *writer) change(fn func() error) error {
	w.u.change.Lock()
	defer w.u.change.Unlock()
	return fn()
}

// settle finds the position anew. Where it cannot, that of before stays: its bytes are stored.
func (w *writer) settle() error {
	return w.change(func() error {
		p, err := settle(w.f)
		if err == nil {
			w.pos = p
		}
		return err
	})
}

func (w *writer) sealer() (*seal.Box, error) {
	if w.box == nil {
		key, err := w.s.cfg.Key(w.ctx, w.rec.Info.CaseID)
		if err != nil {
			return nil, fmt.Errorf("key of the case: %w", err)
		}
		w.box = box(key, w.id)
	}
	return w.box, nil
}

// admit judges what the request says before any byte is read, and fixes a deferred length.
func (w *writer) admit(r AppendRequest) error {
	at := w.status().Offset
	if r.Offset != at {
		return ErrOffset
	}
	if r.Length < -1 {
		return ErrLength
	}
	if r.Length >= 0 && r.Length != w.rec.Length {
		if w.rec.Length >= 0 || r.Length < at {
			return ErrLength
		}
		if r.Length > w.rec.Info.MaxBytes {
			return ErrTooLarge
		}
		rec := w.rec
		rec.Length = r.Length
		if err := w.change(func() error { return w.s.save(w.ctx, rec) }); err != nil {
			return fmt.Errorf("declare length: %w", err)
		}
		w.rec = rec
	}
	return nil
}

// nothing makes sure that a body has no bytes: the upload can take no more.
func (w *writer) nothing(body io.Reader) error {
	if body == nil {
		return nil
	}
	var b [1]byte
	for range idleReads {
		n, err := body.Read(b[:])
		switch {
		case n > 0:
			return ErrTooLarge
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("receive: %w", err)
		}
	}
	return io.ErrNoProgress
}

// tail opens the bytes that do not fill a segment. One that does not open was torn by a power cut or
// tampered with: it is taken away, and the sender sends those bytes again.
func (w *writer) tail() ([]byte, error) {
	if len(w.pos.tail) == 0 {
		return nil, nil
	}
	b, err := w.sealer()
	if err != nil {
		return nil, err
	}
	plain, err := b.AppendOpen(nil, w.pos.tail, place(w.id, w.pos.whole, start))
	if err == nil {
		return plain, nil
	}
	if err := w.change(func() error { return w.f.DropNote(TailNote) }); err != nil {
		return nil, fmt.Errorf("drop tail: %w", err)
	}
	w.pos.tail = nil
	return nil, ErrOffset.Because(fmt.Errorf("tail of %s: %w", w.id, err))
}

// receive stores the body.
func (w *writer) receive(t *ticket, r AppendRequest) error {
	if r.Body == nil {
		return nil
	}
	b, err := w.sealer()
	if err != nil {
		return err
	}
	tail, err := w.tail()
	if err != nil {
		return err
	}
	p, err := newPiece(r.Checksum)
	if err != nil {
		return err
	}
	defer p.release()
	if c := len(tail); c > len(p.buf) {
		p.resize(c)
	}
	p.n = copy(p.buf, tail)

	readErr := w.pump(t, r, b, p)
	if r.Checksum != nil {
		if readErr == nil && subtle.ConstantTimeCompare(p.sum.Sum(nil), r.Checksum.Sum) != 1 {
			readErr = ErrChecksum
		}
		if readErr != nil {
			return errors.Join(readErr, w.rollback(p))
		}
		p.sum = nil // verified: what follows needs no mark
	}
	if err := w.keepTail(b, p); err != nil {
		// What is on the disk counts from here on, not what was received.
		return errors.Join(err, w.settle())
	}
	if r.Progress != nil && p.got {
		r.Progress(w.pos.offset())
	}
	return readErr
}

// piece is what one request brings, as far as it is still in memory.
type piece struct {
	buf  []byte // starts at a segment
	n    int    // filled
	got  bool   // a byte came
	held bool   // the position before it is marked
	sum  hash.Hash
	free func() // gives buf back
}

// The sizes of buf. A slow sender does with what it fills; there may be many of them.
const (
	tinyBuffer  = SegmentSize / 4
	tightBuffer = SegmentSize / 2
	wideBuffer  = batch * SegmentSize
)

func newPiece(c *Checksum) (*piece, error) {
	p := &piece{free: func() {}}
	if c == nil {
		return p, nil // grows with what comes
	}
	switch c.Algorithm {
	case "sha1":
		p.sum = sha1.New() //nolint:gosec // see the import
	case "sha256":
		p.sum = sha256.New()
	default:
		return nil, errChecksumKind
	}
	p.resize(wideBuffer)
	return p, nil
}

// resize takes another buffer and moves the bytes there, which fit.
func (p *piece) resize(size int) {
	old, free := p.buf[:p.n], p.free
	switch {
	case size <= tinyBuffer:
		b := tinyBuffers.Get().(*[tinyBuffer]byte)
		p.buf, p.free = b[:], func() { tinyBuffers.Put(b) }
	case size <= tightBuffer:
		b := tightBuffers.Get().(*[tightBuffer]byte)
		p.buf, p.free = b[:], func() { tightBuffers.Put(b) }
	case size <= SegmentSize:
		b := smallBuffers.Get().(*[SegmentSize]byte)
		p.buf, p.free = b[:], func() { smallBuffers.Put(b) }
	default:
		b := plainBuffers.Get().(*[wideBuffer]byte)
		p.buf, p.free = b[:], func() { plainBuffers.Put(b) }
	}
	copy(p.buf, old)
	free()
}

// widen takes a large buffer, if one is to be had.
func (p *piece) widen() {
	select {
	case wide <- struct{}{}:
	default:
		return
	}
	p.resize(wideBuffer)
	back := p.free
	p.free = func() {
		back()
		<-wide
	}
}

// room makes sure that a byte fits below a whole segment.
func (p *piece) room() {
	if p.n == len(p.buf) {
		p.resize(2 * max(p.n, tinyBuffer/2))
	}
}

func (p *piece) release() { p.free() }

// pump reads the body to its end and stores whole segments. What is left is in p.
func (w *writer) pump(t *ticket, r AppendRequest, b *seal.Box, p *piece) error {
	idle, stored := 0, time.Now()
	run := 0
	for {
		if why := t.reason(); why != nil {
			return why
		}
		room := w.rec.limit() - w.pos.whole*SegmentSize - int64(p.n)
		if room == 0 {
			if err := w.nothing(r.Body); err != nil {
				return w.instead(t, err)
			}
			return nil
		}
		p.room()
		space := p.buf[p.n:min(int64(len(p.buf)), int64(p.n)+room)]
		n, err := r.Body.Read(space)
		if n < 0 || n > len(space) {
			return fmt.Errorf("receive: reader returned %d of %d bytes", n, len(space))
		}
		if n > 0 {
			p.got, idle = true, 0
			if p.sum != nil {
				p.sum.Write(space[:n])
			}
			p.n += n
		} else if idle++; err == nil && idle > idleReads {
			return fmt.Errorf("receive: %w", io.ErrNoProgress)
		}
		now := time.Now()
		full, due := p.n == len(p.buf) && p.n >= SegmentSize, now.Sub(stored) >= pace
		if full || due && p.n >= SegmentSize && p.sum == nil {
			if err := w.flush(b, p); err != nil {
				return err
			}
			if r.Progress != nil {
				r.Progress(w.pos.offset())
			}
			if run++; now.Sub(stored) >= fast {
				run = 0
			}
			switch isWide := len(p.buf) == wideBuffer; {
			case p.sum != nil:
			case run >= fastRuns && !isWide:
				p.widen()
			case due, run == 0 && !isWide:
				p.resize(p.n + 1)
			}
			stored = time.Now()
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return w.instead(t, fmt.Errorf("receive: %w", err))
		}
	}
}

// instead returns why the request was stopped, if that is why reading failed.
func (w *writer) instead(t *ticket, err error) error {
	if why := t.reason(); why != nil {
		return why
	}
	return err
}

// flush stores the whole segments of p.
func (w *writer) flush(b *seal.Box, p *piece) error {
	if p.sum != nil && !p.held {
		if err := w.change(w.mark); err != nil {
			return fmt.Errorf("mark upload: %w", err)
		}
		p.held = true
	}
	count := p.n / SegmentSize
	var out []byte
	if count == 1 {
		buf := oneSealed.Get().(*[sealedSize]byte)
		defer oneSealed.Put(buf)
		out = buf[:0]
	} else {
		buf := sealedBuffers.Get().(*[batch * sealedSize]byte)
		defer sealedBuffers.Put(buf)
		out = buf[:0]
	}
	for i := range count {
		out = b.AppendSeal(out, p.buf[i*SegmentSize:(i+1)*SegmentSize], place(w.id, w.pos.whole+int64(i), more))
	}
	if err := w.change(func() error { return w.f.Append(out) }); err != nil {
		p.n = 0 // none of it is kept; whole segments that did get there are found by settle
		return errors.Join(fmt.Errorf("store segments: %w", err), w.resettle(p))
	}
	w.pos.whole += int64(count)
	w.pos.stale = w.pos.stale || w.pos.tail != nil
	w.pos.tail = nil
	p.n = copy(p.buf, p.buf[count*SegmentSize:p.n])
	return nil
}

// resettle settles after a failed change, unless a mark waits for rollback.
func (w *writer) resettle(p *piece) error {
	if p.held {
		return nil
	}
	return w.settle()
}

// mark remembers the position before a piece that has to be verified. It is a rename where there is a
// tail, so that going back needs no room.
func (w *writer) mark() error {
	if w.pos.tail != nil {
		return w.f.MoveNote(TailNote, MarkNote)
	}
	return w.f.PutNote(MarkNote, tailNote(w.pos.whole, nil))
}

// rollback forgets a piece that was not verified.
func (w *writer) rollback(p *piece) error {
	if !p.held {
		return nil // nothing of it was stored
	}
	return w.settle()
}

// keepTail stores what does not fill a segment, and makes a verified piece visible.
func (w *writer) keepTail(b *seal.Box, p *piece) error {
	if p.got && p.n >= SegmentSize {
		if err := w.flush(b, p); err != nil {
			return err
		}
	}
	return w.change(func() error {
		switch {
		case !p.got:
		case p.n > 0:
			sealed := b.AppendSeal(nil, p.buf[:p.n], place(w.id, w.pos.whole, start))
			if err := w.f.PutNote(TailNote, tailNote(w.pos.whole, sealed)); err != nil {
				return fmt.Errorf("store tail: %w", err)
			}
			w.pos.tail, w.pos.stale = sealed, false
		case w.pos.stale:
			if err := w.f.DropNote(TailNote); err != nil {
				return fmt.Errorf("drop tail: %w", err)
			}
			w.pos.stale = false
		}
		if p.held {
			if err := w.f.DropNote(MarkNote); err != nil {
				return fmt.Errorf("drop mark: %w", err)
			}
			p.held = false
		}
		return nil
	})
}

// finish completes the upload when all its bytes are here, and tells Completed. The turn is over
// before that: who is told may end the upload.
func (w *writer) finish(t *ticket) error {
	if w.rec.Final == nil {
		if w.rec.Length < 0 || w.pos.offset() < w.rec.Length {
			return nil
		}
		if err := w.complete(); err != nil {
			return err
		}
	}
	if w.rec.Info.Whole {
		return nil
	}
	head, err := w.head()
	if err != nil {
		return err
	}
	t.yield(w.u)
	st := w.status()
	st.Head = head
	ctx, cancel := context.WithTimeout(w.ctx, tellTime)
	defer cancel()
	return w.s.cfg.Completed(ctx, st)
}

// complete seals the end, makes it last, reads back what was stored, and fixes length and digest.
func (w *writer) complete() error {
	w.u.settling.Store(true)
	defer w.u.settling.Store(false)
	b, err := w.sealer()
	if err != nil {
		return err
	}
	tail, err := w.tail()
	if err != nil {
		return err
	}
	g := segments{f: w.f, box: b, id: w.id, length: w.rec.Length}
	// When a step fails nothing is taken back here: whether the info says complete decides, and
	// the next writer reads it anew.
	sealed := b.AppendSeal(nil, tail, place(w.id, w.pos.whole, last))
	if err := w.change(func() error { return w.f.Append(sealed) }); err != nil {
		return fmt.Errorf("store the end: %w", err)
	}
	// First synced, then read: a store that moves the bytes to their last place does so in Sync.
	if err := w.f.Sync(); err != nil {
		return fmt.Errorf("sync upload: %w", err)
	}
	sum, err := g.digest()
	if err != nil {
		return err
	}
	rec := w.rec
	rec.Final = &final{Length: w.rec.Length, SHA256: sum}
	if err := w.change(func() error { return w.s.save(w.ctx, rec) }); err != nil {
		return fmt.Errorf("complete upload: %w", err)
	}
	w.rec = rec
	// A tail that stays behind is never read again.
	_ = w.f.DropNote(TailNote)
	return nil
}

// digest reads everything back.
func (g segments) digest() ([]byte, error) {
	buf := sealedBuffers.Get().(*[batch * sealedSize]byte)
	defer sealedBuffers.Put(buf)
	plain := smallBuffers.Get().(*[SegmentSize]byte)
	defer smallBuffers.Put(plain)
	g.plain = plain[:0]
	h := sha256.New()
	for n, end := int64(0), g.length/SegmentSize; n <= end; {
		next, err := g.read(n, end, buf[:], func(_ int64, plain []byte) { h.Write(plain) })
		if err != nil {
			return nil, err
		}
		n = next
	}
	return h.Sum(nil), nil
}

// headSize is how many first bytes Completed gets.
const headSize = 512

func (w *writer) head() ([]byte, error) {
	o, err := w.s.Open(w.ctx, w.id)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	head := make([]byte, min(headSize, o.Size()))
	if _, err := o.ReadAt(head, 0); err != nil && err != io.EOF {
		return nil, err
	}
	return bytes.Clone(head), nil
}
