package cases

import (
	"context"
	"errors"

	"github.com/oklog/ulid/v2"

	"github.com/symbolon/symbolon/seal"
)

// Create makes the case of an account; ErrExists (with member case_id), ErrStaff for a staff
// account, ErrKind for a kind that is not offered.
func (s *Service) Create(ctx context.Context, a Account, kind Kind) (Case, error) {
	switch {
	case a.Staff():
		return Case{}, ErrStaff
	case kind != Person && kind != Business:
		return Case{}, ErrKind
	}
	now := s.now()
	c := change{by: Actor{Kind: ByApplicant, ID: a.ID}, at: now, key: seal.NewKey(), Document: Document{
		ID: "case_" + ulid.Make().String(), Schema: SchemaVersion, AccountID: a.ID, Kind: kind, CreatedAt: now,
		Steps: s.cfg.Policy.stepsFor(kind, nil),
	}}
	c.WrappedKey = s.cfg.Keys.Wrap(c.key, seal.Bind("case", c.ID))
	for n := 1; n <= levels; n++ {
		c.Levels = append(c.Levels, Level{Level: n, State: Locked})
	}
	c.note(Entry{Event: "case_created"})
	if err := c.move(1, unlock); err != nil {
		return Case{}, err
	}
	s.save(ctx, Document{}, &c)
	if err := s.cfg.Store.CreateCase(ctx, c.Document); err != nil {
		if !errors.Is(err, ErrExists) {
			return Case{}, err
		}
		if d, err := s.cfg.Store.CaseOf(ctx, a.ID); err == nil {
			return Case{}, ErrExists.With("case_id", d.ID)
		}
		return Case{}, err
	}
	s.cfg.Changed(context.WithoutCancel(ctx), c.ID)
	s.wakeUp()
	return s.open(c.Document)
}

// Submit submits a level at the given version and queues its checks. ErrStepsIncomplete (member
// steps), ErrLevelNotOpen, ErrStaleVersion.
func (s *Service) Submit(ctx context.Context, by Actor, id string, level int, version int64) (Case, error) {
	return s.change(ctx, by, id, version, func(c *change) error { return s.submit(c, level) })
}

func (s *Service) submit(c *change, level int) error {
	l := c.level(level)
	if l == nil || !c.offers(level) {
		return ErrLevelUnknown
	}
	if !editable(l.State) {
		return ErrLevelNotOpen
	}
	if err := c.notFrozen(); err != nil {
		return err
	}
	if missing := c.missing(level); len(missing) > 0 {
		return ErrStepsIncomplete.With("steps", missing)
	}
	if level == 1 {
		c.IdentityDraft = nil
		opened, err := s.open(c.Document)
		if err != nil {
			return err
		}
		c.DocumentIndex = s.lookUp(opened)
	}
	if err := c.move(level, submit); err != nil {
		return err
	}
	// Takes that were not kept have had their chance.
	for i := range c.Steps {
		if st := &c.Steps[i]; st.Level == level {
			c.dropTakes(st, func(t Take) bool { return t.State != TakeAccepted })
		}
	}
	c.queue(Job{Kind: JobCheck, Level: level})
	return nil
}

// missing lists what a level still needs: its steps that are not accepted, and for Level 1 "identity".
func (c *change) missing(level int) []string {
	var out []string
	if level == 1 && c.Identity == nil {
		out = append(out, "identity")
	}
	for _, st := range c.Steps {
		if st.Level == level && st.State != Accepted && st.State != Checked {
			out = append(out, st.ID)
		}
	}
	return out
}

// SubmitSteps is a phone's submit: it submits each open level whose required steps are all
// accepted, among the levels of the given steps. ErrStepsIncomplete when one of steps is not accepted.
func (s *Service) SubmitSteps(ctx context.Context, by Actor, id string, steps []string) (c Case, submitted []int, err error) {
	c, err = s.change(ctx, by, id, anyVersion, func(c *change) error {
		submitted = nil
		var missing []string
		touched := map[int]bool{}
		for _, id := range steps {
			st := c.step(id)
			if st == nil {
				return ErrStepUnknown
			}
			if st.State != Accepted && st.State != Checked {
				missing = append(missing, id)
			}
			touched[st.Level] = true
		}
		if len(missing) > 0 {
			return ErrStepsIncomplete.With("steps", missing)
		}
		for n := 1; n <= levels; n++ {
			if touched[n] && editable(c.level(n).State) && len(c.missing(n)) == 0 {
				if err := s.submit(c, n); err != nil {
					return err
				}
				submitted = append(submitted, n)
			}
		}
		return nil
	})
	return c, submitted, err
}

// Reopen opens Level 1 again while nothing above is approved; it voids what rested on it: the
// levels above are locked and their takes destroyed.
func (s *Service) Reopen(ctx context.Context, by Actor, id string, version int64) (Case, error) {
	return s.change(ctx, by, id, version, func(c *change) error {
		for _, l := range c.Levels {
			if l.Level > 1 && (l.State == Approved || l.State == Rejected) {
				return ErrLevelNotOpen
			}
		}
		if editable(c.level(1).State) {
			return nil // it is open already
		}
		if err := c.notFrozen(); err != nil {
			return err
		}
		if err := c.move(1, reopen); err != nil {
			return err
		}
		c.DocumentIndex = nil
		for n := 2; n <= levels; n++ {
			if err := c.move(n, lock); err != nil {
				return err
			}
		}
		for i := range c.Steps {
			c.Steps[i].Reasons = nil
			c.dropTakes(&c.Steps[i], func(Take) bool { return true })
		}
		c.Jobs = dropChecks(c.Jobs)
		return nil
	})
}
