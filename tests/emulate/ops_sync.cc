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
	{ "fence", fence, nullptr },
	{ "membar", fence, nullptr },
};

} // namespace emu
