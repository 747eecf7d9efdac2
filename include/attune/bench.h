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

/* Times of one call, one sample a replay. */
int bench_cold(struct bench *b, int slot, long replays, double *us, struct err *e);
/* Makes all sets anew from the image, with the inputs of another seed and the outputs poisoned as the image has them, and
 * fills the slot's workspace: whatever calls have remembered or left behind is of no use any more. */
int bench_renew(struct bench *b, int slot, uint64_t seed, struct err *e);
/* bench_renew, then one cold replay: *us is the time of one call; the calls were on sets *first, *first + 1, ... (modulo
 * the number of sets), *count of them. What their outputs hold is from timed calls. */
int bench_fresh(struct bench *b, int slot, uint64_t seed, double *us, long *first, long *count, struct err *e);
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
