package server_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"go.uber.org/goleak"

	"github.com/symbolon/symbolon/live"
	"github.com/symbolon/symbolon/server"
	"github.com/symbolon/symbolon/server/servertest"
)

// ear is a client's end of a socket.
type ear struct {
	*websocket.Conn
	t testing.TB
}

// message is any message of the server.
type message struct {
	Type    string         `json:"type"`
	Seq     int64          `json:"seq"`
	Case    map[string]any `json:"case"`
	Capture map[string]any `json:"capture"`
	Queue   map[string]any `json:"queue"`
	Phone   bool           `json:"phone"`
	Desk    bool           `json:"desk"`
	Problem map[string]any `json:"problem"`
	live.Progress
}

func headers(s *servertest.Server, c *servertest.Client, change ...string) http.Header {
	h := http.Header{}
	if c.Browser {
		h.Set("Origin", s.URL)
	}
	if c.Token != "" {
		h.Set("Authorization", "Bearer "+c.Token)
	}
	var cookies []string
	for name, value := range c.Cookies {
		cookies = append(cookies, name+"="+value)
	}
	if len(cookies) > 0 {
		h.Set("Cookie", strings.Join(cookies, "; "))
	}
	for i := 0; i+1 < len(change); i += 2 {
		if change[i+1] == "-" {
			h.Del(change[i])
		} else {
			h.Set(change[i], change[i+1])
		}
	}
	return h
}

// open opens a socket that must open.
func open(t testing.TB, s *servertest.Server, c *servertest.Client, path string, change ...string) *ear {
	t.Helper()
	ws, res, err := websocket.DefaultDialer.Dial("ws://"+s.Address+path, headers(s, c, change...))
	if err != nil {
		t.Fatalf("open %s: %v %v", path, err, res)
	}
	t.Cleanup(func() { _ = ws.Close() })
	return &ear{ws, t}
}

// refused opens a socket that must not open, and returns status and code of the problem.
func refused(t testing.TB, s *servertest.Server, c *servertest.Client, path string, change ...string) string {
	t.Helper()
	ws, res, err := websocket.DefaultDialer.Dial("ws://"+s.Address+path, headers(s, c, change...))
	if err == nil {
		_ = ws.Close()
		return "open"
	}
	if res == nil {
		t.Fatal(err)
	}
	var problem struct{ Code string }
	_ = json.NewDecoder(res.Body).Decode(&problem)
	if ct := res.Header.Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("%s: answered as %q", path, ct)
	}
	return fmt.Sprint(res.StatusCode, " ", problem.Code)
}

// next returns the next message, or the close code.
func (e *ear) next() (m message, code int) {
	e.t.Helper()
	_ = e.SetReadDeadline(time.Now().Add(20 * time.Second))
	_, data, err := e.ReadMessage()
	if err != nil {
		var closed *websocket.CloseError
		if errors.As(err, &closed) {
			return message{}, closed.Code
		}
		e.t.Fatalf("neither a message nor a close: %v", err)
	}
	servertest.CheckMessage(e.t, data)
	if err := json.Unmarshal(data, &m); err != nil {
		e.t.Fatalf("%v: %s", err, data)
	}
	return m, 0
}

// until reads until a message is as wanted.
func (e *ear) until(what string, ok func(m message) bool) message {
	e.t.Helper()
	for {
		m, code := e.next()
		if code != 0 {
			e.t.Fatalf("closed with %d instead of: %s", code, what)
		}
		if ok(m) {
			return m
		}
	}
}

// closes reads until the close and checks its code.
func (e *ear) closes(want int) {
	e.t.Helper()
	for {
		if _, code := e.next(); code != 0 {
			if code != want {
				e.t.Errorf("closed with %d, want %d", code, want)
			}
			return
		}
	}
}

func (e *ear) say(v any) {
	e.t.Helper()
	if err := e.WriteJSON(v); err != nil {
		e.t.Fatal(err)
	}
}

func liveOf(c *servertest.Client) string { return c.Path("/live") }

const captureLive = "/v1/capture/live"

func TestTheDeskHearsTheWholeTruthAndEveryChange(t *testing.T) {
	s := servertest.Start(t)
	desk := s.Person(t)
	e := open(t, s, desk, liveOf(desk))
	first, _ := e.next()
	if first.Type != "snapshot" || first.Seq == 0 || first.Case["id"] != desk.CaseID || first.Case["handoff"] != nil || first.Case["seq"] != float64(first.Seq) {
		t.Fatalf("first message: %+v", first)
	}
	if p, _ := e.next(); p.Type != "presence" || !p.Desk || p.Phone {
		t.Errorf("second message: %+v", p)
	}
	app := open(t, s, desk.App(), liveOf(desk)) // by bearer, no Origin
	app.next()

	offer := desk.Offer()
	last := first.Seq
	for _, e := range []*ear{e, app} {
		m := e.until("the offer", func(m message) bool { return m.Type == "snapshot" && m.Case["handoff"] != nil })
		h := m.Case["handoff"].(map[string]any)
		if h["id"] != offer.String("id") || m.Seq <= last {
			t.Errorf("%+v", m)
		}
		// The code is for the session that offered.
		if own := e != app; (h["text_code"] != nil) != own {
			t.Errorf("text code %v for the offering session: %v", h["text_code"], own)
		}
	}
}

func TestThePhoneAndTheDeskSeeEachOther(t *testing.T) {
	s := servertest.Start(t)
	desk := s.Person(t)
	offer := desk.Offer()
	phone := desk.Claim(offer)
	atDesk, atPhone := open(t, s, desk, liveOf(desk)), open(t, s, phone, captureLive)
	first, _ := atPhone.next()
	if first.Type != "snapshot" || first.Seq == 0 || first.Capture == nil || first.Case != nil {
		t.Fatalf("first message at the phone: %+v", first)
	}

	// Not before the match.
	atPhone.say(map[string]any{"type": "progress", "step": "document_front", "phase": "aiming"})
	m := atPhone.until("a refusal", func(m message) bool { return m.Type == "problem" })
	if m.Problem["code"] != "handoff_not_matched" {
		t.Errorf("%+v", m)
	}
	number := desk.Do("GET", "/v1/handoffs/"+offer.String("id"), nil).Want(t, 200).String("match.number")
	phone.Do("POST", "/v1/capture/match", map[string]any{"number": number}).Want(t, 200)
	atPhone.say(map[string]any{"type": "progress", "step": "document_front", "phase": "aiming", "hint": "glare"})
	m = atDesk.until("progress", func(m message) bool { return m.Type == "progress" })
	if m.Step != "document_front" || m.Phase != "aiming" || m.Hint != "glare" {
		t.Errorf("%+v", m)
	}
	phone.Do("POST", desk.Path("/steps/document_back/progress"), map[string]any{"phase": "recording", "prompt_index": 2}).Want(t, 204)
	m = atDesk.until("progress by a call", func(m message) bool { return m.Type == "progress" && m.Step == "document_back" })
	if m.Phase != "recording" || m.PromptIndex == nil || *m.PromptIndex != 2 {
		t.Errorf("%+v", m)
	}
	if !s.Hub.Present(desk.CaseID).Phone || !s.Hub.Present(desk.CaseID).Desk {
		t.Errorf("present: %+v", s.Hub.Present(desk.CaseID))
	}
	phone.Keep("document_front", 1)
	counted, accepted := false, false // in either order
	atDesk.until("the bytes that were counted and the accepted photo", func(m message) bool {
		counted = counted || m.Type == "progress" && m.SentBytes > 0
		accepted = accepted || m.Type == "snapshot" && step(m, "document_front")["state"] == "accepted"
		return counted && accepted
	})
	desk.Do("POST", "/v1/handoffs/"+offer.String("id")+"/cancel", nil).Want(t, 200)
	atPhone.closes(4010)
}

func step(m message, id string) map[string]any {
	steps, _ := m.Case["steps"].([]any)
	for _, s := range steps {
		if s := s.(map[string]any); s["id"] == id {
			return s
		}
	}
	return nil
}

func TestWhatAPhoneSaysIsChecked(t *testing.T) {
	s := servertest.Start(t)
	desk := s.Person(t)
	phone, _ := desk.Phone()
	for _, bad := range []struct{ message, code string }{
		{`{"type":"progress","step":"document_front","phase":"dancing"}`, "invalid_fields"},
		{`{"type":"progress","step":"document_front"}`, "invalid_fields"},
		{`{"type":"progress","step":"document_front","phase":"aiming","hint":"<script>"}`, "invalid_fields"},
		{`{"type":"progress","step":"document_front","phase":"aiming","prompt_index":-1}`, "invalid_fields"},
		{`{"type":"progress","step":"document_front","phase":"aiming","prompt_index":65}`, "invalid_fields"},
		{`{"type":"progress","step":"document_front","phase":"recording","prompt_count":65}`, "invalid_fields"},
		{`{"type":"progress","step":"document_front","phase":"recording","take":-1}`, "invalid_fields"},
		{`{"type":"progress","step":"document_front","phase":"recording","elapsed_ms":3600001}`, "invalid_fields"},
		{`{"type":"progress","step":"clip_document","phase":"aiming"}`, "step_not_in_handoff"},
		{`{"type":"progress","step":"","phase":"aiming"}`, "step_not_in_handoff"},
		{`{"type":"snapshot"}`, "invalid_fields"},
		{`{"type":"progress","step":"document_front","phase":"aiming","sent_bytes":7}`, "json_malformed"},
		{`{}`, "invalid_fields"},
		{`[1]`, "json_malformed"},
		{``, "json_malformed"},
		{strings.Repeat("[", 2000), "json_malformed"},
		{"{\"type\":\"progress\xff\"}", "json_malformed"},
	} {
		e := open(t, s, phone, captureLive)
		e.next()
		if err := e.WriteMessage(websocket.TextMessage, []byte(bad.message)); err != nil {
			t.Fatal(err)
		}
		if bad.message == "{\"type\":\"progress\xff\"}" { // the protocol itself forbids it, or we do
			m, code := e.next()
			for m.Type == "presence" {
				m, code = e.next()
			}
			if code != 1007 && m.Problem["code"] != bad.code {
				t.Errorf("%q: %+v, %d", bad.message, m, code)
			}
			continue
		}
		m := e.until(bad.code, func(m message) bool { return m.Type == "problem" })
		if m.Problem["code"] != bad.code {
			t.Errorf("%s: %v, want %s", bad.message, m.Problem, bad.code)
		}
	}
	for want, send := range map[int]func(e *ear) error{
		1003: func(e *ear) error { return e.WriteMessage(websocket.BinaryMessage, []byte("x")) },
		1009: func(e *ear) error { return e.WriteMessage(websocket.TextMessage, make([]byte, 5000)) },
		1008: func(e *ear) error {
			for range 200 {
				if e.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second)) != nil {
					break // closed already
				}
			}
			return nil
		},
	} {
		e := open(t, s, phone, captureLive)
		e.next()
		if err := send(e); err != nil {
			t.Fatal(err)
		}
		e.closes(want)
	}
	e := open(t, s, desk, liveOf(desk))
	e.say(map[string]any{"type": "progress", "step": "document_front", "phase": "aiming"})
	e.closes(1003)
}

func TestProgressByACallIsChecked(t *testing.T) {
	s := servertest.Start(t)
	desk := s.Person(t)
	path := desk.Path("/steps/document_front/progress")
	note := map[string]any{"phase": "aiming"}
	desk.Do("POST", path, note).Want(t, 204)
	desk.Do("POST", path, map[string]any{"phase": "aiming", "hint": "closer", "prompt_index": 0}).Want(t, 204)
	desk.Do("POST", path, map[string]any{"phase": "dancing"}).Want(t, 422, "invalid_fields")
	desk.Do("POST", path, map[string]any{"phase": "aiming", "sent_bytes": 3}).Want(t, 400, "json_malformed")
	desk.Do("POST", path, note, "Sec-Fetch-Site", "cross-site").Want(t, 403, "cross_site_request")
	desk.Do("POST", desk.Path("/steps/nothing/progress"), note).Want(t, 404, "step_unknown")
	s.Person(t).Do("POST", path, note).Want(t, 404, "case_unknown")
	s.NewProgram(t).Do("POST", path, note).Want(t, 401)
	offer := desk.Offer()
	phone := desk.Claim(offer)
	phone.Do("POST", path, note).Want(t, 403, "handoff_not_matched")
	desk.Do("POST", path, note).Want(t, 409, "step_on_phone")
}

func TestASocketIsRefusedBeforeTheUpgrade(t *testing.T) {
	s := servertest.Start(t)
	desk, other := s.Person(t), s.Person(t)
	phone, _ := desk.Phone()
	nobody := s.NewProgram(t)
	cookie := s.NewBrowser(t) // the phone's token as a browser has it
	cookie.Cookies["symbolon_capture"] = phone.Token

	for _, row := range []struct {
		who    *servertest.Client
		path   string
		change []string
		want   string
	}{
		{desk, liveOf(desk), []string{"Origin", "-"}, "403 cross_site_request"},
		{desk, liveOf(desk), []string{"Origin", "https://evil.example"}, "403 cross_site_request"},
		{desk, liveOf(desk), []string{"Origin", "null"}, "403 cross_site_request"},
		{desk, liveOf(desk), []string{"Origin", s.URL + ".evil.example"}, "403 cross_site_request"},
		{cookie, captureLive, []string{"Origin", "https://evil.example"}, "403 cross_site_request"},
		{cookie, captureLive, nil, "open"},
		{other, liveOf(desk), nil, "404 case_unknown"},
		{other, "/v1/cases/case_unknown/live", nil, "404 case_unknown"},
		{phone, liveOf(desk), nil, "403 not_for_capture"},
		{desk, captureLive, []string{"Symbolon-As", "applicant"}, "403 capture_required"},
		{desk, captureLive, nil, "401 session_unknown"},
		{nobody, liveOf(desk), nil, "401 session_unknown"},
		{nobody, liveOf(desk), []string{"Authorization", "Bearer st_wrong"}, "401 session_unknown"},
		{nobody, captureLive, []string{"Authorization", "Bearer ct_wrong"}, "401 capture_ended"},
		{nobody, liveOf(desk) + "?token=" + phone.Token, nil, "401 session_unknown"},
		{desk, liveOf(desk), []string{"Host", "evil.example"}, "421 host_unknown"},
	} {
		if got := refused(t, s, row.who, row.path, row.change...); got != row.want {
			t.Errorf("%s %v: %s, want %s", row.path, row.change, got, row.want)
		}
	}
	desk.Do("GET", liveOf(desk), nil).Want(t, 426, "websocket_required")
	phone.Do("GET", captureLive, nil).Want(t, 426, "websocket_required")
	desk.Do("GET", liveOf(desk), nil, "Connection", "Upgrade", "Upgrade", "websocket", "Origin", s.URL, "Sec-WebSocket-Version", "8").Want(t, 426, "websocket_required")
	desk.Do("GET", liveOf(desk), nil, "Connection", "Upgrade", "Upgrade", "websocket", "Origin", s.URL, "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "c2hvcnQ=").Want(t, 426, "websocket_required")
	if s := s.Hub.Stats(); s.Listeners > 1 {
		t.Errorf("%d listeners after refusals", s.Listeners)
	}
}

// Nothing may be sent before the answer to the request.
func TestASocketThatSpeaksTooEarlyDoesNotOpen(t *testing.T) {
	s := servertest.Start(t)
	desk := s.Person(t)
	c, err := net.Dial("tcp", s.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	h := headers(s, desk, "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")
	var request strings.Builder
	fmt.Fprintf(&request, "GET %s HTTP/1.1\r\nHost: %s\r\n", liveOf(desk), s.Address)
	if err := h.Write(&request); err != nil {
		t.Fatal(err)
	}
	request.WriteString("\r\n\x8a\x80\x00\x00\x00\x00") // a pong that nobody asked for
	if _, err := io.WriteString(c, request.String()); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if b, err := io.ReadAll(c); err != nil || len(b) != 0 {
		t.Errorf("answered %q (%v)", b, err)
	}
	if n := s.Hub.Stats().Listeners; n != 0 {
		t.Errorf("%d sockets are open", n)
	}
}

func TestANewerPhoneSocketReplacesTheOlder(t *testing.T) {
	s := servertest.Start(t)
	desk := s.Person(t)
	phone, _ := desk.Phone()
	first := open(t, s, phone, captureLive)
	first.next()
	second := open(t, s, phone, captureLive)
	first.closes(4009)
	if m, _ := second.next(); m.Type != "snapshot" {
		t.Errorf("%+v", m)
	}
	// Desks are any number.
	for range 3 {
		open(t, s, desk, liveOf(desk)).next()
	}
}

func TestASignOutEndsItsSocketsOnly(t *testing.T) {
	s := servertest.Start(t)
	desk := s.Person(t)
	other := desk.Other()
	mine, theirs := open(t, s, desk, liveOf(desk)), open(t, s, other, liveOf(desk))
	mine.next()
	theirs.next()
	start := time.Now()
	desk.Do("DELETE", "/v1/session", nil).Want(t, 204)
	mine.closes(4401)
	soon(t, start)
	other.Offer()
	theirs.until("the offer", func(m message) bool { return m.Type == "snapshot" && m.Case["handoff"] != nil })
}

// Nobody announces that a session ran out: the socket looks by itself.
func TestASessionThatRanOutEndsItsSocket(t *testing.T) {
	s := servertest.Start(t)
	s.Server.HurrySockets(30*time.Millisecond, 20*time.Second, 10*time.Second)
	desk := s.Person(t)
	e := open(t, s, desk, liveOf(desk))
	e.next()
	s.Clock.Advance(13 * time.Hour)
	e.closes(4401)
}

func TestAnsweringPingsIsASignOfLife(t *testing.T) {
	s := servertest.Start(t)
	s.Server.HurrySockets(30*time.Millisecond, 20*time.Second, 10*time.Second)
	desk := s.Person(t)
	e := open(t, s, desk, liveOf(desk))
	e.next()
	heard := make(chan struct{}, 1)
	e.SetPingHandler(func(data string) error {
		select {
		case heard <- struct{}{}:
		default:
		}
		return e.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(time.Second))
	})
	go func() { // answers pings until the end of the test
		for {
			if _, _, err := e.ReadMessage(); err != nil {
				return
			}
		}
	}()
	s.Clock.Advance(live.AwayAfter + time.Second)
	for end := time.Now().Add(10 * time.Second); !s.Hub.Present(desk.CaseID).Desk; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a pong is no sign of life")
		}
	}
	<-heard
}

func TestASocketThatAnswersNothingIsClosedAndOthersGoOn(t *testing.T) {
	s := servertest.Start(t)
	s.Server.HurrySockets(30*time.Millisecond, 300*time.Millisecond, 10*time.Second)
	desk := s.Person(t)
	silent, other := open(t, s, desk, liveOf(desk)), open(t, s, desk, liveOf(desk))
	go func() {
		for range 5 {
			s.Hub.Changed(context.Background(), desk.CaseID)
			time.Sleep(100 * time.Millisecond) // the time that the silent one lets pass
		}
		desk.Offer()
	}()
	other.until("the offer", func(m message) bool { return m.Type == "snapshot" && m.Case["handoff"] != nil })
	silent.closes(4008)
}

// A client that takes nothing at all: the buffers between fill up, then it is let go.
func TestASocketThatTakesNothingIsLetGoAndOthersGoOn(t *testing.T) {
	s := servertest.Start(t)
	s.Server.HurrySockets(20*time.Second, 60*time.Second, 300*time.Millisecond)
	desk := s.Person(t)
	dialer := websocket.Dialer{NetDial: func(network, address string) (net.Conn, error) {
		c, err := net.Dial(network, address)
		if err == nil {
			err = c.(*net.TCPConn).SetReadBuffer(2048)
		}
		return c, err
	}}
	ws, _, err := dialer.Dial("ws://"+s.Address+liveOf(desk), headers(s, desk))
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	s.Server.SmallBuffers()
	other := open(t, s, desk, liveOf(desk))
	other.next()
	stop := make(chan struct{})
	var changing sync.WaitGroup
	changing.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				s.Hub.Changed(context.Background(), desk.CaseID)
				time.Sleep(200 * time.Microsecond)
			}
		}
	})
	defer func() { close(stop); changing.Wait() }()
	last := int64(0)
	for end := time.Now().Add(60 * time.Second); !strings.Contains(s.Log.String(), `"code":4008`); {
		if time.Now().After(end) {
			t.Fatal("never let go")
		}
		if m, _ := other.next(); m.Type == "snapshot" {
			if m.Seq <= last {
				t.Fatalf("seq %d after %d", m.Seq, last)
			}
			last = m.Seq
		}
	}
	other.until("another snapshot", func(m message) bool { return m.Type == "snapshot" })
}

func TestSocketsAreCounted(t *testing.T) {
	s := servertest.Start(t)
	desk := s.Person(t)
	var all []*ear
	for range 8 {
		all = append(all, open(t, s, desk, liveOf(desk)))
	}
	for _, e := range all {
		e.next()
	}
	if got := refused(t, s, desk, liveOf(desk)); got != "429 too_many_requests" {
		t.Errorf("the ninth: %s", got)
	}
	other := s.Person(t)
	open(t, s, other, liveOf(other)).next()
	_ = all[0].Close() // without a goodbye
	for end := time.Now().Add(10 * time.Second); refused(t, s, desk, liveOf(desk)) != "open"; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a place is not given back")
		}
	}
}

func TestAStopClosesEverySocketWith1001AndLeavesNothing(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Run("server", func(t *testing.T) {
		s := servertest.Start(t)
		desk := s.Person(t)
		phone, _ := desk.Phone()
		sockets := []*ear{open(t, s, desk, liveOf(desk)), open(t, s, desk, liveOf(desk)), open(t, s, phone, captureLive)}
		for _, e := range sockets {
			e.next()
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- s.Server.Shutdown(ctx) }()
		for _, e := range sockets {
			e.closes(1001)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if s := s.Hub.Stats(); s.Listeners != 0 {
			t.Errorf("%d listeners are left", s.Listeners)
		}
	})
	goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

func TestSocketsOverTLS(t *testing.T) {
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := plain.Addr().String()
	helper := httptest.NewUnstartedServer(nil) // for its certificate
	helper.StartTLS()
	certificate := helper.TLS.Certificates[0]
	helper.Close()
	ln := tls.NewListener(plain, &tls.Config{Certificates: []tls.Certificate{certificate}})

	s := servertest.Start(t, func(c *server.Config) { c.Hosts = append(c.Hosts, host) })
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := s.Server.Serve(ln, true); err != nil {
			t.Error(err)
		}
	})
	desk := s.Person(t)
	dial := func(h http.Header) (*websocket.Conn, *http.Response, error) {
		dialer := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		return dialer.Dial("wss://"+host+liveOf(desk), h)
	}
	cookie := http.Header{"Cookie": {"__Host-symbolon_session=" + desk.Cookies["symbolon_session"]}, "Origin": {"http://" + host}}
	if _, res, err := dial(cookie); err == nil || res == nil || res.StatusCode != 403 {
		t.Errorf("the plain page of the same host opens a secure socket: %v %v", res, err)
	}
	cookie.Set("Origin", "https://"+host)
	ws, _, err := dial(cookie)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	e := &ear{ws, t}
	if m, _ := e.next(); m.Type != "snapshot" {
		t.Errorf("%+v", m)
	}
	desk.Offer()
	e.until("the offer", func(m message) bool { return m.Type == "snapshot" && m.Case["handoff"] != nil })
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Server.Shutdown(ctx) }()
	e.closes(1001)
	if err := <-done; err != nil {
		t.Error(err)
	}
	serving.Wait()
}

// A connection goes back to a pool when its handler returns. A reader that is still busy
// with it then would work on somebody else's.
func TestAHandlerOutlivesItsReader(t *testing.T) {
	s := servertest.Start(t)
	s.Server.HurrySockets(20*time.Second, 60*time.Second, 10*time.Second)
	desk := s.Person(t)
	phone, _ := desk.Phone()
	e := open(t, s, phone, captureLive)
	e.next()
	s.Clock.Advance(live.AwayAfter)
	s.Redis.Lock() // the reader notes the sign of life that follows, and waits
	unlock := sync.OnceFunc(s.Redis.Unlock)
	defer unlock()
	e.say(map[string]any{"type": "progress", "step": "document_front", "phase": "aiming"})
	for end := time.Now().Add(10 * time.Second); !s.Hub.Present(desk.CaseID).Phone; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the message never arrived")
		}
	}
	s.Hub.Close()
	e.closes(1001)
	raw := e.NetConn()
	_ = raw.SetReadDeadline(time.Now().Add(800 * time.Millisecond)) // four times the farewell
	var timeout net.Error
	if _, err := raw.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("the connection ended while its reader was busy: %v", err)
	}
	unlock()
	_ = raw.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := raw.Read(make([]byte, 1)); err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("the connection does not end: %v", err)
	}
}

func TestAStoreThatFailsDoesNotEndASocket(t *testing.T) {
	s := servertest.Start(t)
	s.Server.HurrySockets(30*time.Millisecond, 20*time.Second, 10*time.Second)
	desk := s.Person(t)
	e := open(t, s, desk, liveOf(desk))
	first, _ := e.next()
	s.Redis.SetError("LOADING")
	s.Hub.Changed(context.Background(), desk.CaseID)
	for end := time.Now().Add(10 * time.Second); !strings.Contains(s.Log.String(), "snapshot not read"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the failure never showed")
		}
	}
	s.Redis.SetError("")
	m := e.until("a snapshot after the failure", func(m message) bool { return m.Type == "snapshot" })
	if m.Seq <= first.Seq {
		t.Errorf("seq %d after %d", m.Seq, first.Seq)
	}
}
