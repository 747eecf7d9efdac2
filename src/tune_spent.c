/* tune_spent: where the time of a live run went, for whoever wants it shorter: what came before the first question, the baselines,
 * the search, of it what the runner spent on trials and on what, the championship. The runner does one thing at a time, so
 * what is left of the search it waited for compilers. */
#include <stdio.h>

#include "attune/buf.h"
#include "attune/proc.h"
#include "attune/tune.h"

#define WORTH_NAMING 0.05 /* of the trials' time */

void tune_spent_lap(struct tune *t, enum tune_phase phase)
{
	const double now = proc_now_s();

	t->spent_s[phase] += now - t->lap_s;
	t->lap_s = now;
}

void tune_spent_trial(struct tune *t, const json_t *answer)
{
	json_t *phases = json_object_get(answer, "phases_ms"), *ms;
	const char *name;

	if (!t->phases_ms)
		t->phases_ms = json_object();
	json_object_foreach(phases, name, ms)
		json_object_set_new(t->phases_ms, name, json_real(json_number_value(json_object_get(t->phases_ms, name)) +
								  json_number_value(ms)));
}

static double sum_ms(const json_t *phases)
{
	double sum = 0;
	const char *name;
	json_t *ms;

	json_object_foreach((json_t *)phases, name, ms)
		sum += json_number_value(ms);
	return sum;
}

void tune_spent_print(const struct tune *t)
{
	const double all = sum_ms(t->phases_ms);
	const char *name;
	struct buf parts;
	json_t *ms;

	if (t->s.mode != SESSION_LIVE)
		return;
	buf_init(&parts);
	json_object_foreach(t->phases_ms, name, ms)
		if (json_number_value(ms) >= WORTH_NAMING * all)
			buf_addf(&parts, "%s%.1f %s", parts.len ? ", " : ": ", 1e-3 * json_number_value(ms), name);
	printf("spent     %.1f s until the first question, %.1f on baselines, %.1f on the championship\n",
	       t->spent_s[TUNE_OPENING], t->spent_s[TUNE_BASELINES], t->spent_s[TUNE_FINAL]);
	printf("          %.1f s of search, %.1f of it trials%s\n", t->spent_s[TUNE_SEARCH], 1e-3 * all, buf_text(&parts));
	buf_free(&parts);
}
