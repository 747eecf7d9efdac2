// hopper_consume: what a warp group of attn_hopper computes for one tile: scores, weights and sums of its 64 query rows over the
// blocks of keys that the producer brings, and how the result is stored.
#ifndef ATTN_HOPPER_CONSUME_CUH
#define ATTN_HOPPER_CONSUME_CUH

// Where O goes: its tensor map, or its address and strides in elements; and the workspace for shares of tiles.
struct sink {
	const tensor_map *map;
	u16 *o;
	i64 sb, sh, ss;
	float *parts;
	int sq;
};

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
	__device__ __forceinline__ void release(u32 barriers, const place &at, bool really = true) const {
		if (lane == 0 && really) mbarrier_arrive(base + barriers + 8 * at.slot);
	}

	__device__ __forceinline__ void free_slot(u32 barriers, place &at) const {
		release(barriers, at);
		at.advance(SPLIT_K);
	}

	// The warp's 16 rows of a k16 step of Q as an A operand; 16-byte chunks lie as in store_tile.
	__device__ __forceinline__ void load_q_step(u32 (&a)[4], u32 q, int step) const {
		int row = 16 * warp + lane % 16, line = row * PITCH / 128, chunk = 2 * (step % PANEL_STEPS) + lane / 16;
		ldmatrix_x4(a, q + step / PANEL_STEPS * Q_PANEL_BYTES + row * PITCH + 16 * (chunk ^ (line & (PITCH / 16 - 1))));
	}

	__device__ __forceinline__ void load_q(rows &w, u32 q) const {
#pragma unroll
		for (int n = 0; n < D / 16; n++) load_q_step(reinterpret_cast<u32 (&)[4]>(w.q[4 * n]), q, n);
	}

	// Products of the first KEYS keys of a block.
	template <int KEYS> __device__ __forceinline__ void multiply_qk(rows &w) const {
		u64 matrix = wgmma_descriptor<PITCH>(base + K_AT + k.slot * KV_BYTES, KV_PANEL_BYTES);
#pragma unroll
		for (int i = 0; i < D / 16; i++) {
			int panel = i / PANEL_STEPS, at = i % PANEL_STEPS * 32;
			u64 keys = matrix + ((panel * KV_PANEL_BYTES + at) >> 4);
			float(&s)[KEYS / 2] = reinterpret_cast<float (&)[KEYS / 2]>(w.s);
			if constexpr (HOLDS_Q) wgmma_rs_k_major<KEYS, BF16>(s, &w.q[4 * i], keys, i > 0);
			else wgmma_ss<KEYS, BF16>(s, q_matrix + ((panel * Q_PANEL_BYTES + at) >> 4), keys, i > 0);
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
	template <bool MASKED, int KEYS = BLOCK_N, bool FIRST = false>
	__device__ __forceinline__ void soften(rows &w, int block, int seen0, int seen1, bool masked = true) const {
		if (MASKED && masked) {
			int first = block * BLOCK_N + 2 * (lane % 4);
			mask<KEYS>(w, seen0 - first, seen1 - first);
		}
		move_max<KEYS, FIRST>(w, scale);
		weigh<KEYS>(w, scale);
	}

	// Scores of the first block, nothing else being under way. KEEPS: K is not free yet.
	template <int KEYS = BLOCK_N, bool KEEPS = false> __device__ __forceinline__ void scores(rows &w) {
		if constexpr (TAKES_TURNS) await_turn();
		mbarrier_wait(base + K_FULL + 8 * k.slot, k.parity);
		wgmma_fence();
		multiply_qk<KEYS>(w);
		if constexpr (TAKES_TURNS) pass_turn();
		wgmma_wait_group<0>();
		hold(w.s);
		if constexpr (!KEEPS) free_slot(K_FREE, k);
	}

	// Scores of block `k`, which is still there, by mma.sync: what a warp can do without the others of its group.
	__device__ __forceinline__ void scores_alone(rows &w) const {
		u32 q = (u32)(q_matrix & 0x3fff) << 4, keys = base + K_AT + k.slot * KV_BYTES;
#pragma unroll
		for (int i = 0; i < BLOCK_N / 2; i++) w.s[i] = 0.0f;
#pragma unroll(HOLDS_Q ? D / 16 : 1)
		for (int n = 0; n < D / 16; n++) {
			u32 a[4];
			if constexpr (HOLDS_Q) {
#pragma unroll
				for (int i = 0; i < 4; i++) a[i] = w.q[4 * n + i];
			} else {
				load_q_step(a, q, n);
			}
			u32 from = keys + n / PANEL_STEPS * KV_PANEL_BYTES;
#pragma unroll
			for (int t = 0; t < BLOCK_N / 16; t++) {
				int row = 16 * t + lane % 8 + lane / 16 * 8, line = row * PITCH / 128;
				int chunk = 2 * (n % PANEL_STEPS) + lane / 8 % 2;
				u32 b[4];
				ldmatrix_x4(b, from + row * PITCH + 16 * (chunk ^ (line & (PITCH / 16 - 1))));
				mma_m16n8k16<BF16>(reinterpret_cast<float (&)[4]>(w.s[8 * t]), a, b[0], b[1]);
				mma_m16n8k16<BF16>(reinterpret_cast<float (&)[4]>(w.s[8 * t + 4]), a, b[2], b[3]);
			}
		}
	}

	// The maxima of earlier blocks would not do: the scores of this one once more, and theirs. No product is under way.
	__device__ __forceinline__ void weigh_again(rows &w) const {
		scores_alone(w);
		move_max<BLOCK_N>(w, scale);
		weigh<BLOCK_N>(w, scale);
		rescale(w);
	}

	__device__ __forceinline__ void outputs(rows &w) {
		mbarrier_wait(base + V_FULL + 8 * v.slot, v.parity);
		wgmma_fence();
		multiply_pv<BLOCK_N>(w);
		await_o(w);
	}

	template <bool MASKED> __device__ __forceinline__ void block_alone(rows &w, int block, int seen0, int seen1) {
		constexpr bool CHECKED = CHECKS && !MASKED;
		scores<BLOCK_N, CHECKED>(w);
		if constexpr (CHECKED) {
			if (weigh<BLOCK_N, true>(w, scale)) weigh_again(w);
			free_slot(K_FREE, k);
		} else {
			soften<MASKED>(w, block, seen0, seen1);
			rescale(w);
		}
		pack(w);
		outputs(w);
	}

	// Scores of this block and outputs of the block before, of which BEFORE keys were weighed, in one go.
	template <bool MASKED, int BEFORE = BLOCK_N>
	__device__ __forceinline__ void block_overlapped(rows &w, int block, int seen0, int seen1, bool masked = true) {
		constexpr bool CHECKED = CHECKS && !MASKED;
		bool again = false;
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
		if constexpr (CHECKED) {
			again = weigh<BLOCK_N, true>(w, scale);
			release(K_FREE, k, !again);
		} else {
			free_slot(K_FREE, k);
			soften<MASKED>(w, block, seen0, seen1, masked);
		}
		keep_above(w.sum[0] + w.sum[1], base + SCRATCH);
		await_o(w);
		if constexpr (CHECKED) {
			if (again) {
				weigh_again(w);
				release(K_FREE, k);
			}
			k.advance(SPLIT_K);
		} else {
			rescale(w);
		}
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

	// Whether the group's last row sees at most half of block i, its first one, and there are blocks before it.
	__device__ __forceinline__ bool sees_half(const shape &p, int first_row, int i) const {
		return i > 0 && tile::visible(p, first_row + GROUP_ROWS - 1) <= i * BLOCK_N + HALF_N;
	}

	// Of blocks first to end - 1, the end of those of which a row of the group sees a key.
	static __device__ __forceinline__ int end_of_group(const shape &p, int first_row, int first, int end) {
		if (first_row >= p.sq) return first;
		if (SHARES && !CAUSAL) return end;
		int seen = tile::blocks(p, first_row + GROUP_ROWS);
		return SHARES ? max(first, min(end, seen)) : seen;
	}

	// Blocks first to end - 1, of which groups that share the keys take turns.
	__device__ __forceinline__ void walk(rows &w, const shape &p, int first_row, int first, int end) {
		int mine = end_of_group(p, first_row, first, end);
		int row = first_row + 16 * warp + lane / 4, seen0 = tile::visible(p, row), seen1 = tile::visible(p, row + 8);
		int unmasked = tile::visible(p, first_row);  // keys that every row of the group sees
		int i = end - 1 - part;
		for (; i >= mine; i -= SPLIT_K) pass_over();
		if (i < first) return free_q();
		if (HALVES && sees_half(p, first_row, i)) {
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
		} else if (CHECKS || (!CAUSAL && (i + 1) * BLOCK_N > unmasked)) {
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

	// The group's rows of a tile, or of a share of it, divided by their sums, to where they belong. q: its tile of Q. The result
	// hangs on what ordinary stores have stored.
	__device__ __forceinline__ u32 store(const rows &w, const sink &to, const tile &t, int share, u32 q) const {
		int row_group = group % ROW_GROUPS, warp_row = t.row + row_group * GROUP_ROWS + 16 * warp, left = to.sq - warp_row;
		u16 *o = to.o + t.batch * to.sb + t.head * to.sh + warp_row * to.ss;
		if constexpr (SPLITS) {
			store_merged(w, scale, group, part, o, to.ss, left);
		} else {
			float inverse[2];
#pragma unroll
			for (int r = 0; r < 2; r++) {
				float sum = quad_sum(w.sum[r]);
				inverse[r] = sum > 0.0f ? rcp_approx_ftz_f32(sum) : 0.0f;
			}
			if (SHARES && share >= 0) store_part(w, to.parts, share, group * GROUP_ROWS + 16 * warp, lane);
			else if constexpr (STORES_TILES) store_tile(w, inverse, q, to.map, t, group, warp, lane);
			else return store_direct(w, inverse, o, to.ss, left, lane);
		}
		return 0;
	}
};

#endif
