package server

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/gofiber/contrib/websocket"
	"github.com/gofiber/fiber/v2"

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
	socketReadBuffer  = 512
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

// socket is one open websocket. Its handler's goroutine writes, another one reads; the first
// joins the second before it returns, because the connection is pooled.
type socket struct {
	server         *Server
	request        string // id of the request that opened it, for the log
	caseID         string
	role           live.Role
	owner, network string // what limits count by; no owner, no such limit

	timing   socketTiming
	listener *live.Listener
	stop     chan struct{}     // closed by closeSockets
	told     chan *fault.Error // what the reader wants to tell the client
	ended    chan struct{}     // closed when the reader is gone; then ending counts
	ending   int               // why it went: a close code
	dead     bool              // a write failed half-way: nothing more can be said

	mu      sync.Mutex // guards what follows
	who     principal  // as of the last check
	leaving bool       // the read deadline is not to be moved any more
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
	if websocket.IsWebSocketUpgrade(c) && p.byCookie && !s.ownOrigin(c, c.Get(fiber.HeaderOrigin)) {
		return errCrossSite
	}
	return nil
}

// upgrade turns the request into the socket k, or answers why not.
func (s *Server) upgrade(c *fiber.Ctx, k *socket) error {
	if !websocket.IsWebSocketUpgrade(c) {
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
	// Only looked at here: if the answer cannot be written, the handler never runs, and
	// nobody would give a place back.
	if err := s.sockets.full(k); err != nil {
		return err
	}
	return websocket.New(k.serve, websocket.Config{
		HandshakeTimeout: k.timing.write,
		ReadBufferSize:   socketReadBuffer,
		WriteBufferSize:  socketWriteBuffer,
		WriteBufferPool:  &s.sockets.buffers,
		RecoverHandler: func(*websocket.Conn) {
			if v := recover(); v != nil {
				s.cfg.Log.Error("panic", "id", k.request, "error", errPanic{v, debug.Stack()}.Error())
			}
		},
	})(c)
}

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
		close(k.stop)
	}
}

// serve runs the socket until it ends.
func (k *socket) serve(ws *websocket.Conn) {
	s, start := k.server, time.Now()
	k.stop, k.told, k.ended = make(chan struct{}), make(chan *fault.Error, 1), make(chan struct{})
	ctx, cancel := context.WithCancel(s.closing)
	defer cancel()

	code := s.sockets.add(k)
	defer s.sockets.remove(k)
	go k.read(ctx, ws)
	// Whatever happens, also a panic: the reader must be gone before the connection goes
	// back to its pool and becomes somebody else's.
	defer func() {
		cancel()
		k.leave(ws)
		<-k.ended
	}()
	if code == closeGone {
		k.listener = s.cfg.Hub.Join(k.caseID, k.role)
		defer k.listener.Leave()
		s.cfg.Hub.Seen(ctx, k.caseID, k.role)
		code = k.write(ctx, ws)
	}
	k.farewell(ws, code)
	s.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "socket", slog.String("id", k.request),
		slog.String("role", string(k.role)), slog.Int("code", code), slog.Duration("took", time.Since(start)))
}

// farewell says why the socket ends and gives the other end a moment to answer.
func (k *socket) farewell(ws *websocket.Conn, code int) {
	if code == closeGone || k.dead {
		return
	}
	frame := websocket.FormatCloseMessage(code, closeReasons[code])
	if ws.WriteControl(websocket.CloseMessage, frame, time.Now().Add(k.timing.farewell)) != nil {
		return
	}
	wait := time.NewTimer(k.timing.farewell)
	defer wait.Stop()
	select {
	case <-k.ended:
	case <-wait.C:
	}
}

// leave makes the reader return.
func (k *socket) leave(ws *websocket.Conn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.leaving = true
	_ = ws.SetReadDeadline(time.Unix(1, 0)) // a closed connection needs none
}

// alive notes a sign of the other end.
func (k *socket) alive(ctx context.Context, ws *websocket.Conn) {
	k.mu.Lock()
	if !k.leaving {
		_ = ws.SetReadDeadline(time.Now().Add(k.timing.silence))
	}
	who := k.who
	k.mu.Unlock()
	k.server.cfg.Hub.Seen(ctx, k.caseID, k.role)
	if who.kind == phone {
		ctx, cancel := context.WithTimeout(ctx, socketCallFor)
		defer cancel()
		// An ended handoff is told by its end; a store that fails is noticed elsewhere.
		_ = k.server.cfg.Handoffs.Seen(ctx, who.handoff.ID)
	}
}

// The reading side.

// read takes what the client sends until the connection ends.
func (k *socket) read(ctx context.Context, ws *websocket.Conn) {
	defer close(k.ended)
	defer func() {
		if v := recover(); v != nil {
			k.server.cfg.Log.Error("panic", "id", k.request, "error", errPanic{v, debug.Stack()}.Error())
		}
	}()
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
	errFlood := errors.New("server: too many frames")
	ws.SetPongHandler(func(string) error {
		if flood() {
			return errFlood
		}
		k.alive(ctx, ws)
		return nil
	})
	ws.SetPingHandler(func(data string) error {
		if flood() {
			return errFlood
		}
		k.alive(ctx, ws)
		err := ws.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(time.Second))
		if errors.Is(err, websocket.ErrCloseSent) {
			return nil
		}
		return err
	})
	k.alive(ctx, ws)
	for {
		kind, message, err := ws.ReadMessage()
		if err != nil {
			var timeout net.Error
			switch {
			case errors.Is(err, errFlood):
				k.ending = closeFlood
			case errors.As(err, &timeout) && timeout.Timeout():
				k.ending = closeSlow
			}
			return
		}
		switch {
		case flood():
			k.ending = closeFlood
			return
		case kind != websocket.TextMessage || k.role != live.Phone:
			k.ending = closeText
			return
		}
		k.alive(ctx, ws)
		if err := k.heard(ctx, message); err != nil {
			select {
			case k.told <- classify(err):
			default: // one at a time is enough
			}
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

// write tells the client what happens until the socket ends, and returns the close code.
func (k *socket) write(ctx context.Context, ws *websocket.Conn) int {
	ping := time.NewTicker(k.timing.ping)
	defer ping.Stop()
	again := time.NewTimer(0)
	again.Stop()
	defer again.Stop()
	wait := k.timing.retry

	first := true // nothing is said before the first snapshot
	var due bool
	var seq int64
	var presence *live.Presence
	for {
		var progress []live.Progress
		var told *fault.Error
		select {
		case <-k.ended:
			return k.ending
		case <-k.stop:
			return closeGoing
		case <-ctx.Done():
			return closeGoing
		case <-k.listener.Done():
			return closedBecause(k.listener.Why())
		case <-k.listener.Ready():
			p := k.listener.Take()
			if p.Snapshot {
				due, seq = true, p.Seq
			}
			if p.Presence != nil {
				presence = p.Presence
			}
			progress = p.Progress
		case <-again.C:
			due, seq = true, 0
		case told = <-k.told:
		case <-ping.C:
			if _, err := k.check(ctx); err != nil {
				if code := closeCode(k.role, err); code != closeGone {
					return code
				}
			}
			if err := ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(k.timing.write)); err != nil {
				return k.failed(err)
			}
			continue
		}

		if due {
			due = false
			m, err := k.snapshot(ctx, seq)
			if err != nil {
				if code := closeCode(k.role, err); code != closeGone {
					return code
				}
				k.server.cfg.Log.Warn("snapshot not read", "id", k.request, "error", err.Error())
				again.Reset(wait)
				wait = min(2*wait, socketRetryMost)
				continue
			}
			again.Stop()
			wait = k.timing.retry
			if err := k.send(ws, m); err != nil {
				return k.failed(err)
			}
			first = false
		}
		if first {
			continue // progress is lost, the presence waits
		}
		if presence != nil {
			if err := k.send(ws, presenceMessage{"presence", *presence}); err != nil {
				return k.failed(err)
			}
			presence = nil
		}
		if k.role == live.Desk { // the phone knows what it does
			for _, p := range progress {
				if err := k.send(ws, progressMessage{"progress", p}); err != nil {
					return k.failed(err)
				}
			}
		}
		if told != nil {
			status, ok := statusOf[told.Kind]
			if !ok {
				status = fiber.StatusInternalServerError
			}
			if err := k.send(ws, problemMessage{"problem", document(told, status)}); err != nil {
				return k.failed(err)
			}
		}
	}
}

func (k *socket) send(ws *websocket.Conn, message any) error {
	data, err := json.Marshal(message)
	if err != nil {
		return err
	}
	if err := ws.SetWriteDeadline(time.Now().Add(k.timing.write)); err != nil {
		return err
	}
	return ws.WriteMessage(websocket.TextMessage, data)
}

// failed is the code of a socket that could not be written to. What was begun cannot be
// finished, so a client that is too slow finds only the end of the connection.
func (k *socket) failed(err error) int {
	k.dead = true
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
