// Package sessions answers who is calling: applicants at a desk or in an app, phones
// that claimed a handoff, later staff and platforms. It also holds what protects the
// door: rate limits and the memory of idempotent calls.
//
// A token is 256 random bits behind a prefix that names its kind. Only its SHA-256 is
// stored; a token cannot be recovered from the store. Losing the store signs everybody
// out and loses nothing else.
//
// The package does not know accounts or passwords (package cases does), nor cookies
// (package server does).
package sessions

import (
	"context"
	"time"

	"github.com/symbolon/symbolon/fault"
)

// Kind is the kind of a session.
type Kind string

// The kinds of session.
const (
	Desk    Kind = "desk"    // cookie symbolon_session: an applicant in a browser
	Staff   Kind = "staff"   // cookie symbolon_session: somebody who works here, after their second factor
	Bearer  Kind = "bearer"  // "st_…": an applicant's native app
	Capture Kind = "capture" // "ct_…" or cookie symbolon_capture: a phone that claimed a handoff
)

// Lifetimes. Idle is renewed by use, Absolute is not.
const (
	DeskIdle, DeskAbsolute     = 12 * time.Hour, 7 * 24 * time.Hour
	StaffIdle, StaffAbsolute   = 30 * time.Minute, 8 * time.Hour
	BearerIdle, BearerAbsolute = 30 * 24 * time.Hour, 90 * 24 * time.Hour
	// A capture session lives as long as its handoff may; the handoff's own state
	// decides (see package handoff), these only bound it.
	CaptureIdle, CaptureAbsolute = time.Hour, 62 * time.Minute
	// ConfirmedFor is how long a password confirmation counts.
	ConfirmedFor = 10 * time.Minute
)

// Errors.
var (
	ErrUnknown = fault.New(fault.Unauthenticated, "session_unknown", "Sign in first.")
	// ErrUnavailable is what a store answers when it cannot be reached.
	ErrUnavailable = fault.New(fault.Unavailable, "sessions_unavailable", "Sign-ins cannot be checked right now. Try again in a moment.")
	ErrLimited     = fault.New(fault.TooMany, "too_many_requests", "Too many tries. Wait a little.")
	// ErrKeyReused is returned for an Idempotency-Key that came with another request before.
	ErrKeyReused = fault.New(fault.Invalid, "idempotency_key_reused", "This Idempotency-Key was used for another request.")
	// ErrInProgress is returned while the first call with that Idempotency-Key still runs.
	ErrInProgress = fault.New(fault.Conflict, "idempotency_in_progress", "The first request with this Idempotency-Key is still being answered.")
)

// Session is who a token stands for. It holds no personal data.
type Session struct {
	ID        string    `json:"id"` // "ses_…": names the session without being its secret
	Kind      Kind      `json:"kind"`
	AccountID string    `json:"account_id"`
	Roles     []string  `json:"roles,omitempty"`
	CaseID    string    `json:"case_id,omitempty"`    // Capture only
	HandoffID string    `json:"handoff_id,omitempty"` // Capture only
	Epoch     int64     `json:"epoch,omitempty"`      // Capture only
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"` // absolute end
	IdleUntil time.Time `json:"idle_until"` // renewed by use, at most once a minute
	// ConfirmedAt is when the password was last given in this session; zero: never.
	ConfirmedAt time.Time `json:"confirmed_at,omitzero"`
}

// Store keeps sessions, limits and answers. Times are kept to the millisecond. Everything in it may be lost. Keys are
// hex SHA-256 or HMAC values, never the secret or the personal value itself. `now`
// comes from the caller and judges expiry; the store's own TTL only cleans up.
type Store interface {
	// PutSession stores or replaces the session under hash until s.ExpiresAt.
	PutSession(ctx context.Context, hash string, s Session) error
	// Session returns the session, or ErrUnknown when absent, expired or idle too long at now.
	Session(ctx context.Context, hash string, now time.Time) (Session, error)
	// TouchSession moves IdleUntil later (never earlier, never past ExpiresAt) and sets
	// ConfirmedAt where non-zero, of a session that still exists; ErrUnknown if it does not
	// (a sign-out wins a race).
	TouchSession(ctx context.Context, hash string, idleUntil, confirmedAt time.Time) error
	// DeleteSession forgets it at once; absent is no error.
	DeleteSession(ctx context.Context, hash string) error

	// NoteSession remembers until then that a session of an account lies, or is about to lie, under hash.
	NoteSession(ctx context.Context, account, hash string, until, now time.Time) error
	// SessionsOf returns what NoteSession remembers of an account at now, in any order.
	SessionsOf(ctx context.Context, account string, now time.Time) ([]string, error)

	// Take counts one use of key in a fixed window and returns how many there are now and
	// how long the window still lasts. One atomic step.
	Take(ctx context.Context, key string, window time.Duration, now time.Time) (count int64, left time.Duration, err error)

	// GiveBack takes one use of key out of its window again, never below none. A window that
	// began after the use was taken is left alone.
	GiveBack(ctx context.Context, key string, taken time.Time) error

	// BeginAnswer claims an idempotency key for a request digest, atomically. It returns
	// the stored answer if there is one for the same digest, ErrKeyReused for another
	// digest, ErrInProgress while a claim younger than claimFor has no answer, and
	// (nil, nil) to the one caller that shall do the work; claim names that caller.
	BeginAnswer(ctx context.Context, key, digest, claim string, claimFor time.Duration, now time.Time) (*Answer, error)
	// EndAnswer keeps the answer of a claimed key (sealed by the caller) for keepFor, or with
	// nil gives the claim back. It changes nothing when claim no longer holds the key.
	EndAnswer(ctx context.Context, key, claim string, a *Answer, keepFor time.Duration, now time.Time) error
}

// Answer is a remembered response. Body is sealed.
type Answer struct {
	Status int               `json:"status"`
	Header map[string]string `json:"header,omitempty"`
	Body   []byte            `json:"body"`
}

// Limit is a number of uses in a window.
type Limit struct {
	Name   string
	N      int64
	Window time.Duration
}
