/* tune_tool: starts attune-run under a tool, with all requests in a file and the answers in another, and reads what came of
 * it. Does not know what a tool's report means. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attune/fs.h"
#include "attune/wire.h"
#include "tune_tool.h"

#define LOG_MAX (16u << 20)
#define ARGS_MAX 96

static char *beside(const char *folder, size_t len, const char *name)
{
	char path[4096];

	if ((size_t)snprintf(path, sizeof(path), "%.*s/%s", (int)len, folder, name) >= sizeof(path))
		return NULL;
	return access(path, X_OK) == 0 ? strdup(path) : NULL;
}

char *tool_find(const char *name)
{
	/* The Toolkit's installer leaves PATH alone. */
	static const char *const folders[] = { "/usr/local/cuda/bin", "/opt/cuda/bin" };
	const char *path = getenv("PATH");
	char *found = NULL;

	while (path && *path && !found) {
		const size_t len = strcspn(path, ":");

		found = len ? beside(path, len, name) : NULL;
		path += len + (path[len] == ':');
	}
	for (size_t i = 0; !found && i < sizeof(folders) / sizeof(folders[0]); i++)
		found = beside(folders[i], strlen(folders[i]), name);
	return found;
}

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The place of attune-run among the words; -1 when what stands before it is more than an environment: then the runner may
 * be on another machine, and files and tools of this one mean nothing there. */
static int runner_word(char *const *words)
{
	int i = 0;

	while (words[i] && (strcmp(base(words[i]), "env") == 0 || strchr(words[i], '=')))
		i++;
	return words[i] && strcmp(base(words[i]), "attune-run") == 0 ? i : -1;
}

const char *tool_obstacle(const struct session *s)
{
	struct err e = { 0 };
	char **words = NULL;
	int at = proc_split(s->runner_command, &words, &e) < 0 ? -1 : runner_word(words);

	proc_free_argv(words);
	return at < 0 ? "the runner's command is not attune-run alone: it may be elsewhere" : NULL;
}

static char *tool_path(const struct tune *t, const char *name, const char *suffix)
{
	struct buf path;

	buf_init(&path);
	buf_addf(&path, "%s/tool/%s%s", t->run_dir, name, suffix);
	return buf_take(&path);
}

/* The candidate's launches for some of the session's problems, and their specifications. */
static int pick(struct tune *t, const struct slot *slot, const size_t *problems, size_t n, json_t **specs, json_t **launches,
		struct err *e)
{
	json_t *all = NULL;
	int rc = session_launches(&t->s, slot->candidate, &all, e);

	*specs = json_array();
	*launches = json_array();
	for (size_t i = 0; rc == 0 && i < n; i++) {
		json_array_append(*specs, json_array_get(t->s.specs, problems[i]));
		json_array_append(*launches, json_array_get(all, problems[i]));
	}
	json_decref(all);
	return rc;
}

int tool_prepare(struct tune *t, const struct slot *slot, const size_t *problems, size_t n, struct err *e)
{
	const json_t *variant = session_variant(&t->s, json_string_value(json_object_get(slot->candidate, "variant")));
	json_t *specs = NULL, *launches = NULL, *problem = NULL, *load = NULL, *judge = NULL, *why;
	struct nvcc_result reference = { 0 }, image = { 0 };
	char *folder = fs_join(t->run_dir, "tool"), *path = fs_join(folder, "requests");
	struct buf frames;
	int rc = pick(t, slot, problems, n, &specs, &launches, e);

	buf_init(&frames);
	if (rc == 0)
		rc = session_compile(&t->s, NULL, json_string_value(json_object_get(t->s.device, "arch")), &reference, e);
	if (rc == 0)
		rc = session_compile(&t->s, slot->candidate, t->s.arch, &image, e);
	if (rc == 0 && (!reference.ok || !image.ok))
		rc = err_set(e, "does not compile any more: %s", image.ok ? reference.why : image.why);
	if (rc < 0)
		goto out;
	problem = json_pack("{s:s, s:O}", "type", "problem", "problems", specs);
	load = json_pack("{s:s, s:s}", "type", "load", "id", image.id);
	judge = json_pack("{s:s, s:s, s:s, s:O}", "type", "judge", "id", image.id, "candidate", slot->text, "launches", launches);
	why = json_object_get(variant, "nondeterministic");
	if (json_is_string(why))
		json_object_set(judge, "nondeterministic", why);
	rc = wire_encode(&frames, problem, reference.cubin.data, reference.cubin.len, e);
	if (rc == 0)
		rc = wire_encode(&frames, load, image.cubin.data, image.cubin.len, e);
	if (rc == 0)
		rc = wire_encode(&frames, judge, NULL, 0, e);
	if (rc == 0)
		rc = fs_mkdirs(folder, e);
	if (rc == 0)
		rc = fs_write_atomic(path, frames.data, frames.len, e);
out:
	json_decref(specs);
	json_decref(launches);
	json_decref(problem);
	json_decref(load);
	json_decref(judge);
	nvcc_result_free(&reference);
	nvcc_result_free(&image);
	buf_free(&frames);
	free(folder);
	free(path);
	return rc;
}

static int start(struct tune *t, struct tool_run *r, const char *const *argv, struct err *e)
{
	struct proc_options o = { .argv = argv, .in_fd = -1, .out_fd = -1, .err_fd = -1, .die_with_parent = true };
	char *requests = tool_path(t, "requests", "");
	int rc = 0;

	unlink(r->log_path);
	o.in_fd = open(requests, O_RDONLY | O_CLOEXEC);
	o.out_fd = open(r->answers_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	o.err_fd = open(r->errors_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (o.in_fd < 0 || o.out_fd < 0 || o.err_fd < 0)
		rc = err_sys(e, "%s", requests);
	else
		rc = proc_start(&r->proc, &o, e);
	for (int *fd = (int[]){ o.in_fd, o.out_fd, o.err_fd, -2 }; *fd != -2; fd++)
		if (*fd >= 0)
			close(*fd);
	free(requests);
	return rc;
}

int tool_start(struct tune *t, struct tool_run *r, const char *label, const char *const *argv, double limit_s, struct err *e)
{
	const char *all[ARGS_MAX];
	char **words = NULL, limit[32];
	int at, n = 0, rc;

	memset(r, 0, sizeof(*r));
	r->label = label;
	r->proc.pidfd = -1;
	buf_init(&r->log);
	buf_init(&r->errors);
	r->log_path = tool_path(t, label, ".log");
	r->answers_path = tool_path(t, label, ".answers");
	r->errors_path = tool_path(t, label, ".errors");
	if (proc_split(t->s.runner_command, &words, e) < 0)
		return -1;
	at = runner_word(words);
	snprintf(limit, sizeof(limit), "%.0f", limit_s);
	for (int i = 0; i < at && n < ARGS_MAX - 8; i++)
		all[n++] = words[i];
	for (int i = 0; argv[i] && n < ARGS_MAX - 8; i++)
		all[n++] = argv[i];
	all[n++] = "--log-file";
	all[n++] = r->log_path;
	for (int i = at; at >= 0 && words[i] && n < ARGS_MAX - 4; i++)
		all[n++] = words[i];
	all[n++] = "--under-tool";
	all[n++] = "--limit";
	all[n++] = limit;
	all[n] = NULL;
	r->took_s = proc_now_s();
	rc = at < 0 ? err_set(e, "%s", tool_obstacle(&t->s)) : start(t, r, all, e);
	proc_free_argv(words);
	return rc;
}

/* The last line that holds something. */
static void last_line(const struct buf *text, char *line, size_t size)
{
	size_t end = text->len, start;

	while (end > 0 && strchr(" \r\n", text->data[end - 1]))
		end--;
	for (start = end; start > 0 && text->data[start - 1] != '\n'; start--)
		;
	snprintf(line, size, "%.*s", (int)(end - start), end ? text->data + start : "");
}

static void read_answers(struct tool_run *r)
{
	struct buf answers, blob;
	struct err ignored = { 0 };
	json_t *head = NULL;

	buf_init(&answers);
	buf_init(&blob);
	fs_read(r->answers_path, &answers, LOG_MAX, &ignored);
	while (wire_decode(&answers, &head, &blob, &ignored) == 1) {
		const char *type = wire_type(head), *text = json_string_value(json_object_get(head, "text"));
		const char *none = json_string_value(json_object_get(head, "why"));

		if (strcmp(type, "result") == 0) {
			json_decref(r->result);
			r->result = json_incref(head);
		} else if (strcmp(type, "error") == 0 || (strcmp(type, "hello") == 0 && none)) {
			/* The first is the cause of the others. */
			if (!r->why[0])
				snprintf(r->why, sizeof(r->why), "%s", text ? text : none ? none : "an error without a text");
		}
		json_decref(head);
		head = NULL;
		buf_clear(&blob);
	}
	if (!r->result && !r->why[0])
		last_line(&r->errors, r->why, sizeof(r->why));
	if (!r->result && !r->why[0])
		snprintf(r->why, sizeof(r->why), "it ended without an answer");
	buf_free(&answers);
	buf_free(&blob);
}

static void collect(struct tool_run *r)
{
	struct err ignored = { 0 };

	r->took_s = proc_now_s() - r->took_s;
	r->status = r->proc.status;
	fs_read(r->log_path, &r->log, LOG_MAX, &ignored);
	fs_read(r->errors_path, &r->errors, LOG_MAX, &ignored);
	read_answers(r);
}

int tool_poll(struct tool_run *r)
{
	struct err ignored = { 0 };

	if (!r->proc.pid)
		return 1;
	if (proc_reap(&r->proc, &ignored) == 0)
		return 0;
	r->ended = true;
	collect(r);
	return 1;
}

void tool_kill(struct tool_run *r)
{
	if (!r->proc.pid)
		return;
	proc_kill(&r->proc);
	collect(r);
}

void tool_free(struct tool_run *r)
{
	if (r->proc.pid)
		proc_kill(&r->proc);
	free(r->log_path);
	free(r->answers_path);
	free(r->errors_path);
	buf_free(&r->log);
	buf_free(&r->errors);
	json_decref(r->result);
	memset(r, 0, sizeof(*r));
}

int tool_entries(struct tune *t, const struct slot *slot, json_t **names, struct err *e)
{
	json_t *launch = NULL, *step;
	size_t i;

	*names = json_array();
	if (script_launch(t->s.script, session_problem(&t->s), slot->candidate, &launch, e) < 0)
		return -1;
	json_array_foreach(json_object_get(launch, "steps"), i, step)
		if (json_object_get(step, "entry"))
			json_array_append(*names, json_object_get(step, "entry"));
	json_decref(launch);
	return 0;
}
