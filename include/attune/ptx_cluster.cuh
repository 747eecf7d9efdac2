// ptx_cluster: what the CTAs of a cluster share (sm_90 and later): a barrier in two halves, and stores into the shared memory of
// another of them. A CTA's memory may be written once it runs, and until it ends: a first barrier says the one, a last one,
// after which nobody writes any more, the other. Addresses of shared memory are 32-bit (cvta_shared).
#ifndef ATTUNE_PTX_CLUSTER_CUH
#define ATTUNE_PTX_CLUSTER_CUH

// By every thread of the cluster, before its barrier_cluster_wait: relaxed tells only that the thread has come so far,
// release also shows what it wrote before.
__device__ __forceinline__ void barrier_cluster_arrive_relaxed() {
	asm volatile("barrier.cluster.arrive.relaxed;" ::: "memory");
}

__device__ __forceinline__ void barrier_cluster_arrive_release() {
	asm volatile("barrier.cluster.arrive.release;" ::: "memory");
}

// Waits until every thread of the cluster has arrived, and sees what they released.
__device__ __forceinline__ void barrier_cluster_wait_acquire() {
	asm volatile("barrier.cluster.wait.acquire;" ::: "memory");
}

// Where the CTA of this rank has what is at `at` here.
__device__ __forceinline__ u32 mapa_shared_cluster(u32 at, u32 rank) {
	u32 there;
	asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(at), "r"(rank));
	return there;
}

// To an address that mapa_shared_cluster gave, aligned to the size of what is stored.
__device__ __forceinline__ void st_shared_cluster_v2_f32(u32 to, float x, float y) {
	asm volatile("st.shared::cluster.v2.f32 [%0], {%1, %2};" ::"r"(to), "f"(x), "f"(y) : "memory");
}

__device__ __forceinline__ void st_shared_cluster_v4_f32(u32 to, float x, float y, float z, float w) {
	asm volatile("st.shared::cluster.v4.f32 [%0], {%1, %2, %3, %4};" ::"r"(to), "f"(x), "f"(y), "f"(z), "f"(w) : "memory");
}

#endif
