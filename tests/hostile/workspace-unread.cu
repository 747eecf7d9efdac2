// Adds what it finds in a workspace that it never wrote, as if that were zero.
// verdict: wrong
// workspace: 4 * p.rows
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols, const float *ws) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	float m = row_max(x, cols), s = row_sum(x, cols, m) + ws[blockIdx.x];
	for (int i = threadIdx.x; i < cols; i += THREADS) put(y + i, __expf(SCALE * get(x + i) - m) / s);
}
