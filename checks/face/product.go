package face

// scalarProduct adds the product of two matrices to a third, all of them row by row: c[m,n] += a[m,k]·b[k,n].
func scalarProduct(m, n, k int, a, b, c []float32) {
	i := 0
	for ; i+4 <= m; i += 4 {
		a0, a1, a2, a3 := a[i*k:][:k], a[(i+1)*k:][:k], a[(i+2)*k:][:k], a[(i+3)*k:][:k]
		j := 0
		for ; j+2 <= n; j += 2 {
			var s00, s01, s10, s11, s20, s21, s30, s31 float32
			at := j
			for t, v0 := range a0 {
				two := b[at : at+2 : at+2]
				b0, b1 := two[0], two[1]
				v1, v2, v3 := a1[t], a2[t], a3[t]
				s00 += v0 * b0
				s01 += v0 * b1
				s10 += v1 * b0
				s11 += v1 * b1
				s20 += v2 * b0
				s21 += v2 * b1
				s30 += v3 * b0
				s31 += v3 * b1
				at += n
			}
			c[i*n+j] += s00
			c[i*n+j+1] += s01
			c[(i+1)*n+j] += s10
			c[(i+1)*n+j+1] += s11
			c[(i+2)*n+j] += s20
			c[(i+2)*n+j+1] += s21
			c[(i+3)*n+j] += s30
			c[(i+3)*n+j+1] += s31
		}
		for ; j < n; j++ {
			for r := range 4 {
				var sum float32
				for t, v := range a[(i+r)*k:][:k] {
					sum += v * b[t*n+j]
				}
				c[(i+r)*n+j] += sum
			}
		}
	}
	for ; i < m; i++ {
		row := c[i*n:][:n]
		for t, v := range a[i*k:][:k] {
			for j, w := range b[t*n:][:n] {
				row[j] += v * w
			}
		}
	}
}
