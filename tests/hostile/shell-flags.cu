// An option with characters that the shell inside nvcc would execute.
// verdict: compile
// needs: nvcc
// variant: flags = { "-DX=$(touch hostile-was-here)" }
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	honest_row(x, y, cols);
}
