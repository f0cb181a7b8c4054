package face

import (
	"cmp"
	"io/fs"
	"math"
	"slices"
)

// detector is face-api's TinyFaceDetector: a small YOLO that says for each cell of a grid, and for five typical
// sizes, whether a face is centred there.
type detector struct {
	first kernel
	rest  [5]separable
	last  kernel
}

// separable is a convolution of each channel by itself, then one across them.
type separable struct{ each, across kernel }

func (s *scratch) separable(x *tensor, k separable, stride int, pad padding) *tensor {
	each := s.depthwise(x, k.each, stride, pad)
	y := s.convolve(each, k.across, 1, valid)
	s.back(each)
	return y
}

func (l *layers) separable(name string, in, out int) separable {
	return separable{
		each:   kernel{h: 3, w: 3, in: in, out: 1, d: l.take(name+"/depthwise_filter", 3, 3, in, 1)},
		across: l.kernel(1, in, out, name+"/pointwise_filter", name+"/bias"),
	}
}

func openDetector(from fs.FS, hash *digest) (*detector, error) {
	all, err := readPlain(from, fileDetector, hash)
	if err != nil {
		return nil, err
	}
	l := layers{all: all}
	d := &detector{
		first: l.kernel(3, 3, 16, "conv0/filters", "conv0/bias"),
		last:  l.kernel(1, 512, 25, "conv8/filters", "conv8/bias"),
	}
	for i := range d.rest {
		d.rest[i] = l.separable("conv"+string(rune('1'+i)), 16<<i, 32<<i)
	}
	return d, l.err(fileDetector)
}

// detectorMean is the mean colour that the network was trained to see as zero.
var detectorMean = [3]float32{117.001, 114.697, 97.404}

// run returns the grid for a square picture of values from 0 to 255; it changes the picture.
func (d *detector) run(s *scratch, x *tensor) *tensor {
	centre(x, detectorMean)
	y := s.convolve(x, d.first, 1, valid)
	leaky(y.d, 0.1)
	x = s.maxPool(y, 2, 2, same)
	s.back(y)
	for i, k := range d.rest {
		y := s.separable(x, k, 1, onePixel)
		s.back(x)
		leaky(y.d, 0.1)
		stride := 2
		if i == 4 {
			stride = 1
		}
		x = s.maxPool(y, 2, stride, same)
		s.back(y)
	}
	y = s.convolve(x, d.last, 1, valid)
	s.back(x)
	return y
}

// centre moves values from 0 to 255 to about zero.
func centre(x *tensor, mean [3]float32) {
	for i := 0; i+2 < len(x.d); i += 3 {
		x.d[i] = (x.d[i] - mean[0]) / 255
		x.d[i+1] = (x.d[i+1] - mean[1]) / 255
		x.d[i+2] = (x.d[i+2] - mean[2]) / 255
	}
}

// anchors are the five typical sizes of a face, in cells of the grid.
var anchors = [5][2]float64{{1.603231, 2.094468}, {6.041143, 7.080126}, {2.882459, 3.518061}, {4.266906, 5.178857}, {9.041765, 10.66308}}

// Detector limits.
const (
	leastScore = 0.4 // of a face that counts
	overlap    = 0.4 // two boxes that share more than this are one face
)

// find looks for faces on a picture made size pixels long, surest first.
func (d *detector) find(s *scratch, p *pixels, size int) []Box {
	in := s.tensor(size, size, 3)
	long := float64(max(p.w, p.h))
	// The picture lies in the square's top left corner; the rest is black.
	p.sampleWithin(in, frame{step: long / float64(size), cos: 1}, 0, 0, float64(p.w), float64(p.h))
	round(in.d)
	grid := d.run(s, in)
	defer s.back(grid)
	s.back(in)
	n := float64(grid.h)
	var all []Box
	for row := range grid.h {
		for col := range grid.w {
			for i, a := range anchors {
				v := grid.d[(row*grid.w+col)*25+i*5:][:5]
				score := float64(sigmoid(v[4]))
				if score < leastScore {
					continue
				}
				cx := (float64(col) + float64(sigmoid(v[0]))) / n * long
				cy := (float64(row) + float64(sigmoid(v[1]))) / n * long
				w := math.Exp(float64(v[2])) * a[0] / n * long
				h := math.Exp(float64(v[3])) * a[1] / n * long
				if w < 1 || h < 1 || w > 4*long || h > 4*long {
					continue
				}
				all = append(all, Box{cx - w/2, cy - h/2, w, h, score})
			}
		}
	}
	slices.SortStableFunc(all, surerFirst)
	var kept []Box
	for _, b := range all {
		if !slices.ContainsFunc(kept, func(k Box) bool { return shared(b, k) > overlap }) {
			kept = append(kept, b)
		}
	}
	return kept
}

func surerFirst(a, b Box) int { return cmp.Compare(b.Score, a.Score) }

// shared is the share of two boxes' area that both have.
func shared(a, b Box) float64 {
	w := min(a.X+a.W, b.X+b.W) - max(a.X, b.X)
	h := min(a.Y+a.H, b.Y+b.H) - max(a.Y, b.Y)
	if w <= 0 || h <= 0 {
		return 0
	}
	return w * h / (a.area() + b.area() - w*h)
}
