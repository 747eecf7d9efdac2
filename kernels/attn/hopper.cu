// attn_hopper: attention forward for sm_90a: tiles brought by the copy engine (TMA), products by wgmma, specialised warps.
//
// A CTA has CONSUMERS warp groups that compute, 64 query rows each, and a producer, one thread of which copies Q of each
// group and then blocks of BLOCK_N keys of K and V into two rings of STAGES slots. mbarriers tell consumers that a slot is
// full and the producer that it is free. CTAs that walk over several tiles may copy a block of the next before its Q (AHEAD=1), or
// have two slots for Q and go from tile to tile without a pause (AHEAD=2, hopper_chain.cuh).
// For each block a consumer computes S = Q K^T (K, and Q unless Q_PATH=registers, from shared memory), the online softmax in base
// 2 on the accumulators, packs the weights P into registers, whose layout is that of an A operand, and O += P V. With
// OVERLAP=softmax the products of block i+1's scores and of block i's weights are both under way while the softmax of block i+1
// runs; with PING_PONG the groups take turns at named barriers, so that one multiplies while another exponentiates. With SPLIT_K=2
// two groups have the same rows and take turns at the blocks; at the end each gives half of its results to the other
// (hopper_split.cuh).
// CTAs that walk over tiles may share those that do not fill all of them (TAIL=shared): each takes an equal run of their blocks
// first and puts what it found into the workspace, where a second kernel adds it up (hopper_merge.cuh).
//
// With RESCALE=checked a block without a mask is weighed by the maxima of earlier ones: finding its own is a sixth of what a
// warp issues for a block, and exponentials need not wait for them. If a thread's weights of a row then add up to more than MOST,
// or the row had no maximum yet, the warp computes the block's scores once more by mma.sync, and moves the maxima as ever.
//
// Blocks are walked from the last key to the first, so that those that need a mask come first and the long loop has none. Of
// the first, of which a causal group often sees less than half, DIAGONAL=half multiplies and weighs only half.
// Keys and rows beyond the end are zeros by the copy engine; keys are masked to minus infinity, rows are not stored. A group
// passes over the blocks of its CTA of which it sees no key. A row that sees no key becomes 0. `scale` must be positive.
// Any strides that are multiples of 16 bytes will do; they stand in the tensor maps.
#include "attune/axis.cuh"
#include "attune/ptx_copy.cuh"
#include "attune/ptx_math.cuh"
#include "attune/ptx_mma.cuh"
#include "attune/ptx_sync.cuh"
#include "attune/ptx_tma.cuh"
#include "attune/ptx_wgmma.cuh"
#include "softmax.cuh"
#include "hopper_shape.cuh"
#include "hopper_softmax.cuh"
#include "hopper_store.cuh"
#include "hopper_split.cuh"
#include "hopper_merge.cuh"
#include "hopper_produce.cuh"
#include "hopper_consume.cuh"
#include "hopper_chain.cuh"

__device__ __forceinline__ void consume(const shape &p, u32 base, int group, float scale, const sink &to) {
	q_place q;
	agenda todo(p);
	work job;
	consumer c;
	u32 row_group = group % ROW_GROUPS;
	c.base = base;
	c.group = group;
	c.part = SPLITS ? group / ROW_GROUPS : 0;
	if constexpr (SPLITS) c.k.advance(c.part), c.v.advance(c.part);
	c.warp = __shfl_sync(~0u, threadIdx.x / 32 % 4, 0);
	c.lane = threadIdx.x % 32;
	c.scale = scale * LOG2_E;
	c.q_matrix = wgmma_descriptor<PITCH>(base + q.tile(row_group), Q_PANEL_BYTES);
	if constexpr (TAKES_TURNS)
		if (group == GROUPS - 1) c.pass_turn();
	if constexpr (CHAINS) {
		walk_chained(c, p, to);
	} else {
		for (; todo.find(job); todo.next()) {
			rows w;
			clear(w);
			mbarrier_wait(base + Q_FULL + q.barrier(row_group), q.parity);
			if constexpr (HOLDS_Q) c.load_q(w, base + q.tile(row_group));
			c.walk(w, p, job.t.row + row_group * GROUP_ROWS, job.first, job.end);
			if constexpr (TAKES_TURNS && SPLITS)
				if (c.part == 1 && (job.end - job.first) % 2 == 1) c.skip_turn();  // for the block that only others have
			if constexpr (PERSISTENT && !STORES_TILES && !RUNS_AHEAD)
				if (c.lane == 0) mbarrier_arrive(base + Q_FREE + q.barrier(group));
			c.store(w, to, job.t, job.part, base + q.tile(row_group));
			if constexpr (PERSISTENT && STORES_TILES)
				if (c.lane == 0) mbarrier_arrive(base + Q_FREE + q.barrier(group));
			if constexpr (!PERSISTENT) break;
			q.advance();
		}
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
		for (int g = 0; g < Q_SLOTS * ROW_GROUPS; g++) {
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
		consume(p, base, group, scale, { &o_map, o, o_sb, o_sh, o_ss, parts, sq });
	}
}
