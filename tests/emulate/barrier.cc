// barrier: barriers of a CTA, numbered 0 to 15, at which warps count; the barrier of a cluster; votes and shuffles; and the
// registers that warps hand each other.
#include "machine.h"

namespace emu {

static void barrier_open(named_barrier &b) {
	std::vector<warp *> waiters = std::move(b.waiters);

	b = named_barrier();
	for (warp *w : waiters)
		wake(w->lanes);
}

static void barrier_check(named_barrier &b, int id) {
	if (b.arrived > b.expected)
		fail("barrier %d of %u threads: %u have come", id, b.expected, b.arrived);
	if (b.arrived && b.arrived == b.expected)
		barrier_open(b);
}

// By the whole warp; `threads` 0: all of the CTA that have not ended.
static void warp_arrives(warp &w, int id, unsigned threads, bool waits, const char *what) {
	cta &c = *w.of;
	named_barrier &b = c.barriers[id];
	bool all = threads == 0;

	if (all)
		threads = (unsigned)c.warps.size() * WARP;
	if (all)
		for (warp &other : c.warps)
			threads -= other.live ? 0 : WARP;
	if (threads % WARP)
		fail("%s %d: %u threads are not whole warps", what, id, threads);
	if (b.arrived && b.expected != threads)
		fail("%s %d: %u threads here, %u for those that have come", what, id, threads, b.expected);
	b.expected = threads;
	b.arrived += WARP;
	if (waits)
		b.waiters.push_back(&w);
	barrier_check(b, id);
}

// The warp's lanes come together, count as one, and wait.
void named_barrier_arrive(int id, unsigned threads, bool waits, const char *what) {
	warp &w = *m.self->of;

	if (id < 0 || id >= BARRIERS)
		fail("%s: there is no barrier %d", what, id);
	meet((const char *)w.of->barriers + id, threads * 2 + waits, 0, what,
	     [=](warp &own, unsigned) { warp_arrives(own, id, threads, waits, what); });
	if (!waits)
		return;
	for (;;) {
		named_barrier &b = w.of->barriers[id];
		bool counted = false;

		for (warp *other : b.waiters)
			counted |= other == &w;
		if (!counted)
			return;
		wait_for(w.lanes, "barrier", (uint64_t)id);
	}
}

void sync_threads(const char *file, int line) {
	place(file, line);
	named_barrier_arrive(0, 0, true, "__syncthreads");
}

static void cluster_check() {
	cluster &c = *m.now;
	unsigned live = 0;

	for (cta &one : c.ctas)
		live += one.live;
	if (c.arrived == 0 || c.arrived < live)
		return;
	c.arrived = 0;
	c.phase++;
	wake(&c.phase);
}

// Every thread counts; arriving twice without a wait between is an error.
void cluster_barrier_arrive() {
	lane &l = *m.self;

	if (l.at_cluster_barrier)
		fail("barrier.cluster.arrive twice without barrier.cluster.wait");
	l.at_cluster_barrier = true;
	l.cluster_phase = m.now->phase;
	m.now->arrived++;
	cluster_check();
}

void cluster_barrier_wait() {
	lane &l = *m.self;

	if (!l.at_cluster_barrier)
		fail("barrier.cluster.wait without barrier.cluster.arrive");
	while (m.now->phase == l.cluster_phase)
		wait_for(&m.now->phase, "the barrier of the cluster, phase", m.now->phase);
	l.at_cluster_barrier = false;
}

// A CTA's barrier 0 of all threads, and the cluster's, wait for those only that have not ended.
void barriers_thread_ended(const lane &l) {
	named_barrier &b = l.of->of->barriers[0];
	unsigned live = 0;

	for (warp &w : l.of->of->warps)
		live += w.live ? WARP : 0;
	if (b.waiters.size() * WARP == live && b.arrived == live && live)
		barrier_open(b);
	if (l.at_cluster_barrier && l.cluster_phase == m.now->phase)
		m.now->arrived--;
	cluster_check();
}

// Registers that one warp gives back another may take; whoever wants more than there are waits.
void registers_set(int count, bool grow) {
	warp &w = *m.self->of;
	cta &c = *w.of;

	if (count < 24 || count > 256 || count % 8)
		fail("setmaxnreg: %d registers", count);
	if (grow ? count < w.registers : count > w.registers)
		fail("setmaxnreg.%s to %d from %d registers", grow ? "inc" : "dec", count, w.registers);
	while (grow && c.registers < (count - w.registers) * WARP)
		wait_for(&c.registers, "setmaxnreg.inc, registers a thread:", (uint64_t)count);
	c.registers -= (count - w.registers) * WARP;
	w.registers = count;
	if (!grow)
		wake(&c.registers);
}

void sync_warp(unsigned mask, const char *file, int line) {
	place(file, line);
	meet("__syncwarp", line, mask, "__syncwarp", [](warp &, unsigned) {});
}

unsigned ballot(unsigned mask, bool vote, const char *file, int line) {
	place(file, line);
	m.self->bits = vote;
	meet("vote", line, mask, "a vote", [](warp &w, unsigned all) {
		unsigned votes = 0;

		for (unsigned left = all; left; left &= left - 1)
			votes |= (unsigned)w.lanes[__builtin_ctz(left)]->bits << __builtin_ctz(left);
		for (unsigned left = all; left; left &= left - 1)
			w.lanes[__builtin_ctz(left)]->bits = votes;
	});
	return (unsigned)m.self->bits;
}

static int shuffle_from(shuffle_kind kind, int id, int by, int width) {
	int first = id / width * width, from = kind == SHUFFLE_INDEX ? first + (by & (width - 1)) :
		    kind == SHUFFLE_XOR ? id ^ by : kind == SHUFFLE_UP ? id - by : id + by;

	return from < first || from >= first + width ? id : from;
}

uint64_t shuffle(shuffle_kind kind, unsigned mask, uint64_t bits, int by, int width, const char *file, int line) {
	place(file, line);
	m.self->bits = bits;
	m.self->by = shuffle_from(kind, m.self->id, by, width);
	meet("shuffle", line * 4 + kind, mask, "a shuffle", [](warp &w, unsigned all) {
		uint64_t brought[WARP];

		for (int i = 0; i < WARP; i++)
			brought[i] = w.lanes[i] ? w.lanes[i]->bits : 0;
		for (unsigned left = all; left; left &= left - 1) {
			lane &l = *w.lanes[__builtin_ctz(left)];

			if (!(all >> l.by & 1))
				fail("a shuffle from lane %d, which is not in mask %08x", l.by, all);
			l.bits = brought[l.by];
		}
	});
	return m.self->bits;
}

void pause(const char *file, int line) {
	place(file, line);
	spin();
}

void trap(const char *what, const char *file, int line) {
	fail("%s at %s:%d", what, file, line);
}

} // namespace emu
