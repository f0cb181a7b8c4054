package cases

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/symbolon/symbolon/fault"
)

// What every backend answers in the same way, whichever database is behind it.
var (
	// ErrCursor: the cursor of a list was not made by this server.
	ErrCursor = fault.New(fault.Invalid, "cursor_invalid", "This cursor was not made here. Start the list again.")
	// ErrFull: the disk of the store is full; nothing was changed.
	ErrFull = fault.New(fault.NoSpace, "storage_full", "There is no room left to store this.")
	// ErrUnavailable: the store does not answer; whether the change was made is not known.
	ErrUnavailable = fault.New(fault.Unavailable, "store_unavailable", "The store does not answer. Try again in a moment.")
)

const (
	maxPage     = 1000
	maxCursorID = 128
)

// PageSize is how many rows a backend reads for an asked limit: at least 1, at most 1000.
func PageSize(limit int) int { return min(max(limit, 1), maxPage) }

// Cursor is a place in the list of cases: after the case with this time and id. The zero
// Cursor is the beginning.
type Cursor struct {
	UpdatedAt time.Time // to the millisecond
	ID        string
}

// After is the place behind a case of the list.
func After(s Summary) Cursor { return Cursor{UpdatedAt: s.UpdatedAt, ID: s.ID} }

// String writes the cursor for a caller to hand back.
func (c Cursor) String() string {
	if c.ID == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(c.UpdatedAt.UnixMilli(), 10) + "." + c.ID))
}

// ParseCursor reads what String wrote; "" is the beginning. Anything else is ErrCursor.
func ParseCursor(s string) (Cursor, error) {
	if s == "" {
		return Cursor{}, nil
	}
	if len(s) > 2*maxCursorID {
		return Cursor{}, ErrCursor
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return Cursor{}, ErrCursor
	}
	ms, id, ok := strings.Cut(string(b), ".")
	n, err := strconv.ParseInt(ms, 10, 64)
	if !ok || err != nil || id == "" || len(id) > maxCursorID || !utf8.ValidString(id) {
		return Cursor{}, ErrCursor
	}
	c := Cursor{UpdatedAt: time.UnixMilli(n).UTC(), ID: id}
	if c.String() != s {
		return Cursor{}, ErrCursor // one place has one spelling
	}
	return c, nil
}

// DueAt is when the case next needs the relay or a worker; false when nothing is left to do.
// Pending history is always due: it gives the beginning of 1970.
func (d Document) DueAt() (time.Time, bool) {
	if len(d.Pending) > 0 {
		return time.UnixMilli(0).UTC(), true
	}
	return d.JobsDueAt()
}

// JobsDueAt is DueAt without regard to pending history.
func (d Document) JobsDueAt() (due time.Time, ok bool) {
	for _, j := range d.Jobs {
		at := j.RunAfter
		if j.State == JobLeased {
			at = j.LeaseUntil
		}
		if !ok || at.Before(due) {
			due, ok = at, true
		}
	}
	return due, ok
}
