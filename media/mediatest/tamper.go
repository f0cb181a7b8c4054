package mediatest

import (
	"io"
	"testing"

	"github.com/symbolon/symbolon/media"
	"github.com/symbolon/symbolon/seal"
)

const sealedSeg = seg + seal.Overhead

// rewrite replaces what is stored of an upload.
func rewrite(t *testing.T, store media.Store, id string, change func(b []byte) []byte) {
	t.Helper()
	f, err := store.Open(t.Context(), id)
	must(t, err)
	defer f.Close()
	b := stored(t, f)
	b = change(b)
	must(t, f.Truncate(0))
	must(t, f.Append(b))
}

func stored(t *testing.T, f media.File) []byte {
	t.Helper()
	size, err := f.Size()
	must(t, err)
	b, err := io.ReadAll(io.NewSectionReader(f, 0, size))
	must(t, err)
	return b
}

func runTamper(t *testing.T, backend Backend) {
	b := content(21, 3*seg+500)
	swap := func(x, y []byte) {
		for i := range x {
			x[i], y[i] = y[i], x[i]
		}
	}
	cases := map[string]func(r *rig, id string, s []byte) []byte{
		"a bit of the first nonce":  func(_ *rig, _ string, s []byte) []byte { s[0] ^= 1; return s },
		"a bit of a middle segment": func(_ *rig, _ string, s []byte) []byte { s[sealedSeg+900] ^= 0x80; return s },
		"a bit of the last tag":     func(_ *rig, _ string, s []byte) []byte { s[len(s)-1] ^= 1; return s },
		"two segments swapped":      func(_ *rig, _ string, s []byte) []byte { swap(s[:sealedSeg], s[sealedSeg:2*sealedSeg]); return s },
		"a segment repeated":        func(_ *rig, _ string, s []byte) []byte { copy(s[:sealedSeg], s[sealedSeg:2*sealedSeg]); return s },
		"cut in a segment":          func(_ *rig, _ string, s []byte) []byte { return s[:len(s)-1] },
		"cut between segments":      func(_ *rig, _ string, s []byte) []byte { return s[:3*sealedSeg] },
		"longer":                    func(_ *rig, _ string, s []byte) []byte { return append(s, 0) },
		"a segment of another upload": func(r *rig, _ string, s []byte) []byte {
			f, err := r.store.Open(r.t.Context(), r.stored(b))
			must(r.t, err)
			defer f.Close()
			if _, err := f.ReadAt(s[sealedSeg:2*sealedSeg], sealedSeg); err != nil {
				r.t.Fatal(err)
			}
			return s
		},
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, backend(t)())
			id := r.stored(b)
			rewrite(t, r.store, id, func(s []byte) []byte { return change(r, id, s) })
			o, err := r.Open(t.Context(), id)
			if err == nil {
				_, err = io.ReadAll(io.NewSectionReader(o, 0, o.Size()))
				o.Close()
			}
			wants(t, "read", err, media.ErrDamaged)
		})
	}

	t.Run("cut while it is open for reading", func(t *testing.T) {
		r := newRig(t, backend(t)())
		id := r.stored(b)
		o, err := r.Open(t.Context(), id)
		must(t, err)
		defer o.Close()
		rewrite(t, r.store, id, func(s []byte) []byte { return s[:2*sealedSeg] })
		_, err = o.ReadAt(make([]byte, 10), 3*seg)
		wants(t, "read behind the cut", err, media.ErrDamaged)
		_, err = o.ReadAt(make([]byte, 10), seg)
		must(t, err)
	})

	t.Run("a range opens only its own segments", func(t *testing.T) {
		r := newRig(t, backend(t)())
		id := r.stored(b)
		rewrite(t, r.store, id, func(s []byte) []byte { s[0] ^= 1; s[2*sealedSeg] ^= 1; return s })
		o, err := r.Open(t.Context(), id)
		must(t, err)
		defer o.Close()
		got := make([]byte, seg)
		_, err = o.ReadAt(got, seg)
		must(t, err)
		if string(got) != string(b[seg:2*seg]) {
			t.Fatal("other bytes")
		}
		_, err = o.ReadAt(got, seg+1)
		wants(t, "one byte further", err, media.ErrDamaged)
	})

	t.Run("bytes that were changed before the end never become complete", func(t *testing.T) {
		r := newRig(t, backend(t)())
		id := r.create(int64(len(b)))
		must2(r.send(id, 0, b[:2*seg]))(t)
		rewrite(t, r.store, id, func(s []byte) []byte { s[77] ^= 1; return s })
		st, err := r.send(id, 2*seg, b[2*seg:])
		wants(t, "complete", err, media.ErrDamaged)
		if st.Complete || len(r.tellings()) != 0 {
			t.Fatal("told that it is complete")
		}
	})

	t.Run("nothing is stored in the clear", func(t *testing.T) {
		r := newRig(t, backend(t)())
		clear := make([]byte, 2*seg+900) // zeros: any run of them would show
		open := r.create(int64(len(clear)) + 1)
		must2(r.send(open, 0, clear))(t)
		for _, id := range []string{r.stored(clear), open} {
			f, err := r.store.Open(t.Context(), id)
			must(t, err)
			all := stored(t, f)
			tail, err := f.Note(media.TailNote)
			must(t, err)
			f.Close()
			all = append(all, tail...)
			run := 0
			for _, c := range all {
				if run++; c != 0 {
					run = 0
				}
				if run > 12 {
					t.Fatal("zeros in what is stored")
				}
			}
			if want := 2*sealedSeg + 900 + seal.Overhead; len(all) != want && len(all) != want+8 {
				t.Fatalf("%d bytes stored, want %d", len(all), want)
			}
		}
	})
}
