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
constexpr bool MERGES = SPLIT_K > 1;

// Shared memory: Q | a ring of STAGES slots (K, V) for each group, over which its partial results are put at the end.
constexpr int PITCH = 2 * D;                           // bytes from one row of a tile to the next
constexpr int TILE_BYTES = BLOCK_N * PITCH;
constexpr int PART_PITCH = 4 * D + 32;  // bytes; the padding spreads a fragment's rows over the banks
constexpr int PART_BYTES = BLOCK_M * (PART_PITCH + 8);          // O, then (maximum, sum) of each row
constexpr int Q_BYTES = axis_is(Q_PATH_GLOBAL) ? 0 : BLOCK_M * PITCH;
constexpr int RING_BYTES = 2 * STAGES * TILE_BYTES;
constexpr int GROUP_BYTES = MERGES ? larger(RING_BYTES, PART_BYTES) : RING_BYTES;

constexpr int COLUMNS = OUT_BYTES / 2;                 // columns of a store
constexpr int UNROLLED = UNROLL;                       // a pragma does not see macros
constexpr float LAZY_BITS = 8.0f;                      // weights may grow to 2^8 before a lazy rescale: far from f16's 65504
constexpr float MOST = 16384.0f;                       // what a thread's weights of a row may add up to before a checked one

static_assert(D == 64 || D == 96 || D == 128 || D == 192 || D == 256, "head dimensions of this kernel");
static_assert(BLOCK_M % WARP_M == 0 && WARP_M % 16 == 0 && BLOCK_N % 16 == 0, "tiles are made of 16 by 16 fragments");
static_assert(THREADS <= 1024, "threads of a CTA");
static_assert(GROUP_WARPS == 1 || SPLIT_K <= 15, "named barriers 1 to 15");
static_assert(GROUP_BYTES % 16 == 0 && PART_BYTES % 16 == 0, "16-byte accesses");

extern __shared__ __align__(128) char smem[];

// Byte offset of 16-byte chunk `chunk` of a row in a tile. Eight rows at one chunk fall into eight different bank groups:
// by the xor, which does half of it where rows are an odd multiple of 64 bytes, for then every other row begins half way
// round the banks. (Rows padded by 16 bytes instead took 6.94 us where this takes 5.16, seed problem, H200.)
__device__ __forceinline__ int tile_at(int row, int chunk) {
	if constexpr (PITCH % 128 == 0) return row * PITCH + 16 * (chunk ^ (row & 7));
	else return row * PITCH + 16 * (chunk ^ (row >> 1 & 3));
}

// CHUNKS columns of 16-byte chunks, from FIRST on, of ROWS rows from `matrix` on into a tile, by N threads; rows from `left`
// on become zeros. The stride of rows, in elements, fits 31 bits, which makes an address one multiplication.
template <int ROWS, int N, int FIRST, int CHUNKS>
__device__ __forceinline__ void copy_chunks(u32 tile, const u16 *matrix, int stride, int left, int thread) {
	constexpr int STEP = N / CHUNKS;
	static_assert(N % CHUNKS == 0, "a thread keeps to one column of chunks");
	int row = thread / CHUNKS, chunk = FIRST + thread % CHUNKS;
	const u16 *from = matrix + (i64)row * stride + 8 * chunk;
	left -= row;
#pragma unroll
	for (int r = 0; r < ROWS; r += STEP) {
		if (ROWS % STEP == 0 || row + r < ROWS)
			cp_async_cg_shared_global_16<L2_PREFETCH>(tile + tile_at(row + r, chunk), from, r < left ? 16 : 0);
		from += (i64)STEP * stride;
	}
}

// All columns: the largest power of two of them, then the rest, which is half as many (of D = 96 and 192) or none.
template <int ROWS, int N>
__device__ __forceinline__ void copy_tile(u32 tile, const u16 *matrix, int stride, int left, int thread) {
	constexpr int CHUNKS = D / 8, MOST = (CHUNKS & (CHUNKS - 1)) == 0 ? CHUNKS : CHUNKS / 3 * 2;
	copy_chunks<ROWS, N, 0, MOST>(tile, matrix, stride, left, thread);
	if constexpr (MOST < CHUNKS) copy_chunks<ROWS, N, MOST, CHUNKS - MOST>(tile, matrix, stride, left, thread);
}

__device__ __forceinline__ void group_sync(int group) {
	if constexpr (GROUP_WARPS == 1) __syncwarp();
	else if constexpr (SPLIT_K == 1) __syncthreads();
	else bar_sync(1 + group, GROUP_THREADS);
}

#endif
