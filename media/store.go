package media

import (
	"context"
	"io"
)

// Store is a backend. It keeps four things of an upload: its info, its data, and two small notes
// beside the data. It knows nothing about what the bytes mean: it appends and reports.
//
// The Service serialises all changes of one upload, over several processes where the store is a
// Locker; different uploads change at once, and who only looks looks at any time. A
// method that finds no room fails with ErrNoSpace and may have done part of an Append. The
// process may die between any two calls and within any; each method says what is left then.
// The contract suite is media/mediatest.
type Store interface {
	// Create makes an upload with empty data, without waiting for the disk. After a crash it is
	// there whole or unknown. An id is used once: fs.ErrExist.
	Create(ctx context.Context, id string, info []byte) error
	// Load returns the info; ErrUnknown.
	Load(ctx context.Context, id string) ([]byte, error)
	// Save replaces the info in one step and returns when it would survive a power cut.
	Save(ctx context.Context, id string, info []byte) error
	// Open opens the data and notes; ErrUnknown when there are none (any more).
	Open(ctx context.Context, id string) (File, error)
	// Destroy removes data and notes and leaves the info. Twice is fine.
	Destroy(ctx context.Context, id string) error
	// Forget removes everything of the upload. Twice is fine.
	Forget(ctx context.Context, id string) error
	// Each calls fn with the id of every upload that has an info, in no order. Uploads made or
	// forgotten meanwhile may be missed. It ends with fn's first error.
	Each(ctx context.Context, fn func(id string) error) error
}

// Locker is what a Store can do besides when several processes use it at once.
type Locker interface {
	// Lock lets one holder at a time change an upload, whichever process asks, and never waits:
	// ErrBusy while another one holds it. The lock ends with unlock, and with the
	// process, however that dies. An upload without data needs none: nil and no error.
	Lock(ctx context.Context, id string) (unlock func(), err error)
}

// Note names one of the two small values beside the data.
type Note string

// The notes.
const (
	// TailNote holds the sealed bytes that do not fill a segment yet.
	TailNote Note = "tail"
	// MarkNote holds the tail as it was before a piece that is not verified yet.
	MarkNote Note = "mark"
)

// File is the open data of one upload. What a call has done is seen by every later Open,
// also after the process was killed; only after Sync it also survives a power cut.
type File interface {
	// ReadAt reads the data. It may run at the same time as any other method.
	io.ReaderAt
	io.Closer
	// Size returns the length of the data in bytes.
	Size() (int64, error)
	// Append adds b at the end. After an error or a crash any first part of b may be there.
	Append(b []byte) error
	// Truncate cuts the data to size, which is not more than Size.
	Truncate(size int64) error
	// Note returns a note, nil when it was never put, dropped or moved.
	Note(n Note) ([]byte, error)
	// PutNote replaces a note in one step: after a crash or error the old one or the new.
	PutNote(n Note, b []byte) error
	// MoveNote renames a note in one step, over another if there is one. It needs no room.
	MoveNote(from, to Note) error
	// DropNote removes a note. Absent is fine.
	DropNote(n Note) error
	// Sync returns when the data would survive a power cut.
	Sync() error
}
