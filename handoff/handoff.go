// Package handoff moves a case from a desk to a phone and back.
//
// Vocabulary: an *offer* shows a code at the desk; a phone *opens* it (looks), *claims* it
// (after a tap, exactly one can), and *matches* the two-digit number that only the offering
// desk session sees; then the handoff is *active*. It ends done, expired, cancelled, locked,
// reported or superseded. docs/handoff.md is the protocol with its threats.
//
// The package does not know cases or sessions: it asks its Config to raise the case's
// epoch and tells it when a handoff ended. Handoffs live in Redis and may be lost; the
// epoch, which makes a lost or stale one harmless, is the case's.
package handoff

import (
	"time"

	"github.com/symbolon/symbolon/fault"
)

// State of a handoff.
type State string

// The states.
const (
	Offered    State = "offered"
	Claimed    State = "claimed"
	Active     State = "active"
	Done       State = "done"
	Expired    State = "expired"
	Cancelled  State = "cancelled"
	Locked     State = "locked"
	Reported   State = "reported"
	Superseded State = "superseded"
)

// Ended reports whether nothing can happen in s any more.
func (s State) Ended() bool { return s != Offered && s != Claimed && s != Active }

// Times of the protocol.
const (
	OfferFor     = 10 * time.Minute  // offered → expired
	ClaimFor     = 120 * time.Second // claimed → expired
	IdleFor      = 15 * time.Minute  // active without a sign of the phone → expired
	AbsoluteFor  = 60 * time.Minute  // active → expired, from the claim
	RotateEvery  = 20 * time.Second  // the next QR code
	GoodAfter    = 120 * time.Second // a QR code after it left the screen
	OpenedFor    = 5 * time.Minute   // a QR code after `open` was called with it
	RepeatClaim  = 120 * time.Second // the same Idempotency-Key gets the same claim
	AwayAfter    = 25 * time.Second  // presence only, never a state
	KeepEndedFor = time.Hour         // an ended handoff can still say why
	ReportFor    = 5 * time.Minute   // a wrong tap can still become a report
	LockWindow   = time.Hour         // this many locks of a case within it …
	LockPause    = 5 * time.Minute   // … make the next offer wait so long after the last
	SeenEvery    = 10 * time.Second  // signs of the phone are written at most so often
)

// Limits.
const (
	MaxSteps       = 16 // of one handoff
	MaxStepLength  = 64 // bytes of a step's name
	MaxAlerts      = 5  // the first ones are kept
	MaxWrong       = 2  // wrong numbers; the last one locks
	MaxLocks       = 3  // within LockWindow
	maxDeviceField = 64 // runes of what a browser says of itself
)

// Errors. A code that never was and one of somebody else are both ErrUnknown.
var (
	ErrUnknown     = fault.New(fault.NotFound, "handoff_unknown", "There is no such handoff.")
	ErrCodeUnknown = fault.New(fault.NotFound, "code_unknown", "This code is not known.")
	ErrExpired     = fault.New(fault.Gone, "handoff_expired", "This code no longer works.")
	ErrOver        = fault.New(fault.Gone, "handoff_over", "This handoff is over.")
	ErrClaimed     = fault.New(fault.Conflict, "handoff_already_claimed", "This code has been used by another phone.")
	ErrActive      = fault.New(fault.Conflict, "handoff_active", "A phone is already connected.")
	ErrNotClaimed  = fault.New(fault.Conflict, "handoff_not_claimed", "No phone has claimed this handoff.")
	ErrNotMatched  = fault.New(fault.Forbidden, "handoff_not_matched", "Type the number on the computer first.")
	ErrWrongNumber = fault.New(fault.Conflict, "handoff_wrong_number", "That is not the number on the computer. It shows a new one.")
	ErrLocked      = fault.New(fault.Locked, "handoff_locked", "Stopped for your safety.")
	ErrStaleEpoch  = fault.New(fault.Conflict, "handoff_superseded", "This phone no longer holds the case.")
	// ErrUnavailable: the store does not answer; nothing was changed that could be known.
	ErrUnavailable = fault.New(fault.Unavailable, "handoff_unavailable", "This does not work for a moment. Try again.")
	// ErrPaused: a third lock within an hour makes the next offer wait 5 minutes (RetryAfter).
	ErrPaused = fault.New(fault.TooMany, "handoff_paused", "Stopped for your safety. Wait a little.")
	// ErrConfirmFirst: after a report the desk must give its password before the next offer.
	ErrConfirmFirst = fault.New(fault.Forbidden, "password_confirmation_required", "Confirm your password first.")
)

// Device is what a browser says of itself, coarse on purpose; shown to the other side.
// Stored sealed.
type Device struct {
	Kind    string `json:"kind"`    // "phone", "tablet", "computer" or "unknown"
	OS      string `json:"os"`      // "iOS", "Android", "HarmonyOS", "Windows", "macOS", "Linux", "unknown"
	Browser string `json:"browser"` // "Safari", "Chrome", …, or an app's name
	Network string `json:"network"` // "same" or "other" as the desk; set by the server
}

// Alert tells the desk of something that was not let in.
type Alert struct {
	Type   string    `json:"type"` // "second_claim"
	Device Device    `json:"device"`
	At     time.Time `json:"at"`
}

// Handoff is one handoff as the service sees it (opened, not sealed).
type Handoff struct {
	ID, CaseID, AccountID string
	SessionID             string // the desk session that offered
	Epoch                 int64
	State                 State
	Steps                 []string
	Provider              string // "" or "alipay"
	Desk                  Device
	DeskNetwork           string  // keyed hash of the desk's network, compared with the phone's
	Device                *Device // the phone, from the claim on
	Number                string  // two digits, while Claimed
	NumberExpiresAt       time.Time
	WrongNumbers          int
	Opened                bool // a phone has opened the page and not claimed yet
	OfferedAt             time.Time
	ClaimedAt, ActiveAt   time.Time
	EndedAt               time.Time
	SeenAt                time.Time // last sign of the phone
	ExpiresAt             time.Time // of the present state: offer, claim, idle or absolute end, whichever is next
	Alerts                []Alert

	URL           string // the link that does not rotate, with its secret in the fragment
	TextCode      string // "7K3M-9QXT"
	CodeExpiresAt time.Time
}

// Landing is what the phone may see before it claims: enough to notice a fraud.
type Landing struct {
	HandoffID string
	CaseID    string
	AccountID string
	Provider  string // "" or "alipay"
	Desk      Device
	State     State
	ExpiresAt time.Time
}
