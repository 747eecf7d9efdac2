/* arena: memory shared between the judge and one child, named by a descriptor that the child inherits. It grows and never
 * shrinks (the kernel is told so by a seal), so that neither side can pull it away from under the other. */
#ifndef ATTUNE_ARENA_H
#define ATTUNE_ARENA_H
#include <stdbool.h>
#include <stddef.h>
#include "attune/err.h"

struct arena {
	int fd;
	unsigned char *base;
	size_t size;
	bool private; /* children forked later do not inherit the mapping */
};

int arena_open(struct arena *a, bool private, struct err *e);
/* At least so many bytes; base may move. */
int arena_grow(struct arena *a, size_t size, struct err *e);
/* The child's side: maps `size` bytes of an inherited descriptor. */
int arena_map(struct arena *a, int fd, size_t size, struct err *e);
void arena_close(struct arena *a);

#endif
