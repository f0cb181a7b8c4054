package sessions

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/symbolon/symbolon/seal"
)

const (
	secretBytes = 32
	// renewEvery bounds how often the use of a session is written down.
	renewEvery = time.Minute

	claimFor       = time.Minute // an idempotent call that died may be repeated after this
	keepFor        = 24 * time.Hour
	keepSecretsFor = 120 * time.Second
	endAnswerFor   = 5 * time.Second // to store an answer whose caller may have left
)

var kinds = map[Kind]struct {
	prefix         string
	idle, absolute time.Duration
}{
	Desk:    {"sd_", DeskIdle, DeskAbsolute},
	Staff:   {"ss_", StaffIdle, StaffAbsolute},
	Bearer:  {"st_", BearerIdle, BearerAbsolute},
	Capture: {"ct_", CaptureIdle, CaptureAbsolute},
}

// Config is what a Service needs.
type Config struct {
	Store Store
	Key   seal.Key         // seals remembered answers and keys the subjects of limits
	Now   func() time.Time // time.Now where nil
}

// Service issues, looks up and ends sessions.
type Service struct {
	cfg     Config
	answers *seal.Box
	index   seal.Key
}

// New checks the configuration and returns the service.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil {
		return nil, errors.New("sessions: Config.Store is missing")
	}
	if cfg.Key.IsZero() {
		return nil, errors.New("sessions: Config.Key is missing")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{cfg: cfg, answers: cfg.Key.Derive("answers").Box(), index: cfg.Key.Derive("index")}, nil
}

// Start begins a session of s.Kind (AccountID, Roles, CaseID, HandoffID, Epoch as given by
// the caller) and returns its token: "sd_…" desk, "st_…" bearer, "ct_…" capture.
func (s *Service) Start(ctx context.Context, sess Session) (token string, _ Session, err error) {
	k, ok := kinds[sess.Kind]
	if !ok || sess.AccountID == "" || (sess.Kind == Capture) != (sess.HandoffID != "") || (sess.Kind == Capture) != (sess.CaseID != "") {
		return "", Session{}, errors.New("sessions: a session lacks what its kind needs")
	}
	now := s.now()
	sess.ID = "ses_" + ulid.Make().String()
	sess.CreatedAt = now
	sess.ExpiresAt = now.Add(k.absolute)
	sess.IdleUntil = now.Add(min(k.idle, k.absolute))
	sess.ConfirmedAt = time.Time{}

	var secret [secretBytes]byte
	_, _ = rand.Read(secret[:]) // never fails: crypto/rand ends the process instead
	token = k.prefix + base64.RawURLEncoding.EncodeToString(secret[:])
	if sess.Kind != Capture { // a phone's ends with its handoff
		if err := s.cfg.Store.NoteSession(ctx, s.accountKey(sess.AccountID), hashOf(token), sess.ExpiresAt, now); err != nil {
			return "", Session{}, fmt.Errorf("note session: %w", err)
		}
	}
	if err := s.cfg.Store.PutSession(ctx, hashOf(token), sess); err != nil {
		return "", Session{}, fmt.Errorf("put session: %w", err)
	}
	return token, sess, nil
}

// Lookup returns the live session of a token whose kind is one of among (none given: any),
// and renews its idle time. ErrUnknown for everything else, malformed tokens included.
func (s *Service) Lookup(ctx context.Context, token string, among ...Kind) (Session, error) {
	now := s.now()
	sess, err := s.read(ctx, token, now, among)
	if err != nil {
		return Session{}, err
	}
	idle := idleUntil(sess, now)
	if gain := idle.Sub(sess.IdleUntil); gain >= renewEvery || (gain > 0 && idle.Equal(sess.ExpiresAt)) {
		// ErrUnknown here is a sign-out that won: touching never brings a session back.
		if err := s.cfg.Store.TouchSession(ctx, hashOf(token), idle, time.Time{}); err != nil {
			return Session{}, fmt.Errorf("renew session: %w", err)
		}
		sess.IdleUntil = idle
	}
	return sess, nil
}

// Check is Lookup for what is not a use: the idle time runs on. A socket that stays open
// asks so whether its session still lives.
func (s *Service) Check(ctx context.Context, token string, among ...Kind) (Session, error) {
	return s.read(ctx, token, s.now(), among)
}

func (s *Service) read(ctx context.Context, token string, now time.Time, among []Kind) (Session, error) {
	kind, ok := kindOf(token)
	if !ok || (len(among) > 0 && !slices.Contains(among, kind)) {
		return Session{}, ErrUnknown
	}
	sess, err := s.cfg.Store.Session(ctx, hashOf(token), now)
	if err != nil {
		return Session{}, fmt.Errorf("read session: %w", err)
	}
	if sess.Kind != kind {
		return Session{}, ErrUnknown
	}
	return sess, nil
}

// End forgets the token's session. A token that stands for none is no error.
func (s *Service) End(ctx context.Context, token string) error {
	if _, ok := kindOf(token); !ok {
		return nil
	}
	if err := s.cfg.Store.DeleteSession(ctx, hashOf(token)); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// EndAll forgets all sessions of an account: on browsers and in native apps. Those of phones end with their handoffs.
func (s *Service) EndAll(ctx context.Context, accountID string) error {
	all, err := s.cfg.Store.SessionsOf(ctx, s.accountKey(accountID), s.now())
	if err != nil {
		return fmt.Errorf("find the sessions of an account: %w", err)
	}
	for _, hash := range all {
		if err := s.cfg.Store.DeleteSession(ctx, hash); err != nil {
			return fmt.Errorf("end session: %w", err)
		}
	}
	return nil
}

func (s *Service) accountKey(id string) string {
	return hex.EncodeToString(s.index.Index("account", id))
}

// Confirm notes that the password was just given in this session.
func (s *Service) Confirm(ctx context.Context, token string) error {
	sess, err := s.Lookup(ctx, token)
	if err != nil {
		return err
	}
	now := s.now()
	if err := s.cfg.Store.TouchSession(ctx, hashOf(token), idleUntil(sess, now), now); err != nil {
		return fmt.Errorf("confirm session: %w", err)
	}
	return nil
}

// Confirmed reports whether the password was given within ConfirmedFor.
func (s *Service) Confirmed(sess Session) bool {
	return !sess.ConfirmedAt.IsZero() && s.now().Sub(sess.ConfirmedAt) < ConfirmedFor
}

// Allow counts one use of the limit by subject (an address, an account: stored only as a
// keyed hash) and returns ErrLimited with RetryAfter when it is one too many.
func (s *Service) Allow(ctx context.Context, l Limit, subject string) error {
	_, err := s.AllowFirst(ctx, l, subject)
	return err
}

// AllowFirst is Allow for what has to be counted before anybody knows whether it is a use. giveBack, which is never
// nil, undoes a use that turned out not to be one.
func (s *Service) AllowFirst(ctx context.Context, l Limit, subject string) (giveBack func(context.Context) error, err error) {
	key, now := hex.EncodeToString(s.index.Index("limit "+l.Name, subject)), s.now()
	giveBack = func(context.Context) error { return nil }
	n, left, err := s.cfg.Store.Take(ctx, key, l.Window, now)
	if err != nil {
		return giveBack, fmt.Errorf("count a use of %s: %w", l.Name, err)
	}
	if n > l.N {
		return giveBack, ErrLimited.After(left)
	}
	return func(ctx context.Context) error {
		if err := s.cfg.Store.GiveBack(ctx, key, now); err != nil {
			return fmt.Errorf("give back a use of %s: %w", l.Name, err)
		}
		return nil
	}, nil
}

// Once runs do at most once for (principal, path, key) and digest of the request within 24 h, and returns
// the same answer to a repetition. Answers with secret=true are kept for 120 s only. A do
// that fails (status ≥ 500 or an error) is not remembered. An empty key always runs do.
func (s *Service) Once(ctx context.Context, principal, path, key string, request []byte, do func() (answer Answer, secret bool, err error)) (Answer, error) {
	if key == "" {
		a, _, err := do()
		return a, err
	}
	// Both are keyed: a request can hold a password, whose plain hash could be tried out.
	slot := hex.EncodeToString(s.index.Index("answer", string(seal.Bind(principal, path, key))))
	digest := hex.EncodeToString(s.index.Index("request", string(request)))
	claim := rand.Text()

	kept, err := s.cfg.Store.BeginAnswer(ctx, slot, digest, claim, claimFor, s.now())
	if err != nil {
		return Answer{}, fmt.Errorf("begin an answer: %w", err)
	}
	if kept != nil {
		return s.openAnswer(*kept, slot, digest)
	}

	var keep *Answer
	keepIt := keepFor
	// Deferred, so that a do that panics gives its claim back too.
	defer func() {
		// The work is done or undone already: storing must not fail because the caller left.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endAnswerFor)
		defer cancel()
		// An answer that cannot be stored is still the answer; the claim lapses by itself.
		_ = s.cfg.Store.EndAnswer(ctx, slot, claim, keep, keepIt, s.now())
	}()
	a, secret, err := do()
	if err != nil || a.Status >= 500 {
		return a, err
	}
	if secret {
		keepIt = keepSecretsFor
	}
	if keep, err = s.sealAnswer(a, slot, digest); err != nil {
		return Answer{}, err
	}
	return a, nil
}

// sealAnswer seals all of an answer, because its headers may hold a cookie.
func (s *Service) sealAnswer(a Answer, slot, digest string) (*Answer, error) {
	plain, err := json.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("encode an answer: %w", err)
	}
	return &Answer{Status: a.Status, Body: s.answers.Seal(plain, seal.Bind("answer", slot, digest))}, nil
}

func (s *Service) openAnswer(kept Answer, slot, digest string) (Answer, error) {
	plain, err := s.answers.Open(kept.Body, seal.Bind("answer", slot, digest))
	if err != nil {
		return Answer{}, fmt.Errorf("open a kept answer: %w", err)
	}
	var a Answer
	if err := json.Unmarshal(plain, &a); err != nil {
		return Answer{}, fmt.Errorf("decode a kept answer: %w", err)
	}
	return a, nil
}

func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Millisecond) }

// idleUntil is where the use of sess at now moves its idle end.
func idleUntil(sess Session, now time.Time) time.Time {
	until := now.Add(kinds[sess.Kind].idle)
	if until.After(sess.ExpiresAt) {
		return sess.ExpiresAt
	}
	return until
}

// hashOf is what is stored in place of a token. The token is 256 random bits, so a plain
// hash cannot be reversed by trying.
func hashOf(token string) string {
	h := sha256.Sum256([]byte(token))
	return hex.EncodeToString(h[:])
}

// kindOf checks the form of a token and names its kind.
func kindOf(token string) (Kind, bool) {
	for kind, k := range kinds {
		if rest, ok := strings.CutPrefix(token, k.prefix); ok {
			if len(rest) != base64.RawURLEncoding.EncodedLen(secretBytes) {
				return "", false
			}
			_, err := base64.RawURLEncoding.Strict().DecodeString(rest)
			return kind, err == nil
		}
	}
	return "", false
}
