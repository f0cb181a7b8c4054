package mediatest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/symbolon/symbolon/media"
)

// sendAll sends b in pieces of several kinds, each after asking where to go on. It returns how much
// was acknowledged when an error ended it.
func sendAll(r *rig, id string, b []byte) (acknowledged int64, err error) {
	pieces := []struct {
		n   int
		sum bool
	}{{100, false}, {seg, false}, {50, true}, {5*seg + 7, true}, {seg - 3, false}, {9 * seg, false}}
	at := int64(0)
	if st, err := r.TakeOver(r.t.Context(), id); err != nil {
		return 0, err
	} else {
		at = st.Offset
	}
	for i := 0; at < int64(len(b)); i++ {
		p := pieces[i%len(pieces)]
		body := b[at:min(at+int64(p.n), int64(len(b)))]
		req := media.AppendRequest{Offset: at, Length: int64(len(b)), Body: bytes.NewReader(body)}
		if p.sum {
			s := sha256.Sum256(body)
			req.Checksum = &media.Checksum{Algorithm: "sha256", Sum: s[:]}
		}
		if i == 2 { // a lie between two truths: it must not be joined to them
			lie := req
			lie.Body = bytes.NewReader(content(99, min(6*seg, len(b)-int(at))))
			lie.Checksum = &media.Checksum{Algorithm: "sha256", Sum: make([]byte, 32)}
			if _, err := r.Append(r.t.Context(), id, lie); !errors.Is(err, media.ErrChecksum) {
				return at, err
			}
		}
		st, err := r.Append(r.t.Context(), id, req)
		if err != nil {
			return at, err
		}
		at = st.Offset
	}
	return at, nil
}

// logged notes in which order an upload is made to last.
type logged struct {
	media.Store
	calls []string
}

func (l *logged) Save(ctx context.Context, id string, info []byte) error {
	l.calls = append(l.calls, "save")
	return l.Store.Save(ctx, id, info)
}

func (l *logged) Open(ctx context.Context, id string) (media.File, error) {
	f, err := l.Store.Open(ctx, id)
	return loggedFile{f, l}, err
}

type loggedFile struct {
	media.File
	l *logged
}

func (f loggedFile) Append(b []byte) error {
	f.l.calls = append(f.l.calls, "append")
	return f.File.Append(b)
}

func (f loggedFile) Sync() error {
	f.l.calls = append(f.l.calls, "sync")
	return f.File.Sync()
}

func runCrash(t *testing.T, backend Backend) {
	b := content(11, 8*seg+seg/2)

	t.Run("killed at any change", func(t *testing.T) {
		points := 0
		for at := int64(1); ; at++ {
			open := backend(t)
			f := &Faulty{Store: open(), at: at}
			r := newRig(t, f)
			i := info()
			_, err := r.Create(t.Context(), i, -1)
			var acked int64
			if err == nil {
				acked, err = sendAll(r, i.ID, b)
			}
			if err == nil {
				break // it never came to change number at
			}
			if !errors.Is(err, errCrash) {
				t.Fatalf("change %d: %v", at, err)
			}
			points++
			again := newRig(t, open())
			st, err := again.Status(t.Context(), i.ID)
			if errors.Is(err, media.ErrUnknown) {
				if acked > 0 {
					t.Fatalf("change %d: unknown after %d bytes", at, acked)
				}
				continue
			}
			must(t, err)
			if st.Offset < acked {
				t.Fatalf("change %d: %d acknowledged, %d there", at, acked, st.Offset)
			}
			if _, err := sendAll(again, i.ID, b); err != nil {
				t.Fatalf("change %d: go on: %v", at, err)
			}
			if st, err := again.Status(t.Context(), i.ID); err != nil || !st.Complete {
				t.Fatalf("change %d: not complete: %v", at, err)
			}
			if len(again.tellings()) == 0 {
				t.Fatalf("change %d: nobody was told", at)
			}
			again.holds(i.ID, b)
		}
		if points < 20 {
			t.Fatalf("only %d changes", points)
		}
	})

	t.Run("no room at any change", func(t *testing.T) {
		points := 0
		for at := int64(1); ; at++ {
			open := backend(t)
			f := &Faulty{Store: open(), at: at, room: true}
			r := newRig(t, f)
			i := info()
			_, err := r.Create(t.Context(), i, -1)
			var acked int64
			if err == nil {
				acked, err = sendAll(r, i.ID, b)
			}
			if err == nil && !f.dead.Load() {
				break
			}
			wants(t, fmt.Sprint("change ", at), err, media.ErrNoSpace)
			points++
			f.at = 0 // somebody made room
			f.dead.Store(false)
			st, err := r.Status(t.Context(), i.ID)
			if errors.Is(err, media.ErrUnknown) && acked == 0 {
				continue
			}
			must(t, err)
			if st.Offset < acked {
				t.Fatalf("change %d: %d acknowledged, %d there", at, acked, st.Offset)
			}
			if _, err := sendAll(r, i.ID, b); err != nil {
				t.Fatalf("change %d: go on: %v", at, err)
			}
			r.holds(i.ID, b)
		}
		if points < 8 {
			t.Fatalf("only %d changes needed room", points)
		}
	})

	t.Run("whole segments that found room stay", func(t *testing.T) {
		f := &Faulty{Store: backend(t)(), at: 2, room: true} // create, then the first batch
		r := newRig(t, f)
		id := r.create(int64(len(b)))
		st, err := r.send(id, 0, b[:4*seg])
		wants(t, "append", err, media.ErrNoSpace)
		if st.Offset%seg != 0 {
			t.Fatalf("offset %d", st.Offset)
		}
		f.dead.Store(false)
		must2(r.send(id, st.Offset, b[st.Offset:]))(t)
		r.holds(id, b)
	})

	t.Run("what is called complete survives a power cut", func(t *testing.T) {
		l := &logged{Store: backend(t)()}
		r := newRig(t, l)
		r.stored(b)
		want := []string{"append", "sync", "save"}
		if n := len(l.calls); n < 3 || !slices.Equal(l.calls[n-3:], want) {
			t.Fatalf("it ended with %v, want %v", l.calls, want)
		}
	})

	t.Run("a tail torn by a power cut is sent again", func(t *testing.T) {
		open := backend(t)
		store := open()
		r := newRig(t, store)
		for _, torn := range [][]byte{{}, make([]byte, 40), nil} {
			id := r.create(seg + 200)
			must2(r.send(id, 0, b[:seg+100]))(t)
			f, err := store.Open(t.Context(), id)
			must(t, err)
			if torn == nil {
				torn, err = f.Note(media.TailNote)
				must(t, err)
				torn[len(torn)-1] ^= 1
			}
			if len(torn) == 40 {
				torn[7] = 1 // of segment 1
			}
			must(t, f.PutNote(media.TailNote, torn))
			must(t, f.Close())
			st, err := r.TakeOver(t.Context(), id)
			must(t, err)
			st, err = r.send(id, st.Offset, b[st.Offset:seg+200])
			if errors.Is(err, media.ErrOffset) {
				st, err = r.send(id, st.Offset, b[st.Offset:seg+200])
			}
			if err != nil || !st.Complete {
				t.Fatalf("go on: %+v, %v", st, err)
			}
			r.holds(id, b[:seg+200])
		}
	})
}
