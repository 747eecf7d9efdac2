// ops_tma: mbarriers and the copy engine. A copy that is under way has NaN at its destination; it is done when nobody can go on
// without it, or at a random moment if the schedule says so; one from shared memory reads it when it is waited for.
#include <algorithm>

#include "emulate.h"
#include "ptx.h"

namespace emu {

// ---- mbarriers ---------------------------------------------------------------------------------------------------------

// What stands in shared memory in an mbarrier's place; anything else means that it was written over.
static uint64_t mark_of(uint32_t offset) {
	return 0x6d62617272696572u ^ (uint64_t)offset << 7;
}

static mbarrier &mbarrier_at(uint32_t address, const char *what) {
	uint32_t offset;
	cta &c = shared_owner(address, &offset);
	char *at = shared_at(address, 8, 8, what);
	uint64_t mark = mark_of(offset);

	if (!c.mbarriers.count(offset))
		fail("%s: there is no mbarrier at %u of shared memory", what, offset - SHARED_BASE);
	if (memcmp(at, &mark, 8) != 0)
		fail("%s: the mbarrier at %u of shared memory was written over", what, offset - SHARED_BASE);
	return c.mbarriers[offset];
}

static void mbarrier_init(lane &l, const instruction &i) {
	uint32_t address = (uint32_t)read_address(l, i.args[0]), offset;
	unsigned count = (unsigned)read(l, i.args[1]);
	cta &c = shared_owner(address, &offset);
	uint64_t mark = mark_of(offset);

	if (count < 1 || count > (1u << 20) - 1)
		fail("mbarrier.init: %u arrivals", count);
	memcpy(shared_at(address, 8, 8, "mbarrier.init"), &mark, 8);
	c.mbarriers[offset] = { count, count, 0, 0 };
}

static void mbarrier_inval(lane &l, const instruction &i) {
	uint32_t address = (uint32_t)read_address(l, i.args[0]), offset;
	cta &c = shared_owner(address, &offset);

	mbarrier_at(address, "mbarrier.inval");
	c.mbarriers.erase(offset);
}

static void settle(mbarrier &b) {
	if (b.pending || b.bytes)
		return;
	b.phase++;
	b.pending = b.expected;
	wake(&b);
}

static void arrive(mbarrier &b, unsigned count) {
	if (count > b.pending)
		fail("mbarrier.arrive: %u arrivals where %u of %u are awaited and %lld bytes", count, b.pending, b.expected,
		     (long long)b.bytes);
	b.pending -= count;
	settle(b);
}

static void mbarrier_arrive(lane &l, const instruction &i) {
	arrive(mbarrier_at((uint32_t)read_address(l, i.args[1]), "mbarrier.arrive"),
	       i.args.size() > 2 ? (unsigned)read(l, i.args[2]) : 1);
}

static void mbarrier_arrive_expect(lane &l, const instruction &i) {
	mbarrier &b = mbarrier_at((uint32_t)read_address(l, i.args[1]), "mbarrier.arrive.expect_tx");

	b.bytes += (int64_t)read(l, i.args[2]);
	arrive(b, 1);
}

static void mbarrier_expect(lane &l, const instruction &i) {
	mbarrier_at((uint32_t)read_address(l, i.args[0]), "mbarrier.expect_tx").bytes += (int64_t)read(l, i.args[1]);
}

static void came(cta &c, uint32_t offset, size_t bytes) {
	auto found = c.mbarriers.find(offset);

	if (found == c.mbarriers.end())
		fail_anywhere("a copy of %zu bytes counts at an mbarrier that is no more", bytes);
	mbarrier &b = found->second;
	b.bytes -= (int64_t)bytes;
	if (b.bytes < 0 && b.pending == 0)
		fail_anywhere("an mbarrier (at %u of shared memory) got %lld bytes more than expected", offset - SHARED_BASE,
			      (long long)-b.bytes);
	settle(b);
}

// p, [mbarrier], parity. try_wait suspends the thread; that it may come back early and without success is not emulated.
static void try_wait(lane &l, const instruction &i) {
	uint32_t address = (uint32_t)read_address(l, i.args[1]), offset;
	unsigned parity = (unsigned)read(l, i.args[2]) & 1;

	if (!i.has("parity"))
		fail("the emulator knows %s with .parity only", i.name.c_str());
	for (;;) {
		mbarrier &b = mbarrier_at(address, "mbarrier.try_wait");

		if ((b.phase & 1) != parity)
			break;
		if (i.has("test_wait")) {
			write(l, i.args[0], 0);
			spin();
			return;
		}
		shared_owner(address, &offset);
		wait_for(&b, parity ? "parity 1 of the mbarrier at" : "parity 0 of the mbarrier at", offset - SHARED_BASE);
	}
	write(l, i.args[0], 1);
}

// ---- tensor maps -------------------------------------------------------------------------------------------------------

struct box {
	const emu_tensormap *map;
	int at[5];

	size_t row_bytes() const { return map->box[0] * (size_t)map->element_bytes; }
	size_t rows() const {
		size_t n = 1;

		for (int d = 1; d < map->rank; d++)
			n *= map->box[d];
		return n;
	}
	size_t bytes() const { return row_bytes() * rows(); }
};

static uint32_t swizzled(const box &b, uint32_t at) {
	uint32_t bits = b.map->swizzle_bytes == 128 ? 7 : b.map->swizzle_bytes == 64 ? 3 : b.map->swizzle_bytes == 32 ? 1 : 0;

	return at ^ (at >> 7 & bits) << 4;
}

static box box_of(const lane &l, const instruction &i, const reference &address) {
	uint64_t at = read(l, address.parts[0]);
	const reference &coordinates = address.parts.at(1);
	box b = {};

	memcpy(&b.map, (const void *)at, sizeof(b.map));
	if (b.map->rank != (int)coordinates.parts.size())
		fail("%s: a tensor map of %d dimensions, %zu coordinates", i.name.c_str(), b.map->rank, coordinates.parts.size());
	for (int d = 0; d < b.map->rank; d++)
		b.at[d] = (int)(uint32_t)read(l, coordinates.parts[(size_t)d]);
	return b;
}

// The elements of a box in the order in which they lie in shared memory: `act` gets the offset there, the place in the
// tensor, or NULL outside of it, and the bytes.
static void walk(const box &b, const std::function<void(uint32_t, char *, size_t)> &act) {
	const emu_tensormap &t = *b.map;
	size_t row = b.row_bytes(), each = (size_t)t.element_bytes;

	for (size_t r = 0; r < b.rows(); r++) {
		char *from = t.at;
		bool inside = true;
		size_t rest = r;

		for (int d = 1; d < t.rank; d++) {
			int64_t at = b.at[d] + (int64_t)(rest % t.box[d]);

			rest /= t.box[d];
			inside = inside && at >= 0 && at < (int64_t)t.dims[d];
			from += at * (int64_t)t.strides[d];
		}
		for (size_t k = 0; k < row; k += 16) { // a swizzle moves 16 bytes at a time
			int64_t first = b.at[0] + (int64_t)(k / each);
			int64_t left = inside && first >= 0 ? (int64_t)t.dims[0] - first : 0;
			size_t fit = (size_t)std::clamp<int64_t>(left * (int64_t)each, 0, 16);

			act((uint32_t)(r * row + k), fit ? from + first * (int64_t)each : nullptr, fit);
		}
	}
}

static void load_box(const box &b, cta &c, uint32_t to) {
	walk(b, [&](uint32_t at, char *from, size_t fit) {
		char *p = c.shared + (swizzled(b, to + at) - SHARED_BASE);

		memset(p, b.map->oob_nan ? 0xff : 0, 16);
		if (fit)
			memcpy(p, global_at((uint64_t)from, fit, 1, "a copy by tensor map"), fit);
	});
}

static void store_box(const box &b, cta &c, uint32_t at) {
	walk(b, [&](uint32_t offset, char *to, size_t fit) {
		if (fit)
			memcpy(global_at((uint64_t)to, fit, 1, "a copy by tensor map"),
			       c.shared + (swizzled(b, at + offset) - SHARED_BASE), fit);
	});
}

// ---- copies ------------------------------------------------------------------------------------------------------------

// The CTAs that a load goes to: the address's own, or those of a multicast's mask.
static std::vector<cta *> targets(const lane &l, const instruction &i, uint32_t to, const reference *mask) {
	std::vector<cta *> all;
	uint32_t offset;

	if (!i.has("multicast::cluster"))
		return { &shared_owner(to, &offset) };
	for (size_t r = 0; r < m.now->ctas.size(); r++)
		if (read(l, *mask) >> r & 1)
			all.push_back(&m.now->ctas[r]);
	return all;
}

static void under_way(cta &c, uint32_t offset, size_t bytes, uint32_t barrier, const std::function<void()> &copy) {
	cta *owner = &c;

	memset(c.shared + (offset - SHARED_BASE), 0xff, bytes);
	m.now->engine.push_back([=] {
		if (owner->live == 0)
			fail_anywhere("a copy of %zu bytes is still under way when its CTA has ended", bytes);
		copy();
		came(*owner, barrier, bytes);
	});
}

// [to], [map, {coordinates}], [mbarrier] {, mask} {, policy}
static void load_tensor(lane &l, const instruction &i) {
	uint32_t to = (uint32_t)read_address(l, i.args[0]), barrier = (uint32_t)read_address(l, i.args[2]), offset, at;
	box b = box_of(l, i, i.args[1]);

	shared_at(to, b.bytes(), 128, "cp.async.bulk.tensor");
	mbarrier_at(barrier, "cp.async.bulk.tensor");
	shared_owner(to, &offset);
	shared_owner(barrier, &at);
	for (cta *c : targets(l, i, to, i.args.size() > 3 ? &i.args[3] : nullptr))
		under_way(*c, offset, b.bytes(), at, [=] { load_box(b, *c, offset); });
}

static void store_tensor(lane &l, const instruction &i) {
	uint32_t from = (uint32_t)read_address(l, i.args[1]), offset;
	box b = box_of(l, i, i.args[0]);
	cta *c = &shared_owner(from, &offset);

	shared_at(from, b.bytes(), 128, "cp.async.bulk.tensor");
	l.storing.push_back([=] { store_box(b, *c, offset); });
}

static void need_bulk_size(const instruction &i, size_t bytes) {
	if (bytes == 0 || bytes % 16)
		fail("%s: %zu bytes", i.name.c_str(), bytes);
}

// [to], [from], bytes, [mbarrier] {, mask}
static void load_bulk(lane &l, const instruction &i) {
	uint32_t to = (uint32_t)read_address(l, i.args[0]), barrier = (uint32_t)read_address(l, i.args[3]), offset, at;
	uint64_t from = read_address(l, i.args[1]);
	size_t bytes = (size_t)(uint32_t)read(l, i.args[2]);
	bool global = i.has("global");

	need_bulk_size(i, bytes);
	shared_at(to, bytes, 16, "cp.async.bulk");
	mbarrier_at(barrier, "cp.async.bulk");
	const char *source = global ? global_at(from, bytes, 16, "cp.async.bulk") :
				      shared_at((uint32_t)from, bytes, 16, "cp.async.bulk");
	shared_owner(to, &offset);
	shared_owner(barrier, &at);
	for (cta *c : targets(l, i, to, i.args.size() > 4 ? &i.args[4] : nullptr))
		under_way(*c, offset, bytes, at, [=] { memcpy(c->shared + (offset - SHARED_BASE), source, bytes); });
}

static void store_bulk(lane &l, const instruction &i) {
	size_t bytes = (size_t)(uint32_t)read(l, i.args[2]);
	char *to = global_at(read_address(l, i.args[0]), bytes, 16, "cp.async.bulk");
	const char *from = shared_at((uint32_t)read_address(l, i.args[1]), bytes, 16, "cp.async.bulk");

	need_bulk_size(i, bytes);
	l.storing.push_back([=] { memcpy(to, from, bytes); });
}

// [to], value(s), [mbarrier]: a store into another CTA's shared memory that is counted there.
static void store_async(lane &l, const instruction &i) {
	uint32_t to = (uint32_t)read_address(l, i.args[0]), barrier = (uint32_t)read_address(l, i.args[2]), offset, at;
	const reference &from = i.args[1];
	size_t n = from.what == reference::LIST ? from.parts.size() : 1, each = i.words.back().find("64") != std::string::npos ? 8 : 4;
	std::vector<char> value(n * each);

	shared_at(to, n * each, n * each, "st.async");
	mbarrier_at(barrier, "st.async");
	cta *c = &shared_owner(to, &offset);
	shared_owner(barrier, &at);
	for (size_t k = 0; k < n; k++) {
		uint64_t bits = read(l, from.what == reference::LIST ? from.parts[k] : from);

		memcpy(&value[k * each], &bits, each);
	}
	under_way(*c, offset, n * each, at, [=] { memcpy(c->shared + (offset - SHARED_BASE), value.data(), value.size()); });
}

static void commit(lane &l, const instruction &) {
	l.stores.push_back(std::move(l.storing));
	l.storing.clear();
}

static void wait_group(lane &l, const instruction &i) {
	size_t pending = (size_t)read(l, i.args[0]);

	for (; l.stores.size() > pending; l.stores.pop_front())
		for (auto &store : l.stores.front())
			store();
}

#define TENSOR(n)                                                                                                              \
	{ "cp.async.bulk.tensor." #n "d.shared::cluster.global", load_tensor, nullptr },                                       \
	{ "cp.async.bulk.tensor." #n "d.shared::cta.global", load_tensor, nullptr },                                           \
	{ "cp.async.bulk.tensor." #n "d.global.shared::cta", store_tensor, nullptr }

const std::vector<opcode> opcodes_tma = {
	{ "mbarrier.init", mbarrier_init, nullptr },
	{ "mbarrier.inval", mbarrier_inval, nullptr },
	{ "mbarrier.arrive", mbarrier_arrive, nullptr },
	{ "mbarrier.arrive.expect_tx", mbarrier_arrive_expect, nullptr },
	{ "mbarrier.expect_tx", mbarrier_expect, nullptr },
	{ "mbarrier.try_wait", try_wait, nullptr },
	{ "mbarrier.test_wait", try_wait, nullptr },
	TENSOR(1), TENSOR(2), TENSOR(3), TENSOR(4), TENSOR(5),
	{ "cp.async.bulk.shared::cluster.global", load_bulk, nullptr },
	{ "cp.async.bulk.shared::cta.global", load_bulk, nullptr },
	{ "cp.async.bulk.shared::cluster.shared::cta", load_bulk, nullptr },
	{ "cp.async.bulk.global.shared::cta", store_bulk, nullptr },
	{ "st.async", store_async, nullptr },
	{ "cp.async.bulk.commit_group", commit, nullptr },
	{ "cp.async.bulk.wait_group", wait_group, nullptr },
};

} // namespace emu
