/* crew: work on large stretches of memory, spread over threads that live as long as one call does: between calls a process has
 * one thread and may fork. A piece of work is cut into parts whose size does not depend on the number of threads, so neither
 * does what comes out. Small work, and work where no thread can be had, is done by the caller alone. */
#ifndef ATTUNE_CREW_H
#define ATTUNE_CREW_H
#include <stdbool.h>
#include <stddef.h>

enum { CREW_MAX = 8, CREW_PART_BYTES = 1 << 20 };

/* How many threads work at most: what this process may run on, CREW_MAX of them at most. */
int crew_size(void);
/* Calls work(arg, i) once for each i < parts, in no particular order, from several threads at once; returns when all are done. */
void crew_run(void (*work)(void *arg, size_t i), void *arg, size_t parts);
/* memcpy, and memcmp() == 0. */
void crew_copy(void *to, const void *from, size_t bytes);
bool crew_equal(const void *a, const void *b, size_t bytes);

#endif
