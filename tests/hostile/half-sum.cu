// Adds up in float16.
// verdict: wrong
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	float m = row_max(x, cols);
	__shared__ u16 sum;
	if (threadIdx.x == 0) {
		put(&sum, 0);
		for (int i = 0; i < cols; i++) put(&sum, get(&sum) + __expf(SCALE * get(x + i) - m));
	}
	__syncthreads();
	for (int i = threadIdx.x; i < cols; i += THREADS) put(y + i, __expf(SCALE * get(x + i) - m) / get(&sum));
}
