/* judge_compare: what is accepted, and that each way of being wrong is found and named. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "judge_internal.h"
#include "scratch.h"

enum { ROWS = 3, COLS = 5, STRIDE = 8, SPAN = (ROWS - 1) * STRIDE + COLS };

static const struct tensor gapped = { .name = "o", .out = true, .dtype = DTYPE_F32, .rank = 2, .shape = { ROWS, COLS },
				      .stride = { STRIDE, 1 }, .count = ROWS * COLS, .span = SPAN };
static const struct tolerance loose = { .ratio = 2, .floor = 1e-3, .rel_rms = 1e-3 };

struct values_of {
	float got[SPAN], plain[SPAN];
	double want[SPAN];
};

static void make(struct values_of *v)
{
	for (int i = 0; i < SPAN; i++) {
		v->want[i] = sin(i + 1.0);
		v->got[i] = v->plain[i] = (float)v->want[i];
	}
}

static bool accepted(const struct values_of *v, const struct tolerance *t, enum values kind, struct finding *f)
{
	struct accuracy a;

	*f = (struct finding){ { 0 }, { 0 } };
	compare_output(&gapped, v->got, v->want, v->plain, t->rounding, &a);
	return compare_verdict(&a, t, kind, "here", f);
}

START_TEST(tolerances)
{
	const struct tolerance strict = { .ratio = 2, .floor = 1e-3, .rel_rms = 1, .max_abs = 1e-5 };
	const struct tolerance rounded = { .ratio = 2, .floor = 1e-3, .rel_rms = 1, .rounding = 0.02 };
	const struct tolerance both = { .ratio = 2, .floor = 1e-3, .rel_rms = 1, .rounding = 0.02, .max_abs = 5e-3 };
	struct values_of v;
	struct finding f;

	make(&v);
	ck_assert_msg(accepted(&v, &loose, VALUES_NORMAL, &f), "%s", f.why);
	v.got[STRIDE + 2] += 0.01f;
	ck_assert(!accepted(&v, &loose, VALUES_NORMAL, &f));
	ck_assert_str_eq(f.verdict, "wrong");
	ck_assert_msg(strstr(f.why, "o[1,2]") != NULL, "%s", f.why);
	/* The plain implementation is no better, so nobody need be. */
	v.plain[0] += 0.006f;
	v.plain[1] += 0.006f;
	ck_assert_msg(accepted(&v, &loose, VALUES_NORMAL, &f), "%s", f.why);
	/* An absolute bound, for normal values only. */
	ck_assert(!accepted(&v, &strict, VALUES_NORMAL, &f));
	ck_assert_msg(accepted(&v, &strict, VALUES_WIDE, &f), "%s", f.why);
	/* An element's own rounding excuses it, and it alone; not from an absolute bound. */
	make(&v);
	v.got[STRIDE + 2] += 0.01f;
	ck_assert_msg(accepted(&v, &rounded, VALUES_NORMAL, &f), "%s", f.why);
	ck_assert(!accepted(&v, &both, VALUES_NORMAL, &f));
	ck_assert_msg(strstr(f.why, "off by 0.01, allowed 0.005") != NULL, "%s", f.why);
	v.want[STRIDE + 4] = 0.1;
	v.plain[STRIDE + 4] = 0.1f;
	v.got[STRIDE + 4] = 0.109f;
	ck_assert(!accepted(&v, &rounded, VALUES_NORMAL, &f));
	ck_assert_msg(strstr(f.why, "o[1,4]") != NULL, "%s", f.why);
	/* Many small errors: each within its bound, not all together. */
	make(&v);
	for (int i = 0; i < SPAN; i++)
		v.got[i] += 5e-4f;
	ck_assert_msg(accepted(&v, &loose, VALUES_NORMAL, &f), "%s", f.why);
	for (int i = 0; i < SPAN; i++)
		v.got[i] += 6e-4f;
	ck_assert(!accepted(&v, &(struct tolerance){ .ratio = 2, .floor = 1, .rel_rms = 1e-3 }, VALUES_NORMAL, &f));
	ck_assert_msg(strstr(f.why, "RMS") != NULL, "%s", f.why);
}
END_TEST

START_TEST(not_finite)
{
	static const float bad[] = { NAN, INFINITY, -INFINITY };
	struct values_of v;
	struct finding f;
	struct accuracy a;

	for (size_t i = 0; i < 3; i++) {
		make(&v);
		v.got[2 * STRIDE + 4] = bad[i];
		ck_assert(!accepted(&v, &(struct tolerance){ .ratio = INFINITY, .floor = INFINITY, .rel_rms = INFINITY },
				    VALUES_NORMAL, &f));
		ck_assert_msg(strstr(f.why, "o[2,4]") != NULL, "%s", f.why);
	}
	make(&v);
	v.got[COLS] = NAN; /* a gap */
	ck_assert_msg(accepted(&v, &loose, VALUES_NORMAL, &f), "%s", f.why);
	v.plain[1] = NAN;
	compare_output(&gapped, v.got, v.want, v.plain, 0, &a);
	ck_assert(a.answer_unfit);
}
END_TEST

/* Rows that the reference left as they were filled, all ones, are told apart; half a row is an error of the reference. */
START_TEST(sampled)
{
	struct values_of v;
	struct finding f;
	struct accuracy a;

	make(&v);
	memset(&v.want[STRIDE], 0xff, COLS * sizeof v.want[0]);
	v.got[STRIDE + 1] = 99;
	v.plain[STRIDE + 1] = NAN;
	compare_output(&gapped, v.got, v.want, v.plain, 0, &a);
	ck_assert_int_eq(a.answered, (ROWS - 1) * COLS);
	ck_assert_double_lt(a.max_abs, 1e-6);
	ck_assert_msg(accepted(&v, &loose, VALUES_NORMAL, &f), "%s", f.why);
	v.got[2 * STRIDE + 1] += 0.1f;
	ck_assert(!accepted(&v, &loose, VALUES_NORMAL, &f));
	ck_assert_msg(strstr(f.why, "o[2,1]") != NULL, "%s", f.why);
	make(&v);
	memset(&v.want[STRIDE], 0xff, COLS * sizeof v.want[0]);
	v.got[STRIDE + 3] = INFINITY;
	ck_assert(!accepted(&v, &loose, VALUES_NORMAL, &f));
	ck_assert_msg(strstr(f.why, "o[1,3]") != NULL, "%s", f.why);
	make(&v);
	memset(&v.want[STRIDE], 0xff, (COLS - 1) * sizeof v.want[0]);
	compare_output(&gapped, v.got, v.want, v.plain, 0, &a);
	ck_assert(a.answer_unfit);
	make(&v);
	memset(v.want, 0xff, sizeof v.want);
	compare_output(&gapped, v.got, v.want, v.plain, 0, &a);
	ck_assert_int_eq(a.answered, 0);
}
END_TEST

START_TEST(written)
{
	unsigned char poison[SPAN * 4], other[SPAN * 4], one[SPAN * 4], two[SPAN * 4];
	struct finding f;

	memset(poison, 0x11, sizeof poison);
	memset(other, 0xee, sizeof other);
	memset(one, 0x22, sizeof one);
	memset(two, 0x22, sizeof two);
	ck_assert(compare_written(&gapped, poison, one, other, two, "here", &f));
	memset(one + 4 * (STRIDE + 1), 0x11, 4);
	/* In one run it may be chance; in both it is not written. */
	ck_assert(compare_written(&gapped, poison, one, other, two, "here", &f));
	ck_assert(!compare_written(&gapped, poison, one, NULL, NULL, "here", &f));
	memset(two + 4 * (STRIDE + 1), 0xee, 4);
	ck_assert(!compare_written(&gapped, poison, one, other, two, "here", &f));
	ck_assert_msg(strstr(f.why, "o[1,1]") && strstr(f.why, "1 of 15"), "%s", f.why);
}
END_TEST

START_TEST(reruns)
{
	struct values_of v;
	struct finding f;
	float other[SPAN];

	make(&v);
	memcpy(other, v.got, sizeof other);
	ck_assert(compare_runs(&gapped, (unsigned char *)v.got, (unsigned char *)other, "here", &f));
	other[COLS] = 9; /* a gap */
	ck_assert(compare_runs(&gapped, (unsigned char *)v.got, (unsigned char *)other, "here", &f));
	other[STRIDE] = nextafterf(other[STRIDE], 9);
	ck_assert(!compare_runs(&gapped, (unsigned char *)v.got, (unsigned char *)other, "here", &f));
	ck_assert_str_eq(f.verdict, "nondeterministic");
	ck_assert_msg(strstr(f.why, "o[1,0]") != NULL, "%s", f.why);
}
END_TEST

/* One byte at each place that matters. */
START_TEST(surroundings)
{
	struct spec s = { .tensor_count = 2 };
	unsigned char *given, *got;
	struct layout l;
	struct finding f;

	s.tensors[0] = (struct tensor){ .name = "x", .dtype = DTYPE_F16, .rank = 1, .shape = { 100 }, .stride = { 1 },
					.count = 100, .span = 100 };
	s.tensors[1] = gapped;
	layout_init(&l, &s, 512, 256);
	given = calloc(1, l.total);
	got = malloc(l.total);
	for (size_t at = 0; at < l.total; at++) {
		const bool output = at >= l.offset[1] && at < l.offset[1] + l.bytes[1];
		const bool element = output && (at - l.offset[1]) / 4 % STRIDE < COLS;
		const char *word = at < l.offset[0] ? "before the start of x, " : at < l.offset[0] + l.bytes[0] ? "changed the input x" :
			at < l.end[0] ? "past the end of x" : at < l.offset[1] ? "before the start of o" : output ? "rows of o" :
			at < l.end[1] ? "past the end of o" : at < l.end[1] + l.guard ? "before the workspace" :
			"past the end of the workspace";

		memcpy(got, given, l.total);
		got[at] = 1;
		ck_assert_msg(compare_surroundings(&s, &l, given, given, got, "here", &f) == element, "byte %zu", at);
		if (!element)
			ck_assert_msg(strstr(f.why, word) != NULL, "byte %zu: %s, not %s", at, f.why, word);
	}
	free(given);
	free(got);
}
END_TEST

/* So many rows that they are compared in several parts, of which some have no answer. */
START_TEST(parts)
{
	enum { MANY = 6000, WIDE = 100, APART = 104 };
	const struct tensor t = { .name = "o", .out = true, .dtype = DTYPE_F16, .rank = 3, .shape = { 3, MANY / 3, WIDE },
				  .stride = { MANY / 3 * APART, APART, 1 }, .count = MANY * WIDE, .span = (MANY - 1) * APART + WIDE };
	uint16_t *got = calloc((size_t)t.span, sizeof *got), *plain = calloc((size_t)t.span, sizeof *plain);
	double *want = calloc((size_t)t.span, sizeof *want);
	struct accuracy a;

	for (int64_t i = 0; i < t.span; i++) {
		want[i] = (double)(i % 7) - 3;
		dtype_encode(&got[i], want[i], t.dtype);
		plain[i] = got[i];
	}
	for (int64_t row = MANY / 2; row < MANY / 2 + 1000; row++)
		memset(want + row * APART, 0xff, WIDE * sizeof *want);
	dtype_encode(&got[4999 * APART + 41], 50, t.dtype);
	dtype_encode(&got[1234 * APART + 40], 50, t.dtype);
	dtype_encode(&plain[17 * APART], 9, t.dtype);
	compare_output(&t, got, want, plain, 0, &a);
	ck_assert_int_eq(a.answered, (MANY - 1000) * WIDE);
	ck_assert_str_eq(a.worst, want[1234 * APART + 40] <= want[4999 * APART + 41] ? "o[0,1234,40]" : "o[2,999,41]");
	ck_assert_double_eq(a.max_abs, 50 - fmin(want[1234 * APART + 40], want[4999 * APART + 41]));
	ck_assert_double_eq(a.plain_max_abs, 9 - want[17 * APART]);
	ck_assert_double_gt(a.rms, 0);
	ck_assert_str_eq(a.unfit, "");
	/* Of two that are no numbers the first is named; one of them has no answer. */
	dtype_encode(&got[5500 * APART], NAN, t.dtype);
	dtype_encode(&got[3100 * APART + 99], INFINITY, t.dtype);
	compare_output(&t, got, want, plain, 0, &a);
	ck_assert_str_eq(a.unfit, "o[1,1100,99]");
	ck_assert(isinf(a.unfit_value) && !a.answer_unfit);
	free(got);
	free(plain);
	free(want);
}
END_TEST

/* A large output without gaps: poison left in one element of many is found, in both runs only. */
START_TEST(written_in_parts)
{
	enum { N = 3 << 20 };
	const struct tensor t = { .name = "o", .out = true, .dtype = DTYPE_F16, .rank = 1, .shape = { N }, .stride = { 1 }, .count = N,
				  .span = N };
	unsigned char *poison = malloc(2 * N), *poison2 = malloc(2 * N), *got = malloc(2 * N), *got2 = malloc(2 * N);
	struct finding f;

	memset(poison, 0x11, 2 * N);
	memset(poison2, 0xff, 2 * N);
	memset(got, 0x22, 2 * N);
	memset(got2, 0x22, 2 * N);
	ck_assert(compare_written(&t, poison, got, NULL, NULL, "here", &f));
	ck_assert(compare_written(&t, poison, got, poison2, got2, "here", &f));
	memset(got2 + 2 * 2999999, 0xff, 2);
	ck_assert(compare_written(&t, poison, got, poison2, got2, "here", &f));
	memset(got + 2 * 2999999, 0x11, 2);
	ck_assert(!compare_written(&t, poison, got, poison2, got2, "here", &f));
	ck_assert_msg(strstr(f.why, "1 of 3145728") && strstr(f.why, "o[2999999]"), "%s", f.why);
	ck_assert(!compare_written(&t, poison, got, NULL, NULL, "here", &f));
	memset(got2 + 2 * 2999999, 0x22, 2);
	ck_assert(compare_written(&t, poison, got, poison2, got2, "here", &f));
	free(poison);
	free(poison2);
	free(got);
	free(got2);
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("judge_compare");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, tolerances);
	tcase_add_test(c, not_finite);
	tcase_add_test(c, sampled);
	tcase_add_test(c, written);
	tcase_add_test(c, reruns);
	tcase_add_test(c, surroundings);
	tcase_add_test(c, parts);
	tcase_add_test(c, written_in_parts);
	return scratch_run("judge_compare", c);
}
