// attn_hopper: attention forward for sm_90a: tiles brought by the copy engine (TMA), products by wgmma, specialised warps.
//
// A CTA has CONSUMERS warp groups that compute, 64 query rows each, and a producer, one thread of which copies Q of each
// group and then blocks of BLOCK_N keys of K and V into two rings of STAGES slots. mbarriers tell consumers that a slot is
// full and the producer that it is free. CTAs that walk over several tiles may copy a block of the next before its Q (AHEAD).
// For each block a consumer computes S = Q K^T (both from shared memory), the online softmax in base 2 on the accumulators,
// packs the weights P into registers, whose layout is that of an A operand, and O += P V. With OVERLAP=softmax the products of
// block i+1's scores and of block i's weights are both under way while the softmax of block i+1 runs; with PING_PONG the groups
// take turns at named barriers, so that one multiplies while another exponentiates. With SPLIT_K=2 two groups have the same
// rows and take turns at the blocks; at the end each gives half of its results to the other (hopper_split.cuh).
// CTAs that walk over tiles may share those that do not fill all of them (TAIL=shared): each takes an equal run of their blocks
// first and puts what it found into the workspace, where a second kernel adds it up (hopper_merge.cuh).
//
// Blocks are walked from the last key to the first, so that those that need a mask come first and the long loop has none. Of
// the first, of which a causal group often sees less than half, DIAGONAL=half multiplies and weighs only half.
// Keys and rows beyond the end are zeros by the copy engine; keys are masked to minus infinity, rows are not stored. A group
// passes over the blocks of its CTA of which it sees no key. A row that sees no key becomes 0. `scale` must be positive.
// Any strides that are multiples of 16 bytes will do; they stand in the tensor maps.
#include "attune/axis.cuh"
#include "attune/ptx_copy.cuh"
#include "attune/ptx_math.cuh"
#include "attune/ptx_sync.cuh"
#include "attune/ptx_tma.cuh"
#include "attune/ptx_wgmma.cuh"
#include "hopper_shape.cuh"
#include "hopper_softmax.cuh"
#include "hopper_store.cuh"
#include "hopper_split.cuh"
#include "hopper_merge.cuh"

// ---- producer ------------------------------------------------------------------------------------------------------

__device__ __forceinline__ u64 kv_policy() {
	if constexpr (axis_is(KV_CACHE_EVICT_LAST)) return createpolicy_fractional_l2_evict_last();
	else if constexpr (axis_is(KV_CACHE_EVICT_FIRST)) return createpolicy_fractional_l2_evict_first();
	else return 0;
}

// ROWS rows of one head from `row` on, all panels, counted at `barrier`.
template <int ROWS, bool HINT>
__device__ __forceinline__ void copy_rows(u32 to, const tensor_map *map, int row, int head, int batch, u32 barrier, u64 policy) {
	mbarrier_arrive_expect_tx(barrier, PANELS * ROWS * PITCH);
#pragma unroll
	for (int n = 0; n < PANELS; n++) {
		u32 panel = to + n * ROWS * PITCH;
		int column = n * PANEL_COLUMNS;
		if constexpr (HINT) cp_async_bulk_tensor_4d_load_hint(panel, map, column, row, head, batch, barrier, policy);
		else cp_async_bulk_tensor_4d_load(panel, map, column, row, head, batch, barrier);
	}
}

__device__ __forceinline__ void copy_q(u32 base, const tensor_map *map, const tile &t, u32 round) {
#pragma unroll
	for (int g = 0; g < ROW_GROUPS; g++) {
		if constexpr (PERSISTENT) mbarrier_wait(base + Q_FREE + 8 * g, round ^ 1);
		copy_rows<GROUP_ROWS, false>(base + g * Q_GROUP_BYTES, map, t.row + g * GROUP_ROWS, t.head, t.batch,
					     base + Q_FULL + 8 * g, 0);
	}
}

__device__ __forceinline__ void produce(const shape &p, u32 base, const tensor_map *q_map, const tensor_map *k_map,
					const tensor_map *v_map) {
	constexpr bool HINT = !axis_is(KV_CACHE_DEFAULT);
	u32 round = 0;
	u64 policy = kv_policy();
	agenda todo(p);
	work w;
	place at;
	for (; todo.find(w); todo.next()) {
		const tile &t = w.t;
		if (!RUNS_AHEAD || w.end == w.first) copy_q(base, q_map, t, round);
		for (int i = w.end - 1; i >= w.first; i--) {
			mbarrier_wait(base + K_FREE + 8 * at.slot, at.parity ^ 1);
			copy_rows<BLOCK_N, HINT>(base + K_AT + at.slot * KV_BYTES, k_map, i * BLOCK_N, t.kv_head, t.batch,
						 base + K_FULL + 8 * at.slot, policy);
			mbarrier_wait(base + V_FREE + 8 * at.slot, at.parity ^ 1);
			copy_rows<BLOCK_N, HINT>(base + V_AT + at.slot * KV_BYTES, v_map, i * BLOCK_N, t.kv_head, t.batch,
						 base + V_FULL + 8 * at.slot, policy);
			if (RUNS_AHEAD && i == w.end - 1) copy_q(base, q_map, t, round);
			at.advance();
		}
		if constexpr (!PERSISTENT) break;
		round ^= 1;
	}
}

// ---- consumers -----------------------------------------------------------------------------------------------------

// One warp group's work. K is at block `k`, V at block `v` of the rings, which differ where products overlap.
struct consumer {
	u32 base;
	int group, part;        // with SPLIT_K a group takes every so many-th block, from the part-th on
	int warp, lane;         // warp within the group
	float scale;            // scale * log2(e)
	place k, v;
	u64 q_matrix;

	// Group g's turn comes after group g-1's, and after the last group's the first's again.
	__device__ __forceinline__ void await_turn() const { bar_sync(TURN_BARRIER + group, 256); }
	__device__ __forceinline__ void pass_turn() const {
		bar_arrive(TURN_BARRIER + (group + 1 == GROUPS ? 0 : group + 1), 256);
	}

	__device__ __forceinline__ void skip_turn() const {
		await_turn();
		pass_turn();
	}

	// Every warp tells that it is done with a slot, so that no warp depends on another's wait for its products.
	__device__ __forceinline__ void free_slot(u32 barriers, place &at) const {
		if (lane == 0) mbarrier_arrive(base + barriers + 8 * at.slot);
		at.advance(SPLIT_K);
	}

	// Products of the first KEYS keys of a block.
	template <int KEYS> __device__ __forceinline__ void multiply_qk(rows &w) const {
		u64 matrix = wgmma_descriptor<PITCH>(base + K_AT + k.slot * KV_BYTES, KV_PANEL_BYTES);
#pragma unroll
		for (int i = 0; i < D / 16; i++) {
			int panel = i / PANEL_STEPS, at = i % PANEL_STEPS * 32;
			wgmma_ss<KEYS, BF16>(reinterpret_cast<float (&)[KEYS / 2]>(w.s), q_matrix + ((panel * Q_PANEL_BYTES + at) >> 4),
					     matrix + ((panel * KV_PANEL_BYTES + at) >> 4), i > 0);
		}
		wgmma_commit_group();
	}

	template <int KEYS> __device__ __forceinline__ void multiply_pv(rows &w) const {
		u64 matrix = wgmma_descriptor<PITCH>(base + V_AT + v.slot * KV_BYTES, KV_PANEL_BYTES);
#pragma unroll
		for (int i = 0; i < KEYS / 16; i++) wgmma_rs<D, BF16>(w.o, &w.p[4 * i], matrix + (i * 16 * PITCH >> 4));
		wgmma_commit_group();
	}

	__device__ __forceinline__ void await_o(rows &w) {
		wgmma_wait_group<0>();
		hold(w.o);
		hold(w.p);
		free_slot(V_FREE, v);
	}

	// The scores of block `block` are there: masks them if a row of the group does not see all of them, and weighs them.
	template <bool MASKED, int KEYS = BLOCK_N>
	__device__ __forceinline__ void soften(rows &w, int block, int seen0, int seen1, bool masked = true) const {
		if (MASKED && masked) {
			int first = block * BLOCK_N + 2 * (lane % 4);
			mask<KEYS>(w, seen0 - first, seen1 - first);
		}
		move_max<KEYS>(w, scale);
		weigh<KEYS>(w, scale);
	}

	// Scores of the first block, nothing else being under way.
	template <int KEYS = BLOCK_N> __device__ __forceinline__ void scores(rows &w) {
		if constexpr (TAKES_TURNS) await_turn();
		mbarrier_wait(base + K_FULL + 8 * k.slot, k.parity);
		wgmma_fence();
		multiply_qk<KEYS>(w);
		if constexpr (TAKES_TURNS) pass_turn();
		wgmma_wait_group<0>();
		hold(w.s);
		free_slot(K_FREE, k);
	}

	__device__ __forceinline__ void outputs(rows &w) {
		mbarrier_wait(base + V_FULL + 8 * v.slot, v.parity);
		wgmma_fence();
		multiply_pv<BLOCK_N>(w);
		await_o(w);
	}

	template <bool MASKED> __device__ __forceinline__ void block_alone(rows &w, int block, int seen0, int seen1) {
		scores(w);
		soften<MASKED>(w, block, seen0, seen1);
		rescale(w);
		pack(w);
		outputs(w);
	}

	// Scores of this block and outputs of the block before, of which BEFORE keys were weighed, in one go.
	template <bool MASKED, int BEFORE = BLOCK_N>
	__device__ __forceinline__ void block_overlapped(rows &w, int block, int seen0, int seen1, bool masked = true) {
		if constexpr (TAKES_TURNS) await_turn();
		mbarrier_wait(base + K_FULL + 8 * k.slot, k.parity);
		wgmma_fence();
		multiply_qk<BLOCK_N>(w);
		mbarrier_wait(base + V_FULL + 8 * v.slot, v.parity);
		wgmma_fence();
		multiply_pv<BEFORE>(w);
		if constexpr (TAKES_TURNS) pass_turn();
		wgmma_wait_group<1>();
		hold(w.s);
		free_slot(K_FREE, k);
		soften<MASKED>(w, block, seen0, seen1, masked);
		keep_above(w, base + SCRATCH);
		await_o(w);
		rescale(w);
		pack(w);
	}

	template <bool MASKED> __device__ __forceinline__ void block(rows &w, int block, int seen0, int seen1) {
		if constexpr (OVERLAPS) block_overlapped<MASKED>(w, block, seen0, seen1);
		else block_alone<MASKED>(w, block, seen0, seen1);
	}

	// A block of which this group sees no key: its slots become free once they are full, as those of any other.
	__device__ __forceinline__ void pass_over() {
		if constexpr (TAKES_TURNS) skip_turn();
		mbarrier_wait(base + K_FULL + 8 * k.slot, k.parity);
		free_slot(K_FREE, k);
		mbarrier_wait(base + V_FULL + 8 * v.slot, v.parity);
		free_slot(V_FREE, v);
	}

	// Blocks first to end - 1, of which groups that share the keys take turns.
	__device__ __forceinline__ void walk(rows &w, const shape &p, int first_row, int first, int end) {
		int mine = first_row < p.sq ? SHARES ? end : tile::blocks(p, first_row + GROUP_ROWS) : first;
		int row = first_row + 16 * warp + lane / 4, seen0 = tile::visible(p, row), seen1 = tile::visible(p, row + 8);
		int unmasked = tile::visible(p, first_row);  // keys that every row of the group sees
		int i = end - 1 - part;
		for (; i >= mine; i -= SPLIT_K) pass_over();
		if (i < first) return free_q();
		if (HALVES && i > 0 && tile::visible(p, first_row + GROUP_ROWS - 1) <= i * BLOCK_N + HALF_N) {
			scores<HALF_N>(w);
			soften<true, HALF_N>(w, i, seen0, seen1);
			pack<HALF_N>(w);
			i -= SPLIT_K;
			block_overlapped<true, HALF_N>(w, i, seen0, seen1, (i + 1) * BLOCK_N > unmasked);
			i -= SPLIT_K;
		} else if constexpr (OVERLAPS) {
			scores(w);
			if ((i + 1) * BLOCK_N > unmasked) soften<true>(w, i, seen0, seen1);
			else soften<false>(w, i, seen0, seen1);
			pack(w);
			i -= SPLIT_K;
		} else if (!CAUSAL && (i + 1) * BLOCK_N > unmasked) {
			block<true>(w, i, seen0, seen1);
			i -= SPLIT_K;
		}
		if constexpr (CAUSAL)
			for (; i >= first && (i + 1) * BLOCK_N > unmasked; i -= SPLIT_K) block<true>(w, i, seen0, seen1);
		for (; i >= first; i -= SPLIT_K) block<false>(w, i, seen0, seen1);
		free_q();
		if constexpr (OVERLAPS) outputs(w);
	}

	// No product reads Q any more, and O is not stored by way of it.
	__device__ __forceinline__ void free_q() const {
		if constexpr (RUNS_AHEAD && !STORES_TILES)
			if (lane == 0) mbarrier_arrive(base + Q_FREE + 8 * group);
	}
};

__device__ __forceinline__ void consume(const shape &p, u32 base, int group, float scale, const tensor_map *o_map, u16 *o, i64 o_sb,
					i64 o_sh, i64 o_ss, float *parts) {
	u32 round = 0, row_group = group % ROW_GROUPS, q = base + row_group * Q_GROUP_BYTES;
	agenda todo(p);
	work job;
	consumer c;
	c.base = base;
	c.group = group;
	c.part = SPLITS ? group / ROW_GROUPS : 0;
	if constexpr (SPLITS) c.k.advance(c.part), c.v.advance(c.part);
	c.warp = __shfl_sync(~0u, threadIdx.x / 32 % 4, 0);
	c.lane = threadIdx.x % 32;
	c.scale = scale * LOG2_E;
	c.q_matrix = wgmma_descriptor<PITCH>(q, Q_PANEL_BYTES);
	if constexpr (TAKES_TURNS)
		if (group == GROUPS - 1) c.pass_turn();
	for (; todo.find(job); todo.next()) {
		const tile &t = job.t;
		int first_row = t.row + row_group * GROUP_ROWS;
		rows w;
#pragma unroll
		for (int i = 0; i < D / 2; i++) w.o[i] = 0.0f;
#pragma unroll
		for (int r = 0; r < 2; r++) w.sum[r] = 0.0f, w.max[r] = MINUS_INFINITY, w.shrink[r] = 1.0f;
		mbarrier_wait(base + Q_FULL + 8 * row_group, round);
		c.walk(w, p, first_row, job.first, job.end);
		if constexpr (TAKES_TURNS && SPLITS)
			if (c.part == 1 && (job.end - job.first) % 2 == 1) c.skip_turn();  // for the block that only others have
		if constexpr (PERSISTENT && !STORES_TILES && !RUNS_AHEAD)
			if (c.lane == 0) mbarrier_arrive(base + Q_FREE + 8 * group);

		int warp_row = first_row + 16 * c.warp, left = p.sq - warp_row;
		u16 *to = o + t.batch * o_sb + t.head * o_sh + warp_row * o_ss;
		if constexpr (SPLITS) {
			store_merged(w, c.scale, group, c.part, to, o_ss, left);
		} else {
			float inverse[2];
#pragma unroll
			for (int r = 0; r < 2; r++) {
				float sum = quad_sum(w.sum[r]);
				inverse[r] = sum > 0.0f ? rcp_approx_ftz_f32(sum) : 0.0f;
			}
			if (SHARES && job.part >= 0) store_part(w, parts, job.part, group * GROUP_ROWS + 16 * c.warp, c.lane);
			else if constexpr (STORES_TILES) store_tile(w, inverse, q, o_map, t, group, c.warp, c.lane);
			else store_direct(w, inverse, to, o_ss, left, c.lane);
			if constexpr (PERSISTENT && STORES_TILES)
				if (c.lane == 0) mbarrier_arrive(base + Q_FREE + 8 * group);
		}
		if constexpr (!PERSISTENT) break;
		round ^= 1;
	}
	if constexpr (TAKES_TURNS)
		if (group == 0) c.await_turn();        // the last group's last pass, so that no barrier is left half full
}

// heads: of one batch; all_heads: of all batches; grouped: query heads that share a key head. The strides of O are in elements.
extern "C" __global__ void __launch_bounds__(THREADS, MIN_BLOCKS)
attn_hopper(const __grid_constant__ tensor_map q_map, const __grid_constant__ tensor_map k_map,
	    const __grid_constant__ tensor_map v_map, const __grid_constant__ tensor_map o_map, u16 *o, i64 o_sb, i64 o_sh, i64 o_ss,
	    int heads, int all_heads, int grouped, int sq, int sk, float scale
#if TAIL_SHARED
	    , float *parts
#endif
	    ) {
#if !TAIL_SHARED
	constexpr float *parts = nullptr;
#endif
	shape p = { heads, all_heads, grouped, sq, sk };
	u32 base = cvta_shared(smem);
	int group = __shfl_sync(~0u, threadIdx.x / 128, 0);
	if (threadIdx.x == 0) {
		for (int g = 0; g < ROW_GROUPS; g++) {
			mbarrier_init(base + Q_FULL + 8 * g, 1);
			mbarrier_init(base + Q_FREE + 8 * g, 4);
		}
		for (int i = 0; i < STAGES; i++) {
			mbarrier_init(base + K_FULL + 8 * i, 1);
			mbarrier_init(base + V_FULL + 8 * i, 1);
			mbarrier_init(base + K_FREE + 8 * i, 4 * ROW_GROUPS);
			mbarrier_init(base + V_FREE + 8 * i, 4 * ROW_GROUPS);
		}
		mbarrier_init_fence();
	}
	if (threadIdx.x == 128 * GROUPS) {
		prefetch_tensormap(&q_map);
		prefetch_tensormap(&k_map);
		prefetch_tensormap(&v_map);
	}
	__syncthreads();
	if constexpr (PDL || SHARES) griddepcontrol_launch_dependents();
	if constexpr (PDL) griddepcontrol_wait();
	if (group == GROUPS) {
		if constexpr (DEALS_REGISTERS) setmaxnreg_dec<PRODUCER_REGISTERS>();
		if (threadIdx.x == 128 * GROUPS) produce(p, base, &q_map, &k_map, &v_map);
	} else {
		if constexpr (DEALS_REGISTERS) setmaxnreg_inc<CONSUMER_REGISTERS>();
		consume(p, base, group, scale, &o_map, o, o_sb, o_sh, o_ss, parts);
	}
}
