// A quarter of a million statements, as unrolling makes them, keep the compiler busy until its limit.
// verdict: compile
// needs: nvcc
#include "softmax.cuh"

#define FOUR(x) x x x x
#define MANY(x) FOUR(FOUR(FOUR(FOUR(FOUR(FOUR(FOUR(FOUR(FOUR(x)))))))))

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	float s = 0;
	int k = threadIdx.x;
	MANY(k = (k * 5 + 7) % cols; s += __sinf(s + get(x + k)) * __expf(s * k);)
	put(y + threadIdx.x, s);
}
