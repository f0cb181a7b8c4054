package cases

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/seal"
)

// LeaseFor is how long a case stays with who took it, from the last use on.
const LeaseFor = 15 * time.Minute

const (
	maxLeases     = 20          // that one person may hold
	allLeases     = 1000        // that are read at once
	renewLease    = time.Minute // of use, at most so often
	sameLookFor   = time.Minute // asking for further parts of the same thing is one look
	maxNote       = 2000        // characters of a note
	maxReason     = 20          // reasons of one decision
	maxPrompt     = 99
	whyLeast      = 3 // characters of a reason that somebody states
	whyMost       = 500
	eventDecision = "decision"

	longQueue       = 5000            // cases
	countQueueAfter = 2 * time.Second // a long one
)

// What is looked at, as the access log calls it. The subject of lookMedia is a medium's id, of lookReveal the fields.
const (
	LookCase   = "case"
	LookMedia  = "media"
	LookReveal = "reveal"
	LookBundle = "bundle"
)

// Errors of reviewing.
var (
	ErrNotLeased    = fault.New(fault.Conflict, "not_leased", "Take the case first.")
	ErrTaken        = fault.New(fault.Conflict, "case_taken", "Somebody else has this case.")
	ErrTooManyTaken = fault.New(fault.Conflict, "too_many_taken", "You have taken many cases already. Hand one back first.")
	ErrNotWaiting   = fault.New(fault.Conflict, "case_not_waiting", "Nobody has to look at this case now.")
	ErrOwnCase      = fault.New(fault.Conflict, "own_case", "This is your own case. Somebody else has to decide.")
	ErrSameReviewer = fault.New(fault.Conflict, "same_reviewer", "You have decided this already. Somebody else has to agree.")
	// ErrRecordingsFirst: the face was declined, and the recordings that stand in for it are not there yet.
	ErrRecordingsFirst = fault.New(fault.Conflict, "recordings_first", "The recordings that stand in for the face are not there yet.")
	ErrLowerLevelOpen  = fault.New(fault.Conflict, "lower_level_open", "A level below is not approved yet.")
	ErrNotInReview     = fault.New(fault.Conflict, "level_not_in_review", "This level does not wait for a decision.")
	ErrSupervisor      = fault.New(fault.Forbidden, "supervisor_required", "Only a supervisor may do this.")
	ErrLooksMissing    = fault.New(fault.Conflict, "looks_missing", "Look at all of the evidence before you approve.")
	ErrAttempts        = fault.New(fault.Conflict, "attempts_exhausted", "This was sent back as often as the policy allows. Escalate it.")
	ErrNotReported     = fault.New(fault.Conflict, "case_not_reported", "Nobody reported this case, or it is cleared already.")
)

// Approval is one person's approval of a level.
type Approval struct {
	By string    `json:"by" bson:"by"` // an account of staff
	At time.Time `json:"at" bson:"at"`
}

// Has reports whether the account has a role.
func (a Account) Has(roles ...string) bool {
	return slices.ContainsFunc(roles, func(r string) bool { return slices.Contains(a.Roles, r) })
}

// byStaff is the actor that an account of staff is.
func byStaff(a Account) Actor { return Actor{Kind: ByStaff, ID: a.ID} }

// toldReasons are reasons as an applicant may know them.
func toldReasons(all []Reason) []Reason {
	out := slices.Clone(all)
	for i, r := range out {
		if cr, ok := reasonByCode[r.Code]; ok && cr.Hidden {
			out[i] = Reason{Code: ReasonNotVerified}
		}
	}
	return slices.Compact(out)
}

// ReasonNotVerified is what an applicant is told in place of reasons that are not told.
const ReasonNotVerified = "not_verified"

// ToldCodes are the codes of reasons as an applicant may know them.
func ToldCodes(codes []string) []string {
	var out []string
	for _, c := range codes {
		if cr, ok := reasonByCode[c]; ok && cr.Hidden {
			c = ReasonNotVerified
		}
		if !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out
}

// Queue is a page of what waits for people.
type Queue struct {
	Items []QueueItem
	Next  string
	// Leases are those of the items, by case.
	Leases map[string]Lease
}

// QueueRequest asks for a page of the queue.
type QueueRequest struct {
	QueueQuery
	// Taken restricts to cases that this account has taken ("acc_…"), that nobody has ("free"), or that anybody has
	// ("any"); "" for all.
	Taken string
}

// Queue lists what waits, the longest first. ErrCursor.
func (s *Service) Queue(ctx context.Context, r QueueRequest) (Queue, error) {
	leases, err := s.cfg.Store.Leases(ctx, s.now(), allLeases)
	if err != nil {
		return Queue{}, fmt.Errorf("read leases: %w", err)
	}
	out := Queue{Leases: map[string]Lease{}}
	q := r.QueueQuery
	for _, l := range leases {
		switch {
		case r.Taken == "free":
			q.Except = append(q.Except, l.CaseID)
		case r.Taken == "any", r.Taken == l.Holder:
			q.Among = append(q.Among, l.CaseID)
		}
		out.Leases[l.CaseID] = l
	}
	if r.Taken != "" && r.Taken != "free" && len(q.Among) == 0 {
		return out, nil
	}
	if out.Items, out.Next, err = s.cfg.Store.Waiting(ctx, q); err != nil {
		return Queue{}, fmt.Errorf("read the queue: %w", err)
	}
	return out, nil
}

// QueueFigures is how long the queue is.
type QueueFigures struct {
	Counts []QueueCount
	Total  int64
	Oldest time.Duration // 0 where nothing waits
	Median time.Duration // of how long what waits has waited
	Taken  int64
}

// QueueFigures counts what waits. A long queue takes a moment to count: it is counted at most every two seconds.
func (s *Service) QueueFigures(ctx context.Context) (QueueFigures, error) {
	now := s.now()
	s.mu.Lock()
	f, at := s.queue, s.queueAt
	s.mu.Unlock()
	if f.Total >= longQueue && now.Sub(at) < countQueueAfter && !now.Before(at) {
		return f, nil
	}
	f, err := s.countQueue(ctx)
	if err == nil {
		s.mu.Lock()
		s.queue, s.queueAt = f, now
		s.mu.Unlock()
	}
	return f, err
}

func (s *Service) countQueue(ctx context.Context) (QueueFigures, error) {
	var f QueueFigures
	var err error
	if f.Counts, err = s.cfg.Store.WaitingCounts(ctx); err != nil {
		return f, fmt.Errorf("count the queue: %w", err)
	}
	for _, c := range f.Counts {
		f.Total += c.N
	}
	leases, err := s.cfg.Store.Leases(ctx, s.now(), allLeases)
	if err != nil {
		return f, fmt.Errorf("read leases: %w", err)
	}
	f.Taken = int64(len(leases))
	if f.Total == 0 {
		return f, nil
	}
	since := func(place int64) (time.Duration, error) {
		at, err := s.cfg.Store.WaitingSince(ctx, place)
		if err != nil || at.IsZero() { // the queue has shrunk meanwhile
			return 0, err
		}
		return max(s.now().Sub(at), 0), nil
	}
	if f.Oldest, err = since(0); err != nil {
		return f, fmt.Errorf("read the queue: %w", err)
	}
	if f.Median, err = since((f.Total - 1) / 2); err != nil {
		return f, fmt.Errorf("read the queue: %w", err)
	}
	return f, nil
}

// Claim gives a case to who asks, for LeaseFor from the last use on. ErrTaken (members holder and until), ErrOwnCase,
// ErrTooManyTaken, ErrNotWaiting for who may not look at decided cases, ErrUnknown.
func (s *Service) Claim(ctx context.Context, by Account, id string) (Lease, error) {
	c, err := s.Get(ctx, id)
	if err != nil {
		return Lease{}, err
	}
	switch {
	case c.AccountID == by.ID:
		return Lease{}, ErrOwnCase
	case c.waiting() == nil && !by.Has(Supervisor):
		return Lease{}, ErrNotWaiting
	}
	now := s.now()
	all, err := s.cfg.Store.Leases(ctx, now, allLeases)
	if err != nil {
		return Lease{}, fmt.Errorf("read leases: %w", err)
	}
	held := 0
	for _, l := range all {
		if l.Holder == by.ID && l.CaseID != id {
			held++
		}
	}
	if held >= maxLeases {
		return Lease{}, ErrTooManyTaken
	}
	l, err := s.cfg.Store.TakeLease(ctx, Lease{CaseID: id, Holder: by.ID, TakenAt: now, Until: now.Add(LeaseFor)}, now)
	if err != nil {
		return Lease{}, fmt.Errorf("take a lease: %w", err)
	}
	if l.Holder != by.ID {
		return l, ErrTaken.With("holder", l.Holder).With("until", l.Until)
	}
	s.cfg.Queued(context.WithoutCancel(ctx))
	return l, nil
}

// HandBack ends the caller's lease of a case; none is no error.
func (s *Service) HandBack(ctx context.Context, by Account, id string) error {
	if err := s.cfg.Store.DropLease(ctx, id, by.ID); err != nil {
		return fmt.Errorf("drop a lease: %w", err)
	}
	s.cfg.Queued(context.WithoutCancel(ctx))
	return nil
}

// LeaseOf returns the lease of a case that runs now; ok is false where nobody has it.
func (s *Service) LeaseOf(ctx context.Context, id string) (l Lease, ok bool, err error) {
	return s.cfg.Store.Lease(ctx, id, s.now())
}

// Holding is the rule for evidence: the caller has taken the case. It counts as use and renews the lease. ErrNotLeased.
func (s *Service) Holding(ctx context.Context, by Account, id string) (Lease, error) {
	now := s.now()
	l, ok, err := s.cfg.Store.Lease(ctx, id, now)
	if err != nil {
		return l, fmt.Errorf("read a lease: %w", err)
	}
	if !ok || l.Holder != by.ID {
		return l, ErrNotLeased
	}
	if now.Add(LeaseFor).Sub(l.Until) < renewLease {
		return l, nil
	}
	l.Until = now.Add(LeaseFor)
	if l, err = s.cfg.Store.TakeLease(ctx, l, now); err != nil {
		return l, fmt.Errorf("renew a lease: %w", err)
	}
	if l.Holder != by.ID { // it ran out in between
		return l, ErrNotLeased
	}
	return l, nil
}

// LookOnce is Look for what is asked for piece by piece: the same thing seen by the same person again within a minute
// is one look.
func (s *Service) LookOnce(ctx context.Context, id string, by Actor, what, subject string) error {
	last, err := s.cfg.History.LastLook(ctx, id)
	if err != nil {
		return fmt.Errorf("read access log: %w", err)
	}
	if last.Actor.ID == by.ID && last.Actor.Kind == by.Kind && last.What == what && last.Subject == subject && s.now().Sub(last.At) < sameLookFor {
		return nil
	}
	return s.look(ctx, Look{CaseID: id, Actor: by, What: what, Subject: subject})
}

// EachLook calls each for every look at a case, in order.
func (s *Service) EachLook(ctx context.Context, id string, each func(Look)) error {
	for after := int64(0); ; {
		page, err := s.cfg.History.Looks(ctx, id, after, auditPage)
		if err != nil {
			return fmt.Errorf("read access log: %w", err)
		}
		if len(page) == 0 {
			return nil
		}
		for _, l := range page {
			each(l)
			after = l.N
		}
	}
}

// RequiredLook is something that has to be looked at before its level may be approved.
type RequiredLook struct {
	Level   int
	Step    string   // "" for what Level 1 states
	MediaID []string // one of them is enough
	Seen    bool     // by who asks, since the level was submitted
}

// RequiredLooks lists what has to be looked at before the levels of a case may be approved, and what by has seen of it.
func (s *Service) RequiredLooks(ctx context.Context, by Account, c Case) ([]RequiredLook, error) {
	seen := map[string]time.Time{} // subject → when by saw it last
	err := s.EachLook(ctx, c.ID, func(l Look) {
		if l.Actor.Kind != ByStaff || l.Actor.ID != by.ID {
			return
		}
		switch l.What {
		case LookCase:
			seen[""] = l.At
		case LookMedia:
			seen[l.Subject] = l.At
		}
	})
	if err != nil {
		return nil, err
	}
	var out []RequiredLook
	add := func(l Level, r RequiredLook) {
		r.Level = l.Level
		for _, m := range r.MediaID {
			at, ok := seen[m]
			r.Seen = r.Seen || ok && !at.Before(l.SubmittedAt)
		}
		out = append(out, r)
	}
	for _, l := range c.Levels {
		if l.Level == 1 && c.Facts != nil {
			add(l, RequiredLook{MediaID: []string{""}})
			out[len(out)-1].MediaID = nil
		}
		for _, st := range c.Steps {
			if st.Level != l.Level && st.Level != l.Needs {
				continue
			}
			for _, t := range st.Takes {
				if t.State == TakeAccepted {
					add(l, RequiredLook{Step: st.ID, MediaID: watched(st, t)})
				}
			}
		}
	}
	return out, nil
}

// watched are the media of a take that show it.
func watched(st Step, t Take) []string {
	var ids []string
	if st.Kind != KindFace { // whose own bytes are no picture
		ids = append(ids, t.MediaID)
	}
	for _, p := range t.Parts {
		if p.Role != PartThumb {
			ids = append(ids, p.MediaID)
		}
	}
	return ids
}

// FindMedium finds the kept take that a medium belongs to, by itself or as a part. ErrUnknown.
func (c Case) FindMedium(mediaID string) (step Step, uploadID, filetype string, err error) {
	for _, st := range c.Steps {
		for _, t := range st.Takes {
			if t.State != TakeAccepted {
				continue
			}
			if t.MediaID == mediaID {
				return st, t.UploadID, t.Filetype, nil
			}
			for _, p := range t.Parts {
				if p.MediaID == mediaID {
					return st, p.UploadID, p.Filetype, nil
				}
			}
		}
	}
	return Step{}, "", "", ErrUnknown
}

// checkWhy checks a reason that somebody states in their own words.
func checkWhy(field, text string) (string, error) {
	text = strings.TrimSpace(text)
	if n := utf8.RuneCountInString(text); n < whyLeast || n > whyMost || !plain(text) {
		return "", fault.Fields(fault.Field{Field: field, Code: "reason_invalid", Detail: fmt.Sprintf("Say why in %d to %d characters.", whyLeast, whyMost)})
	}
	return text, nil
}

// checkNote checks a note that may be left out.
func checkNote(text string) (string, error) {
	text = strings.TrimSpace(text)
	if utf8.RuneCountInString(text) > maxNote || !plain(text) {
		return "", fault.Fields(fault.Field{Field: "note", Code: "note_invalid", Detail: fmt.Sprintf("At most %d characters of plain text.", maxNote)})
	}
	return text, nil
}

// plain reports whether a text is UTF-8 without control characters other than line breaks and tabs.
func plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f })
}

// Reveal returns what Level 1 states, and what was read on photos, in full for these fields (see Fields), and writes into
// the access log who saw what and why. ErrNotLeased, ErrUnknown, fault.Fields.
func (s *Service) Reveal(ctx context.Context, by Account, id string, fields []string, reason string) (map[string]string, error) {
	reason, err := checkWhy("reason", reason)
	if err != nil {
		return nil, err
	}
	c, err := s.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if _, err := s.Holding(ctx, by, id); err != nil {
		return nil, err
	}
	all, err := s.Fields(c)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for i, f := range fields {
		at := slices.IndexFunc(all, func(p PersonalField) bool { return p.Name == f && p.Personal })
		if at < 0 || len(fields) > 50 {
			return nil, fault.Fields(fault.Field{Field: fmt.Sprintf("fields.%d", i), Code: "field_unknown", Detail: "There is no such masked field."})
		}
		out[f] = all[at].Value
	}
	if len(out) == 0 {
		return nil, fault.Fields(fault.Field{Field: "fields", Code: "required", Detail: "Name at least one field."})
	}
	k, err := s.keyOf(c.Document)
	if err != nil {
		return nil, err
	}
	names := slices.Sorted(mapKeys(out))
	return out, s.look(ctx, Look{
		CaseID: id, Actor: byStaff(by), What: LookReveal, Subject: strings.Join(names, " "), Sealed: k.Seal([]byte(reason), boundLook(id)),
	})
}

func mapKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func boundLook(id string) []byte { return seal.Bind("case", id, "look") }

func boundNote(id string) []byte { return seal.Bind("case", id, "note") }

// sealNote seals what a person wrote for people who work here, nil for nothing.
func (c *change) sealNote(n StaffNote) []byte {
	if n.Text == "" && len(n.Reasons) == 0 {
		return nil
	}
	return c.key.Seal(mustJSON(n), boundNote(c.ID))
}

// StaffNote is what stands sealed beside a history entry of a person who works here.
type StaffNote struct {
	Text    string   `json:"text,omitempty"`
	Reasons []Reason `json:"reasons,omitempty"` // of a decision, with steps and prompts
}

// NoteOf opens what stands sealed beside a history entry of a case; empty where it has no note.
func (s *Service) NoteOf(c Case, e Entry) (StaffNote, error) {
	var n StaffNote
	if e.Sealed == nil || e.Actor.Kind != ByStaff || !slices.Contains(notedEvents, e.Event) {
		return n, nil
	}
	k, err := s.keyOf(c.Document)
	if err != nil {
		return n, err
	}
	b, err := k.Open(e.Sealed, boundNote(c.ID))
	if err != nil {
		return n, fmt.Errorf("open a note of %s: %w", c.ID, err)
	}
	if err := json.Unmarshal(b, &n); err != nil {
		return n, fmt.Errorf("read a note of %s: %w", c.ID, errUnreadable)
	}
	return n, nil
}

var notedEvents = []string{eventDecision, "case_escalated", "case_suspended", "report_released"}

// Escalate leaves a waiting level to a supervisor and hands the case back. ErrNotLeased, ErrNotInReview, ErrLevelUnknown,
// ErrUnknown, fault.Fields.
func (s *Service) Escalate(ctx context.Context, by Account, id string, level int, note string) (Case, error) {
	return s.byHolder(ctx, by, id, note, func(c *change, note string) error {
		if err := c.move(level, escalate); err != nil {
			return notInReview(err)
		}
		c.note(Entry{Event: "case_escalated", Level: level, Sealed: c.sealNote(StaffNote{Text: note})})
		return nil
	})
}

// Suspend takes an approved level out of force until somebody has looked again. The note is needed. ErrSupervisor,
// ErrNotLeased, ErrNotInReview, ErrLevelUnknown, ErrUnknown, fault.Fields.
func (s *Service) Suspend(ctx context.Context, by Account, id string, level int, note string) (Case, error) {
	if !by.Has(Supervisor) {
		return Case{}, ErrSupervisor
	}
	if _, err := checkWhy("note", note); err != nil {
		return Case{}, err
	}
	return s.byHolder(ctx, by, id, note, func(c *change, note string) error {
		if err := c.move(level, suspend); err != nil {
			return notInReview(err)
		}
		c.note(Entry{Event: "case_suspended", Level: level, Sealed: c.sealNote(StaffNote{Text: note})})
		return nil
	})
}

// Release clears what somebody reported with "It's not me". ErrNotReported, ErrNotLeased, ErrUnknown, fault.Fields.
func (s *Service) Release(ctx context.Context, by Account, id, note string) (Case, error) {
	return s.byHolder(ctx, by, id, note, func(c *change, note string) error {
		if c.ReportedAt.IsZero() {
			return ErrNotReported
		}
		c.ReportedAt, c.ReleasedAt = time.Time{}, c.at
		c.note(Entry{Event: "report_released", Sealed: c.sealNote(StaffNote{Text: note})})
		return nil
	})
}

// byHolder is a change by who has taken the case, which is handed back with it unless it still waits for them.
func (s *Service) byHolder(ctx context.Context, by Account, id, note string, fn func(c *change, note string) error) (Case, error) {
	note, err := checkNote(note)
	if err != nil {
		return Case{}, err
	}
	if _, err := s.Get(ctx, id); err != nil {
		return Case{}, err
	}
	if _, err := s.Holding(ctx, by, id); err != nil {
		return Case{}, err
	}
	out, err := s.change(ctx, byStaff(by), id, anyVersion, func(c *change) error {
		if c.AccountID == by.ID {
			return ErrOwnCase
		}
		return fn(c, note)
	})
	if err != nil {
		return Case{}, err
	}
	return out, s.handBackDecided(ctx, by, out)
}

// handBackDecided ends the lease of a case in which nothing is left to do for who has it.
func (s *Service) handBackDecided(ctx context.Context, by Account, c Case) error {
	if w := c.waiting(); w != nil && w.State == InReview {
		return nil
	}
	return s.HandBack(ctx, by, c.ID)
}

func notInReview(err error) error {
	if errors.Is(err, ErrLevelNotOpen) {
		return ErrNotInReview
	}
	return err
}
