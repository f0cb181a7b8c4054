package server

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// timing is how long the door waits for whom.
type timing struct {
	head       time.Duration // for a whole request head, TLS handshake included
	keepAlive  time.Duration // between two requests
	bodyIdle   time.Duration // without a byte of a buffered body
	bodyTotal  time.Duration // for the whole of one
	uploadIdle time.Duration // without a byte of an upload
	write      time.Duration // until the client took a piece of an answer
	linger     time.Duration // for a client to read its answer before the connection goes
	leftover   time.Duration // for the small rest of a body that nobody read

	// An upload that brings fewer than floorBytes within floor is ended, so that nobody holds a
	// connection by sending a byte now and then. What arrived stays.
	floor      time.Duration
	floorBytes int64
}

var defaultTiming = timing{
	head:       10 * time.Second,
	keepAlive:  75 * time.Second,
	bodyIdle:   10 * time.Second,
	bodyTotal:  30 * time.Second,
	uploadIdle: 30 * time.Second,
	write:      30 * time.Second,
	linger:     2 * time.Second,
	leftover:   5 * time.Second,
	floor:      time.Minute,
	floorBytes: 2 << 10,
}

// maxConns is how many connections are open at once, fewer where the process may not open that many
// files and spareFiles besides, for the stores; further ones wait to be accepted.
const (
	maxConns   = 32768
	spareFiles = 512
)

func connsAllowed() int {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Cur >= maxConns+spareFiles {
		return maxConns
	}
	return max(int(files.Cur)-spareFiles, int(files.Cur)/2)
}

// connsPerNetwork is how many of them one network may hold, so that none can hold all of them. A further
// one is closed at once. Trusted proxies and this machine itself, which may be one, are not counted.
const connsPerNetwork = 1024

// transport is the door's listeners, connections and running uploads.
type transport struct {
	// stop is closed when Shutdown begins.
	stop  chan struct{}
	slots chan struct{} // one is held by every open connection
	// serving counts the goroutines that serve connections until they are closed or hijacked.
	serving sync.WaitGroup

	// mu guards what follows.
	mu        sync.Mutex
	stopping  bool
	listeners map[net.Listener]bool
	conns     map[*conn]bool
	byNetwork map[netip.Prefix]int // counted ones of conns
	bodies    map[*bodyReader]bool
	empty     chan struct{} // closed when stopping and conns is empty
}

// appConfig is how Fiber and the fasthttp below it are set.
func (s *Server) appConfig() fiber.Config {
	return fiber.Config{
		DisableStartupMessage: true,
		// Bodies arrive as streams so that uploads are never held in memory; the guard
		// bounds every other body, because BodyLimit does not count for streams.
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true,
		// Gives the read buffer back while a websocket is idle.
		ReduceMemoryUsage: true,
		// A longer request head is 431, a longer address 414.
		ReadBufferSize: maxHead,
		BodyLimit:      maxBody,
		CaseSensitive:  true,
		StrictRouting:  true,
		ErrorHandler:   s.fail,
	}
}

// equip puts the door in front of the app: its own handling of connections, of framing, and of
// everything fasthttp would answer by itself.
func (s *Server) equip() {
	if s.timing == (timing{}) {
		s.timing = defaultTiming
	}
	s.transport = transport{
		stop:      make(chan struct{}),
		slots:     make(chan struct{}, connsAllowed()),
		listeners: map[net.Listener]bool{},
		conns:     map[*conn]bool{},
		byNetwork: map[netip.Prefix]int{},
		bodies:    map[*bodyReader]bool{},
		empty:     make(chan struct{}),
	}
	s.metrics = newMetrics(s)
	web := s.app.Server()
	web.Handler = s.door(s.app.Handler())
	web.ErrorHandler = s.unreadable
	web.ExpectHandler = s.expect
	web.HeaderReceived = func(*fasthttp.RequestHeader) fasthttp.RequestConfig {
		// A body limit of one byte keeps fasthttp from reading ahead into a body before anybody
		// has looked at the request; the rest comes through the stream, under our own deadlines.
		return fasthttp.RequestConfig{MaxRequestBodySize: 1, ReadTimeout: s.timing.bodyIdle}
	}
	web.ReadTimeout = s.timing.head
	web.IdleTimeout = s.timing.keepAlive
	web.Concurrency = 2 * maxConns // never reached: slots bound it
	web.SecureErrorLogMessage = true
	web.KeepHijackedConns = true // sockets close their own
	web.ConnState = func(c net.Conn, state fasthttp.ConnState) {
		if c := connOf(c); c != nil {
			c.idle.Store(state == fasthttp.StateIdle)
			if state == fasthttp.StateIdle {
				c.busy.Store(false)
			}
		}
	}
}

// Serve answers requests on ln until Shutdown, and closes it. secure says that ln is TLS.
// It may run for several listeners at once.
func (s *Server) Serve(ln net.Listener, secure bool) error {
	t := &s.transport
	t.mu.Lock()
	if t.stopping {
		t.mu.Unlock()
		return ln.Close()
	}
	t.listeners[ln] = true
	t.mu.Unlock()
	defer ln.Close()

	for {
		select {
		case t.slots <- struct{}{}:
		case <-t.stop:
			return nil
		}
		raw, err := ln.Accept()
		if err != nil {
			<-t.slots
			switch {
			case t.stopped():
				return nil
			case passing(err):
				select {
				case <-t.stop:
					return nil
				case <-time.After(100 * time.Millisecond):
				}
				continue
			}
			return err
		}
		c, ok := s.admit(raw, secure)
		if !ok {
			<-t.slots
			_ = raw.Close()
			continue
		}
		go func() {
			defer t.serving.Done()
			_ = s.app.Server().ServeConn(c) // what failed was answered, or the client has gone
		}()
	}
}

// passing reports whether accepting may work again: the process is out of files or memory, or
// the client left before it was accepted.
func passing(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (t *transport) stopped() bool {
	select {
	case <-t.stop:
		return true
	default:
		return false
	}
}

// admit takes note of a connection; false when the door is closing, or its network holds too many.
func (s *Server) admit(raw net.Conn, secure bool) (net.Conn, bool) {
	if _, ok := raw.(*tls.Conn); ok != secure {
		return nil, false
	}
	c := &conn{Conn: raw, server: s}
	t := &s.transport
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopping {
		return nil, false
	}
	if from, ok := s.counted(raw.RemoteAddr()); ok {
		if t.byNetwork[from] >= connsPerNetwork {
			return nil, false
		}
		t.byNetwork[from]++
		c.from = from
	}
	t.conns[c] = true
	t.serving.Add(1)
	if secure {
		return tlsConn{c}, true
	}
	return c, true
}

// counted returns the network of a peer whose connections are counted.
func (s *Server) counted(peer net.Addr) (netip.Prefix, bool) {
	ap, err := netip.ParseAddrPort(peer.String())
	if err != nil {
		return netip.Prefix{}, false
	}
	addr := ap.Addr().Unmap().WithZone("")
	if addr.IsLoopback() || s.trusted(addr) {
		return netip.Prefix{}, false
	}
	from, err := networkOf(addr)
	return from, err == nil
}

// forget is called by a connection that is closed.
func (s *Server) forget(c *conn) {
	t := &s.transport
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, c)
	if c.from.IsValid() {
		if t.byNetwork[c.from]--; t.byNetwork[c.from] == 0 {
			delete(t.byNetwork, c.from)
		}
	}
	<-t.slots
	if t.stopping && len(t.conns) == 0 {
		close(t.empty)
	}
}

// Shutdown stops accepting, ends sockets with 1001, makes uploads let go (the bytes received
// stay), lets running requests finish while ctx lasts, then closes what is left. It returns
// ctx's error when something had to be closed, and leaves no goroutine. Twice is fine.
func (s *Server) Shutdown(ctx context.Context) error {
	t := &s.transport
	t.mu.Lock()
	if !t.stopping {
		t.stopping = true
		close(t.stop)
		if len(t.conns) == 0 {
			close(t.empty)
		}
	}
	for ln := range t.listeners {
		_ = ln.Close() // Serve closes it again
	}
	bodies := make([]*bodyReader, 0, len(t.bodies))
	for b := range t.bodies {
		bodies = append(bodies, b)
	}
	quiet := t.pick(func(c *conn) bool { return c.idle.Load() || !c.heard.Load() })
	drains := t.pick(func(c *conn) bool { return c.drains.Load() })
	t.mu.Unlock()

	s.closeSockets()
	for _, b := range bodies {
		b.interrupt(errGoing)
	}
	for _, c := range quiet {
		c.abort()
	}
	for _, c := range drains {
		c.hurry()
	}

	err := s.drained(ctx)
	if err != nil {
		s.close() // whoever still computes is told
		t.mu.Lock()
		rest := t.pick(func(*conn) bool { return true })
		t.mu.Unlock()
		for _, c := range rest {
			c.abort()
		}
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if s.drained(last) != nil {
			err = errors.New("server: a request did not end")
		}
	}
	s.close()
	return err
}

// pick returns connections; t.mu is held.
func (t *transport) pick(which func(*conn) bool) []*conn {
	var picked []*conn
	for c := range t.conns {
		if which(c) {
			picked = append(picked, c)
		}
	}
	return picked
}

// headGrace is how long a request may take to arrive that had begun to when Shutdown did.
const headGrace = time.Second

// drained waits until every connection is closed and nobody serves one.
func (s *Server) drained(ctx context.Context) error {
	t := &s.transport
	// A connection may become idle after it was looked at; it is closed then.
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.Now().Add(headGrace)
	for {
		select {
		case <-t.empty:
			t.serving.Wait()
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			t.mu.Lock()
			heads := time.Now().Before(late)
			idle := t.pick(func(c *conn) bool { return c.idle.Load() || !heads && !c.busy.Load() && !c.closed.Load() })
			t.mu.Unlock()
			for _, c := range idle {
				c.abort()
			}
		}
	}
}
