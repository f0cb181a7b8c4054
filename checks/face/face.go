package face

import (
	"errors"
	"io/fs"
	"math"

	"github.com/symbolon/symbolon/fault"
)

// Failures that callers tell apart.
var (
	// ErrNoWeights: the program was built without the networks. Its text says which are missing and how to get them.
	ErrNoWeights = errors.New("face: the networks' weights are not in this program")
	// ErrBusy: so many pictures wait already that this one would wait too long.
	ErrBusy = fault.New(fault.Unavailable, "face_busy", "Many faces are being checked now. Try again in a moment.")
	// ErrTooLarge: a frame has more bytes or pixels than are looked at. It was not decoded.
	ErrTooLarge = fault.New(fault.TooLarge, "frame_too_large", "The frame has more than 1 MiB or 4 megapixels.")
	// ErrUnreadable: the bytes are not a JPEG that can be decoded to its end.
	ErrUnreadable = fault.New(fault.Invalid, "frame_unreadable", "The frame is not a JPEG picture that can be read.")
	// ErrOtherModel: embeddings of different models were to be compared.
	ErrOtherModel = errors.New("face: embeddings of different models cannot be compared")
)

// Limits of a frame.
const (
	MaxFrameBytes  = 1 << 20
	MaxFramePixels = 4_000_000
)

// The models that come with the program.
const (
	MobileFaceNet = "mobilefacenet" // better on East-Asian faces by far; whether its training data allow commercial use is the operator's question
	Dlib          = "dlib"          // public-domain weights; stricter thresholds, more review
)

// Metric is how the distance of two embeddings of a model is measured.
type Metric string

// The metrics.
const (
	Cosine Metric = "cosine" // 1 - cosine of the angle: 0 to 2
	Euclid Metric = "euclid" // length of the difference
)

// Model names what made an embedding. It stands with every result, and two embeddings are
// comparable only if their models are equal.
type Model struct {
	Name   string `json:"name" bson:"name"`
	Hash   string `json:"hash" bson:"hash"` // SHA-256 of its files and of how pictures are prepared for it, hex
	Metric Metric `json:"metric" bson:"metric"`
}

// Embedding is a face as a vector. It is biometric data: it is sealed wherever it is kept.
type Embedding struct {
	Model  Model     `json:"model" bson:"model"`
	Vector []float32 `json:"vector" bson:"vector"`
}

// Zero reports whether there is no embedding.
func (e Embedding) Zero() bool { return len(e.Vector) == 0 }

// Distance returns how far apart two embeddings are by the metric of their model, or ErrOtherModel.
func Distance(a, b Embedding) (float64, error) {
	if a.Model != b.Model || len(a.Vector) != len(b.Vector) || a.Zero() {
		return 0, ErrOtherModel
	}
	var dot, aa, bb, diff float64
	for i, x := range a.Vector {
		x, y := float64(x), float64(b.Vector[i])
		dot += x * y
		aa += x * x
		bb += y * y
		diff += (x - y) * (x - y)
	}
	d := math.Sqrt(diff)
	if a.Model.Metric == Cosine {
		d = 1 - dot/math.Sqrt(aa*bb)
	}
	if math.IsNaN(d) { // a vector of zeros, or of what is no number, is nobody's
		return math.Inf(1), nil
	}
	return d, nil
}

// Mean returns the embedding of a person of whom several pictures were taken: their mean, brought back to
// length 1 where the model's metric is the angle. It fails with ErrOtherModel if they are not of one model.
func Mean(of []Embedding) (Embedding, error) {
	if len(of) == 0 {
		return Embedding{}, ErrOtherModel
	}
	m := Embedding{Model: of[0].Model, Vector: make([]float32, len(of[0].Vector))}
	for _, e := range of {
		if e.Model != m.Model || len(e.Vector) != len(m.Vector) || e.Zero() {
			return Embedding{}, ErrOtherModel
		}
		for i, x := range e.Vector {
			m.Vector[i] += x / float32(len(of))
		}
	}
	if m.Model.Metric == Cosine {
		normalise(m.Vector)
	}
	return m, nil
}

// normalise brings a vector to length 1; one of zeros stays.
func normalise(v []float32) {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if sum == 0 {
		return
	}
	k := float32(1 / math.Sqrt(sum))
	for i := range v {
		v[i] *= k
	}
}

// Options of Open. The zero value is a working one.
type Options struct {
	// Weights holds the networks' files; nil takes those that the program was built with.
	Weights fs.FS
	// Workers is how many pictures are examined at once; 0 takes as many as there are processors.
	Workers int
	// Queue is how many more may wait; beyond it Look and Portrait fail with ErrBusy at once. 0 means 64.
	Queue int
}
