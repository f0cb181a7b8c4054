package face_test

import (
	"bytes"
	"errors"
	"image/jpeg"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/symbolon/symbolon/checks"
	"github.com/symbolon/symbolon/checks/face"
	"github.com/symbolon/symbolon/checks/face/facetest"
)

var asked = []face.Action{face.Neutral, face.TurnRight, face.Blink, face.TurnLeft, face.MouthOpen}

// scene is everything that the tests of Judge look at: examined once, since that takes time.
type scene struct {
	honest             face.Attempt
	portrait, stranger *face.Portrait
	strangerAtRest     face.Observation
	two, empty         face.Observation
	flat               []face.Observation // the still, held up: straight, shifted, leaning, squeezed to each side
	again, mirrored    face.Observation   // the second frame of honest, saved again; mirrored
	still              face.Attempt       // looks straight ahead
}

func observe(t *testing.T) *scene {
	t.Helper()
	e := engine(t, face.MobileFaceNet)
	onceScene.Do(func() {
		s := &scene{}
		still := facetest.Still(t)
		a := actor(t, still)
		look := func(b []byte) face.Observation {
			o, err := e.Look(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			return o
		}
		portrait := func(of []byte) *face.Portrait {
			document, err := facetest.Document(of)
			if err != nil {
				t.Fatal(err)
			}
			m, err := jpeg.Decode(bytes.NewReader(document))
			if err != nil {
				t.Fatal(err)
			}
			p, ok, err := e.Portrait(t.Context(), m)
			if err != nil || !ok {
				t.Fatalf("no portrait was found: %v", err)
			}
			return &p
		}
		s.portrait = portrait(still)
		other := facetest.Strangers(t)[0].JPEG
		s.stranger = portrait(other)
		s.strangerAtRest = look(other)
		s.two = look(facetest.Beside(t, still, other))
		s.empty = look(a.Flat(320, 240, 5, 0, 1, 1))
		sent := a.Attempt(asked)
		for _, f := range sent {
			s.honest.Frames = append(s.honest.Frames, face.Frame{Action: f.Action, At: f.At, Observation: look(f.JPEG)})
		}
		s.honest.Ask, s.honest.Portrait, s.honest.Elapsed = asked, s.portrait, 20*time.Second
		m, err := jpeg.Decode(bytes.NewReader(sent[1].JPEG))
		if err != nil {
			t.Fatal(err)
		}
		s.again = look(facetest.Encode(m, 60))
		s.mirrored = look(facetest.Encode(facetest.Mirror(m), 90))
		for i, f := range []struct{ shift, lean, squeeze float64 }{
			{0, 0, 1}, {0.02, 0.01, 1}, {-0.03, 0.2, 1}, {0, -0.2, 1}, {0, 0, 0.75}, {0, 0.1, 0.6}, {0, 0.05, 1.6},
		} {
			s.flat = append(s.flat, look(a.Flat(320, 320, f.shift, f.lean, f.squeeze, i)))
		}
		at := time.Second
		for i := range 6 {
			s.still.Frames = append(s.still.Frames, face.Frame{Action: face.Neutral, At: at, Observation: look(a.JPEG(320, 320, facetest.Pose{}, 9*i))})
			at += 1050 * time.Millisecond
		}
		s.still.Alternative, s.still.Portrait = face.Still, s.portrait
		theScene = s
	})
	if theScene == nil {
		t.Fatal("the scene could not be made; the first test says why")
	}
	return theScene
}

var (
	onceScene sync.Once
	theScene  *scene
)

func limits(t *testing.T) face.Thresholds {
	t.Helper()
	l, ok := face.Defaults(face.MobileFaceNet)
	if !ok {
		t.Fatal("there are no defaults")
	}
	return l
}

// copyOf returns an attempt whose frames can be changed.
func copyOf(a face.Attempt) face.Attempt {
	a.Frames = slices.Clone(a.Frames)
	a.Ask = slices.Clone(a.Ask)
	return a
}

// of returns the index of the n-th frame of an action.
func of(t *testing.T, a face.Attempt, action face.Action, n int) int {
	t.Helper()
	for i, f := range a.Frames {
		if f.Action == action {
			if n == 0 {
				return i
			}
			n--
		}
	}
	t.Fatalf("there is no such frame of %s", action)
	return 0
}

func TestJudge(t *testing.T) {
	s := observe(t)
	const second = time.Second
	for _, c := range []struct {
		name    string
		change  func(a *face.Attempt, l *face.Thresholds)
		verdict face.Verdict
		reasons []string
		failed  []string // the checks that fail or are unsure
	}{
		{"the right moves by the right person", func(*face.Attempt, *face.Thresholds) {}, face.Pass, nil, nil},
		{"no frames", func(a *face.Attempt, _ *face.Thresholds) { a.Frames = nil }, face.Fail,
			[]string{"liveness.failed", "face.not_detected"}, []string{face.CheckTimes, face.CheckFaces}},
		{"no face in one frame", func(a *face.Attempt, _ *face.Thresholds) { a.Frames[5].Observation = s.empty }, face.Fail,
			[]string{"face.not_detected"}, []string{face.CheckFaces}},
		{"two faces", func(a *face.Attempt, _ *face.Thresholds) { a.Frames[1].Observation = s.two }, face.Fail,
			[]string{"face.multiple"}, []string{face.CheckFaces}},
		{"somebody else's document", func(a *face.Attempt, _ *face.Thresholds) { a.Portrait = s.stranger }, face.Fail,
			[]string{"face.mismatch"}, []string{face.CheckPortrait}},
		{"neither near nor far from the portrait", func(_ *face.Attempt, l *face.Thresholds) { l.Accept = 0.0001 }, face.Review,
			nil, []string{face.CheckPortrait}},
		{"no portrait on file", func(a *face.Attempt, _ *face.Thresholds) { a.Portrait = nil }, face.Fail,
			[]string{"face.document_photo_missing"}, []string{face.CheckPortrait}},
		{"another person makes a move", func(a *face.Attempt, _ *face.Thresholds) {
			f := a.Frames[of(t, *a, face.MouthOpen, 0)]
			f.Embedding = s.strangerAtRest.Embedding
			a.Frames[of(t, *a, face.MouthOpen, 0)] = f
		}, face.Fail, []string{"liveness.failed"}, []string{face.CheckContinuity}},
		{"another person looks straight, the owner of the document moves", func(a *face.Attempt, _ *face.Thresholds) {
			for i, f := range a.Frames {
				if f.Action == face.Neutral {
					a.Frames[i].Embedding = s.strangerAtRest.Embedding
				}
			}
		}, face.Fail, []string{"liveness.failed", "face.mismatch"}, []string{face.CheckContinuity, face.CheckPortrait}},
		{"the right moves in the wrong order", func(a *face.Attempt, _ *face.Thresholds) {
			a.Ask = []face.Action{face.TurnLeft, face.Blink, face.TurnRight, face.MouthOpen}
		}, face.Fail, []string{"liveness.failed"}, []string{face.CheckOrder}},
		{"labels in the asked order, frames in another", func(a *face.Attempt, _ *face.Thresholds) {
			a.Ask = []face.Action{face.TurnLeft, face.Blink, face.TurnRight, face.MouthOpen}
			for i, f := range a.Frames {
				switch f.Action {
				case face.TurnLeft:
					a.Frames[i].Action = face.TurnRight
				case face.TurnRight:
					a.Frames[i].Action = face.TurnLeft
				}
			}
		}, face.Fail, []string{"liveness.failed"}, []string{face.CheckMove, face.CheckMove}},
		{"a move is missing", func(a *face.Attempt, _ *face.Thresholds) {
			a.Frames = slices.DeleteFunc(a.Frames, func(f face.Frame) bool { return f.Action == face.Blink })
		}, face.Fail, []string{"liveness.failed"}, []string{face.CheckOrder}},
		{"nothing was asked", func(a *face.Attempt, _ *face.Thresholds) { a.Ask = []face.Action{face.Neutral} }, face.Fail,
			[]string{"liveness.failed"}, []string{face.CheckOrder}},
		{"a move that nobody knows", func(a *face.Attempt, _ *face.Thresholds) {
			a.Ask = []face.Action{"nod"}
			for i, f := range a.Frames {
				if f.Action != face.Neutral {
					a.Frames[i].Action = "nod"
				}
			}
		}, face.Fail, []string{"liveness.failed"}, []string{face.CheckMove}},
		{"the phone lies: every move is a look straight ahead", func(a *face.Attempt, _ *face.Thresholds) {
			for i, f := range a.Frames {
				if f.Action != face.Neutral {
					a.Frames[i].Observation = s.still.Frames[i%6].Observation
				}
			}
		}, face.Fail, []string{"liveness.failed"},
			[]string{face.CheckDistinct, face.CheckMove, face.CheckMove, face.CheckMove, face.CheckMove}},
		{"a still, held up and moved", func(a *face.Attempt, _ *face.Thresholds) {
			for i := range a.Frames {
				a.Frames[i].Observation = s.flat[i%len(s.flat)]
			}
			a.Frames = a.Frames[:len(s.flat)] // four at rest, two of one move, one of another
			a.Ask = []face.Action{face.TurnRight, face.Blink}
		}, face.Fail, []string{"liveness.failed"}, []string{face.CheckMove, face.CheckMove}},
		{"a still, squeezed instead of a blink", func(a *face.Attempt, _ *face.Thresholds) {
			a.Frames[of(t, *a, face.Blink, 0)].Observation = s.flat[5]
			a.Frames[of(t, *a, face.Blink, 1)].Observation = s.flat[6]
		}, face.Fail, []string{"liveness.failed"}, []string{face.CheckMove}},
		{"the same frame twice", func(a *face.Attempt, _ *face.Thresholds) { a.Frames[2].Observation = a.Frames[1].Observation }, face.Fail,
			[]string{"liveness.failed"}, []string{face.CheckDistinct}},
		{"the same frame, saved again", func(a *face.Attempt, _ *face.Thresholds) { a.Frames[2].Observation = s.again }, face.Fail,
			[]string{"liveness.failed"}, []string{face.CheckDistinct}},
		{"the same frame, mirrored", func(a *face.Attempt, _ *face.Thresholds) { a.Frames[2].Observation = s.mirrored }, face.Fail,
			[]string{"liveness.failed"}, []string{face.CheckDistinct}},
		{"a frame of an earlier challenge", func(a *face.Attempt, _ *face.Thresholds) { a.Earlier = []face.Seen{s.again.Seen()} }, face.Fail,
			[]string{"capture.challenge_reuse"}, []string{face.CheckDistinct}},
		{"other frames in an earlier challenge", func(a *face.Attempt, _ *face.Thresholds) {
			for _, f := range s.still.Frames {
				a.Earlier = append(a.Earlier, f.Seen())
			}
		}, face.Pass, nil, nil},
		{"time runs backwards", func(a *face.Attempt, _ *face.Thresholds) { a.Frames[3].At = a.Frames[2].At - time.Millisecond }, face.Fail,
			[]string{"liveness.failed"}, []string{face.CheckTimes}},
		{"two frames at once", func(a *face.Attempt, _ *face.Thresholds) { a.Frames[3].At = a.Frames[2].At }, face.Fail,
			[]string{"liveness.failed"}, []string{face.CheckTimes}},
		{"from one move to the next in a twentieth of a second", func(a *face.Attempt, _ *face.Thresholds) {
			for i := range a.Frames {
				a.Frames[i].At = time.Duration(i) * second / 20
			}
		}, face.Fail, []string{"liveness.failed"}, []string{face.CheckTimes}},
		{"took longer than passed since it was asked", func(a *face.Attempt, _ *face.Thresholds) { a.Elapsed = 3 * second }, face.Fail,
			[]string{"liveness.failed"}, []string{face.CheckTimes}},
		{"took minutes", func(a *face.Attempt, _ *face.Thresholds) {
			a.Frames[len(a.Frames)-1].At += 5 * time.Minute
			a.Elapsed = 0
		}, face.Fail,
			[]string{"liveness.failed"}, []string{face.CheckTimes}},
		{"a time before the beginning", func(a *face.Attempt, _ *face.Thresholds) { a.Frames[0].At = -second }, face.Fail,
			[]string{"liveness.failed"}, []string{face.CheckTimes}},
		{"too few looks straight ahead", func(a *face.Attempt, _ *face.Thresholds) { a.Frames = a.Frames[2:] }, face.Fail,
			[]string{"liveness.failed"}, []string{face.CheckRest}},
		{"too many frames", func(a *face.Attempt, _ *face.Thresholds) {
			for len(a.Frames) <= 30 {
				f := a.Frames[len(a.Frames)-1]
				f.At += second / 2
				a.Frames = append(a.Frames, f)
			}
			a.Elapsed = 0
		}, face.Fail, []string{"liveness.failed"}, []string{face.CheckTimes, face.CheckDistinct}},
		{"fewer moves", func(a *face.Attempt, _ *face.Thresholds) {
			a.Alternative, a.Ask = face.FewerMoves, []face.Action{face.Neutral, face.Blink, face.MouthOpen}
			a.Frames = slices.DeleteFunc(a.Frames, func(f face.Frame) bool { return f.Action == face.TurnLeft || f.Action == face.TurnRight })
		}, face.Pass, nil, nil},
		{"keeps still", func(a *face.Attempt, _ *face.Thresholds) { *a = copyOf(s.still) }, face.Review, nil, nil},
		{"keeps still too briefly", func(a *face.Attempt, _ *face.Thresholds) {
			*a = copyOf(s.still)
			a.Frames = a.Frames[:4]
		}, face.Fail, []string{"liveness.failed"}, []string{face.CheckStill}},
		{"somebody else keeps still", func(a *face.Attempt, _ *face.Thresholds) {
			*a = copyOf(s.still)
			a.Portrait = s.stranger
		}, face.Fail, []string{"face.mismatch"}, []string{face.CheckPortrait}},
		{"a person looks at it", func(a *face.Attempt, _ *face.Thresholds) {
			a.Alternative, a.Portrait, a.Frames = face.PersonLooks, nil, a.Frames[:1]
		}, face.Review, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, l := copyOf(s.honest), limits(t)
			c.change(&a, &l)
			r, err := face.Judge(a, l)
			if err != nil {
				t.Fatal(err)
			}
			var failed []string
			for _, f := range r.Findings {
				if f.Verdict != checks.Pass {
					failed = append(failed, f.Check)
				}
			}
			if r.Verdict != c.verdict || !slices.Equal(r.Reasons, c.reasons) || !slices.Equal(failed, c.failed) {
				t.Errorf("%s %q by %q, want %s %q by %q", r.Verdict, r.Reasons, failed, c.verdict, c.reasons, c.failed)
				for _, f := range r.Findings {
					t.Logf("%s %s %v", f.Check, f.Verdict, f.Measures)
				}
			}
		})
	}
}

func TestJudgeSaysWhatItDecidedBy(t *testing.T) {
	s := observe(t)
	l := limits(t)
	r, err := face.Judge(s.honest, l)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Compared || r.Distance <= 0 || r.Distance > l.Accept || r.Accept != l.Accept || r.Reject != l.Reject {
		t.Errorf("compared %v, distance %g between %g and %g", r.Compared, r.Distance, r.Accept, r.Reject)
	}
	if r.Model != engine(t, face.MobileFaceNet).Model() || r.Template.Model != r.Model || len(r.Chosen) != 4 {
		t.Errorf("model %v, template of %v, %d frames chosen", r.Model, r.Template.Model, len(r.Chosen))
	}
	moves := 0
	for _, f := range r.Findings {
		if f.Check == face.CheckMove {
			moves++
			if f.Measures["move"] != float64(moves) || f.Measures["limit"] == 0 {
				t.Errorf("move %d has measures %v", moves, f.Measures)
			}
		}
	}
	if moves != 4 {
		t.Errorf("%d moves were measured", moves)
	}
	// The person can be held against another portrait later.
	m, err := face.Compare(r.Template, *s.stranger, l)
	if err != nil || m.Verdict != face.Fail || !slices.Equal(m.Reasons, []string{"face.mismatch"}) || m.Distance <= l.Reject {
		t.Errorf("against somebody else's portrait: %+v %v", m, err)
	}
	if m, err := face.Compare(r.Template, *s.portrait, l); err != nil || m.Verdict != face.Pass || m.Distance != r.Distance {
		t.Errorf("against the same portrait: %+v %v", m, err)
	}
}

func TestModelsAreNotMixed(t *testing.T) {
	s := observe(t)
	l := limits(t)
	for name, change := range map[string]func(a *face.Attempt){
		"a portrait of another model": func(a *face.Attempt) {
			p := *a.Portrait
			p.Embedding.Model.Hash = "another"
			a.Portrait = &p
		},
		"a frame of another model": func(a *face.Attempt) { a.Frames[3].Embedding.Model.Name = face.Dlib },
	} {
		a := copyOf(s.honest)
		change(&a)
		if r, err := face.Judge(a, l); !errors.Is(err, face.ErrOtherModel) {
			t.Errorf("%s: %s %v", name, r.Verdict, err)
		}
	}
	one, other := s.portrait.Embedding, s.portrait.Embedding
	other.Model.Metric = face.Euclid
	if _, err := face.Distance(one, other); !errors.Is(err, face.ErrOtherModel) {
		t.Errorf("Distance: %v", err)
	}
	if _, err := face.Mean([]face.Embedding{one, other}); !errors.Is(err, face.ErrOtherModel) {
		t.Errorf("Mean: %v", err)
	}
	if _, err := face.Compare(face.Embedding{}, *s.portrait, l); !errors.Is(err, face.ErrOtherModel) {
		t.Errorf("nobody against a portrait: %v", err)
	}
}
