/* bench: sets, graphs, slots. A graph holds N calls, N so that a replay takes TARGET_US or more, and one graph visits all
 * sets when they fit; slow calls are spread over several graphs that take turns, so that a set is met again only after all
 * others. Replaying them is bench_time.c's. */
#include "bench_internal.h"

#include <math.h>
#include <stdlib.h>

#include "attune/stats.h"

#define TARGET_US 1500.0
#define SETS_MAX 16384
/* An empty kernel takes 0.56 us in a graph (H200), so an honest call needs fewer nodes than this. */
#define NODES_MAX 4096
/* Of the memory that is free when the sets are made; the rest is for workspaces and for the other process. */
#define MEMORY_SHARE 0.4
/* All workspaces of a slot, unless one is larger. */
#define WORKSPACES_BYTES (64u << 20)
#define PAGE_BYTES (2u << 20) /* what the driver maps at least: memory behind an allocation is not out of reach */

uint64_t bench_set_at(const struct bench *b, long set)
{
	return b->memory + (uint64_t)(set % b->sets) * b->layout.total;
}

/* Inputs that stand next to each other are copied at once, with the guard zones between them, which are alike in all sets. */
int bench_copy_inputs(struct bench *b, long to, long from, struct err *e)
{
	const struct layout *l = &b->layout;

	for (int i = 0; i < b->spec->tensor_count; i++) {
		const size_t at = l->offset[i];

		if (b->spec->tensors[i].out)
			continue;
		while (i + 1 < b->spec->tensor_count && !b->spec->tensors[i + 1].out)
			i++;
		if (gpu_copy(b->gpu, bench_set_at(b, to) + at, bench_set_at(b, from) + at, l->offset[i] + l->bytes[i] - at, e) < 0)
			return e->code;
	}
	b->classes[to % b->sets] = b->classes[from % b->sets];
	return 0;
}

/* The first set of a class is made from the image, the others are copies of it. */
static int make_set(struct bench *b, long set, uint64_t seed, bool outputs, long first[SET_CLASSES], struct err *e)
{
	const unsigned set_class = inputs_set_class((uint64_t)set);
	const uint64_t to = bench_set_at(b, set);

	b->classes[set] = (uint16_t)set_class;
	if (first[set_class] >= 0 && !outputs)
		return bench_copy_inputs(b, set, first[set_class], e);
	if (first[set_class] >= 0)
		return gpu_copy(b->gpu, to, bench_set_at(b, first[set_class]), b->layout.total, e);
	first[set_class] = set;
	if (outputs && gpu_copy(b->gpu, to, b->image, b->layout.total, e) < 0)
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

int bench_fill_sets(struct bench *b, uint64_t seed, bool outputs, struct err *e)
{
	long first[SET_CLASSES];

	for (int i = 0; i < SET_CLASSES; i++)
		first[i] = -1;
	for (long i = 0; i < b->sets; i++)
		if (make_set(b, i, seed, outputs, first, e) < 0)
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
	size_t free_bytes, used;

	if (!b)
		abort();
	b->gpu = g;
	b->spec = s;
	b->order_seed = seed;
	layout_init(&b->layout, s, BENCH_GUARD, 0);
	if (gpu_free_bytes(g, &free_bytes, e) < 0)
		goto fail;
	b->sets = count_sets(b, free_bytes);
	b->classes = calloc((size_t)b->sets, sizeof *b->classes);
	if (!b->classes)
		abort();
	b->sums_room = b->sets + SUMS_SPARE;
	used = b->layout.total * (size_t)(b->sets + 1) + 8 * (size_t)b->sums_room;
	b->behind_bytes = (PAGE_BYTES - used % PAGE_BYTES) % PAGE_BYTES;
	if (gpu_alloc(g, &b->memory, used + b->behind_bytes, e) < 0)
		goto fail;
	b->image = b->memory + b->layout.total * (size_t)b->sets;
	b->sums = b->image + b->layout.total;
	b->behind = b->memory + used;
	if (gpu_upload(g, b->image, image, b->layout.total, e) < 0 || bench_fill_sets(b, seed, true, e) < 0 || gpu_sync(g, e) < 0)
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
	gpu_release(b->gpu, &b->memory);
	free(b->classes);
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
	gpu_graph_close(b->gpu, s->round);
	s->graphs = NULL;
	s->warm = s->round = NULL;
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

int bench_enqueue(struct bench *b, struct slot *s, long set, long round, struct err *e)
{
	uint64_t tensors[SPEC_TENSORS_MAX];

	for (int i = 0; i < b->spec->tensor_count; i++)
		tensors[i] = bench_set_at(b, set) + b->layout.offset[i];
	return gpu_call_enqueue(b->gpu, s->call, tensors, s->workspace + (uint64_t)(round % s->workspaces) * s->workspace_bytes, e);
}

/* 0 to count - 1, shuffled: whose turn is next cannot be told from where a set is, or a call could fetch its inputs for it. The
 * same for every graph of these sets, or slots that take turns would meet some of them while they are still in the L2. */
static long *draw_order(const struct bench *b, long first, long count)
{
	long *order = malloc((size_t)count * sizeof *order);
	struct stats_rng rng;

	if (!order)
		abort();
	stats_rng_seed(&rng, b->order_seed + (uint64_t)first);
	for (long i = 0; i < count; i++) {
		const long k = (long)stats_rng_below(&rng, (uint64_t)i + 1);

		order[i] = order[k];
		order[k] = i;
	}
	return order;
}

int bench_capture(struct bench *b, struct slot *s, long n, long first, bool warm, struct gpu_graph **out, struct err *e)
{
	const long count = warm ? 1 : n < b->sets ? n : b->sets;
	long *order = draw_order(b, first, count);
	int rc = gpu_graph_begin(b->gpu, e);

	for (long i = 0; rc == 0 && i < n; i++)
		rc = bench_enqueue(b, s, first + order[i % count], i / count, e);
	free(order);
	if (rc == 0)
		return gpu_graph_end(b->gpu, out, e);
	gpu_graph_abandon(b->gpu);
	return rc;
}

/* Of rounds that a graph makes, as many as there may be workspaces for, each with its own. */
static int allow_rounds(struct bench *b, struct slot *s, long *rounds, struct err *e)
{
	const size_t most = s->workspace_bytes ? WORKSPACES_BYTES / s->workspace_bytes : 0;

	if (!s->workspace_bytes)
		return 0;
	if (*rounds > (long)most)
		*rounds = most ? (long)most : 1;
	if (*rounds <= s->workspaces)
		return 0;
	gpu_release(b->gpu, &s->workspace);
	s->workspaces = *rounds;
	return gpu_alloc(b->gpu, &s->workspace, (size_t)s->workspaces * s->workspace_bytes, e);
}

static int capture_all(struct bench *b, struct slot *s, double call_us, struct err *e)
{
	const double wanted = ceil(TARGET_US / (call_us > 0.05 ? call_us : 0.05));
	const long least = wanted > NODES_MAX ? NODES_MAX : (long)wanted;
	long graphs, rounds = (least + b->sets - 1) / b->sets;

	close_graphs(b, s);
	if (allow_rounds(b, s, &rounds, e) < 0)
		return e->code;
	if (least >= b->sets) {
		graphs = 1;
		s->nodes = rounds * b->sets;
	} else {
		graphs = b->sets / least;
		s->nodes = (b->sets + graphs - 1) / graphs;
	}
	s->graphs = calloc((size_t)graphs, sizeof(struct gpu_graph *));
	if (!s->graphs)
		abort();
	for (long i = 0; i < graphs; i++, s->graph_count++) {
		const int rc = bench_capture(b, s, s->nodes, i * s->nodes, false, &s->graphs[i], e);

		if (rc < 0)
			return rc;
	}
	return 0;
}

int bench_replay(struct bench *b, struct slot *s, struct err *e)
{
	const long turn = s->turn;

	s->turn = (turn + 1) % s->graph_count;
	return gpu_graph_launch(b->gpu, s->graphs[turn], e);
}

static int direct_us(struct bench *b, struct slot *s, long calls, double *us, struct err *e)
{
	int rc = gpu_mark(b->gpu, 0, e);

	for (long i = 0; rc == 0 && i < calls; i++)
		rc = bench_enqueue(b, s, i, 0, e);
	if (rc == 0)
		rc = gpu_mark(b->gpu, 1, e);
	if (rc == 0)
		rc = gpu_sync(b->gpu, e);
	if (rc == 0)
		rc = gpu_between_us(b->gpu, 0, 1, us, e);
	*us /= (double)calls;
	return rc;
}

int bench_replay_us(struct bench *b, struct slot *s, double *us, struct err *e)
{
	int rc = gpu_mark(b->gpu, 0, e);

	if (rc == 0)
		rc = bench_replay(b, s, e);
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
	s->workspace_bytes = (gpu_call_workspace(call) + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	s->workspaces = 1;
	rc = s->workspace_bytes ? gpu_alloc(b->gpu, &s->workspace, s->workspace_bytes, e) : 0;
	if (rc == 0)
		rc = direct_us(b, s, 1, &us, e);
	if (rc == 0 && us < TARGET_US)
		rc = direct_us(b, s, 16, &us, e);
	if (rc == 0)
		rc = capture_all(b, s, us, e);
	if (rc == 0)
		rc = bench_replay_us(b, s, &us, e);
	/* Launches one by one may have hidden how short the call is; then the graph is too short, and made again. */
	if (rc == 0 && us * (double)s->nodes < TARGET_US / 1.5 && s->nodes < NODES_MAX) {
		rc = capture_all(b, s, us, e);
		if (rc == 0)
			rc = bench_replay_us(b, s, &us, e);
	}
	if (rc < 0) {
		bench_slot_close(b, slot);
		return rc;
	}
	s->call_us = us;
	*plan = (struct bench_plan){ .call_us = us, .nodes = s->nodes, .graphs = s->graph_count };
	return 0;
}

/* Also what is mapped behind the sets, where a call could hide something. */
int bench_wipe(struct bench *b, const struct slot *s, uint8_t value, struct err *e)
{
	int rc = b->behind_bytes ? gpu_fill(b->gpu, b->behind, value, b->behind_bytes, e) : 0;

	if (rc == 0 && s->workspace)
		rc = gpu_fill(b->gpu, s->workspace, value, (size_t)s->workspaces * s->workspace_bytes, e);
	return rc;
}

int bench_renew(struct bench *b, int slot, uint64_t seed, bool outputs, struct err *e)
{
	int rc = bench_fill_sets(b, seed, outputs, e);

	return rc == 0 ? bench_wipe(b, &b->slots[slot], (uint8_t)(seed >> 56), e) : rc;
}

void bench_next_sets(const struct bench *b, const struct slot *s, long replays, long *first, long *count)
{
	*first = s->turn * s->nodes % b->sets;
	*count = s->nodes * replays < b->sets ? s->nodes * replays : b->sets;
}

int bench_fetch(struct bench *b, long set, void *to, struct err *e)
{
	return gpu_download(b->gpu, to, bench_set_at(b, set), b->layout.total, e);
}

int bench_fetch_outputs(struct bench *b, long set, void *to, struct err *e)
{
	unsigned char *at = to;

	for (int i = 0; i < b->spec->tensor_count; i++) {
		if (!b->spec->tensors[i].out)
			continue;
		if (gpu_download(b->gpu, at, bench_set_at(b, set) + b->layout.offset[i], b->layout.bytes[i], e) < 0)
			return e->code;
		at += b->layout.bytes[i];
	}
	return 0;
}
