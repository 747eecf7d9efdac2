/* judge_sums: what thousands of timed calls left, by sums that the device makes (bench.h). Calls on sets of equal inputs
 * must leave equal sums. What it cannot say is whether they are right: one set of each lot is judged against the oracle by
 * judge_fresh.c. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "attune/bench.h"
#include "judge_internal.h"

enum { PAIRS = 4, PAIRS_MORE = 8, CALLS_WANTED = 1000, DISGUISED = 32, DISGUISED_LEAST = 8, ROUNDS_MAX = 64 };
#define ROUNDS_MOST_US 5e4 /* that rounds, or calls in disguise, may take together: few of them when calls are slow */
/* What a round on new inputs may take more than one on inputs met before, of its time and for its two ends. */
#define PAIRS_SLACK 1.05
#define PAIRS_ENDS_US 6.0

void sums_reseed(struct judge *j)
{
	j->seed = inputs_next(j->inputs);
	j->sums.key = inputs_next(j->inputs);
	for (int i = 0; i < SET_CLASSES; i++)
		j->sums.known[i] = false;
}

/* More sums than any request makes fit. */
int sums_room(struct judge *j, struct err *e)
{
	return arena_grow(&j->gpu.arena, (size_t)(2 * j->sets + 2 * BENCH_REPLAYS_MAX + 2 * CALLS_WANTED) *
			  sizeof(struct bench_sum), e);
}

/* Two calls on equal inputs have left different bytes: what to call it. */
static bool disagree(const struct judge *j, const struct bench_sum *list, long n, long at, struct finding *f)
{
	static const char where[] = "outputs of the timed calls";

	for (long i = 0; i < n; i++)
		if (list[i].before != 0 && list[i].before == list[i].sum)
			return finding_set(f, "wrong", "%s: a call left them as it had found them, though its inputs had "
					   "changed since", where);
	return finding_set(f, "nondeterministic", "%s: a call on set %u of %ld left other bits than others on the same inputs did, "
			   "after %ld that agreed", where, list[at].set, j->sets, j->sums.compared);
}

bool sums_compare(struct judge *j, const struct subject *s, long n, struct finding *f)
{
	const struct bench_sum *list = (const struct bench_sum *)(const void *)j->gpu.arena.base;

	for (long i = 0; i < n && !s->nondeterministic; i++) {
		const unsigned c = list[i].set_class % SET_CLASSES;

		if (!j->sums.known[c]) {
			j->sums.known[c] = true;
			j->sums.like[c] = list[i].sum;
		} else if (list[i].sum != j->sums.like[c]) {
			return disagree(j, list, n, i, f);
		}
		j->sums.compared++;
	}
	return true;
}

int sums_ask(struct judge *j, const struct subject *s, const char *type, int slot, long calls, double about_us, double us[2],
	     json_t **answer, struct finding *f, struct err *e)
{
	char seed[20], key[20];
	json_t *got;
	long n;
	int rc;

	*answer = NULL;
	if (sums_room(j, e) < 0)
		return -1;
	snprintf(seed, sizeof seed, "%016llx", (unsigned long long)j->seed);
	snprintf(key, sizeof key, "%016llx", (unsigned long long)j->sums.key);
	rc = link_ask(j, json_pack("{s:s, s:i, s:s, s:s, s:I}", "type", type, "slot", slot, "seed", seed, "key", key, "calls",
				   (json_int_t)calls), NULL, 0, 4 + 2 * j->o.limit_s + 5e-6 * about_us, "fault", &got, f, e);
	if (rc != STEP_OK)
		return rc;
	for (size_t i = 0; i < 2; i++)
		us[i] = json_number_value(json_array_get(json_object_get(got, "us"), i));
	n = (long)json_integer_value(json_object_get(got, "sums"));
	if (n < 0 || n > (long)(j->gpu.arena.size / sizeof(struct bench_sum))) {
		json_decref(got);
		return err_set(e, "GPU child: an impossible number of sums");
	}
	if (s && !sums_compare(j, s, n, f)) {
		json_decref(got);
		return STEP_FOUND;
	}
	*answer = got;
	return STEP_OK;
}

/* Rounds on new inputs over the outputs of the old ones, each followed by one on the same inputs; and both again after the same
 * copying and overwriting that came before the first. For an honest call all four take the same time. */
static int pairs(struct judge *j, const struct subject *s, int slot, double about_us, int n, struct timing *t,
		 struct finding *f, struct err *e)
{
	for (int i = 0; i < 2 * n; i++) {
		double us[2], *least = i % 2 ? &t->again_us : &t->new_us;
		json_t *answer;
		int rc;

		if (i % 2 == 0)
			sums_reseed(j);
		rc = sums_ask(j, s, "round", slot, 0, about_us, us, &answer, f, e);
		json_decref(answer);
		if (rc != STEP_OK)
			return rc;
		*least = us[0] < *least ? us[0] : *least;
		t->after_us = us[1] < t->after_us ? us[1] : t->after_us;
	}
	return STEP_OK;
}

/* What a call could spare by its outputs shows in the same round after the same copies, what by its workspace right after. */
static bool spares(const struct judge *j, const struct timing *t)
{
	const double ends = PAIRS_ENDS_US / (double)(t->nodes < j->sets ? t->nodes : j->sets);

	return t->new_us > PAIRS_SLACK * t->again_us + ends || t->new_us > PAIRS_SLACK * t->after_us + ends;
}

int sums_pairs(struct judge *j, const struct subject *s, int slot, double about_us, struct timing *t, struct finding *f,
	       struct err *e)
{
	int rc;

	t->new_us = t->again_us = t->after_us = INFINITY;
	rc = pairs(j, s, slot, about_us, PAIRS, t, f, e);
	/* What looks spared may be noise; more rounds say. */
	if (rc == STEP_OK && spares(j, t))
		rc = pairs(j, s, slot, about_us, PAIRS_MORE, t, f, e);
	if (rc == STEP_OK && spares(j, t)) {
		finding_set(f, "cheat", "%.4g us on new inputs, %.4g us on inputs met before, %.4g us right after these: a call is "
			    "spared work that an earlier one did", t->new_us, t->again_us, t->after_us);
		return STEP_FOUND;
	}
	return rc;
}

int sums_disguised(struct judge *j, const struct subject *s, const char *type, int slot, double call_us, struct finding *f,
		   struct err *e)
{
	const struct bench_sum *list;
	json_t *answer;
	const double each = strcmp(type, "patched") == 0 ? 4 : 1; /* calls for one */
	double us[2];
	long n, calls = DISGUISED;
	int rc;

	if (s->nondeterministic)
		return STEP_OK;
	/* Where calls are slow there are few sets to choose from. */
	calls = ROUNDS_MOST_US < (double)calls * each * call_us ? (long)(ROUNDS_MOST_US / (each * call_us)) / 2 * 2 : calls;
	calls = calls < DISGUISED_LEAST ? DISGUISED_LEAST : calls;
	rc = sums_ask(j, NULL, type, slot, calls, 4 * (double)calls * call_us, us, &answer, f, e);
	if (rc != STEP_OK)
		return rc;
	list = (const struct bench_sum *)(const void *)j->gpu.arena.base;
	n = (long)json_integer_value(json_object_get(answer, "sums"));
	json_decref(answer);
	for (long i = 0; i + 1 < n; i += 2)
		if (list[i].sum != list[i + 1].sum) {
			finding_set(f, "nondeterministic", "outputs of the timed calls: on set %u of %ld a call left other bits than "
				    "the same call leaves where it is checked%s", list[i].set, j->sets,
				    strcmp(type, "patched") == 0 ? ", after its inputs had changed in part" : "");
			return STEP_FOUND;
		}
	return STEP_OK;
}

/* Calls one after the other with nothing between them that they could take for a beginning; then new inputs, two rounds on
 * them, and the same calls as a check makes them: what stopped working some time before has not seen these. */
int sums_rounds(struct judge *j, const struct subject *s, int slot, double replay_us, long calls, struct finding *f,
		struct err *e)
{
	const long wanted = (CALLS_WANTED + calls - 1) / calls, fit = (long)(ROUNDS_MOST_US / (replay_us > 1 ? replay_us : 1));
	long rounds = wanted < ROUNDS_MAX ? wanted : ROUNDS_MAX;
	int rc = STEP_OK;

	rounds = rounds < fit ? rounds : fit;
	if (s->nondeterministic || rounds < 1)
		return STEP_OK;
	for (int i = 0; rc == STEP_OK && i < 2; i++) {
		const long n = i == 0 ? rounds : 2;
		json_t *answer;
		double us[2];

		sums_reseed(j);
		rc = sums_ask(j, s, "rounds", slot, n, replay_us * (double)n, us, &answer, f, e);
		json_decref(answer);
	}
	if (rc == STEP_OK)
		rc = sums_disguised(j, s, "disguised", slot, replay_us / (double)calls, f, e);
	return rc == STEP_OK ? sums_disguised(j, s, "patched", slot, replay_us / (double)calls, f, e) : rc;
}
