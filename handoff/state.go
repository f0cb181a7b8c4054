package handoff

import "github.com/symbolon/symbolon/fault"

// Action is something that happens to a handoff.
type Action string

// The actions.
const (
	ActOpen      Action = "open"      // a phone looks at the code
	ActClaim     Action = "claim"     // a phone taps "Continue"
	ActMatch     Action = "match"     // the right number
	ActMismatch  Action = "mismatch"  // the first wrong number
	ActLock      Action = "lock"      // the second wrong number
	ActSeen      Action = "seen"      // any sign of the phone
	ActFinish    Action = "finish"    // the phone submitted
	ActCancel    Action = "cancel"    // cancel, take back, or a deny that is no report
	ActReport    Action = "report"    // a deny that is a report
	ActExpire    Action = "expire"    // the time of the state has run out
	ActSupersede Action = "supersede" // a newer offer
)

// States and Actions list all of them, in the order of the protocol.
var (
	States  = []State{Offered, Claimed, Active, Done, Expired, Cancelled, Locked, Reported, Superseded}
	Actions = []Action{ActOpen, ActClaim, ActMatch, ActMismatch, ActLock, ActSeen, ActFinish, ActCancel, ActReport, ActExpire, ActSupersede}
)

// transitions is the whole protocol: what is not in it cannot happen. The Lua files of
// handoffredis enforce the same rows; handofftest holds them against each other.
var transitions = map[State]map[Action]State{
	Offered: {
		ActOpen:      Offered,
		ActClaim:     Claimed,
		ActCancel:    Cancelled,
		ActReport:    Reported,
		ActExpire:    Expired,
		ActSupersede: Superseded,
	},
	Claimed: {
		ActMatch:     Active,
		ActMismatch:  Claimed,
		ActLock:      Locked,
		ActSeen:      Claimed,
		ActCancel:    Cancelled,
		ActReport:    Reported,
		ActExpire:    Expired,
		ActSupersede: Superseded,
	},
	Active: {
		ActSeen:      Active,
		ActFinish:    Done,
		ActCancel:    Cancelled,
		ActReport:    Reported,
		ActExpire:    Expired,
		ActSupersede: Superseded,
	},
	// The one way out of an ended state: a wrong tap that was none after all, within ReportFor.
	Cancelled: {ActReport: Reported},
}

// Next returns the state after a, or why a cannot happen in s: ErrNotClaimed, ErrNotMatched,
// ErrClaimed or ErrActive while the handoff lives, ErrExpired, ErrLocked or ErrOver afterwards.
func Next(s State, a Action) (State, error) {
	if to, ok := transitions[s][a]; ok {
		return to, nil
	}
	return s, refusal(s, a)
}

// refusal says why a cannot happen in s.
func refusal(s State, a Action) *fault.Error {
	switch s {
	case Offered:
		return ErrNotClaimed
	case Claimed:
		if a == ActFinish {
			return ErrNotMatched
		}
		return ErrClaimed
	case Active:
		if a == ActOpen || a == ActClaim {
			return ErrClaimed
		}
		return ErrActive
	case Expired:
		return ErrExpired
	case Locked:
		return ErrLocked
	default:
		return ErrOver
	}
}

// From lists the live states in which a can happen.
func From(a Action) []State {
	var from []State
	for _, s := range States {
		if _, ok := transitions[s][a]; ok && !s.Ended() {
			from = append(from, s)
		}
	}
	return from
}
