package face

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/jpeg"
	"io/fs"
	"math"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/symbolon/symbolon/checks"
)

// TestTheQueueIsBounded: as many wait as there is room for, the next is told at once, and who gives up makes room.
func TestTheQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &Engine{workers: make(chan *scratch, 1), queue: 2}
		e.workers <- &scratch{}
		busy, err := e.hold(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		impatient, giveUp := context.WithCancel(t.Context())
		var waiting sync.WaitGroup
		errs := make([]error, 2)
		for i, ctx := range []context.Context{t.Context(), impatient} {
			waiting.Go(func() {
				s, err := e.hold(ctx)
				if errs[i] = err; err == nil {
					e.workers <- s
				}
			})
		}
		synctest.Wait()
		if _, err := e.hold(t.Context()); !errors.Is(err, ErrBusy) {
			t.Errorf("the third to wait: %v", err)
		}
		if _, err := e.LookAll(t.Context(), [][]byte{nil}); !errors.Is(err, ErrBusy) {
			t.Errorf("frames behind a full queue: %v", err)
		}
		giveUp()
		synctest.Wait()
		late, stop := context.WithCancel(t.Context())
		var last error
		waiting.Go(func() { _, last = e.hold(late) })
		synctest.Wait()
		stop()
		synctest.Wait()
		e.workers <- busy
		waiting.Wait()
		if errs[0] != nil || !errors.Is(errs[1], context.Canceled) || !errors.Is(last, context.Canceled) {
			t.Errorf("the patient one: %v; the impatient ones: %v, %v", errs[0], errs[1], last)
		}
		if _, err := e.Look(late, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("a call that is over already: %v", err)
		}
		if e.waiting.Load() != 0 || len(e.workers) != 1 {
			t.Errorf("%d wait and %d workers are free at the end", e.waiting.Load(), len(e.workers))
		}
	})
}

func TestLookAllKeepsOrderAndNamesTheFirstError(t *testing.T) {
	e, err := Open(MobileFaceNet, Options{Workers: 2})
	if err != nil {
		absent(t, err)
	}
	small := func(w int) []byte { return tinyJPEG(t, w, 20) }
	all, err := e.LookAll(t.Context(), [][]byte{small(10), small(20), small(30), small(40)})
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range all {
		if o.Width != 10*(i+1) {
			t.Errorf("frame %d is %d wide", i, o.Width)
		}
	}
	if _, err := e.LookAll(t.Context(), [][]byte{small(10), []byte("none"), small(30)}); !errors.Is(err, ErrUnreadable) {
		t.Errorf("an unreadable frame: %v", err)
	}
	if out, err := e.LookAll(t.Context(), nil); err != nil || len(out) != 0 {
		t.Errorf("no frames: %v %v", out, err)
	}
	if len(e.workers) != 2 {
		t.Errorf("%d workers came back", len(e.workers))
	}
}

// mesh468 is a made-up face: points all over an oval, eyes and lips where they belong, with a depth.
func mesh468() (points []Point, depth []float64) {
	points, depth = make([]Point, 468), make([]float64, 468)
	for i := range points {
		angle, r := float64(i)*2.39996, math.Sqrt(float64(i)/468)
		x, y := 70*r*math.Cos(angle), 95*r*math.Sin(angle)
		points[i] = Point{100 + x, 120 + y}
		depth[i] = 60 * math.Sqrt(1-r*r)
	}
	set := func(i int, x, y float64) { points[i] = Point{x, y} }
	for _, e := range [][7]float64{{33, 133, 159, 145, 158, 153, 50}, {263, 362, 386, 374, 385, 380, 120}} {
		x := e[6]
		set(int(e[0]), x, 100)
		set(int(e[1]), x+30, 100)
		set(int(e[2]), x+12, 95)
		set(int(e[3]), x+12, 105)
		set(int(e[4]), x+18, 95)
		set(int(e[5]), x+18, 105)
	}
	set(78, 80, 165)
	set(308, 120, 165)
	set(13, 100, 164)
	set(14, 100, 165)
	return points, depth
}

// TestFlatPicturesHaveNoRelief moves a picture of a face in all ways in which a flat thing moves, and a face that
// has a depth by turning it.
func TestFlatPicturesHaveNoRelief(t *testing.T) {
	rest, depth := mesh468()
	limit := DefaultMoves()
	for name, m := range map[string][6]float64{
		"shifted":  {1, 0, 30, 0, 1, -12},
		"larger":   {1.7, 0, 0, 0, 1.7, 0},
		"turned":   {0.8, -0.6, 5, 0.6, 0.8, 5},
		"sheared":  {1, 0.4, 0, -0.1, 1, 0},
		"squeezed": {0.4, 0, 0, 0, 1, 0},
		"lowered":  {1, 0, 0, 0, 0.45, 0},
	} {
		moved := make([]Point, len(rest))
		for i, p := range rest {
			moved[i] = Point{m[0]*p.X + m[1]*p.Y + m[2], m[3]*p.X + m[4]*p.Y + m[5]}
		}
		flat, relief, ok := flatten(rest, moved)
		if !ok || relief > 1e-9 {
			t.Errorf("%s: a relief of %g", name, relief)
		}
		if e := eyesOf(flat); math.Abs(e-eyesOf(rest)) > 1e-9 {
			t.Errorf("%s: the eyes' opening became %g, from %g", name, e, eyesOf(rest))
		}
		if o := mouthOf(flat); math.Abs(o-mouthOf(rest)) > 1e-9 {
			t.Errorf("%s: the mouth's opening became %g, from %g", name, o, mouthOf(rest))
		}
	}
	sin, cos := math.Sincos(20 * math.Pi / 180)
	turned := make([]Point, len(rest))
	for i, p := range rest {
		turned[i] = Point{100 + (p.X-100)*cos + depth[i]*sin, p.Y}
	}
	if _, relief, ok := flatten(rest, turned); !ok || relief < limit.Relief {
		t.Errorf("a head turned by 20 degrees has a relief of %g, the limit is %g", relief, limit.Relief)
	}
	for name, bad := range map[string][]Point{"no points": nil, "one point": make([]Point, 468)} {
		if _, _, ok := flatten(rest, bad); ok {
			t.Errorf("%s were flattened", name)
		}
		if _, _, ok := flatten(bad, rest); ok {
			t.Errorf("something was flattened to %s", name)
		}
	}
}

// TestJudgeStandsAnything gives Judge observations that no engine makes: they come from memory, never from outside, but
// a decision must not panic or pass by what it cannot read.
func TestJudgeStandsAnything(t *testing.T) {
	l, _ := Defaults(MobileFaceNet)
	nan := Observation{Faces: []Box{{W: math.NaN(), H: math.NaN()}}, Landmarks: make([]Point, 68), Mesh: make([]Point, 468),
		Presence: 1, Pose: Pose{Turn: math.NaN(), Eyes: math.NaN(), Mouth: math.NaN()}, Embedding: Embedding{Vector: []float32{float32(math.NaN())}}}
	for name, o := range map[string]Observation{"nothing": {}, "no numbers": nan} {
		var a Attempt
		for i := range 6 {
			a.Frames = append(a.Frames, Frame{Action: Neutral, At: ms1000(i), Observation: o})
		}
		a.Frames[5].Action = TurnLeft
		a.Ask = []Action{TurnLeft}
		a.Portrait = &Portrait{Embedding: nan.Embedding}
		r, err := Judge(a, l)
		if err != nil {
			t.Fatal(err)
		}
		if r.Verdict != Fail {
			t.Errorf("%s: %s", name, r.Verdict)
		}
		for _, f := range r.Findings {
			for m, v := range f.Measures {
				if (math.IsNaN(v) || math.IsInf(v, 0)) && f.Verdict == checks.Pass {
					t.Errorf("%s: %s passed with %s of %g", name, f.Check, m, v)
				}
			}
		}
	}
}

func FuzzReadHead(f *testing.F) {
	f.Add([]byte("\xff\xd8\xff\xd9"))
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x22Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00\xff\xda\x00\x02\xff\xd9"))
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x22Exif\x00\x00MM\x00*\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, ok := readHead(b)
		if h.orientation < 1 || h.orientation > 8 || h.scans < 0 || h.scans > len(b) {
			t.Errorf("%+v %v", h, ok)
		}
		if p, err := decodeFrame(b); err == nil && (p.w <= 0 || p.h <= 0 || max(p.w, p.h) > frameSide || len(p.rgb) != 3*p.w*p.h) {
			t.Errorf("a picture of %d by %d with %d bytes", p.w, p.h, len(p.rgb))
		}
	})
}

const tinyGraph = `{"modelTopology":{"node":[
{"name":"in","op":"Placeholder","attr":{"shape":{"shape":{"dim":[{"size":"-1"},{"size":"16"},{"size":"16"},{"size":"3"}]}}}},
{"name":"w","op":"Const"},{"name":"b","op":"Const"},{"name":"axes","op":"Const"},
{"name":"c","op":"_FusedConv2D","input":["in","w","b"],"attr":{"strides":{"list":{"i":["1","2","2","1"]}},"padding":{"s":"U0FNRQ=="},"fused_ops":{"list":{"s":["Qmlhc0FkZA==","UmVsdQ=="]}}}},
{"name":"abs","op":"Abs","input":["c"]},{"name":"sub","op":"Sub","input":["c","abs"]},{"name":"mul","op":"Mul","input":["sub","b"]},
{"name":"relu","op":"Relu","input":["c"]},{"name":"p","op":"Add","input":["relu","mul"]},
{"name":"pool","op":"MaxPool","input":["p"],"attr":{"ksize":{"list":{"i":["1","2","2","1"]}},"strides":{"list":{"i":["1","2","2","1"]}},"padding":{"s":"VkFMSUQ="}}},
{"name":"out","op":"Mean","input":["pool","axes"]}]},
"weightsManifest":[{"paths":["w.bin"],"weights":[{"name":"w","shape":[1,1,3,2],"dtype":"float32"},{"name":"b","shape":[2],"dtype":"float32"},{"name":"axes","shape":[2],"dtype":"int32"}]}]}`

// FuzzGraph reads models that an operator may bring, and runs those that can be read, as Open does.
func FuzzGraph(f *testing.F) {
	bin := []byte{0, 0, 128, 63, 0, 0, 0, 64, 0, 0, 0, 191, 0, 0, 128, 63, 0, 0, 0, 0, 0, 0, 128, 63, 0, 0, 0, 63, 0, 0, 128, 190, 1, 0, 0, 0, 2, 0, 0, 0}
	f.Add([]byte(tinyGraph), bin)
	f.Fuzz(func(t *testing.T, text, bin []byte) {
		var hash digest
		g, err := openGraph(fstest.MapFS{"m.json": {Data: text}, "w.bin": {Data: bin}}, "m.json", &hash, "out")
		if err != nil || g.side > 64 {
			return
		}
		defer func() { _ = recover() }() // sizes that do not fit: Open makes an error of it
		s := &scratch{}
		g.run(s, s.tensor(g.side, g.side, 3))
	})
}

func TestGraphComputes(t *testing.T) {
	var hash digest
	from := fstest.MapFS{"m.json": {Data: []byte(tinyGraph)}, "w.bin": {Data: []byte{
		0, 0, 128, 63, 0, 0, 0, 64, 0, 0, 0, 191, 0, 0, 128, 63, 0, 0, 0, 0, 0, 0, 128, 63, 0, 0, 0, 63, 0, 0, 128, 190, 1, 0, 0, 0, 2, 0, 0, 0}}}
	g, err := openGraph(from, "m.json", &hash, "out")
	if err != nil {
		t.Fatal(err)
	}
	s := &scratch{}
	x := s.tensor(16, 16, 3)
	for i := range x.d {
		x.d[i] = float32(i%3) + 1 // every pixel is 1, 2, 3
	}
	out := g.run(s, x)
	// The weights are (1, 2), (-0.5, 1), (0, 1) for each channel, the bias 0.5 and -0.25: 1 - 1 + 0 + 0.5, and 2 + 2 + 3 - 0.25.
	if got := out[0].d; len(got) != 2 || got[0] != 0.5 || got[1] != 6.75 {
		t.Errorf("%v", got)
	}
	// What is lent comes back: a second run needs nothing new.
	s.back(out[0])
	before := len(s.free)
	s.back(g.run(s, x)[0])
	if len(s.free) != before {
		t.Errorf("%d pieces of memory after one run, %d after two", before, len(s.free))
	}
	if _, err := openGraph(from, "gone.json", &hash, "out"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func ms1000(i int) time.Duration { return time.Duration(i) * time.Second }

func tinyJPEG(t *testing.T, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, w, h)), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
