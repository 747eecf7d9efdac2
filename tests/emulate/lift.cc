// lift: turns preprocessed CUDA C++ into C++ that g++ takes: each asm statement becomes a call that hands over its text and
// its operands, dynamic shared memory becomes a macro, and every __global__ function is registered under its name. All else
// is left to kernel.h. It reads tokens, not C++: it knows strings, brackets and identifiers.
#include "lift.h"

#include <ctype.h>
#include <vector>

namespace {

struct lifter {
	const std::string &in;
	size_t at = 0;
	std::string out, defines, kernels, error;

	explicit lifter(const std::string &text) : in(text) {}

	bool more() const { return at < in.size(); }
	static bool word(char c) { return isalnum((unsigned char)c) || c == '_'; }

	// The end of the string or character literal that begins at `i`.
	size_t literal_end(size_t i) const {
		const char quote = in[i++];

		while (i < in.size() && in[i] != quote)
			i += in[i] == '\\' ? 2 : 1;
		return i + 1;
	}

	size_t blanks_end(size_t i) const {
		while (i < in.size() && isspace((unsigned char)in[i]))
			i++;
		return i;
	}

	size_t word_end(size_t i) const {
		while (i < in.size() && word(in[i]))
			i++;
		return i;
	}

	// Behind the bracket that closes the one at `i`.
	size_t bracket_end(size_t i) const {
		int depth = 0;

		while (i < in.size()) {
			if (in[i] == '"' || in[i] == '\'') {
				i = literal_end(i);
				continue;
			}
			depth += in[i] == '(' || in[i] == '[' || in[i] == '{';
			depth -= in[i] == ')' || in[i] == ']' || in[i] == '}';
			i++;
			if (depth == 0)
				return i;
		}
		return std::string::npos;
	}

	static std::string newlines(const std::string &text) {
		std::string n;

		for (char c : text)
			if (c == '\n')
				n += c;
		return n;
	}

	// The sections of an asm statement between `from` and `to`, split at colons outside brackets and strings.
	std::vector<std::string> sections(size_t from, size_t to) const {
		std::vector<std::string> s(1);

		for (size_t i = from; i < to;) {
			size_t end = in[i] == '"' ? literal_end(i) : in[i] == '(' ? bracket_end(i) : i + 1;

			if (in[i] == ':')
				s.emplace_back();
			else
				s.back() += in.substr(i, end - i);
			i = end;
		}
		return s;
	}

	// "+f"(a), "r"(b) as calls that describe them.
	static std::string operands(const std::string &section) {
		std::string calls;
		lifter l(section);

		for (size_t i = l.blanks_end(0); i < section.size(); i = l.blanks_end(i)) {
			if (section[i] != '"') {
				i++;
				continue;
			}
			size_t end = l.literal_end(i);
			std::string constraint = section.substr(i, end - i);
			size_t open = l.blanks_end(end), close = l.bracket_end(open);

			if (close == std::string::npos)
				return "";
			calls += constraint.find('+') != std::string::npos ? ", emu::modifies" :
				 constraint.find('=') != std::string::npos ? ", emu::writes" : ", emu::reads";
			calls += section.substr(open, close - open);
			i = close;
		}
		return calls;
	}

	static bool only_quotes(const std::string &text) {
		for (char c : text)
			if (c != '"' && !isspace((unsigned char)c))
				return false;
		return true;
	}

	bool lift_asm(size_t end) {
		size_t open = blanks_end(end), close;
		std::string whole, call;

		while (open < in.size() && word(in[open]))
			open = blanks_end(word_end(open));
		if (open >= in.size() || in[open] != '(' || (close = bracket_end(open)) == std::string::npos)
			return false;
		std::vector<std::string> s = sections(open + 1, close - 1);
		if (only_quotes(s[0]))
			call = "(void)0"; // only holds the compiler
		else
			call = "EMU_ASM(" + s[0] + (s.size() > 1 ? operands(s[1]) : "") + (s.size() > 2 ? operands(s[2]) : "") + ")";
		for (char &c : call)
			if (c == '\n')
				c = ' ';
		out += call + newlines(in.substr(at, close - at));
		at = close;
		return true;
	}

	// extern __shared__ [__align__(n)] TYPE NAME[];
	bool lift_shared(size_t end) {
		size_t i = blanks_end(end), stop = in.find(';', i), bracket;
		std::string type, name;

		if (in.compare(i, 10, "__shared__") != 0)
			return false;
		bracket = in.find('[', i);
		if (bracket == std::string::npos || bracket > stop)
			return false;
		for (i = blanks_end(i + 10); i < bracket; i = blanks_end(i)) {
			if (!word(in[i])) {
				i++;
				continue;
			}
			size_t e = word_end(i);
			std::string w = in.substr(i, e - i);

			if (w == "__align__" || w == "alignas" || w == "__attribute__") {
				i = bracket_end(blanks_end(e));
				continue;
			}
			type += name.empty() ? "" : name + " ";
			name = w;
			i = e;
		}
		defines += "#define " + name + " (emu::shared_as<" + type + ">())\n";
		out += newlines(in.substr(at, stop + 1 - at));
		at = stop + 1;
		return true;
	}

	// Notes the name and the launch bounds; the text itself stays.
	void note_kernel(size_t end) {
		std::string bounds;

		for (size_t i = blanks_end(end); i < in.size(); i = blanks_end(i)) {
			size_t e = word_end(i), next = blanks_end(e);
			std::string w = in.substr(i, e - i);

			if (e == i)
				return;
			if (next < in.size() && in[next] == '(') {
				size_t close = bracket_end(next);

				if (w == "__launch_bounds__")
					bounds = ", " + in.substr(next + 1, close - next - 2);
				if (w.compare(0, 2, "__") != 0) {
					kernels += "EMU_KERNEL(" + w + bounds + ");\n";
					return;
				}
				i = close;
			} else {
				i = next;
			}
		}
	}

	std::string run() {
		while (more()) {
			if (in[at] == '"' || in[at] == '\'') {
				size_t end = literal_end(at);

				out += in.substr(at, end - at);
				at = end;
				continue;
			}
			if (!word(in[at])) {
				out += in[at++];
				continue;
			}
			size_t end = word_end(at);
			std::string w = in.substr(at, end - at);

			if (w == "asm" && lift_asm(end))
				continue;
			if (w == "extern" && lift_shared(end))
				continue;
			if (w == "__global__")
				note_kernel(end);
			if (w == "__shared__" && kernels.find("EMU_STATIC_SHARED") == std::string::npos)
				kernels += "EMU_STATIC_SHARED;\n";
			out += w;
			at = end;
		}
		return defines + out + "\n" + kernels;
	}
};

} // namespace

std::string lift(const std::string &text) {
	return lifter(text).run();
}
