/* torch_baseline: a baseline that a Python program measures: started early so that its imports cost nobody time, asked
 * once the GPU is free, by one line of JSON, and answering by one line. Knows nothing of torch and nothing of the GPU.
 * A Python or a torch that is absent is an error whose text says so; a number is passed on only as it was answered. */
#ifndef ATTUNE_TORCH_BASELINE_H
#define ATTUNE_TORCH_BASELINE_H
#include <jansson.h>
#include <stddef.h>
#include "attune/err.h"

#define TORCH_BASELINE_LINE_MAX (1u << 20) /* bytes of one answer */

struct torch_baseline;

/* Starts argv (array of strings) with "-c" and the program's text in the place of a last "-", or after argv when that
 * does not end in "-"; with len 0, argv as it is. The child has a process group of its own, and pipes for standard
 * input, output and error. A program that cannot be started is an error: "python3: ...". The caller ignores SIGPIPE. */
int torch_baseline_start(struct torch_baseline **out, const json_t *argv, const void *program, size_t len,
			 struct err *e);

/* Writes the request as one line and waits at most timeout_s for one line back. On success *answer is a new reference
 * to an object whose "entries" is an array of objects, each with a string "name" and either "time_us" or a string
 * "why"; all its *_us members are positive finite numbers. Everything else is an error, after which only stop is of
 * use: silence (ERR_LIMIT), an end without an answer (told by the last line of its standard error, as "python3: no
 * module named torch"), a line that is too long or no such object, an object with "why" in the place of "entries". */
int torch_baseline_measure(struct torch_baseline *t, const json_t *request, double timeout_s, json_t **answer,
			   struct err *e);

/* Kills what is left of the child's group. NULL is allowed. */
void torch_baseline_stop(struct torch_baseline *t);

#endif
