package face

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestTheBrowserComputesTheSame gives the same pixels to every network here and in Chromium, where TensorFlow.js runs
// it in WebAssembly as on a phone, and compares what comes out. The phone may guide by its own results only because
// they are these.
func TestTheBrowserComputesTheSame(t *testing.T) {
	e, err := Open(MobileFaceNet, Options{Workers: 1})
	if err != nil {
		absent(t, err)
	}
	d, err := Open(Dlib, Options{Workers: 1})
	if err != nil {
		absent(t, err)
	}
	modules := filepath.Join("..", "..", "web", "node_modules")
	if _, err := os.Stat(filepath.Join(modules, "@vladmandic", "face-api")); err != nil {
		absent(t, "web/node_modules is not there; run make web")
	}
	p := testPicture(t)
	s := <-e.workers
	box := e.detector.find(s, p, 224)[0]
	points := e.landmarker.find(s, p, box)

	// Each network gets the square that it would see, in whole numbers, as a canvas holds them.
	type input struct {
		Network string    `json:"network"`
		Side    int       `json:"side"`
		Pixels  []float32 `json:"pixels"` // red, green, blue
	}
	square := func(network string, side int, f frame) input {
		x := s.tensor(side, side, 3)
		p.sample(x, f)
		round(x.d)
		return input{network, side, x.d}
	}
	long := float64(max(p.w, p.h))
	face := around(Point{box.X + box.W/2, box.Y + box.H/2}, max(box.W, box.H), 0, landmarkSide)
	mesh, f := e.mesher.crop(s, p, points)
	inputs := []input{
		square("detector", 224, frame{step: long / 224, cos: 1}),
		square("detector", 416, frame{step: long / 416, cos: 1}),
		square("landmarks", landmarkSide, face),
		square("mesh", mesh.h, f),
		square("mobilefacenet", 112, e.embedder.crop(points)),
		square("dlib", dlibSide, d.embedder.crop(points)),
	}
	ours := map[string]func(x *tensor) []float32{
		"detector":  func(x *tensor) []float32 { return e.detector.run(s, x).d },
		"landmarks": func(x *tensor) []float32 { return e.landmarker.run(s, x).d },
		"mesh": func(x *tensor) []float32 {
			for i := range x.d {
				x.d[i] /= 255
			}
			out := e.mesher.graph.run(s, x)
			return append(shares(out[0].d, x.h), out[1].d[0])
		},
		"mobilefacenet": func(x *tensor) []float32 { return e.embedder.embed(s, x) },
		"dlib":          func(x *tensor) []float32 { return d.embedder.embed(s, x) },
	}

	mux := http.NewServeMux()
	mux.Handle("/modules/", http.StripPrefix("/modules/", http.FileServer(http.Dir(modules))))
	mux.Handle("/weights/", http.StripPrefix("/weights/", http.FileServerFS(Weights())))
	mux.HandleFunc("/inputs", func(w http.ResponseWriter, _ *http.Request) {
		if err := json.NewEncoder(w).Encode(inputs); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>networks</title>")
	})
	server := httptest.NewServer(mux)
	defer server.Close()

	allocator, cancel := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.Flag("disable-gpu", true))...)
	defer cancel()
	ctx, cancel := chromedp.NewContext(allocator)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(server.URL)); err != nil {
		t.Fatal(err)
	}
	theirs, err := chromedp.Run(ctx, chromedp.Evaluate[[][]float32](browserNetworks, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	if len(theirs) != len(inputs) {
		t.Fatalf("%d results came back for %d inputs", len(theirs), len(inputs))
	}
	for i, in := range inputs {
		// The input is changed by the run, and was sent before.
		got := ours[in.Network](&tensor{in.Side, in.Side, 3, in.Pixels})
		if len(got) != len(theirs[i]) || len(got) < 100 {
			t.Errorf("%s: %d numbers here, %d in the browser", in.Network, len(got), len(theirs[i]))
			continue
		}
		var most, sum float64
		for k, v := range got {
			most = max(most, math.Abs(float64(v-theirs[i][k])))
			sum += math.Abs(float64(v))
		}
		t.Logf("%s at %d: differs by %.1e at most, of numbers of %.2f", in.Network, in.Side, most, sum/float64(len(got)))
		if !(most < 1e-4) || sum == 0 {
			t.Errorf("%s at %d differs by %g", in.Network, in.Side, most)
		}
	}
}

// absent skips a test for what make brings, or fails it where CI=true.
func absent(t *testing.T, what any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI must run this test: %v", what)
	}
	t.Skipf("SKIPPED: %v", what)
}

// shares makes places on a square shares of its side, of which depth and presence have the same order.
func shares(d []float32, side int) []float32 {
	out := make([]float32, len(d))
	for i, v := range d {
		out[i] = v / float32(side)
	}
	return out
}

const browserNetworks = `(async () => {
	const fa = await import('/modules/@vladmandic/face-api/dist/face-api.esm.js')
	const tf = fa.tf
	tf.setWasmPaths('/modules/@tensorflow/tfjs-backend-wasm/dist/')
	await tf.setBackend('wasm')
	await tf.ready()
	if (tf.getBackend() !== 'wasm') throw new Error('the backend is ' + tf.getBackend())
	await fa.nets.tinyFaceDetector.loadFromUri('/weights')
	await fa.nets.faceLandmark68Net.loadFromUri('/weights')
	await fa.nets.faceRecognitionNet.loadFromUri('/weights')
	const mesh = await tf.loadGraphModel('/weights/facemesh.json')
	const mobile = await tf.loadGraphModel('/weights/mobilefacenet.json')
	const canvas = ({ side, pixels }) => {
		const c = document.createElement('canvas')
		c.width = c.height = side
		const image = new ImageData(side, side)
		for (let i = 0; i < side * side; i++) {
			for (let k = 0; k < 3; k++) image.data[4 * i + k] = pixels[3 * i + k]
			image.data[4 * i + 3] = 255
		}
		c.getContext('2d').putImageData(image, 0, 0)
		return c
	}
	const tensor = ({ side, pixels }) => tf.tensor4d(pixels, [1, side, side, 3])
	const run = {
		detector: async (x) => (await fa.nets.tinyFaceDetector.forward(canvas(x), x.side)).data(),
		landmarks: async (x) => (await fa.nets.faceLandmark68Net.forward(canvas(x))).data(),
		dlib: async (x) => fa.nets.faceRecognitionNet.computeFaceDescriptor(canvas(x)),
		mobilefacenet: async (x) => mobile.execute(tensor(x).sub(127.5).div(128)).data(),
		mesh: async (x) => {
			const [points, presence] = mesh.execute(tensor(x).div(255), ['Identity_2', 'Identity_1'])
			return [...await points.div(x.side).data(), ...await presence.data()]
		},
	}
	const out = []
	for (const input of await (await fetch('/inputs')).json()) out.push([...await run[input.network](input)])
	return out
})()`

// testPicture is the still of the package facetest, which imports this one.
func testPicture(t *testing.T) *pixels {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/esimov/pigo").Output()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "testdata", "sample.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return pixelsOf(m, frameSide)
}

// chromium returns Chromium's path; without it the test is skipped, or fails where CI=true.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome-stable", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			return found
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("there is no Chromium: CI must compare the networks (apt-get install chromium)")
	}
	t.Skip("SKIPPED: THE COMPARISON WITH THE BROWSER. There is no Chromium (apt-get install chromium)")
	return ""
}
