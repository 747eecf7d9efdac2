// Reads far outside of all memory.
// verdict: fault
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	honest_row(x, y, cols);
	if (threadIdx.x == 0 && get(y + (1ll << 44)) == 0.25f) put(y, 1);
}
