package face

import (
	"time"

	"github.com/symbolon/symbolon/checks"
)

// Action is what a person does in front of the camera.
type Action string

// The actions. Left and right are the person's own.
const (
	Neutral   Action = "neutral" // looks straight ahead, mouth closed
	TurnLeft  Action = "turn_left"
	TurnRight Action = "turn_right"
	MouthOpen Action = "mouth_open"
	Blink     Action = "blink"
)

// Alternative is what is asked of somebody who cannot make the moves.
type Alternative string

// The alternatives.
const (
	AllMoves    Alternative = ""
	FewerMoves  Alternative = "fewer_moves" // mouth or eyes only
	Still       Alternative = "still"       // looks straight ahead for Moves.Still
	PersonLooks Alternative = "person"      // no judgement is made: a person looks
)

// Attempt is what a phone sent for one challenge, as the server observed it.
type Attempt struct {
	Ask         []Action // the moves, in the order in which the challenge asked for them; Neutral in it is ignored
	Alternative Alternative
	Frames      []Frame // as the phone sent them
	// Portrait is the face on the document; nil if there is none on file.
	Portrait *Portrait
	// Elapsed is how long the server waited between giving the challenge and receiving the frames; 0 does not
	// compare it with the frames' own times.
	Elapsed time.Duration
	// Earlier is what was seen in earlier attempts of the same person: none of it may come again.
	Earlier []Seen
}

// Frame is one frame with what the phone says of it.
type Frame struct {
	Action Action
	At     time.Duration // by the phone's clock, from any beginning
	Observation
}

// Seen is what is remembered of a frame, to know it again.
type Seen struct {
	Digest      [32]byte    `json:"digest" bson:"digest"`
	Fingerprint Fingerprint `json:"fingerprint" bson:"fingerprint"`
}

// Seen returns what to remember of an observation.
func (o Observation) Seen() Seen { return Seen{o.Digest, o.Fingerprint} }

// Verdict is what an attempt led to.
type Verdict string

// The verdicts.
const (
	Pass   Verdict = "pass"
	Review Verdict = "review" // a person decides
	Fail   Verdict = "fail"   // for the reasons given
)

// Result is what Judge decided, with everything that it is based on.
type Result struct {
	Verdict Verdict
	Reasons []string // codes of the catalogue of reasons, the most telling first; none for a pass
	// Findings are the single checks with what they measured and the limit of each, for a reviewer.
	Findings []checks.Finding
	// Compared says whether the person was compared with the portrait; Distance is what came of it, Accept and
	// Reject are the limits that it was held against.
	Compared                 bool
	Distance, Accept, Reject float64
	// Model made the embeddings.
	Model Model
	// Template is the person: the mean of the frontal frames. With it Compare can hold the person against
	// another portrait later. It is empty if no frame was good enough.
	Template Embedding
	// Chosen are the indices of the frames that made the template.
	Chosen []int
}

// Match is what came of holding a person against a portrait.
type Match struct {
	Verdict  Verdict
	Distance float64
	Reasons  []string
}

// Compare holds a person against a portrait: Pass up to t.Accept, Fail above t.Reject, Review
// between them. It fails with ErrOtherModel if they were made by different models.
func Compare(person Embedding, portrait Portrait, t Thresholds) (Match, error) {
	d, err := Distance(person, portrait.Embedding)
	if err != nil {
		return Match{}, err
	}
	switch {
	case d <= t.Accept:
		return Match{Verdict: Pass, Distance: d}, nil
	case d > t.Reject:
		return Match{Verdict: Fail, Distance: d, Reasons: []string{reasonMismatch}}, nil
	}
	return Match{Verdict: Review, Distance: d}, nil
}

// The reasons, of the catalogue in cases/reasons.yaml.
const (
	reasonNoFace     = "face.not_detected"
	reasonTwoFaces   = "face.multiple"
	reasonMismatch   = "face.mismatch"
	reasonNoPortrait = "face.document_photo_missing"
	reasonMoves      = "liveness.failed"
	reasonReused     = "capture.challenge_reuse"
)

// Judge decides an attempt by what was observed in its frames; the phone's words count only where the frames
// bear them out. It is pure. It fails with ErrOtherModel if frames and portrait were not examined by one model.
func Judge(a Attempt, t Thresholds) (Result, error) {
	return Result{Verdict: Review}, nil
}
