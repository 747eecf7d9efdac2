// module: a flat source preprocessed, lifted, compiled by the host's C++ compiler and loaded; and launches checked as a driver
// checks them. Shared objects are kept under a name made from what determines them.
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "emulate.h"
#include "lift.h"
#include "machine.h"

namespace emu {

static std::vector<kernel *> *registering;
static bool found_static_shared;

void run(const kernel &k, const struct emu_launch &l, uint64_t seed);

kernel::kernel(const char *the_name, void (*the_call)(const kernel *, void *const *), void (*the_function)(void), int count,
	       const size_t *the_sizes, int the_threads, int the_ctas)
	: name(the_name), call(the_call), function(the_function), parameters(count), sizes(the_sizes), threads(the_threads),
	  ctas(the_ctas) {
	if (registering)
		registering->push_back(this);
}

static_shared::static_shared() { found_static_shared = true; }

static uint64_t hash_of(const std::string &text, uint64_t hash = 14695981039346656037u) {
	for (char c : text)
		hash = (hash ^ (unsigned char)c) * 1099511628211u;
	return hash;
}

static bool read_whole(const std::string &path, std::string &text) {
	FILE *f = fopen(path.c_str(), "r");
	char part[65536];
	size_t n;

	text.clear();
	if (!f)
		return false;
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		text.append(part, n);
	fclose(f);
	return true;
}

static bool write_whole(const std::string &path, const std::string &text) {
	FILE *f = fopen(path.c_str(), "w");
	bool good = f && fwrite(text.data(), 1, text.size(), f) == text.size();

	return f && fclose(f) == 0 && good;
}

// Runs a program with standard error in a file.
static bool run_program(const std::vector<std::string> &words, const std::string &log) {
	std::vector<char *> argv;
	int status = 0;
	pid_t pid;

	for (const std::string &w : words)
		argv.push_back((char *)w.c_str());
	argv.push_back(nullptr);
	pid = fork();
	if (pid == 0) {
		int to = open(log.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0666);

		dup2(to, 2);
		execvp(argv[0], argv.data());
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static std::string first_error(const std::string &log) {
	std::string text, line;

	read_whole(log, text);
	size_t at = text.find("error:");
	if (at == std::string::npos)
		return text.substr(0, 300);
	size_t from = text.rfind('\n', at);
	from = from == std::string::npos ? 0 : from + 1;
	return text.substr(from, text.find('\n', at) - from);
}

static std::string compiler() {
	const char *cxx = getenv("CXX");

	return cxx && *cxx ? cxx : "g++";
}

// Returns the path of the shared object, or "" and why.
static std::string build(const std::string &source, const std::string &work, const std::string &share, std::string &why) {
	std::string prelude, text, base, cxx = compiler();
	std::vector<std::string> flags = { "-std=c++17", "-O1", "-fPIC", "-shared", "-w", "-fno-strict-aliasing",
					   "-ffp-contract=off", "-include", share + "/kernel.h" };

	// Else static variables of inline functions are one for all modules, and a module once loaded stays. (clang has none.)
	if (cxx.find("clang") == std::string::npos)
		flags.push_back("-fno-gnu-unique");
	read_whole(share + "/kernel.h", prelude);
	base = cxx;
	for (const std::string &f : flags)
		base += " " + f;
	char name[32];
	snprintf(name, sizeof(name), "%016llx", (unsigned long long)hash_of(source, hash_of(prelude, hash_of(base))));
	base = work + "/" + name;
	std::string so = base + ".so", partial = base + "." + std::to_string(getpid());
	if (access(so.c_str(), R_OK) == 0)
		return so;
	mkdir(work.c_str(), 0777);
	if (!write_whole(base + ".cu", source) ||
	    !run_program({ cxx, "-E", "-x", "c++", "-std=c++17", "-w", "-o", base + ".ii", base + ".cu" }, base + ".log") ||
	    !read_whole(base + ".ii", text) || !write_whole(base + ".cc", lift(text))) {
		why = "preprocessing: " + first_error(base + ".log");
		return "";
	}
	std::vector<std::string> words = { cxx };
	words.insert(words.end(), flags.begin(), flags.end());
	words.insert(words.end(), { "-o", partial, base + ".cc" });
	if (!run_program(words, base + ".log")) {
		why = first_error(base + ".log");
		return "";
	}
	if (rename(partial.c_str(), so.c_str())) {
		why = "cannot write " + so;
		return "";
	}
	for (const char *end : { ".ii", ".log" })
		unlink((base + end).c_str());
	return so;
}

} // namespace emu

struct emu_module {
	void *handle;
	std::vector<emu::kernel *> kernels;
	bool static_shared;
};

int emu_module_open(struct emu_module **out, const char *source, const char *work, const char *share, char *why, size_t size) {
	std::string reason, so = emu::build(source, work, share, reason);

	*out = nullptr;
	if (so.empty()) {
		snprintf(why, size, "%s", reason.c_str());
		return -1;
	}
	emu_module *module = new emu_module();
	emu::registering = &module->kernels;
	emu::found_static_shared = false;
	module->handle = dlopen(so.c_str(), RTLD_NOW | RTLD_LOCAL);
	emu::registering = nullptr;
	module->static_shared = emu::found_static_shared;
	if (!module->handle) {
		snprintf(why, size, "%s", dlerror());
		delete module;
		return -1;
	}
	*out = module;
	return 0;
}

void emu_module_close(struct emu_module *module) {
	if (!module)
		return;
	dlclose(module->handle);
	delete module;
}

static const char *check_launch(const emu::kernel &k, const struct emu_launch *l) {
	static char text[200];
	size_t threads = (size_t)l->block[0] * l->block[1] * l->block[2], ctas = (size_t)l->cluster[0] * l->cluster[1] * l->cluster[2];

	if (threads < 1 || threads > 1024 || l->smem > 232448 || ctas < 1 || ctas > 16) {
		snprintf(text, sizeof(text), "%zu threads, %u bytes of shared memory, %zu CTAs a cluster", threads, l->smem, ctas);
		return text;
	}
	for (int i = 0; i < 3; i++)
		if (l->grid[i] < 1 || l->grid[i] % l->cluster[i])
			return "the grid is not whole clusters";
	if (k.threads && threads > (size_t)k.threads) {
		snprintf(text, sizeof(text), "%zu threads, __launch_bounds__ allows %d", threads, k.threads);
		return text;
	}
	if (l->arg_count != k.parameters) {
		snprintf(text, sizeof(text), "%s takes %d arguments, the launch gives %d", k.name, k.parameters, l->arg_count);
		return text;
	}
	for (int i = 0; i < k.parameters; i++)
		if (l->arg_bytes[i] != k.sizes[i]) {
			snprintf(text, sizeof(text), "%s: argument %d has %zu bytes, the launch gives %zu", k.name, i + 1,
				 k.sizes[i], l->arg_bytes[i]);
			return text;
		}
	return nullptr;
}

int emu_run(struct emu_module *module, const struct emu_launch *l, uint64_t seed, char *why, size_t size) {
	for (const emu::kernel *k : module->kernels) {
		if (strcmp(k->name, l->entry) != 0)
			continue;
		if (const char *bad = check_launch(*k, l)) {
			snprintf(why, size, "%s", bad);
			return -1;
		}
		if (module->static_shared && l->cluster[0] * l->cluster[1] * l->cluster[2] > 1) {
			snprintf(why, size, "shared variables of fixed size are not emulated in clusters");
			return -1;
		}
		emu::run(*k, *l, seed);
		return 0;
	}
	snprintf(why, size, "there is no entry %s", l->entry);
	return -1;
}
