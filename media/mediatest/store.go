package mediatest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"testing"

	"github.com/symbolon/symbolon/media"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// runStore holds a backend to the words of media.Store.
func runStore(t *testing.T, backend Backend) {
	const id = "upl_01K00000000000000000000000"

	t.Run("info", func(t *testing.T) {
		open := backend(t)
		s := open()
		ctx := t.Context()
		_, err := s.Load(ctx, id)
		wants(t, "load unknown", err, media.ErrUnknown)
		_, err = s.Open(ctx, id)
		wants(t, "open unknown", err, media.ErrUnknown)
		must(t, s.Create(ctx, id, []byte("one")))
		if err := s.Create(ctx, id, []byte("two")); !errors.Is(err, fs.ErrExist) {
			t.Fatalf("create twice: %v", err)
		}
		b, err := open().Load(ctx, id)
		must(t, err)
		if string(b) != "one" {
			t.Fatalf("loaded %q", b)
		}
		must(t, s.Save(ctx, id, []byte("a longer three")))
		must(t, s.Save(ctx, id, []byte("four")))
		if b, _ = open().Load(ctx, id); string(b) != "four" {
			t.Fatalf("saved %q", b)
		}
		for _, bad := range []string{"", "x", "../../etc/passwd", "upl_../x", "a/b", "upl_\x00", string(bytes.Repeat([]byte("A"), 300))} {
			if err := s.Create(ctx, bad, nil); err == nil {
				t.Fatalf("created %q", bad)
			}
			_, err := s.Load(ctx, bad)
			wants(t, "load bad id", err, media.ErrUnknown)
		}
	})

	t.Run("data", func(t *testing.T) {
		open := backend(t)
		s := open()
		must(t, s.Create(t.Context(), id, nil))
		f, err := s.Open(t.Context(), id)
		must(t, err)
		defer f.Close()
		must(t, f.Append([]byte("hello ")))
		must(t, f.Append([]byte("world")))
		must(t, f.Truncate(8))
		must(t, f.Append([]byte("men")))
		must(t, f.Sync())
		g, err := open().Open(t.Context(), id)
		must(t, err)
		defer g.Close()
		if n, err := g.Size(); n != 11 || err != nil {
			t.Fatalf("size %d, %v", n, err)
		}
		b := make([]byte, 20)
		n, err := g.ReadAt(b, 3)
		if string(b[:n]) != "lo women" || err != io.EOF {
			t.Fatalf("read %q, %v", b[:n], err)
		}
		must(t, g.Append([]byte("!")))
		if n, _ := g.Size(); n != 12 {
			t.Fatalf("size %d after an append to what was there", n)
		}
	})

	t.Run("notes", func(t *testing.T) {
		open := backend(t)
		s := open()
		must(t, s.Create(t.Context(), id, nil))
		f, err := s.Open(t.Context(), id)
		must(t, err)
		defer f.Close()
		is := func(n media.Note, want string, there bool) {
			t.Helper()
			g, err := open().Open(t.Context(), id)
			must(t, err)
			defer g.Close()
			b, err := g.Note(n)
			if err != nil || string(b) != want || (b != nil) != there {
				t.Fatalf("note %s: %q (nil: %v), %v; want %q", n, b, b == nil, err, want)
			}
		}
		is(media.TailNote, "", false)
		must(t, f.DropNote(media.TailNote))
		must(t, f.PutNote(media.TailNote, []byte("first and long")))
		must(t, f.PutNote(media.TailNote, []byte("second")))
		is(media.TailNote, "second", true)
		must(t, f.MoveNote(media.TailNote, media.MarkNote))
		is(media.TailNote, "", false)
		is(media.MarkNote, "second", true)
		must(t, f.PutNote(media.TailNote, []byte("third")))
		must(t, f.MoveNote(media.MarkNote, media.TailNote))
		is(media.TailNote, "second", true)
		is(media.MarkNote, "", false)
		must(t, f.DropNote(media.TailNote))
		is(media.TailNote, "", false)
	})

	t.Run("end", func(t *testing.T) {
		open := backend(t)
		s := open()
		ctx := t.Context()
		must(t, s.Create(ctx, id, []byte("info")))
		const other = "upl_01K00000000000000000000001"
		must(t, s.Create(ctx, other, []byte("info")))
		f, err := s.Open(ctx, id)
		must(t, err)
		must(t, f.Append([]byte("data")))
		must(t, f.PutNote(media.TailNote, []byte("tail")))
		must(t, f.PutNote(media.MarkNote, []byte("mark")))
		must(t, f.Close())
		for range 2 {
			must(t, s.Destroy(ctx, id))
			_, err := open().Open(ctx, id)
			wants(t, "open destroyed", err, media.ErrUnknown)
			if b, err := s.Load(ctx, id); string(b) != "info" || err != nil {
				t.Fatalf("info of destroyed: %q, %v", b, err)
			}
		}
		var ids []string
		must(t, s.Each(ctx, func(id string) error { ids = append(ids, id); return nil }))
		slices.Sort(ids)
		if !slices.Equal(ids, []string{id, other}) {
			t.Fatalf("each: %v", ids)
		}
		stop := errors.New("stop")
		wants(t, "each stops", s.Each(ctx, func(string) error { return stop }), stop)
		for range 2 {
			must(t, s.Forget(ctx, id))
			_, err := s.Load(ctx, id)
			wants(t, "load forgotten", err, media.ErrUnknown)
		}
	})
}
