package mediafs_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/goleak"

	"github.com/symbolon/symbolon/media"
	"github.com/symbolon/symbolon/media/mediafs"
	"github.com/symbolon/symbolon/media/mediatest"
	"github.com/symbolon/symbolon/seal"
)

func TestMain(m *testing.M) {
	if v := os.Getenv(holderVar); v != "" {
		var dir, key, id string
		_, err := fmt.Sscan(v, &dir, &key, &id)
		if err == nil {
			err = hold(dir, key, id)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func backend(t testing.TB) func() media.Store {
	dir := filepath.Join(t.TempDir(), "media")
	return func() media.Store {
		s, err := mediafs.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func TestContract(t *testing.T) { mediatest.Run(t, backend) }

func FuzzSenders(f *testing.F) {
	f.Add([]byte("\x00\x10\x00\x04\xff\x0a\x07\xff\x09\x03\xff\x0a\x05\xff\x0a"))
	f.Add([]byte("\x03\x01\x00\x05\xf0\x0a\x04\xf0\x0a\x02\x20\x05\x06\x01\x01"))
	f.Add(bytes.Repeat([]byte{0, 255, 8}, 9))
	f.Fuzz(func(t *testing.T, ops []byte) {
		mediatest.Random(t, backend, ops[:min(len(ops), 90)])
	})
}

func service(t testing.TB, dir string) *media.Service {
	store, err := mediafs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	key := seal.NewKey()
	s, err := media.New(media.Config{
		Store:     store,
		Key:       func(context.Context, string) (seal.Key, error) { return key, nil },
		Completed: func(context.Context, media.Status) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func create(t testing.TB, s *media.Service, length int64) string {
	id := "upl_" + ulid.Make().String()
	now := time.Now()
	_, err := s.Create(t.Context(), media.Info{
		ID: id, CaseID: "case_1", Owner: "hnd_1", MaxBytes: 1 << 30, CreatedAt: now, ExpiresAt: now.Add(time.Hour),
	}, length)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestOnlyTheOwnerMayLook(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "media")
	s := service(t, dir)
	id := create(t, s, 70000)
	if _, err := s.Append(t.Context(), id, media.AppendRequest{Length: -1, Body: bytes.NewReader(make([]byte, 69999))}); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if st.Mode().Perm() != want {
			t.Errorf("%s is %v", p, st.Mode())
		}
		seen[filepath.Ext(p)] = true
		return nil
	})
	if err != nil || !seen[".info"] || !seen[".data"] || !seen[".tail"] {
		t.Fatalf("walk: %v, %v", seen, err)
	}
}

// A real file system that is full, where the tests run as root.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m,mode=700"); err != nil {
		t.Skipf("SKIPPED: no small file system to fill: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := service(t, dir)
	b := make([]byte, 900<<10)
	_, _ = rand.Read(b)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 500<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	id := create(t, s, int64(len(b)))
	st, err := s.Append(t.Context(), id, media.AppendRequest{Length: -1, Body: bytes.NewReader(b)})
	if !errors.Is(err, media.ErrNoSpace) {
		t.Fatalf("append: %v", err)
	}
	if st.Offset == 0 || st.Offset >= int64(len(b)) {
		t.Fatalf("kept %d bytes", st.Offset)
	}
	if now, err := s.Status(t.Context(), id); err != nil || now.Offset != st.Offset {
		t.Fatalf("status: %d, %v; want %d", now.Offset, err, st.Offset)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if st, err = s.Append(t.Context(), id, media.AppendRequest{Offset: st.Offset, Length: -1, Body: bytes.NewReader(b[st.Offset:])}); err != nil || !st.Complete {
		t.Fatalf("go on: %+v, %v", st, err)
	}
	o, err := s.Open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if got, err := io.ReadAll(io.NewSectionReader(o, 0, o.Size())); err != nil || !bytes.Equal(got, b) {
		t.Fatalf("stored bytes differ: %v", err)
	}
	_ = filepath.WalkDir(dir, func(p string, _ fs.DirEntry, _ error) error {
		if strings.HasSuffix(p, ".new") {
			t.Errorf("%s was left", p)
		}
		return nil
	})
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{8 << 10, 1 << 20, 20 << 20} {
		b.Run(bench(size), func(b *testing.B) {
			s := service(b, b.TempDir())
			body := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			var id string
			at := int64(1 << 30)
			for b.Loop() {
				if at+int64(size) > 64<<20 {
					id, at = create(b, s, -1), 0
				}
				if _, err := s.Append(b.Context(), id, media.AppendRequest{Offset: at, Length: -1, Body: bytes.NewReader(body)}); err != nil {
					b.Fatal(err)
				}
				at += int64(size)
			}
		})
	}
	b.Run("whole upload of 20 MiB, durable", func(b *testing.B) {
		s := service(b, b.TempDir())
		body := make([]byte, 20<<20)
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			id := create(b, s, int64(len(body)))
			if _, err := s.Append(b.Context(), id, media.AppendRequest{Length: -1, Body: bytes.NewReader(body)}); err != nil {
				b.Fatal(err)
			}
			if err := s.Terminate(b.Context(), id); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRange(b *testing.B) {
	s := service(b, b.TempDir())
	body := make([]byte, 20<<20)
	id := create(b, s, int64(len(body)))
	if _, err := s.Append(b.Context(), id, media.AppendRequest{Length: -1, Body: bytes.NewReader(body)}); err != nil {
		b.Fatal(err)
	}
	o, err := s.Open(b.Context(), id)
	if err != nil {
		b.Fatal(err)
	}
	defer o.Close()
	for _, size := range []int{64 << 10, 1 << 20} {
		b.Run(bench(size), func(b *testing.B) {
			p := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			off := int64(0)
			for b.Loop() {
				if _, err := o.ReadAt(p, off); err != nil {
					b.Fatal(err)
				}
				off = (off + 1234567) % int64(len(body)-size)
			}
		})
	}
}

func bench(n int) string { return fmt.Sprintf("%d KiB", n>>10) }
