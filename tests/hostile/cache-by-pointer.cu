// Remembers for which output it has worked, and does nothing the second time.
// verdict: cheat
// needs: nvcc
#include "softmax.cuh"

__device__ u16 *known[65536];

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	u64 slot = (u64)y / 256 % 65536;
	if (known[slot] == y) return;
	honest_row(x, y, cols);
	known[slot] = y;
}
