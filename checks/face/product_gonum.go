package face

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// multiply adds the product of two matrices to a third: c[m,n] += a[m,k]·b[k,n], all of them row by row.
//
// Gonum spreads a product over goroutines once it has four blocks of 64 by 64; a worker is one goroutine on
// purpose, so it gets no more than three at once.
func multiply(m, n, k int, a, b, c []float32) {
	const most = 3 * 64
	for j := 0; j < n; j += most {
		width := min(most, n-j)
		gonum.Implementation{}.Sgemm(blas.NoTrans, blas.NoTrans, m, width, k, 1, a, k, b[j:], n, 1, c[j:], n)
	}
}
