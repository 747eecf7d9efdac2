// mma_merge: the end of mma.cu. Adds up what groups of warps found for the same rows, divides by the sums and stores O.
// Without a split the rows go from registers to global memory by way of shuffles.
#ifndef ATTN_MMA_MERGE_CUH
#define ATTN_MMA_MERGE_CUH

// The rows are dealt out so that consecutive threads have consecutive pieces of COLUMNS columns, and
// that a thread with several pieces has them in one row where it can, whose weights it then computes once.
constexpr int power_below(int x) { return x < 2 ? 1 : 2 * power_below(x / 2); }  // the largest power of two up to x
constexpr int ROW_PIECES = D / COLUMNS;
constexpr int PIECES = smaller(power_below(BLOCK_M * ROW_PIECES / THREADS), 16 / COLUMNS);
constexpr int ROW_THREADS = ROW_PIECES / PIECES;
constexpr int ROWS_AT_ONCE = THREADS / ROW_THREADS;
constexpr int ROUNDS = ceildiv(BLOCK_M, ROWS_AT_ONCE);
static_assert(!MERGES || (ROW_PIECES % PIECES == 0 && ROWS_AT_ONCE > 0), "a row is dealt to threads of one round");

__device__ __forceinline__ int row_of(int round) { return round * ROWS_AT_ONCE + threadIdx.x / ROW_THREADS; }
__device__ __forceinline__ int column_of(int piece) {
	return COLUMNS * (threadIdx.x % ROW_THREADS + piece * ROW_THREADS);
}

// A thread's pieces of one row: o is the sum of 2^(s - max) v, sum that of 2^(s - max).
struct finish {
	float max, sum, o[PIECES][COLUMNS];

	__device__ __forceinline__ void clear() {
		sum = 0.0f;
#pragma unroll
		for (int p = 0; p < PIECES; p++)
#pragma unroll
			for (int c = 0; c < COLUMNS; c++) o[p][c] = 0.0f;
	}
	// Adds weight times a row.
	__device__ __forceinline__ void add(const float *row, float weight) {
#pragma unroll
		for (int p = 0; p < PIECES; p++) {
			const float *from = row + column_of(p);
#pragma unroll
			for (int c = 0; c < COLUMNS; c += 4)
				if constexpr (COLUMNS == 2) {
					float2 x = *(const float2 *)from;
					o[p][0] += weight * x.x, o[p][1] += weight * x.y;
				} else {
					float4 x = *(const float4 *)(from + c);
					o[p][c] += weight * x.x, o[p][c + 1] += weight * x.y;
					o[p][c + 2] += weight * x.z, o[p][c + 3] += weight * x.w;
				}
		}
	}
	__device__ __forceinline__ void store(u16 *row) const {
		float inverse = sum > 0.0f ? rcp_approx_ftz_f32(sum) : 0.0f;
#pragma unroll
		for (int p = 0; p < PIECES; p++) {
			u32 x[COLUMNS / 2];
#pragma unroll
			for (int c = 0; c < COLUMNS / 2; c++)
				x[c] = element_pair_from_f32<BF16>(o[p][2 * c] * inverse, o[p][2 * c + 1] * inverse);
			st_global_b32(row + column_of(p), x);
		}
	}
};

// Puts a group's rows where all threads can read them, in float32: partial results in f16 halve this traffic and win nothing
// (4.365 us with either, seed problem, H200), but some rows then miss the tolerance by rounding twice.
__device__ __forceinline__ void write_part(const rows &w, int group, int row, int lane) {
	char *part = smem + Q_BYTES + group * GROUP_BYTES;
	float2 *known = (float2 *)(part + BLOCK_M * PART_PITCH);
#pragma unroll
	for (int t = 0; t < STRIPS; t++)
#pragma unroll
		for (int r = 0; r < 2; r++) {
			int at = row + 16 * t + lane / 4 + 8 * r;
			if (lane % 4 == 0) known[at] = make_float2(w.max[t][r], w.sum[t][r]);
			float *to = (float *)(part + at * PART_PITCH) + 2 * (lane % 4);
#pragma unroll
			for (int n = 0; n < D / 8; n++)
				*(float2 *)(to + 8 * n) = make_float2(w.o[t][n][2 * r], w.o[t][n][2 * r + 1]);
		}
}

// Adds up what the groups found for one row.
__device__ __forceinline__ void merge_groups(finish &x, int row) {
	float2 known[SPLIT_K];
	x.max = MINUS_INFINITY;
#pragma unroll
	for (int g = 0; g < SPLIT_K; g++) {
		known[g] = ((const float2 *)(smem + Q_BYTES + g * GROUP_BYTES + BLOCK_M * PART_PITCH))[row];
		x.max = fmaxf(x.max, known[g].x);
	}
	x.clear();
#pragma unroll
	for (int g = 0; g < SPLIT_K; g++) {
		const char *part = smem + Q_BYTES + g * GROUP_BYTES + row * PART_PITCH;
		float weight = ex2_approx_ftz_f32(known[g].x - finite(x.max));
		x.sum += weight * known[g].y;
		x.add((const float *)part, weight);
	}
}

__device__ __forceinline__ void merge_rows(u16 *o, i64 stride, int rows_left) {
	if (THREADS % ROW_THREADS > 0 && threadIdx.x >= ROWS_AT_ONCE * ROW_THREADS) return;  // D = 96 and 192
#pragma unroll
	for (int round = 0; round < ROUNDS; round++) {
		int row = row_of(round);
		if (BLOCK_M % ROWS_AT_ONCE > 0 && row >= BLOCK_M) break;
		finish x;
		merge_groups(x, row);
		if (row < rows_left) x.store(o + row * stride);
	}
}

// No split: a quad of lanes holds 8 columns of each n8 tile; shuffles gather OUT_BYTES of one row in each lane.
__device__ __forceinline__ void store_rows(const rows &w, u16 *o, i64 stride, int row, int rows_left, int lane) {
	constexpr int TILES = COLUMNS / 2;                     // n8 tiles that trade places among the lanes of a quad
	int q = lane % 4, odd = q % 2, high = q / 2;
	int column = TILES == 1 ? 2 * q : TILES == 2 ? 8 * odd + 4 * high : 8 * q;
#pragma unroll
	for (int t = 0; t < STRIPS; t++)
#pragma unroll
		for (int r = 0; r < 2; r++) {
			float sum = w.sum[t][r], inverse = sum > 0.0f ? rcp_approx_ftz_f32(sum) : 0.0f;
			int at = row + 16 * t + lane / 4 + 8 * r;
#pragma unroll
			for (int n = 0; n < D / 8; n += TILES) {
				u32 x[TILES];
#pragma unroll
				for (int i = 0; i < TILES; i++) {
					const float *y = &w.o[t][n + i][2 * r];
					x[i] = element_pair_from_f32<BF16>(y[0] * inverse, y[1] * inverse);
				}
#pragma unroll
				for (int i = 0; i + 1 < TILES; i += 2) {       // lanes 0 and 1, 2 and 3: even tile, odd tile
					u32 got = __shfl_xor_sync(~0u, odd ? x[i] : x[i + 1], 1);
					x[i] = odd ? got : x[i];
					x[i + 1] = odd ? x[i + 1] : got;
				}
				if constexpr (TILES == 4) {                    // lanes 0 and 2, 1 and 3: first two tiles, last two
					u32 a = __shfl_xor_sync(~0u, high ? x[0] : x[2], 2);
					u32 b = __shfl_xor_sync(~0u, high ? x[1] : x[3], 2);
					if (high) x[0] = a, x[1] = b;
					else x[2] = a, x[3] = b;
				}
				if (at < rows_left) st_global_b32(o + at * stride + 8 * n + column, x);
			}
		}
}

#endif
