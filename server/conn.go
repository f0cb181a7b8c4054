package server

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// conn is one accepted connection. It moves the write deadline with every piece written,
// so that a reader who stalls is let go and one who is only slow is not, and it closes in a way
// that lets the other side read the last answer.
type conn struct {
	net.Conn
	server *Server
	from   netip.Prefix // the network that it is counted for, invalid where it is not

	// linger is set when the connection is closed while bytes of the client may still be on
	// their way: closing at once would reset it and destroy the answer before it is read.
	linger atomic.Bool
	heard  atomic.Bool // any byte has arrived
	idle   atomic.Bool // between two requests
	busy   atomic.Bool // a request's head was read, and its answer is not out yet
	closed atomic.Bool
	drains atomic.Bool // closed, and the client is given time to read the last answer

	// sinceLine counts the bytes read after the last line feed. Only the goroutine that
	// reads the connection touches it.
	sinceLine int

	// mu guards ownWrite.
	mu sync.Mutex
	// ownWrite says that somebody else (a websocket) set a write deadline, which then counts.
	ownWrite bool
}

// tlsConn is a conn whose inner one is TLS. fasthttp tells them apart by these methods.
type tlsConn struct{ *conn }

func (c tlsConn) Handshake() error { return c.Conn.(*tls.Conn).Handshake() }

func (c tlsConn) ConnectionState() tls.ConnectionState {
	return c.Conn.(*tls.Conn).ConnectionState()
}

// connOf returns our side of what fasthttp calls its connection; nil in tests without a wire.
func connOf(c net.Conn) *conn {
	switch c := c.(type) {
	case *conn:
		return c
	case tlsConn:
		return c.conn
	}
	return nil
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.heard.Store(true)
		if i := bytes.LastIndexByte(p[:n], '\n'); i >= 0 {
			c.sinceLine = n - i - 1
		} else {
			c.sinceLine += n
		}
	}
	return n, err
}

// pieceSize is how much is written under one deadline.
const pieceSize = 16 << 10

func (c *conn) Write(p []byte) (int, error) {
	written := 0
	for {
		piece := p[written:min(len(p), written+pieceSize)]
		c.mu.Lock()
		if !c.ownWrite {
			_ = c.Conn.SetWriteDeadline(time.Now().Add(c.server.timing.write)) // a closed connection says so in Write
		}
		c.mu.Unlock()
		n, err := c.Conn.Write(piece)
		written += n
		if err != nil || written == len(p) {
			return written, err
		}
	}
}

func (c *conn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ownWrite = !t.IsZero()
	return c.Conn.SetDeadline(t)
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ownWrite = !t.IsZero()
	return c.Conn.SetWriteDeadline(t)
}

// Close closes it; twice is fine.
func (c *conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	if c.linger.Load() {
		c.drain()
	}
	err := c.Conn.Close()
	c.server.forget(c)
	return err
}

// hurriedLinger is how long a client that had its answer before Shutdown may still read it.
const hurriedLinger = 200 * time.Millisecond

// lingerBytes bounds what is read of a client that goes on sending after its answer.
const lingerBytes = 8 << 20

// drain says that nothing more will be written and reads what still comes, for a while.
func (c *conn) drain() {
	raw := c.Conn
	if t, ok := raw.(*tls.Conn); ok {
		if t.CloseWrite() != nil {
			return
		}
		raw = t.NetConn()
	}
	half, ok := raw.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || raw.SetReadDeadline(time.Now().Add(c.server.timing.linger)) != nil {
		return
	}
	c.drains.Store(true)
	_, _ = io.CopyN(io.Discard, raw, lingerBytes) // however it ends, the connection is closed
}

// hurry lets a connection that drains do so a moment longer.
func (c *conn) hurry() {
	raw := c.Conn
	if t, ok := raw.(*tls.Conn); ok {
		raw = t.NetConn()
	}
	_ = raw.SetReadDeadline(time.Now().Add(hurriedLinger))
}

// abort closes without waiting for anything: whoever reads or writes gets an error at once.
func (c *conn) abort() {
	raw := c.Conn
	if t, ok := raw.(*tls.Conn); ok {
		raw = t.NetConn() // tls would wait for a writer
	}
	_ = raw.Close()
}
