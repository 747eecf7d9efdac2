/* store_text: an entry's file: bytes as lines of base64 (RFC 4648), text as lines, and the name that an entry gets. It does
 * not read or write files. */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store_internal.h"

#define LINE_BYTES 72 /* 96 characters */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

json_t *store_bytes(const void *data, size_t len)
{
	const unsigned char *bytes = data;
	json_t *lines = json_array();

	for (size_t at = 0; at < len; at += LINE_BYTES) {
		char line[LINE_BYTES / 3 * 4 + 1], *to = line;
		size_t end = at + LINE_BYTES < len ? at + LINE_BYTES : len;

		for (size_t i = at; i < end; i += 3) {
			size_t n = end - i < 3 ? end - i : 3;
			uint32_t word = (uint32_t)bytes[i] << 16;

			word |= n > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
			word |= n > 2 ? bytes[i + 2] : 0;
			*to++ = digits[word >> 18];
			*to++ = digits[word >> 12 & 63];
			*to++ = n > 1 ? digits[word >> 6 & 63] : '=';
			*to++ = n > 2 ? digits[word & 63] : '=';
		}
		*to = 0;
		json_array_append_new(lines, json_string(line));
	}
	return lines;
}

/* Four characters; returns how many bytes they stand for, or -1. */
static int unpack(const char *at, unsigned char out[3])
{
	uint32_t word = 0;
	int n = 3;

	for (int i = 0; i < 4; i++) {
		const char *digit = at[i] && at[i] != '=' ? strchr(digits, at[i]) : NULL;

		if (!digit && (at[i] != '=' || i < 2 || (i == 2 && at[3] != '=')))
			return -1;
		n -= !digit;
		word = word << 6 | (digit ? (uint32_t)(digit - digits) : 0);
	}
	out[0] = (unsigned char)(word >> 16);
	out[1] = (unsigned char)(word >> 8);
	out[2] = (unsigned char)word;
	return n;
}

int store_take_bytes(const json_t *lines, struct buf *out, struct err *e)
{
	size_t i;
	json_t *v;

	json_array_foreach(lines, i, v) {
		const char *line = json_string_value(v);
		size_t len = line ? strlen(line) : 1;

		for (size_t k = 0; k < len; k += 4) {
			unsigned char bytes[3];
			int n = len % 4 == 0 ? unpack(line + k, bytes) : -1;

			if (n < 0)
				return err_set(e, "line %zu of the machine code is no base64", i + 1);
			buf_add(out, bytes, (size_t)n);
		}
	}
	return 0;
}

json_t *store_lines(const struct buf *text)
{
	json_t *lines = json_array();
	const char *at = buf_text(text);

	while (*at) {
		size_t n = strcspn(at, "\n");

		json_array_append_new(lines, json_stringn(at, n));
		at += n + (at[n] == '\n');
	}
	return lines;
}

int store_take_lines(const json_t *lines, struct buf *out, struct err *e)
{
	size_t i;
	json_t *v;

	json_array_foreach(lines, i, v) {
		if (!json_is_string(v))
			return err_set(e, "line %zu of the source is no text", i + 1);
		buf_addf(out, "%s\n", json_string_value(v));
	}
	return 0;
}

static void add_word(struct buf *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf_addc(out, isalnum((unsigned char)text[i]) ? (char)tolower((unsigned char)text[i]) : '_');
}

void store_name(struct buf *out, const json_t *header, bool use_name)
{
	const json_t *problem = json_object_get(header, "problem");
	const char *name = json_string_value(json_object_get(problem, "name"));
	const char *text = json_string_value(json_object_get(problem, "text"));
	const char *arch = json_string_value(json_object_get(header, "arch"));

	if (use_name && name && *name && !isdigit((unsigned char)*name)) {
		add_word(out, name, strlen(name));
	} else {
		/* "b=1 h=8 dtype=f16" gives b1_h8_f16. */
		for (const char *at = text ? text : ""; *at;) {
			size_t n = strcspn(at, " "), key = strcspn(at, "=");

			buf_adds(out, out->len ? "_" : "");
			if (key < n && !isdigit((unsigned char)at[key + 1])) {
				add_word(out, at + key + 1, n - key - 1);
			} else {
				add_word(out, at, key < n ? key : n);
				if (key < n)
					add_word(out, at + key + 1, n - key - 1);
			}
			at += n + strspn(at + n, " ");
		}
	}
	buf_addc(out, '_');
	add_word(out, arch ? arch : "", arch ? strlen(arch) : 0);
}
