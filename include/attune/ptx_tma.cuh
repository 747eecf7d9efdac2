// ptx_tma: what a specialised sm_90 kernel is fed and kept in step with: mbarriers, copies of tensor tiles by tensor map
// (cp.async.bulk.tensor), the proxy fences between ordinary and asynchronous accesses, registers moved between warp groups,
// stmatrix, and named barriers at which some threads only arrive. Needs ptx_copy (cvta_shared) and, for setmaxnreg, sm_90a.
// Addresses of shared memory are 32-bit. "One thread" means that exactly one thread of those concerned calls it.
#ifndef ATTUNE_PTX_TMA_CUH
#define ATTUNE_PTX_TMA_CUH

// A CUtensorMap, passed as a __grid_constant__ parameter.
struct alignas(64) tensor_map {
	u64 opaque[16];
};

// One thread, then mbarrier_init_fence by it and a barrier of the CTA. A phase ends after `arrivals` arrivals and once
// the bytes that were expected have come.
__device__ __forceinline__ void mbarrier_init(u32 at, int arrivals) {
	asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(at), "r"(arrivals) : "memory");
}

__device__ __forceinline__ void mbarrier_init_fence() {
	asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
	asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

__device__ __forceinline__ void mbarrier_arrive(u32 at) {
	asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(at) : "memory");
}

// Arrives, and makes the phase wait for so many bytes of asynchronous copies.
__device__ __forceinline__ void mbarrier_arrive_expect_tx(u32 at, u32 bytes) {
	asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(at), "r"(bytes) : "memory");
}

// Waits until the phase of this parity has ended. Phases count from 0, so a fresh barrier lets parity 1 pass at once.
__device__ __forceinline__ void mbarrier_wait(u32 at, u32 parity) {
	u32 done;
	do {
		asm volatile("{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}"
			     : "=r"(done) : "r"(at), "r"(parity) : "memory");
	} while (!done);
}

__device__ __forceinline__ void prefetch_tensormap(const tensor_map *map) {
	asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
}

// The box of `map` at these coordinates (innermost first) to shared memory, by one thread; its bytes, those outside the
// tensor included as zeros, are counted at `barrier`.
__device__ __forceinline__ void cp_async_bulk_tensor_4d_load(u32 to, const tensor_map *map, int c0, int c1, int c2, int c3,
							     u32 barrier) {
	asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4, %5}], "
		     "[%6];" ::"r"(to), "l"(map), "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(barrier) : "memory");
}

__device__ __forceinline__ void cp_async_bulk_tensor_4d_load_hint(u32 to, const tensor_map *map, int c0, int c1, int c2, int c3,
								  u32 barrier, u64 policy) {
	asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%0], "
		     "[%1, {%2, %3, %4, %5}], [%6], %7;" ::"r"(to), "l"(map), "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(barrier),
		     "l"(policy) : "memory");
}

// A box from shared memory; what lies outside the tensor is dropped. One thread, after fence_proxy_async by the writers
// and a barrier among them; the same thread commits and waits.
__device__ __forceinline__ void cp_async_bulk_tensor_4d_store(const tensor_map *map, u32 from, int c0, int c1, int c2, int c3) {
	asm volatile("cp.async.bulk.tensor.4d.global.shared::cta.bulk_group [%0, {%1, %2, %3, %4}], [%5];" ::"l"(map), "r"(c0),
		     "r"(c1), "r"(c2), "r"(c3), "r"(from) : "memory");
}

__device__ __forceinline__ void cp_async_bulk_commit_group() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }

// Waits until this thread's stores have read their shared memory.
__device__ __forceinline__ void cp_async_bulk_wait_group_read() {
	asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
}

// Makes this thread's ordinary stores to shared memory visible to copies and wgmma.
__device__ __forceinline__ void fence_proxy_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// By all warps of a warp group: the registers that each thread of it may use from now on.
template <int REGISTERS> __device__ __forceinline__ void setmaxnreg_inc() {
	asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}

template <int REGISTERS> __device__ __forceinline__ void setmaxnreg_dec() {
	asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}

// Four 8x8 matrices of 16-bit elements in the layout of mma fragments; lane l gives the address of row l%8 of matrix l/8.
__device__ __forceinline__ void stmatrix_x4(u32 to, u32 r0, u32 r1, u32 r2, u32 r3) {
	asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(r0), "r"(r1), "r"(r2),
		     "r"(r3) : "memory");
}

// Arrives at named barrier `id`, at which `threads` threads in all arrive or wait (bar_sync), without waiting.
__device__ __forceinline__ void bar_arrive(int id, int threads) {
	asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

#endif
