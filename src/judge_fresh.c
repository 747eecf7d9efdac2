/* judge_fresh: what timed calls really did. Sets whose inputs have changed are timed against sets whose inputs have not
 * (judge_sums.c); then the sets are made anew, with other inputs, poisoned outputs and a filled workspace, before each of a few
 * timed replays; one set, chosen at random, is judged against the oracle, and all others against a set of equal inputs, bit
 * for bit. So a call that did nothing while it was timed, or repeated what an earlier one had found, is wrong here, or
 * slower than its time. At last only some of the calls of a replay are made: the outputs of all others must be untouched, or
 * else one call does the work of many. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "attune/bench.h"
#include "attune/crew.h"
#include "attune/proc.h"
#include "judge_internal.h"

enum { FRESH_REPLAYS = 3 };
#define OUTPUTS_MAX (256u << 20) /* bytes of outputs that are fetched to compare sets with each other */
#define SETS_FETCHED 32 /* whose outputs are looked at one by one; all others only by the device's sums, where it makes some */
#define UNTOUCHED_MAX (64u << 20) /* bytes of outputs that are fetched to see that they are untouched */

static unsigned class_of(const struct judge *j, long set)
{
	return inputs_set_class((uint64_t)(set % j->sets));
}

/* A set as bench makes those of a class, in j->image, for which no check has a use any more. */
static void make_set(struct judge *j, unsigned set_class, const struct layout *l)
{
	const struct spec *s = &j->specs[0];
	struct around around = { 0 };
	size_t first, end;

	image_resize(&j->image, l->total);
	while (around_next(s, l, true, &around, &first, &end))
		crew_copy(j->image.data + first, j->sets_image.data + first, end - first);
	for (int i = 0; i < s->tensor_count; i++) {
		const struct tensor *t = &s->tensors[i];
		const size_t turn = inputs_rotation(j->seed, set_class, i, t->span) * dtype_bytes(t->dtype);
		char *to = j->image.data + l->offset[i];
		const char *from = j->sets_image.data + l->offset[i];

		if (t->out)
			continue;
		crew_copy(to, from + turn, l->bytes[i] - turn);
		crew_copy(to + l->bytes[i] - turn, from, turn);
	}
}

int fresh_verify_set(struct judge *j, long set, unsigned set_class, json_t *checks, struct finding *f, struct err *e)
{
	static const char where[] = "outputs of the timed calls";
	const struct spec *s = &j->specs[0];
	const unsigned char *got;
	struct oracle_answer a;
	struct layout l;
	json_t *answer;
	double start = proc_now_s();
	bool right;
	int rc;

	layout_init(&l, s, BENCH_GUARD, 0);
	if (arena_grow(&j->gpu.arena, l.total, e) < 0)
		return -1;
	make_set(j, set_class, &l);
	rc = oracle_ask(j->oracle, 0, (unsigned char *)j->image.data, &l, e);
	phase_add(j, "copies", start);
	if (rc < 0)
		return rc;
	rc = link_ask(j, json_pack("{s:s, s:I}", "type", "fetch", "set", (json_int_t)set), NULL, 0, 10 + 4 * j->o.limit_s,
		      "fault", &answer, f, e);
	json_decref(answer);
	if (rc < 0)
		return rc;
	start = proc_now_s();
	if (oracle_wait(j->oracle, &a, e) < 0)
		return e->code;
	phase_add(j, "oracle", start);
	if (rc != STEP_OK)
		return rc;
	start = proc_now_s();
	got = j->gpu.arena.base;
	right = compare_surroundings(s, &l, (unsigned char *)j->image.data, (unsigned char *)j->image.data, got, where, f);
	for (int i = 0; right && i < s->tensor_count; i++)
		if (s->tensors[i].out)
			right = compare_written(&s->tensors[i], (unsigned char *)j->image.data + l.offset[i], got + l.offset[i],
						NULL, NULL, where, f);
	right = right && check_outputs(j, 0, VALUES_NORMAL, &l, got, &a, where, checks, f, e);
	phase_add(j, "compare", start);
	return e->code ? e->code : right ? STEP_OK : STEP_FOUND;
}

static bool compare_sets(struct judge *j, const struct layout *l, long first, long count, size_t bytes, struct finding *f)
{
	static const char where[] = "outputs of the timed calls";
	const unsigned char *like[SET_CLASSES] = { NULL };
	const struct spec *s = &j->specs[0];
	bool right = true;

	for (long n = 0; right && n < count; n++) {
		const unsigned char *got = j->gpu.arena.base + (size_t)n * bytes;
		const unsigned char **model = &like[class_of(j, first + n)];
		size_t at = 0;

		if (*model && crew_equal(*model, got, bytes))
			continue;
		for (int i = 0; right && i < s->tensor_count; i++) {
			const struct tensor *t = &s->tensors[i];

			if (!t->out)
				continue;
			right = compare_written(t, (unsigned char *)j->sets_image.data + l->offset[i], got + at, NULL, NULL,
						where, f) &&
				(!*model || compare_runs(t, *model + at, got + at, where, f));
			at += l->bytes[i];
		}
		*model = *model ? *model : got;
	}
	return right;
}

static int verify_sets(struct judge *j, long first, long count, struct finding *f, struct err *e)
{
	const struct spec *s = &j->specs[0];
	struct layout l;
	json_t *answer;
	size_t bytes = 0;
	double start;
	bool right;
	int rc;

	layout_init(&l, s, BENCH_GUARD, 0);
	for (int i = 0; i < s->tensor_count; i++)
		bytes += s->tensors[i].out ? l.bytes[i] : 0;
	if (bytes > OUTPUTS_MAX / 2 || count < 2)
		return STEP_OK;
	if (j->sums.compared > 0 && count > SETS_FETCHED) {
		first += (long)inputs_below(j->inputs, (uint64_t)(count - SETS_FETCHED) + 1);
		count = SETS_FETCHED;
	}
	if (bytes * (size_t)count > OUTPUTS_MAX)
		count = (long)(OUTPUTS_MAX / (bytes ? bytes : 1));
	if (arena_grow(&j->gpu.arena, bytes * (size_t)count, e) < 0)
		return -1;
	rc = link_ask(j, json_pack("{s:s, s:I, s:I}", "type", "outputs", "first", (json_int_t)first, "count",
				   (json_int_t)count), NULL, 0, 10 + 4 * j->o.limit_s, "fault", &answer, f, e);
	json_decref(answer);
	if (rc != STEP_OK)
		return rc;
	start = proc_now_s();
	right = compare_sets(j, &l, first, count, bytes, f);
	phase_add(j, "compare", start);
	return right ? STEP_OK : STEP_FOUND;
}

static int range(const struct judge *j, json_t *answer, long *first, long *count, struct err *e)
{
	*first = (long)json_integer_value(json_object_get(answer, "first"));
	*count = (long)json_integer_value(json_object_get(answer, "count"));
	json_decref(answer);
	return *first < 0 || *count < 1 || *count > j->sets ? err_set(e, "GPU child: an impossible range of sets") : STEP_OK;
}

/* After `calls` calls of a replay, the outputs of the next ones hold their poison. */
static int verify_untouched(struct judge *j, int slot, long calls, double about_us, struct finding *f, struct err *e)
{
	const struct spec *s = &j->specs[0];
	struct layout l;
	json_t *answer;
	long first = 0, count = 0;
	size_t bytes = 0;
	double us[2];
	int rc;

	sums_reseed(j);
	rc = sums_ask(j, NULL, "some", slot, calls, about_us, us, &answer, f, e);
	if (rc == STEP_OK)
		rc = range(j, answer, &first, &count, e);
	if (rc != STEP_OK || calls >= count)
		return rc;
	layout_init(&l, s, BENCH_GUARD, 0);
	for (int i = 0; i < s->tensor_count; i++)
		bytes += s->tensors[i].out ? l.bytes[i] : 0;
	count -= calls;
	if (j->sums.compared > 0 && count > SETS_FETCHED)
		count = SETS_FETCHED;
	if (bytes * (size_t)count > UNTOUCHED_MAX)
		count = bytes > UNTOUCHED_MAX ? 1 : (long)(UNTOUCHED_MAX / bytes);
	if (arena_grow(&j->gpu.arena, bytes * (size_t)count, e) < 0)
		return -1;
	rc = link_ask(j, json_pack("{s:s, s:I, s:I}", "type", "outputs", "first", (json_int_t)(first + calls), "count",
				   (json_int_t)count), NULL, 0, 10 + 4 * j->o.limit_s, "fault", &answer, f, e);
	json_decref(answer);
	if (rc != STEP_OK)
		return rc;
	for (long n = 0; n < count; n++) {
		const unsigned char *got = j->gpu.arena.base + (size_t)n * bytes;

		for (int i = 0; i < s->tensor_count; i++) {
			if (!s->tensors[i].out)
				continue;
			if (!crew_equal(got, j->sets_image.data + l.offset[i], l.bytes[i])) {
				finding_set(f, "cheat", "one call does the work of many: after %ld calls %s of call %ld is "
					    "written already", calls, s->tensors[i].name, calls + n + 1);
				return STEP_FOUND;
			}
			got += l.bytes[i];
		}
	}
	return STEP_OK;
}

int fresh_check(struct judge *j, const struct subject *s, int slot, double replay_us, struct timing *t, json_t *checks,
		struct finding *f, struct err *e)
{
	long first = 0, count = 0;
	int rc = sums_pairs(j, s, slot, 2 * replay_us, t, f, e);

	t->fresh_us = INFINITY;
	for (int i = 0; rc == STEP_OK && i < FRESH_REPLAYS; i++) {
		json_t *answer;
		double us[2];

		sums_reseed(j);
		rc = sums_ask(j, s, "fresh", slot, 0, 2 * replay_us, us, &answer, f, e);
		if (rc == STEP_OK)
			rc = range(j, answer, &first, &count, e);
		t->fresh_us = rc == STEP_OK && us[0] < t->fresh_us ? us[0] : t->fresh_us;
	}
	if (rc == STEP_OK) {
		const long set = (first + (long)inputs_below(j->inputs, (uint64_t)count)) % j->sets;

		rc = fresh_verify_set(j, set, class_of(j, set), checks, f, e);
	}
	if (rc == STEP_OK && !s->nondeterministic)
		rc = verify_sets(j, first, count, f, e);
	if (rc == STEP_OK)
		rc = sums_disguised(j, s, "disguised", slot, replay_us / (double)(t->nodes > 0 ? t->nodes : 1), f, e);
	if (rc == STEP_OK)
		rc = sums_rounds(j, s, slot, replay_us, count, f, e);
	/* An odd and an even number: a call that does the work of two is caught between them. */
	for (long calls = 0, i = 0; rc == STEP_OK && i < 2 && count > 2; i++) {
		calls = i == 0 ? 1 + (long)inputs_below(j->inputs, (uint64_t)count - 2) : calls + 1;
		rc = verify_untouched(j, slot, calls, 2 * replay_us, f, e);
	}
	t->compared = j->sums.compared;
	return rc;
}
