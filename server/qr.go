package server

import (
	"errors"
	"strconv"
	"strings"
	"sync"

	"github.com/skip2/go-qrcode"
)

// ink is what a code is drawn with, always on white: a scanner needs the contrast whatever
// the page's theme.
const ink = "#13211D"

// qrVersions remembers the version (the size of the grid) for a length of address.
var qrVersions sync.Map

// qrFor draws an address in the one version that fits any address of its length. The addresses of one
// host are all equally long, so the grid keeps its size while the code changes.
func qrFor(address string) (*qrcode.QRCode, error) {
	v, ok := qrVersions.Load(len(address))
	if !ok {
		// Small letters are what takes the most room: they can only be written as bytes.
		worst := strings.Repeat("a", len(address))
		n := 1
		for ; n <= 40; n++ {
			if _, err := qrcode.NewWithForcedVersion(worst, n, qrcode.Medium); err == nil {
				break
			}
		}
		if n > 40 {
			return nil, errors.New("the address does not fit a QR code")
		}
		v, _ = qrVersions.LoadOrStore(len(address), n)
	}
	return qrcode.NewWithForcedVersion(address, v.(int), qrcode.Medium)
}

// qrPNG draws at size × size pixels.
func qrPNG(address string, size int) ([]byte, error) {
	q, err := qrFor(address)
	if err != nil {
		return nil, err
	}
	return q.PNG(size)
}

// qrSVG draws one path of whole modules, the quiet zone of four included.
func qrSVG(address string) ([]byte, error) {
	q, err := qrFor(address)
	if err != nil {
		return nil, err
	}
	grid := q.Bitmap()
	side := strconv.Itoa(len(grid))
	var b strings.Builder
	b.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ` + side + ` ` + side + `" shape-rendering="crispEdges">` +
		`<path fill="#FFFFFF" d="M0 0h` + side + `v` + side + `H0z"/><path fill="` + ink + `" d="`)
	for y, row := range grid {
		for x := 0; x < len(row); x++ {
			from := x
			for x < len(row) && row[x] {
				x++
			}
			if run := x - from; run > 0 {
				b.WriteString("M" + strconv.Itoa(from) + " " + strconv.Itoa(y) + "h" + strconv.Itoa(run) + "v1h-" + strconv.Itoa(run) + "z")
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return []byte(b.String()), nil
}
