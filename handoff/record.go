package handoff

import (
	"context"
	"time"
)

// Record is a handoff as it is kept. It holds nothing that could be used or read by
// whoever sees the store: the key of its codes, the number and both devices are sealed,
// everything else that was secret is a keyed hash. Times have millisecond precision.
type Record struct {
	ID, CaseID, AccountID, SessionID string
	Epoch                            int64
	State                            State
	Steps                            []string
	Provider                         string
	Locator                          string // finds it from a scanned code
	TextIndex                        string // keyed hash of the text code, finds it too
	OfferKey                         []byte // sealed
	Desk                             []byte // sealed Device
	DeskNetwork                      string // keyed hash
	Phone                            []byte // sealed Device, from the claim on
	ClaimKey                         string // keyed hash of the claim's Idempotency-Key, or ""
	Number                           []byte // sealed, while Claimed
	NumberMAC                        string // keyed hash of Number; kept while Active, so that a repeated match is told apart
	WrongNumbers                     int
	Opened                           bool
	OpenedUntil                      map[int]time.Time // picture → until when `open` prolonged it
	OfferedAt, ClaimedAt, ActiveAt   time.Time
	EndedAt, SeenAt                  time.Time
	ExpiresAt                        time.Time // of the present state
	AbsoluteAt                       time.Time // from the claim on: never prolonged beyond it
	DeniedBy                         string    // "phone" or "desk", where a deny ended it
	Alerts                           [][]byte  // sealed Alert, at most MaxAlerts
}

// due reports whether the time of r's live state has run out.
func (r Record) due(now time.Time) bool { return !r.State.Ended() && !now.Before(r.ExpiresAt) }

// Outcome is how a step of the store went.
type Outcome string

// The outcomes. Where a step did nothing, the record that comes with it says why.
const (
	OutOK      Outcome = "ok"      // done
	OutUnknown Outcome = "unknown" // there is no such record
	OutState   Outcome = "state"   // not possible in the record's state
	OutDue     Outcome = "due"     // its time has run out and nobody has ended it yet
	OutSame    Outcome = "same"    // nothing to do: it was so already
	OutStale   Outcome = "stale"   // Claim: the code is too old
	OutRepeat  Outcome = "repeat"  // Claim, Match: the same call again, answered the same
	OutClaimed Outcome = "claimed" // Claim: another phone was first; the alert is kept
	OutWrong   Outcome = "wrong"   // Match: the first wrong number; the new one is in place
	OutLocked  Outcome = "locked"  // Match: the last wrong number
	OutEnded   Outcome = "ended"   // Sweep: expired now, by this call
	OutAgain   Outcome = "again"   // Sweep: ended before, whoever ended it has not announced it
	OutTold    Outcome = "told"    // Sweep: ended and announced, nothing left to do
	OutLater   Outcome = "later"   // Sweep: not yet
)

// ClaimStep is one try to claim.
type ClaimStep struct {
	Now         time.Time
	Fresh       bool // the code still counts; a repetition may come with one that no longer does
	ExpiresAt   time.Time
	AbsoluteAt  time.Time
	Phone       []byte
	Key         string // keyed hash, or ""
	RepeatAfter time.Time
	Number      []byte
	NumberMAC   string
	Alert       []byte // kept where another phone was first
}

// MatchStep is one number typed.
type MatchStep struct {
	Now       time.Time
	MAC       string // of the typed number
	IdleAt    time.Time
	NewNumber []byte // put in place when it was the first wrong one
	NewMAC    string
	Lease     time.Time // see EndStep
}

// EndStep ends a handoff. Whoever ends it has until Lease to announce it (see Store.Told);
// after that Sweep gives the announcement to somebody else.
type EndStep struct {
	Now   time.Time
	To    State
	From  []State // live states only; a live one whose time has run out counts too
	By    string  // DeniedBy, or ""
	Lease time.Time
}

// Store keeps handoffs, the way from a code to its handoff and from a case to its newest,
// and the times at which somebody has to look at one. Every step is atomic and touches one
// key; time always comes from the caller, the store's own expiry only cleans up. All
// methods return ErrUnavailable (with its cause) when the store does not answer, and treat
// what they do not find as OutUnknown, "" or nothing: it may lose everything at any moment.
//
// The contract suite is handoff/handofftest.
type Store interface {
	// Create keeps a new offer for at most `keep` and makes it findable by its locator and
	// text index. False: one of the two is in use, nothing usable was kept.
	Create(ctx context.Context, r Record, keep time.Duration) (bool, error)
	// Load returns a record; false when there is none.
	Load(ctx context.Context, id string) (Record, bool, error)
	// ByLocator and ByText return the id of the handoff a code belongs to, or "".
	ByLocator(ctx context.Context, locator string) (string, error)
	ByText(ctx context.Context, index string) (string, error)

	// Point makes id the newest handoff of the case if epoch is greater than every epoch
	// that Point saw for this case; it returns the newest one before. With id "" it only
	// notes the epoch and leaves the newest handoff.
	Point(ctx context.Context, caseID, id string, epoch int64, keep time.Duration) (former string, ok bool, err error)
	// Pointed returns the newest handoff of the case, or "".
	Pointed(ctx context.Context, caseID string) (string, error)

	// Open notes that a phone looks at the offer, and prolongs a picture (≥ 0) until `until` the
	// first time. OutOK, OutSame when it was open, OutState, OutDue.
	Open(ctx context.Context, id string, picture int, until, now time.Time) (Outcome, Record, error)
	// Claim: OutOK, OutStale, OutRepeat, OutClaimed, OutState (ended), OutDue.
	Claim(ctx context.Context, id string, c ClaimStep) (Outcome, Record, error)
	// Match: OutOK, OutRepeat, OutWrong, OutLocked, OutState, OutDue.
	Match(ctx context.Context, id string, m MatchStep) (Outcome, Record, error)
	// Seen notes a sign of the phone, at most every SeenEvery; while Active it prolongs the
	// life to idleAt, never beyond AbsoluteAt. OutOK, OutSame, OutState, OutDue. The record
	// is the one before, so that the caller can tell a phone that came back.
	Seen(ctx context.Context, id string, idleAt, now time.Time) (Outcome, Record, error)
	// End: OutOK or OutState.
	End(ctx context.Context, id string, e EndStep) (Outcome, Record, error)
	// Report turns Cancelled into Reported where `by` denied it and it ended after `since`.
	// OutOK or OutState.
	Report(ctx context.Context, id, by string, since, now, lease time.Time) (Outcome, Record, error)

	// Due lists at most n handoffs that somebody has to look at.
	Due(ctx context.Context, now time.Time, n int) ([]string, error)
	// Sweep ends a handoff whose time has run out (OutEnded: exactly one caller gets it), or
	// hands out an announcement that its owner did not finish by its lease (OutAgain), or
	// puts it off until it is due (OutLater), or forgets it (OutTold, OutUnknown).
	Sweep(ctx context.Context, id string, now, lease time.Time) (Outcome, Record, error)
	// Told notes that the end in that state has been announced; nobody will look again.
	Told(ctx context.Context, id string, s State) error

	// NoteLock remembers a lock of the case. Again with the same id changes nothing.
	NoteLock(ctx context.Context, caseID, id string, at time.Time) error
	// NoteReport remembers that the case was reported, for `keep`.
	NoteReport(ctx context.Context, caseID string, keep time.Duration) error
	// Trouble returns the locks since `since`, oldest first, and whether it was reported.
	Trouble(ctx context.Context, caseID string, since time.Time) (locks []time.Time, reported bool, err error)
	// ClearReport forgets the report.
	ClearReport(ctx context.Context, caseID string) error

	// Ping reports whether the store answers.
	Ping(ctx context.Context) error
}
