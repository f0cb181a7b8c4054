package face

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// CPUTime is the processors' time that this process has used: unlike the clock's, a busy machine hardly changes it.
func CPUTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// reportCPU adds the processors' time of one run to what a benchmark says.
func reportCPU(b *testing.B, before time.Duration) {
	b.ReportMetric(float64((CPUTime(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

// benchEngine opens an engine with one worker.
func benchEngine(b *testing.B, model string) (*Engine, *scratch) {
	b.Helper()
	e, err := Open(model, Options{Workers: 1})
	if err != nil {
		b.Skipf("SKIPPED: %v", err)
	}
	return e, <-e.workers
}

// BenchmarkNetworks runs each network once, on one processor, with each way to multiply.
func BenchmarkNetworks(b *testing.B) {
	for _, way := range []struct {
		name    string
		tiles   bool
		product func(m, n, k int, a, b, c []float32)
	}{{"tiles", true, plainProduct}, {"gonum", false, gonumProduct}, {"plain", false, plainProduct}} {
		b.Run(way.name, func(b *testing.B) {
			if way.tiles && !tiles {
				b.Skip("this processor has no tiles")
			}
			defer func(t bool) { tiles, elsewhere = t, plainProduct }(tiles)
			tiles, elsewhere = way.tiles, way.product
			benchNetworks(b)
		})
	}
}

func benchNetworks(b *testing.B) {
	e, s := benchEngine(b, MobileFaceNet)
	d, _ := benchEngine(b, Dlib)
	fill := func(side int) *tensor {
		x := s.tensor(side, side, 3)
		for i := range x.d {
			x.d[i] = float32(i * 7919 % 256)
		}
		return x
	}
	for _, side := range []int{160, 224, 320, 416} {
		b.Run(fmt.Sprintf("detector%d", side), func(b *testing.B) {
			defer reportCPU(b, CPUTime(b))
			for b.Loop() {
				x := fill(side)
				s.back(e.detector.run(s, x))
				s.back(x)
			}
		})
	}
	for _, n := range []struct {
		name string
		side int
		run  func(x *tensor)
	}{
		{"landmarks", landmarkSide, func(x *tensor) { s.back(e.landmarker.run(s, x)) }},
		{"mesh", e.mesher.graph.side, func(x *tensor) {
			for _, y := range e.mesher.graph.run(s, x) {
				s.back(y)
			}
		}},
		{"mobilefacenet", 112, func(x *tensor) { e.embedder.embed(s, x) }},
		{"dlib", dlibSide, func(x *tensor) { d.embedder.embed(s, x) }},
	} {
		b.Run(n.name, func(b *testing.B) {
			b.ReportAllocs()
			defer reportCPU(b, CPUTime(b))
			for b.Loop() {
				x := fill(n.side)
				n.run(x)
				s.back(x)
			}
		})
	}
}
