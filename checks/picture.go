package checks

import (
	"image"
	"image/draw"
	"math"
	"slices"
)

// Shrink returns a picture whose longer side has at most longest pixels; each of its pixels is the mean of
// those that it stands for, so fine detail fades rather than turning into a pattern. A picture that is small
// enough already is copied as it is.
//
//go:norace
func Shrink(m image.Image, longest int) *image.RGBA {
	b := m.Bounds()
	w, h := b.Dx(), b.Dy()
	if w <= 0 || h <= 0 {
		return image.NewRGBA(image.Rectangle{})
	}
	ow, oh := w, h
	if long := max(w, h); long > longest {
		ow, oh = max(1, w*longest/long), max(1, h*longest/long)
	}
	out := image.NewRGBA(image.Rect(0, 0, ow, oh))
	// One band of rows at a time becomes RGBA, by the fast paths that draw has for each kind of picture.
	band := image.NewRGBA(image.Rect(0, 0, w, 1))
	columns, sums := make([]uint32, ow), make([]uint32, 3*ow)
	for x := range w {
		columns[x*ow/w]++
	}
	rows := uint32(0)
	for y := range h {
		draw.Draw(band, band.Rect, m, image.Pt(b.Min.X, b.Min.Y+y), draw.Src)
		for x := range w {
			at, i := x*ow/w*3, x*4
			sums[at] += uint32(band.Pix[i])
			sums[at+1] += uint32(band.Pix[i+1])
			sums[at+2] += uint32(band.Pix[i+2])
		}
		rows++
		if row := y * oh / h; y+1 == h || (y+1)*oh/h != row {
			for x := range ow {
				i, n := out.PixOffset(x, row), columns[x]*rows
				for k := range 3 {
					out.Pix[i+k] = uint8((sums[3*x+k] + n/2) / n)
				}
				out.Pix[i+3] = 255
			}
			clear(sums)
			rows = 0
		}
	}
	return out
}

// GreyOf returns the brightness of a picture (ITU-R BT.601).
//
//go:norace
func GreyOf(m *image.RGBA) *image.Gray {
	out := image.NewGray(image.Rect(0, 0, m.Rect.Dx(), m.Rect.Dy()))
	for y := range out.Rect.Dy() {
		from := m.Pix[y*m.Stride:]
		to := out.Pix[y*out.Stride:]
		for x := range out.Rect.Dx() {
			to[x] = uint8((uint32(from[4*x])*77 + uint32(from[4*x+1])*150 + uint32(from[4*x+2])*29) >> 8)
		}
	}
	return out
}

// Turned returns a grey picture turned clockwise by quarters of a circle.
//
//go:norace
func Turned(m *image.Gray, quarters int) *image.Gray {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	quarters = (quarters%4 + 4) % 4
	out := image.NewGray(image.Rect(0, 0, w, h))
	if quarters%2 == 1 {
		out = image.NewGray(image.Rect(0, 0, h, w))
	}
	for y := range h {
		for x := range w {
			v := m.Pix[y*m.Stride+x]
			switch quarters {
			case 0:
				out.Pix[y*out.Stride+x] = v
			case 1:
				out.Pix[x*out.Stride+h-1-y] = v
			case 2:
				out.Pix[(h-1-y)*out.Stride+w-1-x] = v
			case 3:
				out.Pix[(w-1-x)*out.Stride+y] = v
			}
		}
	}
	return out
}

// found is where the document lies in a photo.
type found struct {
	box    image.Rectangle // in the photo's pixels
	sure   bool            // it stands out from what lies around it and has the shape of a document, cut off or not
	aspect float64         // of the smallest rectangle around it, longer side through shorter one
	long   float64         // its longer side, as a share of the photo's
	cut    side            // the photo's edge that a long part of it lies on
}

type side int

const (
	uncut side = iota
	cutLeft
	cutTop
	cutRight
	cutBottom
)

// Limits of what counts as a document that was found.
const (
	mapSide      = 192  // longer side of the small picture it is looked for in
	leastApart   = 28.0 // distance in colour between it and what lies around it
	leastArea    = 0.02 // of the photo
	mostArea     = 0.97
	leastFilling = 0.87 // of the smallest rectangle around it; a quarter of a circle of perspective leaves that much
	leastRun     = 0.5  // of its side, on the photo's edge, before it counts as cut off there
)

// find looks for one connected rectangle that differs in colour from the photo's margin. Where there
// is none, as when a photo shows nothing but the document, the middle of the photo is taken for it.
func find(p *image.RGBA) found {
	w, h := p.Rect.Dx(), p.Rect.Dy()
	middle := middleOf(p)
	s := Shrink(p, mapSide)
	sw, sh := s.Rect.Dx(), s.Rect.Dy()
	if sw < 16 || sh < 16 {
		return middle
	}
	far := distances(s)
	cut := max(leastApart, otsu(far))
	mask := make([]bool, len(far))
	for i, d := range far {
		mask[i] = d > cut
	}
	mask = opened(mask, sw, sh)
	fillHoles(mask, sw, sh)
	points, box := largest(mask, sw, sh)
	area := float64(len(points)) / float64(sw*sh)
	if area < leastArea || area > mostArea {
		return middle
	}
	long, short := smallestRectangle(points, sw)
	if short < 8 || float64(len(points)) < leastFilling*long*short {
		return middle
	}
	f := found{sure: true, aspect: long / short, long: long / float64(max(sw, sh))}
	f.cut = cutAt(points, box, sw, sh)
	f.box = image.Rect(box.Min.X*w/sw, box.Min.Y*h/sh, box.Max.X*w/sw, box.Max.Y*h/sh)
	return f
}

// middleOf takes the middle of a photo for the document.
func middleOf(p *image.RGBA) found {
	w, h := p.Rect.Dx(), p.Rect.Dy()
	return found{box: image.Rect(w/12, h/12, w-w/12, h-h/12)}
}

// distances returns how far each pixel's colour is from the margin's.
//
//go:norace
func distances(s *image.RGBA) []float64 {
	w, h := s.Rect.Dx(), s.Rect.Dy()
	var hist [3][256]int
	n := 0
	for y := range h {
		for x := range w {
			if x >= 3 && y >= 3 && x < w-3 && y < h-3 {
				continue
			}
			i := s.PixOffset(x, y)
			for c := range 3 {
				hist[c][s.Pix[i+c]]++
			}
			n++
		}
	}
	var around [3]float64
	for c := range 3 {
		around[c] = float64(percentile(&hist[c], n, 0.5))
	}
	out := make([]float64, w*h)
	for y := range h {
		for x := range w {
			i := s.PixOffset(x, y)
			var sum float64
			for c := range 3 {
				d := float64(s.Pix[i+c]) - around[c]
				sum += d * d
			}
			out[y*w+x] = math.Sqrt(sum)
		}
	}
	return out
}

// percentile returns the value that a share of n counted values does not exceed.
func percentile(hist *[256]int, n int, share float64) int {
	want := int(share * float64(n))
	for v, seen := 0, 0; v < 256; v++ {
		if seen += hist[v]; seen > want {
			return v
		}
	}
	return 255
}

// otsu returns the value that parts others into two groups best.
func otsu(values []float64) float64 {
	const bins = 128
	var hist [bins]float64
	var total float64
	const width = 442.0 / bins // the farthest two colours lie apart
	for _, v := range values {
		b := min(bins-1, int(v/width))
		hist[b]++
		total += float64(b)
	}
	var best, bestAt, n, sum float64
	for b := range bins {
		n += hist[b]
		sum += hist[b] * float64(b)
		rest := float64(len(values)) - n
		if n == 0 || rest == 0 {
			continue
		}
		d := sum/n - (total-sum)/rest
		if v := n * rest * d * d; v > best {
			best, bestAt = v, float64(b+1)
		}
	}
	return bestAt * width
}

// opened removes what is thinner than three pixels.
func opened(mask []bool, w, h int) []bool {
	return around(around(mask, w, h, true), w, h, false)
}

// around returns where all (or any) of the nine pixels around a place are set; beyond the edge counts as
// the nearest pixel.
func around(mask []bool, w, h int, all bool) []bool {
	out := make([]bool, len(mask))
	for y := range h {
		for x := range w {
			v := all
			for k := range 9 {
				at := min(h-1, max(0, y+k/3-1))*w + min(w-1, max(0, x+k%3-1))
				if mask[at] != all {
					v = !all
					break
				}
			}
			out[y*w+x] = v
		}
	}
	return out
}

// fillHoles sets what is unset and cut off from the edge.
//
//go:norace
func fillHoles(mask []bool, w, h int) {
	outside := make([]bool, len(mask))
	var todo []int
	visit := func(i int) {
		if !mask[i] && !outside[i] {
			outside[i] = true
			todo = append(todo, i)
		}
	}
	for x := range w {
		visit(x)
		visit((h-1)*w + x)
	}
	for y := range h {
		visit(y * w)
		visit(y*w + w - 1)
	}
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		neighbours(i, w, h, visit)
	}
	for i := range mask {
		mask[i] = !outside[i]
	}
}

func neighbours(i, w, h int, visit func(int)) {
	x, y := i%w, i/w
	if x > 0 {
		visit(i - 1)
	}
	if x < w-1 {
		visit(i + 1)
	}
	if y > 0 {
		visit(i - w)
	}
	if y < h-1 {
		visit(i + w)
	}
}

// largest returns the pixels of the largest connected part and the box around them.
func largest(mask []bool, w, h int) (best []int, box image.Rectangle) {
	seen := make([]bool, len(mask))
	for start := range mask {
		if !mask[start] || seen[start] {
			continue
		}
		seen[start] = true
		part := []int{start}
		for k := 0; k < len(part); k++ {
			neighbours(part[k], w, h, func(i int) {
				if mask[i] && !seen[i] {
					seen[i] = true
					part = append(part, i)
				}
			})
		}
		if len(part) > len(best) {
			best = part
		}
	}
	for _, i := range best {
		box = box.Union(image.Rect(i%w, i/w, i%w+1, i/w+1))
	}
	return best, box
}

// smallestRectangle returns the sides of the smallest rectangle, turned in steps of one degree, around pixels.
func smallestRectangle(points []int, w int) (long, short float64) {
	// Only the first and last pixel of a row can lie on it.
	type row struct{ y, first, last int }
	var rows []row
	slices.Sort(points)
	for _, i := range points {
		if x, y := i%w, i/w; len(rows) > 0 && rows[len(rows)-1].y == y {
			rows[len(rows)-1].last = x
		} else {
			rows = append(rows, row{y, x, x})
		}
	}
	area := math.Inf(1)
	for degree := range 90 {
		s, c := math.Sincos(float64(degree) * math.Pi / 180)
		u0, u1, v0, v1 := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
		for _, r := range rows {
			for _, x := range [2]int{r.first, r.last} {
				u, v := float64(x)*c+float64(r.y)*s, float64(r.y)*c-float64(x)*s
				u0, u1, v0, v1 = min(u0, u), max(u1, u), min(v0, v), max(v1, v)
			}
		}
		// A pixel is as wide as its shadow in this direction.
		a, b := u1-u0+s+c, v1-v0+s+c
		if a*b < area {
			area, long, short = a*b, max(a, b), min(a, b)
		}
	}
	return long, short
}

// cutAt returns the photo's edge on which a long part of the document lies, if that is one edge alone or
// the first of two that meet. A document that spans the photo says nothing.
func cutAt(points []int, box image.Rectangle, w, h int) side {
	var on [5]int
	for _, i := range points {
		x, y := i%w, i/w
		if x == 0 {
			on[cutLeft]++
		}
		if y == 0 {
			on[cutTop]++
		}
		if x == w-1 {
			on[cutRight]++
		}
		if y == h-1 {
			on[cutBottom]++
		}
	}
	long := func(s side, length int) bool { return float64(on[s]) >= leastRun*float64(length) }
	left, right := long(cutLeft, box.Dy()), long(cutRight, box.Dy())
	top, bottom := long(cutTop, box.Dx()), long(cutBottom, box.Dx())
	switch {
	case left && right || top && bottom:
		return uncut
	case left:
		return cutLeft
	case right:
		return cutRight
	case top:
		return cutTop
	case bottom:
		return cutBottom
	}
	return uncut
}
