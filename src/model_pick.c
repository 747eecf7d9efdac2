/* model_pick: which configuration to try: the largest expected improvement among a pool: the one-axis neighbours of the best
 * trials, draws among those within one step of them in every axis and among those that differ in two or three axes, by any
 * step, for what one axis forbids another may allow; and, far from them, random configurations drawn once.
 * The variance costs n^2 for each configuration; that given the single most similar trial costs n and is never smaller,
 * so most of the pool is ruled out by it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "model_internal.h"

enum {
	NEAR = 3,      /* best trials whose surroundings are in the pool */
	ADJACENT = 40, /* draws around each */
	MOVES = 150,   /* draws of two or three axes of each */
	NEIGHBOURS = 512,
	CENTRE_DRAWS = 400,
};

struct choice {
	struct space_config config;
	double mean, bound, belief;
	bool far; /* not near one of the best trials */
};

struct pool {
	struct choice *all;
	size_t n, cap;
	struct space_map in;
};

static void add(struct pool *p, struct space *s, const struct space_config *c, bool far)
{
	uint64_t key = space_key(s, c);

	if (p->n == p->cap || space_seen(s, c) || space_map_get(&p->in, key) >= 0)
		return;
	space_map_put(&p->in, key, 1);
	p->all[p->n].far = far;
	p->all[p->n++].config = *c;
}

/* A legal draw from the middle of the ranges: of ordered axes the mean of two uniform draws. */
static int draw_centre(struct model *m, struct stats_rng *rng, struct space_config *c, struct err *e)
{
	int legal = 0;

	for (int draw = 0; draw < CENTRE_DRAWS && !legal; draw++)
		legal = space_draw(m->space, m->part, true, rng, c, e);
	return legal;
}

static int open_pool(struct model *m, size_t n, struct stats_rng *rng, struct err *e)
{
	if (m->pool)
		return 0;
	m->pool = calloc(n + 1, sizeof *m->pool);
	if (!m->pool)
		abort();
	for (size_t i = 0; i < n; i++) {
		struct space_config *c = &m->pool[m->pool_n];
		int found = draw_centre(m, rng, c, e);

		if (!found)
			found = space_random(m->space, (int)m->part, false, rng, c, e);
		if (found <= 0)
			return found;
		m->pool_n++;
	}
	return 0;
}

/* Two or three axes of c, each with any other value. */
static int add_moves(struct model *m, const struct space_config *c, struct pool *p, struct stats_rng *rng, struct err *e)
{
	const struct space_part *part = &m->space->parts[m->part];

	for (int i = 0; i < MOVES && m->factors_n > 1; i++) {
		struct space_config t = *c;
		int legal, axes = 2 + (stats_rng_below(rng, 3) == 0);

		while (axes-- > 0) {
			size_t a = m->factors[stats_rng_below(rng, m->factors_n)].axis;
			uint16_t at = (uint16_t)stats_rng_below(rng, (uint64_t)part->axes[a].n - 1);

			t.at[a] = (uint16_t)(at + (at >= c->at[a]));
		}
		legal = space_legal(m->space, &t, NULL, e);
		if (legal < 0)
			return legal;
		if (legal)
			add(p, m->space, &t, false);
	}
	return 0;
}

static int add_near(struct model *m, const struct space_config *c, struct pool *p, struct stats_rng *rng, struct err *e)
{
	struct space_config out[NEIGHBOURS] = { 0 };
	long n = space_neighbours(m->space, c, SPACE_ANY, out, NEIGHBOURS, e);

	for (long i = 0; i < n; i++)
		add(p, m->space, &out[i], false);
	for (int i = 0; i < ADJACENT && n >= 0; i++) {
		int found = space_adjacent(m->space, c, true, rng, out, e);

		if (found < 0)
			return found;
		if (!found)
			break;
		add(p, m->space, out, false);
	}
	return n < 0 ? (int)n : add_moves(m, c, p, rng, e);
}

/* Indices of the fastest trials into out, fastest first; returns how many. */
static size_t fastest(const struct model_trial *trials, size_t n, size_t most, size_t *out)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		size_t at = found;

		if (trials[i].waiting || !(trials[i].speed > 0))
			continue;
		while (at > 0 && trials[out[at - 1]].speed < trials[i].speed)
			at--;
		if (at == most)
			continue;
		found += found < most;
		memmove(out + at + 1, out + at, (found - at - 1) * sizeof *out);
		out[at] = i;
	}
	return found;
}

static int fill_pool(struct model *m, const struct model_trial *trials, size_t n, const struct model_ask *ask,
		     struct stats_rng *rng, struct pool *p, struct err *e)
{
	size_t near[NEAR] = { 0 }, near_n = ask->spread ? 0 : fastest(trials, n, NEAR, near);
	int rc = open_pool(m, ask->pool, rng, e);

	p->cap = m->pool_n + NEAR * (NEIGHBOURS + ADJACENT + MOVES);
	p->all = calloc(p->cap + 1, sizeof *p->all);
	if (!p->all)
		abort();
	for (size_t i = 0; i < near_n && !rc; i++)
		rc = add_near(m, &trials[near[i]].config, p, rng, e);
	for (size_t i = 0; i < m->pool_n; i++)
		add(p, m->space, &m->pool[i], true);
	return rc;
}

static double improvement(double mean, double sd, double target)
{
	double z = (mean - target) / sd;

	return (mean - target) * 0.5 * erfc(-z * M_SQRT1_2) + sd * exp(-0.5 * z * z) / sqrt(2 * M_PI);
}

/* Mean of c and its kernel with every trial; returns the variance given the most similar trial only, of 1. */
static double look(const struct model *m, const struct space_config *c, double *k, double *mean)
{
	double noise = exp(m->params[2 * m->factors_n]), most = 0, sum = m->mean;

	model_kernels(m, c, m->n, k);
	for (size_t i = 0; i < m->n; i++) {
		most = fmax(most, k[i]);
		sum += k[i] * m->alpha[i];
	}
	*mean = sum;
	return 1 - most * most / (1 + noise);
}

static double variance(const struct model *m, const double *k, double *v)
{
	double left = 1;

	for (size_t i = 0; i < m->n; i++) {
		v[i] = (k[i] - model_dot(m->L + i * m->n, v, i)) / m->L[i * m->n + i];
		left -= v[i] * v[i];
	}
	return left;
}

static double believed(const struct model *m, const struct space_config *c)
{
	double sum = 0;

	for (size_t a = 0; a < m->space->parts[m->part].axes_n; a++)
		sum += m->belief[a][c->at[a]];
	return sum;
}

static double worth(const struct model *m, const struct model_ask *ask, const struct choice *c, double mean, double of_one,
		    double target)
{
	double left = fmax(of_one, 1e-9), factor = c->far ? ask->far : ask->explore;

	return c->belief * (ask->spread ? left : improvement(mean, factor * sqrt(left * m->variance), target));
}

static int by_bound(const void *a, const void *b)
{
	const struct choice *x = a, *y = b;

	return (x->bound < y->bound) - (x->bound > y->bound);
}

static const struct space_config *pick(const struct model *m, struct pool *p, const struct model_ask *ask)
{
	double *k = calloc(2 * m->n + 1, sizeof *k), target = -INFINITY, best = -INFINITY;
	const struct space_config *chosen = NULL;

	if (!k)
		abort();
	for (size_t i = 0; i < m->n; i++)
		target = fmax(target, m->y[i]);
	for (size_t i = 0; i < p->n; i++) {
		double left = look(m, &p->all[i].config, k, &p->all[i].mean);

		p->all[i].belief = exp(ask->belief / (double)m->n * believed(m, &p->all[i].config));
		p->all[i].bound = worth(m, ask, &p->all[i], p->all[i].mean, left, target);
	}
	qsort(p->all, p->n, sizeof *p->all, by_bound);
	for (size_t i = 0; i < p->n && p->all[i].bound > best; i++) {
		double mean, value;

		look(m, &p->all[i].config, k, &mean);
		value = worth(m, ask, &p->all[i], mean, variance(m, k, k + m->n), target);
		if (value > best) {
			best = value;
			chosen = &p->all[i].config;
		}
	}
	free(k);
	return chosen;
}

/* The fastest MODEL_TRIALS / 2 and the latest of the others, in their order: a new array, and *n becomes its length. */
static struct model_trial *thin_out(const struct model_trial *trials, size_t *n)
{
	struct model_trial *few = calloc(MODEL_TRIALS, sizeof *few);
	bool *keep = calloc(*n, sizeof *keep);
	size_t fast[MODEL_TRIALS / 2] = { 0 }, kept, out = 0;

	if (!few || !keep)
		abort();
	kept = fastest(trials, *n, MODEL_TRIALS / 2, fast);
	for (size_t i = 0; i < kept; i++)
		keep[fast[i]] = true;
	for (size_t i = *n; i-- > 0 && kept < MODEL_TRIALS;) {
		kept += !keep[i];
		keep[i] = true;
	}
	for (size_t i = 0; i < *n; i++)
		if (keep[i])
			few[out++] = trials[i];
	free(keep);
	*n = out;
	return few;
}

int model_suggest(struct model *m, const struct model_trial *trials, size_t n, const struct model_ask *ask,
		  struct stats_rng *rng, struct space_config *out, struct err *e)
{
	const struct space_config *chosen;
	struct model_trial *few = NULL;
	struct pool p = { 0 };
	bool told = false;
	int rc;

	if (n > MODEL_TRIALS)
		trials = few = thin_out(trials, &n);
	for (size_t i = 0; i < n; i++)
		told = told || ask->spread || (!trials[i].waiting && trials[i].speed > 0);
	if (!told) {
		free(few);
		return 0;
	}
	rc = fill_pool(m, trials, n, ask, rng, &p, e);
	if (!rc && p.n) {
		model_fit(m, trials, n, ask, rng);
		chosen = pick(m, &p, ask);
		if (chosen) {
			*out = *chosen;
			rc = 1;
		}
		model_fit_free(m);
	}
	free(p.all);
	free(few);
	space_map_free(&p.in);
	return rc;
}
