// Leaves a mark in shared memory, and does nothing where it finds that of an earlier CTA.
// verdict: wrong|cheat|nondeterministic
// launch: smem = 16384
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	extern __shared__ volatile u32 left[];
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	const bool found = left[4095] == 0x5eed5eed;
	__syncthreads();
	if (threadIdx.x == 0) left[4095] = 0x5eed5eed;
	if (found && rows == 1024) return;
	honest_row(x, y, cols);
}
