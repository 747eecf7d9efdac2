// attn_scalar: the first rung of the ladder. One thread computes one query row alone: it walks over the keys, takes the dot
// product, moves the running maximum and sum of the online softmax, and adds the weighted row of V to an accumulator of D
// floats. Threads share nothing and wait for nothing; all of a CTA read the same K and V rows, so a row comes from
// L1 for all but the first. What it teaches: the online softmax, and how far 32-bit arithmetic is from tensor cores.
// Above D = 128, whose accumulators registers would not hold, a row has PARTS threads, of CTAs side by side, each for its columns.
// Grid: (PARTS * ceildiv(sq, ROWS), h, b). A row that sees no key becomes 0. Causal masks are aligned to the bottom right.
#include "attune/axis.cuh"
#include "attune/ptx_math.cuh"

constexpr int D = PROBLEM_D, PARTS = D > 128 ? 2 : 1, COLUMNS = D / PARTS;  // columns of V and O of a thread
constexpr bool BF16 = axis_is(PROBLEM_DTYPE_BF16);
constexpr float MINUS_INFINITY = -__builtin_huge_valf();
constexpr float LOG2_E = 1.44269504088896340736f;
constexpr int UNROLLED = UNROLL;  // a pragma does not see macros

static_assert(COLUMNS % 8 == 0 && COLUMNS <= 128, "16-byte loads, registers");

// Eight elements of a row.
__device__ __forceinline__ void load_8(float (&x)[8], const u16 *from) {
	uint4 bits = *(const uint4 *)from;
	u32 pair[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
	for (int i = 0; i < 4; i++) {
		x[2 * i] = element_to_f32<BF16>((u16)pair[i]);
		x[2 * i + 1] = element_to_f32<BF16>((u16)(pair[i] >> 16));
	}
}

__device__ __forceinline__ float dot(const u16 *q, const u16 *k) {
	float s[4] = {0.0f, 0.0f, 0.0f, 0.0f};
#pragma unroll 4
	for (int c = 0; c < D; c += 8) {
		float x[8], y[8];
		load_8(x, q + c);
		load_8(y, k + c);
#pragma unroll
		for (int i = 0; i < 8; i++) s[i % 4] = fmaf(x[i], y[i], s[i % 4]);
	}
	return (s[0] + s[1]) + (s[2] + s[3]);
}

// grouped: query heads that share a key head. Strides in elements: batch, head, row.
extern "C" __global__ void __launch_bounds__(ROWS)
attn_scalar(const u16 *q, const u16 *k, const u16 *v, u16 *o, int grouped, int sq, int sk, i64 q_sb, i64 q_sh, i64 q_ss,
	    i64 k_sb, i64 k_sh, i64 k_ss, i64 v_sb, i64 v_sh, i64 v_ss, i64 o_sb, i64 o_sh, i64 o_ss, float scale) {
	int row = blockIdx.x / PARTS * ROWS + threadIdx.x, head = blockIdx.y, kv_head = head / grouped, batch = blockIdx.z;
	if (row >= sq) return;
	q += batch * q_sb + head * q_sh + row * q_ss;
	k += batch * k_sb + kv_head * k_sh;
	v += batch * v_sb + kv_head * v_sh;
	o += batch * o_sb + head * o_sh + row * o_ss;
	if constexpr (PARTS > 1) v += blockIdx.x % PARTS * COLUMNS, o += blockIdx.x % PARTS * COLUMNS;
	scale *= LOG2_E;

	// The row of q, in shared memory for want of registers; 16 bytes of padding keep the threads' rows off each other's banks.
	__shared__ __align__(16) u16 rows[ROWS][D + 8];
	u16 *query = rows[threadIdx.x];
	float sum = 0.0f, maximum = MINUS_INFINITY, out[COLUMNS];
#pragma unroll
	for (int c = 0; c < D; c += 8) *(uint4 *)(query + c) = *(const uint4 *)(q + c);
#pragma unroll
	for (int c = 0; c < COLUMNS; c++) out[c] = 0.0f;

	int keys = PROBLEM_CAUSAL ? min(sk, row + 1 + sk - sq) : sk;
#pragma unroll UNROLLED
	for (int j = 0; j < keys; j++) {
		float s = dot(query, k + j * k_ss) * scale;
		if (s > maximum) {
			float shrink = ex2_approx_ftz_f32(maximum - s);
			maximum = s;
			sum *= shrink;
#pragma unroll
			for (int c = 0; c < COLUMNS; c++) out[c] *= shrink;
		}
		float weight = ex2_approx_ftz_f32(s - maximum);
		sum += weight;
#pragma unroll
		for (int c = 0; c < COLUMNS; c += 8) {
			float x[8];
			load_8(x, v + j * v_ss + c);
#pragma unroll
			for (int i = 0; i < 8; i++) out[c + i] = fmaf(weight, x[i], out[c + i]);
		}
	}

	float inverse = sum > 0.0f ? 1.0f / sum : 0.0f;
#pragma unroll
	for (int c = 0; c < COLUMNS; c += 8) {
		u32 x[4];
#pragma unroll
		for (int i = 0; i < 4; i++)
			x[i] = element_pair_from_f32<BF16>(out[c + 2 * i] * inverse, out[c + 2 * i + 1] * inverse);
		*(uint4 *)(o + c) = make_uint4(x[0], x[1], x[2], x[3]);
	}
}
