// Leaves the last row.
// verdict: wrong
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	if (blockIdx.x + 1 < rows || rows == 1) honest_row(x, y, cols);
}
