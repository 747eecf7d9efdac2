/* inputs: distributions by their moments and bounds, freshness, poison that is not a number, rotations. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "attune/inputs.h"
#include "scratch.h"

enum { N = 200000 };

static struct tensor dense(enum dtype d)
{
	return (struct tensor){ .name = "x", .dtype = d, .rank = 1, .shape = { N }, .stride = { 1 }, .count = N, .span = N };
}

static struct inputs *fresh(void)
{
	struct inputs *in;
	struct err e = { 0 };

	ck_assert_msg(inputs_open(&in, &e) == 0, "%s", e.text);
	return in;
}

static const enum dtype floats[] = { DTYPE_F16, DTYPE_BF16, DTYPE_F32, DTYPE_F64 };

START_TEST(distributions)
{
	static const double scale[VALUES_COUNT] = { [VALUES_NORMAL] = 1, [VALUES_PEAKED] = 8, [VALUES_TINY] = 1.0 / 128 };
	const struct tensor t = dense(floats[_i]);
	void *data = malloc(N * 8);
	double *x = malloc(N * sizeof *x);
	struct inputs *in = fresh();

	for (int v = 0; v < VALUES_COUNT; v++) {
		double sum = 0, squares = 0, small = 0, least = INFINITY, most = 0;

		inputs_values(in, data, &t, (enum values)v);
		dtype_decode(x, data, N, 1, t.dtype);
		for (int i = 0; i < N; i++) {
			const double a = fabs(x[i]);

			ck_assert(isfinite(x[i]));
			sum += x[i];
			squares += x[i] * x[i];
			small += a < 0.125; /* the middle of the wide exponents */
			least = a < least ? a : least;
			most = a > most ? a : most;
		}
		if (v == VALUES_WIDE) {
			ck_assert_double_eq_tol(small / N, 0.5, 0.01);
			ck_assert_double_ge(least, 0x1p-10 * 0.99);
			ck_assert_double_lt(least, 0x1p-9);
			ck_assert_double_le(most, 16);
			ck_assert_double_gt(most, 15);
			continue;
		}
		ck_assert_double_eq_tol(sum / N / scale[v], 0, 0.02);
		ck_assert_double_eq_tol(squares / N / (scale[v] * scale[v]), 1, 0.02);
		ck_assert_double_gt(most / scale[v], 3.5);
	}
	inputs_close(in);
	free(data);
	free(x);
}
END_TEST

START_TEST(never_the_same_twice)
{
	const struct tensor t = dense(DTYPE_F16);
	uint16_t *a = malloc(N * 2), *b = malloc(N * 2);
	struct inputs *in = fresh(), *other = fresh();
	long same = 0;

	inputs_values(in, a, &t, VALUES_NORMAL);
	inputs_values(in, b, &t, VALUES_NORMAL);
	for (int i = 0; i < N; i++)
		same += a[i] == b[i];
	ck_assert_int_lt(same, N / 500);
	inputs_values(other, b, &t, VALUES_NORMAL);
	ck_assert_int_ne(memcmp(a, b, N * 2), 0);
	ck_assert(inputs_next(in) != inputs_next(other));
	inputs_close(in);
	inputs_close(other);
	free(a);
	free(b);
}
END_TEST

/* What is filled in parts is filled to its end, and no part is like another. */
START_TEST(large_ones)
{
	enum { LARGE = (5 << 20) + 12346, PART = 4096 };
	const struct tensor t = { .name = "x", .dtype = DTYPE_F16, .rank = 1, .shape = { LARGE / 2 }, .stride = { 1 },
				  .count = LARGE / 2, .span = LARGE / 2 };
	unsigned char *data = malloc(LARGE + 1);
	struct inputs *in = fresh();

	for (int kind = 0; kind < 2; kind++) {
		memset(data, 0, LARGE);
		data[LARGE] = 77;
		if (kind == 0)
			inputs_values(in, data, &t, VALUES_NORMAL);
		else
			inputs_pattern(in, data, LARGE, PATTERN_BYTES);
		ck_assert_uint_eq(data[LARGE], 77);
		for (size_t at = 0; at + 64 <= LARGE; at += PART) {
			long zeros = 0;

			for (size_t i = at; i < at + 64; i++)
				zeros += data[i] == 0;
			ck_assert_msg(zeros < 32, "%zu: %ld zeros", at, zeros);
			for (size_t other = 0; other < at; other += PART)
				ck_assert_msg(memcmp(data + at, data + other, 64) != 0, "%zu is as %zu", at, other);
		}
		for (size_t i = LARGE - 64, zeros = 0; i < LARGE; i++) {
			zeros += data[i] == 0;
			ck_assert_uint_lt(zeros, 32);
		}
	}
	inputs_close(in);
	free(data);
}
END_TEST

START_TEST(gaps_are_left_alone)
{
	const struct tensor t = { .name = "x", .dtype = DTYPE_F32, .rank = 2, .shape = { 3, 4 }, .stride = { 9, 2 },
				  .count = 12, .span = 25 };
	struct inputs *in = fresh();
	float data[32];

	for (int i = 0; i < 32; i++)
		data[i] = 1000;
	inputs_values(in, data, &t, VALUES_NORMAL);
	for (int i = 0; i < 32; i++)
		ck_assert_msg((data[i] != 1000) == (i < 25 && i % 9 < 8 && i % 9 % 2 == 0), "element %d", i);
	inputs_span(in, data, &t, VALUES_NORMAL);
	for (int i = 0; i < 32; i++)
		ck_assert((data[i] != 1000) == (i < 25));
	inputs_close(in);
}
END_TEST

START_TEST(poison)
{
	unsigned char a[1003], b[1003];
	struct inputs *in = fresh();
	double x;

	a[1001] = b[1001] = 77;
	inputs_pattern(in, a, 1001, PATTERN_BYTES);
	inputs_pattern(in, b, 1001, PATTERN_BYTES);
	ck_assert_uint_eq(a[1001], 77);
	ck_assert(memcmp(a, b, 1001) != 0);
	inputs_pattern(in, a, 1000, PATTERN_NAN);
	for (size_t d = 0; d < 4; d++)
		for (size_t i = 0; i < 1000 / dtype_bytes(floats[d]); i++) {
			dtype_decode(&x, a + i * dtype_bytes(floats[d]), 1, 1, floats[d]);
			ck_assert_double_nan(x);
		}
	inputs_close(in);
}
END_TEST

START_TEST(rotations)
{
	static const int64_t spans[] = { 1, 2, 63, 1000, 1024, 262144 };
	for (uint64_t seed = 0; seed < 50; seed++)
		for (size_t s = 0; s < sizeof spans / sizeof *spans; s++)
			for (unsigned c = 0; c < 64; c++)
				ck_assert_uint_lt(inputs_rotation(seed, c, 1, spans[s]), spans[s]);
	/* Sets are told apart by several rotations together. */
	for (uint64_t set = 0; set < SET_CLASSES; set++)
		for (uint64_t other = 0; other < set; other++) {
			const unsigned c = inputs_set_class(set), d = inputs_set_class(other);
			bool same = true;

			for (int tensor = 0; tensor < 3; tensor++)
				same = same && inputs_rotation(5, c, tensor, 262144) == inputs_rotation(5, d, tensor, 262144);
			ck_assert_msg(!same, "sets %d and %d are the same", (int)set, (int)other);
		}
	ck_assert_uint_ne(inputs_rotation(5, 0, 0, 262144), inputs_rotation(5, 0, 1, 262144));
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("inputs");

	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, distributions, 0, 4);
	tcase_add_test(c, never_the_same_twice);
	tcase_add_test(c, large_ones);
	tcase_add_test(c, gaps_are_left_alone);
	tcase_add_test(c, poison);
	tcase_add_test(c, rotations);
	return scratch_run("inputs", c);
}
