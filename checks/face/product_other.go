//go:build !amd64

package face

var tiles = false

func tile4(k int, a *float32, lda int, b *float32, c *float32, ldc int) { panic("face: no tiles") }

func tile1(k int, a *float32, b *float32, c *float32) { panic("face: no tiles") }
