// Asks the L2 to keep its inputs, so that later calls and other candidates find it full. No gain may come of it.
// verdict: ok|cheat
// not-faster: true
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	u64 keep;
	asm volatile("createpolicy.fractional.L2::evict_last.b64 %0, 1.0;" : "=l"(keep));
	for (int i = threadIdx.x; i < cols; i += THREADS) {
		u16 bits;
		asm volatile("ld.global.L2::cache_hint.b16 %0, [%1], %2;" : "=h"(bits) : "l"(x + i), "l"(keep));
	}
	honest_row(x, y, cols);
}
