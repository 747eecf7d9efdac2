/* judge_trial: a whole trial: every check on every problem, screening, timing, the race against the incumbent. A candidate
 * in whose trial the GPU child is lost is tried once more, alone in a fresh child, before it is blamed. */
#include <stdio.h>
#include <string.h>

#include "attune/proc.h"
#include "attune/stats.h"
#include "attune/wire.h"
#include "judge_internal.h"
#include "judge_nvml.h"

enum { SCREEN_REPLAYS = 5, COLD_REPLAYS = 25, WARM_REPLAYS = 10, RACE_QUADS = 12 };
#define SLOW_RATIO 3.0  /* times the incumbent's: not worth more measuring */
#define FAR_RATIO 1.15  /* times the incumbent's: it will not win, and its time is told from the screening, which is within 1% */
#define RACE_WITHIN 1.1 /* times the incumbent's: too near to call from unpaired times */
/* Bytes that the tuned problem must move from which on a check takes longer than all else in a trial: on an H200 a trial with 134 MB
 * of them took 2.1 s, five checks, where one with 2 MB took 0.2 s. */
#define LARGE_BYTES (32u << 20)

struct incumbent {
	struct subject subject;
	double us;
};

static int resources(struct judge *j, const struct subject *s, json_t *result, struct finding *f, struct err *e)
{
	json_t *launch = json_array_get(s->launches, 0), *answer;
	int rc = link_load(j, s->id, f, e);

	if (rc == STEP_OK)
		rc = link_ask(j, json_pack("{s:s, s:s, s:i, s:O}", "type", "resources", "id", s->id, "problem", 0, "launch",
					   launch), NULL, 0, 10 + j->o.limit_s, "fault", &answer, f, e);
	if (rc != STEP_OK)
		return rc;
	json_object_del(answer, "type");
	json_object_update(result, answer);
	json_decref(answer);
	return STEP_OK;
}

static bool large(const struct judge *j)
{
	return j->specs[0].bytes >= LARGE_BYTES;
}

/* Ordinary values on the tuned problem, and another kind on it and on each odd one, in rotation over the trials; what is
 * left for checks_after is the other kinds. A large problem has them all afterwards. */
static int checks(struct judge *j, const struct subject *s, json_t *result, struct finding *f, struct err *e)
{
	json_t *list = json_array();
	const unsigned turn = ++j->turn;
	int rc;

	json_object_set_new(result, "checks", list);
	rc = check_run(j, s, 0, VALUES_NORMAL, list, f, e);
	if (rc == STEP_OK && !large(j))
		rc = check_run(j, s, 0, (enum values)(1 + turn % (VALUES_COUNT - 1)), list, f, e);
	for (int k = 1; rc == STEP_OK && k < (int)json_array_size(s->launches); k++)
		rc = check_run(j, s, k, (enum values)((turn + (unsigned)k) % VALUES_COUNT), list, f, e);
	return rc;
}

/* Only for what has passed all else, so it costs the others nothing; on a large problem only for what may win: who is far behind
 * the incumbent is told as not checked in full, and must not enter a championship. */
static int checks_after(struct judge *j, const struct subject *s, const struct incumbent *in, json_t *result,
			struct finding *f, struct err *e)
{
	static const char *const times[] = { "time_us", "time_lo_us", "time_hi_us", "warm_us", "race" };
	const json_t *time = json_object_get(result, "time_us");
	const bool all = large(j);
	int rc = STEP_OK;

	if (time && in->us > 0 && json_number_value(time) > (all ? RACE_WITHIN : FAR_RATIO) * in->us) {
		json_object_set_new(result, "unchecked", json_integer(all ? VALUES_COUNT - 1 : VALUES_COUNT - 2));
		return STEP_OK;
	}
	for (unsigned v = 1; rc == STEP_OK && v < VALUES_COUNT; v++)
		if (all || v != 1 + j->turn % (VALUES_COUNT - 1))
			rc = check_run(j, s, 0, (enum values)v, json_object_get(result, "checks"), f, e);
	for (size_t i = 0; rc != STEP_OK && i < sizeof times / sizeof *times; i++)
		json_object_del(result, times[i]);
	return rc;
}

static void set_times(json_t *result, const struct timing *t)
{
	json_object_set_new(result, "time_us", json_real(t->us));
	json_object_set_new(result, "time_lo_us", json_real(t->lo_us));
	json_object_set_new(result, "time_hi_us", json_real(t->hi_us));
	if (t->warm_us > 0)
		json_object_set_new(result, "warm_us", json_real(t->warm_us));
	if (t->fresh_us > 0)
		json_object_set_new(result, "fresh_us", json_real(t->fresh_us));
	if (t->new_us > 0)
		json_object_set_new(result, "new_us", json_real(t->new_us));
	if (t->again_us > 0)
		json_object_set_new(result, "again_us", json_real(t->again_us));
	if (t->after_us > 0)
		json_object_set_new(result, "after_us", json_real(t->after_us));
	if (t->compared > 0)
		json_object_set_new(result, "compared", json_integer(t->compared));
	json_object_set_new(result, "replays", json_integer(t->replays));
	json_object_set_new(result, "nodes", json_integer(t->nodes));
	json_object_set_new(result, "roofline_us", json_real(t->roofline_us));
}

/* Against the incumbent in slot 1. A race that cannot be run is left out: the candidate has been judged already. */
static int race(struct judge *j, const struct incumbent *in, const struct timing *t, json_t *result, struct err *e)
{
	struct finding ignored = { { 0 }, { 0 } };
	struct timing other = { 0 };
	double ratios[RACE_QUADS], call_us, lo, hi;
	int rc;

	/* The host names an incumbent whose image may have been dropped here since. */
	if (!images_get(j->images, in->subject.id))
		return STEP_OK;
	rc = time_slot(j, &in->subject, 1, &other, &call_us, &ignored, e);
	if (rc == STEP_OK)
		rc = time_race(j, RACE_QUADS, 2 * (t->us * (double)t->nodes + call_us * (double)other.nodes), ratios, &ignored,
			       e);
	if (rc != STEP_OK)
		return rc < 0 ? rc : STEP_OK;
	stats_median_interval(ratios, RACE_QUADS, 0.95, &lo, &hi);
	json_object_set_new(result, "race", json_pack("{s:f, s:f, s:f, s:i}", "ratio", stats_median(ratios, RACE_QUADS), "lo",
						      lo, "hi", hi, "quads", RACE_QUADS));
	return STEP_OK;
}

static int times(struct judge *j, const struct subject *s, const struct incumbent *in, bool screen_only, json_t *result,
		 struct finding *f, struct err *e)
{
	json_t *list = json_object_get(result, "checks");
	struct timing t = { 0 };
	double call_us;
	int rc;

	rc = time_sets(j, f, e);
	if (rc == STEP_OK)
		rc = time_slot(j, s, 0, &t, &call_us, f, e);
	/* What looks too fast to be true is looked at briefly: a long measurement of it says no more. */
	if (rc == STEP_OK && (screen_only || in->us > 0 || call_us < time_roofline_us(j))) {
		rc = time_measure(j, s, 0, SCREEN_REPLAYS, 0, screen_only, call_us, &t, list, f, e);
		if (rc == STEP_OK && screen_only)
			set_times(result, &t);
		if (rc == STEP_OK && in->us > 0 && t.us > SLOW_RATIO * in->us) {
			set_times(result, &t);
			finding_set(f, "slow", "%.4g us when screened, the incumbent takes %.4g us", t.us, in->us);
			return STEP_FOUND;
		}
		if (rc == STEP_OK && in->us > 0 && t.us > FAR_RATIO * in->us) {
			set_times(result, &t);
			return STEP_OK;
		}
	}
	if (rc != STEP_OK || screen_only)
		return rc;
	rc = time_measure(j, s, 0, COLD_REPLAYS, WARM_REPLAYS, true, call_us, &t, list, f, e);
	/* A time stands for a right result only. */
	if (rc != STEP_OK)
		return rc;
	set_times(result, &t);
	if (nvml_clock_mhz(j->nvml) > 0)
		json_object_set_new(result, "clock_mhz", json_integer(nvml_clock_mhz(j->nvml)));
	if (in->us > 0 && t.us < RACE_WITHIN * in->us && t.us * RACE_WITHIN > in->us)
		return race(j, in, &t, result, e);
	return STEP_OK;
}

/* Launches are the host's, but a malformed one is told as the candidate's: another candidate may do better. */
static int parse_launches(struct judge *j, const struct subject *s, bool few, struct finding *f, struct err *e)
{
	const size_t n = json_array_size(s->launches);

	if (few ? n < 1 || n > (size_t)j->spec_count : n != (size_t)j->spec_count)
		return err_set(e, "%zu launches for %d problems", n, j->spec_count);
	for (int k = 0; k < (int)n; k++) {
		struct launch launch;
		struct err why = { 0 };

		if (launch_parse(&launch, json_array_get(s->launches, (size_t)k), &j->specs[k], &why) < 0) {
			finding_set(f, "launch", "%s: %s", j->specs[k].text, why.text);
			return STEP_FOUND;
		}
		launch_free(&launch);
	}
	return STEP_OK;
}

/* Before a candidate is called wrong, the device must still be right on a known-good probe. */
static int probe_before_blame(struct judge *j, const struct finding *f, struct err *e)
{
	if (strcmp(f->verdict, "wrong") != 0 && strcmp(f->verdict, "nondeterministic") != 0)
		return 0;
	j->gpu_probed = false;
	return link_ready(j, e);
}

static int attempt(struct judge *j, const struct subject *s, const struct incumbent *in, bool timed, bool screen_only,
		   json_t *result, struct finding *f, struct err *e)
{
	int rc = link_ready(j, e);

	if (rc == 0)
		rc = resources(j, s, result, f, e);
	if (rc == STEP_OK)
		rc = checks(j, s, result, f, e);
	if (rc == STEP_OK && timed)
		rc = times(j, s, in, screen_only, result, f, e);
	if (rc == STEP_OK)
		rc = checks_after(j, s, in, result, f, e);
	return rc == STEP_FOUND && probe_before_blame(j, f, e) < 0 ? -1 : rc;
}

static int read_subject(const json_t *o, struct subject *s, struct err *e)
{
	s->launches = json_object_get(o, "launches");
	s->nondeterministic = json_is_string(json_object_get(o, "nondeterministic"));
	return json_need_text(o, "id", &s->id, e);
}

int trial_run(struct judge *j, const json_t *message, bool timed, json_t **result, struct err *e)
{
	const json_t *other = json_object_get(message, "incumbent"), *effort = json_object_get(message, "effort");
	const bool screen_only = json_is_string(effort) && strcmp(json_string_value(effort), "screen") == 0;
	const double start = proc_now_s();
	struct finding f = { { 0 }, { 0 } };
	struct incumbent in = { .us = 0 };
	char lost[WHY_MAX] = "";
	json_t *phases;
	struct subject s;
	int rc;

	*result = NULL;
	if (!j->problem)
		return err_set(e, "a trial before a problem");
	if (read_subject(message, &s, e) < 0 || (json_is_object(other) && (read_subject(other, &in.subject, e) < 0)))
		return -1;
	in.us = json_is_object(other) ? json_number_value(json_object_get(other, "time_us")) : 0;
	images_set_nondeterministic(j->images, s.id, s.nondeterministic);
	j->restart_ms = 0;
	j->phases = json_object();
	/* A baseline need not serve the odd problems. */
	rc = parse_launches(j, &s, strcmp(wire_type(message), "baseline") == 0, &f, e);
	while (rc == STEP_OK) {
		json_decref(*result);
		*result = json_object();
		f = (struct finding){ { 0 }, { 0 } };
		rc = attempt(j, &s, &in, timed, screen_only, *result, &f, e);
		if (rc != STEP_LOST || images_count_loss(j->images, s.id) >= LOSSES_TO_BLAME)
			break;
		snprintf(lost, sizeof lost, "%.18s: %.800s", f.verdict, f.why);
		rc = STEP_OK;
	}
	if (rc >= 0 && link_clear(j, in.us > 0 ? in.subject.id : NULL, e) < 0)
		rc = -1;
	phases = j->phases;
	j->phases = NULL;
	if (rc < 0) {
		json_decref(phases);
		json_decref(*result);
		*result = NULL;
		return rc;
	}
	if (!*result)
		*result = json_object();
	json_object_set_new(*result, "type", json_string("result"));
	json_object_set_new(*result, "id", json_string(s.id));
	json_object_set_new(*result, "verdict", json_string(f.verdict[0] ? f.verdict : "ok"));
	json_object_set_new(*result, "why", json_string(f.why));
	if (lost[0])
		json_object_set_new(*result, "lost", json_string(lost));
	if (lost[0])
		json_object_set_new(*result, "restart_ms", json_real(j->restart_ms));
	json_object_set_new(*result, "phases_ms", phases);
	json_object_set_new(*result, "wall_ms", json_real(1e3 * (proc_now_s() - start)));
	return 0;
}
