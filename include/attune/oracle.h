/* oracle: the process that knows the right answers. It runs the family's reference image, in a context and a memory that
 * no candidate shares: entry by entry as the specification's launches say, in float64 and once more as the plain
 * implementation in the outputs' own dtype, whose error sets the scale for everybody else's. */
#ifndef ATTUNE_ORACLE_H
#define ATTUNE_ORACLE_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include "attune/err.h"
#include "attune/spec.h"

struct oracle;

/* Forks the process; its greeting is waited for by oracle_problem. watch_fd: see child.h. hidden: it is run as a program which
 * a sanitizer or profiler of this process does not follow. */
int oracle_start(struct oracle **out, int device, int watch_fd, bool hidden, struct err *e);
void oracle_stop(struct oracle *o);

/* The problem message (specifications in "problems") and the reference image. Both are kept for restarts. specs must
 * stay valid until the next problem. */
int oracle_problem(struct oracle *o, const json_t *problem, const void *image, size_t len, const struct spec *specs,
		   struct err *e);
/* Starts working on problem k with the inputs that lie at base + l->offset[i]; they are copied before it returns. */
int oracle_ask(struct oracle *o, int k, const unsigned char *base, const struct layout *l, struct err *e);

/* Answers by tensor, NULL for inputs; shape and strides are the tensor's. Valid until the next oracle_ask. A value that is
 * not finite is an error: nothing could be judged by it. */
struct oracle_answer {
	const double *want[SPEC_TENSORS_MAX];
	const void *plain[SPEC_TENSORS_MAX];
};
int oracle_wait(struct oracle *o, struct oracle_answer *a, struct err *e);

#endif
