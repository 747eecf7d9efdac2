// ptx_wgmma: matrix products of a warp group (sm_90a): m64nNk16 with 16-bit operands and float32 sums, N a multiple of 16.
// Products run asynchronously: wgmma_fence after ordinary writes to any register that they use, the products, then
// wgmma_commit_group, and wgmma_wait_group before their registers are touched again; hold() keeps the compiler from
// moving such uses above the wait.
// Registers: warp w of the group has rows 16*w .. 16*w+15, lane = 4*g + q: element 4*t + 2*r + e of the sums is row g + 8*r,
// column 8*t + 2*q + e; A in registers has the layout of mma.m16n8k16 (see ptx_mma).
#ifndef ATTUNE_PTX_WGMMA_CUH
#define ATTUNE_PTX_WGMMA_CUH

// A matrix in shared memory whose rows are PITCH bytes, 128 or 64, swizzled in groups of 8 as by a tensor map with swizzle 128B
// or 64B, and which begins at a multiple of 8 rows. The contiguous dimension is k (K-major: A, and B as n rows), or n (MN-major:
// B as k rows); beyond PITCH / 2 elements of n it goes on `panel` bytes further. Adding bytes >> 4 moves the start.
template <int PITCH> __device__ __forceinline__ u64 wgmma_descriptor(u32 at, u32 panel) {
	static_assert(PITCH == 128 || PITCH == 64, "swizzles that are written out here");
	u64 lead = panel >> 4, stride = 8 * PITCH >> 4, swizzle = PITCH == 128 ? 1 : 2;
	return (u64)((at & 0x3ffff) >> 4) | lead << 16 | stride << 32 | swizzle << 62;
}

__device__ __forceinline__ void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

__device__ __forceinline__ void wgmma_commit_group() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

template <int PENDING> __device__ __forceinline__ void wgmma_wait_group() {
	asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(PENDING) : "memory");
}

template <int N> __device__ __forceinline__ void hold(float (&x)[N]) {
#pragma unroll
	for (int i = 0; i < N; i++) asm volatile("" : "+f"(x[i])::"memory");
}

template <int N> __device__ __forceinline__ void hold(u32 (&x)[N]) {
#pragma unroll
	for (int i = 0; i < N; i++) asm volatile("" : "+r"(x[i])::"memory");
}

// Operand texts and constraints of 8*k sums.
#define WGMMA_TEXT_4 "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27," \
	"%28,%29,%30,%31"
#define WGMMA_TEXT_5 WGMMA_TEXT_4 ",%32,%33,%34,%35,%36,%37,%38,%39"
#define WGMMA_TEXT_6 WGMMA_TEXT_5 ",%40,%41,%42,%43,%44,%45,%46,%47"
#define WGMMA_TEXT_7 WGMMA_TEXT_6 ",%48,%49,%50,%51,%52,%53,%54,%55"
#define WGMMA_TEXT_8 WGMMA_TEXT_7 ",%56,%57,%58,%59,%60,%61,%62,%63"
#define WGMMA_TEXT_9 WGMMA_TEXT_8 ",%64,%65,%66,%67,%68,%69,%70,%71"
#define WGMMA_TEXT_10 WGMMA_TEXT_9 ",%72,%73,%74,%75,%76,%77,%78,%79"
#define WGMMA_TEXT_11 WGMMA_TEXT_10 ",%80,%81,%82,%83,%84,%85,%86,%87"
#define WGMMA_TEXT_12 WGMMA_TEXT_11 ",%88,%89,%90,%91,%92,%93,%94,%95"
#define WGMMA_TEXT_13 WGMMA_TEXT_12 ",%96,%97,%98,%99,%100,%101,%102,%103"
#define WGMMA_TEXT_14 WGMMA_TEXT_13 ",%104,%105,%106,%107,%108,%109,%110,%111"
#define WGMMA_TEXT_15 WGMMA_TEXT_14 ",%112,%113,%114,%115,%116,%117,%118,%119"
#define WGMMA_TEXT_16 WGMMA_TEXT_15 ",%120,%121,%122,%123,%124,%125,%126,%127"
#define WGMMA_8(d, i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), \
	"+f"(d[i + 6]), "+f"(d[i + 7])
#define WGMMA_SUMS_4(d) WGMMA_8(d, 0), WGMMA_8(d, 8), WGMMA_8(d, 16), WGMMA_8(d, 24)
#define WGMMA_SUMS_5(d) WGMMA_SUMS_4(d), WGMMA_8(d, 32)
#define WGMMA_SUMS_6(d) WGMMA_SUMS_5(d), WGMMA_8(d, 40)
#define WGMMA_SUMS_7(d) WGMMA_SUMS_6(d), WGMMA_8(d, 48)
#define WGMMA_SUMS_8(d) WGMMA_SUMS_7(d), WGMMA_8(d, 56)
#define WGMMA_SUMS_9(d) WGMMA_SUMS_8(d), WGMMA_8(d, 64)
#define WGMMA_SUMS_10(d) WGMMA_SUMS_9(d), WGMMA_8(d, 72)
#define WGMMA_SUMS_11(d) WGMMA_SUMS_10(d), WGMMA_8(d, 80)
#define WGMMA_SUMS_12(d) WGMMA_SUMS_11(d), WGMMA_8(d, 88)
#define WGMMA_SUMS_13(d) WGMMA_SUMS_12(d), WGMMA_8(d, 96)
#define WGMMA_SUMS_14(d) WGMMA_SUMS_13(d), WGMMA_8(d, 104)
#define WGMMA_SUMS_15(d) WGMMA_SUMS_14(d), WGMMA_8(d, 112)
#define WGMMA_SUMS_16(d) WGMMA_SUMS_15(d), WGMMA_8(d, 120)

// SS: A and B by descriptors, both K-major. Operands after the sums: A, B, whether to add to the sums.
#define WGMMA_SS(k, n, a, b, add, type) \
	asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" add ", 0;\nwgmma.mma_async.sync.aligned.m64n" n "k16.f32." type "." type \
		     " {" WGMMA_TEXT_##k "}, %" a ", %" b ", p, 1, 1, 0, 0;\n}" \
		     : WGMMA_SUMS_##k(d) : "l"(from_a), "l"(from_b), "r"((int)accumulate))
// RS: A in registers, B MN-major.
#define WGMMA_RS(k, n, a0, a1, a2, a3, b, type) \
	asm volatile("wgmma.mma_async.sync.aligned.m64n" n "k16.f32." type "." type " {" WGMMA_TEXT_##k "}, {%" a0 ",%" a1 ",%" a2 \
		     ",%" a3 "}, %" b ", 1, 1, 1, 1;" \
		     : WGMMA_SUMS_##k(d) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(from_b))
// RS with B K-major, and whether to add to the sums.
#define WGMMA_RS_K(k, n, a0, a1, a2, a3, b, add, type) \
	asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" add ", 0;\nwgmma.mma_async.sync.aligned.m64n" n "k16.f32." type "." type \
		     " {" WGMMA_TEXT_##k "}, {%" a0 ",%" a1 ",%" a2 ",%" a3 "}, %" b ", p, 1, 1, 0;\n}" \
		     : WGMMA_SUMS_##k(d) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(from_b), "r"((int)accumulate))
#define WGMMA_SS_OF(k, n, a, b, add) \
	if constexpr (N == 16 * k && BF16) WGMMA_SS(k, n, a, b, add, "bf16"); \
	else if constexpr (N == 16 * k) WGMMA_SS(k, n, a, b, add, "f16")
#define WGMMA_RS_OF(k, n, a0, a1, a2, a3, b) \
	if constexpr (N == 16 * k && BF16) WGMMA_RS(k, n, a0, a1, a2, a3, b, "bf16"); \
	else if constexpr (N == 16 * k) WGMMA_RS(k, n, a0, a1, a2, a3, b, "f16")
#define WGMMA_RS_K_OF(k, n, a0, a1, a2, a3, b, add) \
	if constexpr (N == 16 * k && BF16) WGMMA_RS_K(k, n, a0, a1, a2, a3, b, add, "bf16"); \
	else if constexpr (N == 16 * k) WGMMA_RS_K(k, n, a0, a1, a2, a3, b, add, "f16")

// d (+)= A B^T for 16 columns of A and of B (n rows of k).
template <int N, bool BF16>
__device__ __forceinline__ void wgmma_ss(float (&d)[N / 2], u64 from_a, u64 from_b, bool accumulate) {
	static_assert(N % 16 == 0 && N >= 64 && N <= 256, "sizes that are written out here");
	WGMMA_SS_OF(4, "64", "32", "33", "34");
	WGMMA_SS_OF(5, "80", "40", "41", "42");
	WGMMA_SS_OF(6, "96", "48", "49", "50");
	WGMMA_SS_OF(7, "112", "56", "57", "58");
	WGMMA_SS_OF(8, "128", "64", "65", "66");
	WGMMA_SS_OF(9, "144", "72", "73", "74");
	WGMMA_SS_OF(10, "160", "80", "81", "82");
	WGMMA_SS_OF(11, "176", "88", "89", "90");
	WGMMA_SS_OF(12, "192", "96", "97", "98");
	WGMMA_SS_OF(13, "208", "104", "105", "106");
	WGMMA_SS_OF(14, "224", "112", "113", "114");
	WGMMA_SS_OF(15, "240", "120", "121", "122");
	WGMMA_SS_OF(16, "256", "128", "129", "130");
}

// d += A B for 16 columns of A, held in a[0..3], and 16 rows of B (k rows of n).
template <int N, bool BF16>
__device__ __forceinline__ void wgmma_rs(float (&d)[N / 2], const u32 *a, u64 from_b) {
	static_assert(N == 64 || N == 96 || N == 128 || N == 192 || N == 256, "sizes that are written out here");
	WGMMA_RS_OF(4, "64", "32", "33", "34", "35", "36");
	WGMMA_RS_OF(6, "96", "48", "49", "50", "51", "52");
	WGMMA_RS_OF(8, "128", "64", "65", "66", "67", "68");
	WGMMA_RS_OF(12, "192", "96", "97", "98", "99", "100");
	WGMMA_RS_OF(16, "256", "128", "129", "130", "131", "132");
}

// d (+)= A B^T for 16 columns of A, held in a[0..3], and of B (n rows of k).
template <int N, bool BF16>
__device__ __forceinline__ void wgmma_rs_k_major(float (&d)[N / 2], const u32 *a, u64 from_b, bool accumulate) {
	static_assert(N % 16 == 0 && N >= 64 && N <= 256, "sizes that are written out here");
	WGMMA_RS_K_OF(4, "64", "32", "33", "34", "35", "36", "37");
	WGMMA_RS_K_OF(5, "80", "40", "41", "42", "43", "44", "45");
	WGMMA_RS_K_OF(6, "96", "48", "49", "50", "51", "52", "53");
	WGMMA_RS_K_OF(7, "112", "56", "57", "58", "59", "60", "61");
	WGMMA_RS_K_OF(8, "128", "64", "65", "66", "67", "68", "69");
	WGMMA_RS_K_OF(9, "144", "72", "73", "74", "75", "76", "77");
	WGMMA_RS_K_OF(10, "160", "80", "81", "82", "83", "84", "85");
	WGMMA_RS_K_OF(11, "176", "88", "89", "90", "91", "92", "93");
	WGMMA_RS_K_OF(12, "192", "96", "97", "98", "99", "100", "101");
	WGMMA_RS_K_OF(13, "208", "104", "105", "106", "107", "108", "109");
	WGMMA_RS_K_OF(14, "224", "112", "113", "114", "115", "116", "117");
	WGMMA_RS_K_OF(15, "240", "120", "121", "122", "123", "124", "125");
	WGMMA_RS_K_OF(16, "256", "128", "129", "130", "131", "132", "133");
}

#endif
