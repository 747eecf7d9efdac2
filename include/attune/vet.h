/* vet: what is refused by reading the compiled image, before any GPU sees it: damaged or foreign machine code, a missing
 * entry, device memory that outlives a call without being declared, and functions of the driver that a kernel must not
 * call (printf, malloc, assert, launches from the device). It does not run anything and does not know what is right. */
#ifndef ATTUNE_VET_H
#define ATTUNE_VET_H
#include <jansson.h>
#include <stddef.h>
#include "attune/buf.h"

/* NULL when nothing is against the image, else a verdict ("load", "cheat" or "illegal") with one line appended to why.
 * launch: the launch whose entries must be there, or NULL. declared: array of the names of globals that the variant
 * declares, or NULL. An image for compute_XX is PTX text, which is searched for the same things. */
const char *vet_image(const void *data, size_t len, const char *arch, const json_t *launch, const json_t *declared,
		      struct buf *why);

#endif
