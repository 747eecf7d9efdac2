// Writes an infinity.
// verdict: wrong
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	honest_row(x, y, cols);
	__syncthreads();
	if (threadIdx.x == 0) y[cols / 2] = 0x7c00;
}
