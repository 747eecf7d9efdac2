// Writes one element behind its workspace.
// verdict: wrong
// workspace: 4 * p.rows
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols, float *ws) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	honest_row(x, y, cols);
	ws[blockIdx.x + 1] = 1;
}
