// hopper_shape: what the axes of attn_hopper mean as constants: groups and threads, registers of each role, the layout of
// shared memory, its mbarriers and named barriers; and which tile of the problem an index stands for.
#ifndef ATTN_HOPPER_SHAPE_CUH
#define ATTN_HOPPER_SHAPE_CUH

constexpr int D = PROBLEM_D;
constexpr bool BF16 = axis_is(PROBLEM_DTYPE_BF16);
constexpr bool CAUSAL = PROBLEM_CAUSAL;

constexpr int GROUPS = CONSUMERS;                      // warp groups that compute, 64 query rows each
constexpr int GROUP_ROWS = 64;
constexpr int ROW_GROUPS = GROUPS / SPLIT_K;           // groups with rows of their own; SPLIT_K groups share the keys of each
constexpr int BLOCK_M = GROUP_ROWS * ROW_GROUPS;
constexpr int THREADS = 128 * (GROUPS + 1);
constexpr bool OVERLAPS = axis_is(OVERLAP_SOFTMAX);
constexpr bool TAKES_TURNS = GROUPS > 1 && axis_is(PING_PONG_PRODUCTS);
constexpr bool HOLDS_Q = axis_is(Q_PATH_REGISTERS);
constexpr bool CHECKS = axis_is(RESCALE_CHECKED);
constexpr bool STORES_TILES = axis_is(EPILOGUE_TMA);
constexpr bool PERSISTENT = CTAS > 0;
constexpr bool RUNS_AHEAD = PERSISTENT && AHEAD == 1;
constexpr bool CHAINS = PERSISTENT && AHEAD == 2;
constexpr bool PAIRS = CHAINS && axis_is(TILE_ORDER_FOLD);
constexpr bool SHARES = axis_is(TAIL_SHARED);
constexpr bool SPLITS = SPLIT_K > 1;
constexpr bool HALVES = axis_is(DIAGONAL_HALF);
constexpr int HALF_N = larger(64, ceildiv(BLOCK_N, 32) * 16);  // keys of half a block that products can take

// setmaxnreg takes what the launch gives to each thread from the producers and deals it to the others, in units of 8.
constexpr int LAUNCH_REGISTERS = 65536 / (THREADS * MIN_BLOCKS) / 8 * 8;
constexpr int PRODUCER_REGISTERS = SHARES ? 32 : 24;
constexpr int SHARE = (LAUNCH_REGISTERS * (GROUPS + 1) - PRODUCER_REGISTERS) / GROUPS / 8 * 8;
constexpr int CONSUMER_REGISTERS = SHARE > 240 ? 240 : SHARE;
constexpr bool DEALS_REGISTERS = LAUNCH_REGISTERS < CONSUMER_REGISTERS;

// A tile is cut into panels of 64 columns, 128 bytes a row, so that a tensor map's 128-byte swizzle and wgmma agree; where 64
// does not divide D, of 32 columns with the 64-byte swizzle, for a product's n must be made of whole panels.
constexpr int PANEL_COLUMNS = D % 64 == 0 ? 64 : 32, PANEL_STEPS = PANEL_COLUMNS / 16;  // steps of k16
constexpr int PANELS = D / PANEL_COLUMNS, PITCH = 2 * PANEL_COLUMNS;
constexpr int Q_PANEL_BYTES = GROUP_ROWS * PITCH, KV_PANEL_BYTES = BLOCK_N * PITCH;
constexpr int Q_GROUP_BYTES = PANELS * Q_PANEL_BYTES, KV_BYTES = PANELS * KV_PANEL_BYTES;
constexpr int Q_SLOTS = CHAINS ? 2 : 1;
constexpr int K_AT = Q_SLOTS * ROW_GROUPS * Q_GROUP_BYTES;  // Q of each group, slot by slot | ring of K | of V | mbarriers | parts
constexpr int V_AT = K_AT + STAGES * KV_BYTES;
constexpr int BARRIERS_AT = V_AT + STAGES * KV_BYTES;
constexpr int Q_FULL = BARRIERS_AT, Q_FREE = Q_FULL + 8 * Q_SLOTS * ROW_GROUPS;
constexpr int K_FULL = Q_FREE + 8 * Q_SLOTS * ROW_GROUPS, K_FREE = K_FULL + 8 * STAGES;
constexpr int V_FULL = K_FREE + 8 * STAGES, V_FREE = V_FULL + 8 * STAGES;
[[maybe_unused]] constexpr int SCRATCH = V_FREE + 8 * STAGES;  // 16 bytes that nothing reads
[[maybe_unused]] constexpr int PARTS_AT = SCRATCH + 16;        // what groups with the same rows tell each other at the end
[[maybe_unused]] constexpr int WORK_AT = SCRATCH + 16;         // of chained tiles: what is to be done, beside each slot of Q

constexpr int TURN_BARRIER = 1, GROUP_BARRIER = TURN_BARRIER + GROUPS;

constexpr float LAZY_BITS = 8.0f;                      // weights may grow to 2^8 before a lazy rescale: far from f16's 65504
constexpr float MOST = 16384.0f;                       // what a thread's weights of a row may add up to before a checked one

static_assert(D % 32 == 0 && D <= 256, "head dimensions of this kernel");
static_assert(!SHARES || (PERSISTENT && !PAIRS), "shares are of CTAs that walk, tile by tile");
static_assert(!HALVES || (OVERLAPS && HALF_N < BLOCK_N), "half a block is taken by code of its own");
static_assert(!CHAINS || (OVERLAPS && !HALVES), "a tile's last product goes with whole first scores of the next");
static_assert(BLOCK_N % 16 == 0 && BLOCK_N >= 64 && BLOCK_N <= 256, "keys of a block");
static_assert(GROUPS >= 1 && GROUPS <= 4, "groups that compute");
static_assert(!SPLITS || (SPLIT_K == 2 && GROUPS % 2 == 0 && STAGES % 2 == 0), "two groups a row, with slots of their own");
static_assert(!SPLITS || !(PERSISTENT || STORES_TILES || HALVES), "they come together once, and store themselves");

extern __shared__ __align__(1024) char smem[];

struct shape {
	int heads, all_heads, grouped, sq, sk;         // heads of a batch, of all batches, query heads that share a key head
};

struct tile {
	int row, head, kv_head, batch;

	// Keys that query row `r` sees (none if not positive).
	static __device__ __forceinline__ int visible(const shape &p, int r) { return CAUSAL ? min(p.sk, r + 1 + p.sk - p.sq) : p.sk; }

	// Blocks of keys of which a row before `end` sees one.
	static __device__ __forceinline__ int blocks(const shape &p, int end) {
		return max(0, ceildiv(visible(p, min(end, p.sq) - 1), BLOCK_N));
	}
};

// Tiles are numbered by sections of SECTION heads; in a section all heads' first row tiles come first, then their second ...
// so that CTAs running at once share K and V of one section. The last section may have fewer heads. Of each head there are `places`;
// the tile's row is the number of its place.
__device__ __forceinline__ tile place_of(const shape &p, u32 index, u32 places) {
	u32 section = 0, size = 1, at = index;
	tile t;
	if constexpr (SECTION > 0) {
		section = index / (places * SECTION);
		at -= section * places * SECTION;
		size = min(SECTION, p.all_heads - (int)section * SECTION);
	} else {
		size = p.all_heads;
	}
	t.row = size == 1 ? at : at / size;
	u32 head = section * SECTION + (at - t.row * size);
	t.batch = head / (u32)p.heads;
	t.head = head - t.batch * p.heads;
	t.kv_head = p.grouped == 1 ? t.head : (u32)t.head / (u32)p.grouped;
	return t;
}

// Row tiles of a head.
__device__ __forceinline__ u32 places_of(const shape &p) { return ceildiv(p.sq, BLOCK_M); }

// A place for each row tile. Folded: half of them from the last tile down, then the others from the first up.
__device__ __forceinline__ tile tile_of(const shape &p, u32 index) {
	u32 row_tiles = places_of(p);
	tile t = place_of(p, index, row_tiles);
	u32 row = t.row, half = ceildiv(row_tiles, 2);
	if constexpr (axis_is(TILE_ORDER_DOWN)) row = row_tiles - 1 - row;
	if constexpr (axis_is(TILE_ORDER_FOLD)) row = row < half ? row_tiles - 1 - row : row - half;
	t.row = row * BLOCK_M;
	return t;
}

// What a CTA does next: blocks first to end - 1 of a tile, all of them, or a share, whose result goes to the workspace.
struct work {
	tile t;
	int first, end;
	int part;                                      // of the workspace; negative: none, the tile is whole
};
constexpr int NO_MORE = -1;                            // `end` of what comes after the last tile

// The blocks of the tiles that do not fill all CTAs, numbered tile by tile, are dealt to the CTAs in equal runs. As there are
// fewer such tiles than CTAs, no run has more blocks than a tile, and none is of more than two tiles. Blocks that a causal tile does
// not see are dealt like others, and left out by those who have them.
struct dealt {
	u32 whole, left, blocks;                       // tiles done whole, tiles left, blocks of a tile

	__device__ __forceinline__ explicit dealt(const shape &p)
		: whole(tiles(p) / larger(1, CTAS) * CTAS), left(tiles(p) - whole), blocks(ceildiv(p.sk, BLOCK_N)) {}
	__device__ static __forceinline__ u32 tiles(const shape &p) { return places_of(p) * p.all_heads; }
	__device__ __forceinline__ u32 first(u32 cta) const {
		return cta * left * blocks / larger(1, CTAS);  // below 2^32: at most 400 * 395 * 2^14
	}
};

// A CTA's walk over its work: its shares first, so that they are stored while whole tiles are computed. What stands where is
// computed anew from one number when it is asked for: a computing thread has no registers for more.
struct agenda {
	const shape &p;
	u32 at;

	__device__ __forceinline__ explicit agenda(const shape &shape) : p(shape), at(SHARES ? 0 : blockIdx.x) {}
	__device__ __forceinline__ void next() { at += SHARES ? 1 : gridDim.x; }

	__device__ __forceinline__ bool find(work &w) {
		if constexpr (PAIRS) return find_of_pair(w);
		u32 tiles = dealt::tiles(p), index = at;
		if constexpr (SHARES) {
			dealt d(p);
			u32 begin = d.first(blockIdx.x), end = d.first(blockIdx.x + 1), tile = begin / d.blocks;
			u32 cut = min(end, (tile + 1) * d.blocks), shares = (begin < end) + (cut < end);
			if (at < shares) {
				if (at > 0) begin = cut, tile++;
				else end = cut;
				w.t = tile_of(p, d.whole + tile);
				w.first = begin - tile * d.blocks;
				w.end = end - tile * d.blocks;
				if constexpr (CAUSAL) w.end = max(w.first, min(w.end, tile::blocks(p, w.t.row + BLOCK_M)));
				w.part = 2 * blockIdx.x + at;
				return true;
			}
			tiles = d.whole;
			index = blockIdx.x + (at - shares) * CTAS;
		}
		// Row tiles become shorter, or longer, as they come; so every other round goes through the CTAs backwards.
		if constexpr (CAUSAL && PERSISTENT) {
			u32 round = index / gridDim.x;
			if (round % 2 == 1) index = (2 * round + 1) * gridDim.x - 1 - index;
		}
		if (index >= tiles) return false;
		whole(w, tile_of(p, index));
		return true;
	}

	__device__ __forceinline__ void whole(work &w, const tile &t) const {
		w.t = t;
		w.first = 0;
		w.end = tile::blocks(p, t.row + BLOCK_M);
		w.part = -1;
	}

	// A head's n-th row tile from the end and its n-th from the beginning, one after the other: all pairs have the same work.
	__device__ __forceinline__ bool find_of_pair(work &w) {
		u32 row_tiles = ceildiv(p.sq, BLOCK_M), places = ceildiv(row_tiles, 2);
		for (;; next()) {
			u32 round = at / gridDim.x, pair = blockIdx.x + round / 2 * gridDim.x;
			if (pair >= places * p.all_heads) return false;
			tile t = place_of(p, pair, places);
			u32 last = row_tiles - 1 - t.row;
			if (round % 2 == 1 && last == (u32)t.row) continue;  // the middle one is alone
			t.row = (round % 2 == 1 ? t.row : last) * BLOCK_M;
			whole(w, t);
			return true;
		}
	}
};

// A slot of a ring and how often, in parity, the ring has gone round.
struct place {
	int slot = 0;
	u32 parity = 0;

	__device__ __forceinline__ void advance() {
		if (++slot == STAGES) slot = 0, parity ^= 1;
	}
	__device__ __forceinline__ void advance(int steps) {
		slot += steps;
		if (slot >= STAGES) slot -= STAGES, parity ^= 1;
	}
};

// The slot of a tile's Q, for all groups, and how often, in parity, it has been filled before.
struct q_place {
	u32 slot = 0, parity = 0;

	__device__ __forceinline__ u32 tile(u32 group) const { return (slot * ROW_GROUPS + group) * Q_GROUP_BYTES; }
	__device__ __forceinline__ u32 barrier(u32 group) const { return 8 * (slot * ROW_GROUPS + group); }
	__device__ __forceinline__ void advance() {
		if (++slot == Q_SLOTS) slot = 0, parity ^= 1;
	}
};

#endif
