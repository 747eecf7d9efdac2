/* store: the tuned entries of a family: one JSON file each under <folder>/entries, which holds all that the header says of
 * it, its evidence, its source and its machine code; and <family>_best.h, .cu and .json, made anew from all of them.
 * An entry belongs to one problem and one architecture; another one for the same two takes its place. It tunes nothing. */
#ifndef ATTUNE_STORE_H
#define ATTUNE_STORE_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include "attune/buf.h"
#include "attune/err.h"

struct store_entry {
	char *name;       /* seed_sm_90a: as in the header */
	char *path;       /* of its file */
	json_t *json;     /* {"attune","entry","header":(gen.h),"evidence":{...},"source":[lines],"cubin":[base64 lines]} */
	struct buf source;
	struct buf cubin;
};

struct store {
	char *folder, *family;
	struct store_entry *entries; /* the first is what plain names of the header mean */
	size_t n;
	int lock; /* descriptor that keeps other writers out; -1 */
};

/* Reads all entries; a folder that does not exist is an empty store. Files whose parts do not have the hashes that they
 * record are errors that name the file. for_writing: waits until no other process writes this folder, and keeps it so. */
int store_open(struct store *s, const char *folder, const char *family, bool for_writing, struct err *e);
void store_close(struct store *s);
/* Adds or replaces an entry (file first, then in memory). header: its description; evidence: {"mode","device","baselines",
 * "championship"?,"ranking","search"}. *name (may be NULL) is borrowed until the next change. */
int store_put(struct store *s, const json_t *header, const json_t *evidence, const struct buf *source,
	      const struct buf *cubin, const char **name, struct err *e);
int store_remove(struct store *s, size_t index, struct err *e);
/* Writes the three files, the header last; without any entry removes them. */
int store_emit(const struct store *s, struct err *e);
/* The header's text. */
int store_header(const struct store *s, struct buf *out, struct err *e);
/* The lines of the header that hold one entry's machine code. */
void store_code(const struct store *s, size_t index, struct buf *out);

const json_t *store_info(const struct store_entry *entry); /* the description */
const char *store_problem(const struct store_entry *entry); /* canonical text */
const char *store_arch(const struct store_entry *entry);

#endif
