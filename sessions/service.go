package sessions

import (
	"context"
	"time"

	"github.com/symbolon/symbolon/seal"
)

// Config is what a Service needs.
type Config struct {
	Store Store
	Key   seal.Key         // seals remembered answers and keys the subjects of limits
	Now   func() time.Time // time.Now where nil
}

// Service issues, looks up and ends sessions.
type Service struct{ cfg Config }

// New checks the configuration and returns the service.
func New(cfg Config) (*Service, error) { panic("unwritten") }

// Start begins a session of s.Kind (AccountID, Roles, CaseID, HandoffID, Epoch as given by
// the caller) and returns its token: "sd_…" desk, "st_…" bearer, "ct_…" capture.
func (s *Service) Start(ctx context.Context, sess Session) (token string, _ Session, err error) {
	panic("unwritten")
}

// Lookup returns the live session of a token whose kind is one of kinds, and renews its
// idle time. ErrUnknown for everything else, malformed tokens included.
func (s *Service) Lookup(ctx context.Context, token string, kinds ...Kind) (Session, error) {
	panic("unwritten")
}

// End forgets the token's session.
func (s *Service) End(ctx context.Context, token string) error { panic("unwritten") }

// Confirm notes that the password was just given in this session.
func (s *Service) Confirm(ctx context.Context, token string) error { panic("unwritten") }

// Confirmed reports whether the password was given within ConfirmedFor.
func (s *Service) Confirmed(sess Session) bool { panic("unwritten") }

// Allow counts one use of the limit by subject (an address, an account: stored only as a
// keyed hash) and returns ErrLimited with RetryAfter when it is one too many.
func (s *Service) Allow(ctx context.Context, l Limit, subject string) error { panic("unwritten") }

// Once runs do at most once for (principal, path, key) and digest of the request within 24 h, and returns
// the same answer to a repetition. Answers with secret=true are kept for 120 s only. A do
// that fails (status ≥ 500 or an error) is not remembered. An empty key always runs do.
func (s *Service) Once(ctx context.Context, principal, path, key string, request []byte, do func() (answer Answer, secret bool, err error)) (Answer, error) {
	panic("unwritten")
}
