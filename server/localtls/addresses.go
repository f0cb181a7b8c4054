package localtls

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// Addresses returns what other devices may reach this machine by, the likeliest first: the address
// that its way to the Internet starts from, then those of its other networks, then its name under .local.
// Addresses of this machine alone are not among them.
func Addresses() []string {
	var found []candidate
	interfaces, _ := net.Interfaces() // without them the name is left
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				found = append(found, candidate{i.Name, p.Addr().Unmap()})
			}
		}
	}
	host, _ := os.Hostname()
	return order(found, outward(), host)
}

type candidate struct {
	network string // the interface's name
	addr    netip.Addr
}

// order sorts addresses: the outward one, networks that people are on, networks that only programs
// are on; in each IPv4 before IPv6, which is longer to type; then the name.
func order(found []candidate, outward netip.Addr, host string) []string {
	rank := func(c candidate) int {
		r := 0
		if c.addr.Is6() {
			r = 1
		}
		switch {
		case c.addr == outward:
			return 0
		case inward(c.network):
			return r + 4
		}
		return r + 2
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return rank(a) - rank(b) })
	var out []string
	for _, c := range found {
		if c.addr.IsGlobalUnicast() && !slices.Contains(out, c.addr.String()) {
			out = append(out, c.addr.String())
		}
	}
	if name := short(host); label(name) {
		out = append(out, name+".local")
	}
	return out
}

// inward reports whether an interface is one that containers and virtual machines hang on.
func inward(name string) bool {
	for _, prefix := range []string{"docker", "br-", "veth", "virbr", "vmnet", "cni", "flannel", "lxc", "podman", "bridge"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// label reports whether s can be one part of a host name.
func label(s string) bool {
	if s == "" || s == "localhost" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' })
}

// outward is the address that packets to the Internet would start from. Nothing is sent.
func outward() netip.Addr {
	for _, far := range []string{"192.0.2.1:9", "[2001:db8::1]:9"} { // reserved for examples
		c, err := net.Dial("udp", far)
		if err != nil {
			continue
		}
		ap, err := netip.ParseAddrPort(c.LocalAddr().String())
		_ = c.Close()
		if err == nil {
			return ap.Addr().Unmap()
		}
	}
	return netip.Addr{}
}
