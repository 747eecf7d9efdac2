// blend: eight rows a CTA, one pass over each. Grid: (ceildiv(rows, 8)). Block: WIDTH.
#include <cuda_fp16.h>

constexpr int UNROLLED = UNROLL;  // a pragma does not see macros

extern "C" __global__ void __launch_bounds__(WIDTH)
blend(const __half *x, const __half *y, __half *o, int rows, int cols, long long x_s, long long y_s, long long o_s,
      float s) {
	for (int n = 0; n < 8; n++) {
		int row = blockIdx.x * 8 + (ORDER ? 7 - n : n);
		if (row >= rows) continue;
#pragma unroll UNROLLED
		for (int i = threadIdx.x; i < cols; i += WIDTH)
			o[row * o_s + i] = __float2half_rn(s * __half2float(x[row * x_s + i]) +
							   (1 - s) * __half2float(y[row * y_s + i]));
	}
}
