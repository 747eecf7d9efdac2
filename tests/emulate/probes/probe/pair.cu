// A cluster of two CTAs of 64 threads: each has its 64 numbers brought by a bulk copy, stores them into the other's shared
// memory, and adds up its own and what it got. Everything that the emulator must find stands at BUG_...
// Shared memory: 256 bytes of its own, 256 from the other, an mbarrier, 8 bytes of nothing.
#include "attune/axis.cuh"

extern __shared__ __align__(128) char smem[];

constexpr int OWN = 0, OTHER = 256, BARRIER = 512;

__device__ __forceinline__ u32 address(int at) { return (u32)__cvta_generic_to_shared(smem + at); }

__device__ __forceinline__ void cluster_arrive() { asm volatile("barrier.cluster.arrive.release;" ::: "memory"); }
__device__ __forceinline__ void cluster_wait() { asm volatile("barrier.cluster.wait.acquire;" ::: "memory"); }

__device__ __forceinline__ u32 in_other(u32 at, u32 rank) {
	u32 there;
	asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(at), "r"(rank ^ 1));
	return there;
}

__device__ __forceinline__ void copy(const float *x) {
	asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(address(BARRIER)), "r"(256) : "memory");
	asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];"
		     ::"r"(address(OWN)), "l"(x), "r"(256), "r"(address(BARRIER)) : "memory");
	if (axis_is(BUG_TWICE))
		asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(address(BARRIER)) : "memory");
}

__device__ __forceinline__ void await_copy() {
	asm volatile("{\n.reg .pred p;\nAGAIN:\nmbarrier.try_wait.parity.shared::cta.b64 p, [%0], 0;\n"
		     "@p bra DONE;\nbra AGAIN;\nDONE:\n}" ::"r"(address(BARRIER)) : "memory");
}

extern "C" __global__ void __launch_bounds__(64) probe_pair(const float *x, float *o, int n) {
	int i = blockIdx.x * 64 + threadIdx.x, lane = threadIdx.x % 32;
	u32 rank;
	asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
	if (threadIdx.x == 0) asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(address(BARRIER)) : "memory");
	__syncthreads();
	if (threadIdx.x == 0) copy(x + blockIdx.x * 64);
	if (axis_is(BUG_COVERED)) ((int *)(smem + BARRIER))[0] = 7;
	if (!axis_is(BUG_EARLY)) await_copy();
	float own = ((float *)(smem + OWN))[threadIdx.x];

	if (!axis_is(BUG_UNANNOUNCED)) cluster_arrive(), cluster_wait();
	float got;
	if (axis_is(BUG_LEAVING)) {
		if (rank == 1) for (int k = 0; k < 200; k++) __syncthreads();
		asm volatile("ld.shared::cluster.f32 %0, [%1];"
			     : "=f"(got) : "r"(in_other(address(OWN) + 4 * threadIdx.x, rank)) : "memory");
	} else {
		asm volatile("st.shared::cluster.f32 [%0], %1;"
			     ::"r"(in_other(address(OTHER) + 4 * threadIdx.x, rank)), "f"(own) : "memory");
		if (!axis_is(BUG_HALF) || threadIdx.x < 32) cluster_arrive();
		if (!axis_is(BUG_HALF) || threadIdx.x < 32) cluster_wait();
		else __syncthreads();
		got = ((float *)(smem + OTHER))[threadIdx.x];
	}
	if (axis_is(BUG_DIVERGED)) {
		if (lane < 16) __syncwarp();
		else got = __shfl_sync(~0u, got, lane);
	}
	if (axis_is(BUG_MASK)) got = __shfl_sync(0xffffu, got, lane);
	if (axis_is(BUG_BEHIND)) ((float *)(smem + 528))[lane] = got;
	if (axis_is(BUG_OUTSIDE))
		asm volatile("st.shared.f32 [%0], %1;" ::"r"(address(524) + 4 * lane), "f"(got) : "memory");
	if (axis_is(BUG_MISALIGNED))
		asm volatile("st.shared.v2.f32 [%0], {%1, %1};" ::"r"(address(OTHER) + 4), "f"(got) : "memory");
	if (axis_is(BUG_UNKNOWN)) asm volatile("tcgen05.fence::before_thread_sync;" ::: "memory");
	if (axis_is(BUG_ENDLESS)) for (volatile int k = 0; k < 1;) k = 0;
	if (axis_is(BUG_UNWRITTEN) && i == n - 1) return;
	o[axis_is(BUG_BESIDE) && i == 0 ? n : i] = own + got;
}
