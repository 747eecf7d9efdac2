// Works where the output holds poison (NaN, or noise with numbers above one), and does nothing where it holds what a softmax
// may have left.
// verdict: wrong|cheat
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	__shared__ bool poison;
	if (threadIdx.x == 0) poison = false;
	__syncthreads();
	for (int i = threadIdx.x; i < cols; i += THREADS) {
		const float is = get(y + i);
		if (!(is >= 0 && is <= 1)) poison = true;
	}
	__syncthreads();
	if (!poison && rows == 1024) return;
	honest_row(x, y, cols);
}
