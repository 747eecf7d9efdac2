// Loops unrolled into hundreds of thousands of instructions keep the compiler busy until its limit.
// verdict: compile
// needs: nvcc
#include "softmax.cuh"

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	float s = 0;
#pragma unroll
	for (int i = 0; i < 4096; i++)
#pragma unroll
		for (int k = 0; k < 1024; k++) s += __sinf(s + get(x + (i * k + 7 * i) % cols)) * __expf(s * k);
	put(y + threadIdx.x, s);
}
