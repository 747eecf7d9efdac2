/* score: one search of a policy in a recorded space, and what random search would have found there.
 * The command around it is in score_main.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "attune/score.h"
#include "attune/script.h"

struct score {
	struct script *script;
	bool quiet;
	char said[256]; /* the last note, so that a policy which fails each time says so once */
};

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void say(void *to, const char *line)
{
	struct score *s = to;

	if (!strncmp(s->said, line, sizeof s->said - 1))
		return;
	snprintf(s->said, sizeof s->said, "%s", line);
	fprintf(stderr, "%s\n", line);
}

int score_open(struct score **out, const char *root, const char *policy, struct err *e)
{
	struct score *s = calloc(1, sizeof *s);
	struct script_options o = { .root = root, .policy = policy, .log = say, .log_to = s };

	if (!s)
		abort();
	if (script_open(&s->script, &o, e)) {
		free(s);
		return ERR_FAIL;
	}
	*out = s;
	return 0;
}

void score_close(struct score *s)
{
	if (!s)
		return;
	script_close(s->script);
	free(s);
}

/* The trial of one row; *unit_us is the time that counts as fitness 1, set by the first row that has a time. */
static json_t *trial_of(const struct space_record *record, const json_t *candidate, size_t row, double *unit_us)
{
	json_t *trial = json_pack("{s:O, s:s}", "candidate", candidate, "verdict", "ok");
	double time_us = 1e3 * record->time_ms[row];
	const char *status = record->status[row];

	if (!isnan(time_us)) {
		if (!(*unit_us > 0))
			*unit_us = time_us;
		json_object_set_new(trial, "time_us", json_real(time_us));
		json_object_set_new(trial, "fitness", json_real(*unit_us / time_us));
		json_object_set_new(trial, "why", json_string(""));
		return trial;
	}
	json_object_set_new(trial, "verdict", json_string(strncmp(status, "Compil", 6) ? "launch" : "compile"));
	json_object_set_new(trial, "fitness", json_real(0));
	json_object_set_new(trial, "why", json_string(status));
	return trial;
}

static void say_notes(struct score *s, const json_t *notes)
{
	size_t i;
	json_t *text;

	json_array_foreach((json_t *)notes, i, text)
		say(s, json_string_value(text));
}

/* Asks for candidates until there are `ahead` + 1 that wait for their result, or the budget is spent. */
static int fill(struct score *s, json_t *waiting, long proposed, const struct score_run *run, long ahead, double *ask_s,
		struct err *e)
{
	while (proposed < run->trials && (long)json_array_size(waiting) <= ahead) {
		long room = ahead + 1 - (long)json_array_size(waiting), dropped;
		json_t *candidates, *notes;
		double begun = now_s();
		size_t n;

		if (script_policy_ask(s->script, room < run->trials - proposed ? room : run->trials - proposed, 0, &candidates,
				      &dropped, &notes, e))
			return ERR_FAIL;
		if (ask_s)
			*ask_s += now_s() - begun;
		say_notes(s, notes);
		n = json_array_size(candidates);
		json_array_extend(waiting, candidates);
		proposed += (long)n;
		json_decref(candidates);
		json_decref(notes);
		if (!n)
			break;
	}
	return 0;
}

int score_search(struct score *s, struct space *space, const struct space_record *record, const struct score_run *run,
		 double *best_ms, double *ask_s, struct err *e)
{
	struct script_run search = { .seed = run->seed, .trials = run->trials, .space = space };
	json_t *waiting = json_array(), *trial = NULL;
	double best = INFINITY, unit_us = 0;
	long ahead, told = 0;
	int rc = script_policy_begin(s->script, &search, &ahead, e);

	if (run->lookahead >= 0)
		ahead = run->lookahead;
	while (!rc && told < run->trials) {
		struct space_config c;
		int32_t row;

		rc = fill(s, waiting, told + (long)json_array_size(waiting), run, ahead, ask_s, e);
		if (rc || !json_array_size(waiting))
			break;
		rc = space_from_json(space, json_array_get(waiting, 0), &c, e);
		if (rc)
			break;
		row = space_map_get(&record->row, space_key(space, &c));
		trial = trial_of(record, json_array_get(waiting, 0), (size_t)row, &unit_us);
		if (record->time_ms[row] < best)
			best = record->time_ms[row];
		best_ms[told++] = best;
		json_array_remove(waiting, 0);
		rc = script_policy_tell(s->script, trial, 0, e);
		json_decref(trial);
	}
	for (; told < run->trials; told++)
		best_ms[told] = best;
	json_decref(waiting);
	return rc;
}

static int time_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* After t of n draws without repeats the chance that none of the best i is among them is C(n-i, t) / C(n, t); it is taken
 * one factor after the other. */
void score_random(const struct space_record *record, long trials, double *best_ms)
{
	double *times = malloc(record->n * sizeof *times);
	size_t ok = 0;

	if (!times)
		abort();
	for (size_t i = 0; i < record->n; i++)
		if (!isnan(record->time_ms[i]))
			times[ok++] = record->time_ms[i];
	qsort(times, ok, sizeof *times, time_compare);
	for (long t = 1; t <= trials; t++) {
		double none = 1, sum = 0, weight = 0;

		for (size_t i = 0; i < ok && none > 1e-12; i++) {
			double left = (double)(record->n - i), next = left > (double)t ? none * (left - (double)t) / left : 0;

			sum += (none - next) * times[i];
			weight += none - next;
			none = next;
		}
		best_ms[t - 1] = sum / weight;
	}
	free(times);
}
