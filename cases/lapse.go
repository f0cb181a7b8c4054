package cases

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Validity is how many days an approval of each level holds; 0 is without an end.
type Validity struct {
	Level1 int `yaml:"level_1"`
	Level2 int `yaml:"level_2"`
	Level3 int `yaml:"level_3"`
}

func (v Validity) check(say func(format string, args ...any)) {
	for level, days := range map[string]int{"level_1": v.Level1, "level_2": v.Level2, "level_3": v.Level3} {
		if days != 0 && (days < 30 || days > 3650) {
			say("validity_days.%s: %d is not between 30 and 3650; write 0 for no end", level, days)
		}
	}
}

func (v Validity) days(level int) int { return []int{0, v.Level1, v.Level2, v.Level3}[level] }

// Superseded is what the approval of a level rested on before it lapsed. It is kept for as long as the law asks for the
// records of a customer.
type Superseded struct {
	Level    int       `json:"level" bson:"level"`
	At       time.Time `json:"at" bson:"at"`
	Identity []byte    `json:"identity,omitempty" bson:"identity,omitempty"` // of Level 1, sealed like the present one
	Steps    []Step    `json:"steps,omitempty" bson:"steps,omitempty"`
}

// lapse is the end of an approval.
type lapse struct {
	at     time.Time
	level  int
	reason string
}

// nextLapse returns which approval ends first, and when: with the document that Level 1 states, at the end of its last day by
// the operator's clock, or by the policy's days.
func (s *Service) nextLapse(c *change) (first lapse, ok bool, err error) {
	add := func(l lapse) {
		if !ok || l.at.Before(first.at) {
			first, ok = l, true
		}
	}
	for _, l := range c.Levels {
		if l.State != Approved {
			continue
		}
		if days := s.cfg.Policy.Validity.days(l.Level); days > 0 {
			add(lapse{l.DecidedAt.AddDate(0, 0, days), l.Level, "level.expired"})
		}
		if l.Level != 1 || c.Identity == nil {
			continue
		}
		b, err := c.key.Open(c.Identity, boundIdentity(c.ID))
		if err != nil {
			return lapse{}, false, fmt.Errorf("open the identity of %s: %w", c.ID, err)
		}
		var f struct {
			Document DocumentFacts `json:"document"`
		}
		if json.Unmarshal(b, &f) != nil {
			return lapse{}, false, fmt.Errorf("read the identity of %s: %w", c.ID, errUnreadable)
		}
		if day, err := time.ParseInLocation(time.DateOnly, f.Document.ExpiresOn, s.cfg.Policy.zone); err == nil {
			add(lapse{day.AddDate(0, 0, 1), 1, "document.expired"})
		}
	}
	return first, ok, nil
}

// planLapse keeps the job that ends approvals when their time is over: one, or none.
func (s *Service) planLapse(c *change) error {
	var next lapse
	var ok bool
	if !c.Erased() && c.RestrictedAt.IsZero() { // of what is only kept nothing has to be done again
		var err error
		if next, ok, err = s.nextLapse(c); err != nil {
			return err
		}
	}
	i := slices.IndexFunc(c.Jobs, func(j Job) bool { return j.Kind == JobLapse })
	switch {
	case !ok && i >= 0:
		c.Jobs = slices.Delete(c.Jobs, i, i+1)
	case ok && i < 0:
		c.queue(Job{Kind: JobLapse, RunAfter: next.at.UTC()})
	case ok && c.Jobs[i].State == JobQueued && c.Jobs[i].Attempts == 0:
		c.Jobs[i].RunAfter = next.at.UTC()
	}
	return nil
}

// lapse ends the approvals whose time is over. Their levels are to do again, and what rested on them is locked.
func (s *Service) lapse(c *change) error {
	for range levels {
		l, ok, err := s.nextLapse(c)
		if err != nil || !ok || l.at.After(c.at) {
			return err
		}
		s.supersede(c, l.level)
		var why []Reason
		for i := range c.Steps {
			if st := &c.Steps[i]; st.Level == l.level && st.Alternative != NothingTaken {
				why = append(why, Reason{Code: l.reason, Step: st.ID})
				st.State, st.Reasons = Failed, why[len(why)-1:len(why):len(why)]
			}
		}
		if why == nil {
			why = []Reason{{Code: l.reason}}
		}
		if err := c.move(l.level, again, why...); err != nil {
			return err
		}
		for n := l.level + 1; n <= levels; n++ {
			if up := c.level(n); up.State != Suspended && !up.State.Refused() {
				if err := c.move(n, lock); err != nil {
					return err
				}
			}
		}
		c.Jobs = slices.DeleteFunc(c.Jobs, func(j Job) bool { return j.Kind == JobCheck && j.Level >= l.level })
	}
	return nil
}

// supersede puts away what the approvals from a level on rested on: of a customer, or where the case is held, for as
// long as the case is kept; else it is destroyed.
func (s *Service) supersede(c *change, level int) {
	keep := s.cfg.Policy.Retention.customer(&c.Document) || !c.HeldAt.IsZero()
	for n := level; n <= levels; n++ {
		l := c.level(n)
		if l.State == Suspended || l.State.Refused() {
			continue // still in question
		}
		old := Superseded{Level: n, At: c.at}
		if n == 1 {
			old.Identity = c.Identity
		}
		for i := range c.Steps {
			st := &c.Steps[i]
			if st.Level != n {
				continue
			}
			if keep && l.State == Approved && len(st.Takes) > 0 {
				was := *st
				was.Takes = slices.DeleteFunc(slices.Clone(st.Takes), func(t Take) bool { return t.State != TakeAccepted })
				old.Steps = append(old.Steps, was)
				st.Takes = slices.DeleteFunc(st.Takes, func(t Take) bool { return t.State == TakeAccepted })
				c.Readings = slices.DeleteFunc(c.Readings, func(r SealedReading) bool { return r.Step == st.ID })
			}
			c.dropTakes(st, func(Take) bool { return true })
			st.Reasons, st.Attempts = nil, 0
			st.State = stepState(*st)
		}
		if keep && l.State == Approved && (old.Identity != nil || old.Steps != nil) {
			c.Superseded = append(c.Superseded, old)
		}
	}
}

// dropSuperseded destroys what is kept of lapsed approvals, of the steps that match.
func (c *change) dropSuperseded(drop func(Step) bool) {
	var gone []string
	for i := range c.Superseded {
		old := &c.Superseded[i]
		old.Steps = slices.DeleteFunc(slices.Clone(old.Steps), func(st Step) bool {
			if !drop(st) {
				return false
			}
			for _, t := range st.Takes {
				gone = append(gone, t.uploads()...)
			}
			return true
		})
	}
	if len(gone) > 0 {
		c.queue(Job{Kind: JobDestroy, Uploads: gone})
	}
}

// Earlier returns what Level 1 stated each time that an approval lapsed, the oldest first.
func (s *Service) Earlier(c Case) ([]Identity, error) {
	var out []Identity
	for _, old := range c.Superseded {
		if old.Identity == nil {
			continue
		}
		was := c.Document
		was.Identity, was.IdentityDraft = old.Identity, nil
		opened, err := s.open(was)
		if err != nil {
			return nil, err
		}
		out = append(out, *opened.Facts)
	}
	return out, nil
}
