/* err: formats and keeps the first cause of a failure, one line of bounded length.
 * Does not print and does not exit; that is main's. Messages carry file names and tool output, so line ends inside them
 * are turned into spaces and a cut never falls inside a UTF-8 character. */
#include "attune/err.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Puts text into e->text as one line; text may come from e->text itself. */
static void err_store(struct err *e, const char *text)
{
	size_t len = strlen(text);
	size_t cut = len;

	while (cut > 0 && (text[cut - 1] == '\n' || text[cut - 1] == '\r'))
		cut--;
	len = cut;
	if (len >= sizeof(e->text)) {
		cut = sizeof(e->text) - sizeof("...");
		while (cut > 0 && ((unsigned char)text[cut] & 0xC0) == 0x80)
			cut--;
	}
	memmove(e->text, text, cut);
	e->text[cut] = '\0';
	if (cut < len)
		memcpy(e->text + cut, "...", sizeof("..."));
	for (char *p = e->text; *p; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
}

static void err_format(char *out, size_t size, const char *fmt, va_list ap)
{
	if (vsnprintf(out, size, fmt, ap) < 0)
		snprintf(out, size, "%s", fmt);
}

int err_set(struct err *e, const char *fmt, ...)
{
	char text[2 * sizeof(e->text)];
	va_list ap;

	if (!e || e->code)
		return ERR_FAIL;
	va_start(ap, fmt);
	err_format(text, sizeof(text), fmt, ap);
	va_end(ap);
	e->code = ERR_FAIL;
	err_store(e, text);
	return ERR_FAIL;
}

int err_set_code(struct err *e, int code, const char *fmt, ...)
{
	char text[2 * sizeof(e->text)];
	va_list ap;

	if (!e || e->code)
		return code;
	va_start(ap, fmt);
	err_format(text, sizeof(text), fmt, ap);
	va_end(ap);
	e->code = code;
	err_store(e, text);
	return code;
}

int err_sys(struct err *e, const char *fmt, ...)
{
	int saved = errno;
	char text[2 * sizeof(e->text)];
	size_t used;
	va_list ap;

	if (!e || e->code)
		return ERR_FAIL;
	va_start(ap, fmt);
	err_format(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* The reason matters more than a long name before it: leave it room in the line. */
	if (strlen(text) >= sizeof(e->text) - 100)
		strcpy(text + sizeof(e->text) - 100, "...");
	used = strlen(text);
	snprintf(text + used, sizeof(text) - used, ": %s", strerror(saved));
	e->code = ERR_FAIL;
	err_store(e, text);
	errno = saved;
	return ERR_FAIL;
}

int err_where(struct err *e, const char *fmt, ...)
{
	char text[3 * sizeof(e->text)];
	size_t used;
	va_list ap;

	if (!e || !e->code)
		return ERR_FAIL;
	va_start(ap, fmt);
	err_format(text, sizeof(e->text), fmt, ap);
	va_end(ap);
	used = strlen(text);
	snprintf(text + used, sizeof(text) - used, ": %s", e->text);
	err_store(e, text);
	return e->code;
}

void err_clear(struct err *e)
{
	if (!e)
		return;
	e->code = 0;
	e->text[0] = '\0';
}
