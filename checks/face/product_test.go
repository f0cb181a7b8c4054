package face

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// gonumProduct is what Gonum makes of it: a candidate that was measured, and another opinion for the test. It spreads one over goroutines once it has four blocks of 64 by 64;
// a worker is one goroutine on purpose, so it gets no more than three at once.
func gonumProduct(m, n, k int, a, b, c []float32) {
	const most = 3 * 64
	for j := 0; m > 0 && j < n; j += most {
		width := min(most, n-j)
		gonum.Implementation{}.Sgemm(blas.NoTrans, blas.NoTrans, m, width, k, 1, a, k, b[j:], n, 1, c[j:], n)
	}
}

// random returns n numbers between -1 and 1.
func random(r *rand.Rand, n int) []float32 {
	d := make([]float32, n)
	for i := range d {
		d[i] = 2*r.Float32() - 1
	}
	return d
}

// TestProductsAgree compares the three ways to multiply at sizes that fill their tiles and blocks and at sizes
// that do not, and looks for writes beyond the result.
func TestProductsAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	ways := map[string]func(m, n, k int, a, b, c []float32){
		"gonum": gonumProduct,
	}
	if tiles {
		ways["tiles"] = func(m, n, k int, a, b, c []float32) { tiled(m, n, k, a, panels(b, k, n), c) }
	} else {
		t.Log("this processor has no tiles")
	}
	for _, m := range []int{0, 1, 3, 4, 5, 8, 63, 64} {
		for _, n := range []int{1, 15, 16, 17, 25, 32, 136, 200} {
			for _, k := range []int{1, 2, 27, 64, 130} {
				a, b, start := random(r, m*k), random(r, k*n), random(r, m*n+64)
				want := append([]float32(nil), start...)
				plainProduct(m, n, k, a, b, want)
				for name, multiply := range ways {
					got := append([]float32(nil), start...)
					multiply(m, n, k, a, b, got[:m*n])
					for i := range got {
						if d := math.Abs(float64(got[i] - want[i])); !(d < 1e-4) {
							t.Fatalf("%s, %d by %d by %d: number %d is %g instead of %g", name, m, n, k, i, got[i], want[i])
						}
					}
				}
			}
		}
	}
}

// BenchmarkProducts compares them at the sizes of the networks: rows at once, channels out, what a window holds.
func BenchmarkProducts(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []struct{ n, k int }{{16, 27}, {64, 128}, {256, 128}, {128, 1152}} {
		a, w, c := random(r, rowsAtOnce*size.k), random(r, size.k*size.n), make([]float32, rowsAtOnce*size.n)
		laid := panels(w, size.k, size.n)
		for _, way := range []struct {
			name string
			run  func()
		}{
			{"plain", func() { plainProduct(rowsAtOnce, size.n, size.k, a, w, c) }},
			{"gonum", func() { gonumProduct(rowsAtOnce, size.n, size.k, a, w, c) }},
			{"tiles", func() { tiled(rowsAtOnce, size.n, size.k, a, laid, c) }},
		} {
			b.Run(fmt.Sprintf("%s/%dx%d", way.name, size.n, size.k), func(b *testing.B) {
				if way.name == "tiles" && !tiles {
					b.Skip("this processor has no tiles")
				}
				for b.Loop() {
					way.run()
				}
				b.ReportMetric(float64(rowsAtOnce*size.n*size.k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
			})
		}
	}
}
