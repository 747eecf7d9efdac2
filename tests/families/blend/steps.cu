// blend in two steps: blend_gather adds s * x to a zeroed float32 workspace, blend_finish adds (1 - s) * y and rounds.
// Grid of both: (ceildiv(rows, 8)). Block: WIDTH.
#include <cuda_fp16.h>

extern "C" __global__ void __launch_bounds__(WIDTH)
blend_gather(const __half *x, float *w, int rows, int cols, long long x_s, float s) {
	for (int row = blockIdx.x * 8; row < rows && row < (int)(blockIdx.x + 1) * 8; row++)
		for (int i = threadIdx.x; i < cols; i += WIDTH) w[row * cols + i] += s * __half2float(x[row * x_s + i]);
}

extern "C" __global__ void __launch_bounds__(WIDTH)
blend_finish(const float *w, const __half *y, __half *o, int rows, int cols, long long y_s, long long o_s, float s) {
	for (int row = blockIdx.x * 8; row < rows && row < (int)(blockIdx.x + 1) * 8; row++)
		for (int i = threadIdx.x; i < cols; i += WIDTH)
			o[row * o_s + i] = __float2half_rn(w[row * cols + i] + (1 - s) * __half2float(y[row * y_s + i]));
}
