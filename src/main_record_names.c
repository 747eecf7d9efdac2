/* main_record_names: names of candidates in a record, when the family has got an axis since. The new axis's default is what
 * the kernel did before, so a name without it is completed with the default; then a replay finds it under today's name.
 * Nothing else of a record is touched, and a name that today's family cannot read stays as it is.
 * A name is a word, the variant, and AXIS=VALUE words behind it, alone in a string or amid one ("repro"). A variant's name
 * alone is many things: it is a candidate only where one stands, in some members and behind --candidate. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "attune/problem.h"
#include "main.h"

struct names {
	struct script *script;
	json_t *added; /* {variant: {"AXIS=VALUE": true}}; empty: the order of the words alone has changed */
	long completed;
};

/* --- one name ------------------------------------------------------------------------------------------------------ */

static size_t word_length(const char *text)
{
	size_t n = 0;

	while (text[n] && !isspace((unsigned char)text[n]) && !strchr("'\"`,;:()", text[n]))
		n++;
	return n;
}

/* How far the AXIS=VALUE words go on behind the first word, which is so long. */
static size_t name_length(const char *text, size_t first)
{
	size_t n = first, more;

	while (text[n] == ' ' && (more = word_length(text + n + 1)) > 0 && memchr(text + n + 1, '=', more))
		n += 1 + more;
	return n;
}

static bool is_candidate_argument(const char *text, const char *at)
{
	static const char before[] = "--candidate '";
	const size_t n = sizeof(before) - 1;

	return (size_t)(at - text) >= n && strncmp(at - n, before, n) == 0;
}

static bool has_axis(const char *name, const char *axis)
{
	const size_t n = strlen(axis);
	const char *at = name;

	while ((at = strchr(at, ' ')) != NULL)
		if (strncmp(++at, axis, n) == 0 && at[n] == '=')
			return true;
	return false;
}

static void note_added(struct names *n, const char *name, const json_t *candidate)
{
	const char *variant = json_string_value(json_object_get(candidate, "variant")), *axis;
	struct buf word;
	json_t *value;

	buf_init(&word);
	if (!json_object_get(n->added, variant))
		json_object_set_new(n->added, variant, json_object());
	json_object_foreach((json_t *)candidate, axis, value) {
		if (strcmp(axis, "variant") == 0 || has_axis(name, axis))
			continue;
		buf_clear(&word);
		buf_addf(&word, "%s=", axis);
		problem_add_value(&word, value);
		json_object_set_new(json_object_get(n->added, variant), buf_text(&word), json_true());
	}
	buf_free(&word);
}

/* Appends the name as the family writes it today; as it is, where the family does not know it. */
static void add_name(struct names *n, const char *name, struct buf *out)
{
	json_t *candidate = NULL;
	struct buf today;

	buf_init(&today);
	if (script_candidate(n->script, name, &candidate, NULL) == 0 && script_candidate_text(candidate, &today) == 0 &&
	    strcmp(buf_text(&today), name) != 0) {
		note_added(n, name, candidate);
		n->completed++;
		buf_adds(out, buf_text(&today));
	} else {
		buf_adds(out, name);
	}
	json_decref(candidate);
	buf_free(&today);
}

/* --- a string, a record -------------------------------------------------------------------------------------------- */

static void complete_string(struct names *n, json_t *string, bool is_candidate)
{
	const char *text = json_string_value(string), *at = text;
	const long before = n->completed;
	struct buf out;

	buf_init(&out);
	while (*at) {
		const size_t first = word_length(at), whole = name_length(at, first);
		const bool bare = (is_candidate && at == text && !at[first]) || is_candidate_argument(text, at);

		if (first > 0 && (whole > first || bare)) {
			char *name = strndup(at, whole);

			add_name(n, name, &out);
			free(name);
			at += whole;
		} else {
			buf_add(&out, at, first);
			at += first;
			if (*at)
				buf_addc(&out, *at++);
		}
	}
	if (n->completed != before)
		json_string_set(string, buf_text(&out));
	buf_free(&out);
}

/* Members that are a candidate's whole name, or something that is never a variant's. */
static bool names_candidate(const char *member)
{
	static const char *const members[] = { "candidate", "id", "parents", "same_as" };

	for (size_t i = 0; member && i < sizeof(members) / sizeof(members[0]); i++)
		if (strcmp(member, members[i]) == 0)
			return true;
	return false;
}

static void complete_value(struct names *n, const char *member, json_t *value)
{
	const char *key;
	json_t *item;
	size_t i;

	if (json_is_string(value))
		complete_string(n, value, names_candidate(member));
	json_object_foreach(value, key, item)
		if (strcmp(key, "completed") != 0) /* what note_run wrote */
			complete_value(n, key, item);
	json_array_foreach(value, i, item)
		complete_value(n, member, item);
}

static bool is_kind(const json_t *record, const char *kind)
{
	const char *own = json_string_value(json_object_get(record, "kind"));

	return own && strcmp(own, kind) == 0;
}

static void append_once(json_t *list, json_t *text)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
		if (json_equal(item, text)) {
			json_decref(text);
			return;
		}
	json_array_append_new(list, text);
}

/* The run line says what was completed, now and earlier: "VARIANT AXIS=VALUE" each. */
static void note_run(const struct names *n, json_t *run)
{
	json_t *list = json_object_get(run, "completed"), *words, *unused;
	const char *variant, *word;

	if (!json_is_array(list)) {
		list = json_array();
		json_object_set_new(run, "completed", list);
	}
	json_object_foreach(n->added, variant, words) {
		if (json_object_size(words) == 0)
			append_once(list, json_string(variant));
		json_object_foreach(words, word, unused)
			append_once(list, json_sprintf("%s %s", variant, word));
	}
}

static void say(const struct names *n)
{
	const char *variant, *word, *comma = ":";
	json_t *words, *unused;

	printf("%ld names completed", n->completed);
	json_object_foreach(n->added, variant, words) {
		printf("%s %s", comma, variant);
		json_object_foreach(words, word, unused)
			printf(" %s", word);
		comma = ",";
	}
	printf("\n");
}

void record_names_complete(struct script *script, json_t *records)
{
	struct names n = { .script = script, .added = json_object() };
	json_t *r;
	size_t i;

	json_array_foreach(records, i, r)
		complete_value(&n, NULL, r);
	if (n.completed > 0) {
		json_array_foreach(records, i, r)
			if (is_kind(r, "run"))
				note_run(&n, r);
		say(&n);
	}
	json_decref(n.added);
}

/* --- back ---------------------------------------------------------------------------------------------------------- */

/* Takes " AXIS=VALUE" out of the name of the variant's candidate, when it is there. */
static void take_out(json_t *name, const char *completed)
{
	const char *text = json_string_value(name), *word = strchr(completed, ' '), *at = text;
	const size_t variant = word ? (size_t)(word - completed) : 0, n = word ? strlen(word) : 0;
	struct buf out;

	if (!word || strncmp(text, completed, variant + 1) != 0)
		return;
	while ((at = strstr(at, word)) != NULL && at[n] && at[n] != ' ')
		at++;
	if (!at)
		return;
	buf_init(&out);
	buf_add(&out, text, (size_t)(at - text));
	buf_adds(&out, at + n);
	json_string_set(name, buf_text(&out));
	buf_free(&out);
}

void record_names_searched(json_t *records)
{
	const json_t *list = NULL;
	json_t *r, *name, *completed;
	size_t i, k;

	json_array_foreach(records, i, r) {
		if (is_kind(r, "run"))
			list = json_object_get(r, "completed");
		name = json_object_get(r, "candidate");
		if (!is_kind(r, "trial") || !json_is_string(name))
			continue;
		json_array_foreach(list, k, completed)
			if (json_is_string(completed))
				take_out(name, json_string_value(completed));
	}
}
