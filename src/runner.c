/* runner: a child process that speaks frames on its standard input and output. Reads and writes without blocking, so that
 * the host can wait for compilers and the runner in one poll. Does not interpret messages; a lost runner is reported, and
 * starting another is the caller's decision. */
#include "attune/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attune/proc.h"
#include "attune/wire.h"

#define READ_CHUNK 65536

struct runner {
	struct proc proc;
	int to, from; /* pipes: the runner's standard input and output */
	struct buf out, in;
	size_t sent;
	json_t *hello;
	char *command;
};

static int set_nonblocking(int fd, struct err *e)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_sys(e, "runner pipe");
	return 0;
}

static int spawn(struct runner *r, struct err *e)
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, rc = -1;
	char **argv = NULL;
	struct proc_options o = { .err_fd = STDERR_FILENO, .die_with_parent = true };

	if (proc_split(r->command, &argv, e) < 0)
		goto out;
	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0) {
		err_sys(e, "pipe");
		goto out;
	}
	o.argv = (const char *const *)argv;
	o.in_fd = in[0];
	o.out_fd = out[1];
	if (proc_start(&r->proc, &o, e) < 0)
		goto out;
	r->to = in[1];
	r->from = out[0];
	in[1] = out[0] = -1;
	rc = set_nonblocking(r->to, e) < 0 || set_nonblocking(r->from, e) < 0 ? -1 : 0;
out:
	for (int i = 0; i < 2; i++) {
		if (in[i] >= 0)
			close(in[i]);
		if (out[i] >= 0)
			close(out[i]);
	}
	proc_free_argv(argv);
	return rc;
}

int runner_start(struct runner **out, const char *command, double timeout_s, struct err *e)
{
	struct runner *r = calloc(1, sizeof(*r));
	int rc;

	r->to = r->from = -1;
	r->proc.pidfd = -1;
	r->command = strdup(command);
	buf_init(&r->out);
	buf_init(&r->in);
	rc = spawn(r, e);
	if (rc == 0)
		rc = runner_wait(r, &r->hello, timeout_s, e);
	if (rc == 0 && strcmp(wire_type(r->hello), "error") == 0) {
		const char *text = json_string_value(json_object_get(r->hello, "text"));

		rc = err_set(e, "%s", text ? text : "an error without a text");
	}
	if (rc == 0 && strcmp(wire_type(r->hello), "hello") != 0)
		rc = err_set(e, "its first message is '%s', not a greeting", wire_type(r->hello));
	if (rc == 0 && json_integer_value(json_object_get(r->hello, "protocol")) != WIRE_PROTOCOL)
		rc = err_set(e, "it speaks protocol %d, this attune speaks %d: build both from the same sources",
			     (int)json_integer_value(json_object_get(r->hello, "protocol")), WIRE_PROTOCOL);
	if (rc < 0) {
		rc = err_where(e, "runner %s", command);
		runner_stop(r);
		return rc;
	}
	*out = r;
	return 0;
}

void runner_stop(struct runner *r)
{
	if (!r)
		return;
	if (r->to >= 0)
		close(r->to); /* the end of its input is the polite way to ask */
	/* A sanitizer or profiler in front of it writes its report at the end. */
	if (r->proc.pid && proc_wait(&r->proc, strstr(r->command, "--under-tool") ? 60000 : 1000, NULL) != 1)
		proc_kill(&r->proc);
	if (r->from >= 0)
		close(r->from);
	buf_free(&r->out);
	buf_free(&r->in);
	json_decref(r->hello);
	free(r->command);
	free(r);
}

const json_t *runner_hello(const struct runner *r)
{
	return r->hello;
}

int runner_send(struct runner *r, const json_t *head, const void *blob, size_t len, struct err *e)
{
	return wire_encode(&r->out, head, blob, len, e);
}

static int flush(struct runner *r, struct err *e)
{
	while (r->sent < r->out.len) {
		ssize_t n = write(r->to, r->out.data + r->sent, r->out.len - r->sent);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0) {
			err_sys(e, "runner %s is gone", r->command);
			return ERR_EOF;
		}
		r->sent += (size_t)n;
	}
	buf_clear(&r->out);
	r->sent = 0;
	return 0;
}

int runner_pump(struct runner *r, json_t **head, struct err *e)
{
	struct buf blob;
	bool ended = false;
	int rc = flush(r, e);

	if (rc < 0 && rc != ERR_EOF)
		return rc;
	while (!ended) {
		ssize_t n;

		buf_reserve(&r->in, READ_CHUNK);
		n = read(r->from, r->in.data + r->in.len, READ_CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n > 0)
			r->in.len += (size_t)n;
		ended = n <= 0;
		if (n < READ_CHUNK)
			break;
	}
	buf_init(&blob);
	rc = wire_decode(&r->in, head, &blob, e);
	buf_free(&blob);
	if (rc == 0 && ended)
		return err_set_code(e, ERR_EOF, "runner %s ended", r->command);
	return rc;
}

int runner_pollfds(const struct runner *r, struct pollfd *fds, int max)
{
	int n = 0;

	if (n < max)
		fds[n++] = (struct pollfd){ .fd = r->from, .events = POLLIN };
	if (n < max && r->out.len)
		fds[n++] = (struct pollfd){ .fd = r->to, .events = POLLOUT };
	return n;
}

int runner_wait(struct runner *r, json_t **head, double timeout_s, struct err *e)
{
	double end = proc_now_s() + timeout_s;

	for (;;) {
		struct pollfd fds[2];
		int n, rc = runner_pump(r, head, e);
		double left = end - proc_now_s();

		if (rc != 0)
			return rc < 0 ? rc : 0;
		if (left <= 0)
			return err_set_code(e, ERR_LIMIT, "no answer in %.0f s", timeout_s);
		n = runner_pollfds(r, fds, 2);
		if (poll(fds, (nfds_t)n, (int)(left * 1000) + 1) < 0 && errno == EINTR)
			return err_set_code(e, ERR_INTR, "interrupted");
	}
}
