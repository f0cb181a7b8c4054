package server

import (
	"net/http"

	"github.com/gofiber/fiber/v2"

	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/handoff"
)

func (s *Server) capture(c *fiber.Ctx) error {
	p, err := s.caller(c, phone)
	if err != nil {
		return err
	}
	v, _, err := s.captureSnapshot(c.UserContext(), p, 0)
	if err != nil {
		return err
	}
	return c.JSON(v)
}

func (s *Server) match(c *fiber.Ctx) error {
	p, err := s.caller(c, phone)
	if err != nil {
		return err
	}
	var in struct {
		Number string `json:"number"`
	}
	if _, err := decode(c, &in); err != nil {
		return err
	}
	if !twoDigits(in.Number) {
		// No try is spent on what cannot be the number.
		return fault.Fields(fault.Field{Field: "number", Code: "invalid", Detail: "Two digits."})
	}
	h, err := s.cfg.Handoffs.Match(c.UserContext(), p.handoff.ID, in.Number)
	if err != nil {
		return err
	}
	return c.JSON(s.phoneHandoff(h))
}

func twoDigits(s string) bool {
	return len(s) == 2 && '0' <= s[0] && s[0] <= '9' && '0' <= s[1] && s[1] <= '9'
}

// formerPhone is caller for the calls that a phone may repeat when its part is over. The handoff is the
// one of its session, whatever its state.
func (s *Server) formerPhone(c *fiber.Ctx) (principal, error) {
	credentials, err := s.credentials(c)
	if err != nil {
		return principal{}, err
	}
	p, err := s.lookupAnyState(c.UserContext(), credentials[0])
	if err != nil {
		return principal{}, err
	}
	if p.kind != phone {
		return principal{}, errCaptureRequired
	}
	if p.handoff.Epoch != p.session.Epoch {
		return principal{}, captureEnded(handoff.Superseded)
	}
	if ev := eventOf(c); ev != nil {
		ev.principal = p.kind
	}
	return p, nil
}

// denyAtPhone stops at once. A phone that denied may say afterwards that it was no wrong tap.
func (s *Server) denyAtPhone(c *fiber.Ctx) error {
	p, err := s.formerPhone(c)
	if err != nil {
		return err
	}
	var in denyInput
	if _, err := decodeOptional(c, &in); err != nil {
		return err
	}
	h := *p.handoff
	switch {
	case !h.State.Ended(), h.State == handoff.Cancelled && in.Report:
		if h, err = s.cfg.Handoffs.Deny(c.UserContext(), h.ID, "phone", in.Report); err != nil {
			return err
		}
	case h.State == handoff.Cancelled, h.State == handoff.Reported: // said before
	default:
		return captureEnded(h.State)
	}
	return c.JSON(s.phoneHandoff(h))
}

// submitCapture hands in what the phone was asked for and ends its part. Whoever lost the answer asks
// again with the same Idempotency-Key and gets it, although the part is over by then.
func (s *Server) submitCapture(c *fiber.Ctx) error {
	p, err := s.formerPhone(c)
	if err != nil {
		return err
	}
	body, err := decodeOptional(c, &empty{})
	if err != nil {
		return err
	}
	return s.once(c, p.owner(), body, func() (result, error) {
		ctx, h := c.UserContext(), *p.handoff
		switch {
		case h.State.Ended():
			return result{}, captureEnded(h.State)
		case h.State != handoff.Active:
			return result{}, handoff.ErrNotMatched
		}
		if _, err := s.caseFor(ctx, p, h.CaseID); err != nil {
			return result{}, err
		}
		_, levels, err := s.cfg.Cases.SubmitSteps(ctx, p.actor(), h.CaseID, h.Steps)
		if err != nil {
			return result{}, err
		}
		if h, err = s.cfg.Handoffs.Finish(ctx, h.ID); err != nil {
			return result{}, err
		}
		return result{status: http.StatusOK, body: fiber.Map{"handoff": s.phoneHandoff(h), "submitted_levels": list(levels)}}, nil
	})
}
