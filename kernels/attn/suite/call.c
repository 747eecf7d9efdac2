/* call: one tuned header behind a few functions that Python's ctypes can call: pick and load the entry for a problem, launch it
 * on one of several sets of tensors, and time a loop of launches as a C program sees them. C99; needs attn_best.h and cuda.h;
 * libcuda must have been loaded by who loads this, and a context must be current. Measures nothing else. */
#define _POSIX_C_SOURCE 199309L
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "attn_best.h"

struct suite_call;
struct suite_call *suite_open(const int *sizes, const long long *strides, int *error);
const char *suite_entry(const struct suite_call *c);
unsigned long long suite_workspace_bytes(const struct suite_call *c);
int suite_sets(struct suite_call *c, int sets, const unsigned long long *tensors, unsigned long long workspace);
void suite_early(struct suite_call *c, int early);
int suite_launch(const struct suite_call *c, int set, void *stream);
int suite_calls(const struct suite_call *c, int first, int calls, void *stream);
int suite_eager(const struct suite_call *c, int calls, void *stream, double *us);
void suite_close(struct suite_call *c);

struct suite_call {
	struct attn_best kernel;
	struct attn_best_args args;
	CUdeviceptr workspace;
	CUdeviceptr (*tensors)[4]; /* q k v o of each set */
	int sets;
};

/* sizes: b h hkv sq sk d dtype (1 f16, 2 bf16) causal; strides in elements: batch, head, row of q, k, v, o. NULL: *error is the
 * CUresult, where 801 says that no entry serves the problem. */
struct suite_call *suite_open(const int *sizes, const long long *strides, int *error)
{
	const struct attn_best_entry *entry = NULL;
	struct suite_call *c = (struct suite_call *)calloc(1, sizeof *c);
	struct attn_best_args *a;
	CUdevice device;
	CUresult r;

	if (!c) {
		*error = (int)CUDA_ERROR_OUT_OF_MEMORY;
		return NULL;
	}
	a = &c->args;
	a->b = sizes[0];
	a->h = sizes[1];
	a->hkv = sizes[2];
	a->sq = sizes[3];
	a->sk = sizes[4];
	a->d = sizes[5];
	a->dtype = sizes[6];
	a->causal = sizes[7];
	a->q_sb = strides[0];
	a->q_sh = strides[1];
	a->q_ss = strides[2];
	a->k_sb = strides[3];
	a->k_sh = strides[4];
	a->k_ss = strides[5];
	a->v_sb = strides[6];
	a->v_sh = strides[7];
	a->v_ss = strides[8];
	a->o_sb = strides[9];
	a->o_sh = strides[10];
	a->o_ss = strides[11];
	r = cuCtxGetDevice(&device);
	if (r == CUDA_SUCCESS)
		r = attn_best_plan(a, device, &entry);
	if (r == CUDA_SUCCESS)
		r = attn_best_load_entry(&c->kernel, entry);
	*error = (int)r;
	if (r == CUDA_SUCCESS)
		return c;
	free(c);
	return NULL;
}

const char *suite_entry(const struct suite_call *c)
{
	return c->kernel.entry->name;
}

unsigned long long suite_workspace_bytes(const struct suite_call *c)
{
	return (unsigned long long)attn_best_entry_workspace_bytes(c->kernel.entry, &c->args);
}

/* tensors: four pointers a set; workspace: one for all, as calls follow each other on one stream. */
int suite_sets(struct suite_call *c, int sets, const unsigned long long *tensors, unsigned long long workspace)
{
	int i, k;

	free(c->tensors);
	c->tensors = (CUdeviceptr(*)[4])malloc((size_t)sets * sizeof *c->tensors);
	c->sets = c->tensors ? sets : 0;
	if (!c->tensors)
		return (int)CUDA_ERROR_OUT_OF_MEMORY;
	for (i = 0; i < sets; i++)
		for (k = 0; k < 4; k++)
			c->tensors[i][k] = (CUdeviceptr)tensors[4 * i + k];
	c->workspace = (CUdeviceptr)workspace;
	return 0;
}

/* 1: calls from here on may begin while the kernel before them drains. */
void suite_early(struct suite_call *c, int early)
{
	c->args.early = early;
}

int suite_launch(const struct suite_call *c, int set, void *stream)
{
	struct attn_best_args a = c->args;

	if (set < 0 || set >= c->sets)
		return (int)CUDA_ERROR_INVALID_VALUE;
	a.q = c->tensors[set][0];
	a.k = c->tensors[set][1];
	a.v = c->tensors[set][2];
	a.o = c->tensors[set][3];
	return (int)attn_best_launch(&c->kernel, &a, c->workspace, (CUstream)stream);
}

/* So many calls on set first, first + 1, ... in turn: what a graph is captured from. */
int suite_calls(const struct suite_call *c, int first, int calls, void *stream)
{
	int i, r = 0;

	for (i = 0; i < calls && r == 0; i++)
		r = suite_launch(c, (first + i) % c->sets, stream);
	return r;
}

/* Microseconds of the host's clock for each of so many calls, the last one's end included. */
int suite_eager(const struct suite_call *c, int calls, void *stream, double *us)
{
	struct timespec begin, end;
	int r;

	(void)clock_gettime(CLOCK_MONOTONIC, &begin);
	r = suite_calls(c, 0, calls, stream);
	if (r == 0)
		r = (int)cuStreamSynchronize((CUstream)stream);
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	*us = ((double)(end.tv_sec - begin.tv_sec) * 1e6 + (double)(end.tv_nsec - begin.tv_nsec) * 1e-3) / calls;
	return r;
}

/* The context must be current, and nothing under way. */
void suite_close(struct suite_call *c)
{
	if (!c)
		return;
	(void)attn_best_unload(&c->kernel);
	free(c->tensors);
	free(c);
}
