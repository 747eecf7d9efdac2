// attn_decode: attention forward for few query rows and many keys, where bringing K and V is all there is to do: no atomics, and one
// launch unless PARTS clusters share a head's keys.
//
// The query heads that share a key head are packed: a tile's rows are (query, head of the group), queries outermost, so that K
// and V are read once for all of them. The keys are cut into blocks of BLOCK_N, and the blocks are dealt to PARTS clusters of SPLIT
// CTAs, and in each CTA to GROUPS groups of warps. A group copies its blocks into a ring of STAGES slots of its own and
// never waits for another group: all rings together are the bytes that an SM has under way. A group has all BLOCK_M rows of
// the tile, WARP_M of them a warp. For each block a warp computes S^T = K Q^T with Q in registers, the online softmax in base
// 2 (scale * log2 e folded into one multiply-add), and O^T += V^T P^T: transposed, a tensor-core instruction takes as few as 8
// query rows (decode_mma.cuh). With PRODUCTS=wgmma a group is four warps that multiply together, 64 rows at
// once (decode_wgmma.cuh). decode_layout.cuh has the sizes and copies, decode_merge.cuh adds up what the groups, the CTAs of
// the cluster and, in a kernel of its own (attn_decode_merge), the clusters found.
//
// Keys beyond the end are zeros and masked to minus infinity; a group or a CTA without keys adds nothing; rows beyond the end
// are zeros and not stored. A row that sees no key becomes 0. `scale` must be positive. Pointers and strides are aligned to 16
// bytes.
#include "attune/axis.cuh"
#include "attune/ptx_cluster.cuh"
#include "attune/ptx_copy.cuh"
#include "attune/ptx_math.cuh"
#include "attune/ptx_mma.cuh"
#include "attune/ptx_sync.cuh"
#include "attune/ptx_tma.cuh"
#include "attune/ptx_transpose.cuh"
#include "attune/ptx_wgmma.cuh"
#include "softmax.cuh"
#include "decode_layout.cuh"
#include "decode_mma.cuh"
#include "decode_wgmma.cuh"
#include "decode_merge.cuh"

// One group's walk over its blocks: block i is number first + i * step, for i < count.
struct walk {
	source k, v;
	u32 ring, barriers;        // of the group; the barriers of a slot are K's and V's
	int first, step, count;
	int end;                   // keys that some row of the tile sees
	int unmasked;              // keys that every row of the tile sees
	int sq, sk, row, grouped;  // row: the warp's first among the packed ones
	int group, thread, lane;   // thread: within the group
	float scale;
	bool busy;                 // whether the warp has rows

	__device__ __forceinline__ int key(int i) const { return (first + i * step) * BLOCK_N; }
	__device__ __forceinline__ u32 k_tile(int slot) const { return ring + 2 * slot * TILE_BYTES; }
	__device__ __forceinline__ u32 v_tile(int slot) const { return k_tile(slot) + TILE_BYTES; }
	__device__ __forceinline__ u32 k_full(int slot) const { return barriers + 16 * slot; }
	__device__ __forceinline__ u32 v_full(int slot) const { return barriers + 16 * slot + 8; }

	// The blocks of a tile are shared out evenly, in order of the CTAs' ranks, then of the groups or by turns.
	__device__ __forceinline__ void deal(int rank) {
		constexpr u32 CTAS = PARTS * SPLIT;
		int total = (u32)(end + BLOCK_N - 1) / BLOCK_N;
		int from = (u32)total * rank / CTAS, n = (u32)total * (rank + 1) / CTAS - from;
		if constexpr (axis_is(DEAL_TURNS)) {
			first = from + group, step = GROUPS;
			count = (n - group + GROUPS - 1) / GROUPS;
		} else {
			int start = (u32)n * group / GROUPS;
			first = from + start, step = 1;
			count = (u32)n * (group + 1) / GROUPS - start;
		}
	}

	// Copies go K0 V0 K1 V1 ...; without a tensor map each is a group of its own, empty ones beyond the last block included,
	// so that of the groups committed the latest 2*STAGES-1 may be unfinished whenever one is waited for.
	__device__ __forceinline__ void copy_k(int i, int slot) const {
		if (i < count) k.copy(k_tile(slot), key(i), end, thread, k_full(slot));
		if constexpr (!TMA) cp_async_commit_group();
	}
	__device__ __forceinline__ void copy_v(int i, int slot) const {
		if (i < count) v.copy(v_tile(slot), key(i), end, thread, v_full(slot));
		if constexpr (!TMA) cp_async_commit_group();
	}
	__device__ __forceinline__ void await(u32 full, u32 parity) const {
		if constexpr (TMA) {
			mbarrier_wait(full, parity);
		} else {
			cp_async_wait_group<2 * STAGES - 1>();
			group_sync(group);
		}
	}

	__device__ __forceinline__ void fill() const {
		if constexpr (TMA) {
			if (thread == 0) {
#pragma unroll
				for (int i = 0; i < 2 * STAGES; i++) mbarrier_init(barriers + 8 * i, 1);
				mbarrier_init_fence();
			}
			group_sync(group);
		}
#pragma unroll
		for (int i = 0; i < STAGES; i++) {
			copy_k(i, i);
			copy_v(i, i);
		}
	}

	// Keys that packed row `r` sees.
	__device__ __forceinline__ int visible(int r) const {
		return CAUSAL ? min(sk, (int)((u32)r / (u32)grouped) + 1 + sk - sq) : sk;
	}

	// Block i. A slot is filled again as soon as all warps of the group are past its product.
	__device__ __forceinline__ void block(rows &w, int i, int slot, u32 parity) const {
		await(k_full(slot), parity);
		multiply_qk(w, k_tile(slot), lane);
		group_sync(group);
		copy_k(i + STAGES, slot);
		if (!WGMMA || busy) {
			if (key(i) + BLOCK_N > unmasked) mask(w, [this, i](int r) { return visible(row + r) - key(i); }, lane);
			move_max(w, scale);
			weigh_block(w, scale);
		} else {
			weigh_nothing(w);
		}
		await(v_full(slot), parity);
		multiply_pv(w, v_tile(slot), lane);
		group_sync(group);
		copy_v(i + STAGES, slot);
	}

	__device__ __forceinline__ void blocks(rows &w) const {
		int slot = 0;
		u32 parity = 0;
		start_rows(w);
#pragma unroll 1
		for (int i = 0; i < count; i++) {
			block(w, i, slot, parity);
			if (++slot == STAGES) slot = 0, parity ^= 1;
		}
	}
};

// grouped: query heads that share a key head. Strides in elements: batch, head, row; those of K and V are in their tensor maps
// where they have some. parts: PARTS rows of PART_COLUMNS numbers for each query row. Grid: PARTS clusters of SPLIT CTAs for each tile,
// key heads, batches.
extern "C" __global__ void __launch_bounds__(THREADS, MIN_BLOCKS)
attn_decode(const u16 *q, const __grid_constant__ matrix k, const __grid_constant__ matrix v, u16 *o, int grouped, int sq, int sk,
	    i64 q_sb, i64 q_sh, i64 q_ss, i64 k_sb, i64 k_sh, i64 k_ss, i64 v_sb, i64 v_sh, i64 v_ss, i64 o_sb, i64 o_sh,
	    i64 o_ss, float scale
#if PARTS > 1
	    , float *parts
#endif
	    ) {
	int warp = __shfl_sync(~0u, threadIdx.x / 32, 0);  // so that the compiler knows it uniform
	int rank = blockIdx.x % (PARTS * SPLIT), m0 = blockIdx.x / (PARTS * SPLIT) * BLOCK_M, kv_head = blockIdx.y, batch = blockIdx.z;
	int count = min(BLOCK_M, grouped * sq - m0), warp_row = warp % GROUP_WARPS * WARP_M;

	if constexpr (SPLIT > 1) barrier_cluster_arrive_relaxed();
	if constexpr (PARTS > 1 && TMA) griddepcontrol_launch_dependents();
	walk g;
	g.group = warp / GROUP_WARPS;
	g.thread = threadIdx.x % GROUP_THREADS;
	g.lane = threadIdx.x % 32;
	g.sq = sq;
	g.sk = sk;
	g.grouped = grouped;
	g.row = m0 + warp_row;
	g.scale = scale * LOG2_E;
	g.busy = warp_row < count;
	g.ring = cvta_shared(smem) + g.group * GROUP_BYTES;
	g.barriers = cvta_shared(smem) + BARRIERS_AT + g.group * 16 * STAGES;
	g.end = max(0, g.visible(m0 + count - 1));
	g.unmasked = g.visible(m0);
	g.k.open(k, kv_head, batch, k_sb, k_sh, k_ss);
	g.v.open(v, kv_head, batch, v_sb, v_sh, v_ss);
	g.deal(rank);
	g.fill();

	rows w;
	i64 head = (i64)kv_head * grouped;
	load_q(w, q + batch * q_sb + head * q_sh, q_sh, q_ss, g.row, count - warp_row, grouped, g.lane);
	g.blocks(w);
	write_part(w, g.group, warp_row, count, g.lane);
#if PARTS > 1
	i64 first = ((i64)batch * gridDim.y + kv_head) * grouped * sq + m0;
	merge(shared_rows { parts + (first * PARTS + rank / SPLIT) * PART_COLUMNS }, count, rank % SPLIT);
#else
	merge(packed { o + batch * o_sb + head * o_sh, o_sh, o_ss, m0, grouped }, count, rank);
#endif
}

#if PARTS > 1
// Adds up what the clusters found, in the order of their keys: a warp a query row. rows: of all key heads and batches together.
// Grid: ceildiv(rows, MERGE_WARPS).
extern "C" __global__ void __launch_bounds__(32 * MERGE_WARPS)
attn_decode_merge(const float *parts, u16 *o, i64 o_sb, i64 o_sh, i64 o_ss, int grouped, int sq, int key_heads, int rows) {
	u32 row = blockIdx.x * MERGE_WARPS + threadIdx.x / 32, each = grouped * sq;
	if (row >= rows) return;
	u32 of = row / each, batch = of / (u32)key_heads, head = (of - batch * key_heads) * grouped;
	packed to = { o + batch * o_sb + head * o_sh, o_sh, o_ss, 0, grouped };
	const char *from = (const char *)(parts + (i64)row * PARTS * PART_COLUMNS);
	if constexpr (TMA) griddepcontrol_wait();
#pragma unroll
	for (int c = threadIdx.x % 32; c < D / 4; c += 32) {
		piece x;
		x.add<PARTS>(from + 4 * D, 4 * PART_COLUMNS, from + 16 * c, 4 * PART_COLUMNS);
		to.store(row - of * each, 4 * c, x);
	}
}
#endif
