package server

import (
	"net"
	"time"
)

// HurrySockets shortens what sockets wait for, before the first one opens.
func (s *Server) HurrySockets(ping, silence, write time.Duration) {
	s.sockets.timing = socketTiming{ping: ping, silence: silence, write: write, farewell: 200 * time.Millisecond, retry: 20 * time.Millisecond}
}

// SmallBuffers lets the system hold little of what the connections that are open now do not take.
func (s *Server) SmallBuffers() {
	s.transport.mu.Lock()
	defer s.transport.mu.Unlock()
	for c := range s.transport.conns {
		if tcp, ok := c.Conn.(*net.TCPConn); ok {
			_ = tcp.SetWriteBuffer(4 << 10)
		}
	}
}
