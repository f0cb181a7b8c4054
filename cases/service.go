package cases

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/symbolon/symbolon/seal"
)

// Case is a case with its personal fields opened.
type Case struct {
	Document
	Facts *Identity // nil until Level 1 was stored
	Draft []byte    // JSON of what was typed of Level 1 and not stored yet; nil where there is none
}

// Config is what a Service needs.
type Config struct {
	// JobEnded is told what came of each run of a job here: its kind, and JobDone, JobRetried or JobGivenUp. Nobody is where nil.
	JobEnded func(kind, outcome string)
	// ClipChecked is told what each check of a recording found here. Nobody is where nil.
	ClipChecked func(check, verdict string)

	Store    Store
	History  HistoryStore
	Accounts AccountStore
	Keys     *seal.Keyring
	Now      func() time.Time // time.Now where nil
	Log      *slog.Logger     // discards where nil
	Policy   Policy           // DefaultPolicy where it has no Version
	Script   ScriptFile       // of recordings; DefaultScript where it has no Version
	Operator string           // as it is named in recordings; "Symbolon" where empty
	// Changed is called after every stored change of a case.
	Changed func(ctx context.Context, caseID string)
	// Tell tells of decisions of people, by way (TellMail, TellWebhook). An error is tried again later, so that the same notice
	// may be told twice; it is bounded by its context.
	Tell map[string]func(ctx context.Context, n Notice) error
	// Write sends a letter to the holder of an account; an error is tried again. Where nil no mail is sent.
	Write func(ctx context.Context, l Letter) error
	// Queued is called when what waits for people, or who has taken what, may have changed.
	Queued func(ctx context.Context)
	// Decided is called after a person's decision about a level was stored; second says that another person has to agree.
	Decided func(level int, v Verdict, second bool)
	// Evidence opens the stored bytes of a take for the checks.
	Evidence func(ctx context.Context, uploadID string) (Evidence, error)
	// Keep stores bytes that were made here or came in one piece, sealed like an upload; the upload's id is new.
	Keep func(ctx context.Context, r KeepRequest) (Part, error)
	// Faces recognises faces; where nil, a person compares them.
	Faces Faces
	// Alipay recognises faces in Alipay's app; where nil, that way is not offered.
	Alipay Alipay
	// Inspector plays recordings; where nil, they go to a person unplayed.
	Inspector Inspector
	// Recogniser writes down what is said in them; where nil, nobody but the reviewer listens.
	Recogniser Recogniser
	// Reader reads documents; where nil, what stands on photos is left to a person.
	Reader Reader
	// Destroy destroys the bytes of a take that left its case; unknown is no error.
	Destroy func(ctx context.Context, uploadID string) error

	reindexing bool // Reindex opens a store that nobody else may
}

// KeepRequest is a part of a take to be stored.
type KeepRequest struct {
	UploadID string // "upl_…", new
	CaseID   string
	Step     string
	Role     string // PartFrame …
	Filetype string
	Bytes    []byte
}

// Evidence is the stored bytes of a take.
type Evidence interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Service changes cases.
type Service struct {
	cfg       Config
	index     seal.Key // look-ups of e-mail addresses and document numbers
	node      string   // owner of this process's leases
	wake      chan struct{}
	passwords passwords
	photos    chan struct{} // bounds photos decoded at once
	// alipayRest is until when Alipay is not asked, because nothing was heard: milliseconds since 1970.
	alipayRest atomic.Int64

	mu      sync.Mutex
	relayed map[string]int64 // guarded by mu: case → newest history entry known to be copied
	queue   QueueFigures     // guarded by mu: the queue as counted at queueAt
	queueAt time.Time        // guarded by mu
	letters []letter         // guarded by mu: what waits to be sent
	median  medianMeasure    // guarded by mu: the usual review time as measured last
}

// ErrWrongKey is returned by New when the store was written under another operator's key.
var ErrWrongKey = errors.New("cases: the operator's key is not the one this store was made with")

// New opens the service on its store: the first start writes the store's record, a later one
// checks that the operator's key is the right one (ErrWrongKey).
func New(ctx context.Context, cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.History == nil || cfg.Accounts == nil || cfg.Keys == nil {
		return nil, errors.New("cases: Config needs Store, History, Accounts and Keys")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Policy.Version == "" {
		cfg.Policy = DefaultPolicy()
	}
	if cfg.Script.Version == "" {
		cfg.Script = DefaultScript()
	}
	if cfg.Operator == "" {
		cfg.Operator = "Symbolon"
	}
	if len(cfg.Policy.Requires.Level3) > 0 {
		if bad := cfg.Script.Check(cfg.Operator, cfg.Now()); bad != nil {
			return nil, fmt.Errorf("the script of recordings does not fit %q; how the name is said can be written in the script, under spoken:\n%s", cfg.Operator, strings.Join(bad, "\n"))
		}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Changed == nil {
		cfg.Changed = func(context.Context, string) {}
	}
	if cfg.Queued == nil {
		cfg.Queued = func(context.Context) {}
	}
	if cfg.Decided == nil {
		cfg.Decided = func(int, Verdict, bool) {}
	}
	if cfg.Destroy == nil {
		cfg.Destroy = func(context.Context, string) error { return nil }
	}
	s := &Service{
		cfg: cfg, node: rand.Text(), wake: make(chan struct{}, 1),
		passwords: newPasswords(), photos: make(chan struct{}, 2), relayed: map[string]int64{},
	}
	var err error
	s.index, err = s.openIndex(ctx)
	return s, err
}

// openIndex returns the store's look-up key, and makes it on a new store.
func (s *Service) openIndex(ctx context.Context) (seal.Key, error) {
	for range 2 {
		m, ok, err := s.cfg.Accounts.Meta(ctx)
		if err != nil {
			return seal.Key{}, fmt.Errorf("read the store's record: %w", err)
		}
		if ok {
			if m.NextIndex != nil && !s.cfg.reindexing {
				return seal.Key{}, ErrReindexing
			}
			k, err := s.cfg.Keys.Unwrap(m.WrappedIndex, boundIndex)
			if err != nil {
				return seal.Key{}, fmt.Errorf("%w (%w)", ErrWrongKey, err)
			}
			return k, nil
		}
		k := seal.NewKey()
		err = s.cfg.Accounts.SetMeta(ctx, Meta{Schema: SchemaVersion, WrappedIndex: s.cfg.Keys.Wrap(k, boundIndex)}, true)
		if err == nil {
			return k, nil
		}
		if !errors.Is(err, ErrStaleVersion) {
			return seal.Key{}, fmt.Errorf("write the store's record: %w", err)
		}
		// Another node was first: read what it wrote.
	}
	return seal.Key{}, errors.New("cases: the store's record appears and disappears")
}

// Policy returns the policy that cases follow.
func (s *Service) Policy() Policy { return s.cfg.Policy }

// now is the time of a change, to the millisecond that stores keep.
func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Millisecond) }

// Get returns a case; ErrUnknown, also for an erased one.
func (s *Service) Get(ctx context.Context, id string) (Case, error) {
	d, err := s.cfg.Store.Case(ctx, id)
	if err == nil && d.Erased() {
		err = ErrUnknown
	}
	if err != nil {
		return Case{}, err
	}
	return s.open(d)
}

// Of returns the case of an account; ErrUnknown.
func (s *Service) Of(ctx context.Context, accountID string) (Case, error) {
	d, err := s.cfg.Store.CaseOf(ctx, accountID)
	if err != nil {
		return Case{}, err
	}
	return s.open(d)
}

// Key returns the data key of a case; ErrUnknown, also for an erased one.
func (s *Service) Key(ctx context.Context, id string) (seal.Key, error) {
	d, err := s.cfg.Store.Case(ctx, id)
	if err == nil && d.Erased() {
		err = ErrUnknown
	}
	if err != nil {
		return seal.Key{}, err
	}
	return s.keyOf(d)
}

func (s *Service) keyOf(d Document) (seal.Key, error) {
	k, err := s.cfg.Keys.Unwrap(d.WrappedKey, seal.Bind("case", d.ID))
	if err != nil {
		return seal.Key{}, fmt.Errorf("unwrap the key of %s: %w", d.ID, err)
	}
	return k, nil
}

// wakeUp makes Run look for work now.
func (s *Service) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
