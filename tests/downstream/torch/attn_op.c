/* attn_op: a tuned header as a shared library for ctypes: one function, which plans, loads once for each device and entry, and
 * launches on the caller's stream. PyTorch's primary contexts are current when it is called. Returns a CUresult. */
#include <pthread.h>

#include "attn_best.h"

#define DEVICES_MAX 64

int attn_op(void *q, void *k, void *v, void *o, const int *sizes, const long long *strides, float scale, void *workspace,
	size_t workspace_bytes, void *stream, size_t *need);

static struct attn_best kernels[DEVICES_MAX][ATTN_BEST_ENTRIES];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* sizes: b h hkv sq sk d dtype (1 f16, 2 bf16) causal; strides: batch, head and row of q, k, v, o. *need: bytes of workspace;
 * when workspace_bytes is less, nothing is launched and CUDA_ERROR_OUT_OF_MEMORY is returned. */
int attn_op(void *q, void *k, void *v, void *o, const int *sizes, const long long *strides, float scale, void *workspace,
	size_t workspace_bytes, void *stream, size_t *need)
{
	struct attn_best_args a = { 0 };
	const struct attn_best_entry *entry;
	struct attn_best *kernel;
	CUdevice device;
	CUresult r;

	a.q = (CUdeviceptr)q;
	a.k = (CUdeviceptr)k;
	a.v = (CUdeviceptr)v;
	a.o = (CUdeviceptr)o;
	a.b = sizes[0];
	a.h = sizes[1];
	a.hkv = sizes[2];
	a.sq = sizes[3];
	a.sk = sizes[4];
	a.d = sizes[5];
	a.dtype = sizes[6];
	a.causal = sizes[7];
	a.q_sb = strides[0];
	a.q_sh = strides[1];
	a.q_ss = strides[2];
	a.k_sb = strides[3];
	a.k_sh = strides[4];
	a.k_ss = strides[5];
	a.v_sb = strides[6];
	a.v_sh = strides[7];
	a.v_ss = strides[8];
	a.o_sb = strides[9];
	a.o_sh = strides[10];
	a.o_ss = strides[11];
	a.scale = scale;
	r = cuCtxGetDevice(&device);
	if (r == CUDA_SUCCESS)
		r = attn_best_plan(&a, device, &entry);
	if (r != CUDA_SUCCESS)
		return (int)r;
	if (device < 0 || device >= DEVICES_MAX)
		return (int)CUDA_ERROR_INVALID_DEVICE;
	*need = attn_best_entry_workspace_bytes(entry, &a);
	if (*need > workspace_bytes)
		return (int)CUDA_ERROR_OUT_OF_MEMORY;
	kernel = &kernels[device][entry->index];
	(void)pthread_mutex_lock(&mutex);
	if (!kernel->module)
		r = attn_best_load_entry(kernel, entry);
	(void)pthread_mutex_unlock(&mutex);
	return (int)(r == CUDA_SUCCESS ? attn_best_launch(kernel, &a, (CUdeviceptr)workspace, (CUstream)stream) : r);
}
