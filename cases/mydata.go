package cases

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/symbolon/symbolon/fault"
)

// RuleRequest is the rule under which a case is erased because its applicant asked for it.
const RuleRequest = "applicant_request"

// ErrRestricted is returned for whatever an applicant or phone would change of a case whose erasure was asked for.
var ErrRestricted = fault.New(fault.Conflict, "case_restricted", "You asked for erasure. What is left is only kept, and nothing is added.")

// Keeping says how long a case is kept as it stands, and why.
type Keeping struct {
	// Rule is RuleAbandoned, RuleRejected or RuleEnded, or RuleWaiting while somebody or something has to decide.
	Rule string
	// Until is when it is erased by itself; zero where that is not known yet: while it waits, or until the relationship
	// with a customer ends.
	Until time.Time
	// Days or Years is what the rule counts.
	Days, Years int
}

// RuleWaiting stands for a case that waits for a decision, and is not erased meanwhile.
const RuleWaiting = "waiting"

// Keeping returns how long a case is kept. Whether somebody holds it is not told.
func (s *Service) Keeping(c Case) Keeping {
	r := s.cfg.Policy.Retention
	d := c.Document
	d.HeldAt = time.Time{}
	at, rule, ok := r.due(&d)
	switch {
	case r.customer(&d):
		k := Keeping{Rule: RuleEnded, Years: r.CustomerYears}
		if ok {
			k.Until = at
		}
		return k
	case !ok || rule == RuleRequest:
		return Keeping{Rule: RuleWaiting}
	case rule == RuleRejected:
		return Keeping{rule, at, r.RejectedDays, 0}
	}
	return Keeping{rule, at, r.AbandonedDays, 0}
}

// RequestErasure erases a case because its applicant asks for it, with account also the account, as Erase does. What the
// law makes you keep is restricted instead: what needs not be kept is destroyed, no phone holds the case any
// more, nothing is added, and the rest goes when its time is over; erased is then false.
func (s *Service) RequestErasure(ctx context.Context, by Actor, id string, account bool) (erased bool, err error) {
	err = s.Erase(ctx, by, id, EraseRequest{Rule: RuleRequest, Account: account})
	if errors.Is(err, ErrRestricted) { // asked for before
		return false, nil
	}
	if !errors.Is(err, ErrHeld) && !errors.Is(err, ErrRetained) {
		return err == nil, err
	}
	_, err = s.change(ctx, by, id, anyVersion, func(c *change) error {
		c.RestrictedAt = c.at
		c.HandoffEpoch++
		if c.HeldAt.IsZero() {
			if err := s.minimize(c); err != nil {
				return err
			}
		}
		c.note(Entry{Event: "erasure_requested", Epoch: c.HandoffEpoch})
		return nil
	})
	return false, err
}

// NoteDownload writes into the history that its applicant, by, took along all that is held of them, and returns the case.
// It is not a change of the case by who asked for it: it is theirs to do of a restricted case too, and keeps none longer.
func (s *Service) NoteDownload(ctx context.Context, by Actor, id string) (Case, error) {
	return s.change(ctx, Actor{Kind: BySystem}, id, anyVersion, func(c *change) error {
		if c.Erased() {
			return ErrUnknown
		}
		c.quiet = true
		c.note(Entry{Event: "data_downloaded"})
		c.Pending[len(c.Pending)-1].Actor = by
		return nil
	})
}

// minimize destroys what no law makes one keep of a customer: what was typed and not stored, what belongs to levels that
// were never approved, and what rests on a consent alone.
func (s *Service) minimize(c *change) error {
	c.IdentityDraft = nil
	c.dropSuperseded(func(st Step) bool {
		return slices.ContainsFunc(s.cfg.Policy.Consents, func(r ConsentRule) bool { return r.Subject() == st.Kind && !r.KeptByLaw })
	})
	for i := range c.Steps {
		st := &c.Steps[i]
		keep := c.level(st.Level).State == Approved
		for _, r := range s.cfg.Policy.Consents {
			keep = keep && (r.Subject() != st.Kind || r.KeptByLaw)
		}
		if keep {
			continue
		}
		if l := c.level(st.Level); !editable(l.State) && l.State != Locked && l.State != Approved && l.State != Suspended && !l.State.Refused() {
			if err := c.void(st.Level); err != nil {
				return err
			}
		}
		c.forget(st)
	}
	return nil
}
