package checks

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"testing"
	"time"
)

// box is a box of an MP4 file.
func box(kind string, content ...byte) []byte {
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(content))), kind...), content...)
}

func movieHeader(scale, duration uint32) []byte {
	b := make([]byte, 100)
	binary.BigEndian.PutUint32(b[12:], scale)
	binary.BigEndian.PutUint32(b[16:], duration)
	return box("mvhd", b...)
}

// element is an element of a Matroska file; size -1 is unknown.
func element(id uint32, size int, content ...byte) []byte {
	b := bytes.TrimLeft(binary.BigEndian.AppendUint32(nil, id), "\x00")
	if size < 0 {
		return append(append(b, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), content...)
	}
	return append(append(b, 0x10|byte(size>>24), byte(size>>16), byte(size>>8), byte(size)), content...)
}

func joined(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func webm(seconds float64, blocks int) []byte {
	info := joined(element(ebmlScale, 3, 0x0f, 0x42, 0x40), element(ebmlLength, 8, binary.BigEndian.AppendUint64(nil, math.Float64bits(seconds*1000))...))
	b := joined(element(ebmlHead, 4, 1, 2, 3, 4), element(ebmlSegment, -1), element(ebmlInfo, len(info), info...), element(ebmlCluster, -1))
	for range blocks {
		b = append(b, element(0xa3, 200, make([]byte, 200)...)...)
	}
	return b
}

func mp4(seconds uint32) []byte {
	return joined(box("ftyp", []byte("isom\x00\x00\x02\x00isom")...), box("free"), box("moov", joined(box("udta", 1, 2), movieHeader(1000, seconds*1000))...), box("mdat", make([]byte, 500)...))
}

func TestContainers(t *testing.T) {
	for name, row := range map[string]struct {
		b        []byte
		filetype string
		want     Container
		err      error
	}{
		"mp4":                  {mp4(7), "video/mp4", Container{Pieces: 1, States: 7 * time.Second}, nil},
		"mp4, cut in its data": {mp4(7)[:len(mp4(7))-1], "video/mp4", Container{Pieces: 1, Truncated: true, States: 7 * time.Second}, nil},
		"mp4, cut in a header": {append(mp4(7), 0, 0, 1), "video/mp4", Container{Pieces: 1, Truncated: true, States: 7 * time.Second}, nil},
		"mp4, no index":        {joined(mp4(0)[:20], box("mdat", 1, 2, 3)), "video/mp4", Container{Pieces: 1, Truncated: true}, nil},
		"mp4, unknown length":  {joined(mp4(0)[:20], box("moov", movieHeader(1000, math.MaxUint32)...)), "video/mp4", Container{Pieces: 1}, nil},
		"mp4, in fragments":    {joined(mp4(0), box("moof", 1), box("mdat", 2), box("moof", 1), box("mdat", 2)), "video/mp4", Container{Pieces: 1}, nil},
		"two mp4":              {joined(mp4(7), mp4(8)), "video/mp4", Container{Pieces: 2, States: 8 * time.Second}, nil},
		"mp4, box too short":   {joined(mp4(7), []byte{0, 0, 0, 4, 'f', 'r', 'e', 'e'}), "video/mp4", Container{}, ErrContainer},
		"mp4, nameless box":    {joined(mp4(7), box("\x00\x01\x02\x03")), "video/mp4", Container{}, ErrContainer},
		"mp4, a box of 2^63":   {joined(mp4(7), []byte("\x00\x00\x00\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff")), "video/mp4", Container{}, ErrContainer},
		"webm":                 {webm(3, 5), "video/webm", Container{Pieces: 1, States: 3 * time.Second}, nil},
		"webm, cut":            {webm(3, 5)[:700], "video/webm", Container{Pieces: 1, Truncated: true, States: 3 * time.Second}, nil},
		"two webm":             {joined(webm(3, 5), webm(4, 5)), "video/x-matroska", Container{Pieces: 2, States: 4 * time.Second}, nil},
		"webm, nonsense long":  {webm(math.Inf(1), 1), "video/webm", Container{Pieces: 1, States: 1e9 * time.Second}, nil},
		"webm, not a number":   {webm(math.NaN(), 1), "video/webm", Container{Pieces: 1}, nil},
		"webm, no segment":     {element(ebmlHead, 4, 1, 2, 3, 4), "video/webm", Container{Pieces: 1, Truncated: true}, nil},
		"webm, junk":           {append(webm(3, 1), make([]byte, 50)...), "video/webm", Container{}, ErrContainer},
		"webm that is mp4":     {mp4(7), "video/webm", Container{}, ErrContainer},
		"mp4 that is webm":     {webm(3, 5), "video/mp4", Container{}, ErrContainer},
		"nothing":              {nil, "video/webm", Container{}, ErrContainer},
	} {
		got, err := ReadContainer(bytes.NewReader(row.b), int64(len(row.b)), row.filetype)
		if !errors.Is(err, row.err) || err == nil && got != row.want {
			t.Errorf("%s: %+v, %v; want %+v, %v", name, got, err, row.want, row.err)
		}
	}
}

func FuzzContainer(f *testing.F) {
	f.Add(mp4(7), true)
	f.Add(webm(3, 3), false)
	f.Add(joined(webm(3, 1), webm(3, 1)), false)
	f.Fuzz(func(t *testing.T, b []byte, isMP4 bool) {
		filetype := "video/webm"
		if isMP4 {
			filetype = "video/mp4"
		}
		c, err := ReadContainer(bytes.NewReader(b), int64(len(b)), filetype)
		if err == nil && (c.Pieces < 1 || c.States < 0) {
			t.Errorf("%+v of %x", c, b)
		}
		if err != nil && !errors.Is(err, ErrContainer) {
			t.Errorf("%v of %x", err, b)
		}
	})
}
