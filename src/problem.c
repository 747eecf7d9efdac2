/* problem: parses and writes problem texts; see problem.h. A word is first matched to a name, then its value is checked
 * against that name's range, so that every error can say what would have been right. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "attune/problem.h"

#define WORD_MAX 80  /* longer words are cut in messages */
#define DEFAULTS_MAX 16 /* a default may name a dimension whose default names another, ... */

static const json_t *find(const json_t *list, const char *name)
{
	size_t i;
	json_t *item;

	json_array_foreach((json_t *)list, i, item) {
		const char *has = json_string_value(json_object_get(item, "name"));

		if (has && !strcmp(has, name))
			return item;
	}
	return NULL;
}

const json_t *problem_dim(const json_t *schema, const char *name)
{
	return find(json_object_get(schema, "dims"), name);
}

const json_t *problem_flag(const json_t *schema, const char *name)
{
	return find(json_object_get(schema, "flags"), name);
}

bool problem_is_name(const char *text)
{
	return text[0] && strlen(text) < WORD_MAX && !strpbrk(text, "= \t\r\n");
}

void problem_add_value(struct buf *out, const json_t *value)
{
	if (json_is_integer(value))
		buf_addf(out, "%lld", (long long)json_integer_value(value));
	else if (json_is_string(value))
		buf_adds(out, json_string_value(value));
	else if (json_is_real(value))
		buf_addf(out, "%.17g", json_real_value(value));
	else
		buf_adds(out, "?");
}

void problem_add_values(struct buf *out, const json_t *values)
{
	size_t i;
	json_t *item;

	json_array_foreach((json_t *)values, i, item) {
		if (i > 0)
			buf_addc(out, ' ');
		problem_add_value(out, item);
	}
}

/* Decimal digits with an optional minus, no leading zeros, within 64 bits. */
static bool parse_integer(const char *word, long long *out)
{
	size_t digits = strspn(word + (word[0] == '-'), "0123456789");
	const char *first = word + (word[0] == '-');

	if (digits == 0 || first[digits] || (first[0] == '0' && (digits > 1 || first != word)))
		return false;
	errno = 0;
	*out = strtoll(word, NULL, 10);
	return errno == 0;
}

const json_t *problem_match(const json_t *values, const char *word)
{
	long long number = 0;
	bool is_number = parse_integer(word, &number);
	size_t i;
	json_t *item;

	json_array_foreach((json_t *)values, i, item) {
		if (json_is_string(item) && !strcmp(json_string_value(item), word))
			return item;
		if (is_number && json_is_integer(item) && json_integer_value(item) == number)
			return item;
	}
	return NULL;
}

bool problem_has(const json_t *values, const json_t *value)
{
	size_t i;
	json_t *item;

	json_array_foreach((json_t *)values, i, item)
		if (json_equal(item, value))
			return true;
	return false;
}

/* Printable and short, for messages. */
static void clean(char out[WORD_MAX], const char *word)
{
	size_t n = 0;

	for (; word[n] && n < WORD_MAX - 1; n++)
		out[n] = word[n] < ' ' || word[n] > '~' ? '?' : word[n];
	out[n] = '\0';
}

int problem_words(const char *text, int (*each)(void *to, const char *word, struct err *e), void *to, struct err *e)
{
	static const char blanks[] = " \t\r\n";
	char *copy, *rest = NULL;
	int rc = 0;

	if (strlen(text) > PROBLEM_TEXT_MAX)
		return err_set(e, "more than %d bytes of text", PROBLEM_TEXT_MAX);
	copy = strdup(text);
	if (!copy)
		return err_set(e, "no memory");
	for (char *word = strtok_r(copy, blanks, &rest); word && rc == 0; word = strtok_r(NULL, blanks, &rest))
		rc = each(to, word, e);
	free(copy);
	return rc;
}

static void add_names(struct buf *out, const json_t *list)
{
	size_t i;
	json_t *item;

	json_array_foreach((json_t *)list, i, item)
		buf_addf(out, "%s%s", out->len ? " " : "", json_string_value(json_object_get(item, "name")));
}

static int unknown(const json_t *schema, const char *name, struct err *e)
{
	struct buf known;
	char word[WORD_MAX];
	int rc;

	clean(word, name);
	buf_init(&known);
	add_names(&known, json_object_get(schema, "dims"));
	add_names(&known, json_object_get(schema, "flags"));
	rc = err_set(e, "problem: unknown dimension '%s' (known: %s)", word, buf_text(&known));
	buf_free(&known);
	return rc;
}

static int not_among(const char *name, const char *value, const json_t *values, struct err *e)
{
	struct buf known;
	char word[WORD_MAX];
	int rc;

	clean(word, value);
	buf_init(&known);
	problem_add_values(&known, values);
	rc = err_set(e, "problem: %s=%s is not one of %s", name, word, buf_text(&known));
	buf_free(&known);
	return rc;
}

struct parse {
	const json_t *schema;
	json_t *given;
};

static int take_word(void *to, const char *word, struct err *e)
{
	struct parse *p = to;
	const char *equals = strchr(word, '='), *value;
	char name[WORD_MAX], shown[WORD_MAX];
	const json_t *entry, *values, *match;
	long long number;

	clean(shown, word);
	if (!equals || equals == word || !equals[1])
		return err_set(e, "problem: '%s' is not NAME=VALUE", shown);
	value = equals + 1;
	snprintf(name, sizeof(name), "%.*s", (int)(equals - word), word);
	entry = problem_dim(p->schema, name);
	if (!entry)
		entry = problem_flag(p->schema, name);
	if (!entry)
		return unknown(p->schema, name, e);
	if (json_object_get(p->given, name))
		return err_set(e, "problem: %s is given twice", name);
	values = json_object_get(entry, "values");
	if (values) {
		match = problem_match(values, value);
		if (!match)
			return not_among(name, value, values, e);
		json_object_set(p->given, name, (json_t *)match);
		return 0;
	}
	if (!parse_integer(value, &number)) {
		clean(shown, value);
		return err_set(e, "problem: %s=%s is not an integer", name, shown);
	}
	json_object_set_new(p->given, name, json_integer(number));
	return 0;
}

/* The value of a dimension: given, or its default, which may be another dimension. NULL: there is none. */
static const json_t *resolve(const json_t *schema, const json_t *given, const json_t *entry, int depth)
{
	const json_t *value = json_object_get(given, json_string_value(json_object_get(entry, "name")));
	const json_t *other;

	if (value)
		return value;
	value = json_object_get(entry, "default");
	if (!json_is_string(value) || problem_has(json_object_get(entry, "values"), value))
		return value;
	other = problem_dim(schema, json_string_value(value));
	return other && depth < DEFAULTS_MAX ? resolve(schema, given, other, depth + 1) : NULL;
}

static int check_value(const json_t *entry, const char *name, const json_t *value, struct err *e)
{
	const json_t *values = json_object_get(entry, "values");
	json_int_t lo = json_integer_value(json_object_get(entry, "min"));
	json_int_t hi = json_integer_value(json_object_get(entry, "max"));
	struct buf text;
	int rc = 0;

	if (values && problem_has(values, value))
		return 0;
	buf_init(&text);
	problem_add_value(&text, value);
	if (values)
		rc = not_among(name, buf_text(&text), values, e);
	else if (!json_is_integer(value))
		rc = err_set(e, "problem: %s=%s is not an integer", name, buf_text(&text));
	else if (json_integer_value(value) < lo || json_integer_value(value) > hi)
		rc = err_set(e, "problem: %s=%s is outside %lld .. %lld", name, buf_text(&text), (long long)lo,
			     (long long)hi);
	buf_free(&text);
	return rc;
}

static int add_entries(const json_t *schema, const json_t *list, const json_t *given, json_t *to, struct buf *text,
		       struct err *e)
{
	size_t i;
	json_t *entry;

	json_array_foreach((json_t *)list, i, entry) {
		const char *name = json_string_value(json_object_get(entry, "name"));
		const json_t *value = resolve(schema, given, entry, 0);

		if (!value)
			return err_set(e, "problem: %s has no default and must be given", name);
		if (check_value(entry, name, value, e) < 0)
			return ERR_FAIL;
		json_object_set(to, name, (json_t *)value);
		buf_addf(text, "%s%s=", text->len ? " " : "", name);
		problem_add_value(text, value);
	}
	return 0;
}

static int check_divides(const json_t *schema, const json_t *to, struct err *e)
{
	size_t i;
	json_t *entry;

	json_array_foreach(json_object_get(schema, "dims"), i, entry) {
		const char *name = json_string_value(json_object_get(entry, "name"));
		const char *other = json_string_value(json_object_get(entry, "divides"));
		json_int_t value = json_integer_value(json_object_get(to, name));
		json_int_t whole = other ? json_integer_value(json_object_get(to, other)) : 0;

		if (other && (value == 0 || whole % value != 0))
			return err_set(e, "problem: %s=%lld does not divide %s=%lld", name, (long long)value, other,
				       (long long)whole);
	}
	return 0;
}

static int finish(const json_t *schema, const json_t *given, json_t **problem, struct err *e)
{
	json_t *to = json_object();
	struct buf text;
	int rc;

	buf_init(&text);
	json_object_set_new(to, "text", json_string(""));
	rc = add_entries(schema, json_object_get(schema, "dims"), given, to, &text, e);
	if (rc == 0)
		rc = add_entries(schema, json_object_get(schema, "flags"), given, to, &text, e);
	if (rc == 0)
		rc = check_divides(schema, to, e);
	if (rc == 0) {
		json_object_set_new(to, "text", json_string(buf_text(&text)));
		*problem = json_incref(to);
	}
	json_decref(to);
	buf_free(&text);
	return rc;
}

int problem_parse(const json_t *schema, const char *text, json_t **problem, struct err *e)
{
	struct parse p = { .schema = schema, .given = json_object() };
	int rc;

	*problem = NULL;
	if (strlen(text) > PROBLEM_TEXT_MAX)
		rc = err_set(e, "problem: more than %d bytes", PROBLEM_TEXT_MAX);
	else
		rc = problem_words(text, take_word, &p, e);
	if (rc == 0)
		rc = finish(schema, p.given, problem, e);
	json_decref(p.given);
	return rc;
}

int problem_change(const json_t *schema, const json_t *base, const json_t *changes, json_t **problem, struct err *e)
{
	json_t *given = json_copy((json_t *)base), *value;
	const char *name;
	int rc = 0;

	*problem = NULL;
	json_object_foreach((json_t *)changes, name, value) {
		if (!problem_dim(schema, name) && !problem_flag(schema, name)) {
			rc = unknown(schema, name, e);
			break;
		}
		json_object_set(given, name, value);
	}
	if (rc == 0)
		rc = finish(schema, given, problem, e);
	json_decref(given);
	return rc;
}
