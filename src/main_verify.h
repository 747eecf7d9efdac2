/* main_verify: what `attune verify` finds out about the entries of one header. Only main_verify*.c include it. */
#ifndef ATTUNE_MAIN_VERIFY_H
#define ATTUNE_MAIN_VERIFY_H
#include "attune/store.h"
#include "main.h"

struct verify {
	struct session_options o;
	const char *nvcc;         /* the compiler to rebuild with */
	const char *nvcc_version; /* borrowed */
	const char *only;         /* one entry, by its name, its problem's name or text; NULL: all */
	bool no_gpu, no_build;
	struct buf differs, stale; /* names of the entries, for the closing line */
	size_t n_differs, n_stale, n_skipped;
};

/* Notes an entry once, however many reasons there are. */
void verify_differs(struct verify *v, const char *name);
void verify_stale(struct verify *v, const char *name);

/* main_verify_gpu.c: the device behind the runner (NULL: none, and *why says so; malloc'ed). */
json_t *verify_device(const struct verify *v, char **why);
/* Judges and times one entry's machine code on that device, and prints what moved. */
int verify_on_gpu(struct verify *v, const struct store_entry *entry, const json_t *device, struct err *e);

#endif
