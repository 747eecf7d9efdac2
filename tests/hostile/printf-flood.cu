// Every thread prints.
// verdict: illegal
// needs: nvcc
#include "softmax.cuh"

extern "C" __device__ int printf(const char *, ...);

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	printf("%d %d\n", blockIdx.x, threadIdx.x);
	honest_row(x, y, cols);
}
