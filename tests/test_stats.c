/* stats: against sorting, counting and published answers. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "attune/stats.h"
#include "scratch.h"

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The definition, by sorting a copy. */
static double quantile_by_sort(const double *x, size_t n, double q)
{
	double *s = malloc(n * sizeof(*s)), at = q * (double)(n - 1), out;
	size_t i = (size_t)at;

	memcpy(s, x, n * sizeof(*s));
	qsort(s, n, sizeof(*s), by_value);
	out = i + 1 < n ? s[i] + (at - (double)i) * (s[i + 1] - s[i]) : s[i];
	free(s);
	return out;
}

START_TEST(quantiles_agree_with_sorting)
{
	struct stats_rng r;
	double x[300], copy[300];

	stats_rng_seed(&r, (uint64_t)_i);
	for (int round = 0; round < 40; round++) {
		size_t n = 1 + stats_rng_below(&r, 300);
		/* Few distinct values make ties; signs and magnitudes vary. */
		uint64_t distinct = 1 + stats_rng_below(&r, round % 2 ? 4 : 1000);

		for (size_t i = 0; i < n; i++)
			x[i] = ((double)stats_rng_below(&r, distinct) - (double)distinct / 3) * pow(10, round % 7 - 3);
		memcpy(copy, x, sizeof(x));
		for (int k = 0; k <= 20; k++)
			ck_assert_double_eq(stats_quantile(x, n, k / 20.0), quantile_by_sort(x, n, k / 20.0));
		ck_assert_double_eq(stats_median(x, n), quantile_by_sort(x, n, 0.5));
		ck_assert_int_eq(memcmp(copy, x, n * sizeof(*x)), 0);
	}
}
END_TEST

START_TEST(quantiles_at_the_edges)
{
	static const double x[] = {3, -INFINITY, 1, INFINITY, -0.0, DBL_MAX};

	ck_assert_double_nan(stats_quantile(x, 0, 0.5));
	ck_assert_double_nan(stats_median((double[]){1, NAN, 2}, 3));
	ck_assert_double_eq(stats_quantile(x, 6, 0), -INFINITY);
	ck_assert_double_eq(stats_quantile(x, 6, -1), -INFINITY);
	ck_assert_double_eq(stats_quantile(x, 6, 1), INFINITY);
	ck_assert_double_eq(stats_quantile(x, 6, 0.4), 1);
	ck_assert_double_eq(stats_median(x, 1), 3);
	ck_assert_double_eq(stats_median((double[]){2, 1}, 2), 1.5);
}
END_TEST

START_TEST(moments)
{
	static const double x[] = {2, 4, 4, 4, 5, 5, 7, 9};

	ck_assert_double_eq(stats_mean(x, 8), 5);
	ck_assert_double_eq_tol(stats_stddev(x, 8), sqrt(32.0 / 7), 1e-15);
	ck_assert_double_eq(stats_stddev(x, 1), 0);
	ck_assert_double_eq(stats_stddev(x, 0), 0);
	ck_assert_double_nan(stats_mean(x, 0));
	ck_assert_double_eq_tol(stats_geomean((double[]){1, 10, 100}, 3), 10, 1e-13);
	ck_assert_double_nan(stats_geomean((double[]){1, 0}, 2));
	ck_assert_double_nan(stats_geomean((double[]){1, -1}, 2));
	ck_assert_double_nan(stats_geomean(x, 0));
	/* A large offset does not swallow the spread. */
	ck_assert_double_eq_tol(stats_stddev((double[]){1e9 + 1, 1e9 + 2, 1e9 + 3}, 3), 1, 1e-9);
}
END_TEST

/* Ranks of the 95% interval, lower one counted from 1: the standard table (Conover, Practical Nonparametric Statistics). */
START_TEST(median_interval_table)
{
	static const int table[][2] = {{1, 1}, {5, 1}, {6, 1}, {8, 1}, {9, 2}, {10, 2}, {12, 3}, {20, 6}, {25, 8}, {100, 40}};
	double x[100], lo, hi;

	for (size_t t = 0; t < sizeof(table) / sizeof(*table); t++) {
		int n = table[t][0], l = table[t][1];

		for (int i = 0; i < n; i++)
			x[i] = (i * 37 % n == 0 && i) ? i : i;
		for (int i = n - 1; i > 0; i--) {
			int k = (i * 7919) % (i + 1);
			double swap = x[i];

			x[i] = x[k];
			x[k] = swap;
		}
		stats_median_interval(x, (size_t)n, 0.95, &lo, &hi);
		ck_assert_double_eq(lo, l - 1);
		ck_assert_double_eq(hi, n - l);
	}
	stats_median_interval(x, 0, 0.95, &lo, &hi);
	ck_assert_double_nan(lo);
	ck_assert_double_nan(hi);
}
END_TEST

/* The interval holds the true median at least as often as it says, and not much more often. */
START_TEST(median_interval_covers)
{
	struct stats_rng r;
	int inside = 0, rounds = 4000;

	stats_rng_seed(&r, 11);
	for (int i = 0; i < rounds; i++) {
		double x[60], lo, hi;

		for (int k = 0; k < 60; k++)
			x[k] = exp(3 * stats_rng_normal(&r));
		stats_median_interval(x, 60, 0.9, &lo, &hi);
		inside += lo <= 1 && 1 <= hi;
	}
	ck_assert_double_ge((double)inside / rounds, 0.885);
	ck_assert_double_le((double)inside / rounds, 0.96);
}
END_TEST

/* Thousands of samples: one half to the power of n is no double any more. */
START_TEST(median_interval_of_many)
{
	static double x[5000];
	double lo, hi;

	for (int i = 0; i < 5000; i++)
		x[i] = (i * 1237) % 5000;
	stats_median_interval(x, 5000, 0.95, &lo, &hi);
	/* 2500 -+ 1.96 sqrt(5000) / 2 */
	ck_assert_double_eq_tol(lo, 2499.5 - 69.3, 2);
	ck_assert_double_eq_tol(hi, 2499.5 + 69.3, 2);
}
END_TEST

START_TEST(spearman)
{
	static const double iq[] = {106, 100, 86, 101, 99, 103, 97, 113, 112, 110};
	static const double tv[] = {7, 27, 2, 50, 28, 29, 20, 12, 6, 17};
	double x[50], y[50];

	/* A textbook's example: -29/165. */
	ck_assert_double_eq_tol(stats_spearman(iq, tv, 10), -29.0 / 165, 1e-14);
	for (int i = 0; i < 50; i++) {
		x[i] = i * 17 % 50;
		y[i] = exp(x[i] / 5);
	}
	ck_assert_double_eq_tol(stats_spearman(x, y, 50), 1, 1e-14);
	for (int i = 0; i < 50; i++)
		y[i] = -y[i];
	ck_assert_double_eq_tol(stats_spearman(x, y, 50), -1, 1e-14);
	/* Ties by hand: ranks 1 2.5 2.5 4 against 1 2 3 4. */
	ck_assert_double_eq_tol(stats_spearman((double[]){1, 2, 2, 3}, (double[]){1, 2, 3, 4}, 4), 4.5 / sqrt(22.5), 1e-14);
	ck_assert_double_nan(stats_spearman((double[]){1, 1}, (double[]){1, 2}, 2));
	ck_assert_double_nan(stats_spearman(x, y, 1));
	ck_assert_double_nan(stats_spearman((double[]){1, NAN, 2}, (double[]){1, 2, 3}, 3));
}
END_TEST

/* The authors' reference codes, run once: splitmix64 from 1234567 and xoshiro256** from the state 1, 2, 3, 4. */
START_TEST(random_known_answers)
{
	static const uint64_t split[] = {UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
					 UINT64_C(9817491932198370423), UINT64_C(4593380528125082431)};
	static const uint64_t xoshiro[] = {UINT64_C(11520), UINT64_C(0), UINT64_C(1509978240), UINT64_C(1215971899390074240),
					   UINT64_C(1216172134540287360), UINT64_C(607988272756665600)};
	struct stats_rng r;

	stats_rng_seed(&r, 1234567);
	for (int i = 0; i < 4; i++)
		ck_assert_uint_eq(r.s[i], split[i]);
	r = (struct stats_rng){{1, 2, 3, 4}};
	for (int i = 0; i < 6; i++)
		ck_assert_uint_eq(stats_rng_next(&r), xoshiro[i]);
}
END_TEST

START_TEST(random_numbers_are_even)
{
	struct stats_rng r;
	double sum = 0, square = 0, fourth = 0;
	int counts[7] = {0}, n = 200000;

	stats_rng_seed(&r, 3);
	ck_assert_uint_eq(stats_rng_below(&r, 0), 0);
	ck_assert_uint_eq(stats_rng_below(&r, 1), 0);
	for (int i = 0; i < n; i++) {
		double u = stats_rng_uniform(&r), z = stats_rng_normal(&r);

		ck_assert(u >= 0 && u < 1);
		counts[stats_rng_below(&r, 7)]++;
		sum += z;
		square += z * z;
		fourth += z * z * z * z;
	}
	for (int i = 0; i < 7; i++)
		ck_assert_int_lt(abs(counts[i] - n / 7), 800);
	ck_assert_double_eq_tol(sum / n, 0, 0.01);
	ck_assert_double_eq_tol(square / n, 1, 0.015);
	ck_assert_double_eq_tol(fourth / n, 3, 0.12);
	/* Beyond 2^63 a plain remainder would give the lower half twice as often. */
	sum = 0;
	for (int i = 0; i < n; i++)
		sum += stats_rng_below(&r, (UINT64_C(3) << 62) ) >= UINT64_C(3) << 61;
	ck_assert_double_eq_tol(sum / n, 0.5, 0.01);
}
END_TEST

/* Normal numbers are the same to the bit everywhere: the first ones of seed 42, checked against libm's logarithm. */
START_TEST(normal_agrees_with_libm)
{
	struct stats_rng r, copy;

	stats_rng_seed(&r, 42);
	for (int i = 0; i < 10000; i++) {
		double u, v, s;

		copy = r;
		do {
			u = 2 * stats_rng_uniform(&copy) - 1;
			v = 2 * stats_rng_uniform(&copy) - 1;
			s = u * u + v * v;
		} while (s >= 1 || s == 0);
		ck_assert_double_eq_tol(stats_rng_normal(&r), u * sqrt(-2 * log(s) / s), 1e-13);
		ck_assert_int_eq(memcmp(&r, &copy, sizeof(r)), 0);
	}
}
END_TEST

/* NIST/SEMATECH e-Handbook, table of upper critical values of Student's t, column 0.975. */
START_TEST(student_table)
{
	static const double want[][2] = { { 1, 12.706 }, { 2, 4.303 }, { 5, 2.571 }, { 9, 2.262 }, { 15, 2.131 }, { 30, 2.042 },
					  { 100, 1.984 } };

	for (size_t i = 0; i < sizeof want / sizeof *want; i++)
		ck_assert_double_eq_tol(stats_student((size_t)want[i][0]), want[i][1], 2e-3);
	ck_assert(isinf(stats_student(0)));
}
END_TEST

/* Of many draws of three, one more is inside 19 times of 20; a median of three more, oftener. */
START_TEST(prediction_covers_what_comes_next)
{
	enum { ROUNDS = 20000 };
	struct stats_rng r;
	int one = 0, median = 0;
	double lo, hi, x[3], next[3];

	stats_rng_seed(&r, 11);
	for (int i = 0; i < ROUNDS; i++) {
		for (int k = 0; k < 3; k++) {
			x[k] = 4 + 0.01 * stats_rng_normal(&r);
			next[k] = 4 + 0.01 * stats_rng_normal(&r);
		}
		stats_prediction(x, 3, &lo, &hi);
		one += next[0] >= lo && next[0] <= hi;
		median += stats_median(next, 3) >= lo && stats_median(next, 3) <= hi;
	}
	ck_assert_double_eq_tol((double)one / ROUNDS, 0.95, 0.005);
	ck_assert_double_gt((double)median / ROUNDS, 0.96);
	stats_prediction(x, 1, &lo, &hi);
	ck_assert(isnan(lo) && isnan(hi));
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("stats");

	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, quantiles_agree_with_sorting, 0, 5);
	tcase_add_test(c, quantiles_at_the_edges);
	tcase_add_test(c, moments);
	tcase_add_test(c, median_interval_table);
	tcase_add_test(c, median_interval_covers);
	tcase_add_test(c, median_interval_of_many);
	tcase_add_test(c, student_table);
	tcase_add_test(c, prediction_covers_what_comes_next);
	tcase_add_test(c, spearman);
	tcase_add_test(c, random_known_answers);
	tcase_add_test(c, random_numbers_are_even);
	tcase_add_test(c, normal_agrees_with_libm);
	return scratch_run("stats", c);
}
