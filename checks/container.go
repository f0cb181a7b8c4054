package checks

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/bits"
	"time"
)

// ErrContainer is returned for bytes that are not a recording of the type that they seem to be.
var ErrContainer = errors.New("checks: this is not a recording that can be read")

// Container is how the file of a recording is put together. Nothing in it is decoded.
type Container struct {
	Pieces    int           // whole files, one after the other: a recorder makes one
	Truncated bool          // it ends in the middle of something, or before what is needed to play it
	States    time.Duration // how long it says it is; 0 where it says nothing
}

// maxElements bounds what is walked over: an hour of small frames has fewer.
const maxElements = 1 << 20

// ReadContainer walks over the file of a recording of a sniffed type, "video/mp4" (ISO/IEC 14496-12), "video/webm" or
// "video/x-matroska" (RFC 9559). ErrContainer when it is none, and the errors of r.
func ReadContainer(r io.ReaderAt, size int64, filetype string) (Container, error) {
	w := walk{r: r, size: size}
	var err error
	if filetype == "video/mp4" {
		err = w.boxes()
	} else {
		err = w.elements()
	}
	if err == nil && w.Pieces == 0 {
		err = ErrContainer
	}
	return w.Container, err
}

type walk struct {
	Container
	r    io.ReaderAt
	size int64
	at   int64
}

// head reads up to n bytes at the present place: fewer at the end.
func (w *walk) head(n int64) ([]byte, error) {
	b := make([]byte, min(n, w.size-w.at))
	k, err := w.r.ReadAt(b, w.at)
	if k == len(b) {
		err = nil
	}
	return b, err
}

// boxes walks over the boxes of an MP4 file.
func (w *walk) boxes() error {
	movies := 0
	for n := 0; w.at < w.size; n++ {
		b, err := w.head(16)
		switch {
		case err != nil:
			return err
		case n > maxElements:
			return ErrContainer
		case len(b) < 8:
			w.Truncated = true
			return nil
		}
		long := int64(binary.BigEndian.Uint32(b))
		kind := string(b[4:8])
		begin := int64(8)
		switch {
		case long == 1 && len(b) == 16:
			u := binary.BigEndian.Uint64(b[8:])
			if u > math.MaxInt64/2 {
				return ErrContainer
			}
			long, begin = int64(u), 16
		case long == 0: // to the end
			long = w.size - w.at
		}
		if long < begin || !fourLetters(kind) {
			return ErrContainer
		}
		if w.at+long > w.size {
			w.Truncated = true
			long = w.size - w.at
		}
		switch kind {
		case "ftyp":
			w.Pieces++
		case "moov":
			movies++
			if err := w.movie(w.at+begin, w.at+long); err != nil {
				return err
			}
		}
		w.at += long
	}
	w.Pieces = max(w.Pieces, movies)
	w.Truncated = w.Truncated || movies == 0 // what says how to play it stands at the end, and is missing
	return nil
}

// movie looks for the duration among the boxes of a movie box.
func (w *walk) movie(from, to int64) error {
	for n := 0; from+8 <= to && n < 1000; n++ {
		b := make([]byte, min(40, to-from))
		if k, err := w.r.ReadAt(b, from); k < len(b) {
			return err
		}
		long := int64(binary.BigEndian.Uint32(b))
		if long < 8 {
			return nil
		}
		if string(b[4:8]) != "mvhd" {
			from += long
			continue
		}
		// Version 0: 12 bytes of header, created, changed, timescale, duration of 4 bytes each. Version 1: the times and
		// the duration have 8.
		var scale, duration uint64
		switch {
		case len(b) >= 28 && b[8] == 0:
			scale, duration = uint64(binary.BigEndian.Uint32(b[20:])), uint64(binary.BigEndian.Uint32(b[24:]))
			if duration == math.MaxUint32 {
				duration = 0 // unknown
			}
		case len(b) >= 40 && b[8] == 1:
			scale, duration = uint64(binary.BigEndian.Uint32(b[28:])), binary.BigEndian.Uint64(b[32:])
		}
		if scale > 0 {
			w.States = seconds(float64(duration) / float64(scale))
		}
		return nil
	}
	return nil
}

// fourLetters reports whether a box has a name.
func fourLetters(kind string) bool {
	for _, c := range []byte(kind) {
		if c < ' ' || c > '~' {
			return c == 0xa9 // of some names' first letter
		}
	}
	return true
}

// The elements of Matroska and WebM that are looked into.
const (
	ebmlHead    = 0x1a45dfa3
	ebmlSegment = 0x18538067
	ebmlCluster = 0x1f43b675
	ebmlInfo    = 0x1549a966
	ebmlScale   = 0x2ad7b1
	ebmlLength  = 0x4489
)

// elements walks over the elements of a Matroska file. Recorders that write while they record do not know how long a
// segment or a cluster will be: these are entered, all others passed over.
func (w *walk) elements() error {
	scale, length := uint64(1_000_000), 0.0 // nanoseconds, as long as nothing is said
	segments := 0
	for n := 0; w.at < w.size; n++ {
		b, err := w.head(12)
		if err != nil {
			return err
		}
		if n > maxElements {
			return ErrContainer
		}
		id, idBytes, ok := vint(b, 4, true)
		if !ok {
			if w.size-w.at < 4 && n > 0 {
				w.Truncated = true
				break
			}
			return ErrContainer
		}
		long, longBytes, ok := vint(b[idBytes:], 8, false)
		if !ok {
			w.Truncated = true
			break
		}
		if n == 0 && id != ebmlHead {
			return ErrContainer
		}
		begin := int64(idBytes + longBytes)
		unknown := long == 1<<(7*longBytes)-1
		enter := id == ebmlSegment || id == ebmlCluster || id == ebmlInfo
		if unknown && !enter {
			return ErrContainer
		}
		if !unknown && (long > math.MaxInt64/2 || w.at+begin+int64(long) > w.size) {
			w.Truncated = true
			if !enter {
				break
			}
		}
		switch id {
		case ebmlHead:
			w.Pieces++
		case ebmlSegment:
			segments++
		case ebmlScale, ebmlLength:
			v := make([]byte, min(8, long))
			if k, err := w.r.ReadAt(v, w.at+begin); k < len(v) {
				return err
			}
			if id == ebmlScale {
				scale = number(v)
			} else {
				length = float(v)
			}
		}
		w.at += begin
		if !enter {
			w.at += int64(long)
		}
	}
	w.Pieces = max(w.Pieces, segments)
	w.Truncated = w.Truncated || segments == 0
	w.States = seconds(length * float64(scale) / 1e9)
	return nil
}

// vint reads a number of variable length, of at most most bytes; its marker is kept for ids.
func vint(b []byte, most int, keepMarker bool) (v uint64, n int, ok bool) {
	if len(b) == 0 || b[0] == 0 {
		return 0, 0, false
	}
	n = bits.LeadingZeros8(b[0]) + 1
	if n > most || n > len(b) {
		return 0, 0, false
	}
	v = number(b[:n])
	if !keepMarker {
		v &^= 1 << (7 * n)
	}
	return v, n, true
}

func number(b []byte) (v uint64) {
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v
}

func float(b []byte) float64 {
	switch len(b) {
	case 4:
		return float64(math.Float32frombits(binary.BigEndian.Uint32(b)))
	case 8:
		return math.Float64frombits(binary.BigEndian.Uint64(b))
	}
	return 0
}

// seconds is a duration that a file states: 0 for nonsense, never more than can be said.
func seconds(s float64) time.Duration {
	if math.IsNaN(s) || s <= 0 {
		return 0
	}
	return time.Duration(min(s, 1e9) * float64(time.Second))
}
