// ops_basic: arithmetic, conversions and comparisons of single threads.
#include <math.h>

#include "ptx.h"

namespace emu {

static uint32_t bits_of(float x) {
	uint32_t bits;
	memcpy(&bits, &x, sizeof(bits));
	return bits;
}

static float ftz(float x) {
	return fabsf(x) < 0x1p-126f ? copysignf(0.0f, x) : x;
}

static void cvt_f32_f16(lane &l, const instruction &i) { write_f32(l, i.args[0], f16_to_f32((uint16_t)read(l, i.args[1]))); }
static void cvt_f32_bf16(lane &l, const instruction &i) { write_f32(l, i.args[0], bf16_to_f32((uint16_t)read(l, i.args[1]))); }
static void cvt_f16_f32(lane &l, const instruction &i) { write(l, i.args[0], f32_to_f16(read_f32(l, i.args[1]))); }
static void cvt_bf16_f32(lane &l, const instruction &i) { write(l, i.args[0], f32_to_bf16(read_f32(l, i.args[1]))); }

// The first source goes to the upper half.
static void cvt_f16x2_f32(lane &l, const instruction &i) {
	write(l, i.args[0], (uint32_t)f32_to_f16(read_f32(l, i.args[1])) << 16 | f32_to_f16(read_f32(l, i.args[2])));
}
static void cvt_bf16x2_f32(lane &l, const instruction &i) {
	write(l, i.args[0], (uint32_t)f32_to_bf16(read_f32(l, i.args[1])) << 16 | f32_to_bf16(read_f32(l, i.args[2])));
}

static void ex2(lane &l, const instruction &i) { write_f32(l, i.args[0], ftz(exp2f(ftz(read_f32(l, i.args[1]))))); }
static void lg2(lane &l, const instruction &i) { write_f32(l, i.args[0], log2f(ftz(read_f32(l, i.args[1])))); }
static void rcp(lane &l, const instruction &i) { write_f32(l, i.args[0], ftz(1.0f / ftz(read_f32(l, i.args[1])))); }
static void rsqrt(lane &l, const instruction &i) { write_f32(l, i.args[0], 1.0f / sqrtf(read_f32(l, i.args[1]))); }

static void fma_f32(lane &l, const instruction &i) {
	write_f32(l, i.args[0], fmaf(read_f32(l, i.args[1]), read_f32(l, i.args[2]), read_f32(l, i.args[3])));
}
static void add_f32(lane &l, const instruction &i) {
	write_f32(l, i.args[0], read_f32(l, i.args[1]) + read_f32(l, i.args[2]));
}
static void mul_f32(lane &l, const instruction &i) {
	write_f32(l, i.args[0], read_f32(l, i.args[1]) * read_f32(l, i.args[2]));
}
static void max_f32(lane &l, const instruction &i) {
	write_f32(l, i.args[0], fmaxf(read_f32(l, i.args[1]), read_f32(l, i.args[2])));
}
static void mov(lane &l, const instruction &i) { write(l, i.args[0], read(l, i.args[1])); }
static void selp(lane &l, const instruction &i) { write(l, i.args[0], read(l, i.args[3]) ? read(l, i.args[1]) : read(l, i.args[2])); }

static uint64_t to_width(const instruction &i, uint64_t x) {
	return i.has("b64") || i.has("u64") || i.has("s64") ? x : (uint32_t)x;
}
static void add_int(lane &l, const instruction &i) {
	write(l, i.args[0], to_width(i, read(l, i.args[1]) + read(l, i.args[2])));
}
static void and_int(lane &l, const instruction &i) { write(l, i.args[0], read(l, i.args[1]) & read(l, i.args[2])); }
static void or_int(lane &l, const instruction &i) { write(l, i.args[0], read(l, i.args[1]) | read(l, i.args[2])); }
static void xor_int(lane &l, const instruction &i) { write(l, i.args[0], read(l, i.args[1]) ^ read(l, i.args[2])); }
static void shl_int(lane &l, const instruction &i) { write(l, i.args[0], to_width(i, read(l, i.args[1]) << read(l, i.args[2]))); }

static bool compare(const std::string &how, double a, double b) {
	return how == "eq" ? a == b : how == "ne" ? a != b : how == "lt" ? a < b : how == "le" ? a <= b :
	       how == "gt" ? a > b : a >= b;
}

static double as_number(const instruction &i, uint64_t bits) {
	float f;
	uint32_t low = (uint32_t)bits;

	memcpy(&f, &low, sizeof(f));
	return i.has("f32") ? (double)f : i.has("s32") ? (double)(int32_t)low : i.has("u64") || i.has("b64") ? (double)bits :
	       (double)low;
}

// setp.ne.b32 p, a, b;
static void setp(lane &l, const instruction &i) {
	if (i.words.size() < 3)
		fail("%s: which comparison?", i.name.c_str());
	write(l, i.args[0], compare(i.words[1], as_number(i, read(l, i.args[1])), as_number(i, read(l, i.args[2]))));
}

static void nothing(lane &, const instruction &) {}

static void elect(warp &w, unsigned lanes, const instruction &i) {
	int first = __builtin_ctz(lanes);

	for (unsigned left = lanes; left; left &= left - 1) {
		lane &l = *w.lanes[__builtin_ctz(left)];

		write(l, i.args[0], (uint64_t)first);
		write(l, i.args[1], l.id == first);
	}
}

static void createpolicy(lane &l, const instruction &i) { write(l, i.args[0], bits_of(1.0f)); }

const std::vector<opcode> opcodes_basic = {
	{ "cvt.f32.f16", cvt_f32_f16, nullptr },
	{ "cvt.f32.bf16", cvt_f32_bf16, nullptr },
	{ "cvt.rn.f16.f32", cvt_f16_f32, nullptr },
	{ "cvt.rn.bf16.f32", cvt_bf16_f32, nullptr },
	{ "cvt.rn.f16x2.f32", cvt_f16x2_f32, nullptr },
	{ "cvt.rn.bf16x2.f32", cvt_bf16x2_f32, nullptr },
	{ "ex2.approx.ftz.f32", ex2, nullptr },
	{ "lg2.approx.ftz.f32", lg2, nullptr },
	{ "rcp.approx.ftz.f32", rcp, nullptr },
	{ "rsqrt.approx.f32", rsqrt, nullptr },
	{ "fma.rn.f32", fma_f32, nullptr },
	{ "add.f32", add_f32, nullptr },
	{ "add.rn.f32", add_f32, nullptr },
	{ "mul.f32", mul_f32, nullptr },
	{ "mul.rn.f32", mul_f32, nullptr },
	{ "max.f32", max_f32, nullptr },
	{ "mov", mov, nullptr },
	{ "selp", selp, nullptr },
	{ "setp", setp, nullptr },
	{ "add", add_int, nullptr },
	{ "and", and_int, nullptr },
	{ "or", or_int, nullptr },
	{ "xor", xor_int, nullptr },
	{ "shl", shl_int, nullptr },
	{ "elect.sync", nullptr, elect },
	{ "createpolicy", createpolicy, nullptr },
	{ "griddepcontrol", nothing, nullptr },
	{ "prefetch", nothing, nullptr },
};

} // namespace emu
