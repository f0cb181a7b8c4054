package face

// Nearly all of the time goes into products of matrices: what a convolution sees, times its weights. Where the
// processor can (most that were sold since 2014), they are computed by product_amd64.s, from weights that were laid
// out for it when they were read; elsewhere in Go alone. docs/adr/0017-faces-in-go.md says how much that is worth.

// panelWidth is how many columns the tiles compute at once.
const panelWidth = 16

// panels lays a matrix of k rows and n columns out in panels: 16 columns each, row after row, the last one filled up
// with zeros.
func panels(b []float32, k, n int) []float32 {
	out := make([]float32, (n+panelWidth-1)/panelWidth*panelWidth*k)
	for j := 0; j < n; j += panelWidth {
		for t := range k {
			copy(out[j*k+t*panelWidth:][:panelWidth], b[t*n+j:t*n+min(n, j+panelWidth)])
		}
	}
	return out
}

// multiply adds the product of a matrix and a kernel's weights to a third: c[m,n] += a[m,k]·b[k,n], all of them
// row by row, of which n are the channels out.
func multiply(m int, k kernel, a, c []float32) {
	length := k.h * k.w * k.in
	if k.d == nil {
		tiled(m, k.out, length, a, k.panels, c)
		return
	}
	elsewhere(m, k.out, length, a, k.d, c)
}

// elsewhere is what multiplies without tiles; benchmarks put another way in its place.
var elsewhere = plainProduct

// tiled computes the product from panels.
//
//go:norace
func tiled(m, n, k int, a, panels, c []float32) {
	// The tiles do not look at lengths.
	a, c = a[:m*k], c[:m*n]
	if m == 0 || k == 0 {
		return
	}
	for j := 0; j < n; j += panelWidth {
		panel := panels[j*k:][:k*panelWidth]
		width := min(panelWidth, n-j)
		i := 0
		if width == panelWidth {
			for ; i+4 <= m; i += 4 {
				tile4(k, &a[i*k], k, &panel[0], &c[i*n+j], n)
			}
			for ; i < m; i++ {
				tile1(k, &a[i*k], &panel[0], &c[i*n+j])
			}
			continue
		}
		// A narrower panel is computed beside, so that nothing is written past a row's end.
		var beside [4 * panelWidth]float32
		for ; i < m; i += 4 {
			clear(beside[:])
			rows := min(4, m-i)
			if rows == 4 {
				tile4(k, &a[i*k], k, &panel[0], &beside[0], panelWidth)
			} else {
				for r := range rows {
					tile1(k, &a[(i+r)*k], &panel[0], &beside[r*panelWidth])
				}
			}
			for r := range rows {
				add(c[(i+r)*n+j:][:width], beside[r*panelWidth:])
			}
		}
	}
}

// plainProduct computes it in Go alone, four rows at once.
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
