// decode_layout: the sizes of a candidate of decode.cu, where things lie in shared memory, and how a tile of K or V gets
// there, by cp.async of all threads of a group or by the copy engine. No arithmetic of attention here.
#ifndef ATTN_DECODE_LAYOUT_CUH
#define ATTN_DECODE_LAYOUT_CUH

constexpr int D = PROBLEM_D;
constexpr bool BF16 = axis_is(PROBLEM_DTYPE_BF16);
constexpr bool CAUSAL = PROBLEM_CAUSAL;
constexpr bool TMA = axis_is(COPY_TMA);
constexpr bool WGMMA = axis_is(PRODUCTS_WGMMA);

[[maybe_unused]] constexpr int STRIPS = WARP_M / 8;    // strips of 8 query rows of a warp
constexpr int GROUP_WARPS = WGMMA ? 4 : BLOCK_M / WARP_M;  // warps that share keys, each with rows of its own
constexpr int GROUP_THREADS = 32 * GROUP_WARPS;
constexpr int THREADS = GROUP_THREADS * GROUPS;
constexpr int SLOTS = STAGES;                          // a slot holds a block of K and one of V

// A tile is cut into panels of 64 columns, 128 bytes a row, swizzled in groups of 8 rows as by a tensor map.
constexpr int PANELS = ceildiv(D, 64);
constexpr int PANEL_BYTES = BLOCK_N * 128;
constexpr int TILE_BYTES = PANELS * PANEL_BYTES;
constexpr int RING_BYTES = 2 * SLOTS * TILE_BYTES;

// Shared memory: a ring for each group, over which its partial results are put at the end | what the CTAs of the cluster
// send: O of this one's columns, then (maximum, sum) of all rows, by the rank of the sender | mbarriers.
constexpr int PART_PITCH = 4 * D + 16;                 // bytes; the padding spreads a fragment over the banks
constexpr int PART_BYTES = BLOCK_M * (PART_PITCH + 8);
constexpr int GROUP_BYTES = ceildiv(larger(RING_BYTES, PART_BYTES), 1024) * 1024;
constexpr int COLUMNS = ceildiv(ceildiv(D, SPLIT), 4) * 4;                  // columns of O that a CTA of the cluster stores
constexpr int RECEIVED_AT = GROUPS * GROUP_BYTES;
constexpr int KNOWN_AT = RECEIVED_AT + (SPLIT > 1 ? SPLIT * BLOCK_M * COLUMNS * 4 : 0);
constexpr int BARRIERS_AT = KNOWN_AT + (SPLIT > 1 ? SPLIT * BLOCK_M * 8 : 0);

static_assert(D % 32 == 0 && D <= 256, "head dimensions of this kernel");
static_assert(WARP_M % 8 == 0 && (WGMMA || BLOCK_M % WARP_M == 0) && BLOCK_N % 16 == 0, "tiles are made of fragments");
static_assert(!WGMMA || (WARP_M == 16 && BLOCK_M <= 64 && D % 64 == 0 && TMA), "a warp group has 64 rows, its products whole panels");
static_assert(THREADS <= 1024, "threads of a CTA");
static_assert(GROUP_WARPS == 1 || GROUPS <= 15, "named barriers 1 to 15");
static_assert(SPLIT <= D / 4, "a thread for each CTA of the cluster in a row");

extern __shared__ __align__(1024) char smem[];

template <bool FIRST, class A, class B> struct choose { typedef A type; };
template <class A, class B> struct choose<false, A, B> { typedef B type; };

// How the kernel is given K and V: as a tensor map, or as a pointer beside the strides.
typedef choose<TMA, tensor_map, const u16 *>::type matrix;

// Byte offset of 16-byte chunk `chunk` of a row in a tile. Eight rows at one chunk fall into eight different bank groups.
__device__ __forceinline__ int tile_at(int row, int chunk) {
	return chunk / 8 * PANEL_BYTES + row * 128 + 16 * (chunk % 8 ^ (row & 7));
}

// Address of chunk 2*pair + c of row 16*strip + r, given that of chunk c < 2 of row r < 16, in a tile at a multiple of 128 bytes:
// the swizzle of an even chunk moves that of the odd one with it, so four addresses serve a whole tile.
__device__ __forceinline__ u32 fragment_at(u32 first, int strip, int pair) {
	return (first ^ 32 * (pair % 4)) + pair / 4 * PANEL_BYTES + strip * 16 * 128;
}

// Among the warps of a group, which lie next to one another.
__device__ __forceinline__ void group_sync(int group) {
	if constexpr (GROUP_WARPS == 1) __syncwarp();
	else if constexpr (GROUPS == 1) __syncthreads();
	else bar_sync(1 + group, GROUP_THREADS);
}

// Elements from the first head's first query to packed row `row`: queries outermost, heads of the group within one.
__device__ __forceinline__ i64 packed_at(u32 row, int grouped, i64 head, i64 query) {
	u32 i = row / (u32)grouped, h = row - i * grouped;
	return h * head + i * query;
}

// K or V of one head, as a thread of a group copies it.
struct source {
	const tensor_map *map;
	int head, batch;
	u64 policy;
	const u16 *rows;   // without a tensor map: the first row, and the elements from one row to the next, below 2^31
	int stride;

	__device__ __forceinline__ void open(const tensor_map &of, int of_head, int of_batch, i64, i64, i64) {
		map = &of, head = of_head, batch = of_batch;
		if constexpr (axis_is(KV_CACHE_EVICT_FIRST)) policy = createpolicy_fractional_l2_evict_first();
	}
	__device__ __forceinline__ void open(const u16 *of, int of_head, int of_batch, i64 sb, i64 sh, i64 ss) {
		rows = of + of_batch * sb + of_head * sh;
		stride = (int)ss;
	}

	// Keys key .. key + BLOCK_N - 1 to a tile, those from `end` on as zeros; a tensor map knows where the keys end. By all
	// threads of the group, or by one that also tells `full` what to expect.
	__device__ __forceinline__ void copy(u32 tile, int key, int end, int thread, u32 full) const {
		if constexpr (TMA) {
			if (thread == 0) {
				mbarrier_arrive_expect_tx(full, TILE_BYTES);
#pragma unroll
				for (int n = 0; n < PANELS; n++) copy_panel(tile + n * PANEL_BYTES, 64 * n, key, full);
			}
		} else {
			copy_rows(tile, key, end, thread);
		}
	}

	__device__ __forceinline__ void copy_panel(u32 to, int column, int key, u32 full) const {
		if constexpr (axis_is(KV_CACHE_EVICT_FIRST))
			cp_async_bulk_tensor_4d_load_hint(to, map, column, key, head, batch, full, policy);
		else cp_async_bulk_tensor_4d_load(to, map, column, key, head, batch, full);
	}

	__device__ __forceinline__ void copy_rows(u32 tile, int key, int end, int thread) const {
		constexpr int CHUNKS = D / 8, STEP = GROUP_THREADS / CHUNKS;
		int row = thread / CHUNKS, chunk = thread % CHUNKS, left = end - key - row;
		const u16 *from = rows + (i64)(key + row) * stride + 8 * chunk;
		if (GROUP_THREADS % CHUNKS > 0 && row >= STEP) return;
#pragma unroll
		for (int r = 0; r < BLOCK_N; r += STEP) {
			if (BLOCK_N % STEP == 0 || row + r < BLOCK_N)
				cp_async_cg_shared_global_16<L2_FETCH>(tile + tile_at(row + r, chunk), from, r < left ? 16 : 0);
			from += (i64)STEP * stride;
		}
	}
};

#endif
