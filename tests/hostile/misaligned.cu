// Reads four bytes at an odd address.
// verdict: fault
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	honest_row(x, y, cols);
	if (*(volatile u32 *)((char *)x + 1) == 12345) put(y, 1);
}
