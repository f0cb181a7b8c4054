package face

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"image"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Engine holds the networks. It may be used by any number of goroutines; it starts none of its own that outlive
// a call.
type Engine struct {
	detector   *detector
	landmarker *landmarker
	mesher     *mesher
	embedder   embedder
	thresholds Thresholds

	workers chan *scratch // each is one picture's worth of memory; whoever holds one may compute
	waiting atomic.Int64
	queue   int64
}

// Open reads the networks and the embedder of that name: MobileFaceNet, Dlib, or the path of a YAML file that
// describes the operator's own (docs/face.md). It fails with ErrNoWeights where the program was built
// without them. Each network runs once, so that what cannot work fails here.
func Open(name string, opt Options) (*Engine, error) {
	from := opt.Weights
	if from == nil {
		from = Weights()
	}
	if gone := missing(from, name); len(gone) > 0 {
		return nil, fmt.Errorf("%w: %s; run make weights and build the program again", ErrNoWeights, strings.Join(gone, ", "))
	}
	if opt.Workers <= 0 {
		opt.Workers = runtime.GOMAXPROCS(0)
	}
	if opt.Queue <= 0 {
		opt.Queue = 64
	}
	e := &Engine{workers: make(chan *scratch, opt.Workers), queue: int64(opt.Queue)}
	for range opt.Workers {
		e.workers <- &scratch{}
	}
	if err := e.open(from, name); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *Engine) open(from fs.FS, name string) (err error) {
	var hash digest // of the networks that make no embeddings: nobody keeps it
	if e.detector, err = openDetector(from, &hash); err != nil {
		return err
	}
	if e.landmarker, err = openLandmarker(from, &hash); err != nil {
		return err
	}
	if e.mesher, err = openMesher(from, &hash); err != nil {
		return err
	}
	if e.embedder, e.thresholds, err = openEmbedder(from, name); err != nil {
		return err
	}
	return e.try()
}

// try runs mesh and embedder on an empty picture: sizes in their files that do not fit stop the run, and become
// an error here. The structure of the other two is ours, and their sizes were compared when they were read.
func (e *Engine) try() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errModel, p)
		}
	}()
	s := <-e.workers
	defer func() { e.workers <- s }()
	empty := &pixels{w: 16, h: 16, rgb: make([]byte, 3*16*16)}
	points := make([]Point, 68)
	for i := range points {
		points[i] = Point{float64(i % 16), float64(i / 5)}
	}
	if mesh, _, _ := e.mesher.find(s, empty, points); len(mesh) != 468 {
		return fmt.Errorf("%w: the mesh has %d points", errModel, len(mesh))
	}
	v := e.embed(s, empty, points)
	if len(v.Vector) < 16 || len(v.Vector) > 4096 {
		return fmt.Errorf("%w: an embedding has %d numbers", errModel, len(v.Vector))
	}
	return nil
}

// Model returns the model whose embeddings the engine makes.
func (e *Engine) Model() Model { return e.embedder.model() }

// Thresholds returns the defaults for the engine's model: those of Defaults, or those of the operator's own file.
func (e *Engine) Thresholds() Thresholds { return e.thresholds }

// hold waits for a free worker and returns its memory; the caller gives it back to e.workers.
func (e *Engine) hold(ctx context.Context) (*scratch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case s := <-e.workers:
		return s, nil
	default:
	}
	if e.waiting.Add(1) > e.queue {
		e.waiting.Add(-1)
		return nil, ErrBusy
	}
	defer e.waiting.Add(-1)
	select {
	case s := <-e.workers:
		return s, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Look examines one JPEG frame: at most MaxFrameBytes and MaxFramePixels, turned upright as its EXIF data say.
// A frame without a face is an observation without Faces, not an error. It waits for a free worker as long
// as ctx allows. Errors: ErrTooLarge, ErrUnreadable, ErrBusy, ctx's.
func (e *Engine) Look(ctx context.Context, jpeg []byte) (Observation, error) {
	s, err := e.hold(ctx)
	if err != nil {
		return Observation{}, err
	}
	defer func() { e.workers <- s }()
	return e.look(s, jpeg)
}

func (e *Engine) look(s *scratch, jpeg []byte) (Observation, error) {
	o := Observation{Digest: sha256.Sum256(jpeg)}
	p, err := decodeFrame(jpeg)
	if err != nil {
		return o, err
	}
	o.Width, o.Height, o.Fingerprint = p.w, p.h, p.fingerprint()
	if min(p.w, p.h) < smallestSide {
		return o, nil
	}
	for _, size := range frameSizes {
		here := e.detector.find(s, p, size)
		if len(here) > 0 && (len(o.Faces) == 0 || here[0].Score > o.Faces[0].Score) {
			o.Faces = here
		}
		if len(o.Faces) > 0 && o.Faces[0].Score >= sureScore {
			break
		}
	}
	if len(o.Faces) == 0 {
		return o, nil
	}
	slices.SortStableFunc(o.Faces, largerFirst)
	o.Landmarks = e.landmarker.find(s, p, o.Faces[0])
	o.Mesh, o.Pose, o.Presence = e.mesher.find(s, p, o.Landmarks)
	o.Embedding = e.embed(s, p, o.Landmarks)
	return o, nil
}

// The sizes at which faces are looked for. The detector knows faces of some sizes only: of one that is too large for
// it, it takes a part for a face, but is not sure. So the size at which it is surest counts. A frame of a challenge is
// filled by a face, which is found at 224; a document's photo holds a small one, and sometimes little else.
var (
	frameSizes    = []int{224, 320, 160, 416}
	portraitSizes = []int{416, 320, 224, 160}
)

// smallestSide is that of a picture which may show a face.
const smallestSide = 48

func largerFirst(a, b Box) int { return cmp.Compare(b.area(), a.area()) }

// embed makes the embedding of a face: the mean of the picture's and of its mirror image's, which takes out
// some of the light's direction.
func (e *Engine) embed(s *scratch, p *pixels, landmarks []Point) Embedding {
	side := e.embedder.side()
	in := s.tensor(side, side, 3)
	defer s.back(in)
	p.sample(in, e.embedder.crop(landmarks))
	other := s.copyOf(in)
	defer s.back(other)
	flip(other)
	v, w := e.embedder.embed(s, in), e.embedder.embed(s, other)
	for i := range v {
		v[i] = (v[i] + w[i]) / 2
	}
	m := e.embedder.model()
	if m.Metric == Cosine {
		normalise(v)
	}
	return Embedding{m, v}
}

// LookAll examines the frames of an attempt, on as many workers as are free, and returns what it saw in their
// order. It stops at the first error, which is that of the earliest frame that had one.
func (e *Engine) LookAll(ctx context.Context, jpegs [][]byte) ([]Observation, error) {
	// One worker is waited for; the others help if they are free.
	first, err := e.hold(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Observation, len(jpegs))
	errs := make([]error, len(jpegs))
	var next atomic.Int64
	work := func(s *scratch) {
		defer func() { e.workers <- s }()
		for {
			i := int(next.Add(1)) - 1
			if i >= len(jpegs) {
				return
			}
			if errs[i] = ctx.Err(); errs[i] == nil {
				out[i], errs[i] = e.look(s, jpegs[i])
			}
			if errs[i] != nil {
				next.Store(int64(len(jpegs)))
				return
			}
		}
	}
	var helpers sync.WaitGroup
more:
	for range min(cap(e.workers), len(jpegs)) - 1 {
		select {
		case s := <-e.workers:
			helpers.Go(func() { work(s) })
		default:
			break more
		}
	}
	work(first)
	helpers.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Portrait finds the largest face on the photo of a document, whichever way up it lies, and
// whether it found one. Errors: ErrBusy, ctx's.
func (e *Engine) Portrait(ctx context.Context, photo image.Image) (Portrait, bool, error) {
	s, err := e.hold(ctx)
	if err != nil {
		return Portrait{}, false, err
	}
	defer func() { e.workers <- s }()
	upright := pixelsOf(photo, portraitSide)
	if min(upright.w, upright.h) < smallestSide {
		return Portrait{}, false, nil
	}
	// A document may lie on its side. A face upside down is sometimes taken for one, but never surely; so whatever
	// is not sure is looked at from all four sides, and the surest counts.
	var best Portrait
	found := false
	for _, quarters := range []int{0, 1, 3, 2} {
		p := upright
		if quarters > 0 {
			p = upright.turned(quarters)
		}
		if here, ok := e.portrait(s, p); ok && here.Box.Score > best.Box.Score {
			best, found = here, true
			best.Quarters = quarters
		}
		if best.Box.Score >= sureScore {
			break
		}
		if err := ctx.Err(); err != nil {
			return Portrait{}, false, err
		}
	}
	return best, found, nil
}

// How sure a portrait has to be: an emblem, or a face that lies on its side, is easily taken for one. Nothing else is
// looked for beside a sure face.
const (
	portraitScore    = 0.5
	portraitPresence = 0.5
	sureScore        = 0.8
)

// portrait finds the upright face of which detector and mesh are surest, or a larger one of which they are nearly as
// sure: passports repeat the portrait, small and pale.
func (e *Engine) portrait(s *scratch, p *pixels) (best Portrait, ok bool) {
	var all []Box
	for _, size := range portraitSizes {
		all = append(all, e.detector.find(s, p, size)...)
	}
	slices.SortStableFunc(all, surerFirst)
	var points []Point
	for _, b := range all[:min(16, len(all))] {
		if b.Score < portraitScore || ok && (b.Score < 0.8*best.Box.Score || b.area() <= 1.5*best.Box.area() || shared(b, best.Box) > 0.1) {
			continue
		}
		here := e.landmarker.find(s, p, b)
		if _, _, presence := e.mesher.find(s, p, here); presence >= portraitPresence {
			points, ok = here, true
			best = Portrait{Box: b, Width: p.w, Height: p.h, Presence: presence}
		}
	}
	if ok {
		best.Embedding = e.embed(s, p, points)
	}
	return best, ok
}
