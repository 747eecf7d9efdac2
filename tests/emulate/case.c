/* case: see case.h. Tensors lie in maps of their own between inaccessible pages, and what is left of the pages is filled
 * with a pattern that must still be there afterwards. */
#include "case.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "attune/launch.h"
#include "judge_internal.h"

enum { PAGE = 4096, SLOT = 128, PAD = 0x6b };

struct region {
	char *map, *at;
	size_t mapped, bytes;
};

/* `upper`: flush with the inaccessible page behind it (up to the alignment of tensors), else with that before it. */
static void region_open(struct region *r, size_t bytes, bool upper)
{
	const size_t whole = (bytes + PAGE - 1) / PAGE * PAGE;

	r->bytes = bytes;
	r->mapped = whole + 2 * PAGE;
	r->map = mmap(NULL, r->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r->map == MAP_FAILED || mprotect(r->map, PAGE, PROT_NONE) || mprotect(r->map + PAGE + whole, PAGE, PROT_NONE))
		abort();
	memset(r->map + PAGE, PAD, whole);
	r->at = r->map + PAGE + (upper ? (whole - bytes) / 16 * 16 : 0);
	emu_memory_add(r->at, bytes);
}

static bool region_intact(const struct region *r)
{
	const char *end = r->map + r->mapped - PAGE;

	for (const char *p = r->map + PAGE; p < end; p++)
		if ((p < r->at || p >= r->at + r->bytes) && *p != PAD)
			return false;
	return true;
}

static void region_close(struct region *r)
{
	if (r->map)
		munmap(r->map, r->mapped);
	r->map = NULL;
}

static size_t span_bytes(const struct tensor *t, enum dtype d)
{
	return (size_t)t->span * dtype_bytes(d);
}

struct memory {
	struct region tensors[SPEC_TENSORS_MAX], workspace;
	int count;
};

static void memory_open(struct memory *m, const struct checked *c, size_t workspace, int poison, bool upper, enum dtype *out)
{
	*m = (struct memory){ .count = c->spec.tensor_count };
	emu_memory_forget();
	for (int i = 0; i < m->count; i++) {
		const struct tensor *t = &c->spec.tensors[i];

		region_open(&m->tensors[i], span_bytes(t, t->out && out ? *out : t->dtype), upper);
		if (t->out)
			memset(m->tensors[i].at, poison, m->tensors[i].bytes);
		else
			memcpy(m->tensors[i].at, c->given[i], m->tensors[i].bytes);
	}
	if (workspace) {
		region_open(&m->workspace, workspace, upper);
		memset(m->workspace.at, poison, workspace);
	}
}

static void memory_close(struct memory *m)
{
	for (int i = 0; i < m->count; i++)
		region_close(&m->tensors[i]);
	region_close(&m->workspace);
	emu_memory_forget();
}

static char *place_at(const struct memory *m, const struct place *p)
{
	return p->tensor < 0 ? m->workspace.at + p->offset : m->tensors[p->tensor].at;
}

static int take_map(struct emu_tensormap *to, const struct tensormap *map, const struct memory *m, struct err *e)
{
	static const int swizzles[] = { 0, 32, 64, 128 };
	const size_t bytes = dtype_bytes(map->dtype), row = map->box[0] * bytes;

	*to = (struct emu_tensormap){ .at = place_at(m, &map->at), .rank = map->rank, .element_bytes = (int)bytes,
				      .swizzle_bytes = swizzles[map->swizzle], .oob_nan = map->oob_nan };
	if (map->interleave || row % 16 || (to->swizzle_bytes && row > (size_t)to->swizzle_bytes) || (uintptr_t)to->at % 16)
		return err_set(e, "a tensor map that the driver would refuse: a row of %zu bytes of the box", row);
	for (int i = 0; i < map->rank; i++) {
		to->dims[i] = map->dims[i];
		to->box[i] = map->box[i];
		to->element_strides[i] = map->element_strides[i];
		if (i > 0)
			to->strides[i] = map->strides_bytes[i - 1];
		if (!to->dims[i] || !to->box[i] || to->box[i] > 256 || to->strides[i] % 16)
			return err_set(e, "a tensor map that the driver would refuse: dimension %d", i);
		if (to->element_strides[i] != 1)
			return err_set(e, "the emulator knows no element strides of tensor maps");
	}
	return 0;
}

static int run_kernel(struct emu_module *module, const struct kernel_step *k, const struct memory *m, uint64_t seed, struct err *e)
{
	static _Alignas(SLOT) unsigned char slots[LAUNCH_ARGS_MAX][SLOT];
	struct emu_tensormap *maps = calloc((size_t)k->arg_count + 1, sizeof(*maps));
	void *args[LAUNCH_ARGS_MAX];
	size_t sizes[LAUNCH_ARGS_MAX];
	struct emu_launch l = { .entry = k->entry, .smem = k->smem, .arg_count = k->arg_count, .args = args, .arg_bytes = sizes };
	char why[300];
	int rc = 0;

	for (int i = 0; i < 3; i++)
		l.grid[i] = k->grid[i], l.block[i] = k->block[i], l.cluster[i] = k->cluster[i];
	for (int i = 0; i < k->arg_count && rc == 0; i++) {
		const struct arg *a = &k->args[i];
		const int32_t i32 = (int32_t)(uint32_t)a->i;
		const char *at = a->kind == ARG_PLACE ? place_at(m, &a->at) : (char *)&maps[i];

		memset(slots[i], 0, SLOT);
		args[i] = slots[i];
		sizes[i] = a->kind == ARG_I32 || a->kind == ARG_F32 ? 4 : a->kind == ARG_TENSORMAP ? 128 : 8;
		if (a->kind == ARG_I32 || a->kind == ARG_F32)
			memcpy(args[i], a->kind == ARG_I32 ? (const void *)&i32 : &a->f, 4);
		else
			memcpy(args[i], a->kind == ARG_I64 ? (const void *)&a->i : &at, 8);
		if (a->kind == ARG_TENSORMAP)
			rc = take_map(&maps[i], a->map, m, e);
	}
	if (rc == 0 && emu_run(module, &l, seed, why, sizeof(why)) < 0)
		rc = err_set(e, "%s", why);
	free(maps);
	return rc;
}

static int run_launch(struct emu_module *module, const struct launch *l, const struct memory *m, uint64_t seed, struct err *e)
{
	for (int i = 0; i < l->step_count; i++) {
		const struct step *s = &l->steps[i];
		int rc = 0;

		if (s->kind == STEP_GEMM)
			rc = err_set(e, "library calls are not emulated");
		else if (s->kind == STEP_MEMSET)
			memset(place_at(m, &s->memset.to), s->memset.value, s->memset.bytes);
		else
			rc = run_kernel(module, &s->kernel, m, seed, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* ---- answers --------------------------------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *s)
{
	*s += 0x9e3779b97f4a7c15u;
	uint64_t z = *s;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static double uniform(uint64_t *s)
{
	return (double)(next_random(s) >> 11) * 0x1p-53;
}

/* Kinds of values as in inputs.h, from a seed, so that a failure can be repeated. */
static double value(uint64_t *s, enum values v)
{
	const double normal = sqrt(-2 * log(1 - uniform(s))) * cos(6.283185307179586 * uniform(s));

	switch (v) {
	case VALUES_WIDE: return copysign(exp2(-10 + 14 * uniform(s)), normal);
	case VALUES_PEAKED: return 8 * normal;
	case VALUES_TINY: return normal / 128;
	default: return normal;
	}
}

static int answer(struct checked *c, struct emu_module *reference, const char *which, enum dtype *as, void **to, struct err *e)
{
	struct launch l;
	struct memory m;
	int rc = launch_parse(&l, json_object_get(c->spec.json, which), &c->spec, e);

	if (rc < 0)
		return rc;
	memory_open(&m, c, l.workspace, 0xff, true, as);
	rc = run_launch(reference, &l, &m, 0, e);
	for (int i = 0; i < m.count && rc == 0; i++)
		if (c->spec.tensors[i].out) {
			to[i] = malloc(m.tensors[i].bytes);
			memcpy(to[i], m.tensors[i].at, m.tensors[i].bytes);
		}
	memory_close(&m);
	launch_free(&l);
	return rc;
}

int checked_open(struct checked *c, const json_t *spec, enum values v, uint64_t seed, struct emu_module *reference,
		 struct err *e)
{
	enum dtype f64 = DTYPE_F64;
	uint64_t state = seed * 1000003 + (uint64_t)v;

	*c = (struct checked){ .values = v, .seed = seed };
	if (spec_parse(&c->spec, spec, e) < 0)
		return -1;
	for (int i = 0; i < c->spec.tensor_count; i++) {
		const struct tensor *t = &c->spec.tensors[i];
		const size_t size = dtype_bytes(t->dtype);

		if (t->out)
			continue;
		c->given[i] = malloc(span_bytes(t, t->dtype));
		for (int64_t k = 0; k < t->span; k++)
			dtype_encode((char *)c->given[i] + (size_t)k * size, value(&state, v), t->dtype);
	}
	if (answer(c, reference, "reference", &f64, (void **)c->want, e) < 0 || answer(c, reference, "plain", NULL, c->plain, e) < 0)
		return err_where(e, "the reference");
	return 0;
}

void checked_close(struct checked *c)
{
	for (int i = 0; i < SPEC_TENSORS_MAX; i++) {
		free(c->given[i]);
		free(c->want[i]);
		free(c->plain[i]);
	}
	spec_free(&c->spec);
}

/* ---- judging --------------------------------------------------------------------------------------------------------- */

static bool surroundings_intact(const struct checked *c, const struct memory *m, struct finding *f)
{
	for (int i = 0; i < m->count; i++) {
		const struct tensor *t = &c->spec.tensors[i];

		if (!region_intact(&m->tensors[i]))
			return finding_set(f, "wrong", "memory beside %s was written to", t->name);
		if (!t->out && memcmp(m->tensors[i].at, c->given[i], m->tensors[i].bytes) != 0)
			return finding_set(f, "wrong", "input %s was written to", t->name);
	}
	if (m->workspace.map && !region_intact(&m->workspace))
		return finding_set(f, "wrong", "memory beside the workspace was written to");
	return true;
}

static bool outputs_right(const struct checked *c, const struct memory *m, struct finding *f)
{
	for (int i = 0; i < m->count; i++) {
		struct accuracy acc;

		if (!c->spec.tensors[i].out)
			continue;
		compare_output(&c->spec.tensors[i], m->tensors[i].at, c->want[i], c->plain[i],
			       c->spec.tolerance.rounding, &acc);
		if (!compare_verdict(&acc, &c->spec.tolerance, c->values, "", f))
			return false;
	}
	return true;
}

bool checked_run(const struct checked *c, struct emu_module *module, const json_t *launch, uint64_t seed, char *why, size_t size)
{
	struct finding f = { 0 };
	struct err e = { 0 };
	struct launch l;
	struct memory m;
	bool right;

	if (launch_parse(&l, launch, &c->spec, &e) < 0) {
		snprintf(why, size, "%s", e.text);
		return false;
	}
	memory_open(&m, c, l.workspace, 0xff, seed % 2 == 0, NULL);
	right = run_launch(module, &l, &m, seed, &e) == 0 && surroundings_intact(c, &m, &f) && outputs_right(c, &m, &f);
	if (!right)
		snprintf(why, size, "%s%s", e.text, f.why + (f.why[0] == ':' ? 2 : 0));
	memory_close(&m);
	launch_free(&l);
	return right;
}
