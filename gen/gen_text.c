/* gen_text: words and literals of C, made so that any text of a family, a policy or a device's name stays inside the
 * comment or literal that it is put into. It does not know what the text is for. */
#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gen_internal.h"

#define LINE_COLUMNS 116

void gen_comment(struct buf *out, const char *text)
{
	for (const char *p = text; *p; p++) {
		unsigned char c = (unsigned char)*p;

		buf_addc(out, c < 0x20 || c == 0x7f ? ' ' : (char)c);
		if ((p[0] == '*' && p[1] == '/') || (p[0] == '/' && p[1] == '*') || (p[0] == '?' && p[1] == '?'))
			buf_addc(out, ' ');
	}
}

void gen_string(struct buf *out, const char *text)
{
	buf_addc(out, '"');
	for (const char *p = text; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (c == '"' || c == '\\' || c == '?')
			buf_addc(out, '\\');
		if (c < 0x20 || c == 0x7f)
			buf_addf(out, "\\%03o", c);
		else
			buf_addc(out, (char)c);
	}
	buf_addc(out, '"');
}

void gen_upper(struct buf *out, const char *word)
{
	for (const char *p = word; *p; p++)
		buf_addc(out, isalnum((unsigned char)*p) ? (char)toupper((unsigned char)*p) : '_');
}

bool gen_is_word(const char *word)
{
	if (!word || !(isalpha((unsigned char)*word) || *word == '_'))
		return false;
	for (const char *p = word; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '_')
			return false;
	return true;
}

int gen_number(struct buf *out, const json_t *v, struct err *e)
{
	char text[40];

	if (json_is_boolean(v)) {
		buf_addc(out, json_is_true(v) ? '1' : '0');
		return 0;
	}
	if (json_is_integer(v)) {
		long long n = json_integer_value(v);

		buf_addf(out, n > INT32_MAX || n < INT32_MIN ? "%lldLL" : "%lld", n);
		return 0;
	}
	if (!json_is_real(v) || !isfinite(json_real_value(v)))
		return err_set(e, "not a number");
	snprintf(text, sizeof text, "%.17g", json_real_value(v));
	/* The shortest form that reads back equal. */
	for (int digits = 1; digits < 17; digits++) {
		char shorter[40];

		snprintf(shorter, sizeof shorter, "%.*g", digits, json_real_value(v));
		if (strtod(shorter, NULL) == json_real_value(v)) {
			memcpy(text, shorter, sizeof text);
			break;
		}
	}
	buf_adds(out, text);
	if (!strpbrk(text, ".e"))
		buf_adds(out, ".0");
	return 0;
}

void gen_real(struct buf *out, double v)
{
	buf_addf(out, "%.6g", v);
}

void gen_words(struct buf *out, const void *data, size_t len)
{
	const unsigned char *bytes = data;
	size_t column = 0;

	for (size_t i = 0; i < len; i += 8) {
		uint64_t word = 0;
		char text[24];
		size_t n;

		for (size_t k = 0; k < 8 && i + k < len; k++)
			word |= (uint64_t)bytes[i + k] << (8 * k);
		n = (size_t)snprintf(text, sizeof text, word < 10 ? "%llu," : "0x%llx,", (unsigned long long)word);
		if (column && column + n > LINE_COLUMNS) {
			buf_addc(out, '\n');
			column = 0;
		}
		buf_adds(out, text);
		column += n;
	}
	buf_addc(out, '\n');
}

void gen_wrap(struct buf *out, const char *first, const char *rest, const char *text)
{
	struct buf safe;
	const char *p, *lead = first;

	buf_init(&safe);
	gen_comment(&safe, text);
	p = buf_text(&safe);
	do {
		size_t room = LINE_COLUMNS > strlen(lead) ? LINE_COLUMNS - strlen(lead) : 1, n = strlen(p);

		if (n > room) {
			for (n = room; n > 0 && p[n] != ' '; n--)
				;
			if (n == 0)
				n = strcspn(p, " ");
		}
		buf_adds(out, lead);
		buf_add(out, p, n);
		buf_addc(out, '\n');
		lead = rest;
		p += n;
		while (*p == ' ')
			p++;
	} while (*p);
	buf_free(&safe);
}

const char *gen_str(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

double gen_num(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);

	return json_is_number(v) ? json_number_value(v) : NAN;
}
