// More static shared memory than the language has.
// verdict: compile
// needs: nvcc
#include "softmax.cuh"

__shared__ int all_of_it[100000];

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	all_of_it[threadIdx.x] = cols;
	honest_row(x, y, all_of_it[threadIdx.x]);
}
