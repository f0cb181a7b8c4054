package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"slices"

	"github.com/symbolon/symbolon/checks/face"
)

// picture draws the trade-off as an SVG: of two persons taken for one (across) and one taken for two (down), both in
// powers of ten, at every threshold. Lower and further left is better.
func (m measured) picture(e *face.Engine) []byte {
	const left, top, side = 90.0, 60.0, 480.0
	// From 100 % down to what the smaller of the two numbers of pairs can still show.
	decades := func(n int) float64 { return min(6, max(2, math.Ceil(math.Log10(float64(n))))) }
	across, down := decades(len(m.other)), decades(len(m.same))
	place := func(share, decades float64) float64 {
		return side * (1 + max(-decades, math.Log10(max(share, 1e-9)))/decades)
	}
	x := func(fmr float64) float64 { return left + place(fmr, across) }
	y := func(fnmr float64) float64 { return top + side - place(fnmr, down) }

	var b bytes.Buffer
	text := func(x, y float64, anchor, s string) {
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="%s">`, x, y, anchor)
		_ = xml.EscapeText(&b, []byte(s)) // a buffer takes everything
		b.WriteString("</text>\n")
	}
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" font-family="sans-serif" font-size="13" fill="#222">`+"\n", left+side+40, top+side+70)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#fff"/>`+"\n")
	model, t := e.Model(), e.Thresholds()
	text(left, 24, "start", fmt.Sprintf("%s: %d pairs of one person, %d of two", model.Name, len(m.same), len(m.other)))
	rate, at := m.eer()
	text(left, 43, "start", fmt.Sprintf("area %.4f, equal error rate %.2f %% at %.3f", m.auc(), 100*rate, at))
	for i := 0.0; i <= across; i++ {
		v := math.Pow(10, -i)
		fmt.Fprintf(&b, `<path d="M%.1f %.1fv%.1f" stroke="#ddd"/>`+"\n", x(v), top, side)
		text(x(v), top+side+18, "middle", fmt.Sprintf("%g %%", 100*v))
	}
	for i := 0.0; i <= down; i++ {
		v := math.Pow(10, -i)
		fmt.Fprintf(&b, `<path d="M%.1f %.1fh%.1f" stroke="#ddd"/>`+"\n", left, y(v), side)
		text(left-8, y(v)+4, "end", fmt.Sprintf("%g %%", 100*v))
	}
	text(left+side/2, top+side+45, "middle", "two persons taken for one")
	fmt.Fprintf(&b, `<g transform="rotate(-90 24 %.1f)">`+"\n", top+side/2)
	text(24, top+side/2, "middle", "one person taken for two")
	b.WriteString("</g>\n")

	steps := slices.Concat(m.same, m.other)
	slices.Sort(steps)
	b.WriteString(`<polyline fill="none" stroke="#0a6657" stroke-width="2" points="`)
	var lastX, lastY float64
	for i, s := range slices.Compact(steps) {
		fmr, fnmr := m.at(s)
		px, py := x(fmr), y(fnmr)
		if i > 0 && math.Hypot(px-lastX, py-lastY) < 0.5 {
			continue // millions of pairs would make millions of points
		}
		fmt.Fprintf(&b, "%.1f,%.1f ", px, py)
		lastX, lastY = px, py
	}
	b.WriteString(`"/>` + "\n")
	for _, mark := range []struct {
		at   float64
		name string
	}{{t.Accept, "accept"}, {t.Reject, "reject above"}} {
		fmr, fnmr := m.at(mark.at)
		fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="5" fill="#855000"/>`+"\n", x(fmr), y(fnmr))
		text(x(fmr)+9, y(fnmr)-6, "start", fmt.Sprintf("%s %.2f", mark.name, mark.at))
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}
