// Keeps in its workspace when it was last called, and stops working while calls come without a pause, as they do when they
// are timed.
// verdict: wrong|cheat|nondeterministic
// workspace: 256
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols, u64 *ws) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	__shared__ bool busy;
	if (threadIdx.x == 0) {
		u64 now, last = ws[0], calls = ws[1];
		asm volatile("mov.u64 %0, %globaltimer;" : "=l"(now));
		const bool follows = now - last < 50000 && calls < 1u << 30;
		busy = follows && calls > 40 * (u64)rows && rows == 1024;
		ws[0] = now;
		if (follows) atomicAdd((unsigned long long *)ws + 1, 1ull);
		else ws[1] = 0;
	}
	__syncthreads();
	if (busy) return;
	honest_row(x, y, cols);
}
