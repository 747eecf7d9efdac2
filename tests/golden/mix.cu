// mix.cu: kernels that were compiled to mix_sm_80.cubin and mix_sm_90a.cubin for tests/test_cubin.c. They compute nothing
// of use: between them they hold a tensor core product, asynchronous and matrix copies, barriers, shuffles, special
// functions, atomics, local memory, and one variable of each kind.
// nvcc -cubin -arch=sm_80 -std=c++17 -O3 -o mix_sm_80.cubin mix.cu
__device__ int counter;
__device__ float table[4] = { 1, 2, 3, 4 };
__constant__ float fixed[8];

extern "C" __global__ void mix_product(const unsigned *in, float *out)
{
	extern __shared__ unsigned s[];
	unsigned a[4], at = (unsigned)__cvta_generic_to_shared(s + threadIdx.x * 4);
	float c[4] = { 0, 0, 0, 0 };

	asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(at), "l"(in + threadIdx.x * 4));
	asm volatile("cp.async.commit_group;\ncp.async.wait_group 0;");
	__syncthreads();
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
		     : "=r"(a[0]), "=r"(a[1]), "=r"(a[2]), "=r"(a[3]) : "r"(at));
	asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
		     "{%0, %1, %2, %3};"
		     : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
		     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(a[1]), "r"(a[2]));
	for (int i = 0; i < 4; i++)
		out[threadIdx.x * 4 + i] = exp2f(c[i]) * fixed[i];
}

extern "C" __global__ void mix_scalar(float *x, int *n)
{
	__shared__ float s[64];
	float v = x[threadIdx.x];
	float local[256];

	#pragma unroll 1
	for (int i = 0; i < 256; i++)
		local[i] = v * (float)i + table[i & 3];
	v += __shfl_xor_sync(~0u, v, 1) + local[n[0] & 255] + local[n[1] & 255];
	s[threadIdx.x & 63] = v;
	__syncthreads();
	x[threadIdx.x] = s[63 - (threadIdx.x & 63)] + rsqrtf(v);
	atomicAdd(&counter, n[threadIdx.x]);
}
