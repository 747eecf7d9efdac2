// blend, as anybody would write it first. Grid: (ceildiv(rows, 8)). Block: any.
#include <cuda_fp16.h>

extern "C" __global__ void blend(const __half *x, const __half *y, __half *o, int rows, int cols, long long x_s,
				 long long y_s, long long o_s, float s) {
	for (int row = blockIdx.x * 8; row < rows && row < (int)(blockIdx.x + 1) * 8; row++)
		for (int i = threadIdx.x; i < cols; i += blockDim.x)
			o[row * o_s + i] = __float2half_rn(s * __half2float(x[row * x_s + i]) +
							   (1 - s) * __half2float(y[row * y_s + i]));
}
