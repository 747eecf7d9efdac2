/* oracle_internal: what the two ends of the oracle agree on: where inputs and answers lie in their shared memory. */
#ifndef ATTUNE_ORACLE_INTERNAL_H
#define ATTUNE_ORACLE_INTERNAL_H
#include "attune/spec.h"

struct oracle_layout {
	size_t in[SPEC_TENSORS_MAX];    /* inputs: the span in the tensor's dtype */
	size_t want[SPEC_TENSORS_MAX];  /* outputs: the span in float64 */
	size_t plain[SPEC_TENSORS_MAX]; /* outputs: the span in the tensor's dtype */
	size_t total;
};
void oracle_layout_init(struct oracle_layout *l, const struct spec *s);

/* The child's life (oracle_child.c). */
int oracle_child_main(int fd, int arena_fd, int device);

#endif
