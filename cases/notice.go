package cases

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// The ways in which a decision is told to somebody who has closed the page.
const (
	TellMail    = "mail"    // to the applicant
	TellWebhook = "webhook" // to the operator's own program
)

// maxTells is how often it is tried to tell of a decision: over about five hours.
const maxTells = 64

// Notice is that people decided about a level. Beside the address it holds nothing personal.
type Notice struct {
	ID      string // of this notice; the same when it is tried again
	CaseID  string
	Level   int
	State   LevelState // Approved, Resubmit or Rejected
	Version int64      // of the case when it was decided
	At      time.Time
	Email   string // the applicant's, for TellMail alone; personal
}

// tells queues what has to be told of a decision of people about a level.
func (c *change) tells(level int, to LevelState) {
	if c.by.Kind != ByStaff || to != Approved && to != Resubmit && !to.Refused() {
		return
	}
	for _, way := range c.ways {
		// What was not told yet of this level is out of date.
		c.Jobs = slices.DeleteFunc(c.Jobs, func(j Job) bool { return j.Kind == JobTell && j.Level == level && j.To == way && j.State == JobQueued })
		c.queue(Job{Kind: JobTell, Level: level, To: way, About: to.Outer()})
	}
}

// ways are the ways of telling that this server has, in one order.
func (s *Service) ways() []string {
	var out []string
	for _, w := range []string{TellMail, TellWebhook} {
		if s.cfg.Tell[w] != nil {
			out = append(out, w)
		}
	}
	return out
}

// tell tells of a decision in one way.
func (s *Service) tell(ctx context.Context, id string, j Job) (func(*change) error, error) {
	done := func(event string) func(*change) error {
		return func(c *change) error {
			c.quiet = true
			c.note(Entry{Event: event, Level: j.Level, Data: map[string]string{"to": j.To, "state": string(j.About)}})
			return nil
		}
	}
	say := s.cfg.Tell[j.To]
	if say == nil { // it was set up once
		return done("notice_dropped"), nil
	}
	c, err := s.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	n := Notice{ID: j.ID, CaseID: id, Level: j.Level, State: j.About, Version: c.Version, At: s.now()}
	if j.To == TellMail {
		a, err := s.Account(ctx, c.AccountID)
		if errors.Is(err, ErrAccountUnknown) {
			return done("notice_dropped"), nil
		}
		if err != nil {
			return nil, err
		}
		if !a.Confirmed { // somebody else may read the mail of that address
			return done("notice_dropped"), nil
		}
		n.Email = a.Email
	}
	if err := say(ctx, n); err != nil {
		if j.Attempts >= maxTells {
			s.cfg.Log.Warn("notice_given_up", "case", id, "to", j.To)
			return done("notice_failed"), nil
		}
		return nil, fmt.Errorf("tell of a decision by %s: %w", j.To, err)
	}
	return done("notice_sent"), nil
}
