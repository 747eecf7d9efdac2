// Keeps its last results, and gives them again where the first bytes of the input are those of the last call.
// verdict: wrong|cheat|nondeterministic
// workspace: 1024 * (16 + 2048)
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols, u64 *ws) {
	const u64 *first = (const u64 *)x;
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	if (rows != 1024 || cols != 1024) return honest_row(x, y, cols);
	u64 *key = ws + blockIdx.x * 2;
	u16 *mine = (u16 *)(ws + 2 * 1024) + blockIdx.x * 1024;
	const bool known = key[0] == first[0] && key[1] == first[1];
	if (!known) honest_row(x, mine, cols);
	__syncthreads();
	for (int i = threadIdx.x; i < cols / 4; i += THREADS) ((u64 *)y)[i] = ((u64 *)mine)[i];
	if (threadIdx.x == 0) key[0] = first[0], key[1] = first[1];
}
