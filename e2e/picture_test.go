package e2e

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
)

// makeTopPicture makes the picture on top of the README: the desk with its number, and in front of
// it the phone with the first digit typed, at the same instant.
func makeTopPicture(p *person) {
	p.Helper()
	// A little shorter than the phone is, so that it does not cover the desk's header.
	const below, height = 92, 780
	p.phone.size(p.phone.width, height)
	p.desk.settle()
	p.phone.settle()
	desk, phone := p.desk.picture(), halved(p.phone.picture())
	p.phone.size(p.phone.width, p.phone.height)
	out := image.NewRGBA(image.Rect(0, 0, 1600, 900))
	draw.Draw(out, image.Rect(0, 0, 1440, 900), desk, desk.Bounds().Min, draw.Src)
	for x := 1440; x < 1600; x++ { // the page goes on to the right as it ends
		draw.Draw(out, image.Rect(x, 0, x+1, 900), desk, image.Pt(desk.Bounds().Max.X-1, desk.Bounds().Min.Y), draw.Src)
	}
	at := image.Rect(1092, below, 1092+phone.Bounds().Dx(), below+phone.Bounds().Dy())
	draw.Draw(out, at.Inset(-1), image.NewUniform(color.RGBA{0x73, 0x83, 0x7d, 0xff}), image.Point{}, draw.Src)
	draw.Draw(out, at, phone, phone.Bounds().Min, draw.Src)
	savePicture(p, "scan-match-go-on.png", out)
}

// savePicture writes a picture of the README in few colours, to stay small.
func savePicture(p *person, name string, img image.Image) {
	p.Helper()
	few := image.NewPaletted(img.Bounds(), paletteOf(img))
	draw.Draw(few, few.Bounds(), img, img.Bounds().Min, draw.Src)
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, few); err != nil {
		p.Fatal(err)
	}
	const most = 300_000
	if out.Len() > most {
		p.Errorf("%s has %d bytes, more than %d", name, out.Len(), most)
	}
	dir := filepath.Join("..", "docs", "pictures")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), out.Bytes(), 0o644); err != nil {
		p.Fatal(err)
	}
}

// paletteOf returns the 256 colours that occur most.
func paletteOf(img image.Image) color.Palette {
	count := map[color.RGBA]int{}
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, bl, _ := img.At(x, y).RGBA()
			count[color.RGBA{uint8(r >> 8), uint8(g >> 8), uint8(bl >> 8), 255}]++
		}
	}
	var palette color.Palette
	for len(palette) < 256 && len(count) > 0 {
		var most color.RGBA
		n := 0
		for c, k := range count {
			if k > n {
				most, n = c, k
			}
		}
		palette = append(palette, most)
		delete(count, most)
	}
	return palette
}

// halved makes a picture of half the size, each pixel the mean of four.
func halved(img image.Image) image.Image {
	b := img.Bounds()
	out := image.NewRGBA(image.Rect(0, 0, b.Dx()/2, b.Dy()/2))
	for y := range b.Dy() / 2 {
		for x := range b.Dx() / 2 {
			var sum [3]uint32
			for _, d := range [4]image.Point{{0, 0}, {1, 0}, {0, 1}, {1, 1}} {
				r, g, bl, _ := img.At(b.Min.X+2*x+d.X, b.Min.Y+2*y+d.Y).RGBA()
				sum[0], sum[1], sum[2] = sum[0]+r>>8, sum[1]+g>>8, sum[2]+bl>>8
			}
			out.SetRGBA(x, y, color.RGBA{uint8(sum[0] / 4), uint8(sum[1] / 4), uint8(sum[2] / 4), 255})
		}
	}
	return out
}
