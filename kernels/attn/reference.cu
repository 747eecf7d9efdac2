// The oracle of the family, written to be read, not to be fast.
// attn_reference: all arithmetic in float64, output in float64. attn_plain: what a plain implementation in the tensors'
// dtype gives: sums in float32, normalised weights rounded to the dtype before they meet V, output rounded to the dtype.
// One CTA computes one query row, in three passes over the keys that it sees: the largest score, the sum of exponentials,
// the weighted sum of V. Scores are computed anew in each pass, so no length of row needs memory beyond one chunk of keys.
// A causal mask is aligned to the bottom right; a row that sees no key is zero. Strides are in elements.
// Grid: (sq, h, b). Block: THREADS, 128 or, where that is more, D: a column of V without a thread would never be summed.
#include "attune/axis.cuh"
#include "attune/ptx_math.cuh"

constexpr int D = PROBLEM_D, THREADS = larger(128, D), SHARES = THREADS / D, CHUNK = 512;
constexpr bool BF16 = axis_is(PROBLEM_DTYPE_BF16);

static_assert(SHARES >= 1 && THREADS <= CHUNK, "a thread for each column, and room for what each has summed");

template <class REAL> __device__ REAL exponential(REAL x);
template <> __device__ double exponential(double x) { return exp(x); }
template <> __device__ float exponential(float x) { return expf(x); }

__device__ double as_weight(double x) { return x; }
__device__ float as_weight(float x) { return element_to_f32<BF16>(element_from_f32<BF16>(x)); }
__device__ void put(double *to, double x) { *to = x; }
__device__ void put(u16 *to, float x) { *to = element_from_f32<BF16>(x); }

// The largest, or the sum, of one value a thread; every thread gets it.
template <bool LARGEST, class REAL> __device__ REAL over_block(REAL x) {
	__shared__ REAL all[THREADS];
	__syncthreads();
	all[threadIdx.x] = x;
	__syncthreads();
	REAL r = all[0];
	for (int i = 1; i < THREADS; i++) r = LARGEST ? (all[i] > r ? all[i] : r) : r + all[i];
	return r;
}

template <class REAL> __device__ REAL score(const REAL *q, const u16 *k, REAL scale) {
	REAL s = 0;
	for (int x = 0; x < D; x += 8) {
		uint4 bits = *(const uint4 *)(k + x);
		u32 pair[4] = {bits.x, bits.y, bits.z, bits.w};
		for (int i = 0; i < 4; i++) {
			s += q[x + 2 * i] * (REAL)element_to_f32<BF16>((u16)pair[i]);
			s += q[x + 2 * i + 1] * (REAL)element_to_f32<BF16>((u16)(pair[i] >> 16));
		}
	}
	return s * scale;
}

template <class REAL, class OUT>
__device__ void attend(const u16 *q, const u16 *k, const u16 *v, OUT *o, int keys, i64 k_ss, i64 v_ss, REAL scale) {
	__shared__ REAL query[D], weight[CHUNK];
	for (int x = threadIdx.x; x < D; x += THREADS) query[x] = element_to_f32<BF16>(q[x]);
	__syncthreads();

	REAL largest = -__builtin_huge_valf();
	for (int j = threadIdx.x; j < keys; j += THREADS) {
		REAL s = score(query, k + j * k_ss, scale);
		largest = s > largest ? s : largest;
	}
	largest = over_block<true>(largest);

	REAL sum = 0;
	for (int j = threadIdx.x; j < keys; j += THREADS) sum += exponential(score(query, k + j * k_ss, scale) - largest);
	sum = over_block<false>(sum);

	// Thread t sums column t % D over every SHARES-th key of a chunk.
	REAL column = 0;
	int x = threadIdx.x % D, first = threadIdx.x / D;
	for (int from = 0; from < keys; from += CHUNK) {
		int n = min(CHUNK, keys - from);
		__syncthreads();
		for (int j = threadIdx.x; j < n; j += THREADS)
			weight[j] = as_weight(exponential(score(query, k + (from + j) * k_ss, scale) - largest) / sum);
		__syncthreads();
		for (int j = first; j < n; j += SHARES)
			column += weight[j] * (REAL)element_to_f32<BF16>(v[(from + j) * v_ss + x]);
	}
	__syncthreads();
	weight[threadIdx.x] = column;
	__syncthreads();
	if (threadIdx.x >= D) return;
	for (int i = 1; i < SHARES; i++) column += weight[threadIdx.x + i * D];
	put(o + x, column);
}

#define ATTUNE_REFERENCE(name, REAL, OUT) \
	extern "C" __global__ void __launch_bounds__(THREADS) name( \
		const u16 *q, const u16 *k, const u16 *v, OUT *o, int h, int hkv, int sq, int sk, i64 q_sb, i64 q_sh, i64 q_ss, \
		i64 k_sb, i64 k_sh, i64 k_ss, i64 v_sb, i64 v_sh, i64 v_ss, i64 o_sb, i64 o_sh, i64 o_ss, float scale) { \
		i64 row = blockIdx.x, head = blockIdx.y, batch = blockIdx.z, kv_head = head / (h / hkv); \
		int keys = PROBLEM_CAUSAL ? max(0, min(sk, (int)row + 1 + sk - sq)) : sk; \
		attend<REAL>(q + batch * q_sb + head * q_sh + row * q_ss, k + batch * k_sb + kv_head * k_sh, \
			     v + batch * v_sb + kv_head * v_sh, o + batch * o_sb + head * o_sh + row * o_ss, keys, k_ss, v_ss, \
			     (REAL)scale); \
	}

ATTUNE_REFERENCE(attn_reference, double, double)
ATTUNE_REFERENCE(attn_plain, float, u16)

// The entries that end in _some answer one of each `apart` rows in a row, which `draw` (16 random bytes) decides for every group,
// head and batch anew. The mixing is splitmix64's finaliser (Steele, Lea and Flood, 2014).
__device__ int chosen_row(int group, int apart, int rows, const u64 *draw) {
	u64 z = draw[0] + draw[1] * (1 + group + ((u64)blockIdx.y << 20) + ((u64)blockIdx.z << 36));
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	z ^= z >> 31;
	int first = group * apart;
	return first + (int)(z % (u64)smaller(apart, rows - first));
}

#define ATTUNE_REFERENCE_SOME(name, REAL, OUT) \
	extern "C" __global__ void __launch_bounds__(THREADS) name( \
		const u16 *q, const u16 *k, const u16 *v, OUT *o, int h, int hkv, int sq, int sk, i64 q_sb, i64 q_sh, i64 q_ss, \
		i64 k_sb, i64 k_sh, i64 k_ss, i64 v_sb, i64 v_sh, i64 v_ss, i64 o_sb, i64 o_sh, i64 o_ss, float scale, int apart, \
		const u64 *draw) { \
		i64 row = chosen_row(blockIdx.x, apart, sq, draw), head = blockIdx.y, batch = blockIdx.z, kv_head = head / (h / hkv); \
		int keys = PROBLEM_CAUSAL ? max(0, min(sk, (int)row + 1 + sk - sq)) : sk; \
		attend<REAL>(q + batch * q_sb + head * q_sh + row * q_ss, k + batch * k_sb + kv_head * k_sh, \
			     v + batch * v_sb + kv_head * v_sh, o + batch * o_sb + head * o_sh + row * o_ss, keys, k_ss, v_ss, \
			     (REAL)scale); \
	}

ATTUNE_REFERENCE_SOME(attn_reference_some, double, double)
ATTUNE_REFERENCE_SOME(attn_plain_some, float, u16)
