/* peer: starts runners for tests and exchanges frames with them. Does not know what the messages mean. */
#include "peer.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attune/fs.h"
#include "attune/wire.h"
#include "scratch.h"

#define ANSWER_S 60.0

static void open_pipes(struct peer *p, int *in_fd, int *out_fd)
{
	int a[2], b[2];

	memset(p, 0, sizeof(*p));
	buf_init(&p->in);
	ck_assert_int_eq(pipe2(a, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(b, O_CLOEXEC), 0);
	*in_fd = a[0];
	p->to = a[1];
	p->from = b[0];
	*out_fd = b[1];
}

void peer_start(struct peer *p, const char *const *argv, const char *const *env)
{
	struct proc_options o = { .argv = argv, .env = env, .die_with_parent = true };
	struct err e = { 0 };

	open_pipes(p, &o.in_fd, &o.out_fd);
	o.err_fd = scratch_new_file(p->errors, sizeof(p->errors));
	ck_assert_msg(proc_start(&p->proc, &o, &e) == 0, "%s", e.text);
	close(o.in_fd);
	close(o.out_fd);
	close(o.err_fd);
}

void peer_fork(struct peer *p, int (*serve)(const char *arg, int in_fd, int out_fd), const char *arg)
{
	int in_fd, out_fd, err_fd;

	open_pipes(p, &in_fd, &out_fd);
	err_fd = scratch_new_file(p->errors, sizeof(p->errors));
	p->pid = fork();
	ck_assert_int_ge(p->pid, 0);
	if (p->pid == 0) {
		close(p->to);
		close(p->from);
		dup2(err_fd, STDERR_FILENO);
		exit(serve(arg, in_fd, out_fd));
	}
	close(in_fd);
	close(out_fd);
	close(err_fd);
}

void peer_send(struct peer *p, json_t *head, const void *blob, size_t len)
{
	struct err e = { 0 };

	ck_assert_ptr_nonnull(head);
	ck_assert_msg(wire_send(p->to, head, blob, len, &e) == 0, "%s", e.text);
	json_decref(head);
}

void peer_send_raw(struct peer *p, const void *data, size_t len)
{
	ck_assert_int_eq(write(p->to, data, len), (ssize_t)len);
}

json_t *peer_receive(struct peer *p, double timeout_s)
{
	struct err e = { 0 };
	json_t *head = NULL;
	struct buf blob;
	int rc;

	buf_init(&blob);
	rc = wire_recv(p->from, &p->in, &head, &blob, (int)(timeout_s * 1e3), &e);
	buf_free(&blob);
	ck_assert_msg(rc == 0 || rc == ERR_EOF, "%s", e.text);
	return rc == 0 ? head : NULL;
}

json_t *peer_ask(struct peer *p, json_t *head, const void *blob, size_t len)
{
	json_t *answer;

	peer_send(p, head, blob, len);
	answer = peer_receive(p, ANSWER_S);
	if (!answer) {
		char *text = peer_errors(p);

		ck_abort_msg("no answer: the stream ended. %s", text);
	}
	return answer;
}

int peer_close(struct peer *p)
{
	int status = 0;

	close(p->to);
	if (p->pid) {
		ck_assert_int_eq(waitpid(p->pid, &status, 0), p->pid);
	} else {
		ck_assert_int_eq(proc_wait(&p->proc, 20000, NULL), 1);
		status = p->proc.status;
	}
	close(p->from);
	unlink(p->errors);
	buf_free(&p->in);
	return status;
}

char *peer_errors(const struct peer *p)
{
	struct buf text;

	buf_init(&text);
	fs_read(p->errors, &text, 1 << 20, NULL);
	buf_addc(&text, 0);
	return buf_take(&text);
}

const char *peer_text(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text ? text : "";
}

char *peer_built(const char *name)
{
	const char *build = getenv("ATTUNE_BUILD");

	return fs_join(build && *build ? build : "build", name);
}
