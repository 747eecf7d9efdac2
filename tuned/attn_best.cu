/* nvcc -arch=sm_90a -cubin -std=c++17 -O3 -Xptxas=-v -o candidate.cubin candidate.cu
 * problem: b=1 h=8 hkv=8 sq=512 sk=512 d=64 dtype=f16 causal=0 layout=bhsd
 * candidate: mma BLOCK_M=32 WARP_M=16 BLOCK_N=128 SPLIT_K=4 STAGES=1 WAIT=split Q_PATH=shared L2_PREFETCH=0 GRID_ORDER=rows TILE_ORDER=up FIRST_STEP=peel RESCALE=moved EXP_POLY=0 EXP_PLACE=pv MASK=branch UNROLL=1 MIN_BLOCKS=1 OUT_BYTES=8 PDL=1
 */
#define BLOCK_M 32
#define WARP_M 16
#define BLOCK_N 128
#define SPLIT_K 4
#define STAGES 1
#define WAIT_SPLIT 1
#define Q_PATH_SHARED 1
#define L2_PREFETCH 0
#define GRID_ORDER_ROWS 1
#define TILE_ORDER_UP 1
#define FIRST_STEP_PEEL 1
#define RESCALE_MOVED 1
#define EXP_POLY 0
#define EXP_PLACE_PV 1
#define MASK_BRANCH 1
#define UNROLL 1
#define MIN_BLOCKS 1
#define OUT_BYTES 8
#define PDL 1
#define PROBLEM_D 64
#define PROBLEM_DTYPE_F16 1
#define PROBLEM_CAUSAL 0

// attn_mma: attention forward on tensor cores (mma.sync m16n8k16), one CTA for BLOCK_M query rows of a head.
//
// The keys of a head are cut into blocks of BLOCK_N. SPLIT_K groups of warps share the blocks, a run of them each;
// each group has all BLOCK_M rows, WARP_M of them a warp. A group copies its blocks of K and V by cp.async into a ring of
// STAGES slots of its own, so groups never wait for one another: for each block it computes S = Q K^T with Q in registers,
// the online softmax in base 2 (scale * log2 e folded into one multiply-add), and O += P V with P taken from the
// accumulators of S, whose layout is that of an A operand. A short key range fits the ring whole, and then one memory
// latency is paid, not one a block. mma_layout.cuh has the sizes and copies, mma_step.cuh the arithmetic of a block.
// With RESCALE=checked the blocks behind a group's first are weighed by its maxima, and once more by their own where that gives
// weights that are too large.
// At the end (mma_merge.cuh) the groups put (maximum, sum, O) of each row into shared memory and all threads add them up.
//
// Keys beyond the end are copied as zeros and masked to minus infinity; rows beyond the end are computed from zeros or from
// the last row and not stored. A row that sees no key becomes 0. `scale` must be positive. Pointers and strides are aligned
// to 16 bytes.
// --- attune/axis.cuh
// axis: turns the defines of a flat source into constants. An axis or flag with words for values is defined as 1 under the
// name of the chosen word only (KV_CACHE_EVICT_LAST, PROBLEM_DTYPE_BF16); axis_is() makes 0 or 1 of such a name, so that
// kernels choose with `if constexpr` instead of the preprocessor.
#ifndef ATTUNE_AXIS_CUH
#define ATTUNE_AXIS_CUH

#define AXIS_FIRST_1 0,
#define axis_second(a, b, ...) b
#define axis_pick(...) axis_second(__VA_ARGS__, 0, 0)
#define axis_join(x) AXIS_FIRST_##x
#define axis_probe(x) axis_join(x)
#define axis_is(x) (axis_pick(axis_probe(x) 1))

typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

__host__ __device__ constexpr int ceildiv(int a, int b) { return (a + b - 1) / b; }
__host__ __device__ constexpr int larger(int a, int b) { return a > b ? a : b; }
__host__ __device__ constexpr int smaller(int a, int b) { return a < b ? a : b; }

#endif
// --- attune/ptx_copy.cuh
// ptx_copy: asynchronous copies from global to shared memory (cp.async, sm_80 and later), global accesses of a given width,
// and L2 cache policies for those copies that take one. Addresses of shared memory are 32-bit (cvta_shared).
#ifndef ATTUNE_PTX_COPY_CUH
#define ATTUNE_PTX_COPY_CUH

__device__ __forceinline__ u32 cvta_shared(const void *p) { return (u32)__cvta_generic_to_shared(p); }

// Copies 16 bytes, past L1, of which the first `bytes` (16 or 0) are read and the others are zeros. L2 may fetch PREFETCH
// bytes around the address (0, 64, 128, 256). There is no form with a cache policy: for it ptxas 13.0 takes a part of the
// destination that is the same in a whole warp into a uniform register next to that of the policy, and wrote
// `LDGSTS [R11+UR0], desc[UR1]` with both unset, an illegal instruction on sm_90.
#define ATTUNE_CP_ASYNC(prefetch) \
	asm volatile("cp.async.cg.shared.global" prefetch " [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory")

template <int PREFETCH>
__device__ __forceinline__ void cp_async_cg_shared_global_16(u32 to, const void *from, int bytes) {
	if constexpr (PREFETCH == 0) ATTUNE_CP_ASYNC("");
	else if constexpr (PREFETCH == 64) ATTUNE_CP_ASYNC(".L2::64B");
	else if constexpr (PREFETCH == 128) ATTUNE_CP_ASYNC(".L2::128B");
	else ATTUNE_CP_ASYNC(".L2::256B");
}

__device__ __forceinline__ void cp_async_commit_group() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most PENDING of this thread's latest groups are unfinished.
template <int PENDING> __device__ __forceinline__ void cp_async_wait_group() {
	asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}

__device__ __forceinline__ u64 createpolicy_fractional_l2_evict_last() {
	u64 policy;
	asm volatile("createpolicy.fractional.L2::evict_last.b64 %0, 1.0;" : "=l"(policy));
	return policy;
}

__device__ __forceinline__ u64 createpolicy_fractional_l2_evict_first() {
	u64 policy;
	asm volatile("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
	return policy;
}

// Read-only data. Volatile, so that it is issued where it is written and not sunk to its first use.
__device__ __forceinline__ u32 ld_global_nc_b32(const void *p) {
	u32 x;
	asm volatile("ld.global.nc.b32 %0, [%1];" : "=r"(x) : "l"(p));
	return x;
}

// Stores of N words at once. As C++ assignments the compiler splits some of them.
template <int N> __device__ __forceinline__ void st_global_b32(void *p, const u32 (&x)[N]) {
	static_assert(N == 1 || N == 2 || N == 4, "4, 8 or 16 bytes");
	if constexpr (N == 1) asm volatile("st.global.b32 [%0], %1;" ::"l"(p), "r"(x[0]) : "memory");
	else if constexpr (N == 2) asm volatile("st.global.v2.b32 [%0], {%1, %2};" ::"l"(p), "r"(x[0]), "r"(x[1]) : "memory");
	else
		asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(p), "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3])
			     : "memory");
}

#endif
// --- attune/ptx_math.cuh
// ptx_math: conversions between float32 and the 16-bit types, and the fast special functions, as PTX has them. The 16-bit
// types travel as bits (u16, and u32 for two of them, the first element in the low half), so that no CUDA header is needed.
#ifndef ATTUNE_PTX_MATH_CUH
#define ATTUNE_PTX_MATH_CUH

__device__ __forceinline__ float cvt_f32_f16(u16 x) {
	float y;
	asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x));
	return y;
}

__device__ __forceinline__ float cvt_f32_bf16(u16 x) { return __uint_as_float((u32)x << 16); }

__device__ __forceinline__ u16 cvt_rn_f16_f32(float x) {
	u16 y;
	asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x));
	return y;
}

__device__ __forceinline__ u16 cvt_rn_bf16_f32(float x) {
	u16 y;
	asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y) : "f"(x));
	return y;
}

__device__ __forceinline__ u32 cvt_rn_f16x2_f32(float low, float high) {
	u32 y;
	asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
	return y;
}

__device__ __forceinline__ u32 cvt_rn_bf16x2_f32(float low, float high) {
	u32 y;
	asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
	return y;
}

// One element, or two packed, of the problem's dtype.
template <bool BF16> __device__ __forceinline__ float element_to_f32(u16 x) {
	if constexpr (BF16) return cvt_f32_bf16(x);
	else return cvt_f32_f16(x);
}

template <bool BF16> __device__ __forceinline__ u16 element_from_f32(float x) {
	if constexpr (BF16) return cvt_rn_bf16_f32(x);
	else return cvt_rn_f16_f32(x);
}

template <bool BF16> __device__ __forceinline__ u32 element_pair_from_f32(float low, float high) {
	if constexpr (BF16) return cvt_rn_bf16x2_f32(low, high);
	else return cvt_rn_f16x2_f32(low, high);
}

// 2^x; 2^-infinity is 0.
__device__ __forceinline__ float ex2_approx_ftz_f32(float x) {
	float y;
	asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
	return y;
}

// 2^x without the special-function unit, for x <= 127: x = n + f with |f| <= 1/2 by adding and subtracting 1.5 * 2^23, whose
// low bits then hold n; 2^f by a cubic of least relative error, 1.0e-4, exact at 0; n added to the exponent. Exactly 0 for
// -infinity, which makes a masked key weigh nothing. With ANY any x will do, and what is beyond 127 becomes 2^127.
template <bool ANY = false> __device__ __forceinline__ float ex2_cubic_f32(float x) {
	constexpr float SHIFTER = 12582912.0f;
	x = fmaxf(x, -127.0f);
	if constexpr (ANY) x = fminf(x, 127.0f);
	float n = x + SHIFTER, f = x - (n - SHIFTER);
	float y = fmaf(fmaf(fmaf(0.05500897f, f, 0.24221106f), f, 0.69328293f), f, 1.0f);
	return __int_as_float(__float_as_int(y) + (__float_as_int(n) << 23));
}

__device__ __forceinline__ float rcp_approx_ftz_f32(float x) {
	float y;
	asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
	return y;
}

#endif
// --- attune/ptx_mma.cuh
// ptx_mma: tensor-core products by mma.sync and the loads of their fragments (sm_80 and later).
// Fragments of m16n8k16, lane = 4*g + q: A holds rows g, g+8 (registers 0/2, 1/3), columns 2q, 2q+1 (+8 in registers 2, 3);
// B holds rows 2q, 2q+1 (+8 in register 1) of column g; C holds rows g (0, 1) and g+8 (2, 3), columns 2q, 2q+1.
#ifndef ATTUNE_PTX_MMA_CUH
#define ATTUNE_PTX_MMA_CUH

// Four 8x8 matrices of 16-bit elements; lane l gives the address of row l%8 of matrix l/8.
__device__ __forceinline__ void ldmatrix_x4(u32 (&r)[4], u32 from) {
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
		     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(from));
}

__device__ __forceinline__ void ldmatrix_x4_trans(u32 (&r)[4], u32 from) {
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
		     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(from));
}

// C += A B
__device__ __forceinline__ void mma_m16n8k16_f32_f16(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
	asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
	    : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
	    : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ __forceinline__ void mma_m16n8k16_f32_bf16(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
	asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
	    : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
	    : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

template <bool BF16>
__device__ __forceinline__ void mma_m16n8k16(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
	if constexpr (BF16) mma_m16n8k16_f32_bf16(c, a, b0, b1);
	else mma_m16n8k16_f32_f16(c, a, b0, b1);
}

#endif
// --- attune/ptx_sync.cuh
// ptx_sync: barriers among some threads of a CTA, and the two halves of programmatic dependent launch (sm_90 and later;
// without effect where the launch does not ask for it).
#ifndef ATTUNE_PTX_SYNC_CUH
#define ATTUNE_PTX_SYNC_CUH

// Barrier `id` (1..15; 0 is __syncthreads) among `threads` threads, a multiple of 32.
__device__ __forceinline__ void bar_sync(int id, int threads) {
	asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

// Waits until the kernels before this one in the stream have finished and their writes are visible.
__device__ __forceinline__ void griddepcontrol_wait() { asm volatile("griddepcontrol.wait;" ::: "memory"); }

// Lets the next kernel of the stream be set up already.
__device__ __forceinline__ void griddepcontrol_launch_dependents() {
	asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
}

#endif
// --- softmax.cuh
// softmax: what the online softmax of every tensor-core kernel here begins with, in base 2.
#ifndef ATTN_SOFTMAX_CUH
#define ATTN_SOFTMAX_CUH

constexpr float MINUS_INFINITY = -__builtin_huge_valf();
constexpr float LOG2_E = 1.44269504088896340736f;

// What to subtract before ex2: a row that has seen no key has maximum -infinity, and must not give -inf - -inf.
__device__ __forceinline__ float finite(float maximum) { return maximum == MINUS_INFINITY ? 0.0f : maximum; }

// Over the four threads that share a row of a fragment of sums.
__device__ __forceinline__ float quad_max(float x) {
	x = fmaxf(x, __shfl_xor_sync(~0u, x, 1));
	return fmaxf(x, __shfl_xor_sync(~0u, x, 2));
}

__device__ __forceinline__ float quad_sum(float x) {
	x += __shfl_xor_sync(~0u, x, 1);
	return x + __shfl_xor_sync(~0u, x, 2);
}

#endif
// --- mma_layout.cuh
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
// --- mma_step.cuh
// mma_step: what one warp does with one block of keys, all in registers but the tiles that it reads: S = Q K^T, mask,
// online softmax, O += P V. Copies and waiting are the business of mma.cu.
#ifndef ATTN_MMA_STEP_CUH
#define ATTN_MMA_STEP_CUH

// What a thread knows of its rows: strip t, row lane/4 + 8*r. Rows of fragments are as in ptx_mma.
struct rows {
	u32 q[STRIPS][D / 16][4];
	float s[STRIPS][BLOCK_N / 8][4];
	u32 p[STRIPS][BLOCK_N / 16][4];
	float o[STRIPS][D / 8][4];
	float sum[STRIPS][2];  // of this thread's columns only, until the end
	float max[STRIPS][2];  // of scale * log2(e) * s
};

// Rows beyond the end (`left` and later) take the last one's place.
__device__ __forceinline__ void load_q_global(rows &w, const u16 *q, int stride, int row, int left, int lane) {
#pragma unroll
	for (int t = 0; t < STRIPS; t++) {
		const u16 *a = q + (i64)min(row + 16 * t + lane / 4, left - 1) * stride + 2 * (lane % 4);
		const u16 *b = q + (i64)min(row + 16 * t + lane / 4 + 8, left - 1) * stride + 2 * (lane % 4);
#pragma unroll
		for (int k = 0; k < D / 16; k++) {
			w.q[t][k][0] = ld_global_nc_b32(a + 16 * k);
			w.q[t][k][1] = ld_global_nc_b32(b + 16 * k);
			w.q[t][k][2] = ld_global_nc_b32(a + 16 * k + 8);
			w.q[t][k][3] = ld_global_nc_b32(b + 16 * k + 8);
		}
	}
}

__device__ __forceinline__ void load_q_shared(rows &w, int k, u32 tile, int row, int lane) {
#pragma unroll
	for (int t = 0; t < STRIPS; t++)
		ldmatrix_x4(w.q[t][k], tile + tile_at(row + 16 * t + lane % 16, 2 * k + lane / 16));
}

// S = Q K^T for one block: two n8 tiles of keys by one k16 step of d at a time.
__device__ __forceinline__ void multiply_qk(rows &w, u32 q_tile, int q_row, u32 tile, int lane) {
#pragma unroll
	for (int t = 0; t < STRIPS; t++)
#pragma unroll
		for (int n = 0; n < BLOCK_N / 8; n++) w.s[t][n][0] = w.s[t][n][1] = w.s[t][n][2] = w.s[t][n][3] = 0.0f;
#pragma unroll
	for (int k = 0; k < D / 16; k++) {
		if constexpr (axis_is(Q_PATH_RELOAD)) load_q_shared(w, k, q_tile, q_row, lane);
#pragma unroll
		for (int n = 0; n < BLOCK_N / 16; n++) {
			u32 b[4];
			ldmatrix_x4(b, tile + tile_at(16 * n + lane / 16 * 8 + lane % 8, 2 * k + lane / 8 % 2));
#pragma unroll
			for (int t = 0; t < STRIPS; t++) {
				mma_m16n8k16<BF16>(w.s[t][2 * n], w.q[t][k], b[0], b[1]);
				mma_m16n8k16<BF16>(w.s[t][2 * n + 1], w.q[t][k], b[2], b[3]);
			}
		}
	}
}

// Keys that query row `row` sees.
__device__ __forceinline__ int visible(int row, int sq, int sk) { return CAUSAL ? min(sk, row + 1 + sk - sq) : sk; }

__device__ __forceinline__ void mask(rows &w, int first_key, int row, int sq, int sk, int lane) {
#pragma unroll
	for (int t = 0; t < STRIPS; t++)
#pragma unroll
		for (int r = 0; r < 2; r++) {
			int seen = visible(row + 16 * t + lane / 4 + 8 * r, sq, sk) - first_key - 2 * (lane % 4);
#pragma unroll
			for (int n = 0; n < BLOCK_N / 8; n++)
#pragma unroll
				for (int e = 0; e < 2; e++)
					if (8 * n + e >= seen) w.s[t][n][2 * r + e] = MINUS_INFINITY;
		}
}

__device__ __forceinline__ void start_rows(rows &w) {
#pragma unroll
	for (int t = 0; t < STRIPS; t++) {
		w.max[t][0] = w.max[t][1] = MINUS_INFINITY;
		w.sum[t][0] = w.sum[t][1] = 0.0f;
#pragma unroll
		for (int n = 0; n < D / 8; n++) w.o[t][n][0] = w.o[t][n][1] = w.o[t][n][2] = w.o[t][n][3] = 0.0f;
	}
}

// The maxima of the new scores of strip t, row lane/4 + 8*r, over the quad that shares the row.
__device__ __forceinline__ float peak_of(const rows &w, int t, int r, float scale) {
	float x = fmaxf(w.s[t][0][2 * r], w.s[t][0][2 * r + 1]);
#pragma unroll
	for (int n = 1; n < BLOCK_N / 8; n++) x = fmaxf(x, fmaxf(w.s[t][n][2 * r], w.s[t][n][2 * r + 1]));
	return quad_max(x) * scale;
}

// Moves the running maxima over the new scores and rescales what was summed under the old ones.
__device__ __forceinline__ void move_max(rows &w, float scale) {
	float peak[STRIPS][2];
	bool rescale = false;
#pragma unroll
	for (int t = 0; t < STRIPS; t++)
#pragma unroll
		for (int r = 0; r < 2; r++) {
			peak[t][r] = fmaxf(w.max[t][r], peak_of(w, t, r, scale));
			rescale |= peak[t][r] > w.max[t][r] + (axis_is(RESCALE_LAZY) ? LAZY_BITS : 0.0f);
		}
	if constexpr (!axis_is(RESCALE_ALWAYS))
		if (!__any_sync(~0u, rescale)) return;
#pragma unroll
	for (int t = 0; t < STRIPS; t++)
#pragma unroll
		for (int r = 0; r < 2; r++) {
			float shrink = ex2_approx_ftz_f32(w.max[t][r] - finite(peak[t][r]));
			w.max[t][r] = peak[t][r];
			w.sum[t][r] *= shrink;
#pragma unroll
			for (int n = 0; n < D / 8; n++) w.o[t][n][2 * r] *= shrink, w.o[t][n][2 * r + 1] *= shrink;
		}
}

// The same before anything was summed.
__device__ __forceinline__ void first_max(rows &w, float scale) {
#pragma unroll
	for (int t = 0; t < STRIPS; t++)
#pragma unroll
		for (int r = 0; r < 2; r++) w.max[t][r] = peak_of(w, t, r, scale);
}

// Weights of keys 16*k..16*k+15 as an A operand, and their sum. CHECKED: infinite or not a number in a row that has no maximum yet.
template <bool CHECKED = false> __device__ __forceinline__ void weigh(rows &w, int k, float scale) {
#pragma unroll
	for (int t = 0; t < STRIPS; t++)
#pragma unroll
		for (int i = 0; i < 4; i++) {
			const float *s = &w.s[t][2 * k + i / 2][2 * (i % 2)];
			float base = -(CHECKED ? w.max[t][i % 2] : finite(w.max[t][i % 2]));
			float x = ex2_approx_ftz_f32(fmaf(s[0], scale, base)), y = fmaf(s[1], scale, base);
			bool cubic = EXP_POLY > 0 && (4 * k + i) % larger(1, EXP_POLY / 2) == 0;
			y = cubic ? ex2_cubic_f32<CHECKED>(y) : ex2_approx_ftz_f32(y);
			w.sum[t][i % 2] += x + y;
			w.p[t][k][i] = element_pair_from_f32<BF16>(x, y);
		}
}

template <bool CHECKED = false> __device__ __forceinline__ void weigh_block(rows &w, float scale) {
#pragma unroll
	for (int k = 0; k < BLOCK_N / 16; k++) weigh<CHECKED>(w, k, scale);
}

// Weights by the maxima of earlier blocks. Those of a row that had none, or that add up to more than MOST in a thread, are of no use:
// then the warp moves the maxima and weighs once more.
__device__ __forceinline__ void weigh_checked(rows &w, float scale) {
	float sum[STRIPS][2];
	bool wrong = false;
#pragma unroll
	for (int t = 0; t < STRIPS; t++)
#pragma unroll
		for (int r = 0; r < 2; r++) sum[t][r] = w.sum[t][r], w.sum[t][r] = 0.0f;
	weigh_block<true>(w, scale);
#pragma unroll
	for (int t = 0; t < STRIPS; t++) wrong |= !(w.sum[t][0] <= MOST && w.sum[t][1] <= MOST);
	bool again = __any_sync(~0u, wrong);
#pragma unroll
	for (int t = 0; t < STRIPS; t++)
#pragma unroll
		for (int r = 0; r < 2; r++) w.sum[t][r] = again ? sum[t][r] : w.sum[t][r] + sum[t][r];
	if (!again) return;
	move_max(w, scale);
	weigh_block(w, scale);
}

__device__ __forceinline__ void multiply_pv(rows &w, u32 tile, float scale, int lane) {
#pragma unroll
	for (int k = 0; k < BLOCK_N / 16; k++) {
		if constexpr (axis_is(EXP_PLACE_PV)) weigh(w, k, scale);
#pragma unroll
		for (int n = 0; n < D / 16; n++) {
			u32 b[4];
			ldmatrix_x4_trans(b, tile + tile_at(16 * k + lane % 16, 2 * n + lane / 16));
#pragma unroll
			for (int t = 0; t < STRIPS; t++) {
				mma_m16n8k16<BF16>(w.o[t][2 * n], w.p[t][k], b[0], b[1]);
				mma_m16n8k16<BF16>(w.o[t][2 * n + 1], w.p[t][k], b[2], b[3]);
			}
		}
	}
}

#endif
// --- mma_merge.cuh
// mma_merge: the end of mma.cu. Adds up what groups of warps found for the same rows, divides by the sums and stores O.
// Without a split the rows go from registers to global memory by way of shuffles.
#ifndef ATTN_MMA_MERGE_CUH
#define ATTN_MMA_MERGE_CUH

// The rows are dealt out so that consecutive threads have consecutive pieces of COLUMNS columns, and
// that a thread with several pieces has them in one row where it can, whose weights it then computes once.
constexpr int power_below(int x) { return x < 2 ? 1 : 2 * power_below(x / 2); }  // the largest power of two up to x
constexpr int ROW_PIECES = D / COLUMNS;
constexpr int PIECES = smaller(power_below(BLOCK_M * ROW_PIECES / THREADS), 16 / COLUMNS);
constexpr int ROW_THREADS = ROW_PIECES / PIECES;
constexpr int ROWS_AT_ONCE = THREADS / ROW_THREADS;
constexpr int ROUNDS = ceildiv(BLOCK_M, ROWS_AT_ONCE);
static_assert(!MERGES || (ROW_PIECES % PIECES == 0 && ROWS_AT_ONCE > 0), "a row is dealt to threads of one round");

__device__ __forceinline__ int row_of(int round) { return round * ROWS_AT_ONCE + threadIdx.x / ROW_THREADS; }
__device__ __forceinline__ int column_of(int piece) {
	return COLUMNS * (threadIdx.x % ROW_THREADS + piece * ROW_THREADS);
}

// A thread's pieces of one row: o is the sum of 2^(s - max) v, sum that of 2^(s - max).
struct finish {
	float max, sum, o[PIECES][COLUMNS];

	__device__ __forceinline__ void clear() {
		sum = 0.0f;
#pragma unroll
		for (int p = 0; p < PIECES; p++)
#pragma unroll
			for (int c = 0; c < COLUMNS; c++) o[p][c] = 0.0f;
	}
	// Adds weight times a row.
	__device__ __forceinline__ void add(const float *row, float weight) {
#pragma unroll
		for (int p = 0; p < PIECES; p++) {
			const float *from = row + column_of(p);
#pragma unroll
			for (int c = 0; c < COLUMNS; c += 4)
				if constexpr (COLUMNS == 2) {
					float2 x = *(const float2 *)from;
					o[p][0] += weight * x.x, o[p][1] += weight * x.y;
				} else {
					float4 x = *(const float4 *)(from + c);
					o[p][c] += weight * x.x, o[p][c + 1] += weight * x.y;
					o[p][c + 2] += weight * x.z, o[p][c + 3] += weight * x.w;
				}
		}
	}
	__device__ __forceinline__ void store(u16 *row) const {
		float inverse = sum > 0.0f ? rcp_approx_ftz_f32(sum) : 0.0f;
#pragma unroll
		for (int p = 0; p < PIECES; p++) {
			u32 x[COLUMNS / 2];
#pragma unroll
			for (int c = 0; c < COLUMNS / 2; c++)
				x[c] = element_pair_from_f32<BF16>(o[p][2 * c] * inverse, o[p][2 * c + 1] * inverse);
			st_global_b32(row + column_of(p), x);
		}
	}
};

// Puts a group's rows where all threads can read them, in float32: partial results in f16 halve this traffic and win nothing
// (4.365 us with either, seed problem, H200), but some rows then miss the tolerance by rounding twice.
__device__ __forceinline__ void write_part(const rows &w, int group, int row, int lane) {
	char *part = smem + Q_BYTES + group * GROUP_BYTES;
	float2 *known = (float2 *)(part + BLOCK_M * PART_PITCH);
#pragma unroll
	for (int t = 0; t < STRIPS; t++)
#pragma unroll
		for (int r = 0; r < 2; r++) {
			int at = row + 16 * t + lane / 4 + 8 * r;
			if (lane % 4 == 0) known[at] = make_float2(w.max[t][r], w.sum[t][r]);
			float *to = (float *)(part + at * PART_PITCH) + 2 * (lane % 4);
#pragma unroll
			for (int n = 0; n < D / 8; n++)
				*(float2 *)(to + 8 * n) = make_float2(w.o[t][n][2 * r], w.o[t][n][2 * r + 1]);
		}
}

// Adds up what the groups found for one row.
__device__ __forceinline__ void merge_groups(finish &x, int row) {
	float2 known[SPLIT_K];
	x.max = MINUS_INFINITY;
#pragma unroll
	for (int g = 0; g < SPLIT_K; g++) {
		known[g] = ((const float2 *)(smem + Q_BYTES + g * GROUP_BYTES + BLOCK_M * PART_PITCH))[row];
		x.max = fmaxf(x.max, known[g].x);
	}
	x.clear();
#pragma unroll
	for (int g = 0; g < SPLIT_K; g++) {
		const char *part = smem + Q_BYTES + g * GROUP_BYTES + row * PART_PITCH;
		float weight = ex2_approx_ftz_f32(known[g].x - finite(x.max));
		x.sum += weight * known[g].y;
		x.add((const float *)part, weight);
	}
}

__device__ __forceinline__ void merge_rows(u16 *o, i64 stride, int rows_left) {
	if (THREADS % ROW_THREADS > 0 && threadIdx.x >= ROWS_AT_ONCE * ROW_THREADS) return;  // D = 96 and 192
#pragma unroll
	for (int round = 0; round < ROUNDS; round++) {
		int row = row_of(round);
		if (BLOCK_M % ROWS_AT_ONCE > 0 && row >= BLOCK_M) break;
		finish x;
		merge_groups(x, row);
		if (row < rows_left) x.store(o + row * stride);
	}
}

// No split: a quad of lanes holds 8 columns of each n8 tile; shuffles gather OUT_BYTES of one row in each lane.
__device__ __forceinline__ void store_rows(const rows &w, u16 *o, i64 stride, int row, int rows_left, int lane) {
	constexpr int TILES = COLUMNS / 2;                     // n8 tiles that trade places among the lanes of a quad
	int q = lane % 4, odd = q % 2, high = q / 2;
	int column = TILES == 1 ? 2 * q : TILES == 2 ? 8 * odd + 4 * high : 8 * q;
#pragma unroll
	for (int t = 0; t < STRIPS; t++)
#pragma unroll
		for (int r = 0; r < 2; r++) {
			float sum = w.sum[t][r], inverse = sum > 0.0f ? rcp_approx_ftz_f32(sum) : 0.0f;
			int at = row + 16 * t + lane / 4 + 8 * r;
#pragma unroll
			for (int n = 0; n < D / 8; n += TILES) {
				u32 x[TILES];
#pragma unroll
				for (int i = 0; i < TILES; i++) {
					const float *y = &w.o[t][n + i][2 * r];
					x[i] = element_pair_from_f32<BF16>(y[0] * inverse, y[1] * inverse);
				}
#pragma unroll
				for (int i = 0; i + 1 < TILES; i += 2) {       // lanes 0 and 1, 2 and 3: even tile, odd tile
					u32 got = __shfl_xor_sync(~0u, odd ? x[i] : x[i + 1], 1);
					x[i] = odd ? got : x[i];
					x[i + 1] = odd ? x[i + 1] : got;
				}
				if constexpr (TILES == 4) {                    // lanes 0 and 2, 1 and 3: first two tiles, last two
					u32 a = __shfl_xor_sync(~0u, high ? x[0] : x[2], 2);
					u32 b = __shfl_xor_sync(~0u, high ? x[1] : x[3], 2);
					if (high) x[0] = a, x[1] = b;
					else x[2] = a, x[3] = b;
				}
				if (at < rows_left) st_global_b32(o + at * stride + 8 * n + column, x);
			}
		}
}

#endif

// One group's walk over its blocks: block i is number first + i, for i < count.
struct walk {
	const u16 *k, *v;
	int k_stride, v_stride;
	u32 ring, q_tile;
	int first, count;
	int end;       // keys that some row of the CTA sees
	int unmasked;  // keys that every row of the CTA sees
	int sq, sk, row, q_row, group, thread, lane;
	float scale;

	__device__ __forceinline__ int key(int i) const { return (first + i) * BLOCK_N; }
	__device__ __forceinline__ u32 k_tile(int slot) const { return ring + 2 * slot * TILE_BYTES; }
	__device__ __forceinline__ u32 v_tile(int slot) const { return k_tile(slot) + TILE_BYTES; }

	__device__ __forceinline__ void copy_k(int i, int slot) const {
		if (i < count)
			copy_tile<BLOCK_N, GROUP_THREADS>(k_tile(slot), k + (i64)key(i) * k_stride, k_stride, end - key(i), thread);
	}
	__device__ __forceinline__ void copy_v(int i, int slot) const {
		if (i < count)
			copy_tile<BLOCK_N, GROUP_THREADS>(v_tile(slot), v + (i64)key(i) * v_stride, v_stride, end - key(i), thread);
	}

	// Fills the ring. With WAIT=split K and V of a block are separate groups of copies: K0 V0 K1 V1 ...
	__device__ __forceinline__ void fill() const {
#pragma unroll
		for (int i = 0; i < STAGES; i++) {
			copy_k(i, i);
			if constexpr (axis_is(WAIT_SPLIT)) cp_async_commit_group();
			copy_v(i, i);
			cp_async_commit_group();
		}
	}

	// Block i, in slot i % STAGES. With WAIT=split the slot of V(i-1) is refilled once all warps are past its product,
	// which the barrier before S(i) tells, and that of K(i) after the barrier before O += P V; so of the groups
	// committed, at most the 2*STAGES-2 latest may be unfinished at either wait (one more before the first refill).
	template <bool MASKED, bool FIRST> __device__ __forceinline__ void block(rows &w, int i, int slot) const {
		int last = slot == 0 ? STAGES - 1 : slot - 1;
		if constexpr (axis_is(WAIT_SPLIT)) {
			if (FIRST || i == 0) cp_async_wait_group<2 * STAGES - 1>();
			else cp_async_wait_group<2 * STAGES - 2>();
			group_sync(group);
			if (!FIRST && i > 0) {
				copy_v(i - 1 + STAGES, last);
				cp_async_commit_group();
			}
		} else {
			cp_async_wait_group<STAGES - 1>();
			group_sync(group);
		}
		multiply_qk(w, q_tile, q_row, k_tile(slot), lane);
		if constexpr (MASKED)
			if (key(i) + BLOCK_N > unmasked) mask(w, key(i), row, sq, sk, lane);
		if constexpr (axis_is(RESCALE_CHECKED) && !FIRST) {
			weigh_checked(w, scale);
		} else {
			if constexpr (FIRST) first_max(w, scale);
			else move_max(w, scale);
			if constexpr (axis_is(EXP_PLACE_BLOCK)) weigh_block(w, scale);
		}
		if constexpr (axis_is(WAIT_SPLIT)) {
			cp_async_wait_group<2 * STAGES - 2>();
			group_sync(group);
			copy_k(i + STAGES, slot);
			cp_async_commit_group();
		}
		multiply_pv(w, v_tile(slot), scale, lane);
		if constexpr (!axis_is(WAIT_SPLIT)) {
			group_sync(group);
			copy_k(i + STAGES, slot);
			copy_v(i + STAGES, slot);
			cp_async_commit_group();
		}
	}

	__device__ __forceinline__ void blocks(rows &w) const {
		int i = 0, slot = 0;
		start_rows(w);
		if constexpr (axis_is(FIRST_STEP_PEEL))
			if (count > 0) {
				block<true, true>(w, 0, 0);
				i = 1, slot = STAGES == 1 ? 0 : 1;
			}
		if constexpr (axis_is(MASK_PEEL))
			for (; i < count && key(i) + BLOCK_N <= unmasked; i++) {
				block<false, false>(w, i, slot);
				slot = slot + 1 == STAGES ? 0 : slot + 1;
			}
#pragma unroll UNROLLED
		for (; i < count; i++) {
			block<true, false>(w, i, slot);
			slot = slot + 1 == STAGES ? 0 : slot + 1;
		}
	}
};

// grouped: query heads that share a key head. Strides in elements: batch, head, row.
extern "C" __global__ void __launch_bounds__(THREADS, MIN_BLOCKS)
attn_mma(const u16 *q, const u16 *k, const u16 *v, u16 *o, int grouped, int sq, int sk, i64 q_sb, i64 q_sh, i64 q_ss,
	 i64 k_sb, i64 k_sh, i64 k_ss, i64 v_sb, i64 v_sh, i64 v_ss, i64 o_sb, i64 o_sh, i64 o_ss, float scale) {
	int lane = threadIdx.x % 32, warp = __shfl_sync(~0u, threadIdx.x / 32, 0);  // so that the compiler knows it uniform
	int head = axis_is(GRID_ORDER_HEADS) ? blockIdx.x : blockIdx.y, batch = blockIdx.z;
	int tile = axis_is(GRID_ORDER_HEADS) ? blockIdx.y : blockIdx.x;
	if constexpr (axis_is(TILE_ORDER_DOWN)) tile = ceildiv(sq, BLOCK_M) - 1 - tile;
	int kv_head = grouped == 1 ? head : (u32)head / (u32)grouped;
	int m0 = tile * BLOCK_M;

	if constexpr (PDL) griddepcontrol_launch_dependents();

	walk g;
	g.group = warp / GROUP_WARPS;
	g.thread = threadIdx.x % GROUP_THREADS;
	g.lane = lane;
	g.sq = sq;
	g.sk = sk;
	g.q_row = warp % GROUP_WARPS * WARP_M;
	g.row = m0 + g.q_row;
	g.scale = scale * LOG2_E;
	g.k = k + batch * k_sb + kv_head * k_sh;
	g.v = v + batch * v_sb + kv_head * v_sh;
	g.k_stride = (int)k_ss;
	g.v_stride = (int)v_ss;
	g.q_tile = cvta_shared(smem);
	g.ring = cvta_shared(smem + Q_BYTES) + g.group * GROUP_BYTES;

	g.end = max(0, visible(min(m0 + BLOCK_M, sq) - 1, sq, sk));
	g.unmasked = visible(m0, sq, sk);
	int total = (u32)(g.end + BLOCK_N - 1) / BLOCK_N, each = (u32)(total + SPLIT_K - 1) / SPLIT_K;
	g.first = g.group * each;
	g.count = min(total - g.first, each);

	rows w;
	q += batch * q_sb + head * q_sh + m0 * q_ss;
	if constexpr (PDL) griddepcontrol_wait();
	if constexpr (axis_is(Q_PATH_GLOBAL)) {
		load_q_global(w, q, (int)q_ss, g.q_row, sq - m0, lane);
	} else {
		copy_tile<BLOCK_M, THREADS>(g.q_tile, q, (int)q_ss, sq - m0, threadIdx.x);
		cp_async_commit_group();
	}
	g.fill();
	if constexpr (!axis_is(Q_PATH_GLOBAL)) {
		cp_async_wait_group<(axis_is(WAIT_SPLIT) ? 2 : 1) * STAGES>();
		__syncthreads();
	}
	if constexpr (axis_is(Q_PATH_SHARED))
#pragma unroll
		for (int d = 0; d < D / 16; d++) load_q_shared(w, d, g.q_tile, g.q_row, lane);
	g.blocks(w);

#pragma unroll
	for (int t = 0; t < STRIPS; t++) w.sum[t][0] = quad_sum(w.sum[t][0]), w.sum[t][1] = quad_sum(w.sum[t][1]);
	o += batch * o_sb + head * o_sh + m0 * o_ss;
	if constexpr (MERGES) {
		group_sync(g.group);                   // all warps of the group are done with the ring
		write_part(w, g.group, g.q_row, lane);
		__syncthreads();
		merge_rows(o, o_ss, sq - m0);
	} else {
		store_rows(w, o, o_ss, g.q_row, sq - m0, lane);
	}
}
