/* stats: order statistics, spread, intervals, rank correlation, and the project's random numbers.
 * Does not measure, judge or print. Sorts nothing and allocates nothing: the k-th smallest of n doubles is found by
 * bisection over their bit patterns, which order as the numbers do once negative ones are mirrored; 64 passes at most.
 * The random numbers use exactly rounded operations only, so that a seed gives the same bits under every libm. */
#include "attune/stats.h"
#include <math.h>
#include <string.h>

static uint64_t stats_key(double x)
{
	uint64_t bits;

	memcpy(&bits, &x, sizeof(bits));
	return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

static double stats_unkey(uint64_t key)
{
	uint64_t bits = key >> 63 ? key & ~(UINT64_C(1) << 63) : ~key;
	double x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

/* How many keys are at most `key`; *above becomes the smallest one over it. */
static size_t stats_count(const double *x, size_t n, uint64_t key, uint64_t *above)
{
	size_t count = 0;

	*above = UINT64_MAX;
	for (size_t i = 0; i < n; i++) {
		uint64_t k = stats_key(x[i]);

		if (k <= key)
			count++;
		else if (k < *above)
			*above = k;
	}
	return count;
}

/* The k-th smallest, k from 0; *next becomes the one after it in order (itself when it is the last). */
static double stats_kth(const double *x, size_t n, size_t k, double *next)
{
	uint64_t lo = 0, hi = UINT64_MAX, above;
	size_t count;

	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (stats_count(x, n, mid, &above) > k)
			hi = mid;
		else
			lo = mid + 1;
	}
	count = stats_count(x, n, lo, &above);
	*next = stats_unkey(count > k + 1 || count == n ? lo : above);
	return stats_unkey(lo);
}

static int stats_has_nan(const double *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (isnan(x[i]))
			return 1;
	return 0;
}

double stats_quantile(const double *x, size_t n, double q)
{
	double at, below, next, part;

	if (!n || isnan(q) || stats_has_nan(x, n))
		return NAN;
	q = q < 0 ? 0 : q > 1 ? 1 : q;
	at = q * (double)(n - 1);
	below = stats_kth(x, n, (size_t)at, &next);
	part = at - floor(at);
	return part > 0 ? below + part * (next - below) : below;
}

double stats_median(const double *x, size_t n)
{
	return stats_quantile(x, n, 0.5);
}

double stats_mean(const double *x, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += x[i];
	return n ? sum / (double)n : NAN;
}

double stats_stddev(const double *x, size_t n)
{
	double mean = stats_mean(x, n), sum = 0;

	if (n < 2)
		return 0;
	for (size_t i = 0; i < n; i++)
		sum += (x[i] - mean) * (x[i] - mean);
	return sqrt(sum / (double)(n - 1));
}

/* The interval from the l-th smallest to the l-th largest covers the median with probability 1 - 2 P(Bin(n, 1/2) < l),
 * whatever the distribution; the largest l that still reaches the level is taken (David, Nagaraja, Order Statistics). */
void stats_median_interval(const double *x, size_t n, double level, double *lo, double *hi)
{
	double tail = 0, unused;
	size_t l = 0;

	*lo = *hi = NAN;
	if (!n || stats_has_nan(x, n))
		return;
	while (l < n / 2) {
		double ways = lgamma((double)n + 1) - lgamma((double)l + 1) - lgamma((double)(n - l) + 1);

		tail += exp(ways - (double)n * M_LN2);
		if (1 - 2 * tail < level)
			break;
		l++;
	}
	l = l ? l - 1 : 0;
	*lo = stats_kth(x, n, l, &unused);
	*hi = stats_kth(x, n, n - 1 - l, &unused);
}

double stats_student(size_t degrees)
{
	/* Tabulated quantiles 0.975; beyond the table, Cornish and Fisher's expansion (1937). */
	static const double table[] = { INFINITY, 12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060 };
	const double z = 1.959964, n = (double)degrees;

	if (degrees < sizeof table / sizeof *table)
		return table[degrees];
	return z + (pow(z, 3) + z) / (4 * n) + (5 * pow(z, 5) + 16 * pow(z, 3) + 3 * z) / (96 * n * n) +
	       (3 * pow(z, 7) + 19 * pow(z, 5) + 17 * pow(z, 3) - 15 * z) / (384 * n * n * n);
}

void stats_prediction(const double *x, size_t n, double *lo, double *hi)
{
	const double mean = stats_mean(x, n);
	const double reach = n < 2 ? NAN : stats_student(n - 1) * stats_stddev(x, n) * sqrt(1 + 1 / (double)n);

	*lo = mean - reach;
	*hi = mean + reach;
}

double stats_geomean(const double *x, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += x[i] > 0 ? log(x[i]) : NAN;
	return n ? exp(sum / (double)n) : NAN;
}

/* Twice the average rank of x[i], less a constant: 2 * (how many are below) + (how many are equal). */
static double stats_rank(const double *x, size_t n, size_t i)
{
	size_t twice = 0;

	for (size_t j = 0; j < n; j++)
		twice += x[j] < x[i] ? 2 : x[j] == x[i] ? 1 : 0;
	return (double)twice;
}

double stats_spearman(const double *x, const double *y, size_t n)
{
	/* Ranks counted as above have the mean n, with ties or without. */
	double mean = (double)n, xy = 0, xx = 0, yy = 0;

	if (n < 2 || stats_has_nan(x, n) || stats_has_nan(y, n))
		return NAN;
	for (size_t i = 0; i < n; i++) {
		double a = stats_rank(x, n, i) - mean, b = stats_rank(y, n, i) - mean;

		xy += a * b;
		xx += a * a;
		yy += b * b;
	}
	return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
}

void stats_rng_seed(struct stats_rng *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++) {
		uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
		r->s[i] = z ^ z >> 31;
	}
}

double stats_rng_uniform(struct stats_rng *r)
{
	return (double)(stats_rng_next(r) >> 11) * 0x1p-53;
}

uint64_t stats_rng_below(struct stats_rng *r, uint64_t n)
{
	uint64_t refuse, v;

	if (!n)
		return 0;
	/* 2^64 mod n: values under it would make small remainders likelier. */
	refuse = -n % n;
	do
		v = stats_rng_next(r);
	while (v < refuse);
	return v % n;
}

/* ln of a positive finite number by 2 atanh((m-1)/(m+1)), m in [sqrt(1/2), sqrt(2)); 14 terms reach 1e-16 there. */
static double stats_log(double x)
{
	int power;
	double m = frexp(x, &power), s, term, sum = 0;

	if (m < 0.70710678118654752) {
		m *= 2;
		power--;
	}
	s = (m - 1) / (m + 1);
	term = s;
	for (int k = 1; k < 28; k += 2, term *= s * s)
		sum += term / k;
	return 2 * sum + power * 0.69314718055994531;
}

/* Marsaglia's polar method; the second number of the pair is not kept, so that the state stays four words. */
double stats_rng_normal(struct stats_rng *r)
{
	double u, v, s;

	do {
		u = 2 * stats_rng_uniform(r) - 1;
		v = 2 * stats_rng_uniform(r) - 1;
		s = u * u + v * v;
	} while (s >= 1 || s == 0);
	return u * sqrt(-2 * stats_log(s) / s);
}
