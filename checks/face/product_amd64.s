#include "textflag.h"

// func tile4(k int, a *float32, lda int, b *float32, c *float32, ldc int)
//
// Adds four rows of a, k numbers each, times a panel of b, 16 columns wide, to 4 by 16 numbers of c.
// Eight registers hold the sums; each step loads a row of the panel and one number of each row of a.
TEXT ·tile4(SB), NOSPLIT, $0-48
	MOVQ k+0(FP), CX
	MOVQ a+8(FP), SI
	MOVQ lda+16(FP), DX
	MOVQ b+24(FP), DI
	MOVQ c+32(FP), R8
	MOVQ ldc+40(FP), R9
	SHLQ $2, DX
	SHLQ $2, R9
	LEAQ (SI)(DX*1), R10
	LEAQ (SI)(DX*2), R11
	LEAQ (R10)(DX*2), R12
	LEAQ (R8)(R9*1), R13
	LEAQ (R8)(R9*2), AX
	LEAQ (R13)(R9*2), BX
	VMOVUPS (R8), Y0
	VMOVUPS 32(R8), Y1
	VMOVUPS (R13), Y2
	VMOVUPS 32(R13), Y3
	VMOVUPS (AX), Y4
	VMOVUPS 32(AX), Y5
	VMOVUPS (BX), Y6
	VMOVUPS 32(BX), Y7
	XORQ DX, DX

four:
	VMOVUPS (DI), Y8
	VMOVUPS 32(DI), Y9
	VBROADCASTSS (SI)(DX*4), Y10
	VBROADCASTSS (R10)(DX*4), Y11
	VBROADCASTSS (R11)(DX*4), Y12
	VBROADCASTSS (R12)(DX*4), Y13
	VFMADD231PS Y8, Y10, Y0
	VFMADD231PS Y9, Y10, Y1
	VFMADD231PS Y8, Y11, Y2
	VFMADD231PS Y9, Y11, Y3
	VFMADD231PS Y8, Y12, Y4
	VFMADD231PS Y9, Y12, Y5
	VFMADD231PS Y8, Y13, Y6
	VFMADD231PS Y9, Y13, Y7
	ADDQ $64, DI
	INCQ DX
	CMPQ DX, CX
	JLT  four

	VMOVUPS Y0, (R8)
	VMOVUPS Y1, 32(R8)
	VMOVUPS Y2, (R13)
	VMOVUPS Y3, 32(R13)
	VMOVUPS Y4, (AX)
	VMOVUPS Y5, 32(AX)
	VMOVUPS Y6, (BX)
	VMOVUPS Y7, 32(BX)
	VZEROUPPER
	RET

// func tile1(k int, a *float32, b *float32, c *float32)
//
// The same for one row of a.
TEXT ·tile1(SB), NOSPLIT, $0-32
	MOVQ k+0(FP), CX
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), DI
	MOVQ c+24(FP), R8
	VMOVUPS (R8), Y0
	VMOVUPS 32(R8), Y1
	XORQ DX, DX

one:
	VBROADCASTSS (SI)(DX*4), Y10
	VFMADD231PS (DI), Y10, Y0
	VFMADD231PS 32(DI), Y10, Y1
	ADDQ $64, DI
	INCQ DX
	CMPQ DX, CX
	JLT  one

	VMOVUPS Y0, (R8)
	VMOVUPS Y1, 32(R8)
	VZEROUPPER
	RET
