/* child: the judge's end of a child process that has a device context: fork, frames over a socket pair, shared memory,
 * time limits, SIGKILL. Knows nothing of what is asked. A child is forked, not executed, unless a tool must see it as a
 * program of its own; it closes every descriptor but its two. */
#ifndef ATTUNE_CHILD_H
#define ATTUNE_CHILD_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "attune/arena.h"
#include "attune/buf.h"
#include "attune/err.h"

/* The child's whole life; its return value is the exit status. */
typedef int child_main_fn(int fd, int arena_fd, int device);

struct child {
	const char *what; /* "GPU child": for messages */
	const char *program; /* NULL: forked; else this program is run again, with --child and this name */
	bool hidden;      /* a program that is run so that what watches this process does not follow it */
	pid_t pid;        /* 0: not running */
	int fd;
	int watch_fd;     /* waiting ends with ERR_INTR when nobody reads this descriptor any more; -1: none */
	struct buf in;
	struct arena arena;
};

/* The descriptors of a child that was run as a program. */
enum { CHILD_FD = 3, CHILD_ARENA_FD = 4 };

/* what, program, watch_fd and the arena are the caller's to set; the arena lives on over restarts. */
int child_start(struct child *c, child_main_fn *main_fn, int device, struct err *e);
void child_kill(struct child *c); /* and reap; a child that is not running is left alone */
/* Lets it end by itself, for what it has still to write; after so many seconds it is killed. */
void child_end(struct child *c, double timeout_s);
int child_send(struct child *c, const json_t *head, const void *blob, size_t len, struct err *e);
/* The next message, at most timeout_s away (ERR_LIMIT). ERR_EOF: the child ended; the text says how. */
int child_wait(struct child *c, json_t **answer, double timeout_s, struct err *e);

#endif
