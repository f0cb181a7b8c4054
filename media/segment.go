package media

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"

	"github.com/symbolon/symbolon/seal"
)

// sealedSize is the stored size of a whole segment.
const sealedSize = SegmentSize + seal.Overhead

// The places a segment can stand in. Only the last segment of an object is "final", so an object
// that was cut off does not open at its end; a tail is never taken for a segment.
const (
	more  = "more"
	last  = "final"
	start = "tail"
)

// place is the associated data of a segment.
func place(id string, n int64, kind string) []byte {
	return seal.Bind(id, strconv.FormatInt(n, 10), kind)
}

// box returns the sealer of an upload. Each has its own key, so that no key seals too much.
func box(caseKey seal.Key, id string) *seal.Box { return caseKey.Derive("media", id).Box() }

// objectSize is the stored size of a complete upload of length bytes.
func objectSize(length int64) int64 {
	return length + (length/SegmentSize+1)*seal.Overhead
}

// A tail note is the number of the segment it begins, in 8 bytes, and its sealed bytes; with
// no sealed bytes it stands for an empty tail.
func tailNote(n int64, sealed []byte) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(sealed)), uint64(n)), sealed...)
}

func parseTail(note []byte) (n int64, sealed []byte, ok bool) {
	if len(note) < 8 {
		return 0, nil, false
	}
	n, sealed = int64(binary.BigEndian.Uint64(note)), note[8:]
	fits := len(sealed) == 0 || len(sealed) > seal.Overhead && len(sealed) < sealedSize
	return n, sealed, n >= 0 && fits
}

// position is where an open upload stands.
type position struct {
	whole  int64  // whole segments
	tail   []byte // sealed; nil when empty
	marked bool   // there is a piece after it that was never verified
	ragged bool   // there is a part of a segment after it that was never acknowledged
	stale  bool   // there is a tail that belongs to another position
}

func (p position) offset() int64 {
	n := p.whole * SegmentSize
	if len(p.tail) > 0 {
		n += int64(len(p.tail) - seal.Overhead)
	}
	return n
}

// equal reports whether q is the same position. Sealed bytes are never the same twice.
func (p position) equal(q position) bool {
	return p.whole == q.whole && p.marked == q.marked && p.ragged == q.ragged && p.stale == q.stale && bytes.Equal(p.tail, q.tail)
}

// look reads the position. It changes nothing, so it also serves who only asks.
func look(f File) (position, error) {
	var p position
	size, err := f.Size()
	if err != nil {
		return p, fmt.Errorf("size of upload: %w", err)
	}
	note, err := f.Note(MarkNote)
	if err != nil {
		return p, fmt.Errorf("mark of upload: %w", err)
	}
	if note != nil {
		n, sealed, ok := parseTail(note)
		if !ok || n > size/sealedSize {
			return p, ErrDamaged.Because(fmt.Errorf("mark of %d bytes at segment %d of %d", len(note), n, size/sealedSize))
		}
		return position{whole: n, tail: sealed, marked: true}, nil
	}
	p.whole, p.ragged = size/sealedSize, size%sealedSize != 0
	if note, err = f.Note(TailNote); err != nil {
		return p, fmt.Errorf("tail of upload: %w", err)
	}
	if note == nil {
		return p, nil
	}
	if n, sealed, ok := parseTail(note); ok && n == p.whole {
		p.tail = sealed
	} else {
		p.stale = true
	}
	return p, nil
}

// settle is look for the one whose turn it is: it takes away what was never acknowledged.
func settle(f File) (position, error) {
	p, err := look(f)
	if err != nil {
		return p, err
	}
	if p.marked || p.ragged {
		if err := f.Truncate(p.whole * sealedSize); err != nil {
			return p, fmt.Errorf("cut upload: %w", err)
		}
	}
	if p.marked {
		if err := f.MoveNote(MarkNote, TailNote); err != nil {
			return p, fmt.Errorf("restore tail: %w", err)
		}
	}
	p.marked, p.ragged = false, false
	return p, nil
}

// segments reads the plaintext of a complete upload.
type segments struct {
	f      io.ReaderAt
	box    *seal.Box
	id     string
	length int64
	plain  []byte // for one segment
}

// open opens consecutive segments from n on, out of sealed, and calls fn with each, which may not keep it.
func (g segments) open(n int64, sealed []byte, fn func(n int64, plain []byte)) error {
	for whole := g.length / SegmentSize; len(sealed) > 0; n++ {
		kind, size := more, sealedSize
		if n == whole {
			kind, size = last, int(g.length%SegmentSize)+seal.Overhead
		}
		plain, err := g.box.AppendOpen(g.plain[:0], sealed[:size], place(g.id, n, kind))
		if err != nil {
			return ErrDamaged.Because(fmt.Errorf("segment %d of %s: %w", n, g.id, err))
		}
		fn(n, plain)
		sealed = sealed[size:]
	}
	return nil
}

// read opens the segments from..to (inclusive) in one read of at most len(buf) bytes and returns
// the number after the last one that it read.
func (g segments) read(from, to int64, buf []byte, fn func(n int64, plain []byte)) (next int64, err error) {
	to = min(to, from+int64(len(buf)/sealedSize)-1)
	end := min((to+1)*sealedSize, objectSize(g.length))
	buf = buf[:end-from*sealedSize]
	if n, err := g.f.ReadAt(buf, from*sealedSize); n < len(buf) {
		if err == io.EOF {
			return from, ErrDamaged.Because(fmt.Errorf("%s ends in segment %d", g.id, from))
		}
		return from, fmt.Errorf("read %s: %w", g.id, err)
	}
	return to + 1, g.open(from, buf, fn)
}
