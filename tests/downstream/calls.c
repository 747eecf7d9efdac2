/* calls: what the generated functions ask of the driver. The driver's functions are replaced here by ones that write down
 * what they were given; no kernel is run and no result is claimed. The headers are those of tests/golden. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attn_best.h"
#include "split_best.h"

struct launch {
	CUlaunchConfig config;
	CUlaunchAttribute attrs[4];
	CUfunction kernel;
	unsigned char params[24][128];
};

static struct {
	struct launch launches[8];
	int n_launches, n_loads, n_unloads, n_maps, smem[2], fail_function, major;
	CUdeviceptr memset_at;
	size_t memset_bytes;
	cuuint64_t map_sizes[4], map_strides[3];
	unsigned long long image_first;
	int params[2]; /* how many each kernel takes */
	size_t sizes[2][24];
} seen;

static int failures;

static void fresh(void)
{
	memset(&seen, 0, sizeof seen);
	seen.major = 9;
}

#define CHECK(condition) ((condition) ? (void)0 : (void)(printf("FAIL: calls.c:%d: %s\n", __LINE__, #condition), failures++))

static char kernels[2];

CUresult CUDAAPI cuModuleLoadData(CUmodule *module, const void *image)
{
	memcpy(&seen.image_first, image, sizeof seen.image_first);
	*module = (CUmodule)(void *)&seen;
	seen.n_loads++;
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuModuleUnload(CUmodule module)
{
	CHECK(module == (CUmodule)(void *)&seen);
	seen.n_unloads++;
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name)
{
	CHECK(module == (CUmodule)(void *)&seen);
	if (seen.fail_function)
		return CUDA_ERROR_NOT_FOUND;
	*function = (CUfunction)(void *)&kernels[strcmp(name, "split_sum") == 0];
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value)
{
	CHECK(attribute == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
	seen.smem[(char *)(void *)function - kernels] = value;
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction function)
{
	(void)function;
	CHECK(attribute == CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES);
	*value = 1000;
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuCtxGetDevice(CUdevice *device)
{
	*device = 0;
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device)
{
	(void)device;
	CHECK(attribute == CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN ||
	      attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ||
	      attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
	*value = attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ? seen.major :
		 attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR ? 0 : 232448;
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuMemsetD8Async(CUdeviceptr at, unsigned char value, size_t bytes, CUstream stream)
{
	(void)stream;
	CHECK(value == 0);
	seen.memset_at = at;
	seen.memset_bytes = bytes;
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuTensorMapEncodeTiled(CUtensorMap *map, CUtensorMapDataType type, cuuint32_t rank, void *address,
	const cuuint64_t *sizes, const cuuint64_t *strides, const cuuint32_t *box, const cuuint32_t *steps,
	CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle, CUtensorMapL2promotion l2, CUtensorMapFloatOOBfill fill)
{
	CHECK((size_t)map % 64 == 0);
	CHECK(type == CU_TENSOR_MAP_DATA_TYPE_FLOAT16 && rank == 4 && address == (void *)0x2000);
	CHECK(box[0] == 64 && box[1] == 64 && box[2] == 1 && steps[0] == 1 && steps[3] == 1);
	CHECK(interleave == CU_TENSOR_MAP_INTERLEAVE_NONE && swizzle == CU_TENSOR_MAP_SWIZZLE_128B);
	CHECK(l2 == CU_TENSOR_MAP_L2_PROMOTION_L2_256B && fill == CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
	memcpy(seen.map_sizes, sizes, sizeof seen.map_sizes);
	memcpy(seen.map_strides, strides, sizeof seen.map_strides);
	memset(map, 0x5a, sizeof *map);
	seen.n_maps++;
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction kernel, void **params, void **extra)
{
	struct launch *l = &seen.launches[seen.n_launches++ % 8];
	int which = (int)((char *)(void *)kernel - kernels), i;

	CHECK(!extra && config->numAttrs <= 4);
	l->config = *config;
	l->kernel = kernel;
	if (config->numAttrs)
		memcpy(l->attrs, config->attrs, config->numAttrs * sizeof *l->attrs);
	for (i = 0; i < seen.params[which]; i++)
		memcpy(l->params[i], params[i], seen.sizes[which][i]);
	return CUDA_SUCCESS;
}

#define PARAM(l, type, index, value) \
	do { \
		type got; \
		memcpy(&got, (l)->params[index], sizeof got); \
		CHECK(got == (value)); \
	} while (0)

static struct attn_best_args attention(void)
{
	struct attn_best_args a;

	memset(&a, 0, sizeof a);
	a.q = 0x1000;
	a.k = 0x2000;
	a.v = 0x3000;
	a.o = 0x4000;
	a.b = 2;
	a.h = 6;
	a.hkv = 3;
	a.sq = 33;
	a.sk = 70000;
	return a;
}

static void attention_calls(void)
{
	struct attn_best kernel;
	struct attn_best_args a = attention();
	const struct launch *l = &seen.launches[0];
	int i;

	fresh();
	seen.params[0] = 21;
	for (i = 0; i < 21; i++)
		seen.sizes[0][i] = i < 4 ? sizeof(CUdeviceptr) : i < 8 || i == 20 ? 4 : 8;
	CHECK(attn_best_load(&kernel) == CUDA_SUCCESS);
	CHECK(seen.n_loads == 1 && seen.smem[0] == 51200);
	CHECK(attn_best_workspace_bytes(&a) == 0);
	CHECK(attn_best_launch(&kernel, &a, 0, (CUstream)(void *)&a) == CUDA_SUCCESS);
	CHECK(seen.n_launches == 1);
	CHECK(l->config.gridDimX == 2 && l->config.gridDimY == 6 && l->config.gridDimZ == 2);
	CHECK(l->config.blockDimX == 128 && l->config.blockDimY == 1 && l->config.blockDimZ == 1);
	CHECK(l->config.sharedMemBytes == 51200 && l->config.hStream == (CUstream)(void *)&a && l->config.numAttrs == 0);
	PARAM(l, CUdeviceptr, 0, 0x1000);
	PARAM(l, CUdeviceptr, 3, 0x4000);
	PARAM(l, int, 4, 6);
	PARAM(l, int, 7, 70000);
	PARAM(l, long long, 8, 6LL * 33 * 64);
	PARAM(l, long long, 11, 3LL * 70000 * 64);
	PARAM(l, long long, 12, 70000LL * 64);
	PARAM(l, float, 20, 0.125f);
	attn_best_layout_bshd(&a);
	CHECK(a.k_sb == 3LL * 70000 * 64 && a.k_sh == 64 && a.k_ss == 3 * 64);
	a.scale = 0.5f;
	CHECK(attn_best_launch(&kernel, &a, 0, NULL) == CUDA_SUCCESS);
	PARAM(l + 1, long long, 9, 64);
	PARAM(l + 1, long long, 13, 3LL * 64);
	PARAM(l + 1, float, 20, 0.5f);
	a.sq = 32;
	CHECK(attn_best_launch(&kernel, &a, 0, NULL) == CUDA_SUCCESS && l[2].config.gridDimX == 1);
	a.b = a.h = a.hkv = 65535;
	a.sk = 1048576;
	attn_best_layout_bhsd(&a);
	CHECK(a.k_sb == 65535LL * 1048576 * 64);
	CHECK(attn_best_unload(&kernel) == CUDA_SUCCESS && seen.n_unloads == 1);
	CHECK(attn_best_unload(&kernel) == CUDA_SUCCESS && seen.n_unloads == 1);
	CHECK(attn_best_launch(&kernel, &a, 0, NULL) == CUDA_ERROR_INVALID_VALUE);
	seen.fail_function = 1;
	CHECK(attn_best_load(&kernel) == CUDA_ERROR_NOT_FOUND);
	CHECK(seen.n_loads == 2 && seen.n_unloads == 2 && !kernel.module);
	seen.major = 10;
	CHECK(attn_best_load(&kernel) == CUDA_ERROR_NO_BINARY_FOR_GPU && seen.n_loads == 2 && !kernel.module);
}

/* Each spoils one thing; none may reach the driver. */
static void spoil(struct attn_best_args *a, int how)
{
	switch (how) {
	case 0: a->q = 0; break;
	case 1: a->k += 8; break;
	case 2: a->o = 0; break;
	case 3: a->b = 0; break;
	case 4: a->h = 65536; break;
	case 5: a->hkv = 4; break;
	case 6: a->sq = -1; break;
	case 7: a->sk = 1048577; break;
	case 8: a->hkv = 0; break;
	case 9: a->q_sb = a->q_sh = a->q_ss = a->k_ss = 68; break;
	case 10: a->d = 128; break;
	case 11: a->causal = 1; break;
	case 12: a->dtype = ATTN_BEST_DTYPE_BF16; break;
	}
}

static void refused_calls(void)
{
	struct attn_best kernel;
	struct attn_best_args a;
	int how;

	fresh();
	CHECK(attn_best_load(&kernel) == CUDA_SUCCESS);
	for (how = 0; how < 13; how++) {
		a = attention();
		spoil(&a, how);
		CHECK(attn_best_launch(&kernel, &a, 0, NULL) == (how < 10 ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_NOT_SUPPORTED));
	}
	CHECK(attn_best_launch(&kernel, NULL, 0, NULL) == CUDA_ERROR_INVALID_VALUE);
	CHECK(attn_best_launch(NULL, &a, 0, NULL) == CUDA_ERROR_INVALID_VALUE);
	CHECK(attn_best_load(NULL) == CUDA_ERROR_INVALID_VALUE && attn_best_unload(NULL) == CUDA_ERROR_INVALID_VALUE);
	CHECK(seen.n_launches == 0);
}

static void split_calls(void)
{
	static const size_t part[] = { sizeof(CUdeviceptr), sizeof(CUtensorMap), sizeof(CUdeviceptr), 4, 4, 8, 4 };
	static const size_t sum[] = { sizeof(CUdeviceptr), sizeof(CUdeviceptr), 4 };
	struct split_best kernel;
	struct split_best_args a;
	struct attn_best_args same = attention();
	const struct launch *l = &seen.launches[0];

	fresh();
	seen.params[0] = 7;
	seen.params[1] = 3;
	memcpy(seen.sizes[0], part, sizeof part);
	memcpy(seen.sizes[1], sum, sizeof sum);
	CHECK(sizeof a == sizeof same);
	memcpy(&a, &same, sizeof a);
	a.sk = 100;
	CHECK(split_best_load(&kernel) == CUDA_SUCCESS);
	CHECK(seen.smem[0] == 232448 - 1000 && seen.smem[1] == 0);
	CHECK(split_best_workspace_bytes(&a) == 2u * 6 * 33 * 264);
	CHECK(split_best_launch(&kernel, &a, 0, NULL) == CUDA_ERROR_INVALID_VALUE);
	CHECK(split_best_launch(&kernel, &a, 0x10080, NULL) == CUDA_ERROR_INVALID_VALUE);
	CHECK(seen.n_launches == 0);
	CHECK(split_best_launch(&kernel, &a, 0x10000, NULL) == CUDA_SUCCESS);
	CHECK(seen.memset_at == 0x10000 && seen.memset_bytes == 48 && seen.n_maps == 1 && seen.n_launches == 2);
	CHECK(seen.map_sizes[0] == 64 && seen.map_sizes[1] == 100 && seen.map_sizes[2] == 3 && seen.map_sizes[3] == 2);
	CHECK(seen.map_strides[0] == 128 && seen.map_strides[1] == 12800 && seen.map_strides[2] == 38400);
	CHECK(l[0].config.gridDimX == 1 && l[0].config.gridDimY == 12 && l[0].config.blockDimX == 384);
	CHECK(l[0].config.sharedMemBytes == 1424 && l[0].config.numAttrs == 1);
	CHECK(l[0].attrs[0].id == CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION && l[0].attrs[0].value.clusterDim.y == 2);
	CHECK(l[0].params[1][0] == 0x5a && l[0].params[1][127] == 0x5a);
	PARAM(&l[0], CUdeviceptr, 2, 0x10000 + 48);
	PARAM(&l[0], int, 3, 3300);
	PARAM(&l[0], float, 4, 0.5f);
	PARAM(&l[0], long long, 5, 5000000000LL);
	PARAM(&l[0], int, 6, 7);
	CHECK(l[1].config.gridDimX == 33 && l[1].config.numAttrs == 1);
	CHECK(l[1].attrs[0].id == CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION);
	PARAM(&l[1], float, 2, 0.25f);
	a.sq = 65536; /* the product that is passed as an int leaves its range */
	a.sk = 65536;
	CHECK(split_best_launch(&kernel, &a, 0x10000, NULL) == CUDA_ERROR_INVALID_VALUE);
	CHECK(seen.n_launches == 2);
}

int main(void)
{
	attention_calls();
	refused_calls();
	split_calls();
	CHECK(sizeof(unsigned long long) == 8 && sizeof(int) == 4);
	return failures != 0;
}
