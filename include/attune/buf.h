/* buf: a growable byte string, always followed by a NUL that is not counted.
 * Running out of memory ends the process by abort(): no caller could do better. */
#ifndef ATTUNE_BUF_H
#define ATTUNE_BUF_H
#include <stddef.h>

struct buf {
	char *data; /* NULL while empty and never grown; buf_text gives "" then */
	size_t len;
	size_t cap;
};

void buf_init(struct buf *b);
void buf_free(struct buf *b);
void buf_clear(struct buf *b); /* length 0, memory kept */
void buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The bytes as a C string, valid until the next change. */
const char *buf_text(const struct buf *b);
/* Hands the memory (malloc'ed, NUL-terminated) to the caller and leaves b empty. */
char *buf_take(struct buf *b);

#endif
