package server

import (
	"net/netip"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// hostSet is every Host value this server answers to: the public one and further ones.
func hostSet(public *url.URL, further []string) map[string]bool {
	set := map[string]bool{plainHost(public.Host): true}
	for _, h := range further {
		set[plainHost(h)] = true
	}
	return set
}

// plainHost is a Host in lower case without a port that its scheme implies: browsers
// leave those out, other clients may not.
func plainHost(host string) string {
	host = strings.ToLower(host)
	host = strings.TrimSuffix(host, ":443")
	return strings.TrimSuffix(host, ":80")
}

// host is the Host of the request, as plainHost has it.
func host(c *fiber.Ctx) string { return plainHost(string(c.Context().Host())) }

// knownHost refuses requests for hosts that are not ours, which is how a page of another
// name that resolves to this machine would reach it. The two probes answer to any name.
func (s *Server) knownHost(c *fiber.Ctx) error {
	if !s.hosts[host(c)] && c.Path() != "/healthz" && c.Path() != "/readyz" {
		return errHost
	}
	return c.Next()
}

// trusted reports whether a peer may speak for others.
func (s *Server) trusted(addr netip.Addr) bool {
	for _, p := range s.cfg.TrustedProxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// peer is the address at the other end of the connection.
func peer(c *fiber.Ctx) netip.Addr {
	ap, err := netip.ParseAddrPort(c.Context().RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// client is the address of who calls: the peer's, or what trusted proxies say, read from
// the right, where the nearest proxy wrote.
func (s *Server) client(c *fiber.Ctx) netip.Addr {
	addr := peer(c)
	if !s.trusted(addr) {
		return addr
	}
	var hops []string
	for _, line := range c.Request().Header.PeekAll(fiber.HeaderXForwardedFor) {
		hops = append(hops, strings.Split(string(line), ",")...)
	}
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop.Unmap().WithZone("")
		if !s.trusted(addr) {
			break
		}
	}
	return addr
}

// network is the part of the client's address that one household or company shares:
// /32 of IPv4, /56 of IPv6. Limits count by it.
func (s *Server) network(c *fiber.Ctx) string {
	p, err := networkOf(s.client(c))
	if err != nil {
		return "unknown"
	}
	return p.String()
}

func networkOf(addr netip.Addr) (netip.Prefix, error) {
	if addr.Is6() {
		return addr.Prefix(56)
	}
	return addr.Prefix(32)
}

// secure reports whether the client speaks TLS: to us, to a trusted proxy that says so, or
// to whatever stands before the public https address.
func (s *Server) secure(c *fiber.Ctx) bool {
	if c.Context().IsTLS() {
		return true
	}
	if proto := c.Request().Header.Peek(fiber.HeaderXForwardedProto); len(proto) > 0 && s.trusted(peer(c)) {
		return string(proto) == "https"
	}
	return s.public.Scheme == "https" && host(c) == plainHost(s.public.Host)
}

// origin is what a browser that shows a page of this request's host sends as Origin.
func (s *Server) origin(c *fiber.Ctx) string {
	if s.secure(c) {
		return "https://" + host(c)
	}
	return "http://" + host(c)
}
