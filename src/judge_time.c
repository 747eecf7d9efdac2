/* judge_time: has the GPU child time calls. What the timed calls on fresh sets left is judged by judge_fresh.c. The oracle
 * never works while something is timed. */
#include <stdio.h>
#include <string.h>

#include "attune/bench.h"
#include "attune/crew.h"
#include "attune/proc.h"
#include "attune/stats.h"
#include "judge_internal.h"

enum { SAMPLES_MAX = 4096 };
#define TIMING_MOST_US 2e6       /* of replays in one request, unless three take longer */
#define FRESH_SLACK 1.15         /* sets that were just written leave the L2 full of lines to write back */
#define ENDS_US 30.0             /* of a round: its launch may be waited for, and what was copied before is written back */
#define CHEAT_SLACK 0.9          /* clocks may be above what the driver states */

/* Dense 16-bit matrix operations (multiply and add count as two) an SM can do each clock, from NVIDIA's architecture
 * white papers; for a generation that is not listed the largest, so that nothing right is called a cheat. */
static double tensor_flops_per_clock(int major, int minor)
{
	const int cc = 10 * major + minor;

	switch (cc) {
	case 70:
	case 75:
	case 86:
	case 89:
	case 120:
	case 121:
		return 1024;
	case 80:
	case 87:
		return 2048;
	case 90:
		return 4096;
	default:
		return 8192;
	}
}

static double device_number(const struct judge *j, const char *name)
{
	return json_number_value(json_object_get(j->device, name));
}

double time_roofline_us(const struct judge *j)
{
	const json_t *cc = json_object_get(j->device, "cc");
	const double per_clock = tensor_flops_per_clock((int)json_integer_value(json_array_get(cc, 0)),
							(int)json_integer_value(json_array_get(cc, 1)));
	const double flops_us = device_number(j, "sms") * device_number(j, "clock_mhz") * per_clock;
	/* Two transfers a clock, bus_bits / 8 bytes each. */
	const double bytes_us = 2 * device_number(j, "mem_clock_mhz") * device_number(j, "bus_bits") / 8;
	const double compute = flops_us > 0 ? j->specs[0].flops / flops_us : 0;
	const double memory = bytes_us > 0 ? j->specs[0].bytes / bytes_us : 0;

	return compute > memory ? compute : memory;
}

int time_sets(struct judge *j, struct finding *f, struct err *e)
{
	const struct spec *s = &j->specs[0];
	struct layout l;
	struct around around = { 0 };
	size_t first, end;
	double start = proc_now_s();
	json_t *answer;
	char seed[20];
	int rc;

	layout_init(&l, s, BENCH_GUARD, 0);
	if (arena_grow(&j->gpu.arena, l.total, e) < 0)
		return -1;
	image_resize(&j->sets_image, l.total);
	while (around_next(s, &l, true, &around, &first, &end))
		inputs_pattern(j->inputs, j->sets_image.data + first, end - first, PATTERN_NAN);
	for (int i = 0; i < s->tensor_count; i++)
		if (!s->tensors[i].out)
			inputs_span(j->inputs, j->sets_image.data + l.offset[i], &s->tensors[i], VALUES_NORMAL);
	phase_add(j, "inputs", start);
	start = proc_now_s();
	crew_copy(j->gpu.arena.base, j->sets_image.data, l.total);
	phase_add(j, "copies", start);
	sums_reseed(j);
	snprintf(seed, sizeof seed, "%016llx", (unsigned long long)j->seed);
	rc = link_ask(j, json_pack("{s:s, s:i, s:s}", "type", "sets", "problem", 0, "seed", seed), NULL, 0,
		      30 + 4 * j->o.limit_s, "fault", &answer, f, e);
	j->sets = rc == STEP_OK ? (long)json_integer_value(json_object_get(answer, "count")) : 0;
	json_decref(answer);
	return rc;
}

int time_slot(struct judge *j, const struct subject *s, int slot, struct timing *t, double *call_us, struct finding *f,
	      struct err *e)
{
	json_t *launch = json_array_get(s->launches, 0), *answer;
	int rc = link_load(j, s->id, f, e);

	if (rc != STEP_OK)
		return rc;
	/* One call, sixteen more if it was short, and two replays, which take several calls only if those are short. */
	rc = link_ask(j, json_pack("{s:s, s:i, s:s, s:O}", "type", "slot", "slot", slot, "id", s->id, "launch", launch), NULL,
		      0, 1 + 3 * link_call_limit_s(j, 0, launch), "fault", &answer, f, e);
	t->nodes = (long)json_integer_value(json_object_get(answer, "nodes"));
	*call_us = json_number_value(json_object_get(answer, "call_us"));
	json_decref(answer);
	return rc;
}

static int samples(struct judge *j, json_t *request, double about_us, double *us, size_t n, json_t **answer,
		   struct finding *f, struct err *e)
{
	const json_t *list;
	int rc;

	rc = link_ask(j, request, NULL, 0, 2 + 2 * j->o.limit_s + 5e-6 * about_us, "fault", answer, f, e);
	if (rc != STEP_OK)
		return rc;
	list = json_object_get(*answer, "us");
	if (json_array_size(list) != n) {
		json_decref(*answer);
		*answer = NULL;
		return err_set(e, "GPU child: %zu samples instead of %zu", json_array_size(list), n);
	}
	for (size_t i = 0; i < n; i++)
		us[i] = json_number_value(json_array_get(list, i));
	return STEP_OK;
}

static long bounded(long replays, double replay_us)
{
	const double fit = TIMING_MOST_US / (replay_us > 1 ? replay_us : 1);

	return (double)replays <= fit ? replays : fit > 3 ? (long)fit : 3;
}

/* What the calls left that are timed here is compared, and one of the sets judged: no other calls stand for them. */
static int time_cold(struct judge *j, const struct subject *s, int slot, long replays, double replay_us, bool verify,
		     double *us, json_t *checks, struct finding *f, struct err *e)
{
	const struct bench_sum *list;
	struct bench_sum one;
	char seed[20], key[20];
	json_t *answer;
	long n;
	int rc;

	if (sums_room(j, e) < 0)
		return -1;
	/* Another subject's calls leave other bits on the same inputs, and may be right. */
	for (int i = 0; i < SET_CLASSES; i++)
		j->sums.known[i] = false;
	snprintf(seed, sizeof seed, "%016llx", (unsigned long long)inputs_next(j->inputs));
	snprintf(key, sizeof key, "%016llx", (unsigned long long)(j->sums.key = inputs_next(j->inputs)));
	rc = samples(j, json_pack("{s:s, s:i, s:I, s:s, s:s}", "type", "cold", "slot", slot, "replays", (json_int_t)replays,
				  "seed", seed, "key", key), replay_us * (double)(replays + 1), us, (size_t)replays, &answer, f,
		     e);
	if (rc != STEP_OK)
		return rc;
	n = (long)json_integer_value(json_object_get(answer, "sums"));
	json_decref(answer);
	if (n < 0 || (n > 0 && n <= replays) || (size_t)n > j->gpu.arena.size / sizeof *list)
		return err_set(e, "GPU child: an impossible number of sums");
	if (n == 0 || !verify)
		return STEP_OK;
	if (!sums_compare(j, s, n, f))
		return STEP_FOUND;
	/* All of the first replays + 1 are of the same inputs; the last of them is still there. */
	list = (const struct bench_sum *)(const void *)j->gpu.arena.base;
	one = list[replays];
	return fresh_verify_set(j, one.set, one.set_class, checks, f, e);
}

int time_measure(struct judge *j, const struct subject *s, int slot, long replays, long warm_replays, bool verify,
		 double call_us, struct timing *t, json_t *checks, struct finding *f, struct err *e)
{
	const double replay_us = call_us * (double)t->nodes;
	const long cold = bounded(replays, replay_us), warm = bounded(warm_replays, replay_us);
	const double round_calls = (double)(t->nodes < j->sets ? t->nodes : j->sets);
	double us[SAMPLES_MAX];
	json_t *answer;
	int rc;

	j->sums.compared = 0;
	if (warm_replays > 0) {
		rc = samples(j, json_pack("{s:s, s:i, s:I}", "type", "warm", "slot", slot, "replays", (json_int_t)warm),
			     replay_us * (double)(warm + 1), us, (size_t)warm, &answer, f, e);
		if (rc != STEP_OK)
			return rc;
		json_decref(answer);
		t->warm_us = stats_median(us, (size_t)warm);
	}
	rc = time_cold(j, s, slot, cold, replay_us, verify, us, checks, f, e);
	if (rc != STEP_OK)
		return rc;
	t->us = stats_median(us, (size_t)cold);
	stats_median_interval(us, (size_t)cold, 0.95, &t->lo_us, &t->hi_us);
	t->replays = cold;
	t->roofline_us = time_roofline_us(j);
	if (verify) {
		rc = fresh_check(j, s, slot, replay_us, t, checks, f, e);
		if (rc != STEP_OK)
			return rc;
	}
	if (t->us < CHEAT_SLACK * t->roofline_us) {
		finding_set(f, "cheat", "%.4g us is below the roofline: the device needs %.4g us at its peak rates", t->us,
			    t->roofline_us);
		return STEP_FOUND;
	}
	if (verify && t->fresh_us > FRESH_SLACK * t->us) {
		finding_set(f, "cheat", "%.4g us when its calls are repeated, %.4g us on inputs and outputs made anew: a call "
			    "is spared work that an earlier one did", t->us, t->fresh_us);
		return STEP_FOUND;
	}
	/* A replay makes several calls on each set, a round one. Where a graph makes too few calls for that, the ends of a round
	 * are too much of it, and sums_pairs compares rounds. */
	if (verify && t->nodes >= j->sets && t->new_us * round_calls > FRESH_SLACK * t->us * round_calls + ENDS_US) {
		finding_set(f, "cheat", "%.4g us when its calls are repeated, %.4g us where each meets new inputs: a call is spared "
			    "work that an earlier one did", t->us, t->new_us);
		return STEP_FOUND;
	}
	return STEP_OK;
}

int time_race(struct judge *j, long quads, double quad_us, double *ratios, struct finding *f, struct err *e)
{
	double us[SAMPLES_MAX];
	json_t *answer;
	int rc;

	rc = samples(j, json_pack("{s:s, s:I}", "type", "race", "quads", (json_int_t)quads), quad_us * (double)(quads + 1),
		     us, 4 * (size_t)quads, &answer, f, e);
	if (rc != STEP_OK)
		return rc;
	json_decref(answer);
	for (long q = 0; q < quads; q++)
		ratios[q] = (us[4 * q + 1] + us[4 * q + 2]) / (us[4 * q] + us[4 * q + 3]);
	return STEP_OK;
}
