// Half of a CTA waits at one barrier for the other half, which waits at another.
// verdict: hung
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	honest_row(x, y, cols);
	if (threadIdx.x < 128) asm volatile("bar.sync 1, 256;");
	else asm volatile("bar.sync 2, 256;");
}
