/* launch: reads launch descriptions. Every array is bounded, every tensor name resolved, every memset kept inside its
 * target, so that what follows needs no further doubt about the message; a kernel may still do anything. */
#include "attune/launch.h"

#include <stdlib.h>
#include <string.h>

#define WORKSPACE_MAX (1ll << 40)

static void *zalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		abort();
	return p;
}

/* {"tensor":"q"} or {"workspace":offset} */
static int parse_place(struct place *p, const json_t *j, const struct spec *s, size_t workspace, struct err *e)
{
	const char *name = json_string_value(json_object_get(j, "tensor"));
	int64_t offset;

	*p = (struct place){ .tensor = -1 };
	if (name) {
		p->tensor = spec_tensor(s, name);
		return p->tensor < 0 ? err_set(e, "no tensor is named %s", name) : 0;
	}
	if (json_need_int(j, "workspace", 0, (int64_t)workspace, &offset, e) < 0)
		return -1;
	p->offset = (uint64_t)offset;
	return 0;
}

static int parse_u32s(uint32_t *v, const json_t *o, const char *name, int n, bool optional, struct err *e)
{
	const json_t *a = json_object_get(o, name);

	for (int i = 0; i < n; i++)
		v[i] = 1;
	if (!a && optional)
		return 0;
	if (!json_is_array(a) || json_array_size(a) < 1 || json_array_size(a) > (size_t)n)
		return err_set(e, "%s: an array of 1 to %d integers is needed", name, n);
	for (size_t i = 0; i < json_array_size(a); i++) {
		const json_int_t x = json_integer_value(json_array_get(a, i));

		if (x < 1 || x > INT32_MAX)
			return err_set(e, "%s[%zu]: %lld is out of range", name, i, (long long)x);
		v[i] = (uint32_t)x;
	}
	return 0;
}

/* The index of an optional text member among the names; the first one is the default. */
static int parse_choice(const json_t *o, const char *name, const char *const *names, int *index, struct err *e)
{
	const json_t *v = json_object_get(o, name);

	*index = 0;
	if (!v)
		return 0;
	for (int i = 0; names[i]; i++)
		if (json_is_string(v) && strcmp(names[i], json_string_value(v)) == 0) {
			*index = i;
			return 0;
		}
	return err_set(e, "%s: unknown value", name);
}

static int parse_tensormap(struct tensormap *m, const json_t *j, const struct spec *s, size_t workspace, struct err *e)
{
	static const char *const swizzles[] = { "none", "32B", "64B", "128B", NULL };
	static const char *const l2s[] = { "none", "64B", "128B", "256B", NULL };
	static const char *const interleaves[] = { "none", "16B", "32B", NULL };
	static const char *const oobs[] = { "zero", "nan", NULL };
	const json_t *dims = json_object_get(j, "dims"), *strides = json_object_get(j, "strides_bytes");
	const char *dtype;
	int d, swizzle, l2, interleave, oob;

	if (parse_place(&m->at, j, s, workspace, e) < 0 || json_need_text(j, "dtype", &dtype, e) < 0)
		return -1;
	d = dtype_parse(dtype);
	m->rank = (int)json_array_size(dims);
	if (d < 0 || m->rank < 1 || m->rank > 5 || json_array_size(strides) != (size_t)m->rank - 1)
		return err_set(e, "tensormap: dtype, dims (1 to 5) or strides_bytes (one fewer) do not fit");
	m->dtype = (enum dtype)d;
	for (int i = 0; i < m->rank; i++)
		m->dims[i] = (uint64_t)json_integer_value(json_array_get(dims, (size_t)i));
	for (int i = 0; i < m->rank - 1; i++)
		m->strides_bytes[i] = (uint64_t)json_integer_value(json_array_get(strides, (size_t)i));
	if (parse_u32s(m->box, j, "box", m->rank, false, e) < 0 ||
	    parse_u32s(m->element_strides, j, "element_strides", m->rank, true, e) < 0 ||
	    parse_choice(j, "swizzle", swizzles, &swizzle, e) < 0 || parse_choice(j, "l2", l2s, &l2, e) < 0 ||
	    parse_choice(j, "interleave", interleaves, &interleave, e) < 0 || parse_choice(j, "oob", oobs, &oob, e) < 0)
		return err_where(e, "tensormap");
	m->swizzle = (enum swizzle)swizzle;
	m->l2 = (enum l2_promotion)l2;
	m->interleave = 16 * interleave;
	m->oob_nan = oob == 1;
	return 0;
}

static int parse_arg(struct arg *a, const json_t *j, const struct spec *s, size_t workspace, struct err *e)
{
	const json_t *v;

	if ((v = json_object_get(j, "tensormap"))) {
		a->kind = ARG_TENSORMAP;
		a->map = zalloc(1, sizeof *a->map);
		return parse_tensormap(a->map, v, s, workspace, e);
	}
	if (json_object_get(j, "i32")) {
		a->kind = ARG_I32;
		return json_need_int(j, "i32", INT32_MIN, UINT32_MAX, &a->i, e);
	}
	if (json_object_get(j, "i64")) {
		a->kind = ARG_I64;
		return json_need_int(j, "i64", INT64_MIN, INT64_MAX, &a->i, e);
	}
	if ((v = json_object_get(j, "f32"))) {
		a->kind = ARG_F32;
		a->f = (float)json_number_value(v);
		return json_is_number(v) ? 0 : err_set(e, "f32: a number is needed");
	}
	a->kind = ARG_PLACE;
	return parse_place(&a->at, j, s, workspace, e);
}

static int parse_kernel(struct kernel_step *k, const json_t *j, const struct spec *s, size_t workspace, struct err *e)
{
	const json_t *args = json_object_get(j, "args");
	const char *entry;
	int64_t smem = 0;

	if (json_need_text(j, "entry", &entry, e) < 0)
		return -1;
	k->entry = strdup(entry);
	if (!k->entry)
		abort();
	if (parse_u32s(k->grid, j, "grid", 3, false, e) < 0 || parse_u32s(k->block, j, "block", 3, false, e) < 0 ||
	    parse_u32s(k->cluster, j, "cluster", 3, true, e) < 0)
		return err_where(e, "%s", entry);
	if (json_object_get(j, "smem") && json_need_int(j, "smem", 0, INT32_MAX, &smem, e) < 0)
		return err_where(e, "%s", entry);
	k->smem = (uint32_t)smem;
	k->pdl = json_is_true(json_object_get(j, "pdl"));
	if (json_array_size(args) > LAUNCH_ARGS_MAX)
		return err_set(e, "%s: more than %d arguments", entry, LAUNCH_ARGS_MAX);
	k->args = zalloc(json_array_size(args), sizeof *k->args);
	for (size_t i = 0; i < json_array_size(args); i++) {
		k->arg_count++;
		if (parse_arg(&k->args[i], json_array_get(args, i), s, workspace, e) < 0)
			return err_where(e, "%s: argument %zu", entry, i + 1);
	}
	return 0;
}

static int parse_gemm(struct gemm_step *g, const json_t *j, const struct spec *s, size_t workspace, struct err *e)
{
	const int64_t most = INT32_MAX, far = INT64_MAX / 8;
	const char *ta, *tb, *in, *out;
	int di, dt;

	if (json_need_int(j, "m", 1, most, &g->m, e) < 0 || json_need_int(j, "n", 1, most, &g->n, e) < 0 ||
	    json_need_int(j, "k", 1, most, &g->k, e) < 0 || json_need_int(j, "batch", 1, most, &g->batch, e) < 0 ||
	    json_need_int(j, "lda", 1, most, &g->lda, e) < 0 || json_need_int(j, "ldb", 1, most, &g->ldb, e) < 0 ||
	    json_need_int(j, "ldc", 1, most, &g->ldc, e) < 0 ||
	    json_need_int(j, "stride_a", 0, far, &g->stride_a, e) < 0 ||
	    json_need_int(j, "stride_b", 0, far, &g->stride_b, e) < 0 ||
	    json_need_int(j, "stride_c", 0, far, &g->stride_c, e) < 0 ||
	    json_need_number(j, "alpha", &g->alpha, e) < 0 || json_need_number(j, "beta", &g->beta, e) < 0 ||
	    json_need_text(j, "ta", &ta, e) < 0 || json_need_text(j, "tb", &tb, e) < 0 ||
	    json_need_text(j, "in", &in, e) < 0 || json_need_text(j, "out", &out, e) < 0)
		return err_where(e, "gemm");
	di = dtype_parse(in);
	dt = dtype_parse(out);
	if (di < 0 || dt < 0)
		return err_set(e, "gemm: unknown dtype");
	g->in = (enum dtype)di;
	g->out = (enum dtype)dt;
	g->transpose_a = strcmp(ta, "T") == 0;
	g->transpose_b = strcmp(tb, "T") == 0;
	if (parse_place(&g->a, json_object_get(j, "a"), s, workspace, e) < 0 ||
	    parse_place(&g->b, json_object_get(j, "b"), s, workspace, e) < 0 ||
	    parse_place(&g->c, json_object_get(j, "c"), s, workspace, e) < 0)
		return err_where(e, "gemm");
	return 0;
}

static int parse_memset(struct memset_step *m, const json_t *j, const struct spec *s, size_t workspace, struct err *e)
{
	int64_t value, bytes;
	size_t room;

	if (parse_place(&m->to, json_object_get(j, "to"), s, workspace, e) < 0 ||
	    json_need_int(j, "value", 0, 255, &value, e) < 0 ||
	    json_need_int(j, "bytes", 0, WORKSPACE_MAX, &bytes, e) < 0)
		return err_where(e, "memset");
	room = m->to.tensor < 0 ? workspace - m->to.offset :
	       (size_t)s->tensors[m->to.tensor].span * dtype_bytes(s->tensors[m->to.tensor].dtype);
	if ((uint64_t)bytes > room)
		return err_set(e, "memset: %lld bytes are more than the target has", (long long)bytes);
	m->value = (uint8_t)value;
	m->bytes = (size_t)bytes;
	return 0;
}

static int parse_step(struct step *st, const json_t *j, const struct spec *s, size_t workspace, struct err *e)
{
	const json_t *v;

	if ((v = json_object_get(j, "gemm"))) {
		st->kind = STEP_GEMM;
		return parse_gemm(&st->gemm, v, s, workspace, e);
	}
	if ((v = json_object_get(j, "memset"))) {
		st->kind = STEP_MEMSET;
		return parse_memset(&st->memset, v, s, workspace, e);
	}
	st->kind = STEP_KERNEL;
	return parse_kernel(&st->kernel, j, s, workspace, e);
}

int launch_parse(struct launch *l, const json_t *json, const struct spec *s, struct err *e)
{
	const json_t *steps = json_object_get(json, "steps");
	int64_t workspace = 0;

	*l = (struct launch){ 0 };
	if (!json_is_array(steps) || json_array_size(steps) < 1 || json_array_size(steps) > LAUNCH_STEPS_MAX)
		return err_set(e, "launch: 1 to %d steps are needed", LAUNCH_STEPS_MAX);
	if (json_object_get(json, "workspace") &&
	    json_need_int(json, "workspace", 0, WORKSPACE_MAX, &workspace, e) < 0)
		return err_where(e, "launch");
	l->workspace = (size_t)workspace;
	l->steps = zalloc(json_array_size(steps), sizeof *l->steps);
	for (size_t i = 0; i < json_array_size(steps); i++) {
		l->step_count++;
		if (parse_step(&l->steps[i], json_array_get(steps, i), s, l->workspace, e) < 0) {
			launch_free(l);
			return err_where(e, "launch");
		}
	}
	return 0;
}

void launch_free(struct launch *l)
{
	for (int i = 0; i < l->step_count; i++) {
		struct kernel_step *k = &l->steps[i].kernel;

		if (l->steps[i].kind != STEP_KERNEL)
			continue;
		for (int a = 0; a < k->arg_count; a++)
			free(k->args[a].map);
		free(k->args);
		free(k->entry);
	}
	free(l->steps);
	*l = (struct launch){ 0 };
}
