// The honest candidate that is tried after each hostile one.
// verdict: ok
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	honest_row(x + (u64)blockIdx.x * cols, y + (u64)blockIdx.x * cols, cols);
}
