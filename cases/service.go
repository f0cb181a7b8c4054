package cases

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/symbolon/symbolon/seal"
)

// Case is a case with its personal fields opened.
type Case struct {
	Document
	Facts *Identity // nil until Level 1 was stored
}

// Account is an account with its e-mail opened.
type Account struct {
	ID    string
	Email string // personal: never into a log, URL or error
	Roles []string
}

// Config is what a Service needs.
type Config struct {
	Store    Store
	History  HistoryStore
	Accounts AccountStore
	Keys     *seal.Keyring
	Now      func() time.Time
	Log      *slog.Logger
	// Changed is called after every stored change of a case.
	Changed func(ctx context.Context, caseID string)
	// Evidence opens the stored bytes of a take for the checks.
	Evidence func(ctx context.Context, uploadID string) (Evidence, error)
}

// Evidence is the stored bytes of a take.
type Evidence interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Service changes cases.
type Service struct{ cfg Config }

// New opens the service on its store: the first start writes the store's record, a later one
// checks that the operator's key is the right one (ErrWrongKey).
func New(ctx context.Context, cfg Config) (*Service, error) { panic("unwritten") }

// SignUp makes an account. fault.Fields for a bad e-mail or password, ErrAccountExists.
func (s *Service) SignUp(ctx context.Context, email, password string, roles ...string) (Account, error) {
	panic("unwritten")
}

// Authenticate returns the account of an e-mail and password, or ErrCredentials after the
// same work whether or not there is such an account. ErrBusy when too many passwords are being checked.
func (s *Service) Authenticate(ctx context.Context, email, password string) (Account, error) {
	panic("unwritten")
}

// CheckPassword is Authenticate for a known account.
func (s *Service) CheckPassword(ctx context.Context, accountID, password string) error {
	panic("unwritten")
}

// Account returns an account.
func (s *Service) Account(ctx context.Context, id string) (Account, error) { panic("unwritten") }

// Create makes the case of an account; ErrExists (with member case_id), ErrStaff for a staff account.
func (s *Service) Create(ctx context.Context, a Account, kind Kind) (Case, error) {
	panic("unwritten")
}

// Get returns a case; ErrUnknown.
func (s *Service) Get(ctx context.Context, id string) (Case, error) { panic("unwritten") }

// Of returns the case of an account; ErrUnknown.
func (s *Service) Of(ctx context.Context, accountID string) (Case, error) { panic("unwritten") }

// Events returns the history after entry n, pending entries included, at most limit.
func (s *Service) Events(ctx context.Context, id string, after int64, limit int) ([]Entry, error) {
	panic("unwritten")
}

// PutIdentity stores Level 1 of the case at the given version. fault.Fields lists every bad field;
// ErrStaleVersion, ErrLevelNotOpen.
func (s *Service) PutIdentity(ctx context.Context, by Actor, id string, version int64, facts Identity) (Case, error) {
	panic("unwritten")
}

// Submit submits a level at the given version and queues its checks. ErrStepsIncomplete (member
// steps), ErrLevelNotOpen, ErrStaleVersion.
func (s *Service) Submit(ctx context.Context, by Actor, id string, level int, version int64) (Case, error) {
	panic("unwritten")
}

// SubmitSteps is a phone's submit: it submits each open level whose required steps are all
// accepted, among the levels of the given steps. ErrStepsIncomplete when one of steps is not accepted.
func (s *Service) SubmitSteps(ctx context.Context, by Actor, id string, steps []string) (c Case, levels []int, err error) {
	panic("unwritten")
}

// Reopen opens Level 1 again while nothing above is approved; it voids what rested on it.
func (s *Service) Reopen(ctx context.Context, by Actor, id string, version int64) (Case, error) {
	panic("unwritten")
}

// TakeRequest asks to begin a take.
type TakeRequest struct {
	UploadID string // "upl_…", new
	Step     string
	Channel  string // "desk" or "phone"
	Owner    string // session or handoff id
	Length   int64  // -1: deferred
	Filetype string // declared
}

// Limits bound a take of a step.
type Limits struct {
	MaxBytes  int64    `json:"max_bytes"`
	Filetypes []string `json:"filetypes"`
}

// BeginTake adds an open take. ErrStepUnknown, ErrLevelNotOpen, ErrChannel, ErrTooManyTakes,
// ErrBudget, ErrStaleEpoch; the limits bound the upload.
func (s *Service) BeginTake(ctx context.Context, by Actor, id string, r TakeRequest) (Take, Limits, error) {
	panic("unwritten")
}

// StepLimits returns the limits of a step.
func (s *Service) StepLimits(c Case, step string) Limits { panic("unwritten") }

// Budget returns how many bytes the case may receive a day and how many it did in the last 24 h.
func (s *Service) Budget(c Case) (limit, used int64) { panic("unwritten") }

// TakeStored records that an upload is complete: sniffs head, drops the take with ErrFiletype when
// its type is not taken. Doing it twice is harmless. A take whose epoch is over is ErrStaleEpoch.
func (s *Service) TakeStored(ctx context.Context, id, uploadID string, size int64, sha256, head []byte) (Take, error) {
	panic("unwritten")
}

// DropTake removes a take that is not accepted; unknown is no error. The bytes are the caller's to destroy.
func (s *Service) DropTake(ctx context.Context, by Actor, id, uploadID string) error {
	panic("unwritten")
}

// Accept keeps a stored take for its step: ErrNotForStep unless case, step and epoch agree. It
// replaces an earlier one. It returns the uploads that nothing refers to any more.
func (s *Service) Accept(ctx context.Context, by Actor, id, step, uploadID string) (c Case, dropped []string, err error) {
	panic("unwritten")
}

// FindTake returns the take of an upload; ErrUnknown when the case has none.
func (c Case) FindTake(uploadID string) (Step, Take, error) { panic("unwritten") }

// RaiseEpoch raises handoff_epoch and writes why into the history.
func (s *Service) RaiseEpoch(ctx context.Context, id, cause string, by Actor) (int64, error) {
	panic("unwritten")
}

// EndEpoch removes the takes of epochs up to the given one that were not accepted, and returns their
// uploads for destruction. reported marks the case for its reviewer.
func (s *Service) EndEpoch(ctx context.Context, id string, epoch int64, reported bool) (dropped []string, err error) {
	panic("unwritten")
}

// Key returns the data key of a case.
func (s *Service) Key(ctx context.Context, id string) (seal.Key, error) { panic("unwritten") }

// Look writes into the access log that evidence was seen.
func (s *Service) Look(ctx context.Context, id string, by Actor, what, subject string) error {
	panic("unwritten")
}

// Run does what changes left to do (history relay, jobs) until ctx ends.
func (s *Service) Run(ctx context.Context) error { panic("unwritten") }
