// report: what has gone wrong, in words: one line for a failure, and for a deadlock who waits for what.
#include <algorithm>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "emulate.h"
#include "machine.h"

namespace emu {

void (*report)(const char *text);

static std::string format_text(const char *format, va_list args) {
	char text[1024];

	vsnprintf(text, sizeof(text), format, args);
	return text;
}

static std::string text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));
static std::string text_of(const char *format, ...) {
	va_list args;

	va_start(args, format);
	std::string text = format_text(format, args);
	va_end(args);
	return text;
}

static const char *base_name(const char *path) {
	const char *slash = path ? strrchr(path, '/') : nullptr;

	return slash ? slash + 1 : path;
}

static void give_up(const std::string &text) {
	if (report)
		report(text.c_str());
	fprintf(stderr, "%s\n", text.c_str());
	_exit(1);
}

static std::string place_of(const lane &l) {
	std::string text = text_of("thread %u of CTA (%u,%u,%u)", l.flat, l.block.x, l.block.y, l.block.z);

	if (l.file)
		text += text_of(", %s:%d", base_name(l.file), l.line);
	return text;
}

void fail(const char *format, ...) {
	va_list args;

	va_start(args, format);
	std::string text = format_text(format, args);
	va_end(args);
	if (m.self)
		text += " (" + place_of(*m.self) + ")";
	give_up(text);
	abort();
}

void fail_anywhere(const char *format, ...) {
	va_list args;

	va_start(args, format);
	std::string text = format_text(format, args);
	va_end(args);
	give_up(text);
	abort();
}

static std::string wait_text(const lane &l) {
	std::string text = l.wait.what ? l.wait.what : "its turn";

	if (l.wait.key)
		text += text_of(" %lld", (long long)l.wait.a);
	if (l.file)
		text += text_of(" (%s:%d)", base_name(l.file), l.line);
	return text;
}

static std::string lanes_text(unsigned mask) {
	return mask == ~0u ? "" : mask & (mask - 1) ? text_of(" lanes %08x", mask) : text_of(" lane %d", __builtin_ctz(mask));
}

// Lanes of a warp that wait for the same are one part, warps that say the same one sentence.
void report_deadlock() {
	std::string text = "deadlock:";

	for (cta &c : m.now->ctas) {
		std::vector<std::pair<std::string, std::string>> said; // what, who

		for (warp &w : c.warps) {
			std::vector<std::pair<std::string, unsigned>> parts;

			for (unsigned left = w.live; left; left &= left - 1) {
				lane &l = *w.lanes[__builtin_ctz(left)];
				std::string what = wait_text(l);
				auto part = std::find_if(parts.begin(), parts.end(), [&](auto &p) { return p.first == what; });

				if (part == parts.end())
					parts.emplace_back(what, l.bit);
				else
					part->second |= l.bit;
			}
			for (auto &part : parts) {
				std::string who = text_of("%d%s", w.id, lanes_text(part.second).c_str());
				auto s = std::find_if(said.begin(), said.end(), [&](auto &p) { return p.first == part.first; });

				if (s == said.end())
					said.emplace_back(part.first, who);
				else
					s->second += ", " + who;
			}
		}
		for (int i = 0; i < BARRIERS; i++)
			if (c.barriers[i].arrived)
				text += text_of(" barrier %d has %u of %u threads;", i, c.barriers[i].arrived, c.barriers[i].expected);
		for (auto &s : said)
			text += text_of(" CTA (%u,%u,%u) warp %s waits for %s;", c.index.x, c.index.y, c.index.z, s.second.c_str(),
					s.first.c_str());
	}
	if (text.back() == ';')
		text.pop_back();
	give_up(text);
}

static void on_fault(int number, siginfo_t *info, void *) {
	static char text[256];

	snprintf(text, sizeof(text), "%s at address %p%s", number == SIGFPE ? "division by zero" :
		 number == SIGILL ? "illegal instruction" : "illegal or misaligned memory access", info->si_addr,
		 m.self ? "" : " outside any thread");
	fail("%s", text);
}

static void catch_faults() {
	static char stack[64 << 10];
	stack_t other = {};
	struct sigaction action = {};

	other.ss_sp = stack;
	other.ss_size = sizeof(stack);
	sigaltstack(&other, nullptr);
	action.sa_sigaction = on_fault;
	action.sa_flags = SA_SIGINFO | SA_ONSTACK;
	for (int number : { SIGSEGV, SIGBUS, SIGFPE, SIGILL })
		sigaction(number, &action, nullptr);
}

} // namespace emu

void emu_on_failure(void (*report)(const char *text)) {
	emu::report = report;
	emu::catch_faults();
}
