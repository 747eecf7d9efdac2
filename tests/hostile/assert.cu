// Calls the driver when an assertion fails.
// verdict: illegal
// needs: nvcc
#include "softmax.cuh"

extern "C" __device__ void __assertfail(const char *, const char *, unsigned, const char *, size_t) __attribute__((noreturn));

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	if (cols < 0) __assertfail("cols", "softmax.cu", 1, "softmax", 1);
	honest_row(x, y, cols);
}
