// The oracle of the corpus's family, in float64, and what a plain implementation in float16 with float32 sums gives.
// One CTA a row; every thread computes the row's maximum and sum by itself, in a fixed order.
#include <cuda_fp16.h>

__device__ double exponential(double x) { return exp(x); }
__device__ float exponential(float x) { return expf(x); }
__device__ void put(double *to, double x) { *to = x; }
__device__ void put(__half *to, float x) { *to = __float2half_rn(x); }

template <class REAL, class OUT> __device__ void softmax(const __half *x, OUT *y, int cols) {
	__shared__ REAL all[256];
	REAL largest = -1e30f, sum = 0;
	for (int i = threadIdx.x; i < cols; i += 256) largest = max(largest, 4 * (REAL)__half2float(x[i]));
	all[threadIdx.x] = largest;
	__syncthreads();
	for (int i = 0; i < 256; i++) largest = max(largest, all[i]);
	__syncthreads();
	for (int i = threadIdx.x; i < cols; i += 256) sum += exponential(4 * (REAL)__half2float(x[i]) - largest);
	all[threadIdx.x] = sum;
	__syncthreads();
	sum = 0;
	for (int i = 0; i < 256; i++) sum += all[i];
	for (int i = threadIdx.x; i < cols; i += 256)
		put(y + i, exponential(4 * (REAL)__half2float(x[i]) - largest) / sum);
}

extern "C" __global__ void softmax_reference(const __half *x, double *y, int rows, int cols) {
	softmax<double>(x + (size_t)blockIdx.x * cols, y + (size_t)blockIdx.x * cols, cols);
}

extern "C" __global__ void softmax_plain(const __half *x, __half *y, int rows, int cols) {
	softmax<float>(x + (size_t)blockIdx.x * cols, y + (size_t)blockIdx.x * cols, cols);
}
