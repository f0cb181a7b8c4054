// Package media takes photos and recordings in, byte for byte, sealed from the first
// one, and gives them back.
//
// Vocabulary: an *upload* is one take on its way in; when its length is reached it is
// *complete*, its length and SHA-256 are fixed and it is *stored*. The package judges offsets, sizes and
// checksums; storage (mediafs) appends and reports; headers are package server's.
// docs/formats.md describes the sealed segments.
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
	ErrTaken      = fault.New(fault.Conflict, "upload_taken_over", "A newer request continues this upload.")
	ErrIncomplete = fault.New(fault.Conflict, "upload_incomplete", "This upload is not complete.")
	ErrDamaged    = fault.New(fault.Internal, "media_damaged", "")
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
	Head     []byte // the first bytes (≤ 512) of the plaintext, for sniffing, once complete
}

// Checksum is what the sender announced for one PATCH.
type Checksum struct {
	Algorithm string // "sha1" or "sha256"
	Sum       []byte
}

// AppendRequest is one PATCH (or the body of a creation).
type AppendRequest struct {
	Offset   int64
	Body     io.Reader // returns an error, not io.EOF, when the sender died early
	Length   int64     // declares a deferred length; -1: says nothing
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
}

// Store is a backend; its writer defines the methods. The contract suite is media/mediatest.
type Store interface{}

// Service is the door of the package.
type Service struct{ cfg Config }

// New checks the configuration and returns the service.
func New(cfg Config) (*Service, error) { panic("unwritten") }

// Create makes an empty upload. length -1: deferred. ErrTooLarge above info.MaxBytes.
func (s *Service) Create(ctx context.Context, info Info, length int64) (Status, error) {
	panic("unwritten")
}

// Status returns the upload; ErrUnknown, or ErrGone once terminated or expired.
func (s *Service) Status(ctx context.Context, id string) (Status, error) { panic("unwritten") }

// Append stores the bytes of r.Body at r.Offset. It keeps what it received when the sender
// dies or stalls (the error of the reader comes back with the new Status), unless a checksum
// covers the piece. A newer Append (or Status with takeover, or Terminate) of the same upload interrupts one
// that still reads: within a second it stops with ErrTaken and its bytes stay. When the length is
// reached the upload is completed before Append returns.
func (s *Service) Append(ctx context.Context, id string, r AppendRequest) (Status, error) {
	panic("unwritten")
}

// TakeOver makes an Append that is still reading let go and returns the settled Status: what a HEAD
// before a resume asks for.
func (s *Service) TakeOver(ctx context.Context, id string) (Status, error) { panic("unwritten") }

// Terminate ends the upload and destroys its bytes.
func (s *Service) Terminate(ctx context.Context, id string) error { panic("unwritten") }

// Interrupt makes running Appends of the case made in epochs before the given one stop with
// ErrGone within a second (a handoff ended).
func (s *Service) Interrupt(caseID string, before int64) { panic("unwritten") }

// Object is a complete upload for reading: io.ReaderAt over the plaintext, opening only the
// segments a range touches. ReadAt fails with ErrDamaged when a segment does not open.
type Object interface {
	io.ReaderAt
	io.Closer
	Size() int64
	SHA256() []byte
	Info() Info
}

// Open opens a complete upload; ErrIncomplete, ErrUnknown, ErrGone.
func (s *Service) Open(ctx context.Context, id string) (Object, error) { panic("unwritten") }

// Expired calls fn for every upload that is incomplete and past ExpiresAt, for the janitor.
func (s *Service) Expired(ctx context.Context, fn func(Info) error) error { panic("unwritten") }

// Close interrupts every Append and waits for them.
func (s *Service) Close() error { panic("unwritten") }
