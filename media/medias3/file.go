package medias3

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/minio/minio-go/v7"

	"github.com/symbolon/symbolon/media"
)

// file is an upload as it was when it was opened, and what was changed through it.
type file struct {
	s  *Store
	id string
	c  *cell

	st state

	// The note that was read or written last: a sender asks for its tail several times.
	noteOf piece
	note   []byte
}

// Close implements media.File.
func (f *file) Close() error {
	if f.c != nil {
		f.s.release(f.c)
		f.c = nil
	}
	return nil
}

// see brings the file up to date when a change of it failed, so that nobody knows what became of it.
func (f *file) see(ctx context.Context) error {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	if f.st.Seq != 0 {
		return nil
	}
	if err := f.s.refresh(ctx, f.id, f.c); err != nil {
		return err
	}
	if f.c.st.Gone {
		return media.ErrUnknown
	}
	f.st = f.c.st
	return nil
}

// change adds an entry.
func (f *file) change(brings []byte, fn func(st state, seq int64) state) error {
	ctx := context.Background() // a change is finished, whoever leaves
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	if f.st.Seq == 0 {
		return media.ErrStorage.Because(errors.New("medias3: the change before this one failed"))
	}
	if f.c.st.Seq == 0 || f.c.st.Gone {
		return media.ErrUnknown
	}
	if err := f.s.write(ctx, f.id, f.c, fn(f.c.st, f.c.st.Seq+1), brings); err != nil {
		f.st = state{}
		return err
	}
	f.st = f.c.st
	return nil
}

// Size implements media.File.
func (f *file) Size() (int64, error) {
	err := f.see(context.Background())
	return f.st.size(), err
}

// Append implements media.File.
func (f *file) Append(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	return f.change(b, func(st state, seq int64) state {
		st.Pieces = append(st.Pieces[:len(st.Pieces):len(st.Pieces)], piece{seq, int64(len(b))})
		return st
	})
}

// Truncate implements media.File. Composed data that is not needed any more goes at once; entries stay
// until the upload is complete, because their numbers stop writers that are late.
func (f *file) Truncate(size int64) error {
	var gone *whole
	err := f.change(nil, func(st state, _ int64) state {
		left := size
		if st.Whole != nil {
			w := whole{st.Whole.Name, min(left, st.Whole.Size)}
			left -= w.Size
			if gone, st.Whole = st.Whole, nil; w.Size > 0 {
				gone, st.Whole = nil, &w
			}
		}
		var kept []piece
		for _, p := range st.Pieces {
			if p.Size = min(left, p.Size); p.Size > 0 {
				kept = append(kept, p)
				left -= p.Size
			}
		}
		st.Pieces = kept
		return st
	})
	if err == nil && gone != nil {
		err = f.s.remove(context.Background(), f.dataName(gone.Name))
	}
	return err
}

func (f *file) dataName(name string) string { return f.s.prefix + f.id + "/" + name }

// Note implements media.File.
func (f *file) Note(n media.Note) ([]byte, error) {
	ctx := context.Background()
	if err := f.see(ctx); err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		p := *noteOf(&f.st, n)
		if p == nil {
			return nil, nil
		}
		if f.note != nil && *p == f.noteOf {
			return bytes.Clone(f.note), nil
		}
		b := make([]byte, p.Size)
		err := f.s.fetch(ctx, f.s.entryName(f.id, p.Seq), b, 0)
		if err == nil {
			f.note, f.noteOf = b, *p
			continue
		}
		// Who only looks may find that the upload went on, and what it looked at is removed.
		if !errors.Is(err, media.ErrUnknown) || try == refreshTries {
			return nil, err
		}
		f.c.mu.Lock()
		f.st = state{}
		f.c.mu.Unlock()
		if err := f.see(ctx); err != nil {
			return nil, err
		}
	}
}

func noteOf(st *state, n media.Note) **piece {
	if n == media.MarkNote {
		return &st.Mark
	}
	return &st.Tail
}

// PutNote implements media.File.
func (f *file) PutNote(n media.Note, b []byte) error {
	return f.change(b, func(st state, seq int64) state {
		*noteOf(&st, n) = &piece{seq, int64(len(b))}
		return st
	})
}

// MoveNote implements media.File.
func (f *file) MoveNote(from, to media.Note) error {
	return f.change(nil, func(st state, _ int64) state {
		*noteOf(&st, to), *noteOf(&st, from) = *noteOf(&st, from), nil
		return st
	})
}

// DropNote implements media.File.
func (f *file) DropNote(n media.Note) error {
	if err := f.see(context.Background()); err != nil {
		return err
	}
	old := *noteOf(&f.st, n)
	if old == nil {
		return nil
	}
	err := f.change(nil, func(st state, _ int64) state {
		*noteOf(&st, n) = nil
		return st
	})
	if err == nil && f.st.Whole != nil && len(f.st.Pieces) == 0 {
		_ = f.s.remove(context.Background(), f.s.entryName(f.id, old.Seq)) // composed: as Sync does
	}
	return err
}

// ReadAt implements media.File. Where an object is gone because the data was written anew, the new is read.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if err := f.see(context.Background()); err != nil {
		return 0, err
	}
	f.c.mu.Lock()
	st := f.st
	f.c.mu.Unlock()
	n, err := f.readAt(st, p, off)
	if !errors.Is(err, media.ErrUnknown) && err != io.ErrUnexpectedEOF {
		return n, err
	}
	st, rerr := f.s.current(context.Background(), f.id, f.c)
	if rerr != nil {
		return n, rerr
	}
	if st.Gone {
		return n, media.ErrUnknown
	}
	if n, err = f.readAt(st, p, off); err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	return n, err
}

func (f *file) readAt(st state, p []byte, off int64) (done int, err error) {
	at := int64(0) // where the next object begins
	take := func(name string, size int64) error {
		from := off + int64(done) - at
		at += size
		if done == len(p) || from >= size {
			return nil
		}
		n := min(int64(len(p)-done), size-from)
		if err := f.s.fetch(context.Background(), name, p[done:int64(done)+n], from); err != nil {
			return err
		}
		done += int(n)
		return nil
	}
	if st.Whole != nil {
		if err := take(f.dataName(st.Whole.Name), st.Whole.Size); err != nil {
			return done, err
		}
	}
	for _, piece := range st.Pieces {
		if err := take(f.s.entryName(f.id, piece.Seq), piece.Size); err != nil {
			return done, err
		}
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

// Sync implements media.File. What was written is safe already; here the pieces become one object, and
// the entries that led to it are removed.
func (f *file) Sync() error {
	if err := f.see(context.Background()); err != nil {
		return err
	}
	size := f.st.size()
	if len(f.st.Pieces) == 0 {
		return nil
	}
	w := &whole{"data-" + random(), size}
	ctx, cancel := context.WithTimeout(context.Background(), bulkTime)
	defer cancel()
	_, err := f.s.client.PutObject(ctx, f.s.bucket, f.dataName(w.Name), &reader{f: f, size: size}, size, minio.PutObjectOptions{DisableMultipart: true})
	if err == nil {
		err = f.change(nil, func(st state, _ int64) state {
			st.Whole, st.Pieces = w, nil
			return st
		})
	} else {
		err = told(err)
	}
	if err != nil {
		return errors.Join(err, f.s.remove(ctx, f.dataName(w.Name)))
	}
	// What is not needed any more is gone when the upload is destroyed, if not now.
	keep := map[string]bool{f.dataName(w.Name): true, f.s.entryName(f.id, f.st.Seq): true}
	for _, n := range notes(f.st) {
		keep[f.s.entryName(f.id, n.Seq)] = true
	}
	_ = f.s.removeAll(ctx, f.id+"/", func(name string) bool { return !keep[name] })
	return nil
}

// readAhead is how much of the pieces is in memory while they are composed.
const readAhead = 1 << 20

// reader reads the data in large steps. It can go back to the start, for another try.
type reader struct {
	f        *file
	at, size int64
	buf      []byte
	left     []byte // of buf, read and not handed out
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if len(r.left) == 0 {
		if r.at >= r.size {
			return 0, io.EOF
		}
		if r.buf == nil {
			r.buf = make([]byte, min(readAhead, r.size))
		}
		r.left = r.buf[:min(int64(len(r.buf)), r.size-r.at)]
		if n, err := r.f.ReadAt(r.left, r.at); n < len(r.left) {
			r.left = nil
			return 0, errors.Join(err, io.ErrUnexpectedEOF)
		}
		r.at += int64(len(r.left))
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

// Seek implements io.Seeker.
func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at - int64(len(r.left))
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return 0, errors.New("medias3: seek before the start")
	}
	r.at, r.left = offset, nil
	return offset, nil
}
