// ptx_sync: barriers among some threads of a CTA, and the two halves of programmatic dependent launch (sm_90 and later;
// without effect where the launch does not ask for it).
#ifndef ATTUNE_PTX_SYNC_CUH
#define ATTUNE_PTX_SYNC_CUH

// Barrier `id` (1..15; 0 is __syncthreads) among `threads` threads, a multiple of 32.
__device__ __forceinline__ void bar_sync(int id, int threads) {
	asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

// Waits until the kernels before this one in the stream have finished and their writes are visible.
__device__ __forceinline__ void griddepcontrol_wait() { asm volatile("griddepcontrol.wait;" ::: "memory"); }

// Lets the next kernel of the stream be set up already.
__device__ __forceinline__ void griddepcontrol_launch_dependents() {
	asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
}

#endif
