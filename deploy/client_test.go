package deploy_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/symbolon/symbolon/server/servertest"
)

// device is a browser or phone with its own network address.
type device struct {
	c       *cluster
	t       testing.TB
	ip      string
	browser bool
	cookies map[string]string
	token   string
	direct  *http.Client
	proxied *http.Client
}

var devices atomic.Int64

func (c *cluster) device(browser bool) *device {
	d := &device{c: c, t: c.t, ip: fmt.Sprintf("127.0.1.%d", devices.Add(1)), browser: browser, cookies: map[string]string{}}
	direct := &http.Transport{DialContext: dialer("127.0.0.1"), DisableKeepAlives: true}
	proxied := &http.Transport{DialContext: dialer(d.ip), TLSClientConfig: c.tls()}
	c.t.Cleanup(direct.CloseIdleConnections)
	c.t.Cleanup(proxied.CloseIdleConnections)
	d.direct = &http.Client{Transport: direct, Timeout: 30 * time.Second}
	d.proxied = &http.Client{Transport: proxied, Timeout: 30 * time.Second}
	return d
}

// answer is what came back.
type answer struct {
	what   string
	status int
	header http.Header
	body   []byte
}

// request makes one for a node or the proxy.
func (d *device) request(at int, method, path string, body io.Reader, headers ...string) *http.Request {
	origin := "https://" + d.c.public
	if at != proxy {
		origin = "http://127.0.0.1:" + d.c.ports[at]
	}
	req, err := http.NewRequest(method, origin+path, body)
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header = d.header(at)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	req.Host = d.c.public
	return req
}

// header is what every request of the device carries; what the proxy would add where it is not asked.
func (d *device) header(at int) http.Header {
	h := http.Header{}
	if at != proxy {
		h.Set("X-Forwarded-For", d.ip)
		h.Set("X-Forwarded-Proto", "https")
	}
	if d.browser {
		h.Set("Sec-Fetch-Site", "same-origin")
		h.Set("Origin", "https://"+d.c.public)
		h.Set("User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36")
	}
	if d.token != "" {
		h.Set("Authorization", "Bearer "+d.token)
	}
	var all []string
	for name, value := range d.cookies {
		all = append(all, name+"="+value)
	}
	if len(all) > 0 {
		h.Set("Cookie", strings.Join(all, "; "))
	}
	return h
}

// try sends a request once. The answer of a node is held against the contract.
func (d *device) try(at int, method, path string, body any, headers ...string) (*answer, error) {
	d.t.Helper()
	var raw []byte
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		raw = b
		reader = bytes.NewReader(raw)
		headers = append([]string{"Content-Type", "application/offset+octet-stream"}, headers...)
	default:
		var err error
		if raw, err = json.Marshal(body); err != nil {
			d.t.Fatal(err)
		}
		reader = bytes.NewReader(raw)
		headers = append([]string{"Content-Type", "application/json"}, headers...)
	}
	req := d.request(at, method, path, reader, headers...)
	client := d.direct
	if at == proxy {
		client = d.proxied
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	a := &answer{what: fmt.Sprintf("%s %s at %d", method, path, at), status: res.StatusCode, header: res.Header}
	if a.body, err = io.ReadAll(res.Body); err != nil {
		return nil, err
	}
	if a.fromProxy() {
		return a, nil
	}
	if err := d.c.check.Check(req, raw, &http.Response{StatusCode: a.status, Header: a.header}, a.body); err != nil {
		d.t.Errorf("%s answers against the contract: %v\n%s", a.what, err, a.body)
	}
	for _, ck := range res.Cookies() {
		if ck.MaxAge < 0 || ck.Value == "" {
			delete(d.cookies, ck.Name)
		} else if d.browser {
			d.cookies[ck.Name] = ck.Value
		}
	}
	return a, nil
}

// fromProxy reports whether nginx answered by itself: it reached no node.
func (a *answer) fromProxy() bool {
	return (a.status == 502 || a.status == 504) && !strings.HasPrefix(a.header.Get("Content-Type"), "application/")
}

// passing reports whether a client tries again: nothing answered, or a part does not for a moment.
func passing(a *answer, err error) bool {
	return err != nil || a.status == 502 || a.status == 503 || a.status == 504
}

// do sends a request that must be answered with this status. What a client's ordinary retry
// covers is retried, a POST under a key so that it is done once.
func (d *device) do(status, at int, method, path string, body any, headers ...string) *answer {
	d.t.Helper()
	if method == "POST" {
		headers = append([]string{"Idempotency-Key", rand.Text()}, headers...)
	}
	var a *answer
	eventually(d.t, 20*time.Second, method+" "+path, func() (err error) {
		a, err = d.try(at, method, path, body, headers...)
		if passing(a, err) {
			if err == nil {
				err = fmt.Errorf("%d %s", a.status, a.body)
			}
			return err
		}
		return nil
	})
	return a.want(d.t, status)
}

func (a *answer) want(t testing.TB, status int, code ...string) *answer {
	t.Helper()
	if a.status != status || len(code) > 0 && a.text("code") != code[0] {
		t.Fatalf("%s: got %d %s, want %d %s\n%s", a.what, a.status, a.text("code"), status, strings.Join(code, " "), a.body)
	}
	return a
}

// get walks a JSON document by names and indexes such as "handoff.match.number".
func get(doc any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		switch at := doc.(type) {
		case map[string]any:
			doc = at[name]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(at) {
				return nil
			}
			doc = at[i]
		default:
			return nil
		}
	}
	return doc
}

func text(doc any, path string) string {
	s, _ := get(doc, path).(string)
	return s
}

func (a *answer) doc() any {
	var v any
	_ = json.Unmarshal(a.body, &v)
	return v
}

func (a *answer) text(path string) string { return text(a.doc(), path) }

// step is the state of a step in a case or a capture.
func step(doc any, id string) string {
	all, _ := get(doc, "steps").([]any)
	for _, s := range all {
		if text(s, "id") == id {
			return text(s, "state")
		}
	}
	return ""
}

// person is an applicant at a desk whose level 2 is open, and the phone that they hand over to.
type person struct {
	desk, phone *device
	email       string
	caseID      string
	handoff     string // id
	code        string // the text code of the last offer
}

var bothSides = []string{"document_front", "document_back"}

// person signs one up. Every call goes to another node.
func (c *cluster) person(name string) *person {
	c.t.Helper()
	p := &person{desk: c.device(true), phone: c.device(false), email: name + "@example.com"}
	d := p.desk
	d.do(201, 1, "POST", "/v1/accounts", map[string]string{"email": p.email, "password": servertest.Password})
	p.signIn(2)
	p.caseID = d.do(201, 3, "POST", "/v1/cases", map[string]string{"kind": "person"}).text("id")
	for _, id := range []string{"identity", "documents"} {
		d.do(200, 1, "PUT", p.path("/consents/"+id), map[string]any{"given": true, "version": 1, "language": "en"})
	}
	version := d.do(200, 1, "GET", p.path(""), nil).header.Get("ETag")
	version = d.do(200, 2, "PUT", p.path("/identity"), servertest.Identity(), "If-Match", version).header.Get("ETag")
	d.do(202, 3, "POST", p.path("/levels/1/submit"), map[string]any{}, "If-Match", version)
	p.until(1, "level 2 to open", func(doc any) bool { return text(doc, "levels.1.state") == "open" })
	return p
}

func (p *person) path(rest string) string { return "/v1/cases/" + p.caseID + rest }

func (p *person) signIn(at int) {
	p.desk.t.Helper()
	p.desk.do(200, at, "POST", "/v1/session", map[string]string{"email": p.email, "password": servertest.Password})
}

// until reads the case at the desk until it is as wanted.
func (p *person) until(at int, what string, ok func(doc any) bool) any {
	p.desk.t.Helper()
	var doc any
	eventually(p.desk.t, 10*time.Second, "wait for "+what, func() error {
		a := p.desk.do(200, at, "GET", p.path(""), nil)
		if doc = a.doc(); !ok(doc) {
			return errors.New(string(a.body))
		}
		return nil
	})
	return doc
}

func (p *person) offer(at int) {
	p.desk.t.Helper()
	a := p.desk.do(201, at, "POST", p.path("/handoffs"), map[string]any{"steps": bothSides, "replace": true})
	p.handoff, p.code = a.text("id"), a.text("text_code")
}

func (p *person) open(at int) {
	p.desk.t.Helper()
	p.phone.do(200, at, "POST", "/v1/handoffs/open", map[string]string{"code": p.code})
}

func (p *person) claim(at int) {
	p.desk.t.Helper()
	p.phone.token = ""
	p.phone.token = p.phone.do(201, at, "POST", "/v1/handoffs/claim", map[string]string{"code": p.code}).text("token")
}

// number is the one that the desk shows.
func (p *person) number(at int) string {
	p.desk.t.Helper()
	n := p.desk.do(200, at, "GET", "/v1/handoffs/"+p.handoff, nil).text("match.number")
	if len(n) != 2 {
		p.desk.t.Fatalf("the desk shows %q", n)
	}
	return n
}

func (p *person) match(desk, at int) {
	p.desk.t.Helper()
	p.phone.do(200, at, "POST", "/v1/capture/match", map[string]string{"number": p.number(desk)})
}

// pair goes from nothing to active.
func (p *person) pair(at int) {
	p.desk.t.Helper()
	p.offer(at)
	p.claim(at)
	p.match(at, at)
}

// picture is a photo of about a megabyte for a step, different each time.
func picture(step string) []byte {
	seed := uint8(1)
	if step == "document_back" {
		seed = 2
	}
	b := servertest.Photo(seed)
	more := make([]byte, 1<<20)
	_, _ = rand.Read(more)
	return append(b, more...)
}

var tus = []string{"Tus-Resumable", "1.0.0"}

// begin creates an upload for a step and returns its address.
func (p *person) begin(at int, step string, length int) string {
	p.desk.t.Helper()
	b64 := base64.StdEncoding.EncodeToString
	a := p.phone.do(201, at, "POST", "/v1/uploads", nil, append(tus, "Upload-Length", fmt.Sprint(length), "Upload-Metadata",
		"case "+b64([]byte(p.caseID))+",step "+b64([]byte(step))+",filetype "+b64([]byte("image/jpeg")))...)
	return a.header.Get("Location")
}

// offset asks where an upload goes on; whoever still sends lets go.
func (p *person) offset(at int, upload string) int {
	p.desk.t.Helper()
	a := p.phone.do(200, at, "HEAD", upload, nil, tus...)
	var n int
	if _, err := fmt.Sscan(a.header.Get("Upload-Offset"), &n); err != nil {
		p.desk.t.Fatalf("%s: offset %q", a.what, a.header.Get("Upload-Offset"))
	}
	return n
}

// send brings what is missing of an upload in pieces, from node to node, as a client does that
// loses its connection after each.
func (p *person) send(upload string, b []byte, piece int, at ...int) {
	p.desk.t.Helper()
	end := time.Now().Add(40 * time.Second)
	for i := 0; ; i++ {
		if time.Now().After(end) {
			p.desk.t.Fatal("the upload does not end")
		}
		node := at[i%len(at)]
		from := p.offset(node, upload)
		if from == len(b) {
			return
		}
		to := min(from+piece, len(b))
		a, err := p.phone.try(at[(i+1)%len(at)], "PATCH", upload, b[from:to], append(tus, "Upload-Offset", fmt.Sprint(from))...)
		if passing(a, err) || a.status == 409 {
			continue // the next HEAD tells what arrived
		}
		a.want(p.desk.t, 204)
	}
}

// accept looks at a take and keeps it.
func (p *person) accept(at int, step, upload string, b []byte) take {
	p.desk.t.Helper()
	id := strings.TrimPrefix(upload, "/v1/uploads/")
	a := p.phone.do(200, at, "GET", upload, nil)
	sum := sha256.Sum256(b)
	if a.text("sha256") != hex.EncodeToString(sum[:]) {
		p.desk.t.Fatalf("%s: other bytes: %s", a.what, a.body)
	}
	if a := p.phone.do(200, at, "GET", "/v1/media/"+a.text("media_id"), nil, "Symbolon-As", "capture"); !bytes.Equal(a.body, b) {
		p.desk.t.Fatalf("%s of %s: %d bytes, want %d", a.what, step, len(a.body), len(b))
	}
	p.phone.do(200, at, "POST", p.path("/steps/"+step+"/accept"), map[string]string{"upload_id": id})
	return take{step, id, p.desk.c.sealed(id)}
}

// take is one that was kept.
type take struct {
	step   string
	upload string
	sealed []byte // digest of what lies on the disk
}

// data is the file with the stored bytes of an upload.
func (c *cluster) data(id string) string {
	return filepath.Join(c.dir, "data", "media", id[len(id)-2:], id+".data")
}

// sealed returns the digest of the stored bytes of an upload. No call shows a kept take to its applicant.
func (c *cluster) sealed(id string) []byte {
	c.t.Helper()
	b, err := os.ReadFile(c.data(id))
	if err != nil {
		c.t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	return sum[:]
}

// keep takes, sends and accepts a picture for a step.
func (p *person) keep(step string, at ...int) take {
	p.desk.t.Helper()
	b := picture(step)
	upload := p.begin(at[0], step, len(b))
	p.send(upload, b, 300_000, at...)
	return p.accept(at[0], step, upload, b)
}

// has checks that a take is still kept, byte for byte.
func (p *person) has(at int, k take) {
	p.desk.t.Helper()
	if s := step(p.desk.do(200, at, "GET", p.path(""), nil).doc(), k.step); s != "accepted" {
		p.desk.t.Fatalf("%s is %s", k.step, s)
	}
	if !bytes.Equal(p.desk.c.sealed(k.upload), k.sealed) {
		p.desk.t.Fatalf("what is stored of %s has changed", k.step)
	}
}

// slow is a PATCH whose sender pauses after its first bytes.
type slow struct {
	b    []byte
	sent int
	in   *io.PipeWriter
	done chan struct{} // closed when it was answered or cut
	a    *answer
	err  error
	at   time.Time // when it ended
}

// sendSlowly begins a PATCH of b and returns when its first bytes are stored.
func (p *person) sendSlowly(at int, upload string, b []byte, first int) *slow {
	p.desk.t.Helper()
	r, w := io.Pipe()
	s := &slow{b: b, in: w, done: make(chan struct{})}
	req := p.phone.request(at, "PATCH", upload, r, append(tus, "Upload-Offset", "0", "Content-Type", "application/offset+octet-stream")...)
	req.ContentLength = int64(len(b))
	client := p.phone.direct
	if at == proxy {
		client = p.phone.proxied
	}
	go func() {
		defer close(s.done)
		defer func() { s.at = time.Now(); _ = r.Close() }()
		res, err := client.Do(req)
		if err != nil {
			s.err = err
			return
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		s.a, s.err = &answer{what: "a slow PATCH", status: res.StatusCode, header: res.Header, body: body}, err
	}()
	p.desk.t.Cleanup(s.breakOff)
	if err := s.more(first); err != nil {
		p.desk.t.Fatal(err)
	}
	// What came is stored when something comes a moment later.
	eventually(p.desk.t, 10*time.Second, "the first bytes", func() error {
		if n := p.stored(at, upload); n <= 0 {
			return errors.Join(errors.New("nothing yet"), s.more(1))
		}
		return nil
	})
	return s
}

// more sends the next n bytes.
func (s *slow) more(n int) error {
	n = min(n, len(s.b)-s.sent)
	_, err := s.in.Write(s.b[s.sent : s.sent+n])
	s.sent += n
	return err
}

// stored is how many bytes of an upload have arrived, without disturbing its sender.
func (p *person) stored(at int, upload string) int {
	p.desk.t.Helper()
	n, _ := get(p.phone.do(200, at, "GET", upload, nil).doc(), "offset").(float64)
	return int(n)
}

// trickle sends an upload slowly through the proxy, and goes on after every failure that a client's
// ordinary retry covers. It returns how many there were.
func (p *person) trickle(upload string, b []byte) (failures int) {
	p.desk.t.Helper()
	for end := time.Now().Add(40 * time.Second); ; failures++ {
		if time.Now().After(end) {
			p.desk.t.Fatal("the upload does not end")
		}
		from := p.offset(proxy, upload)
		if from == len(b) {
			return failures
		}
		req := p.phone.request(proxy, "PATCH", upload, &trickle{b: b[from:]},
			append(tus, "Upload-Offset", fmt.Sprint(from), "Content-Type", "application/offset+octet-stream")...)
		req.ContentLength = int64(len(b) - from)
		res, err := p.phone.proxied.Do(req)
		if err != nil {
			continue
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		a := &answer{what: "a PATCH that trickles", status: res.StatusCode, header: res.Header, body: body}
		if passing(a, nil) || a.status == 409 {
			continue
		}
		a.want(p.desk.t, 204)
		if n := p.offset(proxy, upload); n != len(b) {
			p.desk.t.Fatalf("offset %d after the last of %d bytes was taken", n, len(b))
		}
		return failures
	}
}

// trickle is a body that comes at about 2 MB/s.
type trickle struct{ b []byte }

func (r *trickle) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	<-time.After(10 * time.Millisecond)
	n := copy(p[:min(len(p), 20_000)], r.b)
	r.b = r.b[n:]
	return n, nil
}

// breakOff ends the sender, as when the phone loses its network.
func (s *slow) breakOff() {
	_ = s.in.CloseWithError(io.ErrClosedPipe)
	<-s.done
}

// ended waits until a slow PATCH was answered or cut.
func (s *slow) ended(t testing.TB, limit time.Duration) {
	t.Helper()
	select {
	case <-s.done:
	case <-time.After(limit):
		t.Fatalf("the PATCH still runs after %v", limit)
	}
}

// socket is an open live view.
type socket struct {
	t    testing.TB
	ws   *websocket.Conn
	news chan struct{} // signalled after each snapshot
	gone chan struct{} // closed at the end; then code counts
	code int

	mu   sync.Mutex // guards what follows
	last any        // newest snapshot: the case or the capture
	seq  float64
	old  bool // a seq that did not grow was seen
}

// watch opens a live view: the desk's or the phone's.
func (d *device) watch(at int, path string) (*socket, error) {
	h := d.header(at)
	h.Del("Sec-Fetch-Site")
	dial := &websocket.Dialer{HandshakeTimeout: 10 * time.Second}
	address := "wss://" + d.c.public + path
	if at == proxy {
		dial.TLSClientConfig, dial.NetDialContext = d.c.tls(), dialer(d.ip)
	} else {
		address = "ws://127.0.0.1:" + d.c.ports[at] + path
		h.Set("Host", d.c.public)
	}
	ws, res, err := dial.Dial(address, h)
	if err != nil {
		if res != nil {
			err = fmt.Errorf("%w: %s", err, res.Status)
		}
		return nil, err
	}
	s := &socket{t: d.t, ws: ws, news: make(chan struct{}, 1), gone: make(chan struct{})}
	go s.read()
	d.t.Cleanup(func() { _ = ws.Close(); <-s.gone })
	return s, nil
}

func (s *socket) read() {
	defer close(s.gone)
	for {
		_, b, err := s.ws.ReadMessage()
		if err != nil {
			s.code = 1006
			var closed *websocket.CloseError
			if errors.As(err, &closed) {
				s.code = closed.Code
			}
			return
		}
		var m map[string]any
		if json.Unmarshal(b, &m) != nil || m["type"] != "snapshot" {
			continue
		}
		s.mu.Lock()
		seq, _ := m["seq"].(float64)
		s.old = s.old || seq <= s.seq
		s.seq, s.last = seq, m["case"]
		if s.last == nil {
			s.last = m["capture"]
		}
		s.mu.Unlock()
		select {
		case s.news <- struct{}{}:
		default:
		}
	}
}

// sees waits until a snapshot is as wanted.
func (s *socket) sees(what string, ok func(doc any) bool) {
	s.t.Helper()
	limit := time.After(10 * time.Second)
	for {
		s.mu.Lock()
		last, old := s.last, s.old
		s.mu.Unlock()
		if old {
			s.t.Fatal("a number of a snapshot did not grow")
		}
		if last != nil && ok(last) {
			return
		}
		select {
		case <-s.news:
		case <-s.gone:
			s.t.Fatalf("the socket that waits for %s ended with %d", what, s.code)
		case <-limit:
			b, _ := json.Marshal(last)
			s.t.Fatalf("the socket does not see %s, but\n%s", what, b)
		}
	}
}

// ends waits for the end of a socket and checks its code.
func (s *socket) ends(limit time.Duration, codes ...int) {
	s.t.Helper()
	select {
	case <-s.gone:
	case <-time.After(limit):
		s.t.Fatalf("a socket is still open after %v, want %v", limit, codes)
	}
	for _, code := range codes {
		if s.code == code {
			return
		}
	}
	s.t.Fatalf("a socket ended with %d, want %v", s.code, codes)
}

// isOpen reports that a socket has not ended.
func (s *socket) isOpen() bool {
	select {
	case <-s.gone:
		return false
	default:
		return true
	}
}

func (d *device) mustWatch(at int, path string) *socket {
	d.t.Helper()
	var s *socket
	eventually(d.t, 20*time.Second, "open "+path, func() (err error) {
		s, err = d.watch(at, path)
		return err
	})
	return s
}

func (p *person) watchDesk(at int) *socket {
	p.desk.t.Helper()
	return p.desk.mustWatch(at, p.path("/live"))
}
func (p *person) watchPhone(at int) *socket {
	p.desk.t.Helper()
	return p.phone.mustWatch(at, "/v1/capture/live")
}
