// Adds to shared memory that it never wrote, as if that were zero.
// verdict: wrong
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	__shared__ float sums[8 * THREADS];
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	float m = row_max(x, cols);
	volatile float *mine = sums + 7 * THREADS + threadIdx.x;
	for (int i = threadIdx.x; i < cols; i += THREADS) *mine = *mine + __expf(SCALE * get(x + i) - m);
	float s = over_block<false>(*mine);
	for (int i = threadIdx.x; i < cols; i += THREADS) put(y + i, __expf(SCALE * get(x + i) - m) / s);
}
