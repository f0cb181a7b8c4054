package cases

import (
	"context"
	"time"

	"github.com/symbolon/symbolon/fault"
)

// Errors of the stores.
var (
	ErrUnknown       = fault.New(fault.NotFound, "case_unknown", "There is no such case.")
	ErrExists        = fault.New(fault.Conflict, "case_exists", "This account has a case already.")
	ErrAccountExists = fault.New(fault.Conflict, "account_exists", "There is an account with this e-mail address.")
	// ErrStaleVersion: somebody else changed the case since it was read.
	ErrStaleVersion = fault.New(fault.Stale, "version_stale", "This has changed meanwhile. Look again.")
	// ErrStaleEpoch: the phone that wrote no longer holds the case.
	ErrStaleEpoch = fault.New(fault.Conflict, "handoff_superseded", "This phone no longer holds the case.")
)

// Store keeps cases. All methods are safe for concurrent use, by several processes too.
// Times are stored to the millisecond in UTC; a backend returns what it was given,
// truncated to that.
type Store interface {
	QueueStore
	// CreateCase inserts d (Version as given). ErrExists when the account has a case.
	CreateCase(ctx context.Context, d Document) error
	// Case returns the case or ErrUnknown.
	Case(ctx context.Context, id string) (Document, error)
	// CaseOf returns the case of an account or ErrUnknown.
	CaseOf(ctx context.Context, accountID string) (Document, error)
	// ReplaceCase stores d in place of the document whose version is d.Version-1, in one atomic
	// step. Another version: ErrStaleVersion. With epoch >= 0 the stored handoff_epoch must
	// also equal epoch, else ErrStaleEpoch (which wins over a stale version). Absent: ErrUnknown.
	ReplaceCase(ctx context.Context, d Document, epoch int64) error
	// Cases lists ids and versions in a stable order (updated_at, id), oldest first, at most limit, after cursor
	// ("" for the first page); next is "" at the end. state "" means all. It must use an index.
	Cases(ctx context.Context, state LevelState, cursor string, limit int) (page []Summary, next string, err error)
	// CasesByDocument lists the ids of cases with this document index (at most limit).
	CasesByDocument(ctx context.Context, index []byte, limit int) ([]string, error)
	// FaceEntries lists the faces that a model made, of cases with an id greater than after and in order, at most limit,
	// through an index.
	FaceEntries(ctx context.Context, model, after string, limit int) ([]FaceRow, error)
	// Due lists ids of cases that have pending history entries, or a job that is queued
	// with run_after <= now or leased with lease_until <= now; at most limit, through an index.
	Due(ctx context.Context, now time.Time, limit int) ([]string, error)
	// Backlog counts the cases that Due would list without a limit, and says since when the oldest job among
	// theirs has been due; the zero time where none is.
	Backlog(ctx context.Context, now time.Time) (n int, oldest time.Time, err error)
	// Relayed notes that the pending entries of the case at this version are in the history, so
	// that they no longer make it due. It changes neither the document nor its version; when the
	// version is another meanwhile it does nothing.
	Relayed(ctx context.Context, id string, version int64) error
}

// FaceRow is a face that may be found, with the wrapped key of its case, which opens it.
type FaceRow struct {
	CaseID     string
	WrappedKey []byte
	FaceEntry
}

// Summary is a case in a list.
type Summary struct {
	ID        string
	Version   int64
	State     LevelState
	Level     int
	UpdatedAt time.Time
}

// HistoryStore keeps what the outbox is copied to. Nothing in it is ever changed.
type HistoryStore interface {
	// AppendHistory stores entries; one that is there already, by (case, n), is left as it is.
	AppendHistory(ctx context.Context, entries []Entry) error
	// History returns entries with n > after in order, at most limit.
	History(ctx context.Context, caseID string, after int64, limit int) ([]Entry, error)
	// AppendLook stores a look whose N must be one more than the newest (n from 1); ErrStaleVersion
	// when another took that number.
	AppendLook(ctx context.Context, l Look) error
	// LastLook returns the newest look of the case; a zero Look when there is none.
	LastLook(ctx context.Context, caseID string) (Look, error)
	// Looks returns looks with n > after in order, at most limit.
	Looks(ctx context.Context, caseID string, after int64, limit int) ([]Look, error)
	// HistoryCases returns the ids, greater than after and in order, of cases that have history or looks, at
	// most limit.
	HistoryCases(ctx context.Context, after string, limit int) ([]string, error)
}

// AccountStore keeps accounts and the store's own record.
type AccountStore interface {
	// CreateAccount inserts a; ErrAccountExists when the e-mail index is taken.
	CreateAccount(ctx context.Context, a AccountDocument) error
	// Account returns an account or ErrAccountUnknown.
	Account(ctx context.Context, id string) (AccountDocument, error)
	// AccountByEmail finds by e-mail index; ErrAccountUnknown.
	AccountByEmail(ctx context.Context, index []byte) (AccountDocument, error)
	// ReplaceAccount stores a in place of version a.Version-1; ErrStaleVersion.
	ReplaceAccount(ctx context.Context, a AccountDocument) error
	// Accounts lists accounts with an id greater than after in order, at most limit.
	Accounts(ctx context.Context, after string, limit int) ([]AccountDocument, error)
	// Meta returns the store's record, with ok=false for a new store.
	Meta(ctx context.Context) (m Meta, ok bool, err error)
	// SetMeta stores the record; with create it must not exist yet (ErrStaleVersion: another node was first).
	SetMeta(ctx context.Context, m Meta, create bool) error
}

// Backend is everything a database driver provides; the contract suite cases/casetest
// runs against each. Services ask only for the part they need.
type Backend interface {
	Store
	HistoryStore
	AccountStore
	// Migrate brings the stored schema to the current one; it is safe to run twice and on
	// several nodes at once. Opening a store that needs it fails and says so.
	Migrate(ctx context.Context) error
	// Ping reports whether the store answers.
	Ping(ctx context.Context) error
	Close() error
}

// ErrAccountUnknown is for the inside only: a sign-in never tells it from a wrong password.
var ErrAccountUnknown = fault.New(fault.NotFound, "account_unknown", "There is no such account.")
