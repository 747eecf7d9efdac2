/* judge_final: the championship: in each of several fresh GPU processes every finalist and baseline is timed, in an order
 * drawn anew, and the first finalist is raced against itself for the noise. Its outputs are judged each time as in a
 * trial. What fails in any process is out, with the reason. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attune/stats.h"
#include "judge_baseline.h"
#include "judge_internal.h"
#include "judge_nvml.h"

enum { PROCESSES_MAX = 16, ITEMS_MAX = 64, COLD_REPLAYS = 25, WARM_REPLAYS = 10, NOISE_QUADS = 12 };

/* What is known of one entry, or of one of the times that a baseline program gives. */
struct tally {
	json_t *head;     /* {"id","candidate"} or {"baseline","name"} */
	bool finalist;
	double us[PROCESSES_MAX], lo[PROCESSES_MAX], hi[PROCESSES_MAX], warm[PROCESSES_MAX];
	bool timed[PROCESSES_MAX];
	char why[WHY_MAX];
};

struct item {
	struct subject subject; /* launches NULL: a program */
	struct baseline *baseline;
	struct tally *tally;    /* NULL for a program, which has several */
};

struct championship {
	struct item items[ITEMS_MAX];
	struct tally tallies[ITEMS_MAX];
	int item_count, tally_count, processes;
	double noise[PROCESSES_MAX * NOISE_QUADS];
	size_t noise_count;
	json_t *clocks;
};

static struct tally *tally_new(struct championship *c, json_t *head)
{
	struct tally *t = NULL;

	if (c->tally_count < ITEMS_MAX)
		t = &c->tallies[c->tally_count++];
	if (t)
		t->head = head;
	else
		json_decref(head);
	return t;
}

static struct tally *tally_of(struct championship *c, const char *baseline, const char *name)
{
	for (int i = 0; i < c->tally_count; i++) {
		const char *b = json_string_value(json_object_get(c->tallies[i].head, "baseline"));
		const char *n = json_string_value(json_object_get(c->tallies[i].head, "name"));

		if (b && n && strcmp(b, baseline) == 0 && strcmp(n, name) == 0)
			return &c->tallies[i];
	}
	return tally_new(c, json_pack("{s:s, s:s}", "baseline", baseline, "name", name));
}

static int enter(struct judge *j, struct championship *c, const json_t *message, struct err *e)
{
	json_t *entry, *name;
	size_t i;

	json_array_foreach(json_object_get(message, "entries"), i, entry) {
		struct item *it = &c->items[c->item_count];

		if (c->item_count == ITEMS_MAX / 2)
			return err_set(e, "more than %d entries", ITEMS_MAX / 2);
		it->subject.launches = json_object_get(entry, "launches");
		if (json_need_text(entry, "id", &it->subject.id, e) < 0)
			return err_where(e, "entry %zu", i);
		if (json_array_size(it->subject.launches) < 1)
			return err_set(e, "entry %zu: no launch", i);
		it->subject.nondeterministic = images_nondeterministic(j->images, it->subject.id) ||
					       json_is_string(json_object_get(entry, "nondeterministic"));
		it->tally = tally_new(c, json_pack("{s:s, s:O?}", "id", it->subject.id, "candidate",
						   json_object_get(entry, "candidate")));
		it->tally->finalist = true;
		c->item_count++;
	}
	json_array_foreach(json_object_get(message, "baselines"), i, name) {
		const char *text = json_string_value(name) ? json_string_value(name) : "";
		struct baseline *b = baseline_find(j, text);
		struct item *it = &c->items[c->item_count];

		if (c->item_count == ITEMS_MAX)
			return err_set(e, "more than %d entries and baselines", ITEMS_MAX);
		if (!b) {
			struct tally *t = tally_of(c, text, text);

			if (t)
				snprintf(t->why, sizeof t->why, "no such baseline was measured");
			continue;
		}
		it->baseline = b;
		if (baseline_subject(b, &it->subject))
			it->tally = tally_of(c, text, text);
		c->item_count++;
	}
	return 0;
}

static void shuffle(struct judge *j, int *order, int n)
{
	for (int i = 0; i < n; i++)
		order[i] = i;
	for (int i = n - 1; i > 0; i--) {
		const int k = (int)inputs_below(j->inputs, (uint64_t)i + 1), swap = order[i];

		order[i] = order[k];
		order[k] = swap;
	}
}

static int time_call(struct judge *j, const struct item *it, int process, struct err *e)
{
	struct finding f = { { 0 }, { 0 } };
	struct tally *t = it->tally;
	int rc;

	do {
		struct timing timing = { 0 };
		double call_us;

		f = (struct finding){ { 0 }, { 0 } };
		/* A child that was lost has lost its sets too. */
		rc = link_ready(j, e);
		if (rc == 0 && j->sets == 0)
			rc = time_sets(j, &f, e);
		if (rc == STEP_OK)
			rc = time_slot(j, &it->subject, 0, &timing, &call_us, &f, e);
		if (rc == STEP_OK)
			rc = time_measure(j, &it->subject, 0, COLD_REPLAYS, WARM_REPLAYS, true, call_us, &timing, NULL, &f, e);
		if (rc == STEP_OK) {
			t->us[process] = timing.us;
			t->lo[process] = timing.lo_us;
			t->hi[process] = timing.hi_us;
			t->warm[process] = timing.warm_us;
			t->timed[process] = true;
		}
	} while (rc == STEP_LOST && images_count_loss(j->images, it->subject.id) < LOSSES_TO_BLAME);
	if (rc > 0)
		snprintf(t->why, sizeof t->why, "%.18s: %.800s", f.verdict, f.why);
	return rc < 0 ? rc : 0;
}

static void time_program(struct judge *j, struct championship *c, const struct item *it, int process)
{
	struct err why = { 0 };
	json_t *answer = NULL, *entry;
	size_t i;

	if (baseline_ask(j, it->baseline, &answer, &why) < 0) {
		struct tally *t = tally_of(c, baseline_name(it->baseline), baseline_name(it->baseline));

		if (t)
			snprintf(t->why, sizeof t->why, "%.800s", why.text);
		return;
	}
	json_array_foreach(json_object_get(answer, "entries"), i, entry) {
		const char *name = json_string_value(json_object_get(entry, "name"));
		const char *text = json_string_value(json_object_get(entry, "why"));
		struct tally *t = name ? tally_of(c, baseline_name(it->baseline), name) : NULL;
		const double us = json_number_value(json_object_get(entry, "time_us"));
		const json_t *lo = json_object_get(entry, "lo_us"), *hi = json_object_get(entry, "hi_us");

		if (!t)
			continue;
		if (us > 0) {
			t->us[process] = us;
			t->lo[process] = lo ? json_number_value(lo) : us;
			t->hi[process] = hi ? json_number_value(hi) : us;
			t->warm[process] = json_number_value(json_object_get(entry, "warm_us"));
			t->timed[process] = true;
		} else {
			snprintf(t->why, sizeof t->why, "%.800s", text ? text : "no time");
		}
	}
	json_decref(answer);
}

/* The first finalist that has not failed, against itself. */
static int noise(struct judge *j, struct championship *c, struct err *e)
{
	struct finding ignored = { { 0 }, { 0 } };
	double ratios[NOISE_QUADS], us[2];
	const struct item *it = NULL;
	struct timing t[2];
	int rc = STEP_OK;

	for (int i = 0; i < c->item_count && !it; i++)
		if (c->items[i].tally && c->items[i].tally->finalist && !c->items[i].tally->why[0])
			it = &c->items[i];
	if (!it || j->gpu.pid <= 0 || j->sets == 0)
		return 0;
	for (int slot = 0; rc == STEP_OK && slot < 2; slot++)
		rc = time_slot(j, &it->subject, slot, &t[slot], &us[slot], &ignored, e);
	if (rc == STEP_OK)
		rc = time_race(j, NOISE_QUADS, 4 * us[0] * (double)t[0].nodes, ratios, &ignored, e);
	for (int i = 0; rc == STEP_OK && i < NOISE_QUADS; i++)
		c->noise[c->noise_count++] = fabs(log(ratios[i]));
	return rc < 0 ? rc : 0;
}

/* The first that is timed in a process is 0.1% faster than itself later (H200: 4.784 us of 4.788 in each of three processes with
 * twelve copies of the same code), and with one entry there is nobody else: it is timed once for nothing. */
static int begin(struct judge *j, struct championship *c, const int *order, int process, struct err *e)
{
	for (int i = 0; i < c->item_count; i++)
		if (c->items[order[i]].tally && !c->items[order[i]].tally->why[0])
			return time_call(j, &c->items[order[i]], process, e);
	return 0;
}

static int process_run(struct judge *j, struct championship *c, int process, struct err *e)
{
	int order[ITEMS_MAX];

	link_kill(j);
	j->sets = 0;
	shuffle(j, order, c->item_count);
	if (begin(j, c, order, process, e) < 0)
		return -1;
	for (int i = 0; i < c->item_count; i++) {
		const struct item *it = &c->items[order[i]];

		if (it->tally && it->tally->why[0])
			continue;
		if (!it->tally)
			time_program(j, c, it, process);
		else if (time_call(j, it, process, e) < 0)
			return -1;
	}
	json_array_append_new(c->clocks, nvml_state(j->nvml));
	return noise(j, c, e);
}

static json_t *entry_json(const struct championship *c, const struct tally *t)
{
	json_t *entry = json_deep_copy(t->head), *each = json_array();
	double lo = INFINITY, hi = 0, least, most, us[PROCESSES_MAX], warm[PROCESSES_MAX];
	size_t n = 0;
	int wins = 0;

	for (int p = 0; p < c->processes; p++) {
		bool fastest = t->timed[p];

		if (!t->timed[p])
			continue;
		us[n] = t->us[p];
		warm[n++] = t->warm[p];
		lo = t->lo[p] < lo ? t->lo[p] : lo;
		hi = t->hi[p] > hi ? t->hi[p] : hi;
		json_array_append_new(each, json_real(t->us[p]));
		for (int i = 0; i < c->tally_count; i++)
			if (c->tallies[i].finalist && c->tallies[i].timed[p] && c->tallies[i].us[p] < t->us[p])
				fastest = false;
		wins += fastest;
	}
	if (t->why[0] || n == 0) {
		json_object_set_new(entry, "why", json_string(t->why[0] ? t->why : "was not timed"));
		json_decref(each);
		return entry;
	}
	json_object_set_new(entry, "time_us", json_real(stats_median(us, n)));
	/* The interval must hold a later process too: it spans those of all processes, and what these let expect of one more. */
	stats_prediction(us, n, &least, &most);
	lo = fmax(fmin(lo, least), 0);
	hi = fmax(hi, most);
	json_object_set_new(entry, "lo_us", json_real(lo));
	json_object_set_new(entry, "hi_us", json_real(hi));
	if (stats_median(warm, n) > 0)
		json_object_set_new(entry, "warm_us", json_real(stats_median(warm, n)));
	json_object_set_new(entry, "per_process_us", each);
	if (t->finalist)
		json_object_set_new(entry, "wins", json_integer(wins));
	return entry;
}

static json_t *answer_json(const struct championship *c)
{
	json_t *entries = json_array(), *answer;

	for (int i = 0; i < c->tally_count; i++)
		json_array_append_new(entries, entry_json(c, &c->tallies[i]));
	answer = json_pack("{s:s, s:o, s:i, s:{s:O}}", "type", "champion", "entries", entries, "processes", c->processes,
			   "clocks", "per_process", c->clocks);
	if (c->noise_count > 0)
		json_object_set_new(answer, "noise",
				    json_pack("{s:f, s:f, s:I}", "aa_median", stats_median(c->noise, c->noise_count), "aa_p95",
					      stats_quantile(c->noise, c->noise_count, 0.95), "quads",
					      (json_int_t)c->noise_count));
	return answer;
}

int final_champion(struct judge *j, const json_t *message, json_t **answer, struct err *e)
{
	struct championship *c = calloc(1, sizeof *c);
	int64_t processes;
	int rc = -1;

	if (!c)
		abort();
	c->clocks = json_array();
	if (!j->problem) {
		err_set(e, "a championship before a problem");
		goto out;
	}
	if (json_need_int(message, "processes", 1, PROCESSES_MAX, &processes, e) < 0 || enter(j, c, message, e) < 0)
		goto out;
	c->processes = (int)processes;
	for (int p = 0; p < c->processes; p++)
		if (process_run(j, c, p, e) < 0)
			goto out;
	rc = link_clear(j, NULL, e);
	j->sets = 0;
	if (rc == 0)
		*answer = answer_json(c);
out:
	for (int i = 0; i < c->tally_count; i++)
		json_decref(c->tallies[i].head);
	json_decref(c->clocks);
	free(c);
	return rc;
}
