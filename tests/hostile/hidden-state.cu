// Keeps a counter in a variable that looks constant.
// verdict: cheat
// needs: nvcc
#include "softmax.cuh"

__device__ const int constant_they_say = 3;

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	honest_row(x, y, cols);
	if (threadIdx.x == 0) *(volatile int *)&constant_they_say = constant_they_say + 1;
}
