// A CTA whose registers fit no SM.
// verdict: launch
// launch: block = { 1024 }
#include "softmax.cuh"

extern "C" __global__ void __launch_bounds__(512, 1) softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	honest_row(x, y, cols);
}
