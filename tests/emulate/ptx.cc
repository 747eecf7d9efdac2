// ptx: parses asm texts, once each, and runs them: see ptx.h. What single instructions do is in ops_*.cc.
#include "ptx.h"

#include <ctype.h>
#include <map>
#include <mutex>
#include <stdlib.h>

namespace emu {

bool instruction::has(const char *word) const {
	for (const std::string &w : words)
		if (w == word)
			return true;
	return false;
}

const opcode *opcode_find(const std::string &name) {
	const opcode *best = nullptr;
	size_t length = 0;

	for (const std::vector<opcode> *table : { &opcodes_basic, &opcodes_memory, &opcodes_copy, &opcodes_mma, &opcodes_sync,
						  &opcodes_tma, &opcodes_wgmma })
		for (const opcode &o : *table) {
			size_t n = strlen(o.name);

			if (n > length && name.compare(0, n, o.name) == 0 && (name.size() == n || name[n] == '.'))
				best = &o, length = n;
		}
	return best;
}

namespace {

struct parser {
	const site &s;
	const char *p;
	std::map<std::string, int> registers, labels;
	program *out = new program;

	explicit parser(const site &at) : s(at), p(at.text) {}

	[[noreturn]] void stop(const char *why) const {
		fail("the emulator does not understand the asm text \"%.120s\": %s at \"%.30s\"", s.text, why, p);
	}

	void blanks() {
		for (;;) {
			while (isspace((unsigned char)*p))
				p++;
			if (p[0] == '/' && p[1] == '/')
				while (*p && *p != '\n')
					p++;
			else
				return;
		}
	}

	bool take(char c) {
		blanks();
		if (*p != c)
			return false;
		p++;
		return true;
	}

	std::string word() {
		const char *from = p;

		while (isalnum((unsigned char)*p) || *p == '_' || *p == '$' || *p == '%' || *p == '.' || (*p == ':' && p[1] == ':' && ++p))
			p++;
		return std::string(from, p);
	}

	static int special_of(const std::string &name) {
		static const char *const names[] = { "%cluster_ctarank", "%cluster_nctarank", "%tid.x", "%laneid", "%ctaid.x",
						     "%clusterid.x" };

		for (int i = 0; i < 6; i++)
			if (name == names[i] || name == std::string("%") + names[i])
				return i;
		return -1;
	}

	reference number(const std::string &text) const {
		reference r;

		if (text[0] == '0' && (text[1] == 'f' || text[1] == 'F') && text.size() == 10)
			r.number = strtoull(text.c_str() + 2, nullptr, 16);
		else
			r.number = strtoull(text.c_str(), nullptr, 0);
		return r;
	}

	reference list(char end, reference::kind what) {
		reference r;

		r.what = what;
		while (!take(end)) {
			r.parts.push_back(argument());
			take(',');
			if (what == reference::ADDRESS && take('+'))
				r.number += argument().number;
		}
		return r;
	}

	reference argument() {
		reference r;

		blanks();
		if (take('{'))
			return list('}', reference::LIST);
		if (take('['))
			return list(']', reference::ADDRESS);
		if (take('-')) {
			r = argument();
			r.number = -r.number;
			return r;
		}
		const std::string text = word();

		if (text.empty())
			stop("an operand is missing");
		if (text == "_") {
			r.what = reference::SINK;
		} else if (text[0] == '%' && isdigit((unsigned char)text[1])) {
			r.what = reference::OPERAND;
			r.index = atoi(text.c_str() + 1);
		} else if (special_of(text) >= 0) {
			r.what = reference::SPECIAL;
			r.index = special_of(text);
		} else if (isdigit((unsigned char)text[0])) {
			return number(text);
		} else if (registers.count(text)) {
			r.what = reference::REGISTER;
			r.index = registers[text];
		} else {
			stop("an unknown name");
		}
		return r;
	}

	// .reg .pred p, q;   .reg .b32 x<4>;
	void declare() {
		blanks();
		word();
		do {
			blanks();
			std::string name = word();
			int n = 0;

			if (take('<')) {
				n = atoi(word().c_str());
				take('>');
			}
			for (int i = 0; i < (n ? n : 1); i++) {
				int index = (int)registers.size();

				registers[n ? name + std::to_string(i) : name] = index;
			}
		} while (take(','));
		if (registers.size() > sizeof(frame::regs) / sizeof(uint64_t))
			stop("too many registers");
		if (!take(';'))
			stop("no semicolon");
	}

	void guard(instruction &i) {
		if (!take('@'))
			return;
		i.guard_not = take('!');
		blanks();
		std::string name = word();

		if (!registers.count(name))
			stop("an unknown guard");
		i.guard = registers[name];
	}

	void split(instruction &i) const {
		size_t from = 0, to;

		do {
			to = i.name.find('.', from);
			i.words.push_back(i.name.substr(from, to - from));
			from = to + 1;
		} while (to != std::string::npos);
	}

	void statement(std::vector<std::pair<int, std::string>> &branches) {
		instruction i;

		guard(i);
		blanks();
		i.name = word();
		if (i.name == ".reg")
			return declare();
		if (take(':')) {
			labels[i.name] = (int)out->all.size();
			return;
		}
		if (i.name.compare(0, 3, "bra") == 0) {
			blanks();
			branches.emplace_back((int)out->all.size(), word());
		} else {
			i.code = opcode_find(i.name);
			if (!i.code)
				fail("the emulator does not know the instruction %s", i.name.c_str());
			blanks();
			while (*p != ';' && *p) {
				i.args.push_back(argument());
				if (take('|')) // a second destination, as of setp
					i.args.push_back(argument());
				take(',');
				blanks();
			}
		}
		if (!take(';'))
			stop("no semicolon");
		split(i);
		out->all.push_back(i);
	}

	program *run() {
		std::vector<std::pair<int, std::string>> branches;

		for (blanks(); *p; blanks())
			if (!take('{') && !take('}') && !take(';'))
				statement(branches);
		for (auto &b : branches) {
			if (!labels.count(b.second))
				stop("a branch to nowhere");
			out->all[(size_t)b.first].target = labels[b.second];
		}
		return out;
	}
};

} // namespace

const program *ptx_parse(const site &s) {
	static std::map<std::string, const program *> known;
	const program *&p = known[s.text];

	if (!p)
		p = parser(s).run();
	return p;
}

uint64_t read_slow(const lane &l, const reference &r) {
	const cta &c = *l.of->of;

	switch (r.what) {
	case reference::REGISTER: return l.in->regs[r.index];
	case reference::NUMBER: return r.number;
	case reference::SPECIAL:
		switch (r.index) {
		case SPECIAL_CTARANK: return c.rank;
		case SPECIAL_NCTARANK: return m.now->ctas.size();
		case SPECIAL_TID: return l.thread.x;
		case SPECIAL_LANE: return (uint64_t)l.id;
		case SPECIAL_CTAID: return l.block.x;
		case SPECIAL_CLUSTERID: return l.block.x / m.now->ctas.size();
		}
		break;
	default: break;
	}
	fail("an operand of %s cannot be read", l.in->at->text);
}

void write_slow(lane &l, const reference &r, uint64_t bits) {
	if (r.what == reference::SINK)
		return;
	if (r.what != reference::REGISTER)
		fail("%s writes to what is no output", l.in->at->text);
	l.in->regs[r.index] = bits;
}

static void run_instruction(lane &l, const instruction &i) {
	if (i.code->alone) {
		i.code->alone(l, i);
		return;
	}
	const instruction *what = &i;

	meet(what, l.in->at->line, 0, i.name.c_str(), [what](warp &w, unsigned lanes) { what->code->together(w, lanes, *what); });
}

void execute(site &s, std::initializer_list<operand> operands) {
	lane &l = *m.self;
	frame f = { &s, operands.begin(), (int)operands.size(), {} };

	l.in = &f;
	place(s.file, s.line);
	if (!s.code)
		s.code = ptx_parse(s);
	for (size_t at = 0; at < s.code->all.size(); at++) {
		const instruction &i = s.code->all[at];

		if (i.guard >= 0 && (f.regs[i.guard] != 0) == i.guard_not)
			continue;
		if (i.code)
			run_instruction(l, i);
		else
			at = (size_t)i.target - 1;
	}
	l.in = nullptr;
}

} // namespace emu
