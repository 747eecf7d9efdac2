/* peer: for tests: the other end of a runner: a process or a function that speaks frames on two pipes.
 * A failure ends the test at once. */
#ifndef TESTS_PEER_H
#define TESTS_PEER_H
#include <jansson.h>
#include "attune/buf.h"
#include "attune/proc.h"

struct peer {
	struct proc proc;  /* of peer_start */
	pid_t pid;         /* of peer_fork */
	int to, from;
	struct buf in;
	char errors[256];  /* file that holds its standard error */
};

/* Starts a program; its standard error goes to a file that peer_errors reads. */
void peer_start(struct peer *p, const char *const *argv, const char *const *env);
/* Runs serve(arg, in_fd, out_fd) in a child process, which ends with what it returns. */
void peer_fork(struct peer *p, int (*serve)(const char *arg, int in_fd, int out_fd), const char *arg);
/* Sends a frame; takes the reference. */
void peer_send(struct peer *p, json_t *head, const void *blob, size_t len);
/* Bytes as they are, for what is no frame. */
void peer_send_raw(struct peer *p, const void *data, size_t len);
/* The next frame, within timeout_s; NULL when the stream ended. */
json_t *peer_receive(struct peer *p, double timeout_s);
/* Sends and receives. */
json_t *peer_ask(struct peer *p, json_t *head, const void *blob, size_t len);
/* Closes the pipe to it and waits for its end. The wait status. */
int peer_close(struct peer *p);
/* What it wrote to standard error so far; freed by the caller. */
char *peer_errors(const struct peer *p);
/* The member as text, "" when absent. */
const char *peer_text(const json_t *object, const char *member);
/* For a test's $ATTUNE_BUILD and $ATTUNE_ROOT ("build" and "." when not set): name below it, malloc'ed. */
char *peer_built(const char *name);

#endif
