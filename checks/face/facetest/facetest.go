// Package facetest makes moving faces out of a still picture, for tests: frames in which a head turns, a mouth
// opens and eyes close, and documents that carry a portrait.
//
// What it draws is one still, bent. That it passes the checks of package face is no defect of either: it
// is what docs/face.md says that such checks cannot stop.
package facetest

import (
	"bytes"
	"errors"
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

// Strangers returns pictures of other persons, cut out of the group pictures of @vladmandic/face-api. It skips the
// test where npm ci has not brought them.
func Strangers(t testing.TB) [][]byte {
	t.Helper()
	m := group(t, "sample1.jpg")
	var out [][]byte
	for _, r := range strangers {
		crop := image.NewRGBA(image.Rect(0, 0, r.Dx(), r.Dy()))
		draw.Draw(crop, crop.Rect, m, r.Min, draw.Src)
		out = append(out, encode(crop, 92))
	}
	return out
}

// Group returns one of the group pictures, with several faces on it.
func Group(t testing.TB) []byte {
	t.Helper()
	return encode(group(t, "sample1.jpg"), 90)
}

func group(t testing.TB, name string) image.Image {
	t.Helper()
	f, err := os.Open(filepath.Join(root(), "web", "node_modules", "@vladmandic", "face-api", "demo", name))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("SKIPPED: web/node_modules is not there; run make web")
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

// Engine returns an engine for one of the models that come with the program, which all tests of a package
// share. It skips the test where the weights have not been brought.
func Engine(t testing.TB, model string) *face.Engine {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	if engines[model] == nil {
		e, err := face.Open(model, face.Options{})
		if errors.Is(err, face.ErrNoWeights) {
			t.Skipf("SKIPPED: %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		engines[model] = e
	}
	return engines[model]
}

var (
	mu      sync.Mutex // guards engines
	engines = map[string]*face.Engine{}
)

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

func (c colour) rgba() color.RGBA {
	v := func(f float64) uint8 { return uint8(math.Round(min(max(f, 0), 255))) }
	return color.RGBA{v(c[0]), v(c[1]), v(c[2]), 255}
}

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

// strangers are where single faces stand on sample1.jpg.
var strangers = []image.Rectangle{}
