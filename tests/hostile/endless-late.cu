// Never ends, but only where calls are timed.
// verdict: hung
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	const u64 row = (u64)blockIdx.x * cols;
	if (rows == 1024 && blockIdx.x == 0 && threadIdx.x == 0 && timed(y, (u64)rows * cols))
		while (*(volatile int *)x != 1 || cols > 0) __nanosleep(100);
	honest_row(x + row, y + row, cols);
}
