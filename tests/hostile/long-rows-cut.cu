// Leaves a tile of long rows out of the sum, which shorter ones do not have.
// verdict: wrong
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	int seen = cols < 16384 ? cols : 16384;
	float m = row_max(x, seen), s = row_sum(x, seen, m);
	for (int i = threadIdx.x; i < cols; i += THREADS) put(y + i, __expf(SCALE * get(x + i) - m) / s);
}
