/* gpu_call: images, and launch descriptions made ready to run. What the driver would only notice while running (an
 * argument list that does not fit the machine code, a CTA that fits no SM) is looked for here, so that it is reported as
 * a bad launch and never timed as a very fast one. */
#include "gpu_driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOT_BYTES = 128, SPARE_ARGS = 64 };

struct kernel_ready {
	CUfunction function;
	unsigned char *slots; /* one of SLOT_BYTES for each argument, then one of zeros */
	void *params[LAUNCH_ARGS_MAX + SPARE_ARGS];
	CUlaunchAttribute attributes[2];
	unsigned attribute_count;
	int regs, smem_static, local_bytes, occupancy;
};

struct gpu_call {
	const struct launch *launch;
	int kernels;
	struct kernel_ready *ready; /* one for each step; unused for other steps */
};

int gpu_image_load(struct gpu *g, struct gpu_image **out, const void *data, size_t len, struct err *e)
{
	char log[4096] = "", *text = malloc(len + 1);
	CUjit_option options[] = { CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES };
	void *values[] = { log, (void *)(uintptr_t)sizeof log };
	CUmodule module;
	CUresult r;

	*out = NULL;
	if (!text)
		abort();
	/* PTX is text and must end in a NUL; machine code does not mind one. */
	memcpy(text, data, len);
	text[len] = '\0';
	r = g->d.module_load(&module, text, 2, options, values);
	free(text);
	if (r != CUDA_SUCCESS) {
		char what[512];

		log[sizeof log - 1] = '\0';
		for (char *c = log; *c; c++)
			if (*c == '\n' || *c == '\r')
				*c = ' ';
		snprintf(what, sizeof what, "cuModuleLoadDataEx%s%.400s", log[0] ? ": " : "", log);
		gpu_check(g, r, GPU_LOAD, e, what);
		/* Nothing has run yet: whatever the driver calls it, the image is to blame. */
		e->code = GPU_LOAD;
		return GPU_LOAD;
	}
	*out = calloc(1, sizeof **out);
	if (!*out)
		abort();
	(*out)->module = module;
	return 0;
}

void gpu_image_unload(struct gpu *g, struct gpu_image *im)
{
	if (!im)
		return;
	g->d.module_unload(im->module);
	free(im);
}

static size_t arg_bytes(const struct arg *a)
{
	switch (a->kind) {
	case ARG_I32:
	case ARG_F32:
		return 4;
	case ARG_TENSORMAP:
		return sizeof(CUtensorMap);
	default:
		return 8;
	}
}

static int check_args(const struct gpu *g, const struct kernel_ready *k, const struct kernel_step *s, struct err *e)
{
	size_t offset, size;

	if (!g->d.param_info)
		return 0;
	for (int i = 0; i < s->arg_count; i++) {
		if (g->d.param_info(k->function, (size_t)i, &offset, &size) != CUDA_SUCCESS)
			return err_set_code(e, GPU_LAUNCH, "%s takes %d arguments, the launch gives %d", s->entry, i,
					    s->arg_count);
		if (size != arg_bytes(&s->args[i]))
			return err_set_code(e, GPU_LAUNCH, "%s: argument %d has %zu bytes, the launch gives %zu", s->entry,
					    i + 1, size, arg_bytes(&s->args[i]));
	}
	if (g->d.param_info(k->function, (size_t)s->arg_count, &offset, &size) == CUDA_SUCCESS)
		return err_set_code(e, GPU_LAUNCH, "%s takes more arguments than the %d that the launch gives", s->entry,
				    s->arg_count);
	return 0;
}

static void fill_config(CUlaunchConfig *c, const struct kernel_ready *k, const struct kernel_step *s, CUstream stream)
{
	*c = (CUlaunchConfig){ .gridDimX = s->grid[0], .gridDimY = s->grid[1], .gridDimZ = s->grid[2],
			       .blockDimX = s->block[0], .blockDimY = s->block[1], .blockDimZ = s->block[2],
			       .sharedMemBytes = s->smem, .hStream = stream,
			       .attrs = (CUlaunchAttribute *)k->attributes, .numAttrs = k->attribute_count };
}

static int set_cluster(const struct gpu *g, struct kernel_ready *k, const struct kernel_step *s, struct err *e)
{
	const uint64_t ctas = (uint64_t)s->cluster[0] * s->cluster[1] * s->cluster[2];
	CUlaunchAttribute *a = &k->attributes[k->attribute_count];
	CUlaunchConfig config;
	int clusters = 1;

	if (ctas == 1)
		return 0;
	if (ctas > 8 && gpu_check(g, g->d.function_set(k->function, CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED, 1),
				  GPU_LAUNCH, e, "a cluster of more than 8 CTAs") < 0)
		return GPU_LAUNCH;
	a->id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
	a->value.clusterDim.x = s->cluster[0];
	a->value.clusterDim.y = s->cluster[1];
	a->value.clusterDim.z = s->cluster[2];
	k->attribute_count++;
	if (!g->d.clusters)
		return 0;
	fill_config(&config, k, s, g->stream);
	if (gpu_check(g, g->d.clusters(&clusters, k->function, &config), GPU_LAUNCH, e, "cluster") < 0)
		return err_where(e, "%s", s->entry);
	return clusters > 0 ? 0 : err_set_code(e, GPU_LAUNCH, "%s: no such cluster fits the device", s->entry);
}

static int function_number(const struct gpu *g, CUfunction f, CUfunction_attribute a)
{
	int v = 0;

	return g->d.function_attribute(&v, a, f) == CUDA_SUCCESS ? v : 0;
}

static int ready_kernel(struct gpu *g, struct kernel_ready *k, struct gpu_image *im, const struct kernel_step *s,
			bool first, struct err *e)
{
	const uint64_t threads = (uint64_t)s->block[0] * s->block[1] * s->block[2];
	int most, rc;

	rc = gpu_check(g, g->d.module_function(&k->function, im->module, s->entry), GPU_LOAD, e, "cuModuleGetFunction");
	if (rc < 0)
		return err_where(e, "entry %s", s->entry);
	k->regs = function_number(g, k->function, CU_FUNC_ATTRIBUTE_NUM_REGS);
	k->smem_static = function_number(g, k->function, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES);
	k->local_bytes = function_number(g, k->function, CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES);
	most = function_number(g, k->function, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
	if (threads > (uint64_t)most)
		return err_set_code(e, GPU_LAUNCH, "%s: %llu threads a CTA, the machine code allows %d", s->entry,
				    (unsigned long long)threads, most);
	if (s->smem > 0 &&
	    gpu_check(g, g->d.function_set(k->function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, (int)s->smem),
		      GPU_LAUNCH, e, "shared memory") < 0)
		return err_where(e, "%s asks for %u bytes", s->entry, s->smem);
	if (gpu_check(g, g->d.occupancy(&k->occupancy, k->function, (int)threads, s->smem), GPU_LAUNCH, e,
		      "occupancy") < 0)
		return GPU_LAUNCH;
	if (k->occupancy < 1)
		return err_set_code(e, GPU_LAUNCH, "%s: a CTA of %llu threads, %d registers and %u bytes of shared memory "
				    "fits no SM", s->entry, (unsigned long long)threads, k->regs,
				    s->smem + (unsigned)k->smem_static);
	if (check_args(g, k, s, e) < 0 || set_cluster(g, k, s, e) < 0)
		return GPU_LAUNCH;
	/* Only within a call: overlapping a call with the one before it would time throughput, and call it latency. */
	if (s->pdl && !first) {
		CUlaunchAttribute *a = &k->attributes[k->attribute_count++];

		a->id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
		a->value.programmaticStreamSerializationAllowed = 1;
	}
	k->slots = aligned_alloc(SLOT_BYTES, (size_t)(s->arg_count + 1) * SLOT_BYTES);
	if (!k->slots)
		abort();
	memset(k->slots, 0, (size_t)(s->arg_count + 1) * SLOT_BYTES);
	/* A driver that cannot tell the layout reads as many arguments as the machine code wants: give it zeros to read. */
	for (int i = 0; i < LAUNCH_ARGS_MAX + SPARE_ARGS; i++)
		k->params[i] = k->slots + (size_t)(i < s->arg_count ? i : s->arg_count) * SLOT_BYTES;
	for (int i = 0; i < s->arg_count; i++) {
		const int32_t i32 = (int32_t)(uint32_t)s->args[i].i;

		if (s->args[i].kind == ARG_I32)
			memcpy(k->params[i], &i32, sizeof i32);
		else if (s->args[i].kind == ARG_I64)
			memcpy(k->params[i], &s->args[i].i, sizeof s->args[i].i);
		else if (s->args[i].kind == ARG_F32)
			memcpy(k->params[i], &s->args[i].f, sizeof s->args[i].f);
	}
	return 0;
}

int gpu_call_open(struct gpu *g, struct gpu_call **out, struct gpu_image *im, const struct launch *l, struct err *e)
{
	struct gpu_call *c = calloc(1, sizeof *c);

	*out = NULL;
	if (!c)
		abort();
	c->launch = l;
	c->ready = calloc((size_t)l->step_count, sizeof *c->ready);
	if (!c->ready)
		abort();
	for (int i = 0; i < l->step_count; i++) {
		int rc = 0;

		if (l->steps[i].kind == STEP_KERNEL)
			rc = ready_kernel(g, &c->ready[i], im, &l->steps[i].kernel, i == 0, e);
		if (rc < 0) {
			gpu_call_close(c);
			return rc;
		}
	}
	*out = c;
	return 0;
}

void gpu_call_close(struct gpu_call *c)
{
	if (!c)
		return;
	for (int i = 0; i < c->launch->step_count; i++)
		free(c->ready[i].slots);
	free(c->ready);
	free(c);
}

json_t *gpu_call_resources(const struct gpu_call *c)
{
	const struct kernel_ready *most = NULL;

	for (int i = 0; i < c->launch->step_count; i++)
		if (c->launch->steps[i].kind == STEP_KERNEL && (!most || c->ready[i].regs > most->regs))
			most = &c->ready[i];
	if (!most)
		return json_object();
	return json_pack("{s:i, s:i, s:i, s:i}", "regs", most->regs, "smem_static", most->smem_static, "local_bytes",
			 most->local_bytes, "occupancy", most->occupancy);
}

size_t gpu_call_workspace(const struct gpu_call *c)
{
	return c->launch->workspace;
}

static uint64_t address(const struct place *p, const uint64_t *tensors, uint64_t workspace)
{
	return p->tensor < 0 ? workspace + p->offset : tensors[p->tensor];
}

static int encode_map(struct gpu *g, void *slot, const struct tensormap *m, uint64_t at, struct err *e)
{
	static const CUtensorMapDataType types[DTYPE_COUNT] = {
		[DTYPE_F16] = CU_TENSOR_MAP_DATA_TYPE_FLOAT16, [DTYPE_BF16] = CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
		[DTYPE_F32] = CU_TENSOR_MAP_DATA_TYPE_FLOAT32, [DTYPE_F64] = CU_TENSOR_MAP_DATA_TYPE_FLOAT64,
		[DTYPE_I32] = CU_TENSOR_MAP_DATA_TYPE_INT32,
	};
	static const CUtensorMapSwizzle swizzles[] = {
		[SWIZZLE_NONE] = CU_TENSOR_MAP_SWIZZLE_NONE, [SWIZZLE_32B] = CU_TENSOR_MAP_SWIZZLE_32B,
		[SWIZZLE_64B] = CU_TENSOR_MAP_SWIZZLE_64B, [SWIZZLE_128B] = CU_TENSOR_MAP_SWIZZLE_128B,
	};
	static const CUtensorMapL2promotion l2s[] = {
		[L2_NONE] = CU_TENSOR_MAP_L2_PROMOTION_NONE, [L2_64B] = CU_TENSOR_MAP_L2_PROMOTION_L2_64B,
		[L2_128B] = CU_TENSOR_MAP_L2_PROMOTION_L2_128B, [L2_256B] = CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
	};
	const CUtensorMapInterleave interleave = m->interleave == 16 ? CU_TENSOR_MAP_INTERLEAVE_16B :
						 m->interleave == 32 ? CU_TENSOR_MAP_INTERLEAVE_32B :
								       CU_TENSOR_MAP_INTERLEAVE_NONE;
	CUresult r;

	if (!g->d.tensormap_encode)
		return err_set_code(e, GPU_LAUNCH, "this driver has no tensor maps");
	r = g->d.tensormap_encode(slot, types[m->dtype], (cuuint32_t)m->rank, (void *)(uintptr_t)at, m->dims,
				  m->strides_bytes, m->box, m->element_strides, interleave, swizzles[m->swizzle],
				  l2s[m->l2], m->oob_nan ? CU_TENSOR_MAP_FLOAT_OOB_FILL_NAN_REQUEST_ZERO_FMA :
							   CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
	return gpu_check(g, r, GPU_LAUNCH, e, "cuTensorMapEncodeTiled");
}

static int enqueue_kernel(struct gpu *g, struct kernel_ready *k, const struct kernel_step *s, const uint64_t *tensors,
			  uint64_t workspace, struct err *e)
{
	CUlaunchConfig config;

	for (int i = 0; i < s->arg_count; i++) {
		const struct arg *a = &s->args[i];

		if (a->kind == ARG_PLACE) {
			const uint64_t at = address(&a->at, tensors, workspace);

			memcpy(k->params[i], &at, sizeof at);
		} else if (a->kind == ARG_TENSORMAP) {
			const int rc = encode_map(g, k->params[i], a->map, address(&a->map->at, tensors, workspace), e);

			if (rc < 0)
				return rc;
		}
	}
	fill_config(&config, k, s, g->stream);
	return gpu_check(g, g->d.launch(&config, k->function, k->params, NULL), GPU_LAUNCH, e, "cuLaunchKernelEx");
}

int gpu_call_enqueue(struct gpu *g, struct gpu_call *c, const uint64_t *tensors, uint64_t workspace, struct err *e)
{
	for (int i = 0; i < c->launch->step_count; i++) {
		const struct step *s = &c->launch->steps[i];
		int rc;

		if (s->kind == STEP_KERNEL)
			rc = enqueue_kernel(g, &c->ready[i], &s->kernel, tensors, workspace, e);
		else if (s->kind == STEP_GEMM)
			rc = gpu_blas_product(g, &s->gemm, address(&s->gemm.a, tensors, workspace),
					      address(&s->gemm.b, tensors, workspace),
					      address(&s->gemm.c, tensors, workspace), e);
		else
			rc = gpu_check(g, g->d.fill(address(&s->memset.to, tensors, workspace), s->memset.value,
						    s->memset.bytes, g->stream), GPU_LAUNCH, e, "memset");
		if (rc < 0)
			return s->kind == STEP_KERNEL ? err_where(e, "%s", s->kernel.entry) : rc;
	}
	return 0;
}
