package server

import (
	"net"
	"net/netip"
	"testing"
)

// from is a connection that comes from an address.
type from struct {
	net.Conn
	addr net.Addr
}

func (f from) RemoteAddr() net.Addr { return f.addr }
func (f from) Close() error         { return nil }

// One network cannot take every connection there is, however it spreads its addresses; proxies that speak for many can.
func TestOneNetworkCannotHoldAllConnections(t *testing.T) {
	w := newWire(t, hurried())
	w.cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
	var held []net.Conn
	dial := func(address string) bool {
		w.transport.slots <- struct{}{}
		addr := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address))
		c, ok := w.admit(from{addr: addr}, false)
		if !ok {
			<-w.transport.slots
			return false
		}
		w.transport.serving.Done() // nobody serves it
		held = append(held, c)
		return true
	}
	t.Cleanup(func() {
		for _, c := range held {
			_ = c.Close()
		}
		if n := len(w.transport.byNetwork); n != 0 {
			t.Errorf("%d networks are remembered after all have gone", n)
		}
	})
	for i := range connsPerNetwork {
		if !dial("203.0.113.5:4000") || !dial([]string{"[2001:db8:0:ab00::1]:4000", "[2001:db8:0:abff::9]:5000"}[i%2]) {
			t.Fatalf("refused after %d", i)
		}
	}
	for address, want := range map[string]bool{
		"203.0.113.5:4001":          false,
		"[::ffff:203.0.113.5]:4001": false,
		"[2001:db8:0:ab77::1]:4000": false, // the same /56
		"[2001:db8:0:ac00::1]:4000": true,
		"203.0.113.6:4000":          true,
	} {
		if got := dial(address); got != want {
			t.Errorf("%s: let in %v", address, got)
		}
	}
	for range connsPerNetwork + 1 { // of a proxy and of this machine
		if !dial("10.1.2.3:4000") || !dial("127.0.0.1:4000") {
			t.Fatal("a proxy is counted")
		}
	}
	// A place is given back.
	_ = held[0].Close()
	if !dial("203.0.113.5:4002") || dial("203.0.113.5:4003") {
		t.Error("a connection that ended gives back one place")
	}
}
