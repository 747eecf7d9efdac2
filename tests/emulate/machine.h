// machine: the emulated GPU: threads as fibers, warps, CTAs, the clusters they form, and who waits for what. Inside the
// emulator only; kernels see kernel.h, the driver emulate.h.
//
// One fiber runs at a time, until it meets others (a warp-wide operation), waits, or ends. The scheduler then picks a warp by
// the seed. A warp-wide operation takes place when its last lane arrives. Whatever the PTX ISA lets happen late (cp.async,
// copies of the copy engine, wgmma) is kept as a list and happens at the last moment, or, with some seeds, at a random one.
#ifndef EMULATE_MACHINE_H
#define EMULATE_MACHINE_H
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernel.h"

namespace emu {

enum { WARP = 32, BARRIERS = 16, SHARED_BASE = 1024, CLUSTER_SHIFT = 24 };

struct warp;
struct cta;
struct cluster;

// An asm statement that a lane is in.
struct frame {
	site *at;
	const operand *operands;
	int count;
	uint64_t regs[8];
};

// What a lane that is not running waits for; for people.
struct waiting {
	const char *what = nullptr;
	uint64_t a = 0; // a number that tells which
	const void *key = nullptr; // wake() finds it by this
};

struct copy16 {
	char *to;
	const char *from;
	int bytes, zeros;
};

struct wgmma_state; // products under way, ops_wgmma.cc

enum lane_state { LANE_READY, LANE_WAITING, LANE_DONE };

struct lane : view {
	void *sp = nullptr;
	char *stack = nullptr;
	warp *of = nullptr;
	unsigned bit = 0;
	int id = 0;      // in the warp
	unsigned flat = 0; // in the CTA
	lane_state state = LANE_DONE;
	waiting wait;
	const char *file = nullptr; // where it is
	int line = 0;
	frame *in = nullptr;
	uint64_t bits = 0; // what a shuffle or a vote brings and takes away
	int by = 0;
	std::vector<copy16> copying;
	std::deque<std::vector<copy16>> copies;
	std::vector<std::function<void()>> storing; // bulk copies from shared memory
	std::deque<std::vector<std::function<void()>>> stores;
	bool at_cluster_barrier = false;
	unsigned cluster_phase = 0;
};

struct meeting {
	const void *key;
	int sub;
	bool all; // of the lanes that have not ended
	unsigned mask, arrived;
	std::function<void(warp &, unsigned)> act;
};

struct warp {
	cta *of = nullptr;
	int id = 0, weight = 1;
	lane *lanes[WARP] = {};
	unsigned live = 0, ready = 0, todo = 0, order = 0;
	std::vector<meeting> meetings;
	int registers = 0;
	std::shared_ptr<wgmma_state> wgmma;
};

struct named_barrier {
	unsigned expected = 0, arrived = 0;
	std::vector<warp *> waiters;
};

struct mbarrier {
	unsigned expected = 0, pending = 0, phase = 0;
	int64_t bytes = 0;
};

struct cta {
	cluster *of = nullptr;
	unsigned rank = 0;
	dim index = {};
	std::vector<warp> warps;
	unsigned live = 0; // threads
	bool begun = false, held = false; // held: not to begin while others can go on
	char *shared = nullptr, *region = nullptr;
	size_t shared_bytes = 0, region_bytes = 0;
	named_barrier barriers[BARRIERS];
	std::map<uint32_t, mbarrier> mbarriers;
	int registers = 0; // free ones
};

struct cluster {
	std::vector<cta> ctas;
	unsigned arrived = 0, phase = 0; // barrier.cluster
	std::deque<std::function<void()>> engine; // copies under way
};

struct machine {
	lane *self = nullptr;
	void *scheduler_sp = nullptr;
	cluster *now = nullptr;
	const kernel *k = nullptr;
	void *const *params = nullptr;
	uint64_t random = 1, seed = 0;
	unsigned eager = 0; // of 256: how often something late happens early
	size_t steps = 0, spins = 0;
	std::vector<lane> lanes;
};
extern machine m;

// Ends the run with a report: what, and where the running thread is.
[[noreturn]] void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
[[noreturn]] void fail_anywhere(const char *format, ...) __attribute__((format(printf, 1, 2)));
extern void (*report)(const char *text);

uint64_t random_bits();

// The running lane waits until wake() with this key. It must look again whether it may go on.
void wait_for(const void *key, const char *what, uint64_t a = 0);
void wake(const void *key);
// Gives the others a turn.
void yield();
// The same from within a loop that waits for something: then what is late has to happen too.
void spin();
// All lanes of `mask` (0: all that have not ended) come together; the last one runs `act` for all.
void meet(const void *key, int sub, unsigned mask, const char *what, const std::function<void(warp &, unsigned)> &act);
// Where the running lane is from now on.
inline void place(const char *file, int line) { m.self->file = file, m.self->line = line; }

// Memory
char *shared_at(uint32_t address, size_t bytes, size_t align, const char *what);
cta &shared_owner(uint32_t address, uint32_t *offset); // address with the CTA's rank in a cluster taken off
char *global_at(uint64_t address, size_t bytes, size_t align, const char *what);
void memory_open(cta &c, size_t dynamic);
void memory_check(const cta &c);
void memory_close(cta &c);

// Barriers among warps, barrier.cc
void named_barrier_arrive(int id, unsigned threads, bool waits, const char *what);
void barriers_thread_ended(const lane &l);
void cluster_barrier_arrive();
void cluster_barrier_wait();
void registers_set(int count, bool grow);

// Conversions, math.cc
float f16_to_f32(uint16_t x);
uint16_t f32_to_f16(float x);
uint16_t f32_to_bf16(float x);
inline float bf16_to_f32(uint16_t x) {
	uint32_t bits = (uint32_t)x << 16;
	float y;
	memcpy(&y, &bits, sizeof(y));
	return y;
}

} // namespace emu
#endif
