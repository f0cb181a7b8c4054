// Package cases is the truth: accounts, cases, their levels and steps, what may happen to
// them, and the history of what did.
//
// Vocabulary: a *case* belongs to one account and goes through *levels*; a level has
// *steps* (a document side, a face, a clip); a *take* is one try at a step, and the one that
// the applicant keeps is *accepted*. What may happen in which state is state.go; what a
// level requires is policy.go; the stored form is document.go.
//
// The package knows no HTTP, no Redis and no files. Bytes of evidence are package media's.
package cases

import (
	"time"

	"github.com/symbolon/symbolon/checks"
)

// Kind says who is verified.
type Kind string

// The kinds of case.
const (
	Person   Kind = "person"
	Business Kind = "business"
)

// LevelState is the state of one level.
type LevelState string

// The states of a level.
const (
	Locked    LevelState = "locked"
	Open      LevelState = "open"
	Submitted LevelState = "submitted"
	Checking  LevelState = "checking"
	InReview  LevelState = "in_review"
	Approved  LevelState = "approved"
	Resubmit  LevelState = "resubmit"
	Rejected  LevelState = "rejected"
	// AwaitingSecond is approved by one person; the policy wants another one to agree.
	AwaitingSecond LevelState = "awaiting_second"
	// Escalated is left to a supervisor.
	Escalated LevelState = "escalated"
	// Suspended was approved and does not count until somebody has looked again.
	Suspended LevelState = "suspended"
	// Revoked was approved once, and that was taken back for good.
	Revoked LevelState = "revoked"
	// Collecting is the state of a case whose level is open.
	Collecting LevelState = "collecting"
	// Erased is the state of a case whose key was destroyed.
	Erased LevelState = "erased"
)

// StepState is the state of one step.
type StepState string

// The states of a step.
const (
	Todo      StepState = "todo"
	Uploading StepState = "uploading"
	Stored    StepState = "stored"
	Accepted  StepState = "accepted"
	Checked   StepState = "checked"
	Failed    StepState = "failed"
)

// Level is one level of a case.
type Level struct {
	Level       int        `json:"level" bson:"level"`
	State       LevelState `json:"state" bson:"state"`
	Reasons     []Reason   `json:"reasons,omitempty" bson:"reasons,omitempty"`
	SubmittedAt time.Time  `json:"submitted_at,omitzero" bson:"submitted_at,omitempty"`
	DecidedAt   time.Time  `json:"decided_at,omitzero" bson:"decided_at,omitempty"`
	Checks      []Check    `json:"checks,omitempty" bson:"checks,omitempty"` // of the evidence, since it was submitted
	// WaitsSince is since when it has waited for a person without a break; zero while it does not.
	WaitsSince time.Time `json:"waits_since,omitzero" bson:"waits_since,omitempty"`
	// Approvals are the people who approved it since it was submitted, each once.
	Approvals []Approval `json:"approvals,omitempty" bson:"approvals,omitempty"`
	// Escalated says that it was left to a supervisor, who has not decided yet.
	Escalated bool `json:"escalated,omitempty" bson:"escalated,omitempty"`
	// Needs is the level above whose evidence has to be there, too, before this one is approved; 0 for none.
	Needs int `json:"needs,omitempty" bson:"needs,omitempty"`
}

// Lacks is the level that l needs and that was not handed in yet, 0 where nothing is lacking.
func (d *Document) Lacks(l Level) int {
	if l.Needs == 0 || !l.State.Waits() || !d.offers(l.Needs) || decidedEnough(d.level(l.Needs).State) {
		return 0
	}
	return l.Needs
}

// Check is what one check of a step found: for who decides, not for the applicant. It holds nothing
// personal; what was read is a Reading.
type Check struct {
	Step     string             `json:"step" bson:"step"`
	Check    string             `json:"check" bson:"check"`
	Verdict  checks.Verdict     `json:"verdict" bson:"verdict"`
	Code     string             `json:"code,omitempty" bson:"code,omitempty"` // of a failure, from the catalogue of reasons
	Measures map[string]float64 `json:"measures,omitempty" bson:"measures,omitempty"`
}

// Told returns the reasons that the applicant may read: those of a level that was sent back or
// refused. Why a person looks at a level is for that person only, and hidden reasons are told as one that says nothing more.
func (l Level) Told() []Reason {
	if l.State != Resubmit && !l.State.Refused() {
		return nil
	}
	return toldReasons(l.Reasons)
}

// Reason says why, with a code of the catalogue.
type Reason struct {
	Code string `json:"code" bson:"code"`
	Step string `json:"step,omitempty" bson:"step,omitempty"`
	// Prompt is the number of the prompt of a clip that it is about, from 1; 0 for none.
	Prompt int `json:"prompt,omitempty" bson:"prompt,omitempty"`
}

// Step is one thing to do for a level.
type Step struct {
	ID       string    `json:"id" bson:"id"`
	Level    int       `json:"level" bson:"level"`
	Kind     string    `json:"kind" bson:"kind"` // KindPhoto, KindFace, KindClip
	State    StepState `json:"state" bson:"state"`
	Channels []string  `json:"channels" bson:"channels"`                     // "desk", "phone"
	Attempts int       `json:"attempts,omitempty" bson:"attempts,omitempty"` // how often it was sent back
	Tries    int       `json:"tries,omitempty" bson:"tries,omitempty"`       // how often a face failed since one was kept
	Takes    []Take    `json:"takes,omitempty" bson:"takes,omitempty"`
	Reasons  []Reason  `json:"reasons,omitempty" bson:"reasons,omitempty"`
	// Alternative is another way that the whole step goes: NothingTaken, or "" for the usual one.
	Alternative string `json:"alternative,omitempty" bson:"alternative,omitempty"`
}

// NothingTaken is the way of a step whose consent was declined: nothing is taken for it, and a person decides.
const NothingTaken = "nothing_taken"

// TakeState is the state of one take.
type TakeState string

// The states of a take.
const (
	TakeOpen      TakeState = "open"
	TakeStored    TakeState = "stored"
	TakeAccepted  TakeState = "accepted"
	TakeDiscarded TakeState = "discarded" // only in answers; a discarded take leaves the case
)

// Take is one try at a step. Its bytes are media's, under UploadID.
type Take struct {
	UploadID   string    `json:"upload_id" bson:"upload_id"`
	MediaID    string    `json:"media_id,omitempty" bson:"media_id,omitempty"` // "med_…", once stored
	Epoch      int64     `json:"epoch" bson:"epoch"`
	Owner      string    `json:"owner" bson:"owner"`                             // session or handoff id
	Challenge  string    `json:"challenge,omitempty" bson:"challenge,omitempty"` // "chl_…" that the take answers, of a face or clip
	State      TakeState `json:"state" bson:"state"`
	Filetype   string    `json:"filetype,omitempty" bson:"filetype,omitempty"` // sniffed, once stored
	Reserved   int64     `json:"reserved,omitempty" bson:"reserved,omitempty"` // bytes counted in the daily budget
	Size       int64     `json:"size,omitempty" bson:"size,omitempty"`
	SHA256     []byte    `json:"sha256,omitempty" bson:"sha256,omitempty"`
	CreatedAt  time.Time `json:"created_at" bson:"created_at"`
	ExpiresAt  time.Time `json:"expires_at,omitzero" bson:"expires_at,omitempty"`
	AcceptedAt time.Time `json:"accepted_at,omitzero" bson:"accepted_at,omitempty"`
	Parts      []Part    `json:"parts,omitempty" bson:"parts,omitempty"`
	Role       string    `json:"role,omitempty" bson:"role,omitempty"`         // of a clip's step: RoleStill, RoleWritten; "" for the clip
	Timeline   []Shown   `json:"timeline,omitempty" bson:"timeline,omitempty"` // of a clip that is kept
	// Inspection is what was found in a clip, since its level was submitted.
	Inspection *Inspection `json:"inspection,omitempty" bson:"inspection,omitempty"`
	// Face is what came of a take of the face step, whose own bytes are what the phone said of its frames.
	Face *FaceResult `json:"face,omitempty" bson:"face,omitempty"`
	// Alipay is set on a take of the face step that Alipay made, whose own bytes are Alipay's answer.
	Alipay *AlipayTake `json:"alipay,omitempty" bson:"alipay,omitempty"`
}

// Part is stored bytes that belong to a take beside its own: what was taken with it, or was made from it for
// those who look at it. It comes and goes with its take.
type Part struct {
	UploadID string `json:"upload_id" bson:"upload_id"`
	MediaID  string `json:"media_id" bson:"media_id"`
	Role     string `json:"role" bson:"role"`                         // PartFrame …
	Action   string `json:"action,omitempty" bson:"action,omitempty"` // of a frame: what it is said to show
	AtMS     int64  `json:"at_ms,omitempty" bson:"at_ms,omitempty"`   // when, since the take began
	Filetype string `json:"filetype" bson:"filetype"`
	Size     int64  `json:"size" bson:"size"`
	SHA256   []byte `json:"sha256" bson:"sha256"`
}

// Roles of parts.
const (
	PartStill = "still" // a photo taken while a clip was recorded
	PartFrame = "frame" // a picture of a face challenge
	PartCopy  = "copy"  // a clip made seekable
	PartThumb = "thumb" // a picture from a clip
)

// uploads is what media keeps of a take.
func (t Take) uploads() []string {
	ids := []string{t.UploadID}
	for _, p := range t.Parts {
		ids = append(ids, p.UploadID)
	}
	return ids
}

// ActorKind says which sort of caller acted.
type ActorKind string

// The kinds of actor.
const (
	ByApplicant ActorKind = "applicant"
	ByPhone     ActorKind = "phone"
	ByStaff     ActorKind = "staff"
	BySystem    ActorKind = "system"
)

// Actor is who did something. ID is an account or handoff id, never a name.
type Actor struct {
	Kind  ActorKind `json:"kind" bson:"kind"`
	ID    string    `json:"id,omitempty" bson:"id,omitempty"`
	Epoch int64     `json:"-" bson:"-"` // a phone's; every write it makes filters on it
}

// Identity is what Level 1 states. It is personal throughout and stored sealed.
type Identity struct {
	Nationality string        `json:"nationality"` // ISO 3166-1 alpha-3
	Document    DocumentFacts `json:"document"`
	Name        string        `json:"name"`
	LatinName   string        `json:"latin_name,omitempty"`
	BirthDate   string        `json:"birth_date"` // YYYY-MM-DD
	Sex         string        `json:"sex,omitempty"`
	Address     string        `json:"address"`
	Occupation  string        `json:"occupation,omitempty"`
	ActingFor   ActingFor     `json:"acting_for,omitzero"` // of a business: Business.Beneficiary
	Guardian    *Somebody     `json:"guardian,omitempty"`  // of a minor, where the policy takes them
	Business    *Company      `json:"business,omitempty"`  // of a business; the fields above are then the acting person's
}

// DocumentFacts are the facts of the certificate.
type DocumentFacts struct {
	Type      string `json:"type"` // "cn_resident_id", …
	Number    string `json:"number"`
	IssuedOn  string `json:"issued_on,omitempty"`
	ExpiresOn string `json:"expires_on,omitempty"` // YYYY-MM-DD or "long_term"; of others it may be left out
}

// Whom an account is for.
const (
	ForSelf  = "self"
	ForOther = "other"
)

// ActingFor says who an account is for. Without a Controller the applicant directs it.
type ActingFor struct {
	Who         string    `json:"who"`
	Beneficiary *Somebody `json:"beneficiary,omitempty"` // with ForOther
	Controller  *Somebody `json:"controller,omitempty"`  // with ForOther
}

// Somebody is another person than the applicant: a name, and what else is known.
type Somebody struct {
	Name        string         `json:"name"`
	Nationality string         `json:"nationality,omitempty"` // needed for a document
	BirthDate   string         `json:"birth_date,omitempty"`
	Document    *DocumentFacts `json:"document,omitempty"`
}
