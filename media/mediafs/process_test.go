package mediafs_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/symbolon/symbolon/media"
	"github.com/symbolon/symbolon/media/mediafs"
	"github.com/symbolon/symbolon/seal"
)

// holderVar makes this test's binary a process that holds an upload: "directory key id".
const holderVar = "SYMBOLON_TEST_MEDIA_HOLDER"

// serviceWith is a service whose key other processes know.
func serviceWith(dir, key string, elsewhere func(string)) (*media.Service, error) {
	store, err := mediafs.Open(dir)
	if err != nil {
		return nil, err
	}
	k, err := seal.ParseKey(key)
	if err != nil {
		return nil, err
	}
	return media.New(media.Config{
		Store:     store,
		Key:       func(context.Context, string) (seal.Key, error) { return k, nil },
		Completed: func(context.Context, media.Status) error { return nil },
		Elsewhere: elsewhere,
	})
}

// hold appends what comes by stdin and says when some of it is stored.
func hold(dir, key, id string) error {
	s, err := serviceWith(dir, key, nil)
	if err != nil {
		return err
	}
	_, err = s.Append(context.Background(), id, media.AppendRequest{
		Length: -1, Body: os.Stdin,
		Progress: func(int64) { _, _ = os.Stdout.WriteString("stored\n") },
	})
	return err
}

func TestAKilledProcessFreesWhatItHeld(t *testing.T) {
	dir, key := t.TempDir(), seal.NewKey().Encode()
	asked := make(chan string, 100)
	s, err := serviceWith(dir, key, func(id string) { asked <- id })
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 5*media.SegmentSize+9)
	for i := range b {
		b[i] = byte(i * i >> 7)
	}
	id := create(t, s, int64(len(b)))

	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	holder := exec.Command(self)
	holder.Env = append(os.Environ(), holderVar+"="+dir+" "+key+" "+id)
	holder.Stderr = os.Stderr
	in, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = holder.Process.Kill(); _ = holder.Wait() })
	const half = 4*media.SegmentSize + 100
	if _, err := in.Write(b[:half]); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("the other process stored nothing: %v", err)
	}

	if _, err := s.TakeOver(t.Context(), id); !errors.Is(err, media.ErrBusy) {
		t.Fatalf("while another process writes: %v", err)
	}
	if len(asked) == 0 || <-asked != id {
		t.Error("it was not asked to let go")
	}
	kept, err := s.Status(t.Context(), id)
	if err != nil || kept.Offset < media.SegmentSize || kept.Offset > half {
		t.Fatalf("meanwhile: %d, %v", kept.Offset, err)
	}
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait()
	began := time.Now()
	st, err := s.TakeOver(t.Context(), id)
	if err != nil || st.Offset < kept.Offset || st.Offset > half {
		t.Fatalf("after its death: %d after %d, %v", st.Offset, kept.Offset, err)
	}
	if d := time.Since(began); d > 500*time.Millisecond {
		t.Errorf("it took %v", d)
	}
	if _, err := s.Append(t.Context(), id, media.AppendRequest{Offset: st.Offset, Length: -1, Body: bytes.NewReader(b[st.Offset:])}); err != nil {
		t.Fatal(err)
	}
	o, err := s.Open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if got, err := io.ReadAll(io.NewSectionReader(o, 0, o.Size())); err != nil || !bytes.Equal(got, b) {
		t.Fatalf("stored bytes differ: %v", err)
	}
}
