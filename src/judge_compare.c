/* judge_compare: compares bytes and values, and words what it finds. Pure functions of memory: no device, no process.
 * Values are compared as doubles, row by row, in chunks that stay in the first-level cache; large memory is shared out to
 * threads in parts, whose findings are put together in the order of the memory. */
#include <math.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attune/crew.h"
#include "judge_internal.h"

enum { CHUNK = 512, PART_ELEMENTS = 1 << 16, PART_HALVES = CREW_PART_BYTES / 2 };

bool finding_set(struct finding *f, const char *verdict, const char *fmt, ...)
{
	va_list args;

	snprintf(f->verdict, sizeof f->verdict, "%s", verdict);
	va_start(args, fmt);
	vsnprintf(f->why, sizeof f->why, fmt, args);
	va_end(args);
	return false;
}

struct sums {
	double error, plain, want;
};

/* One chunk of a row; `walk` and `at` place its first element. */
static void compare_chunk(const struct tensor *t, const struct tensor_walk *walk, int64_t at, size_t n, const double *got,
			  const double *want, const double *plain, double rounding, struct accuracy *a, struct sums *sums)
{
	double worst = -1;
	size_t where = 0;

	for (size_t i = 0; i < n; i++) {
		const double d = fabs(got[i] - want[i]), p = fabs(plain[i] - want[i]);
		const double over = d > rounding * fabs(want[i]) ? d : 0;

		sums->error += d * d;
		sums->plain += p * p;
		sums->want += want[i] * want[i];
		a->plain_max_abs = p > a->plain_max_abs ? p : a->plain_max_abs;
		a->max_abs = d > a->max_abs ? d : a->max_abs;
		where = over > worst ? i : where;
		worst = over > worst ? over : worst;
	}
	if (worst > a->over_abs || a->worst[0] == '\0') {
		a->over_abs = worst > a->over_abs ? worst : a->over_abs;
		tensor_element_name(t, walk, at + (int64_t)where, a->worst, sizeof a->worst);
		a->worst_got = got[where];
		a->worst_want = want[where];
	}
	if (isfinite(sums->error + sums->plain + sums->want) || a->unfit[0])
		return;
	/* Something is not finite (or has just overflowed); rarely, so look again slowly. */
	for (size_t i = 0; i < n; i++)
		if (!isfinite(got[i]) || !isfinite(want[i]) || !isfinite(plain[i])) {
			tensor_element_name(t, walk, at + (int64_t)i, a->unfit, sizeof a->unfit);
			a->answer_unfit = !isfinite(want[i]) || !isfinite(plain[i]);
			a->unfit_value = a->answer_unfit ? want[i] : got[i];
			return;
		}
}

/* What the oracle filled its answers with, all ones: the reference has left this part of a row alone. */
static bool unanswered(const double *want, size_t n, int64_t stride)
{
	uint64_t bits, all = ~(uint64_t)0;

	for (size_t i = 0; i < n && all == ~(uint64_t)0; i++) {
		memcpy(&bits, want + (int64_t)i * stride, sizeof bits);
		all &= bits;
	}
	return all == ~(uint64_t)0;
}

/* Of an element without an answer only this much is known: it must be a number. */
static void compare_finite(const struct tensor *t, const struct tensor_walk *walk, int64_t at, size_t n, const double *got,
			   struct accuracy *a)
{
	for (size_t i = 0; i < n && !a->unfit[0]; i++)
		if (!isfinite(got[i])) {
			tensor_element_name(t, walk, at + (int64_t)i, a->unfit, sizeof a->unfit);
			a->unfit_value = got[i];
		}
}

/* The same of 16-bit elements next to each other, told by their exponents; false: there is one, or they are others. */
static bool halves_finite(const char *got, size_t n, int64_t stride, enum dtype d)
{
	const uint16_t exponent = d == DTYPE_F16 ? 0x7c00 : 0x7f80;
	uint16_t h[CHUNK], bad = 0;

	if (stride != 1 || (d != DTYPE_F16 && d != DTYPE_BF16))
		return false;
	memcpy(h, got, 2 * n);
	for (size_t i = 0; i < n; i++)
		bad |= (h[i] & exponent) == exponent;
	return !bad;
}

/* Some rows of an output, and what is found in them. */
struct part {
	const struct tensor *t;
	const char *got, *plain;
	const double *want;
	double rounding;
	int64_t first, rows;
	struct accuracy a;
	struct sums sums;
};

static void compare_rows(struct part *part)
{
	const struct tensor *t = part->t;
	const size_t size = dtype_bytes(t->dtype);
	const int64_t length = tensor_row_length(t), stride = tensor_row_stride(t);
	struct tensor_walk walk;
	int64_t row = tensor_walk_from(t, &walk, part->first);

	for (int64_t r = 0; r < part->rows; r++, tensor_walk_next(t, &walk, &row))
		for (int64_t at = 0; at < length; at += CHUNK) {
			const size_t n = length - at < CHUNK ? (size_t)(length - at) : CHUNK;
			const size_t first = (size_t)(row + at * stride);
			const bool alone = unanswered(part->want + first, n, stride);
			double g[CHUNK], w[CHUNK], p[CHUNK];

			if (alone && halves_finite(part->got + first * size, n, stride, t->dtype))
				continue;
			dtype_decode(g, part->got + first * size, n, stride, t->dtype);
			if (alone) {
				compare_finite(t, &walk, at, n, g, &part->a);
				continue;
			}
			part->a.answered += (int64_t)n;
			dtype_decode(w, part->want + first, n, stride, DTYPE_F64);
			dtype_decode(p, part->plain + first * size, n, stride, t->dtype);
			compare_chunk(t, &walk, at, n, g, w, p, part->rounding, &part->a, &part->sums);
		}
}

static void compare_part(void *arg, size_t i)
{
	compare_rows((struct part *)arg + i);
}

/* What was found in the rows before, and in one part more. */
static void join(struct accuracy *a, struct sums *sums, const struct part *part)
{
	const struct accuracy *p = &part->a;

	sums->error += part->sums.error;
	sums->plain += part->sums.plain;
	sums->want += part->sums.want;
	a->answered += p->answered;
	a->plain_max_abs = p->plain_max_abs > a->plain_max_abs ? p->plain_max_abs : a->plain_max_abs;
	a->max_abs = p->max_abs > a->max_abs ? p->max_abs : a->max_abs;
	if (p->worst[0] && (p->over_abs > a->over_abs || !a->worst[0])) {
		a->over_abs = p->over_abs;
		memcpy(a->worst, p->worst, sizeof a->worst);
		a->worst_got = p->worst_got;
		a->worst_want = p->worst_want;
	}
	if (p->unfit[0] && !a->unfit[0]) {
		memcpy(a->unfit, p->unfit, sizeof a->unfit);
		a->unfit_value = p->unfit_value;
		a->answer_unfit = p->answer_unfit;
	}
}

void compare_output(const struct tensor *t, const void *got, const double *want, const void *plain, double rounding,
		    struct accuracy *a)
{
	const int64_t length = tensor_row_length(t), rows = t->count / length;
	const int64_t most = length < PART_ELEMENTS ? PART_ELEMENTS / length : 1, count = (rows + most - 1) / most;
	struct part *parts = calloc((size_t)count, sizeof *parts);
	struct sums sums = { 0 };

	if (!parts)
		abort();
	for (int64_t i = 0; i < count; i++)
		parts[i] = (struct part){ .t = t, .got = got, .plain = plain, .want = want, .rounding = rounding,
					  .first = i * most, .rows = rows - i * most < most ? rows - i * most : most };
	crew_run(compare_part, parts, (size_t)count);
	memset(a, 0, sizeof *a);
	for (int64_t i = 0; i < count; i++)
		join(a, &sums, &parts[i]);
	free(parts);
	if (a->answered == 0)
		return;
	a->rms = sqrt(sums.error / (double)a->answered);
	a->plain_rms = sqrt(sums.plain / (double)a->answered);
	a->want_rms = sqrt(sums.want / (double)a->answered);
}

double compare_limit(const struct accuracy *a, const struct tolerance *t, enum values v)
{
	const double limit = t->ratio * a->plain_max_abs + t->floor * a->want_rms;

	/* A bound that does not scale means something for values of ordinary size only. */
	return t->max_abs > 0 && v == VALUES_NORMAL && t->max_abs < limit ? t->max_abs : limit;
}

bool compare_verdict(const struct accuracy *a, const struct tolerance *t, enum values v, const char *where,
		     struct finding *f)
{
	const double limit = compare_limit(a, t, v);
	/* Where the dtype itself is coarse (tiny outputs), the plain implementation cannot do better either. */
	const double plain = t->ratio * a->plain_rms, rms_limit = t->rel_rms * a->want_rms;

	if (a->unfit[0])
		return finding_set(f, "wrong", "%s: %s is %g", where, a->unfit, a->unfit_value);
	if (t->max_abs > 0 && v == VALUES_NORMAL && !(a->max_abs <= t->max_abs))
		return finding_set(f, "wrong", "%s: an element is off by %.3g, allowed %.3g; %s is %.6g, right is %.6g", where,
				   a->max_abs, t->max_abs, a->worst, a->worst_got, a->worst_want);
	if (!(a->over_abs <= limit))
		return finding_set(f, "wrong", "%s: %s is %.6g, right is %.6g: off by %.3g, allowed %.3g", where, a->worst,
				   a->worst_got, a->worst_want, a->over_abs, limit);
	if (!(a->rms <= (plain > rms_limit ? plain : rms_limit)))
		return finding_set(f, "wrong", "%s: relative RMS error %.3g, allowed %.3g; worst is %s: %.6g, right is %.6g",
				   where, a->rms / a->want_rms, (plain > rms_limit ? plain : rms_limit) / a->want_rms,
				   a->worst, a->worst_got, a->worst_want);
	return true;
}

/* Elements have one of three sizes; known ones are compared in a register. */
static bool same(const unsigned char *a, const unsigned char *b, size_t size)
{
	return size == 2 ? memcmp(a, b, 2) == 0 : size == 4 ? memcmp(a, b, 4) == 0 : memcmp(a, b, 8) == 0;
}

/* Offset of the first byte that differs, or n. */
static size_t first_difference(const unsigned char *a, const unsigned char *b, size_t n)
{
	size_t i = 0;

	if (crew_equal(a, b, n))
		return n;
	while (a[i] == b[i])
		i++;
	return i;
}

static size_t last_difference(const unsigned char *a, const unsigned char *b, size_t n)
{
	while (n > 0 && a[n - 1] == b[n - 1])
		n--;
	return n;
}

/* Bytes of a row that belong to no element may lie between rows: all but the elements are compared. */
static bool gaps_intact(const struct tensor *t, const unsigned char *given, const unsigned char *got)
{
	const size_t size = dtype_bytes(t->dtype);
	struct tensor_walk walk = { 0 };
	struct buf expected;
	int64_t row;
	bool intact;

	if (t->count == t->span)
		return true;
	buf_init(&expected);
	buf_add(&expected, given, (size_t)t->span * size);
	while (tensor_walk_next(t, &walk, &row))
		for (int64_t i = 0; i < tensor_row_length(t); i++) {
			const size_t at = (size_t)(row + i * tensor_row_stride(t)) * size;

			memcpy(expected.data + at, got + at, size);
		}
	intact = memcmp(expected.data, got, expected.len) == 0;
	buf_free(&expected);
	return intact;
}

bool compare_surroundings(const struct spec *s, const struct layout *l, const unsigned char *given,
			  const unsigned char *inputs, const unsigned char *got, const char *where, struct finding *f)
{
	size_t at;

	for (int i = 0; i < s->tensor_count; i++) {
		const struct tensor *t = &s->tensors[i];
		const size_t first = l->offset[i], front = first - l->guard, back = first + l->bytes[i];

		at = last_difference(given + front, got + front, l->guard);
		if (at > 0)
			return finding_set(f, "wrong", "%s: wrote before the start of %s, %zu bytes before it", where,
					   t->name, l->guard - at + 1);
		at = first_difference(given + back, got + back, l->end[i] - back);
		if (at < l->end[i] - back)
			return finding_set(f, "wrong", "%s: wrote past the end of %s, %zu bytes behind it", where, t->name,
					   at);
		if (t->out) {
			if (!gaps_intact(t, given + first, got + first))
				return finding_set(f, "wrong", "%s: wrote between the rows of %s", where, t->name);
			continue;
		}
		at = first_difference((t->count == t->span ? inputs : given) + first, got + first, l->bytes[i]);
		if (at < l->bytes[i])
			return finding_set(f, "wrong", "%s: changed the input %s, element %zu of its memory", where, t->name,
					   at / dtype_bytes(t->dtype));
	}
	at = first_difference(given + l->workspace_guard, got + l->workspace_guard, l->total - l->workspace_guard);
	if (at < l->total - l->workspace_guard)
		return finding_set(f, "wrong", "%s: wrote %s the workspace", where, at < l->guard ? "before" : "past the end of");
	return true;
}

/* No half-word of one is that of the other; in chunks that the compiler makes vectors of. */
static bool part_differs(const unsigned char *a, const unsigned char *b, size_t n)
{
	uint16_t x[CHUNK], y[CHUNK];

	for (size_t at = 0; at < n; at += CHUNK) {
		const size_t m = n - at < CHUNK ? n - at : CHUNK;
		uint16_t equal = 0;

		memcpy(x, a + 2 * at, 2 * m);
		memcpy(y, b + 2 * at, 2 * m);
		for (size_t i = 0; i < m; i++)
			equal |= x[i] == y[i];
		if (equal)
			return false;
	}
	return true;
}

struct halves {
	const unsigned char *a, *b;
	size_t n;
	atomic_bool equal; /* some are */
};

static void differ_part(void *arg, size_t i)
{
	struct halves *h = arg;
	const size_t at = i * PART_HALVES, left = h->n - at;

	if (!atomic_load(&h->equal) && !part_differs(h->a + 2 * at, h->b + 2 * at, left < PART_HALVES ? left : PART_HALVES))
		atomic_store(&h->equal, true);
}

static bool all_differ(const unsigned char *a, const unsigned char *b, size_t n)
{
	struct halves h = { .a = a, .b = b, .n = n };

	atomic_init(&h.equal, false);
	crew_run(differ_part, &h, (n + PART_HALVES - 1) / PART_HALVES);
	return !atomic_load(&h.equal);
}

bool compare_written(const struct tensor *t, const unsigned char *poison, const unsigned char *got,
		     const unsigned char *poison2, const unsigned char *got2, const char *where, struct finding *f)
{
	const size_t size = dtype_bytes(t->dtype);
	struct tensor_walk walk = { 0 };
	char name[96] = "";
	int64_t row, missing = 0;

	/* What differs from its poison in one run is written; random poison is met by chance, a NaN hardly. */
	if (size == 2 && t->count == t->span &&
	    all_differ(got2 ? poison2 : poison, got2 ? got2 : got, (size_t)t->span))
		return true;
	while (tensor_walk_next(t, &walk, &row))
		for (int64_t i = 0; i < tensor_row_length(t); i++) {
			const size_t at = (size_t)(row + i * tensor_row_stride(t)) * size;

			if (!same(poison + at, got + at, size) || (got2 && !same(poison2 + at, got2 + at, size)))
				continue;
			if (missing++ == 0)
				tensor_element_name(t, &walk, i, name, sizeof name);
		}
	if (missing > 0)
		return finding_set(f, "wrong", "%s: %lld of %lld elements are not written, the first is %s", where,
				   (long long)missing, (long long)t->count, name);
	return true;
}

bool compare_runs(const struct tensor *t, const unsigned char *one, const unsigned char *two, const char *where,
		  struct finding *f)
{
	const size_t size = dtype_bytes(t->dtype);
	struct tensor_walk walk = { 0 };
	char name[96] = "";
	double a = 0, b = 0;
	int64_t row, different = 0;

	/* Gaps are equal by now, so equal spans are equal elements. */
	if (t->count == t->span && crew_equal(one, two, (size_t)t->span * size))
		return true;
	while (tensor_walk_next(t, &walk, &row))
		for (int64_t i = 0; i < tensor_row_length(t); i++) {
			const size_t at = (size_t)(row + i * tensor_row_stride(t)) * size;

			if (same(one + at, two + at, size) || different++ > 0)
				continue;
			tensor_element_name(t, &walk, i, name, sizeof name);
			dtype_decode(&a, one + at, 1, 1, t->dtype);
			dtype_decode(&b, two + at, 1, 1, t->dtype);
		}
	if (different > 0)
		return finding_set(f, "nondeterministic", "%s: two runs on the same inputs differ in %lld elements: %s is "
				   "%.9g, then %.9g", where, (long long)different, name, a, b);
	return true;
}
