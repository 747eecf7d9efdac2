// attn_mma: attention forward on tensor cores (mma.sync m16n8k16), one CTA for BLOCK_M query rows of a head.
//
// The keys of a head are cut into blocks of BLOCK_N. SPLIT_K groups of warps share the blocks, a run of them each;
// each group has all BLOCK_M rows, WARP_M of them a warp. A group copies its blocks of K and V by cp.async into a ring of
// STAGES slots of its own, so groups never wait for one another: for each block it computes S = Q K^T with Q in registers,
// the online softmax in base 2 (scale * log2 e folded into one multiply-add), and O += P V with P taken from the
// accumulators of S, whose layout is that of an A operand. A short key range fits the ring whole, and then one memory
// latency is paid, not one a block. mma_layout.cuh has the sizes and copies, mma_step.cuh the arithmetic of a block.
// With RESCALE=checked the blocks behind a group's first are weighed by its maxima, and once more by their own where that gives
// weights that are too large.
// At the end (mma_merge.cuh) the groups put (maximum, sum, O) of each row into shared memory and all threads add them up.
//
// Keys beyond the end are copied as zeros and masked to minus infinity; rows beyond the end are computed from zeros or from
// the last row and not stored. A row that sees no key becomes 0. `scale` must be positive. Pointers and strides are aligned
// to 16 bytes.
#include "attune/axis.cuh"
#include "attune/ptx_copy.cuh"
#include "attune/ptx_math.cuh"
#include "attune/ptx_mma.cuh"
#include "attune/ptx_sync.cuh"
#include "softmax.cuh"
#include "mma_layout.cuh"
#include "mma_step.cuh"
#include "mma_merge.cuh"

// One group's walk over its blocks: block i is number first + i, for i < count.
struct walk {
	const u16 *k, *v;
	int k_stride, v_stride;
	u32 ring, q_tile;
	int first, count;
	int end;       // keys that some row of the CTA sees
	int unmasked;  // keys that every row of the CTA sees
	int sq, sk, row, q_row, group, thread, lane;
	float scale;

	__device__ __forceinline__ int key(int i) const { return (first + i) * BLOCK_N; }
	__device__ __forceinline__ u32 k_tile(int slot) const { return ring + 2 * slot * TILE_BYTES; }
	__device__ __forceinline__ u32 v_tile(int slot) const { return k_tile(slot) + TILE_BYTES; }

	__device__ __forceinline__ void copy_k(int i, int slot) const {
		if (i < count)
			copy_tile<BLOCK_N, GROUP_THREADS>(k_tile(slot), k + (i64)key(i) * k_stride, k_stride, end - key(i), thread);
	}
	__device__ __forceinline__ void copy_v(int i, int slot) const {
		if (i < count)
			copy_tile<BLOCK_N, GROUP_THREADS>(v_tile(slot), v + (i64)key(i) * v_stride, v_stride, end - key(i), thread);
	}

	// Fills the ring. With WAIT=split K and V of a block are separate groups of copies: K0 V0 K1 V1 ...
	__device__ __forceinline__ void fill() const {
#pragma unroll
		for (int i = 0; i < STAGES; i++) {
			copy_k(i, i);
			if constexpr (axis_is(WAIT_SPLIT)) cp_async_commit_group();
			copy_v(i, i);
			cp_async_commit_group();
		}
	}

	// Block i, in slot i % STAGES. With WAIT=split the slot of V(i-1) is refilled once all warps are past its product,
	// which the barrier before S(i) tells, and that of K(i) after the barrier before O += P V; so of the groups
	// committed, at most the 2*STAGES-2 latest may be unfinished at either wait (one more before the first refill).
	template <bool MASKED, bool FIRST> __device__ __forceinline__ void block(rows &w, int i, int slot) const {
		int last = slot == 0 ? STAGES - 1 : slot - 1;
		if constexpr (axis_is(WAIT_SPLIT)) {
			if (FIRST || i == 0) cp_async_wait_group<2 * STAGES - 1>();
			else cp_async_wait_group<2 * STAGES - 2>();
			group_sync(group);
			if (!FIRST && i > 0) {
				copy_v(i - 1 + STAGES, last);
				cp_async_commit_group();
			}
		} else {
			cp_async_wait_group<STAGES - 1>();
			group_sync(group);
		}
		multiply_qk(w, q_tile, q_row, k_tile(slot), lane);
		if constexpr (MASKED)
			if (key(i) + BLOCK_N > unmasked) mask(w, key(i), row, sq, sk, lane);
		if constexpr (axis_is(RESCALE_CHECKED) && !FIRST) {
			weigh_checked(w, scale);
		} else {
			if constexpr (FIRST) first_max(w, scale);
			else move_max(w, scale);
			if constexpr (axis_is(EXP_PLACE_BLOCK)) weigh_block(w, scale);
		}
		if constexpr (axis_is(WAIT_SPLIT)) {
			cp_async_wait_group<2 * STAGES - 2>();
			group_sync(group);
			copy_k(i + STAGES, slot);
			cp_async_commit_group();
		}
		multiply_pv(w, v_tile(slot), scale, lane);
		if constexpr (!axis_is(WAIT_SPLIT)) {
			group_sync(group);
			copy_k(i + STAGES, slot);
			copy_v(i + STAGES, slot);
			cp_async_commit_group();
		}
	}

	__device__ __forceinline__ void blocks(rows &w) const {
		int i = 0, slot = 0;
		start_rows(w);
		if constexpr (axis_is(FIRST_STEP_PEEL))
			if (count > 0) {
				block<true, true>(w, 0, 0);
				i = 1, slot = STAGES == 1 ? 0 : 1;
			}
		if constexpr (axis_is(MASK_PEEL))
			for (; i < count && key(i) + BLOCK_N <= unmasked; i++) {
				block<false, false>(w, i, slot);
				slot = slot + 1 == STAGES ? 0 : slot + 1;
			}
#pragma unroll UNROLLED
		for (; i < count; i++) {
			block<true, false>(w, i, slot);
			slot = slot + 1 == STAGES ? 0 : slot + 1;
		}
	}
};

// grouped: query heads that share a key head. Strides in elements: batch, head, row.
extern "C" __global__ void __launch_bounds__(THREADS, MIN_BLOCKS)
attn_mma(const u16 *q, const u16 *k, const u16 *v, u16 *o, int grouped, int sq, int sk, i64 q_sb, i64 q_sh, i64 q_ss,
	 i64 k_sb, i64 k_sh, i64 k_ss, i64 v_sb, i64 v_sh, i64 v_ss, i64 o_sb, i64 o_sh, i64 o_ss, float scale) {
	int lane = threadIdx.x % 32, warp = __shfl_sync(~0u, threadIdx.x / 32, 0);  // so that the compiler knows it uniform
	int head = axis_is(GRID_ORDER_HEADS) ? blockIdx.x : blockIdx.y, batch = blockIdx.z;
	int tile = axis_is(GRID_ORDER_HEADS) ? blockIdx.y : blockIdx.x;
	if constexpr (axis_is(TILE_ORDER_DOWN)) tile = ceildiv(sq, BLOCK_M) - 1 - tile;
	int kv_head = grouped == 1 ? head : (u32)head / (u32)grouped;
	int m0 = tile * BLOCK_M;

	if constexpr (PDL) griddepcontrol_launch_dependents();

	walk g;
	g.group = warp / GROUP_WARPS;
	g.thread = threadIdx.x % GROUP_THREADS;
	g.lane = lane;
	g.sq = sq;
	g.sk = sk;
	g.q_row = warp % GROUP_WARPS * WARP_M;
	g.row = m0 + g.q_row;
	g.scale = scale * LOG2_E;
	g.k = k + batch * k_sb + kv_head * k_sh;
	g.v = v + batch * v_sb + kv_head * v_sh;
	g.k_stride = (int)k_ss;
	g.v_stride = (int)v_ss;
	g.q_tile = cvta_shared(smem);
	g.ring = cvta_shared(smem + Q_BYTES) + g.group * GROUP_BYTES;

	g.end = max(0, visible(min(m0 + BLOCK_M, sq) - 1, sq, sk));
	g.unmasked = visible(m0, sq, sk);
	int total = (u32)(g.end + BLOCK_N - 1) / BLOCK_N, each = (u32)(total + SPLIT_K - 1) / SPLIT_K;
	g.first = g.group * each;
	g.count = min(total - g.first, each);

	rows w;
	q += batch * q_sb + head * q_sh + m0 * q_ss;
	if constexpr (PDL) griddepcontrol_wait();
	if constexpr (axis_is(Q_PATH_GLOBAL)) {
		load_q_global(w, q, (int)q_ss, g.q_row, sq - m0, lane);
	} else {
		copy_tile<BLOCK_M, THREADS>(g.q_tile, q, (int)q_ss, sq - m0, threadIdx.x);
		cp_async_commit_group();
	}
	g.fill();
	if constexpr (!axis_is(Q_PATH_GLOBAL)) {
		cp_async_wait_group<(axis_is(WAIT_SPLIT) ? 2 : 1) * STAGES>();
		__syncthreads();
	}
	if constexpr (axis_is(Q_PATH_SHARED))
#pragma unroll
		for (int d = 0; d < D / 16; d++) load_q_shared(w, d, g.q_tile, g.q_row, lane);
	g.blocks(w);

#pragma unroll
	for (int t = 0; t < STRIPS; t++) w.sum[t][0] = quad_sum(w.sum[t][0]), w.sum[t][1] = quad_sum(w.sum[t][1]);
	o += batch * o_sb + head * o_sh + m0 * o_ss;
	if constexpr (MERGES) {
		group_sync(g.group);                   // all warps of the group are done with the ring
		write_part(w, g.group, g.q_row, lane);
		__syncthreads();
		merge_rows(o, o_ss, sq - m0);
	} else {
		store_rows(w, o, o_ss, g.q_row, sq - m0, lane);
	}
}
