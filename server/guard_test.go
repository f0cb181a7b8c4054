package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"go.uber.org/goleak"

	"github.com/symbolon/symbolon/fault"
)

// wire is a door on a real listener with a few routes of its own.
type wire struct {
	*Server
	t    *testing.T
	addr string

	served  atomic.Int64 // requests that reached a handler
	smuggle atomic.Int64 // requests that must never be served

	mu    sync.Mutex
	reads []error // how each upload's body ended
	got   []int64
	begun chan *bodyReader // where not nil, gets each reader before it is read
}

// hurried is a timing in which a test can wait for everything.
func hurried() timing {
	return timing{
		head: 400 * time.Millisecond, keepAlive: time.Second, bodyIdle: 300 * time.Millisecond, bodyTotal: 900 * time.Millisecond,
		uploadIdle: 400 * time.Millisecond, write: 500 * time.Millisecond, linger: 500 * time.Millisecond, leftover: 300 * time.Millisecond,
		floor: 600 * time.Millisecond, floorBytes: 64,
	}
}

func newWire(t *testing.T, tm timing) *wire {
	t.Helper()
	cfg := Config{Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	w := &wire{Server: &Server{cfg: cfg, public: &url.URL{Scheme: "http", Host: "test"}, hosts: map[string]bool{"test": true}}, t: t}
	w.timing = tm
	w.closing, w.close = context.WithCancel(t.Context())
	w.app = fiber.New(w.appConfig())
	w.app.Use(w.logged, w.headers, w.knownHost, w.guard)
	w.app.Get("/ok", func(c *fiber.Ctx) error { w.served.Add(1); return c.SendString("ok") })
	w.app.Get("/smuggled", func(c *fiber.Ctx) error { w.smuggle.Add(1); return c.SendString("smuggled") })
	w.app.Post("/json", func(c *fiber.Ctx) error { w.served.Add(1); return c.Send(c.Body()) })
	w.app.Post("/denied", func(c *fiber.Ctx) error { w.served.Add(1); return errCrossSite })
	w.app.Get("/big", func(c *fiber.Ctx) error { return c.Send(make([]byte, 64<<20)) })
	upload := func(c *fiber.Ctx) error {
		w.served.Add(1)
		body, err := w.bodyReader(c)
		if err != nil {
			return err
		}
		if w.begun != nil {
			w.begun <- body
		}
		n, err := io.Copy(io.Discard, body)
		w.mu.Lock()
		w.reads, w.got = append(w.reads, err), append(w.got, n)
		w.mu.Unlock()
		if err != nil {
			return err
		}
		return c.SendString(fmt.Sprint(n, " ", body.declared()))
	}
	w.app.Patch("/v1/uploads/:id", upload)
	w.app.Post("/v1/uploads", func(c *fiber.Ctx) error {
		w.served.Add(1)
		return fault.New(fault.Conflict, "too_many_takes", "Enough.")
	})
	w.equip()

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.addr = ln.Addr().String()
	done := make(chan error, 1)
	go func() { done <- w.Serve(ln, false) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = w.Shutdown(ctx)
		if err := <-done; err != nil {
			t.Error("serve:", err)
		}
	})
	return w
}

func (w *wire) dial() *net.TCPConn {
	w.t.Helper()
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return c.(*net.TCPConn)
}

// upload returns how the n-th upload's body ended.
func (w *wire) upload(n int) (int64, error) {
	w.t.Helper()
	for range 1000 {
		w.mu.Lock()
		if len(w.reads) > n {
			defer w.mu.Unlock()
			return w.got[n], w.reads[n]
		}
		w.mu.Unlock()
		time.Sleep(5 * time.Millisecond) // polling, with the limit above
	}
	w.t.Fatal("no upload ended")
	return 0, nil
}

// send writes raw and reads answers until the connection ends or want have come.
func (w *wire) send(raw string, want int) []answer {
	w.t.Helper()
	c := w.dial()
	defer c.Close()
	if _, err := io.WriteString(c, raw); err != nil {
		w.t.Log("write:", err) // the answer may have come before the end
	}
	_ = c.CloseWrite()
	return w.read(c, want)
}

type answer struct {
	status int
	header http.Header
	body   string
	code   string
	closed bool
}

func (w *wire) read(c io.Reader, want int) (answers []answer) {
	w.t.Helper()
	r := bufio.NewReader(c)
	for len(answers) < want {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			return answers
		}
		a := answer{status: res.StatusCode, header: res.Header, closed: res.Close}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			w.t.Error("answer cut:", err)
		}
		a.body = string(body)
		if res.StatusCode >= 400 {
			var p struct {
				Status int
				Code   string
				Type   string
			}
			if err := json.Unmarshal(body, &p); err != nil || res.Header.Get("Content-Type") != "application/problem+json" || p.Status != res.StatusCode {
				w.t.Errorf("not a problem: %d %q %q", res.StatusCode, res.Header.Get("Content-Type"), body)
			}
			a.code = p.Code
		}
		answers = append(answers, a)
	}
	return answers
}

const h = "Host: test\r\n"

// requests that are answered by one problem, and what follows them must not be served.
func TestRefusedFramingIsNeverFollowedByAnotherRequest(t *testing.T) {
	w := newWire(t, hurried())
	next := "GET /smuggled HTTP/1.1\r\n" + h + "\r\n"
	for name, tc := range map[string]struct {
		raw    string
		status int
		code   string
	}{
		"both headers":             {"POST /json HTTP/1.1\r\n" + h + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "ambiguous_length"},
		"both, other order":        {"POST /json HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400, "ambiguous_length"},
		"both on an upload":        {"PATCH /v1/uploads/x HTTP/1.1\r\n" + h + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "ambiguous_length"},
		"identity and length":      {"POST /json HTTP/1.1\r\n" + h + "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}", 400, "ambiguous_length"},
		"identity":                 {"POST /json HTTP/1.1\r\n" + h + "Transfer-Encoding: identity\r\n\r\n", 400, "ambiguous_length"},
		"two lengths":              {"POST /json HTTP/1.1\r\n" + h + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400, "ambiguous_length"},
		"two different lengths":    {"POST /json HTTP/1.1\r\n" + h + "Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}", 400, "ambiguous_length"},
		"a list of lengths":        {"POST /json HTTP/1.1\r\n" + h + "Content-Length: 2, 2\r\n\r\n{}", 400, "request_malformed"},
		"a signed length":          {"POST /json HTTP/1.1\r\n" + h + "Content-Length: +2\r\n\r\n{}", 400, "request_malformed"},
		"a negative length":        {"POST /json HTTP/1.1\r\n" + h + "Content-Length: -2\r\n\r\n{}", 400, "request_malformed"},
		"a length of words":        {"POST /json HTTP/1.1\r\n" + h + "Content-Length: two\r\n\r\n{}", 400, "request_malformed"},
		"a length beyond numbers":  {"POST /json HTTP/1.1\r\n" + h + "Content-Length: 99999999999999999999\r\n\r\n{}", 400, "request_malformed"},
		"two encodings":            {"POST /json HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "ambiguous_length"},
		"an unknown encoding":      {"POST /json HTTP/1.1\r\n" + h + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400, "ambiguous_length"},
		"encodings in a row":       {"POST /json HTTP/1.1\r\n" + h + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, "ambiguous_length"},
		"a space before the colon": {"POST /json HTTP/1.1\r\n" + h + "Content-Length : 2\r\n\r\n{}", 400, "request_malformed"},
		"chunked by 1.0":           {"POST /json HTTP/1.0\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "ambiguous_length"},
		"chunked":                  {"POST /json HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 411, "length_required"},
		"two hosts":                {"GET /ok HTTP/1.1\r\n" + h + "Host: other\r\n\r\n", 400, "request_malformed"},
		"no request at all":        {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "request_malformed"},
		"http 2":                   {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "request_malformed"},
		"an unknown method":        {"BREW /ok HTTP/1.1\r\n" + h + "Content-Length: 80000\r\n\r\n", 405, "method_not_allowed"},
		"a tunnel":                 {"CONNECT test:443 HTTP/1.1\r\n" + h + "\r\n", 405, "method_not_allowed"},
		"too large":                {"POST /json HTTP/1.1\r\n" + h + "Content-Length: 65537\r\n\r\n", 413, "body_too_large"},
		"too large, no route":      {"POST /nowhere HTTP/1.1\r\n" + h + "Content-Length: 80000\r\n\r\n", 413, "body_too_large"},
		"too large, wrong host":    {"POST /json HTTP/1.1\r\nHost: other\r\nContent-Length: 80000\r\n\r\n", 421, "host_unknown"},
		"a refused upload":         {"POST /v1/uploads HTTP/1.1\r\n" + h + "Content-Length: 80000\r\n\r\n", 409, "too_many_takes"},
		"a refused chunked upload": {"POST /v1/uploads HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n", 409, "too_many_takes"},
		"chunks that are none":     {"PATCH /v1/uploads/x HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "request_malformed"},
		"a chunk without its end":  {"PATCH /v1/uploads/x HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n2\r\nabcd", 400, "request_malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			got := w.send(tc.raw+next+next, 3)
			if len(got) != 1 || got[0].status != tc.status || got[0].code != tc.code || !got[0].closed {
				t.Errorf("got %+v, want one %d %s that closes", got, tc.status, tc.code)
			}
		})
	}
	if n := w.smuggle.Load(); n != 0 {
		t.Errorf("%d smuggled requests were served", n)
	}
}

// A body full of requests, behind every kind of refusal, at every alignment.
func TestABodyIsNeverTakenForRequests(t *testing.T) {
	w := newWire(t, hurried())
	one := "GET /smuggled HTTP/1.1\r\n" + h + "\r\n"
	for _, head := range []string{
		"POST /json HTTP/1.1\r\n", "POST /denied HTTP/1.1\r\n", "POST /nowhere HTTP/1.1\r\n", "GET /ok HTTP/1.1\r\n",
		"POST /v1/uploads HTTP/1.1\r\n", "DELETE /v1/uploads/x HTTP/1.1\r\n", "BREW / HTTP/1.1\r\n",
	} {
		for _, size := range []int{2000, 40_000, 120_000} {
			for pad := range 7 {
				body := strings.Repeat("x", pad*len(one)/7) + strings.Repeat(one, size/len(one))
				w.send(head+h+fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body))+body, 3)
			}
		}
	}
	if n := w.smuggle.Load(); n != 0 {
		t.Errorf("%d smuggled requests were served", n)
	}
}

func TestAConnectionGoesOnAfterWhatWasReadWhole(t *testing.T) {
	w := newWire(t, hurried())
	ok := "GET /ok HTTP/1.1\r\n" + h + "\r\n"
	body := strings.Repeat("a", 30_000)
	for name, raw := range map[string]string{
		"small":                "POST /json HTTP/1.1\r\n" + h + "Content-Length: 2\r\n\r\n{}",
		"empty":                "POST /json HTTP/1.1\r\n" + h + "Content-Length: 0\r\n\r\n",
		"no length":            "POST /json HTTP/1.1\r\n" + h + "\r\n",
		"the most":             "POST /json HTTP/1.1\r\n" + h + "Content-Length: 65536\r\n\r\n" + strings.Repeat("b", 65536),
		"denied":               "POST /denied HTTP/1.1\r\n" + h + "Content-Length: 30000\r\n\r\n" + body,
		"no route":             "POST /nowhere HTTP/1.1\r\n" + h + "Content-Length: 30000\r\n\r\n" + body,
		"wrong host":           "POST /json HTTP/1.1\r\nHost: other\r\nContent-Length: 30000\r\n\r\n" + body,
		"wrong method":         "PUT /json HTTP/1.1\r\n" + h + "Content-Length: 30000\r\n\r\n" + body,
		"a get with a body":    "GET /ok HTTP/1.1\r\n" + h + "Content-Length: 30000\r\n\r\n" + body,
		"an upload":            "PATCH /v1/uploads/x HTTP/1.1\r\n" + h + "Content-Length: 30000\r\n\r\n" + body,
		"a chunked upload":     "PATCH /v1/uploads/x HTTP/1.1\r\n" + h + "Transfer-Encoding: Chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
		"a small refused one":  "POST /v1/uploads HTTP/1.1\r\n" + h + "Content-Length: 30000\r\n\r\n" + body,
		"an upload of nothing": "PATCH /v1/uploads/x HTTP/1.1\r\n" + h + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			got := w.send(raw+ok+ok, 3)
			if len(got) != 3 || got[1].body != "ok" || got[2].body != "ok" || got[0].closed {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestUploadsCountWhatTheyRead(t *testing.T) {
	w := newWire(t, hurried())
	for raw, want := range map[string]string{
		"Content-Length: 5\r\n\r\nabcde": "5 5",
		"Content-Length: 1\r\n\r\na":     "1 1",
		"Content-Length: 0\r\n\r\n":      "0 0",
		"\r\n":                           "0 0",
		"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n":     "5 -1",
		"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n":                            "0 -1",
		"Content-Length: 300000\r\n\r\n" + strings.Repeat("z", 300000):           "300000 300000",
		"Content-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n": "",
	} {
		if want == "" {
			continue
		}
		got := w.send("PATCH /v1/uploads/x HTTP/1.1\r\n"+h+raw, 1)
		if len(got) != 1 || got[0].body != want {
			t.Errorf("%.60q: got %+v, want %s", raw, got, want)
		}
	}
}

func TestAClientThatDiesIsNoticedAtEveryByte(t *testing.T) {
	w := newWire(t, hurried())
	uploads := 0
	for _, cut := range []int{0, 1, 2, 100, 4095, 4096, 8191, 8192, 8193, 29_999} {
		for _, path := range []string{"POST /json", "PATCH /v1/uploads/x"} {
			before := w.served.Load()
			c := w.dial()
			fmt.Fprintf(c, "%s HTTP/1.1\r\n%sContent-Length: 30000\r\n\r\n%s", path, h, strings.Repeat("d", cut))
			_ = c.CloseWrite()
			got := w.read(c, 2)
			if len(got) != 1 || got[0].status != 400 || got[0].code != "body_truncated" || !got[0].closed {
				t.Errorf("%s cut at %d: %+v", path, cut, got)
			}
			c.Close()
			if path == "POST /json" {
				if w.served.Load() != before {
					t.Errorf("a cut body reached the handler at %d", cut)
				}
				continue
			}
			if cut == 0 {
				continue // nothing came: no handler is asked
			}
			n, err := w.upload(uploads)
			uploads++
			if !errors.Is(err, io.ErrUnexpectedEOF) || n != int64(cut) {
				t.Errorf("upload cut at %d: %d bytes, %v", cut, n, err)
			}
		}
	}
	// Chunked, and by a reset instead of an end.
	c := w.dial()
	fmt.Fprintf(c, "PATCH /v1/uploads/x HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\n\r\n10\r\nabc", h)
	_ = c.CloseWrite()
	if n, err := w.upload(uploads); err == nil || errors.Is(err, io.EOF) || n != 3 {
		t.Errorf("cut chunk: %d %v", n, err)
	}
	c = w.dial()
	w.begun = make(chan *bodyReader, 1)
	fmt.Fprintf(c, "PATCH /v1/uploads/x HTTP/1.1\r\n%sContent-Length: 30000\r\n\r\nabc", h)
	<-w.begun
	_ = c.SetLinger(0)
	c.Close()
	if _, err := w.upload(uploads + 1); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("reset: %v", err)
	}
}

func TestAHeadThatIsCutIsAnsweredAtEveryByte(t *testing.T) {
	w := newWire(t, hurried())
	raw := "POST /json HTTP/1.1\r\n" + h + "Content-Length: 2\r\nX-A: b\r\n\r\n"
	for cut := range len(raw) {
		c := w.dial()
		_, _ = io.WriteString(c, raw[:cut])
		_ = c.CloseWrite()
		for _, a := range w.read(c, 2) {
			if a.status != 400 || !a.closed {
				t.Errorf("cut at %d: %+v", cut, a)
			}
		}
		c.Close()
	}
	if w.served.Load() != 0 {
		t.Error("half a request was served")
	}
}

func TestStalledAndTricklingSendersAreEnded(t *testing.T) {
	w := newWire(t, hurried())
	for name, tc := range map[string]struct {
		head string
		body func(c net.Conn) // sends until it fails or stops
		want string
	}{
		"a head that stalls":    {"POST /json HTTP/1.1\r\nHost: te", nil, "body_timeout"},
		"a head that trickles":  {"POST /json HTTP/1.1\r\nX: ", trickle("y", 60*time.Millisecond), "body_timeout"},
		"a body that stalls":    {"POST /json HTTP/1.1\r\n" + h + "Content-Length: 100\r\n\r\n{", nil, "body_timeout"},
		"a body that trickles":  {"POST /json HTTP/1.1\r\n" + h + "Content-Length: 1000\r\n\r\n{", trickle("z", 60*time.Millisecond), "body_timeout"},
		"an upload that stalls": {"PATCH /v1/uploads/x HTTP/1.1\r\n" + h + "Content-Length: 1000\r\n\r\n{", nil, "body_timeout"},
		"a creeping upload":     {"PATCH /v1/uploads/x HTTP/1.1\r\n" + h + "Content-Length: 1000\r\n\r\n{", trickle("z", 60*time.Millisecond), "body_timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			c := w.dial()
			defer c.Close()
			_, _ = io.WriteString(c, tc.head)
			if tc.body != nil {
				go tc.body(c)
			}
			got := w.read(c, 2)
			if len(got) != 1 || got[0].status != 408 || got[0].code != tc.want || !got[0].closed {
				t.Errorf("got %+v", got)
			}
			if took := time.Since(begin); took > 4*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func trickle(s string, every time.Duration) func(net.Conn) {
	return func(c net.Conn) {
		for range 200 {
			if _, err := io.WriteString(c, s); err != nil {
				return
			}
			time.Sleep(every) // the sender's own pace, not a wait for something
		}
	}
}

// A phone that is slow but never stalls is served, however long it takes.
func TestASlowUploadOutlivesEveryDeadline(t *testing.T) {
	w := newWire(t, hurried())
	c := w.dial()
	const pieces, size = 12, 100
	fmt.Fprintf(c, "PATCH /v1/uploads/x HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n", h, pieces*size)
	for range pieces {
		_, _ = io.WriteString(c, strings.Repeat("s", size))
		time.Sleep(120 * time.Millisecond) // the sender's own pace
	}
	if got := w.read(c, 1); len(got) != 1 || got[0].body != "1200 1200" {
		t.Errorf("got %+v", got)
	}
}

func TestAnInterruptedUploadLetsGoAtOnce(t *testing.T) {
	tm := hurried()
	tm.uploadIdle, tm.floor = time.Minute, time.Hour
	w := newWire(t, tm)
	w.begun = make(chan *bodyReader, 1)
	c := w.dial()
	fmt.Fprintf(c, "PATCH /v1/uploads/x HTTP/1.1\r\n%sContent-Length: 1000\r\n\r\nabc", h)
	body := <-w.begun
	begin := time.Now()
	body.Interrupt()
	body.Interrupt()
	_, err := w.upload(0)
	if !errors.Is(err, errInterrupted) || time.Since(begin) > time.Second {
		t.Errorf("after %v: %v", time.Since(begin), err)
	}
	w.read(c, 1)

	// Once its request is over, interrupting must not touch the next one on that connection.
	c = w.dial()
	fmt.Fprintf(c, "PATCH /v1/uploads/x HTTP/1.1\r\n%sContent-Length: 3\r\n\r\nabc", h)
	body = <-w.begun
	r := bufio.NewReader(c)
	if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != 200 {
		t.Fatal(res, err)
	} else {
		_, _ = io.Copy(io.Discard, res.Body)
	}
	fmt.Fprintf(c, "PATCH /v1/uploads/x HTTP/1.1\r\n%sContent-Length: 3\r\n\r\na", h)
	<-w.begun
	body.Interrupt()
	_, _ = io.WriteString(c, "bc")
	if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != 200 {
		t.Errorf("the next request was hit: %v %v", res, err)
	}
}

func TestFiftyMegabytesOfJSONStayOutside(t *testing.T) {
	w := newWire(t, hurried())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c := w.dial()
	const size = 50 << 20
	sent := make(chan int)
	go func() {
		n, _ := fmt.Fprintf(c, "POST /json HTTP/1.1\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", h, size)
		chunk := bytes.Repeat([]byte(`{"a":1,`), 8192)
		for n < size {
			m, err := c.Write(chunk)
			n += m
			if err != nil {
				break
			}
		}
		sent <- n
	}()
	got := w.read(c, 2)
	if len(got) != 1 || got[0].status != 413 || got[0].code != "body_too_large" || !got[0].closed {
		t.Errorf("got %+v", got)
	}
	c.Close()
	if n := <-sent; n >= size {
		t.Error("the server took all of it")
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
		t.Errorf("%d bytes were allocated", grown)
	}
	if w.served.Load() != 0 {
		t.Error("a handler saw it")
	}
}

// A refused sender that does not look before it has sent a lot still gets to read why.
func TestTheAnswerSurvivesWhatWasStillOnItsWay(t *testing.T) {
	w := newWire(t, hurried())
	for _, head := range []string{
		"POST /json HTTP/1.1\r\n" + h + "Content-Length: 10000000\r\n\r\n",
		"POST /v1/uploads HTTP/1.1\r\n" + h + "Content-Length: 10000000\r\n\r\n",
		"GET /ok HTTP/1.1\r\nX: ", "BREW /ok HTTP/1.1\r\nContent-Length: 10000000\r\n\r\n",
	} {
		for range 3 {
			c := w.dial()
			_, err := io.WriteString(c, head)
			for range 16 {
				if err == nil {
					_, err = c.Write(make([]byte, 64<<10))
				}
			}
			r := bufio.NewReader(c)
			if got := w.read(r, 1); len(got) != 1 || got[0].status < 400 {
				t.Errorf("%.20q: the answer is gone (%v)", head, err)
			}
			// Some systems throw away what they have received when the connection is reset.
			if _, err := r.ReadByte(); err != io.EOF {
				t.Errorf("%.20q: the connection ended with %v", head, err)
			}
			c.Close()
		}
	}
}

func TestLongHeads(t *testing.T) {
	w := newWire(t, hurried())
	long := strings.Repeat("a", 20<<10)
	var flood strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&flood, "X-%d: 1\r\n", i)
	}
	for name, tc := range map[string]struct {
		raw    string
		status int
		code   string
	}{
		"address":        {"GET /" + long + " HTTP/1.1\r\n" + h + "\r\n", 414, "address_too_long"},
		"endless line":   {"GET /" + long, 414, "address_too_long"},
		"query":          {"GET /ok?" + long + " HTTP/1.1\r\n" + h + "\r\n", 414, "address_too_long"},
		"one header":     {"GET /ok HTTP/1.1\r\n" + h + "X: " + long + "\r\n\r\n", 431, "headers_too_large"},
		"many headers":   {"GET /ok HTTP/1.1\r\n" + h + flood.String() + "\r\n", 431, "headers_too_large"},
		"a long cookie":  {"GET /ok HTTP/1.1\r\n" + h + "Cookie: a=" + long + "\r\n\r\n", 431, "headers_too_large"},
		"just too short": {"GET /ok?" + strings.Repeat("a", 15<<10) + " HTTP/1.1\r\n" + h + "\r\n", 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			got := w.send(tc.raw, 1)
			if len(got) != 1 || got[0].status != tc.status || got[0].code != tc.code {
				t.Errorf("got %+v", got)
			}
		})
	}
	// On a connection that has served before, the line that is measured is still the last one.
	c := w.dial()
	_, _ = io.WriteString(c, "GET /ok HTTP/1.1\r\n"+h+"\r\n")
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_, _ = io.WriteString(c, "GET /"+long+" HTTP/1.1\r\n")
	if got := w.read(r, 1); len(got) != 1 || got[0].status != 414 {
		t.Errorf("got %+v", got)
	}
}

func TestExpectContinue(t *testing.T) {
	w := newWire(t, hurried())
	for name, tc := range map[string]struct {
		head, body string
		invited    bool
		status     int
		code       string
	}{
		"json":              {"POST /json HTTP/1.1\r\n" + h + "Content-Length: 2\r\n", "{}", true, 200, ""},
		"upload":            {"PATCH /v1/uploads/x HTTP/1.1\r\n" + h + "Content-Length: 2\r\n", "ab", true, 200, ""},
		"chunked upload":    {"PATCH /v1/uploads/x HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n", "2\r\nab\r\n0\r\n\r\n", true, 200, ""},
		"too large":         {"POST /json HTTP/1.1\r\n" + h + "Content-Length: 65537\r\n", "", false, 413, "body_too_large"},
		"chunked json":      {"POST /json HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n", "", false, 411, "length_required"},
		"both headers":      {"PATCH /v1/uploads/x HTTP/1.1\r\n" + h + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "", false, 400, "ambiguous_length"},
		"nothing is coming": {"POST /json HTTP/1.1\r\n" + h + "Content-Length: 4\r\n", "", true, 408, "body_timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			c := w.dial()
			_, _ = io.WriteString(c, tc.head+"Expect: 100-continue\r\n\r\n")
			r := bufio.NewReader(c)
			line, err := r.Peek(12)
			if err != nil {
				t.Fatal(err)
			}
			if invited := string(line) == "HTTP/1.1 100"; invited != tc.invited {
				t.Fatalf("answered %q", line)
			}
			if tc.invited {
				if _, err := r.Discard(len("HTTP/1.1 100 Continue\r\n\r\n")); err != nil {
					t.Fatal(err)
				}
				_, _ = io.WriteString(c, tc.body)
			}
			w.t = t
			if got := w.read(r, 1); len(got) != 1 || got[0].status != tc.status || got[0].code != tc.code {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// A client that does not read its answer is let go.
func TestAReaderThatStallsIsEnded(t *testing.T) {
	w := newWire(t, hurried())
	c := w.dial()
	_ = c.SetReadBuffer(4096)
	_, _ = io.WriteString(c, "GET /big HTTP/1.1\r\n"+h+"\r\n")
	for range 200 {
		w.transport.mu.Lock()
		open := len(w.transport.conns)
		w.transport.mu.Unlock()
		if open == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond) // polling, with the limit above
	}
	t.Error("the connection is still held")
}

func TestManySlowHeadsDoNotKeepOthersOut(t *testing.T) {
	w := newWire(t, hurried())
	for range 200 {
		_, _ = io.WriteString(w.dial(), "GET /ok HT")
	}
	if got := w.send("GET /ok HTTP/1.1\r\n"+h+"\r\n", 1); len(got) != 1 || got[0].status != 200 {
		t.Errorf("got %+v", got)
	}
}

func TestShutdownLeavesNothing(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Run("in order", func(t *testing.T) {
		tm := hurried()
		tm.uploadIdle, tm.floor, tm.head, tm.keepAlive = time.Minute, time.Hour, time.Minute, time.Minute
		w := newWire(t, tm)
		w.begun = make(chan *bodyReader, 1)
		w.dial() // says nothing
		idle := w.dial()
		_, _ = io.WriteString(idle, "GET /ok HTTP/1.1\r\n"+h+"\r\n")
		idleReader := bufio.NewReader(idle)
		if res, err := http.ReadResponse(idleReader, nil); err != nil || res.StatusCode != 200 {
			t.Fatal(res, err)
		}
		up := w.dial()
		fmt.Fprintf(up, "PATCH /v1/uploads/x HTTP/1.1\r\n%sContent-Length: 1000\r\n\r\nabc", h)
		<-w.begun

		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		begin := time.Now()
		if err := w.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("it took %v", took)
		}
		if got := w.read(up, 1); len(got) != 1 || got[0].status != 503 || got[0].code != "shutting_down" || !got[0].closed {
			t.Errorf("the upload got %+v", got)
		}
		if _, err := net.DialTimeout("tcp", w.addr, time.Second); err == nil {
			t.Error("it still accepts")
		}
		if err := w.Shutdown(ctx); err != nil {
			t.Error("again:", err)
		}
	})
	t.Run("without waiting for who only takes its time", func(t *testing.T) {
		tm := hurried()
		tm.head, tm.linger = time.Minute, time.Minute
		w := newWire(t, tm)
		slow := w.dial()
		_, _ = io.WriteString(slow, "POST /json HTTP/1.1\r\nHo") // a head that never ends
		refused := w.dial()                                      // stays after its answer
		_, _ = io.WriteString(refused, "BAD\r\n\r\n")
		drains := func() bool {
			w.transport.mu.Lock()
			defer w.transport.mu.Unlock()
			return len(w.transport.pick(func(c *conn) bool { return c.drains.Load() })) > 0
		}
		for limit := time.Now().Add(5 * time.Second); !drains(); {
			if time.Now().After(limit) {
				t.Fatal("it does not drain")
			}
			time.Sleep(time.Millisecond)
		}
		begin := time.Now()
		if err := w.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took > 2*headGrace {
			t.Errorf("it took %v", took)
		}
		if got := w.read(refused, 1); len(got) != 1 || got[0].status != 400 {
			t.Errorf("the refused one got %+v", got)
		}
	})
	t.Run("by force", func(t *testing.T) {
		tm := hurried()
		tm.head = time.Minute
		w := newWire(t, tm)
		slow := w.dial()
		_, _ = io.WriteString(slow, "POST /json HTTP/1.1\r\nHo") // a head that never ends
		for !w.hasHeard() {
			time.Sleep(time.Millisecond)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := w.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		w.transport.mu.Lock()
		defer w.transport.mu.Unlock()
		if len(w.transport.conns) != 0 {
			t.Error("a connection is left")
		}
	})
	goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

func (w *wire) hasHeard() bool {
	w.transport.mu.Lock()
	defer w.transport.mu.Unlock()
	return len(w.transport.pick(func(c *conn) bool { return c.heard.Load() })) > 0
}
