/* attention: a whole program that uses tuned/attn_best.h as anybody would: C99 and the CUDA driver API, nothing of attune
 * but the header. It runs the tuned shape and three others, in both layouts, with padded rows, directly and from a captured
 * graph, and compares with softmax attention in double precision on the host.
 * Exit status: 0 right, 1 wrong or failed, 77 no device that can run it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attn_best.h"
#include "reference.h"

#define D ATTN_BEST_PROBLEM_D
#define SKIPPED 77

int attn_best_other_file(void);

struct shape {
	int b, h, hkv, sq, sk;
	int bshd; /* layout: 0 b-h-s-d, 1 b-s-h-d, 2 b-s-h-d with rows of q padded by 16 elements */
};

static const struct shape shapes[] = {
	{ ATTN_BEST_PROBLEM_B, ATTN_BEST_PROBLEM_H, ATTN_BEST_PROBLEM_HKV, ATTN_BEST_PROBLEM_SQ, ATTN_BEST_PROBLEM_SK, 0 },
	{ 2, 4, 2, 77, 197, 1 },
	{ 3, 2, 1, 1, 129, 0 },
	{ 1, 6, 3, 200, 333, 2 },
};

/* --- tensors --------------------------------------------------------------------------------------------------------- */

struct tensor {
	unsigned short *host;
	size_t elements;
	long long sb, sh, ss; /* strides in elements */
	CUdeviceptr device;
};

static int tensor_open(struct tensor *t, int b, int heads, int rows, int layout, int pad)
{
	t->ss = layout ? (long long)heads * D + pad : D;
	t->sh = layout ? D : (long long)rows * D;
	t->sb = layout ? t->ss * rows : (long long)heads * rows * D;
	t->elements = (size_t)(t->sb * b);
	t->host = (unsigned short *)malloc(t->elements * sizeof *t->host);
	t->device = 0;
	if (!t->host || cuMemAlloc(&t->device, t->elements * sizeof *t->host) != CUDA_SUCCESS)
		return -1;
	return 0;
}

static void tensor_close(struct tensor *t)
{
	if (t->device)
		(void)cuMemFree(t->device);
	free(t->host);
}

static struct reference_tensor host(const struct tensor *t)
{
	struct reference_tensor r;

	r.bits = t->host;
	r.sb = t->sb;
	r.sh = t->sh;
	r.ss = t->ss;
	return r;
}

static int is_bf16(void)
{
	return strcmp(ATTN_BEST_PROBLEM_DTYPE, "bf16") == 0;
}

/* Largest difference over all rows, or, in a large problem, over evenly spread ones; not a number counts as infinite. */
static double largest_error(const struct shape *s, const struct tensor *q, const struct tensor *k, const struct tensor *v,
			    const struct tensor *o, int *rows)
{
	double *p = (double *)malloc((size_t)s->sk * sizeof *p), expected[D], worst = 0;
	struct reference_tensor tq = host(q), tk = host(k), tv = host(v), to = host(o);
	struct reference_call c;
	int total = s->b * s->h * s->sq, step = (1 + (int)((double)total * s->sk * D / 4e8)) | 1, row, d;

	c.h = s->h;
	c.hkv = s->hkv;
	c.sq = s->sq;
	c.sk = s->sk;
	c.d = D;
	c.bf16 = is_bf16();
	c.causal = ATTN_BEST_PROBLEM_CAUSAL;
	*rows = 0;
	for (row = 0; p && row < total; row += step) {
		int b = row / (s->h * s->sq), h = row / s->sq % s->h, i = row % s->sq;

		reference_row(&c, &tq, &tk, &tv, b, h, i, p, expected);
		for (d = 0; d < D; d++) {
			double error = fabs(reference_at(&to, c.bf16, b, h, i, d) - expected[d]);

			if (!(error <= worst))
				worst = error == error ? error : HUGE_VAL;
		}
		++*rows;
	}
	free(p);
	return *rows ? worst : HUGE_VAL;
}

/* --- calls ----------------------------------------------------------------------------------------------------------- */

static int check(CUresult r, const char *what)
{
	const char *name = NULL;

	if (r == CUDA_SUCCESS)
		return 0;
	(void)cuGetErrorName(r, &name);
	printf("%s: %s\n", what, name ? name : "unknown error");
	return -1;
}

/* Writes NaNs over o, launches (captured into a graph or directly), and reads o back. */
static int call(const struct attn_best *kernel, const struct attn_best_args *args, CUdeviceptr workspace, CUstream stream,
		int captured, struct tensor *o)
{
	size_t bytes = o->elements * sizeof *o->host;
	CUgraph graph = NULL;
	CUgraphExec exec = NULL;
	int rc;

	/* On the launch's own stream: the default one is not waited for by a stream that does not block. */
	rc = check(cuMemsetD8Async(o->device, 0xff, bytes, stream), "cuMemsetD8Async");
	if (rc == 0 && captured)
		rc = check(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL), "cuStreamBeginCapture");
	if (rc == 0)
		rc = check(attn_best_launch(kernel, args, workspace, stream), "attn_best_launch");
	if (rc == 0 && captured)
		rc = check(cuStreamEndCapture(stream, &graph), "cuStreamEndCapture");
	if (rc == 0 && captured)
		rc = check(cuGraphInstantiateWithFlags(&exec, graph, 0), "cuGraphInstantiateWithFlags");
	if (rc == 0 && captured)
		rc = check(cuGraphLaunch(exec, stream), "cuGraphLaunch");
	if (rc == 0)
		rc = check(cuStreamSynchronize(stream), "cuStreamSynchronize");
	if (rc == 0)
		rc = check(cuMemcpyDtoH(o->host, o->device, bytes), "cuMemcpyDtoH");
	if (exec)
		(void)cuGraphExecDestroy(exec);
	if (graph)
		(void)cuGraphDestroy(graph);
	return rc;
}

static int run_shape(const struct attn_best *kernel, const struct shape *s, CUstream stream, unsigned long long *random)
{
	double limit = is_bf16() ? 1.6e-2 : 2e-3, error = 0;
	struct tensor t[4]; /* q k v o */
	struct attn_best_args args;
	CUdeviceptr workspace = 0;
	int i, rows = 0, rc = 0;

	memset(&args, 0, sizeof args);
	memset(t, 0, sizeof t);
	for (i = 0; i < 4 && rc == 0; i++) {
		int queries = i == 0 || i == 3;
		size_t e;

		rc = tensor_open(&t[i], s->b, queries ? s->h : s->hkv, queries ? s->sq : s->sk, s->bshd,
				 i == 0 && s->bshd == 2 ? 16 : 0);
		for (e = 0; rc == 0 && e < t[i].elements; e++)
			t[i].host[e] = reference_to_bits(reference_normal(random), is_bf16());
		if (rc == 0)
			rc = check(cuMemcpyHtoD(t[i].device, t[i].host, t[i].elements * sizeof *t[i].host), "cuMemcpyHtoD");
	}
	/* Copies from pageable memory may still be under way when they return. */
	if (rc == 0)
		rc = check(cuCtxSynchronize(), "cuCtxSynchronize");
	args.q = t[0].device;
	args.k = t[1].device;
	args.v = t[2].device;
	args.o = t[3].device;
	args.b = s->b;
	args.h = s->h;
	args.hkv = s->hkv;
	args.sq = s->sq;
	args.sk = s->sk;
	args.d = D;
	args.dtype = is_bf16() ? ATTN_BEST_DTYPE_BF16 : ATTN_BEST_DTYPE_F16;
	args.causal = ATTN_BEST_PROBLEM_CAUSAL;
	if (s->bshd)
		attn_best_layout_bshd(&args);
	else
		attn_best_layout_bhsd(&args);
	args.q_sb = t[0].sb;
	args.q_sh = t[0].sh;
	args.q_ss = t[0].ss;
	if (rc == 0 && attn_best_workspace_bytes(&args) > 0)
		rc = check(cuMemAlloc(&workspace, attn_best_workspace_bytes(&args)), "cuMemAlloc");
	for (i = 0; i < 2 && rc == 0; i++) {
		double e = HUGE_VAL;

		rc = call(kernel, &args, workspace, stream, i, &t[3]);
		if (rc == 0)
			e = largest_error(s, &t[0], &t[1], &t[2], &t[3], &rows);
		error = e > error ? e : error;
	}
	if (rc == 0) {
		printf("b=%d h=%d hkv=%d sq=%d sk=%d d=%d layout=%s%s: largest error %.3g of %.3g in %d rows: %s\n", s->b, s->h,
		       s->hkv, s->sq, s->sk, D, s->bshd ? "bshd" : "bhsd", s->bshd == 2 ? " (padded q)" : "", error, limit, rows,
		       error <= limit ? "right" : "WRONG");
		rc = error <= limit ? 0 : -1;
	}
	if (workspace)
		(void)cuMemFree(workspace);
	for (i = 0; i < 4; i++)
		tensor_close(&t[i]);
	return rc;
}

static int no_device(CUresult r)
{
	const char *name = NULL;

	(void)cuGetErrorName(r, &name);
	printf("no CUDA device: skipped (%s)\n", name ? name : "the driver cannot be started");
	return SKIPPED;
}

int main(void)
{
	unsigned long long random = 20240229;
	struct attn_best kernel;
	CUcontext context = NULL;
	CUstream stream = NULL;
	CUdevice device;
	CUresult r = cuInit(0);
	size_t i;
	int wrong = 0;

	if (r == CUDA_SUCCESS)
		r = cuDeviceGet(&device, 0);
	if (r != CUDA_SUCCESS)
		return no_device(r);
	if (check(cuDevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain") < 0 ||
	    check(cuCtxSetCurrent(context), "cuCtxSetCurrent") < 0 ||
	    check(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), "cuStreamCreate") < 0)
		return 1;
	r = attn_best_load(&kernel);
	if (r == CUDA_ERROR_NO_BINARY_FOR_GPU) {
		printf("the device is no %s: skipped\n", ATTN_BEST_ARCH);
		return SKIPPED;
	}
	if (check(r, "attn_best_load") < 0 || attn_best_other_file() != 0)
		return 1;
	for (i = 0; i < sizeof shapes / sizeof *shapes; i++)
		wrong += run_shape(&kernel, &shapes[i], stream, &random) < 0;
	wrong += check(attn_best_unload(&kernel), "attn_best_unload") < 0;
	(void)cuStreamDestroy(stream);
	(void)cuDevicePrimaryCtxRelease(device);
	return wrong != 0;
}
