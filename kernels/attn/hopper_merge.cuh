// hopper_merge: shares of a tile (TAIL=shared) on their way through the workspace: what a CTA has found for its blocks, and
// the kernel that adds up what all have. A part is BLOCK_M rows of PART_PITCH numbers: D sums of 2^(s - maximum) v, the
// maximum (of scores without their scale) and the sum of the weights, all in float32.
#ifndef ATTN_HOPPER_MERGE_CUH
#define ATTN_HOPPER_MERGE_CUH

constexpr int PART_PITCH = D + 8;  // a row begins at a sector of 32 bytes

// A warp's 16 rows, of which `row` is the first within the tile.
__device__ __forceinline__ void store_part(const rows &w, float *parts, int part, int row, int lane) {
	float *to = parts + ((i64)part * BLOCK_M + row + lane / 4) * PART_PITCH;
#pragma unroll
	for (int r = 0; r < 2; r++, to += 8 * PART_PITCH) {
#pragma unroll
		for (int t = 0; t < D / 8; t++)
			*(float2 *)(to + 8 * t + 2 * (lane % 4)) = make_float2(w.o[4 * t + 2 * r], w.o[4 * t + 2 * r + 1]);
		float sum = quad_sum(w.sum[r]);
		if (lane % 4 == 0) *(float2 *)(to + D) = make_float2(w.max[r], sum);
	}
}

#if TAIL_SHARED
constexpr int MERGE_WARPS = 8;

// One warp a row, of the tiles left one after the other. Grid: ceildiv(tiles left * BLOCK_M, MERGE_WARPS); the
// scale as attn_hopper's. The parts of a row are added in the order of their keys, so the result does not depend on who was first; they
// are read AT_ONCE at a time, to wait for memory once and not for each.
__device__ __forceinline__ void merge_row(const dealt &d, const float *parts, u32 tile, int row, u16 *to, float scale,
					  int lane) {
	constexpr int PAIRS = D / 2, EACH = ceildiv(PAIRS, 32), AT_ONCE = 4;
	float maximum = MINUS_INFINITY, sum = 0.0f;
	float2 o[EACH] = {};
	u32 begin = tile * d.blocks, end = begin + d.blocks, cta = begin * CTAS / (d.left * d.blocks);
	while (d.first(cta + 1) <= begin) cta++;
	for (; cta < CTAS && d.first(cta) < end; cta += AT_ONCE) {
		float2 known[AT_ONCE], x[AT_ONCE][EACH];
		float peak = maximum;
#pragma unroll
		for (int n = 0; n < AT_ONCE; n++) {
			u32 first = d.first(cta + n);
			bool here = cta + n < CTAS && first < end && first < d.first(cta + n + 1);
			u32 part = 2 * (cta + n) + (first < begin);    // a CTA's second share is of the tile after its first
			const float *from = parts + ((i64)part * BLOCK_M + row) * PART_PITCH;
			known[n] = here ? *(const float2 *)(from + D) : make_float2(MINUS_INFINITY, 0.0f);
#pragma unroll
			for (int i = 0; i < EACH; i++)
				x[n][i] = here && (PAIRS % 32 == 0 || lane + 32 * i < PAIRS) ? *(const float2 *)(from + 2 * (lane + 32 * i))
											     : make_float2(0.0f, 0.0f);
		}
#pragma unroll
		for (int n = 0; n < AT_ONCE; n++) peak = fmaxf(peak, known[n].x);
		float before = ex2_approx_ftz_f32((maximum - finite(peak)) * scale);
		sum *= before;
#pragma unroll
		for (int i = 0; i < EACH; i++) o[i].x *= before, o[i].y *= before;
#pragma unroll
		for (int n = 0; n < AT_ONCE; n++) {
			float weight = ex2_approx_ftz_f32((known[n].x - finite(peak)) * scale);
			sum += known[n].y * weight;
#pragma unroll
			for (int i = 0; i < EACH; i++) o[i].x += x[n][i].x * weight, o[i].y += x[n][i].y * weight;
		}
		maximum = peak;
	}
	float inverse = sum > 0.0f ? rcp_approx_ftz_f32(sum) : 0.0f;
#pragma unroll
	for (int i = 0; i < EACH; i++)
		if (PAIRS % 32 == 0 || lane + 32 * i < PAIRS)
			*(u32 *)(to + 2 * (lane + 32 * i)) = element_pair_from_f32<BF16>(o[i].x * inverse, o[i].y * inverse);
}

extern "C" __global__ void __launch_bounds__(32 * MERGE_WARPS)
attn_hopper_merge(const float *parts, u16 *o, i64 o_sb, i64 o_sh, i64 o_ss, int heads, int all_heads, int grouped, int sq, int sk,
		  float scale) {
	shape p = { heads, all_heads, grouped, sq, sk };
	dealt d(p);
	u32 index = blockIdx.x * MERGE_WARPS + threadIdx.x / 32, tile = index / BLOCK_M;
	int row = index % BLOCK_M;
	griddepcontrol_wait();
	if (tile >= d.left) return;
	struct tile t = tile_of(p, d.whole + tile);
	if (t.row + row >= sq) return;
	merge_row(d, parts, tile, row, o + t.batch * o_sb + t.head * o_sh + (t.row + row) * o_ss, scale * LOG2_E, threadIdx.x % 32);
}
#endif

#endif
