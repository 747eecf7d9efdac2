/* attention: a whole program that uses tuned/attn_best.h as anybody would: C99 and the CUDA driver API, nothing of attune
 * but the header. It runs the tuned shape and three others, in both layouts, with padded rows, directly and from a captured
 * graph, and compares with softmax attention in double precision on the host.
 * Exit status: 0 right, 1 wrong or failed, 77 no device that can run it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attn_best.h"

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

/* --- the element type, stored in 16 bits ----------------------------------------------------------------------------- */

static int is_bf16(void)
{
	return strcmp(ATTN_BEST_PROBLEM_DTYPE, "bf16") == 0;
}

static double from_bits(unsigned short bits)
{
	int exponent_bits = is_bf16() ? 8 : 5, mantissa_bits = 15 - exponent_bits;
	int exponent = bits >> mantissa_bits & ((1 << exponent_bits) - 1), bias = (1 << (exponent_bits - 1)) - 1;
	int mantissa = bits & ((1 << mantissa_bits) - 1);
	double sign = bits >> 15 ? -1.0 : 1.0;

	if (exponent == (1 << exponent_bits) - 1)
		return mantissa ? NAN : sign * (double)INFINITY;
	if (exponent == 0)
		return sign * ldexp(mantissa, 1 - bias - mantissa_bits);
	return sign * ldexp(mantissa + (1 << mantissa_bits), exponent - bias - mantissa_bits);
}

/* Rounds to nearest, ties to even; v is far below the largest number. */
static unsigned short to_bits(double v)
{
	int mantissa_bits = is_bf16() ? 7 : 10, bias = is_bf16() ? 127 : 15, exponent;
	double a = fabs(v);
	long units;

	if (a == 0)
		return 0;
	frexp(a, &exponent);
	exponent = exponent - 1 < 1 - bias ? 1 - bias : exponent - 1;
	units = lrint(ldexp(a, mantissa_bits - exponent));
	/* A subnormal has no hidden bit, and rounding up to the next power of two carries by itself. */
	units += (long)(exponent + bias - 1) << mantissa_bits;
	return (unsigned short)(units | (v < 0 ? 0x8000 : 0));
}

/* --- tensors --------------------------------------------------------------------------------------------------------- */

struct tensor {
	unsigned short *host;
	size_t elements;
	long long sb, sh, ss; /* strides in elements */
	CUdeviceptr device;
};

static double random_normal(unsigned long long *state)
{
	double u[2];
	int i;

	for (i = 0; i < 2; i++) {
		*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
		u[i] = ((double)(*state >> 11) + 0.5) / 9007199254740992.0;
	}
	return sqrt(-2.0 * log(u[0])) * cos(6.283185307179586 * u[1]);
}

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

static double at(const struct tensor *t, int b, int h, int s, int d)
{
	return from_bits(t->host[b * t->sb + h * t->sh + s * t->ss + d]);
}

/* One query row in double precision. Causal masks are aligned to the bottom right. */
static void reference_row(const struct shape *s, const struct tensor *q, const struct tensor *k, const struct tensor *v,
			  int b, int h, int i, double *p, double *out)
{
	int kv = h / (s->h / s->hkv), keys = ATTN_BEST_PROBLEM_CAUSAL ? i + s->sk - s->sq + 1 : s->sk, j, d;
	double most = -HUGE_VAL, sum = 0;

	if (keys > s->sk)
		keys = s->sk;
	for (j = 0; j < keys; j++) {
		p[j] = 0;
		for (d = 0; d < D; d++)
			p[j] += at(q, b, h, i, d) * at(k, b, kv, j, d);
		p[j] /= sqrt((double)D);
		most = p[j] > most ? p[j] : most;
	}
	for (d = 0; d < D; d++)
		out[d] = 0;
	for (j = 0; j < keys; j++) {
		double w = exp(p[j] - most);

		sum += w;
		for (d = 0; d < D; d++)
			out[d] += w * at(v, b, kv, j, d);
	}
	for (d = 0; d < D && keys > 0; d++)
		out[d] /= sum;
}

/* Largest difference over all rows, or, in a large problem, over evenly spread ones; not a number counts as infinite. */
static double largest_error(const struct shape *s, const struct tensor *q, const struct tensor *k, const struct tensor *v,
			    const struct tensor *o, int *rows)
{
	double *p = (double *)malloc((size_t)s->sk * sizeof *p), expected[D], worst = 0;
	int total = s->b * s->h * s->sq, step = 1 + (int)((double)total * s->sk * D / 4e8), row, d;

	*rows = 0;
	for (row = 0; p && row < total; row += step) {
		int b = row / (s->h * s->sq), h = row / s->sq % s->h, i = row % s->sq;

		reference_row(s, q, k, v, b, h, i, p, expected);
		for (d = 0; d < D; d++) {
			double error = fabs(at(o, b, h, i, d) - expected[d]);

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

	rc = check(cuMemsetD8(o->device, 0xff, bytes), "cuMemsetD8");
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
			t[i].host[e] = to_bits(random_normal(random));
		if (rc == 0)
			rc = check(cuMemcpyHtoD(t[i].device, t[i].host, t[i].elements * sizeof *t[i].host), "cuMemcpyHtoD");
	}
	args.q = t[0].device;
	args.k = t[1].device;
	args.v = t[2].device;
	args.o = t[3].device;
	args.b = s->b;
	args.h = s->h;
	args.hkv = s->hkv;
	args.sq = s->sq;
	args.sk = s->sk;
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
