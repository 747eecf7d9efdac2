// Waits for all CTAs of a grid that does not fit the device at once.
// verdict: hung
// launch: smem = 200000
// workspace: 256
// before: { memset = { to = workspace(0), value = 0, bytes = 256 } }
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols, int *ws) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	honest_row(x, y, cols);
	if (threadIdx.x == 0) {
		atomicAdd(ws, 1);
		while (*(volatile int *)ws < rows && rows > 100) __nanosleep(100);
	}
}
