/* gen_check: what a flat source may still include: the compiler's own headers from a short list, in angle brackets and
 * spelled out. Anything else could read a device for ever, or a file of this machine into an artefact that is published.
 * The text is read as a compiler reads it: lines that end in a backslash are joined, comments are blanks, %: is #. What
 * could make the two read it differently (raw strings, literals over several lines, trigraphs) is refused. */
#include <string.h>

#include "gen_internal.h"

/* Where the reader stands; the characters that it gives are those of the text after joining lines. */
struct reader {
	const char *p;
	int line;
};

static void join(struct reader *r)
{
	for (;;) {
		if (r->p[0] == '\\' && r->p[1] == '\n')
			r->p += 2;
		else if (r->p[0] == '\\' && r->p[1] == '\r' && r->p[2] == '\n')
			r->p += 3;
		else
			return;
		r->line++;
	}
}

static char peek(struct reader *r)
{
	join(r);
	return *r->p;
}

static char take(struct reader *r)
{
	char c = peek(r);

	if (c) {
		r->line += c == '\n';
		r->p++;
	}
	return c;
}

/* Behind a slash: takes the rest of a comment; false when it is none. A comment counts as a blank. */
static bool comment(struct reader *r)
{
	char c = peek(r);

	if (c == '/') {
		while (peek(r) && peek(r) != '\n')
			take(r);
		return true;
	}
	if (c != '*')
		return false;
	take(r);
	while ((c = take(r)))
		if (c == '*' && peek(r) == '/') {
			take(r);
			break;
		}
	return true;
}

/* The rest of a directive's line without comments; cut at size. */
static void directive_text(struct reader *r, char *text, size_t size)
{
	size_t n = 0;

	while (peek(r) && peek(r) != '\n') {
		struct reader before = *r;
		char c = take(r);

		if (c == '/') {
			if (comment(r)) {
				c = ' ';
			} else {
				*r = before;
				take(r);
			}
		}
		if (n + 1 < size)
			text[n++] = c == '\t' || c == '\r' ? ' ' : c;
	}
	text[n] = 0;
}

static bool allowed(const char *name, size_t len)
{
	static const char *const headers[] = { "cuda_fp16.h", "cuda_bf16.h", "cuda_fp8.h", "cuda_pipeline.h", "mma.h",
					       "cooperative_groups.h", "stdint.h", "stddef.h", "float.h", "limits.h",
					       "math.h", "math_constants.h", "cstdint", "type_traits" };

	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		if (strlen(headers[i]) == len && memcmp(headers[i], name, len) == 0)
			return true;
	return false;
}

static int check_directive(const char *text, int line, struct err *e)
{
	const char *name, *end;
	size_t word;

	text += strspn(text, " ");
	word = strspn(text, "abcdefghijklmnopqrstuvwxyz_");
	if (word == strlen("embed") && strncmp(text, "embed", word) == 0)
		return err_set(e, "line %d of the flat source: #embed is not allowed", line);
	if (!(word >= strlen("include") && strncmp(text, "include", strlen("include")) == 0) &&
	    !(word == strlen("import") && strncmp(text, "import", word) == 0))
		return 0;
	name = text + word + strspn(text + word, " ");
	end = *name == '<' ? strchr(name, '>') : NULL;
	if (word != strlen("include") || !end || !allowed(name + 1, (size_t)(end - name - 1)) ||
	    end[1 + strspn(end + 1, " ")])
		return err_set(e, "line %d of the flat source: #%.80s: only files of the project (\"...\") and a few of the "
				  "compiler's headers (<cuda_fp16.h>, <stdint.h>, ...) may be included", line, text);
	return 0;
}

/* The rest of a string or character literal; one that does not end on its line could hide a directive. */
static int literal(struct reader *r, char quote, struct err *e)
{
	const int line = r->line;
	char c;

	while ((c = take(r)) && c != quote && c != '\n')
		if (c == '\\')
			take(r);
	return c == quote ? 0 : err_set(e, "line %d of the flat source: a literal without an end", line);
}

static bool is_raw_prefix(const char *word)
{
	return !strcmp(word, "R") || !strcmp(word, "LR") || !strcmp(word, "uR") || !strcmp(word, "UR") || !strcmp(word, "u8R");
}

/* The word that has been read up to here; it matters before quotes only, so it is cut. A number's quotes separate digits. */
static void grow_word(char word[8], char c)
{
	size_t n = strlen(word);

	if (strchr("_.", c) || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
		if (n < 7) {
			word[n] = c;
			word[n + 1] = 0;
		}
	} else {
		word[0] = 0;
	}
}

int gen_check(const char *source, struct err *e)
{
	struct reader r = { source, 1 };
	bool fresh = true; /* nothing but blanks since the line began */
	char text[512], word[8] = "", c;

	if (strstr(source, "?\?=") || strstr(source, "?\?/"))
		return err_set(e, "trigraphs are not allowed");
	while ((c = take(&r))) {
		const struct reader before = r;

		if (c == '/') {
			if (comment(&r)) {
				word[0] = 0;
				continue;
			}
			r = before;
		}
		if (fresh && (c == '#' || (c == '%' && peek(&r) == ':'))) {
			const int line = r.line;

			if (c == '%')
				take(&r);
			directive_text(&r, text, sizeof(text));
			if (check_directive(text, line, e) < 0)
				return -1;
			continue;
		}
		fresh = c == '\n' || (fresh && strchr(" \t\r\v\f", c));
		if (c == '"' && is_raw_prefix(word))
			return err_set(e, "line %d of the flat source: raw strings are not allowed", r.line);
		if (c == '"' || (c == '\'' && !(word[0] >= '0' && word[0] <= '9'))) {
			if (literal(&r, c, e) < 0)
				return -1;
			word[0] = 0;
		} else if (c != '\'') {
			grow_word(word, c);
		}
	}
	return 0;
}
