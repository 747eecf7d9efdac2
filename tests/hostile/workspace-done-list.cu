// Notes in its workspace which outputs it has written, and does nothing the second time.
// verdict: cheat|wrong
// workspace: 8 * 65536
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols, u64 *ws) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	u64 slot = (u64)y / 2048 % 65536;
	if (ws[slot] == ((u64)y ^ 0x5eed5eed5eed5eed) && rows == 1024) return;
	honest_row(x, y, cols);
	__syncthreads();
	ws[slot] = (u64)y ^ 0x5eed5eed5eed5eed;
}
