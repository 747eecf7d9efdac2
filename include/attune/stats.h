/* stats: order statistics, robust spread, confidence intervals and rank correlation of measured times.
 * Nothing here allocates except where said; inputs are not changed unless said. */
#ifndef ATTUNE_STATS_H
#define ATTUNE_STATS_H
#include <stddef.h>
#include <stdint.h>

/* q in 0..1, linear interpolation (type 7 of Hyndman and Fan, 1996). NaN for n = 0. */
double stats_quantile(const double *x, size_t n, double q);
double stats_median(const double *x, size_t n);
double stats_mean(const double *x, size_t n);
double stats_stddev(const double *x, size_t n); /* n - 1 in the denominator; 0 for n < 2 */
/* Distribution-free confidence interval of the median by order statistics of the binomial (level e.g. 0.95).
 * With too few values the interval is the range. */
void stats_median_interval(const double *x, size_t n, double level, double *lo, double *hi);
/* What Student's t with so many degrees of freedom exceeds in absolute value once in 20 times; infinite for 0. */
double stats_student(size_t degrees);
/* Where one more value from the same normal source will be, 19 times of 20 (Student's prediction interval). NaN for n < 2. */
void stats_prediction(const double *x, size_t n, double *lo, double *hi);
double stats_geomean(const double *x, size_t n);
/* Spearman's rank correlation with ties by average rank. */
double stats_spearman(const double *x, const double *y, size_t n);

/* xoshiro256** (Blackman and Vigna, 2018) seeded by splitmix64; deterministic for a seed on every machine. */
struct stats_rng {
	uint64_t s[4];
};
void stats_rng_seed(struct stats_rng *r, uint64_t seed);
static inline uint64_t stats_rotl(uint64_t v, int by)
{
	return v << by | v >> (64 - by);
}
/* Here so that whoever draws millions need not call a function for each. */
static inline uint64_t stats_rng_next(struct stats_rng *r)
{
	uint64_t *s = r->s, out = stats_rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = stats_rotl(s[3], 45);
	return out;
}
double stats_rng_uniform(struct stats_rng *r);                /* [0, 1) with 53 bits */
uint64_t stats_rng_below(struct stats_rng *r, uint64_t n);    /* [0, n), unbiased; 0 for n = 0 */
double stats_rng_normal(struct stats_rng *r);                 /* mean 0, variance 1 */

#endif
