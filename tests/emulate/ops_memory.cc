// ops_memory: loads and stores by asm, checked against the memory that there is, in all state spaces that kernels name.
#include "ptx.h"

namespace emu {

static size_t type_bytes(const instruction &i) {
	const std::string &type = i.words.back();
	int bits = atoi(type.c_str() + strcspn(type.c_str(), "0123456789"));

	if (bits < 8 || bits > 128)
		fail("%s: a type of %d bits", i.name.c_str(), bits);
	return (size_t)bits / 8;
}

static bool is_shared(const instruction &i) {
	for (const std::string &w : i.words)
		if (w.compare(0, 6, "shared") == 0)
			return true;
	return false;
}

static char *memory_at(lane &l, const instruction &i, const reference &r, size_t bytes) {
	uint64_t at = read_address(l, r);

	if (is_shared(i))
		return shared_at((uint32_t)at, bytes, bytes, i.name.c_str());
	return global_at(at, bytes, bytes, i.name.c_str());
}

static void load(lane &l, const instruction &i) {
	const reference &to = i.args[0];
	size_t n = to.what == reference::LIST ? to.parts.size() : 1, each = type_bytes(i);
	const char *from = memory_at(l, i, i.args[1], n * each);

	for (size_t k = 0; k < n; k++) {
		uint64_t bits = 0;

		memcpy(&bits, from + k * each, each);
		write(l, n > 1 || to.what == reference::LIST ? to.parts[k] : to, bits);
	}
}

static void store(lane &l, const instruction &i) {
	const reference &from = i.args[1];
	size_t n = from.what == reference::LIST ? from.parts.size() : 1, each = type_bytes(i);
	char *to = memory_at(l, i, i.args[0], n * each);

	for (size_t k = 0; k < n; k++) {
		uint64_t bits = read(l, from.what == reference::LIST ? from.parts[k] : from);

		memcpy(to + k * each, &bits, each);
	}
}

// atom.*.add.*, red.*.add.*: integers and float32.
static void add_at(lane &l, const instruction &i, const reference *old, const reference &at, const reference &by) {
	size_t each = type_bytes(i);
	char *to = memory_at(l, i, at, each);
	uint64_t had = 0, sum;

	if (!i.has("add"))
		fail("the emulator does not know %s", i.name.c_str());
	memcpy(&had, to, each);
	sum = had + read(l, by);
	if (i.words.back() == "f32") {
		float x;

		memcpy(&x, &had, sizeof(x));
		x += read_f32(l, by);
		memcpy(&sum, &x, sizeof(x));
	}
	memcpy(to, &sum, each);
	if (old)
		write(l, *old, had);
}

static void atom(lane &l, const instruction &i) {
	add_at(l, i, &i.args[0], i.args[1], i.args[2]);
	emu::spin();
}
static void red(lane &l, const instruction &i) { add_at(l, i, nullptr, i.args[0], i.args[1]); }

// The address of the same place in the shared memory of another CTA of the cluster.
static void mapa(lane &l, const instruction &i) {
	uint32_t offset, at = (uint32_t)read(l, i.args[1]), rank = (uint32_t)read(l, i.args[2]);

	shared_owner(at, &offset);
	if (!is_shared(i))
		fail("the emulator knows mapa of shared addresses only");
	if (rank >= m.now->ctas.size())
		fail("mapa: there is no CTA %u in a cluster of %zu", rank, m.now->ctas.size());
	write(l, i.args[0], (rank + 1) << CLUSTER_SHIFT | offset);
}

static void load_spinning(lane &l, const instruction &i) {
	load(l, i);
	emu::spin(); // someone else may be waited for in a loop
}

const std::vector<opcode> opcodes_memory = {
	{ "ld", load, nullptr },
	{ "ld.acquire", load_spinning, nullptr },
	{ "ld.volatile", load_spinning, nullptr },
	{ "ld.relaxed", load_spinning, nullptr },
	{ "st", store, nullptr },
	{ "atom", atom, nullptr },
	{ "red", red, nullptr },
	{ "mapa", mapa, nullptr },
};

} // namespace emu
