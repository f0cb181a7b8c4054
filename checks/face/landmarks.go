package face

import (
	"fmt"
	"io/fs"
	"math"
)

// landmarker is face-api's network that sets 68 points on a face.
type landmarker struct {
	first  kernel
	blocks [4][4]separable // [0][0] is first
	last   kernel
}

func openLandmarker(from fs.FS, hash *digest) (*landmarker, error) {
	all, err := readPlain(from, fileLandmarks, hash)
	if err != nil {
		return nil, err
	}
	l := layers{all: all}
	n := &landmarker{
		first: l.kernel(3, 3, 32, "dense0/conv0/filters", "dense0/conv0/bias"),
		last:  kernel{h: 1, w: 1, in: 256, out: 136, d: l.take("fc/weights", 256, 136), bias: l.take("fc/bias", 136)}.ready(),
	}
	for i := range n.blocks {
		for j := range n.blocks[i] {
			in := 32 << i
			if j == 0 {
				if in >>= 1; i == 0 {
					continue
				}
			}
			n.blocks[i][j] = l.separable(fmt.Sprintf("dense%d/conv%d", i, j), in, 32<<i)
		}
	}
	return n, l.err(fileLandmarks)
}

// faceMean is the mean colour that face-api's two networks for faces were trained to see as zero.
var faceMean = [3]float32{122.782, 117.001, 104.298}

const landmarkSide = 112

// run returns 68 pairs as shares of the square picture's side; it changes the picture.
func (n *landmarker) run(s *scratch, x *tensor) *tensor {
	centre(x, faceMean)
	for i, block := range n.blocks {
		var a *tensor
		if i == 0 {
			a = s.convolve(x, n.first, 2, same)
		} else {
			a = s.separable(x, block[0], 2, same)
			s.back(x)
		}
		relu(a.d)
		b := s.separable(a, block[1], 1, same)
		add(a.d, b.d) // a + b
		s.back(b)
		in := s.copyOf(a)
		relu(in.d)
		c := s.separable(in, block[2], 1, same)
		add(a.d, c.d) // a + b + c
		s.back(c)
		copy(in.d, a.d)
		relu(in.d)
		d := s.separable(in, block[3], 1, same)
		s.back(in)
		add(a.d, d.d)
		s.back(d)
		relu(a.d)
		x = a
	}
	mean := s.meanPool(x, 7, 2, valid)
	s.back(x)
	out := s.convolve(mean, n.last, 1, valid)
	s.back(mean)
	return out
}

func (s *scratch) copyOf(t *tensor) *tensor {
	c := s.tensor(t.h, t.w, t.c)
	copy(c.d, t.d)
	return c
}

// find sets the points of the face in a box, in the picture's pixels.
func (n *landmarker) find(s *scratch, p *pixels, b Box) []Point {
	x0, y0 := max(0, math.Floor(b.X)), max(0, math.Floor(b.Y))
	w := max(1, math.Floor(min(float64(p.w), b.X+b.W)-x0))
	h := max(1, math.Floor(min(float64(p.h), b.Y+b.H)-y0))
	side := max(w, h)
	// What the box holds lies in the middle of the square; the rest is black.
	left, top := (side-w)/2, (side-h)/2
	in := s.tensor(landmarkSide, landmarkSide, 3)
	p.sampleWithin(in, frame{x: x0 - left, y: y0 - top, step: side / landmarkSide, cos: 1}, x0, y0, x0+w, y0+h)
	round(in.d)
	out := n.run(s, in)
	s.back(in)
	points := make([]Point, 68)
	for i := range points {
		points[i] = Point{x0 - left + float64(out.d[2*i])*side, y0 - top + float64(out.d[2*i+1])*side}
	}
	s.back(out)
	return points
}

// middle is the mean of points.
func middle(of []Point) (m Point) {
	for _, p := range of {
		m.X += p.X / float64(len(of))
		m.Y += p.Y / float64(len(of))
	}
	return m
}
