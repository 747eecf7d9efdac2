// Every thread takes memory from the device heap and keeps it.
// verdict: illegal
// needs: nvcc
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	int *mine = (int *)malloc(1024);
	if (mine) *mine = cols;
	honest_row(x, y, mine ? *mine : cols);
}
