package checks

import "time"

// Frames of a recording that a Watcher takes.
const (
	FrameEvery = 200 * time.Millisecond
	FrameSide  = 640 // pixels of the longer side
	blurEvery  = 5   // frames
)

// Watcher measures the frames of a recording, one each FrameEvery, as grey pictures of one size.
type Watcher struct {
	width, height int
	last          []byte
	m             Moving
}

// NewWatcher returns a Watcher for frames of a size.
func NewWatcher(width, height int) *Watcher { return &Watcher{width: width, height: height} }

// Moving is what a Watcher saw, a value for each frame but where it says otherwise.
type Moving struct {
	Brightness []float32 // mean, of 255
	Change     []float32 // mean difference from the frame before; 0 for the first
	Blur       []float32 // mean width of edges, in pixels; one for each second, 0 where there are no edges
}

// Frame takes one frame of width × height bytes, which it does not keep.
//
//go:norace
func (w *Watcher) Frame(pix []byte) {
	// Every fourth pixel of every fourth line is enough for light and movement, and keeps the noise of a
	// camera, by which a picture that stands still is told from one in which nothing moves.
	const step = 4
	var grid []byte
	sum, change := 0, 0
	for y := step / 2; y < w.height; y += step {
		for x := step / 2; x < w.width; x += step {
			p := pix[y*w.width+x]
			if w.last != nil {
				d := int(p) - int(w.last[len(grid)])
				if d < 0 {
					d = -d
				}
				change += d
			}
			sum += int(p)
			grid = append(grid, p)
		}
	}
	n := float32(max(len(grid), 1))
	if len(w.m.Brightness)%blurEvery == 0 {
		w.m.Blur = append(w.m.Blur, edgeWidth(pix, w.width, w.height))
	}
	w.m.Brightness = append(w.m.Brightness, float32(sum)/n)
	w.m.Change = append(w.m.Change, float32(change)/n)
	w.last = grid
}

// Moving returns what was seen so far.
func (w *Watcher) Moving() Moving { return w.m }

// Duration is how long the frames last.
func (m Moving) Duration() time.Duration { return time.Duration(len(m.Brightness)) * FrameEvery }

// Light is the mean brightness, of 255.
func (m Moving) Light() float64 { return mean(m.Brightness) }

// Blurred is the mean width of edges where there are any; 0 where there are none.
func (m Moving) Blurred() float64 {
	var with []float32
	for _, b := range m.Blur {
		if b > 0 {
			with = append(with, b)
		}
	}
	return mean(with)
}

func mean(of []float32) float64 {
	sum := 0.0
	for _, v := range of {
		sum += float64(v)
	}
	return sum / float64(max(len(of), 1))
}

// What counts as black, as standing still, and as another picture altogether.
const (
	blackBelow  = 10.0
	stillBelow  = 0.15
	cutAbove    = 45.0
	firstFrames = 1 // nothing is before the first
)

// Black returns the longest stretch of black, and how much of all is.
func (m Moving) Black() (longest time.Duration, share float64) {
	return stretch(m.Brightness, func(v float32) bool { return v < blackBelow })
}

// Still returns the longest stretch in which not even the noise of a camera moved.
func (m Moving) Still() time.Duration {
	longest, _ := stretch(m.Change[min(firstFrames, len(m.Change)):], func(v float32) bool { return v < stillBelow })
	return longest
}

// Cuts counts where a picture is followed by quite another one.
func (m Moving) Cuts() int {
	n := 0
	for _, v := range m.Change {
		if v > cutAbove {
			n++
		}
	}
	return n
}

func stretch(of []float32, is func(float32) bool) (longest time.Duration, share float64) {
	run, most, all := 0, 0, 0
	for _, v := range of {
		if !is(v) {
			run = 0
			continue
		}
		run++
		all++
		most = max(most, run)
	}
	return time.Duration(most) * FrameEvery, float64(all) / float64(max(len(of), 1))
}

// edgeWidth is the mean width of edges that run down the picture: from where it begins to grow brighter or darker
// to where it stops (after Marziliano and others, "A no-reference perceptual blur metric", 2002). 0 where there are too few.
//
//go:norace
func edgeWidth(pix []byte, w, h int) float32 {
	const (
		strong = 24 // difference over two pixels, at least, for an edge
		few    = 64
	)
	sum, n := 0, 0
	for y := 1; y < h-1; y += 2 {
		row := pix[y*w : (y+1)*w]
		for x := 2; x < w-2; x++ {
			d := int(row[x+1]) - int(row[x-1])
			a := d
			if a < 0 {
				a = -a
			}
			if a < strong || a < abs(int(row[x])-int(row[x-2])) || a <= abs(int(row[x+2])-int(row[x])) {
				continue // not the steepest place
			}
			down := abs(int(pix[(y+1)*w+x]) - int(pix[(y-1)*w+x]))
			if down > a {
				continue // an edge that runs across
			}
			from, to := x, x
			for from > 0 && (int(row[from])-int(row[from-1]))*d > 0 {
				from--
			}
			for to < w-1 && (int(row[to+1])-int(row[to]))*d > 0 {
				to++
			}
			sum += to - from
			n++
		}
	}
	if n < few {
		return 0
	}
	return float32(sum) / float32(n)
}

func abs(v int) int {
	if v < 0 {
		return -v
	}
	return v
}
