// Package server is the HTTP door: it decodes, authorises, calls one method of a
// subject and encodes the answer. The contract is openapi.yaml beside this file.
// Nothing else in Symbolon imports Fiber.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
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
	// Bundle writes the evidence of a case as a signed archive; where nil, there are no bundles.
	Bundle func(ctx context.Context, caseID string, w io.Writer) error
	// TempDir is where a bundle is while it is sent, without a name; the system's where empty.
	TempDir string
	// Notes are what the operator should know of this process beside whether it is ready, by name.
	Notes map[string]string
	// Networks are what recognises a face on the phone.
	Networks Networks
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

// Limits of a request head and of a JSON body, in bytes.
const (
	maxHead = 16 << 10
	maxBody = 64 << 10
)

// Server is the door.
type Server struct {
	cfg    Config
	app    *fiber.App
	hosts  map[string]bool // every Host this server answers to, lower case
	public *url.URL        // of cfg.PublicURL
	pages  map[string]page // by path below "/"

	// closing ends when the server stops: every request's context hangs on it, because
	// Fiber's own contexts never end.
	closing context.Context
	close   context.CancelFunc

	timing    timing
	transport transport
	metrics   *metrics
	sockets   sockets
	networks  networks
	evidence  chan struct{} // bounds the evidence in memory
}

// New checks the configuration and builds the routes.
func New(cfg Config) (*Server, error) {
	if cfg.Cases == nil || cfg.Sessions == nil || cfg.Handoffs == nil || cfg.Hub == nil || cfg.Media == nil {
		return nil, errors.New("server: a subject is missing")
	}
	public, err := url.Parse(cfg.PublicURL)
	if err != nil || public.Host == "" || (public.Scheme != "http" && public.Scheme != "https") ||
		strings.Trim(public.Path, "/") != "" || public.RawQuery != "" || public.Fragment != "" || public.User != nil {
		return nil, errors.New("server: the public URL is an origin such as https://kyc.example.com")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Ready == nil {
		cfg.Ready = func(context.Context) map[string]error { return nil }
	}
	s := &Server{cfg: cfg, public: public, hosts: hostSet(public, cfg.Hosts), evidence: make(chan struct{}, evidenceAtOnce)}
	if s.pages, err = loadPages(cfg.Pages); err != nil {
		return nil, fmt.Errorf("server: read the pages: %w", err)
	}
	if s.networks, err = loadNetworks(cfg.Networks); err != nil {
		return nil, fmt.Errorf("server: read the networks: %w", err)
	}
	s.closing, s.close = context.WithCancel(context.Background())
	s.app = fiber.New(s.appConfig())
	s.routes()
	s.equip()
	return s, nil
}
