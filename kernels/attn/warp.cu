// attn_warp: the second rung of the ladder. One warp computes one query row: each lane has D/32 of its columns, a score is
// the sum of the lanes' partial products, by shuffles, and every lane then holds the score and updates its own columns.
// KEYS scores are reduced at a time, so that their shuffles overlap and the online softmax moves its maximum once for all.
// The WARPS rows of a CTA read the same keys at nearly the same time, through L1. What it teaches: coalesced access and
// warp reductions; five shuffles a score are what tensor cores take away.
// Grid: (ceildiv(sq, WARPS), h, b). A row that sees no key becomes 0. Causal masks are aligned to the bottom right.
#include "attune/axis.cuh"
#include "attune/ptx_math.cuh"

constexpr int D = PROBLEM_D, EACH = D / 32;  // columns of a lane
constexpr bool BF16 = axis_is(PROBLEM_DTYPE_BF16);
constexpr float MINUS_INFINITY = -__builtin_huge_valf();
constexpr float LOG2_E = 1.44269504088896340736f;

static_assert(D % 32 == 0 && D <= 256, "a lane has 2 to 8 columns");

// A lane's columns as words, or, where they are odd in number (D = 96), one by one.
__device__ __forceinline__ void load_each(float (&x)[EACH], const u16 *from) {
	if constexpr (EACH % 2 == 1) {
#pragma unroll
		for (int i = 0; i < EACH; i++) x[i] = element_to_f32<BF16>(from[i]);
		return;
	}
	alignas(16) u32 pair[larger(1, EACH / 2)];
	if constexpr (EACH == 4) *(uint2 *)pair = *(const uint2 *)from;
	else if constexpr (EACH == 8) *(uint4 *)pair = *(const uint4 *)from;
	else
#pragma unroll
		for (int i = 0; i < EACH / 2; i++) pair[i] = ((const u32 *)from)[i];
#pragma unroll
	for (int i = 0; i < EACH / 2; i++) {
		x[2 * i] = element_to_f32<BF16>((u16)pair[i]);
		x[2 * i + 1] = element_to_f32<BF16>((u16)(pair[i] >> 16));
	}
}

__device__ __forceinline__ void store_each(u16 *to, const float (&x)[EACH], float factor) {
#pragma unroll
	for (int c = 0; c + 1 < EACH && EACH % 2 == 0; c += 2)
		*(u32 *)(to + c) = element_pair_from_f32<BF16>(x[c] * factor, x[c + 1] * factor);
#pragma unroll
	for (int c = 0; c < EACH && EACH % 2 == 1; c++) to[c] = element_from_f32<BF16>(x[c] * factor);
}

// grouped: query heads that share a key head. Strides in elements: batch, head, row.
extern "C" __global__ void __launch_bounds__(32 * WARPS)
attn_warp(const u16 *q, const u16 *k, const u16 *v, u16 *o, int grouped, int sq, int sk, i64 q_sb, i64 q_sh, i64 q_ss,
	  i64 k_sb, i64 k_sh, i64 k_ss, i64 v_sb, i64 v_sh, i64 v_ss, i64 o_sb, i64 o_sh, i64 o_ss, float scale) {
	int lane = threadIdx.x % 32, row = blockIdx.x * WARPS + threadIdx.x / 32;
	int head = blockIdx.y, kv_head = head / grouped, batch = blockIdx.z;
	if (row >= sq) return;
	q += batch * q_sb + head * q_sh + row * q_ss + EACH * lane;
	k += batch * k_sb + kv_head * k_sh + EACH * lane;
	v += batch * v_sb + kv_head * v_sh + EACH * lane;
	o += batch * o_sb + head * o_sh + row * o_ss + EACH * lane;

	float query[EACH], out[EACH], sum = 0.0f, maximum = MINUS_INFINITY;
	load_each(query, q);
#pragma unroll
	for (int c = 0; c < EACH; c++) query[c] *= scale * LOG2_E, out[c] = 0.0f;

	int keys = PROBLEM_CAUSAL ? min(sk, row + 1 + sk - sq) : sk;
	for (int j = 0; j < keys; j += KEYS) {
		float s[KEYS], values[KEYS][EACH], peak = maximum;
#pragma unroll
		for (int i = 0; i < KEYS; i++) {
			int at = min(j + i, keys - 1);
			float x[EACH];
			load_each(x, k + at * k_ss);
			load_each(values[i], v + at * v_ss);
			s[i] = 0.0f;
#pragma unroll
			for (int c = 0; c < EACH; c++) s[i] = fmaf(query[c], x[c], s[i]);
		}
#pragma unroll
		for (int step = 16; step > 0; step /= 2)
#pragma unroll
			for (int i = 0; i < KEYS; i++) s[i] += __shfl_xor_sync(~0u, s[i], step);
#pragma unroll
		for (int i = 0; i < KEYS; i++) {
			if (j + i >= keys) s[i] = MINUS_INFINITY;
			peak = fmaxf(peak, s[i]);
		}
		float shrink = ex2_approx_ftz_f32(maximum - peak);
		maximum = peak;
		sum *= shrink;
#pragma unroll
		for (int c = 0; c < EACH; c++) out[c] *= shrink;
#pragma unroll
		for (int i = 0; i < KEYS; i++) {
			float weight = ex2_approx_ftz_f32(s[i] - maximum);
			sum += weight;
#pragma unroll
			for (int c = 0; c < EACH; c++) out[c] = fmaf(weight, values[i][c], out[c]);
		}
	}

	float inverse = sum > 0.0f ? 1.0f / sum : 0.0f;
	store_each(o, out, inverse);
}
