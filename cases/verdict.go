package cases

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/symbolon/symbolon/fault"
)

// Verdict is what a person decides about a level.
type Verdict string

// The verdicts.
const (
	VerdictApprove Verdict = "approve"
	VerdictAgain   Verdict = "resubmit"
	VerdictReject  Verdict = "reject"
)

// Decision is a person's decision about a level.
type Decision struct {
	Level   int
	Verdict Verdict
	Reasons []Reason
	Note    string // for people who work here; never told to the applicant
}

// Decide decides a level at a version of its case, for who has taken it. second is true when the level is approved by
// one person and the policy asks for another one. A supervisor may decide anew what was decided already, with a note.
//
// ErrOwnCase, ErrNotLeased, ErrSameReviewer, ErrLowerLevelOpen, ErrNotInReview, ErrSupervisor, ErrLooksMissing (member
// missing), ErrAttempts, ErrStaleVersion, ErrLevelUnknown, ErrUnknown; fault.Fields for reasons that do not fit.
func (s *Service) Decide(ctx context.Context, by Account, id string, version int64, d Decision) (c Case, second bool, err error) {
	if d.Note, err = checkNote(d.Note); err != nil {
		return Case{}, false, err
	}
	before, err := s.Get(ctx, id)
	if err != nil {
		return Case{}, false, err
	}
	if before.AccountID == by.ID {
		return Case{}, false, ErrOwnCase
	}
	if _, err := s.Holding(ctx, by, id); err != nil {
		return Case{}, false, err
	}
	if before.Version != version {
		return Case{}, false, ErrStaleVersion
	}
	if d.Verdict == VerdictApprove {
		if err := s.looked(ctx, by, before, d.Level); err != nil {
			return Case{}, false, err
		}
	}
	c, err = s.change(ctx, byStaff(by), id, version, func(c *change) error {
		second, err = s.judge(c, by, d)
		return err
	})
	if err != nil {
		return Case{}, false, err
	}
	s.cfg.Decided(d.Level, d.Verdict, second)
	return c, second, s.handBackDecided(ctx, by, c)
}

// looked is ErrLooksMissing unless by has looked at all that the level's approval rests on.
func (s *Service) looked(ctx context.Context, by Account, c Case, level int) error {
	all, err := s.RequiredLooks(ctx, by, c)
	if err != nil {
		return err
	}
	var missing []string
	for _, r := range all {
		if r.Level != level || r.Seen {
			continue
		}
		step := r.Step
		if step == "" {
			step = "identity"
		}
		if !slices.Contains(missing, step) {
			missing = append(missing, step)
		}
	}
	if missing != nil {
		return ErrLooksMissing.With("missing", missing)
	}
	return nil
}

// judge makes a decision on the case that is being changed.
func (s *Service) judge(c *change, by Account, d Decision) (second bool, err error) {
	l := c.level(d.Level)
	if l == nil || !c.offers(d.Level) {
		return false, ErrLevelUnknown
	}
	overturn := false
	switch {
	case l.State == Submitted || l.State == Checking:
		return false, ErrNotInReview.After(2 * time.Second)
	case l.State.Waits():
		if (l.State == Escalated || l.State == Suspended) && !by.Has(Supervisor) {
			return false, ErrSupervisor
		}
		if slices.ContainsFunc(l.Approvals, func(a Approval) bool { return a.By == by.ID }) {
			return false, ErrSameReviewer
		}
	case l.State == Approved && d.Verdict == VerdictAgain && c.restsOn(d.Level):
		// What a level above shows to be wrong is asked for again by who looks at that one.
	case (l.State == Approved && d.Verdict != VerdictApprove || l.State.Refused()) && by.Has(Supervisor):
		overturn = true
	default:
		return false, ErrNotInReview
	}
	reasons, bad := c.fitting(d)
	if overturn && d.Note == "" {
		bad = append(bad, fault.Field{Field: "note", Code: "required", Detail: "Say why this is decided anew."})
	}
	if bad != nil {
		return false, fault.Fields(bad...)
	}
	if d.Verdict == VerdictApprove {
		for _, below := range c.Levels {
			if below.Level < d.Level && below.State != Approved {
				return false, ErrLowerLevelOpen
			}
		}
		if c.Lacks(*l) > 0 {
			return false, ErrRecordingsFirst
		}
		if missing := c.missing(d.Level); len(missing) > 0 { // destroyed since, with the consent that it rested on
			return false, ErrStepsIncomplete.With("steps", missing)
		}
	}
	waited := time.Duration(0)
	if !l.WaitsSince.IsZero() {
		waited = c.at.Sub(l.WaitsSince)
	}
	e := Entry{Event: eventDecision, Level: d.Level, Data: map[string]string{"verdict": string(d.Verdict), "policy": c.policy}}
	if l.State.Waits() {
		e.Data["waited_ms"] = strconv.FormatInt(waited.Milliseconds(), 10)
	}
	if overturn {
		e.Data["overturns"] = string(l.State)
	}
	var steps []string
	for _, r := range reasons {
		if !slices.Contains(e.Reasons, r.Code) {
			e.Reasons = append(e.Reasons, r.Code)
		}
		if r.Step != "" && !slices.Contains(steps, r.Step) {
			steps = append(steps, r.Step)
		}
	}
	if steps != nil {
		e.Data["steps"] = strings.Join(steps, ",")
	}
	if l.State.Refused() {
		if err := c.move(d.Level, reconsider); err != nil {
			return false, err
		}
	}
	a := map[Verdict]action{VerdictApprove: approve, VerdictAgain: again, VerdictReject: reject}[d.Verdict]
	if d.Verdict == VerdictReject && l.State == Approved {
		a = revoke
	}
	if d.Verdict == VerdictApprove {
		l.Approvals = append(l.Approvals, Approval{By: by.ID, At: c.at})
		if second = len(l.Approvals) < 2 && s.cfg.Policy.FourEyes.asks(c.Document, *l); second {
			a = "second"
			e.Data["outcome"] = string(AwaitingSecond)
		}
	}
	if d.Verdict == VerdictAgain {
		counted := map[string]bool{}
		for _, r := range reasons {
			st := c.step(r.Step)
			if st == nil || counted[r.Step] {
				continue
			}
			counted[r.Step] = true
			if st.Attempts++; st.Attempts > s.cfg.Policy.Attempts && !by.Has(Supervisor) {
				return false, ErrAttempts
			}
		}
	}
	e.Sealed = c.sealNote(StaffNote{Text: d.Note, Reasons: reasons})
	c.note(e)
	if err := c.move(d.Level, a, reasons...); err != nil {
		return false, err
	}
	c.settle(d.Level, a, reasons)
	if err := c.unlockAbove(d.Level); err != nil {
		return false, err
	}
	return second, c.checkAgainAbove(d.Level)
}

// restsOn reports whether a level above this one waits for a person and none above is approved.
func (c *change) restsOn(level int) bool {
	waits := false
	for _, l := range c.Levels {
		if l.Level <= level {
			continue
		}
		if l.State == Approved {
			return false
		}
		waits = waits || l.State == InReview || l.State == AwaitingSecond || l.State == Escalated
	}
	return waits
}

// checkAgainAbove has what waits above a level checked again when the level was submitted after it: it was
// held against something else.
func (c *change) checkAgainAbove(level int) error {
	l := c.level(level)
	if l.State != Approved {
		return nil
	}
	for i := range c.Levels {
		above := &c.Levels[i]
		if above.Level <= level || !above.State.Waits() || above.State == Suspended || !above.SubmittedAt.Before(l.SubmittedAt) {
			continue
		}
		if err := c.move(above.Level, begin); err != nil {
			return err
		}
		c.queue(Job{Kind: JobCheck, Level: above.Level})
	}
	return nil
}

// fitting returns the reasons of a decision with the steps that they mean, or what is wrong with them.
func (c *change) fitting(d Decision) (out []Reason, bad []fault.Field) {
	say := func(field, code, detail string) {
		bad = append(bad, fault.Field{Field: field, Code: code, Detail: detail})
	}
	switch d.Verdict {
	case VerdictApprove:
		if len(d.Reasons) > 0 {
			say("reasons", "reasons_unexpected", "What is approved needs no reason.")
		}
		return nil, bad
	case VerdictAgain, VerdictReject:
	default:
		say("verdict", "verdict_unknown", "A verdict is approve, resubmit or reject.")
		return nil, bad
	}
	if len(d.Reasons) == 0 {
		say("reasons", "required", "Say why.")
		return nil, bad
	}
	if len(d.Reasons) > maxReason {
		say("reasons", "too_many", fmt.Sprintf("At most %d reasons.", maxReason))
		return nil, bad
	}
	final := false
	for i, r := range d.Reasons {
		field := fmt.Sprintf("reasons.%d", i)
		cr, ok := reasonByCode[r.Code]
		if !ok || r.Code == ReasonNotVerified && d.Verdict == VerdictAgain {
			say(field+".code", "reason_unknown", "There is no such reason.")
			continue
		}
		final = final || cr.Type == FinalReason
		st := c.step(r.Step)
		switch {
		case d.Verdict == VerdictAgain && cr.Type != RedoReason:
			say(field+".code", "reason_type", "Nothing can be done again for this reason.")
			continue
		case r.Step != "" && (st == nil || st.Level != d.Level):
			say(field+".step", "step_unknown", "This level has no such step.")
			continue
		case r.Prompt != 0 && (st == nil || st.Kind != KindClip || r.Prompt < 0 || r.Prompt > maxPrompt):
			say(field+".prompt", "prompt_unexpected", "Only a clip has prompts; they count from 1.")
			continue
		}
		if d.Verdict == VerdictReject {
			out = append(out, r)
			continue
		}
		steps, fits := c.redone(d.Level, cr, r.Step)
		if !fits {
			say(field+".code", "reason_does_not_fit", "This reason does not fit the level or the step.")
			continue
		}
		if len(steps) == 0 {
			out = append(out, r)
		}
		for _, id := range steps {
			out = append(out, Reason{Code: r.Code, Step: id, Prompt: r.Prompt})
		}
	}
	if d.Verdict == VerdictReject && !final && bad == nil {
		say("reasons", "reason_type", "A refusal needs a reason that is final.")
	}
	return out, bad
}

// redone returns the steps that are done again for a reason, none where it is what Level 1 states; fits is false when the
// reason has nothing to do with the level or the step.
func (d *Document) redone(level int, r CatalogueReason, step string) (steps []string, fits bool) {
	of := func(match func(Step) bool) []string {
		var ids []string
		for _, st := range d.Steps {
			if st.Level == level && match(st) {
				ids = append(ids, st.ID)
			}
		}
		return ids
	}
	one := func(candidates []string) ([]string, bool) {
		switch {
		case step != "":
			return []string{step}, slices.Contains(candidates, step)
		case len(candidates) == 1:
			return candidates, true
		}
		return nil, false
	}
	photo := func(st Step) bool { return st.Kind == KindPhoto }
	document := func(st Step) bool {
		return st.ID == DocumentFront || st.ID == DocumentBack || st.ID == DocumentPage
	}
	switch r.Redo {
	case "side":
		return one(of(photo))
	case "both":
		all := of(document)
		return all, len(all) > 0 && (step == "" || slices.Contains(all, step))
	case "document":
		if level == 1 {
			return nil, step == ""
		}
		all := of(document)
		return all, len(all) > 0 && (step == "" || slices.Contains(all, step))
	case "level_1":
		return nil, level == 1 && step == ""
	case "face":
		return one(of(func(st Step) bool { return st.Kind == KindFace }))
	case "clip":
		return one(of(func(st Step) bool { return st.Kind == KindClip }))
	case "step", "":
		return one(of(func(Step) bool { return true }))
	}
	return one(of(func(st Step) bool { return st.ID == r.Redo }))
}

// FourEyes says when one person is not enough to approve.
type FourEyes struct {
	Levels []int    `yaml:"levels"` // these levels always
	Risks  []string `yaml:"risks"`  // any level of a case that was left to people for one of these reasons
}

// asks reports whether a level of a case needs two people.
func (f FourEyes) asks(d Document, l Level) bool {
	if slices.Contains(f.Levels, l.Level) {
		return true
	}
	for _, other := range d.Levels {
		for _, r := range other.Reasons {
			if slices.Contains(f.Risks, r.Code) {
				return true
			}
		}
	}
	reported := !d.ReportedAt.IsZero() || !d.ReleasedAt.IsZero()
	return reported && slices.Contains(f.Risks, reasonReported)
}

// check says what is wrong.
func (f FourEyes) check(say func(format string, args ...any)) {
	for _, n := range f.Levels {
		if n < 1 || n > levels {
			say("four_eyes.levels: %d is no level; write some of 1, 2, 3", n)
		}
	}
	for _, code := range f.Risks {
		if _, ok := reasonByCode[code]; !ok {
			say("four_eyes.risks: %q is no reason; GET /v1/reasons lists them", code)
		}
	}
}
