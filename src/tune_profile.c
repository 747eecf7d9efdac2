/* tune_profile: what limits the elites, measured by ncu where it is installed, for the policy. A search is cut into N + 1 parts
 * of equally many trials; at the end of each but the last, the best candidate so far is profiled once, if it has not been
 * (else the next one that takes its place). So the policy is told at a moment that depends on the number of results only:
 * replayed and resumed runs tell it the same profile at the same moment. The time this takes is bounded by a share of
 * the run's; what is skipped or fails is in the journal too. */
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "attune/profile.h"
#include "tune_tool.h"

#define LIMIT_S 8.0 /* of one profile */
#define SHARE 0.15   /* of the run so far: a further profile must fit, if it takes as long as the last */
#define FORBIDDEN "ERR_NVGPUCTRPERM" /* the GPU's counters are the administrator's */

/* The fastest of the first `told` trials, NULL when none of them was right. */
static struct slot *elite(const struct tune *t, long told)
{
	struct slot *best = NULL;
	double least = INFINITY;

	for (long i = 0; i < told; i++)
		if (tune_time_us(t->slots[i].trial) < least) {
			best = &t->slots[i];
			least = tune_time_us(best->trial);
		}
	return best;
}

bool tune_profile_due(const struct tune *t, long told)
{
	const long tries = (long)json_object_size(t->profiled);
	const struct slot *best;

	if (t->profiles_off || t->s.mode == SESSION_STATIC || tries >= t->o.profiles ||
	    told * (t->o.profiles + 1) < (tries + 1) * t->o.trials)
		return false;
	best = elite(t, told);
	return best && !json_object_get(t->profiled, best->text);
}

/* ^(a|b)$ of the candidate's kernels; the number of its kernels is what is profiled: the first call on the tuned problem. */
static int kernel_filter(struct tune *t, const struct slot *slot, struct buf *filter, size_t *count, struct err *e)
{
	json_t *names = NULL, *name;
	size_t i;

	if (tool_entries(t, slot, &names, e) < 0)
		return -1;
	buf_adds(filter, "regex:^(");
	json_array_foreach(names, i, name)
		buf_addf(filter, "%s%s", i ? "|" : "", json_string_value(name));
	buf_adds(filter, ")$");
	*count = json_array_size(names);
	json_decref(names);
	return *count ? 0 : err_set(e, "it launches no kernel of its own");
}

static int run_ncu(struct tune *t, const struct slot *slot, const char *program, struct tool_run *run, struct err *e)
{
	const size_t all = json_array_size(t->s.specs), problems[] = { 0, all - 1 };
	struct buf filter, count;
	size_t kernels = 0;
	double start;
	int rc;

	buf_init(&filter);
	buf_init(&count);
	rc = kernel_filter(t, slot, &filter, &kernels, e);
	buf_addf(&count, "%zu", kernels);
	if (rc == 0)
		rc = tool_prepare(t, slot, problems, all > 1 ? 2 : 1, e);
	if (rc == 0) {
		const char *argv[] = { program, "--csv", "--page", "raw", "--print-units", "base", "--metrics",
				       profile_metrics(), "--kernel-name", buf_text(&filter), "--launch-count",
				       buf_text(&count), "--clock-control", "none", "--target-processes", "all", NULL };

		rc = tool_start(t, run, "ncu", argv, LIMIT_S, e);
	}
	start = proc_now_s();
	while (rc == 0 && tool_poll(run) == 0) {
		if (*t->o.stop)
			rc = err_set_code(e, ERR_INTR, "interrupted");
		else if (proc_now_s() - start > LIMIT_S)
			break;
		else
			poll(NULL, 0, 10);
	}
	if (rc == 0)
		tool_kill(run);
	buf_free(&filter);
	buf_free(&count);
	return rc;
}

/* The profile, or why there is none; *off: there will be none in this run. */
static int measure(struct tune *t, const struct slot *slot, json_t *record, struct err *e)
{
	char *program = tool_find("ncu");
	struct tool_run run = { 0 };
	json_t *profile = NULL, *kept = NULL;
	struct err failed = { 0 };
	struct buf why;
	bool off = true;

	buf_init(&why);
	if (!program) {
		buf_adds(&why, "ncu is not installed");
	} else if (tool_obstacle(&t->s)) {
		buf_adds(&why, tool_obstacle(&t->s));
	} else if ((kept = tool_recall(t, slot, program)) && json_is_object(json_object_get(kept, "profile"))) {
		profile = json_incref(json_object_get(kept, "profile"));
		off = false;
	} else if (run_ncu(t, slot, program, &run, &failed) < 0) {
		buf_adds(&why, failed.text);
		off = false;
	} else {
		profile = profile_read(buf_text(&run.log), run.log.len, &why);
		off = !profile && (strstr(buf_text(&run.log), FORBIDDEN) || strstr(buf_text(&run.errors), FORBIDDEN));
		if (off && !strstr(buf_text(&why), FORBIDDEN))
			buf_adds(&why, ": " FORBIDDEN);
		else if (!profile && run.ended && run.why[0])
			buf_addf(&why, ": %s", run.why);
		if (!profile && !run.ended) {
			buf_clear(&why);
			buf_addf(&why, "not finished in %.0f s", LIMIT_S);
		}
	}
	tool_free(&run);
	if (profile)
		json_object_set_new(record, "profile", profile);
	else
		json_object_set_new(record, "why", json_string(buf_text(&why)));
	if (off)
		json_object_set_new(record, "off", json_true());
	if (profile && !kept)
		tool_keep(t, slot, program, record);
	free(program);
	json_decref(kept);
	buf_free(&why);
	return failed.code == ERR_INTR ? err_set_code(e, ERR_INTR, "interrupted") : 0;
}

/* Takes the profile, or says why not. A new record, which is in the journal then. */
static int take(struct tune *t, const struct slot *slot, json_t **out, struct err *e)
{
	const double start = proc_now_s(), elapsed = start - t->started_s;
	const long tries = (long)json_object_size(t->profiled);
	const double next = tries > 0 ? t->profile_s / (double)tries : 0;
	json_t *r = json_pack("{s:s, s:s, s:I, s:I}", "kind", "profile", "candidate", slot->text, "n",
			      (json_int_t)(slot - t->slots), "told", (json_int_t)t->told);
	int rc = 0;

	if (t->profile_s + next > SHARE * elapsed && tries > 0)
		json_object_set_new(r, "why", json_string("it would take too much of the run's time"));
	else
		rc = measure(t, slot, r, e);
	t->profile_s += proc_now_s() - start;
	json_object_set_new(r, "seconds", json_real(proc_now_s() - start));
	if (rc == 0)
		rc = journal_append(&t->journal, r, e);
	if (rc == 0)
		*out = json_incref(r);
	json_decref(r);
	return rc;
}

static void say(struct tune *t, const struct slot *slot, const json_t *record)
{
	const json_t *p = json_object_get(record, "profile"), *v;
	const char *why = json_string_value(json_object_get(record, "why")), *name;
	const char *limit = json_string_value(json_object_get(p, "limit"));
	struct buf line;

	buf_init(&line);
	json_object_foreach((json_t *)p, name, v)
		if (json_is_real(v))
			buf_addf(&line, ", %s %.0f%%", name, json_real_value(v));
	if (p)
		tune_report_line(t, "profile   limit %s%s: %s", limit ? limit : "unknown", buf_text(&line), slot->text);
	else
		tune_report_line(t, "profile   none: %s%s", why ? why : "", t->profiles_off ? "; none in this run" : "");
	buf_free(&line);
}

int tune_profile(struct tune *t, struct err *e)
{
	struct slot *slot = elite(t, t->told);
	json_t *record = slot ? json_incref(json_object_get(t->past_profiles, slot->text)) : NULL, *profile;
	bool fresh = false;
	int rc = 0;

	if (!slot)
		return 0;
	if (!record && t->s.mode == SESSION_REPLAY)
		record = json_incref((json_t *)tune_recorded(t, "profile", slot->text));
	/* A record without profiles was made without ncu, or before there were any. */
	if (!record && t->s.mode == SESSION_REPLAY) {
		t->profiles_off = true;
		return 0;
	}
	if (!record) {
		rc = take(t, slot, &record, e);
		fresh = true;
	}
	if (rc < 0)
		return rc;
	json_object_set_new(t->profiled, slot->text, record);
	t->profiles_off |= json_is_true(json_object_get(record, "off"));
	if (fresh || t->s.mode == SESSION_REPLAY)
		say(t, slot, record);
	profile = json_object_get(record, "profile");
	if (!profile)
		return 0;
	/* The journal's line of the trial is written; the trials of the evidence carry it from here on. */
	json_object_set(slot->trial, "profile", profile);
	return script_policy_profile(t->s.script, slot->candidate, profile, e);
}
