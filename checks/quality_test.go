package checks

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"slices"
	"testing"

	"github.com/symbolon/symbolon/checks/checkstest"
)

const photoWidth, photoHeight = 720, 540

// photographed is a photo of a card's side that lies in the middle of a dark table.
func photographed(side checkstest.Side, seed uint64) *image.RGBA {
	return laid(side, seed, checkstest.Placed(0.5, 0.5, 0.8, 1, float64(photoWidth)/photoHeight), checkstest.Dark)
}

func laid(side checkstest.Side, seed uint64, at checkstest.Quad, on checkstest.Table) *image.RGBA {
	d := checkstest.Document{Side: side, Seed: seed}
	if side == checkstest.Page {
		d.MRZ = []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"}
	}
	return checkstest.Photo(checkstest.Draw(d), photoWidth, photoHeight, at, on)
}

// sent is a photo as it arrives: with a sensor's noise, and pressed.
func sent(t testing.TB, m *image.RGBA, quality int) image.Image {
	t.Helper()
	out, err := jpeg.Decode(bytes.NewReader(checkstest.JPEG(checkstest.Noisy(m, 2, 1), quality)))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// of returns the verdict of one check, and fails the test when another one fails too.
func of(t *testing.T, name, check string, e Examined) Verdict {
	t.Helper()
	v := Verdict("")
	for _, f := range e.Findings {
		if (f.Verdict == Fail) != (f.Code != "") {
			t.Errorf("%s: %+v: a failure has a reason, nothing else has", name, f)
		}
		for m, x := range f.Measures {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				t.Errorf("%s: %s of %s is %v", name, m, f.Check, x)
			}
		}
		if f.Check == check {
			v = f.Verdict
		} else if f.Verdict == Fail {
			t.Errorf("%s: %s fails too: %+v", name, f.Check, f)
		}
	}
	return v
}

func TestGoodPhotosPass(t *testing.T) {
	for _, side := range []checkstest.Side{checkstest.Front, checkstest.Back, checkstest.Page} {
		m := photographed(side, 1)
		for name, p := range map[string]func() image.Image{
			"as it is":         func() image.Image { return sent(t, m, 90) },
			"pressed hard":     func() image.Image { return sent(t, m, 35) },
			"a weak lamp":      func() image.Image { return sent(t, checkstest.Dimmed(m, 0.5), 85) },
			"a bad sensor":     func() image.Image { return sent(t, checkstest.Noisy(m, 10, 3), 85) },
			"a little unsharp": func() image.Image { return sent(t, checkstest.Blurred(m, 1.2), 85) },
			"turned": func() image.Image {
				return sent(t, laid(side, 2, checkstest.Placed(0.5, 0.5, 0.7, 8, 4./3), checkstest.Dark), 85)
			},
			"from the side": func() image.Image {
				return sent(t, laid(side, 3, checkstest.Quad{{X: 0.15, Y: 0.2}, {X: 0.85, Y: 0.22}, {X: 0.9, Y: 0.83}, {X: 0.1, Y: 0.8}}, checkstest.Dark), 85)
			},
			"farther away": func() image.Image {
				return sent(t, laid(side, 4, checkstest.Placed(0.45, 0.5, 0.66, -3, 4./3), checkstest.Dark), 85)
			},
			"a small lamp far from the print": func() image.Image {
				return sent(t, checkstest.Reflecting(m, checkstest.Point{X: 0.05, Y: 0.05}, 0.03), 85)
			},
		} {
			if side != checkstest.Front && !slices.Contains([]string{"as it is", "a bad sensor", "a little unsharp", "from the side"}, name) {
				continue // how light falls does not depend on what is printed
			}
			for _, f := range Examine(p()).Findings {
				if f.Verdict != Pass {
					t.Errorf("%s, %s: %+v", side, name, f)
				}
			}
		}
	}
}

// Where the document cannot be told from what lies around it, nothing is sent back for that.
func TestNothingIsSentBackForWhereItLies(t *testing.T) {
	for name, p := range map[string]*image.RGBA{
		"on a light table": laid(checkstest.Front, 1, checkstest.Placed(0.5, 0.5, 0.8, 2, 4./3), checkstest.Light),
		"fills the photo":  laid(checkstest.Front, 1, checkstest.Placed(0.5, 0.5, 1.3, 0, 4./3), checkstest.Dark),
		"much perspective": laid(checkstest.Front, 1, checkstest.Quad{{X: 0.25, Y: 0.2}, {X: 0.75, Y: 0.2}, {X: 0.98, Y: 0.85}, {X: 0.02, Y: 0.85}}, checkstest.Dark),
		"lies across":      laid(checkstest.Front, 1, checkstest.Placed(0.5, 0.5, 0.55, 90, 4./3), checkstest.Dark),
		"a corner is cut":  laid(checkstest.Front, 1, checkstest.Placed(0.62, 0.5, 0.8, 1, 4./3), checkstest.Dark),
	} {
		if v := of(t, name, "", Examine(sent(t, p, 85))); v != "" {
			t.Errorf("%s: %s", name, v)
		}
	}
	// A card on a sheet of paper that the photo cuts off.
	sheet := laid(checkstest.Front, 1, checkstest.Placed(0.5, 0.5, 0.5, 1, 4./3), checkstest.Light)
	for y := range photoHeight {
		for x := range photoWidth * 15 / 100 {
			sheet.Set(x, y, color.RGBA{70, 60, 55, 255})
		}
	}
	if v := of(t, "on paper", "", Examine(sent(t, sheet, 85))); v != "" {
		t.Errorf("on paper: %s", v)
	}
}

func TestBadPhotosFailByDegrees(t *testing.T) {
	for _, side := range []checkstest.Side{checkstest.Front, checkstest.Back} {
		m := photographed(side, 1)
		for _, row := range []struct {
			name, check string
			p           func() *image.RGBA
			want        Verdict
		}{
			{"a little unsharp", CheckSharp, func() *image.RGBA { return checkstest.Blurred(m, 1.5) }, Pass},
			{"unsharp", CheckSharp, func() *image.RGBA { return checkstest.Blurred(m, 2.6) }, Unsure},
			{"very unsharp", CheckSharp, func() *image.RGBA { return checkstest.Blurred(m, 6) }, Fail},
			{"unsharp in the dusk", CheckSharp, func() *image.RGBA { return checkstest.Blurred(checkstest.Dimmed(m, 0.45), 9) }, Fail},
			{"dusk", CheckLight, func() *image.RGBA { return checkstest.Dimmed(m, 0.3) }, Unsure},
			{"dark", CheckLight, func() *image.RGBA { return checkstest.Dimmed(m, 0.18) }, Fail},
			{"black", CheckLight, func() *image.RGBA { return checkstest.Dimmed(m, 0) }, Fail},
			{"a small reflection", CheckGlare, func() *image.RGBA { return checkstest.Reflecting(m, checkstest.Point{X: 0.45, Y: 0.5}, 0.03) }, Unsure},
			{"a reflection", CheckGlare, func() *image.RGBA { return checkstest.Reflecting(m, checkstest.Point{X: 0.45, Y: 0.5}, 0.08) }, Fail},
			{"a large reflection", CheckGlare, func() *image.RGBA { return checkstest.Reflecting(m, checkstest.Point{X: 0.45, Y: 0.5}, 0.18) }, Fail},
			{"overexposed", CheckGlare, func() *image.RGBA { return checkstest.Dimmed(m, 1.5) }, Unsure},
			{"no colours", CheckColour, func() *image.RGBA { return checkstest.Grey(m) }, Fail},
			{"cut at the right", CheckWhole, func() *image.RGBA { return laid(side, 1, checkstest.Placed(0.88, 0.5, 0.8, 0, 4./3), checkstest.Dark) }, Fail},
			{"cut at the bottom", CheckWhole, func() *image.RGBA { return laid(side, 1, checkstest.Placed(0.5, 0.92, 0.8, 0, 4./3), checkstest.Dark) }, Fail},
			{"a little cut", CheckWhole, func() *image.RGBA { return laid(side, 1, checkstest.Placed(0.66, 0.5, 0.8, 0, 4./3), checkstest.Dark) }, Unsure},
			{"small", CheckSize, func() *image.RGBA { return laid(side, 1, checkstest.Placed(0.5, 0.5, 0.5, 0, 4./3), checkstest.Dark) }, Unsure},
			{"very small", CheckSize, func() *image.RGBA { return laid(side, 1, checkstest.Placed(0.5, 0.5, 0.25, 0, 4./3), checkstest.Dark) }, Fail},
		} {
			if side != checkstest.Front && row.check != CheckSharp && row.check != CheckGlare {
				continue // only these depend on what is printed
			}
			name := fmt.Sprintf("%s, %s", side, row.name)
			e := Examine(sent(t, row.p(), 85))
			if got := of(t, name, row.check, e); got != row.want {
				t.Errorf("%s: %s, want %s: %+v", name, got, row.want, e.Findings)
			}
		}
	}
	wall := image.NewRGBA(image.Rect(0, 0, photoWidth, photoHeight))
	for i := range wall.Pix { // lit from one side
		wall.Pix[i] = byte(150 + 60*(i/4%photoWidth)/photoWidth - i%4*8)
		if i%4 == 3 {
			wall.Pix[i] = 255
		}
	}
	if got := of(t, "a wall", CheckContent, Examine(sent(t, wall, 85))); got != Fail {
		t.Errorf("a wall: %s", got)
	}
}

func TestTwoPhotosOfOneSideAreFound(t *testing.T) {
	front := photographed(checkstest.Front, 1)
	first := Examine(sent(t, front, 90))
	for name, row := range map[string]struct {
		p    *image.RGBA
		want Verdict
	}{
		"pressed again": {front, Fail},
		"darker":        {checkstest.Dimmed(front, 0.6), Fail},
		"unsharp":       {checkstest.Blurred(front, 2), Fail},
		"taken again":   {laid(checkstest.Front, 1, checkstest.Placed(0.51, 0.48, 0.78, 2, 4./3), checkstest.Dark), Fail},
		"the back":      {photographed(checkstest.Back, 1), Pass},
		"another back":  {photographed(checkstest.Back, 5), Pass},
		"a page":        {photographed(checkstest.Page, 1), Pass},
		"a black photo": {checkstest.Dimmed(front, 0.01), Skipped},
	} {
		if f := SameSide(first, Examine(sent(t, row.p, 50))); f.Verdict != row.want || (f.Code == "document.wrong_side") != (row.want == Fail) {
			t.Errorf("%s: %+v, want %s", name, f, row.want)
		}
	}
}

func TestShrinkIsTheMean(t *testing.T) {
	m := image.NewNRGBA(image.Rect(5, 7, 1005, 507))
	for y := 7; y < 507; y++ {
		for x := 5; x < 1005; x++ {
			m.SetNRGBA(x, y, color.NRGBA{uint8((x - 5) % 2 * 200), uint8(y % 2 * 100), 50, 255})
		}
	}
	got := Shrink(m, 100)
	if got.Rect != image.Rect(0, 0, 100, 50) {
		t.Fatalf("%v", got.Rect)
	}
	for i := 0; i < len(got.Pix); i += 4 {
		if p := [4]byte(got.Pix[i:]); p != [4]byte{100, 50, 50, 255} {
			t.Fatalf("pixel %d is %v", i/4, p)
		}
	}
	for _, size := range [][2]int{{1, 1}, {3000, 1}, {1, 3000}, {101, 77}, {0, 0}} {
		m := image.NewGray16(image.Rect(0, 0, size[0], size[1]))
		for i := range m.Pix {
			m.Pix[i] = 0x80
		}
		got := Shrink(m, 100)
		if max(got.Rect.Dx(), got.Rect.Dy()) > 100 || size[0] > 0 && got.Pix[0] != 0x80 {
			t.Errorf("%v becomes %v", size, got.Rect)
		}
	}
}

func TestTurned(t *testing.T) {
	m := image.NewGray(image.Rect(0, 0, 3, 2))
	copy(m.Pix, []byte{1, 2, 3, 4, 5, 6})
	for quarters, want := range map[int][]byte{0: {1, 2, 3, 4, 5, 6}, 1: {4, 1, 5, 2, 6, 3}, 2: {6, 5, 4, 3, 2, 1}, 3: {3, 6, 2, 5, 1, 4}, -1: {3, 6, 2, 5, 1, 4}, 5: {4, 1, 5, 2, 6, 3}} {
		if got := Turned(m, quarters); !bytes.Equal(got.Pix, want) {
			t.Errorf("%d quarters: %v, want %v", quarters, got.Pix, want)
		}
	}
}

func FuzzExamine(f *testing.F) {
	f.Add(uint16(64), uint16(48), []byte{1, 2, 3, 200, 100, 50, 255, 255, 255}, uint8(3))
	f.Add(uint16(1), uint16(700), []byte{0}, uint8(1))
	f.Add(uint16(300), uint16(200), []byte{250, 250, 250, 10}, uint8(40))
	f.Fuzz(func(t *testing.T, w, h uint16, pattern []byte, block uint8) {
		m := image.NewRGBA(image.Rect(0, 0, int(w%400), int(h%400)))
		if len(pattern) == 0 {
			return
		}
		for y := range m.Rect.Dy() {
			for x := range m.Rect.Dx() {
				i := (x/(int(block)+1)*31 + y/(int(block)+1)*17) * 3
				m.SetRGBA(x, y, color.RGBA{pattern[i%len(pattern)], pattern[(i+1)%len(pattern)], pattern[(i+2)%len(pattern)], 255})
			}
		}
		e := Examine(m)
		again := Examine(m)
		for i, f := range e.Findings {
			if f.Verdict != again.Findings[i].Verdict || (f.Verdict == Fail) != (f.Code != "") {
				t.Errorf("%+v, then %+v", f, again.Findings[i])
			}
			for name, x := range f.Measures {
				if math.IsNaN(x) || math.IsInf(x, 0) {
					t.Errorf("%s of %s is %v", name, f.Check, x)
				}
			}
		}
		if e.Reading == nil {
			t.Error("nothing to read")
		}
		SameSide(e, again)
	})
}

func BenchmarkExamine12Megapixels(b *testing.B) {
	m := image.NewYCbCr(image.Rect(0, 0, 4000, 3000), image.YCbCrSubsampleRatio420)
	small := sent(b, photographed(checkstest.Front, 1), 90).(*image.YCbCr)
	for y := range 3000 {
		for x := range 4000 {
			m.Y[m.YOffset(x, y)] = small.Y[small.YOffset(x*photoWidth/4000, y*photoHeight/3000)]
			m.Cb[m.COffset(x, y)] = small.Cb[small.COffset(x*photoWidth/4000, y*photoHeight/3000)]
		}
	}
	for b.Loop() {
		Examine(m)
	}
}
