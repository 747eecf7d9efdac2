// One element of a million is wrong.
// verdict: wrong
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	honest_row(x, y, cols);
	__syncthreads();
	if (blockIdx.x == rows / 2 && threadIdx.x == 0) put(y + cols / 2, get(y + cols / 2) + 0.25f);
}
