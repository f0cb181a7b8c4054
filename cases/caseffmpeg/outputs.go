package caseffmpeg

import (
	"bytes"
	"image"
	"image/jpeg"

	"github.com/symbolon/symbolon/checks"
)

// frames cuts a stream of grey pixels into frames of one size, and shows them to a Watcher.
type frames struct {
	w    *checks.Watcher
	size int
	part []byte
	n    int
}

const mostFrames = mostSecond*5 + 10

func (f *frames) Write(p []byte) (int, error) {
	return cut(p, &f.part, f.size, func(frame []byte) error {
		if f.n++; f.n > mostFrames {
			return errTooMuch
		}
		f.w.Frame(frame)
		return nil
	})
}

// cut hands on each whole piece of a stream; part holds what is left over.
func cut(p []byte, part *[]byte, size int, use func([]byte) error) (int, error) {
	n := len(p)
	for len(p) > 0 {
		k := min(size-len(*part), len(p))
		*part, p = append(*part, p[:k]...), p[k:]
		if len(*part) == size {
			if err := use(*part); err != nil {
				return 0, err
			}
			*part = (*part)[:0]
		}
	}
	return n, nil
}

// sheetOf puts small pictures beside each other.
type sheetOf struct {
	w, h  int
	part  []byte
	small [][]byte
}

func (s *sheetOf) Write(p []byte) (int, error) {
	return cut(p, &s.part, s.w*s.h*3, func(frame []byte) error {
		if len(s.small) > mostSecond+2 {
			return errTooMuch
		}
		s.small = append(s.small, bytes.Clone(frame))
		return nil
	})
}

// jpeg is the sheet, nil without a picture.
func (s *sheetOf) jpeg() []byte {
	if len(s.small) == 0 {
		return nil
	}
	columns := min(len(s.small), sheetWidth)
	rows := (len(s.small) + sheetWidth - 1) / sheetWidth
	m := image.NewRGBA(image.Rect(0, 0, columns*s.w, rows*s.h))
	for i, frame := range s.small {
		left, top := i%sheetWidth*s.w, i/sheetWidth*s.h
		for y := range s.h {
			to := m.Pix[m.PixOffset(left, top+y):]
			from := frame[y*s.w*3:]
			for x := range s.w {
				to[4*x], to[4*x+1], to[4*x+2], to[4*x+3] = from[3*x], from[3*x+1], from[3*x+2], 0xff
			}
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 70}); err != nil {
		return nil // a picture beyond what the format knows
	}
	return b.Bytes()
}

// jpegs collects a stream of JPEG pictures.
type jpegs struct{ b bytes.Buffer }

const mostStills = 8 << 20

func (j *jpegs) Write(p []byte) (int, error) {
	if j.b.Len()+len(p) > mostStills {
		return 0, errTooMuch
	}
	return j.b.Write(p)
}

// all cuts the stream where a picture begins: within one, these bytes do not follow each other.
func (j *jpegs) all() [][]byte {
	begin := []byte{0xff, 0xd8, 0xff}
	var out [][]byte
	b := j.b.Bytes()
	for len(b) > 0 {
		next := bytes.Index(b[min(3, len(b)):], begin)
		if next < 0 {
			return append(out, b)
		}
		out = append(out, b[:next+3])
		b = b[next+3:]
	}
	return out
}
