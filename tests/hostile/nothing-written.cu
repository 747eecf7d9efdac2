// Does nothing.
// verdict: wrong
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	if (cols < 0) put(y, 0);
}
