/* gen_launch: the launch description of a kernel as C: loading its entries, the workspace it needs, and its steps in stream
 * order. Numbers of the description are literals or C expressions over a->NAME. A step that only a baseline may use (a
 * cuBLAS product) is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gen_internal.h"

static size_t entry_index(const json_t *entries, const char *name)
{
	size_t i;
	json_t *v;

	json_array_foreach(entries, i, v)
		if (strcmp(json_string_value(v), name) == 0)
			return i;
	return json_array_size(entries);
}

int gen_launch_entries(const json_t *launch, json_t **entries, struct err *e)
{
	const json_t *steps = json_object_get(launch, "steps");
	json_t *list = json_array(), *step;
	size_t i;

	json_array_foreach(steps, i, step) {
		const char *name = gen_str(step, "entry");

		if (json_object_get(step, "memset"))
			continue;
		if (!gen_is_word(name)) {
			json_decref(list);
			return err_set(e, "step %zu of the launch cannot stand in a header: %s", i + 1,
				       json_object_get(step, "gemm") ? "a library's product" : "no entry");
		}
		if (entry_index(list, name) == json_array_size(list))
			json_array_append_new(list, json_string(name));
	}
	if (!json_array_size(list)) {
		json_decref(list);
		return err_set(e, "the launch starts no kernel");
	}
	*entries = list;
	return 0;
}

/* What one entry asks of its steps: most dynamic shared memory (-1: known only at run time) and largest cluster. */
static void entry_needs(const json_t *launch, const char *name, long long *smem, long long *cluster)
{
	json_t *step, *v;
	size_t i, k;

	*smem = 0;
	*cluster = 1;
	json_array_foreach(json_object_get(launch, "steps"), i, step) {
		const char *entry = gen_str(step, "entry");
		long long product = 1;

		if (!entry || strcmp(entry, name) != 0)
			continue;
		v = json_object_get(step, "smem");
		if (json_is_string(v))
			*smem = -1;
		else if (*smem >= 0 && json_integer_value(v) > *smem)
			*smem = json_integer_value(v);
		json_array_foreach(json_object_get(step, "cluster"), k, v)
			product *= json_integer_value(v);
		if (product > *cluster)
			*cluster = product;
	}
}

int gen_launch_load(struct buf *out, const struct gen_names *n, const json_t *launch, const json_t *entries, struct err *e)
{
	size_t i;
	json_t *v;

	(void)e;
	json_array_foreach(entries, i, v) {
		const char *name = json_string_value(v);
		long long smem, cluster;

		buf_adds(out, "\tif (r == CUDA_SUCCESS)\n");
		buf_addf(out, "\t\tr = cuModuleGetFunction(&handle->kernel[%zu], handle->module, \"%s\");\n", i, name);
		entry_needs(launch, name, &smem, &cluster);
		if (smem != 0) {
			buf_adds(out, "\tif (r == CUDA_SUCCESS)\n");
			buf_addf(out, "\t\tr = %s_allow_smem_(handle->kernel[%zu], %lld);\n", n->best, i, smem);
		}
		if (cluster > 8) { /* the largest that every device with clusters takes unasked */
			buf_adds(out, "\tif (r == CUDA_SUCCESS)\n");
			buf_addf(out, "\t\tr = cuFuncSetAttribute(handle->kernel[%zu],\n"
				      "\t\t\tCU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED, 1);\n", i);
		}
	}
	return 0;
}

int gen_launch_workspace(struct buf *out, const json_t *launch, struct err *e)
{
	const json_t *v = json_object_get(launch, "workspace");

	buf_adds(out, json_is_string(v) ? "\treturn " : "\t(void)a;\n\treturn ");
	if (!v)
		buf_addc(out, '0');
	else if (gen_expression(out, v, "workspace", e) < 0)
		return -1;
	buf_adds(out, ";\n");
	return 0;
}

/* "{ x, y, z }", missing ones 1. */
static int triple(struct buf *out, const json_t *step, const char *key, const char *cast, struct err *e)
{
	const json_t *v = json_object_get(step, key);

	if (json_array_size(v) > 3)
		return err_set(e, "%s has more than three numbers", key);
	buf_adds(out, "{ ");
	for (size_t i = 0; i < 3; i++) {
		if (i)
			buf_adds(out, ", ");
		buf_adds(out, cast);
		if (i >= json_array_size(v)) {
			buf_addc(out, '1');
			continue;
		}
		if ((*cast ? gen_value : gen_expression)(out, json_array_get(v, i), key, e) < 0)
			return -1;
	}
	buf_adds(out, " }");
	return 0;
}

/* A call's first kernel overlaps with what is not the call's only where the caller says so. */
static const char *early(const json_t *step, bool first)
{
	return !json_is_true(json_object_get(step, "pdl")) ? "0" : first ? "args->early != 0" : "1";
}

static int kernel_step(struct buf *out, const struct gen_names *n, const json_t *step, bool first, const json_t *entries,
		       struct err *e)
{
	const json_t *args = json_object_get(step, "args"), *smem = json_object_get(step, "smem");
	const char *entry = gen_str(step, "entry");
	struct buf list, results;
	json_t *arg;
	size_t i;
	int rc = -1;

	buf_init(&list);
	buf_init(&results);
	buf_addf(out, "\tif (r == CUDA_SUCCESS) { /* %s */\n\t\tconst long long grid[] = ", entry);
	if (triple(out, step, "grid", "", e) < 0)
		goto out;
	buf_adds(out, ", block[] = ");
	if (triple(out, step, "block", "", e) < 0)
		goto out;
	buf_adds(out, ";\n\t\tconst unsigned int cluster[] = ");
	if (triple(out, step, "cluster", "(unsigned int)", e) < 0)
		goto out;
	buf_adds(out, ";\n");
	json_array_foreach(args, i, arg) {
		char name[24];

		snprintf(name, sizeof name, "p%zu", i);
		if (gen_arg(out, n, arg, name, e) < 0) {
			err_where(e, "argument %zu", i + 1);
			goto out;
		}
		buf_addf(&list, "%s&%s", i ? ", " : "", name);
		if (json_object_get(arg, "tensormap"))
			buf_addf(&results, "\t\tif (r == CUDA_SUCCESS)\n\t\t\tr = %s_result;\n", name);
	}
	gen_wrap(out, "\t\tvoid *params[] = { ", "\t\t\t", list.len ? buf_text(&list) : "NULL");
	out->len--;
	buf_addf(out, " };\n\n%s\t\tif (r == CUDA_SUCCESS)\n", buf_text(&results));
	buf_addf(out, "\t\t\tr = %s_start_(handle->kernel[%zu], grid, block, cluster, %s, ", n->best,
		 entry_index(entries, entry), early(step, first));
	if (!smem)
		buf_addc(out, '0');
	else if (gen_expression(out, smem, "smem", e) < 0)
		goto out;
	buf_adds(out, ", params,\n\t\t\t\tstream);\n\t}\n");
	rc = 0;
out:
	buf_free(&list);
	buf_free(&results);
	return rc;
}

static int memset_step(struct buf *out, const json_t *step, struct err *e)
{
	const json_t *m = json_object_get(step, "memset"), *to = json_object_get(m, "to");
	const char *tensor = gen_str(to, "tensor");

	buf_adds(out, "\tif (r == CUDA_SUCCESS)\n\t\tr = cuMemsetD8Async(");
	if (gen_is_word(tensor)) {
		buf_addf(out, "args->%s", tensor);
	} else {
		buf_adds(out, "workspace + (CUdeviceptr)");
		if (gen_value(out, json_object_get(to, "workspace"), "memset of the workspace", e) < 0)
			return -1;
	}
	buf_addf(out, ", (unsigned char)%lld, (size_t)", (long long)json_integer_value(json_object_get(m, "value")));
	if (gen_value(out, json_object_get(m, "bytes"), "bytes of a memset", e) < 0)
		return -1;
	buf_adds(out, ", stream);\n");
	return 0;
}

int gen_launch_steps(struct buf *out, const struct gen_names *n, const json_t *header, const json_t *entries,
		     struct err *e)
{
	json_t *step;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(header, "launch"), "steps"), i, step) {
		int rc = json_object_get(step, "memset") ? memset_step(out, step, e) :
							   kernel_step(out, n, step, i == 0, entries, e);

		if (rc < 0)
			return err_where(e, "step %zu of the launch", i + 1);
	}
	return 0;
}
