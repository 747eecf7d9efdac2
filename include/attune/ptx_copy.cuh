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
