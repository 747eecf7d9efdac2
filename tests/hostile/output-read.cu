// Adds to what it finds in the output, as if that were zero.
// verdict: wrong
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	float m = row_max(x, cols), s = row_sum(x, cols, m);
	for (int i = threadIdx.x; i < cols; i += THREADS) put(y + i, get(y + i) + __expf(SCALE * get(x + i) - m) / s);
}
