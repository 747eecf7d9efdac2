/* nvcc: a queue of sources, a bounded number of compiler processes, finished cubins in the order in which they end.
 * Does not know what a candidate is; nvcc_cache.c keeps what was compiled. A job goes queue -> running -> done; a source whose
 * key is compiled already goes straight to done, and a key that is being compiled by an earlier job waits for it. */
#include "attune/nvcc.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attune/fs.h"
#include "attune/hash.h"
#include "attune/proc.h"
#include "nvcc_cache.h"
#include "nvcc_tool.h"

#define ID_DIGITS 32
#define OUTPUT_MAX (64u << 20)
#define LOG_KEPT (1u << 20)

enum job_state { QUEUED, RUNNING, DONE };

struct job {
	struct job *next;
	enum job_state state;
	long ticket;
	char id[ID_DIGITS + 1];
	char *dir, *tmp, *source, *arch;
	json_t *flags;
	struct proc proc;
	double started_s;
	struct nvcc_result result;
};

struct nvcc {
	char *program, *cache, *version;
	char identity[HASH_HEX];
	long jobs, running, serial;
	double time_limit_s;
	uint64_t memory_bytes;
	struct job *head, **tail;
};

static const char *image_name(const char *arch)
{
	return strncmp(arch, "compute_", 8) == 0 ? "candidate.ptx" : "candidate.cubin";
}

static void job_free(struct job *j)
{
	proc_kill(&j->proc);
	if (j->tmp && j->state != DONE)
		fs_remove_tree(j->tmp, NULL);
	nvcc_result_free(&j->result);
	json_decref(j->flags);
	free(j->dir);
	free(j->tmp);
	free(j->source);
	free(j->arch);
	free(j);
}

int nvcc_open(struct nvcc **out, const struct nvcc_options *o, struct err *e)
{
	struct nvcc *n = calloc(1, sizeof(*n));
	struct buf text;
	char *at;

	buf_init(&text);
	n->program = strdup(o->program ? o->program : "nvcc");
	n->cache = strdup(o->cache);
	n->jobs = o->jobs > 0 ? o->jobs : 1;
	n->time_limit_s = o->time_limit_s > 0 ? o->time_limit_s : 120;
	n->memory_bytes = o->memory_bytes ? o->memory_bytes : 16ull << 30;
	n->tail = &n->head;
	if (fs_mkdirs(n->cache, e) < 0 || nvcc_tool_identity(n->program, n->cache, n->identity, e) < 0 ||
	    nvcc_tool_ask(n->program, "--version", &text, e) < 0) {
		buf_free(&text);
		nvcc_close(n);
		return -1;
	}
	at = strstr(text.data, ", V");
	n->version = at ? strndup(at + 3, strspn(at + 3, "0123456789.")) : strdup("unknown");
	buf_free(&text);
	*out = n;
	return 0;
}

void nvcc_close(struct nvcc *n)
{
	if (!n)
		return;
	while (n->head) {
		struct job *j = n->head;

		n->head = j->next;
		job_free(j);
	}
	free(n->program);
	free(n->cache);
	free(n->version);
	free(n);
}

const char *nvcc_version(const struct nvcc *n)
{
	return n->version;
}

const char *nvcc_identity(const struct nvcc *n)
{
	return n->identity;
}

int nvcc_check_arch(struct nvcc *n, const char *arch, struct err *e)
{
	return nvcc_tool_check_arch(n->program, n->version, arch, e);
}

static void push_arguments(const char *arch, const json_t *flags, const char **argv, size_t max)
{
	bool ptx = strncmp(arch, "compute_", 8) == 0;
	size_t i, n = 0;
	json_t *flag;

	argv[n++] = ptx ? "-ptx" : "-cubin";
	argv[n++] = "-std=c++17";
	argv[n++] = "-O3";
	if (!ptx)
		argv[n++] = "-Xptxas=-v";
	json_array_foreach(flags, i, flag) {
		if (n + 4 < max && json_is_string(flag))
			argv[n++] = json_string_value(flag);
	}
	argv[n++] = "-o";
	argv[n++] = image_name(arch);
	argv[n++] = "candidate.cu";
	argv[n] = NULL;
}

#define ARGV_MAX 40

int nvcc_command(const char *arch, const json_t *flags, struct buf *out)
{
	const char *argv[ARGV_MAX];

	push_arguments(arch, flags, argv, ARGV_MAX);
	buf_addf(out, "nvcc -arch=%s", arch);
	for (size_t i = 0; argv[i]; i++)
		buf_addf(out, " %s", argv[i]);
	return 0;
}

/* nvcc passes its arguments on through a shell of its own, so characters that mean something there are executed. Of its
 * options those that choose files, programs or what is made are not a candidate's to give. */
static int check_flags(const char *arch, const json_t *flags, struct err *e)
{
	static const char *const allowed[] = { "-D", "-O", "-Xptxas=", "--use_fast_math", "-use_fast_math", "--fmad=",
					       "-fmad=", "--ftz=", "-ftz=", "--prec-div=", "-prec-div=", "--prec-sqrt=",
					       "-prec-sqrt=", "--maxrregcount=", "-maxrregcount=", "--restrict",
					       "-lineinfo", "--extra-device-vectorization", "--expt-relaxed-constexpr",
					       "--diag-suppress=", "--threads=" };
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-=,.+:";
	size_t i;
	json_t *flag;

	if (arch[strspn(arch, plain)])
		return err_set(e, "nvcc: '%s' is no architecture", arch);
	json_array_foreach(flags, i, flag) {
		const char *text = json_is_string(flag) ? json_string_value(flag) : "";
		bool known = false;

		for (size_t k = 0; k < sizeof(allowed) / sizeof(allowed[0]); k++)
			known |= strncmp(text, allowed[k], strlen(allowed[k])) == 0;
		if (!known || text[strspn(text, plain)] || strstr(text, "options-file") || strstr(text, "optf") ||
		    strstr(text, "output-file") || strstr(text, "=-o") || strstr(text, ",-o"))
			return err_set(e, "nvcc: the option '%s' is not one that a variant may give", text);
	}
	return 0;
}

int nvcc_submit(struct nvcc *n, const char *source, const char *body, const char *arch, const json_t *flags, long ticket,
		struct err *e)
{
	struct job *j = calloc(1, sizeof(*j));
	struct buf command;
	char hex[HASH_HEX];
	bool hit = false;

	if (check_flags(arch, flags, e) < 0) {
		free(j);
		return -1;
	}
	buf_init(&command);
	nvcc_command(arch, flags, &command);
	hash_parts(hex, 3, (const void *const[]){ body, command.data, n->identity },
		   (const size_t[]){ strlen(body), command.len, HASH_HEX - 1 });
	buf_free(&command);
	snprintf(j->id, sizeof(j->id), "%.*s", ID_DIGITS, hex);
	j->ticket = ticket;
	j->proc.pidfd = -1;
	j->dir = fs_join(n->cache, j->id);
	j->source = strdup(source);
	j->arch = strdup(arch);
	j->flags = json_deep_copy(flags);
	buf_init(&j->result.cubin);
	if (nvcc_cache_load(j->dir, image_name(arch), &j->result, &hit, e) < 0) {
		job_free(j);
		return -1;
	}
	if (hit) {
		j->state = DONE;
	} else {
		nvcc_result_free(&j->result);
		buf_init(&j->result.cubin);
	}
	*n->tail = j;
	n->tail = &j->next;
	return 0;
}

static int job_start(struct nvcc *n, struct job *j, struct err *e)
{
	const char *argv[ARGV_MAX + 2];
	char name[96], archflag[64];
	char *file = NULL, *log = NULL;
	/* Options from outside are in no cache key. What a killed nvcc leaves behind goes with the folder. */
	static const char *const env[] = { "NVCC_PREPEND_FLAGS=", "NVCC_APPEND_FLAGS=", "TMPDIR=.", NULL };
	struct proc_options o = { .argv = argv, .in_fd = -1, .env = env, .die_with_parent = true };
	int fd = -1, rc = -1;

	snprintf(name, sizeof(name), ".tmp-%s-%ld-%ld", j->id, (long)getpid(), n->serial++);
	snprintf(archflag, sizeof(archflag), "-arch=%.40s", j->arch);
	free(j->tmp);
	j->tmp = fs_join(n->cache, name);
	file = fs_join(j->tmp, "candidate.cu");
	log = fs_join(j->tmp, "candidate.log");
	if (fs_mkdirs(j->tmp, e) < 0 || fs_write_atomic(file, j->source, strlen(j->source), e) < 0)
		goto out;
	fd = open(log, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0666);
	if (fd < 0) {
		err_sys(e, "%s", log);
		goto out;
	}
	argv[0] = n->program;
	argv[1] = archflag;
	push_arguments(j->arch, j->flags, argv + 2, ARGV_MAX);
	o.cwd = j->tmp;
	o.out_fd = o.err_fd = fd;
	o.memory_bytes = n->memory_bytes;
	o.file_bytes = OUTPUT_MAX;
	if (proc_start(&j->proc, &o, e) < 0)
		goto out;
	j->state = RUNNING;
	j->started_s = proc_now_s();
	n->running++;
	rc = 0;
out:
	if (fd >= 0)
		close(fd);
	free(file);
	free(log);
	return rc;
}

/* The compiler has ended or was stopped: turns its folder into a cache entry and the job into a result. */
static int job_finish(struct nvcc *n, struct job *j, bool timeout, struct err *e)
{
	struct nvcc_result *r = &j->result;
	char *log = fs_join(j->tmp, "candidate.log");
	struct buf text;
	struct stat st;
	int rc = 0;

	buf_init(&text);
	n->running--;
	r->compile_s = proc_now_s() - j->started_s;
	/* A flood is cut before it is read or kept: its beginning says what went wrong. */
	if (stat(log, &st) == 0 && st.st_size > LOG_KEPT && truncate(log, LOG_KEPT) != 0)
		rc = err_sys(e, "%s", log);
	fs_read(log, &text, LOG_KEPT, NULL);
	r->ok = !timeout && j->proc.status == 0;
	r->resources = nvcc_parse_log(buf_text(&text));
	if (timeout) {
		struct buf why;

		buf_init(&why);
		buf_addf(&why, "nvcc was stopped after %.0f s", n->time_limit_s);
		r->why = buf_take(&why);
	} else if (!r->ok) {
		r->why = nvcc_first_error(buf_text(&text));
	}
	buf_reserve(&text, 1);
	r->log = buf_take(&text);
	/* A time-out or a killed compiler says nothing about the source, so only its own verdict is kept. */
	if (rc == 0 && (r->ok || (!timeout && WIFEXITED(j->proc.status))))
		rc = nvcc_cache_store(j->tmp, j->dir, image_name(j->arch), r, e);
	else
		fs_remove_tree(j->tmp, NULL);
	j->state = DONE;
	free(log);
	return rc;
}

static bool compiling(const struct nvcc *n, const struct job *j)
{
	for (const struct job *k = n->head; k && k != j; k = k->next)
		if (k->state == RUNNING && strcmp(k->id, j->id) == 0)
			return true;
	return false;
}

int nvcc_next(struct nvcc *n, long *ticket, struct nvcc_result *r, struct err *e)
{
	struct job *j, **link;

	for (j = n->head; j; j = j->next) {
		int ended;

		if (j->state != RUNNING)
			continue;
		ended = proc_reap(&j->proc, e);
		if (ended < 0)
			return ended;
		if (ended && job_finish(n, j, false, e) < 0)
			return -1;
		if (!ended && proc_now_s() - j->started_s > n->time_limit_s) {
			proc_kill(&j->proc);
			if (job_finish(n, j, true, e) < 0)
				return -1;
		}
	}
	for (j = n->head; j && n->running < n->jobs; j = j->next) {
		bool hit = false;

		if (j->state != QUEUED || compiling(n, j))
			continue;
		if (nvcc_cache_load(j->dir, image_name(j->arch), &j->result, &hit, e) < 0)
			return -1;
		if (hit) {
			j->state = DONE;
			continue;
		}
		nvcc_result_free(&j->result);
		buf_init(&j->result.cubin);
		if (job_start(n, j, e) < 0)
			return -1;
	}
	for (link = &n->head; (j = *link); link = &j->next) {
		if (j->state != DONE)
			continue;
		*link = j->next;
		if (n->tail == &j->next)
			n->tail = link;
		*ticket = j->ticket;
		*r = j->result;
		r->id = strdup(j->id);
		r->dir = strdup(j->dir);
		memset(&j->result, 0, sizeof(j->result));
		job_free(j);
		return 1;
	}
	return 0;
}

int nvcc_pollfds(const struct nvcc *n, struct pollfd *fds, int max)
{
	int count = 0;

	for (const struct job *j = n->head; j && count < max; j = j->next)
		if (j->state == RUNNING && j->proc.pidfd >= 0)
			fds[count++] = (struct pollfd){ .fd = j->proc.pidfd, .events = POLLIN };
	return count;
}

long nvcc_running(const struct nvcc *n)
{
	return n->running;
}

long nvcc_queued(const struct nvcc *n)
{
	long count = 0;

	for (const struct job *j = n->head; j; j = j->next)
		count += j->state == QUEUED;
	return count;
}
