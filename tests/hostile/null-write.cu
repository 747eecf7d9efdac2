// Writes to address 0.
// verdict: fault
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	honest_row(x, y, cols);
	if (threadIdx.x == 0) *(volatile int *)(u64)(cols < 0) = 1;
}
