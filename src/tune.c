/* tune: one run from its first question to its files: open, baselines, evaluate, championship, emit. Every step leaves a
 * journal that the same command goes on from. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attune/proc.h"
#include "attune/tune.h"

static int take_baselines(struct tune *t, struct err *e)
{
	json_t *entry;
	size_t i;

	if (!t->baselines) {
		json_t *record;

		if (t->o.baselines == BASELINES_NONE) {
			t->baselines = json_array();
			t->versions = json_object();
		} else if (session_baselines(&t->s, &t->baselines, &t->versions, e) < 0) {
			return -1;
		}
		record = json_pack("{s:s, s:O, s:O}", "kind", "baselines", "entries", t->baselines, "versions", t->versions);
		if (tune_run_append(t, record, e) < 0)
			return -1;
	}
	json_array_foreach(t->baselines, i, entry) {
		double time = json_number_value(json_object_get(entry, "time_us"));

		if (time > 0 && (t->baseline_us <= 0 || time < t->baseline_us)) {
			t->baseline_us = time;
			free(t->baseline_name);
			t->baseline_name = strdup(json_string_value(json_object_get(entry, "name")));
		}
	}
	return 0;
}

/* A replay finds a candidate by its whole name: one that lacks an axis of today's would not be found. */
static int check_names(struct tune *t, const json_t *replay, struct err *e)
{
	const char *file = t->s.record ? t->s.record : json_string_value(json_object_get(replay, "file"));
	json_t *name, *candidate;
	struct buf today;
	size_t i;
	int rc = 0;

	buf_init(&today);
	json_array_foreach(json_object_get(replay, "candidates"), i, name) {
		const char *recorded = json_string_value(name);

		buf_clear(&today);
		rc = script_candidate(t->s.script, recorded, &candidate, e);
		if (rc == 0)
			rc = script_candidate_text(candidate, &today);
		json_decref(candidate);
		if (rc == 0 && strcmp(buf_text(&today), recorded) != 0)
			rc = err_set(e, "%s names candidates without axes that these kernels have got since (\"%.60s...\"): "
				     "`attune record %s %s` completes the names", file, recorded, file, file);
		if (rc < 0)
			break;
	}
	buf_free(&today);
	return rc;
}

static int open_policy(struct tune *t, struct err *e)
{
	const json_t *replay = t->s.runner ? json_object_get(runner_hello(t->s.runner), "replay") : NULL;
	struct script_run run = { .problem = session_problem(&t->s), .seed = t->o.seed, .trials = t->o.trials,
				  .only = json_object_get(replay, "candidates") };

	if (t->o.trials < 1)
		return err_set(e, "TRIALS=%ld: a run needs at least one trial", t->o.trials);
	t->slots = calloc((size_t)t->o.trials, (1 + TUNE_REPEATS) * sizeof(*t->slots));
	if (!t->slots)
		return err_set(e, "TRIALS=%ld: not enough memory", t->o.trials);
	if (script_policy_begin(t->s.script, &run, &t->lookahead, e) == 0)
		return check_names(t, replay, e);
	return run.only ? err_where(e, "%s does not fit these kernels: record it again on a device (see README.md)",
				    t->s.record) : -1;
}

static void tune_free(struct tune *t)
{
	for (long i = 0; i < t->n_slots; i++) {
		json_decref(t->slots[i].candidate);
		json_decref(t->slots[i].facts);
		json_decref(t->slots[i].trial);
		json_decref(t->slots[i].launches);
		free(t->slots[i].text);
		nvcc_result_free(&t->slots[i].image);
	}
	free(t->slots);
	json_decref(t->past);
	json_decref(t->baselines);
	json_decref(t->versions);
	json_decref(t->champion);
	json_decref(t->winner);
	json_decref(t->sanitized);
	json_decref(t->profiled);
	json_decref(t->past_profiles);
	json_decref(t->phases_ms);
	free(t->baseline_name);
	free(t->run_dir);
	if (t->journal.path)
		journal_close(&t->journal);
	session_close(&t->s);
}

/* What was searched for without a championship: the best by the search's own measurement, which is not published. */
static void report_search(struct tune *t)
{
	const struct slot *best = t->best >= 0 ? &t->slots[t->best] : NULL;

	tune_report_line(t, "searched  %ld trials, %s", t->n_slots - t->repeats, best ? "best by the search's own measurement:" :
			 "none was right");
	if (best)
		tune_report_line(t, "          %.3f  %s", tune_time_us(best->trial), best->text);
}

static int run(struct tune *t, struct err *e)
{
	int rc = session_open(&t->s, &t->o.session, e);

	if (rc == 0)
		rc = tune_run_open(t, e);
	if (rc == 0)
		rc = open_policy(t, e);
	if (rc == 0 && !t->baselines && t->o.baselines != BASELINES_NONE)
		rc = session_start_programs(&t->s, t->o.baselines == BASELINES_EACH ? 1 + t->o.processes : 1, e);
	if (rc == 0) {
		tune_report_start(t);
		if (t->s.mode != SESSION_STATIC)
			rc = session_send_problem(&t->s, e);
	}
	tune_spent_lap(t, TUNE_OPENING);
	if (rc == 0 && t->s.mode != SESSION_STATIC && (t->baselines || t->o.baselines != BASELINES_ONCE))
		rc = take_baselines(t, e);
	tune_spent_lap(t, TUNE_BASELINES);
	if (rc == 0)
		rc = tune_evaluate(t, e);
	tune_spent_lap(t, TUNE_SEARCH);
	if (rc == 0 && t->s.mode != SESSION_STATIC && !t->baselines)
		rc = take_baselines(t, e);
	tune_spent_lap(t, TUNE_BASELINES);
	if (rc == 0 && t->n_slots == 0)
		rc = err_set(e, "no variant of %s has a legal candidate for %s on %s", t->s.o.kernel,
			     session_problem_text(&t->s), t->s.arch);
	if (rc == 0 && t->o.finalists > 0)
		rc = tune_championship(t, e);
	if (rc == 0 && t->o.finalists > 0)
		rc = tune_emit(t, e);
	if (rc == 0)
		rc = tune_run_append(t, json_pack("{s:s, s:I}", "kind", "end", "trials", (json_int_t)t->n_slots), e);
	tune_spent_lap(t, TUNE_FINAL);
	if (rc == 0 && t->o.finalists > 0)
		tune_report_final(t);
	else if (rc == 0)
		report_search(t);
	return rc;
}

int tune_main(const struct tune_options *o, struct err *e)
{
	struct tune t = { .o = *o, .best = -1, .started_s = proc_now_s() };
	int rc;

	t.lap_s = t.started_s;
	rc = run(&t, e);
	if (rc == ERR_INTR || (rc < 0 && *o->stop)) {
		tune_report_line(&t, "stopped after %ld of %ld trials: the same command goes on from here", t.told, o->trials);
		rc = ERR_INTR;
	}
	tune_free(&t);
	return rc;
}
