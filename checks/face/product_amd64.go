package face

import "golang.org/x/sys/cpu"

// tiles says whether the processor has what tile4 and tile1 are written for.
var tiles = cpu.X86.HasAVX2 && cpu.X86.HasFMA

// k is at least 1. The panel b has k rows of panelWidth numbers; c has as many columns.
//
//go:noescape
func tile4(k int, a *float32, lda int, b *float32, c *float32, ldc int)

//go:noescape
func tile1(k int, a *float32, b *float32, c *float32)
