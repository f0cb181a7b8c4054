// Package server is the HTTP door: it decodes, authorises, calls one method of a
// subject and encodes the answer. The contract is openapi.yaml beside this file.
// Nothing else in Symbolon imports Fiber.
package server

import (
	"context"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/handoff"
	"github.com/symbolon/symbolon/live"
	"github.com/symbolon/symbolon/media"
	"github.com/symbolon/symbolon/sessions"
)

// Config is what a Server needs.
type Config struct {
	Cases    *cases.Service
	Sessions *sessions.Service
	Handoffs *handoff.Service
	Hub      *live.Hub
	Media    *media.Service

	Operator Operator
	// PublicURL is the origin that phones reach (scheme://host[:port]); QR codes carry it.
	PublicURL string
	// Hosts are the further host[:port] values this server answers to (localhost, the
	// machine's addresses); any other Host is 421.
	Hosts []string
	// TrustedProxies may tell the client's address and scheme by X-Forwarded-For and -Proto.
	TrustedProxies []netip.Prefix
	// TrustCA is the PEM of the local certificate authority under --tls local, else nil.
	TrustCA []byte
	// Ready returns the parts that do not answer now, by name.
	Ready func(ctx context.Context) map[string]error
	// Pages holds the built browser apps (web/dist).
	Pages fs.FS
	Log   *slog.Logger
	Now   func() time.Time
}

// Operator is what the public may know of the company that runs this server.
type Operator struct {
	Name    string
	Purpose string // one sentence per language tag is derived by the pages from this text
	Support string // an address people can write to
}

// Server is the door.
type Server struct {
	cfg Config
	app *fiber.App
}

// New checks the configuration and builds the routes.
func New(cfg Config) (*Server, error) { panic("unwritten") }

// principal is who makes this request: exactly one.
type principal struct {
	kind     principalKind
	session  sessions.Session
	token    string
	byCookie bool
	handoff  *handoff.Handoff // a phone's, live and of the current epoch
}

type principalKind string

const (
	applicant principalKind = "applicant"
	phone     principalKind = "phone"
)

// actor is the principal as package cases knows it.
func (p principal) actor() cases.Actor { panic("unwritten") }

// owner is what a take is owned by: the session of an applicant, the handoff of a phone.
func (p principal) owner() string { panic("unwritten") }

// channel is where the principal works: "desk" or "phone".
func (p principal) channel() string { panic("unwritten") }

// caller finds the one principal of the request among the allowed kinds (none given: any), as API
// "Who calls" says, checks the cross-site rule for unsafe requests by cookie, and notes presence.
func (s *Server) caller(c *fiber.Ctx, allowed ...principalKind) (principal, error) {
	panic("unwritten")
}

// caseFor returns the case if the principal may see it at all, else cases.ErrUnknown.
func (s *Server) caseFor(ctx context.Context, p principal, caseID string) (cases.Case, error) {
	panic("unwritten")
}

// stepFor is caseFor and the rules for working on a step: handoff_not_matched, step_on_phone,
// not_for_capture, step not listed.
func (s *Server) stepFor(ctx context.Context, p principal, caseID, step string) (cases.Case, error) {
	panic("unwritten")
}

// Serve answers requests on ln until Shutdown. secure says that ln is TLS. It may run for
// several listeners at once.
func (s *Server) Serve(ln net.Listener, secure bool) error { panic("unwritten") }

// Shutdown ends sockets with 1001, lets running requests finish while ctx lasts, then closes them.
func (s *Server) Shutdown(ctx context.Context) error { panic("unwritten") }
