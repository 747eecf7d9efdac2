// Reads what other warps have not written yet.
// verdict: wrong|nondeterministic
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	__shared__ float all[THREADS];
	float m = row_max(x, cols), s = 0;
	for (int i = threadIdx.x; i < cols; i += THREADS) s += __expf(SCALE * get(x + i) - m);
	for (int k = 0; k < (int)(threadIdx.x / 32) * 20; k++) s = __fadd_rn(s, 0.0f) + (__cosf(s) > 2 ? 1 : 0);
	all[threadIdx.x] = s;
	s = 0;
	for (int i = 0; i < THREADS; i++) s += ((volatile float *)all)[i];
	for (int i = threadIdx.x; i < cols; i += THREADS) put(y + i, __expf(SCALE * get(x + i) - m) / s);
}
