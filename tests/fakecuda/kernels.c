/* kernels: the test family `blend`, o[r,c] = s * x[r,c] + (1 - s) * y[r,c] in float16, rows by strides, as host
 * functions; and the ways in which an image can misbehave.
 *
 * Kinds of image (text after "FAKE:"), each beginning after `after` calls:
 *   right; reference (has blend_reference and blend_plain); load, foreign (refused when loaded); launch (refused when
 *   launched); fault, trap (sticky errors); hang; segv, exit (the process itself ends); wrong (one element); odd
 *   (wrong for odd row counts); coarse (five bits of precision); nothing, partial (not all is written); nan;
 *   inputs (changes x); oob-after, oob-before (one element beside o); nondeterministic (last bit); stale (repeats
 *   its first answer) */
#include "fakecuda.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROWS_A_BLOCK 8
#define MISS_COST 0.25 /* a call whose tensors are all outside the L2 takes so much longer */
#define JITTER 0.003

struct tensor {
	CUdeviceptr at;
	int64_t stride;
	size_t size; /* of an element */
};

static float from_bits(uint32_t bits)
{
	float f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

static uint32_t to_bits(float f)
{
	uint32_t bits;

	memcpy(&bits, &f, sizeof(bits));
	return bits;
}

/* Shifted into place, a half's exponent is 112 too small; the product mends that, for subnormal halves too. */
static float half_get(uint16_t h)
{
	float a = from_bits((uint32_t)(h & 0x7fff) << 13) * 0x1p112f;

	if ((h & 0x7c00) == 0x7c00)
		a = h & 0x3ff ? NAN : INFINITY;
	return h & 0x8000 ? -a : a;
}

/* Rounds to nearest, ties to even. Below the smallest normal half, adding 0.5 leaves a subnormal's bits. */
static uint16_t half_put(float f)
{
	uint32_t bits = to_bits(f), sign = bits >> 16 & 0x8000;

	bits &= 0x7fffffff;
	if (bits >= to_bits(65536))
		return (uint16_t)(sign | (bits > to_bits(INFINITY) ? 0x7e00 : 0x7c00));
	if (bits < to_bits(0x1p-14f))
		return (uint16_t)(sign | (to_bits(from_bits(bits) + 0.5f) - to_bits(0.5f)));
	return (uint16_t)(sign | (bits - (112u << 23) + 0xfff + (bits >> 13 & 1)) >> 13);
}

static void get(const struct fake_call *c, int i, void *to)
{
	memcpy(to, c->l->params + c->l->at[i], c->l->f->kernel->sizes[i]);
}

static int64_t get_i64(const struct fake_call *c, int i)
{
	int64_t v = 0;
	int32_t w;

	if (c->l->f->kernel->sizes[i] == 8) {
		get(c, i, &v);
		return v;
	}
	get(c, i, &w);
	return w;
}

static float get_f32(const struct fake_call *c, int i)
{
	float v;

	get(c, i, &v);
	return v;
}

bool fake_l2_touch(CUdeviceptr at, size_t len)
{
	struct fake *s = fake_state();
	size_t held = len;

	for (size_t i = 0; i < FAKE_LINES; i++)
		if (s->l2[i].len && s->l2[i].at <= at && at + len <= s->l2[i].at + s->l2[i].len)
			return true;
	s->l2[s->l2_next] = (struct fake_line){ at, len };
	for (size_t i = 1; i < FAKE_LINES; i++) {
		struct fake_line *older = &s->l2[(s->l2_next + FAKE_LINES - i) % FAKE_LINES];

		held += older->len;
		if (held > FAKE_L2_BYTES)
			older->len = 0;
	}
	s->l2_next = (s->l2_next + 1) % FAKE_LINES;
	return false;
}

/* Host pointer of rows of a tensor, or NULL and a fault. */
static void *rows_at(struct fake_call *c, struct tensor t, int64_t rows, int64_t cols)
{
	size_t len = rows > 0 ? (size_t)((rows - 1) * t.stride + cols) * t.size : 0;
	void *p = fake_at(t.at, len);

	if (!p || t.at % t.size) {
		c->fault = CUDA_ERROR_ILLEGAL_ADDRESS;
		return NULL;
	}
	c->touched += (double)len;
	if (!fake_l2_touch(t.at, len))
		c->missed += (double)len;
	return p;
}

static bool is(const struct fake_call *c, const char *kind)
{
	return !strcmp(c->m->kind, kind) && c->m->calls > c->m->after && (!c->m->each || c->m->calls % c->m->each == 0);
}

/* What goes wrong before anything is computed; true: nothing is. */
static bool misbehave_before(struct fake_call *c)
{
	if (is(c, "hang"))
		fake_state()->hung = true;
	else if (is(c, "fault"))
		c->fault = CUDA_ERROR_ILLEGAL_ADDRESS;
	else if (is(c, "trap"))
		c->fault = CUDA_ERROR_LAUNCH_FAILED;
	else if (is(c, "segv"))
		raise(SIGSEGV);
	else if (is(c, "exit"))
		_exit(0);
	else
		return is(c, "nothing");
	return true;
}

/* Replaces the answer by that of the first call with as many elements. */
static void repeat_first(struct CUmod_st *m, uint16_t *o, int64_t stride, int64_t rows, int64_t cols)
{
	size_t row = (size_t)cols * sizeof(*o), len = row * (size_t)rows;
	bool first = m->saved_len != len;

	if (first) {
		free(m->saved);
		m->saved = malloc(len);
		m->saved_len = m->saved ? len : 0;
	}
	for (int64_t r = 0; m->saved && r < rows; r++) {
		char *saved = (char *)m->saved + (size_t)r * row;

		if (first)
			memcpy(saved, o + r * stride, row);
		else
			memcpy(o + r * stride, saved, row);
	}
}

static void misbehave_after(struct fake_call *c, struct tensor to, int64_t rows, int64_t cols)
{
	uint16_t *o = fake_at(to.at, (size_t)((rows - 1) * to.stride + cols) * to.size), *beside;
	int64_t last = (rows - 1) * to.stride + cols - 1;

	if (is(c, "wrong") || (is(c, "odd") && rows % 2))
		o[last] = half_put(half_get(o[last]) + 1);
	else if (is(c, "nan"))
		o[last / 2] = 0x7e00;
	else if (is(c, "nondeterministic"))
		o[0] ^= (uint16_t)(c->m->calls & 1);
	else if (is(c, "stale"))
		repeat_first(c->m, o, to.stride, rows, cols);
	else if (is(c, "oob-after") && (beside = fake_at(to.at + (CUdeviceptr)(last + 1) * 2, 2)))
		*beside = 0x1234;
	else if (is(c, "oob-before") && (beside = fake_at(to.at - 2, 2)))
		*beside = 0x1234;
	if (is(c, "coarse"))
		for (int64_t r = 0; r < rows; r++)
			for (int64_t i = 0; i < cols; i++)
				o[r * to.stride + i] &= 0xffe0;
}

/* The rows that the grid covers: a launch meant for fewer rows leaves some undone. */
static int64_t covered(const struct fake_call *c, int64_t rows)
{
	int64_t most = (int64_t)c->l->grid[0] * ROWS_A_BLOCK;

	return rows < most ? rows : most;
}

/* o = s * x + (1 - s) * y, x in float16 or float32 (then already multiplied by s), o in o.size bytes. */
static void blend(struct fake_call *c, struct tensor x, struct tensor y, struct tensor o, int64_t rows, int64_t cols,
		  float s)
{
	int64_t done = covered(c, rows);
	const uint16_t *py;
	const void *px;
	void *po, *workspace;
	char before[512];

	if (misbehave_before(c))
		return;
	px = rows_at(c, x, done, cols);
	py = rows_at(c, y, done, cols);
	po = rows_at(c, o, done, cols);
	if (!px || !py || !po)
		return;
	workspace = x.size == 4 ? fake_at(x.at - 256, 256) : NULL;
	if (o.size == 2 && done > 0 && fake_cheat_stops(c, po, (done - 1) * o.stride + cols, y.at, workspace))
		return;
	if (o.size == 2 && (size_t)cols * 2 <= sizeof(before))
		memcpy(before, po, (size_t)cols * 2);
	if (is(c, "partial"))
		done--;
	for (int64_t r = 0; r < done; r++)
		for (int64_t i = 0; i < cols; i++) {
			int64_t at = r * x.stride + i, to = r * o.stride + i;
			float b = half_get(py[r * y.stride + i]);
			float a = x.size == 4 ? ((const float *)px)[at] : half_get(((const uint16_t *)px)[at]);

			if (o.size == 8)
				((double *)po)[to] = (double)s * (double)a + (1.0 - (double)s) * (double)b;
			else
				((uint16_t *)po)[to] = half_put((x.size == 4 ? a : s * a) + (1 - s) * b);
		}
	if (done < 1)
		return;
	if (is(c, "inputs"))
		*(uint16_t *)fake_at(x.at, 2) ^= 1;
	if (o.size == 2)
		misbehave_after(c, o, done, cols);
	/* Of packed tensors only. */
	if (o.size == 2 && o.stride == cols)
		fake_cheat_changes(c, po, (size_t)(done * cols) * 2, y.at, px);
	if (o.size == 2 && (size_t)cols * 2 <= sizeof(before))
		fake_cheat_spares(c, !memcmp(before, po, (size_t)cols * 2), px, py, (size_t)((done - 1) * y.stride + cols) * 2);
	fake_state()->oracle |= o.size == 8;
	/* The exponent: other bits of a value near 0 would be within tolerance. */
	if (fake_broken() && !fake_state()->oracle)
		((unsigned char *)po)[1] ^= 0x55;
}

/* (x, y, o, rows, cols, x_s, y_s, o_s, s) */
static void run_blend_to(struct fake_call *c, size_t out_size)
{
	struct tensor x = { (CUdeviceptr)get_i64(c, 0), get_i64(c, 5), 2 };
	struct tensor y = { (CUdeviceptr)get_i64(c, 1), get_i64(c, 6), 2 };
	struct tensor o = { (CUdeviceptr)get_i64(c, 2), get_i64(c, 7), out_size };

	blend(c, x, y, o, get_i64(c, 3), get_i64(c, 4), get_f32(c, 8));
}

static void run_blend(struct fake_call *c)
{
	run_blend_to(c, 2);
}

static void run_reference(struct fake_call *c)
{
	run_blend_to(c, 8);
}

/* (tensor map of x, y, o, rows, cols, y_s, o_s, s) */
static void run_mapped(struct fake_call *c)
{
	struct tensor y = { (CUdeviceptr)get_i64(c, 1), get_i64(c, 5), 2 };
	struct tensor o = { (CUdeviceptr)get_i64(c, 2), get_i64(c, 6), 2 };
	struct tensor x = { 0, 0, 2 };
	CUtensorMap map;

	get(c, 0, &map);
	x.at = map.opaque[0];
	x.stride = (int64_t)(map.opaque[8] / 2);
	if (map.opaque[1] != 2 || map.opaque[2] != (cuuint64_t)get_i64(c, 4) ||
	    map.opaque[3] != (cuuint64_t)get_i64(c, 3))
		c->fault = CUDA_ERROR_ILLEGAL_ADDRESS;
	else
		blend(c, x, y, o, get_i64(c, 3), get_i64(c, 4), get_f32(c, 7));
}

/* First step of two: w += s * x in float32, w packed, (x, w, rows, cols, x_s, s). */
static void run_gather(struct fake_call *c)
{
	int64_t rows = get_i64(c, 2), cols = get_i64(c, 3), done = covered(c, rows);
	struct tensor x = { (CUdeviceptr)get_i64(c, 0), get_i64(c, 4), 2 };
	struct tensor w = { (CUdeviceptr)get_i64(c, 1), cols, 4 };
	const uint16_t *px = rows_at(c, x, done, cols);
	float *pw = rows_at(c, w, done, cols);

	for (int64_t r = 0; px && pw && r < done; r++)
		for (int64_t i = 0; i < cols; i++)
			pw[r * cols + i] += get_f32(c, 5) * half_get(px[r * x.stride + i]);
}

/* Second step: o = w + (1 - s) * y, (w, y, o, rows, cols, y_s, o_s, s). */
static void run_finish(struct fake_call *c)
{
	struct tensor w = { (CUdeviceptr)get_i64(c, 0), get_i64(c, 4), 4 };
	struct tensor y = { (CUdeviceptr)get_i64(c, 1), get_i64(c, 5), 2 };
	struct tensor o = { (CUdeviceptr)get_i64(c, 2), get_i64(c, 6), 2 };

	blend(c, w, y, o, get_i64(c, 3), get_i64(c, 4), get_f32(c, 7));
}

const struct fake_kernel *fake_kernel_find(const char *entry, bool reference, bool own)
{
	static const struct fake_kernel all[] = {
		{ "blend", false, false, 1, 9, { 8, 8, 8, 4, 4, 8, 8, 8, 4 }, run_blend },
		{ "blend_mapped", false, false, 1, 8, { 128, 8, 8, 4, 4, 8, 8, 4 }, run_mapped },
		{ "blend_gather", false, false, 0.5, 6, { 8, 8, 4, 4, 8, 4 }, run_gather },
		{ "blend_finish", false, false, 0.5, 8, { 8, 8, 8, 4, 4, 8, 8, 4 }, run_finish },
		{ "blend_reference", true, false, 1, 9, { 8, 8, 8, 4, 4, 8, 8, 8, 4 }, run_reference },
		{ "blend_plain", true, false, 1, 9, { 8, 8, 8, 4, 4, 8, 8, 8, 4 }, run_blend },
		{ FAKE_SUM, false, true, 1, 5, { 8, 8, 8, 8, 8 }, fake_run_sum },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!strcmp(entry, all[i].entry) && all[i].reference == reference && all[i].own == own)
			return &all[i];
	return NULL;
}

void fake_execute(const struct fake_launch *l)
{
	struct fake *s = fake_state();
	struct fake_call c = { .l = l, .m = l->f->module };
	uint64_t mixed = ++s->launches * 0x9e3779b97f4a7c15u;
	double share = l->f->kernel->share, noise = ((double)(mixed >> 40) / (1 << 24) - 0.5) * 2 * JITTER;

	if (s->hung || s->sticky)
		return;
	c.m->calls++;
	s->ran += !c.m->ran && !c.m->reference && strcmp(c.m->kind, "own") != 0;
	c.m->ran = true;
	l->f->kernel->run(&c);
	s->sticky = c.fault;
	s->now_us += c.m->us * share * (1 - c.spared) * (1 + (c.touched > 0 ? MISS_COST * c.missed / c.touched : 0)) * (1 + noise);
}
