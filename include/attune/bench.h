/* bench: timing on the device, in the GPU child. Calls are captured into graphs that take about a millisecond and a half,
 * each call on the next of many sets of tensors, which together are more than three times the L2, so that inputs come
 * from memory ("cold"); the same on one set is "warm". What a time means is the judge's business: this module returns
 * samples. */
#ifndef ATTUNE_BENCH_H
#define ATTUNE_BENCH_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "attune/err.h"
#include "attune/gpu.h"
#include "attune/spec.h"

enum { BENCH_GUARD = 4096 };  /* bytes around each tensor of a set */
enum { BENCH_SLOTS = 2 };     /* calls that can be timed against each other */

struct bench;

/* Makes the sets from one image of them (layout with BENCH_GUARD, no workspace): set s is the image with each input's span
 * rotated as inputs.h says for the class of s under the seed. */
int bench_open(struct bench **out, struct gpu *g, const struct spec *s, const void *image, uint64_t seed, struct err *e);
void bench_close(struct bench *b);
long bench_sets(const struct bench *b);

struct bench_plan {
	double call_us; /* one call, from a first replay */
	long nodes;     /* calls in one graph */
	long graphs;    /* graphs that together visit every set */
};
/* Makes a call ready and captures its graphs. The call is the bench's from here on, closed even on failure. */
int bench_slot_open(struct bench *b, int slot, struct gpu_call *call, struct bench_plan *plan, struct err *e);
void bench_slot_close(struct bench *b, int slot);

/* What a set held after a call on it, guard zones and all. Calls on sets of one class must leave equal sums. */
struct bench_sum {
	uint32_t set, set_class;
	uint64_t sum;
	uint64_t before; /* before the replay, where the set had got other inputs and the outputs of the old ones; else 0 */
};
/* What is appended; it stays empty where the device makes no sums (gpu_can_sum). */
struct bench_sums {
	struct bench_sum *list;
	long n, room;
};
enum { BENCH_REPLAYS_MAX = 1000 };

/* Times of one call, one sample a replay, at most BENCH_REPLAYS_MAX of them, in bursts between which the device rests. Before
 * each replay a set chosen by the seed gets the inputs of one that stays the same, and the slot's workspace is overwritten.
 * Appends replays + 1 sums of such sets, all of one class, then one of each set that was visited. */
int bench_cold(struct bench *b, int slot, long replays, uint64_t seed, uint64_t key, double *us, struct bench_sums *out,
	       struct err *e);
/* Makes all sets anew with the inputs of another seed, and fills the slot's workspace: whatever calls have remembered or left
 * behind is of no use any more. outputs: these are poisoned as the image has them; else they stay as they are. */
int bench_renew(struct bench *b, int slot, uint64_t seed, bool outputs, struct err *e);
/* bench_renew with poisoned outputs, then one cold replay: *us is the time of one call; the calls were on sets *first,
 * *first + 1, ... (modulo the number of sets), *count of them. What their outputs hold is from timed calls. */
int bench_fresh(struct bench *b, int slot, uint64_t seed, uint64_t key, double *us, long *first, long *count,
		struct bench_sums *out, struct err *e);
/* bench_renew with the outputs as they are, then two rounds: one call on each set of a graph, us[i] being the time of one. The
 * second round meets the inputs of the first; and with the seed of the sets as they are, the first meets known ones too. */
int bench_round(struct bench *b, int slot, uint64_t seed, uint64_t key, double us[2], struct bench_sums *out, struct err *e);
/* New inputs under the outputs that are there, and a workspace as calls have left it; then so many rounds, untimed, and a sum
 * of each call. Before each round one set more gets the inputs of a certain one. */
int bench_rounds(struct bench *b, int slot, long rounds, uint64_t seed, uint64_t key, struct bench_sums *out, struct err *e);
/* Calls on n of the sets that bench_fresh or bench_rounds visited last, chosen by the seed, once more with tensors that lie as
 * they do in a check (guard zones of so many bytes, poison in shared memory). Appends two sums of outputs for each: of that
 * call, and of the set as it is.
 * patched: each set is called on before, then all its inputs but their first and last bytes are changed, and it is called on
 * again; at last all sets are made anew. */
int bench_disguised(struct bench *b, int slot, size_t guard, long n, bool patched, uint64_t seed, uint64_t key,
		    struct bench_sums *out, struct err *e);
/* bench_renew, then only so many calls, in the order of a replay: the other outputs must still be poisoned. */
int bench_some(struct bench *b, int slot, uint64_t seed, long calls, long *first, long *count, struct err *e);
int bench_warm(struct bench *b, int slot, long replays, double *us, struct err *e);
/* Quads A B B A of slots 0 and 1: us[4 * q + i] is leg i of quad q, time of one call. */
int bench_race(struct bench *b, long quads, double *us, struct err *e);
/* Brings a set as it is now to the host: layout's total bytes. */
int bench_fetch(struct bench *b, long set, void *to, struct err *e);
/* Only the outputs' spans of a set, one behind the other. */
int bench_fetch_outputs(struct bench *b, long set, void *to, struct err *e);

#endif
