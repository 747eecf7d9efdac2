// ptx: the text of an asm statement as a program: instructions with guards, labels, and operands that name registers of the
// statement, of the asm operands, numbers, lists and addresses.
#ifndef EMULATE_PTX_H
#define EMULATE_PTX_H
#include <string>
#include <vector>

#include "machine.h"

namespace emu {

struct instruction;

struct reference {
	enum kind { OPERAND, REGISTER, NUMBER, SINK, LIST, ADDRESS, SPECIAL } what = NUMBER;
	int index = 0;                // of an operand, a register or a special register
	uint64_t number = 0;          // its value; an address's offset
	std::vector<reference> parts; // of a list; of an address: base, then coordinates
};

// What an instruction does: alone for one lane, or once for all lanes of the warp, which are in the same statement.
using lane_act = void (*)(lane &l, const instruction &i);
using warp_act = void (*)(warp &w, unsigned lanes, const instruction &i);

struct opcode {
	const char *name; // the beginning of the full name
	lane_act alone;
	warp_act together;
};

struct instruction {
	std::string name; // with all its modifiers
	std::vector<std::string> words;
	int guard = -1;
	bool guard_not = false;
	std::vector<reference> args;
	const opcode *code = nullptr;
	int target = -1; // of a branch

	bool has(const char *word) const;
};

struct program {
	std::vector<instruction> all;
};

const program *ptx_parse(const site &s);
const opcode *opcode_find(const std::string &name);

// Tables of instructions, one for each file.
extern const std::vector<opcode> opcodes_basic, opcodes_memory, opcodes_copy, opcodes_mma, opcodes_sync, opcodes_tma,
	opcodes_wgmma;

enum special { SPECIAL_CTARANK, SPECIAL_NCTARANK, SPECIAL_TID, SPECIAL_LANE, SPECIAL_CTAID, SPECIAL_CLUSTERID };

uint64_t read_slow(const lane &l, const reference &r);
void write_slow(lane &l, const reference &r, uint64_t bits);

inline const operand &operand_of(const lane &l, const reference &r) { return l.in->operands[r.index]; }

inline uint64_t read(const lane &l, const reference &r) {
	if (r.what != reference::OPERAND)
		return read_slow(l, r);
	const operand &o = operand_of(l, r);
	if (o.kind == 'r')
		return o.bits;
	uint64_t bits = 0;
	memcpy(&bits, o.at, o.size);
	return bits;
}

inline void write(lane &l, const reference &r, uint64_t bits) {
	if (r.what == reference::OPERAND && operand_of(l, r).kind != 'r')
		memcpy(operand_of(l, r).at, &bits, operand_of(l, r).size);
	else
		write_slow(l, r, bits);
}

inline float read_f32(const lane &l, const reference &r) {
	uint32_t bits = (uint32_t)read(l, r);
	float x;
	memcpy(&x, &bits, sizeof(x));
	return x;
}

inline void write_f32(lane &l, const reference &r, float x) {
	uint32_t bits;
	memcpy(&bits, &x, sizeof(x));
	write(l, r, bits);
}

// The base of an address and its offset.
inline uint64_t read_address(const lane &l, const reference &r) { return read(l, r.parts[0]) + r.number; }

} // namespace emu
#endif
