// Package checkstest draws documents of nobody, and photos of them as good and as bad as a test
// needs them. Everything follows from the arguments: the same ones give the same bytes.
package checkstest

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"strings"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gomonobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// SpecimenNumber is the example of the standard of resident ID numbers, born on 31 December 1949.
const SpecimenNumber = "11010519491231002X"

// Side says what of a document is drawn.
type Side string

// The sides that are drawn.
const (
	Front Side = "front" // of a card: portrait and number
	Back  Side = "back"  // of a card: emblem and validity
	Page  Side = "page"  // a passport's data page, with its machine-readable zone
)

// Sizes of a drawn document in pixels: a card of 85.6 × 54 mm, a page of 125 × 88 mm.
const (
	cardWidth, cardHeight = 1012, 638
	pageWidth, pageHeight = 1250, 880
)

// Document is a drawn document.
type Document struct {
	Side   Side
	Number string   // SpecimenNumber where empty
	MRZ    []string // lines of a page
	Seed   uint64   // another one is another document of the same kind
}

// Draw draws the document alone, flat and evenly lit.
func Draw(d Document) *image.RGBA {
	w, h := cardWidth, cardHeight
	if d.Side == Page {
		w, h = pageWidth, pageHeight
	}
	if d.Number == "" {
		d.Number = SpecimenNumber
	}
	r := rand.New(rand.NewPCG(d.Seed, uint64(len(d.Side))))
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	tint := r.Float64()
	for y := range h {
		for x := range w {
			t := float64(x+y) / float64(w+h)
			set(m, x, y, 196+22*t+6*tint, 215+10*t, 226-6*t-8*tint)
		}
	}
	// Fine curved lines all over, as such documents have.
	phase := r.Float64() * 6
	for k := -3; k < h/13+3; k++ {
		for x := range w {
			y := float64(k*13) + 16*math.Sin(float64(x)/61+float64(k)/5+phase) + 7*math.Cos(float64(x)/18-float64(k))
			blendAt(m, x, int(y), color.RGBA{110, 150, 175, 255}, 0.7)
			blendAt(m, x, int(y)+1, color.RGBA{110, 150, 175, 255}, 0.5)
		}
	}
	ink, label, red := color.RGBA{22, 32, 42, 255}, color.RGBA{69, 96, 120, 255}, color.RGBA{162, 42, 42, 255}
	switch d.Side {
	case Front:
		write(m, gobold.TTF, 36, 50, 66, red, "SPECIMEN")
		for i, row := range [][2]string{{"Name", person(r)}, {"Sex", "M   Nation  Specimen"}, {"Born", "1949 - 12 - 31"}, {"Home", person(r) + " Road 1"}, {"", "Specimen City"}} {
			write(m, goregular.TTF, 26, 50, 140+i*70, label, row[0])
			write(m, goregular.TTF, 34, 150, 140+i*70, ink, row[1])
		}
		portrait(m, image.Rect(710, 90, 950, 396), r)
		write(m, goregular.TTF, 26, 50, 590, label, "ID number")
		write(m, gobold.TTF, 46, 240, 592, ink, d.Number)
	case Back:
		for a := range 360 {
			s, c := math.Sincos(float64(a) * math.Pi / 180)
			for t := 74.0; t < 84; t += 0.7 {
				blendAt(m, int(160+t*c), int(180+t*s), red, 1)
			}
			for t := 0.0; t < 20+26*math.Abs(math.Cos(2.5*float64(a)*math.Pi/180)); t += 0.7 {
				blendAt(m, int(160+t*c), int(180+t*s), red, 1)
			}
		}
		write(m, gobold.TTF, 54, 300, 150, ink, "SPECIMEN")
		write(m, gobold.TTF, 66, 300, 250, ink, "IDENTITY CARD")
		write(m, goregular.TTF, 28, 180, 440, label, "Authority")
		write(m, goregular.TTF, 34, 360, 440, ink, "Office of "+person(r))
		write(m, goregular.TTF, 28, 180, 520, label, "Valid")
		write(m, goregular.TTF, 34, 360, 520, ink, "2016.03.01 - 2036.03.01")
	case Page:
		write(m, gobold.TTF, 40, 60, 76, red, "PASSPORT   UTOPIA")
		portrait(m, image.Rect(60, 130, 370, 540), r)
		for i, row := range [][2]string{{"Surname", person(r)}, {"Given names", person(r)}, {"Nationality", "Utopian"}, {"Authority", "Office of " + person(r)}} {
			write(m, goregular.TTF, 22, 420, 160+i*96, label, row[0])
			write(m, goregular.TTF, 34, 420, 200+i*96, ink, row[1])
		}
		draw.Draw(m, image.Rect(0, 680, w, h), image.NewUniform(color.RGBA{226, 230, 230, 255}), image.Point{}, draw.Src)
		for i, l := range d.MRZ {
			write(m, gomonobold.TTF, 42, 55, 750+i*74, ink, l)
		}
	}
	return m
}

// person is a name that nobody bears.
func person(r *rand.Rand) string {
	syllables := strings.Fields("Spe Ci Men Ex Am Ple Sam Tes Ter Mo Del")
	var b strings.Builder
	for range 4 {
		b.WriteString(syllables[r.IntN(len(syllables))])
	}
	return b.String()
}

func portrait(m *image.RGBA, at image.Rectangle, r *rand.Rand) {
	draw.Draw(m, at, image.NewUniform(color.RGBA{232, 238, 241, 255}), image.Point{}, draw.Src)
	w, h := float64(at.Dx()), float64(at.Dy())
	cx := w * (0.48 + 0.04*r.Float64())
	coat := color.RGBA{uint8(40 + r.IntN(60)), uint8(50 + r.IntN(40)), uint8(70 + r.IntN(60)), 255}
	for y := range at.Dy() {
		for x := range at.Dx() {
			fx, fy := (float64(x)-cx)/w, float64(y)/h
			in := func(c, rx, ry float64) bool { return fx*fx/(rx*rx)+(fy-c)*(fy-c)/(ry*ry) < 1 }
			switch {
			case in(0.40, 0.24, 0.23):
				m.Set(at.Min.X+x, at.Min.Y+y, color.RGBA{214, 182, 156, 255})
			case in(0.34, 0.27, 0.25):
				m.Set(at.Min.X+x, at.Min.Y+y, color.RGBA{46, 44, 46, 255})
			case in(1.02, 0.44, 0.36):
				m.Set(at.Min.X+x, at.Min.Y+y, coat)
			}
		}
	}
}

func write(m *image.RGBA, ttf []byte, size float64, x, y int, c color.Color, text string) {
	f, err := opentype.Parse(ttf)
	if err != nil {
		panic(err) // the fonts are part of the module
	}
	face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: size, DPI: 72})
	if err != nil {
		panic(err)
	}
	defer face.Close()
	(&font.Drawer{Dst: m, Src: image.NewUniform(c), Face: face, Dot: fixed.P(x, y)}).DrawString(text)
}

func set(m *image.RGBA, x, y int, r, g, b float64) {
	i := m.PixOffset(x, y)
	m.Pix[i], m.Pix[i+1], m.Pix[i+2], m.Pix[i+3] = clamp(r), clamp(g), clamp(b), 255
}

func blendAt(m *image.RGBA, x, y int, c color.RGBA, share float64) {
	if !(image.Point{x, y}).In(m.Rect) {
		return
	}
	i := m.PixOffset(x, y)
	for k, v := range [3]uint8{c.R, c.G, c.B} {
		m.Pix[i+k] = clamp(float64(m.Pix[i+k])*(1-share) + float64(v)*share)
	}
}

func clamp(v float64) uint8 { return uint8(min(255, max(0, v+0.5))) }

// Point is a place in a photo, as shares of its width and height.
type Point struct{ X, Y float64 }

// Quad are the corners of the document in a photo: top left, top right, bottom right, bottom left.
type Quad [4]Point

// Placed is a document that lies straight: its middle, its width as a share of the photo's, and its turn in
// degrees. aspect is the photo's width through its height times the document's height through its width.
func Placed(x, y, width, turn, aspect float64) Quad {
	s, c := math.Sincos(turn * math.Pi / 180)
	// In units of the photo's width, so that turning does not shear.
	half, tall := width/2, width/2/cardWidth*cardHeight
	var q Quad
	for i, p := range [4]Point{{-half, -tall}, {half, -tall}, {half, tall}, {-half, tall}} {
		q[i] = Point{x + p.X*c - p.Y*s, y + (p.X*s+p.Y*c)*aspect}
	}
	return q
}

// Table is what lies under the document.
type Table struct {
	Colour  color.RGBA
	Texture float64 // strength of its grain, in grey levels
}

// Dark and Light are tables.
var (
	Dark  = Table{color.RGBA{95, 82, 74, 255}, 6}
	Light = Table{color.RGBA{236, 232, 224, 255}, 3}
)

// Photo lays a drawn document on a table and photographs it from above, sharp and well lit.
//
//go:norace
func Photo(document *image.RGBA, width, height int, at Quad, on Table) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	back := inverse(at, float64(width), float64(height))
	dw, dh := float64(document.Rect.Dx()), float64(document.Rect.Dy())
	const sub = 2 // samples a pixel and direction
	for y := range height {
		for x := range width {
			grain := on.Texture * (math.Sin(float64(x)/90+float64(y)/7.3) + 0.6*math.Sin(float64(y)/2.9+float64(x)/211))
			light := 1.06 - 0.16*math.Hypot(float64(x)/float64(width)-0.45, float64(y)/float64(height)-0.4)
			var sum [3]float64
			for k := range sub * sub {
				px, py := float64(x)+(float64(k%sub)+0.5)/sub, float64(y)+(float64(k/sub)+0.5)/sub
				u, v := back(px, py)
				if u >= 0 && v >= 0 && u < 1 && v < 1 {
					i := document.PixOffset(int(u*dw), int(v*dh))
					for c := range 3 {
						sum[c] += float64(document.Pix[i+c])
					}
					continue
				}
				sum[0] += float64(on.Colour.R) + grain
				sum[1] += float64(on.Colour.G) + grain
				sum[2] += float64(on.Colour.B) + grain
			}
			const n = sub * sub
			set(m, x, y, sum[0]/n*light, sum[1]/n*light, sum[2]/n*light)
		}
	}
	return m
}

// inverse maps a photo's pixels to the document's unit square by the homography of the quad.
func inverse(q Quad, w, h float64) func(x, y float64) (u, v float64) {
	x0, y0, x1, y1 := q[0].X*w, q[0].Y*h, q[1].X*w, q[1].Y*h
	x2, y2, x3, y3 := q[2].X*w, q[2].Y*h, q[3].X*w, q[3].Y*h
	dx1, dx2, sx := x1-x2, x3-x2, x0-x1+x2-x3
	dy1, dy2, sy := y1-y2, y3-y2, y0-y1+y2-y3
	det := dx1*dy2 - dx2*dy1
	g, hh := (sx*dy2-dx2*sy)/det, (dx1*sy-sx*dy1)/det
	a, b, c := x1-x0+g*x1, x3-x0+hh*x3, x0
	d, e, f := y1-y0+g*y1, y3-y0+hh*y3, y0
	// The adjugate of [a b c; d e f; g h 1].
	A, B, C := e-f*hh, c*hh-b, b*f-c*e
	D, E, F := f*g-d, a-c*g, c*d-a*f
	G, H, I := d*hh-e*g, b*g-a*hh, a*e-b*d
	return func(x, y float64) (float64, float64) {
		z := G*x + H*y + I
		return (A*x + B*y + C) / z, (D*x + E*y + F) / z
	}
}

// Blurred is a photo out of focus: a Gaussian of sigma pixels.
//
//go:norace
func Blurred(m *image.RGBA, sigma float64) *image.RGBA {
	if sigma <= 0 {
		return m
	}
	n := int(3*sigma) + 1
	weights := make([]float64, 2*n+1)
	var sum float64
	for i := range weights {
		weights[i] = math.Exp(-float64((i-n)*(i-n)) / (2 * sigma * sigma))
		sum += weights[i]
	}
	for i := range weights {
		weights[i] /= sum
	}
	pass := func(from *image.RGBA, dx, dy int) *image.RGBA {
		to := image.NewRGBA(from.Rect)
		w, h := from.Rect.Dx(), from.Rect.Dy()
		for y := range h {
			for x := range w {
				var v [3]float64
				for i, weight := range weights {
					j := from.PixOffset(min(w-1, max(0, x+(i-n)*dx)), min(h-1, max(0, y+(i-n)*dy)))
					for c := range 3 {
						v[c] += weight * float64(from.Pix[j+c])
					}
				}
				set(to, x, y, v[0], v[1], v[2])
			}
		}
		return to
	}
	return pass(pass(m, 1, 0), 0, 1)
}

// Dimmed is a photo with less light; 1 is all of it.
func Dimmed(m *image.RGBA, light float64) *image.RGBA {
	return each(m, func(_, _ int, v [3]float64) [3]float64 {
		return [3]float64{v[0] * light, v[1] * light, v[2] * light}
	})
}

// Grey is a photo without colours.
func Grey(m *image.RGBA) *image.RGBA {
	return each(m, func(_, _ int, v [3]float64) [3]float64 {
		g := 0.299*v[0] + 0.587*v[1] + 0.114*v[2]
		return [3]float64{g, g, g}
	})
}

// Reflecting is a photo with the reflection of a lamp: a spot of this radius, as a share of the photo's width, that
// fades out.
func Reflecting(m *image.RGBA, at Point, radius float64) *image.RGBA {
	w, h := float64(m.Rect.Dx()), float64(m.Rect.Dy())
	return each(m, func(x, y int, v [3]float64) [3]float64 {
		d := math.Hypot(float64(x)-at.X*w, float64(y)-at.Y*h) / (radius * w)
		more := 300 * math.Exp(-d*d*d)
		return [3]float64{v[0] + more, v[1] + more, v[2] + more*0.97}
	})
}

// Noisy is a photo by a bad sensor: noise of this deviation, in grey levels.
//
//go:norace
func Noisy(m *image.RGBA, deviation float64, seed uint64) *image.RGBA {
	r := rand.New(rand.NewPCG(seed, 7))
	var noise [4096]int
	for i := range noise {
		noise[i] = int(math.Round(r.NormFloat64() * deviation))
	}
	out := image.NewRGBA(m.Rect)
	for i, v := range m.Pix {
		if i%4 == 3 {
			out.Pix[i] = 255
			continue
		}
		if i%64 == 0 {
			seed = r.Uint64()
		}
		out.Pix[i] = uint8(min(255, max(0, int(v)+noise[(seed>>(i%48)+uint64(i))%4096])))
	}
	return out
}

//go:norace
func each(m *image.RGBA, f func(x, y int, v [3]float64) [3]float64) *image.RGBA {
	out := image.NewRGBA(m.Rect)
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			i := m.PixOffset(x, y)
			v := f(x, y, [3]float64{float64(m.Pix[i]), float64(m.Pix[i+1]), float64(m.Pix[i+2])})
			set(out, x, y, v[0], v[1], v[2])
		}
	}
	return out
}

// JPEG encodes a photo.
func JPEG(m image.Image, quality int) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}); err != nil {
		panic(err) // into a Buffer, of a picture in memory
	}
	return b.Bytes()
}

var evidence sync.Map // document → its photo, made once: drawing takes its time

// Evidence is a good photo of a document as a file: what an applicant should send. It is made small, so that
// many tests can afford one. Nobody may change what it returns.
func Evidence(d Document) []byte {
	key := fmt.Sprintf("%+v", d)
	if b, ok := evidence.Load(key); ok {
		return b.([]byte)
	}
	const w, h = 960, 720
	at := Placed(0.5, 0.5, 0.82, 1.5, float64(w)/h)
	if d.Side == Page {
		at = Quad{{0.09, 0.08}, {0.91, 0.09}, {0.92, 0.86}, {0.08, 0.86}}
	}
	b := JPEG(Noisy(Photo(Draw(d), w, h, at, Dark), 1.5, d.Seed), 90)
	evidence.Store(key, b)
	return b
}
