/* bench_time: replays between time stamps, queued back to back in bursts, with a rest after each that is as long as it took.
 * Between two timed replays, outside the stamps, one set gets the inputs of another and what a call could hide is overwritten:
 * a call that leaves out work because it has met its inputs before is wrong there, in the very replays that are timed, and
 * cannot know where.
 * Why the rests: a device at its power limit lowers its clocks after some 20 ms of hard work. An H200 took 232 us for attn's
 * b=4 h=16 sq=2048 d=128 when it was replayed without a pause, 204 us with rests as long as the work, and was back at these
 * 60 ms after the last unbroken work (driver 580.159.04); with rests times agree within 0.3%, without them chance chose one
 * of the two. */
#define _POSIX_C_SOURCE 200809L
#include "bench_internal.h"

#include <time.h>

#include "attune/proc.h"
#include "attune/stats.h"

enum { FLUSH_NODES_MAX = 256, FLUSH_SETS_MAX = 1024, BURST = 5 };
#define BURST_US 1e4     /* and no longer than this, or one replay */
#define LEAD_US 4e3      /* in longer replays the time until their graph is launched is nothing */
#define REST_US 3e4      /* before a measurement, for whatever was done until then */
#define REST_MOST_US 5e4

struct spot {
	long set;
	unsigned set_class;
	bool changed; /* it is of another class than before: the outputs that it has are not right any more */
};

void bench_rest(double us)
{
	const long ns = (long)(1e3 * (us < 0 ? 0 : us < REST_MOST_US ? us : REST_MOST_US));

	nanosleep(&(struct timespec){ .tv_nsec = ns }, NULL);
}

/* Replays that one burst times. */
static long burst_of(const struct slot *s)
{
	const double fit = BURST_US / (s->call_us * (double)s->nodes + 1);

	return fit >= BURST ? BURST : fit > 1 ? (long)fit : 1;
}

/* Waits for the burst before, rests, and has the device work on a replay that nobody times while what follows is queued. */
static int begin_burst(struct bench *b, struct slot *s, bool first, double *since_s, struct err *e)
{
	int rc = gpu_sync(b->gpu, e);

	bench_rest(first ? 0 : 1e6 * (proc_now_s() - *since_s));
	*since_s = proc_now_s();
	return rc == 0 && s->call_us * (double)s->nodes < LEAD_US ? bench_replay(b, s, e) : rc;
}

/* Gives the inputs of set `from` to another one that the next replay visits. */
static int make_spot(struct bench *b, struct slot *s, struct stats_rng *rng, long from, struct spot *spot, struct err *e)
{
	long first, count;

	bench_next_sets(b, s, 1, &first, &count);
	spot->set = (first + (long)stats_rng_below(rng, (uint64_t)count)) % b->sets;
	if (spot->set == from && count > 1)
		spot->set = (spot->set == first ? first + 1 : first) % b->sets;
	spot->changed = b->classes[from] != b->classes[spot->set];
	spot->set_class = b->classes[from];
	return spot->set == from ? 0 : bench_copy_inputs(b, spot->set, from, e);
}

/* What made the spot has left it in the L2, which in a graph of few calls makes one of them faster: seven calls of attn's
 * `scalar` took 260 us each instead of 272, three of the seed problem 937 instead of 1057 (H200). Reading the sets of the
 * replays before puts those there instead. Graphs of many calls do not notice. */
static int flush_spot(struct bench *b, const struct slot *s, uint64_t key, struct err *e)
{
	const long fit = 1 + (long)(2 * gpu_l2_bytes(b->gpu) / b->layout.total);
	long first, count, before;

	if (s->nodes >= b->sets || s->nodes > FLUSH_NODES_MAX)
		return 0;
	bench_next_sets(b, s, 1, &first, &count);
	before = b->sets - count < fit ? b->sets - count : fit;
	before = before < FLUSH_SETS_MAX ? before : FLUSH_SETS_MAX;
	return bench_queue_sums(b, first + b->sets - before, before, key, b->sums_room - before, e);
}

/* Sums 2 i and 2 i + 1 are of spot i before and after replay i. */
static int timed_replay(struct bench *b, struct slot *s, struct stats_rng *rng, long from, uint64_t key, bool sums, long i,
			struct spot *spot, struct err *e)
{
	int rc = sums ? make_spot(b, s, rng, from, spot, e) : 0;

	if (rc == 0 && sums)
		rc = bench_queue_sums(b, spot->set, 1, key, 2 * i, e);
	if (rc == 0 && sums)
		rc = flush_spot(b, s, key, e);
	if (rc == 0)
		rc = bench_wipe(b, s, (uint8_t)stats_rng_next(rng), e);
	if (rc == 0)
		rc = gpu_mark(b->gpu, (int)(2 * i), e);
	if (rc == 0)
		rc = bench_replay(b, s, e);
	if (rc == 0)
		rc = gpu_mark(b->gpu, (int)(2 * i + 1), e);
	if (rc == 0 && sums)
		rc = bench_queue_sums(b, spot->set, 1, key, 2 * i + 1, e);
	return rc;
}

/* What the spots were, as sums; then all sets that were visited, as the last calls on them left them. */
static int collect(struct bench *b, const struct spot *spots, long n, long first, long count, struct bench_sums *out,
		   struct err *e)
{
	uint64_t pairs[2 * (BENCH_REPLAYS_MAX + 1)];

	if (gpu_download(b->gpu, pairs, b->sums, (size_t)(2 * n) * 8, e) < 0)
		return e->code;
	for (long i = 0; i < n; i++)
		out->list[out->n++] = (struct bench_sum){ .set = (uint32_t)spots[i].set, .set_class = spots[i].set_class,
							  .before = spots[i].changed ? pairs[2 * i] : 0,
							  .sum = pairs[2 * i + 1] };
	return bench_take_sums(b, first, count, 2 * n, 1, out, e);
}

int bench_cold(struct bench *b, int slot, long replays, uint64_t seed, uint64_t key, double *us, struct bench_sums *out,
	       struct err *e)
{
	struct slot *s = &b->slots[slot];
	const bool sums = out && gpu_can_sum(b->gpu);
	struct spot spots[BENCH_REPLAYS_MAX + 1];
	struct stats_rng rng;
	const long burst = burst_of(s);
	long first, count, from;
	double since_s = 0;
	int rc = 0;

	if (replays > BURST)
		bench_rest(REST_US);
	stats_rng_seed(&rng, seed);
	from = (long)stats_rng_below(&rng, (uint64_t)b->sets);
	bench_next_sets(b, s, replays + 1, &first, &count);
	/* The first replay is not counted. */
	for (long i = 0; rc == 0 && i <= replays; i++) {
		if (i % burst == 0)
			rc = begin_burst(b, s, i == 0, &since_s, e);
		if (rc == 0)
			rc = timed_replay(b, s, &rng, from, key, sums, i, &spots[i], e);
	}
	if (rc == 0 && sums)
		rc = bench_queue_sums(b, first, count, key, 2 * (replays + 1), e);
	if (rc == 0)
		rc = gpu_sync(b->gpu, e);
	for (long i = 0; rc == 0 && i < replays; i++) {
		rc = gpu_between_us(b->gpu, (int)(2 * i + 2), (int)(2 * i + 3), &us[i], e);
		us[i] /= (double)s->nodes;
	}
	return rc == 0 && sums ? collect(b, spots, replays + 1, first, count, out, e) : rc;
}

int bench_warm(struct bench *b, int slot, long replays, double *us, struct err *e)
{
	struct slot *s = &b->slots[slot];
	int rc = s->warm ? 0 : bench_capture(b, s, s->nodes, 0, true, &s->warm, e);

	bench_rest(REST_US);
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
	rc = bench_replay(b, &b->slots[1], e);
	if (rc == 0)
		rc = bench_replay(b, &b->slots[0], e);
	for (long i = 0; rc == 0 && i < 4 * quads; i++) {
		rc = bench_wipe(b, &b->slots[order[i % 4]], (uint8_t)i, e);
		if (rc == 0)
			rc = gpu_mark(b->gpu, (int)(2 * i), e);
		if (rc == 0)
			rc = bench_replay(b, &b->slots[order[i % 4]], e);
		if (rc == 0)
			rc = gpu_mark(b->gpu, (int)(2 * i + 1), e);
	}
	if (rc == 0)
		rc = gpu_sync(b->gpu, e);
	for (long i = 0; rc == 0 && i < 4 * quads; i++) {
		rc = gpu_between_us(b->gpu, (int)(2 * i), (int)(2 * i + 1), &us[i], e);
		us[i] /= (double)b->slots[order[i % 4]].nodes;
	}
	return rc;
}
