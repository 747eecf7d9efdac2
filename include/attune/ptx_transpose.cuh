// ptx_transpose: a fragment of 16-bit elements turned over inside a warp (sm_75 and later).
#ifndef ATTUNE_PTX_TRANSPOSE_CUH
#define ATTUNE_PTX_TRANSPOSE_CUH

// An 8x8 matrix of which lane 4*g + q has row g, columns 2q and 2q+1, the first in the low half: the lane gets columns 2q and
// 2q+1 of row g of the transposed one.
__device__ __forceinline__ u32 movmatrix_trans_b16(u32 x) {
	u32 y;
	asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(y) : "r"(x));
	return y;
}

#endif
