package face

import (
	"maps"
	"math"
	"slices"
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

// The checks that Judge makes, as they are named in Result.Findings.
const (
	CheckFaces      = "face.faces"      // one face in every frame
	CheckTimes      = "face.times"      // frames in an order and at a pace of which a person is able
	CheckDistinct   = "face.distinct"   // no frame twice, none of an earlier attempt
	CheckRest       = "face.rest"       // frontal frames at rest
	CheckOrder      = "face.order"      // the moves in the order in which they were asked for
	CheckMove       = "face.move"       // one move; Measures["move"] is its number from 1
	CheckContinuity = "face.continuity" // one person throughout
	CheckStill      = "face.still"      // looked straight ahead long enough
	CheckPortrait   = "face.portrait"   // the person of the document
)

// mostForTemplate is how many frontal frames make the mean at most: more of one moment add nothing.
const mostForTemplate = 5

// Judge decides an attempt by what was observed in its frames; the phone's words count only where the frames
// bear them out. It is pure. It fails with ErrOtherModel if frames and portrait were not examined by one model.
//
// A failed check decides at once that the attempt failed, but all that can be checked is, so that Findings are
// complete. Somebody who keeps still instead of moving shows nothing that a photograph could not: that is never more than
// Review. An attempt left to a person is not judged at all.
func Judge(a Attempt, t Thresholds) (Result, error) {
	j := &judge{Attempt: a, t: t, r: Result{Verdict: Pass, Accept: t.Accept, Reject: t.Reject}}
	if a.Portrait != nil {
		j.r.Model = a.Portrait.Embedding.Model
	}
	for _, f := range a.Frames {
		if !f.Embedding.Zero() {
			if j.r.Model != (Model{}) && j.r.Model != f.Embedding.Model {
				return Result{}, ErrOtherModel
			}
			j.r.Model = f.Embedding.Model
		}
	}
	if a.Alternative == PersonLooks {
		j.r.Verdict = Review
		return j.r, j.template()
	}
	j.times()
	j.distinct()
	if j.faces() {
		j.rest()
		if a.Alternative == Still {
			j.still()
		} else {
			j.moves()
		}
		if err := j.template(); err != nil {
			return Result{}, err
		}
		if err := j.continuity(); err != nil {
			return Result{}, err
		}
	}
	if err := j.portrait(); err != nil {
		return Result{}, err
	}
	if a.Alternative == Still && j.r.Verdict == Pass {
		j.r.Verdict = Review
	}
	return j.r, nil
}

// judge is an attempt while it is judged.
type judge struct {
	Attempt
	t Thresholds
	r Result

	frontal []int // indices of the frames at rest that are frontal
	eyes    float64
	resting []Point // the mesh of the middle one of them
}

// found notes a check. A failed one decides the attempt, for a reason.
func (j *judge) found(check string, ok bool, reason string, measures map[string]float64) {
	f := checks.Finding{Check: check, Verdict: checks.Pass, Measures: measures}
	if !ok {
		f.Verdict, f.Code = checks.Fail, reason
		j.r.Verdict = Fail
		if !slices.Contains(j.r.Reasons, reason) {
			j.r.Reasons = append(j.r.Reasons, reason)
		}
	}
	j.r.Findings = append(j.r.Findings, f)
}

// Limits of how many frames are judged; the server's own are as narrow.
const (
	fewestFrames = 4
	mostFrames   = 30
)

func (j *judge) times() {
	m := j.t.Moves
	ok := len(j.Frames) >= fewestFrames && len(j.Frames) <= mostFrames
	leastGap, leastMove, span := m.Longest, m.Longest, time.Duration(0)
	for i, f := range j.Frames {
		if f.At < 0 || f.At > 24*time.Hour {
			ok = false
		}
		if i == 0 {
			continue
		}
		gap := f.At - j.Frames[i-1].At
		leastGap = min(leastGap, gap)
		if f.Action != j.Frames[i-1].Action {
			leastMove = min(leastMove, gap)
		}
	}
	if n := len(j.Frames); n > 0 {
		span = j.Frames[n-1].At - j.Frames[0].At
	}
	measures := map[string]float64{
		"frames": float64(len(j.Frames)), "least_gap_ms": ms(leastGap), "least_gap_limit_ms": ms(m.FrameGap),
		"least_move_gap_ms": ms(leastMove), "least_move_gap_limit_ms": ms(m.MoveGap), "span_ms": ms(span), "span_limit_ms": ms(m.Longest),
	}
	ok = ok && leastGap >= m.FrameGap && leastMove >= m.MoveGap && span <= m.Longest
	if j.Elapsed > 0 {
		// What the phone says it took cannot be longer than what passed here; clocks may run apart a little.
		measures["elapsed_ms"] = ms(j.Elapsed)
		ok = ok && span <= j.Elapsed+j.Elapsed/50+100*time.Millisecond
	}
	j.found(CheckTimes, ok, reasonMoves, measures)
}

func ms(d time.Duration) float64 { return float64(d.Milliseconds()) }

func (j *judge) distinct() {
	least, same := math.Inf(1), false
	for i, f := range j.Frames {
		for _, g := range j.Frames[:i] {
			least = min(least, f.Fingerprint.Apart(g.Fingerprint))
			same = same || f.Digest == g.Digest
		}
	}
	j.found(CheckDistinct, !same && least >= j.t.Moves.Same, reasonMoves, finite(map[string]float64{"least_difference": least, "limit": j.t.Moves.Same}))
	if len(j.Earlier) == 0 {
		return
	}
	least, same = math.Inf(1), false
	for _, f := range j.Frames {
		for _, e := range j.Earlier {
			least = min(least, f.Fingerprint.Apart(e.Fingerprint))
			same = same || f.Digest == e.Digest
		}
	}
	j.found(CheckDistinct, !same && least >= j.t.Moves.Same, reasonReused,
		finite(map[string]float64{"least_difference_to_earlier": least, "limit": j.t.Moves.Same}))
}

// finite leaves out measures that are none, which neither JSON nor a reader can use.
func finite(m map[string]float64) map[string]float64 {
	maps.DeleteFunc(m, func(_ string, v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
	return m
}

// leastPresence is how sure the mesh has to be that it lies on a face.
const leastPresence = 0.5

// faces reports whether every frame shows a face, so that the rest can be judged.
func (j *judge) faces() bool {
	without, several, largest := 0, 0, 0.0
	for _, f := range j.Frames {
		if len(f.Faces) == 0 || f.Presence < leastPresence || len(f.Landmarks) != 68 || len(f.Mesh) != 468 || f.Embedding.Zero() {
			without++
			continue
		}
		second := 0.0
		for _, b := range f.Faces[1:] {
			second = max(second, b.H/f.Faces[0].H)
		}
		largest = max(largest, second)
		if second >= j.t.Moves.SecondFace {
			several++
		}
	}
	j.found(CheckFaces, without == 0 && len(j.Frames) > 0, reasonNoFace, map[string]float64{"frames_without": float64(without)})
	if several > 0 || largest > 0 {
		j.found(CheckFaces, several == 0, reasonTwoFaces,
			map[string]float64{"frames_with_several": float64(several), "second_face": largest, "second_face_limit": j.t.Moves.SecondFace})
	}
	return without == 0 && len(j.Frames) > 0
}

// rest finds the frontal frames at rest, and the eyes' own opening in them.
func (j *judge) rest() {
	m := j.t.Moves
	var opening []float64
	for i, f := range j.Frames {
		if f.Action == Neutral && math.Abs(f.Pose.Turn) <= m.Rest && f.Pose.Mouth <= m.Closed {
			j.frontal = append(j.frontal, i)
			opening = append(opening, f.Pose.Eyes)
		}
	}
	if len(j.frontal) > 0 {
		slices.Sort(opening)
		j.eyes = opening[len(opening)/2]
		// Frames in which the eyes happened to close are no portrait.
		j.frontal = slices.DeleteFunc(j.frontal, func(i int) bool { return j.Frames[i].Pose.Eyes < m.Blink*j.eyes })
		j.resting = j.Frames[j.frontal[len(j.frontal)/2]].Mesh
	}
	j.found(CheckRest, len(j.frontal) >= m.Neutral, reasonMoves,
		map[string]float64{"frontal": float64(len(j.frontal)), "limit": float64(m.Neutral), "eyes": j.eyes})
}

func (j *judge) still() {
	var held time.Duration
	others := 0
	for _, f := range j.Frames {
		if f.Action != Neutral {
			others++
		}
	}
	if n := len(j.frontal); n > 0 {
		held = j.Frames[j.frontal[n-1]].At - j.Frames[j.frontal[0]].At
	}
	j.found(CheckStill, others == 0 && held >= j.t.Moves.Still, reasonMoves,
		map[string]float64{"held_ms": ms(held), "limit_ms": ms(j.t.Moves.Still), "other_frames": float64(others)})
}

// moves judges each run of frames of one move, in the order of the frames.
func (j *judge) moves() {
	ask := slices.DeleteFunc(slices.Clone(j.Ask), func(a Action) bool { return a == Neutral })
	var made []Action
	for i := 0; i < len(j.Frames); {
		end := i + 1
		for end < len(j.Frames) && j.Frames[end].Action == j.Frames[i].Action {
			end++
		}
		if action := j.Frames[i].Action; action != Neutral {
			made = append(made, action)
			j.move(len(made), action, j.Frames[i:end])
		}
		i = end
	}
	j.found(CheckOrder, len(ask) > 0 && slices.Equal(ask, made), reasonMoves,
		map[string]float64{"asked": float64(len(ask)), "made": float64(len(made))})
}

// move judges one move by the frame that shows it best.
func (j *judge) move(number int, action Action, frames []Frame) {
	m := j.t.Moves
	best, ok := math.Inf(-1), false
	measures := map[string]float64{"move": float64(number)}
	for _, f := range frames {
		var value, margin float64
		here := map[string]float64{}
		flat, relief, fits := flatten(j.resting, f.Mesh)
		switch action {
		case TurnLeft, TurnRight:
			value = f.Pose.Turn
			yaw := f.Pose.Yaw
			if action == TurnRight {
				value, yaw = -value, -yaw
			}
			here["turn"], here["limit"], here["yaw_degrees"], here["relief"], here["relief_limit"] = value, m.Turn, yaw, relief, m.Relief
			// Nose and depth have to agree on the direction, and the points must not be those of a flat picture.
			margin = min(value-m.Turn, relief-m.Relief)
			if yaw <= 0 || !fits {
				margin = min(margin, -1)
			}
		case MouthOpen:
			// Measured as it would be on the face at rest: stretching a picture opens no mouth.
			value = mouthOf(flat)
			here["mouth"], here["limit"] = value, m.Mouth
			margin = value - m.Mouth
		case Blink:
			value = 1.0
			if j.eyes > 0 {
				value = eyesOf(flat) / j.eyes
			}
			here["eyes_left"], here["limit"] = value, m.Blink
			margin = m.Blink - value
		default:
			margin = -1
		}
		if (action == MouthOpen || action == Blink) && !fits {
			margin = -1
		}
		if margin > best {
			best = margin
			maps.Copy(measures, here)
		}
	}
	ok = best >= 0
	j.found(CheckMove, ok, reasonMoves, finite(measures))
}

// template makes the person out of the frontal frames: those in the middle of their time, so that neither the first
// look nor the beginning of a move is among them.
func (j *judge) template() error {
	if j.Alternative == PersonLooks {
		for i, f := range j.Frames {
			if !f.Embedding.Zero() && math.Abs(f.Pose.Turn) <= j.t.Moves.Rest {
				j.frontal = append(j.frontal, i)
			}
		}
	}
	chosen := j.frontal
	if extra := len(chosen) - mostForTemplate; extra > 0 {
		chosen = chosen[extra/2 : extra/2+mostForTemplate]
	}
	if len(chosen) == 0 {
		return nil
	}
	var of []Embedding
	for _, i := range chosen {
		of = append(of, j.Frames[i].Embedding)
	}
	var err error
	j.r.Template, err = Mean(of)
	j.r.Chosen = slices.Clone(chosen)
	return err
}

func (j *judge) continuity() error {
	if j.r.Template.Zero() {
		return nil // said by CheckRest
	}
	ok := true
	measures := map[string]float64{"limit": j.t.Continuity, "turned_limit": j.t.ContinuityTurned}
	for _, f := range j.Frames {
		d, err := Distance(f.Embedding, j.r.Template)
		if err != nil {
			return err
		}
		name, limit := "most", j.t.Continuity
		if math.Abs(f.Pose.Turn) > j.t.Moves.Rest {
			name, limit = "turned_most", j.t.ContinuityTurned
		}
		measures[name] = max(measures[name], d)
		ok = ok && d <= limit
	}
	j.found(CheckContinuity, ok, reasonMoves, finite(measures))
	return nil
}

func (j *judge) portrait() error {
	switch {
	case j.Portrait == nil:
		j.found(CheckPortrait, false, reasonNoPortrait, nil)
		return nil
	case j.r.Template.Zero():
		return nil
	}
	m, err := Compare(j.r.Template, *j.Portrait, j.t)
	if err != nil {
		return err
	}
	j.r.Compared, j.r.Distance = true, m.Distance
	measures := finite(map[string]float64{"distance": m.Distance, "accept": j.t.Accept, "reject": j.t.Reject})
	j.found(CheckPortrait, m.Verdict != Fail, reasonMismatch, measures)
	if m.Verdict == Review {
		j.r.Findings[len(j.r.Findings)-1].Verdict = checks.Unsure
		if j.r.Verdict == Pass {
			j.r.Verdict = Review
		}
	}
	return nil
}
