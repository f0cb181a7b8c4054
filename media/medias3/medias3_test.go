package medias3_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/oklog/ulid/v2"
	"go.uber.org/goleak"

	"github.com/symbolon/symbolon/media"
	"github.com/symbolon/symbolon/media/medias3"
	"github.com/symbolon/symbolon/media/mediatest"
	"github.com/symbolon/symbolon/seal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// remote is an S3 server in this process, and what may go wrong with it.
type remote struct {
	*httptest.Server
	memory *s3mem.Backend

	down   atomic.Bool                                // connections break
	full   atomic.Bool                                // nothing can be written
	mangle atomic.Pointer[func(*http.Request)]        // changes requests
	lose   atomic.Pointer[func(*http.Request) bool]   // says whose answer gets lost
	answer atomic.Pointer[func(*http.Request) []byte] // answers in place of the server
}

func start(t testing.TB) *remote {
	r := &remote{memory: s3mem.New()}
	if err := r.memory.CreateBucket("evidence"); err != nil {
		t.Fatal(err)
	}
	s3 := gofakes3.New(r.memory).Server()
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch {
		case r.down.Load():
			panic(http.ErrAbortHandler)
		case r.full.Load() && q.Method == http.MethodPut:
			_, _ = io.Copy(io.Discard, q.Body)
			w.WriteHeader(http.StatusInsufficientStorage)
			return
		}
		if f := r.mangle.Load(); f != nil {
			(*f)(q)
		}
		if f := r.answer.Load(); f != nil {
			if b := (*f)(q); b != nil {
				_, _ = w.Write(b)
				return
			}
		}
		s3.ServeHTTP(w, q)
		if f := r.lose.Load(); f != nil && (*f)(q) {
			panic(http.ErrAbortHandler)
		}
	}))
	r.Config.ErrorLog = nil
	t.Cleanup(r.Close)
	return r
}

func (r *remote) config() medias3.Config {
	return medias3.Config{URL: r.URL + "/evidence/photos", AccessKey: "access", SecretKey: "secret"}
}

func (r *remote) open(t testing.TB) *medias3.Store {
	t.Helper()
	s, err := medias3.Open(t.Context(), r.config())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// names lists the objects of the bucket but for the probe.
func (r *remote) names(t testing.TB) (names []string) {
	t.Helper()
	list, err := r.memory.ListBucket("evidence", nil, gofakes3.ListBucketPage{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range list.Contents {
		if o.Key != "photos/symbolon-probe" {
			names = append(names, strings.TrimPrefix(o.Key, "photos/"))
		}
	}
	return names
}

func (r *remote) object(t testing.TB, name string) []byte {
	t.Helper()
	o, err := r.memory.GetObject("evidence", "photos/"+name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Contents.Close()
	b, err := io.ReadAll(o.Contents)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestContract(t *testing.T) {
	t.Parallel()
	mediatest.Run(t, func(t testing.TB) func() media.Store {
		memory := s3mem.New()
		must(t, memory.CreateBucket("evidence"))
		server := direct{gofakes3.New(memory).Server()}
		return func() media.Store {
			s, err := medias3.OpenThrough(t.Context(), medias3.Config{URL: "http://s3.test/evidence", AccessKey: "access", SecretKey: "secret"}, server)
			must(t, err)
			return s
		}
	})
}

// direct carries requests to a handler of this process: the contract makes ten thousand of them.
type direct struct{ http.Handler }

func (d direct) RoundTrip(q *http.Request) (*http.Response, error) {
	if err := q.Context().Err(); err != nil {
		return nil, err
	}
	in := q.Clone(q.Context())
	in.RequestURI, in.Host = q.URL.RequestURI(), q.URL.Host
	if in.Body == nil {
		in.Body = http.NoBody
	}
	if q.ContentLength > 0 {
		in.Header.Set("Content-Length", strconv.FormatInt(q.ContentLength, 10))
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, in)
	res := w.Result()
	res.Request = q
	return res, in.Body.Close()
}

// TestContractOnVersityGateway runs the contract on another S3 server, a program that
// SYMBOLON_TEST_VERSITYGW names.
func TestContractOnVersityGateway(t *testing.T) {
	program := os.Getenv("SYMBOLON_TEST_VERSITYGW")
	if program == "" {
		t.Skip("SKIPPED: SYMBOLON_TEST_VERSITYGW names no versitygw; make test-full builds one")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := ln.Addr().String()
	must(t, ln.Close())
	dir := t.TempDir()
	must(t, os.Mkdir(dir+"/evidence", 0o700))
	const secret = "only-for-this-test"
	cmd := exec.Command(program, "--port", address, "--access", "test", "--secret", secret, "--region", "us-east-1", "--quiet", "posix", dir)
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	var count atomic.Int64
	config := func() medias3.Config {
		return medias3.Config{URL: fmt.Sprintf("http://%s/evidence/place-%d?region=us-east-1", address, count.Load()), AccessKey: "test", SecretKey: secret}
	}
	for limit := time.Now().Add(20 * time.Second); ; {
		if _, err = medias3.Open(t.Context(), config()); err == nil {
			break
		}
		if time.Now().After(limit) {
			t.Fatal(err)
		}
	}
	mediatest.Run(t, func(t testing.TB) func() media.Store {
		count.Add(1)
		c := config()
		return func() media.Store {
			s, err := medias3.Open(t.Context(), c)
			must(t, err)
			return s
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wants(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: got %v, want %v", what, err, want)
	}
}

var key = seal.NewKey()

func service(t testing.TB, store media.Store) *media.Service {
	t.Helper()
	s, err := media.New(media.Config{
		Store: store, Key: func(context.Context, string) (seal.Key, error) { return key, nil },
		Completed: func(context.Context, media.Status) error { return nil },
	})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

func create(t testing.TB, s *media.Service, length int) string {
	t.Helper()
	id := "upl_" + ulid.Make().String()
	_, err := s.Create(t.Context(), media.Info{ID: id, CaseID: "case_1", Owner: "hnd_1", MaxBytes: 1 << 30, ExpiresAt: time.Now().Add(time.Hour)}, int64(length))
	must(t, err)
	return id
}

func send(t testing.TB, s *media.Service, id string, at int64, b []byte) (media.Status, error) {
	t.Helper()
	return s.Append(t.Context(), id, media.AppendRequest{Offset: at, Length: -1, Body: bytes.NewReader(b)})
}

func holds(t testing.TB, s *media.Service, id string, b []byte) {
	t.Helper()
	o, err := s.Open(t.Context(), id)
	must(t, err)
	defer o.Close()
	if got, err := io.ReadAll(io.NewSectionReader(o, 0, o.Size())); err != nil || !bytes.Equal(got, b) {
		t.Fatalf("stored bytes differ: %d of %d, %v", len(got), len(b), err)
	}
}

func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * i >> 9)
	}
	return b
}

// TestAHolderThatSleptLoses lets a process hold an upload, sleep past its time and wake up.
func TestAHolderThatSleptLoses(t *testing.T) {
	t.Parallel()
	r := start(t)
	sleeper, heir := r.open(t), r.open(t)
	sleeper.Pace(time.Hour, time.Hour)
	heir.Pace(time.Hour, 50*time.Millisecond)
	const id = "upl_01K00000000000000000000000"
	must(t, sleeper.Create(t.Context(), id, []byte("info")))
	unlock, err := sleeper.Lock(t.Context(), id)
	must(t, err)
	old, err := sleeper.Open(t.Context(), id)
	must(t, err)
	defer old.Close()
	must(t, old.Append([]byte("first ")))
	_, err = sleeper.Lock(t.Context(), id)
	wants(t, "the same process once more", err, media.ErrBusy)

	var free func()
	for limit := time.Now().Add(10 * time.Second); ; {
		if free, err = heir.Lock(t.Context(), id); err == nil {
			break
		}
		wants(t, "while it may live", err, media.ErrBusy)
		if time.Now().After(limit) {
			t.Fatal("it is never taken for dead")
		}
	}
	now, err := heir.Open(t.Context(), id)
	must(t, err)
	defer now.Close()
	must(t, now.Append([]byte("second")))

	wants(t, "append of the late", old.Append([]byte("late")), media.ErrTaken)
	wants(t, "cut of the late", func() error { _, _ = old.Size(); return old.Truncate(0) }(), media.ErrTaken)
	wants(t, "info of the late", sleeper.Save(t.Context(), id, []byte("late")), media.ErrTaken)
	wants(t, "end by the late", sleeper.Destroy(t.Context(), id), media.ErrTaken)
	unlock()
	_, err = sleeper.Lock(t.Context(), id)
	wants(t, "the late has nothing to give back", err, media.ErrBusy)
	free()
	unlock, err = sleeper.Lock(t.Context(), id)
	must(t, err)
	unlock()
	b := make([]byte, 20)
	if n, err := now.ReadAt(b, 0); string(b[:n]) != "first second" || err != io.EOF {
		t.Fatalf("read %q, %v", b[:n], err)
	}
	if info, err := heir.Load(t.Context(), id); string(info) != "info" || err != nil {
		t.Fatalf("info %q, %v", info, err)
	}
}

func TestAHolderThatOnlyWaitsStays(t *testing.T) {
	t.Parallel()
	r := start(t)
	holder, other := r.open(t), r.open(t)
	holder.Pace(10*time.Millisecond, time.Hour)
	other.Pace(time.Hour, 400*time.Millisecond)
	const id = "upl_01K00000000000000000000000"
	must(t, holder.Create(t.Context(), id, nil))
	unlock, err := holder.Lock(t.Context(), id)
	must(t, err)
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		_, err := other.Lock(t.Context(), id)
		wants(t, "lock", err, media.ErrBusy)
	}
	unlock()
	free, err := other.Lock(t.Context(), id)
	must(t, err)
	free()
}

func TestAStoreThatIsAway(t *testing.T) {
	t.Parallel()
	r := start(t)
	s := service(t, r.open(t))
	b := content(9*media.SegmentSize + 77)
	id := create(t, s, len(b))
	st, err := send(t, s, id, 0, b[:2*media.SegmentSize+5])
	must(t, err)
	acked := st.Offset

	r.down.Store(true)
	r.CloseClientConnections()
	st, err = send(t, s, id, acked, b[acked:])
	wants(t, "append while it is away", err, media.ErrStorage)
	if st.ID != "" && st.Offset != acked {
		t.Fatalf("it says %d of %d", st.Offset, acked)
	}
	_, err = s.Status(t.Context(), id)
	wants(t, "status while it is away", err, media.ErrStorage)
	r.down.Store(false)

	// It goes in the middle of a piece: what was stored before counts.
	body := &breaking{Reader: bytes.NewReader(b[acked:]), after: 5 * media.SegmentSize, then: func() { r.down.Store(true); r.CloseClientConnections() }}
	st, err = s.Append(t.Context(), id, media.AppendRequest{Offset: acked, Length: -1, Body: body})
	wants(t, "append in the middle", err, media.ErrStorage)
	if st.Offset < acked || st.Offset > acked+5*media.SegmentSize {
		t.Fatalf("it says %d", st.Offset)
	}
	said := st.Offset
	r.down.Store(false)
	if st, err = s.TakeOver(t.Context(), id); err != nil || st.Offset < said {
		t.Fatalf("afterwards %d of %d, %v", st.Offset, said, err)
	}
	r.full.Store(true)
	_, err = send(t, s, id, st.Offset, b[st.Offset:])
	wants(t, "append while it is full", err, media.ErrNoSpace)
	r.full.Store(false)
	if st, err = s.TakeOver(t.Context(), id); err != nil || st.Offset < said {
		t.Fatalf("afterwards %d, %v", st.Offset, err)
	}
	if st, err = send(t, s, id, st.Offset, b[st.Offset:]); err != nil || !st.Complete {
		t.Fatalf("go on: %+v, %v", st, err)
	}
	holds(t, s, id, b)
}

// breaking calls then once it was read up to a place.
type breaking struct {
	io.Reader
	after int
	then  func()
}

func (b *breaking) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p[:min(len(p), 32<<10)])
	if b.after -= n; b.after <= 0 && b.then != nil {
		b.then()
		b.then = nil
	}
	return n, err
}

// A PUT whose answer gets lost is tried again and finds itself there already.
func TestAnAnswerThatGetsLost(t *testing.T) {
	t.Parallel()
	r := start(t)
	s := service(t, r.open(t))
	b := content(3*media.SegmentSize + 77)
	id := create(t, s, len(b))
	var lost atomic.Int64
	lose := func(q *http.Request) bool {
		return q.Method == http.MethodPut && strings.Contains(q.URL.Path, "/log-") && lost.Add(1)%3 == 0
	}
	r.lose.Store(&lose)
	at := int64(0)
	for _, n := range []int64{10, media.SegmentSize, 2 * media.SegmentSize, int64(len(b))} {
		st, err := send(t, s, id, at, b[at:n])
		if err != nil || st.Offset != n {
			t.Fatalf("%d of %d, %v", st.Offset, n, err)
		}
		at = n
	}
	if lost.Load() < 6 {
		t.Fatalf("only %d entries", lost.Load())
	}
	holds(t, s, id, b)
}

func TestWhatIsLeftInTheBucket(t *testing.T) {
	t.Parallel()
	r := start(t)
	s := service(t, r.open(t))
	b := content(5*media.SegmentSize + 30_000)
	id := create(t, s, len(b))
	for at := 0; at < len(b); at += 100_000 {
		_, err := send(t, s, id, int64(at), b[at:min(at+100_000, len(b))])
		must(t, err)
	}
	// Composed: one object with all the bytes, and entries without any.
	var whole int
	for _, n := range r.names(t) {
		b := r.object(t, n)
		if strings.HasPrefix(n, id+"/data-") {
			whole = len(b)
		} else if len(b) > 2000 {
			t.Errorf("%s has %d bytes", n, len(b))
		}
	}
	if want := len(b) + 6*seal.Overhead; whole != want {
		t.Errorf("the composed object has %d bytes, not %d", whole, want)
	}
	holds(t, s, id, b)
	must(t, s.Terminate(t.Context(), id))
	for _, n := range r.names(t) {
		if b := r.object(t, n); strings.Contains(n, "data-") || len(b) > 2000 {
			t.Errorf("after the end there is %s with %d bytes", n, len(b))
		}
	}
	must(t, r.open(t).Forget(t.Context(), id))
	if left := r.names(t); len(left) > 0 {
		t.Errorf("forgotten, and there is %v", left)
	}
}

func TestBucketsThatWouldNotDo(t *testing.T) {
	t.Parallel()
	r := start(t)
	open := func(change func(*medias3.Config)) error {
		c := r.config()
		change(&c)
		_, err := medias3.Open(t.Context(), c)
		return err
	}
	wants(t, "no such bucket", open(func(c *medias3.Config) { c.URL = r.URL + "/other" }), medias3.ErrNoBucket)

	strip := func(q *http.Request) { q.Header.Del("If-None-Match") }
	r.mangle.Store(&strip)
	wants(t, "a store without conditions", open(func(*medias3.Config) {}), medias3.ErrConditional)
	r.mangle.Store(nil)

	versions := func(q *http.Request) []byte {
		if q.URL.Query().Has("versioning") {
			return []byte(`<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>`)
		}
		return nil
	}
	r.answer.Store(&versions)
	wants(t, "a bucket with versions", open(func(*medias3.Config) {}), medias3.ErrVersioned)
	r.answer.Store(nil)

	r.down.Store(true)
	r.CloseClientConnections()
	wants(t, "away", open(func(*medias3.Config) {}), media.ErrStorage)
	r.down.Store(false)

	s := r.open(t)
	must(t, s.Ping(t.Context()))
	r.down.Store(true)
	r.CloseClientConnections()
	wants(t, "ping", s.Ping(t.Context()), media.ErrStorage)
}

func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"https://s3.example.com/evidence":                         "https s3.example.com evidence ",
		"http://127.0.0.1:7070/evidence/a/b/?region=eu-central-1": "http 127.0.0.1:7070 evidence a/b/",
		"https://s3.example.com":                                  "",
		"https://s3.example.com/":                                 "",
		"s3://evidence":                                           "",
		"https://key:secret@s3.example.com/evidence":              "",
		"https://s3.example.com/evidence?versionId=3":             "",
		"https://s3.example.com/evidence#x":                       "",
		"evidence":                                                "",
		"":                                                        "",
	} {
		u, bucket, prefix, err := medias3.Parse(address)
		got := ""
		if err == nil {
			got = u.Scheme + " " + u.Host + " " + bucket + " " + prefix
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q is told again: %v", address, err)
		}
		if got != want {
			t.Errorf("%q: got %q, %v; want %q", address, got, err, want)
		}
	}
}

func FuzzEntry(f *testing.F) {
	f.Add([]byte(`{"schema":1,"seq":3,"by":"x","info":"e30=","pieces":[[1,5]],"tail":[2,7]}`+"\x00\x00\x00\x49"), int64(3))
	f.Add([]byte("{}\x00\x00\x00\x02"), int64(1))
	f.Add([]byte("\xff\xff\xff\xff"), int64(0))
	f.Fuzz(func(t *testing.T, b []byte, seq int64) {
		again, err := medias3.Decode(b, seq)
		if again && err != nil {
			t.Fatal("damaged, and asks for more")
		}
		if err != nil && !errors.Is(err, media.ErrDamaged) {
			t.Fatalf("an error of its own kind: %v", err)
		}
	})
}

func TestDamagedEntriesAreRefused(t *testing.T) {
	r := start(t)
	s := r.open(t)
	const id = "upl_01K00000000000000000000000"
	for _, state := range []string{
		`{"schema":2,"seq":1,"by":"x"}`, `{"schema":1,"seq":2,"by":"x"}`, `{"schema":1,"seq":1}`, `{"schema":1,"seq":1,"by":"x","pieces":[[2,5]]}`,
		`{"schema":1,"seq":1,"by":"x","pieces":[[1,-5]]}`, `{"schema":1,"seq":1,"by":"x","tail":[0,5]}`,
		`{"schema":1,"seq":1,"by":"x","whole":{"name":"../../other","size":3}}`, `{"schema":1,"seq":1,"by":"x","whole":{"name":"data-x","size":-3}}`, `not json`,
	} {
		b := append([]byte(state), 0, 0, 0, byte(len(state)))
		_, err := r.memory.PutObject("evidence", "photos/"+id+"/log-7ffffffffffffffe", map[string]string{"Last-Modified": "Mon, 2 Jan 2006 15:04:05 GMT"}, bytes.NewReader(b), int64(len(b)), nil)
		must(t, err)
		_, err = s.Load(t.Context(), id)
		wants(t, state, err, media.ErrDamaged)
	}
	if names := r.names(t); !slices.Equal(names, []string{id + "/log-7ffffffffffffffe"}) {
		t.Fatalf("objects: %v", names)
	}
}

// TestStoredFormIsTheDescribedOne reads an open upload by docs/formats/media.md alone.
func TestStoredFormIsTheDescribedOne(t *testing.T) {
	t.Parallel()
	r := start(t)
	s := service(t, r.open(t))
	id := create(t, s, 1<<20)
	b := content(2*media.SegmentSize + 9)
	_, err := send(t, s, id, 0, b[:media.SegmentSize+7])
	must(t, err)
	_, err = send(t, s, id, media.SegmentSize+7, b[media.SegmentSize+7:])
	must(t, err)
	entry := func(n int64) []byte {
		t.Helper()
		return r.object(t, fmt.Sprintf("%s/log-%016x", id, uint64(math.MaxInt64)-uint64(n)))
	}
	newest := r.names(t)[0]
	left, err := strconv.ParseInt(strings.TrimPrefix(newest, id+"/log-"), 16, 64)
	must(t, err)
	var state struct {
		Schema int
		Seq    int64
		Info   []byte
		Holder *string
		Pieces [][2]int64
		Tail   [2]int64
	}
	parse := func(b []byte) {
		t.Helper()
		end := len(b) - 4
		must(t, json.Unmarshal(b[end-int(binary.BigEndian.Uint32(b[end:])):end], &state))
	}
	parse(entry(math.MaxInt64 - left))
	if state.Schema != 1 || state.Seq != math.MaxInt64-left || state.Holder != nil || !bytes.Contains(state.Info, []byte(id)) {
		t.Fatalf("%+v", state)
	}
	var data []byte
	for _, p := range state.Pieces {
		data = append(data, entry(p[0])[:p[1]]...)
	}
	tail := entry(state.Tail[0])[:state.Tail[1]]
	box, bound := key.Derive("media", id).Box(), func(n, kind string) []byte { return seal.Bind(id, n, kind) }
	const sealed = media.SegmentSize + seal.Overhead
	var got []byte
	for _, part := range []struct {
		b       []byte
		n, kind string
	}{{data[:sealed], "0", "more"}, {data[sealed:], "1", "more"}, {tail[8:], "2", "tail"}} {
		plain, err := box.Open(part.b, bound(part.n, part.kind))
		must(t, err)
		got = append(got, plain...)
	}
	if !bytes.Equal(got, b) {
		t.Fatal("other bytes")
	}
}
