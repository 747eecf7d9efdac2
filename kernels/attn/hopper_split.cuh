// hopper_split: two groups that had the same rows and different keys (SPLIT_K=2) put together what they found. A thread of one
// has the same two rows and columns as the thread of that number of the other, so each gives one row away and stores the other:
// row r of the warp's fragment is stored by the group whose part of the keys is r.
#ifndef ATTN_HOPPER_SPLIT_CUH
#define ATTN_HOPPER_SPLIT_CUH

constexpr int SENT_BYTES = 128 * (D + 8);  // of a group: D/4 sums of each thread, then its maximum and sum

__device__ __forceinline__ void store_merged(const rows &w, float scale, int group, int part, u16 *o, i64 stride, int left) {
	int thread = threadIdx.x % 128, lane = threadIdx.x % 32, row_group = group % ROW_GROUPS;
	char *to = smem + PARTS_AT + group * SENT_BYTES;
	const char *from = smem + PARTS_AT + (row_group + (1 - part) * ROW_GROUPS) * SENT_BYTES;
	float4 *sums = (float4 *)to + thread;
#pragma unroll
	for (int n = 0; n < D / 16; n++) {                     // the other row's columns of two n8 tiles
		const float *x = &w.o[8 * n];
		sums[128 * n] = part ? make_float4(x[0], x[1], x[4], x[5]) : make_float4(x[2], x[3], x[6], x[7]);
	}
	((float2 *)(to + 128 * D))[thread] = part ? make_float2(w.max[0], w.sum[0]) : make_float2(w.max[1], w.sum[1]);
	bar_sync(GROUP_BARRIER + row_group, 256);

	float2 theirs = ((const float2 *)(from + 128 * D))[thread];
	float mine = part ? w.max[1] : w.max[0], peak = fmaxf(mine, theirs.x);
	float here = ex2_approx_ftz_f32((mine - finite(peak)) * scale), there = ex2_approx_ftz_f32((theirs.x - finite(peak)) * scale);
	float sum = quad_sum((part ? w.sum[1] : w.sum[0]) * here + theirs.y * there), x[D / 4];
#pragma unroll
	for (int n = 0; n < D / 16; n++) {
		float4 y = ((const float4 *)from + thread)[128 * n];
		const float *own = &w.o[8 * n];
		x[4 * n] = (part ? own[2] : own[0]) * here + y.x * there;
		x[4 * n + 1] = (part ? own[3] : own[1]) * here + y.y * there;
		x[4 * n + 2] = (part ? own[6] : own[4]) * here + y.z * there;
		x[4 * n + 3] = (part ? own[7] : own[5]) * here + y.w * there;
	}
	store_row<2>(x, sum > 0.0f ? rcp_approx_ftz_f32(sum) : 0.0f, o, stride, lane / 4 + 8 * part, left, lane);
}

#endif
