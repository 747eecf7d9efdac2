// ops_sync: barriers of a CTA by asm, fences, and the registers that warps give and take.
#include "ptx.h"

namespace emu {

static unsigned threads_of(lane &l, const instruction &i) {
	return i.args.size() > 1 ? (unsigned)read(l, i.args[1]) : 0;
}

static void bar_sync(lane &l, const instruction &i) {
	named_barrier_arrive((int)read(l, i.args[0]), threads_of(l, i), true, "bar.sync");
}

static void bar_arrive(lane &l, const instruction &i) {
	named_barrier_arrive((int)read(l, i.args[0]), threads_of(l, i), false, "bar.arrive");
}

static void cluster_arrive(lane &, const instruction &) { cluster_barrier_arrive(); }
static void cluster_wait(lane &, const instruction &) { cluster_barrier_wait(); }

// The lanes come together, one of them sets the warp's number, and all go on when it is set.
static void setmaxnreg(lane &l, const instruction &i) {
	int count = (int)read(l, i.args[0]);

	meet(&i, 0, 0, "setmaxnreg", [](warp &, unsigned) {});
	if (l.of->registers != count)
		registers_set(count, i.has("inc"));
	meet(&i, 1, 0, "setmaxnreg", [](warp &, unsigned) {});
}

// Threads run one at a time on one memory, so that every order is already the strongest.
static void fence(lane &, const instruction &) {}

const std::vector<opcode> opcodes_sync = {
	{ "bar.sync", bar_sync, nullptr },
	{ "bar.cta.sync", bar_sync, nullptr },
	{ "barrier.sync", bar_sync, nullptr },
	{ "barrier.cta.sync", bar_sync, nullptr },
	{ "bar.arrive", bar_arrive, nullptr },
	{ "barrier.arrive", bar_arrive, nullptr },
	{ "barrier.cta.arrive", bar_arrive, nullptr },
	{ "barrier.cluster.arrive", cluster_arrive, nullptr },
	{ "barrier.cluster.wait", cluster_wait, nullptr },
	{ "setmaxnreg", setmaxnreg, nullptr },
	{ "fence", fence, nullptr },
	{ "membar", fence, nullptr },
};

} // namespace emu
