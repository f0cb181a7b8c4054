package face

import (
	"fmt"
	"math"
)

// tensor is a picture or a map of features: rows of pixels of channels, one picture at a time.
type tensor struct {
	h, w, c int
	d       []float32
}

// The loops below carry go:norace: each works on memory of one goroutine only, its worker's, and the race detector
// would make them ten times slower, and with them every test of a face. Whom the memory belongs to is
// decided in Engine, which is watched.

// scratch lends the memory that one network run after the other needs, so that a worker in steady state
// allocates nothing. It belongs to one goroutine at a time.
type scratch struct {
	free [][]float32
	cols []float32 // what a convolution sees, as a matrix
}

// maxNumbers bounds a tensor: no network for a face comes near it. What does is a file made to fill the memory, and
// stops at its first run, in Open.
const maxNumbers = 1 << 25

// tensor lends one; its content is whatever was there before.
func (s *scratch) tensor(h, w, c int) *tensor {
	if h <= 0 || w <= 0 || c <= 0 || h > maxNumbers/w || h*w > maxNumbers/c {
		panic(fmt.Sprintf("a map of %d by %d by %d", h, w, c))
	}
	return &tensor{h, w, c, s.lend(h * w * c)}
}

func (s *scratch) lend(n int) []float32 {
	best := -1
	for i, b := range s.free {
		if cap(b) >= n && (best < 0 || cap(b) < cap(s.free[best])) {
			best = i
		}
	}
	if best < 0 {
		return make([]float32, n)
	}
	b := s.free[best][:n]
	last := len(s.free) - 1
	s.free[best] = s.free[last]
	s.free = s.free[:last]
	return b
}

// back takes a tensor that nobody looks at any more.
func (s *scratch) back(t *tensor) {
	if cap(t.d) > 0 {
		s.free = append(s.free, t.d)
	}
	t.d = nil
}

// kernel is a convolution's weights: height, width, channels in, channels out, in that order.
type kernel struct {
	h, w, in, out int
	d             []float32
	bias          []float32 // of each channel out, or nil
	panels        []float32 // in place of d, as tiles want it
}

// ready returns the kernel with its weights laid out for the processor.
func (k kernel) ready() kernel {
	if tiles {
		k.panels, k.d = panels(k.d, k.h*k.w*k.in, k.out), nil
	}
	return k
}

// padding says how far a window may reach over the edge, where there are zeros.
type padding int

// valid windows lie inside; same ones begin so that every stride-th pixel has one, as TensorFlow counts.
const (
	valid padding = iota
	same
	onePixel // of one pixel on each side
)

// windows returns how many windows of k pixels fit along a side of n, and how far the first reaches over the edge.
func (p padding) windows(n, k, stride int) (count, before int) {
	switch p {
	case same:
		count = (n + stride - 1) / stride
		return count, max(0, (count-1)*stride+k-n) / 2
	case onePixel:
		return (n+2-k)/stride + 1, 1
	}
	return (n-k)/stride + 1, 0
}

// rowsAtOnce is how many pixels of the result a convolution computes at once: few enough for its matrix
// to stay in the processor's nearest memory, many enough for a fast product.
const rowsAtOnce = 64

// convolve returns the convolution of x, plus the bias.
func (s *scratch) convolve(x *tensor, k kernel, stride int, pad padding) *tensor {
	oh, top := pad.windows(x.h, k.h, stride)
	ow, left := pad.windows(x.w, k.w, stride)
	y := s.tensor(oh, ow, k.out)
	spread(y.d, k.bias, k.out)
	n := oh * ow
	if k.h == 1 && k.w == 1 && stride == 1 && pad != onePixel { // each pixel by itself: x is the matrix
		for at := 0; at < n; at += rowsAtOnce {
			m := min(rowsAtOnce, n-at)
			multiply(m, k, x.d[at*k.in:(at+m)*k.in], y.d[at*k.out:(at+m)*k.out])
		}
		return y
	}
	length := k.h * k.w * k.in
	if cap(s.cols) < rowsAtOnce*length {
		s.cols = make([]float32, rowsAtOnce*length)
	}
	for at := 0; at < n; at += rowsAtOnce {
		m := min(rowsAtOnce, n-at)
		cols := s.cols[:m*length]
		for i := range m {
			window(cols[i*length:(i+1)*length], x, k, (at+i)/ow*stride-top, (at+i)%ow*stride-left)
		}
		multiply(m, k, cols, y.d[at*k.out:(at+m)*k.out])
	}
	return y
}

// window copies what a kernel sees at a place of x; beyond the edge it sees zeros.
//
//go:norace
func window(to []float32, x *tensor, k kernel, row, col int) {
	first, last := max(0, -col), min(k.w, x.w-col)
	for ky := range k.h {
		line := to[ky*k.w*k.in : (ky+1)*k.w*k.in]
		y := row + ky
		if y < 0 || y >= x.h || first >= last {
			clear(line)
			continue
		}
		clear(line[:first*k.in])
		copy(line[first*k.in:last*k.in], x.d[(y*x.w+col+first)*k.in:(y*x.w+col+last)*k.in])
		clear(line[last*k.in:])
	}
}

// depthwise returns the convolution of each channel of x by itself; k.out is 1.
//
//go:norace
func (s *scratch) depthwise(x *tensor, k kernel, stride int, pad padding) *tensor {
	oh, top := pad.windows(x.h, k.h, stride)
	ow, left := pad.windows(x.w, k.w, stride)
	y := s.tensor(oh, ow, x.c)
	spread(y.d, k.bias, x.c)
	c := x.c
	for oy := range oh {
		for ox := range ow {
			to := y.d[(oy*ow+ox)*c : (oy*ow+ox+1)*c]
			row, col := oy*stride-top, ox*stride-left
			if k.h == 3 && k.w == 3 && row >= 0 && col >= 0 && row+3 <= x.h && col+3 <= x.w {
				nine(to, x.d[(row*x.w+col)*c:], x.d[((row+1)*x.w+col)*c:], x.d[((row+2)*x.w+col)*c:], k.d)
				continue
			}
			for ky := max(0, -row); ky < min(k.h, x.h-row); ky++ {
				for kx := max(0, -col); kx < min(k.w, x.w-col); kx++ {
					from := x.d[((row+ky)*x.w+col+kx)*c:][:len(to)]
					weights := k.d[(ky*k.w+kx)*c:][:len(to)]
					for i, w := range weights {
						to[i] += from[i] * w
					}
				}
			}
		}
	}
	return y
}

// nine adds a depthwise window of three by three that lies inside the picture, given as the rest of its rows.
//
//go:norace
func nine(to, a, b, d, w []float32) {
	c := len(to)
	a0, a1, a2 := a[:c], a[c:][:c], a[2*c:][:c]
	b0, b1, b2 := b[:c], b[c:][:c], b[2*c:][:c]
	d0, d1, d2 := d[:c], d[c:][:c], d[2*c:][:c]
	w0, w1, w2 := w[:c], w[c:][:c], w[2*c:][:c]
	w3, w4, w5 := w[3*c:][:c], w[4*c:][:c], w[5*c:][:c]
	w6, w7, w8 := w[6*c:][:c], w[7*c:][:c], w[8*c:][:c]
	for i := range to {
		to[i] += a0[i]*w0[i] + a1[i]*w1[i] + a2[i]*w2[i] +
			b0[i]*w3[i] + b1[i]*w4[i] + b2[i]*w5[i] +
			d0[i]*w6[i] + d1[i]*w7[i] + d2[i]*w8[i]
	}
}

// spread sets every pixel to v, or to zeros without one.
func spread(d, v []float32, c int) {
	if v == nil {
		clear(d)
		return
	}
	for at := 0; at < len(d); at += c {
		copy(d[at:at+c], v)
	}
}

// maxPool returns the largest of each window of k by k.
//
//go:norace
func (s *scratch) maxPool(x *tensor, k, stride int, pad padding) *tensor {
	oh, top := pad.windows(x.h, k, stride)
	ow, left := pad.windows(x.w, k, stride)
	y := s.tensor(oh, ow, x.c)
	for oy := range oh {
		for ox := range ow {
			to := y.d[(oy*ow+ox)*x.c : (oy*ow+ox+1)*x.c]
			row, col := oy*stride-top, ox*stride-left
			none := true
			for iy := max(0, row); iy < min(row+k, x.h); iy++ {
				for ix := max(0, col); ix < min(col+k, x.w); ix++ {
					from := x.d[(iy*x.w+ix)*x.c:][:len(to)]
					if none {
						copy(to, from)
						none = false
						continue
					}
					for i, v := range from {
						to[i] = max(to[i], v)
					}
				}
			}
		}
	}
	return y
}

// meanPool returns the mean of each window of k by k.
//
//go:norace
func (s *scratch) meanPool(x *tensor, k, stride int, pad padding) *tensor {
	oh, top := pad.windows(x.h, k, stride)
	ow, left := pad.windows(x.w, k, stride)
	y := s.tensor(oh, ow, x.c)
	clear(y.d)
	for oy := range oh {
		for ox := range ow {
			to := y.d[(oy*ow+ox)*x.c : (oy*ow+ox+1)*x.c]
			row, col := oy*stride-top, ox*stride-left
			n := float32(0)
			for iy := max(0, row); iy < min(row+k, x.h); iy++ {
				for ix := max(0, col); ix < min(col+k, x.w); ix++ {
					for i, v := range x.d[(iy*x.w+ix)*x.c:][:len(to)] {
						to[i] += v
					}
					n++
				}
			}
			for i := range to {
				to[i] /= n
			}
		}
	}
	return y
}

// relu sets what is below zero to zero.
//
//go:norace
func relu(d []float32) {
	for i, v := range d {
		d[i] = max(v, 0)
	}
}

// leaky keeps a share of what is below zero.
//
//go:norace
func leaky(d []float32, share float32) {
	factor := [2]float32{1, share}
	for i, v := range d {
		d[i] = v * factor[below(v)]
	}
}

// prelu keeps of what is below zero the share that each channel has. Signs are as good as random, so the
// processor could not foresee a branch.
//
//go:norace
func prelu(to, from, share []float32) {
	for at := 0; at < len(from); at += len(share) {
		in, out := from[at:][:len(share)], to[at:][:len(share)]
		for i, v := range in {
			factor := [2]float32{1, share[i]}
			out[i] = v * factor[below(v)]
		}
	}
}

// below is 1 for what is below zero, without a branch.
func below(v float32) int {
	i := 0
	if v < 0 {
		i = 1
	}
	return i
}

// add adds b to a.
//
//go:norace
func add(a, b []float32) {
	b = b[:len(a)]
	for i, v := range b {
		a[i] += v
	}
}

func sigmoid(v float32) float32 { return float32(1 / (1 + math.Exp(-float64(v)))) }
