package cases

import "time"

// SchemaVersion is the version of the stored case document that this program writes.
const SchemaVersion = 1

// Document is a case as it is stored (docs/formats.md). Personal fields are sealed with
// the case's data key before they get here; a backend stores what it is given.
type Document struct {
	ID           string `json:"id" bson:"_id"`
	Schema       int    `json:"schema" bson:"schema"`
	Version      int64  `json:"version" bson:"version"`             // grows by 1 with every replace
	HandoffEpoch int64  `json:"handoff_epoch" bson:"handoff_epoch"` // only grows
	AccountID    string `json:"account_id" bson:"account_id"`
	Kind         Kind   `json:"kind" bson:"kind"`

	CreatedAt time.Time `json:"created_at" bson:"created_at"`
	UpdatedAt time.Time `json:"updated_at" bson:"updated_at"`

	// WrappedKey is the case's data key, wrapped by the operator's. Destroying it erases the case.
	WrappedKey []byte `json:"wrapped_key" bson:"wrapped_key"`

	// State and Level are those of Levels, repeated for lists (see stateOf).
	State  LevelState `json:"state" bson:"state"`
	Level  int        `json:"level" bson:"level"`
	Levels []Level    `json:"levels" bson:"levels"`
	Steps  []Step     `json:"steps" bson:"steps"`

	// Identity is the sealed JSON of an Identity; DocumentIndex the keyed look-up value of
	// its document number, set when Level 1 is submitted.
	Identity []byte `json:"identity,omitempty" bson:"identity,omitempty"`
	// IdentityDraft is the sealed JSON of what was typed of Level 1 and not stored yet.
	IdentityDraft []byte `json:"identity_draft,omitempty" bson:"identity_draft,omitempty"`
	DocumentType  string `json:"document_type,omitempty" bson:"document_type,omitempty"`
	DocumentIndex []byte `json:"document_index,omitempty" bson:"document_index,omitempty"`

	// Challenges are the newest of each step: what somebody was asked to do, once.
	Challenges []Challenge `json:"challenges,omitempty" bson:"challenges,omitempty"`

	// FaceSeen is the sealed JSON of what is remembered of the frames of failed tries, until one is kept.
	FaceSeen []byte `json:"face_seen,omitempty" bson:"face_seen,omitempty"`
	// FaceEntry is what other cases find this one's face by; nil where nobody agreed to that.
	FaceEntry *FaceEntry `json:"face_entry,omitempty" bson:"face_entry,omitempty"`
	// FaceHits are the nearest cases that were found when the face was checked last.
	FaceHits []FaceHit `json:"face_hits,omitempty" bson:"face_hits,omitempty"`

	// Alipay is the newest try to be recognised by Alipay.
	Alipay *AlipayTry `json:"alipay,omitempty" bson:"alipay,omitempty"`

	// Readings are what was read on the photos that the case keeps, and heard in its recordings.
	Readings []SealedReading `json:"readings,omitempty" bson:"readings,omitempty"`

	// Consents are the present answers to the consents that the policy asks for.
	Consents []Consent `json:"consents,omitempty" bson:"consents,omitempty"`

	// ReportedAt marks a case whose applicant answered "It's not me".
	ReportedAt time.Time `json:"reported_at,omitzero" bson:"reported_at,omitempty"`

	// ReleasedAt is when somebody cleared what was reported.
	ReleasedAt time.Time `json:"released_at,omitzero" bson:"released_at,omitempty"`
	// Waiting is what the queue of people finds the case by, computed with every change; nil while nobody has to look.
	Waiting *Waiting `json:"waiting,omitempty" bson:"waiting,omitempty"`
	// AtStep is what the applicant has to do next ("identity" or a step), for figures; "" where it is not their turn.
	AtStep string `json:"at_step,omitempty" bson:"at_step,omitempty"`

	// ActedAt is when the applicant or a phone last changed something.
	ActedAt time.Time `json:"acted_at,omitzero" bson:"acted_at,omitempty"`
	// HeldAt is when somebody forbade to erase the case.
	HeldAt time.Time `json:"held_at,omitzero" bson:"held_at,omitempty"`
	// RelationEndedAt is when the relationship with a customer ended, which retention counts from.
	RelationEndedAt time.Time `json:"relation_ended_at,omitzero" bson:"relation_ended_at,omitempty"`

	// CustomerSince is when the applicant became a customer; they stay one when a level drops.
	CustomerSince time.Time `json:"customer_since,omitzero" bson:"customer_since,omitempty"`
	// Superseded is what lapsed approvals rested on.
	Superseded []Superseded `json:"superseded,omitempty" bson:"superseded,omitempty"`

	// RestrictedAt is when the applicant asked for an erasure that the law forbids for now: nothing is taken any more.
	RestrictedAt time.Time `json:"restricted_at,omitzero" bson:"restricted_at,omitempty"`

	// Objections are what the applicant said against refusals, each sealed and bound to the case and its level.
	Objections []SealedObjection `json:"objections,omitempty" bson:"objections,omitempty"`

	// ErasedAt is when the case's key was destroyed. Such a case stands under its own id as its account,
	// so that the account may begin anew.
	ErasedAt time.Time `json:"erased_at,omitzero" bson:"erased_at,omitempty"`

	// Ended names the newest handoffs whose end is in the history, so that it is written once.
	Ended []string `json:"ended,omitempty" bson:"ended,omitempty"`

	// Received counts the bytes that takes reserved on a UTC day, for the daily budget.
	ReceivedOn    string `json:"received_on,omitempty" bson:"received_on,omitempty"` // YYYY-MM-DD
	ReceivedBytes int64  `json:"received_bytes,omitempty" bson:"received_bytes,omitempty"`

	// The outbox: what is stored together with the case and copied or run afterwards.
	History HistoryHead `json:"history_head" bson:"history_head"`
	Pending []Entry     `json:"pending,omitempty" bson:"pending,omitempty"`
	Jobs    []Job       `json:"jobs,omitempty" bson:"jobs,omitempty"`
}

// Erased reports whether the case's key was destroyed.
func (d Document) Erased() bool { return !d.ErasedAt.IsZero() }

// HistoryHead is the number and hash of the newest history entry.
type HistoryHead struct {
	N    int64  `json:"n" bson:"n"`
	Hash []byte `json:"hash,omitempty" bson:"hash,omitempty"`
}

// Entry is one line of a case's history: who did what when, chained by hash.
type Entry struct {
	CaseID  string            `json:"case_id" bson:"case_id"`
	N       int64             `json:"n" bson:"n"` // from 1, without gaps
	At      time.Time         `json:"at" bson:"at"`
	Version int64             `json:"version" bson:"version"` // of the case it was stored with
	Actor   Actor             `json:"actor" bson:"actor"`
	Event   string            `json:"event" bson:"event"` // closed list, see history.go
	Level   int               `json:"level,omitempty" bson:"level,omitempty"`
	Step    string            `json:"step,omitempty" bson:"step,omitempty"`
	Epoch   int64             `json:"epoch,omitempty" bson:"epoch,omitempty"`
	Reasons []string          `json:"reasons,omitempty" bson:"reasons,omitempty"`
	Data    map[string]string `json:"data,omitempty" bson:"data,omitempty"`     // ids, states and digests; nothing personal
	Sealed  []byte            `json:"sealed,omitempty" bson:"sealed,omitempty"` // personal detail, sealed with the case's key
	Prev    []byte            `json:"prev,omitempty" bson:"prev,omitempty"`
	Hash    []byte            `json:"hash" bson:"hash"`
}

// Look is one line of the access log: somebody saw evidence. It is chained like history
// but changes neither version nor seq.
type Look struct {
	CaseID  string    `json:"case_id" bson:"case_id"`
	N       int64     `json:"n" bson:"n"`
	At      time.Time `json:"at" bson:"at"`
	Actor   Actor     `json:"actor" bson:"actor"`
	What    string    `json:"what" bson:"what"`                         // e.g. "media"
	Subject string    `json:"subject" bson:"subject"`                   // e.g. "med_…"
	Sealed  []byte    `json:"sealed,omitempty" bson:"sealed,omitempty"` // why, sealed with the case's key
	Prev    []byte    `json:"prev,omitempty" bson:"prev,omitempty"`
	Hash    []byte    `json:"hash" bson:"hash"`
}

// Job is work that a change left to do. It is leased by one node at a time.
type Job struct {
	ID         string    `json:"id" bson:"id"`
	Kind       string    `json:"kind" bson:"kind"`
	Level      int       `json:"level,omitempty" bson:"level,omitempty"`
	State      JobState  `json:"state" bson:"state"`
	Attempts   int       `json:"attempts" bson:"attempts"`
	RunAfter   time.Time `json:"run_after" bson:"run_after"`
	LeaseOwner string    `json:"lease_owner,omitempty" bson:"lease_owner,omitempty"`
	LeaseUntil time.Time `json:"lease_until,omitzero" bson:"lease_until,omitempty"`
	// To is the way of a JobTell, About the state that it tells of.
	To    string     `json:"to,omitempty" bson:"to,omitempty"`
	About LevelState `json:"about,omitempty" bson:"about,omitempty"`
	// Uploads are the takes whose bytes a JobDestroy destroys.
	Uploads []string `json:"uploads,omitempty" bson:"uploads,omitempty"`
}

// The kinds of job.
const (
	JobCheck   = "check_level"     // examine a submitted level
	JobDestroy = "destroy_uploads" // destroy the bytes of takes that left the case
	JobExpire  = "expire_takes"    // drop the takes that nobody kept in time
	JobRetain  = "erase_case"      // erase a case whose time is over
	JobAlipay  = "query_alipay"    // ask Alipay what became of a try
	JobLapse   = "lapse_levels"    // end approvals whose time is over
	JobTell    = "tell_decision"   // tell of a decision in one way
)

// JobState is the state of a job. A finished job is dropped from the document.
type JobState string

// The states of a job.
const (
	JobQueued JobState = "queued"
	JobLeased JobState = "leased"
)

// AccountDocument is an account as it is stored.
type AccountDocument struct {
	ID         string    `json:"id" bson:"_id"`
	Schema     int       `json:"schema" bson:"schema"`
	Version    int64     `json:"version" bson:"version"`
	CreatedAt  time.Time `json:"created_at" bson:"created_at"`
	WrappedKey []byte    `json:"wrapped_key" bson:"wrapped_key"`
	Email      []byte    `json:"email" bson:"email"`             // sealed
	EmailIndex []byte    `json:"email_index" bson:"email_index"` // keyed look-up value, unique
	Password   string    `json:"password" bson:"password"`       // argon2id, PHC string form
	Roles      []string  `json:"roles" bson:"roles"`
	// Factors is the sealed JSON of what staff sign in with beside the password.
	Factors []byte `json:"factors,omitempty" bson:"factors,omitempty"`
	// ConfirmedAt is when a link of a mail to the address was followed first.
	ConfirmedAt time.Time `json:"confirmed_at,omitzero" bson:"confirmed_at,omitempty"`
	// DisabledAt is when somebody forbade the account to sign in.
	DisabledAt time.Time `json:"disabled_at,omitzero" bson:"disabled_at,omitempty"`
}

// FaceEntry is a face that may be found from other cases, because whose it is agreed to that.
type FaceEntry struct {
	Model    string `json:"model" bson:"model"` // that made the template: its name and hash
	UploadID string `json:"upload_id" bson:"upload_id"`
	Template []byte `json:"template" bson:"template"` // sealed as in the take
}

// FaceHit is another case whose face is near, found when the level was checked. For who decides alone.
type FaceHit struct {
	CaseID   string  `json:"case_id" bson:"case_id"`
	Distance float64 `json:"distance" bson:"distance"`
}

// Meta is the one record about the store itself.
type Meta struct {
	Schema       int    `json:"schema" bson:"schema"`
	WrappedIndex []byte `json:"wrapped_index" bson:"wrapped_index"` // the look-up key, wrapped by the operator's
	// NextIndex is the look-up key that a re-index in progress changes to, wrapped.
	NextIndex []byte `json:"next_index,omitempty" bson:"next_index,omitempty"`
}
