package face

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/draw"
	"image/jpeg"
	"math"

	"github.com/symbolon/symbolon/checks"
)

const (
	frameSide    = 1280 // longer side of a frame that is looked at
	portraitSide = 1920 // of a document's photo, whose face is a small part of it
	mostScans    = 64   // of one JPEG: each costs a pass over the whole picture, however few bytes it has
)

// decodeFrame reads a JPEG, upright and no longer than frameSide.
func decodeFrame(b []byte) (*pixels, error) {
	if len(b) > MaxFrameBytes {
		return nil, ErrTooLarge
	}
	head, ok := readHead(b)
	if !ok || head.scans > mostScans {
		return nil, ErrUnreadable
	}
	cfg, err := jpeg.DecodeConfig(bytes.NewReader(b))
	switch {
	case err != nil:
		return nil, ErrUnreadable.Because(err)
	case cfg.Width <= 0 || cfg.Height <= 0:
		return nil, ErrUnreadable
	case cfg.Width > MaxFramePixels/cfg.Height:
		return nil, ErrTooLarge
	}
	m, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, ErrUnreadable.Because(err)
	}
	return newPixels(checks.Shrink(m, frameSide)).upright(head.orientation), nil
}

// jpegHead is what is known of a JPEG before it is decoded.
type jpegHead struct {
	orientation int // as EXIF counts: 1 is upright
	scans       int
}

// readHead walks through a JPEG's segments. It reports false where they cannot be followed to the end.
func readHead(b []byte) (jpegHead, bool) {
	h := jpegHead{orientation: 1}
	if len(b) < 4 || b[0] != 0xff || b[1] != 0xd8 {
		return h, false
	}
	for at := 2; ; {
		// The next marker; within a scan its data lie before it.
		for at+1 < len(b) && (b[at] != 0xff || b[at+1] == 0 || b[at+1] == 0xff || b[at+1]&0xf8 == 0xd0) {
			at++
		}
		if at+1 >= len(b) {
			return h, h.scans > 0 // broken off: the decoder says what is missing
		}
		marker := b[at+1]
		if marker == 0xd9 {
			return h, true
		}
		if at += 2; marker == 0x01 || marker == 0xd8 {
			continue
		}
		if at+2 > len(b) {
			return h, false
		}
		length := int(binary.BigEndian.Uint16(b[at:]))
		if length < 2 || at+length > len(b) {
			return h, false
		}
		switch payload := b[at+2 : at+length]; {
		case marker == 0xda:
			h.scans++
		case marker == 0xe1 && bytes.HasPrefix(payload, []byte("Exif\x00\x00")) && h.orientation == 1:
			h.orientation = orientationOf(payload[6:])
		}
		at += length
	}
}

// orientationOf reads the orientation out of EXIF data, which have the form of a TIFF file; 1 where there is none.
func orientationOf(tiff []byte) int {
	if len(tiff) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch string(tiff[:4]) {
	case "II*\x00":
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 1
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return 1
	}
	entries := int64(order.Uint16(tiff[at:]))
	for i := range entries {
		entry := at + 2 + 12*i
		if entry+12 > int64(len(tiff)) {
			return 1
		}
		e := tiff[entry:]
		const orientation, short = 0x0112, 3
		if order.Uint16(e) == orientation && order.Uint16(e[2:]) == short && order.Uint32(e[4:]) == 1 {
			if v := int(order.Uint16(e[8:])); v >= 1 && v <= 8 {
				return v
			}
			return 1
		}
	}
	return 1
}

// pixels is a picture from which squares are taken at any size and angle. It keeps itself at half the
// size, a quarter and so on, so that a small square costs no more than a large one and has no false patterns.
type pixels struct {
	w, h int
	rgb  []byte // three bytes a pixel
	half *pixels
}

//go:norace
func newPixels(m *image.RGBA) *pixels {
	p := &pixels{w: m.Rect.Dx(), h: m.Rect.Dy(), rgb: make([]byte, 3*m.Rect.Dx()*m.Rect.Dy())}
	for y := range p.h {
		from, to := m.Pix[y*m.Stride:], p.rgb[3*y*p.w:][:3*p.w]
		for x := range p.w {
			copy(to[3*x:3*x+3], from[4*x:4*x+3])
		}
	}
	return p
}

// pixelsOf takes any picture, made no longer than longest.
func pixelsOf(m image.Image, longest int) *pixels {
	if r, ok := m.(*image.RGBA); ok && r.Rect.Min == (image.Point{}) && max(r.Rect.Dx(), r.Rect.Dy()) <= longest {
		return newPixels(r)
	}
	if g, ok := m.(*image.Paletted); ok { // averages of colours, not of their numbers
		r := image.NewRGBA(g.Rect)
		draw.Draw(r, r.Rect, g, g.Rect.Min, draw.Src)
		m = r
	}
	return newPixels(checks.Shrink(m, longest))
}

// at returns the picture at the size at which one step of a square is at most two pixels, and how much smaller it is.
func (p *pixels) at(step float64) (*pixels, float64) {
	scale := 1.0
	for step*scale > 2 && p.w > 2 && p.h > 2 {
		if p.half == nil {
			p.half = p.halved()
		}
		p, scale = p.half, scale/2
	}
	return p, scale
}

// halved returns the picture at half its size; of an odd side the last row or column is dropped.
//
//go:norace
func (p *pixels) halved() *pixels {
	half := &pixels{w: p.w / 2, h: p.h / 2, rgb: make([]byte, 3*(p.w/2)*(p.h/2))}
	for y := range half.h {
		a, b := p.rgb[6*y*p.w:], p.rgb[3*(2*y+1)*p.w:]
		to := half.rgb[3*y*half.w:]
		for x := range half.w {
			for c := range 3 {
				to[3*x+c] = byte((int(a[6*x+c]) + int(a[6*x+3+c]) + int(b[6*x+c]) + int(b[6*x+3+c]) + 2) / 4)
			}
		}
	}
	return half
}

// turned returns the picture turned clockwise by quarters of a circle.
func (p *pixels) turned(quarters int) *pixels {
	t := &pixels{w: p.w, h: p.h, rgb: make([]byte, len(p.rgb))}
	if quarters%2 == 1 {
		t.w, t.h = p.h, p.w
	}
	for y := range p.h {
		for x := range p.w {
			tx, ty := x, y
			switch quarters {
			case 1:
				tx, ty = p.h-1-y, x
			case 2:
				tx, ty = p.w-1-x, p.h-1-y
			case 3:
				tx, ty = y, p.w-1-x
			}
			copy(t.rgb[3*(ty*t.w+tx):][:3], p.rgb[3*(y*p.w+x):][:3])
		}
	}
	return t
}

// mirrored returns the picture with left and right exchanged.
func (p *pixels) mirrored() *pixels {
	m := &pixels{w: p.w, h: p.h, rgb: make([]byte, len(p.rgb))}
	for y := range p.h {
		for x := range p.w {
			copy(m.rgb[3*(y*p.w+p.w-1-x):][:3], p.rgb[3*(y*p.w+x):][:3])
		}
	}
	return m
}

// upright turns and mirrors the picture as its EXIF orientation says.
func (p *pixels) upright(orientation int) *pixels {
	switch orientation {
	case 2:
		return p.mirrored()
	case 3:
		return p.turned(2)
	case 4:
		return p.turned(2).mirrored()
	case 5:
		return p.turned(1).mirrored()
	case 6:
		return p.turned(1)
	case 7:
		return p.turned(3).mirrored()
	case 8:
		return p.turned(3)
	}
	return p
}

// frame says where a square lies on a picture: its top left corner, how many of the picture's pixels one of its own
// covers, and how it is turned.
type frame struct {
	x, y, step float64
	cos, sin   float64
}

// around is the frame of n pixels a side that shows a square of a side about a centre, leaning by an angle.
func around(centre Point, side, angle float64, n int) frame {
	sin, cos := math.Sincos(angle)
	h := side / 2
	return frame{x: centre.X - h*cos + h*sin, y: centre.Y - h*sin - h*cos, step: side / float64(n), cos: cos, sin: sin}
}

// sample fills a square from the picture; what lies over the picture's edge gets the edge's colour. Values
// are from 0 to 255.
func (p *pixels) sample(to *tensor, f frame) {
	p.sampleWithin(to, f, math.Inf(-1), math.Inf(-1), math.Inf(1), math.Inf(1))
}

// sampleWithin fills a square from a part of the picture; what lies outside of that part is black.
//
//go:norace
func (p *pixels) sampleWithin(to *tensor, f frame, x0, y0, x1, y1 float64) {
	if !(f.step > 0) || math.IsInf(f.step, 0) || math.IsNaN(f.x+f.y+f.cos+f.sin) {
		clear(to.d) // points that are no numbers, of a picture made to break the networks
		return
	}
	level, scale := p.at(f.step)
	n := max(1, int(math.Ceil(f.step*scale-1e-9)))
	share := 1 / float32(n*n)
	for j := range to.h {
		for i := range to.w {
			out := to.d[3*(j*to.w+i):][:3]
			u, v := (float64(i)+0.5)*f.step, (float64(j)+0.5)*f.step
			if x, y := f.x+f.cos*u-f.sin*v, f.y+f.sin*u+f.cos*v; x < x0 || y < y0 || x > x1 || y > y1 {
				clear(out)
				continue
			}
			var sum [3]float32
			for b := range n {
				for a := range n {
					u := (float64(i) + (float64(a)+0.5)/float64(n)) * f.step
					v := (float64(j) + (float64(b)+0.5)/float64(n)) * f.step
					level.blend(&sum, (f.x+f.cos*u-f.sin*v)*scale-0.5, (f.y+f.sin*u+f.cos*v)*scale-0.5)
				}
			}
			out[0], out[1], out[2] = sum[0]*share, sum[1]*share, sum[2]*share
		}
	}
}

// blend adds the colour at a place between pixels.
//
//go:norace
func (p *pixels) blend(sum *[3]float32, x, y float64) {
	x, y = min(max(x, 0), float64(p.w-1)), min(max(y, 0), float64(p.h-1))
	x0, y0 := int(x), int(y)
	ax, ay := float32(x-float64(x0)), float32(y-float64(y0))
	right, below := 3, 3*p.w
	if x0 == p.w-1 {
		right = 0
	}
	if y0 == p.h-1 {
		below = 0
	}
	a := p.rgb[3*(y0*p.w+x0):]
	b := a[right:]
	c := a[below:]
	d := c[right:]
	wa, wb, wc, wd := (1-ax)*(1-ay), ax*(1-ay), (1-ax)*ay, ax*ay
	for k := range 3 {
		sum[k] += float32(a[k])*wa + float32(b[k])*wb + float32(c[k])*wc + float32(d[k])*wd
	}
}

// round brings values to whole numbers, as a canvas would hold them.
//
//go:norace
func round(d []float32) {
	for i, v := range d {
		d[i] = float32(math.Floor(float64(v) + 0.5))
	}
}

// flip exchanges left and right of a square.
func flip(x *tensor) {
	for y := range x.h {
		row := x.d[y*x.w*x.c:][:x.w*x.c]
		for a, b := 0, x.w-1; a < b; a, b = a+1, b-1 {
			for c := range x.c {
				row[a*x.c+c], row[b*x.c+c] = row[b*x.c+c], row[a*x.c+c]
			}
		}
	}
}

// fingerprintSide is the side of a Fingerprint.
const fingerprintSide = 40

// fingerprint makes a picture's Fingerprint.
//
//go:norace
func (p *pixels) fingerprint() Fingerprint {
	var sums [fingerprintSide * fingerprintSide]float64
	var counts [fingerprintSide * fingerprintSide]float64
	for y := range p.h {
		row := y * fingerprintSide / p.h * fingerprintSide
		for x := range p.w {
			at := row + x*fingerprintSide/p.w
			c := p.rgb[3*(y*p.w+x):]
			sums[at] += 0.299*float64(c[0]) + 0.587*float64(c[1]) + 0.114*float64(c[2])
			counts[at]++
		}
	}
	var mean, square float64
	const n = float64(len(sums))
	for i := range sums {
		sums[i] /= max(1, counts[i])
		mean += sums[i] / n
	}
	for _, v := range sums {
		square += (v - mean) * (v - mean) / n
	}
	spread := math.Sqrt(square)
	f := make(Fingerprint, len(sums))
	for i, v := range sums {
		if spread < 1 {
			f[i] = 128
			continue
		}
		f[i] = byte(math.Round(min(max(128+(v-mean)/spread*50, 0), 255)))
	}
	return f
}

// Apart returns how much two fingerprints differ, in grey levels (root of the mean square), the second
// mirrored if that makes them more alike; infinite unless both are fingerprints.
func (f Fingerprint) Apart(g Fingerprint) float64 {
	if len(f) != fingerprintSide*fingerprintSide || len(g) != len(f) {
		return math.Inf(1)
	}
	var straight, mirror float64
	for y := range fingerprintSide {
		row := y * fingerprintSide
		for x := range fingerprintSide {
			v := float64(f[row+x])
			d, m := v-float64(g[row+x]), v-float64(g[row+fingerprintSide-1-x])
			straight += d * d
			mirror += m * m
		}
	}
	return math.Sqrt(min(straight, mirror) / float64(len(f)))
}
