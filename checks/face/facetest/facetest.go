// Package facetest makes moving faces out of a still picture, for tests: frames in which a head turns, a mouth
// opens and eyes close, and documents that carry a portrait.
//
// What it draws is one still, bent. That it passes the checks of package face is no defect of either: it
// is what docs/face.md says that such checks cannot stop.
package facetest

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/symbolon/symbolon/checks/face"

	// Its testdata hold the still; the import keeps the module in go.mod, and with it in the module cache.
	_ "github.com/esimov/pigo/core"
)

// Still returns the picture of a person: a frontal face before a light wall, 320 by 400 pixels, JPEG.
func Still(t testing.TB) []byte {
	t.Helper()
	b, err := still()
	if err != nil {
		t.Fatalf("the still of github.com/esimov/pigo: %v", err)
	}
	return b
}

var still = sync.OnceValues(func() ([]byte, error) {
	cmd := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/esimov/pigo")
	cmd.Dir = root()
	dir, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "testdata", "sample.jpg"))
})

// root is the folder of this repository.
func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}

// Stranger is the face of somebody on one of the group pictures of @vladmandic/face-api.
type Stranger struct {
	Group int    // the number of the picture: two strangers of one picture are two persons
	JPEG  []byte // the face with some of what is around it
}

// Strangers returns other persons than the still's, all of them women. On different group pictures the same
// person may be found. Where npm ci has not brought the pictures it skips the test, or fails it where CI=true.
func Strangers(t testing.TB) []Stranger {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	if met != nil {
		return met
	}
	groups := map[int]image.Image{}
	var out []Stranger
	for _, s := range strangers {
		if groups[s.group] == nil {
			groups[s.group] = group(t, s.group)
		}
		dx, dy := s.box.Dx()*3/10, s.box.Dy()*4/10
		r := image.Rect(s.box.Min.X-dx, s.box.Min.Y-dy, s.box.Max.X+dx, s.box.Max.Y+dy/2).Intersect(groups[s.group].Bounds())
		crop := image.NewRGBA(image.Rect(0, 0, r.Dx(), r.Dy()))
		draw.Draw(crop, crop.Rect, groups[s.group], r.Min, draw.Src)
		out = append(out, Stranger{s.group, encode(crop, 92)})
	}
	met = out
	return met
}

// strangers are where the faces are, the most frontal ones first.
var strangers = []struct {
	group int
	box   image.Rectangle
}{
	{6, image.Rect(1440, 316, 1714, 594)}, {6, image.Rect(1139, 359, 1390, 597)}, {6, image.Rect(201, 535, 483, 793)},
	{6, image.Rect(614, 384, 895, 667)}, {3, image.Rect(1014, 235, 1317, 517)}, {3, image.Rect(534, 347, 804, 628)},
	{3, image.Rect(1446, 324, 1726, 603)}, {5, image.Rect(323, 918, 589, 1194)}, {5, image.Rect(1069, 232, 1316, 468)},
	{5, image.Rect(752, 144, 956, 342)}, {5, image.Rect(1372, 429, 1625, 686)}, {5, image.Rect(568, 459, 809, 690)},
	{1, image.Rect(1421, 211, 1704, 475)}, {1, image.Rect(815, 444, 1069, 691)}, {1, image.Rect(377, 399, 624, 631)},
	{2, image.Rect(1421, 189, 1676, 427)}, {2, image.Rect(857, 267, 1067, 465)}, {4, image.Rect(944, 228, 1186, 445)},
	{4, image.Rect(639, 103, 883, 335)}, {4, image.Rect(214, 240, 441, 460)}, {4, image.Rect(1249, 227, 1448, 417)},
}

func group(t testing.TB, number int) image.Image {
	t.Helper()
	f, err := os.Open(filepath.Join(root(), "web", "node_modules", "@vladmandic", "face-api", "demo", fmt.Sprintf("sample%d.jpg", number)))
	if errors.Is(err, os.ErrNotExist) {
		missing(t, "web/node_modules is not there; run make web")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := jpeg.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Beside returns one picture with two others side by side, equally high.
func Beside(t testing.TB, left, right []byte) []byte {
	t.Helper()
	var both [2]image.Image
	for i, b := range [][]byte{left, right} {
		m, err := jpeg.Decode(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		both[i] = m
	}
	out := image.NewRGBA(image.Rect(0, 0, 960, 480))
	for i, m := range both {
		s := source{toRGBA(m)}
		k := float64(m.Bounds().Dy()) / 480
		for y := range 480 {
			for x := range 480 {
				if float64(x)*k < float64(m.Bounds().Dx()) {
					out.SetRGBA(480*i+x, y, s.at((float64(x)+0.5)*k-0.5, (float64(y)+0.5)*k-0.5).rgba())
				}
			}
		}
	}
	return encode(out, 90)
}

// Engine returns an engine for one of the models that come with the program, which all tests of a package
// share. Where the weights have not been brought it skips the test, or fails it where CI=true.
func Engine(t testing.TB, model string) *face.Engine {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	if engines[model] == nil {
		e, err := face.Open(model, face.Options{})
		if errors.Is(err, face.ErrNoWeights) {
			missing(t, err)
		}
		if err != nil {
			t.Fatal(err)
		}
		engines[model] = e
	}
	return engines[model]
}

// missing skips a test for what make brings. A build server that made everything has to run it.
func missing(t testing.TB, what any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI must run this test: %v", what)
	}
	t.Skipf("SKIPPED: %v", what)
}

var (
	mu      sync.Mutex // guards what follows
	engines = map[string]*face.Engine{}
	met     []Stranger // Strangers, once they were cut out
)

// Mirror exchanges left and right.
func Mirror(m image.Image) image.Image {
	from, to := toRGBA(m), image.NewRGBA(image.Rect(0, 0, m.Bounds().Dx(), m.Bounds().Dy()))
	for y := range from.Rect.Dy() {
		for x := range from.Rect.Dx() {
			to.SetRGBA(from.Rect.Dx()-1-x, y, from.RGBAAt(x, y))
		}
	}
	return to
}

// Encode makes a JPEG of a quality from 1 to 100.
func Encode(m image.Image, quality int) []byte { return encode(m, quality) }

func encode(m image.Image, quality int) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}); err != nil {
		panic(err) // a picture in memory of a size that JPEG knows
	}
	return b.Bytes()
}

// Document draws a card that lies on a desk and carries a portrait, as a phone would take it: 1200 by 900.
func Document(portrait []byte) ([]byte, error) {
	m, err := jpeg.Decode(bytes.NewReader(portrait))
	if err != nil {
		return nil, err
	}
	out := image.NewRGBA(image.Rect(0, 0, 1200, 900))
	draw.Draw(out, out.Rect, image.NewUniform(color.RGBA{58, 52, 47, 255}), image.Point{}, draw.Src)
	card := image.Rect(120, 140, 1080, 745)
	draw.Draw(out, card, image.NewUniform(color.RGBA{214, 224, 232, 255}), image.Point{}, draw.Src)
	for i := range 6 { // lines of print
		line := image.Rect(card.Min.X+60, card.Min.Y+80+70*i, card.Min.X+420-30*(i%3), card.Min.Y+100+70*i)
		draw.Draw(out, line, image.NewUniform(color.RGBA{70, 74, 90, 255}), image.Point{}, draw.Src)
	}
	s := source{m: toRGBA(m)}
	b := m.Bounds()
	place := image.Rect(card.Max.X-330, card.Min.Y+70, card.Max.X-60, card.Min.Y+70+270*b.Dy()/b.Dx())
	for y := place.Min.Y; y < min(place.Max.Y, card.Max.Y-10); y++ {
		for x := place.Min.X; x < place.Max.X; x++ {
			fx := (float64(x-place.Min.X) + 0.5) / float64(place.Dx()) * float64(b.Dx())
			fy := (float64(y-place.Min.Y) + 0.5) / float64(place.Dy()) * float64(b.Dy())
			c := s.at(fx-0.5, fy-0.5)
			for k := range c { // print is paler than a picture
				c[k] = 40 + c[k]*0.78
			}
			out.SetRGBA(x, y, c.rgba())
		}
	}
	return encode(out, 88), nil
}

func toRGBA(m image.Image) *image.RGBA {
	b := m.Bounds()
	out := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(out, out.Rect, m, b.Min, draw.Src)
	return out
}

// source is a picture with colours between its pixels.
type source struct{ m *image.RGBA }

type colour [3]float64

//go:norace
func (c colour) rgba() color.RGBA {
	v := func(f float64) uint8 { return uint8(math.Round(min(max(f, 0), 255))) }
	return color.RGBA{v(c[0]), v(c[1]), v(c[2]), 255}
}

//go:norace
func (s source) at(x, y float64) colour {
	w, h := s.m.Rect.Dx(), s.m.Rect.Dy()
	x, y = min(max(x, 0), float64(w-1)), min(max(y, 0), float64(h-1))
	x0, y0 := int(x), int(y)
	x1, y1 := min(x0+1, w-1), min(y0+1, h-1)
	ax, ay := x-float64(x0), y-float64(y0)
	a, b := s.m.Pix[s.m.PixOffset(x0, y0):], s.m.Pix[s.m.PixOffset(x1, y0):]
	c, d := s.m.Pix[s.m.PixOffset(x0, y1):], s.m.Pix[s.m.PixOffset(x1, y1):]
	var out colour
	for k := range out {
		out[k] = (float64(a[k])*(1-ax)+float64(b[k])*ax)*(1-ay) + (float64(c[k])*(1-ax)+float64(d[k])*ax)*ay
	}
	return out
}
