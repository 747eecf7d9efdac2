/* script_candidate: candidates as text and as JSON, whether one is legal, and the #define lines of its source. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "attune/problem.h"
#include "script_internal.h"

/* --- text -------------------------------------------------------------------------------------------------------- */

static const json_t *axis_of(const json_t *variant, const char *name)
{
	json_t *axis;
	size_t i;

	json_array_foreach(json_object_get(variant, "axes"), i, axis)
		if (!strcmp(json_string_value(json_object_get(axis, "name")), name))
			return axis;
	return NULL;
}

static int unknown_name(const json_t *list, const char *what, const char *name, struct err *e)
{
	struct buf known;
	json_t *item;
	size_t i;
	int rc;

	buf_init(&known);
	json_array_foreach((json_t *)list, i, item)
		buf_addf(&known, "%s%s", i ? " " : "", json_string_value(json_object_get(item, "name")));
	rc = err_set(e, "candidate: %s '%.64s' (known: %s)", what, name, buf_text(&known));
	buf_free(&known);
	return rc;
}

struct reading {
	const struct script *s;
	const json_t *variant; /* NULL until the first word is read */
	json_t *given;
};

static int take_word(void *to, const char *word, struct err *e)
{
	struct reading *r = to;
	const char *equals = strchr(word, '=');
	const json_t *axis, *value;
	struct buf known;
	char name[128], what[128];
	int rc;

	if (!r->variant) {
		r->variant = script_variant(r->s, word);
		return r->variant ? 0
				  : unknown_name(json_object_get(r->s->family, "variants"), "unknown variant", word, e);
	}
	if (!equals || equals == word)
		return err_set(e, "candidate: '%.64s' is not AXIS=VALUE", word);
	snprintf(name, sizeof(name), "%.*s", (int)(equals - word), word);
	axis = axis_of(r->variant, name);
	if (!axis) {
		snprintf(what, sizeof(what), "%s has no axis", json_string_value(json_object_get(r->variant, "name")));
		return unknown_name(json_object_get(r->variant, "axes"), what, name, e);
	}
	if (json_object_get(r->given, name))
		return err_set(e, "candidate: %s is given twice", name);
	value = problem_match(json_object_get(axis, "values"), equals + 1);
	if (value) {
		json_object_set(r->given, name, (json_t *)value);
		return 0;
	}
	buf_init(&known);
	problem_add_values(&known, json_object_get(axis, "values"));
	rc = err_set(e, "candidate: %s=%.64s is not one of %s", name, equals + 1, buf_text(&known));
	buf_free(&known);
	return rc;
}

int script_candidate(struct script *s, const char *text, json_t **candidate, struct err *e)
{
	struct reading r = { .s = s, .given = json_object() };
	json_t *to, *axis;
	size_t i;
	int rc = problem_words(text, take_word, &r, e);

	*candidate = NULL;
	if (rc == 0 && !r.variant)
		rc = err_set(e, "candidate: empty; a variant and AXIS=VALUE words expected");
	if (rc == 0) {
		to = json_pack("{sO}", "variant", json_object_get(r.variant, "name"));
		json_array_foreach(json_object_get(r.variant, "axes"), i, axis) {
			const char *name = json_string_value(json_object_get(axis, "name"));
			json_t *value = json_object_get(r.given, name);

			json_object_set(to, name, value ? value : json_object_get(axis, "default"));
		}
		*candidate = to;
	}
	json_decref(r.given);
	return rc;
}

int script_first(struct script *s, const json_t *problem, const char *variant, json_t **candidate, struct err *e)
{
	struct script_call c = { .variant = variant, .field = "start", .device = true };
	const json_t *known;
	const char *axis;
	char file[SCRIPT_PATH];
	json_t *value;
	struct buf text;
	int rc;

	*candidate = NULL;
	if (script_known(s, problem, &known, e) < 0)
		return ERR_FAIL;
	c.values = json_object_get(known, "values");
	rc = script_call(s, &c, e);
	if (rc < 0)
		return rc;
	script_file(s, variant, file);
	buf_init(&text);
	buf_adds(&text, variant);
	/* An empty table is an empty list in JSON. */
	if (c.out && !json_is_null(c.out) && !json_is_object(c.out) && !(json_is_array(c.out) && !json_array_size(c.out)))
		rc = err_set(e, "%s: start: a table of axes and values expected", file);
	json_object_foreach(c.out, axis, value) {
		buf_addf(&text, " %s=", axis);
		problem_add_value(&text, value);
	}
	if (rc == 0 && script_candidate(s, buf_text(&text), candidate, e) < 0)
		rc = err_where(e, "%s: start", file);
	buf_free(&text);
	script_call_free(&c);
	return rc;
}

int script_candidate_text(const json_t *candidate, struct buf *out)
{
	const char *name;
	json_t *value;
	bool first = true;

	if (!json_is_string(json_object_get(candidate, "variant")))
		return ERR_FAIL;
	buf_adds(out, json_string_value(json_object_get(candidate, "variant")));
	json_object_foreach((json_t *)candidate, name, value) {
		if (!first)
			buf_addf(out, " %s=", name);
		if (!first)
			problem_add_value(out, value);
		first = false;
	}
	return 0;
}

/* --- legality ---------------------------------------------------------------------------------------------------- */

/* Whether the device has the compute capability that the variant needs: 1, or 0 and why. */
static int fits_device(const struct script *s, const json_t *variant, struct buf *why)
{
	json_int_t cc = json_integer_value(json_object_get(s->device, "cc_number"));
	const json_t *least = json_object_get(variant, "min_cc"), *most = json_object_get(variant, "max_cc");

	if (cc < json_integer_value(least)) {
		buf_addf(why, "needs compute capability %g, the device has %g",
			 (double)json_integer_value(least) / 10.0, (double)cc / 10.0);
		return 0;
	}
	if (most && cc > json_integer_value(most)) {
		buf_addf(why, "is for compute capability %g at most, the device has %g",
			 (double)json_integer_value(most) / 10.0, (double)cc / 10.0);
		return 0;
	}
	return 1;
}

/* Calls fits() or legal(), which say true, or false and why; a function that is not there says true. */
static int ask(struct script *s, const json_t *problem, struct script_call *c, struct buf *why, struct err *e)
{
	const json_t *known;
	char file[SCRIPT_PATH];
	int rc;

	if (script_known(s, problem, &known, e) < 0)
		return ERR_FAIL;
	c->values = json_object_get(known, "values");
	c->device = true;
	rc = script_call(s, c, e);
	if (rc < 0)
		return rc;
	rc = !c->out || json_is_true(c->out);
	if (c->out && (!json_is_boolean(c->out) || (json_is_false(c->out) && !json_is_string(c->second)))) {
		script_file(s, c->variant, file);
		rc = err_set(e, "%s: %s: true, or false and why, expected", file, c->field);
	} else if (!rc) {
		buf_adds(why, json_string_value(c->second));
	}
	script_call_free(c);
	return rc;
}

int script_fits(struct script *s, const json_t *problem, const char *name, struct buf *why, struct err *e)
{
	const json_t *variant = name ? script_variant(s, name) : NULL;
	struct script_call c = { .variant = name, .field = "fits" };

	if (!variant)
		return err_set(e, "candidate: unknown variant '%.64s'", name ? name : "");
	if (!s->device)
		return err_set(e, "device: not set before a candidate was judged");
	return fits_device(s, variant, why) ? ask(s, problem, &c, why, e) : 0;
}

int script_legal(struct script *s, const json_t *problem, const json_t *candidate, struct buf *why, struct err *e)
{
	const char *name = json_string_value(json_object_get(candidate, "variant"));
	struct script_call c = { .variant = name, .field = "legal", .candidate = candidate };
	int rc = script_fits(s, problem, name, why, e);

	return rc > 0 ? ask(s, problem, &c, why, e) : rc;
}

/* --- defines ----------------------------------------------------------------------------------------------------- */

/* NAME value, or NAME_VALUE 1 for a text. */
static void add_define(struct buf *out, const char *prefix, const char *name, const json_t *value, bool upper)
{
	const char *text = json_string_value(value);

	buf_addf(out, "#define %s", prefix);
	for (; *name; name++)
		buf_addc(out, (char)(upper ? toupper((unsigned char)*name) : *name));
	if (text) {
		buf_addc(out, '_');
		for (; *text; text++)
			buf_addc(out, isalnum((unsigned char)*text) ? (char)toupper((unsigned char)*text) : '_');
		buf_adds(out, " 1\n");
	} else {
		buf_addf(out, " %lld\n", (long long)json_integer_value(value));
	}
}

int script_reference_defines(struct script *s, const json_t *problem, struct buf *out, struct err *e)
{
	static const char *const lists[] = { "dims", "flags" };
	json_t *entry;
	size_t i;

	for (int k = 0; k < 2; k++)
		json_array_foreach(json_object_get(s->family, lists[k]), i, entry) {
			const char *name = json_string_value(json_object_get(entry, "name"));
			const json_t *value = json_object_get(problem, name);

			if (!json_is_true(json_object_get(entry, "fixed")))
				continue;
			if (!value)
				return err_set(e, "problem: no value for %s", name);
			add_define(out, "PROBLEM_", name, value, true);
		}
	return 0;
}

int script_defines(struct script *s, const json_t *problem, const json_t *candidate, struct buf *out, struct err *e)
{
	const char *name = json_string_value(json_object_get(candidate, "variant"));
	const json_t *variant = name ? script_variant(s, name) : NULL;
	json_t *axis;
	size_t i;

	if (!variant)
		return err_set(e, "candidate: unknown variant '%.64s'", name ? name : "");
	json_array_foreach(json_object_get(variant, "axes"), i, axis) {
		const char *axis_name = json_string_value(json_object_get(axis, "name"));
		const json_t *value = json_object_get(candidate, axis_name);

		if (!value || !problem_has(json_object_get(axis, "values"), value))
			return err_set(e, "candidate: no value of axis %s", axis_name);
		add_define(out, "", axis_name, value, false);
	}
	return script_reference_defines(s, problem, out, e);
}
