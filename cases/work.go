package cases

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Run does what changes left to do, copying history and running jobs, until ctx ends. It
// runs on every node; a job is leased by one of them at a time.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	a := &aside{slots: make(chan struct{}, longAtOnce)}
	defer a.running.Wait()
	for {
		if err := s.work(ctx, a); err != nil && ctx.Err() == nil {
			s.cfg.Log.Error("work_failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-s.wake:
		}
	}
}

// Long jobs are done aside, so that short ones do not wait for them: so many at once on a node.
const longAtOnce = 2

type aside struct {
	slots   chan struct{}
	writing atomic.Bool
	running sync.WaitGroup
}

// letters runs f aside unless it still runs: a mail server may hang.
func (a *aside) letters(f func()) {
	if !a.writing.CompareAndSwap(false, true) {
		return
	}
	a.running.Go(func() {
		defer a.writing.Store(false)
		f()
	})
}

// start runs f aside, if there is a place; otherwise its job is due still, and looked at again soon.
func (a *aside) start(f func()) {
	select {
	case a.slots <- struct{}{}:
		a.running.Go(func() {
			defer func() { <-a.slots }()
			f()
		})
	default:
	}
}

// Work does once what is due now, and waits for all of it.
func (s *Service) Work(ctx context.Context) error { return s.work(ctx, nil) }

func (s *Service) work(ctx context.Context, a *aside) error {
	if a != nil {
		a.letters(func() { s.sendLetters(ctx) })
	} else {
		s.sendLetters(ctx)
	}
	ids, err := s.cfg.Store.Due(ctx, s.now(), 500) // more than may wait for a place aside
	if err != nil {
		return fmt.Errorf("look for work: %w", err)
	}
	var g errgroup.Group
	g.SetLimit(4)
	for _, id := range ids {
		g.Go(func() error {
			if err := s.workOn(ctx, id, a); err != nil && ctx.Err() == nil {
				s.cfg.Log.Error("case_work_failed", "case", id, "error", err)
			}
			return nil // one case does not hold up the others
		})
	}
	return g.Wait()
}

func (s *Service) workOn(ctx context.Context, id string, a *aside) error {
	d, err := s.cfg.Store.Case(ctx, id)
	if err != nil {
		return err
	}
	if n := len(d.Pending); n > 0 {
		if err := s.cfg.History.AppendHistory(ctx, d.Pending); err != nil {
			return fmt.Errorf("copy history: %w", err)
		}
		if err := s.cfg.Store.Relayed(ctx, id, d.Version); err != nil {
			return fmt.Errorf("note copied history: %w", err)
		}
		s.setRelayed(id, d.Pending[n-1].N)
	}
	now := s.now()
	for _, j := range d.Jobs {
		switch {
		case !j.due(now):
		case a != nil && j.long():
			a.start(func() {
				if err := s.runJob(ctx, id, j.ID); err != nil && ctx.Err() == nil {
					s.cfg.Log.Error("case_work_failed", "case", id, "error", err)
				}
			})
		default:
			if err := s.runJob(ctx, id, j.ID); err != nil {
				return fmt.Errorf("job %s: %w", j.Kind, err)
			}
		}
	}
	return nil
}

func (j Job) due(now time.Time) bool {
	return j.State == JobQueued && !j.RunAfter.After(now) || j.State == JobLeased && !j.LeaseUntil.After(now)
}

// long reports whether a job takes so long that others do not wait for it.
func (j Job) long() bool { return j.Kind == JobCheck && j.Level == 3 }

// lease is how long a job is one node's: longer than it takes.
func (j Job) lease() time.Duration {
	if j.long() {
		return clipLease
	}
	return jobLease
}

// What comes of a run of a job.
const (
	JobDone    = "done"
	JobRetried = "retried"  // it failed and is tried again
	JobGivenUp = "given_up" // it failed so often that a person looks instead
)

// Backlog says in how many cases something waits to be done, and for how long the oldest job has been due.
func (s *Service) Backlog(ctx context.Context) (n int, oldest time.Duration, err error) {
	now := s.now()
	n, since, err := s.cfg.Store.Backlog(ctx, now)
	if err == nil && !since.IsZero() {
		oldest = now.Sub(since)
	}
	return n, oldest, err
}

// errNotOurs ends a change of a job that another node leased or finished meanwhile.
var errNotOurs = errors.New("cases: the job is not ours")

// runJob leases a job, does it and stores what came of it together with its end.
func (s *Service) runJob(ctx context.Context, id, jobID string) error {
	system := Actor{Kind: BySystem}
	var job Job
	_, err := s.change(ctx, system, id, anyVersion, func(c *change) error {
		j := c.job(jobID)
		if j == nil || !j.due(c.at) {
			return errNotOurs
		}
		j.Attempts++
		if job = *j; j.Kind == JobAlipay {
			return s.willAskAgain(c, j)
		}
		j.State, j.LeaseOwner, j.LeaseUntil = JobLeased, s.node, c.at.Add(j.lease())
		if j.Kind == JobCheck && c.level(j.Level).State == Submitted {
			return c.move(j.Level, begin)
		}
		return nil
	})
	if err != nil {
		if errors.Is(err, errNotOurs) {
			return nil
		}
		return err
	}
	work, cancel := context.WithTimeout(ctx, job.lease()*3/4)
	defer cancel()
	finish, failure := s.do(work, id, job)
	if ctx.Err() != nil {
		return ctx.Err() // the lease runs out, another node takes it up
	}
	outcome := JobDone
	if finish == nil && job.Kind == JobAlipay { // nothing to change; the job is queued again already
		if failure != nil {
			outcome = JobRetried
		}
		if s.cfg.JobEnded != nil {
			s.cfg.JobEnded(job.Kind, outcome)
		}
		return failure
	}
	_, err = s.change(ctx, system, id, anyVersion, func(c *change) error {
		outcome = JobDone
		j := c.job(jobID)
		// A question to Alipay is not leased: what it found holds for its try, whichever answer came first.
		if j == nil || job.Kind != JobAlipay && (j.LeaseOwner != s.node || j.Attempts != job.Attempts) {
			return errNotOurs
		}
		if failure != nil && (job.Kind != JobCheck || job.Attempts < maxJobAttempts) {
			j.State, j.LeaseOwner, j.LeaseUntil = JobQueued, "", time.Time{}
			j.RunAfter = c.at.Add(jobRetryAfter * time.Duration(min(j.Attempts, 30)))
			outcome = JobRetried
			return nil
		}
		c.Jobs = slices.DeleteFunc(c.Jobs, func(j Job) bool { return j.ID == jobID })
		if failure != nil {
			outcome = JobGivenUp
			finish = func(c *change) error { return s.decide(c, job.Level, review, Reason{Code: "checks_failed"}) }
		}
		return finish(c)
	})
	if err == nil && s.cfg.JobEnded != nil {
		s.cfg.JobEnded(job.Kind, outcome)
	}
	if errors.Is(err, errNotOurs) {
		err = nil
	} else if err == nil && job.Kind == JobRetain {
		err = s.scrub(ctx)
	}
	return errors.Join(failure, err)
}

// do does a job's work outside any change, and returns how the case changes by it; nil where it failed, and where Alipay has no result yet.
func (s *Service) do(ctx context.Context, id string, j Job) (func(*change) error, error) {
	switch j.Kind {
	case JobDestroy:
		for _, u := range j.Uploads {
			if err := s.cfg.Destroy(ctx, u); err != nil {
				return nil, fmt.Errorf("destroy an upload: %w", err)
			}
		}
		return func(*change) error { return nil }, nil
	case JobExpire:
		return func(c *change) error {
			for i := range c.Steps {
				c.expireTakes(&c.Steps[i])
			}
			c.queueExpiry()
			return nil
		}, nil
	case JobLapse:
		return s.lapse, nil
	case JobTell:
		return s.tell(ctx, id, j)
	case JobAlipay:
		return s.askAlipay(ctx, id)
	case JobRetain:
		return func(c *change) error {
			// What was due may have been held, or taken up again, meanwhile.
			if at, rule, ok := s.cfg.Policy.Retention.due(&c.Document); ok && !at.After(c.at) {
				c.erase(rule, false)
			}
			return nil
		}, nil
	case JobCheck:
		c, err := s.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		if j.Level == 1 {
			return s.checkFacts(ctx, c)
		}
		if j.Level == 3 {
			return s.checkClips(ctx, c, j.Level)
		}
		return s.checkPhotos(ctx, c, j.Level)
	}
	return nil, fmt.Errorf("cases: no such kind of job: %q", j.Kind)
}

// checkFacts checks Level 1 again on the day of the check. Right facts approve themselves, unless the same
// document stands in another case: then a person looks, and the applicant is not told. A person looks, too, at what the
// policy leaves to one.
func (s *Service) checkFacts(ctx context.Context, c Case) (func(*change) error, error) {
	if _, bad := s.cfg.Policy.validate(c.Kind, *c.Facts, s.now()); bad != nil {
		return func(c *change) error { return s.decide(c, 1, again, Reason{Code: "data.facts_invalid"}) }, nil
	}
	same, err := s.cfg.Store.CasesByDocument(ctx, c.DocumentIndex, 2)
	if err != nil {
		return nil, fmt.Errorf("look for the same document: %w", err)
	}
	if slices.ContainsFunc(same, func(id string) bool { return id != c.ID }) {
		return func(c *change) error { return s.decide(c, 1, review, Reason{Code: "duplicate.identity"}) }, nil
	}
	if b := c.Facts.Business; b != nil {
		return s.checkedCompany(*b), nil
	}
	if c.Facts.Guardian != nil {
		return func(c *change) error { return s.decide(c, 1, review, Reason{Code: "age.guardian"}) }, nil
	}
	if c.Facts.ActingFor.Who == ForOther && s.cfg.Policy.Approve.Level1ForOther != byRules {
		return func(c *change) error { return s.decide(c, 1, review, Reason{Code: "account.for_other"}) }, nil
	}
	return s.passed(1), nil
}

// checkedCompany is what becomes of a company's Level 1. A person looks at what was declared rather than counted.
func (s *Service) checkedCompany(b Company) func(*change) error {
	var why []Reason
	if b.Exemption != "" {
		why = append(why, Reason{Code: "company.exemption_declared"})
	}
	if len(b.Controllers) > 0 {
		why = append(why, Reason{Code: "company.controllers_named"})
	}
	if b.Beneficiary.Who == ForOther {
		why = append(why, Reason{Code: "account.for_other"})
	}
	a := review
	if s.cfg.Policy.Approve.Level1Business == byRules && why == nil {
		a = approve
	}
	return func(c *change) error { return s.decide(c, 1, a, why...) }
}

// passed is what becomes of a level whose checks found nothing.
func (s *Service) passed(level int) func(*change) error {
	a := review
	if s.cfg.Policy.approves(level) {
		a = approve
	}
	return func(c *change) error { return s.decide(c, level, a) }
}

// decide ends the checks of a level. It does nothing when the level is not being checked any more
// (it was reopened meanwhile). A step that was sent back as often as the policy allows is left to a person, and so is
// a level with a step for which nothing was taken.
func (s *Service) decide(c *change, level int, a action, reasons ...Reason) error {
	l := c.level(level)
	if l.State != Checking {
		return nil
	}
	if a == approve {
		for _, st := range c.Steps {
			if st.Level == level && st.Alternative == NothingTaken {
				why := Reason{Code: "face.by_person", Step: st.ID}
				a, reasons = review, append(reasons, why)
			}
		}
	}
	if a == again {
		counted := map[string]bool{} // a step with two reasons is sent back once
		for _, r := range reasons {
			if st := c.step(r.Step); st != nil && !counted[r.Step] {
				counted[r.Step] = true
				if st.Attempts++; st.Attempts > s.cfg.Policy.Attempts {
					a = review
				}
			}
		}
	}
	if err := c.move(level, a, reasons...); err != nil {
		return err
	}
	if a == review && s.cfg.Policy.Face.Declined == DeclinedRecordings && level == 2 && c.offers(3) &&
		slices.ContainsFunc(c.Steps, func(st Step) bool { return st.Level == level && st.Kind == KindFace && st.Alternative == NothingTaken }) {
		c.level(level).Needs = 3
	}
	c.settle(level, a, reasons)
	if err := c.checkAgainAbove(level); err != nil {
		return err
	}
	return c.unlockAbove(level)
}

// settle gives the steps of a level that was decided their states: what is done again has failed and loses its
// takes, the rest was checked.
func (c *change) settle(level int, a action, reasons []Reason) {
	for i := range c.Steps {
		st := &c.Steps[i]
		if st.Level != level {
			continue
		}
		st.Reasons = nil
		for _, r := range reasons {
			if a == again && r.Step == st.ID {
				st.Reasons = append(st.Reasons, r)
			}
		}
		if st.Reasons != nil {
			c.dropTakes(st, func(Take) bool { return true })
			st.State, st.Alternative = Failed, "" // asked for after all
		} else if st.State == Accepted {
			st.State = Checked
		}
	}
}

func (d *Document) job(id string) *Job {
	for i := range d.Jobs {
		if d.Jobs[i].ID == id {
			return &d.Jobs[i]
		}
	}
	return nil
}

// dropChecks removes the checks of levels; what is to be destroyed still is.
func dropChecks(jobs []Job) []Job {
	return slices.DeleteFunc(jobs, func(j Job) bool { return j.Kind == JobCheck })
}
