/* gpu_child_bench: the requests about timing: sets, slots, times, and bringing outputs of timed calls back. */
#include <stdlib.h>
#include <string.h>

#include "attune/gpu_child.h"
#include "attune/wire.h"
#include "gpu_child_internal.h"

void gpu_child_forget_bench(struct gpu_child *w)
{
	bench_close(w->bench);
	w->bench = NULL;
	for (int i = 0; i < BENCH_SLOTS; i++)
		launch_free(&w->slot_launches[i]);
}

/* A number of 64 bits, which JSON has no room for. */
static int need_word(const json_t *head, const char *name, uint64_t *value, struct err *e)
{
	const char *text;

	if (json_need_text(head, name, &text, e) < 0)
		return -1;
	*value = strtoull(text, NULL, 16);
	return 0;
}

static int do_sets(struct gpu_child *w, const json_t *head, struct err *e)
{
	struct layout layout;
	uint64_t seed;
	int rc;

	gpu_child_forget_bench(w);
	if (gpu_child_spec(w, head, &w->bench_problem, e) < 0 || need_word(head, "seed", &seed, e) < 0)
		return -1;
	layout_init(&layout, &w->specs[w->bench_problem], BENCH_GUARD, 0);
	if (layout.total > w->arena.size)
		return err_set(e, "the shared memory is too small");
	/* Calls that are timed share nothing with those that are checked, nor a place to hide something. */
	gpu_release(w->gpu, &w->memory);
	w->memory_bytes = 0;
	rc = bench_open(&w->bench, w->gpu, &w->specs[w->bench_problem], w->arena.base, seed, e);
	if (rc == 0)
		w->reply = json_pack("{s:s, s:I}", "type", "sets", "count", (json_int_t)bench_sets(w->bench));
	return rc;
}

static int do_slot(struct gpu_child *w, const json_t *head, struct err *e)
{
	struct bench_plan plan;
	struct gpu_call *call;
	int64_t slot;
	int rc;

	if (!w->bench)
		return err_set(e, "there are no sets");
	if (json_need_int(head, "slot", 0, BENCH_SLOTS - 1, &slot, e) < 0)
		return -1;
	bench_slot_close(w->bench, (int)slot);
	launch_free(&w->slot_launches[slot]);
	/* The call points to its launch, which must therefore be where it will stay before the call is opened. */
	rc = gpu_child_call(w, head, &w->specs[w->bench_problem], &w->slot_launches[slot], &call, e);
	if (rc < 0)
		return rc;
	gpu_reset_l2(w->gpu);
	rc = bench_slot_open(w->bench, (int)slot, call, &plan, e);
	if (rc == 0)
		w->reply = json_pack("{s:s, s:f, s:I, s:I}", "type", "slot", "call_us", plan.call_us, "nodes",
				     (json_int_t)plan.nodes, "graphs", (json_int_t)plan.graphs);
	return rc;
}

static json_t *samples(const double *us, long n)
{
	json_t *list = json_array();

	for (long i = 0; i < n; i++)
		json_array_append_new(list, json_real(us[i]));
	return json_pack("{s:s, s:o}", "type", "times", "us", list);
}

/* Sums go into the shared memory. */
static struct bench_sums room(const struct gpu_child *w)
{
	return (struct bench_sums){ .list = (struct bench_sum *)(void *)w->arena.base,
				    .room = (long)(w->arena.size / sizeof(struct bench_sum)) };
}

static int do_times(struct gpu_child *w, const json_t *head, const char *what, struct err *e)
{
	const bool race = strcmp(what, "race") == 0, cold = strcmp(what, "cold") == 0;
	double us[4 * BENCH_REPLAYS_MAX];
	struct bench_sums sums = room(w);
	uint64_t seed = 0, key = 0;
	int64_t slot = 0, n;
	int rc;

	if (!w->bench)
		return err_set(e, "there are no sets");
	if (json_need_int(head, race ? "quads" : "replays", 1, BENCH_REPLAYS_MAX, &n, e) < 0 ||
	    (!race && json_need_int(head, "slot", 0, BENCH_SLOTS - 1, &slot, e) < 0) ||
	    (cold && (need_word(head, "seed", &seed, e) < 0 || need_word(head, "key", &key, e) < 0)))
		return -1;
	if (race)
		rc = bench_race(w->bench, (long)n, us, e);
	else if (!cold)
		rc = bench_warm(w->bench, (int)slot, (long)n, us, e);
	else
		rc = bench_cold(w->bench, (int)slot, (long)n, seed, key, us, &sums, e);
	if (rc < 0)
		return rc;
	w->reply = samples(us, race ? 4 * (long)n : (long)n);
	json_object_set_new(w->reply, "sums", json_integer(sums.n));
	return 0;
}

/* Calls on sets made anew (fresh, round, some), and rounds of calls as the sets are. */
static int do_renewed(struct gpu_child *w, const json_t *head, const char *what, struct err *e)
{
	struct bench_sums sums = room(w);
	long first = 0, count = 0;
	int64_t slot, calls = 0;
	uint64_t seed, key;
	double us[2] = { 0, 0 };
	int rc;

	if (!w->bench)
		return err_set(e, "there are no sets");
	if (json_need_int(head, "slot", 0, BENCH_SLOTS - 1, &slot, e) < 0 || need_word(head, "seed", &seed, e) < 0 ||
	    need_word(head, "key", &key, e) < 0 || json_need_int(head, "calls", 0, INT32_MAX, &calls, e) < 0)
		return -1;
	if (strcmp(what, "some") == 0)
		rc = bench_some(w->bench, (int)slot, seed, (long)calls, &first, &count, e);
	else if (strcmp(what, "fresh") == 0)
		rc = bench_fresh(w->bench, (int)slot, seed, key, us, &first, &count, &sums, e);
	else if (strcmp(what, "disguised") == 0 || strcmp(what, "patched") == 0)
		rc = bench_disguised(w->bench, (int)slot, GPU_CHECK_GUARD, (long)calls, what[0] == 'p', seed, key, &sums, e);
	else if (strcmp(what, "round") == 0)
		rc = bench_round(w->bench, (int)slot, seed, key, us, &sums, e);
	else
		rc = bench_rounds(w->bench, (int)slot, (long)calls, seed, key, &sums, e);
	if (rc < 0)
		return rc;
	w->reply = samples(us, 2);
	json_object_set_new(w->reply, "first", json_integer(first));
	json_object_set_new(w->reply, "count", json_integer(count));
	json_object_set_new(w->reply, "sums", json_integer(sums.n));
	return 0;
}

static int do_fetch(struct gpu_child *w, const json_t *head, bool outputs, struct err *e)
{
	size_t bytes = 0;
	struct layout layout;
	const struct spec *s;
	int64_t first, count = 1;

	if (!w->bench)
		return err_set(e, "there are no sets");
	s = &w->specs[w->bench_problem];
	layout_init(&layout, s, BENCH_GUARD, 0);
	for (int i = 0; i < s->tensor_count; i++)
		bytes += s->tensors[i].out ? layout.bytes[i] : 0;
	if (json_need_int(head, outputs ? "first" : "set", 0, INT32_MAX, &first, e) < 0 ||
	    (outputs && json_need_int(head, "count", 1, bench_sets(w->bench), &count, e) < 0))
		return -1;
	bytes = outputs ? bytes : layout.total;
	if (bytes > w->arena.size / (size_t)count)
		return err_set(e, "the shared memory is too small");
	for (int64_t i = 0; i < count; i++) {
		unsigned char *to = w->arena.base + (size_t)i * bytes;
		const int rc = outputs ? bench_fetch_outputs(w->bench, (long)(first + i), to, e) :
					 bench_fetch(w->bench, (long)first, to, e);

		if (rc < 0)
			return rc;
	}
	w->reply = json_pack("{s:s}", "type", "fetched");
	return 0;
}

bool gpu_child_bench(struct gpu_child *w, const json_t *head, int *rc, struct err *e)
{
	const char *type = wire_type(head);

	if (strcmp(type, "sets") == 0) {
		*rc = do_sets(w, head, e);
	} else if (strcmp(type, "slot") == 0) {
		*rc = do_slot(w, head, e);
	} else if (strcmp(type, "cold") == 0 || strcmp(type, "warm") == 0 || strcmp(type, "race") == 0) {
		*rc = do_times(w, head, type, e);
	} else if (strcmp(type, "fresh") == 0 || strcmp(type, "some") == 0 || strcmp(type, "disguised") == 0 ||
		   strcmp(type, "patched") == 0 || strncmp(type, "round", 5) == 0) {
		*rc = do_renewed(w, head, type, e);
	} else if (strcmp(type, "fetch") == 0 || strcmp(type, "outputs") == 0) {
		*rc = do_fetch(w, head, type[0] == 'o', e);
	} else if (strcmp(type, "unbench") == 0) {
		gpu_child_forget_bench(w);
		w->reply = json_pack("{s:s}", "type", "done");
		*rc = 0;
	} else {
		return false;
	}
	return true;
}
