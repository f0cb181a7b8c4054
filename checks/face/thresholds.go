package face

import (
	"fmt"
	"time"

	"github.com/symbolon/symbolon/fault"
)

// Thresholds are what Judge decides by. They are policy, and belong to one model: distances of
// different models mean different things. docs/face.md says how the defaults were found.
type Thresholds struct {
	// Between the person in front of the camera and the portrait: up to Accept it is the same person, above
	// Reject another; between them a person decides.
	Accept float64 `yaml:"accept" json:"accept"`
	Reject float64 `yaml:"reject" json:"reject"`

	// Between any frame and the person's frontal frames: one person throughout. A turned head looks less
	// like itself, so frames of a turn have their own limit.
	Continuity       float64 `yaml:"continuity" json:"continuity"`
	ContinuityTurned float64 `yaml:"continuity_turned" json:"continuity_turned"`

	Moves Moves `yaml:"moves" json:"moves"`
}

// Moves are the thresholds of what a face does. They do not depend on the embedder.
type Moves struct {
	Neutral int     `yaml:"neutral" json:"neutral"` // fewest frontal frames at rest; at most five of them make the mean
	Rest    float64 `yaml:"rest" json:"rest"`       // most Pose.Turn of a frontal frame, either way
	Turn    float64 `yaml:"turn" json:"turn"`       // least Pose.Turn of a turn, in the asked direction
	Mouth   float64 `yaml:"mouth" json:"mouth"`     // least Pose.Mouth of an open mouth
	Closed  float64 `yaml:"closed" json:"closed"`   // most Pose.Mouth at rest
	Blink   float64 `yaml:"blink" json:"blink"`     // most that is left of the eyes' own opening in a blink
	// Relief is the least by which the points of a turned face may not be explained by stretching, shearing and
	// shifting those of the face at rest, as a share of the distance of the eyes: a flat picture that is bent
	// or tilted in front of the camera has none.
	Relief float64 `yaml:"relief" json:"relief"`
	// SecondFace is how high another face may be, as a share of the largest one, before the person is not alone.
	SecondFace float64 `yaml:"second_face" json:"second_face"`
	// Same is how little two frames' fingerprints may differ, in grey levels, before they are one frame sent twice.
	Same float64 `yaml:"same" json:"same"`

	FrameGap time.Duration `yaml:"frame_gap" json:"frame_gap"` // least time between two frames
	MoveGap  time.Duration `yaml:"move_gap" json:"move_gap"`   // least time between frames of different moves
	Longest  time.Duration `yaml:"longest" json:"longest"`     // from the first frame to the last
	Still    time.Duration `yaml:"still" json:"still"`         // how long a person who cannot move looks straight ahead
}

// DefaultMoves are the thresholds of moves.
func DefaultMoves() Moves {
	return Moves{
		Neutral: 3, Rest: 0.15, Turn: 0.25, Mouth: 0.20, Closed: 0.10, Blink: 0.65, Relief: 0.03,
		SecondFace: 0.4, Same: 0.6,
		FrameGap: 30 * time.Millisecond, MoveGap: 150 * time.Millisecond, Longest: 60 * time.Second, Still: 5 * time.Second,
	}
}

// Defaults returns the thresholds of a model that comes with the program, and whether it is one. For any other
// model no distance is close enough to pass and none far enough to fail: a person decides until somebody measured.
func Defaults(model string) (Thresholds, bool) {
	t := Thresholds{Moves: DefaultMoves()}
	switch model {
	case MobileFaceNet:
		t.Accept, t.Reject, t.Continuity, t.ContinuityTurned = 0.32, 0.50, 0.50, 0.60
	case Dlib:
		t.Accept, t.Reject, t.Continuity, t.ContinuityTurned = 0.36, 0.50, 0.55, 0.60
	default:
		t.Accept, t.Reject, t.Continuity, t.ContinuityTurned = 0, 2, 2, 2
		return t, false
	}
	return t, true
}

// Check refuses thresholds that cannot have been meant.
func (t Thresholds) Check() error {
	var bad []fault.Field
	within := func(field string, v, least, most float64) {
		if !(v >= least && v <= most) {
			bad = append(bad, fault.Field{Field: field, Code: "out_of_range", Detail: fmt.Sprintf("must be between %g and %g", least, most)})
		}
	}
	long := func(field string, v, least, most time.Duration) {
		if v < least || v > most {
			bad = append(bad, fault.Field{Field: field, Code: "out_of_range", Detail: fmt.Sprintf("must be between %v and %v", least, most)})
		}
	}
	within("accept", t.Accept, 0, 2)
	within("reject", t.Reject, t.Accept, 2)
	within("continuity", t.Continuity, 0, 2)
	within("continuity_turned", t.ContinuityTurned, 0, 2)
	m := t.Moves
	within("moves.neutral", float64(m.Neutral), 1, 10)
	within("moves.rest", m.Rest, 0.02, 0.5)
	within("moves.turn", m.Turn, m.Rest, 0.9)
	within("moves.closed", m.Closed, 0.01, 0.5)
	within("moves.mouth", m.Mouth, m.Closed, 1)
	within("moves.blink", m.Blink, 0.1, 0.9)
	within("moves.relief", m.Relief, 0, 0.5)
	within("moves.second_face", m.SecondFace, 0.05, 1)
	within("moves.same", m.Same, 0, 5)
	long("moves.frame_gap", m.FrameGap, time.Millisecond, time.Second)
	long("moves.move_gap", m.MoveGap, m.FrameGap, 2*time.Second)
	long("moves.longest", m.Longest, 5*time.Second, 10*time.Minute)
	long("moves.still", m.Still, time.Second, m.Longest)
	if len(bad) > 0 {
		return fault.Fields(bad...)
	}
	return nil
}
