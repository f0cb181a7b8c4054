package handoff

import (
	"context"
	"time"

	"github.com/symbolon/symbolon/seal"
)

// Config is what a Service needs.
type Config struct {
	Store Store
	Key   seal.Key         // codes, numbers and sealed fields derive from it
	Now   func() time.Time // time.Now where nil
	// Origin is the https origin that phones reach, e.g. "https://kyc.example.com".
	Origin string

	// RaiseEpoch raises handoff_epoch of the case in the case store and returns the new one.
	// cause is "offer", "cancel", "takeback", "supersede", "lock" or "report".
	RaiseEpoch func(ctx context.Context, caseID, cause string) (int64, error)
	// Ended is called once after a handoff left its last live state; it may be called again
	// after a crash, so it must be idempotent.
	Ended func(ctx context.Context, h Handoff) error
	// Changed is called after every change that a desk or phone shall see.
	Changed func(ctx context.Context, caseID string)
}

// Service runs handoffs.
type Service struct{ cfg Config }

// New checks the configuration and returns the service.
func New(cfg Config) (*Service, error) { panic("unwritten") }

// OfferRequest asks for a new handoff.
type OfferRequest struct {
	CaseID, AccountID, SessionID string
	Steps                        []string
	Provider                     string
	Desk                         Device
	Network                      string // the desk's address, hashed before it is kept
	Replace                      bool   // supersede one that is claimed or active
	Confirmed                    bool   // the desk gave its password lately
}

// Offer makes a new handoff at the next epoch. One that is only offered is replaced without
// being asked; one that is claimed or active gives ErrActive unless r.Replace.
func (s *Service) Offer(ctx context.Context, r OfferRequest) (Handoff, error) { panic("unwritten") }

// Get returns a handoff by id, with expiry judged now; ErrUnknown when lost or never there.
func (s *Service) Get(ctx context.Context, id string) (Handoff, error) { panic("unwritten") }

// Current returns the newest handoff of the case, ended or not; ErrUnknown when there is none.
func (s *Service) Current(ctx context.Context, caseID string) (Handoff, error) { panic("unwritten") }

// QR returns the address that the picture shows now and when the next one is due. ErrOver
// unless the handoff is offered.
func (s *Service) QR(ctx context.Context, id string) (url string, next time.Time, err error) {
	panic("unwritten")
}

// Open looks at a code (rotating, link or text) without claiming it. It prolongs a rotating code.
func (s *Service) Open(ctx context.Context, code string) (Landing, error) { panic("unwritten") }

// ClaimRequest claims a code for a phone.
type ClaimRequest struct {
	Code    string
	Device  Device
	Network string // the phone's address
	Key     string // Idempotency-Key, or ""
}

// Claim gives the handoff to exactly one phone; the others get ErrClaimed and the desk an alert.
func (s *Service) Claim(ctx context.Context, r ClaimRequest) (Handoff, error) { panic("unwritten") }

// Match checks the number typed on the phone: ErrWrongNumber once (a new number is made), then ErrLocked.
func (s *Service) Match(ctx context.Context, id, number string) (Handoff, error) { panic("unwritten") }

// Deny stops the handoff at once; by is "phone" or "desk". With report it ends Reported. Called again within 5 minutes of
// a deny without report, report=true turns Cancelled into Reported.
func (s *Service) Deny(ctx context.Context, id, by string, report bool) (Handoff, error) {
	panic("unwritten")
}

// Cancel ends it from the desk ("cancel" while offered, else "takeback"). Cancelling an ended one changes nothing.
func (s *Service) Cancel(ctx context.Context, id string) (Handoff, error) { panic("unwritten") }

// CancelOf cancels the live handoff that a desk session offered, at its sign-out.
func (s *Service) CancelOf(ctx context.Context, caseID, sessionID string) error { panic("unwritten") }

// Finish ends an active handoff as Done.
func (s *Service) Finish(ctx context.Context, id string) (Handoff, error) { panic("unwritten") }

// Seen notes a sign of the phone: it prolongs the idle time (written at most every 10 s).
func (s *Service) Seen(ctx context.Context, id string) error { panic("unwritten") }

// Run ends what expired, about once a second, until ctx ends.
func (s *Service) Run(ctx context.Context) error { panic("unwritten") }
