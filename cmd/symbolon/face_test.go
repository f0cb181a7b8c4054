package main

import (
	"encoding/xml"
	"errors"
	"flag"
	"image"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/symbolon/symbolon/checks/face"
	"github.com/symbolon/symbolon/checks/face/facetest"
)

// calibration keeps the pictures of docs/face.md's table: go test ./cmd/symbolon -run Calibrate -calibration FOLDER
var calibration = flag.String("calibration", "", "write every pair of pictures to this folder, and measure both models on them")

// TestFaceTools compares and calibrates on pictures that a fresh clone can obtain.
func TestFaceTools(t *testing.T) {
	facetest.Engine(t, face.MobileFaceNet) // skips without weights
	dir, persons := t.TempDir(), 3
	if *calibration != "" {
		dir, persons = *calibration, 100
	}
	pairs := facetest.WritePairs(t, dir, persons)
	one, printed, other := filepath.Join(dir, "00-as-it-is.jpg"), filepath.Join(dir, "00-printed.jpg"), filepath.Join(dir, "01-as-it-is.jpg")
	empty := filepath.Join(dir, "empty.jpg")
	write(t, empty, string(facetest.Encode(image.NewGray(image.Rect(0, 0, 300, 300)), 90)))
	bomb := facetest.Encode(image.NewGray(image.Rect(0, 0, 16, 16)), 90)
	at := strings.Index(string(bomb), "\xff\xc0")
	copy(bomb[at+5:], "\x27\x10\x27\x10")
	huge := filepath.Join(dir, "huge.jpg")
	write(t, huge, string(bomb))
	for _, c := range []struct {
		args   []string
		status int
		want   string // in what is printed
	}{
		{[]string{"compare", one, printed}, 0, "the same person"},
		{[]string{"compare", one, other}, 0, "two persons"},
		{[]string{"compare", one, other, "--face-model", "dlib"}, 0, "by dlib"},
		{[]string{"compare", one}, 1, "two pictures"},
		{[]string{"compare", one, empty}, 1, "no face was found"},
		{[]string{"compare", one, huge}, 1, "50 megapixels"},
		{[]string{"compare", one, pairs}, 1, "no JPEG or PNG"},
		{[]string{"compare", one, filepath.Join(dir, "nothing.jpg")}, 1, "no such file"},
		{[]string{"compare", one, other, "--face-model", "off"}, 1, "is off"},
		{[]string{"compare", one, other, "--face-model", "nobody"}, 1, "nobody"},
		{[]string{"calibrate"}, 1, "PAIRS.csv"},
		{[]string{"calibrate", "--distances"}, 1, "PAIRS.csv"},
		{[]string{"calibrate", one}, 1, "00-as-it-is.jpg"},
		{[]string{"paint"}, 1, "face calibrate"},
	} {
		status, out, errs := invoke(t, "", append([]string{"face"}, c.args...)...)
		if status != c.status || !strings.Contains(out+errs, c.want) {
			t.Errorf("face %q: %d %s%s, want %q", c.args, status, out, errs, c.want)
		}
	}
	models := []string{face.MobileFaceNet}
	if *calibration != "" {
		models = append(models, face.Dlib)
	}
	for _, model := range models {
		curve := filepath.Join(dir, model+".svg")
		status, out, errs := invoke(t, "", "face", "calibrate", pairs, "--out", curve, "--distances", "--face-model", model)
		if status != 0 {
			t.Fatalf("%d %s", status, errs)
		}
		for _, want := range []string{"area under the curve", "accept", "needs 10000 such pairs", " true ", " false ", "pairs of one person"} {
			if !strings.Contains(out, want) {
				t.Errorf("%q is not in\n%s", want, out)
			}
		}
		if *calibration != "" {
			t.Log(out[strings.Index(out, "model "):], errs)
		}
		svg, err := os.ReadFile(curve)
		if err != nil {
			t.Fatal(err)
		}
		for d := xml.NewDecoder(strings.NewReader(string(svg))); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("the curve is no picture: %v", err)
			}
		}
		if !strings.Contains(string(svg), "<polyline") || strings.Contains(string(svg), "NaN") {
			t.Errorf("the curve is\n%s", svg)
		}
	}
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestReadPairs(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"good":             {"a,b,same\nx.jpg,y.jpg,1\n\"with, comma.jpg\",y.jpg,no\n", ""},
		"no header":        {"x.jpg,y.jpg,1\n", "a,b,same"},
		"two columns":      {"a,b,same\nx.jpg,1\n", "fields"},
		"another word":     {"a,b,same\nx.jpg,y.jpg,maybe\n", ":2: same"},
		"an open quote":    {"a,b,same\n\"x.jpg,y.jpg,1\n", "quot"},
		"nothing":          {"", ""},
		"the header alone": {"a,b,same\n", ""},
	} {
		file := filepath.Join(t.TempDir(), "pairs.csv")
		write(t, file, c.text)
		pairs, err := readPairs(file)
		if c.want == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if name == "good" && (len(pairs) != 2 || !pairs[0].same || pairs[1].same || pairs[1].a != filepath.Join(filepath.Dir(file), "with, comma.jpg")) {
			t.Errorf("%s: %+v", name, pairs)
		}
	}
}

// TestMeasures holds the figures to what is plain to see in a few distances.
func TestMeasures(t *testing.T) {
	for name, c := range map[string]struct {
		same, other    []float64
		auc, eer       float64
		threshold      float64
		fmr, fnmr      float64 // at the threshold
		strictest      float64 // for a share of the pairs of two
		strictestValue float64
	}{
		"apart":       {[]float64{0.1, 0.2}, []float64{0.6, 0.8}, 1, 0, 0.3, 0, 0, 0.5, math.Nextafter(0.8, -1)},
		"one between": {[]float64{0.1, 0.2, 0.3, 0.7}, []float64{0.5, 0.6, 0.8, 0.9}, 14.0 / 16, 0.25, 0.5, 0.25, 0.25, 0.25, math.Nextafter(0.6, -1)},
		"alike":       {[]float64{0.5, 0.5}, []float64{0.5, 0.5}, 0.5, 0.5, 0.5, 1, 0, 0.5, math.Nextafter(0.5, -1)},
		"upside down": {[]float64{0.9}, []float64{0.1}, 0, 1, 0.5, 1, 1, 1, math.Nextafter(0.1, -1)},
	} {
		m := measure(c.same, c.other)
		if got := m.auc(); math.Abs(got-c.auc) > 1e-12 {
			t.Errorf("%s: area %g, want %g", name, got, c.auc)
		}
		if got, _ := m.eer(); math.Abs(got-c.eer) > 1e-12 {
			t.Errorf("%s: equal error rate %g, want %g", name, got, c.eer)
		}
		if fmr, fnmr := m.at(c.threshold); fmr != c.fmr || fnmr != c.fnmr {
			t.Errorf("%s: %g and %g at %g, want %g and %g", name, fmr, fnmr, c.threshold, c.fmr, c.fnmr)
		}
		got, ok := m.strictest(c.strictest)
		if fmr, _ := m.at(got); !ok || got != c.strictestValue || fmr > c.strictest {
			t.Errorf("%s: up to %g, with %g of them wrong, want %g", name, got, fmr, c.strictestValue)
		}
		if _, ok := m.strictest(1e-6); ok {
			t.Errorf("%s: so few pairs prove nothing of one in a million", name)
		}
	}
}
