// Calls itself until the stack is gone.
// verdict: fault
#include "softmax.cuh"

__device__ __noinline__ int deeper(const u16 *x, int n) {
	volatile int here[64];
	here[n % 64] = n;
	return n > 0 ? deeper(x, n - 1) + here[(n + x[0]) % 64] : 0;
}

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	honest_row(x, y, cols);
	if (deeper(x, cols + 1000000) == 1) put(y, 1);
}
