package face

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

// embedder makes a vector of a face.
type embedder interface {
	model() Model
	// side is that of the square picture it looks at.
	side() int
	// crop says where that picture lies, by 68 landmarks.
	crop(landmarks []Point) frame
	// embed looks at the square picture, of values from 0 to 255, which it changes.
	embed(s *scratch, x *tensor) []float32
}

// openEmbedder opens one of the two that come with the program, or an operator's own by the path of its file.
func openEmbedder(from fs.FS, name string) (embedder, Thresholds, error) {
	own, known := Defaults(name)
	var hash digest
	switch name {
	case MobileFaceNet:
		n, err := openGraph(from, fileMobile+".json", &hash, "embeddings")
		if err != nil {
			return nil, own, err
		}
		m := Model{Name: name, Hash: hash.hex(), Metric: Cosine}
		return &graphEmbedder{m, n, Preparation{Align: AlignFive, Mean: 127.5, Scale: 1.0 / 128}}, own, nil
	case Dlib:
		n, err := openDlib(from, &hash)
		if err != nil {
			return nil, own, err
		}
		return &dlibEmbedder{Model{Name: name, Hash: hash.hex(), Metric: Euclid}, n}, own, nil
	}
	if known {
		return nil, own, fmt.Errorf("face: nothing opens %s", name) // a model was added to Defaults only
	}
	return openOwn(name)
}

// dlibEmbedder is face-api's: the eyes are brought level, the picture reaches from brow to chin.
type dlibEmbedder struct {
	m   Model
	net *dlibNet
}

func (e *dlibEmbedder) model() Model { return e.m }
func (e *dlibEmbedder) side() int    { return dlibSide }

func (e *dlibEmbedder) crop(landmarks []Point) frame {
	l, r := eyes(landmarks)
	mouth := middle(landmarks[48:68])
	side := (apart(l, mouth) + apart(r, mouth)) / 2 / 0.45
	c := middle([]Point{l, r, mouth})
	angle := roll(landmarks)
	sin, cos := math.Sincos(angle)
	down := 0.07 * side // the three points' middle stands 43 % of the way down
	return around(Point{c.X - sin*down, c.Y + cos*down}, side, angle, dlibSide)
}

func (e *dlibEmbedder) embed(s *scratch, x *tensor) []float32 {
	out := e.net.run(s, x)
	defer s.back(out)
	return bytesOf(out.d)
}

func bytesOf(d []float32) []float32 { return append([]float32(nil), d...) }

// Align is how a face is laid into the square that a model looks at.
type Align string

// AlignFive lays the eyes, the tip of the nose and the corners of the mouth on the places that networks of the
// ArcFace family are trained with.
const AlignFive Align = "arcface"

// Preparation is what happens to a picture before a model sees it. Models work only with the one that they were
// trained with, so it is part of the model's hash.
type Preparation struct {
	Align Align   `yaml:"align"`
	Mean  float32 `yaml:"mean"`  // taken off every value from 0 to 255
	Scale float32 `yaml:"scale"` // then every value is multiplied by it
	BGR   bool    `yaml:"bgr"`   // blue comes first
}

// graphEmbedder is a TensorFlow.js model whose only result is the vector.
type graphEmbedder struct {
	m       Model
	net     *graph
	prepare Preparation
}

func (e *graphEmbedder) model() Model { return e.m }
func (e *graphEmbedder) side() int    { return e.net.side }

// five are the places of the five points on a square of 112 pixels, for eyes, nose and corners of the mouth.
var five = [5]Point{{38.2946, 51.6963}, {73.5318, 51.5014}, {56.0252, 71.7366}, {41.5493, 92.3655}, {70.7299, 92.2041}}

// crop is the turned square for which the five points lie nearest to their places (least squares).
func (e *graphEmbedder) crop(landmarks []Point) frame {
	l, r := eyes(landmarks)
	have := [5]Point{l, r, landmarks[30], landmarks[48], landmarks[54]}
	k := float64(e.net.side) / 112
	from, to := middle(five[:]), middle(have[:])
	from = Point{from.X * k, from.Y * k}
	var a, b, sum float64
	for i := range five {
		x, y := five[i].X*k-from.X, five[i].Y*k-from.Y
		u, v := have[i].X-to.X, have[i].Y-to.Y
		a += x*u + y*v
		b += x*v - y*u
		sum += u*u + v*v
	}
	// The square's points are a·x + b·y away from the face's, the other way round as it is found: fitting the face to the
	// square, and turning that about, weighs the five as the networks' training did.
	n := math.Hypot(a, b)
	step := sum / n
	cos, sin := a/n, b/n
	return frame{
		x: to.X - step*(cos*from.X-sin*from.Y), y: to.Y - step*(sin*from.X+cos*from.Y),
		step: step, cos: cos, sin: sin,
	}
}

func (e *graphEmbedder) embed(s *scratch, x *tensor) []float32 {
	p := e.prepare
	for i := 0; i+2 < len(x.d); i += 3 {
		if p.BGR {
			x.d[i], x.d[i+2] = x.d[i+2], x.d[i]
		}
		for c := range 3 {
			x.d[i+c] = (x.d[i+c] - p.Mean) * p.Scale
		}
	}
	out := e.net.run(s, x)[0]
	defer s.back(out)
	v := bytesOf(out.d)
	if e.m.Metric == Cosine {
		normalise(v)
	}
	return v
}

// own is the file with which an operator brings a model of its own; docs/face.md describes it.
type own struct {
	Name        string      `yaml:"name"`
	Model       string      `yaml:"model"`  // the JSON file, beside this one
	Output      string      `yaml:"output"` // the node whose value is the vector
	Metric      Metric      `yaml:"metric"`
	Preparation Preparation `yaml:"preparation"`
	Thresholds  *struct {
		Accept           *float64 `yaml:"accept"`
		Reject           *float64 `yaml:"reject"`
		Continuity       *float64 `yaml:"continuity"`
		ContinuityTurned *float64 `yaml:"continuity_turned"`
	} `yaml:"thresholds"`
}

const maxOwnFile = 64 << 10

func openOwn(name string) (embedder, Thresholds, error) {
	t, _ := Defaults("")
	refuse := func(err error) (embedder, Thresholds, error) {
		return nil, t, fmt.Errorf("face: the model %s cannot be used: %w", name, err)
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return refuse(fmt.Errorf("there is no such file; write %s, %s, or the path of a file that describes a model", MobileFaceNet, Dlib))
	case err != nil:
		return refuse(err)
	case info.Size() > maxOwnFile:
		return refuse(errors.New("it is no description of a model"))
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return refuse(err)
	}
	o := own{Preparation: Preparation{Align: AlignFive, Scale: 1}}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&o); err != nil {
		return refuse(err)
	}
	p := o.Preparation
	switch {
	case o.Name == "" || o.Name == MobileFaceNet || o.Name == Dlib:
		return refuse(errors.New("name: it needs one of its own"))
	case o.Model == "" || filepath.Base(o.Model) != o.Model:
		return refuse(errors.New("model: name the JSON file beside this one"))
	case o.Output == "":
		return refuse(errors.New("output: name the node whose value is the embedding"))
	case o.Metric != Cosine && o.Metric != Euclid:
		return refuse(fmt.Errorf("metric: write %s or %s", Cosine, Euclid))
	case p.Align != AlignFive:
		return refuse(fmt.Errorf("preparation.align: write %s", AlignFive))
	case !(p.Scale > 0 && p.Scale <= 1) || !(p.Mean >= 0 && p.Mean <= 255):
		return refuse(errors.New("preparation: mean lies between 0 and 255, scale above 0 and up to 1"))
	}
	if own := o.Thresholds; own != nil {
		for _, set := range []struct{ to, from *float64 }{
			{&t.Accept, own.Accept}, {&t.Reject, own.Reject}, {&t.Continuity, own.Continuity}, {&t.ContinuityTurned, own.ContinuityTurned},
		} {
			if set.from != nil {
				*set.to = *set.from
			}
		}
		if err := t.Check(); err != nil {
			return refuse(err)
		}
	}
	var hash digest
	hash.add(text)
	net, err := openGraph(os.DirFS(filepath.Dir(name)), o.Model, &hash, o.Output)
	if err != nil {
		return refuse(err)
	}
	return &graphEmbedder{Model{Name: o.Name, Hash: hash.hex(), Metric: o.Metric}, net, p}, t, nil
}
