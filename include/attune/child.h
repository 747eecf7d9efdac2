/* child: the judge's end of a child process that has a device context: fork, frames over a socket pair, shared memory,
 * time limits, SIGKILL. Knows nothing of what is asked. A child is forked, not executed: it needs no program of its own,
 * and it closes every descriptor but its two. */
#ifndef ATTUNE_CHILD_H
#define ATTUNE_CHILD_H
#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>
#include "attune/arena.h"
#include "attune/buf.h"
#include "attune/err.h"

/* The child's whole life; its return value is the exit status. */
typedef int child_main_fn(int fd, int arena_fd, int device);

struct child {
	const char *what; /* "GPU child": for messages */
	pid_t pid;        /* 0: not running */
	int fd;
	int watch_fd;     /* waiting ends with ERR_INTR when nobody reads this descriptor any more; -1: none */
	struct buf in;
	struct arena arena;
};

/* what, watch_fd and the arena are the caller's to set; the arena lives on over restarts. */
int child_start(struct child *c, child_main_fn *main_fn, int device, struct err *e);
void child_kill(struct child *c); /* and reap; a child that is not running is left alone */
int child_send(struct child *c, const json_t *head, const void *blob, size_t len, struct err *e);
/* The next message, at most timeout_s away (ERR_LIMIT). ERR_EOF: the child ended; the text says how. */
int child_wait(struct child *c, json_t **answer, double timeout_s, struct err *e);

#endif
