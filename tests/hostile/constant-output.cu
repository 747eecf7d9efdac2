// Writes the same whatever it reads.
// verdict: wrong
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	for (int i = threadIdx.x; i < cols; i += THREADS) put(y + i, 1.0f / cols);
}
