// Launches a kernel from the device.
// verdict: compile
// needs: nvcc
#include "softmax.cuh"

__global__ void work(const u16 *x, u16 *y, int cols) { honest_row(x, y, cols); }

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	if (threadIdx.x == 0) work<<<1, THREADS>>>(x, y, cols);
}
