// ops_wgmma: products of a warp group. A warp's part (16 of 64 rows) is computed when its wait_group demands it, from what
// shared memory and the registers of A hold then; until then the sums hold a NaN that nobody may touch.
#include "ptx.h"

namespace emu {

enum : uint32_t { IN_FLIGHT = 0x7fe5a5a5 }; // a NaN that arithmetic does not make

// Sums of one array of registers, while products into it are under way.
struct sums {
	int columns;
	int users;                       // products under way
	std::vector<std::vector<float *>> at; // of each lane
	std::vector<float> value;        // 16 rows
};

struct product {
	const instruction *what;
	std::shared_ptr<sums> to;
	uint64_t a, b;
	bool bf16, a_in_registers, accumulate, transposed;
	float sign;
	uint32_t registers[WARP][4];
	const void *register_at[WARP][4];
	const char *file;
	int line;
};

struct wgmma_state {
	std::vector<product> open;
	std::deque<std::vector<product>> groups;
	size_t issued = 0, committed = 0;
	std::deque<size_t> last_of_group; // how many products a group's end has seen
	std::map<const void *, std::shared_ptr<sums>> in_flight;
	bool fenced = false;
	std::vector<std::pair<const instruction *, std::pair<uint64_t, uint64_t>>> log;
};

static wgmma_state &state_of(warp &w) {
	if (!w.wgmma)
		w.wgmma = std::make_shared<wgmma_state>();
	return *w.wgmma;
}

// Row and column of element i of a lane's sums, in the warp's 16 rows.
static int row_of(int id, int i) { return id / 4 + 8 * (i / 2 % 2); }
static int column_of(int id, int i) { return 8 * (i / 4) + 2 * (id % 4) + i % 2; }

static void fence(warp &w, unsigned, const instruction &) { state_of(w).fenced = true; }

static bool touched(const sums &s) {
	for (auto &lane_at : s.at)
		for (const float *p : lane_at) {
			uint32_t bits;

			memcpy(&bits, p, 4);
			if (bits != IN_FLIGHT)
				return true;
		}
	return false;
}

// The sums that an instruction names, taken over from the registers unless they are under way already.
static std::shared_ptr<sums> take_sums(warp &w, const instruction &i) {
	wgmma_state &s = state_of(w);
	const reference &d = i.args[0];
	const void *key = operand_of(*w.lanes[0], d.parts[0]).at;
	std::shared_ptr<sums> &known = s.in_flight[key];
	const uint32_t poison = IN_FLIGHT;

	if (known) {
		if (known->columns != (int)d.parts.size() * 2)
			fail("%s: sums that a product of another shape is still adding to", i.name.c_str());
		if (touched(*known))
			fail("%s: sums were touched while products into them are under way", i.name.c_str());
		return known;
	}
	if (!s.fenced)
		fail("%s: no wgmma.fence since the registers were free to be written", i.name.c_str());
	known = std::make_shared<sums>();
	known->columns = (int)d.parts.size() * 2;
	known->value.resize((size_t)(16 * known->columns));
	known->at.resize(WARP);
	for (int n = 0; n < WARP; n++)
		for (size_t k = 0; k < d.parts.size(); k++) {
			float *p = (float *)operand_of(*w.lanes[n], d.parts[k]).at;

			memcpy(&known->value[(size_t)(row_of(n, (int)k) * known->columns + column_of(n, (int)k))], p, 4);
			memcpy(p, &poison, 4);
			known->at[(size_t)n].push_back(p);
		}
	return known;
}

static uint64_t uniform(const warp &w, const instruction &i, const reference &r) {
	uint64_t x = read(*w.lanes[0], r);

	for (const lane *l : w.lanes)
		if (read(*l, r) != x)
			fail("%s: an operand that differs among the threads of a warp", i.name.c_str());
	return x;
}

// The warps of a group must name the same operands, in the same order.
static void compare_with_group(warp &w, const product &p) {
	wgmma_state &s = state_of(w);
	cta &c = *w.of;
	int first = w.id / 4 * 4;

	if (first + 4 > (int)c.warps.size())
		fail("%s: not a whole warp group", p.what->name.c_str());
	s.log.push_back({ p.what, { p.a, p.b } });
	for (int k = first; k < first + 4; k++) {
		const wgmma_state &other = state_of(c.warps[(size_t)k]);

		if (other.log.size() >= s.log.size() && other.log[s.log.size() - 1] != s.log.back())
			fail("%s: warps %d and %d of a warp group name other operands", p.what->name.c_str(), k, w.id);
	}
}

// D, A or {A}, B, add, sign of A, sign of B [, transposed A], transposed B
static void issue(warp &w, unsigned lanes, const instruction &i) {
	wgmma_state &s = state_of(w);
	product p = {};

	if (lanes != ~0u)
		fail("%s by lanes %08x only", i.name.c_str(), lanes);
	p.what = &i;
	p.bf16 = i.has("bf16");
	p.a_in_registers = i.args[1].what == reference::LIST;
	p.b = uniform(w, i, i.args[2]);
	p.accumulate = uniform(w, i, i.args[3]) != 0;
	p.sign = (float)(int64_t)uniform(w, i, i.args[4]) * (float)(int64_t)uniform(w, i, i.args[5]);
	p.file = w.lanes[0]->file;
	p.line = w.lanes[0]->line;
	p.transposed = uniform(w, i, i.args.back()) != 0;
	if (!p.a_in_registers && uniform(w, i, i.args[6]))
		fail("the emulator knows no transposed A of wgmma");
	if (p.a_in_registers)
		for (int n = 0; n < WARP; n++)
			for (size_t k = 0; k < 4; k++) {
				const operand &o = operand_of(*w.lanes[n], i.args[1].parts[k]);

				p.registers[n][k] = (uint32_t)o.bits;
				p.register_at[n][k] = o.lives ? o.at : nullptr;
			}
	else
		p.a = uniform(w, i, i.args[1]);
	p.to = take_sums(w, i);
	p.to->users++;
	compare_with_group(w, p);
	s.issued++;
	s.open.push_back(p);
}

static void commit(warp &w, unsigned, const instruction &) {
	wgmma_state &s = state_of(w);

	s.groups.push_back(std::move(s.open));
	s.open.clear();
	s.last_of_group.push_back(s.issued);
	s.committed = s.issued;
	for (int k = w.id / 4 * 4; k < w.id / 4 * 4 + 4 && k < (int)w.of->warps.size(); k++)
		wake(&w.of->warps[(size_t)k].wgmma);
}

// ---- operands in shared memory -----------------------------------------------------------------------------------------

struct matrix {
	uint32_t at, lead, stride;
	int swizzle; // 0, 32, 64, 128 bytes
};

static matrix matrix_of(uint64_t bits) {
	static const int swizzles[] = { 0, 128, 64, 32 };
	matrix x = { (uint32_t)(bits & 0x3fff) << 4, (uint32_t)(bits >> 16 & 0x3fff) << 4, (uint32_t)(bits >> 32 & 0x3fff) << 4,
		     swizzles[bits >> 62] };

	if (bits >> 49 & 7)
		fail("the emulator knows wgmma descriptors with base offset 0 only");
	return x;
}

// Eight elements that lie together. K-major: row `major`, k from 8*chunk on. MN-major: k = `major`, rows from 8*chunk on.
static const uint16_t *chunk_at(const matrix &x, bool transposed, uint32_t major, uint32_t chunk, const char *what) {
	uint32_t row = x.swizzle ? (uint32_t)x.swizzle : 16, per_row = row / 16, bits = per_row - 1, at = x.at + major % 8 * row;

	if (transposed && !x.swizzle)
		fail("the emulator knows no MN-major wgmma operand without a swizzle");
	at += major / 8 * x.stride + chunk % per_row * 16 + (transposed || !x.swizzle ? chunk / per_row * x.lead : chunk / per_row * row);
	if (x.swizzle)
		at ^= (at >> 7 & bits) << 4;
	return (const uint16_t *)shared_at(at, 16, 16, what);
}

static float element(bool bf16, uint32_t bits) {
	return bf16 ? bf16_to_f32((uint16_t)bits) : f16_to_f32((uint16_t)bits);
}

static void read_a(const warp &w, const product &p, float (&a)[16][16]) {
	if (!p.a_in_registers) {
		for (uint32_t r = 0; r < 16; r++)
			for (uint32_t c = 0; c < 2; c++) {
				const uint16_t *x = chunk_at(matrix_of(p.a), false, (uint32_t)(w.id % 4) * 16 + r, c, "wgmma, A");

				for (int e = 0; e < 8; e++)
					a[r][8 * c + (uint32_t)e] = element(p.bf16, x[e]);
			}
		return;
	}
	for (int n = 0; n < WARP; n++)
		for (int k = 0; k < 4; k++) {
			int row = n / 4 + 8 * (k % 2), column = 2 * (n % 4) + 8 * (k / 2);

			if (p.register_at[n][k] && memcmp(p.register_at[n][k], &p.registers[n][k], 4) != 0)
				fail("registers of A of the wgmma at line %d were written to while it was under way", p.line);
			a[row][column] = element(p.bf16, p.registers[n][k]);
			a[row][column + 1] = element(p.bf16, p.registers[n][k] >> 16);
		}
}

// b[k][n]
static void read_b(const product &p, int columns, std::vector<float> &b) {
	const matrix x = matrix_of(p.b);

	b.resize((size_t)(16 * columns));
	for (uint32_t major = 0; major < (p.transposed ? 16 : (uint32_t)columns); major++)
		for (uint32_t c = 0; c < (p.transposed ? (uint32_t)columns / 8 : 2); c++) {
			const uint16_t *from = chunk_at(x, p.transposed, major, c, "wgmma, B");

			for (uint32_t e = 0; e < 8; e++) {
				uint32_t k = p.transposed ? major : 8 * c + e, n = p.transposed ? 8 * c + e : major;

				b[k * (uint32_t)columns + n] = element(p.bf16, from[e]);
			}
		}
}

static void finish(warp &w, product &p) {
	sums &to = *p.to;
	float a[16][16];
	std::vector<float> b;

	read_a(w, p, a);
	read_b(p, to.columns, b);
	if (!p.accumulate)
		std::fill(to.value.begin(), to.value.end(), 0.0f);
	for (int y = 0; y < 16; y++)
		for (int k = 0; k < 16; k++) {
			float *c = &to.value[(size_t)(y * to.columns)];
			const float *row = &b[(size_t)(k * to.columns)], x = a[y][k] * p.sign;

			for (int n = 0; n < to.columns; n++)
				c[n] += x * row[n];
		}
	if (--to.users)
		return;
	if (touched(to))
		fail("sums of the wgmma at line %d were touched before they were waited for", p.line);
	for (int n = 0; n < WARP; n++)
		for (size_t k = 0; k < to.at[(size_t)n].size(); k++)
			*to.at[(size_t)n][k] = to.value[(size_t)(row_of(n, (int)k) * to.columns + column_of(n, (int)k))];
	state_of(w).in_flight.erase(to.at[0][0]);
}

// Until all warps of the group have issued what must be finished, nothing is.
static bool others_have(warp &w, size_t products) {
	for (int k = w.id / 4 * 4; k < w.id / 4 * 4 + 4; k++)
		if (state_of(w.of->warps[(size_t)k]).committed < products)
			return false;
	return true;
}

static void wait_group(lane &l, const instruction &i) {
	size_t pending = (size_t)read(l, i.args[0]);
	warp &w = *l.of;

	for (;;) {
		wgmma_state &s = state_of(w);

		if (s.groups.size() <= pending || others_have(w, s.last_of_group[s.groups.size() - 1 - pending]))
			break;
		wait_for(&w.wgmma, "the other warps' part of a wgmma, groups left:", pending);
	}
	meet(&i, (int)pending, 0, "wgmma.wait_group", [pending](warp &own, unsigned) {
		wgmma_state &s = state_of(own);

		for (; s.groups.size() > pending; s.groups.pop_front(), s.last_of_group.pop_front())
			for (product &p : s.groups.front())
				finish(own, p);
		s.fenced = false;
	});
}

const std::vector<opcode> opcodes_wgmma = {
	{ "wgmma.fence.sync.aligned", nullptr, fence },
	{ "wgmma.commit_group.sync.aligned", nullptr, commit },
	{ "wgmma.wait_group.sync.aligned", wait_group, nullptr },
	{ "wgmma.mma_async.sync.aligned", nullptr, issue },
};

} // namespace emu
