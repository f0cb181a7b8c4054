package face

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// plainProduct is the product as it is written in books, but for four rows at once: what Go alone is able to.
//
//go:norace
func plainProduct(m, n, k int, a, b, c []float32) {
	i := 0
	for ; i+4 <= m; i += 4 {
		a0, a1, a2, a3 := a[i*k:][:k], a[(i+1)*k:][:k], a[(i+2)*k:][:k], a[(i+3)*k:][:k]
		for j := range n {
			var s0, s1, s2, s3 float32
			at := j
			for t, v := range a0 {
				w := b[at]
				s0 += v * w
				s1 += a1[t] * w
				s2 += a2[t] * w
				s3 += a3[t] * w
				at += n
			}
			c[i*n+j] += s0
			c[(i+1)*n+j] += s1
			c[(i+2)*n+j] += s2
			c[(i+3)*n+j] += s3
		}
	}
	for ; i < m; i++ {
		for j := range n {
			var sum float32
			for t, v := range a[i*k:][:k] {
				sum += v * b[t*n+j]
			}
			c[i*n+j] += sum
		}
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
