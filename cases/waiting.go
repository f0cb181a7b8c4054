package cases

import (
	"context"
	"slices"
	"time"
)

// Reported is the state of the queue for a case that waits only because somebody answered "It's not me".
const Reported LevelState = "reported"

// Waiting is what the queue of people finds a case by. It is computed with every change and holds nothing personal.
type Waiting struct {
	// State is InReview, AwaitingSecond, Escalated, Suspended or Reported.
	State LevelState `json:"state" bson:"state"`
	// Level is the lowest level that waits; 0 where none does.
	Level int       `json:"level" bson:"level"`
	Since time.Time `json:"since" bson:"since"`
	Kind  Kind      `json:"kind" bson:"kind"`
	// Reason is the first reason why somebody has to look, "" where rules leave it to a person always; Reasons are all.
	Reason  string   `json:"reason" bson:"reason"`
	Reasons []string `json:"reasons,omitempty" bson:"reasons,omitempty"`
	// Language is the language of the statement or of what was agreed to, "" where neither was.
	Language string `json:"language,omitempty" bson:"language,omitempty"`
	// Reported says that "It's not me" was answered and nobody has cleared it.
	Reported bool `json:"reported" bson:"reported"`
}

// waiting computes what the queue finds d by; nil where nobody has to look.
func (d *Document) waiting() *Waiting {
	if d.Erased() {
		return nil
	}
	var w *Waiting
	for _, l := range d.Levels {
		if !l.State.Waits() || d.Lacks(l) > 0 {
			continue
		}
		if w == nil {
			since := l.WaitsSince
			if since.IsZero() { // written by a version that did not note it
				since = l.SubmittedAt
			}
			w = &Waiting{State: l.State, Level: l.Level, Since: since}
		}
		for _, r := range l.Reasons {
			if !slices.Contains(w.Reasons, r.Code) {
				w.Reasons = append(w.Reasons, r.Code)
			}
		}
	}
	reported := !d.ReportedAt.IsZero()
	if w == nil && reported {
		w = &Waiting{State: Reported, Since: d.ReportedAt}
	}
	if w == nil {
		return nil
	}
	if reported {
		w.Reasons = append(w.Reasons, reasonReported)
	}
	w.Kind, w.Reported, w.Language = d.Kind, reported, d.language()
	if len(w.Reasons) > 0 {
		w.Reason = w.Reasons[0]
	}
	return w
}

// WaitingOf is what the queue finds a case by, for a store that fills it in; nil where nobody has to look.
func WaitingOf(d Document) *Waiting { return d.waiting() }

// reasonReported is the code of the catalogue for a case of which somebody said that it was not them.
const reasonReported = "handoff.reported"

// language is the language in which the applicant agreed to something last, "" where nobody asked.
func (d *Document) language() string {
	lang := ""
	for _, c := range d.Consents {
		lang = c.Language
	}
	return lang
}

// atStep is what the applicant has to do next, "" where it is not their turn.
func (d *Document) atStep() string {
	if d.Erased() {
		return ""
	}
	for _, l := range d.Levels {
		if !editable(l.State) || !d.offers(l.Level) {
			continue
		}
		if l.Level == 1 {
			return "identity"
		}
		for _, st := range d.Steps {
			if st.Level == l.Level && st.State != Accepted && st.State != Checked {
				return st.ID
			}
		}
		return "submit"
	}
	return ""
}

// QueueQuery asks for a page of what waits, the longest waiting first. Zero members ask for everything.
type QueueQuery struct {
	State    LevelState
	Level    int
	Kind     Kind
	Reason   string // the first of the case's reasons
	Language string
	Reported bool // only those that somebody reported
	// Among are the only ids that count where it is not nil, Except those that do not; a few hundred at most.
	Among, Except []string
	Cursor        string // "" for the first page
	Limit         int
}

// QueueItem is a case that waits.
type QueueItem struct {
	ID      string
	Version int64
	Waiting Waiting
}

// QueueCount is how many cases wait in a state with a level.
type QueueCount struct {
	State LevelState
	Level int
	N     int64
}

// Lease says who has taken a case, and until when.
type Lease struct {
	CaseID  string    `json:"case_id" bson:"_id"`
	Holder  string    `json:"holder" bson:"holder"` // an account of staff
	TakenAt time.Time `json:"taken_at" bson:"taken_at"`
	Until   time.Time `json:"until" bson:"until"`
}

// QueueStore finds what waits for people, and keeps who has taken what. All of it goes through indexes.
type QueueStore interface {
	// Waiting lists cases whose Waiting fits, ordered by (Waiting.Since, id), at most q.Limit after q.Cursor; next
	// is "" at the end. ErrCursor.
	Waiting(ctx context.Context, q QueueQuery) (page []QueueItem, next string, err error)
	// WaitingCounts counts what waits, by state and level.
	WaitingCounts(ctx context.Context) ([]QueueCount, error)
	// WaitingSince returns since when the case waits that stands at a place of the whole queue, from 0; the zero time
	// where there is none.
	WaitingSince(ctx context.Context, place int64) (time.Time, error)
	// Stalled counts cases in which the applicant has done nothing since before, by Document.AtStep.
	Stalled(ctx context.Context, before time.Time) (map[string]int64, error)

	// TakeLease stores l unless somebody else's lease of the case still runs at now; it returns the lease
	// that stands then. One atomic step. The holder's own lease is replaced but keeps its TakenAt while it runs.
	TakeLease(ctx context.Context, l Lease, now time.Time) (Lease, error)
	// Lease returns the lease of a case that runs at now; ok is false where none does.
	Lease(ctx context.Context, caseID string, now time.Time) (l Lease, ok bool, err error)
	// Leases returns the leases that run at now, the first to end first, at most limit.
	Leases(ctx context.Context, now time.Time, limit int) ([]Lease, error)
	// DropLease ends a holder's lease of a case; none is no error.
	DropLease(ctx context.Context, caseID, holder string) error

	// Happened returns history entries of these events with from <= At < to, ordered by (At, case, n), at most limit
	// after the entry that the zero Place or a former page ended with.
	Happened(ctx context.Context, events []string, from, to time.Time, after Place, limit int) ([]Entry, error)
	// Staff lists accounts with a role of staff and an id greater than after in order, at most limit.
	Staff(ctx context.Context, after string, limit int) ([]AccountDocument, error)
}

// Place is a place in the history of all cases: after this entry.
type Place struct {
	At     time.Time
	CaseID string
	N      int64
}

// PlaceOf is the place behind an entry.
func PlaceOf(e Entry) Place { return Place{e.At, e.CaseID, e.N} }

// StaffRoles are the roles of people who work here.
func StaffRoles() []string { return []string{Reviewer, Supervisor, Admin} }

// CountedEvents are the events that figures are made of.
func CountedEvents() []string {
	return []string{eventDecision, "level_approved", "level_resubmit", "level_rejected", "level_revoked", "level_submitted"}
}
