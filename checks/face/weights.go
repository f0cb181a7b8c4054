package face

import (
	"crypto/sha256"
	"embed"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"strings"
)

// The folder holds .gitkeep only until scripts/weights.mjs has filled it, so that the package builds without.
//
//go:embed all:weights
var embedded embed.FS

// Weights returns the files of the networks that the program was built with, for the phone: model files as
// TensorFlow.js loads them, and manifest.json with the SHA-256 and length of each, by name. It is empty where the
// program was built without them.
func Weights() fs.FS {
	sub, err := fs.Sub(embedded, "weights")
	if err != nil {
		// "weights" is a constant and a valid path: fs.Sub cannot refuse it.
		panic(err)
	}
	return sub
}

// Names of the networks' files, without their endings.
const (
	fileDetector   = "tiny_face_detector_model"
	fileLandmarks  = "face_landmark_68_model"
	fileDlib       = "face_recognition_model"
	fileMesh       = "facemesh"
	fileMobile     = "mobilefacenet"
	endingManifest = "-weights_manifest.json"
)

// missing returns which files a model needs and weights does not hold.
func missing(weights fs.FS, model string) []string {
	need := []string{
		fileDetector + endingManifest, fileDetector + ".bin", fileLandmarks + endingManifest, fileLandmarks + ".bin",
		fileMesh + ".json", fileMesh + ".bin",
	}
	switch model {
	case MobileFaceNet:
		need = append(need, fileMobile+".json", fileMobile+".bin")
	case Dlib:
		need = append(need, fileDlib+endingManifest, fileDlib+".bin")
	}
	var gone []string
	for _, name := range need {
		if _, err := fs.Stat(weights, name); err != nil {
			gone = append(gone, name)
		}
	}
	return gone
}

// weight is a tensor of a model's file: numbers and their shape.
type weight struct {
	shape []int
	d     []float32
}

// group is a part of a model's list of weights: which files hold them, one after the other, and what they are.
type group struct {
	Paths   []string `json:"paths"`
	Weights []struct {
		Name         string `json:"name"`
		Shape        []int  `json:"shape"`
		Dtype        string `json:"dtype"`
		Quantization *struct {
			Dtype string  `json:"dtype"`
			Scale float64 `json:"scale"`
			Min   float64 `json:"min"`
		} `json:"quantization"`
	} `json:"weights"`
}

// maxModelBytes bounds a model's file: an operator's own, or one that is not what it says.
const maxModelBytes = 512 << 20

var errModel = errors.New("face: this is not a TensorFlow.js model that can be used")

// readFile reads a file of a model within maxModelBytes.
func readFile(from fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(from, name)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxModelBytes {
		return nil, fmt.Errorf("%w: %s has %d bytes", errModel, name, info.Size())
	}
	return fs.ReadFile(from, name)
}

// digest is the hash of files, each with its length before it so that bytes cannot move from one to the next.
type digest struct{ sums []byte }

func (d *digest) add(b []byte) {
	sum := sha256.Sum256(b)
	d.sums = append(d.sums, sum[:]...)
}

func (d *digest) hex() string {
	sum := sha256.Sum256(d.sums)
	return hex.EncodeToString(sum[:])
}

// readWeights decodes the weights that a list names, from files beside it.
func readWeights(from fs.FS, folder string, groups []group, hash *digest) (map[string]weight, error) {
	all := map[string]weight{}
	for _, g := range groups {
		var bytes []byte
		for _, name := range g.Paths {
			if strings.Contains(name, "/") || name == "" {
				return nil, fmt.Errorf("%w: weights in %q", errModel, name)
			}
			b, err := readFile(from, path.Join(folder, name))
			if err != nil {
				return nil, err
			}
			hash.add(b)
			bytes = append(bytes, b...)
		}
		for _, w := range g.Weights {
			n := 1
			for _, side := range w.Shape {
				if side < 0 || side > maxModelBytes || n > maxModelBytes {
					return nil, fmt.Errorf("%w: shape of %s", errModel, w.Name)
				}
				n *= side
			}
			if n > maxModelBytes {
				return nil, fmt.Errorf("%w: shape of %s", errModel, w.Name)
			}
			kind := w.Dtype
			var scale, least float64
			if w.Quantization != nil {
				kind, scale, least = w.Quantization.Dtype, w.Quantization.Scale, w.Quantization.Min
			}
			size := map[string]int{"float32": 4, "int32": 4, "float16": 2, "uint16": 2, "uint8": 1}[kind]
			if size == 0 {
				return nil, fmt.Errorf("%w: %s holds %q", errModel, w.Name, kind)
			}
			if len(bytes) < n*size {
				return nil, fmt.Errorf("%w: its weights end within %s", errModel, w.Name)
			}
			all[w.Name] = weight{w.Shape, numbers(kind, bytes[:n*size], n, scale, least)}
			bytes = bytes[n*size:]
		}
	}
	return all, nil
}

// numbers decodes n numbers of a kind.
//
//go:norace
func numbers(kind string, bytes []byte, n int, scale, least float64) []float32 {
	d := make([]float32, n)
	switch kind {
	case "float32":
		for i := range d {
			d[i] = math.Float32frombits(binary.LittleEndian.Uint32(bytes[4*i:]))
		}
	case "int32":
		for i := range d {
			d[i] = float32(int32(binary.LittleEndian.Uint32(bytes[4*i:])))
		}
	case "float16":
		for i := range d {
			d[i] = half(binary.LittleEndian.Uint16(bytes[2*i:]))
		}
	case "uint16":
		for i := range d {
			d[i] = float32(float64(binary.LittleEndian.Uint16(bytes[2*i:]))*scale + least)
		}
	case "uint8":
		for i := range d {
			d[i] = float32(float64(bytes[i])*scale + least)
		}
	}
	return d
}

// half is a number of IEEE 754's 16-bit form.
func half(h uint16) float32 {
	sign, exponent, rest := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch exponent {
	case 0: // too small for a leading one
		v := float32(rest) * 0x1p-24
		return math.Float32frombits(math.Float32bits(v) | sign)
	case 31: // infinite, or no number
		return math.Float32frombits(sign | 0x7f800000 | rest<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | rest<<13)
}

// readPlain reads a network of face-api: weights only, its structure is ours.
func readPlain(from fs.FS, name string, hash *digest) (map[string]weight, error) {
	list, err := readFile(from, name+endingManifest)
	if err != nil {
		return nil, err
	}
	hash.add(list)
	var groups []group
	if err := json.Unmarshal(list, &groups); err != nil {
		return nil, fmt.Errorf("%w: %s: %v", errModel, name, err)
	}
	return readWeights(from, ".", groups, hash)
}

// layers takes weights out by name and remembers what was missing or of another shape.
type layers struct {
	all  map[string]weight
	lack []string
}

func (l *layers) take(name string, shape ...int) []float32 {
	w, ok := l.all[name]
	n := 1
	for i, side := range shape {
		n *= side
		ok = ok && i < len(w.shape) && w.shape[i] == side
	}
	if !ok || len(w.shape) != len(shape) {
		l.lack = append(l.lack, name)
		return make([]float32, n)
	}
	return w.d
}

// kernel takes a convolution of a square size.
func (l *layers) kernel(size, in, out int, weights, bias string) kernel {
	return kernel{h: size, w: size, in: in, out: out, d: l.take(weights, size, size, in, out), bias: l.take(bias, out)}.ready()
}

func (l *layers) err(network string) error {
	if len(l.lack) > 0 {
		return fmt.Errorf("%w: %s lacks %s", errModel, network, strings.Join(l.lack, ", "))
	}
	return nil
}
