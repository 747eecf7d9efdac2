/* gen_template: puts texts at the marks of a template. It knows nothing of what the template says, and a template holds no
 * logic: no condition, no loop, no expression. What varies is decided in C and arrives as text.
 * One pass over the lines; a line is copied up to a mark, the mark's text is put in, and so on. */
#include <stdio.h>
#include <string.h>

#include "gen_internal.h"

static const struct gen_mark *find_mark(const struct gen_mark *marks, size_t n, const char *name, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(marks[i].name) == len && strncmp(marks[i].name, name, len) == 0)
			return &marks[i];
	return NULL;
}

/* The mark that begins at or after `at`: *name and *len are set, and where it begins is returned; NULL: none on the line. */
static const char *next_mark(const char *at, const char *end, const char **name, size_t *len)
{
	for (const char *p = at; p + 4 <= end; p++) {
		const char *q = p + 2;

		if (p[0] != '%' || p[1] != '%')
			continue;
		while (q < end && (*q == '_' || (*q >= 'a' && *q <= 'z') || (*q >= 'A' && *q <= 'Z')))
			q++;
		if (q > p + 2 && q + 2 <= end && q[0] == '%' && q[1] == '%') {
			*name = p + 2;
			*len = (size_t)(q - *name);
			return p;
		}
	}
	return NULL;
}

static int unknown(struct err *e, const char *file, int line, const char *name, size_t len)
{
	return err_set(e, "%s:%d: no text for the mark %%%%%.*s%%%%", file, line, (int)len, name);
}

int gen_template(struct buf *out, const char *name, const char *text, const struct gen_mark *marks, size_t n,
		 struct err *e)
{
	int number = 0;

	for (const char *line = text, *next; *line; line = next) {
		const char *end = strchr(line, '\n'), *mark, *word;
		size_t len;

		if (!end)
			end = line + strlen(line);
		next = *end ? end + 1 : end;
		number++;
		if (strncmp(line, "%%#", 3) == 0)
			continue;
		mark = next_mark(line, end, &word, &len);
		if (mark == line && word + len + 2 == end) {
			const struct gen_mark *m = find_mark(marks, n, word, len);

			if (!m)
				return unknown(e, name, number, word, len);
			buf_adds(out, m->text);
			if (*m->text && m->text[strlen(m->text) - 1] != '\n')
				buf_addc(out, '\n');
			continue;
		}
		for (const char *at = line;; mark = next_mark(at, end, &word, &len)) {
			const struct gen_mark *m;

			if (!mark) {
				buf_add(out, at, (size_t)(end - at));
				break;
			}
			m = find_mark(marks, n, word, len);
			if (!m)
				return unknown(e, name, number, word, len);
			buf_add(out, at, (size_t)(mark - at));
			buf_adds(out, m->text);
			at = word + len + 2;
		}
		buf_addc(out, '\n');
	}
	return 0;
}
