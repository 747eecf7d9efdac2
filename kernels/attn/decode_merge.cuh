// decode_merge: the end of decode.cu. The groups of a CTA put (maximum, sum, O) of each row into shared memory and the CTA adds
// them up; the CTAs of a cluster then send one another the columns that each is to store, with every row's maximum and sum,
// and after one barrier each has in its own memory all that it needs. Nobody reads another's memory, and nobody writes there
// after the barrier, so a CTA may end when it is done. Where several clusters share the keys (PARTS), each leaves its sums in the
// workspace, and a kernel of its own adds those up. The order of every sum is fixed.
#ifndef ATTN_DECODE_MERGE_CUH
#define ATTN_DECODE_MERGE_CUH

// Four columns of a row, added up from N parts: those of (maximum, sum) `known_step` floats apart, of O `part_step`.
struct piece {
	float max, sum, o[4];

	template <int N>
	__device__ __forceinline__ void add(const char *known, int known_step, const char *part, int part_step) {
		float2 k[N];
		max = MINUS_INFINITY;
#pragma unroll
		for (int i = 0; i < N; i++) {
			k[i] = *(const float2 *)(known + i * known_step);
			max = fmaxf(max, k[i].x);
		}
		sum = o[0] = o[1] = o[2] = o[3] = 0.0f;
#pragma unroll
		for (int i = 0; i < N; i++) {
			float4 x = *(const float4 *)(part + i * part_step);
			float weight = ex2_approx_ftz_f32(k[i].x - finite(max));
			sum += weight * k[i].y;
			o[0] += weight * x.x, o[1] += weight * x.y, o[2] += weight * x.z, o[3] += weight * x.w;
		}
	}
};

// Where the packed query rows of a tile are: row r is query first + r, counted head by head within a query.
struct packed {
	u16 *o;             // of the batch and the group's first head
	i64 head, query;    // strides
	int first, grouped;

	__device__ __forceinline__ void store(int row, int column, const piece &x) const {
		float inverse = x.sum > 0.0f ? rcp_approx_ftz_f32(x.sum) : 0.0f;
		u32 y[2] = { element_pair_from_f32<BF16>(x.o[0] * inverse, x.o[1] * inverse),
			     element_pair_from_f32<BF16>(x.o[2] * inverse, x.o[3] * inverse) };
		st_global_b32(o + packed_at(first + row, grouped, head, query) + column, y);
	}
};

// What one of PARTS clusters found for a tile's rows, the first of which is at `first`: D sums of 2^(s - maximum) v, the maximum (of
// scores times scale * log2 e) and the sum of the weights, in float32.
constexpr int PART_COLUMNS = D + 4;  // 16-byte steps
[[maybe_unused]] constexpr int MERGE_WARPS = 4;

struct shared_rows {
	float *first;

	__device__ __forceinline__ void store(int row, int column, const piece &x) const {
		float *to = first + (i64)row * PARTS * PART_COLUMNS;
		*(float4 *)(to + column) = make_float4(x.o[0], x.o[1], x.o[2], x.o[3]);
		if (column == 0) *(float2 *)(to + D) = make_float2(x.max, x.sum);
	}
};

// What the CTA found for columns 4*c .. 4*c+3 of a row, to the CTA that stores them; the row's maximum and sum, to CTA c.
__device__ __forceinline__ void send(const piece &x, int row, int c, int rank) {
	int owner = 4 * c / COLUMNS, at = 4 * ((rank * BLOCK_M + row) * COLUMNS + 4 * c - owner * COLUMNS);
	st_shared_cluster_v4_f32(mapa_shared_cluster(cvta_shared(smem + RECEIVED_AT) + at, owner), x.o[0], x.o[1], x.o[2], x.o[3]);
	if (c < SPLIT)
		st_shared_cluster_v2_f32(mapa_shared_cluster(cvta_shared(smem + KNOWN_AT) + 8 * (rank * BLOCK_M + row), c), x.max,
					 x.sum);
}

// By all threads of the CTA, once their rows are written and barrier_cluster_arrive_relaxed was called at the start.
template <class sink> __device__ __forceinline__ void merge(const sink &to, int count, int rank) {
	constexpr int PIECES = D / 4, MINE = COLUMNS / 4;
	__syncthreads();
	if constexpr (SPLIT > 1) barrier_cluster_wait_acquire();
	for (int i = threadIdx.x; i < count * PIECES; i += THREADS) {
		int row = i / PIECES, c = i % PIECES;
		piece x;
		x.add<GROUPS>(smem + BLOCK_M * PART_PITCH + 8 * row, GROUP_BYTES, smem + row * PART_PITCH + 16 * c, GROUP_BYTES);
		if constexpr (SPLIT > 1) send(x, row, c, rank);
		else to.store(row, 4 * c, x);
	}
	if constexpr (SPLIT > 1) {
		barrier_cluster_arrive_release();
		barrier_cluster_wait_acquire();
		for (int i = threadIdx.x; i < count * MINE; i += THREADS) {
			int row = i / MINE, c = 4 * (i % MINE);
			if (SPLIT * COLUMNS > D && rank * COLUMNS + c >= D) continue;
			piece x;
			x.add<SPLIT>(smem + KNOWN_AT + 8 * row, 8 * BLOCK_M, smem + RECEIVED_AT + 4 * (row * COLUMNS + c),
				     4 * BLOCK_M * COLUMNS);
			to.store(row, rank * COLUMNS + c, x);
		}
	}
}

#endif
