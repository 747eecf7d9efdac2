// decode_mma: what one warp does with one block of keys (PRODUCTS=mma): S^T = K Q^T, mask, online softmax, O^T += V^T P^T. Keys are
// the rows of the first product and its 8 columns a strip of packed query rows, so that few query rows fill an instruction.
// Lane 4*g + q has of S^T keys g, g+8 of 16 and of O^T columns g, g+8 of 16, both of query rows 2q, 2q+1 of a strip.
#ifndef ATTN_DECODE_MMA_CUH
#define ATTN_DECODE_MMA_CUH
#ifndef PRODUCTS_WGMMA

// Over the lanes that have the same query rows.
__device__ __forceinline__ float rows_max(float x) {
#pragma unroll
	for (int lanes = 4; lanes < 32; lanes *= 2) x = fmaxf(x, __shfl_xor_sync(~0u, x, lanes));
	return x;
}

__device__ __forceinline__ float rows_sum(float x) {
#pragma unroll
	for (int lanes = 4; lanes < 32; lanes *= 2) x += __shfl_xor_sync(~0u, x, lanes);
	return x;
}

struct rows {
	u32 q[STRIPS][D / 16][2];
	float s[STRIPS][BLOCK_N / 16][4];
	u32 p[STRIPS][BLOCK_N / 16][2];
	float o[STRIPS][D / 16][4];
	float sum[STRIPS][2];  // of this lane's keys only, until the end
	float max[STRIPS][2];  // of scale * log2(e) * s
};

// The warp's packed rows as B operands; q is of the batch and the group's first head, `left` rows from `row` on exist.
__device__ __forceinline__ void load_q(rows &w, const u16 *q, i64 head, i64 query, int row, int left, int grouped, int lane) {
#pragma unroll
	for (int n = 0; n < STRIPS; n++) {
		const u16 *from = q + packed_at(row + 8 * n + lane / 4, grouped, head, query) + 2 * (lane % 4);
		bool exists = 8 * n + lane / 4 < left;
#pragma unroll
		for (int k = 0; k < D / 16; k++) {
			w.q[n][k][0] = exists ? ld_global_nc_b32(from + 16 * k) : 0;
			w.q[n][k][1] = exists ? ld_global_nc_b32(from + 16 * k + 8) : 0;
		}
	}
}

__device__ __forceinline__ void start_rows(rows &w) {
#pragma unroll
	for (int n = 0; n < STRIPS; n++) {
		w.max[n][0] = w.max[n][1] = MINUS_INFINITY;
		w.sum[n][0] = w.sum[n][1] = 0.0f;
#pragma unroll
		for (int t = 0; t < D / 16; t++) w.o[n][t][0] = w.o[n][t][1] = w.o[n][t][2] = w.o[n][t][3] = 0.0f;
	}
}

__device__ __forceinline__ void multiply_qk(rows &w, u32 tile, int lane) {
	u32 mine = tile + tile_at(lane % 16, lane / 16);
#pragma unroll
	for (int n = 0; n < STRIPS; n++)
#pragma unroll
		for (int m = 0; m < BLOCK_N / 16; m++) w.s[n][m][0] = w.s[n][m][1] = w.s[n][m][2] = w.s[n][m][3] = 0.0f;
#pragma unroll
	for (int k = 0; k < D / 16; k++)
#pragma unroll
		for (int m = 0; m < BLOCK_N / 16; m++) {
			u32 a[4];
			ldmatrix_x4(a, fragment_at(mine, m, k));
#pragma unroll
			for (int n = 0; n < STRIPS; n++) mma_m16n8k16<BF16>(w.s[n][m], a, w.q[n][k][0], w.q[n][k][1]);
		}
}

// Scores of keys that a row does not see become minus infinity; visible(r) counts the block's keys that row r of the warp sees.
template <class count> __device__ __forceinline__ void mask(rows &w, const count &visible, int lane) {
	int seen[STRIPS][2];
#pragma unroll
	for (int n = 0; n < STRIPS; n++)
#pragma unroll
		for (int e = 0; e < 2; e++) seen[n][e] = visible(8 * n + 2 * (lane % 4) + e);
#pragma unroll
	for (int n = 0; n < STRIPS; n++)
#pragma unroll
		for (int m = 0; m < BLOCK_N / 16; m++)
#pragma unroll
			for (int i = 0; i < 4; i++)
				if (16 * m + 8 * (i / 2) + lane / 4 >= seen[n][i % 2]) w.s[n][m][i] = MINUS_INFINITY;
}

// Moves the maxima over the new scores, and rescales what was summed under the old ones, where one of the warp's moved.
// They are exact, for memory is what is waited for: a row's largest weight is then 1, which f16 holds, and the RMS error of the
// result some 4% below what it is when weights may grow to 2^8 first (b=4 h=32 hkv=8 sk=4096 d=128: 7.47e-6, cuDNN 7.17e-6).
__device__ __forceinline__ void move_max(rows &w, float scale) {
	float peak[STRIPS][2];
	bool moved = false;
#pragma unroll
	for (int n = 0; n < STRIPS; n++)
#pragma unroll
		for (int e = 0; e < 2; e++) {
			float x = fmaxf(w.s[n][0][e], w.s[n][0][2 + e]);
#pragma unroll
			for (int m = 1; m < BLOCK_N / 16; m++) x = fmaxf(x, fmaxf(w.s[n][m][e], w.s[n][m][2 + e]));
			peak[n][e] = fmaxf(w.max[n][e], rows_max(x) * scale);
			moved |= peak[n][e] > w.max[n][e];
		}
	if (!__any_sync(~0u, moved)) return;
#pragma unroll
	for (int n = 0; n < STRIPS; n++)
#pragma unroll
		for (int e = 0; e < 2; e++) {
			float shrink = ex2_approx_ftz_f32(w.max[n][e] - finite(peak[n][e]));
			w.max[n][e] = peak[n][e];
			w.sum[n][e] *= shrink;
#pragma unroll
			for (int t = 0; t < D / 16; t++) w.o[n][t][e] *= shrink, w.o[n][t][2 + e] *= shrink;
		}
}

// Weights of strip n and keys 16*m + 8*r .. + 7, as half of a B operand: its rows are keys, so the lanes trade places.
__device__ __forceinline__ u32 weigh(rows &w, int n, int m, int r, float scale) {
	float x = ex2_approx_ftz_f32(fmaf(w.s[n][m][2 * r], scale, -finite(w.max[n][0])));
	float y = ex2_approx_ftz_f32(fmaf(w.s[n][m][2 * r + 1], scale, -finite(w.max[n][1])));
	w.sum[n][0] += x;
	w.sum[n][1] += y;
	return movmatrix_trans_b16(element_pair_from_f32<BF16>(x, y));
}

__device__ __forceinline__ void weigh_block(rows &w, float scale) {
#pragma unroll
	for (int m = 0; m < BLOCK_N / 16; m++)
#pragma unroll
		for (int n = 0; n < STRIPS; n++) {
			w.p[n][m][0] = weigh(w, n, m, 0, scale);
			w.p[n][m][1] = weigh(w, n, m, 1, scale);
		}
}

__device__ __forceinline__ void weigh_nothing(rows &) {}

__device__ __forceinline__ void multiply_pv(rows &w, u32 tile, int lane) {
	u32 mine = tile + tile_at(lane / 16 * 8 + lane % 8, lane / 8 % 2);
#pragma unroll
	for (int m = 0; m < BLOCK_N / 16; m++)
#pragma unroll
		for (int t = 0; t < D / 16; t++) {
			u32 a[4];
			ldmatrix_x4_trans(a, fragment_at(mine, m, t));
#pragma unroll
			for (int n = 0; n < STRIPS; n++) mma_m16n8k16<BF16>(w.o[n][t], a, w.p[n][m][0], w.p[n][m][1]);
		}
}

// A warp's rows, of which the first is `row`, to its group's part; those from `count` on are left out.
__device__ __forceinline__ void write_part(rows &w, int group, int row, int count, int lane) {
	char *part = smem + group * GROUP_BYTES;
#pragma unroll
	for (int n = 0; n < STRIPS; n++)
#pragma unroll
		for (int e = 0; e < 2; e++) w.sum[n][e] = rows_sum(w.sum[n][e]);
#pragma unroll
	for (int n = 0; n < STRIPS; n++)
#pragma unroll
		for (int e = 0; e < 2; e++) {
			int at = row + 8 * n + 2 * (lane % 4) + e;
			if (at >= count) continue;
			if (lane < 4) *(float2 *)(part + BLOCK_M * PART_PITCH + 8 * at) = make_float2(w.max[n][e], w.sum[n][e]);
			float *to = (float *)(part + at * PART_PITCH) + lane / 4;
#pragma unroll
			for (int t = 0; t < D / 16; t++) to[16 * t] = w.o[n][t][e], to[16 * t + 8] = w.o[n][t][2 + e];
		}
}

#endif
#endif
