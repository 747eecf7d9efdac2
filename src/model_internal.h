/* model_internal: the fit (model.c) as the choice of a proposal (model_pick.c) uses it. */
#ifndef MODEL_INTERNAL_H
#define MODEL_INTERNAL_H
#include "attune/model.h"

#define MODEL_PARAMS (2 * SPACE_AXES + 1)

/* One factor of the kernel: an axis of at least two values, and where each of them lies. */
struct model_factor {
	size_t axis;
	double *at; /* for each value, 0 .. 1 */
	bool apart; /* values are the same or not, there is no nearer or farther */
};

struct model {
	struct space *space;
	uint32_t part;
	struct model_factor factors[SPACE_AXES];
	size_t factors_n;
	double params[MODEL_PARAMS]; /* logit(c) and log(length) of each factor, then log(noise) */
	double c_mean;               /* of the prior of each logit(c) */
	double *belief[SPACE_AXES]; /* of each value, at most 0 */
	bool warm;
	size_t asked;
	struct space_config *pool;
	size_t pool_n;

	/* The fit: n trials, those that wait behind the others. */
	size_t n, told;
	const struct space_config **x;
	double *y;      /* as modelled, in order of x */
	double *table[SPACE_AXES]; /* for each axis its factor, by two value indices */
	double *L;      /* lower triangle of the Cholesky factor, rows of n */
	double *alpha;  /* K^-1 (y - mean) */
	double *scratch;
	double mean, variance;
};

/* Learns from trials: copies, moves the parameters, factors. Needs a trial, and unless ask->spread one
 * that is not waiting. */
void model_fit(struct model *m, const struct model_trial *trials, size_t n, const struct model_ask *ask, struct stats_rng *rng);
void model_fit_free(struct model *m);
double model_kernel(const struct model *m, const struct space_config *a, const struct space_config *b);
/* The kernel of a with each of the first n trials. */
void model_kernels(const struct model *m, const struct space_config *a, size_t n, double *out);
double model_dot(const double *a, const double *b, size_t n);

#endif
