package server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/handoff"
	"github.com/symbolon/symbolon/sessions"
)

type offerInput struct {
	Steps    []string `json:"steps"`
	Provider string   `json:"provider"`
	Replace  bool     `json:"replace"`
}

// check refuses a list that could not be handed over whatever the case.
func (in offerInput) check() error {
	var bad []fault.Field
	seen := map[string]bool{}
	for _, step := range in.Steps {
		if seen[step] {
			bad = append(bad, fault.Field{Field: "steps", Code: "repeated", Detail: "A step stands there twice."})
			break
		}
		seen[step] = true
	}
	if len(in.Steps) == 0 || len(in.Steps) > handoff.MaxSteps {
		bad = append(bad, fault.Field{Field: "steps", Code: "out_of_range", Detail: "One to sixteen steps."})
	}
	if in.Provider != "" && in.Provider != alipayProvider {
		bad = append(bad, fault.Field{Field: "provider", Code: "unknown", Detail: "This provider is not known."})
	}
	if len(bad) > 0 {
		return fault.Fields(bad...)
	}
	return nil
}

// mayHandOver reports whether a phone could do every one of the steps now.
func mayHandOver(c cases.Case, steps []string) error {
	for _, id := range steps {
		i := slices.IndexFunc(c.Steps, func(st cases.Step) bool { return st.ID == id })
		if i < 0 {
			return cases.ErrStepUnknown
		}
		st := c.Steps[i]
		open := slices.ContainsFunc(c.Levels, func(l cases.Level) bool {
			return l.Level == st.Level && (l.State == cases.Open || l.State == cases.Resubmit && st.State != cases.Checked)
		})
		switch {
		case !open:
			return cases.ErrLevelNotOpen
		case !slices.Contains(st.Channels, "phone"):
			return cases.ErrChannel
		}
	}
	return nil
}

func (s *Server) offer(c *fiber.Ctx) error {
	p, err := s.caller(c, applicant)
	if err != nil {
		return err
	}
	ctx := c.UserContext()
	own, err := s.caseFor(ctx, p, param(c, "id"))
	if err != nil {
		return err
	}
	var in offerInput
	body, err := decode(c, &in)
	if err != nil {
		return err
	}
	if err := in.check(); err != nil {
		return err
	}
	if !own.RestrictedAt.IsZero() {
		return cases.ErrRestricted
	}
	desk, address := device(c), s.client(c).String()
	return s.once(c, p.owner(), body, func() (result, error) {
		if err := s.mayProvide(own, in.Provider, in.Steps); err != nil {
			return result{}, err
		}
		if err := mayHandOver(own, in.Steps); err != nil {
			return result{}, err
		}
		if s.cfg.Cases.Frozen(own) {
			return result{}, cases.ErrFrozen
		}
		if err := s.cfg.Sessions.Allow(ctx, offers, own.ID); err != nil {
			return result{}, err
		}
		h, err := s.cfg.Handoffs.Offer(ctx, handoff.OfferRequest{
			CaseID: own.ID, AccountID: own.AccountID, SessionID: p.session.ID, Steps: in.Steps, Provider: in.Provider,
			Desk: desk, Network: address, Replace: in.Replace, Confirmed: s.cfg.Sessions.Confirmed(p.session),
		})
		if err != nil {
			return result{}, err
		}
		header := map[string]string{fiber.HeaderLocation: "/v1/handoffs/" + h.ID}
		return result{status: http.StatusCreated, header: header, body: s.deskHandoff(p, h), secret: true}, nil
	})
}

// deskCall is what the desk's calls about one handoff share.
func (s *Server) deskCall(c *fiber.Ctx) (principal, handoff.Handoff, error) {
	p, err := s.caller(c, applicant)
	if err != nil {
		return principal{}, handoff.Handoff{}, err
	}
	h, err := s.handoffFor(c.UserContext(), p, param(c, "id"))
	return p, h, err
}

func (s *Server) getHandoff(c *fiber.Ctx) error {
	p, h, err := s.deskCall(c)
	if err != nil {
		return err
	}
	return c.JSON(s.deskHandoff(p, h))
}

// qrAddress is what the picture shows now. Only the session that offered has one: for the
// account's others there is no picture.
func (s *Server) qrAddress(c *fiber.Ctx) (string, error) {
	p, h, err := s.deskCall(c)
	if err != nil {
		return "", err
	}
	if h.SessionID != p.session.ID {
		return "", handoff.ErrUnknown
	}
	address, _, err := s.cfg.Handoffs.QR(c.UserContext(), h.ID)
	return address, err
}

func (s *Server) qrPNG(c *fiber.Ctx) error {
	size, err := number(c, "size", 120, 1024, 528)
	if err != nil {
		return err
	}
	address, err := s.qrAddress(c)
	if err != nil {
		return err
	}
	picture, err := qrPNG(address, int(size))
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, "image/png")
	return c.Send(picture)
}

func (s *Server) qrSVG(c *fiber.Ctx) error {
	address, err := s.qrAddress(c)
	if err != nil {
		return err
	}
	picture, err := qrSVG(address)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, "image/svg+xml")
	return c.Send(picture)
}

// denyInput says whether a denial is a report.
type denyInput struct {
	Report bool `json:"report"`
}

func (s *Server) denyAtDesk(c *fiber.Ctx) error {
	p, h, err := s.deskCall(c)
	if err != nil {
		return err
	}
	var in denyInput
	if _, err := decodeOptional(c, &in); err != nil {
		return err
	}
	if h, err = s.cfg.Handoffs.Deny(c.UserContext(), h.ID, "desk", in.Report); err != nil {
		return err
	}
	return c.JSON(s.deskHandoff(p, h))
}

func (s *Server) cancelHandoff(c *fiber.Ctx) error {
	p, h, err := s.deskCall(c)
	if err != nil {
		return err
	}
	if _, err := decodeOptional(c, &empty{}); err != nil {
		return err
	}
	if h, err = s.cfg.Handoffs.Cancel(c.UserContext(), h.ID); err != nil {
		return err
	}
	return c.JSON(s.deskHandoff(p, h))
}

type landingView struct {
	Operator  string    `json:"operator"`
	Purpose   string    `json:"purpose"`
	Account   string    `json:"account"`
	Desk      deskView  `json:"desk"`
	Provider  *string   `json:"provider"` // of a handoff for Alipay, whose own browser will do
	ExpiresAt time.Time `json:"expires_at"`
}

// openCode tells a phone who asks, before it claims anything. A phone that looks at what another one
// has claimed is told so, and so is the desk.
func (s *Server) openCode(c *fiber.Ctx) error {
	var in struct {
		Code string `json:"code"`
	}
	if _, err := decode(c, &in); err != nil {
		return err
	}
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	ctx := c.UserContext()
	var l handoff.Landing
	err = s.byCode(ctx, s.network(c), in.Code, func() (err error) {
		l, err = s.cfg.Handoffs.Open(ctx, in.Code)
		return err
	})
	if errors.Is(err, handoff.ErrClaimed) && !s.claimed(c, l.HandoffID) {
		// What is claimed is never offered again, so this claim cannot succeed; it leaves the alert. With the key of
		// the claim it is the phone that won and whose answer got lost.
		_, _ = s.cfg.Handoffs.Claim(ctx, handoff.ClaimRequest{Code: in.Code, Device: device(c), Network: s.client(c).String(), Key: key})
	}
	if err != nil {
		return err
	}
	a, err := s.cfg.Cases.Account(ctx, l.AccountID)
	if err != nil {
		return err
	}
	v := landingView{
		Operator: s.cfg.Operator.Name, Purpose: s.cfg.Operator.Purpose, Account: maskEmail(a.Email),
		Desk: deskOf(l.Desk), ExpiresAt: l.ExpiresAt.UTC(),
	}
	if l.Provider != "" {
		v.Provider = &l.Provider
	}
	return c.JSON(v)
}

// claimed reports whether the request comes from the phone that claimed the handoff.
func (s *Server) claimed(c *fiber.Ctx, handoffID string) bool {
	cred := credential{token: s.cookie(c, sessions.Capture), kind: sessions.Capture}
	if lines := c.Request().Header.PeekAll(fiber.HeaderAuthorization); len(lines) > 0 {
		cred, _ = bearer(lines)
	}
	if cred.token == "" || cred.kind != sessions.Capture {
		return false
	}
	sess, err := s.cfg.Sessions.Lookup(c.UserContext(), cred.token, cred.kind)
	return err == nil && sess.HandoffID == handoffID
}

// byCode looks a code up under the limit of guesses. A typed code is short enough to be found by
// trying, so it counts before it is looked at, and is given back when there is such a code: whoever guessed
// too often is not told of a right guess either. A picture or a link cannot be guessed. It counts
// when it is unknown and always passes when it is known, so that a shared network keeps nobody from a code
// that was shown to them.
func (s *Server) byCode(ctx context.Context, network, code string, look func() error) error {
	typed := handoff.Guessable(code)
	giveBack := func(context.Context) error { return nil }
	if typed {
		var err error
		if giveBack, err = s.cfg.Sessions.AllowFirst(ctx, wrongCodes, network); err != nil {
			return err
		}
	}
	err := look()
	switch unknown := errors.Is(err, handoff.ErrCodeUnknown); {
	case typed && !unknown:
		// What cannot be given back is one try less for a minute, and no reason to undo a claim.
		_ = giveBack(context.WithoutCancel(ctx))
	case unknown && !typed:
		if limited := s.cfg.Sessions.Allow(ctx, wrongCodes, network); limited != nil {
			return limited
		}
	}
	return err
}

// minClaimKey is the shortest Idempotency-Key of a claim, in characters. Whoever knows it and the code gets
// the same claim, so it must not be one that others think of too.
const minClaimKey = 16

var errClaimKey = fault.New(fault.Malformed, "idempotency_key_invalid", "The Idempotency-Key of a claim is random, 16 to 64 visible characters.")

// claim gives the handoff to this phone. A repetition with the same Idempotency-Key is the same claim
// with a fresh token, which is why package handoff remembers it and not the answer.
func (s *Server) claim(c *fiber.Ctx) error {
	var in struct {
		Code   string       `json:"code"`
		Device *deviceClaim `json:"device"`
	}
	if _, err := decode(c, &in); err != nil {
		return err
	}
	keep, err := s.mayKeep(c)
	if err != nil {
		return err
	}
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	if key != "" && len(key) < minClaimKey {
		return errClaimKey
	}
	from, bad := in.Device.over(device(c))
	if len(bad) > 0 {
		return fault.Fields(bad...)
	}
	ctx := c.UserContext()
	var h handoff.Handoff
	err = s.byCode(ctx, s.network(c), in.Code, func() (err error) {
		h, err = s.cfg.Handoffs.Claim(ctx, handoff.ClaimRequest{Code: in.Code, Device: from, Network: s.client(c).String(), Key: key})
		return err
	})
	if err != nil {
		return err
	}
	token, _, err := s.cfg.Sessions.Start(ctx, sessions.Session{
		Kind: sessions.Capture, AccountID: h.AccountID, CaseID: h.CaseID, HandoffID: h.ID, Epoch: h.Epoch,
	})
	if err != nil {
		return err
	}
	if keep {
		c.Set(fiber.HeaderSetCookie, s.newCookie(c, sessions.Capture, token, sessions.CaptureAbsolute))
	}
	return c.Status(http.StatusCreated).JSON(fiber.Map{"token": token, "handoff": s.phoneHandoff(h)})
}
