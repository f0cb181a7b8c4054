package cases

import (
	"slices"
	"time"
)

// Retention says how long cases are kept. What runs out is erased by Run, unless somebody holds it.
type Retention struct {
	AbandonedDays int `yaml:"abandoned_days"`
	RejectedDays  int `yaml:"rejected_days"`
	// CustomerLevel is the level from which somebody is a customer.
	CustomerLevel int `yaml:"customer_level"`
	CustomerYears int `yaml:"customer_years"` // from the end of the relationship
}

// The rules under which a case is erased when its time is over.
const (
	RuleAbandoned = "abandoned"
	RuleRejected  = "rejected"
	RuleEnded     = "relation_ended"
)

// check fills what was left out and says what is wrong.
func (r *Retention) check(say func(format string, args ...any)) {
	for _, f := range []struct {
		name              string
		value             *int
		usual, least, max int
	}{
		{"abandoned_days", &r.AbandonedDays, 30, 1, 3650},
		{"rejected_days", &r.RejectedDays, 180, 1, 3650},
		{"customer_level", &r.CustomerLevel, 1, 1, levels},
		{"customer_years", &r.CustomerYears, 10, 1, 100},
	} {
		if *f.value == 0 {
			*f.value = f.usual
		}
		if *f.value < f.least || *f.value > f.max {
			say("retention.%s: %d is not between %d and %d", f.name, *f.value, f.least, f.max)
		}
	}
}

// customer reports whether somebody is a customer, or was one before a level dropped.
func (r Retention) customer(d *Document) bool {
	return !d.CustomerSince.IsZero() || d.Level >= r.CustomerLevel
}

// due returns when the case has to be erased and under which rule; false where that is not in sight, because
// it is held, waits for a reviewer, or belongs to a customer.
func (r Retention) due(d *Document) (at time.Time, rule string, ok bool) {
	day := 24 * time.Hour
	switch {
	case d.Erased() || !d.HeldAt.IsZero():
		return at, "", false
	case r.customer(d):
		return d.RelationEndedAt.AddDate(r.CustomerYears, 0, 0), RuleEnded, !d.RelationEndedAt.IsZero()
	case !d.RestrictedAt.IsZero(): // was asked for while it was held
		return d.RestrictedAt, RuleRequest, true
	}
	for _, l := range d.Levels {
		switch {
		case l.State == Submitted, l.State == Checking, l.State.Waits():
			return at, "", false
		case l.State.Refused():
			at = l.DecidedAt
		}
	}
	if !at.IsZero() {
		return at.Add(time.Duration(r.RejectedDays) * day), RuleRejected, true
	}
	at = d.ActedAt
	if at.Before(d.CreatedAt) {
		at = d.CreatedAt
	}
	return at.Add(time.Duration(r.AbandonedDays) * day), RuleAbandoned, true
}

// planErasure keeps the job that erases the case when its time is over: one, or none.
func (c *change) planErasure(r Retention) {
	at, _, ok := r.due(&c.Document)
	i := slices.IndexFunc(c.Jobs, func(j Job) bool { return j.Kind == JobRetain })
	switch {
	case !ok && i >= 0:
		c.Jobs = slices.Delete(c.Jobs, i, i+1)
	case ok && i < 0:
		c.queue(Job{Kind: JobRetain, RunAfter: at})
	case ok && c.Jobs[i].State == JobQueued && c.Jobs[i].Attempts == 0:
		c.Jobs[i].RunAfter = at
	}
}
