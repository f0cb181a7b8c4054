package checks

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"testing"
)

func picture(w, h int) image.Image {
	m := image.NewGray(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		m.Pix[i] = byte(i * 7)
	}
	m.Set(0, 0, color.White)
	return m
}

func jpegOf(t testing.TB, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, picture(w, h), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pngOf(t testing.TB, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, picture(w, h)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// hugePNG claims w×h pixels in a file of a few bytes.
func hugePNG(w, h uint32) []byte {
	ihdr := append([]byte("IHDR"), make([]byte, 13)...)
	binary.BigEndian.PutUint32(ihdr[4:], w)
	binary.BigEndian.PutUint32(ihdr[8:], h)
	ihdr[12], ihdr[13] = 8, 0
	out := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d")
	out = append(out, ihdr...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(ihdr))
}

func TestDecodePhoto(t *testing.T) {
	good := jpegOf(t, 900, 600)
	for name, c := range map[string]struct {
		file []byte
		want error
	}{
		"jpeg":           {good, nil},
		"png":            {pngOf(t, 640, 480), nil},
		"small":          {jpegOf(t, 900, 479), ErrPhotoTooSmall},
		"cut":            {good[:len(good)/2], ErrPhotoUnreadable},
		"only a header":  {good[:3], ErrPhotoUnreadable},
		"empty":          {nil, ErrPhotoUnreadable},
		"text":           {[]byte("\xff\xd8\xffhello, this is not a picture"), ErrPhotoUnreadable},
		"decompress me":  {hugePNG(60000, 60000), ErrPhotoTooLarge},
		"overflowing it": {hugePNG(1<<31-1, 1<<31-1), ErrPhotoUnreadable},
	} {
		p, err := DecodePhoto(bytes.NewReader(c.file), int64(len(c.file)))
		if !errors.Is(err, c.want) || c.want == nil && (err != nil || p.Width < 600) {
			t.Errorf("%s: %+v, %v; want %v", name, p, err, c.want)
		}
	}
}

func TestSniff(t *testing.T) {
	for head, want := range map[string]string{
		"\xff\xd8\xff\xe0": "image/jpeg", "\x89PNG\r\n\x1a\n": "image/png",
		"\x00\x00\x00\x20ftypisom":                                 "video/mp4",
		"\x00\x00\x00\x20ftypheic":                                 "",
		"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm":     "video/webm",
		"\x1a\x45\xdf\xa3\xa3\x42\x86\x81\x01\x42\x82\x88matroska": "video/x-matroska",
		"\x1a\x45\xdf\xa3\x42\x82":                                 "",
		"GIF89a":                                                   "", "": "", "<svg": "", "%PDF-1.7": "",
	} {
		if got := Sniff([]byte(head)); got != want {
			t.Errorf("%q: %q, want %q", head, got, want)
		}
	}
}

func FuzzDecodePhoto(f *testing.F) {
	f.Add(jpegOf(f, 480, 480))
	f.Add(hugePNG(60000, 60000))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := DecodePhoto(bytes.NewReader(b), int64(len(b))); err == nil && p.Width*p.Height > maxPixels {
			t.Errorf("decoded %d×%d", p.Width, p.Height)
		}
		Sniff(b)
	})
}
