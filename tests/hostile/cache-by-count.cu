// Counts its calls, and works on every second one only.
// verdict: cheat
// needs: nvcc
#include "softmax.cuh"

__device__ int calls[1024];

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	if (threadIdx.x == 0) calls[blockIdx.x % 1024]++;
	__syncthreads();
	if (calls[blockIdx.x % 1024] % 2 && calls[blockIdx.x % 1024] > 64) return;
	honest_row(x, y, cols);
}
