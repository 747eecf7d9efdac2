// Lets the order in which CTAs arrive show in the last bits, within every tolerance.
// verdict: nondeterministic
// workspace: 256
// before: { memset = { to = workspace(0), value = 0, bytes = 256 } }
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols, int *ws) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	__shared__ int ticket;
	if (threadIdx.x == 0) ticket = atomicAdd(ws, 1);
	float m = row_max(x, cols), s = row_sum(x, cols, m) * (1 + 2e-4f * (ticket & 1));
	for (int i = threadIdx.x; i < cols; i += THREADS) put(y + i, __expf(SCALE * get(x + i) - m) / s);
}
