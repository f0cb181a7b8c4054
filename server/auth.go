package server

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/handoff"
	"github.com/symbolon/symbolon/live"
	"github.com/symbolon/symbolon/sessions"
)

// Failures of who calls.
var (
	errCrossSite       = fault.New(fault.Forbidden, "cross_site_request", "This came from another site.")
	errNotForCapture   = fault.New(fault.Forbidden, "not_for_capture", "A phone that was handed a step may not do this.")
	errCaptureRequired = fault.New(fault.Forbidden, "capture_required", "Only a phone that claimed a handoff may do this.")
	errCaptureEnded    = fault.New(fault.Unauthenticated, "capture_ended", "This phone's part is over.")
	errAs              = fault.New(fault.Malformed, "symbolon_as_invalid", "Symbolon-As is applicant or capture.")
)

// principal is who makes this request: exactly one.
type principal struct {
	kind     principalKind
	session  sessions.Session
	token    string
	byCookie bool
	handoff  *handoff.Handoff // a phone's, live and of the current epoch
}

type principalKind string

// staffToken begins the tokens of people who work here; theirs is the same cookie as an applicant's.
const staffToken = "ss_"

const (
	applicant principalKind = "applicant"
	phone     principalKind = "phone"
)

// actor is the principal as package cases knows it.
func (p principal) actor() cases.Actor {
	if len(p.session.Roles) > 0 {
		return cases.Actor{Kind: cases.ByStaff, ID: p.session.AccountID}
	}
	if p.kind == phone {
		return cases.Actor{Kind: cases.ByPhone, ID: p.handoff.ID, Epoch: p.handoff.Epoch}
	}
	return cases.Actor{Kind: cases.ByApplicant, ID: p.session.AccountID}
}

// owner is what a take is owned by: the session of an applicant, the handoff of a phone.
func (p principal) owner() string {
	if p.kind == phone {
		return p.handoff.ID
	}
	return p.session.ID
}

// channel is where the principal works: "desk" or "phone". A native app is a phone.
func (p principal) channel() string {
	if p.kind == phone || p.session.Kind == sessions.Bearer {
		return "phone"
	}
	return "desk"
}

// caller finds the one principal of the request among the allowed kinds (none given: any), as API
// "Who calls" says, checks the cross-site rule for unsafe requests by cookie, and notes presence.
func (s *Server) caller(c *fiber.Ctx, allowed ...principalKind) (principal, error) {
	all, err := s.callers(c)
	if err != nil {
		return principal{}, err
	}
	p := all[0]
	if len(allowed) > 0 && !slices.Contains(allowed, p.kind) {
		if p.kind == phone {
			return principal{}, errNotForCapture
		}
		return principal{}, errCaptureRequired
	}
	return p, nil
}

// callers is caller for the one kind of call that tries both cookies, GET /v1/media/…, where a
// browser may hold both and the address does not say whose picture it is. It returns at
// least one principal or an error; everywhere else exactly one.
func (s *Server) callers(c *fiber.Ctx) ([]principal, error) {
	credentials, err := s.credentials(c)
	if err != nil {
		return nil, err
	}
	var found []principal
	var last error
	for _, cred := range credentials {
		p, err := s.lookup(c.UserContext(), cred)
		switch {
		case err == nil:
			found = append(found, p)
		case fault.KindOf(err) != fault.Unauthenticated:
			return nil, err // the store does not answer: nobody is signed out by that
		default:
			last = err
		}
	}
	if len(found) == 0 {
		return nil, last
	}
	s.noted(c, found[0])
	return found, nil
}

// credential is a token and the kind of session it must be.
type credential struct {
	token    string
	kind     sessions.Kind
	byCookie bool
}

// credentials picks what the request is judged by; an error when there is nothing.
func (s *Server) credentials(c *fiber.Ctx) ([]credential, error) {
	if lines := c.Request().Header.PeekAll(fiber.HeaderAuthorization); len(lines) > 0 {
		cred, ok := bearer(lines)
		if !ok {
			return nil, sessions.ErrUnknown
		}
		return []credential{cred}, nil
	}
	desk := credential{s.cookie(c, sessions.Desk), sessions.Desk, true}
	if strings.HasPrefix(desk.token, staffToken) {
		desk.kind = sessions.Staff
	}
	capture := credential{s.cookie(c, sessions.Capture), sessions.Capture, true}
	var picked []credential
	switch as := c.Get("Symbolon-As"); {
	case as == "applicant":
		picked = []credential{desk}
	case as == "capture":
		picked = []credential{capture}
	case as != "":
		return nil, errAs
	case safe(c) && strings.HasPrefix(c.Path(), "/v1/media/"):
		picked = []credential{desk, capture}
	case c.Path() == "/v1/capture" || strings.HasPrefix(c.Path(), "/v1/capture/"):
		picked = []credential{capture}
	default:
		picked = []credential{desk}
	}
	picked = slices.DeleteFunc(picked, func(cred credential) bool { return cred.token == "" })
	if len(picked) == 0 {
		return nil, sessions.ErrUnknown
	}
	if !safe(c) {
		if err := s.sameSite(c); err != nil {
			return nil, err
		}
	}
	return picked, nil
}

// bearer reads an Authorization header: one line, the Bearer scheme, a token of a known form.
func bearer(lines [][]byte) (credential, bool) {
	scheme, token, ok := bytes.Cut(lines[0], []byte(" "))
	if !ok || len(lines) > 1 || !strings.EqualFold(string(scheme), "bearer") {
		return credential{}, false
	}
	cred := credential{token: string(token)}
	switch {
	case strings.HasPrefix(cred.token, "st_"):
		cred.kind = sessions.Bearer
	case strings.HasPrefix(cred.token, "ct_"):
		cred.kind = sessions.Capture
	default:
		return credential{}, false
	}
	return cred, true
}

// lookup turns a credential into a principal.
func (s *Server) lookup(ctx context.Context, cred credential) (principal, error) {
	p, err := s.lookupAnyState(ctx, cred)
	if err != nil || p.kind != phone {
		return p, err
	}
	h := p.handoff
	if h.State != handoff.Claimed && h.State != handoff.Active || h.Epoch != p.session.Epoch {
		return principal{}, captureEnded(h.State)
	}
	return p, nil
}

// lookupAnyState is lookup that also finds a phone whose handoff is over.
func (s *Server) lookupAnyState(ctx context.Context, cred credential) (principal, error) {
	sess, err := s.cfg.Sessions.Lookup(ctx, cred.token, cred.kind)
	if errors.Is(err, sessions.ErrUnknown) && cred.kind == sessions.Capture {
		return principal{}, captureEnded(handoff.Expired)
	}
	if err != nil {
		return principal{}, err
	}
	p := principal{kind: applicant, session: sess, token: cred.token, byCookie: cred.byCookie}
	if cred.kind != sessions.Capture {
		return p, nil
	}
	h, err := s.cfg.Handoffs.Get(ctx, sess.HandoffID)
	if errors.Is(err, handoff.ErrUnknown) { // the store lost it: pair again
		return principal{}, captureEnded(handoff.Expired)
	}
	if err != nil {
		return principal{}, err
	}
	p.kind, p.handoff = phone, &h
	return p, nil
}

// captureEnded tells a phone why its part is over.
func captureEnded(state handoff.State) error {
	if !state.Ended() { // of another epoch
		state = handoff.Superseded
	}
	return errCaptureEnded.With("state", state)
}

// noted remembers for the log who called, and shows the phone's sign of life.
func (s *Server) noted(c *fiber.Ctx, p principal) {
	if ev := eventOf(c); ev != nil {
		ev.principal = p.kind
	}
	if p.kind != phone {
		return
	}
	ctx := c.UserContext()
	s.cfg.Hub.Seen(ctx, p.handoff.CaseID, live.Phone)
	if err := s.cfg.Handoffs.Seen(ctx, p.handoff.ID); err != nil && fault.KindOf(err) == fault.Internal {
		s.cfg.Log.Warn("presence not noted", "error", err.Error())
	}
}

func safe(c *fiber.Ctx) bool {
	switch c.Method() {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return true
	}
	return false
}

// sameSite is the rule for unsafe requests that use a cookie.
func (s *Server) sameSite(c *fiber.Ctx) error {
	if ours, told := s.fromOurPage(c); !told || !ours {
		return errCrossSite
	}
	return nil
}

// fromOurPage judges by what only a browser can set. told is false when neither header is there.
func (s *Server) fromOurPage(c *fiber.Ctx) (ours, told bool) {
	if site := c.Request().Header.Peek("Sec-Fetch-Site"); len(site) > 0 {
		return string(site) == "same-origin", true
	}
	if origin := c.Request().Header.Peek(fiber.HeaderOrigin); len(origin) > 0 {
		return s.ownOrigin(c, string(origin)), true
	}
	return false, false
}

// ownOrigin reports whether origin is that of this request's own host.
func (s *Server) ownOrigin(c *fiber.Ctx, origin string) bool {
	scheme, h, ok := strings.Cut(origin, "://")
	return ok && scheme+"://"+plainHost(h) == s.origin(c)
}

// mayKeep is the rule for calls that set a cookie: from our page they may; from a program,
// which sends neither header nor cookie, they pass without one; from another page never.
func (s *Server) mayKeep(c *fiber.Ctx) (bool, error) {
	ours, told := s.fromOurPage(c)
	switch {
	case ours:
		return true, nil
	case told, s.cookie(c, sessions.Desk) != "", s.cookie(c, sessions.Capture) != "":
		return false, errCrossSite
	}
	return false, nil
}

// cookieName is the cookie of a kind of session. Under TLS the prefix keeps other hosts of the
// same domain from planting one.
func (s *Server) cookieName(c *fiber.Ctx, kind sessions.Kind) string {
	name := "symbolon_session"
	if kind == sessions.Capture {
		name = "symbolon_capture"
	}
	if s.secure(c) {
		return "__Host-" + name
	}
	return name
}

func (s *Server) cookie(c *fiber.Ctx, kind sessions.Kind) string {
	return strings.Clone(c.Cookies(s.cookieName(c, kind)))
}

// newCookie is the Set-Cookie that gives the browser a token; an empty one takes it away.
func (s *Server) newCookie(c *fiber.Ctx, kind sessions.Kind, token string, lasts time.Duration) string {
	ck := fasthttp.AcquireCookie()
	defer fasthttp.ReleaseCookie(ck)
	ck.SetKey(s.cookieName(c, kind))
	ck.SetValue(token)
	ck.SetPath("/")
	ck.SetHTTPOnly(true)
	ck.SetSecure(s.secure(c))
	ck.SetSameSite(fasthttp.CookieSameSiteLaxMode)
	if kind == sessions.Capture {
		ck.SetSameSite(fasthttp.CookieSameSiteStrictMode)
	}
	ck.SetMaxAge(int(lasts.Seconds()))
	if token == "" {
		ck.SetExpire(fasthttp.CookieExpireDelete)
	}
	return ck.String()
}
