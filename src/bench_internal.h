/* bench_internal: the state of a bench, and the seam between bench.c (sets, graphs, slots), bench_time.c (replays between
 * time stamps) and bench_sums.c (what calls left behind). */
#ifndef ATTUNE_BENCH_INTERNAL_H
#define ATTUNE_BENCH_INTERNAL_H
#include "attune/bench.h"
#include "attune/inputs.h"

enum { SUMS_SPARE = 4096 }; /* sums that a request may ask for beside one of each set */

struct slot {
	struct gpu_call *call;
	struct gpu_graph **graphs;
	struct gpu_graph *warm, *round; /* round: one call on each set, where a graph makes several */
	uint64_t workspace;             /* one for each round of a graph: what a round left in it, the next does not find */
	size_t workspace_bytes;         /* of one, as allocated: no mapped memory behind it is left out of a wipe */
	long workspaces;
	long graph_count, nodes, turn;
	double call_us;                 /* of the first replay */
};

struct bench {
	struct gpu *gpu;
	const struct spec *spec;
	struct layout layout;
	uint64_t memory; /* the sets, the image, the sums, and what is mapped behind them */
	uint64_t image, sums, behind;
	size_t behind_bytes;
	long sums_room;
	long sets;
	uint64_t order_seed;
	long last_first, last_count; /* the sets that bench_fresh or bench_rounds visited last */
	uint16_t *classes; /* of each set, as it is now */
	struct slot slots[BENCH_SLOTS];
};

/* The device does nothing for so long, at most REST_MOST_US. */
void bench_rest(double us);
uint64_t bench_set_at(const struct bench *b, long set);
/* The next graph in turn. */
int bench_replay(struct bench *b, struct slot *s, struct err *e);
/* And the time of one of its calls, waited for. */
int bench_replay_us(struct bench *b, struct slot *s, double *us, struct err *e);
int bench_enqueue(struct bench *b, struct slot *s, long set, long round, struct err *e);
/* n calls as a graph, all on set `first` (warm), or on the sets from there on, in an order drawn at random, round and round. */
int bench_capture(struct bench *b, struct slot *s, long n, long first, bool warm, struct gpu_graph **out, struct err *e);
/* The sets that the next `replays` replays visit: `count` of them from `first` on, modulo the number of sets. */
void bench_next_sets(const struct bench *b, const struct slot *s, long replays, long *first, long *count);
/* Makes the inputs of all sets anew, and with `outputs` poisons these. */
int bench_fill_sets(struct bench *b, uint64_t seed, bool outputs, struct err *e);
/* Copies the inputs of set `from` over those of set `to`; the outputs stay. */
int bench_copy_inputs(struct bench *b, long to, long from, struct err *e);
/* Overwrites a slot's workspaces: nothing that a call left there reaches the next one. */
int bench_wipe(struct bench *b, const struct slot *s, uint8_t value, struct err *e);
/* Queues the sums of `count` sets from `first` on into sums `at`, at + 1, ... */
int bench_queue_sums(struct bench *b, long first, long count, uint64_t key, long at, struct err *e);
/* Waits, and appends `times` times `count` of them, each of the sets from `first` on. */
int bench_take_sums(struct bench *b, long first, long count, long at, long times, struct bench_sums *out, struct err *e);

#endif
