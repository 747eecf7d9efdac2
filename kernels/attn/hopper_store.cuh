// hopper_store: how a warp of attn_hopper writes its 16 rows of O, divided by their sums: through shared memory and the copy
// engine, or straight from registers.
#ifndef ATTN_HOPPER_STORE_CUH
#define ATTN_HOPPER_STORE_CUH

// Into the group's tile of Q, which no product reads any more once all warps of the group have come here; then each warp
// has its 16 rows copied, a panel at a time. Rows beyond the end are dropped by the copy. 16-byte chunks lie as the tensor map's
// swizzle has them: the number of the 128 bytes in which a row lies is added to the chunk, bit by bit. A chain of tiles waits for the
// copies later (hopper_chain.cuh).
__device__ __forceinline__ void store_tile(const rows &w, const float (&inverse)[2], u32 q, const tensor_map *map, const tile &t,
					   int group, int warp, int lane) {
	u32 to = q + warp * 16 * PITCH;
	bar_sync(GROUP_BARRIER + group, 128);
#pragma unroll
	for (int n = 0; n < D / 16; n++) {
		int row = lane % 16, chunk = 2 * (n % PANEL_STEPS) + lane / 16, line = row * PITCH / 128;
		const float *x = &w.o[8 * n];
		stmatrix_x4(to + n / PANEL_STEPS * Q_PANEL_BYTES + row * PITCH + 16 * (chunk ^ (line & (PITCH / 16 - 1))),
			    element_pair_from_f32<BF16>(x[0] * inverse[0], x[1] * inverse[0]),
			    element_pair_from_f32<BF16>(x[2] * inverse[1], x[3] * inverse[1]),
			    element_pair_from_f32<BF16>(x[4] * inverse[0], x[5] * inverse[0]),
			    element_pair_from_f32<BF16>(x[6] * inverse[1], x[7] * inverse[1]));
	}
	fence_proxy_async();
	__syncwarp();
	if (lane == 0) {
#pragma unroll
		for (int n = 0; n < PANELS; n++)
			cp_async_bulk_tensor_4d_store(map, to + n * Q_PANEL_BYTES, n * PANEL_COLUMNS,
						      t.row + group * GROUP_ROWS + warp * 16, t.head, t.batch);
		cp_async_bulk_commit_group();
		if constexpr (!CHAINS) cp_async_bulk_wait_group_read();
	}
	__syncwarp();
}

// A quad of lanes holds 8 columns of each n8 tile; shuffles gather 16 bytes of one row, those of one of four tiles, in each
// lane. `x` has the thread's two columns of each tile, `at` is the row, `left` the rows from the warp's first to the end. The
// result hangs on all that is stored, for keep_above.
template <int STEP>
__device__ __forceinline__ u32 store_row(const float *x, float inverse, u16 *o, i64 stride, int at, int left, int lane) {
	int q = lane % 4, odd = q % 2, high = q / 2;
	u32 all = 0;
#pragma unroll
	for (int n = 0; n < D / 8; n += 4) {
		u32 y[4];
#pragma unroll
		for (int i = 0; i < 4; i++)
			y[i] = element_pair_from_f32<BF16>(x[STEP * (n + i)] * inverse, x[STEP * (n + i) + 1] * inverse);
#pragma unroll
		for (int i = 0; i < 4; i += 2) {                       // lanes 0 and 1, 2 and 3: even tile, odd tile
			u32 got = __shfl_xor_sync(~0u, odd ? y[i] : y[i + 1], 1);
			y[i] = odd ? got : y[i];
			y[i + 1] = odd ? y[i + 1] : got;
		}
		// lanes 0 and 2, 1 and 3: the first two tiles, the last two
		u32 a = __shfl_xor_sync(~0u, high ? y[0] : y[2], 2), b = __shfl_xor_sync(~0u, high ? y[1] : y[3], 2);
		u32 z[4] = { high ? a : y[0], high ? b : y[1], high ? y[2] : a, high ? y[3] : b };
		if (at < left) st_global_b32(o + at * stride + 8 * n + 8 * q, z);
		all |= a;
	}
	return all;
}

// `o` is the first row of the warp.
__device__ __forceinline__ u32 store_direct(const rows &w, const float (&inverse)[2], u16 *o, i64 stride, int left, int lane) {
	u32 all = 0;
#pragma unroll
	for (int r = 0; r < 2; r++) all |= store_row<4>(&w.o[2 * r], inverse[r], o, stride, lane / 4 + 8 * r, left, lane);
	return all;
}

#endif
