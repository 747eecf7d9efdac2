// decode_wgmma: decode_mma for a group of four warps that multiply together (PRODUCTS=wgmma): S = Q K^T and O += P V, with Q and P
// in registers, and K and V read from shared memory once for all query rows of the tile. A warp has 16 of 64 rows; one whose rows
// do not exist multiplies with the others and leaves the rest out. Fragments are as in ptx_wgmma: a thread has rows lane/4 + 8*r,
// and of each block and of O the columns 8*t + 2*(lane%4) + e.
//
// With 64 rows it is what keeps up with memory: b=4 h=64 hkv=1 sk=16384 d=128 15.3 us, with mma 22.4; b=16 h=64 hkv=1 sk=8192 32.2
// and 42.4. With 32 rows 13.0 and 13.4 (b=8 h=32 hkv=1 sk=8192); with 16 and less mma is faster (33.3 and 32.9 at b=8 h=128 hkv=8
// sk=4096; 25.7 and 18.5 at b=4 h=64 hkv=8). A block is a chain of waits, two products and a softmax that takes some 1.1 us for 64
// keys and little more for 128, so blocks of 128 and two groups win: of 64 keys 14.7 with two groups, 16.2 with three (32 rows).
#ifndef ATTN_DECODE_WGMMA_CUH
#define ATTN_DECODE_WGMMA_CUH
#ifdef PRODUCTS_WGMMA

struct rows {
	u32 q[D / 4];
	float s[BLOCK_N / 2];
	u32 p[BLOCK_N / 4];
	float o[D / 2];
	float sum[2];  // of this thread's columns only, until the end
	float max[2];  // of scale * log2(e) * s
};

// The warp's packed rows as A operands; q is of the batch and the group's first head, `left` rows from `row` on exist.
__device__ __forceinline__ void load_q(rows &w, const u16 *q, i64 head, i64 query, int row, int left, int grouped, int lane) {
#pragma unroll
	for (int r = 0; r < 2; r++) {
		const u16 *from = q + packed_at(row + 8 * r + lane / 4, grouped, head, query) + 2 * (lane % 4);
		bool exists = 8 * r + lane / 4 < left;
#pragma unroll
		for (int k = 0; k < D / 16; k++) {
			w.q[4 * k + r] = exists ? ld_global_nc_b32(from + 16 * k) : 0;
			w.q[4 * k + 2 + r] = exists ? ld_global_nc_b32(from + 16 * k + 8) : 0;
		}
	}
}

__device__ __forceinline__ void start_rows(rows &w) {
#pragma unroll
	for (int r = 0; r < 2; r++) w.max[r] = MINUS_INFINITY, w.sum[r] = 0.0f;
#pragma unroll
	for (int i = 0; i < D / 2; i++) w.o[i] = 0.0f;
}

__device__ __forceinline__ void multiply_qk(rows &w, u32 tile, int) {
	u64 keys = wgmma_descriptor<128>(tile, PANEL_BYTES);
	wgmma_fence();
#pragma unroll
	for (int i = 0; i < D / 16; i++)
		wgmma_rs_k_major<BLOCK_N, BF16>(w.s, &w.q[4 * i], keys + ((i / 4 * PANEL_BYTES + i % 4 * 32) >> 4), i > 0);
	wgmma_commit_group();
	wgmma_wait_group<0>();
	hold(w.s);
}

// Scores of keys that a row does not see become minus infinity; visible(r) counts the block's keys that row r of the warp sees.
template <class count> __device__ __forceinline__ void mask(rows &w, const count &visible, int lane) {
	int seen[2] = { visible(lane / 4) - 2 * (lane % 4), visible(lane / 4 + 8) - 2 * (lane % 4) };
#pragma unroll
	for (int i = 0; i < BLOCK_N / 2; i++)
		if (i / 4 * 8 + i % 2 >= seen[i / 2 % 2]) w.s[i] = MINUS_INFINITY;
}

// Moves the maxima over the new scores, and rescales what was summed under the old ones, where one of the warp's moved. They are
// exact: decode_mma says why.
__device__ __forceinline__ void move_max(rows &w, float scale) {
	float peak[2];
	bool moved = false;
#pragma unroll
	for (int r = 0; r < 2; r++) {
		float a = w.s[2 * r], b = w.s[2 * r + 1];
#pragma unroll
		for (int i = 4; i < BLOCK_N / 2; i += 4) a = fmaxf(a, w.s[i + 2 * r]), b = fmaxf(b, w.s[i + 2 * r + 1]);
		peak[r] = fmaxf(w.max[r], quad_max(fmaxf(a, b)) * scale);
		moved |= peak[r] > w.max[r];
	}
	if (!__any_sync(~0u, moved)) return;
	float shrink[2];
#pragma unroll
	for (int r = 0; r < 2; r++) {
		shrink[r] = ex2_approx_ftz_f32(w.max[r] - finite(peak[r]));
		w.max[r] = peak[r];
		w.sum[r] *= shrink[r];
	}
#pragma unroll
	for (int i = 0; i < D / 2; i++) w.o[i] *= shrink[i / 2 % 2];
}

// Scores become weights, as A operands: the sums' fragment of two n8 tiles is the A fragment of one k16 step.
__device__ __forceinline__ void weigh_block(rows &w, float scale) {
	float base[2] = { -finite(w.max[0]), -finite(w.max[1]) };
#pragma unroll
	for (int i = 0; i < BLOCK_N / 4; i++) {
		float x = ex2_approx_ftz_f32(fmaf(w.s[2 * i], scale, base[i % 2]));
		float y = ex2_approx_ftz_f32(fmaf(w.s[2 * i + 1], scale, base[i % 2]));
		w.sum[i % 2] += x + y;
		w.p[i] = element_pair_from_f32<BF16>(x, y);
	}
}

// Of a warp without rows.
__device__ __forceinline__ void weigh_nothing(rows &w) {
#pragma unroll
	for (int i = 0; i < BLOCK_N / 4; i++) w.p[i] = 0;
}

__device__ __forceinline__ void multiply_pv(rows &w, u32 tile, int) {
	u64 values = wgmma_descriptor<128>(tile, PANEL_BYTES);
	wgmma_fence();
#pragma unroll
	for (int i = 0; i < BLOCK_N / 16; i++) wgmma_rs<D, BF16>(w.o, &w.p[4 * i], values + (i * 16 * 128 >> 4));
	wgmma_commit_group();
	wgmma_wait_group<0>();
	hold(w.o);
	hold(w.p);
}

// A warp's rows, of which the first is `row`, to its group's part; those from `count` on are left out.
__device__ __forceinline__ void write_part(rows &w, int group, int row, int count, int lane) {
	char *part = smem + group * GROUP_BYTES;
#pragma unroll
	for (int r = 0; r < 2; r++) {
		float sum = quad_sum(w.sum[r]);
		int at = row + lane / 4 + 8 * r;
		if (at >= count) continue;
		if (lane % 4 == 0) *(float2 *)(part + BLOCK_M * PART_PITCH + 8 * at) = make_float2(w.max[r], sum);
		float *to = (float *)(part + at * PART_PITCH) + 2 * (lane % 4);
#pragma unroll
		for (int t = 0; t < D / 8; t++) *(float2 *)(to + 8 * t) = make_float2(w.o[4 * t + 2 * r], w.o[4 * t + 2 * r + 1]);
	}
}

#endif
#endif
