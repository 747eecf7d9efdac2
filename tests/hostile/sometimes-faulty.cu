// Faults in one call of some hundred, by the clock.
// verdict: fault
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	honest_row(x, y, cols);
	u64 now;
	asm volatile("mov.u64 %0, %globaltimer;" : "=l"(now));
	if (blockIdx.x == 0 && threadIdx.x == 0 && (now >> 5) * 0x9e3779b97f4a7c15ull >> 56 == 0) __trap();
}
