// A template that doubles at each step keeps the compiler busy until its limit on time ends it.
// verdict: compile
// needs: nvcc
#include "softmax.cuh"

template <int DEPTH, int PATH> struct bomb {
	static constexpr int value = bomb<DEPTH - 1, 2 * PATH>::value + bomb<DEPTH - 1, 2 * PATH + 1>::value;
};
template <int PATH> struct bomb<0, PATH> {
	static constexpr int value = PATH & 1;
};

extern "C" __global__ void softmax(const u16 *x, u16 *y, int rows, int cols) {
	x += (u64)blockIdx.x * cols, y += (u64)blockIdx.x * cols;
	if (threadIdx.x == 0) put(y, (float)bomb<24, 0>::value);
}
