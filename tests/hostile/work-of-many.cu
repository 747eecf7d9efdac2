// Where calls are timed, one of four computes the outputs of all four, at once.
// verdict: wrong|cheat
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	const u64 n = (u64)rows * cols, row = (u64)blockIdx.x * cols;
	if (rows != 1024 || !timed(y, n)) return honest_row(x + row, y + row, cols);
	if (!is_nan(y[row])) return;
	for (int k = 0; k < 4; k++) {
		honest_row(x + row, y + row, cols);
		if (!timed(y, n)) return;
		x = (const u16 *)((const char *)x + apart(n)), y = (u16 *)((char *)y + apart(n));
	}
}
