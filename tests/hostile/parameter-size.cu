// Takes a parameter of another size than the launch gives.
// verdict: launch
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, long long rows, long long cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	honest_row(x, y, (int)cols);
}
