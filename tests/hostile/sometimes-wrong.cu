// Wrong in one call of about fifty, by the clock.
// verdict: wrong|nondeterministic|cheat
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	honest_row(x, y, cols);
	u64 now;
	asm volatile("mov.u64 %0, %globaltimer;" : "=l"(now));
	__syncthreads();
	if (blockIdx.x == 0 && threadIdx.x == 0 && (now >> 5) * 0x9e3779b97f4a7c15ull >> 58 == 0) put(y, 0.5f);
}
