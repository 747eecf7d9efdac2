/* bench: sets, graphs, replays, races. A graph holds N calls, N so that a replay takes TARGET_US or more, and one graph
 * visits all sets when they fit; slow calls are spread over several graphs that take turns, so that a set is met again
 * only after all others. Replays are queued back to back between time stamps and waited for once, so the device never
 * idles between them. */
#include "attune/bench.h"

#include <math.h>
#include <stdlib.h>

#include "attune/inputs.h"

#define TARGET_US 1500.0
#define SETS_MAX 16384
/* An empty kernel takes 0.56 us in a graph (H200), so an honest call needs fewer nodes than this. */
#define NODES_MAX 4096
/* Of the memory that is free when the sets are made; the rest is for workspaces and for the other process. */
#define MEMORY_SHARE 0.4

struct slot {
	struct gpu_call *call;
	struct gpu_graph **graphs;
	struct gpu_graph *warm;
	uint64_t workspace;
	long graph_count, nodes, turn;
};

struct bench {
	struct gpu *gpu;
	const struct spec *spec;
	struct layout layout;
	uint64_t image, memory;
	long sets;
	struct slot slots[BENCH_SLOTS];
};

static uint64_t set_at(const struct bench *b, long set)
{
	return b->memory + (uint64_t)(set % b->sets) * b->layout.total;
}

/* The first set of a class is made from the image, the others are copies of it. */
static int make_set(struct bench *b, long set, uint64_t seed, long first[SET_CLASSES], struct err *e)
{
	const unsigned set_class = inputs_set_class(seed, (uint64_t)set);
	const uint64_t to = set_at(b, set);

	if (first[set_class] >= 0)
		return gpu_copy(b->gpu, to, set_at(b, first[set_class]), b->layout.total, e);
	first[set_class] = set;
	if (gpu_copy(b->gpu, to, b->image, b->layout.total, e) < 0)
		return e->code;
	for (int i = 0; i < b->spec->tensor_count; i++) {
		const struct tensor *t = &b->spec->tensors[i];
		const size_t turn = inputs_rotation(seed, set_class, i, t->span) * dtype_bytes(t->dtype);
		const size_t at = b->layout.offset[i], bytes = b->layout.bytes[i];

		if (t->out)
			continue;
		if (gpu_copy(b->gpu, to + at, b->image + at + turn, bytes - turn, e) < 0 ||
		    gpu_copy(b->gpu, to + at + bytes - turn, b->image + at, turn, e) < 0)
			return e->code;
	}
	return 0;
}

static int fill_sets(struct bench *b, uint64_t seed, struct err *e)
{
	long first[SET_CLASSES];

	for (int i = 0; i < SET_CLASSES; i++)
		first[i] = -1;
	for (long i = 0; i < b->sets; i++)
		if (make_set(b, i, seed, first, e) < 0)
			return e->code;
	return 0;
}

/* Guard zones are not touched by a call, so only tensors count for the L2. */
static long count_sets(struct bench *b, size_t free_bytes)
{
	const double share = MEMORY_SHARE * (double)free_bytes;
	double touched = 0;
	long sets;

	for (int i = 0; i < b->spec->tensor_count; i++)
		touched += (double)b->layout.bytes[i];
	sets = (long)ceil(3.0 * (double)gpu_l2_bytes(b->gpu) / touched) + 1;
	if ((double)sets * (double)b->layout.total > share)
		sets = (long)(share / (double)b->layout.total);
	return sets < 2 ? 2 : sets > SETS_MAX ? SETS_MAX : sets;
}

int bench_open(struct bench **out, struct gpu *g, const struct spec *s, const void *image, uint64_t seed, struct err *e)
{
	struct bench *b = calloc(1, sizeof *b);
	size_t free_bytes;

	if (!b)
		abort();
	b->gpu = g;
	b->spec = s;
	layout_init(&b->layout, s, BENCH_GUARD, 0);
	if (gpu_free_bytes(g, &free_bytes, e) < 0)
		goto fail;
	b->sets = count_sets(b, free_bytes);
	if (gpu_alloc(g, &b->image, b->layout.total, e) < 0 ||
	    gpu_alloc(g, &b->memory, b->layout.total * (size_t)b->sets, e) < 0 ||
	    gpu_upload(g, b->image, image, b->layout.total, e) < 0 || fill_sets(b, seed, e) < 0 || gpu_sync(g, e) < 0)
		goto fail;
	*out = b;
	return 0;
fail:
	bench_close(b);
	return e->code;
}

void bench_close(struct bench *b)
{
	if (!b)
		return;
	for (int i = 0; i < BENCH_SLOTS; i++)
		bench_slot_close(b, i);
	gpu_release(b->gpu, &b->image);
	gpu_release(b->gpu, &b->memory);
	free(b);
}

long bench_sets(const struct bench *b)
{
	return b->sets;
}

static void close_graphs(struct bench *b, struct slot *s)
{
	for (long i = 0; i < s->graph_count; i++)
		gpu_graph_close(b->gpu, s->graphs[i]);
	free(s->graphs);
	gpu_graph_close(b->gpu, s->warm);
	s->graphs = NULL;
	s->warm = NULL;
	s->graph_count = s->turn = 0;
}

void bench_slot_close(struct bench *b, int slot)
{
	struct slot *s = &b->slots[slot];

	close_graphs(b, s);
	gpu_call_close(s->call);
	gpu_release(b->gpu, &s->workspace);
	*s = (struct slot){ 0 };
}

static int enqueue(struct bench *b, struct slot *s, long set, struct err *e)
{
	uint64_t tensors[SPEC_TENSORS_MAX];

	for (int i = 0; i < b->spec->tensor_count; i++)
		tensors[i] = set_at(b, set) + b->layout.offset[i];
	return gpu_call_enqueue(b->gpu, s->call, tensors, s->workspace, e);
}

/* n calls from set `first` on (step 1), or all on it (step 0), as a graph. */
static int capture(struct bench *b, struct slot *s, long first, long step, struct gpu_graph **out, struct err *e)
{
	int rc = gpu_graph_begin(b->gpu, e);

	for (long i = 0; rc == 0 && i < s->nodes; i++)
		rc = enqueue(b, s, first + i * step, e);
	if (rc == 0)
		return gpu_graph_end(b->gpu, out, e);
	gpu_graph_abandon(b->gpu);
	return rc;
}

static int capture_all(struct bench *b, struct slot *s, double call_us, struct err *e)
{
	const double wanted = ceil(TARGET_US / (call_us > 0.05 ? call_us : 0.05));
	const long least = wanted > NODES_MAX ? NODES_MAX : (long)wanted;
	long graphs;

	close_graphs(b, s);
	if (least >= b->sets) {
		graphs = 1;
		s->nodes = (least + b->sets - 1) / b->sets * b->sets;
	} else {
		graphs = b->sets / least;
		s->nodes = (b->sets + graphs - 1) / graphs;
	}
	s->graphs = calloc((size_t)graphs, sizeof(struct gpu_graph *));
	if (!s->graphs)
		abort();
	for (long i = 0; i < graphs; i++, s->graph_count++) {
		const int rc = capture(b, s, i * s->nodes, 1, &s->graphs[i], e);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int replay(struct bench *b, struct slot *s, struct err *e)
{
	const long turn = s->turn;

	s->turn = (turn + 1) % s->graph_count;
	return gpu_graph_launch(b->gpu, s->graphs[turn], e);
}

static int direct_us(struct bench *b, struct slot *s, long calls, double *us, struct err *e)
{
	int rc = gpu_mark(b->gpu, 0, e);

	for (long i = 0; rc == 0 && i < calls; i++)
		rc = enqueue(b, s, i, e);
	if (rc == 0)
		rc = gpu_mark(b->gpu, 1, e);
	if (rc == 0)
		rc = gpu_sync(b->gpu, e);
	if (rc == 0)
		rc = gpu_between_us(b->gpu, 0, 1, us, e);
	*us /= (double)calls;
	return rc;
}

static int replay_us(struct bench *b, struct slot *s, double *us, struct err *e)
{
	int rc = gpu_mark(b->gpu, 0, e);

	if (rc == 0)
		rc = replay(b, s, e);
	if (rc == 0)
		rc = gpu_mark(b->gpu, 1, e);
	if (rc == 0)
		rc = gpu_sync(b->gpu, e);
	if (rc == 0)
		rc = gpu_between_us(b->gpu, 0, 1, us, e);
	*us /= (double)s->nodes;
	return rc;
}

int bench_slot_open(struct bench *b, int slot, struct gpu_call *call, struct bench_plan *plan, struct err *e)
{
	struct slot *s = &b->slots[slot];
	double us = 0;
	int rc;

	bench_slot_close(b, slot);
	s->call = call;
	rc = gpu_call_workspace(call) ? gpu_alloc(b->gpu, &s->workspace, gpu_call_workspace(call), e) : 0;
	if (rc == 0)
		rc = direct_us(b, s, 1, &us, e);
	if (rc == 0 && us < TARGET_US)
		rc = direct_us(b, s, 16, &us, e);
	if (rc == 0)
		rc = capture_all(b, s, us, e);
	if (rc == 0)
		rc = replay_us(b, s, &us, e);
	/* Launches one by one may have hidden how short the call is; then the graph is too short, and made again. */
	if (rc == 0 && us * (double)s->nodes < TARGET_US / 1.5 && s->nodes < NODES_MAX) {
		rc = capture_all(b, s, us, e);
		if (rc == 0)
			rc = replay_us(b, s, &us, e);
	}
	if (rc < 0) {
		bench_slot_close(b, slot);
		return rc;
	}
	*plan = (struct bench_plan){ .call_us = us, .nodes = s->nodes, .graphs = s->graph_count };
	return 0;
}

int bench_renew(struct bench *b, int slot, uint64_t seed, struct err *e)
{
	struct slot *s = &b->slots[slot];
	int rc = fill_sets(b, seed, e);

	/* What an earlier call left in the workspace is gone too. */
	if (rc == 0 && s->workspace)
		rc = gpu_fill(b->gpu, s->workspace, (uint8_t)(seed >> 56), gpu_call_workspace(s->call), e);
	return rc;
}

static void next_sets(const struct bench *b, const struct slot *s, long *first, long *count)
{
	*first = s->turn * s->nodes % b->sets;
	*count = s->nodes < b->sets ? s->nodes : b->sets;
}

int bench_fresh(struct bench *b, int slot, uint64_t seed, double *us, long *first, long *count, struct err *e)
{
	struct slot *s = &b->slots[slot];
	int rc = bench_renew(b, slot, seed, e);

	next_sets(b, s, first, count);
	return rc == 0 ? replay_us(b, s, us, e) : rc;
}

int bench_some(struct bench *b, int slot, uint64_t seed, long calls, long *first, long *count, struct err *e)
{
	struct slot *s = &b->slots[slot];
	int rc = bench_renew(b, slot, seed, e);

	next_sets(b, s, first, count);
	for (long i = 0; rc == 0 && i < calls; i++)
		rc = enqueue(b, s, *first + i, e);
	return rc == 0 ? gpu_sync(b->gpu, e) : rc;
}

/* Sample i is between marks i and i + 1. */
int bench_cold(struct bench *b, int slot, long replays, double *us, struct err *e)
{
	struct slot *s = &b->slots[slot];
	int rc = replay(b, s, e);

	for (long i = 0; rc == 0 && i <= replays; i++) {
		rc = gpu_mark(b->gpu, (int)i, e);
		if (rc == 0 && i < replays)
			rc = replay(b, s, e);
	}
	if (rc == 0)
		rc = gpu_sync(b->gpu, e);
	for (long i = 0; rc == 0 && i < replays; i++) {
		rc = gpu_between_us(b->gpu, (int)i, (int)i + 1, &us[i], e);
		us[i] /= (double)s->nodes;
	}
	return rc;
}

int bench_warm(struct bench *b, int slot, long replays, double *us, struct err *e)
{
	struct slot *s = &b->slots[slot];
	int rc = s->warm ? 0 : capture(b, s, 0, 0, &s->warm, e);

	if (rc == 0)
		rc = gpu_graph_launch(b->gpu, s->warm, e);
	for (long i = 0; rc == 0 && i <= replays; i++) {
		rc = gpu_mark(b->gpu, (int)i, e);
		if (rc == 0 && i < replays)
			rc = gpu_graph_launch(b->gpu, s->warm, e);
	}
	if (rc == 0)
		rc = gpu_sync(b->gpu, e);
	for (long i = 0; rc == 0 && i < replays; i++) {
		rc = gpu_between_us(b->gpu, (int)i, (int)i + 1, &us[i], e);
		us[i] /= (double)s->nodes;
	}
	return rc;
}

int bench_race(struct bench *b, long quads, double *us, struct err *e)
{
	static const int order[4] = { 0, 1, 1, 0 };
	int rc;

	/* Half a round apart, or each would warm the sets of the other when they take several graphs. */
	b->slots[0].turn = 0;
	b->slots[1].turn = b->slots[1].graph_count / 2;
	rc = replay(b, &b->slots[1], e);
	if (rc == 0)
		rc = replay(b, &b->slots[0], e);
	for (long i = 0; rc == 0 && i <= 4 * quads; i++) {
		rc = gpu_mark(b->gpu, (int)i, e);
		if (rc == 0 && i < 4 * quads)
			rc = replay(b, &b->slots[order[i % 4]], e);
	}
	if (rc == 0)
		rc = gpu_sync(b->gpu, e);
	for (long i = 0; rc == 0 && i < 4 * quads; i++) {
		rc = gpu_between_us(b->gpu, (int)i, (int)i + 1, &us[i], e);
		us[i] /= (double)b->slots[order[i % 4]].nodes;
	}
	return rc;
}

int bench_fetch(struct bench *b, long set, void *to, struct err *e)
{
	return gpu_download(b->gpu, to, set_at(b, set), b->layout.total, e);
}

int bench_fetch_outputs(struct bench *b, long set, void *to, struct err *e)
{
	unsigned char *at = to;

	for (int i = 0; i < b->spec->tensor_count; i++) {
		if (!b->spec->tensors[i].out)
			continue;
		if (gpu_download(b->gpu, at, set_at(b, set) + b->layout.offset[i], b->layout.bytes[i], e) < 0)
			return e->code;
		at += b->layout.bytes[i];
	}
	return 0;
}
