// ops_copy: cp.async. A copy happens when it is waited for and not before; until then its destination is NaN, so that both
// who reads too early and who still reads what is being overwritten get a wrong result.
#include "ptx.h"

namespace emu {

static void cp_async(lane &l, const instruction &i) {
	const char *what = "cp.async";
	int bytes = (int)read(l, i.args[2]), given = i.args.size() > 3 ? (int)read(l, i.args[3]) : bytes;
	char *to = shared_at((uint32_t)read_address(l, i.args[0]), (size_t)bytes, (size_t)bytes, what);
	uint64_t from = read_address(l, i.args[1]);

	if (bytes != 16 && (i.has("cg") || (bytes != 4 && bytes != 8)))
		fail("%s: %d bytes", what, bytes);
	if (given < 0 || given > bytes)
		fail("%s: %d bytes of %d", what, given, bytes);
	if (given)
		global_at(from, (size_t)given, (size_t)bytes, what);
	memset(to, 0xff, (size_t)bytes);
	l.copying.push_back({ to, (const char *)from, given, bytes - given });
}

static void commit(lane &l, const instruction &) {
	l.copies.push_back(std::move(l.copying));
	l.copying.clear();
}

static void do_copies(const std::vector<copy16> &group) {
	for (const copy16 &c : group) {
		memcpy(c.to, c.from, (size_t)c.bytes);
		memset(c.to + c.bytes, 0, (size_t)c.zeros);
	}
}

static void wait_group(lane &l, const instruction &i) {
	size_t pending = (size_t)read(l, i.args[0]);

	while (l.copies.size() > pending) {
		do_copies(l.copies.front());
		l.copies.pop_front();
	}
}

static void wait_all(lane &l, const instruction &i) {
	commit(l, i);
	for (; !l.copies.empty(); l.copies.pop_front())
		do_copies(l.copies.front());
}

const std::vector<opcode> opcodes_copy = {
	{ "cp.async.cg.shared", cp_async, nullptr },
	{ "cp.async.ca.shared", cp_async, nullptr },
	{ "cp.async.commit_group", commit, nullptr },
	{ "cp.async.wait_group", wait_group, nullptr },
	{ "cp.async.wait_all", wait_all, nullptr },
};

} // namespace emu
