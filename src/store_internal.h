/* store_internal: what store.c and store_text.c share. */
#ifndef ATTUNE_STORE_INTERNAL_H
#define ATTUNE_STORE_INTERNAL_H
#include "attune/store.h"

/* Bytes as an array of base64 lines, and back; text as an array of lines, and back. */
json_t *store_bytes(const void *data, size_t len);
int store_take_bytes(const json_t *lines, struct buf *out, struct err *e);
json_t *store_lines(const struct buf *text);
int store_take_lines(const json_t *lines, struct buf *out, struct err *e);
/* The name of an entry: that of its problem where it has one (and use_name says so), else its sizes; then the arch. */
void store_name(struct buf *out, const json_t *header, bool use_name);

#endif
