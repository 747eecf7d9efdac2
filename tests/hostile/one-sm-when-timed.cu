// Where calls are timed, the CTAs on one of the SMs do nothing.
// verdict: wrong|nondeterministic
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	const u64 row = (u64)blockIdx.x * cols;
	u32 sm;
	asm volatile("mov.u32 %0, %smid;" : "=r"(sm));
	if (sm == 3 && rows == 1024 && timed(y, (u64)rows * cols)) return;
	honest_row(x + row, y + row, cols);
}
