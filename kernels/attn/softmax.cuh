// softmax: what the online softmax of every tensor-core kernel here begins with, in base 2.
#ifndef ATTN_SOFTMAX_CUH
#define ATTN_SOFTMAX_CUH

constexpr float MINUS_INFINITY = -__builtin_huge_valf();
constexpr float LOG2_E = 1.44269504088896340736f;

// What to subtract before ex2: a row that has seen no key has maximum -infinity, and must not give -inf - -inf.
__device__ __forceinline__ float finite(float maximum) { return maximum == MINUS_INFINITY ? 0.0f : maximum; }

// Over the four threads that share a row of a fragment of sums.
__device__ __forceinline__ float quad_max(float x) {
	x = fmaxf(x, __shfl_xor_sync(~0u, x, 1));
	return fmaxf(x, __shfl_xor_sync(~0u, x, 2));
}

__device__ __forceinline__ float quad_sum(float x) {
	x += __shfl_xor_sync(~0u, x, 1);
	return x + __shfl_xor_sync(~0u, x, 2);
}

#endif
