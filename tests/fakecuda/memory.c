/* memory: allocations between two inaccessible pages, filled with rubbish; copies and fills checked against them. */
#include "fakecuda.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096u
#define ALIGN 512u /* as the driver's */

static struct fake_alloc **find(CUdeviceptr p)
{
	struct fake_alloc **a;

	for (a = &fake_state()->allocs; *a; a = &(*a)->next)
		if (p >= (uintptr_t)(*a)->base && p < (uintptr_t)(*a)->base + (*a)->len)
			break;
	return a;
}

void *fake_at(CUdeviceptr p, size_t len)
{
	struct fake_alloc *a = *find(p);

	if (!a || len > a->len - (size_t)(p - (uintptr_t)a->base))
		return NULL;
	return a->base + (p - (uintptr_t)a->base);
}

CUresult CUDAAPI cuMemAlloc(CUdeviceptr *p, size_t len)
{
	size_t whole = (len + PAGE - 1) / PAGE * PAGE + 2 * PAGE;
	struct fake_alloc *a;
	char *map;

	if (fake_enter() || !len)
		return fake_enter() ? fake_enter() : CUDA_ERROR_INVALID_VALUE;
	if (len > (size_t)1 << 30)
		return CUDA_ERROR_OUT_OF_MEMORY;
	map = mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	a = calloc(1, sizeof(*a));
	if (map == MAP_FAILED || !a || mprotect(map + PAGE, whole - 2 * PAGE, PROT_READ | PROT_WRITE)) {
		free(a);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	*a = (struct fake_alloc){ .next = fake_state()->allocs, .base = map + PAGE, .len = len, .mapped = whole };
	a->len = (len + ALIGN - 1) / ALIGN * ALIGN;
	memset(a->base, 0xa5, a->len);
	fake_state()->allocs = a;
	*p = (uintptr_t)a->base;
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuMemFree(CUdeviceptr p)
{
	struct fake_alloc **a = find(p), *gone = *a;

	if (fake_wait())
		return fake_enter();
	if (!p)
		return CUDA_SUCCESS;
	if (!gone || (uintptr_t)gone->base != p)
		return CUDA_ERROR_INVALID_VALUE;
	*a = gone->next;
	munmap(gone->base - PAGE, gone->mapped);
	free(gone);
	return CUDA_SUCCESS;
}

CUresult fake_fill(CUdeviceptr to, unsigned char value, size_t len)
{
	void *p = fake_at(to, len);

	if (!p)
		return CUDA_ERROR_INVALID_VALUE;
	memset(p, value, len);
	return CUDA_SUCCESS;
}

CUresult fake_copy(CUdeviceptr to, CUdeviceptr from, size_t len)
{
	void *t = fake_at(to, len);
	const void *f = fake_at(from, len);

	if (!t || !f)
		return CUDA_ERROR_INVALID_VALUE;
	memmove(t, f, len);
	(void)fake_l2_touch(from, len);
	(void)fake_l2_touch(to, len);
	return CUDA_SUCCESS;
}

/* Forms with a stream: recorded while it is captured; queued for nothing behind a hang. */
static CUresult on_stream(CUstream stream, const struct CUgraphNode_st *n)
{
	if (fake_enter())
		return fake_enter();
	if (stream && stream->capture)
		return fake_graph_add(stream->capture, n) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
	if (fake_state()->hung)
		return CUDA_SUCCESS;
	if (n->kind == FAKE_NODE_COPY)
		return fake_copy(n->to, n->from, n->bytes);
	return fake_fill(n->to, n->value, n->bytes);
}

CUresult CUDAAPI cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream)
{
	struct CUgraphNode_st n = { .kind = FAKE_NODE_MEMSET, .to = to, .value = value, .bytes = count };

	return fake_at(to, count) ? on_stream(stream, &n) : CUDA_ERROR_INVALID_VALUE;
}

CUresult CUDAAPI cuMemcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, size_t len, CUstream stream)
{
	struct CUgraphNode_st n = { .kind = FAKE_NODE_COPY, .to = to, .from = from, .bytes = len };

	return fake_at(to, len) && fake_at(from, len) ? on_stream(stream, &n) : CUDA_ERROR_INVALID_VALUE;
}

/* Between host and device a stream's copies are done at once; behind a hang they are never done. */
CUresult CUDAAPI cuMemcpyHtoDAsync(CUdeviceptr to, const void *from, size_t len, CUstream stream)
{
	if (stream && stream->capture)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (fake_enter() || fake_state()->hung)
		return fake_enter();
	if (!fake_at(to, len))
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(fake_at(to, len), from, len);
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuMemcpyDtoHAsync(void *to, CUdeviceptr from, size_t len, CUstream stream)
{
	if (stream && stream->capture)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (fake_enter() || fake_state()->hung)
		return fake_enter();
	if (!fake_at(from, len))
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(to, fake_at(from, len), len);
	return CUDA_SUCCESS;
}

/* Memory of the host is as good locked as not. FAKECUDA_LOCK=0: none can be had. */
CUresult CUDAAPI cuMemAllocHost(void **p, size_t len)
{
	const char *lock = getenv("FAKECUDA_LOCK");

	if (fake_enter() || !len)
		return fake_enter() ? fake_enter() : CUDA_ERROR_INVALID_VALUE;
	*p = lock && !strcmp(lock, "0") ? NULL : malloc(len);
	return *p ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult CUDAAPI cuMemGetInfo(size_t *left, size_t *total)
{
	size_t used = 0;

	for (const struct fake_alloc *a = fake_state()->allocs; a; a = a->next)
		used += a->len;
	*total = (size_t)1 << 30;
	*left = used < *total ? *total - used : 0;
	return fake_enter();
}
