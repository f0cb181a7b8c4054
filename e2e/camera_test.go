package e2e

import (
	"bytes"
	"image"
	"image/draw"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// The camera stands upright, as a phone is held.
const (
	cameraWidth  = 720
	cameraHeight = 1280
	cameraFrames = 6
)

// camera is what the browser takes for its camera: a file that it reads from its start each time
// a page opens the camera.
type camera struct {
	path   string
	shots  map[string][]byte // side → a picture of the card, PNG
	scenes map[string][]byte // side → frames
}

// newCamera names the file; it can be filled only when there is a browser to draw in.
func newCamera(t *testing.T) *camera {
	t.Helper()
	return &camera{path: filepath.Join(t.TempDir(), "camera.mjpeg"), shots: map[string][]byte{}, scenes: map[string][]byte{}}
}

// draw draws both sides of the card.
func (c *camera) draw(t *testing.T, b *browser) {
	t.Helper()
	page, err := filepath.Abs("testdata/card.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, side := range []string{"front", "back"} {
		ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
		if err := chromedp.Do(ctx, chromedp.EmulateViewport(cameraWidth, cameraHeight), chromedp.Navigate("file://"+page+"#"+side)); err != nil {
			t.Fatal(err)
		}
		shot, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		c.shots[side], c.scenes[side] = shot, frames(t, shot)
	}
}

// show puts a side of the card before the camera, for the next time that it is opened.
func (c *camera) show(t *testing.T, side string) {
	t.Helper()
	next := c.path + ".next"
	if err := os.WriteFile(next, c.scenes[side], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, c.path); err != nil {
		t.Fatal(err)
	}
}

// frames makes JPEG frames of a picture, one after the other, with the noise that a sensor has.
func frames(t *testing.T, shot []byte) []byte {
	t.Helper()
	drawn, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatal(err)
	}
	scene := image.NewRGBA(drawn.Bounds())
	draw.Draw(scene, scene.Bounds(), drawn, image.Point{}, draw.Src)
	random := rand.New(rand.NewPCG(1, 2))
	var out bytes.Buffer
	for range cameraFrames {
		frame := image.NewRGBA(scene.Bounds())
		for i := 0; i < len(frame.Pix); i += 4 {
			n := random.IntN(5) - 2
			for k := range 3 {
				// Chromium takes the camera's JPEG for video of limited range and stretches it.
				frame.Pix[i+k] = uint8(min(235, max(16, 16+int(scene.Pix[i+k])*219/255+n)))
			}
			frame.Pix[i+3] = 255
		}
		if err := jpeg.Encode(&out, frame, &jpeg.Options{Quality: 88}); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}
