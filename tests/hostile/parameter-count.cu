// Takes one parameter more than the launch gives, and reads what lies behind.
// verdict: launch
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols, int more) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	honest_row(x, y, more ? cols : 0);
}
