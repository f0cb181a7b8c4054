package cases

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/symbolon/symbolon/seal"
)

// change is one change of a case while it is being made. Rules edit Document and say
// what happened with note; save then stores both together or neither.
type change struct {
	Document
	key    seal.Key
	by     Actor
	at     time.Time
	policy string // version of the policy that decides
	asks   []ConsentRule
	freeze bool     // a reported case takes nothing from the applicant
	ways   []string // of telling, see notice.go
	quiet  bool     // an operator's upkeep: the time of the last change stays
}

// notFrozen returns ErrFrozen for a case that takes nothing because it was reported.
func (c *change) notFrozen() error {
	if c.freeze && !c.ReportedAt.IsZero() {
		return ErrFrozen
	}
	return nil
}

// Frozen reports whether the case takes nothing more until a reviewer clears what was reported.
func (s *Service) Frozen(c Case) bool {
	return s.cfg.Policy.Report == ReportFreezes && !c.ReportedAt.IsZero()
}

// anyVersion makes change go ahead of whatever the case's version is.
const anyVersion = -1

// change loads the case, lets fn change it and stores it, guarded by version and, for a
// phone, by epoch. With anyVersion it starts over when somebody else was faster; otherwise
// the caller is told ErrStaleVersion. fn may run several times; an error of it ends everything with
// nothing stored. When fn changed nothing, nothing is stored.
func (s *Service) change(ctx context.Context, by Actor, id string, version int64, fn func(*change) error) (Case, error) {
	epoch := int64(-1)
	if by.Kind == ByPhone {
		epoch = by.Epoch
	}
	for try := 0; ; try++ {
		d, err := s.cfg.Store.Case(ctx, id)
		if err != nil {
			return Case{}, err
		}
		switch {
		case epoch >= 0 && d.HandoffEpoch != epoch:
			return Case{}, ErrStaleEpoch
		case version != anyVersion && d.Version != version:
			return Case{}, ErrStaleVersion
		case !d.RestrictedAt.IsZero() && (by.Kind == ByApplicant || by.Kind == ByPhone) && !d.Erased():
			return Case{}, ErrRestricted
		}
		c := change{by: by, at: s.now(), policy: s.cfg.Policy.Version, ways: s.ways(), asks: s.cfg.Policy.Consents, freeze: s.cfg.Policy.Report == ReportFreezes}
		switch {
		case !d.Erased():
			if c.key, err = s.keyOf(d); err != nil {
				return Case{}, err
			}
		case by.Kind != BySystem: // what is left to destroy goes on
			return Case{}, ErrUnknown
		}
		before := mustJSON(d)
		c.Document = fromJSON(before) // a deep copy: a change that fails leaves no trace in d
		if err := fn(&c); err != nil {
			return Case{}, err
		}
		if bytes.Equal(before, mustJSON(c.Document)) {
			return s.open(d)
		}
		if err := s.planLapse(&c); err != nil {
			return Case{}, err
		}
		s.save(ctx, d, &c)
		err = s.cfg.Store.ReplaceCase(ctx, c.Document, epoch)
		switch {
		case err == nil:
			s.cfg.Changed(context.WithoutCancel(ctx), id)
			if !reflect.DeepEqual(d.Waiting, c.Waiting) {
				s.cfg.Queued(context.WithoutCancel(ctx))
			}
			s.wakeUp()
			return s.open(c.Document)
		case !errors.Is(err, ErrStaleVersion) || version != anyVersion || try >= maxReplaceTries:
			return Case{}, err
		}
		select { // apart from each other, so that racers do not meet again
		case <-ctx.Done():
			return Case{}, ctx.Err()
		case <-time.After(rand.N(time.Duration(try+1) * time.Millisecond)):
		}
	}
}

// save completes a changed document: its version, its lists, and the outbox, from which it drops
// what is in the history already.
func (s *Service) save(ctx context.Context, old Document, c *change) {
	c.Version = old.Version + 1
	if !c.quiet {
		c.UpdatedAt = c.at
	}
	c.State, c.Level = stateOf(c.Levels), levelOf(c.Levels)
	if c.Erased() {
		c.State = Erased
	}
	if c.by.Kind == ByApplicant || c.by.Kind == ByPhone {
		c.ActedAt = c.at
	}
	c.Waiting, c.AtStep = c.waiting(), c.atStep()
	c.FaceEntry = c.faceEntry(s.cfg.Policy)
	if c.FaceEntry == nil { // what was found rested on it
		c.FaceHits = nil
	}
	if c.Level >= s.cfg.Policy.Retention.CustomerLevel && c.CustomerSince.IsZero() && !c.Erased() {
		c.CustomerSince = c.at
	}
	c.planErasure(s.cfg.Policy.Retention)
	if len(old.Pending) > 0 && s.copied(ctx, old) {
		c.Pending = slices.Clone(c.Pending[len(old.Pending):])
	}
	for i := range c.Pending {
		if c.Pending[i].Version == 0 {
			c.Pending[i].Version = c.Version
			c.Pending[i].Prev = c.History.Hash
			c.Pending[i].Hash = c.Pending[i].digest()
			c.History = HistoryHead{N: c.Pending[i].N, Hash: c.Pending[i].Hash}
		}
	}
}

// copied makes sure that the pending entries of d are in the history, and reports whether they are.
func (s *Service) copied(ctx context.Context, d Document) bool {
	if s.takeRelayed(d.ID) >= d.Pending[len(d.Pending)-1].N {
		return true
	}
	if err := s.cfg.History.AppendHistory(ctx, d.Pending); err != nil {
		s.cfg.Log.Warn("history_copy_failed", "case", d.ID, "error", err)
		return false // they stay pending; nothing is lost
	}
	return true
}

// note adds an entry to the history that is stored with this change.
func (c *change) note(e Entry) {
	e.CaseID, e.At, e.Actor = c.ID, c.at, c.by
	e.N = c.History.N + 1
	for _, p := range c.Pending {
		e.N = max(e.N, p.N+1)
	}
	c.Pending = append(c.Pending, e)
}

// move takes a level through an action, with the reasons for it; ErrLevelNotOpen when its state does
// not allow it.
func (c *change) move(level int, a action, reasons ...Reason) error {
	l := c.level(level)
	if l == nil {
		return ErrLevelUnknown
	}
	to, ok := next(l.State, a)
	if !ok {
		return ErrLevelNotOpen
	}
	if to == InReview && l.Escalated { // what was left to a supervisor stays so when its checks run again
		to = Escalated
	}
	if to == l.State {
		return nil
	}
	l.State = to
	l.Escalated = to == Escalated || to == Checking && l.Escalated
	switch to {
	case Submitted:
		l.SubmittedAt, l.DecidedAt, l.Reasons, l.Checks, l.Approvals, l.Needs = c.at, time.Time{}, nil, nil, nil, 0
	case InReview, Suspended:
		l.Reasons, l.Approvals = reasons, nil
	case Escalated:
		if a == review {
			l.Reasons, l.Approvals = reasons, nil
		}
	case Approved, Rejected, Resubmit, Revoked:
		l.DecidedAt, l.Reasons = c.at, reasons
	case Open, Locked:
		l.SubmittedAt, l.DecidedAt, l.Reasons, l.Checks, l.Approvals, l.Needs = time.Time{}, time.Time{}, nil, nil, nil, 0
	}
	switch {
	case !to.Waits():
		l.WaitsSince = time.Time{}
	case l.WaitsSince.IsZero():
		l.WaitsSince = c.at
	}
	e := Entry{Event: "level_" + string(to), Level: level}
	if c.by.Kind == BySystem {
		e.Data = map[string]string{"policy": c.policy}
	}
	var steps []string
	for _, r := range reasons {
		e.Reasons = append(e.Reasons, r.Code)
		if r.Step != "" && !slices.Contains(steps, r.Step) {
			steps = append(steps, r.Step)
		}
	}
	if to == Resubmit && steps != nil { // which steps are done again, for figures
		if e.Data == nil {
			e.Data = map[string]string{}
		}
		e.Data["steps"] = strings.Join(steps, ",")
	}
	c.note(e)
	c.tells(level, to)
	return nil
}

// unlockAbove opens the level above one that is decided far enough, if it is offered.
func (c *change) unlockAbove(level int) error {
	above := c.level(level + 1)
	if above == nil || !c.offers(level+1) || above.State != Locked || !decidedEnough(c.level(level).State) {
		return nil
	}
	return c.move(level+1, unlock)
}

// queue adds a job; it runs at once unless j.RunAfter says otherwise.
func (c *change) queue(j Job) {
	j.ID, j.State = "job_"+ulid.Make().String(), JobQueued
	if j.RunAfter.IsZero() {
		j.RunAfter = c.at
	}
	c.Jobs = append(c.Jobs, j)
}

// dropTakes removes the takes that match and queues the destruction of their bytes.
func (c *change) dropTakes(step *Step, drop func(Take) bool) {
	var gone []string
	step.Takes = slices.DeleteFunc(step.Takes, func(t Take) bool {
		if !drop(t) {
			return false
		}
		gone = append(gone, t.uploads()...)
		if t.State == TakeAccepted {
			c.Readings = slices.DeleteFunc(c.Readings, func(r SealedReading) bool { return r.Step == step.ID })
		}
		return true
	})
	if len(gone) > 0 {
		c.queue(Job{Kind: JobDestroy, Uploads: gone})
		step.State = stepState(*step)
	}
}

// level returns the level, nil if there is none.
func (d *Document) level(n int) *Level {
	for i := range d.Levels {
		if d.Levels[i].Level == n {
			return &d.Levels[i]
		}
	}
	return nil
}

// stepIDs are the steps of a level.
func (d *Document) stepIDs(level int) (ids []string) {
	for _, st := range d.Steps {
		if st.Level == level {
			ids = append(ids, st.ID)
		}
	}
	return ids
}

// step returns the step, nil if there is none.
func (d *Document) step(id string) *Step {
	for i := range d.Steps {
		if d.Steps[i].ID == id {
			return &d.Steps[i]
		}
	}
	return nil
}

// stepState is the state that a step's takes give it.
func stepState(st Step) StepState {
	if st.Alternative == NothingTaken {
		return Accepted
	}
	s := Todo
	for _, t := range st.Takes {
		if t.Role == RoleStill {
			continue // it is nothing without its clip
		}
		switch t.State {
		case TakeAccepted:
			if t.Alipay != nil {
				return Checked // who checked it has said so already
			}
			return Accepted
		case TakeStored:
			s = Stored
		case TakeOpen:
			if s == Todo {
				s = Uploading
			}
		}
	}
	if s == Todo && len(st.Reasons) > 0 {
		return Failed
	}
	return s
}

// open opens the sealed fields of a document.
func (s *Service) open(d Document) (Case, error) {
	c := Case{Document: d}
	if d.Identity == nil && d.IdentityDraft == nil {
		return c, nil
	}
	k, err := s.keyOf(d)
	if err != nil {
		return Case{}, err
	}
	if d.IdentityDraft != nil {
		if c.Draft, err = k.Open(d.IdentityDraft, boundDraft(d.ID)); err != nil {
			return Case{}, fmt.Errorf("open the draft of %s: %w", d.ID, err)
		}
	}
	if d.Identity == nil {
		return c, nil
	}
	b, err := k.Open(d.Identity, boundIdentity(d.ID))
	if err != nil {
		return Case{}, fmt.Errorf("open the identity of %s: %w", d.ID, err)
	}
	c.Facts = new(Identity)
	if err := json.Unmarshal(b, c.Facts); err != nil {
		return Case{}, fmt.Errorf("read the identity of %s: %w", d.ID, errUnreadable)
	}
	return c, nil
}

// errUnreadable stands for a JSON error, whose text could quote what it could not read.
var errUnreadable = errors.New("not the JSON that was sealed")

func boundIdentity(caseID string) []byte { return seal.Bind("case", caseID, "identity") }

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("cases: a document of plain fields does not encode: %v", err))
	}
	return b
}

// fromJSON reads what mustJSON wrote of a document.
func fromJSON(b []byte) Document {
	var d Document
	if err := json.Unmarshal(b, &d); err != nil {
		panic(fmt.Sprintf("cases: a document does not decode: %v", err))
	}
	return d
}
