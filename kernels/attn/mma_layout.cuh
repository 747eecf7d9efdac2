// mma_layout: the sizes of a candidate of mma.cu, where things lie in shared memory, how tiles are copied there, and who
// waits for whom. No arithmetic of attention here.
#ifndef ATTN_MMA_LAYOUT_CUH
#define ATTN_MMA_LAYOUT_CUH

constexpr int D = PROBLEM_D;
constexpr bool BF16 = axis_is(PROBLEM_DTYPE_BF16);
constexpr bool CAUSAL = PROBLEM_CAUSAL;

constexpr int STRIPS = WARP_M / 16;                    // 16-row strips of a warp
constexpr int GROUP_WARPS = BLOCK_M / WARP_M;
constexpr int GROUP_THREADS = 32 * GROUP_WARPS;
constexpr int THREADS = GROUP_THREADS * SPLIT_K;
constexpr int SPLITS = SPLIT_K * CLUSTER;
constexpr bool MERGES = SPLITS > 1;

// Shared memory: Q | a ring of STAGES slots (K, V) for each group | partial results of the groups | rows received.
constexpr int PITCH = 2 * D + (SWIZZLE ? 0 : 16);      // bytes from one row of a tile to the next
constexpr int TILE_BYTES = BLOCK_N * PITCH;
constexpr bool PART_HALF = axis_is(PART_F16);
constexpr int PART_PITCH = PART_HALF ? 2 * D + 16 : 4 * D + 32;  // bytes; the padding spreads a fragment's rows over the banks
constexpr int PART_BYTES = BLOCK_M * (PART_PITCH + 8);          // O, then (maximum, sum) of each row
constexpr int Q_BYTES = axis_is(Q_PATH_GLOBAL) ? 0 : BLOCK_M * PITCH;
constexpr int RING_BYTES = 2 * STAGES * TILE_BYTES;
constexpr bool PART_APART = axis_is(MERGE_SPACE_APART);
constexpr int GROUP_BYTES = MERGES && !PART_APART ? larger(RING_BYTES, PART_BYTES) : RING_BYTES;
constexpr int PARTS_AT = PART_APART ? Q_BYTES + SPLIT_K * GROUP_BYTES : Q_BYTES;
constexpr int PARTS_STEP = PART_APART ? PART_BYTES : GROUP_BYTES;
constexpr int RECEIVE_AT = Q_BYTES + SPLIT_K * (GROUP_BYTES + (MERGES && PART_APART ? PART_BYTES : 0));
constexpr int OWN_ROWS = BLOCK_M / CLUSTER;            // rows that this CTA of the cluster finishes
constexpr int RECEIVE_BYTES = OWN_ROWS * (4 * D + 8);  // from one other CTA

constexpr int COLUMNS = OUT_BYTES / 2;                 // columns of a store
constexpr int UNROLLED = UNROLL;                       // a pragma does not see macros
constexpr float MINUS_INFINITY = -__builtin_huge_valf();
constexpr float LOG2_E = 1.44269504088896340736f;
constexpr float LAZY_BITS = 8.0f;                      // weights may grow to 2^8 before a lazy rescale: far from f16's 65504

static_assert(D == 64 || D == 128, "head dimensions of this kernel");
static_assert(BLOCK_M % WARP_M == 0 && WARP_M % 16 == 0 && BLOCK_N % 16 == 0, "tiles are made of 16 by 16 fragments");
static_assert(THREADS <= 1024, "threads of a CTA");
static_assert(GROUP_WARPS == 1 || SPLIT_K <= 15, "named barriers 1 to 15");
static_assert(BLOCK_M % CLUSTER == 0, "every CTA of a cluster owns as many rows");
static_assert(GROUP_BYTES % 16 == 0 && PART_BYTES % 16 == 0 && RECEIVE_BYTES % 16 == 0, "16-byte accesses");

extern __shared__ __align__(128) char smem[];

// Byte offset of 16-byte chunk `chunk` of a row in a tile. Eight rows at one chunk fall into eight different bank groups:
// by the xor, or by the 16 bytes of padding.
__device__ __forceinline__ int tile_at(int row, int chunk) {
	return row * PITCH + 16 * (SWIZZLE ? chunk ^ (row & 7) : chunk);
}

__device__ __forceinline__ void copy_16(u32 to, const u16 *from, int bytes, u64 policy) {
	if constexpr (axis_is(KV_CACHE_L1)) cp_async_ca_shared_global_16(to, from, bytes);
	else if constexpr (axis_is(KV_CACHE_DEFAULT)) cp_async_cg_shared_global_16<L2_PREFETCH>(to, from, bytes);
	else cp_async_cg_shared_global_16_hint<L2_PREFETCH>(to, from, bytes, policy);
}

// ROWS rows from `matrix` on into a tile, by N threads; rows from `left` on become zeros. The stride of rows, in elements,
// fits 31 bits, which makes an address one multiplication.
template <int ROWS, int N>
__device__ __forceinline__ void copy_tile(u32 tile, const u16 *matrix, int stride, int left, int thread, u64 policy) {
	constexpr int CHUNKS = D / 8, STEP = N / CHUNKS;
	static_assert(N % CHUNKS == 0, "a thread keeps to one column of chunks");
	int row = thread / CHUNKS, chunk = thread % CHUNKS;
	const u16 *from = matrix + (i64)row * stride + 8 * chunk;
	left -= row;
#pragma unroll
	for (int r = 0; r < ROWS; r += STEP) {
		if (ROWS % STEP == 0 || row + r < ROWS) copy_16(tile + tile_at(row + r, chunk), from, r < left ? 16 : 0, policy);
		from += (i64)STEP * stride;
	}
}

__device__ __forceinline__ void group_sync(int group) {
	if constexpr (GROUP_WARPS == 1) __syncwarp();
	else if constexpr (SPLIT_K == 1) __syncthreads();
	else bar_sync(1 + group, GROUP_THREADS);
}

#endif
