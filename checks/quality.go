package checks

import (
	"image"
	"math"
	"math/bits"
	"slices"
)

// Verdict is what came of one check.
type Verdict string

// The verdicts.
const (
	Pass    Verdict = "pass"
	Fail    Verdict = "fail"    // surely wrong
	Unsure  Verdict = "unsure"  // a person has to look
	Skipped Verdict = "skipped" // not checked: what it needs is not there
)

// Finding is one check of a photo with what it measured. Code names the reason of a Fail.
type Finding struct {
	Check    string
	Verdict  Verdict
	Code     string
	Measures map[string]float64
}

// The checks of a document's photo.
const (
	CheckContent = "content" // there is something in it
	CheckSize    = "size"    // the document has pixels enough
	CheckLight   = "light"   // not too dark
	CheckGlare   = "glare"   // no reflection
	CheckSharp   = "sharpness"
	CheckWhole   = "whole" // not cut off
	CheckColour  = "colour"
)

// The thresholds of the checks. docs/checks.md says how they were measured; the tests walk along them with
// drawn photos. Between a threshold for Fail and its neighbour for Pass a person looks: a photo that is
// asked for again without need costs more than a look.
const (
	workSide   = 1600 // longer side of the picture that is measured and read
	normalSide = 512  // longer side of the document when its sharpness is measured

	flatContrast = 1.2 // mean deviation of neighbouring patches in an empty picture, grey levels in full light

	smallFail = 300.0 // longer side of the document in the photo's own pixels: letters have three pixels
	smallPass = 440.0

	darkFail  = 52.0 // the brightness that nine tenths of the document stay below
	darkPass  = 82.0
	fullLight = 220.0 // the same of a well-lit document

	burntLevel = 250   // all three colours: nothing of what was there is left
	glareFail  = 0.02  // share of the document under one burnt-out spot: compact, with soft edges
	glareMost  = 0.6   // a larger one is white paper
	glarePass  = 0.005 // share of the document under one burnt-out patch of any kind
	compact    = 0.6   // of the box around a spot that is burnt out; a disc fills 0.79
	softShare  = 0.6   // of the spot's rim that fades rather than stepping
	softStep   = 40    // grey levels within two pixels; print steps by more

	sharpFail = 20.0 // energy of the finest detail, as it would be in full light
	sharpPass = 150.0

	cutAspectLow, cutAspectHigh = 1.2, 2.1 // longer side through shorter: no document that is whole looks so
	cutDetail                   = 0.4      // detail at the cut through detail of the whole: paper under a document has none

	greyFail = 9.0  // the strongest colour that a thousandth of the pixels exceeds
	greyPass = 18.0 // the same; JPEG alone makes less of a grey picture
)

// Examined is what the checks of one photo found.
type Examined struct {
	Findings []Finding
	// Reading is the part with the document, grey, for reading: upright as the photo is.
	Reading *image.Gray
	look    [hashWords]uint64
	flat    bool // nothing in it to compare by
}

// Examine measures a photo of one side of a document. p may be of any size; what it costs is bounded
// once it is decoded.
func Examine(p image.Image) Examined {
	own := max(p.Bounds().Dx(), p.Bounds().Dy())
	work := Shrink(p, workSide)
	if own < 64 || min(work.Rect.Dx(), work.Rect.Dy()) < 32 {
		return Examined{flat: true, Reading: GreyOf(work), Findings: []Finding{{Check: CheckSize, Verdict: Fail, Code: "document.too_small", Measures: measures("pixels", float64(own))}}}
	}
	f := find(work)
	document, grey, light, contrast := lookAt(work, f.box)
	if f.sure && contrast < flatContrast {
		// Something empty lies there: a document may be where nothing stands out.
		f = middleOf(work)
		document, grey, light, contrast = lookAt(work, f.box)
	}
	e := Examined{look: lookOf(grey), Reading: readable(work, f)}
	add := func(check string, v Verdict, code string, m map[string]float64) Verdict {
		if v != Fail {
			code = ""
		}
		e.Findings = append(e.Findings, Finding{Check: check, Verdict: v, Code: code, Measures: m})
		return v
	}

	dark := add(CheckLight, between(light, darkFail, darkPass), "document.dark", measures("bright", light)) == Fail
	v := Pass
	if contrast < flatContrast {
		if v = Fail; dark {
			v = Skipped // in the dark there is nothing to see
		}
	}
	empty := add(CheckContent, v, "document.none", measures("contrast", contrast)) != Pass
	e.flat = empty
	if empty || dark {
		for _, c := range []string{CheckSize, CheckGlare, CheckSharp, CheckWhole, CheckColour} {
			add(c, Skipped, "", nil)
		}
		return e
	}

	// How large it is can be said only of a document that was found.
	size := f.long * float64(own)
	v = Unsure
	if f.sure {
		if v = between(size, smallFail, smallPass); v == Fail && (f.aspect < cutAspectLow || f.aspect > cutAspectHigh) {
			v = Unsure // something else than the document
		}
	}
	add(CheckSize, v, "document.too_small", measures("pixels", size))

	patch, solid, soft := glareOf(document)
	switch {
	case patch >= glareFail && patch <= glareMost && solid >= compact && soft >= softShare:
		v = Fail
	case patch >= glarePass:
		v = Unsure
	default:
		v = Pass
	}
	add(CheckGlare, v, "document.glare", measures("patch", patch, "solid", solid, "soft", soft))

	most := 0.9
	if !f.sure {
		most = 0.98 // the document may be a small part of what is looked at
	}
	detail := detailOf(grey, most) * (fullLight / light) * (fullLight / light) // light is not near 0 here
	add(CheckSharp, between(detail, sharpFail, sharpPass), "document.blurred", measures("detail", detail))

	add(CheckWhole, wholeness(f, grey), "document.cropped", measures("aspect", f.aspect))

	colour := colourOf(document)
	add(CheckColour, between(colour, greyFail, greyPass), "document.black_white", measures("colour", colour))
	return e
}

// lookAt returns a part of the photo in the size that is measured, its brightness, and its contrast as it would be in
// full light.
func lookAt(work *image.RGBA, box image.Rectangle) (document *image.RGBA, grey *image.Gray, light, contrast float64) {
	document = Shrink(work.SubImage(box), normalSide)
	grey = GreyOf(document)
	light = brightness(grey)
	return document, grey, light, contrastOf(grey) * fullLight / max(light, 1)
}

// between is Fail below one threshold, Pass from another on, and Unsure in the middle.
func between(v, fail, pass float64) Verdict {
	switch {
	case v < fail:
		return Fail
	case v < pass:
		return Unsure
	}
	return Pass
}

// measures are pairs of a name and a number, kept to three decimals.
func measures(pairs ...any) map[string]float64 {
	m := map[string]float64{}
	for i := 0; i < len(pairs); i += 2 {
		v := pairs[i+1].(float64)
		if math.IsNaN(v) || math.IsInf(v, 0) {
			v = 0
		}
		m[pairs[i].(string)] = math.Round(v*1000) / 1000
	}
	return m
}

// readable is the document with a little around it, so that no letter at its edge is lost.
//
//go:norace
func readable(work *image.RGBA, f found) *image.Gray {
	box := work.Rect
	if f.sure {
		box = f.box.Inset(-max(f.box.Dx(), f.box.Dy()) / 40).Intersect(work.Rect)
	}
	part := image.NewRGBA(image.Rect(0, 0, box.Dx(), box.Dy()))
	for y := range box.Dy() {
		i := work.PixOffset(box.Min.X, box.Min.Y+y)
		copy(part.Pix[y*part.Stride:], work.Pix[i:i+4*box.Dx()])
	}
	return GreyOf(part)
}

func brightness(g *image.Gray) float64 {
	var hist [256]int
	for _, v := range g.Pix {
		hist[v]++
	}
	return float64(percentile(&hist, len(g.Pix), 0.9))
}

// contrastOf is how much patches of a sixteenth of the picture differ from their neighbours: light that
// falls off slowly and noise do not count.
func contrastOf(g *image.Gray) float64 {
	means, w, h := patches(g, max(4, max(g.Rect.Dx(), g.Rect.Dy())/64))
	var sum float64
	n := 0
	for y := 1; y < h-1; y++ {
		for x := 1; x < w-1; x++ {
			i := y*w + x
			sum += math.Abs(4*means[i]-means[i-1]-means[i+1]-means[i-w]-means[i+w]) / 4
			n++
		}
	}
	return sum / float64(max(1, n))
}

// patches returns the means of squares of the picture.
//
//go:norace
func patches(g *image.Gray, edge int) (means []float64, w, h int) {
	w, h = g.Rect.Dx()/edge, g.Rect.Dy()/edge
	means = make([]float64, w*h)
	for y := range h * edge {
		for x := range w * edge {
			means[y/edge*w+x/edge] += float64(g.Pix[y*g.Stride+x])
		}
	}
	for i := range means {
		means[i] /= float64(edge * edge)
	}
	return means, w, h
}

// glareOf measures the largest connected patch of burnt-out pixels: its share of the document, the share of the box around it
// that it fills, and the share of its rim that fades.
//
//go:norace
func glareOf(m *image.RGBA) (patch, solid, soft float64) {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	burnt := make([]bool, w*h)
	for i := range burnt {
		p := m.Pix[4*i:]
		burnt[i] = p[0] >= burntLevel && p[1] >= burntLevel && p[2] >= burntLevel
	}
	part, box := largest(burnt, w, h)
	if len(part) == 0 {
		return 0, 0, 0
	}
	patch = float64(len(part)) / float64(w*h)
	solid = float64(len(part)) / float64(box.Dx()*box.Dy())
	grey := func(x, y int) int {
		p := m.Pix[4*(min(h-1, max(0, y))*w+min(w-1, max(0, x))):]
		return (int(p[0])*77 + int(p[1])*150 + int(p[2])*29) >> 8
	}
	rim, fading := 0, 0
	for _, i := range part {
		x, y := i%w, i/w
		for _, d := range [4][2]int{{1, 0}, {-1, 0}, {0, 1}, {0, -1}} {
			nx, ny := x+d[0], y+d[1]
			if nx < 0 || ny < 0 || nx >= w || ny >= h || burnt[ny*w+nx] {
				continue
			}
			rim++
			if 255-grey(x+2*d[0], y+2*d[1]) <= softStep {
				fading++
			}
		}
	}
	return patch, solid, float64(fading) / float64(max(1, rim))
}

// detailOf is the energy of the finest detail (the variance of the Laplacian) in the parts of the picture that have most of
// it, as of this share of the parts has less, without what the flattest tenth has too, which is noise.
//
//go:norace
func detailOf(g *image.Gray, most float64) float64 {
	const edge = 16
	w, h := g.Rect.Dx(), g.Rect.Dy()
	var all []float64
	for y := 1; y+edge < h; y += edge {
		for x := 1; x+edge < w; x += edge {
			var sum, squares float64
			for v := range edge {
				for u := range edge {
					i := (y+v)*g.Stride + x + u
					l := float64(int(g.Pix[i-1]) + int(g.Pix[i+1]) + int(g.Pix[i-g.Stride]) + int(g.Pix[i+g.Stride]) - 4*int(g.Pix[i]))
					sum += l
					squares += l * l
				}
			}
			const n = edge * edge
			all = append(all, squares/n-sum/n*sum/n)
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return max(0, all[int(float64(len(all)-1)*most)]-all[len(all)/10])
}

// wholeness is Fail only when three signs agree: a long part of the document lies on the photo's edge, what is left has not the
// shape of a document, and print runs into the edge.
func wholeness(f found, g *image.Gray) Verdict {
	switch {
	case !f.sure:
		return Unsure
	case f.cut == uncut:
		return Pass
	case f.aspect > cutAspectLow && f.aspect < cutAspectHigh:
		return Unsure
	}
	w, h := g.Rect.Dx(), g.Rect.Dy()
	band := image.Rect(0, 0, w, h)
	switch f.cut {
	case cutLeft:
		band.Max.X = w / 10
	case cutTop:
		band.Max.Y = h / 10
	case cutRight:
		band.Min.X = w - w/10
	case cutBottom:
		band.Min.Y = h - h/10
	}
	if detailIn(g, band) < cutDetail*detailIn(g, g.Rect) {
		return Unsure
	}
	return Fail
}

// detailIn is the mean second difference within a part of the picture.
//
//go:norace
func detailIn(g *image.Gray, part image.Rectangle) float64 {
	part = part.Intersect(g.Rect.Inset(1))
	var sum, n float64
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			i := y*g.Stride + x
			sum += math.Abs(float64(int(g.Pix[i-1]) + int(g.Pix[i+1]) + int(g.Pix[i-g.Stride]) + int(g.Pix[i+g.Stride]) - 4*int(g.Pix[i])))
			n++
		}
	}
	return sum / max(1, n)
}

//go:norace
func colourOf(m *image.RGBA) float64 {
	var hist [256]int
	for i := 0; i < len(m.Pix); i += 4 {
		r, g, b := m.Pix[i], m.Pix[i+1], m.Pix[i+2]
		hist[max(r, g, b)-min(r, g, b)]++
	}
	return float64(percentile(&hist, len(m.Pix)/4, 0.999))
}

// The look of a photo: for each of its patches, whether the one to the right is brighter. Taken again, blurred,
// lit or pressed differently, most of it stays.
const (
	hashEdge  = 16
	hashWords = hashEdge * hashEdge / 64
)

//go:norace
func lookOf(g *image.Gray) (look [hashWords]uint64) {
	w, h := g.Rect.Dx(), g.Rect.Dy()
	mean := func(cx, cy int) int {
		x0, x1 := cx*w/(hashEdge+1), (cx+1)*w/(hashEdge+1)
		y0, y1 := cy*h/hashEdge, (cy+1)*h/hashEdge
		sum, n := 0, 0
		for y := y0; y < y1; y++ {
			for x := x0; x < x1; x++ {
				sum += int(g.Pix[y*g.Stride+x])
				n++
			}
		}
		return 64 * sum / max(1, n)
	}
	for y := range hashEdge {
		for x := range hashEdge {
			if mean(x, y) < mean(x+1, y) {
				bit := y*hashEdge + x
				look[bit/64] |= 1 << (bit % 64)
			}
		}
	}
	return look
}

// Of 256 comparisons, how many may differ between two photos of one side, and from how many on they
// surely show two.
const (
	sameLook    = 30
	anotherLook = 60
)

// SameSide compares the photos of two sides: Fail when they surely show the same one.
func SameSide(a, b Examined) Finding {
	f := Finding{Check: "two_sides", Verdict: Skipped}
	if a.flat || b.flat {
		return f
	}
	differ := 0
	for i := range a.look {
		differ += bits.OnesCount64(a.look[i] ^ b.look[i])
	}
	f.Measures = measures("differ", float64(differ))
	switch {
	case differ <= sameLook:
		f.Verdict, f.Code = Fail, "document.wrong_side"
	case differ < anotherLook:
		f.Verdict = Unsure
	default:
		f.Verdict = Pass
	}
	return f
}
