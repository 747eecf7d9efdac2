/* hostcuda: a stand-in for libcuda that computes attention on the host, so that the programs of this folder run where no GPU
 * is: the right entry, the right arguments, contexts kept apart, captures replayed, threads under a sanitizer. The kernels are
 * named attn_<d>_<f16|bf16>_<causal> (tests/golden/host.json) and take q k v o h hkv sq sk, the strides of q k v o, scale. It
 * checks what a driver would: a kernel is launched in the context it was loaded in, on a stream of that context. */
#include <cuda.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reference.h"

struct CUctx_st {
	int number;
};

struct CUmod_st {
	CUcontext context;
	struct CUfunc_st {
		struct CUmod_st *module;
		int d, bf16, causal;
	} function;
};

struct call {
	struct CUfunc_st *function;
	CUdeviceptr tensors[4];
	int sizes[4], b;
	long long strides[12];
	float scale;
	struct call *next;
};

struct CUstream_st {
	CUcontext context;
	int capturing;
	struct call *calls;
};

struct CUgraph_st {
	struct call *calls;
};

static struct CUctx_st contexts[2] = { { 0 }, { 1 } };
static __thread CUcontext current;

#define NEED_CONTEXT() \
	do { \
		if (!current) \
			return CUDA_ERROR_INVALID_CONTEXT; \
	} while (0)

CUresult CUDAAPI cuInit(unsigned int flags)
{
	return flags ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult CUDAAPI cuDeviceGet(CUdevice *device, int ordinal)
{
	*device = 0;
	return ordinal ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
}

CUresult CUDAAPI cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device)
{
	*value = attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ? 9 :
		 attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR ? 0 : 232448;
	return device ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
}

CUresult CUDAAPI cuGetErrorName(CUresult error, const char **name)
{
	*name = error == CUDA_ERROR_INVALID_HANDLE ? "CUDA_ERROR_INVALID_HANDLE" : "an error of the stand-in";
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device)
{
	(void)device;
	*context = &contexts[0];
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDevicePrimaryCtxRelease(CUdevice device)
{
	(void)device;
	return CUDA_SUCCESS;
}

#if CUDA_VERSION >= 13000
CUresult CUDAAPI cuCtxCreate(CUcontext *context, CUctxCreateParams *params, unsigned int flags, CUdevice device)
{
	(void)params;
#else
CUresult CUDAAPI cuCtxCreate(CUcontext *context, unsigned int flags, CUdevice device)
{
#endif
	(void)flags;
	(void)device;
	*context = current = &contexts[1];
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuCtxDestroy(CUcontext context)
{
	return context == &contexts[1] ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult CUDAAPI cuCtxSetCurrent(CUcontext context)
{
	current = context;
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuCtxGetDevice(CUdevice *device)
{
	NEED_CONTEXT();
	*device = 0;
	return CUDA_SUCCESS;
}

/* --- memory: every copy is done when its call returns ---------------------------------------------------------------- */

CUresult CUDAAPI cuMemAlloc(CUdeviceptr *p, size_t bytes)
{
	void *memory = NULL;

	NEED_CONTEXT();
	if (!bytes || posix_memalign(&memory, 256, bytes) != 0)
		return CUDA_ERROR_INVALID_VALUE;
	*p = (CUdeviceptr)(size_t)memory;
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuMemFree(CUdeviceptr p)
{
	free((void *)(size_t)p);
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuMemcpyHtoD(CUdeviceptr to, const void *from, size_t bytes)
{
	memcpy((void *)(size_t)to, from, bytes);
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuMemcpyDtoH(void *to, CUdeviceptr from, size_t bytes)
{
	memcpy(to, (const void *)(size_t)from, bytes);
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuCtxSynchronize(void)
{
	NEED_CONTEXT();
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuMemsetD8(CUdeviceptr to, unsigned char value, size_t bytes)
{
	memset((void *)(size_t)to, value, bytes);
	return CUDA_SUCCESS;
}

static CUresult usable(CUstream stream)
{
	return !stream || stream->context != current || stream->capturing ? CUDA_ERROR_INVALID_HANDLE : CUDA_SUCCESS;
}

CUresult CUDAAPI cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t bytes, CUstream stream)
{
	return usable(stream) != CUDA_SUCCESS ? CUDA_ERROR_INVALID_HANDLE : cuMemsetD8(to, value, bytes);
}

CUresult CUDAAPI cuMemcpyDtoHAsync(void *to, CUdeviceptr from, size_t bytes, CUstream stream)
{
	return usable(stream) != CUDA_SUCCESS ? CUDA_ERROR_INVALID_HANDLE : cuMemcpyDtoH(to, from, bytes);
}

/* --- modules --------------------------------------------------------------------------------------------------------- */

CUresult CUDAAPI cuModuleLoadData(CUmodule *module, const void *image)
{
	NEED_CONTEXT();
	*module = image ? (CUmodule)calloc(1, sizeof **module) : NULL;
	if (!*module)
		return CUDA_ERROR_INVALID_IMAGE;
	(*module)->context = current;
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuModuleUnload(CUmodule module)
{
	if (module->context != current)
		return CUDA_ERROR_INVALID_CONTEXT;
	free(module);
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name)
{
	char dtype[8] = "";
	struct CUfunc_st *f = &module->function;

	f->module = module;
	if (sscanf(name, "attn_%d_%7[a-z0-9]_%d", &f->d, dtype, &f->causal) != 3)
		return CUDA_ERROR_NOT_FOUND;
	f->bf16 = strcmp(dtype, "bf16") == 0;
	*function = f;
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value)
{
	(void)attribute;
	return function && value >= 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult CUDAAPI cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction function)
{
	(void)attribute;
	*value = 0;
	return function ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult CUDAAPI cuTensorMapEncodeTiled(CUtensorMap *map, CUtensorMapDataType type, cuuint32_t rank, void *address,
	const cuuint64_t *sizes, const cuuint64_t *strides, const cuuint32_t *box, const cuuint32_t *steps,
	CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle, CUtensorMapL2promotion l2, CUtensorMapFloatOOBfill fill)
{
	(void)map, (void)type, (void)rank, (void)address, (void)sizes, (void)strides, (void)box, (void)steps;
	(void)interleave, (void)swizzle, (void)l2, (void)fill;
	return CUDA_ERROR_NOT_SUPPORTED;
}

/* --- streams, graphs, launches --------------------------------------------------------------------------------------- */

static void compute(const struct call *call)
{
	struct reference_call c;
	struct reference_tensor t[4];
	unsigned short *o = (unsigned short *)(size_t)call->tensors[3];
	double *weights = (double *)malloc((size_t)call->sizes[3] * sizeof *weights), out[256];
	int row, i, d;

	memset(&c, 0, sizeof c);
	c.h = call->sizes[0];
	c.hkv = call->sizes[1];
	c.sq = call->sizes[2];
	c.sk = call->sizes[3];
	c.d = call->function->d;
	c.bf16 = call->function->bf16;
	c.causal = call->function->causal;
	for (i = 0; i < 4; i++) {
		t[i].bits = (const unsigned short *)(size_t)call->tensors[i];
		t[i].sb = call->strides[3 * i];
		t[i].sh = call->strides[3 * i + 1];
		t[i].ss = call->strides[3 * i + 2];
	}
	for (row = 0; weights && row < call->b * c.h * c.sq; row++) {
		int b = row / (c.h * c.sq), h = row / c.sq % c.h;

		i = row % c.sq;
		reference_row(&c, &t[0], &t[1], &t[2], b, h, i, weights, out);
		for (d = 0; d < c.d; d++)
			o[b * t[3].sb + h * t[3].sh + i * t[3].ss + d] = reference_to_bits(out[d], c.bf16);
	}
	free(weights);
}

CUresult CUDAAPI cuStreamCreate(CUstream *stream, unsigned int flags)
{
	(void)flags;
	NEED_CONTEXT();
	*stream = (CUstream)calloc(1, sizeof **stream);
	(*stream)->context = current;
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuStreamDestroy(CUstream stream)
{
	free(stream);
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuStreamSynchronize(CUstream stream)
{
	return usable(stream);
}

CUresult CUDAAPI cuStreamBeginCapture(CUstream stream, CUstreamCaptureMode mode)
{
	(void)mode;
	if (usable(stream) != CUDA_SUCCESS)
		return CUDA_ERROR_INVALID_HANDLE;
	if (stream->capturing)
		return CUDA_ERROR_ILLEGAL_STATE;
	stream->capturing = 1;
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuStreamEndCapture(CUstream stream, CUgraph *graph)
{
	if (!stream->capturing)
		return CUDA_ERROR_ILLEGAL_STATE;
	*graph = (CUgraph)calloc(1, sizeof **graph);
	(*graph)->calls = stream->calls;
	stream->calls = NULL;
	stream->capturing = 0;
	return CUDA_SUCCESS;
}

/* An executable graph takes its graph's calls, so that either may go first: nobody here instantiates one twice. */
CUresult CUDAAPI cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph graph, unsigned long long flags)
{
	CUgraph own = (CUgraph)calloc(1, sizeof *own);

	(void)flags;
	own->calls = graph->calls;
	graph->calls = NULL;
	*exec = (CUgraphExec)own;
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuGraphLaunch(CUgraphExec exec, CUstream stream)
{
	const struct call *call;

	if (usable(stream) != CUDA_SUCCESS)
		return CUDA_ERROR_INVALID_HANDLE;
	for (call = ((CUgraph)exec)->calls; call; call = call->next)
		compute(call);
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuGraphDestroy(CUgraph graph)
{
	while (graph->calls) {
		struct call *next = graph->calls->next;

		free(graph->calls);
		graph->calls = next;
	}
	free(graph);
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuGraphExecDestroy(CUgraphExec exec)
{
	return cuGraphDestroy((CUgraph)exec);
}

CUresult CUDAAPI cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction f, void **params, void **extra)
{
	CUstream stream = config->hStream;
	struct call call, *kept;
	int i;

	if (!stream || extra || f->module->context != current || stream->context != current)
		return CUDA_ERROR_INVALID_HANDLE;
	memset(&call, 0, sizeof call);
	call.function = f;
	call.b = (int)config->gridDimZ;
	for (i = 0; i < 4; i++) {
		memcpy(&call.tensors[i], params[i], sizeof *call.tensors);
		memcpy(&call.sizes[i], params[4 + i], sizeof *call.sizes);
	}
	/* The golden launch passes them as q, k, v, o. */
	for (i = 0; i < 12; i++)
		memcpy(&call.strides[i], params[8 + i], sizeof *call.strides);
	memcpy(&call.scale, params[20], sizeof call.scale);
	if (fabs((double)call.scale - 1 / sqrt((double)f->d)) > 1e-6)
		return CUDA_ERROR_INVALID_VALUE;
	if (!stream->capturing) {
		compute(&call);
		return CUDA_SUCCESS;
	}
	kept = (struct call *)malloc(sizeof *kept);
	*kept = call;
	kept->next = stream->calls;
	stream->calls = kept;
	return CUDA_SUCCESS;
}
