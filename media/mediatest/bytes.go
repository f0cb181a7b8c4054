package mediatest

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the tus checksum extension has it
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/symbolon/symbolon/media"
)

const seg = media.SegmentSize

func runBytes(t *testing.T, backend Backend) {
	t.Run("every size comes back as it was sent", func(t *testing.T) {
		r := newRig(t, backend(t)())
		for _, n := range []int{0, 1, seg - 1, seg, seg + 1, 2 * seg, 5*seg + 17, limit} {
			b := content(uint64(n), n)
			id := r.stored(b)
			r.holds(id, b)
			st, err := r.Status(t.Context(), id)
			sum := sha256.Sum256(b)
			if err != nil || !st.Complete || st.Offset != int64(n) || st.Length != int64(n) || !bytes.Equal(st.SHA256, sum[:]) {
				t.Fatalf("status: %+v, %v", st, err)
			}
			told := r.tellings()
			if last := told[len(told)-1]; last.ID != id || !bytes.Equal(last.Head, b[:min(512, n)]) || !bytes.Equal(last.SHA256, sum[:]) {
				t.Fatalf("told: %+v", last)
			}
		}
	})

	t.Run("whoever reads in small steps or asks any range gets the same", func(t *testing.T) {
		r := newRig(t, backend(t)())
		b := content(1, 5*seg+4321)
		id := r.create(int64(len(b)))
		if _, err := r.Append(t.Context(), id, media.AppendRequest{Length: -1, Body: iotest.HalfReader(bytes.NewReader(b))}); err != nil {
			t.Fatal(err)
		}
		o, err := r.Open(t.Context(), id)
		must(t, err)
		defer o.Close()
		if err := iotest.TestReader(io.NewSectionReader(o, seg-5, 300), b[seg-5:seg+295]); err != nil {
			t.Fatal(err)
		}
		rnd := rand.New(rand.NewPCG(1, 2))
		for range 300 {
			off := rnd.Int64N(int64(len(b)) + 10)
			p := make([]byte, rnd.IntN(3*seg))
			n, err := o.ReadAt(p, off)
			want := b[min(off, int64(len(b))):min(off+int64(len(p)), int64(len(b)))]
			if !bytes.Equal(p[:n], want) || (n < len(p)) != (err == io.EOF) && len(p) > 0 {
				t.Fatalf("range %d+%d: %d bytes, %v", off, len(p), n, err)
			}
		}
		if _, err := o.ReadAt(make([]byte, 1), -1); err == nil {
			t.Fatal("read before the start")
		}
	})

	t.Run("a deferred length is fixed once", func(t *testing.T) {
		r := newRig(t, backend(t)())
		b := content(2, seg+10)
		id := r.create(-1)
		send := func(offset, length int64, b []byte) (media.Status, error) {
			return r.Append(t.Context(), id, media.AppendRequest{Offset: offset, Length: length, Body: bytes.NewReader(b)})
		}
		if st, err := send(0, -1, b[:seg+3]); err != nil || st.Complete || st.Length != -1 {
			t.Fatalf("%+v, %v", st, err)
		}
		_, err := send(seg+3, seg+2, nil)
		wants(t, "length below what is here", err, media.ErrLength)
		_, err = send(seg+3, limit+1, nil)
		wants(t, "length above the limit", err, media.ErrTooLarge)
		st, err := send(seg+3, seg+10, b[seg+3:seg+5])
		if err != nil || st.Length != seg+10 || st.Complete {
			t.Fatalf("%+v, %v", st, err)
		}
		_, err = send(seg+5, seg+11, nil)
		wants(t, "another length", err, media.ErrLength)
		if st, err = send(seg+5, seg+10, b[seg+5:]); err != nil || !st.Complete {
			t.Fatalf("%+v, %v", st, err)
		}
		r.holds(id, b)
		empty := r.create(-1)
		must2(r.send(empty, 0, b[:7]))(t)
		if st, err = r.Append(t.Context(), empty, media.AppendRequest{Offset: 7, Length: 7}); err != nil || !st.Complete {
			t.Fatalf("completed by its length alone: %+v, %v", st, err)
		}
		r.holds(empty, b[:7])
	})

	t.Run("more than declared is refused", func(t *testing.T) {
		r := newRig(t, backend(t)())
		i := info()
		_, err := r.Create(t.Context(), i, limit+1)
		wants(t, "create", err, media.ErrTooLarge)
		_, err = r.Create(t.Context(), i, -2)
		wants(t, "create", err, media.ErrLength)
		id := r.create(100)
		st, err := r.send(id, 0, content(3, 101))
		wants(t, "101 of 100", err, media.ErrTooLarge)
		if st.Complete || len(r.tellings()) != 0 {
			t.Fatal("a sender that lied was told its upload is complete")
		}
		id = r.create(-1)
		st, err = r.send(id, 0, content(3, limit+1))
		wants(t, "above the limit", err, media.ErrTooLarge)
		if st.Offset != limit {
			t.Fatalf("kept %d", st.Offset)
		}
		id = r.stored(content(3, 50))
		_, err = r.send(id, 50, []byte("x"))
		wants(t, "after the end", err, media.ErrTooLarge)
		if st, err := r.send(id, 50, nil); err != nil || !st.Complete {
			t.Fatalf("nothing after the end: %v", err)
		}
	})

	t.Run("a wrong offset changes nothing", func(t *testing.T) {
		r := newRig(t, backend(t)())
		b := content(4, 300)
		id := r.create(300)
		must2(r.send(id, 0, b[:100]))(t)
		for _, off := range []int64{-1, 0, 99, 101, 300, 1 << 40} {
			st, err := r.send(id, off, b)
			wants(t, fmt.Sprint("offset ", off), err, media.ErrOffset)
			if st.Offset != 100 {
				t.Fatalf("status says %d", st.Offset)
			}
		}
		must2(r.send(id, 100, b[100:]))(t)
		r.holds(id, b)
	})

	t.Run("a piece with a checksum is stored whole or not at all", func(t *testing.T) {
		open := backend(t)
		r := newRig(t, open())
		for _, n := range []int{10, seg, 6*seg + 5} {
			b := content(5, 2*n+30)
			id := r.create(int64(len(b)))
			must2(r.send(id, 0, b[:30]))(t)
			sum1, sum256 := sha1.Sum(b[30:30+n]), sha256.Sum256(b[30+n:]) //nolint:gosec // as above
			try := func(body io.Reader, off int64, alg string, sum []byte) (media.Status, error) {
				return r.Append(t.Context(), id, media.AppendRequest{Offset: off, Length: -1, Body: body, Checksum: &media.Checksum{Algorithm: alg, Sum: sum}})
			}
			st, err := try(bytes.NewReader(b[31:31+n]), 30, "sha1", sum1[:])
			wants(t, "other bytes", err, media.ErrChecksum)
			if st.Offset != 30 {
				t.Fatalf("offset %d after a mismatch", st.Offset)
			}
			st, err = try(cut{bytes.NewReader(b[30 : 30+n])}, 30, "sha1", sum1[:])
			wants(t, "cut", err, errCut)
			if st.Offset != 30 {
				t.Fatalf("offset %d after a cut", st.Offset)
			}
			if _, err = try(bytes.NewReader(b[30:30+n]), 30, "md5", sum1[:]); err == nil {
				t.Fatal("md5 taken")
			}
			_, err = try(bytes.NewReader(b[30:30+n]), 30, "sha1", nil)
			wants(t, "no sum", err, media.ErrChecksum)
			st, err = try(bytes.NewReader(b[30:30+n]), 30, "sha1", sum1[:])
			if err != nil || st.Offset != int64(30+n) {
				t.Fatalf("%+v, %v", st, err)
			}
			if st, err = try(bytes.NewReader(b[30+n:]), int64(30+n), "sha256", sum256[:]); err != nil || !st.Complete {
				t.Fatalf("%+v, %v", st, err)
			}
			r.holds(id, b)
		}
	})

	t.Run("random senders", func(t *testing.T) {
		for seed := range uint64(8) {
			ops := content(seed+100, 60)
			Random(t, backend, ops)
		}
	})
}

// must2 fails the test unless an Append was fine.
func must2(_ media.Status, err error) func(testing.TB) {
	return func(t testing.TB) {
		t.Helper()
		must(t, err)
	}
}

// Random lets a sender do what ops say, three bytes an action: send pieces of any size, with and without checksum,
// right and wrong, cut off, killed and restarted. A plain slice is the model: after each action the
// offset is what the model says, and in the end the bytes are.
func Random(t testing.TB, backend Backend, ops []byte) {
	open := backend(t)
	r := newRig(t, open())
	want := content(7, limit/2)
	id := r.create(-1)
	at := 0
	for ; len(ops) >= 3 && at < len(want); ops = ops[3:] {
		n := min(int(ops[1])<<(ops[2]%11)+int(ops[2]), len(want)-at)
		body, sum := want[at:at+n], sha256.Sum256(want[at:at+n])
		req := media.AppendRequest{Offset: int64(at), Length: -1, Body: bytes.NewReader(body)}
		var wantErr error
		switch ops[0] % 8 {
		case 0, 1:
			at += n
		case 2:
			req.Body = iotest.OneByteReader(bytes.NewReader(body[:min(n, 3000)]))
			at += min(n, 3000)
		case 3:
			req.Body, wantErr = cut{bytes.NewReader(body)}, errCut
			at += n
		case 4:
			req.Checksum = &media.Checksum{Algorithm: "sha256", Sum: sum[:]}
			at += n
		case 5:
			sum[3] ^= 1
			req.Checksum, wantErr = &media.Checksum{Algorithm: "sha256", Sum: sum[:]}, media.ErrChecksum
		case 6:
			req.Offset, wantErr = int64(at)+1+int64(ops[1]), media.ErrOffset
		case 7:
			r = newRig(t, open())
			req.Body, req.Checksum, wantErr = cut{bytes.NewReader(body)}, &media.Checksum{Algorithm: "sha256", Sum: sum[:]}, errCut
		}
		st, err := r.Append(t.Context(), id, req)
		if !errors.Is(err, wantErr) {
			t.Fatalf("action %d of %d bytes at %d: %v, want %v", ops[0]%8, n, at, err, wantErr)
		}
		if st.Offset != int64(at) {
			t.Fatalf("action %d of %d bytes: offset %d, want %d", ops[0]%8, n, st.Offset, at)
		}
		if st, err := newRig(t, open()).Status(t.Context(), id); err != nil || st.Offset != int64(at) {
			t.Fatalf("another process sees offset %d, %v; want %d", st.Offset, err, at)
		}
	}
	if st, err := r.Append(t.Context(), id, media.AppendRequest{Offset: int64(at), Length: int64(at)}); err != nil || !st.Complete {
		t.Fatalf("complete: %+v, %v", st, err)
	}
	r.holds(id, want[:at])
}
