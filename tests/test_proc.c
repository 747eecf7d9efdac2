/* proc: groups, limits, descriptors, floods, and programs that are not there. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "attune/fs.h"
#include "attune/proc.h"
#include "scratch.h"

#define SH(...) ((const char *const[]){"/bin/sh", "-c", __VA_ARGS__, NULL})

/* Runs a command with a bound of 20 s and gives its output. */
static int run(const char *const *argv, struct buf *out, struct err *e)
{
	struct proc_options o = {.argv = argv, .in_fd = -1, .out_fd = -1, .err_fd = -1};
	int status = -1;

	buf_clear(out);
	return proc_run(&o, out, 1 << 20, true, 20000, &status, e) ? -1 : status;
}

/* Whether a process is gone within 5 s; a zombie that init has not taken yet counts as gone. */
static bool gone(pid_t pid)
{
	for (int i = 0; i < 500; i++) {
		char path[64], *state;
		struct buf b = {0};
		bool dead;

		snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
		dead = fs_read(path, &b, 4096, NULL) != 0;
		state = dead ? NULL : strrchr(b.data, ')');
		dead = dead || (state && state[2] == 'Z');
		buf_free(&b);
		if (dead)
			return true;
		usleep(10000);
	}
	return false;
}

/* Waits for a file that a child writes, and gives the process number in it. */
static pid_t pid_in(const char *path)
{
	for (int i = 0; i < 1000; i++) {
		struct buf b = {0};
		long pid = 0;

		if (!fs_read(path, &b, 100, NULL) && b.len && b.data[b.len - 1] == '\n')
			pid = atol(b.data);
		buf_free(&b);
		if (pid)
			return (pid_t)pid;
		usleep(10000);
	}
	ck_abort_msg("%s was not written", path);
	return 0;
}

START_TEST(no_shell_between)
{
	static const char *const words[] = {"printf", "[%s]", "$(touch pwned)", "a b", "", "`id`;*", NULL};
	struct buf out = {0};

	ck_assert_int_eq(chdir(scratch_path("")), 0);
	ck_assert_int_eq(run(words, &out, NULL), 0);
	ck_assert_str_eq(buf_text(&out), "[$(touch pwned)][a b][][`id`;*]");
	ck_assert(!fs_exists("pwned"));
	buf_free(&out);
}
END_TEST

START_TEST(programs_that_cannot_run)
{
	struct buf out = {0};
	struct err e = {0};

	ck_assert_int_eq(run((const char *const[]){"no-such-program-here", NULL}, &out, &e), -1);
	ck_assert_str_eq(e.text, "no-such-program-here: no such program in PATH");
	err_clear(&e);
	ck_assert_int_eq(run((const char *const[]){"/no/such", NULL}, &out, &e), -1);
	ck_assert_str_eq(e.text, "/no/such: no such program");
	err_clear(&e);
	ck_assert_int_eq(run((const char *const[]){"", NULL}, &out, &e), -1);
	err_clear(&e);
	ck_assert_int_eq(run((const char *const[]){"/etc/passwd", NULL}, &out, &e), -1);
	ck_assert_str_eq(e.text, "/etc/passwd: not an executable program");
	/* Executable but no program: a shell would have run it as a script. */
	scratch_write(scratch_path("text"), "echo ran\n", 9);
	ck_assert_int_eq(chmod(scratch_path("text"), 0755), 0);
	err_clear(&e);
	ck_assert_int_eq(run((const char *const[]){scratch_path("text"), NULL}, &out, &e), -1);
	ck_assert_ptr_nonnull(strstr(e.text, "cannot be run: Exec format error"));
	ck_assert_str_eq(buf_text(&out), "");
	/* No child is left behind. */
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
	buf_free(&out);
}
END_TEST

START_TEST(folder_and_environment)
{
	const char *const env[] = {"ATTUNE_T_NEW=n", "ATTUNE_T_OLD=changed", NULL};
	struct proc_options o = {.argv = SH("pwd; echo $ATTUNE_T_NEW $ATTUNE_T_OLD $ATTUNE_T_OLDER"), .in_fd = -1,
				 .out_fd = -1, .err_fd = -1, .cwd = "/", .env = env};
	struct buf out = {0};
	struct err e = {0};
	int status;

	setenv("ATTUNE_T_OLD", "o", 1);
	setenv("ATTUNE_T_OLDER", "older", 1);
	ck_assert_int_eq(proc_run(&o, &out, 100, true, 10000, &status, &e), 0);
	ck_assert_str_eq(buf_text(&out), "/\nn changed older\n");
	o.cwd = "/no/folder";
	ck_assert_int_lt(proc_run(&o, &out, 100, true, 10000, &status, &e), 0);
	ck_assert_str_eq(e.text, "/bin/sh: cannot run in /no/folder: No such file or directory");
	/* A path with a slash is the caller's, whatever folder the child gets. */
	ck_assert_int_eq(chdir(scratch_path("")), 0);
	scratch_write("tool", "#!/bin/sh\npwd\n", 14);
	ck_assert_int_eq(chmod("tool", 0755), 0);
	buf_clear(&out);
	o.cwd = "/";
	o.argv = (const char *const[]){"./tool", NULL};
	ck_assert_int_eq(proc_run(&o, &out, 100, true, 10000, &status, NULL), 0);
	ck_assert_str_eq(buf_text(&out), "/\n");
	buf_free(&out);
}
END_TEST

START_TEST(a_timeout_kills_grandchildren)
{
	const char *file = scratch_path("pid");
	struct proc_options o = {.argv = SH("(trap '' TERM INT HUP; sleep 1000 & echo $! >$0.new; mv $0.new $0; wait) & wait", file),
				 .in_fd = -1, .out_fd = -1, .err_fd = -1};
	double start = proc_now_s();
	struct buf out = {0};
	struct err e = {0};
	int status = 0;
	pid_t grandchild;

	ck_assert_int_eq(proc_run(&o, &out, 100, true, 700, &status, &e), ERR_LIMIT);
	ck_assert_double_lt(proc_now_s() - start, 60);
	ck_assert_double_ge(proc_now_s() - start, 0.7);
	ck_assert_str_eq(e.text, "/bin/sh: killed after 0.7 s without an end");
	ck_assert_int_eq(status, SIGKILL);
	grandchild = pid_in(file);
	ck_assert(gone(grandchild));
	buf_free(&out);
}
END_TEST

/* The leader ends at once and leaves a child that holds the pipe open: neither waits nor survives. */
START_TEST(leftovers_end_with_the_leader)
{
	const char *file = scratch_path("pid");
	struct proc_options o = {.argv = SH("sleep 1000 & echo $! >$0; echo done", file), .in_fd = -1, .out_fd = -1, .err_fd = -1};
	double start = proc_now_s();
	struct buf out = {0};
	int status;

	ck_assert_int_eq(proc_run(&o, &out, 100, true, 20000, &status, NULL), 0);
	ck_assert_double_lt(proc_now_s() - start, 60);
	ck_assert_str_eq(buf_text(&out), "done\n");
	ck_assert(gone(pid_in(file)));
	buf_free(&out);
}
END_TEST

START_TEST(limits)
{
	struct proc_options o = {.in_fd = -1, .out_fd = -1, .err_fd = -1};
	struct buf out = {0};
	int status;

	o.argv = SH("ulimit -v; ulimit -t; ulimit -f; ulimit -c");
	o.memory_bytes = 1 << 30;
	o.cpu_s = 100;
	o.file_bytes = 1 << 20;
	ck_assert_int_eq(proc_run(&o, &out, 1000, true, 10000, &status, NULL), 0);
	/* sh counts memory in KiB and files in blocks of 512 bytes. */
	ck_assert_str_eq(buf_text(&out), "1048576\n100\n2048\n0\n");

	o.argv = SH("head -c 2000000 /dev/zero >$0", scratch_path("big"));
	ck_assert_int_eq(proc_run(&o, &out, 1000, true, 10000, &status, NULL), 0);
	ck_assert_int_ne(status, 0);
	o.argv = SH("while :; do :; done");
	o.cpu_s = 1;
	ck_assert_int_eq(proc_run(&o, &out, 1000, true, 30000, &status, NULL), 0);
	ck_assert(WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL));
	buf_free(&out);
}
END_TEST

START_TEST(memory_is_limited)
{
	struct proc_options o = {.argv = SH("x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done"), .in_fd = -1, .out_fd = -1,
				 .err_fd = -1, .memory_bytes = 256 << 20};
	struct buf out = {0};
	int status;

	ck_assert_int_eq(proc_run(&o, &out, 1000, true, 60000, &status, NULL), 0);
	ck_assert_int_ne(status, 0);
	buf_free(&out);
}
END_TEST

/* The child gets its three descriptors and none of ours, also when ours are 0, 1, 2 in another order. */
START_TEST(descriptors)
{
	struct proc_options o = {.argv = SH("ls /proc/self/fd | wc -l; cat; echo err >&2")};
	const char *out_path = scratch_path("out"), *err_path = scratch_path("err");
	struct buf out = {0}, err = {0};
	struct proc p;
	int leak = open("/dev/null", O_RDONLY), saved = dup(2);

	ck_assert_int_ge(leak, 3);
	scratch_write(scratch_path("in"), "input\n", 6);
	close(0);
	close(1);
	close(2);
	ck_assert_int_eq(open(err_path, O_RDWR | O_CREAT, 0666), 0);
	ck_assert_int_eq(open(scratch_path("in"), O_RDONLY), 1);
	ck_assert_int_eq(open(out_path, O_RDWR | O_CREAT, 0666), 2);
	o.in_fd = 1;
	o.out_fd = 2;
	o.err_fd = 0;
	ck_assert_int_eq(proc_start(&p, &o, NULL), 0);
	ck_assert_int_eq(proc_wait(&p, 10000, NULL), 1);
	dup2(saved, 2);
	ck_assert_int_eq(p.status, 0);
	ck_assert_int_eq(fs_read(out_path, &out, 100, NULL), 0);
	/* 0, 1, 2 and the one with which ls reads the folder */
	ck_assert_str_eq(buf_text(&out), "4\ninput\n");
	ck_assert_int_eq(fs_read(err_path, &err, 100, NULL), 0);
	ck_assert_str_eq(buf_text(&err), "err\n");
	buf_free(&out);
	buf_free(&err);
}
END_TEST

START_TEST(waiting)
{
	struct proc_options o = {.argv = SH("sleep 0.3; exit 2"), .in_fd = -1, .out_fd = -1, .err_fd = -1};
	struct pollfd fd;
	struct proc p;
	pid_t pid;

	ck_assert_int_eq(proc_start(&p, &o, NULL), 0);
	ck_assert_int_eq(getpgid(p.pid), p.pid);
	ck_assert_int_eq(proc_reap(&p, NULL), 0);
	ck_assert_int_eq(proc_wait(&p, 10, NULL), 0);
	fd = (struct pollfd){.fd = p.pidfd, .events = POLLIN};
	ck_assert_int_eq(poll(&fd, 1, 20000), 1);
	ck_assert_int_eq(proc_reap(&p, NULL), 1);
	ck_assert_int_eq(p.status, 2 << 8);
	ck_assert_int_eq(p.pid, 0);
	ck_assert_int_eq(p.pidfd, -1);
	ck_assert_int_eq(fcntl(fd.fd, F_GETFD), -1);
	ck_assert_int_eq(proc_wait(&p, -1, NULL), 1);
	proc_kill(&p);
	ck_assert_int_eq(p.status, 2 << 8);

	o.argv = SH("while :; do :; done");
	ck_assert_int_eq(proc_start(&p, &o, NULL), 0);
	pid = p.pid;
	usleep(200000);
	proc_kill(&p);
	ck_assert_int_eq(p.status, SIGKILL);
	ck_assert_int_eq(p.pid, 0);
	ck_assert_double_gt(p.cpu_s, 0.005);
	ck_assert_int_eq(kill(pid, 0), -1);
}
END_TEST

static void ignore_it(int signo)
{
	(void)signo;
}

/* A signal ends a wait, and the child inherits neither ignored nor blocked signals. */
START_TEST(signals)
{
	struct proc_options o = {.argv = SH("kill -PIPE $$; sleep 30"), .in_fd = -1, .out_fd = -1,
				 .err_fd = -1};
	struct sigaction act = {.sa_handler = ignore_it};
	struct buf out = {0};
	struct err e = {0};
	struct proc p;
	sigset_t set;
	int status;

	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(proc_run(&o, &out, 10, true, 20000, &status, NULL), 0);
	ck_assert_int_eq(status, SIGPIPE);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	o.argv = (const char *const[]){"sleep", "30", NULL};
	ck_assert_int_eq(proc_start(&p, &o, NULL), 0);
	ck_assert_int_eq(kill(p.pid, SIGUSR1), 0);
	ck_assert_int_eq(proc_wait(&p, 20000, NULL), 1);
	ck_assert_int_eq(p.status, SIGUSR1);

	sigaction(SIGALRM, &act, NULL);
	o.argv = SH("sleep 30");
	ck_assert_int_eq(proc_start(&p, &o, NULL), 0);
	alarm(1);
	ck_assert_int_eq(proc_wait(&p, 20000, &e), ERR_INTR);
	ck_assert_int_ne(p.pid, 0);
	proc_kill(&p);
	err_clear(&e);
	alarm(1);
	ck_assert_int_eq(proc_run(&o, &out, 10, true, 20000, &status, &e), ERR_INTR);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	buf_free(&out);
}
END_TEST

START_TEST(dies_with_its_parent)
{
	const char *file = scratch_path("pid");
	struct proc_options o = {.argv = SH("echo $$ >$0.new; mv $0.new $0; sleep 1000", file), .in_fd = -1, .out_fd = -1,
				 .err_fd = -1, .die_with_parent = true};
	pid_t parent = fork();

	if (!parent) {
		struct proc p;

		if (!proc_start(&p, &o, NULL))
			pause();
		_exit(1);
	}
	pid_in(file);
	kill(parent, SIGKILL);
	waitpid(parent, NULL, 0);
	ck_assert(gone(pid_in(file)));
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("proc");

	tcase_set_timeout(c, 90);
	tcase_add_checked_fixture(c, scratch_make, scratch_remove);
	tcase_add_test(c, no_shell_between);
	tcase_add_test(c, programs_that_cannot_run);
	tcase_add_test(c, folder_and_environment);
	tcase_add_test(c, a_timeout_kills_grandchildren);
	tcase_add_test(c, leftovers_end_with_the_leader);
	tcase_add_test(c, limits);
	tcase_add_test(c, memory_is_limited);
	tcase_add_test(c, descriptors);
	tcase_add_test(c, waiting);
	tcase_add_test(c, signals);
	tcase_add_test(c, dies_with_its_parent);
	return scratch_run("proc", c);
}
