/* score: one search of a policy in a recorded space, and what random search would have found there.
 * The command around it is in score_main.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "attune/score.h"
#include "attune/script.h"

enum { PASSED_MOST = 20 };

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

/* --- the prior ----------------------------------------------------------------------------------------------------- */

struct search {
	struct score *score;
	struct space *space;
	const struct space_record *record;
	const struct score_run *run;
	double *best_ms;
	double best, unit_us;
	double best_cycles; /* what was predicted of the best trial */
	long told, passed;  /* passed: proposals in a row that were only compiled */
};

/* One trial of a row is spent, and the policy hears of it. */
static int spend(struct search *s, const json_t *candidate, size_t row, struct err *e)
{
	json_t *trial = trial_of(s->record, candidate, row, &s->unit_us);
	int rc;

	if (s->record->time_ms[row] < s->best) {
		s->best = s->record->time_ms[row];
		s->best_cycles = score_predicted(s->record, row);
	}
	s->best_ms[s->told++] = s->best;
	s->passed = 0;
	rc = script_policy_tell(s->score->script, trial, 0, e);
	json_decref(trial);
	return rc;
}

/* 1: the proposal was only compiled, and the policy was told what is predicted of it. */
static int pass_over(struct search *s, const json_t *candidate, size_t row, struct err *e)
{
	double cycles = score_predicted(s->record, row), time_us;
	json_t *trial;
	int rc;

	if (s->passed >= PASSED_MOST || !isfinite(s->best) || !isfinite(cycles) || !isfinite(s->best_cycles) ||
	    cycles <= s->run->prior * s->best_cycles)
		return 0;
	time_us = 1e3 * s->best * cycles / s->best_cycles;
	trial = json_pack("{s:O, s:s, s:f, s:f, s:s, s:b}", "candidate", candidate, "verdict", "ok", "time_us", time_us, "fitness",
			  s->unit_us / time_us, "why", "", "predicted", 1);
	s->passed++;
	if (s->run->passed)
		++*s->run->passed;
	rc = script_policy_tell(s->score->script, trial, 0, e);
	json_decref(trial);
	return rc ? rc : 1;
}

int score_search(struct score *score, struct space *space, const struct space_record *record, const struct score_run *run,
		 double *best_ms, double *ask_s, struct err *e)
{
	struct script_run begun = { .seed = run->seed, .trials = run->trials, .space = space };
	struct search s = { .score = score, .space = space, .record = record, .run = run, .best_ms = best_ms, .best = INFINITY };
	json_t *waiting = json_array();
	long ahead;
	int rc = script_policy_begin(score->script, &begun, &ahead, e);

	if (run->lookahead >= 0)
		ahead = run->lookahead;
	while (!rc && s.told < run->trials) {
		struct space_config c;
		json_t *candidate;
		size_t row;

		rc = fill(score, waiting, s.told + (long)json_array_size(waiting), run, ahead, ask_s, e);
		if (rc || !json_array_size(waiting))
			break;
		candidate = json_incref(json_array_get(waiting, 0));
		json_array_remove(waiting, 0);
		rc = space_from_json(space, candidate, &c, e);
		row = rc ? 0 : (size_t)space_map_get(&record->row, space_key(space, &c));
		if (!rc && run->prior > 0)
			rc = pass_over(&s, candidate, row, e);
		if (!rc)
			rc = spend(&s, candidate, row, e);
		else if (rc == 1)
			rc = 0;
		json_decref(candidate);
	}
	for (; s.told < run->trials; s.told++)
		best_ms[s.told] = s.best;
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
