// hopper_produce: the one thread of attn_hopper that copies: Q of each group, then blocks of K and V into their rings, tile
// after tile as its CTA's agenda says, as slots become free.
#ifndef ATTN_HOPPER_PRODUCE_CUH
#define ATTN_HOPPER_PRODUCE_CUH

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

__device__ __forceinline__ void copy_block(u32 to, const tensor_map *map, int row, const tile &t, u32 barrier, u64 policy) {
	copy_rows<BLOCK_N, !axis_is(KV_CACHE_DEFAULT)>(to, map, row, t.kv_head, t.batch, barrier, policy);
}

__device__ __forceinline__ void copy_q(u32 base, const tensor_map *map, const tile &t, const q_place &q) {
#pragma unroll
	for (int g = 0; g < ROW_GROUPS; g++) {
		if constexpr (PERSISTENT && !CHAINS) mbarrier_wait(base + Q_FREE + q.barrier(g), q.parity ^ 1);
		copy_rows<GROUP_ROWS, false>(base + q.tile(g), map, t.row + g * GROUP_ROWS, t.head, t.batch,
					     base + Q_FULL + q.barrier(g), 0);
	}
}

// What a slot of Q is for, once nobody needs what it was for before. Groups find it when their Q is full.
__device__ __forceinline__ void tell(u32 base, const q_place &q, const work &w) {
	for (int g = 0; g < ROW_GROUPS; g++) mbarrier_wait(base + Q_FREE + q.barrier(g), q.parity ^ 1);
	volatile work *slot = (volatile work *)(smem + WORK_AT) + q.slot;
	slot->t.row = w.t.row, slot->t.head = w.t.head, slot->t.batch = w.t.batch;
	slot->first = w.first, slot->end = w.end, slot->part = w.part;
}

__device__ __forceinline__ void produce(const shape &p, u32 base, const tensor_map *q_map, const tensor_map *k_map,
					const tensor_map *v_map) {
	q_place q;
	u64 policy = kv_policy();
	agenda todo(p);
	work w;
	place at;
	for (; todo.find(w); todo.next()) {
		const tile &t = w.t;
		if constexpr (CHAINS) tell(base, q, w);
		if (!RUNS_AHEAD || w.end == w.first) copy_q(base, q_map, t, q);
		for (int i = w.end - 1; i >= w.first; i--) {
			mbarrier_wait(base + K_FREE + 8 * at.slot, at.parity ^ 1);
			copy_block(base + K_AT + at.slot * KV_BYTES, k_map, i * BLOCK_N, t, base + K_FULL + 8 * at.slot, policy);
			mbarrier_wait(base + V_FREE + 8 * at.slot, at.parity ^ 1);
			copy_block(base + V_AT + at.slot * KV_BYTES, v_map, i * BLOCK_N, t, base + V_FULL + 8 * at.slot, policy);
			if (RUNS_AHEAD && i == w.end - 1) copy_q(base, q_map, t, q);
			at.advance();
		}
		if constexpr (!PERSISTENT) break;
		q.advance();
	}
	if constexpr (CHAINS) {
		w.end = NO_MORE;
		tell(base, q, w);
		for (int g = 0; g < ROW_GROUPS; g++) mbarrier_arrive(base + Q_FULL + q.barrier(g));
	}
}

#endif
