// attn_softmax: the middle of the cuBLAS baseline, between the products S = scale * Q K^T and O = P V. One warp turns one row
// of float32 scores into a row of weights in the problem's dtype: a pass for the maximum and the sum (each lane online over
// its share of the keys, then merged by shuffles), a pass that writes the weights. The second pass finds the row in cache.
// Rows are those of all query heads; `row % sq` is the query, which a causal mask (aligned to the bottom right) needs.
// Weights of masked keys are 0, and so are all of a row that sees no key. `pitch`, a multiple of 8, is the distance of rows.
// Grid: ceildiv(rows, WARPS). Block: 32 * WARPS.
#include "attune/axis.cuh"
#include "attune/ptx_math.cuh"

constexpr bool BF16 = axis_is(PROBLEM_DTYPE_BF16);
constexpr int WARPS = 4;
constexpr float MINUS_INFINITY = -__builtin_huge_valf();
constexpr float LOG2_E = 1.44269504088896340736f;

extern "C" __global__ void __launch_bounds__(32 * WARPS) attn_softmax(const float *s, u16 *p, i64 rows, int sq, int sk, int pitch) {
	i64 row = (i64)blockIdx.x * WARPS + threadIdx.x / 32;
	int lane = threadIdx.x % 32;
	if (row >= rows) return;
	int seen = PROBLEM_CAUSAL ? max(0, min(sk, (int)(row % sq) + 1 + sk - sq)) : sk;
	s += row * pitch;
	p += row * pitch;

	float maximum = MINUS_INFINITY, sum = 0.0f;
	for (int j = 4 * lane; j < seen; j += 128) {
		float4 four = *(const float4 *)(s + j);
		float x[4] = {four.x, four.y, four.z, four.w}, peak = maximum;
#pragma unroll
		for (int i = 0; i < 4; i++) {
			x[i] = j + i < seen ? x[i] * LOG2_E : MINUS_INFINITY;
			peak = fmaxf(peak, x[i]);
		}
		sum *= ex2_approx_ftz_f32(maximum - peak);
		maximum = peak;
#pragma unroll
		for (int i = 0; i < 4; i++) sum += ex2_approx_ftz_f32(x[i] - maximum);
	}
	float peak = maximum;
#pragma unroll
	for (int step = 16; step > 0; step /= 2) peak = fmaxf(peak, __shfl_xor_sync(~0u, peak, step));
	sum = maximum == MINUS_INFINITY ? 0.0f : sum * ex2_approx_ftz_f32(maximum - peak);
#pragma unroll
	for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
	float inverse = seen > 0 ? 1.0f / sum : 0.0f;

	for (int j = 4 * lane; j < sk; j += 128) {
		float4 four = *(const float4 *)(s + j);
		float x[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
		for (int i = 0; i < 4; i++) x[i] = j + i < seen ? ex2_approx_ftz_f32(x[i] * LOG2_E - peak) * inverse : 0.0f;
		*(uint2 *)(p + j) = make_uint2(element_pair_from_f32<BF16>(x[0], x[1]), element_pair_from_f32<BF16>(x[2], x[3]));
	}
}
