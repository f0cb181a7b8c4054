// Package media takes photos and recordings in, byte for byte, sealed from the first
// one, and gives them back.
//
// Vocabulary: an *upload* is one take on its way in; when its length is reached it is
// *complete*, its length and SHA-256 are fixed and it is *stored*. The package judges offsets, sizes and
// checksums; storage (mediafs) appends and reports; headers are package server's.
// docs/formats/media.md describes the sealed segments.
//
// An upload has one writer at a time, and the newest request for it wins. Several processes may
// share a store that is a Locker; each must then be able to ask the others to let go
// (Config.Elsewhere). While it cannot, the newest has to wait until the others are done.
package media

import (
	"context"
	"io"
	"time"

	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/seal"
)

// SegmentSize is the number of plaintext bytes of a whole segment.
const SegmentSize = 64 << 10

// Errors.
var (
	ErrUnknown    = fault.New(fault.NotFound, "upload_unknown", "There is no such upload.")
	ErrGone       = fault.New(fault.Gone, "upload_gone", "This upload was ended.")
	ErrOffset     = fault.New(fault.Conflict, "upload_offset_conflict", "The offset is not the number of bytes received.")
	ErrLength     = fault.New(fault.Invalid, "upload_length_invalid", "The length does not fit what was declared or received.")
	ErrTooLarge   = fault.New(fault.TooLarge, "upload_too_large", "This is more than the step takes.")
	ErrChecksum   = fault.New(fault.ChecksumMismatch, "upload_checksum_mismatch", "The bytes received are not the ones announced.")
	ErrNoSpace    = fault.New(fault.NoSpace, "storage_full", "There is no room left to store this. What was received is kept.")
	ErrStorage    = fault.New(fault.Unavailable, "unavailable", "The store of evidence does not answer now. What was received is kept.").After(2 * time.Second)
	ErrTaken      = fault.New(fault.Conflict, "upload_taken_over", "A newer request continues this upload.")
	ErrIncomplete = fault.New(fault.Conflict, "upload_incomplete", "This upload is not complete.")
	ErrBusy       = fault.New(fault.Unavailable, "upload_busy", "This upload is held by another request. Try again in a moment.").After(time.Second)
	ErrDamaged    = fault.New(fault.Internal, "media_damaged", "What is stored is damaged.")
)

// Info is what is fixed when an upload is created. It holds no personal data.
type Info struct {
	ID          string    `json:"id"` // "upl_…"
	CaseID      string    `json:"case_id"`
	Step        string    `json:"step"`
	Role        string    `json:"role,omitempty"` // "" or "still"
	Epoch       int64     `json:"epoch"`          // the handoff epoch it was made in
	Owner       string    `json:"owner"`          // session or handoff id that made it; the server checks it
	ChallengeID string    `json:"challenge_id,omitempty"`
	Filetype    string    `json:"filetype,omitempty"` // as declared; what counts is sniffed
	Whole       bool      `json:"whole,omitempty"`    // stored by Put: Completed is not asked about it
	MaxBytes    int64     `json:"max_bytes"`
	CreatedAt   time.Time `json:"created_at"`
	ExpiresAt   time.Time `json:"expires_at"` // of an incomplete upload
}

// Status is an upload now.
type Status struct {
	Info
	Offset   int64
	Length   int64  // -1 while deferred
	Complete bool   // all bytes are here, sealed with the final mark, digest known
	SHA256   []byte // of the plaintext, once complete
	Head     []byte // the first bytes (≤ 512) of the plaintext, for sniffing: only in what Completed gets
}

// Checksum is what the sender announced for one PATCH.
type Checksum struct {
	Algorithm string // "sha1" or "sha256"
	Sum       []byte
}

// AppendRequest is one PATCH (or the body of a creation).
type AppendRequest struct {
	Offset int64
	// Body returns an error, not io.EOF, when the sender died early. nil: no bytes. If it also has
	// a method Interrupt(), that makes a blocked Read return at once; it is never called
	// after Append returned.
	Body     io.Reader
	Length   int64 // declares a deferred length; -1: says nothing
	Checksum *Checksum
	Progress func(offset int64) // called after each stored piece; must not block
}

// Config is what a Service needs.
type Config struct {
	Store Store
	Now   func() time.Time
	// Key returns the data key of a case. It is asked once an upload and request.
	Key func(ctx context.Context, caseID string) (seal.Key, error)
	// Completed is told that an upload is complete, before Append or TakeOver answers so. It is told
	// again after a crash or by a later TakeOver, so it must be idempotent. Its error is the
	// caller's answer; the upload stays complete.
	Completed func(ctx context.Context, st Status) error
	// Elsewhere asks the other processes that share the store to call LetGo with this id. It
	// must not block and may fail to reach them. nil where there are none.
	Elsewhere func(id string)
}
