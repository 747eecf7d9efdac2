/* torch_baseline: one Python child, one request line, one answer line.
 * Does not interpret the request, and does not look at the GPU.
 * While it waits it drains the child's standard error and keeps the end of it: the last line says why a child died. */
#include "attune/torch_baseline.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attune/buf.h"
#include "attune/proc.h"

#define PROGRAM_MAX (120u << 10) /* Linux takes at most 128 KiB in one argument */
#define ERRORS_KEPT 4096

struct torch_baseline {
	struct proc proc;
	char *name;       /* last part of argv[0], for messages */
	int in_fd;        /* the child's standard input */
	int out_fd;
	int err_fd;
	struct buf out;   /* what of the answer has come */
	struct buf errors; /* the end of its standard error */
};

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* The vector for the child, NULL-terminated; its strings belong to argv and to program. */
static int argv_build(const json_t *argv, const char *program, const char ***out, struct err *e)
{
	size_t n = json_array_size(argv);
	const char **v;
	size_t i, to = 0;

	if (n == 0)
		return err_set(e, "a baseline's argv must be a list that names a program");
	v = calloc(n + 3, sizeof(*v));
	if (!v)
		abort();
	for (i = 0; i < n; i++) {
		const char *s = json_string_value(json_array_get(argv, i));

		if (!s || (i == 0 && !*s)) {
			free(v);
			return err_set(e, "a baseline's argv must be a list of strings that names a program");
		}
		if (program && i > 0 && i + 1 == n && !strcmp(s, "-"))
			break;
		v[to++] = s;
	}
	if (program) {
		v[to++] = "-c";
		v[to++] = program;
	}
	*out = v;
	return 0;
}

static int program_copy(const void *program, size_t len, char **out, struct err *e)
{
	*out = NULL;
	if (!len)
		return 0;
	if (len > PROGRAM_MAX)
		return err_set(e, "a baseline's program has %zu bytes, more than the %u that fit an argument", len,
			       PROGRAM_MAX);
	if (memchr(program, 0, len))
		return err_set(e, "a baseline's program holds a NUL byte");
	*out = strndup(program, len);
	if (!*out)
		abort();
	return 0;
}

int torch_baseline_start(struct torch_baseline **out, const json_t *argv, const void *program, size_t len,
			 struct err *e)
{
	int in[2] = { -1, -1 }, outp[2] = { -1, -1 }, errp[2] = { -1, -1 };
	struct torch_baseline *t = NULL;
	struct proc_options options;
	const char **v = NULL;
	const char *slash;
	char *text = NULL;
	int rc;

	*out = NULL;
	rc = program_copy(program, len, &text, e);
	if (rc == 0)
		rc = argv_build(argv, text, &v, e);
	if (rc < 0)
		goto out;
	t = calloc(1, sizeof(*t));
	if (!t)
		abort();
	t->in_fd = t->out_fd = t->err_fd = -1;
	t->proc.pidfd = -1;
	buf_init(&t->out);
	buf_init(&t->errors);
	slash = strrchr(v[0], '/');
	t->name = strdup(slash ? slash + 1 : v[0]);
	if (!t->name)
		abort();
	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(outp, O_CLOEXEC) < 0 || pipe2(errp, O_CLOEXEC) < 0) {
		rc = err_sys(e, "pipe for %s", t->name);
		goto out;
	}
	options = (struct proc_options){ .argv = v, .in_fd = in[0], .out_fd = outp[1], .err_fd = errp[1],
					 .die_with_parent = true };
	rc = proc_start(&t->proc, &options, e);
	if (rc < 0)
		goto out;
	t->in_fd = in[1];
	t->out_fd = outp[0];
	t->err_fd = errp[0];
	in[1] = outp[0] = errp[0] = -1;
	if (fcntl(t->in_fd, F_SETFL, O_NONBLOCK) < 0 || fcntl(t->out_fd, F_SETFL, O_NONBLOCK) < 0 ||
	    fcntl(t->err_fd, F_SETFL, O_NONBLOCK) < 0) {
		rc = err_sys(e, "pipe for %s", t->name);
		goto out;
	}
	*out = t;
	t = NULL;
	rc = 0;
out:
	torch_baseline_stop(t);
	for (int i = 0; i < 2; i++) {
		fd_close(&in[i]);
		fd_close(&outp[i]);
		fd_close(&errp[i]);
	}
	free(v);
	free(text);
	return rc;
}

void torch_baseline_stop(struct torch_baseline *t)
{
	if (!t)
		return;
	proc_kill(&t->proc);
	fd_close(&t->in_fd);
	fd_close(&t->out_fd);
	fd_close(&t->err_fd);
	buf_free(&t->out);
	buf_free(&t->errors);
	free(t->name);
	free(t);
}

/* Reads what is there; the descriptor is closed at the end of the stream. most bounds what is kept, from the end. */
static void drain(int *fd, struct buf *to, size_t most)
{
	char part[4096];
	ssize_t n;

	n = read(*fd, part, sizeof(part));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		fd_close(fd);
		return;
	}
	buf_add(to, part, (size_t)n);
	if (to->len > most) {
		size_t cut = to->len - most;

		memmove(to->data, to->data + cut, most);
		to->len = most;
		to->data[most] = 0;
	}
}

/* The last line that holds something, in place; what is not printable becomes '?'. */
static char *last_line(struct buf *b)
{
	char *s;

	if (!b->len)
		return NULL;
	s = b->data;
	while (b->len && isspace((unsigned char)s[b->len - 1]))
		s[--b->len] = 0;
	for (size_t i = 0; i < b->len; i++)
		if (!isprint((unsigned char)s[i]) && s[i] != '\n')
			s[i] = '?';
	if (!b->len)
		return NULL;
	return strrchr(s, '\n') ? strrchr(s, '\n') + 1 : s;
}

/* The child has closed its output without an answer: says why, as well as can be known. */
static int ended(struct torch_baseline *t, struct err *e)
{
	static const char absent[] = "ModuleNotFoundError: No module named '";
	struct buf status;
	char *line;
	int rc;

	for (int i = 0; i < 20 && t->err_fd >= 0; i++) {
		struct pollfd p = { .fd = t->err_fd, .events = POLLIN };

		if (poll(&p, 1, 50) <= 0)
			break;
		drain(&t->err_fd, &t->errors, ERRORS_KEPT);
	}
	line = last_line(&t->errors);
	if (line && !strncmp(line, absent, sizeof(absent) - 1) && strchr(line + sizeof(absent) - 1, '\'')) {
		*strchr(line + sizeof(absent) - 1, '\'') = 0;
		return err_set(e, "%s: no module named %s", t->name, line + sizeof(absent) - 1);
	}
	buf_init(&status);
	if (proc_wait(&t->proc, 1000, NULL) == 1)
		proc_status_text(t->proc.status, &status);
	else
		buf_adds(&status, "closed its output");
	rc = err_set(e, "%s: no answer (%s)%s%s", t->name, buf_text(&status), line ? ": " : "", line ? line : "");
	buf_free(&status);
	return rc;
}

static int check_entry(const struct torch_baseline *t, const json_t *entry, struct err *e)
{
	const char *name = json_string_value(json_object_get(entry, "name"));
	const char *key;
	json_t *value;

	if (!name)
		return err_set(e, "%s: answered with an entry that has no name", t->name);
	if (!json_object_get(entry, "time_us") && !json_is_string(json_object_get(entry, "why")))
		return err_set(e, "%s: answered for '%s' with neither time_us nor why", t->name, name);
	json_object_foreach((json_t *)entry, key, value) {
		size_t n = strlen(key);

		if (n < 3 || strcmp(key + n - 3, "_us") || (json_is_null(value) && strcmp(key, "time_us")))
			continue;
		if (!json_is_number(value) || !isfinite(json_number_value(value)) || json_number_value(value) <= 0)
			return err_set(e, "%s: answered for '%s' with a %s that is not a positive number", t->name,
				       name, key);
	}
	return 0;
}

static int parse(const struct torch_baseline *t, const char *line, size_t len, json_t **answer, struct err *e)
{
	json_t *root = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	json_t *entries = json_object_get(root, "entries"), *entry;
	const char *why = json_string_value(json_object_get(root, "why"));
	int rc = 0;
	size_t i;

	if (!json_is_object(root))
		rc = err_set(e, "%s: answered with a line that is not a JSON object: %.*s%s", t->name,
			     (int)(len > 60 ? 60 : len), line, len > 60 ? "..." : "");
	else if (!entries && why)
		rc = err_set(e, "%s: %s", t->name, why);
	else if (!json_is_array(entries))
		rc = err_set(e, "%s: answered without a list of entries", t->name);
	else
		json_array_foreach(entries, i, entry)
			if (rc == 0)
				rc = check_entry(t, entry, e);
	if (rc == 0)
		*answer = json_incref(root);
	json_decref(root);
	return rc;
}

/* One round of waiting: sends, receives and keeps errors. 1: a line is there (its length in *len); 0: not yet. */
static int step(struct torch_baseline *t, const struct buf *text, size_t *sent, int wait_ms, size_t *len, struct err *e)
{
	struct pollfd p[3] = { { .fd = t->out_fd, .events = POLLIN },
			       { .fd = t->err_fd, .events = POLLIN },
			       { .fd = *sent < text->len ? t->in_fd : -1, .events = POLLOUT } };
	const char *end;

	if (poll(p, 3, wait_ms) < 0)
		return errno == EINTR ? 0 : err_sys(e, "%s: poll", t->name);
	if (p[1].revents)
		drain(&t->err_fd, &t->errors, ERRORS_KEPT);
	if (p[2].revents) {
		ssize_t n = write(t->in_fd, text->data + *sent, text->len - *sent);

		if (n > 0)
			*sent += (size_t)n;
		else if (n < 0 && errno != EAGAIN && errno != EINTR)
			*sent = text->len; /* it reads no more, but may have said why on its output */
	}
	if (p[0].revents)
		drain(&t->out_fd, &t->out, TORCH_BASELINE_LINE_MAX + 1);
	end = t->out.len ? memchr(t->out.data, '\n', t->out.len) : NULL;
	if (end) {
		*len = (size_t)(end - t->out.data);
		return 1;
	}
	if (t->out.len > TORCH_BASELINE_LINE_MAX)
		return err_set(e, "%s: answered more than %u bytes without an end of line", t->name,
			       TORCH_BASELINE_LINE_MAX);
	return t->out_fd < 0 ? ended(t, e) : 0;
}

int torch_baseline_measure(struct torch_baseline *t, const json_t *request, double timeout_s, json_t **answer,
			   struct err *e)
{
	double until = proc_now_s() + timeout_s;
	size_t sent = 0, len = 0;
	struct buf line;
	char *text;
	int rc = 0;

	*answer = NULL;
	buf_init(&line);
	text = json_dumps(request, JSON_COMPACT);
	if (!text)
		return err_set(e, "%s: the request is not a JSON value", t->name);
	buf_adds(&line, text);
	buf_addc(&line, '\n');
	while (rc == 0) {
		double left_s = until - proc_now_s();

		if (left_s <= 0)
			rc = err_set_code(e, ERR_LIMIT, "%s: no answer within %g s", t->name, timeout_s);
		else
			rc = step(t, &line, &sent, left_s > 3600 ? 3600000 : (int)(left_s * 1e3) + 1, &len, e);
	}
	if (rc == 1)
		rc = parse(t, t->out.data, len, answer, e);
	if (rc == 0) {
		memmove(t->out.data, t->out.data + len + 1, t->out.len - len - 1);
		t->out.len -= len + 1;
		t->out.data[t->out.len] = 0;
	} else {
		proc_kill(&t->proc);
	}
	buf_free(&line);
	free(text);
	return rc;
}
