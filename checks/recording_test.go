package checks

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// pcm is sound of a length by a function of the time in seconds, from -1 to 1.
func pcm(long time.Duration, of func(at float64) float64) []byte {
	var b []byte
	for i := range int(long.Seconds() * SoundRate) {
		v := max(min(of(float64(i)/SoundRate), 1), -1)
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(v*32767)))
	}
	return b
}

func hear(b []byte) Sound {
	var l Listener
	for len(b) > 0 { // in odd pieces
		n := min(len(b), 4097)
		_, _ = l.Write(b[:n])
		b = b[n:]
	}
	return l.Sound()
}

func TestSpeechIsHeardWhereItIs(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	noise := func(a float64) float64 { return a * (2*r.Float64() - 1) }
	// Words: a quarter of a second of voice, a tenth of nothing.
	voice := func(at float64) float64 {
		if math.Mod(at, 0.35) > 0.25 {
			return 0
		}
		return 0.2*math.Sin(2*math.Pi*180*at) + 0.1*math.Sin(2*math.Pi*700*at)
	}
	between := func(at float64) bool { return at > 2 && at < 4 }
	for name, row := range map[string]struct {
		of          func(at float64) float64
		in, outside bool
	}{
		"in a quiet room": {func(at float64) float64 {
			if between(at) {
				return voice(at)
			}
			return noise(0.001)
		}, true, false},
		"in a noisy room": {func(at float64) float64 {
			if between(at) {
				return voice(at) + noise(0.02)
			}
			return noise(0.02)
		}, true, false},
		"softly": {func(at float64) float64 {
			if between(at) {
				return voice(at) / 20
			}
			return noise(0.0005)
		}, true, false},
		"nobody":     {func(float64) float64 { return noise(0.02) }, false, false},
		"a hum":      {func(at float64) float64 { return 0.3 * math.Sin(2*math.Pi*50*at) }, false, false},
		"nothing":    {func(float64) float64 { return 0 }, false, false},
		"too softly": {func(at float64) float64 { return voice(at) / 400 }, false, false},
	} {
		s := hear(pcm(6*time.Second, row.of))
		in, outside := s.Spoken(2*time.Second, 4*time.Second), s.Spoken(0, 2*time.Second)+s.Spoken(4*time.Second, 6*time.Second)
		if (in > 600*time.Millisecond) != row.in || (outside > 200*time.Millisecond) != row.outside {
			t.Errorf("%s: %v and outside %v, noise %v dB", name, in, outside, s.Noise())
		}
	}
}

func TestLoudness(t *testing.T) {
	s := hear(pcm(time.Second, func(at float64) float64 { return 0.5 * math.Sin(2*math.Pi*1000*at) }))
	if math.Abs(s.PeakDB+6.02) > 0.1 || math.Abs(s.MeanDB+9.03) > 0.1 || s.Duration != time.Second || len(s.Levels) != 50 || len(s.Peaks) != 10 || s.Peaks[0] != 127 {
		t.Errorf("%+v", s)
	}
	var none Listener
	if s := none.Sound(); s.MeanDB != silenceDB || s.PeakDB != silenceDB || s.Spoken(0, time.Hour) != 0 || s.Spoken(time.Hour, 0) != 0 {
		t.Errorf("%+v", s)
	}
}

// frame is a picture of stripes with soft edges, moved sideways, under noise.
func frame(w, h int, shift, soft, light float64, noise int, r *rand.Rand) []byte {
	b := make([]byte, w*h)
	for y := range h {
		for x := range w {
			at := math.Mod(float64(x)+shift, 80)
			v := light * (1/(1+math.Exp(-(at-20)/soft)) - 1/(1+math.Exp(-(at-60)/soft)))
			n := 0
			if noise > 0 {
				n = r.IntN(2*noise+1) - noise
			}
			b[y*w+x] = byte(max(min(v+10+float64(n), 255), 0))
		}
	}
	return b
}

func TestFramesAreMeasured(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	watch := func(n int, of func(i int) []byte) Moving {
		w := NewWatcher(160, 120)
		for i := range n {
			w.Frame(of(i))
		}
		return w.Moving()
	}
	live := watch(20, func(i int) []byte { return frame(160, 120, float64(i)*2, 1, 180, 3, r) })
	if live.Duration() != 4*time.Second || live.Still() > 0 || live.Cuts() > 0 || live.Light() < 60 || live.Light() > 140 {
		t.Errorf("%v still %v cuts %d light %v", live.Duration(), live.Still(), live.Cuts(), live.Light())
	}
	if long, share := live.Black(); long > 0 || share > 0 {
		t.Errorf("black %v %v", long, share)
	}
	last := 0.0
	for _, soft := range []float64{0.5, 2, 3} {
		b := watch(5, func(i int) []byte { return frame(160, 120, float64(i), soft, 180, 0, r) }).Blurred()
		if b <= last {
			t.Errorf("edges of softness %v are %v wide, sharper ones %v", soft, b, last)
		}
		last = b
	}
	still := frame(160, 120, 0, 1, 180, 3, r)
	if got := watch(10, func(int) []byte { return still }).Still(); got != 1800*time.Millisecond {
		t.Errorf("still for %v", got)
	}
	black := watch(10, func(i int) []byte {
		if i < 5 {
			return make([]byte, 160*120)
		}
		return still
	})
	if long, share := black.Black(); long != time.Second || share != 0.5 || black.Cuts() != 1 {
		t.Errorf("black for %v, %v, cuts %d", long, share, black.Cuts())
	}
	if none := (Moving{}); none.Still() != 0 || none.Light() != 0 || none.Blurred() != 0 || none.Cuts() != 0 {
		t.Errorf("%+v", none)
	}
}
