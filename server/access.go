package server

import (
	"context"
	"errors"
	"slices"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/handoff"
	"github.com/symbolon/symbolon/live"
)

// Failures of who may what.
var (
	errStepOnPhone = fault.New(fault.Conflict, "step_on_phone", "A phone is doing this step. Take it back first.")
	errStepNotHere = fault.New(fault.Forbidden, "step_not_in_handoff", "This phone was not asked for that step.")
)

// caseFor returns the case if the principal may see it at all, else cases.ErrUnknown: somebody
// else's case and none at all are the same answer. An applicant who asks is a sign of the desk.
func (s *Server) caseFor(ctx context.Context, p principal, caseID string) (cases.Case, error) {
	c, err := s.caseOf(ctx, p, caseID)
	if err == nil && p.kind == applicant {
		s.cfg.Hub.Seen(ctx, caseID, live.Desk)
	}
	return c, err
}

// caseOf is caseFor for what nobody asked for just now: no sign of life.
func (s *Server) caseOf(ctx context.Context, p principal, caseID string) (cases.Case, error) {
	if p.kind == phone && p.handoff.CaseID != caseID {
		return cases.Case{}, cases.ErrUnknown
	}
	if p.kind == applicant && len(p.session.Roles) > 0 {
		return cases.Case{}, cases.ErrStaff
	}
	c, err := s.cfg.Cases.Get(ctx, caseID)
	if err != nil {
		return cases.Case{}, err
	}
	if p.kind == phone {
		if c.HandoffEpoch != p.handoff.Epoch {
			return cases.Case{}, captureEnded(handoff.Superseded)
		}
		return c, nil
	}
	if c.AccountID != p.session.AccountID {
		return cases.Case{}, cases.ErrUnknown
	}
	return c, nil
}

// stepFor is caseFor and the rules for working on a step: handoff_not_matched, step_on_phone,
// step not handed over, channel_not_allowed.
func (s *Server) stepFor(ctx context.Context, p principal, caseID, step string) (cases.Case, error) {
	c, err := s.caseFor(ctx, p, caseID)
	if err != nil {
		return cases.Case{}, err
	}
	if p.kind == phone {
		if p.handoff.State != handoff.Active {
			return cases.Case{}, handoff.ErrNotMatched
		}
		if !slices.Contains(p.handoff.Steps, step) {
			return cases.Case{}, errStepNotHere
		}
	} else {
		held, err := s.heldByPhone(ctx, caseID)
		if err != nil {
			return cases.Case{}, err
		}
		if slices.Contains(held, step) {
			return cases.Case{}, errStepOnPhone
		}
	}
	i := slices.IndexFunc(c.Steps, func(st cases.Step) bool { return st.ID == step })
	if i < 0 {
		return cases.Case{}, cases.ErrStepUnknown
	}
	if !slices.Contains(c.Steps[i].Channels, p.channel()) {
		return cases.Case{}, cases.ErrChannel
	}
	return c, nil
}

// heldByPhone is the steps that a phone holds now: from its claim to its end.
func (s *Server) heldByPhone(ctx context.Context, caseID string) ([]string, error) {
	h, err := s.current(ctx, caseID)
	if err != nil || h == nil || h.State != handoff.Claimed && h.State != handoff.Active {
		return nil, err
	}
	return h.Steps, nil
}

// current is the newest handoff of a case, nil when there is none.
func (s *Server) current(ctx context.Context, caseID string) (*handoff.Handoff, error) {
	h, err := s.cfg.Handoffs.Current(ctx, caseID)
	if errors.Is(err, handoff.ErrUnknown) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &h, nil
}

// handoffFor returns a handoff of the applicant's own case.
func (s *Server) handoffFor(ctx context.Context, p principal, id string) (handoff.Handoff, error) {
	if len(p.session.Roles) > 0 {
		return handoff.Handoff{}, cases.ErrStaff
	}
	h, err := s.cfg.Handoffs.Get(ctx, id)
	if err != nil {
		return handoff.Handoff{}, err
	}
	if h.AccountID != p.session.AccountID {
		return handoff.Handoff{}, handoff.ErrUnknown
	}
	s.cfg.Hub.Seen(ctx, h.CaseID, live.Desk)
	return h, nil
}
