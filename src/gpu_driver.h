/* gpu_driver: the table of driver functions and the innards of a struct gpu, for gpu*.c alone. */
#ifndef ATTUNE_GPU_DRIVER_H
#define ATTUNE_GPU_DRIVER_H
#include <cuda.h>

#include "attune/gpu.h"

/* X(member, declaration in cuda.h, symbol in libcuda.so.1, needed) */
#define GPU_FUNCTIONS(X) \
	X(init, cuInit, "cuInit", 1) \
	X(driver_version, cuDriverGetVersion, "cuDriverGetVersion", 1) \
	X(error_name, cuGetErrorName, "cuGetErrorName", 1) \
	X(error_string, cuGetErrorString, "cuGetErrorString", 1) \
	X(device_count, cuDeviceGetCount, "cuDeviceGetCount", 1) \
	X(device_get, cuDeviceGet, "cuDeviceGet", 1) \
	X(device_name, cuDeviceGetName, "cuDeviceGetName", 1) \
	X(device_attribute, cuDeviceGetAttribute, "cuDeviceGetAttribute", 1) \
	X(device_memory, cuDeviceTotalMem, "cuDeviceTotalMem_v2", 1) \
	X(device_uuid, cuDeviceGetUuid, "cuDeviceGetUuid_v2", 0) \
	X(device_bus_id, cuDeviceGetPCIBusId, "cuDeviceGetPCIBusId", 0) \
	X(context_retain, cuDevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain", 1) \
	X(context_set, cuCtxSetCurrent, "cuCtxSetCurrent", 1) \
	X(context_sync, cuCtxSynchronize, "cuCtxSynchronize", 1) \
	X(reset_persisting, cuCtxResetPersistingL2Cache, "cuCtxResetPersistingL2Cache", 0) \
	X(memory_info, cuMemGetInfo, "cuMemGetInfo_v2", 1) \
	X(memory_alloc, cuMemAlloc, "cuMemAlloc_v2", 1) \
	X(memory_free, cuMemFree, "cuMemFree_v2", 1) \
	X(upload, cuMemcpyHtoDAsync, "cuMemcpyHtoDAsync_v2", 1) \
	X(download, cuMemcpyDtoHAsync, "cuMemcpyDtoHAsync_v2", 1) \
	X(copy, cuMemcpyDtoDAsync, "cuMemcpyDtoDAsync_v2", 1) \
	X(fill, cuMemsetD8Async, "cuMemsetD8Async", 1) \
	X(host_alloc, cuMemAllocHost, "cuMemAllocHost_v2", 0) \
	X(stream_create, cuStreamCreate, "cuStreamCreate", 1) \
	X(stream_sync, cuStreamSynchronize, "cuStreamSynchronize", 1) \
	X(capture_begin, cuStreamBeginCapture, "cuStreamBeginCapture_v2", 1) \
	X(capture_end, cuStreamEndCapture, "cuStreamEndCapture", 1) \
	X(launch, cuLaunchKernelEx, "cuLaunchKernelEx", 1) \
	X(module_load, cuModuleLoadDataEx, "cuModuleLoadDataEx", 1) \
	X(module_unload, cuModuleUnload, "cuModuleUnload", 1) \
	X(module_function, cuModuleGetFunction, "cuModuleGetFunction", 1) \
	X(function_attribute, cuFuncGetAttribute, "cuFuncGetAttribute", 1) \
	X(function_set, cuFuncSetAttribute, "cuFuncSetAttribute", 1) \
	X(occupancy, cuOccupancyMaxActiveBlocksPerMultiprocessor, "cuOccupancyMaxActiveBlocksPerMultiprocessor", 1) \
	X(clusters, cuOccupancyMaxActiveClusters, "cuOccupancyMaxActiveClusters", 0) \
	X(event_create, cuEventCreate, "cuEventCreate", 1) \
	X(event_record, cuEventRecord, "cuEventRecord", 1) \
	X(event_sync, cuEventSynchronize, "cuEventSynchronize", 0) \
	X(event_elapsed, cuEventElapsedTime, "cuEventElapsedTime", 1) \
	X(graph_instantiate, cuGraphInstantiateWithFlags, "cuGraphInstantiateWithFlags", 1) \
	X(graph_upload, cuGraphUpload, "cuGraphUpload", 1) \
	X(graph_launch, cuGraphLaunch, "cuGraphLaunch", 1) \
	X(exec_destroy, cuGraphExecDestroy, "cuGraphExecDestroy", 1) \
	X(graph_destroy, cuGraphDestroy, "cuGraphDestroy", 1) \
	X(tensormap_encode, cuTensorMapEncodeTiled, "cuTensorMapEncodeTiled", 0)

/* Not in every cuda.h that this builds with, so declared here by what the driver documents. */
typedef CUresult gpu_param_info_fn(CUfunction function, size_t index, size_t *offset, size_t *size);

struct gpu_driver {
#define GPU_MEMBER(member, declaration, symbol, needed) __typeof__(&declaration) member;
	GPU_FUNCTIONS(GPU_MEMBER)
#undef GPU_MEMBER
	gpu_param_info_fn *param_info;
};

struct gpu_blas; /* gpu_blas.c: cuBLAS, loaded when the first product is asked for */
struct gpu_poison; /* gpu_poison.c: made when it is first asked for */
struct gpu_sum; /* gpu_sum.c: the same */
struct gpu_stage; /* gpu_stage.c: the same */

struct gpu {
	struct gpu_driver d;
	CUdevice device;
	CUcontext context;
	CUstream stream;
	CUevent *events;
	int event_count;
	bool capturing;
	struct gpu_blas *blas;
	struct gpu_poison *poison;
	struct gpu_sum *sum;
	struct gpu_stage *stage;
	char bus_id[32];
};

struct gpu_image {
	CUmodule module;
};

/* Turns a result into an error: 0 for success; a dead context is GPU_FAULT, a bad image GPU_LOAD, out of memory
 * GPU_MEMORY, whatever else `otherwise`. */
int gpu_check(const struct gpu *g, CUresult r, int otherwise, struct err *e, const char *what);

/* Whether so many bytes are copied through locked buffers, and these copies. As gpu_upload and gpu_download of ordinary memory: the
 * host's side is done when they return, and what has been downloaded is there. */
bool gpu_staged(struct gpu *g, size_t bytes);
CUresult gpu_stage_upload(struct gpu *g, uint64_t to, const void *from, size_t bytes);
CUresult gpu_stage_download(struct gpu *g, void *to, uint64_t from, size_t bytes);

/* C (column-major, m x n) = alpha * op(A) * op(B) + beta * C for each of a batch, on the stream. */
int gpu_blas_product(struct gpu *g, const struct gemm_step *s, uint64_t a, uint64_t b, uint64_t c, struct err *e);

#endif
