/* bench_sums: replays on sets that were made anew, calls without time stamps, and sums of what they left, so that others can
 * tell whether every call on equal inputs left equal bytes. */
#include "bench_internal.h"

#include <stdlib.h>
#include <string.h>

#include "attune/stats.h"

enum { KEPT_BYTES = 64 };
#define LONG_ROUND_US 2e3

int bench_queue_sums(struct bench *b, long first, long count, uint64_t key, long at, struct err *e)
{
	const long start = first % b->sets, before_end = b->sets - start < count ? b->sets - start : count;
	const uint64_t sums = b->sums + 8 * (uint64_t)at;
	int rc;

	if (at + count > b->sums_room)
		return err_set(e, "more than %ld sums", b->sums_room);
	rc = gpu_sum(b->gpu, bench_set_at(b, start), b->layout.total, before_end, b->layout.total, key, sums, e);
	if (rc == 0 && before_end < count)
		rc = gpu_sum(b->gpu, b->memory, b->layout.total, count - before_end, b->layout.total, key,
			     sums + 8 * (uint64_t)before_end, e);
	return rc;
}

int bench_take_sums(struct bench *b, long first, long count, long at, long times, struct bench_sums *out, struct err *e)
{
	const size_t n = (size_t)(count * times);
	uint64_t *sums = malloc((n ? n : 1) * sizeof *sums);
	int rc;

	if (!sums)
		abort();
	rc = out->n + count * times > out->room ? err_set(e, "no room for %zu sums", n) :
		gpu_download(b->gpu, sums, b->sums + 8 * (uint64_t)at, n * 8, e);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		const long set = (first + (long)(i % (size_t)count)) % b->sets;

		out->list[out->n++] = (struct bench_sum){ .set = (uint32_t)set, .set_class = b->classes[set],
							  .sum = sums[i] };
	}
	free(sums);
	return rc;
}

int bench_fresh(struct bench *b, int slot, uint64_t seed, uint64_t key, double *us, long *first, long *count,
		struct bench_sums *out, struct err *e)
{
	struct slot *s = &b->slots[slot];
	const bool sums = gpu_can_sum(b->gpu);
	int rc = bench_renew(b, slot, seed, true, e);

	bench_next_sets(b, s, 1, first, count);
	b->last_first = *first;
	b->last_count = *count;
	if (rc == 0)
		rc = bench_replay_us(b, s, us, e);
	if (rc == 0 && sums)
		rc = bench_queue_sums(b, *first, *count, key, 0, e);
	return rc == 0 && sums ? bench_take_sums(b, *first, *count, 0, 1, out, e) : rc;
}

int bench_some(struct bench *b, int slot, uint64_t seed, long calls, long *first, long *count, struct err *e)
{
	struct slot *s = &b->slots[slot];
	int rc = bench_renew(b, slot, seed, true, e);

	bench_next_sets(b, s, 1, first, count);
	for (long i = 0; rc == 0 && i < calls; i++)
		rc = bench_enqueue(b, s, *first + i, 0, e);
	return rc == 0 ? gpu_sync(b->gpu, e) : rc;
}

/* One call on each of the sets that a replay visits. */
static int round_once(struct bench *b, struct slot *s, struct err *e)
{
	if (s->nodes <= b->sets)
		return bench_replay(b, s, e);
	if (!s->round && bench_capture(b, s, b->sets, 0, false, &s->round, e) < 0)
		return e->code;
	return gpu_graph_launch(b->gpu, s->round, e);
}

/* As bench_next_sets, of rounds. */
static void round_sets(const struct bench *b, const struct slot *s, long *first, long *count)
{
	bench_next_sets(b, s, 1, first, count);
	*first = s->nodes <= b->sets ? *first : 0;
}

/* Summing all sets before each round puts what was written into the L2 back into memory, and what was read out of it: a round of
 * few calls would leave its sets there for the second one. */
static int flush(struct bench *b, uint64_t key, struct err *e)
{
	return gpu_can_sum(b->gpu) ? bench_queue_sums(b, 0, b->sets, key, 0, e) : 0;
}

/* Long rounds one after the other would lower the clocks (bench_time.c), and not of all of them: of three calls on 16384 keys,
 * 3.7 ms each on new inputs, 3.5 on known ones, none had remembered anything. */
static int rest_before(struct bench *b, double round_us, struct err *e)
{
	if (round_us < LONG_ROUND_US)
		return 0;
	if (gpu_sync(b->gpu, e) < 0)
		return e->code;
	bench_rest(round_us);
	return 0;
}

int bench_round(struct bench *b, int slot, uint64_t seed, uint64_t key, double us[2], struct bench_sums *out, struct err *e)
{
	struct slot *s = &b->slots[slot];
	const bool sums = gpu_can_sum(b->gpu);
	long first = 0, count = 1;
	int rc = bench_renew(b, slot, seed, false, e);

	if (rc == 0 && !s->round && s->nodes > b->sets)
		rc = bench_capture(b, s, b->sets, 0, false, &s->round, e);
	for (int i = 0; rc == 0 && i < 2; i++) {
		/* A graph that takes turns with others would meet other sets in the second round. */
		s->turn = 0;
		round_sets(b, s, &first, &count);
		rc = rest_before(b, s->call_us * (double)count, e);
		if (rc == 0)
			rc = flush(b, key, e);
		if (rc == 0)
			rc = gpu_mark(b->gpu, 2 * i, e);
		if (rc == 0)
			rc = round_once(b, s, e);
		if (rc == 0)
			rc = gpu_mark(b->gpu, 2 * i + 1, e);
	}
	if (rc == 0 && sums)
		rc = bench_queue_sums(b, first, count, key, 0, e);
	if (rc == 0)
		rc = gpu_sync(b->gpu, e);
	for (int i = 0; rc == 0 && i < 2; i++) {
		rc = gpu_between_us(b->gpu, 2 * i, 2 * i + 1, &us[i], e);
		us[i] /= (double)count;
	}
	return rc == 0 && sums ? bench_take_sums(b, first, count, 0, 1, out, e) : rc;
}

/* Each round has a spot: a set that has got the inputs of set `from` since the round before, and keeps them. */
static int queue_rounds(struct bench *b, struct slot *s, long from, struct stats_rng *rng, uint64_t key, long *spots, long n,
			long *first, long *count, struct err *e)
{
	int rc = 0;

	for (long i = 0; rc == 0 && i < n; i++) {
		round_sets(b, s, first, count);
		spots[i] = (*first + (long)stats_rng_below(rng, (uint64_t)*count)) % b->sets;
		rc = spots[i] == from ? 0 : bench_copy_inputs(b, spots[i], from, e);
		if (rc == 0)
			rc = round_once(b, s, e);
		if (rc == 0)
			rc = bench_queue_sums(b, *first, *count, key, i * *count, e);
	}
	return rc;
}

/* One round's after the other: classes change with the spots. */
static int take_rounds(struct bench *b, const uint16_t *before, long from, const long *spots, long n, long first, long count,
		       struct bench_sums *out, struct err *e)
{
	uint16_t *classes = malloc((size_t)b->sets * sizeof *classes);
	const long at = out->n;
	int rc;

	if (!classes)
		abort();
	memcpy(classes, before, (size_t)b->sets * sizeof *classes);
	rc = bench_take_sums(b, first, count, 0, n, out, e);
	for (long i = 0; rc == 0 && i < n; i++) {
		classes[spots[i]] = classes[from];
		for (long k = 0; k < count; k++)
			out->list[at + i * count + k].set_class = classes[out->list[at + i * count + k].set];
	}
	free(classes);
	return rc;
}

int bench_rounds(struct bench *b, int slot, long rounds, uint64_t seed, uint64_t key, struct bench_sums *out, struct err *e)
{
	struct slot *s = &b->slots[slot];
	uint16_t *before = malloc((size_t)b->sets * sizeof *before);
	struct stats_rng rng;
	long spots[SUMS_SPARE], from, first = 0, count = 0, done = 0;
	int rc = 0;

	if (!before)
		abort();
	if (gpu_can_sum(b->gpu))
		rc = bench_fill_sets(b, seed, false, e);
	else
		rounds = 0;
	stats_rng_seed(&rng, seed ^ key);
	from = (long)stats_rng_below(&rng, (uint64_t)b->sets);
	s->turn = 0;
	while (rc == 0 && done < rounds) {
		long n = 1;

		/* As many as there is room for; where graphs take turns, one at a time, for each visits other sets. */
		memcpy(before, b->classes, (size_t)b->sets * sizeof *before);
		round_sets(b, s, &first, &count);
		while (s->graph_count == 1 && n < rounds - done && n < SUMS_SPARE && (n + 1) * count <= b->sums_room)
			n++;
		rc = queue_rounds(b, s, from, &rng, key, spots, n, &first, &count, e);
		if (rc == 0)
			rc = take_rounds(b, before, from, spots, n, first, count, out, e);
		done += n;
	}
	b->last_first = first;
	b->last_count = count;
	free(before);
	return rc;
}

/* The sums of all outputs, added up by the host: sum number at + i is of output i. */
static int queue_outputs(struct bench *b, uint64_t base, const struct layout *l, uint64_t key, long *at, struct err *e)
{
	int rc = 0;

	for (int i = 0; rc == 0 && i < b->spec->tensor_count; i++)
		if (b->spec->tensors[i].out)
			rc = gpu_sum(b->gpu, base + l->offset[i], 0, 1, l->bytes[i] / 8 * 8, key, b->sums + 8 * (uint64_t)(*at)++, e);
	return rc;
}

static int disguised_call(struct bench *b, struct slot *s, uint64_t memory, const struct layout *l, long set, uint8_t fill,
			  struct err *e)
{
	const uint64_t workspace = memory + l->workspace_guard + l->guard;
	uint64_t tensors[SPEC_TENSORS_MAX];
	int rc = gpu_fill(b->gpu, memory, fill, l->total + l->workspace, e);

	for (int i = 0; rc == 0 && i < b->spec->tensor_count; i++) {
		/* The gaps between an output's rows are as in the sets. */
		const uint64_t from = b->spec->tensors[i].out ? b->image : bench_set_at(b, set);

		tensors[i] = memory + l->offset[i];
		rc = gpu_copy(b->gpu, tensors[i], from + b->layout.offset[i], l->bytes[i], e);
	}
	if (rc == 0)
		rc = gpu_poison_shared(b->gpu, fill, e);
	return rc == 0 ? gpu_call_enqueue(b->gpu, s->call, tensors, workspace, e) : rc;
}

/* A call, then one on inputs that differ in all but their first and last bytes: whoever takes these for the whole repeats
 * itself. */
static int patched_call(struct bench *b, struct slot *s, long set, long from, struct err *e)
{
	int rc = bench_enqueue(b, s, set, 0, e);

	for (int i = 0; rc == 0 && i < b->spec->tensor_count; i++) {
		const size_t bytes = b->layout.bytes[i], kept = bytes / 4 < KEPT_BYTES ? bytes / 4 / 8 * 8 : KEPT_BYTES;
		const size_t at = b->layout.offset[i] + kept;

		if (!b->spec->tensors[i].out)
			rc = gpu_copy(b->gpu, bench_set_at(b, set) + at, bench_set_at(b, from) + at, bytes - 2 * kept, e);
	}
	if (rc == 0)
		rc = bench_enqueue(b, s, set, 0, e);
	/* What was kept of it is not there any more when the call is made once more. */
	return rc == 0 ? bench_enqueue(b, s, from, 0, e) : rc;
}

int bench_disguised(struct bench *b, int slot, size_t guard, long n, bool patched, uint64_t seed, uint64_t key,
		    struct bench_sums *out, struct err *e)
{
	struct slot *s = &b->slots[slot];
	long sets[SUMS_SPARE / 2 / SPEC_TENSORS_MAX], at = 0, outputs = 0;
	uint64_t sums[SUMS_SPARE], memory = 0;
	struct stats_rng rng;
	struct layout l;
	int rc;

	if (!gpu_can_sum(b->gpu) || b->last_count < 1)
		return 0;
	n = n < (long)(sizeof sets / sizeof *sets) ? n : (long)(sizeof sets / sizeof *sets);
	layout_init(&l, b->spec, guard, gpu_call_workspace(s->call));
	stats_rng_seed(&rng, seed);
	rc = gpu_alloc(b->gpu, &memory, l.total + l.workspace, e);
	for (long i = 0; rc == 0 && i < n; i++) {
		sets[i] = (b->last_first + (long)stats_rng_below(&rng, (uint64_t)b->last_count)) % b->sets;
		if (patched)
			rc = patched_call(b, s, sets[i], (sets[i] + 1) % b->sets, e);
		if (rc == 0)
			rc = disguised_call(b, s, memory, &l, sets[i], i % 2 ? 0xff : (uint8_t)stats_rng_next(&rng), e);
		if (rc == 0)
			rc = queue_outputs(b, memory, &l, key, &at, e);
		if (rc == 0)
			rc = queue_outputs(b, bench_set_at(b, sets[i]), &b->layout, key, &at, e);
	}
	if (rc == 0 && n > 0)
		rc = gpu_download(b->gpu, sums, b->sums, (size_t)at * 8, e);
	outputs = n > 0 ? at / (2 * n) : 0;
	for (long i = 0; rc == 0 && i < 2 * n; i++) {
		struct bench_sum one = { .set = (uint32_t)sets[i / 2], .set_class = b->classes[sets[i / 2]] };

		for (long k = 0; k < outputs; k++)
			one.sum += sums[i * outputs + k] * (uint64_t)(2 * k + 1);
		if (out->n < out->room)
			out->list[out->n++] = one;
	}
	if (rc != GPU_FAULT)
		gpu_release(b->gpu, &memory);
	/* Patched sets belong to no class. */
	return rc == 0 && patched ? bench_renew(b, slot, seed, true, e) : rc;
}
