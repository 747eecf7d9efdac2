/* plan: which entry of a header with several serves a call, and what is left out on request. The header is
 * tests/golden/several_best.h; the driver's functions are replaced by ones that compute nothing.
 * Built plain, with -DSEVERAL_BEST_NO_..., and with -DSEVERAL_BEST_ONLY_... (EXPECT_ENTRIES is then how many remain). */
#include <stdio.h>
#include <string.h>

#include "several_best.h"

#ifndef EXPECT_ENTRIES
#define EXPECT_ENTRIES 9
#endif

static int device_cc, loads, launches, failures;
static const void *loaded;

#define CHECK(condition) ((condition) ? (void)0 : (void)(printf("FAIL: plan.c:%d: %s\n", __LINE__, #condition), failures++))

CUresult CUDAAPI cuModuleLoadData(CUmodule *module, const void *image)
{
	loaded = image;
	loads++;
	*module = (CUmodule)(void *)&loads;
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuModuleUnload(CUmodule module)
{
	(void)module;
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name)
{
	(void)module;
	(void)name;
	*function = (CUfunction)(void *)&launches;
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value)
{
	(void)function;
	(void)attribute;
	(void)value;
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction function)
{
	(void)attribute;
	(void)function;
	*value = 0;
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuCtxGetDevice(CUdevice *device)
{
	*device = 3;
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device)
{
	CHECK(device == 3);
	*value = attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ? device_cc / 10 : device_cc % 10;
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction kernel, void **params, void **extra)
{
	(void)config;
	(void)kernel;
	(void)params;
	(void)extra;
	launches++;
	return CUDA_SUCCESS;
}

static struct several_best_args ask(int b, int h, int hkv, int sq, int sk)
{
	struct several_best_args a;

	memset(&a, 0, sizeof a);
	a.b = b;
	a.h = h;
	a.hkv = hkv;
	a.sq = sq;
	a.sk = sk;
	return a;
}

/* The name of what a plan gives, or that of its error. */
static const char *plan(const struct several_best_args *a, int cc)
{
	const struct several_best_entry *entry = NULL, *again = NULL;
	CUresult r = several_best_plan_cc(a, cc, &entry);

	device_cc = cc;
	CHECK(several_best_plan(a, 3, &again) == r && again == entry);
	CHECK((r == CUDA_SUCCESS) == (entry != NULL));
	if (entry)
		CHECK(entry == &several_best_entries[entry->index]);
	return r == CUDA_SUCCESS ? entry->name : r == CUDA_ERROR_NOT_SUPPORTED ? "not supported" :
	       r == CUDA_ERROR_NO_BINARY_FOR_GPU ? "no binary" : r == CUDA_ERROR_INVALID_VALUE ? "invalid" : "?";
}

static void expect(const char *name, struct several_best_args a, int cc, int line)
{
	if (strcmp(plan(&a, cc), name) != 0) {
		printf("FAIL: plan.c:%d: %s instead of %s\n", line, plan(&a, cc), name);
		failures++;
	}
}

#define EXPECT(name, args, cc) expect(name, args, cc, __LINE__)

#if EXPECT_ENTRIES == 9
static void rule(void)
{
	struct several_best_args a;

	/* exactly what was tuned */
	EXPECT("seed_sm_90a", ask(1, 8, 8, 512, 512), 90);
	EXPECT("gqa_sm_90a", ask(2, 16, 4, 512, 512), 90);
	EXPECT("long_sm_90a", ask(4, 16, 16, 4096, 4096), 90);
	EXPECT("decode_sm_90a", ask(8, 32, 8, 1, 4096), 90);
	/* the nearest */
	EXPECT("seed_sm_90a", ask(1, 8, 8, 500, 500), 90);
	EXPECT("seed_sm_90a", ask(1, 1, 1, 1, 1), 90);
	EXPECT("decode_sm_90a", ask(8, 32, 8, 1, 100), 90);
	EXPECT("decode_sm_90a", ask(1, 32, 8, 1, 9000), 90);
	EXPECT("long_sm_90a", ask(1, 16, 16, 8192, 8192), 90);
	EXPECT("gqa_sm_90a", ask(1, 32, 8, 512, 512), 90);
	EXPECT("decode_sm_90a", ask(2, 16, 4, 1, 500), 90);
	/* what is fixed comes before any distance */
	a = ask(1, 8, 8, 512, 512);
	a.causal = 1;
	EXPECT("causal_sm_90a", a, 90);
	a.dtype = SEVERAL_BEST_DTYPE_BF16;
	EXPECT("not supported", a, 90);
	a.causal = 0;
	EXPECT("bf16_sm_90a", a, 90);
	a = ask(8, 32, 8, 1, 4096);
	a.d = 128;
	EXPECT("d128_sm_90a", a, 90);
	a.d = 96;
	EXPECT("not supported", a, 90);
	a.d = 64;
	a.dtype = SEVERAL_BEST_DTYPE_F16;
	EXPECT("decode_sm_90a", a, 90);
	a.dtype = 3;
	EXPECT("not supported", a, 90);
	a.dtype = 0;
	a.causal = 2;
	EXPECT("not supported", a, 90);
	/* chips: sm_90a runs on 9.0 alone, sm_80 on 8.x, and the chip's own comes first */
	EXPECT("seed_sm_80", ask(1, 8, 8, 512, 512), 80);
	EXPECT("seed_sm_80", ask(1, 8, 8, 4096, 4096), 80);
	EXPECT("long_sm_86", ask(1, 8, 8, 512, 512), 86);
	EXPECT("seed_sm_80", ask(1, 8, 8, 512, 512), 89);
	EXPECT("long_sm_86", ask(1, 8, 8, 4096, 4096), 89);
	EXPECT("no binary", ask(1, 8, 8, 512, 512), 75);
	EXPECT("no binary", ask(1, 8, 8, 512, 512), 100);
	EXPECT("no binary", ask(1, 8, 8, 512, 512), 120);
	a = ask(1, 8, 8, 512, 512);
	a.causal = 1;
	EXPECT("not supported", a, 80);
	/* sizes that no call may have */
	EXPECT("invalid", ask(0, 8, 8, 512, 512), 90);
	EXPECT("invalid", ask(1, 8, 3, 512, 512), 90);
	EXPECT("invalid", ask(1, 8, 0, 512, 512), 90);
	EXPECT("invalid", ask(1, 8, 8, 512, 1048577), 90);
	CHECK(several_best_entries[SEVERAL_BEST_DECODE_SM_90A].index == SEVERAL_BEST_DECODE_SM_90A);
	CHECK(SEVERAL_BEST_DECODE_SM_90A_MEASURED == 1 && SEVERAL_BEST_SEED_SM_80_MEASURED == 0);
	CHECK(SEVERAL_BEST_DECODE_SM_90A_PROBLEM_SK == 4096 && SEVERAL_BEST_PROBLEM_SK == 512);
	CHECK(several_best_entries[SEVERAL_BEST_SEED_SM_80].time_us == 0);
	CHECK(several_best_entries[SEVERAL_BEST_SEED_SM_90A].time_us == SEVERAL_BEST_TIME_US);
}

static void calls(void)
{
	struct several_best kernel;
	struct several_best_args a = ask(1, 8, 8, 512, 512);
	const struct several_best_entry *entry;

	device_cc = 90;
	CHECK(several_best_load(&kernel) == CUDA_SUCCESS && loaded == several_best_seed_sm_90a_image_);
	device_cc = 80;
	CHECK(several_best_load(&kernel) == CUDA_SUCCESS && loaded == several_best_seed_sm_80_image_);
	device_cc = 70;
	CHECK(several_best_load(&kernel) == CUDA_ERROR_NO_BINARY_FOR_GPU && !kernel.module);
	a.q = a.k = a.v = a.o = 0x1000;
	a.d = 128;
	CHECK(several_best_plan_cc(&a, 90, &entry) == CUDA_SUCCESS);
	CHECK(several_best_load_entry(&kernel, entry) == CUDA_SUCCESS && loaded == several_best_d128_sm_90a_image_);
	launches = 0;
	CHECK(several_best_launch(&kernel, &a, 0, NULL) == CUDA_SUCCESS && launches == 1);
	a.d = 0;
	CHECK(several_best_launch(&kernel, &a, 0, NULL) == CUDA_ERROR_NOT_SUPPORTED);
	a.d = 128;
	a.causal = 1;
	CHECK(several_best_launch(&kernel, &a, 0, NULL) == CUDA_ERROR_NOT_SUPPORTED && launches == 1);
	CHECK(several_best_load_entry(&kernel, NULL) == CUDA_ERROR_INVALID_VALUE);
	CHECK(several_best_launch(&kernel, &a, 0, NULL) == CUDA_ERROR_INVALID_VALUE && launches == 1);
	CHECK(several_best_load_entry(NULL, entry) == CUDA_ERROR_INVALID_VALUE);
	CHECK(several_best_plan_cc(NULL, 90, &entry) == CUDA_ERROR_INVALID_VALUE && !entry);
	CHECK(several_best_plan_cc(&a, 90, NULL) == CUDA_ERROR_INVALID_VALUE);
	CHECK(several_best_plan(&a, 3, NULL) == CUDA_ERROR_INVALID_VALUE);
	CHECK(several_best_entry_workspace_bytes(NULL, &a) == 0 && several_best_workspace_bytes(NULL) == 0);
	/* the layout helper goes by the head dimension that the call asks for */
	several_best_layout_bshd(&a);
	CHECK(a.q_ss == 8 * 128 && a.q_sh == 128);
	a.d = 0;
	several_best_layout_bhsd(&a);
	CHECK(a.q_ss == 64 && a.q_sh == 512 * 64);
}
#else
static void rule(void)
{
	EXPECT("long_sm_90a", ask(1, 8, 8, 512, 512), 90);
	EXPECT("long_sm_90a", ask(8, 32, 8, 1, 4096), 90);
	EXPECT("no binary", ask(1, 8, 8, 512, 512), 80);
}

static void calls(void)
{
	struct several_best kernel;

	device_cc = 90;
	CHECK(several_best_load(&kernel) == CUDA_SUCCESS && loaded == several_best_long_sm_90a_image_);
	CHECK(sizeof several_best_entries == EXPECT_ENTRIES * sizeof *several_best_entries);
}
#endif

int main(void)
{
	CHECK(SEVERAL_BEST_ENTRIES == EXPECT_ENTRIES);
	rule();
	calls();
	return failures != 0;
}
