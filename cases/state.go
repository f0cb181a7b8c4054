package cases

import "slices"

// action is what moves a level from one state to the next.
type action string

const (
	unlock  action = "unlock"  // the level below is decided far enough
	lock    action = "lock"    // the level below was reopened
	submit  action = "submit"  // the applicant hands it in
	begin   action = "begin"   // its checks start
	approve action = "approve" // rules or a person accept it
	review  action = "review"  // a person has to look
	again   action = "again"   // some steps have to be done again
	reject  action = "reject"  // it is refused for good
	reopen  action = "reopen"  // the applicant changes what was handed in

	second     action = "second"     // one person approved it, another one has to
	escalate   action = "escalate"   // it is left to a supervisor
	suspend    action = "suspend"    // an approval does not hold until somebody has looked again
	revoke     action = "revoke"     // an approval is taken back for good
	reconsider action = "reconsider" // a refusal is looked at again
)

// transitions is the whole life of a level: what may happen in which state, and what
// comes of it. Anything that is not here is refused.
var transitions = map[LevelState]map[action]LevelState{
	Locked:    {unlock: Open, lock: Locked},
	Open:      {submit: Submitted, lock: Locked, unlock: Open},
	Submitted: {begin: Checking, lock: Locked, reopen: Open},
	Checking:  {begin: Checking, approve: Approved, review: InReview, again: Resubmit, reject: Rejected, lock: Locked, reopen: Open},
	InReview: {approve: Approved, again: Resubmit, reject: Rejected, lock: Locked, reopen: Open,
		begin: Checking, second: AwaitingSecond, escalate: Escalated},
	AwaitingSecond: {approve: Approved, again: Resubmit, reject: Rejected, lock: Locked, reopen: Open,
		begin: Checking, escalate: Escalated},
	Escalated: {approve: Approved, again: Resubmit, reject: Rejected, lock: Locked, reopen: Open,
		begin: Checking, second: AwaitingSecond},
	Suspended: {approve: Approved, again: Resubmit, reject: Revoked, revoke: Revoked, lock: Locked, second: AwaitingSecond},
	Revoked:   {reconsider: InReview},
	Resubmit:  {submit: Submitted, lock: Locked, reopen: Open},
	Approved:  {reopen: Open, lock: Locked, again: Resubmit, suspend: Suspended, revoke: Revoked},
	Rejected:  {reconsider: InReview},
}

// next returns the state after a, and whether a may happen in s at all.
func next(s LevelState, a action) (LevelState, bool) {
	n, ok := transitions[s][a]
	return n, ok
}

// editable reports whether the applicant may change what belongs to a level in state s.
func editable(s LevelState) bool { return s == Open || s == Resubmit }

// decidedEnough reports whether the level above one in state s is open to the applicant.
func decidedEnough(s LevelState) bool {
	return s == InReview || s == AwaitingSecond || s == Escalated || s == Approved
}

// Waits reports whether a level in state s waits for a person who works here.
func (s LevelState) Waits() bool {
	return s == InReview || s == AwaitingSecond || s == Escalated || s == Suspended
}

// Refused reports whether a level in state s was refused for good.
func (s LevelState) Refused() bool { return s == Rejected || s == Revoked }

// Outer is the state as an applicant may know it: how people divide their work is theirs.
func (s LevelState) Outer() LevelState {
	switch {
	case s.Waits():
		return InReview
	case s.Refused():
		return Rejected
	}
	return s
}

// stateOf returns the state of the case: that of the level being worked on, which is the
// lowest that waits for the applicant or was refused, else the highest that is not locked.
func stateOf(levels []Level) LevelState {
	i := slices.IndexFunc(levels, func(l Level) bool { return editable(l.State) || l.State.Refused() })
	if i < 0 {
		for j, l := range levels {
			if l.State != Locked {
				i = j
			}
		}
	}
	if i < 0 {
		return Collecting
	}
	switch s := levels[i].State; s {
	case Open:
		return Collecting
	case Submitted:
		return Checking
	default:
		return s
	}
}

// levelOf returns the level attained: the highest of which it and all below are approved.
func levelOf(levels []Level) int {
	n := 0
	for _, l := range levels {
		if l.State != Approved {
			break
		}
		n = l.Level
	}
	return n
}
