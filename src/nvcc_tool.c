/* nvcc_tool: finds the compiler, identifies it by the hash of its binaries, and asks it what it knows. Compiles nothing. */
#include "nvcc_tool.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attune/fs.h"
#include "attune/proc.h"

int nvcc_tool_ask(const char *program, const char *arg, struct buf *out, struct err *e)
{
	const char *argv[] = { program, arg, NULL };
	struct proc_options o = { .argv = argv, .in_fd = -1, .out_fd = -1, .err_fd = -1, .die_with_parent = true };
	int status = 0;

	if (proc_run(&o, out, 1u << 20, true, 30000, &status, e) < 0)
		return err_where(e, "%s (set NVCC=, or put the CUDA Toolkit's bin folder on PATH)", program);
	if (status != 0)
		return err_set(e, "%s %s failed: %.200s", program, arg, buf_text(out));
	return 0;
}

/* Where a program is found: as given when it has a slash, else along PATH. */
static int find_program(const char *name, char **path, struct err *e)
{
	const char *dirs = getenv("PATH");

	if (strchr(name, '/')) {
		if (access(name, X_OK) != 0)
			return err_sys(e, "%s: no such compiler (set NVCC=)", name);
		*path = realpath(name, NULL);
		return *path ? 0 : err_sys(e, "%s", name);
	}
	while (dirs && *dirs) {
		size_t len = strcspn(dirs, ":");
		char *dir = strndup(dirs, len), *full = fs_join(len ? dir : ".", name);

		free(dir);
		if (access(full, X_OK) == 0) {
			*path = realpath(full, NULL);
			free(full);
			return *path ? 0 : err_sys(e, "%s", name);
		}
		free(full);
		dirs += len + (dirs[len] == ':');
	}
	return err_set(e, "no %s on PATH: install the CUDA Toolkit, or give NVCC=/path/to/nvcc", name);
}

/* Hashing a hundred megabytes takes a third of a second, so the
 * result is kept beside the cache under the files' sizes and times. */
int nvcc_tool_identity(const char *program, const char *cache, char identity[HASH_HEX], struct err *e)
{
	static const char *const tools[] = { "bin/nvcc", "bin/ptxas", "bin/cudafe++", "nvvm/bin/cicc" };
	char *path = NULL, *slash, *memo = NULL;
	struct buf stamp, kept, all;
	int rc = -1;

	buf_init(&stamp);
	buf_init(&kept);
	buf_init(&all);
	if (find_program(program, &path, e) < 0)
		goto out;
	for (int up = 0; up < 2; up++) {
		slash = strrchr(path, '/');
		if (slash)
			*slash = 0;
	}
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
			char *file = fs_join(path, tools[i]), hex[HASH_HEX];
			struct stat st;

			if (stat(file, &st) == 0 && pass == 0)
				buf_addf(&stamp, "%s %lld %lld %lld\n", file, (long long)st.st_size,
					 (long long)st.st_mtim.tv_sec, (long long)st.st_ino);
			else if (pass == 1 && hash_file(hex, file, NULL) == 0)
				buf_addf(&all, "%s %s\n", tools[i], hex);
			free(file);
		}
		if (pass == 0) {
			memo = fs_join(cache, "nvcc.identity");
			if (fs_read(memo, &kept, 1u << 16, NULL) == 0 && kept.len == stamp.len + HASH_HEX - 1 &&
			    stamp.len > 0 && memcmp(kept.data, stamp.data, stamp.len) == 0) {
				memcpy(identity, kept.data + stamp.len, HASH_HEX);
				rc = 0;
				goto out;
			}
		}
	}
	hash_bytes(identity, all.data, all.len);
	buf_adds(&stamp, identity);
	rc = fs_write_atomic(memo, stamp.data, stamp.len, e);
out:
	free(path);
	free(memo);
	buf_free(&stamp);
	buf_free(&kept);
	buf_free(&all);
	return rc;
}

int nvcc_tool_check_arch(const char *program, const char *version, const char *arch, struct err *e)
{
	struct buf known;
	const char *p;
	size_t len = strlen(arch);
	int rc = -1;

	buf_init(&known);
	if (nvcc_tool_ask(program, "--list-gpu-code", &known, e) < 0 || nvcc_tool_ask(program, "--list-gpu-arch", &known, e) < 0)
		goto out;
	for (p = known.data; p && *p; p += strspn(p, "\n")) {
		size_t word = strcspn(p, "\n");

		/* nvcc lists sm_90; its architecture-specific forms sm_90a and sm_100f are targets as well. */
		if (word <= len && strncmp(p, arch, word) == 0 &&
		    (word == len || (word >= 5 && len == word + 1 && strchr("af", arch[word])))) {
			rc = 0;
			goto out;
		}
		p += word;
	}
	for (char *c = known.data; c && *c; c++)
		if (*c == '\n')
			*c = ' ';
	err_set(e, "ARCH=%s: nvcc %s does not know it; it knows: %s", arch, version, buf_text(&known));
out:
	buf_free(&known);
	return rc;
}
