package server

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/handoff"
	"github.com/symbolon/symbolon/live"
)

// Close codes. After those of coming back a client opens a new socket; after the others it does not.
const (
	closeGoing    = websocket.CloseGoingAway     // come back: another node answers
	closeSlow     = 4008                         // come back: nothing was read or answered for too long
	closeBusy     = websocket.CloseTryAgainLater // come back later: too many sockets
	closeSignedIn = 4401                         // nobody is signed in any more
	closeMayNot   = 4403
	closeUnknown  = 4404
	closeReplaced = 4009 // a newer phone socket took its place
	closeOver     = 4010 // the handoff is over
	closeText     = websocket.CloseUnsupportedData
	closeFlood    = websocket.ClosePolicyViolation

	// closeGone ends a socket whose other end has left or said goodbye: nothing is sent.
	closeGone = 0
	// closeOpen is no code: the socket stays.
	closeOpen = -1
)

var closeReasons = map[int]string{
	closeGoing: "going", closeSlow: "too slow", closeBusy: "too many sockets",
	closeSignedIn: "signed out", closeMayNot: "not allowed", closeUnknown: "unknown",
	closeReplaced: "replaced", closeOver: "over", closeText: "not expected here", closeFlood: "too many messages",
}

const (
	maxMessage        = 4 << 10 // bytes of one that a client sends
	maxFrames         = 50      // that a client sends in a second
	socketsPerOwner   = 8       // of an account
	socketsPerNetwork = 256
	socketReadBuffer  = 256
	socketWriteBuffer = 4 << 10
	socketCallFor     = 10 * time.Second // to read a snapshot
	socketRetryMost   = 15 * time.Second
)

var errTooManySockets = fault.New(fault.TooMany, "too_many_requests", "Too many connections are open already.").After(15 * time.Second)

// socketTiming is how long a socket waits for what.
type socketTiming struct {
	ping     time.Duration // between two
	silence  time.Duration // without an answer to any
	write    time.Duration // until a message was taken
	farewell time.Duration // for the other end to say goodbye too
	retry    time.Duration // after a snapshot could not be read
}

var defaultSocketTiming = socketTiming{
	ping: 15 * time.Second, silence: 40 * time.Second, write: 10 * time.Second, farewell: 2 * time.Second, retry: time.Second,
}

// sockets is every open socket of this server. The zero value is ready.
type sockets struct {
	timing socketTiming // defaultSocketTiming where zero; set before the first socket
	// buffers of writing are held only while something is written.
	buffers sync.Pool

	mu        sync.Mutex // guards what follows
	closed    bool
	open      map[*socket]struct{}
	byOwner   map[string]int
	byNetwork map[string]int
}

// socket is one open websocket. While nothing happens it is one goroutine that reads. What
// happens wakes a second one, which writes all there is to say and ends.
type socket struct {
	server         *Server
	request        string // id of the request that opened it, for the log
	caseID         string
	role           live.Role
	owner, network string // what limits count by; no owner, no such limit
	timing         socketTiming
	since          time.Time
	queue          bool // it shows the queue of reviewers, and is nobody's sign of life

	ws       *websocket.Conn
	listener *live.Listener // nil where there was no place for the socket
	writing  writing

	// mu guards what follows. Nothing that locks the hub is called with it held.
	mu      sync.Mutex
	who     principal // as of the last check
	leaving bool      // the read deadline is not to be moved any more
	working bool      // somebody writes; stays set once the socket ends
	woken   bool      // there is more for them
	news    news
	ended   chan struct{} // made by who waits for the reader; closed when it is gone
}

// news is what happened besides what the listener knows.
type news struct {
	stop  bool         // this server closes its sockets
	ping  bool         // the time for one has come
	again bool         // the time to read the snapshot again has come
	told  *fault.Error // what the reader wants to tell the client
	gone  bool         // the reader has ended
	code  int          // a close code: why the reader ended, or why there is no place
}

// writing is what only the goroutine that writes touches.
type writing struct {
	began    bool // the first snapshot was sent; nothing is said before it
	due      bool // a snapshot is
	seq      int64
	presence *live.Presence
	retry    time.Duration // until the next try to read a snapshot
	again    *time.Timer
	ping     *time.Timer
	dead     bool // a write failed half-way: nothing more can be said
}

// watchCase opens the live view of a case for its applicant.
func (s *Server) watchCase(c *fiber.Ctx) error {
	ctx, cancel := context.WithTimeout(c.UserContext(), requestFor)
	defer cancel()
	p, err := s.caller(c, applicant)
	if err != nil {
		return err
	}
	if err := s.mayUpgrade(c, p); err != nil {
		return err
	}
	own, err := s.caseFor(ctx, p, param(c, "id"))
	if err != nil {
		return err
	}
	return s.upgrade(c, &socket{who: p, caseID: own.ID, role: live.Desk, owner: p.session.AccountID})
}

// watchCapture opens the live view of a phone's work.
func (s *Server) watchCapture(c *fiber.Ctx) error {
	p, err := s.caller(c, phone)
	if err != nil {
		return err
	}
	if err := s.mayUpgrade(c, p); err != nil {
		return err
	}
	// No owner: a phone has one socket, each newer one replaces the older.
	return s.upgrade(c, &socket{who: p, caseID: p.handoff.CaseID, role: live.Phone})
}

// mayUpgrade is the rule for sockets by cookie: browsers send cookies with any page's
// socket, and only the Origin tells whose page it is.
func (s *Server) mayUpgrade(c *fiber.Ctx, p principal) error {
	if isUpgrade(c) && p.byCookie && !s.ownOrigin(c, c.Get(fiber.HeaderOrigin)) {
		return errCrossSite
	}
	return nil
}

// upgrade turns the request into the socket k, or answers why not.
func (s *Server) upgrade(c *fiber.Ctx, k *socket) error {
	key := strings.Clone(c.Get("Sec-Websocket-Key"))
	if raw, err := base64.StdEncoding.DecodeString(key); !isUpgrade(c) || err != nil || len(raw) != 16 {
		c.Set(fiber.HeaderUpgrade, "websocket")
		c.Set(fiber.HeaderConnection, "Upgrade")
		return errUpgrade
	}
	k.server, k.network, k.timing = s, s.network(c), s.sockets.timing
	if k.timing == (socketTiming{}) {
		k.timing = defaultSocketTiming
	}
	if ev := eventOf(c); ev != nil {
		k.request = ev.id
	}
	// Only looked at here: if the answer cannot be written, the socket never begins, and
	// nobody would give a place back.
	if err := s.sockets.full(k); err != nil {
		return err
	}
	// The answer is written by whoever writes to the socket later. With it the connection leaves
	// what fasthttp keeps for a request: buffers as long as the longest head, the request, the answer.
	ctx := c.Context()
	ctx.SetStatusCode(fiber.StatusSwitchingProtocols) // for the log
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(hijacked net.Conn) { k.begin(ctx, hijacked, key) })
	return nil
}

// isUpgrade reports whether the request asks for a websocket of the one version there is.
func isUpgrade(c *fiber.Ctx) bool {
	return websocket.FastHTTPIsWebSocketUpgrade(c.Context()) && c.Get("Sec-Websocket-Version") == "13"
}

// begin answers the request and starts the socket. It returns at once; the connection is the
// socket's then.
func (k *socket) begin(ctx *fasthttp.RequestCtx, hijacked net.Conn, key string) {
	conn := hijacked.(interface{ UnsafeConn() net.Conn }).UnsafeConn()
	// Whoever sends before the answer has not understood the protocol. What fasthttp has read
	// already is there without waiting.
	var early [1]byte
	_ = hijacked.SetReadDeadline(time.Unix(1, 0)) // a closed connection says so below
	if n, _ := hijacked.Read(early[:]); n > 0 {
		_ = conn.Close()
		return
	}
	header := http.Header{}
	for name, value := range ctx.Response.Header.All() {
		switch string(name) {
		case fiber.HeaderConnection, fiber.HeaderUpgrade, fiber.HeaderContentType, fiber.HeaderContentLength, fiber.HeaderDate:
		default:
			header.Add(string(name), string(value))
		}
	}
	up := websocket.Upgrader{
		HandshakeTimeout: k.timing.write,
		ReadBufferSize:   socketReadBuffer,
		WriteBufferSize:  socketWriteBuffer,
		WriteBufferPool:  &k.server.sockets.buffers,
		CheckOrigin:      func(*http.Request) bool { return true }, // mayUpgrade has
	}
	ws, err := up.Upgrade(taken{conn}, &http.Request{Method: http.MethodGet, Header: http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {key},
	}}, header)
	if err != nil {
		_ = conn.Close()
		return
	}
	k.ws, k.since = ws, time.Now()
	k.writing.retry = k.timing.retry
	k.working = true // whoever wakes it before it is complete only leaves a note
	if code := k.server.sockets.add(k); code != closeGone {
		k.tell(func(n *news) { n.code = code })
	} else {
		k.listener = k.server.cfg.Hub.JoinFunc(k.caseID, k.role, func() { k.tell(nil) })
		k.seen(k.server.closing)
	}
	go k.read()
	go k.work()
}

// taken gives websocket.Upgrader a connection that was taken over already.
type taken struct{ conn net.Conn }

func (t taken) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return t.conn, bufio.NewReadWriter(bufio.NewReaderSize(t.conn, 16), bufio.NewWriterSize(t.conn, 16)), nil
}

func (taken) Header() http.Header         { return http.Header{} }
func (taken) Write(p []byte) (int, error) { return len(p), nil } // of an answer that is not websocket's: there is none
func (taken) WriteHeader(int)             {}

// full reports why k may not be opened.
func (o *sockets) full(k *socket) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closed:
		return errGoing.After(time.Second)
	case o.crowded(k):
		return errTooManySockets
	}
	return nil
}

// crowded is called with mu held.
func (o *sockets) crowded(k *socket) bool {
	return k.owner != "" && o.byOwner[k.owner] >= socketsPerOwner || o.byNetwork[k.network] >= socketsPerNetwork
}

// add takes a place, or says which code to close with.
func (o *sockets) add(k *socket) (code int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return closeGoing
	}
	if o.crowded(k) {
		return closeBusy
	}
	if o.open == nil {
		o.open, o.byOwner, o.byNetwork = map[*socket]struct{}{}, map[string]int{}, map[string]int{}
	}
	o.open[k] = struct{}{}
	if k.owner != "" {
		o.byOwner[k.owner]++
	}
	o.byNetwork[k.network]++
	return closeGone
}

func (o *sockets) remove(k *socket) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := o.open[k]; !ok {
		return
	}
	delete(o.open, k)
	drop := func(m map[string]int, key string) {
		if m[key]--; m[key] <= 0 {
			delete(m, key)
		}
	}
	drop(o.byOwner, k.owner)
	drop(o.byNetwork, k.network)
}

// closeSockets ends every socket with 1001 and lets no new one open. It does not wait: a
// socket is gone when its connection is closed.
func (s *Server) closeSockets() {
	s.sockets.mu.Lock()
	defer s.sockets.mu.Unlock()
	if s.sockets.closed {
		return
	}
	s.sockets.closed = true
	for k := range s.sockets.open {
		k.tell(func(n *news) { n.stop = true })
	}
}

// tell notes news, where there are any, and sees to it that somebody writes.
func (k *socket) tell(note func(*news)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if note != nil {
		note(&k.news)
	}
	if k.working {
		k.woken = true
		return
	}
	k.working = true
	go k.work()
}

// work writes until there is nothing more to say.
func (k *socket) work() {
	code := closeGone
	defer func() {
		if v := recover(); v != nil {
			k.server.cfg.Log.Error("panic", "id", k.request, "error", errPanic{v, debug.Stack()}.Error())
			k.writing.dead, code = true, closeGone
		}
		if code != closeOpen {
			k.end(code)
		}
	}()
	for {
		if code = k.write(k.server.closing); code != closeOpen {
			return
		}
		k.mu.Lock()
		if !k.woken {
			k.working = false
			k.mu.Unlock()
			return
		}
		k.woken = false
		k.mu.Unlock()
	}
}

// end says why the socket ends and gives everything back. It is called once.
func (k *socket) end(code int) {
	for _, t := range []*time.Timer{k.writing.ping, k.writing.again} {
		if t != nil {
			t.Stop()
		}
	}
	ended := make(chan struct{})
	k.mu.Lock()
	k.ended = ended
	if k.news.gone {
		close(ended)
	}
	k.mu.Unlock()
	k.farewell(code, ended)
	k.leave()
	<-ended
	if k.listener != nil {
		k.listener.Leave()
	}
	k.server.sockets.remove(k)
	_ = k.ws.Close() // it is gone, or was said goodbye to
	k.server.cfg.Log.LogAttrs(context.Background(), slog.LevelInfo, "socket", slog.String("id", k.request),
		slog.String("role", string(k.role)), slog.Int("code", code), slog.Duration("took", time.Since(k.since)))
}

// farewell says why the socket ends and gives the other end a moment to answer.
func (k *socket) farewell(code int, ended <-chan struct{}) {
	if code == closeGone || k.writing.dead {
		return
	}
	frame := websocket.FormatCloseMessage(code, closeReasons[code])
	if k.ws.WriteControl(websocket.CloseMessage, frame, time.Now().Add(k.timing.farewell)) != nil {
		return
	}
	wait := time.NewTimer(k.timing.farewell)
	defer wait.Stop()
	select {
	case <-ended:
	case <-wait.C:
	}
}

// leave makes the reader return.
func (k *socket) leave() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.leaving = true
	_ = k.ws.SetReadDeadline(time.Unix(1, 0)) // a closed connection needs none
}

// alive notes a sign of the other end.
func (k *socket) alive(ctx context.Context) {
	k.mu.Lock()
	if !k.leaving {
		_ = k.ws.SetReadDeadline(time.Now().Add(k.timing.silence))
	}
	who := k.who
	k.mu.Unlock()
	k.seen(ctx)
	if who.kind == phone {
		ctx, cancel := context.WithTimeout(ctx, socketCallFor)
		defer cancel()
		// An ended handoff is told by its end; a store that fails is noticed elsewhere.
		_ = k.server.cfg.Handoffs.Seen(ctx, who.handoff.ID)
	}
}

// seen notes a sign of life on the socket's side of its case.
func (k *socket) seen(ctx context.Context) {
	if !k.queue {
		k.server.cfg.Hub.Seen(ctx, k.caseID, k.role)
	}
}

// The reading side.

var errFlood = errors.New("server: too many frames")

// read takes what the client sends until the connection ends.
func (k *socket) read() {
	ctx, code := k.server.closing, closeGone
	defer func() {
		if v := recover(); v != nil {
			k.server.cfg.Log.Error("panic", "id", k.request, "error", errPanic{v, debug.Stack()}.Error())
		}
		k.tell(func(n *news) {
			n.gone, n.code = true, code
			if k.ended != nil {
				close(k.ended)
			}
		})
	}()
	ws := k.ws
	ws.SetReadLimit(maxMessage)
	var second time.Time
	frames := 0
	flood := func() bool {
		now := time.Now()
		if now.Sub(second) >= time.Second {
			second, frames = now, 0
		}
		frames++
		return frames > maxFrames
	}
	ws.SetPongHandler(func(string) error {
		if flood() {
			return errFlood
		}
		k.alive(ctx)
		return nil
	})
	ws.SetPingHandler(func(data string) error {
		if flood() {
			return errFlood
		}
		k.alive(ctx)
		err := ws.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(time.Second))
		if errors.Is(err, websocket.ErrCloseSent) {
			return nil
		}
		return err
	})
	k.alive(ctx)
	for {
		kind, message, err := ws.ReadMessage()
		if err != nil {
			var timeout net.Error
			switch {
			case errors.Is(err, errFlood):
				code = closeFlood
			case errors.As(err, &timeout) && timeout.Timeout():
				code = closeSlow
			}
			return
		}
		switch {
		case flood():
			code = closeFlood
			return
		case kind != websocket.TextMessage || k.role != live.Phone:
			code = closeText
			return
		}
		k.alive(ctx)
		if err := k.heard(ctx, message); err != nil {
			k.tell(func(n *news) { n.told = classify(err) }) // one at a time is enough
		}
	}
}

// heard takes a phone's message: its progress, as the call of that name does.
func (k *socket) heard(ctx context.Context, message []byte) error {
	var m struct {
		Type string `json:"type"`
		Step string `json:"step"`
		progressNote
	}
	if err := parse(message, &m); err != nil {
		return err
	}
	if m.Type != "progress" {
		return fault.Fields(fault.Field{Field: "type", Code: "unknown", Detail: "There is no such message."})
	}
	k.mu.Lock()
	p := k.who
	k.mu.Unlock()
	if p.handoff.State != handoff.Active { // the match may be newer than the last check
		var err error
		if p, err = k.check(ctx); err != nil {
			return err
		}
	}
	h := p.handoff
	if h.State != handoff.Active {
		return handoff.ErrNotMatched
	}
	if !slices.Contains(h.Steps, m.Step) {
		return errStepNotHere
	}
	shown, err := m.check(m.Step)
	if err != nil {
		return err
	}
	k.server.cfg.Hub.Progress(ctx, k.caseID, shown)
	return nil
}

// The writing side.

type snapshotMessage struct {
	Type    string       `json:"type"`
	Seq     int64        `json:"seq"`
	Case    *caseView    `json:"case,omitempty"`
	Capture *captureView `json:"capture,omitempty"`
	Queue   *queueView   `json:"queue,omitempty"`
}

type presenceMessage struct {
	Type string `json:"type"`
	live.Presence
}

type progressMessage struct {
	Type string `json:"type"`
	live.Progress
}

type problemMessage struct {
	Type    string         `json:"type"`
	Problem map[string]any `json:"problem"`
}

// write tells the client what has happened, and returns the close code, or closeOpen.
func (k *socket) write(ctx context.Context) int {
	w := &k.writing
	if w.ping == nil {
		w.ping = time.AfterFunc(k.timing.ping, func() { k.tell(func(n *news) { n.ping = true }) })
	}
	k.mu.Lock()
	now := k.news
	k.news = news{stop: now.stop, gone: now.gone, code: now.code}
	k.mu.Unlock()
	switch {
	case now.gone || now.code != closeGone:
		return now.code
	case now.stop || ctx.Err() != nil:
		return closeGoing
	}
	if why := k.listener.Why(); why != "" {
		return closedBecause(why)
	}
	if now.ping {
		w.ping.Reset(k.timing.ping)
		if _, err := k.check(ctx); err != nil {
			if code := closeCode(k.role, err); code != closeGone {
				return code
			}
		}
		if err := k.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(k.timing.write)); err != nil {
			return k.failed(err)
		}
	}

	p := k.listener.Take()
	if p.Snapshot {
		w.due, w.seq = true, p.Seq
	} else if now.again {
		w.due, w.seq = true, 0
	}
	if p.Presence != nil {
		w.presence = p.Presence
	}
	if w.due {
		w.due = false
		m, err := k.snapshot(ctx, w.seq)
		if err != nil {
			if code := closeCode(k.role, err); code != closeGone {
				return code
			}
			k.server.cfg.Log.Warn("snapshot not read", "id", k.request, "error", err.Error())
			if w.again != nil {
				w.again.Stop()
			}
			w.again = time.AfterFunc(w.retry, func() { k.tell(func(n *news) { n.again = true }) })
			w.retry = min(2*w.retry, socketRetryMost)
			return closeOpen
		}
		if w.again != nil {
			w.again.Stop()
			w.again = nil
		}
		w.retry = k.timing.retry
		if err := k.send(m); err != nil {
			return k.failed(err)
		}
		w.began = true
	}
	if !w.began {
		return closeOpen // progress is lost, the presence waits
	}
	if w.presence != nil && !k.queue {
		if err := k.send(presenceMessage{"presence", *w.presence}); err != nil {
			return k.failed(err)
		}
		w.presence = nil
	}
	if k.role == live.Desk { // the phone knows what it does
		for _, p := range p.Progress {
			if err := k.send(progressMessage{"progress", p}); err != nil {
				return k.failed(err)
			}
		}
	}
	if now.told != nil {
		status, ok := statusOf[now.told.Kind]
		if !ok {
			status = fiber.StatusInternalServerError
		}
		if err := k.send(problemMessage{"problem", document(now.told, status)}); err != nil {
			return k.failed(err)
		}
	}
	return closeOpen
}

func (k *socket) send(message any) error {
	data, err := json.Marshal(message)
	if err != nil {
		return err
	}
	if err := k.ws.SetWriteDeadline(time.Now().Add(k.timing.write)); err != nil {
		return err
	}
	return k.ws.WriteMessage(websocket.TextMessage, data)
}

// failed is the code of a socket that could not be written to. What was begun cannot be
// finished, so a client that is too slow finds only the end of the connection.
func (k *socket) failed(err error) int {
	k.writing.dead = true
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return closeSlow
	}
	return closeGone
}

// check looks again whether the client may still see what it sees.
func (k *socket) check(ctx context.Context) (principal, error) {
	ctx, cancel := context.WithTimeout(ctx, socketCallFor)
	defer cancel()
	k.mu.Lock()
	p := k.who
	k.mu.Unlock()
	sess, err := k.server.cfg.Sessions.Check(ctx, p.token, p.session.Kind)
	if err != nil {
		return principal{}, err
	}
	p.session = sess
	if p.kind == phone {
		h, err := k.server.cfg.Handoffs.Get(ctx, p.handoff.ID)
		if err != nil {
			return principal{}, err
		}
		if h.State.Ended() || h.Epoch != sess.Epoch {
			return principal{}, captureEnded(h.State)
		}
		p.handoff = &h
	}
	if k.queue { // whoever was disabled meanwhile, or lost the role, is out
		a, err := k.server.cfg.Cases.Colleague(ctx, sess.AccountID)
		if err != nil {
			return principal{}, err
		}
		if !a.Has(cases.Reviewer, cases.Supervisor) {
			return principal{}, cases.ErrStaffOnly
		}
	}
	k.mu.Lock()
	k.who = p
	k.mu.Unlock()
	return p, nil
}

// snapshot reads the whole truth. seq is the number to send it under; 0 takes one first.
func (k *socket) snapshot(ctx context.Context, seq int64) (snapshotMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, socketCallFor)
	defer cancel()
	p, err := k.check(ctx)
	if err != nil {
		return snapshotMessage{}, err
	}
	s := k.server
	if k.role == live.Phone {
		v, seq, err := s.captureSnapshot(ctx, p, seq)
		return snapshotMessage{Type: "snapshot", Seq: seq, Capture: &v}, err
	}
	if seq, err = s.seq(ctx, k.caseID, seq); err != nil {
		return snapshotMessage{}, err
	}
	if k.queue {
		v, err := s.viewOfQueue(ctx)
		return snapshotMessage{Type: "snapshot", Seq: seq, Queue: &v}, err
	}
	c, err := s.caseOf(ctx, p, k.caseID)
	if err != nil {
		return snapshotMessage{}, err
	}
	v, err := s.viewOf(ctx, p, c, seq)
	return snapshotMessage{Type: "snapshot", Seq: seq, Case: &v}, err
}

// closeCode is the code of a refusal; closeGone for a failure that may pass.
func closeCode(role live.Role, err error) int {
	switch fault.KindOf(err) {
	case fault.Unauthenticated:
		if role == live.Phone {
			return closeOver
		}
		return closeSignedIn
	case fault.NotFound, fault.Gone:
		if role == live.Phone { // its handoff was lost
			return closeOver
		}
		return closeUnknown
	case fault.Forbidden:
		return closeMayNot
	}
	return closeGone
}

func closedBecause(r live.Reason) int {
	switch r {
	case live.Replaced:
		return closeReplaced
	case live.Over:
		return closeOver
	}
	return closeGoing
}
