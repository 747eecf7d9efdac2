/* child: forks (or runs), asks, waits with a limit, kills. The child's standard input and output are /dev/null, so that neither a
 * library nor a printf of a kernel can speak on the wire. */
#include "attune/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attune/proc.h"
#include "attune/wire.h"

enum { SEND_LIMIT_S = 20 };

static void close_from(int first)
{
#ifdef SYS_close_range
	if (syscall(SYS_close_range, (unsigned)first, ~0u, 0u) == 0)
		return;
#endif
	for (int fd = first; fd < 4096; fd++)
		close(fd);
}

/* What sanitizers and profilers put into a process goes along in the environment, and, where they have replaced execve, on
 * its way there. */
static void run_program(const struct child *c, int device)
{
	char number[16];
	char *argv[] = { "attune-run", "--child", (char *)c->program, "--device", number, NULL };

	snprintf(number, sizeof number, "%d", device);
	if (c->hidden) {
		unsetenv("LD_PRELOAD");
		unsetenv("CUDA_INJECTION64_PATH");
		syscall(SYS_execve, "/proc/self/exe", argv, environ);
	} else {
		execv("/proc/self/exe", argv);
	}
	_exit(1);
}

static _Noreturn void child_run(const struct child *c, child_main_fn *main_fn, int fd, int device, pid_t parent)
{
	const int arena_fd = c->arena.fd;
	const struct rlimit no_core = { 0, 0 };
	int null, high, high_arena;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	setrlimit(RLIMIT_CORE, &no_core);
	null = open("/dev/null", O_RDWR);
	/* Out of the way first, for either may already have the other's number. */
	high = fcntl(fd, F_DUPFD, 64);
	high_arena = fcntl(arena_fd, F_DUPFD, 64);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 || dup2(high, CHILD_FD) < 0 ||
	    dup2(high_arena, CHILD_ARENA_FD) < 0)
		_exit(1);
	close_from(CHILD_ARENA_FD + 1);
	if (c->program)
		run_program(c, device);
	_exit(main_fn(CHILD_FD, CHILD_ARENA_FD, device));
}

int child_start(struct child *c, child_main_fn *main_fn, int device, struct err *e)
{
	const struct timeval limit = { .tv_sec = SEND_LIMIT_S };
	const pid_t parent = getpid();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "socketpair");
	/* A child that neither reads nor dies must not keep the judge from its time limit. */
	setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	c->pid = fork();
	if (c->pid < 0) {
		c->pid = 0;
		err_sys(e, "fork");
		close(pair[0]);
		close(pair[1]);
		return -1;
	}
	if (c->pid == 0)
		child_run(c, main_fn, pair[1], device, parent);
	close(pair[1]);
	c->fd = pair[0];
	buf_init(&c->in);
	return 0;
}

/* Reaps a child that has ended or is about to, and says how it ended. */
static void reap(struct child *c, struct buf *how)
{
	int status = 0;

	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (how)
		proc_status_text(status, how);
	close(c->fd);
	buf_free(&c->in);
	c->pid = 0;
	c->fd = -1;
}

void child_kill(struct child *c)
{
	if (c->pid <= 0)
		return;
	kill(c->pid, SIGKILL);
	reap(c, NULL);
}

void child_end(struct child *c, double timeout_s)
{
	const double until = proc_now_s() + timeout_s;
	siginfo_t info = { 0 };

	if (c->pid <= 0)
		return;
	shutdown(c->fd, SHUT_RDWR);
	while (proc_now_s() < until && waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && !info.si_pid)
		poll(NULL, 0, 10);
	child_kill(c);
}

int child_send(struct child *c, const json_t *head, const void *blob, size_t len, struct err *e)
{
	if (c->pid <= 0)
		return err_set_code(e, ERR_EOF, "the %s is not running", c->what);
	if (wire_send(c->fd, head, blob, len, e) < 0)
		return err_where(e, "%s", c->what);
	return 0;
}

static int ended(struct child *c, struct err *e)
{
	struct buf how;

	buf_init(&how);
	kill(c->pid, SIGKILL); /* harmless when it ended by itself; it may also have closed its socket only */
	reap(c, &how);
	err_set_code(e, ERR_EOF, "the %s ended: %s", c->what, buf_text(&how));
	buf_free(&how);
	return ERR_EOF;
}

static int receive(struct child *c, struct err *e)
{
	char chunk[65536];
	const ssize_t n = read(c->fd, chunk, sizeof chunk);

	if (n > 0)
		buf_add(&c->in, chunk, (size_t)n);
	else if (n == 0 || (errno != EINTR && errno != EAGAIN))
		return ended(c, e);
	return 0;
}

int child_wait(struct child *c, json_t **answer, double timeout_s, struct err *e)
{
	const double until = proc_now_s() + timeout_s;

	*answer = NULL;
	if (c->pid <= 0)
		return err_set_code(e, ERR_EOF, "the %s is not running", c->what);
	for (;;) {
		struct pollfd fds[2] = { { .fd = c->fd, .events = POLLIN }, { .fd = c->watch_fd } };
		const int got = wire_decode(&c->in, answer, NULL, e);
		const double left = until - proc_now_s();

		if (got > 0)
			return 0;
		if (got < 0) {
			err_where(e, "the %s broke the protocol", c->what);
			return e->code = ERR_FAIL;
		}
		if (left <= 0)
			return err_set_code(e, ERR_LIMIT, "the %s did not answer within %.3g s", c->what, timeout_s);
		if (poll(fds, 2, left > 60 ? 60000 : (int)(left * 1e3) + 1) < 0 && errno != EINTR)
			return err_sys(e, "poll");
		if (fds[1].revents & (POLLERR | POLLNVAL))
			return err_set_code(e, ERR_INTR, "nobody reads the results any more");
		if (fds[0].revents && receive(c, e) < 0)
			return ERR_EOF;
	}
}
