// Package fault holds the kinds of error that Symbolon's subjects speak.
//
// Storage and rules say what went wrong as a *Error: a Kind, a stable code that
// clients switch on, and one sentence that is safe to show to anybody. They never
// name an HTTP status; server/problem.go alone turns a Kind into one. An error
// that is not a *Error is an internal one: its text goes to the log, never out.
//
// What is not kept: fmt.Errorf("…: %w", err) keeps the Kind and code but its added
// text is for the log only; nobody outside sees it.
package fault

import (
	"errors"
	"maps"
	"slices"
	"time"
)

// Kind says what sort of failure happened, in words that every subject shares.
type Kind uint8

// The kinds. Internal is the zero value on purpose: what nobody classified is ours.
const (
	Internal             Kind = iota
	Invalid                   // the input does not follow the rules (fields may say where)
	Malformed                 // the message itself cannot be read
	Unauthenticated           // nobody known is calling
	Forbidden                 // the caller is known and may not
	NotFound                  // no such thing, or not the caller's
	MethodNotAllowed          // the thing exists, the verb does not
	Conflict                  // the thing is in a state in which this cannot be done
	Gone                      // it was there and is over
	Stale                     // the caller's version is not the current one
	PreconditionRequired      // the caller named no version
	TooLarge                  // more bytes than allowed
	LengthRequired            // the length must be declared
	AddressTooLong            // the request line or its headers are too long
	HeadersTooLarge           //
	Unsupported               // a media type that is not taken
	Locked                    // stopped for safety
	TooMany                   // a limit; RetryAfter says for how long
	ChecksumMismatch          // the bytes are not those that were announced
	Misdirected               // this server does not serve that host
	Unavailable               // a part that is needed does not answer now
	NoSpace                   // the disk is full
	Timeout                   // the sender was too slow
	UnsupportedProtocol       // a protocol version that is not spoken
	UpgradeRequired           // this is only spoken over websocket
	RangeNotSatisfiable       // the range lies outside the thing
)

// Field is one bad field of an input. Field is a path such as "document.number".
type Field struct {
	Field  string
	Code   string
	Detail string
}

// Error is a failure that a caller may be told about.
type Error struct {
	Kind   Kind
	Code   string // stable, snake_case
	Detail string // one English sentence without personal data

	Fields     []Field        // for Invalid: where
	RetryAfter time.Duration  // for TooMany, Unavailable and Locked: when it may work
	Members    map[string]any // further public members of the problem, e.g. "case_id"

	cause error
}

// New makes an error of a kind. Package-level sentinels are made with it.
func New(kind Kind, code, detail string) *Error {
	return &Error{Kind: kind, Code: code, Detail: detail}
}

// Fields makes the one Invalid error that lists every bad field of an input.
func Fields(fields ...Field) *Error {
	e := New(Invalid, "invalid_fields", "Some fields need another look.")
	e.Fields = fields
	return e
}

func (e *Error) Error() string {
	if e.cause != nil {
		return e.Code + ": " + e.cause.Error()
	}
	return e.Code
}

// Unwrap gives the inner cause, which is for the log only.
func (e *Error) Unwrap() error { return e.cause }

// Is makes every copy of a sentinel (see Because, With, After) match the sentinel.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Because returns a copy that keeps cause for the log.
func (e *Error) Because(cause error) *Error {
	c := e.clone()
	c.cause = cause
	return c
}

// With returns a copy that carries one more public member in its problem.
func (e *Error) With(name string, value any) *Error {
	c := e.clone()
	if c.Members == nil {
		c.Members = map[string]any{}
	}
	c.Members[name] = value
	return c
}

// After returns a copy that says when to try again.
func (e *Error) After(d time.Duration) *Error {
	c := e.clone()
	c.RetryAfter = d
	return c
}

func (e *Error) clone() *Error {
	c := *e
	c.Fields = slices.Clone(e.Fields)
	c.Members = maps.Clone(e.Members)
	return &c
}

// KindOf returns the kind of err: Internal when no *Error is in its chain.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}
