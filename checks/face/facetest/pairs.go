package facetest

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// variants are what becomes of a picture on its way to a document's photo or through a poor camera.
var variants = []struct {
	name string
	make func(m *image.RGBA) []byte
}{
	{"as-it-is", func(m *image.RGBA) []byte { return encode(m, 92) }},
	{"dark", func(m *image.RGBA) []byte { return encode(recoloured(m, 0.35, 0, 8), 80) }},
	{"blurred", func(m *image.RGBA) []byte { return encode(scaled(scaled(m, 0.4), 2.5), 80) }},
	{"small", func(m *image.RGBA) []byte { return encode(scaled(m, 120/float64(m.Rect.Dx())), 70) }},
	{"hard-saved", func(m *image.RGBA) []byte { return encode(m, 15) }},
	{"printed", func(m *image.RGBA) []byte {
		// 120 pixels wide, washed out, with noise: a portrait of a worn card.
		return encode(recoloured(scaled(scaled(m, 120/float64(m.Rect.Dx())), 1.5), 0.6, 70, 14), 60)
	}},
}

// recoloured scales brightness, adds to it, and adds noise.
func recoloured(m *image.RGBA, scale, add, noise float64) *image.RGBA {
	r := rand.New(rand.NewPCG(3, 5))
	out := image.NewRGBA(m.Rect)
	for i := range m.Pix {
		if i%4 == 3 {
			out.Pix[i] = 255
			continue
		}
		out.Pix[i] = uint8(math.Round(min(max(float64(m.Pix[i])*scale+add+(r.Float64()-0.5)*noise, 0), 255)))
	}
	return out
}

// scaled changes the size, by the mean of what a pixel stands for.
func scaled(m *image.RGBA, by float64) *image.RGBA {
	w, h := max(1, int(float64(m.Rect.Dx())*by)), max(1, int(float64(m.Rect.Dy())*by))
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	s := source{m}
	n := max(1, int(math.Ceil(1/by)))
	for y := range h {
		for x := range w {
			var sum colour
			for k := range n * n {
				c := s.at((float64(x)+(float64(k%n)+0.5)/float64(n))/by-0.5, (float64(y)+(float64(k/n)+0.5)/float64(n))/by-0.5)
				for i := range sum {
					sum[i] += c[i] / float64(n*n)
				}
			}
			out.SetRGBA(x, y, sum.rgba())
		}
	}
	return out
}

// WritePairs writes pictures and a file pairs.csv that says which two show one person, for symbolon face
// calibrate: the still and so many strangers, each as it is and spoiled in several ways. One person's pictures
// all come from one; two persons are the still's and a stranger, or two strangers of one group picture.
func WritePairs(t testing.TB, dir string, persons int) (pairs string) {
	t.Helper()
	all := append([]Stranger{{Group: 0, JPEG: Still(t)}}, Strangers(t)...)
	all = all[:min(persons, len(all))]
	name := func(person int, variant string) string { return fmt.Sprintf("%02d-%s.jpg", person, variant) }
	var csv strings.Builder
	csv.WriteString("a,b,same\n")
	for i, s := range all {
		m, err := jpeg.Decode(bytes.NewReader(s.JPEG))
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range variants {
			if err := os.WriteFile(filepath.Join(dir, name(i, v.name)), v.make(toRGBA(m)), 0o600); err != nil {
				t.Fatal(err)
			}
			if k > 0 {
				fmt.Fprintf(&csv, "%s,%s,1\n", name(i, "as-it-is"), name(i, v.name))
			}
			for j, other := range all {
				if j != i && (i == 0 || j == 0 || other.Group == s.Group) {
					fmt.Fprintf(&csv, "%s,%s,0\n", name(j, "as-it-is"), name(i, v.name))
				}
			}
		}
	}
	pairs = filepath.Join(dir, "pairs.csv")
	if err := os.WriteFile(pairs, []byte(csv.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return pairs
}
