// ptx_sync: barriers among some threads of a CTA and among the CTAs of a cluster (sm_90 and later), and the two halves of
// programmatic dependent launch (sm_90 and later; without effect where the launch does not ask for it).
#ifndef ATTUNE_PTX_SYNC_CUH
#define ATTUNE_PTX_SYNC_CUH

// Barrier `id` (1..15; 0 is __syncthreads) among `threads` threads, a multiple of 32.
__device__ __forceinline__ void bar_sync(int id, int threads) {
	asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

__device__ __forceinline__ void barrier_cluster_arrive_relaxed() {
	asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory");
}

__device__ __forceinline__ void barrier_cluster_arrive_release() {
	asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
}

__device__ __forceinline__ void barrier_cluster_wait_acquire() {
	asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
}

// The address of `at`, a location of this CTA's shared memory, in the CTA of the cluster with this rank.
__device__ __forceinline__ u32 mapa_shared_cluster(u32 at, u32 rank) {
	u32 to;
	asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(to) : "r"(at), "r"(rank));
	return to;
}

// Waits until the kernels before this one in the stream have finished and their writes are visible.
__device__ __forceinline__ void griddepcontrol_wait() { asm volatile("griddepcontrol.wait;" ::: "memory"); }

// Lets the next kernel of the stream be set up already.
__device__ __forceinline__ void griddepcontrol_launch_dependents() {
	asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
}

#endif
