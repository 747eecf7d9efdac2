/* sanitizer: what a log of NVIDIA's compute-sanitizer says (version 2021 to 2025, plain text). Runs nothing. */
#ifndef ATTUNE_SANITIZER_H
#define ATTUNE_SANITIZER_H
#include <stddef.h>
#include "attune/buf.h"

enum sanitizer_says {
	SANITIZER_CLEAN,   /* its summary is there and counts nothing */
	SANITIZER_FOUND,   /* *text is the first finding, on one line */
	SANITIZER_NOTHING, /* neither: the program was not watched, or not to its end; *text is the tool's own reason, or "" */
};

/* A log that stops in the middle of a finding is a finding; without its summary it is never clean. */
enum sanitizer_says sanitizer_read(const char *log, size_t len, struct buf *text);

#endif
