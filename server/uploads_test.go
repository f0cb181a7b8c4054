package server_test

import (
	"bufio"
	"bytes"
	"crypto/sha1" //nolint:gosec // tus names it
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casesqlite"
	"github.com/symbolon/symbolon/live"
	"github.com/symbolon/symbolon/media"
	"github.com/symbolon/symbolon/server/servertest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// photos are made once: noise takes its time to encode.
var photos sync.Map // edge → []byte

// jpegOf is a photo of noise, so that it has some hundred kilobytes and no two places alike.
func jpegOf(t testing.TB, edge int) []byte {
	t.Helper()
	if b, ok := photos.Load(edge); ok {
		return bytes.Clone(b.([]byte))
	}
	img := image.NewGray(image.Rect(0, 0, edge, edge*3/4))
	_, _ = rand.NewChaCha8([32]byte{byte(edge), byte(edge >> 8)}).Read(img.Pix)
	var b bytes.Buffer
	must(t, jpeg.Encode(&b, img, &jpeg.Options{Quality: 80}))
	photos.Store(edge, bytes.Clone(b.Bytes()))
	return b.Bytes()
}

// meta is Upload-Metadata of pairs.
func meta(pairs ...string) string {
	var out []string
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, pairs[i]+" "+base64.StdEncoding.EncodeToString([]byte(pairs[i+1])))
	}
	return strings.Join(out, ",")
}

func sumOf(algorithm string, b []byte) string {
	if algorithm == "sha1" {
		s := sha1.Sum(b) //nolint:gosec // tus names it
		return "sha1 " + base64.StdEncoding.EncodeToString(s[:])
	}
	s := sha256.Sum256(b)
	return "sha256 " + base64.StdEncoding.EncodeToString(s[:])
}

// sender is the second client: written here, against the text of tus 1.0.0, on a bare connection.
type sender struct {
	t testing.TB
	s *servertest.Server
	c *servertest.Client
}

// do sends what a tus client sends.
func (s sender) do(method, path string, body []byte, headers ...string) *servertest.Answer {
	s.t.Helper()
	all := append([]string{"Tus-Resumable", "1.0.0", "Content-Type", "application/offset+octet-stream"}, headers...)
	if body == nil {
		return s.c.Do(method, path, nil, all...)
	}
	return s.c.Do(method, path, body, all...)
}

// create makes an upload and returns its path. length -1: deferred.
func (s sender) create(step string, length int) string {
	s.t.Helper()
	h := []string{"Upload-Length", strconv.Itoa(length)}
	if length < 0 {
		h = []string{"Upload-Defer-Length", "1"}
	}
	a := s.do("POST", "/v1/uploads", nil, append(h, "Upload-Metadata", meta("case", s.c.CaseID, "step", step, "filetype", "image/jpeg"))...)
	a.Want(s.t, 201)
	if a.Header.Get("Upload-Expires") == "" || a.Header.Get("Tus-Resumable") != "1.0.0" {
		s.t.Fatalf("created: %v", a.Header)
	}
	return a.Header.Get("Location")
}

func (s sender) patch(path string, offset int, body []byte, headers ...string) *servertest.Answer {
	s.t.Helper()
	return s.do("PATCH", path, body, append([]string{"Upload-Offset", strconv.Itoa(offset)}, headers...)...)
}

// offset is where a HEAD says to go on.
func (s sender) offset(path string) int {
	s.t.Helper()
	a := s.do("HEAD", path, nil).Want(s.t, 200)
	n, err := strconv.Atoi(a.Header.Get("Upload-Offset"))
	must(s.t, err)
	return n
}

// stored checks that the upload is stored as b and can be seen.
func (s sender) stored(path string, b []byte) {
	s.t.Helper()
	sum := sha256.Sum256(b)
	a := s.c.Do("GET", path, nil).Want(s.t, 200)
	if a.String("state") != "stored" || a.String("sha256") != hex.EncodeToString(sum[:]) || a.Get("offset") != float64(len(b)) || a.Get("length") != float64(len(b)) {
		s.t.Fatalf("upload: %s", a.Body)
	}
	if got := s.c.Do("GET", "/v1/media/"+a.String("media_id"), nil).Want(s.t, 200); !bytes.Equal(got.Body, b) {
		s.t.Fatalf("%d other bytes are stored, not these %d", len(got.Body), len(b))
	}
}

// open starts a request on a connection of its own and sends the first bytes of its body.
func (s sender) open(method, path string, headers []string, first []byte) net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.s.Address)
	must(s.t, err)
	s.t.Cleanup(func() { conn.Close() })
	var head strings.Builder
	fmt.Fprintf(&head, "%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nTus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\n",
		method, path, s.s.Host(), s.c.Token)
	for i := 0; i < len(headers); i += 2 {
		fmt.Fprintf(&head, "%s: %s\r\n", headers[i], headers[i+1])
	}
	head.WriteString("\r\n")
	_, err = conn.Write(append([]byte(head.String()), first...))
	must(s.t, err)
	return conn
}

// openPatch is open for a PATCH that promises all of b and sends the first n.
func (s sender) openPatch(path string, offset int, b []byte, n int) net.Conn {
	s.t.Helper()
	return s.open("PATCH", path, []string{"Upload-Offset", strconv.Itoa(offset), "Content-Length", strconv.Itoa(len(b))}, b[:n])
}

// reads reads the answer of a connection within a limit.
func reads(t testing.TB, conn net.Conn) *http.Response {
	t.Helper()
	must(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	body, err := io.ReadAll(res.Body)
	must(t, err)
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res
}

// until asks again until what it asks for is so.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(limit) {
			t.Fatalf("never: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// received is the offset without disturbing anybody.
func (s sender) received(path string) int {
	s.t.Helper()
	return int(s.c.Do("GET", path, nil).Want(s.t, 200).Get("offset").(float64))
}

func newSender(t testing.TB) (sender, *servertest.Client) {
	t.Helper()
	s := servertest.Start(t)
	p := s.Person(t)
	phone, _ := p.Phone()
	return sender{t, s, phone}, p
}

func TestUploadInPieces(t *testing.T) {
	s, _ := newSender(t)
	b := jpegOf(t, 700)

	t.Run("known length", func(t *testing.T) {
		path := s.create("document_front", len(b))
		at := 0
		for _, n := range []int{1, 65535, 65536, 10, len(b)} {
			n = min(n, len(b)-at)
			a := s.patch(path, at, b[at:at+n]).Want(t, 204)
			if at += n; a.Header.Get("Upload-Offset") != strconv.Itoa(at) {
				t.Fatalf("offset %s, want %d", a.Header.Get("Upload-Offset"), at)
			}
			sum := sha256.Sum256(b)
			if want := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"; (a.Header.Get("Repr-Digest") == want) != (at == len(b)) {
				t.Fatalf("at %d the digest is %q", at, a.Header.Get("Repr-Digest"))
			}
		}
		s.stored(path, b)
		a := s.do("HEAD", path, nil).Want(t, 200)
		if a.Header.Get("Upload-Length") != strconv.Itoa(len(b)) || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Repr-Digest") == "" {
			t.Fatalf("head: %v", a.Header)
		}
	})

	t.Run("deferred length, chunked", func(t *testing.T) {
		path := s.create("document_front", -1)
		if a := s.do("HEAD", path, nil).Want(t, 200); a.Header.Get("Upload-Defer-Length") != "1" || a.Header.Get("Upload-Length") != "" {
			t.Fatalf("head: %v", a.Header)
		}
		conn := s.open("PATCH", path, []string{"Upload-Offset", "0", "Transfer-Encoding", "chunked"}, nil)
		for at := 0; at < len(b); at += 9999 {
			part := b[at:min(at+9999, len(b))]
			_, err := fmt.Fprintf(conn, "%x\r\n%s\r\n", len(part), part)
			must(t, err)
		}
		_, err := io.WriteString(conn, "0\r\n\r\n")
		must(t, err)
		if res := reads(t, conn); res.StatusCode != 204 || res.Header.Get("Upload-Offset") != strconv.Itoa(len(b)) {
			t.Fatalf("%d %v", res.StatusCode, res.Header)
		}
		s.patch(path, len(b), nil).Want(t, 400, "upload_empty_chunk")
		s.patch(path, len(b), nil, "Upload-Length", strconv.Itoa(len(b)+1)).Want(t, 400, "upload_empty_chunk")
		s.patch(path, len(b), nil, "Upload-Length", strconv.Itoa(len(b))).Want(t, 204)
		s.patch(path, len(b), nil, "Upload-Length", strconv.Itoa(len(b))).Want(t, 204)
		s.stored(path, b)
	})

	t.Run("creation with the bytes, metadata in the query", func(t *testing.T) {
		a := s.do("POST", "/v1/uploads?case="+s.c.CaseID+"&step=document_back&filetype=image/jpeg", b, "Upload-Length", strconv.Itoa(len(b))).Want(t, 201)
		if a.Header.Get("Upload-Offset") != strconv.Itoa(len(b)) || a.Header.Get("Repr-Digest") == "" {
			t.Fatalf("%v", a.Header)
		}
		s.stored(a.Header.Get("Location"), b)
	})

	t.Run("by a client that cannot send PATCH or DELETE", func(t *testing.T) {
		path := s.create("document_back", len(b))
		s.do("POST", path, b, "Upload-Offset", "0", "X-HTTP-Method-Override", "PATCH").Want(t, 204)
		s.stored(path, b)
		s.do("POST", path, nil, "X-HTTP-Method-Override", "DELETE").Want(t, 204)
		s.do("HEAD", path, nil).Want(t, 410)
		s.do("POST", path, nil, "X-HTTP-Method-Override", "PUT").Want(t, 405, "method_not_allowed")
		s.do("POST", path, nil).Want(t, 405, "method_not_allowed")
	})

	t.Run("a creation that is repeated is one", func(t *testing.T) {
		h := []string{"Upload-Length", strconv.Itoa(len(b)), "Idempotency-Key", "k1", "Upload-Metadata", meta("case", s.c.CaseID, "step", "document_back")}
		one := s.do("POST", "/v1/uploads", nil, h...).Want(t, 201)
		two := s.do("POST", "/v1/uploads", nil, h...).Want(t, 201)
		if one.Header.Get("Location") != two.Header.Get("Location") {
			t.Fatalf("%v and %v", one.Header, two.Header)
		}
		s.do("POST", "/v1/uploads", nil, append(h, "Upload-Length", "7")...).Want(t, 422, "idempotency_key_reused")
		s.do("DELETE", one.Header.Get("Location"), nil).Want(t, 204)
		s.do("POST", "/v1/uploads", nil, h...).Want(t, 410, "upload_gone")
	})

	t.Run("what is spoken", func(t *testing.T) {
		a := s.s.NewProgram(t).Do("OPTIONS", "/v1/uploads", nil).Want(t, 204)
		if a.Header.Get("Tus-Version") != "1.0.0" || !strings.Contains(a.Header.Get("Tus-Extension"), "checksum") || a.Header.Get("Tus-Checksum-Algorithm") != "sha1,sha256" {
			t.Fatalf("%v", a.Header)
		}
	})
}

func TestUploadChecksum(t *testing.T) {
	s, _ := newSender(t)
	b := jpegOf(t, 900) // several buffers
	path := s.create("document_front", len(b))
	s.patch(path, 0, b[:100], "Upload-Checksum", sumOf("sha1", b[:100])).Want(t, 204)
	half := len(b) - 50
	for _, n := range []int{150, half} {
		wrong := bytes.Clone(b[100:n])
		wrong[len(wrong)-1] ^= 1
		for _, algorithm := range []string{"sha1", "sha256"} {
			a := s.patch(path, 100, wrong, "Upload-Checksum", sumOf(algorithm, b[100:n])).Want(t, 460, "upload_checksum_mismatch")
			if a.Header.Get("Upload-Offset") != "100" || s.offset(path) != 100 {
				t.Fatal("bytes that were not verified are there")
			}
		}
	}
	for _, bad := range []string{"", "sha256", "md5 " + sumOf("sha1", b)[5:], "sha1 !!!!", "sha1 AAAA", "sha256 " + sumOf("sha1", b)[5:], "SHA1 " + sumOf("sha1", b)[5:]} {
		s.patch(path, 100, b[100:], "Upload-Checksum", bad).Want(t, 400, "upload_checksum_invalid")
	}
	conn := s.open("PATCH", path, []string{"Upload-Offset", "100", "Content-Length", strconv.Itoa(half - 100), "Upload-Checksum", sumOf("sha256", b[100:half])}, b[100:half-1])
	must(t, conn.(*net.TCPConn).CloseWrite())
	if res := reads(t, conn); res.StatusCode != 400 {
		t.Fatalf("%d for a piece that was cut", res.StatusCode)
	}
	if s.offset(path) != 100 {
		t.Fatal("bytes that were not verified are there")
	}
	s.patch(path, 100, b[100:half], "Upload-Checksum", sumOf("sha256", b[100:half])).Want(t, 204)
	s.patch(path, half, b[half:], "Upload-Checksum", sumOf("sha1", b[half:])).Want(t, 204)
	s.stored(path, b)

	// A creation whose first bytes are wrong leaves nothing.
	before := len(s.c.Do("GET", "/v1/capture", nil).Want(t, 200).Get("steps.0.takes").([]any))
	s.do("POST", "/v1/uploads", b[:50], "Upload-Length", "100", "Upload-Checksum", sumOf("sha1", b[:49]),
		"Upload-Metadata", meta("case", s.c.CaseID, "step", "document_front")).Want(t, 460, "upload_checksum_mismatch")
	if after := len(s.c.Do("GET", "/v1/capture", nil).Want(t, 200).Get("steps.0.takes").([]any)); after != before {
		t.Fatalf("%d takes, before %d", after, before)
	}
}

func TestUploadCutAnywhere(t *testing.T) {
	s, _ := newSender(t)
	b := jpegOf(t, 600)
	path := s.create("document_front", len(b))
	at := 0
	for i, n := range []int{0, 1, 2, 500, 65033, 1, 65536, 70000, len(b)} {
		n = min(n, len(b)-at-1)
		conn := s.openPatch(path, at, b[at:], n)
		if i%2 == 0 {
			must(t, conn.(*net.TCPConn).CloseWrite())
			if res := reads(t, conn); res.StatusCode != 400 || n > 0 && res.Header.Get("Upload-Offset") != strconv.Itoa(at+n) {
				t.Fatalf("cut after %d bytes: %d, offset %s", n, res.StatusCode, res.Header.Get("Upload-Offset"))
			}
		} else {
			conn.Close()
			until(t, "what came before the cut is kept", func() bool { return s.received(path) == at+n })
		}
		if at += n; s.offset(path) != at {
			t.Fatalf("offset %d, sent %d", s.offset(path), at)
		}
	}
	s.patch(path, at, b[at:]).Want(t, 204)
	s.stored(path, b)
}

func TestTheNewestRequestWins(t *testing.T) {
	s, _ := newSender(t)
	b := jpegOf(t, 600)

	t.Run("a HEAD takes over from a sender that hangs", func(t *testing.T) {
		path := s.create("document_front", len(b))
		conn := s.openPatch(path, 0, b, 100_000)
		until(t, "the first whole segment is there", func() bool { return s.received(path) >= 65536 })
		began := time.Now()
		at := s.offset(path)
		if d := time.Since(began); d > 3*time.Second {
			t.Fatalf("it took %v", d)
		}
		if at != 100_000 {
			t.Fatalf("%d bytes kept of 100000", at)
		}
		res := reads(t, conn)
		if res.StatusCode != 409 || !strings.Contains(body(res), "upload_taken_over") {
			t.Fatalf("the older: %d %s", res.StatusCode, body(res))
		}
		s.patch(path, at, b[at:]).Want(t, 204)
		s.stored(path, b)
	})

	t.Run("of two at once one goes on", func(t *testing.T) {
		path := s.create("document_front", len(b))
		older := s.openPatch(path, 0, b, 70_000)
		until(t, "the first whole segment is there", func() bool { return s.received(path) >= 65536 })
		a := s.patch(path, 0, b).Want(t, 409, "upload_offset_conflict")
		if res := reads(t, older); res.StatusCode != 409 {
			t.Fatalf("the older: %d", res.StatusCode)
		}
		at, err := strconv.Atoi(a.Header.Get("Upload-Offset"))
		must(t, err)
		s.patch(path, at, b[at:]).Want(t, 204)
		s.stored(path, b)
	})

	t.Run("an end interrupts", func(t *testing.T) {
		path := s.create("document_front", len(b))
		conn := s.openPatch(path, 0, b, 70_000)
		until(t, "the first whole segment is there", func() bool { return s.received(path) >= 65536 })
		s.do("DELETE", path, nil).Want(t, 204)
		if res := reads(t, conn); res.StatusCode != 410 {
			t.Fatalf("the sender: %d", res.StatusCode)
		}
	})
}

func body(res *http.Response) string {
	b, _ := io.ReadAll(res.Body)
	return string(b)
}

func TestUploadEnds(t *testing.T) {
	s, p := newSender(t)
	b := jpegOf(t, 1200)
	other := s.s.Person(t).App()

	t.Run("terminated", func(t *testing.T) {
		for _, n := range []int{0, 100, len(b)} {
			path := s.create("document_front", len(b))
			if n > 0 {
				s.patch(path, 0, b[:n]).Want(t, 204)
			}
			s.do("DELETE", path, nil).Want(t, 204)
			s.do("HEAD", path, nil).Want(t, 410)
			s.do("DELETE", path, nil).Want(t, 410, "upload_gone")
			s.patch(path, n, b[n:]).Want(t, 410, "upload_gone")
			s.c.Do("GET", path, nil).Want(t, 410, "upload_gone")
			s.c.Do("GET", strings.Replace(path, "uploads/upl_", "media/med_", 1), nil).Want(t, 404, "media_unknown")
			other.Do("GET", path, nil).Want(t, 404, "upload_unknown")
		}
	})

	t.Run("kept takes cannot be ended", func(t *testing.T) {
		path := s.create("document_front", len(b))
		s.patch(path, 0, b).Want(t, 204)
		id := strings.TrimPrefix(path, "/v1/uploads/")
		s.c.Do("POST", s.c.Path("/steps/document_front/accept"), map[string]any{"upload_id": id}).Want(t, 200)
		s.do("DELETE", path, nil).Want(t, 409, "upload_not_for_this_step")
		if a := s.c.Do("GET", path, nil).Want(t, 200); a.String("state") != "accepted" {
			t.Fatalf("%s", a.Body)
		}
	})

	t.Run("when its handoff ends", func(t *testing.T) {
		path := s.create("document_back", len(b))
		conn := s.openPatch(path, 0, b, len(b)-1)
		until(t, "bytes are there", func() bool { return s.received(path) > 0 || len(b) < 65536 })
		began := time.Now()
		h := s.s.Handoffs
		cur, err := h.Current(t.Context(), s.c.CaseID)
		must(t, err)
		p.Do("POST", "/v1/handoffs/"+cur.ID+"/cancel", map[string]any{}).Want(t, 200)
		if res := reads(t, conn); res.StatusCode != 410 {
			t.Fatalf("the sender: %d %s", res.StatusCode, body(res))
		}
		if d := time.Since(began); d > 3*time.Second {
			t.Fatalf("it was cut after %v", d)
		}
		s.patch(path, 0, b).Want(t, 401, "capture_ended")
		// The desk does the step now, and the phone's bytes are not its.
		p.Do("GET", path, nil).Want(t, 404, "upload_unknown")
	})

	t.Run("expired", func(t *testing.T) {
		app := sender{t, s.s, p.App()}
		path := app.create("document_back", len(b))
		app.patch(path, 0, b[:10]).Want(t, 204)
		app.s.Clock.Advance(24*time.Hour + time.Minute)
		app.do("HEAD", path, nil).Want(t, 410)
		app.patch(path, 10, b[10:]).Want(t, 410, "upload_gone")
		app.s.Work(t)
		app.do("HEAD", path, nil).Want(t, 410)
	})
}

func TestUploadRefusesWhatIsWrong(t *testing.T) {
	s, p := newSender(t)
	b := jpegOf(t, 300)
	good := meta("case", s.c.CaseID, "step", "document_front")
	path := s.create("document_front", len(b))
	s.patch(path, 0, b[:100]).Want(t, 204)

	t.Run("creations", func(t *testing.T) {
		for name, row := range map[string]struct {
			status  int
			code    string
			headers []string
		}{
			"no version":         {412, "tus_version_unsupported", []string{"Tus-Resumable", "-", "Upload-Length", "9", "Upload-Metadata", good}},
			"other version":      {412, "tus_version_unsupported", []string{"Tus-Resumable", "0.2.2", "Upload-Length", "9", "Upload-Metadata", good}},
			"no length":          {400, "upload_header_invalid", []string{"Upload-Metadata", good}},
			"negative length":    {400, "upload_header_invalid", []string{"Upload-Length", "-1", "Upload-Metadata", good}},
			"huge length":        {400, "upload_header_invalid", []string{"Upload-Length", "99999999999999999999", "Upload-Metadata", good}},
			"length of words":    {400, "upload_header_invalid", []string{"Upload-Length", "0x10", "Upload-Metadata", good}},
			"both lengths":       {400, "upload_header_invalid", []string{"Upload-Length", "9", "Upload-Defer-Length", "1", "Upload-Metadata", good}},
			"deferred by 0":      {400, "upload_header_invalid", []string{"Upload-Defer-Length", "0", "Upload-Metadata", good}},
			"concatenation":      {400, "upload_header_invalid", []string{"Upload-Length", "9", "Upload-Concat", "partial", "Upload-Metadata", good}},
			"too long":           {413, "upload_too_large", []string{"Upload-Length", "12582913", "Upload-Metadata", good}},
			"no metadata":        {400, "upload_metadata_invalid", []string{"Upload-Length", "9"}},
			"no step":            {400, "upload_metadata_invalid", []string{"Upload-Length", "9", "Upload-Metadata", meta("case", s.c.CaseID)}},
			"no case":            {400, "upload_metadata_invalid", []string{"Upload-Length", "9", "Upload-Metadata", meta("step", "document_front")}},
			"not base64":         {400, "upload_metadata_invalid", []string{"Upload-Length", "9", "Upload-Metadata", "case ***,step !!"}},
			"twice":              {400, "upload_metadata_invalid", []string{"Upload-Length", "9", "Upload-Metadata", good + "," + meta("step", "document_back")}},
			"too much":           {400, "upload_metadata_invalid", []string{"Upload-Length", "9", "Upload-Metadata", good + "," + meta("x", strings.Repeat("x", 2000))}},
			"a line break in it": {400, "upload_metadata_invalid", []string{"Upload-Length", "9", "Upload-Metadata", meta("case", s.c.CaseID, "step", "document_front\r\nX: y")}},
			"unknown role":       {400, "upload_metadata_invalid", []string{"Upload-Length", "9", "Upload-Metadata", good + "," + meta("role", "king")}},
			"unknown step":       {403, "step_not_in_handoff", []string{"Upload-Length", "9", "Upload-Metadata", meta("case", s.c.CaseID, "step", "soul")}},
			"unknown case":       {404, "case_unknown", []string{"Upload-Length", "9", "Upload-Metadata", meta("case", "case_01K9ZZ3QH6R5V0T1W2X3Y4Z5A7", "step", "document_front")}},
			"a web page":         {415, "filetype_unsupported", []string{"Upload-Length", "9", "Upload-Metadata", good + "," + meta("filetype", "text/html")}},
		} {
			t.Run(name, func(t *testing.T) {
				a := s.do("POST", "/v1/uploads", nil, row.headers...).Want(t, row.status, row.code)
				if row.status == 412 && a.Header.Get("Tus-Version") != "1.0.0" {
					t.Fatal("it does not say what is spoken")
				}
			})
		}
		s.do("POST", "/v1/uploads", b[:9], "Upload-Length", "9", "Upload-Metadata", good, "Content-Type", "image/jpeg").Want(t, 415, "content_type_unsupported")
		s.do("POST", "/v1/uploads", b[:9], "Upload-Length", "8", "Upload-Metadata", good).Want(t, 413, "upload_too_large")
		// One is open; three may be.
		two := []string{s.create("document_front", 5), s.create("document_front", 5)}
		s.do("POST", "/v1/uploads", nil, "Upload-Length", "9", "Upload-Metadata", good).Want(t, 409, "too_many_takes")
		for _, p := range two {
			s.do("DELETE", p, nil).Want(t, 204)
		}
	})

	t.Run("pieces", func(t *testing.T) {
		rest := b[100:]
		for name, row := range map[string]struct {
			status  int
			code    string
			body    []byte
			headers []string
		}{
			"no version":        {412, "tus_version_unsupported", rest, []string{"Tus-Resumable", "-", "Upload-Offset", "100"}},
			"no offset":         {400, "upload_header_invalid", rest, nil},
			"negative offset":   {400, "upload_header_invalid", rest, []string{"Upload-Offset", "-100"}},
			"offset of words":   {400, "upload_header_invalid", rest, []string{"Upload-Offset", "1e2"}},
			"offset behind":     {409, "upload_offset_conflict", rest, []string{"Upload-Offset", "99"}},
			"offset ahead":      {409, "upload_offset_conflict", rest, []string{"Upload-Offset", "101"}},
			"offset at zero":    {409, "upload_offset_conflict", b, []string{"Upload-Offset", "0"}},
			"another type":      {415, "content_type_unsupported", rest, []string{"Upload-Offset", "100", "Content-Type", "image/jpeg"}},
			"no type":           {415, "content_type_unsupported", rest, []string{"Upload-Offset", "100", "Content-Type", "-"}},
			"too many bytes":    {413, "upload_too_large", b, []string{"Upload-Offset", "100"}},
			"another length":    {422, "upload_length_invalid", rest[:5], []string{"Upload-Offset", "100", "Upload-Length", strconv.Itoa(len(b) + 1)}},
			"nothing":           {400, "upload_empty_chunk", nil, []string{"Upload-Offset", "100"}},
			"nothing, a length": {422, "upload_length_invalid", nil, []string{"Upload-Offset", "100", "Upload-Length", "100"}},
		} {
			t.Run(name, func(t *testing.T) {
				s.do("PATCH", path, row.body, row.headers...).Want(t, row.status, row.code)
				if at := s.offset(path); at != 100 {
					t.Fatalf("offset %d", at)
				}
			})
		}
		conn := s.open("PATCH", path, []string{"Upload-Offset", "100", "Transfer-Encoding", "chunked"}, []byte("0\r\n\r\n"))
		if res := reads(t, conn); res.StatusCode != 400 || !strings.Contains(body(res), "upload_empty_chunk") {
			t.Fatalf("no chunks: %d", res.StatusCode)
		}
		conn = s.open("PATCH", path, []string{"Upload-Offset", "100", "Transfer-Encoding", "chunked"}, append([]byte("4\r\n"), b[100:104]...))
		must(t, conn.(*net.TCPConn).CloseWrite())
		if res := reads(t, conn); res.StatusCode != 400 {
			t.Fatalf("chunks that end early: %d", res.StatusCode)
		}
		if at := s.offset(path); at != 104 {
			t.Fatalf("offset %d", at)
		}
		s.patch("/v1/uploads/upl_01K9ZZ3QH6R5V0T1W2X3Y4Z5A9", 0, b).Want(t, 404, "upload_unknown")
		s.patch("/v1/uploads/etc_passwd", 0, b).Want(t, 404, "upload_unknown")
	})

	t.Run("people", func(t *testing.T) {
		stranger := sender{t, s.s, s.s.Person(t).App()}
		stranger.do("HEAD", path, nil).Want(t, 404)
		stranger.patch(path, 104, b[104:]).Want(t, 404, "upload_unknown")
		stranger.do("DELETE", path, nil).Want(t, 404, "upload_unknown")
		stranger.c.Do("GET", path, nil).Want(t, 404, "upload_unknown")
		stranger.do("POST", "/v1/uploads", nil, "Upload-Length", "9", "Upload-Metadata", good).Want(t, 404, "case_unknown")
		nobody := sender{t, s.s, s.s.NewProgram(t)}
		nobody.do("HEAD", path, nil).Want(t, 401)
		nobody.patch(path, 104, b[104:]).Want(t, 401, "session_unknown")
		desk := sender{t, s.s, p}
		desk.do("POST", "/v1/uploads", nil, "Upload-Length", "9", "Upload-Metadata", good).Want(t, 409, "step_on_phone")
		desk.patch(path, 104, b[104:]).Want(t, 404, "upload_unknown")
		desk.do("POST", "/v1/uploads", nil, "Upload-Length", "9", "Upload-Metadata", good, "Sec-Fetch-Site", "cross-site").Want(t, 403, "cross_site_request")
	})

	t.Run("a phone that was not matched", func(t *testing.T) {
		q := s.s.Person(t)
		phone := sender{t, s.s, q.Claim(q.Offer())}
		phone.do("POST", "/v1/uploads", nil, "Upload-Length", "9", "Upload-Metadata", meta("case", q.CaseID, "step", "document_front")).Want(t, 403, "handoff_not_matched")
	})
}

func TestAJPEGThatIsNone(t *testing.T) {
	s, _ := newSender(t)
	html := []byte("<!doctype html><script>alert(1)</script>" + strings.Repeat(" ", 1000))
	path := s.create("document_front", len(html))
	s.patch(path, 0, html[:50]).Want(t, 204)
	s.patch(path, 50, html[50:]).Want(t, 415, "filetype_unsupported")
	if _, err := s.s.Media.Status(t.Context(), strings.TrimPrefix(path, "/v1/uploads/")); !errors.Is(err, media.ErrGone) {
		t.Fatalf("its bytes are still there: %v", err)
	}
	s.do("HEAD", path, nil).Want(t, 410)
	s.do("POST", "/v1/uploads", html, "Upload-Length", strconv.Itoa(len(html)),
		"Upload-Metadata", meta("case", s.c.CaseID, "step", "document_front", "filetype", "image/jpeg")).Want(t, 415, "filetype_unsupported")
	s.do("POST", "/v1/uploads", nil, "Upload-Length", "0",
		"Upload-Metadata", meta("case", s.c.CaseID, "step", "document_front", "filetype", "image/jpeg")).Want(t, 415, "filetype_unsupported")
	if takes := s.c.Do("GET", "/v1/capture", nil).Want(t, 200).Get("steps.0.takes").([]any); len(takes) != 0 {
		t.Fatalf("%d takes are left", len(takes))
	}
	// One that only begins like a photo is stored, and found out when it shall be kept.
	fake := append([]byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00"), html...)
	path = s.create("document_front", len(fake))
	s.patch(path, 0, fake).Want(t, 204)
	s.c.Do("POST", s.c.Path("/steps/document_front/accept"), map[string]any{"upload_id": strings.TrimPrefix(path, "/v1/uploads/")}).Want(t, 422, "photo_unreadable")
}

func TestUploadShowsItselfAtTheDesk(t *testing.T) {
	s, _ := newSender(t)
	b := jpegOf(t, 900)
	ear := s.s.Hub.Join(s.c.CaseID, live.Desk)
	defer ear.Leave()
	path := s.create("document_front", len(b))
	conn := s.openPatch(path, 0, b, len(b)-10)
	var seen live.Progress
	until(t, "the desk sees bytes", func() bool {
		for _, p := range ear.Take().Progress {
			seen = p
		}
		return seen.SentBytes > 0
	})
	if seen.Step != "document_front" || seen.Phase != "sending" || seen.TotalBytes != int64(len(b)) || seen.SentBytes > int64(len(b)) {
		t.Fatalf("%+v", seen)
	}
	_, err := conn.Write(b[len(b)-10:])
	must(t, err)
	if res := reads(t, conn); res.StatusCode != 204 {
		t.Fatalf("%d", res.StatusCode)
	}
	until(t, "the desk sees the last byte", func() bool {
		for _, p := range ear.Take().Progress {
			seen = p
		}
		return seen.SentBytes == int64(len(b))
	})
}

func TestUploadOnAFullDisk(t *testing.T) {
	s, _ := newSender(t)
	dir := filepath.Join(s.s.Dir, "media")
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=300k,mode=700"); err != nil {
		t.Skipf("SKIPPED: no small file system to fill: %v", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	b := jpegOf(t, 1200)
	if len(b) < 400<<10 {
		t.Fatalf("the photo has %d bytes only", len(b))
	}
	path := s.create("document_front", len(b))
	a := s.patch(path, 0, b).Want(t, 507, "storage_full")
	at := s.offset(path)
	if at == 0 || a.Header.Get("Upload-Offset") != strconv.Itoa(at) {
		t.Fatalf("%d bytes kept; the answer said %s", at, a.Header.Get("Upload-Offset"))
	}
	must(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=4m"))
	s.patch(path, at, b[at:]).Want(t, 204)
	s.stored(path, b)
}

func TestPlayback(t *testing.T) {
	s, p := newSender(t)
	b := jpegOf(t, 1200)
	path := s.create("document_front", len(b))
	s.patch(path, 0, b).Want(t, 204)
	address := "/v1/media/" + s.c.Do("GET", path, nil).Want(t, 200).String("media_id")
	get := func(headers ...string) *servertest.Answer { return s.c.Do("GET", address, nil, headers...) }

	whole := get().Want(t, 200)
	tag := whole.Header.Get("ETag")
	for name, want := range map[string]string{
		"Content-Type": "image/jpeg", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Accept-Ranges": "bytes",
		"Content-Length": strconv.Itoa(len(b)),
	} {
		if got := whole.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	// Whoever looks at evidence is written down, with HEAD or a refused range nobody does.
	store, err := casesqlite.Open(t.Context(), filepath.Join(s.s.Dir, "cases.db"))
	must(t, err)
	t.Cleanup(func() { must(t, store.Close()) })
	looks := func() []cases.Look {
		l, err := store.Looks(t.Context(), s.c.CaseID, 0, 100)
		must(t, err)
		return l
	}
	s.c.Do("HEAD", address, nil).Want(t, 200)
	get("Range", "bytes=99999999-").Want(t, 416)
	get("Range", "bytes=1-2").Want(t, 206)
	if l := looks(); len(l) != 2 || l[0].What != "media" || "/v1/media/"+l[0].Subject != address || l[0].Actor.Kind != cases.ByPhone {
		t.Errorf("looks: %+v", l)
	}

	if csp := whole.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "sandbox") || !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("policy: %s", csp)
	}
	if !bytes.Equal(whole.Body, b) {
		t.Fatal("other bytes")
	}

	n := len(b)
	for spec, want := range map[string][2]int{
		"bytes=0-0": {0, 1}, "bytes=5-9": {5, 10}, "bytes=65530-65540": {65530, 65541}, "bytes=-7": {n - 7, n},
		"bytes=100-": {100, n}, "bytes=0-99999999": {0, n}, "bytes=-99999999": {0, n},
	} {
		a := get("Range", spec).Want(t, 206)
		if !bytes.Equal(a.Body, b[want[0]:want[1]]) || a.Header.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/%d", want[0], want[1]-1, n) {
			t.Errorf("%s: %d bytes, %s", spec, len(a.Body), a.Header.Get("Content-Range"))
		}
		if a := get("Range", spec, "If-Range", tag).Want(t, 206); len(a.Body) != want[1]-want[0] {
			t.Errorf("%s if it is this: %d bytes", spec, len(a.Body))
		}
		if a := get("Range", spec, "If-Range", `"other"`).Want(t, 200); len(a.Body) != n {
			t.Errorf("%s if it is another: %d bytes", spec, len(a.Body))
		}
	}
	for _, spec := range []string{"bytes=" + strconv.Itoa(n) + "-", "bytes=-0", "bytes=99999999-999999999"} {
		if a := get("Range", spec).Want(t, 416, "range_not_satisfiable"); a.Header.Get("Content-Range") != fmt.Sprintf("bytes */%d", n) {
			t.Errorf("%s: %s", spec, a.Header.Get("Content-Range"))
		}
	}
	for _, spec := range []string{"bytes=9-5", "bytes=0-1,3-4", "lines=1-2", "bytes=a-b", "bytes=", "-"} {
		if a := get("Range", spec); spec != "-" && (a.Status != 200 || len(a.Body) != n) {
			t.Errorf("%s: %d, %d bytes", spec, a.Status, len(a.Body))
		}
	}
	if a := s.c.Do("HEAD", address, nil).Want(t, 200); a.Header.Get("Content-Length") != strconv.Itoa(n) || len(a.Body) != 0 {
		t.Errorf("head: %v", a.Header)
	}

	p.Do("GET", address, nil).Want(t, 404, "media_unknown") // the phone's, not the desk's
	s.s.Person(t).Do("GET", address, nil).Want(t, 404, "media_unknown")
	s.s.NewProgram(t).Do("GET", address, nil).Want(t, 401, "session_unknown")
	s.c.Do("GET", "/v1/media/med_01K9ZZ3QH6R5V0T1W2X3Y4Z5A9", nil).Want(t, 404, "media_unknown")
	s.c.Do("GET", strings.Replace(address, "med_", "upl_", 1), nil).Want(t, 404, "media_unknown")

	s.c.Do("POST", s.c.Path("/steps/document_front/accept"), map[string]any{"upload_id": strings.TrimPrefix(path, "/v1/uploads/")}).Want(t, 200)
	get().Want(t, 404, "media_unknown") // what the phone has kept it sees no more
}

func TestADeskLooksAtItsOwnUntilItIsSubmitted(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	desk := sender{t, s, p}
	b := jpegOf(t, 1200)
	addresses := []string{}
	for _, step := range []string{"document_front", "document_back"} {
		path := desk.create(step, len(b))
		desk.patch(path, 0, b).Want(t, 204)
		desk.stored(path, b)
		id := strings.TrimPrefix(path, "/v1/uploads/")
		p.Do("POST", p.Path("/steps/"+step+"/accept"), map[string]any{"upload_id": id}).Want(t, 200)
		addresses = append(addresses, "/v1/media/med_"+strings.TrimPrefix(id, "upl_"))
		p.Do("GET", addresses[len(addresses)-1], nil).Want(t, 200)
	}
	p.Do("POST", p.Path("/levels/2/submit"), map[string]any{}, "If-Match", p.Version()).Want(t, 202)
	for _, a := range addresses {
		p.Do("GET", a, nil).Want(t, 404, "media_unknown")
	}
}
