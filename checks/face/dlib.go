package face

import "io/fs"

// dlibNet is dlib's residual network as face-api has it: 150 pixels a side to 128 numbers.
type dlibNet struct {
	convs map[string]kernel
	last  kernel
}

const dlibSide = 150

func openDlib(from fs.FS, hash *digest) (*dlibNet, error) {
	all, err := readPlain(from, fileDlib, hash)
	if err != nil {
		return nil, err
	}
	l := layers{all: all}
	n := &dlibNet{convs: map[string]kernel{}, last: kernel{h: 1, w: 1, in: 256, out: 128, d: l.take("fc", 256, 128)}.ready()}
	conv := func(name string, size, in, out int) {
		w := l.take(name+"/conv/filters", size, size, in, out)
		b := l.take(name+"/conv/bias", out)
		// A convolution is followed by a scale of each channel, which can as well be a part of it.
		scale, shift := l.take(name+"/scale/weights", out), l.take(name+"/scale/biases", out)
		for i := range w {
			w[i] *= scale[i%out]
		}
		for i := range b {
			b[i] = b[i]*scale[i] + shift[i]
		}
		n.convs[name] = kernel{h: size, w: size, in: in, out: out, d: w, bias: b}.ready()
	}
	conv("conv32_down", 7, 3, 32)
	for _, b := range dlibBlocks {
		conv(b.name+"/conv1", 3, b.in, b.out)
		conv(b.name+"/conv2", 3, b.out, b.out)
	}
	return n, l.err(fileDlib)
}

// dlibBlocks are the pairs of convolutions, in their order. One that is down halves the picture.
var dlibBlocks = []struct {
	name    string
	in, out int
	down    bool
}{
	{"conv32_1", 32, 32, false}, {"conv32_2", 32, 32, false}, {"conv32_3", 32, 32, false},
	{"conv64_down", 32, 64, true}, {"conv64_1", 64, 64, false}, {"conv64_2", 64, 64, false}, {"conv64_3", 64, 64, false},
	{"conv128_down", 64, 128, true}, {"conv128_1", 128, 128, false}, {"conv128_2", 128, 128, false},
	{"conv256_down", 128, 256, true}, {"conv256_1", 256, 256, false}, {"conv256_2", 256, 256, false},
	{"conv256_down_out", 256, 256, true},
}

// run returns the 128 numbers of a square picture of values from 0 to 255; it changes the picture.
func (n *dlibNet) run(s *scratch, x *tensor) *tensor {
	centre(x, faceMean)
	y := s.convolve(x, n.convs["conv32_down"], 2, valid)
	relu(y.d)
	x = s.maxPool(y, 3, 2, valid)
	s.back(y)
	for _, b := range dlibBlocks {
		stride, pad := 1, same
		if b.down {
			stride, pad = 2, valid
		}
		first := s.convolve(x, n.convs[b.name+"/conv1"], stride, pad)
		relu(first.d)
		y := s.convolve(first, n.convs[b.name+"/conv2"], 1, same)
		s.back(first)
		if b.down {
			short := s.meanPool(x, 2, 2, valid)
			sum := addPadded(s, y, short)
			s.back(short)
			s.back(y)
			y = sum
		} else {
			add(y.d, x.d)
		}
		s.back(x)
		relu(y.d)
		x = y
	}
	mean := s.meanPool(x, x.h, 1, valid)
	s.back(x)
	out := s.convolve(mean, n.last, 1, valid)
	s.back(mean)
	return out
}

// addPadded adds two maps of different size, aligned at their first pixel and channel; what one of them
// lacks is zero.
func addPadded(s *scratch, a, b *tensor) *tensor {
	y := s.tensor(max(a.h, b.h), max(a.w, b.w), max(a.c, b.c))
	clear(y.d)
	for _, t := range []*tensor{a, b} {
		for row := range t.h {
			for col := range t.w {
				add(y.d[(row*y.w+col)*y.c:][:t.c], t.d[(row*t.w+col)*t.c:][:t.c])
			}
		}
	}
	return y
}
