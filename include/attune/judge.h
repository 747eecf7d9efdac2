/* judge: the runner's trusted half: answers the host's messages (messages.md) with verdicts. It never opens a device; an
 * oracle process knows the answers, a GPU process runs the candidates, and the judge compares. */
#ifndef ATTUNE_JUDGE_H
#define ATTUNE_JUDGE_H
#include <stdbool.h>
#include "attune/err.h"

struct judge_options {
	int in_fd, out_fd;
	int device;      /* number of the device */
	double limit_s;  /* what one call may take beyond what its work explains, 0: 1 s */
	bool under_tool; /* a sanitizer or profiler watches: children are programs, end by themselves, and while checking every
			    tensor is an allocation of its own; the oracle is not watched */
};

/* Greets, serves until quit or the end of in_fd, stops all children. Returns 0; negative when the stream is broken. */
int judge_serve(const struct judge_options *o, struct err *e);

#endif
