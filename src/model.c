/* model: the fit: factors of the kernel, the likelihood, and the walk of the parameters. What to try is chosen in
 * model_pick.c. All sums run in one fixed order, so that a proposal is the same to the bit each time. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "model_internal.h"

enum {
	STEPS_FIRST = 100, /* Metropolis steps before the first proposal */
	STEPS = 30,        /* and before each one after that, as long as there are few trials */
	STEPS_LEAST = 4,
	FEW = 64,
	MANY = 96,         /* with more of them the parameters only move at */
	MANY_PAUSE = 4,    /* every so manyth proposal */
	ROUND_VALUES = 10, /* from 4 on, tile sizes of 1 to 8 count too: 0.930 instead of 0.947, measured as MIDDLE below */
};

/* Priors (mean and spread of a normal), wide enough for what fits to 200 random trials of recorded spaces gave: c from
 * 0.02 to 0.99, lengths from 0.1 to 5, noise from 1e-4 to 1e-2 of the variance. */
static const double C_SPREAD = 1.5, LENGTH_MEAN = -0.5, LENGTH_SPREAD = 1, NOISE_MEAN = -6.9, NOISE_SPREAD = 1;
/* The variance's prior counts as so many trials of this variance. */
static const double SCALE_TRIALS = 2, SCALE = 0.02;
/* Fraction of the optimum after 45 trials, mean of six recorded spaces: 0.953 with 0, 0.968 with 0.015, 0.970 with 0.025,
 * 0.964 with 0.035. */
static const double MIDDLE = 0.025;
/* With more axes than AXES an axis matters less beforehand: c is 0.5 * (AXES / axes)^FADE, 0.05 for 20 of them. The kernel is then
 * nearly a sum of one factor an axis, so that a trial says something of configurations that differ from it in most axes; with
 * 0.5 for each of 20, two that differ in 12 would have nothing to do with each other. On two landscapes fitted to trials of `hopper`
 * (20 axes, tests/landscape), after 45 and 100 trials: 0.878 and 0.914 with 0.5 for all, 0.918 and 0.982 with this (and first
 * trials that are drawn, not spread); random draws 0.876 after 45. On smaller ones, anything from 0.02 to 0.1 did as well. */
static const double AXES = 10, FADE = 3.3;
static const double LOG_FLOOR = -3; /* of log(speed / best): what is slower, or failed, is just bad */

static void *take(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		abort();
	return p;
}

/* How often a whole number can be halved; 128 is as round as any. */
static double roundness(double x)
{
	int n = 0;

	for (; x != 0 && fmod(x, 2) == 0 && n < 7; n++)
		x /= 2;
	return n;
}

/* Adds 0 for the roundest value of an axis, about -1 for an average one. Only where roundness is no matter of size: axes of
 * many values whose roundness does not follow their order. */
static void believe_round(const struct space_axis *axis, double *belief)
{
	double n = axis->n, x = 0, y = 0, xx = 0, yy = 0, xy = 0, most = 0;

	for (uint16_t i = 0; i < axis->n; i++) {
		double r = roundness(axis->numbers[i]);

		x += i;
		y += r;
		xx += (double)i * i;
		yy += r * r;
		xy += i * r;
		most = fmax(most, r);
	}
	if (most * n - y < 1e-9 || fabs(n * xy - x * y) > 0.5 * sqrt((n * xx - x * x) * (n * yy - y * y)))
		return;
	for (uint16_t i = 0; i < axis->n; i++)
		belief[i] += (roundness(axis->numbers[i]) - most) / (most - y / n);
}

/* What is believed of an axis before any trial: that round values are better (64 and 128 rather than 112, for warps, banks
 * and sectors are powers of two), and, faintly, values near the default or the middle. Belief multiplies a candidate's worth
 * by exp(belief / trials), as in Hvarfner et al., 2022 (pi-BO), so that it fades. */
static double *believe(const struct space_axis *axis)
{
	double *belief = take(axis->n, sizeof *belief);

	for (uint16_t i = 0; i < axis->n && axis->ordered && axis->n > 2; i++)
		belief[i] = -MIDDLE * 2 * fabs(i - axis->middle) / (axis->n - 1);
	if (axis->ordered && axis->n >= ROUND_VALUES)
		believe_round(axis, belief);
	return belief;
}

static void open_factors(struct model *m)
{
	const struct space_part *p = &m->space->parts[m->part];

	for (size_t a = 0; a < p->axes_n; a++) {
		const struct space_axis *axis = &p->axes[a];
		struct model_factor *f;

		m->belief[a] = believe(axis);
		if (axis->n < 2)
			continue;
		f = &m->factors[m->factors_n++];
		f->axis = a;
		f->apart = !axis->ordered || axis->n == 2;
		f->at = take(axis->n, sizeof *f->at);
		for (size_t i = 0; i < axis->n; i++)
			f->at[i] = (double)i / (axis->n - 1);
	}
}

/* The mean of logit(c). */
static double c_mean(size_t axes)
{
	double c = 0.5 * pow(fmin(1, AXES / fmax(1, (double)axes)), FADE);

	return log(c / (1 - c));
}

struct model *model_open(struct space *s, uint32_t part)
{
	struct model *m = take(1, sizeof *m);

	m->space = s;
	m->part = part;
	open_factors(m);
	m->c_mean = c_mean(m->factors_n);
	for (size_t i = 0; i < m->factors_n; i++) {
		m->params[2 * i] = m->c_mean;
		m->params[2 * i + 1] = LENGTH_MEAN;
	}
	m->params[2 * m->factors_n] = NOISE_MEAN;
	return m;
}

void model_close(struct model *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->factors_n; i++)
		free(m->factors[i].at);
	for (size_t a = 0; a < SPACE_AXES; a++)
		free(m->belief[a]);
	free(m->pool);
	free(m);
}

/* Four sums at once: a single one would wait for each addition. */
double model_dot(const double *a, const double *b, size_t n)
{
	double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
	size_t i = 0;

	for (; i + 4 <= n; i += 4) {
		s0 += a[i] * b[i];
		s1 += a[i + 1] * b[i + 1];
		s2 += a[i + 2] * b[i + 2];
		s3 += a[i + 3] * b[i + 3];
	}
	for (; i < n; i++)
		s0 += a[i] * b[i];
	return (s0 + s1) + (s2 + s3);
}

double model_kernel(const struct model *m, const struct space_config *a, const struct space_config *b)
{
	const struct space_part *p = &m->space->parts[m->part];
	double k = 1;

	for (size_t i = 0; i < p->axes_n; i++)
		k *= m->table[i][a->at[i] * p->axes[i].n + b->at[i]];
	return k;
}

void model_kernels(const struct model *m, const struct space_config *a, size_t n, double *out)
{
	const struct space_part *p = &m->space->parts[m->part];
	const double *row[SPACE_AXES];
	size_t axis[SPACE_AXES];

	for (size_t f = 0; f < m->factors_n; f++) {
		axis[f] = m->factors[f].axis;
		row[f] = m->table[axis[f]] + (size_t)a->at[axis[f]] * p->axes[axis[f]].n;
	}
	for (size_t i = 0; i < n; i++) {
		const uint16_t *at = m->x[i]->at;
		double k = 1;

		for (size_t f = 0; f < m->factors_n; f++)
			k *= row[f][at[axis[f]]];
		out[i] = k;
	}
}

static void fill_table(struct model *m, size_t f)
{
	const struct model_factor *factor = &m->factors[f];
	size_t n = m->space->parts[m->part].axes[factor->axis].n;
	double c = 1 / (1 + exp(-m->params[2 * f])), length = exp(m->params[2 * f + 1]), *table = m->table[factor->axis];

	for (size_t i = 0; i < n; i++) {
		table[i * n + i] = 1;
		for (size_t j = 0; j < i; j++) {
			double k = factor->apart ? 0 : exp(-fabs(factor->at[i] - factor->at[j]) / length);

			table[i * n + j] = table[j * n + i] = 1 - c + c * k;
		}
	}
}

/* Factors the first n trials; mean by generalised least squares; the variance integrated out. Returns the logarithm of the
 * likelihood, up to a constant. */
static double factor(struct model *m, size_t n)
{
	double *L = m->L, *a = m->scratch, *b = m->scratch + m->n, noise = exp(m->params[2 * m->factors_n]);
	double log_det = 0, yy = 0, y1 = 0, one = 0, left;

	for (size_t i = 0; i < n; i++) {
		model_kernels(m, m->x[i], i, L + i * m->n);
		for (size_t j = 0; j < i; j++)
			L[i * m->n + j] = (L[i * m->n + j] - model_dot(L + i * m->n, L + j * m->n, j)) / L[j * m->n + j];
		left = fmax(1 + noise - model_dot(L + i * m->n, L + i * m->n, i), 1e-10);
		L[i * m->n + i] = sqrt(left);
		log_det += log(left);
		a[i] = (m->y[i] - model_dot(L + i * m->n, a, i)) / L[i * m->n + i];
		b[i] = (1 - model_dot(L + i * m->n, b, i)) / L[i * m->n + i];
		yy += a[i] * a[i];
		y1 += a[i] * b[i];
		one += b[i] * b[i];
	}
	m->mean = y1 / one;
	left = fmax(yy - y1 * m->mean, 0) + SCALE_TRIALS * SCALE;
	m->variance = left / ((double)n - 1 + SCALE_TRIALS);
	return -0.5 * (((double)n - 1 + SCALE_TRIALS) * log(left) + log_det + log(fmax(one, 1e-300)));
}

/* alpha, from what factor() left in the scratch. */
static void solve(struct model *m, size_t n)
{
	const double *a = m->scratch, *b = m->scratch + m->n;

	for (size_t i = 0; i < n; i++)
		m->alpha[i] = a[i] - m->mean * b[i];
	for (size_t i = n; i-- > 0;) {
		m->alpha[i] /= m->L[i * m->n + i];
		for (size_t j = 0; j < i; j++)
			m->alpha[j] -= m->L[i * m->n + j] * m->alpha[i];
	}
}

static double log_prior(const struct model *m)
{
	double sum = 0, d;

	for (size_t f = 0; f < m->factors_n; f++) {
		d = (m->params[2 * f] - m->c_mean) / C_SPREAD;
		sum -= d * d / 2;
		d = (m->params[2 * f + 1] - LENGTH_MEAN) / LENGTH_SPREAD;
		sum -= d * d / 2;
	}
	d = (m->params[2 * m->factors_n] - NOISE_MEAN) / NOISE_SPREAD;
	return sum - d * d / 2;
}

/* Metropolis steps of one parameter at a time. */
static void walk(struct model *m, size_t steps, struct stats_rng *rng)
{
	double now = factor(m, m->told) + log_prior(m);

	while (steps-- > 0) {
		size_t q = stats_rng_below(rng, 2 * m->factors_n + 1), f = q / 2;
		double old = m->params[q], next;

		/* The length of a factor without distances has no effect. */
		if (f < m->factors_n && m->factors[f].apart)
			q = 2 * f, old = m->params[q];
		m->params[q] += stats_rng_normal(rng);
		if (f < m->factors_n)
			fill_table(m, f);
		next = factor(m, m->told) + log_prior(m);
		if (stats_rng_uniform(rng) < exp(next - now)) {
			now = next;
			continue;
		}
		m->params[q] = old;
		if (f < m->factors_n)
			fill_table(m, f);
	}
}

static double shaped(double relative, double shape)
{
	if (shape > 0)
		return relative > 0 ? pow(relative, shape) : 0;
	return relative > 0 ? fmax(log(relative), LOG_FLOOR) : LOG_FLOOR;
}

static void copy_trials(struct model *m, const struct model_trial *trials, size_t n, const struct model_ask *ask)
{
	double best = 0;

	for (size_t i = 0; i < n; i++)
		if (!trials[i].waiting && trials[i].speed > best)
			best = trials[i].speed;
	for (int waiting = 0; waiting < 2; waiting++) {
		for (size_t i = 0; i < n; i++) {
			/* Where speeds do not count, what waits is as good as known. */
			if ((trials[i].waiting && !ask->spread) != waiting)
				continue;
			m->x[m->n] = &trials[i].config;
			m->y[m->n++] = waiting ? 0 : shaped(best > 0 ? trials[i].speed / best : 0, ask->shape);
		}
		if (!waiting)
			m->told = m->n;
	}
}

void model_fit(struct model *m, const struct model_trial *trials, size_t n, const struct model_ask *ask, struct stats_rng *rng)
{
	const struct space_part *p = &m->space->parts[m->part];
	size_t steps = m->warm ? STEPS : STEPS_FIRST;

	m->n = 0;
	m->x = take(n, sizeof *m->x);
	m->y = take(n, sizeof *m->y);
	m->L = take(n * n, sizeof *m->L);
	m->alpha = take(n, sizeof *m->alpha);
	m->scratch = take(2 * n, sizeof *m->scratch);
	copy_trials(m, trials, n, ask);
	for (size_t a = 0; a < p->axes_n; a++) {
		m->table[a] = take((size_t)p->axes[a].n * p->axes[a].n, sizeof *m->table[a]);
		m->table[a][0] = 1; /* an axis of one value has no factor */
	}
	for (size_t f = 0; f < m->factors_n; f++)
		fill_table(m, f);
	/* A step costs n^3, and with many trials the parameters hardly move any more. */
	if (n > FEW)
		steps = (size_t)fmax(STEPS_LEAST, (double)steps * FEW * FEW / ((double)n * (double)n));
	if (!ask->spread && (n <= MANY || m->asked % MANY_PAUSE == 0)) {
		walk(m, steps, rng);
		m->warm = true;
	}
	m->asked++;
	factor(m, m->told);
	solve(m, m->told);
	if (m->told == n)
		return;
	for (size_t i = m->told; i < n; i++) {
		double y = m->mean;

		for (size_t j = 0; j < m->told; j++)
			y += m->alpha[j] * model_kernel(m, m->x[i], m->x[j]);
		m->y[i] = y;
	}
	factor(m, n);
	solve(m, n);
}

void model_fit_free(struct model *m)
{
	for (size_t a = 0; a < m->space->parts[m->part].axes_n; a++) {
		free(m->table[a]);
		m->table[a] = NULL;
	}
	free(m->x);
	free(m->y);
	free(m->L);
	free(m->alpha);
	free(m->scratch);
	m->x = NULL;
	m->y = m->L = m->alpha = m->scratch = NULL;
	m->n = m->told = 0;
}
