// hopper_chain: the tiles of a CTA as one walk (AHEAD=2). What is left of a tile, the product of its last weights and its
// results, is done while the tensor cores have the first scores of the next: one product after the other is issued, the results
// are stored once the first is there, and nothing waits for a tile's Q, which has two slots. Between tiles that do not fit
// together (a block of which the group sees no key comes first, or there is no tile any more) both are done by themselves.
#ifndef ATTN_HOPPER_CHAIN_CUH
#define ATTN_HOPPER_CHAIN_CUH

__device__ __forceinline__ void read_work(work &w, const q_place &q) {
	const volatile work *slot = (const volatile work *)(smem + WORK_AT) + q.slot;
	w.t.row = slot->t.row, w.t.head = slot->t.head, w.t.batch = slot->t.batch;
	w.first = slot->first, w.end = slot->end, w.part = slot->part;
}

// Stores the tile whose Q is in the slot, or has the copy engine begin to, by way of that Q.
__device__ __forceinline__ u32 finish(const consumer &c, rows &w, const q_place &q, const sink &to) {
	work done;
	read_work(done, q);
	return c.store(w, to, done.t, done.part, c.base + q.tile(c.group));
}

// The slot is free once the copy engine has read what is stored. That is waited for where it has long been so: the slot's next Q
// is not needed before the tile after the next.
__device__ __forceinline__ void let_go(const consumer &c, const q_place &q, bool used) {
	if (c.lane == 0 && used) {
		if constexpr (STORES_TILES) cp_async_bulk_wait_group_read();
		mbarrier_arrive(c.base + Q_FREE + q.barrier(c.group));
	}
	__syncwarp();
}

// The outputs of a tile's last block and the scores of the next one's first.
__device__ __forceinline__ void turn_over(consumer &c, rows &w, const q_place &before, const sink &to) {
	if constexpr (TAKES_TURNS) c.await_turn();
	mbarrier_wait(c.base + V_FULL + 8 * c.v.slot, c.v.parity);
	wgmma_fence();
	c.multiply_pv<BLOCK_N>(w);
	mbarrier_wait(c.base + K_FULL + 8 * c.k.slot, c.k.parity);
	wgmma_fence();
	c.multiply_qk<BLOCK_N>(w);
	if constexpr (TAKES_TURNS) c.pass_turn();
	wgmma_wait_group<1>();
	hold(w.o);
	hold(w.p);
	c.free_slot(V_FREE, c.v);
	u32 stored = finish(c, w, before, to);
	if constexpr (!STORES_TILES) keep_above(stored, c.base + SCRATCH);
	wgmma_wait_group<0>();
	hold(w.s);
	c.free_slot(K_FREE, c.k);
	clear(w);
}

__device__ __forceinline__ void walk_chained(consumer &c, const shape &p, const sink &to) {
	bool any = false, weights = false;             // whether there was a tile before, and whether its last weights wait
	q_place q, before;
	rows w;
	clear(w);
	while (true) {
		work job;
		mbarrier_wait(c.base + Q_FULL + q.barrier(c.group), q.parity);
		read_work(job, q);
		bool more = job.end != NO_MORE;
		int first_row = job.t.row + c.group * GROUP_ROWS, i = job.end - 1;
		int mine = consumer::end_of_group(p, first_row, job.first, job.end);
		if constexpr (HOLDS_Q) c.load_q(w, c.base + q.tile(c.group));
		else c.q_matrix = wgmma_descriptor<PITCH>(c.base + q.tile(c.group), Q_PANEL_BYTES);
		if (more && weights && mine == job.end && mine > job.first) {
			turn_over(c, w, before, to);
		} else {
			if (weights) c.outputs(w);
			if (any) finish(c, w, before, to);
			if (!more) break;
			clear(w);
			for (; i >= mine; i--) c.pass_over();
			if (i >= job.first) c.scores(w);
		}
		weights = i >= job.first;
		if (weights) {
			int row = first_row + 16 * c.warp + c.lane / 4, seen0 = tile::visible(p, row), seen1 = tile::visible(p, row + 8);
			int unmasked = tile::visible(p, first_row);  // keys that every row of the group sees
			c.soften<true, BLOCK_N, true>(w, i, seen0, seen1, (i + 1) * BLOCK_N > unmasked);
			pack(w);
			i--;
			let_go(c, before, any);
			if constexpr (CAUSAL)
				for (; i >= job.first && (i + 1) * BLOCK_N > unmasked; i--) c.block_overlapped<true>(w, i, seen0, seen1);
			for (; i >= job.first; i--) c.block_overlapped<false>(w, i, seen0, seen1);
		} else {
			let_go(c, before, any);
		}
		any = true;
		before = q;
		q.advance();
	}
	let_go(c, before, any);
}

#endif
