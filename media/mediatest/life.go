package mediatest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/symbolon/symbolon/media"
)

func runLife(t *testing.T, backend Backend) {
	b := content(41, seg+9)

	t.Run("what nobody made is unknown", func(t *testing.T) {
		r := newRig(t, backend(t)())
		for _, id := range []string{info().ID, "", "upl_", "../x", "upl_../../../../../../etc/pas", "med_01K00000000000000000000000"} {
			_, err := r.Status(t.Context(), id)
			wants(t, "status", err, media.ErrUnknown)
			_, err = r.TakeOver(t.Context(), id)
			wants(t, "take over", err, media.ErrUnknown)
			_, err = r.send(id, 0, b)
			wants(t, "append", err, media.ErrUnknown)
			_, err = r.Open(t.Context(), id)
			wants(t, "open", err, media.ErrUnknown)
			wants(t, "terminate", r.Terminate(t.Context(), id), media.ErrUnknown)
		}
	})

	t.Run("what was ended is gone, bytes and all, and later unknown", func(t *testing.T) {
		open := backend(t)
		r := newRig(t, open())
		half := r.create(int64(len(b)))
		must2(r.send(half, 0, b[:seg+3]))(t)
		whole := r.stored(b)
		_, err := r.Open(t.Context(), half)
		wants(t, "open half", err, media.ErrIncomplete)
		for _, id := range []string{half, whole} {
			must(t, r.Terminate(t.Context(), id))
			must(t, r.Terminate(t.Context(), id))
			for _, r := range []*rig{r, newRig(t, open())} {
				st, err := r.Status(t.Context(), id)
				wants(t, "status", err, media.ErrGone)
				if st.Owner != "hnd_1" || st.SHA256 != nil {
					t.Fatalf("status: %+v", st)
				}
				_, err = r.send(id, 0, b)
				wants(t, "append", err, media.ErrGone)
				_, err = r.TakeOver(t.Context(), id)
				wants(t, "take over", err, media.ErrGone)
				_, err = r.Open(t.Context(), id)
				wants(t, "open", err, media.ErrGone)
			}
			_, err := r.store.Open(t.Context(), id)
			wants(t, "its bytes", err, media.ErrUnknown)
		}
		r.pass(8 * 24 * time.Hour)
		must(t, r.Expired(t.Context(), func(media.Info) error { return errors.New("ended ones are not told") }))
		_, err = r.Status(t.Context(), half)
		wants(t, "status", err, media.ErrUnknown)
	})

	t.Run("an end that was killed is finished", func(t *testing.T) {
		open := backend(t)
		f := &Faulty{Store: open()}
		r := newRig(t, f)
		id := r.create(int64(len(b)))
		must2(r.send(id, 0, b[:seg+3]))(t)
		f.at = f.changes.Load() + 2
		wants(t, "terminate", r.Terminate(t.Context(), id), errCrash)
		again := newRig(t, open())
		_, err := again.Status(t.Context(), id)
		wants(t, "status", err, media.ErrGone)
		must(t, again.Expired(t.Context(), func(media.Info) error { return nil }))
		_, err = again.store.Open(t.Context(), id)
		wants(t, "its bytes", err, media.ErrUnknown)
	})

	t.Run("incomplete ones expire, complete ones do not", func(t *testing.T) {
		r := newRig(t, backend(t)())
		half := r.create(int64(len(b)))
		must2(r.send(half, 0, b[:4]))(t)
		fresh := r.create(5)
		whole := r.stored(b)
		r.pass(time.Hour - time.Second)
		must(t, r.Expired(t.Context(), func(i media.Info) error { return errors.New("too early: " + i.ID) }))
		r.pass(time.Second)
		_, err := r.Status(t.Context(), half)
		wants(t, "status", err, media.ErrGone)
		_, err = r.send(half, 4, b[4:])
		wants(t, "append", err, media.ErrGone)
		var ids []string
		must(t, r.Expired(t.Context(), func(i media.Info) error {
			ids = append(ids, i.ID)
			return r.Terminate(t.Context(), i.ID)
		}))
		slices.Sort(ids)
		want := []string{half, fresh}
		slices.Sort(want)
		if !slices.Equal(ids, want) {
			t.Fatalf("expired %v, want %v", ids, want)
		}
		r.holds(whole, b)
	})

	t.Run("who is told may refuse; the next take-over tells again", func(t *testing.T) {
		r := newRig(t, backend(t)())
		no := errors.New("not this kind")
		r.fail = no
		id := r.create(4)
		st, err := r.send(id, 0, b[:4])
		wants(t, "append", err, no)
		if !st.Complete {
			t.Fatal("it is complete all the same")
		}
		r.fail = nil
		if st, err := r.TakeOver(t.Context(), id); err != nil || !st.Complete {
			t.Fatalf("%+v, %v", st, err)
		}
		if n := len(r.tellings()); n != 2 {
			t.Fatalf("told %d times", n)
		}
	})

	t.Run("who is told may end the upload", func(t *testing.T) {
		r := newRig(t, backend(t)())
		id := r.create(4)
		no := errors.New("not this kind")
		r.on = func(st media.Status) error { return errors.Join(no, r.Terminate(context.Background(), st.ID)) }
		_, err := r.send(id, 0, b[:4])
		wants(t, "append", err, no)
		if errors.Is(err, media.ErrBusy) {
			t.Fatal("the upload was still held")
		}
		_, err = r.Status(t.Context(), id)
		wants(t, "status", err, media.ErrGone)
	})

	t.Run("bytes that all came are complete, though the sender died after the last", func(t *testing.T) {
		r := newRig(t, backend(t)())
		id := r.create(int64(len(b)))
		st, err := r.Append(t.Context(), id, media.AppendRequest{Length: -1, Body: cut{bytes.NewReader(b)}})
		wants(t, "append", err, errCut)
		if !st.Complete {
			t.Fatal("not complete")
		}
		r.holds(id, b)
	})

	t.Run("the key of another case opens nothing", func(t *testing.T) {
		r := newRig(t, backend(t)())
		one, two := info(), info()
		two.CaseID = "case_other"
		for _, i := range []media.Info{one, two} {
			if _, err := r.Create(t.Context(), i, int64(len(b))); err != nil {
				t.Fatal(err)
			}
			must2(r.send(i.ID, 0, b))(t)
			r.holds(i.ID, b)
		}
		f, err := r.store.Open(t.Context(), one.ID)
		must(t, err)
		foreign := stored(t, f)
		f.Close()
		rewrite(t, r.store, two.ID, func([]byte) []byte { return foreign })
		o, err := r.Open(t.Context(), two.ID)
		must(t, err)
		defer o.Close()
		_, err = o.ReadAt(make([]byte, 1), 0)
		wants(t, "read", err, media.ErrDamaged)
	})
}
