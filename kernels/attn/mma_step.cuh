// mma_step: what one warp does with one block of keys, all in registers but the tiles that it reads: S = Q K^T, mask,
// online softmax, O += P V. Copies and waiting are the business of mma.cu.
#ifndef ATTN_MMA_STEP_CUH
#define ATTN_MMA_STEP_CUH

// What a thread knows of its rows: strip t, row lane/4 + 8*r. Rows of fragments are as in ptx_mma.
struct rows {
	u32 q[STRIPS][D / 16][4];
	float s[STRIPS][BLOCK_N / 8][4];
	u32 p[STRIPS][BLOCK_N / 16][4];
	float o[STRIPS][D / 8][4];
	float sum[STRIPS][2];  // of this thread's columns only, until the end
	float max[STRIPS][2];  // of scale * log2(e) * s
};

// Rows beyond the end (`left` and later) take the last one's place.
__device__ __forceinline__ void load_q_global(rows &w, const u16 *q, int stride, int row, int left, int lane) {
#pragma unroll
	for (int t = 0; t < STRIPS; t++) {
		const u16 *a = q + (i64)min(row + 16 * t + lane / 4, left - 1) * stride + 2 * (lane % 4);
		const u16 *b = q + (i64)min(row + 16 * t + lane / 4 + 8, left - 1) * stride + 2 * (lane % 4);
#pragma unroll
		for (int k = 0; k < D / 16; k++) {
			w.q[t][k][0] = ld_global_nc_b32(a + 16 * k);
			w.q[t][k][1] = ld_global_nc_b32(b + 16 * k);
			w.q[t][k][2] = ld_global_nc_b32(a + 16 * k + 8);
			w.q[t][k][3] = ld_global_nc_b32(b + 16 * k + 8);
		}
	}
}

__device__ __forceinline__ void load_q_shared(rows &w, int k, u32 tile, int row, int lane) {
#pragma unroll
	for (int t = 0; t < STRIPS; t++)
		ldmatrix_x4(w.q[t][k], tile + tile_at(row + 16 * t + lane % 16, 2 * k + lane / 16));
}

// S = Q K^T for one block: two n8 tiles of keys by one k16 step of d at a time.
__device__ __forceinline__ void multiply_qk(rows &w, u32 q_tile, int q_row, u32 tile, int lane) {
#pragma unroll
	for (int t = 0; t < STRIPS; t++)
#pragma unroll
		for (int n = 0; n < BLOCK_N / 8; n++) w.s[t][n][0] = w.s[t][n][1] = w.s[t][n][2] = w.s[t][n][3] = 0.0f;
#pragma unroll
	for (int k = 0; k < D / 16; k++) {
		if constexpr (axis_is(Q_PATH_RELOAD)) load_q_shared(w, k, q_tile, q_row, lane);
#pragma unroll
		for (int n = 0; n < BLOCK_N / 16; n++) {
			u32 b[4];
			ldmatrix_x4(b, tile + tile_at(16 * n + lane / 16 * 8 + lane % 8, 2 * k + lane / 8 % 2));
#pragma unroll
			for (int t = 0; t < STRIPS; t++) {
				mma_m16n8k16<BF16>(w.s[t][2 * n], w.q[t][k], b[0], b[1]);
				mma_m16n8k16<BF16>(w.s[t][2 * n + 1], w.q[t][k], b[2], b[3]);
			}
		}
	}
}

// Keys that query row `row` sees.
__device__ __forceinline__ int visible(int row, int sq, int sk) { return CAUSAL ? min(sk, row + 1 + sk - sq) : sk; }

__device__ __forceinline__ void mask(rows &w, int first_key, int row, int sq, int sk, int lane) {
#pragma unroll
	for (int t = 0; t < STRIPS; t++)
#pragma unroll
		for (int r = 0; r < 2; r++) {
			int seen = visible(row + 16 * t + lane / 4 + 8 * r, sq, sk) - first_key - 2 * (lane % 4);
#pragma unroll
			for (int n = 0; n < BLOCK_N / 8; n++)
#pragma unroll
				for (int e = 0; e < 2; e++)
					if (8 * n + e >= seen) w.s[t][n][2 * r + e] = MINUS_INFINITY;
		}
}

__device__ __forceinline__ void start_rows(rows &w) {
#pragma unroll
	for (int t = 0; t < STRIPS; t++) {
		w.max[t][0] = w.max[t][1] = MINUS_INFINITY;
		w.sum[t][0] = w.sum[t][1] = 0.0f;
#pragma unroll
		for (int n = 0; n < D / 8; n++) w.o[t][n][0] = w.o[t][n][1] = w.o[t][n][2] = w.o[t][n][3] = 0.0f;
	}
}

// The maxima of the new scores of strip t, row lane/4 + 8*r, over the quad that shares the row.
__device__ __forceinline__ float peak_of(const rows &w, int t, int r, float scale) {
	float x = fmaxf(w.s[t][0][2 * r], w.s[t][0][2 * r + 1]);
#pragma unroll
	for (int n = 1; n < BLOCK_N / 8; n++) x = fmaxf(x, fmaxf(w.s[t][n][2 * r], w.s[t][n][2 * r + 1]));
	return quad_max(x) * scale;
}

// Moves the running maxima over the new scores and rescales what was summed under the old ones.
__device__ __forceinline__ void move_max(rows &w, float scale) {
	float peak[STRIPS][2];
	bool rescale = false;
#pragma unroll
	for (int t = 0; t < STRIPS; t++)
#pragma unroll
		for (int r = 0; r < 2; r++) {
			peak[t][r] = fmaxf(w.max[t][r], peak_of(w, t, r, scale));
			rescale |= peak[t][r] > w.max[t][r] + (axis_is(RESCALE_LAZY) ? LAZY_BITS : 0.0f);
		}
	if constexpr (!axis_is(RESCALE_ALWAYS))
		if (!__any_sync(~0u, rescale)) return;
#pragma unroll
	for (int t = 0; t < STRIPS; t++)
#pragma unroll
		for (int r = 0; r < 2; r++) {
			float shrink = ex2_approx_ftz_f32(w.max[t][r] - finite(peak[t][r]));
			w.max[t][r] = peak[t][r];
			w.sum[t][r] *= shrink;
#pragma unroll
			for (int n = 0; n < D / 8; n++) w.o[t][n][2 * r] *= shrink, w.o[t][n][2 * r + 1] *= shrink;
		}
}

// The same before anything was summed.
__device__ __forceinline__ void first_max(rows &w, float scale) {
#pragma unroll
	for (int t = 0; t < STRIPS; t++)
#pragma unroll
		for (int r = 0; r < 2; r++) w.max[t][r] = peak_of(w, t, r, scale);
}

// Weights of keys 16*k..16*k+15 as an A operand, and their sum. CHECKED: infinite or not a number in a row that has no maximum yet.
template <bool CHECKED = false> __device__ __forceinline__ void weigh(rows &w, int k, float scale) {
#pragma unroll
	for (int t = 0; t < STRIPS; t++)
#pragma unroll
		for (int i = 0; i < 4; i++) {
			const float *s = &w.s[t][2 * k + i / 2][2 * (i % 2)];
			float base = -(CHECKED ? w.max[t][i % 2] : finite(w.max[t][i % 2]));
			float x = ex2_approx_ftz_f32(fmaf(s[0], scale, base)), y = fmaf(s[1], scale, base);
			bool cubic = EXP_POLY > 0 && (4 * k + i) % larger(1, EXP_POLY / 2) == 0;
			y = cubic ? ex2_cubic_f32<CHECKED>(y) : ex2_approx_ftz_f32(y);
			w.sum[t][i % 2] += x + y;
			w.p[t][k][i] = element_pair_from_f32<BF16>(x, y);
		}
}

template <bool CHECKED = false> __device__ __forceinline__ void weigh_block(rows &w, float scale) {
#pragma unroll
	for (int k = 0; k < BLOCK_N / 16; k++) weigh<CHECKED>(w, k, scale);
}

// Weights by the maxima of earlier blocks. Those of a row that had none, or that add up to more than MOST in a thread, are of no use:
// then the warp moves the maxima and weighs once more.
__device__ __forceinline__ void weigh_checked(rows &w, float scale) {
	float sum[STRIPS][2];
	bool wrong = false;
#pragma unroll
	for (int t = 0; t < STRIPS; t++)
#pragma unroll
		for (int r = 0; r < 2; r++) sum[t][r] = w.sum[t][r], w.sum[t][r] = 0.0f;
	weigh_block<true>(w, scale);
#pragma unroll
	for (int t = 0; t < STRIPS; t++) wrong |= !(w.sum[t][0] <= MOST && w.sum[t][1] <= MOST);
	bool again = __any_sync(~0u, wrong);
#pragma unroll
	for (int t = 0; t < STRIPS; t++)
#pragma unroll
		for (int r = 0; r < 2; r++) w.sum[t][r] = again ? sum[t][r] : w.sum[t][r] + sum[t][r];
	if (!again) return;
	move_max(w, scale);
	weigh_block(w, scale);
}

__device__ __forceinline__ void multiply_pv(rows &w, u32 tile, float scale, int lane) {
#pragma unroll
	for (int k = 0; k < BLOCK_N / 16; k++) {
		if constexpr (axis_is(EXP_PLACE_PV)) weigh(w, k, scale);
#pragma unroll
		for (int n = 0; n < D / 16; n++) {
			u32 b[4];
			ldmatrix_x4_trans(b, tile + tile_at(16 * k + lane % 16, 2 * n + lane / 16));
#pragma unroll
			for (int t = 0; t < STRIPS; t++) {
				mma_m16n8k16<BF16>(w.o[t][2 * n], w.p[t][k], b[0], b[1]);
				mma_m16n8k16<BF16>(w.o[t][2 * n + 1], w.p[t][k], b[2], b[3]);
			}
		}
	}
}

#endif
