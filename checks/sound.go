package checks

import (
	"math"
	"slices"
	"time"
)

// SoundRate is how many samples a second a Listener takes.
const SoundRate = 16_000

// Windows in which sound is measured.
const (
	SoundWindow = 20 * time.Millisecond
	windowSize  = SoundRate / 50
	// PeakWindow is the length of sound that one of Sound.Peaks stands for.
	PeakWindow = 100 * time.Millisecond
)

// silenceDB stands for no sound at all.
const silenceDB = -91 // the smallest sample of 16 bits, rounded

// Listener measures sound as it comes: 16-bit samples, little endian, one channel, SoundRate.
type Listener struct {
	odd             []byte // half a sample
	n               int64
	squares         float64 // of all samples
	peak            int
	before, through float64 // of the filter
	window          float64 // squares of this window, filtered
	loudest         int     // sample of this peak window
	levels          []float32
	peaks           []byte
}

// Write takes samples; it never fails.
func (l *Listener) Write(b []byte) (int, error) {
	n := len(b)
	if len(l.odd) > 0 && len(b) > 0 {
		l.sample(int16(uint16(l.odd[0]) | uint16(b[0])<<8))
		l.odd, b = nil, b[1:]
	}
	for ; len(b) >= 2; b = b[2:] {
		l.sample(int16(uint16(b[0]) | uint16(b[1])<<8))
	}
	if len(b) > 0 {
		l.odd = []byte{b[0]}
	}
	return n, nil
}

// hum is what a first-order high-pass filter at 150 Hz lets through of the sample before: the hum of mains and the rumble of hands are no speech.
const hum = 0.943

func (l *Listener) sample(s int16) {
	v := float64(s)
	l.squares += v * v
	a := int(s)
	if a < 0 {
		a = -a
	}
	l.peak, l.loudest = max(l.peak, a), max(l.loudest, a)
	l.through = hum * (l.through + v - l.before)
	l.before = v
	l.window += l.through * l.through
	l.n++
	if l.n%windowSize == 0 {
		l.levels = append(l.levels, float32(decibels(math.Sqrt(l.window/windowSize))))
		l.window = 0
	}
	if l.n%(windowSize*int64(PeakWindow/SoundWindow)) == 0 {
		l.peaks = append(l.peaks, byte(min(l.loudest>>7, 255)))
		l.loudest = 0
	}
}

func decibels(of float64) float64 {
	if of < 1 {
		return silenceDB
	}
	return max(20*math.Log10(of/32768), silenceDB)
}

// Sound is what a Listener heard.
type Sound struct {
	Duration time.Duration
	MeanDB   float64   // of full scale, of the whole
	PeakDB   float64   // of the loudest sample
	Levels   []float32 // of each SoundWindow without hum
	Peaks    []byte    // of each PeakWindow, 255 for full scale: to draw it
}

// Sound returns what was heard so far.
func (l *Listener) Sound() Sound {
	s := Sound{MeanDB: silenceDB, PeakDB: decibels(float64(l.peak)), Levels: l.levels, Peaks: l.peaks}
	if l.n > 0 {
		s.Duration = time.Duration(l.n) * time.Second / SoundRate
		s.MeanDB = decibels(math.Sqrt(l.squares / float64(l.n)))
	}
	return s
}

// Where speech is taken to be: so much above what is always there, and not below what a person can hear of it.
const (
	aboveNoiseDB = 8
	speechDB     = -50
	noisiestDB   = -30 // a room louder than that is not all noise
)

// Noise is the level of what is always there, in decibels of full scale: that of the quietest fifth.
func (s Sound) Noise() float64 {
	if len(s.Levels) == 0 {
		return silenceDB
	}
	sorted := slices.Sorted(slices.Values(s.Levels))
	return float64(sorted[len(sorted)/5])
}

// Spoken returns how much of a stretch holds what could be speech: sound that comes and goes above what is always
// there. It cannot tell speech from music, nor what is said.
//
//go:norace
func (s Sound) Spoken(from, to time.Duration) time.Duration {
	limit := float32(max(min(s.Noise(), noisiestDB)+aboveNoiseDB, speechDB))
	var spoken time.Duration
	a, b := int(from/SoundWindow), int(to/SoundWindow)
	for i := max(a, 0); i < min(b, len(s.Levels)); i++ {
		if s.Levels[i] >= limit {
			spoken += SoundWindow
		}
	}
	return spoken
}
