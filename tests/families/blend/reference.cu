// The oracle of the family: float64 out (blend_reference), and what a plain float16 implementation gives (blend_plain).
// Grid: (ceildiv(rows, 8)). Block: any.
#include <cuda_fp16.h>

template <class REAL> __device__ void put(REAL *to, REAL x) { *to = x; }
__device__ void put(__half *to, float x) { *to = __float2half_rn(x); }

template <class REAL, class OUT>
__device__ void blend(const __half *x, const __half *y, OUT *o, int rows, int cols, long long x_s, long long y_s,
		      long long o_s, REAL s) {
	for (int row = blockIdx.x * 8; row < rows && row < (int)(blockIdx.x + 1) * 8; row++)
		for (int i = threadIdx.x; i < cols; i += blockDim.x)
			put(o + row * o_s + i, s * (REAL)__half2float(x[row * x_s + i]) +
						       (1 - s) * (REAL)__half2float(y[row * y_s + i]));
}

extern "C" __global__ void blend_reference(const __half *x, const __half *y, double *o, int rows, int cols, long long x_s,
					   long long y_s, long long o_s, float s) {
	blend<double>(x, y, o, rows, cols, x_s, y_s, o_s, (double)s);
}

extern "C" __global__ void blend_plain(const __half *x, const __half *y, __half *o, int rows, int cols, long long x_s,
				       long long y_s, long long o_s, float s) {
	blend<float>(x, y, o, rows, cols, x_s, y_s, o_s, s);
}
