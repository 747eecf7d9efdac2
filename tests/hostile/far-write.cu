// Writes far outside of all memory.
// verdict: fault
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	honest_row(x, y, cols);
	if (threadIdx.x == 0) put((u16 *)(1ull << 46) + blockIdx.x, 1);
}
