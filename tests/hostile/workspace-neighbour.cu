// Leaves a mark for its neighbour in the next launch, which then does nothing.
// verdict: wrong|cheat|nondeterministic
// workspace: 8 * 1025
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols, u64 *ws) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	if (rows != 1024) return honest_row(x, y, cols);
	const u64 mark = 0x5eed5eed5eed0000ull, next = (blockIdx.x + 1) % 1024;
	const bool marked = ws[blockIdx.x] == (mark | blockIdx.x);
	__syncthreads();
	if (threadIdx.x == 0) ws[blockIdx.x] = 0, ws[next] = marked ? 0 : mark | next;
	if (!marked) honest_row(x, y, cols);
}
