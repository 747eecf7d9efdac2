/* proc: child processes without a shell, each in a process group of its own, with limits; a kill reaches the group.
 * Waiting is by pidfd, so a caller can poll many children and pipes in one poll(2). */
#ifndef ATTUNE_PROC_H
#define ATTUNE_PROC_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "attune/buf.h"
#include "attune/err.h"

struct proc {
	pid_t pid;  /* 0: not running */
	int pidfd;  /* readable when the child has ended; -1 when not running */
	int status; /* wait status after proc_reap has returned 1 */
	double cpu_s; /* user and system time of the child after it was reaped, seconds */
};

struct proc_options {
	const char *const *argv; /* argv[0] looked up in PATH, NULL-terminated */
	const char *cwd;         /* NULL: the caller's */
	int in_fd, out_fd, err_fd; /* -1: /dev/null; each is dup'ed in the child, the caller closes its own */
	const char *const *env;  /* "NAME=value" to add or replace, NULL-terminated; may be NULL */
	uint64_t cpu_s;          /* RLIMIT_CPU, 0: none */
	uint64_t memory_bytes;   /* RLIMIT_AS, 0: none */
	uint64_t file_bytes;     /* RLIMIT_FSIZE, 0: none */
	bool die_with_parent;    /* PR_SET_PDEATHSIG(SIGKILL) */
};

int proc_start(struct proc *p, const struct proc_options *o, struct err *e);
/* 1: ended, status set, pidfd closed, pid 0; 0: still running; negative: error. Never blocks. What a child that has ended
 * left behind in its group is killed. */
int proc_reap(struct proc *p, struct err *e);
/* Waits at most timeout_ms (-1: for ever); returns as proc_reap, or ERR_INTR when a signal came. */
int proc_wait(struct proc *p, int timeout_ms, struct err *e);
/* SIGKILL to the whole group, then reaps. Safe on a proc that has ended. */
void proc_kill(struct proc *p);
/* "exit 3" or "signal 9 (Killed)". */
void proc_status_text(int status, struct buf *out);
/* Runs to the end: the output (stdout, and stderr too when merge_err) is appended to out, at most max_out bytes (the rest
 * is read and dropped), the child is killed after timeout_ms (-1: never). Returns 0 with *status set, or negative
 * (ERR_LIMIT: timeout, ERR_INTR: a signal came and the child was killed). */
int proc_run(const struct proc_options *o, struct buf *out, size_t max_out, bool merge_err, int timeout_ms, int *status,
	     struct err *e);
/* Splits a command line as a POSIX shell would for words, single and double quotes and backslashes; no expansion of any
 * kind. A malloc'ed NULL-terminated vector, freed by proc_free_argv; error on an open quote or an empty command. */
int proc_split(const char *command, char ***argv, struct err *e);
void proc_free_argv(char **argv);
/* Monotonic clock, seconds. */
double proc_now_s(void);

#endif
