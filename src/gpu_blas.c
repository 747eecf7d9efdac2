/* gpu_blas: strided-batched products through cuBLAS, loaded at run time when a baseline first asks for one. cuBLAS works in
 * the primary context, which gpu_open made current; its scratch memory is given to it, so that a captured product holds
 * no allocation. Only the few constants of its interface that are used here are named. */
#include "gpu_driver.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLAS_N = 0, BLAS_T = 1, BLAS_COMPUTE_F32 = 68, BLAS_COMPUTE_F64 = 70, BLAS_ALGO_DEFAULT = -1 };
enum { BLAS_SCRATCH_BYTES = 32 << 20 }; /* what cuBLAS recommends for Hopper */

typedef int blas_create_fn(void **handle);
typedef int blas_stream_fn(void *handle, CUstream stream);
typedef int blas_workspace_fn(void *handle, void *workspace, size_t bytes);
typedef int blas_gemm_fn(void *handle, int ta, int tb, int m, int n, int k, const void *alpha, const void *a, int type_a,
			 int lda, long long stride_a, const void *b, int type_b, int ldb, long long stride_b,
			 const void *beta, void *c, int type_c, int ldc, long long stride_c, int batch, int compute,
			 int algorithm);

struct gpu_blas {
	void *handle;
	blas_gemm_fn *gemm;
};

static void *open_library(void)
{
	static const char *const folders[] = { NULL, "CUDA_HOME", "CUDA_PATH", "" };
	static const char *const versions[] = { "13", "12" };

	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
		for (size_t v = 0; v < sizeof versions / sizeof *versions; v++) {
			const char *root = !folders[i] ? NULL : folders[i][0] ? getenv(folders[i]) : "/usr/local/cuda";
			char path[4096];
			void *lib;

			if (folders[i] && !root)
				continue;
			if (root) {
				/* cuBLAS looks for its other half on the search path only; loaded before, it is found. */
				snprintf(path, sizeof path, "%s/lib64/libcublasLt.so.%s", root, versions[v]);
				if (!dlopen(path, RTLD_NOW | RTLD_GLOBAL))
					continue;
				snprintf(path, sizeof path, "%s/lib64/libcublas.so.%s", root, versions[v]);
			} else {
				snprintf(path, sizeof path, "libcublas.so.%s", versions[v]);
			}
			lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
			if (lib)
				return lib;
		}
	return NULL;
}

static int blas_open(struct gpu *g, struct err *e)
{
	struct gpu_blas *b = calloc(1, sizeof *b);
	void *lib = open_library();
	blas_create_fn *create;
	blas_stream_fn *set_stream;
	blas_workspace_fn *set_workspace;
	uint64_t scratch;

	if (!b)
		abort();
	if (!lib) {
		err_set_code(e, GPU_LOAD, "no libcublas.so.13 or .12: %s", dlerror());
		goto fail;
	}
	*(void **)&create = dlsym(lib, "cublasCreate_v2");
	*(void **)&set_stream = dlsym(lib, "cublasSetStream_v2");
	*(void **)&set_workspace = dlsym(lib, "cublasSetWorkspace_v2");
	*(void **)&b->gemm = dlsym(lib, "cublasGemmStridedBatchedEx");
	if (!create || !set_stream || !set_workspace || !b->gemm) {
		err_set_code(e, GPU_LOAD, "libcublas lacks a function: %s", dlerror());
		goto fail;
	}
	if (create(&b->handle) != 0 || set_stream(b->handle, g->stream) != 0) {
		err_set_code(e, GPU_LOAD, "cuBLAS could not be started");
		goto fail;
	}
	if (gpu_alloc(g, &scratch, BLAS_SCRATCH_BYTES, e) < 0)
		goto fail;
	if (set_workspace(b->handle, (void *)(uintptr_t)scratch, BLAS_SCRATCH_BYTES) != 0) {
		err_set_code(e, GPU_LOAD, "cuBLAS does not take its scratch memory");
		goto fail;
	}
	g->blas = b;
	return 0;
fail:
	free(b);
	return e->code;
}

/* Of cudaDataType; negative: not for products. */
static int blas_type(enum dtype d)
{
	switch (d) {
	case DTYPE_F16:
		return 2;
	case DTYPE_BF16:
		return 14;
	case DTYPE_F32:
		return 0;
	case DTYPE_F64:
		return 1;
	default:
		return -1;
	}
}

int gpu_blas_product(struct gpu *g, const struct gemm_step *s, uint64_t a, uint64_t b, uint64_t c, struct err *e)
{
	const bool wide = s->in == DTYPE_F64;
	const float alpha = (float)s->alpha, beta = (float)s->beta;
	int status;

	if (blas_type(s->in) < 0 || blas_type(s->out) < 0)
		return err_set_code(e, GPU_LAUNCH, "gemm: a dtype that cuBLAS does not multiply");
	if (!g->blas && blas_open(g, e) < 0)
		return e->code;
	status = g->blas->gemm(g->blas->handle, s->transpose_a ? BLAS_T : BLAS_N, s->transpose_b ? BLAS_T : BLAS_N,
			       (int)s->m, (int)s->n, (int)s->k, wide ? (const void *)&s->alpha : &alpha,
			       (const void *)(uintptr_t)a, blas_type(s->in), (int)s->lda, s->stride_a,
			       (const void *)(uintptr_t)b, blas_type(s->in), (int)s->ldb, s->stride_b,
			       wide ? (const void *)&s->beta : &beta, (void *)(uintptr_t)c, blas_type(s->out), (int)s->ldc,
			       s->stride_c, (int)s->batch, wide ? BLAS_COMPUTE_F64 : BLAS_COMPUTE_F32, BLAS_ALGO_DEFAULT);
	return status == 0 ? 0 : err_set_code(e, GPU_LAUNCH, "cublasGemmStridedBatchedEx: status %d", status);
}
