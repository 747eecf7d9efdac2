/* inputs: fresh values and patterns from a generator seeded by getrandom(2). Tables of quantiles are made when a
 * distribution and dtype are first asked for. Nothing here is reproducible, on purpose: what was generated is kept by
 * whoever needs it again. */
#include "attune/inputs.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "attune/crew.h"
#include "attune/stats.h"

enum { QUANTILES = 65536 };

struct inputs {
	struct stats_rng rng;
	void *tables[VALUES_COUNT][DTYPE_COUNT];
};

const char *values_name(enum values v)
{
	static const char *const names[VALUES_COUNT] = { "normal", "wide", "peaked", "tiny" };

	return names[v];
}

int inputs_open(struct inputs **out, struct err *e)
{
	struct inputs *in = calloc(1, sizeof *in);
	size_t got = 0;

	if (!in)
		abort();
	while (got < sizeof in->rng) {
		const ssize_t n = getrandom((char *)&in->rng + got, sizeof in->rng - got, 0);

		if (n < 0 && errno != EINTR) {
			free(in);
			return err_sys(e, "getrandom");
		}
		got += n > 0 ? (size_t)n : 0;
	}
	*out = in;
	return 0;
}

void inputs_close(struct inputs *in)
{
	if (!in)
		return;
	for (int v = 0; v < VALUES_COUNT; v++)
		for (int d = 0; d < DTYPE_COUNT; d++)
			free(in->tables[v][d]);
	free(in);
}

uint64_t inputs_next(struct inputs *in)
{
	return stats_rng_next(&in->rng);
}

uint64_t inputs_below(struct inputs *in, uint64_t n)
{
	return stats_rng_below(&in->rng, n);
}

/* Solves erfc(-x / sqrt 2) / 2 = p by Newton's method, from the logistic approximation. */
static double normal_quantile(double p)
{
	double x = log(p / (1 - p)) / 1.702;

	for (int i = 0; i < 40; i++) {
		const double density = exp(-x * x / 2) / sqrt(2 * M_PI);
		double step = (erfc(-x / M_SQRT2) / 2 - p) / density;

		step = step > 0.5 ? 0.5 : step < -0.5 ? -0.5 : step;
		x -= step;
		if (fabs(step) < 1e-12)
			break;
	}
	return x;
}

static double quantile(enum values v, enum dtype d, unsigned i)
{
	const double p = (i + 0.5) / QUANTILES, twice = 2 * p - floor(2 * p);
	double x;

	if (v == VALUES_WIDE)
		x = ldexp(exp2(14 * twice), -10) * (p < 0.5 ? -1 : 1);
	else
		x = normal_quantile(p) * (v == VALUES_PEAKED ? 8 : v == VALUES_TINY ? 1.0 / 128 : 1);
	return d == DTYPE_I32 ? rint(100 * x) : x;
}

static const void *table(struct inputs *in, enum values v, enum dtype d)
{
	unsigned char *t = in->tables[v][d];

	if (t)
		return t;
	t = malloc(QUANTILES * dtype_bytes(d));
	if (!t)
		abort();
	for (unsigned i = 0; i < QUANTILES; i++)
		dtype_encode(t + i * dtype_bytes(d), quantile(v, d, i), d);
	in->tables[v][d] = t;
	return t;
}

/* On a copy of the generator, which stays in registers. */
static void fill_16(struct stats_rng *rng, uint16_t *to, size_t n, int64_t stride, const uint16_t *t)
{
	struct stats_rng own = *rng;
	size_t i = 0;

	for (; i + 4 <= n && stride == 1; i += 4) {
		const uint64_t r = stats_rng_next(&own);
		const uint16_t four[4] = { t[r & 0xffff], t[r >> 16 & 0xffff], t[r >> 32 & 0xffff], t[r >> 48] };

		memcpy(to + i, four, sizeof four);
	}
	for (; i < n; i++)
		to[(int64_t)i * stride] = t[stats_rng_next(&own) >> 48];
	*rng = own;
}

static void fill(struct stats_rng *rng, void *to, size_t n, int64_t stride, enum dtype d, const void *t)
{
	if (dtype_bytes(d) == 2) {
		fill_16(rng, to, n, stride, t);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		const uint64_t r = stats_rng_next(rng), low = r >> 16;
		const int64_t at = (int64_t)i * stride;

		/* Low bits within a step between neighbouring quantiles, so that wide dtypes are not 65536 values only. */
		if (d == DTYPE_F32)
			((float *)to)[at] = ((const float *)t)[r & 0xffff] * (1 + (float)(low & 0xffff) * 0x1p-32f);
		else if (d == DTYPE_F64)
			((double *)to)[at] = ((const double *)t)[r & 0xffff] * (1 + (double)low * 0x1p-64);
		else
			((int32_t *)to)[at] = ((const int32_t *)t)[r & 0xffff];
	}
}

static void fill_pattern(struct stats_rng *rng, unsigned char *to, size_t bytes, enum pattern p)
{
	/* 0xfff8 to 0xffff in each half-word is a NaN as f16, as bf16, and as the upper part of a wider number. */
	const uint64_t keep = p == PATTERN_NAN ? 0x0007000700070007 : UINT64_MAX;
	const uint64_t set = p == PATTERN_NAN ? 0xfff8fff8fff8fff8 : 0;
	struct stats_rng own = *rng;
	uint64_t word;

	for (; bytes >= sizeof word; bytes -= sizeof word, to += sizeof word) {
		word = (stats_rng_next(&own) & keep) | set;
		memcpy(to, &word, sizeof word);
	}
	word = (stats_rng_next(&own) & keep) | set;
	*rng = own;
	memcpy(to, &word, bytes);
}

/* A stretch that threads fill part by part, each with a generator of its own whose whole state comes from the first one. */
struct parted {
	struct stats_rng *rngs;
	char *to;
	size_t bytes;
	enum dtype dtype;
	const void *quantiles; /* NULL: a pattern */
	enum pattern pattern;
};

static void fill_part(void *arg, size_t i)
{
	const struct parted *p = arg;
	const size_t at = i * CREW_PART_BYTES, left = p->bytes - at, n = left < CREW_PART_BYTES ? left : CREW_PART_BYTES;

	if (p->quantiles)
		fill(&p->rngs[i], p->to + at, n / dtype_bytes(p->dtype), 1, p->dtype, p->quantiles);
	else
		fill_pattern(&p->rngs[i], (unsigned char *)p->to + at, n, p->pattern);
}

static void fill_parted(struct inputs *in, struct parted *p)
{
	const size_t parts = (p->bytes + CREW_PART_BYTES - 1) / CREW_PART_BYTES;

	p->rngs = calloc(parts ? parts : 1, sizeof *p->rngs);
	if (!p->rngs)
		abort();
	for (size_t i = 0; i < parts; i++)
		for (size_t k = 0; k < sizeof p->rngs->s / sizeof *p->rngs->s; k++)
			p->rngs[i].s[k] = stats_rng_next(&in->rng);
	crew_run(fill_part, p, parts);
	free(p->rngs);
}

void inputs_values(struct inputs *in, void *data, const struct tensor *t, enum values v)
{
	const void *quantiles = table(in, v, t->dtype);
	struct tensor_walk walk = { 0 };
	int64_t offset;

	if (t->count == t->span) {
		inputs_span(in, data, t, v);
		return;
	}
	while (tensor_walk_next(t, &walk, &offset))
		fill(&in->rng, (char *)data + (size_t)offset * dtype_bytes(t->dtype), (size_t)tensor_row_length(t),
		     tensor_row_stride(t), t->dtype, quantiles);
}

void inputs_span(struct inputs *in, void *data, const struct tensor *t, enum values v)
{
	struct parted p = { .to = data, .bytes = (size_t)t->span * dtype_bytes(t->dtype), .dtype = t->dtype,
			    .quantiles = table(in, v, t->dtype) };

	fill_parted(in, &p);
}

void inputs_pattern(struct inputs *in, void *data, size_t bytes, enum pattern pattern)
{
	struct parted p = { .to = data, .bytes = bytes, .pattern = pattern };

	fill_parted(in, &p);
}

/* The finaliser of splitmix64 (Steele, Lea and Flood, 2014). */
static uint64_t mix(uint64_t z)
{
	z += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

unsigned inputs_set_class(uint64_t set)
{
	return (unsigned)(set % SET_CLASSES);
}

uint64_t inputs_rotation(uint64_t seed, unsigned set_class, int tensor, int64_t span)
{
	const uint64_t grain = span >= 16384 ? 64 : 1; /* copies on the device are fast when they are aligned */

	return mix(seed ^ mix(((uint64_t)set_class << 32) + (uint64_t)tensor + 1)) % ((uint64_t)span / grain) * grain;
}
