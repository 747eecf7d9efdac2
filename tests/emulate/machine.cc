// machine: the scheduler, and warps that come together. See machine.h. Stacks are switched in fiber.cc; what waiting looks like
// to people is in report.cc.
#include "machine.h"

#include <algorithm>
#include <stdlib.h>

#include "emulate.h"
#include "fiber.h"

namespace emu {

machine m;
view *here;

uint64_t random_bits() { // xorshift64*
	m.random ^= m.random >> 12;
	m.random ^= m.random << 25;
	m.random ^= m.random >> 27;
	return m.random * 0x2545f4914f6cdd1du >> 8;
}

static void run_lane(lane *next, void **save) {
	m.self = next;
	here = next;
	next->of->todo &= ~next->bit;
	next->of->of->begun = true;
	fiber_switch(save, next->sp);
}

// The next lane of the warp's turn, in an order that the seed permutes.
static lane *next_of_turn(warp &w) {
	unsigned left = w.todo & w.ready;

	for (int i = 0; left && i < WARP; i++) {
		int at = i ^ (int)w.order;

		if (left >> at & 1)
			return w.lanes[at];
	}
	return nullptr;
}

static void leave(void) {
	lane *from = m.self, *next = next_of_turn(*from->of);

	if (next == from) {
		from->of->todo &= ~from->bit;
		return;
	}
	if (next) {
		run_lane(next, &from->sp);
	} else {
		m.self = nullptr;
		fiber_switch(&from->sp, m.scheduler_sp);
	}
}

static void set_ready(lane *l) {
	l->state = LANE_READY;
	l->wait = waiting();
	l->of->ready |= l->bit;
}

static void set_waiting(lane *l) {
	l->state = LANE_WAITING;
	l->of->ready &= ~l->bit;
}

void yield() { leave(); }

void spin() {
	m.spins++;
	leave();
}

void wait_for(const void *key, const char *what, uint64_t a) {
	lane *l = m.self;

	l->wait.what = what;
	l->wait.key = key;
	l->wait.a = a;
	set_waiting(l);
	leave();
}

void wake(const void *key) {
	for (cta &c : m.now->ctas)
		for (warp &w : c.warps)
			for (unsigned left = w.live & ~w.ready; left; left &= left - 1) {
				lane *l = w.lanes[__builtin_ctz(left)];

				if (l->state == LANE_WAITING && l->wait.key == key)
					set_ready(l);
			}
}

// ---- warps that come together ------------------------------------------------------------------------------------------

static void take_place(warp &w, size_t at) {
	meeting now = std::move(w.meetings[at]);

	w.meetings.erase(w.meetings.begin() + (ptrdiff_t)at);
	now.act(w, now.mask);
	for (unsigned left = now.mask; left; left &= left - 1) {
		lane *l = w.lanes[__builtin_ctz(left)];

		if (l->state == LANE_WAITING && !l->wait.key)
			set_ready(l);
	}
}

void meet(const void *key, int sub, unsigned mask, const char *what, const std::function<void(warp &, unsigned)> &act) {
	lane *l = m.self;
	warp &w = *l->of;
	bool all = mask == 0;
	size_t at = 0;

	if (all)
		mask = w.live;
	if (!(mask & l->bit))
		fail("%s: a thread that is not in its own mask %08x", what, mask);
	if (mask & ~w.live)
		fail("%s with mask %08x: lanes %08x of the warp have ended", what, mask, mask & ~w.live);
	while (at < w.meetings.size() &&
	       (w.meetings[at].key != key || w.meetings[at].sub != sub || w.meetings[at].mask != mask))
		at++;
	if (at == w.meetings.size())
		w.meetings.push_back({ key, sub, all, mask, 0, act });
	w.meetings[at].arrived |= l->bit;
	if (w.meetings[at].arrived != mask) {
		l->wait.what = what;
		l->wait.a = mask;
		set_waiting(l);
		leave();
		return;
	}
	take_place(w, at);
	// The others' turn comes anyway; let other warps have theirs here too.
	if ((random_bits() & 3) == 0)
		leave();
}

// A thread that has ended is not waited for where all are meant, and missed where a mask names it.
static void leave_meetings(lane *l) {
	warp &w = *l->of;

	for (size_t i = 0; i < w.meetings.size(); i++) {
		meeting &known = w.meetings[i];

		if (!(known.mask & l->bit))
			continue;
		if (!known.all)
			fail("a thread ends, for which lanes %08x of its warp wait", known.arrived);
		known.mask &= ~l->bit;
		if (known.arrived == known.mask)
			take_place(w, i--);
	}
}

// ---- threads -----------------------------------------------------------------------------------------------------------

static void fiber_main() {
	lane *l = m.self;
	warp &w = *l->of;

	m.k->call(m.k, m.params);
	l->state = LANE_DONE;
	w.live &= ~l->bit;
	w.ready &= ~l->bit;
	w.of->live--;
	leave_meetings(l);
	if (!l->storing.empty() || !l->stores.empty())
		fail("a thread ends, and has not waited until its bulk copies have read shared memory");
	barriers_thread_ended(*l);
	leave();
	abort();
}

// What the compiler may give each thread, in units of 8.
static int registers_at_launch(const struct emu_launch &l) {
	int threads = m.k->threads ? m.k->threads : (int)(l.block[0] * l.block[1] * l.block[2]), ctas = m.k->ctas ? m.k->ctas : 1;
	int most = 65536 / (threads * ctas) / 8 * 8;

	return most < 255 ? most : 255;
}

static void prepare_lanes(cta &c, const struct emu_launch &launch, size_t first) {
	const unsigned *b = launch.block;
	unsigned threads = b[0] * b[1] * b[2];

	c.live = threads;
	c.warps.resize((threads + WARP - 1) / WARP);
	for (unsigned i = 0; i < threads; i++) {
		lane &l = m.lanes[first + i];
		warp &w = c.warps[i / WARP];
		char *stack = l.stack;

		l = lane();
		l.stack = stack;
		l.sp = fiber_start(stack, fiber_main);
		l.thread = { i % b[0], i / b[0] % b[1], i / (b[0] * b[1]) };
		l.block = c.index;
		l.threads = { b[0], b[1], b[2] };
		l.blocks = { launch.grid[0], launch.grid[1], launch.grid[2] };
		l.shared = c.shared;
		l.of = &w;
		l.id = (int)(i % WARP);
		l.bit = 1u << l.id;
		l.flat = i;
		l.state = LANE_READY;
		w.of = &c;
		w.id = (int)(i / WARP);
		w.lanes[l.id] = &l;
		w.registers = registers_at_launch(launch);
		w.live |= l.bit;
		w.ready |= l.bit;
	}
}

static void reserve_stacks(size_t n) {
	size_t had = m.lanes.size();

	if (had >= n)
		return;
	m.lanes.resize(n);
	for (size_t i = had; i < n; i++)
		m.lanes[i].stack = fiber_stack();
}

// ---- the scheduler -----------------------------------------------------------------------------------------------------

static bool engine_step() {
	std::deque<std::function<void()>> &e = m.now->engine;

	if (e.empty())
		return false;
	size_t at = m.seed ? random_bits() % e.size() : 0;
	std::function<void()> act = e[at];

	e.erase(e.begin() + (ptrdiff_t)at);
	act();
	return true;
}

static bool may_run(const warp &w) { return w.ready && !w.of->held; }

// Of a cluster all CTAs are resident together, but none has begun for certain before it says so: with odd seeds one begins,
// and the others when nobody else can go on.
static void hold_back() {
	if (m.seed % 2 == 0)
		return;
	for (cta &c : m.now->ctas)
		c.held = true;
	m.now->ctas[random_bits() % m.now->ctas.size()].held = false;
}

static bool release_one() {
	for (cta &c : m.now->ctas)
		if (c.held) {
			c.held = false;
			return true;
		}
	return false;
}

// Seed 0 takes warps in turn; others give each warp a weight for a while, so that some rush ahead and some fall behind.
static warp *pick(std::vector<warp *> &all, size_t &turn) {
	unsigned total = 0, at;

	if (m.seed == 0) {
		for (size_t i = 0; i < all.size(); i++) {
			warp *w = all[(turn + i) % all.size()];

			if (may_run(*w)) {
				turn = (turn + i + 1) % all.size();
				return w;
			}
		}
		return nullptr;
	}
	if (m.steps % 256 == 1)
		for (warp *w : all)
			w->weight = 1 << 2 * (random_bits() & 3);
	for (warp *w : all)
		total += may_run(*w) ? (unsigned)w->weight : 0;
	if (total == 0)
		return nullptr;
	at = (unsigned)(random_bits() % total);
	for (warp *w : all) {
		unsigned weight = may_run(*w) ? (unsigned)w->weight : 0;

		if (at < weight)
			return w;
		at -= weight;
	}
	return nullptr;
}

void report_deadlock();

static void run_cluster() {
	std::vector<warp *> all;
	size_t turn = 0;
	unsigned live = 1;

	for (cta &c : m.now->ctas)
		for (warp &w : c.warps)
			all.push_back(&w);
	hold_back();
	while (live) {
		m.steps++;
		if ((m.eager && (random_bits() & 255) < m.eager) || (m.spins && m.steps % 64 == 0))
			engine_step();
		warp *w = pick(all, turn);

		if (w) {
			w->todo = w->ready;
			w->order = m.seed ? (unsigned)(random_bits() & 31) : 0;
			if (lane *first = next_of_turn(*w))
				run_lane(first, &m.scheduler_sp);
		} else if (!engine_step() && !release_one()) {
			live = 0;
			for (cta &c : m.now->ctas)
				live += c.live;
			if (live)
				report_deadlock();
		}
	}
	while (engine_step())
		;
}

static void run_cluster_at(const struct emu_launch &launch, dim base) {
	const unsigned *n = launch.cluster;
	unsigned threads = launch.block[0] * launch.block[1] * launch.block[2], rank = 0;
	cluster now;

	m.now = &now;
	now.ctas.resize((size_t)n[0] * n[1] * n[2]);
	for (cta &c : now.ctas) {
		c.of = &now;
		c.rank = rank;
		c.index = { base.x + rank % n[0], base.y + rank / n[0] % n[1], base.z + rank / (n[0] * n[1]) };
		memory_open(c, launch.smem);
		prepare_lanes(c, launch, (size_t)rank++ * threads);
	}
	run_cluster();
	m.self = nullptr;
	for (cta &c : now.ctas) {
		memory_check(c);
		memory_close(c);
	}
	m.now = nullptr;
}

static void run_all(const struct emu_launch &l) {
	const unsigned across[3] = { l.grid[0] / l.cluster[0], l.grid[1] / l.cluster[1], l.grid[2] / l.cluster[2] };
	size_t count = (size_t)across[0] * across[1] * across[2];
	std::vector<size_t> order(count);

	for (size_t i = 0; i < count; i++)
		order[i] = i;
	for (size_t i = count; m.seed && i > 1; i--)
		std::swap(order[i - 1], order[random_bits() % i]);
	reserve_stacks((size_t)l.cluster[0] * l.cluster[1] * l.cluster[2] * l.block[0] * l.block[1] * l.block[2]);
	for (size_t i : order)
		run_cluster_at(l, { (unsigned)(i % across[0]) * l.cluster[0], (unsigned)(i / across[0] % across[1]) * l.cluster[1],
				    (unsigned)(i / across[0] / across[1]) * l.cluster[2] });
}

void run(const kernel &k, const struct emu_launch &l, uint64_t seed) {
	m.k = &k;
	m.params = l.args;
	m.seed = seed;
	m.random = seed * 0x9e3779b97f4a7c15u + 0x1234567;
	m.eager = seed % 3 == 2 ? 64 : 0;
	m.steps = m.spins = 0;
	run_all(l);
	m.k = nullptr;
}

} // namespace emu
