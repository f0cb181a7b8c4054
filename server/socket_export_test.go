package server

import "time"

// HurrySockets shortens what sockets wait for, before the first one opens.
func (s *Server) HurrySockets(ping, silence, write time.Duration) {
	s.sockets.timing = socketTiming{ping: ping, silence: silence, write: write, farewell: time.Second, retry: 20 * time.Millisecond}
}
