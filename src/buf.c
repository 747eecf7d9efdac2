/* buf: a growable byte string, doubling, always NUL-terminated.
 * Does not report failures: when memory runs out, or a size overflows, the process is aborted with one line. */
#include "attune/buf.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void buf_abort(const char *why)
{
	fprintf(stderr, "attune: %s\n", why);
	abort();
}

void buf_init(struct buf *b)
{
	*b = (struct buf){0};
}

void buf_free(struct buf *b)
{
	free(b->data);
	buf_init(b);
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->data)
		b->data[0] = '\0';
}

void buf_reserve(struct buf *b, size_t more)
{
	size_t need, cap;
	char *data;

	if (more >= SIZE_MAX / 2 - b->len)
		buf_abort("a buffer's size overflows");
	need = b->len + more + 1;
	if (need <= b->cap)
		return;
	cap = b->cap < 64 ? 64 : b->cap;
	while (cap < need)
		cap *= 2;
	data = realloc(b->data, cap);
	if (!data)
		buf_abort("out of memory");
	data[b->len] = '\0';
	b->data = data;
	b->cap = cap;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	/* A part of the buffer itself may be added to it: it moves along when the buffer grows. */
	uintptr_t from = (uintptr_t)data, start = (uintptr_t)b->data;
	bool own = b->data && from >= start && from <= start + b->len;

	buf_reserve(b, len);
	if (own)
		data = b->data + (from - start);
	if (len)
		memmove(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len < 0)
		buf_abort("a text cannot be formatted");
	buf_reserve(b, (size_t)len);
	va_start(ap, fmt);
	vsnprintf(b->data + b->len, (size_t)len + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)len;
}

const char *buf_text(const struct buf *b)
{
	return b->data ? b->data : "";
}

char *buf_take(struct buf *b)
{
	char *data;

	buf_reserve(b, 0);
	data = b->data;
	buf_init(b);
	return data;
}
