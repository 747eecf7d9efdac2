/* problem: one attention problem on the device for the programs in this folder: random inputs, the call's arguments, and the
 * comparison with double precision. C99 and C++; needs attn_best.h and libcuda, a current context, and -lm. */
#ifndef PROBLEM_H
#define PROBLEM_H
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attn_best.h"
#include "reference.h"

#define PROBLEM_SKIPPED 77

struct problem {
	struct reference_call c;
	int b, bshd;
	unsigned short *host[4]; /* q k v o */
	long long strides[4][3];
	size_t bytes[4];
	CUdeviceptr device[4];
	struct attn_best_args args;
};

static inline int problem_check(CUresult r, const char *what)
{
	const char *name = NULL;

	if (r == CUDA_SUCCESS)
		return 0;
	(void)cuGetErrorName(r, &name);
	printf("%s: %s\n", what, name ? name : "unknown error");
	return -1;
}

/* Says that there is no device, in the words of the driver's error; the status to end with. */
static inline int problem_no_device(CUresult r)
{
	const char *name = NULL;

	(void)cuGetErrorName(r, &name);
	printf("no CUDA device: skipped (%s)\n", name ? name : "the driver cannot be started");
	return PROBLEM_SKIPPED;
}

static inline void problem_close(struct problem *p)
{
	int i;

	for (i = 0; i < 4; i++) {
		free(p->host[i]);
		if (p->device[i])
			(void)cuMemFree(p->device[i]);
	}
	memset(p, 0, sizeof *p);
}

/* Random normal inputs on the host and the device. c and b say what is asked for; bshd: the other layout. */
static inline int problem_open(struct problem *p, struct reference_call c, int b, int bshd, unsigned long long *random)
{
	int i;

	memset(p, 0, sizeof *p);
	p->c = c;
	p->b = b;
	p->bshd = bshd;
	for (i = 0; i < 4; i++) {
		long long heads = i == 0 || i == 3 ? c.h : c.hkv, rows = i == 0 || i == 3 ? c.sq : c.sk;
		size_t n = (size_t)(b * heads * rows * c.d), k;

		p->bytes[i] = n * sizeof **p->host;
		p->strides[i][0] = heads * rows * c.d;
		p->strides[i][1] = bshd ? c.d : rows * c.d;
		p->strides[i][2] = bshd ? heads * c.d : c.d;
		p->host[i] = (unsigned short *)malloc(p->bytes[i]);
		if (!p->host[i])
			return -1;
		for (k = 0; k < n && i < 3; k++)
			p->host[i][k] = reference_to_bits(reference_normal(random), c.bf16);
		if (problem_check(cuMemAlloc(&p->device[i], p->bytes[i]), "cuMemAlloc") < 0)
			return -1;
		if (i < 3 && problem_check(cuMemcpyHtoD(p->device[i], p->host[i], p->bytes[i]), "cuMemcpyHtoD") < 0)
			return -1;
	}
	/* Copies from pageable memory may still be under way, on a stream that the caller's need not wait for. */
	if (problem_check(cuCtxSynchronize(), "cuCtxSynchronize") < 0)
		return -1;
	p->args.q = p->device[0];
	p->args.k = p->device[1];
	p->args.v = p->device[2];
	p->args.o = p->device[3];
	p->args.b = b;
	p->args.h = c.h;
	p->args.hkv = c.hkv;
	p->args.sq = c.sq;
	p->args.sk = c.sk;
	p->args.d = c.d;
	p->args.dtype = c.bf16 ? 2 : 1;
#ifdef ATTN_BEST_DTYPE_BF16
	p->args.dtype = c.bf16 ? ATTN_BEST_DTYPE_BF16 : ATTN_BEST_DTYPE_F16;
#endif
	p->args.causal = c.causal;
	if (bshd)
		attn_best_layout_bshd(&p->args);
	return 0;
}

/* Launches once on a stream, over an output full of NaNs, and copies the output back. */
static inline int problem_run(struct problem *p, const struct attn_best *kernel, CUdeviceptr workspace, CUstream stream)
{
	if (problem_check(cuMemsetD8Async(p->device[3], 0xff, p->bytes[3], stream), "cuMemsetD8Async") < 0 ||
	    problem_check(attn_best_launch(kernel, &p->args, workspace, stream), "attn_best_launch") < 0 ||
	    problem_check(cuMemcpyDtoHAsync(p->host[3], p->device[3], p->bytes[3], stream), "cuMemcpyDtoHAsync") < 0)
		return -1;
	return problem_check(cuStreamSynchronize(stream), "cuStreamSynchronize");
}

/* The largest error over about 2e7 products of evenly spread rows (an odd number apart, so that no place in a tile is left out),
 * as a share of what rounding allows: 2e-3 (f16) or 1.6e-2 (bf16) of 1 plus the expected value. Not a number counts as infinite. */
static inline double problem_error(const struct problem *p)
{
	struct reference_tensor t[4];
	double *weights = (double *)malloc((size_t)p->c.sk * sizeof *weights), expected[256], worst = 0;
	double base = p->c.bf16 ? 1.6e-2 : 2e-3;
	int total = p->b * p->c.h * p->c.sq, step = (1 + (int)((double)total * p->c.sk * p->c.d / 2e7)) | 1, row, i, d;

	for (i = 0; i < 4; i++) {
		t[i].bits = p->host[i];
		t[i].sb = p->strides[i][0];
		t[i].sh = p->strides[i][1];
		t[i].ss = p->strides[i][2];
	}
	if (!weights || p->c.d > 256)
		worst = HUGE_VAL;
	for (row = 0; weights && p->c.d <= 256 && row < total; row += step) {
		int b = row / (p->c.h * p->c.sq), h = row / p->c.sq % p->c.h;

		i = row % p->c.sq;
		reference_row(&p->c, &t[0], &t[1], &t[2], b, h, i, weights, expected);
		for (d = 0; d < p->c.d; d++) {
			double error = fabs(reference_at(&t[3], p->c.bf16, b, h, i, d) - expected[d]) / (base * (1 + fabs(expected[d])));

			if (!(error <= worst))
				worst = error == error ? error : HUGE_VAL;
		}
	}
	free(weights);
	return worst;
}

static inline void problem_print(const struct problem *p)
{
	printf("b=%d h=%d hkv=%d sq=%d sk=%d d=%d dtype=%s causal=%d layout=%s", p->b, p->c.h, p->c.hkv, p->c.sq, p->c.sk, p->c.d,
	       p->c.bf16 ? "bf16" : "f16", p->c.causal, p->bshd ? "bshd" : "bhsd");
}

/* The kernel for a problem among those loaded in this context, one for each entry; loads it the first time. */
static inline struct attn_best *problem_kernel(const struct problem *p, CUdevice device, struct attn_best *kernels)
{
	const struct attn_best_entry *entry = NULL;

	if (problem_check(attn_best_plan(&p->args, device, &entry), "attn_best_plan") < 0)
		return NULL;
	if (!kernels[entry->index].module &&
	    problem_check(attn_best_load_entry(&kernels[entry->index], entry), "attn_best_load_entry") < 0)
		return NULL;
	return &kernels[entry->index];
}

#endif
