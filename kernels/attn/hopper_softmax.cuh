// hopper_softmax: what a thread of attn_hopper knows of its query rows and the online softmax on it, in base 2 with
// scale * log2(e) folded into one multiply-add. Rows and columns of the fragments are as in ptx_wgmma: a thread has two rows,
// r = 0 and 1, and of each block the columns 8*t + 2*(lane%4) + e.
#ifndef ATTN_HOPPER_SOFTMAX_CUH
#define ATTN_HOPPER_SOFTMAX_CUH

struct rows {
	u32 q[HOLDS_Q ? D / 4 : 1];
	float s[BLOCK_N / 2];
	u32 p[BLOCK_N / 4];
	float o[D / 2];
	float sum[2];  // of this thread's columns only, until the end
	float max[2];  // of s, unscaled
	float shrink[2];
	bool moved;    // whether o is to be multiplied by shrink
};

__device__ __forceinline__ void clear(rows &w) {
#pragma unroll
	for (int i = 0; i < D / 2; i++) w.o[i] = 0.0f;
#pragma unroll
	for (int r = 0; r < 2; r++) w.sum[r] = 0.0f, w.max[r] = MINUS_INFINITY, w.shrink[r] = 1.0f;
}

// The scores of keys at or beyond `seen` become -infinity; both count from the thread's first column of the block.
template <int KEYS> __device__ __forceinline__ void mask(rows &w, int seen0, int seen1) {
#pragma unroll
	for (int i = 0; i < KEYS / 2; i++)
		if (i / 4 * 8 + i % 2 >= (i / 2 % 2 ? seen1 : seen0)) w.s[i] = MINUS_INFINITY;
}

// Moves the running maxima over the new scores, and the sums with them; o follows when its products are done. FIRST: of a block
// before which there was none. A thread compares what it has; the four threads of a row do so together only where one moved.
template <int KEYS, bool FIRST = false> __device__ __forceinline__ void move_max(rows &w, float scale) {
	float peak[2];
	bool moved = false;
#pragma unroll
	for (int r = 0; r < 2; r++) {
		float a = w.s[2 * r], b = w.s[2 * r + 1];
#pragma unroll
		for (int i = 4; i < KEYS / 2; i += 4) a = fmaxf(a, w.s[i + 2 * r]), b = fmaxf(b, w.s[i + 2 * r + 1]);
		peak[r] = fmaxf(a, b);
		if constexpr (axis_is(RESCALE_MOVED)) moved |= peak[r] > w.max[r];
		else moved |= (peak[r] - w.max[r]) * scale > LAZY_BITS;
	}
	if constexpr (!FIRST) {
		w.moved = axis_is(RESCALE_ALWAYS) || __any_sync(~0u, moved);
		if (!w.moved) return;
	}
#pragma unroll
	for (int r = 0; r < 2; r++) {
		peak[r] = quad_max(peak[r]);
		if constexpr (!FIRST) {
			peak[r] = fmaxf(w.max[r], peak[r]);
			w.shrink[r] = ex2_approx_ftz_f32((w.max[r] - finite(peak[r])) * scale);
			w.sum[r] *= w.shrink[r];
		}
		w.max[r] = peak[r];
	}
}

// Scores become weights, 2^((s - max) * scale), and are added up. With CHECKED the maxima are those of earlier blocks, and the answer
// is whether that was wrong for a row of the warp: it had none yet, or a thread's weights add up to more than MOST. Nothing is
// added then, and the weights are of no use.
template <int KEYS, bool CHECKED = false> __device__ __forceinline__ bool weigh(rows &w, float scale) {
	float base[2] = { -(CHECKED ? w.max[0] : finite(w.max[0])) * scale, -(CHECKED ? w.max[1] : finite(w.max[1])) * scale };
	float sum[4] = { 0.0f, 0.0f, 0.0f, 0.0f };
#pragma unroll
	for (int i = 0; i < KEYS / 2; i++) {
		float x = fmaf(w.s[i], scale, base[i / 2 % 2]);
		bool cubic = CUBIC_EVERY > 0 && i % larger(1, CUBIC_EVERY) == CUBIC_EVERY - 1;
		w.s[i] = cubic ? ex2_cubic_f32<CHECKED>(x) : ex2_approx_ftz_f32(x);
		sum[i % 4] += w.s[i];
	}
	float row[2] = { sum[0] + sum[1], sum[2] + sum[3] };
	if (CHECKED && __any_sync(~0u, !(row[0] <= MOST && row[1] <= MOST))) return true;
	w.sum[0] += row[0];
	w.sum[1] += row[1];
	return false;
}

// ptxas moves a wait or an arrival above arithmetic that does not depend on it, and so the exponentials below the products
// that they should run beside. A store that never comes, for sums of weights are not negative and two elements of O are not both
// NaNs with all bits set, keeps what follows below them.
__device__ __forceinline__ void keep_above(float sum, u32 scratch) {
	asm volatile("{\n.reg .pred p;\nsetp.eq.f32 p, %0, 0fBF800000;\n@p st.shared.f32 [%1], %0;\n}" ::"f"(sum), "r"(scratch)
		     : "memory");
}

__device__ __forceinline__ void keep_above(u32 bits, u32 scratch) {
	asm volatile("{\n.reg .pred p;\nsetp.eq.u32 p, %0, 0xFFFFFFFF;\n@p st.shared.u32 [%1], %0;\n}" ::"r"(bits), "r"(scratch)
		     : "memory");
}

__device__ __forceinline__ void rescale(rows &w) {
	if constexpr (!axis_is(RESCALE_ALWAYS))
		if (!w.moved) return;
#pragma unroll
	for (int i = 0; i < D / 2; i++) w.o[i] *= w.shrink[i / 2 % 2];
}

// The weights as A operands: the sums' fragment of two n8 tiles is the A fragment of one k16 step.
template <int KEYS = BLOCK_N> __device__ __forceinline__ void pack(rows &w) {
#pragma unroll
	for (int i = 0; i < KEYS / 4; i++) w.p[i] = element_pair_from_f32<BF16>(w.s[2 * i], w.s[2 * i + 1]);
}

#endif
