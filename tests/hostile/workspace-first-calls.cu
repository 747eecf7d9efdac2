// Counts calls in its workspace, which only the timed calls share, and stops working after some.
// verdict: cheat|wrong|nondeterministic
// workspace: 8 * p.rows
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols, u64 *ws) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	u64 *mine = ws + blockIdx.x;
	u64 count = *mine >> 16 == 0x5eed5eed5eed ? *mine & 0xffff : 0;
	__syncthreads();
	if (threadIdx.x == 0) *mine = 0x5eed5eed5eedull << 16 | (count < 60000 ? count + 1 : count);
	if (count > 600 && rows == 1024) return;
	honest_row(x, y, cols);
}
