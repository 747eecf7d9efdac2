/* score_static: how well the static prediction (chip_score, of what compiling alone told) orders the recorded times of a
 * space: Spearman's rank correlation, over all candidates that have both and within each variant. Nothing is fitted, so that
 * no space can be scored on what was fitted to it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "attune/chip.h"
#include "attune/score.h"

#define FEWEST 10 /* candidates; of fewer a rank correlation says next to nothing */

double score_predicted(const struct space_record *record, size_t row)
{
	return record->facts ? chip_score(record->facts[row]) : INFINITY;
}

/* part < 0: all. NaN when there are too few. */
static double correlation(const struct space_record *r, long part, size_t *n)
{
	double *x = calloc(r->n + 1, sizeof *x), *y = calloc(r->n + 1, sizeof *y), rho;

	if (!x || !y)
		abort();
	*n = 0;
	for (size_t i = 0; i < r->n; i++) {
		double predicted = score_predicted(r, i);

		if ((part >= 0 && r->part[i] != (uint32_t)part) || isnan(r->time_ms[i]) || !isfinite(predicted))
			continue;
		x[*n] = predicted;
		y[(*n)++] = r->time_ms[i];
	}
	rho = *n < FEWEST ? NAN : stats_spearman(x, y, *n);
	free(x);
	free(y);
	return rho;
}

double score_static(const struct space_record *record, const char *name)
{
	const size_t parts = json_array_size(record->variants);
	size_t n;
	double all = correlation(record, -1, &n);

	if (isnan(all)) {
		printf("%s\t-\t%zu candidates say what compiling told: too few\n", name, n);
		return NAN;
	}
	printf("%s\t%.3f\t%zu of %zu candidates, %s, %s%s\n", name, all, n, record->n, record->device,
	       *record->date ? "recorded " : "date not recorded", record->date);
	for (size_t p = 0; p < parts && parts > 1; p++) {
		const char *variant = json_string_value(json_object_get(json_array_get(record->variants, p), "name"));
		double rho = correlation(record, (long)p, &n);

		if (!isnan(rho))
			printf("%s/%s\t%.3f\t%zu candidates\n", name, variant, rho, n);
	}
	return all;
}
