/* runner: the host's end of a runner process: starts it, speaks frames over its pipes, restarts it when it is lost.
 * Knows nothing of what the messages mean beyond their type and id. */
#ifndef ATTUNE_RUNNER_H
#define ATTUNE_RUNNER_H
#include <jansson.h>
#include <poll.h>
#include <stdbool.h>
#include "attune/buf.h"
#include "attune/err.h"

struct runner;

/* Starts `command` (split into words without a shell) and waits for its greeting, at most timeout_s. */
int runner_start(struct runner **out, const char *command, double timeout_s, struct err *e);
/* The end of its input, then a kill of the group after a second (a minute when it runs --under-tool). */
void runner_stop(struct runner *r);
const json_t *runner_hello(const struct runner *r);
/* Queues a frame; what the pipe does not take at once is sent by runner_pump. */
int runner_send(struct runner *r, const json_t *head, const void *blob, size_t len, struct err *e);
/* Sends and receives what is possible without blocking. 1: *head (new reference) is the next message; 0: none yet;
 * ERR_EOF or another negative: the runner is lost. */
int runner_pump(struct runner *r, json_t **head, struct err *e);
int runner_pollfds(const struct runner *r, struct pollfd *fds, int max);
/* Waits for the next message, at most timeout_s. */
int runner_wait(struct runner *r, json_t **head, double timeout_s, struct err *e);

#endif
