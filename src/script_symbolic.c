/* script_symbolic: the launch and the derived values as C expressions for a header, and the check that they are right:
 * every expression is evaluated on the tuned problem, its odd problems and some drawn at random, and must equal what
 * the same function gives for plain numbers. That finds what a symbol cannot refuse: `p.sq == 1` is silently false for
 * it. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "attune/problem.h"
#include "script_internal.h"

/* The usual cause. */
#define COMPARED " (a run-time dimension compared by == is never equal: use max(), min(), ceildiv(), or `fixed = true`)"
#define DRAWS 60
#define DRAWN_MAX 16

/* --- problems to check on ---------------------------------------------------------------------------------------- */

static unsigned draw(unsigned long long *state, unsigned n)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (unsigned)(*state >> 33) % n;
}

static json_int_t clamp(const json_t *dim, json_int_t v)
{
	json_int_t lo = json_integer_value(json_object_get(dim, "min")),
		   hi = json_integer_value(json_object_get(dim, "max"));

	return v < lo ? lo : v > hi ? hi : v;
}

/* Other values for everything that is not fixed in the machine code. */
static json_t *random_changes(const json_t *family, unsigned long long *state)
{
	static const int sizes[] = { 1, 2, 3, 4, 5, 7, 8, 16, 31, 33, 64, 100, 129, 500, 777, 1024, 2049, 4096 };
	json_t *to = json_object(), *entry;
	size_t i;

	json_array_foreach(json_object_get(family, "dims"), i, entry) {
		const json_t *values = json_object_get(entry, "values");
		const char *name = json_string_value(json_object_get(entry, "name"));
		const char *whole = json_string_value(json_object_get(entry, "divides"));
		json_int_t v = clamp(entry, sizes[draw(state, sizeof(sizes) / sizeof(*sizes))]);

		if (json_is_true(json_object_get(entry, "fixed")))
			continue;
		if (values)
			json_object_set(to, name,
					json_array_get(values, draw(state, (unsigned)json_array_size(values))));
		else
			json_object_set_new(to, name, json_integer(v));
		if (whole && !values)
			json_object_set_new(to, whole,
					    json_integer(clamp(problem_dim(family, whole), v * (1 + draw(state, 4)))));
	}
	json_array_foreach(json_object_get(family, "flags"), i, entry) {
		const json_t *values = json_object_get(entry, "values");

		if (!json_is_true(json_object_get(entry, "fixed")))
			json_object_set(to, json_string_value(json_object_get(entry, "name")),
					json_array_get(values, draw(state, (unsigned)json_array_size(values))));
	}
	return to;
}

/* The problem, its odd ones and random ones. */
static int check_problems(struct script *s, const json_t *problem, json_t **list, struct err *e)
{
	unsigned long long state = 0x9e3779b97f4a7c15ULL;
	json_t *all, *odd, *one;
	struct err unread;

	*list = NULL;
	if (script_odd_problems(s, problem, &odd, e) < 0)
		return ERR_FAIL;
	all = json_array();
	json_array_append(all, (json_t *)problem);
	json_array_extend(all, odd);
	json_decref(odd);
	for (int i = 0, drawn = 0; i < DRAWS && drawn < DRAWN_MAX; i++) {
		json_t *changes = random_changes(s->family, &state);

		err_clear(&unread);
		one = NULL;
		if (problem_change(s->family, problem, changes, &one, &unread) == 0 &&
		    script_valid(s, one, &unread) == 1) {
			json_array_append(all, one);
			drawn++;
		}
		json_decref(one);
		json_decref(changes);
	}
	*list = all;
	return 0;
}

/* --- comparison -------------------------------------------------------------------------------------------------- */

static bool same_number(const json_t *a, const json_t *b)
{
	double x = json_number_value(a), y = json_number_value(b);

	if (json_is_integer(a) && json_is_integer(b))
		return json_integer_value(a) == json_integer_value(b);
	return fabs(x - y) <= 1e-12 * fmax(fabs(x), fabs(y));
}

static void show(char out[64], const json_t *v)
{
	char *text = v ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

	snprintf(out, 64, "%s", text ? text : "nothing");
	free(text);
}

/* Where two launches differ: path and both values; 0 when they are equal. */
static int difference(const json_t *a, const json_t *b, struct buf *path, char shown[2][64])
{
	size_t len = path->len, n = json_array_size(a) > json_array_size(b) ? json_array_size(a) : json_array_size(b);
	const char *key;
	json_t *item;

	if (json_is_number(a) && json_is_number(b) && same_number(a, b))
		return 0;
	if (json_is_array(a) && json_is_array(b)) {
		for (size_t i = 0; i < n; i++) {
			buf_addf(path, "[%zu]", i + 1);
			if (difference(json_array_get(a, i), json_array_get(b, i), path, shown))
				return 1;
			path->len = len;
		}
		return 0;
	}
	if (json_is_object(a) && json_is_object(b)) {
		json_object_foreach((json_t *)a, key, item) {
			buf_addf(path, "%s%s", len ? "." : "", key);
			if (difference(item, json_object_get(b, key), path, shown))
				return 1;
			path->len = len;
		}
		json_object_foreach((json_t *)b, key, item)
			if (!json_object_get(a, key)) {
				buf_addf(path, "%s%s", len ? "." : "", key);
				show(shown[0], NULL);
				show(shown[1], item);
				return 1;
			}
		return 0;
	}
	if (json_equal(a, b))
		return 0;
	show(shown[0], a);
	show(shown[1], b);
	return 1;
}

static int compare(const json_t *from_text, const json_t *from_numbers, const char *file, const char *function,
		   const json_t *problem, struct err *e)
{
	char shown[2][64];
	struct buf path;
	int rc = 0;

	buf_init(&path);
	if (difference(from_text, from_numbers, &path, shown)) {
		rc = err_set(e, "%s: %s: %s: the header would use %s, the function gives %s for %s" COMPARED, file,
			     function, buf_text(&path), shown[0], shown[1],
			     json_string_value(json_object_get(problem, "text")));
	}
	buf_free(&path);
	return rc;
}

/* --- launch ------------------------------------------------------------------------------------------------------ */

/* Compares raw, evaluated on one problem, with the launch for that problem. */
static int check_launch(struct script *s, const json_t *problem, const json_t *candidate, const json_t *raw,
			struct err *e)
{
	const char *variant = json_string_value(json_object_get(candidate, "variant"));
	bool baseline = json_is_true(json_object_get(script_variant(s, variant), "baseline"));
	struct script_numbers n = { .schema = s->family };
	json_t *expected = NULL, *got = NULL;
	char file[SCRIPT_PATH];
	int rc = script_launch(s, problem, candidate, &expected, e);

	script_file(s, variant, file);
	if (rc == 0)
		rc = script_known(s, problem, &n.known, e);
	if (rc == 0 && script_launch_build(&n, raw, baseline, &got, e) < 0)
		rc = err_where(e, "%s: launch for the header, %s", file,
			       json_string_value(json_object_get(problem, "text")));
	if (rc == 0)
		rc = compare(got, expected, file, "launch", problem, e);
	json_decref(expected);
	json_decref(got);
	return rc;
}

static int check_everywhere(struct script *s, const json_t *problem, const json_t *candidate, const json_t *raw,
			    struct err *e)
{
	json_t *problems, *one;
	struct buf why;
	size_t i;
	int rc = check_problems(s, problem, &problems, e);

	if (rc < 0)
		return rc;
	buf_init(&why);
	json_array_foreach(problems, i, one) {
		/* What is not legal there will never be launched there. */
		rc = script_legal(s, one, candidate, &why, e);
		if (rc == 1)
			rc = check_launch(s, one, candidate, raw, e);
		if (rc < 0)
			break;
	}
	buf_free(&why);
	json_decref(problems);
	return rc < 0 ? rc : 0;
}

int script_launch_symbolic(struct script *s, const json_t *problem, const json_t *candidate, json_t **launch,
			   struct err *e)
{
	const char *variant = json_string_value(json_object_get(candidate, "variant"));
	struct script_numbers n = { .schema = s->family, .text = true };
	json_t *raw = NULL, *to = NULL;
	char file[SCRIPT_PATH];
	int rc;

	*launch = NULL;
	rc = script_launch_raw(s, problem, candidate, true, NULL, &raw, e);
	if (rc == 0)
		rc = script_known(s, problem, &n.known, e);
	if (rc == 0 &&
	    script_launch_build(&n, raw, json_is_true(json_object_get(script_variant(s, variant), "baseline")), &to,
				e) < 0) {
		script_file(s, variant, file);
		rc = err_where(e, "%s: launch for the header", file);
	}
	if (rc == 0)
		rc = check_everywhere(s, problem, candidate, raw, e);
	if (rc == 0)
		*launch = json_incref(to);
	json_decref(raw);
	json_decref(to);
	return rc;
}

/* --- derived values ---------------------------------------------------------------------------------------------- */

static const json_t *runtime_flag(const struct script *s)
{
	json_t *flag;
	size_t i;

	json_array_foreach(json_object_get(s->family, "flags"), i, flag)
		if (!json_is_true(json_object_get(flag, "fixed")))
			return flag;
	return NULL;
}

/* derived() on symbols for the problem with the run-time flag at one value: name -> raw expression. */
static int derived_raw(struct script *s, const json_t *problem, const char *flag, json_t *value, json_t **raw,
		       struct err *e)
{
	json_t *values = json_copy((json_t *)problem), *symbols = json_object(), *none = json_array(), *entry;
	struct script_call c = { .field = "derived", .values = values, .symbols = symbols, .hidden = none };
	size_t i;
	int rc;

	json_object_del(values, "text");
	json_object_del(values, "name");
	if (value)
		json_object_set(values, flag, value);
	json_array_foreach(json_object_get(s->family, "dims"), i, entry)
		if (!json_is_true(json_object_get(entry, "fixed")))
			json_object_set_new(symbols, json_string_value(json_object_get(entry, "name")), json_false());
	rc = script_call(s, &c, e);
	*raw = rc == 0 && json_is_object(c.out) ? json_incref(c.out) : json_object();
	script_call_free(&c);
	json_decref(values);
	json_decref(symbols);
	json_decref(none);
	return rc;
}

/* Constants are text too: 0.125f, 64. */
static void constant_text(json_t **number)
{
	char digits[40];

	if (json_is_integer(*number)) {
		snprintf(digits, sizeof(digits), "%lld", (long long)json_integer_value(*number));
	} else if (json_is_real(*number)) {
		snprintf(digits, sizeof(digits) - 4, "%.9g", json_real_value(*number));
		strcat(digits, strpbrk(digits, ".en") ? "f" : ".0f");
	} else {
		return;
	}
	json_decref(*number);
	*number = json_string(digits);
}

/* Texts of all derived values (out), or with n->text unset their values on n->known, in the order of known's types. */
static int derived_build(const struct script_numbers *n, const json_t *raw, json_t *out, struct err *e)
{
	const char *name, *type;
	json_t *entry, *value, *number = NULL;

	json_object_foreach(json_object_get(n->known, "types"), name, entry) {
		type = script_typed(json_object_get(raw, name), &value);
		if (!type || strcmp(type, json_string_value(entry)))
			return err_set(e, "%s: another type than for plain numbers", name);
		if (!strcmp(type, "f32") ? script_real(n, value, name, &number, e) < 0 :
		    script_number(n, value, LLONG_MIN, LLONG_MAX, name, &number, e) < 0)
			return ERR_FAIL;
		if (n->text)
			constant_text(&number);
		json_object_set_new(out, name, number);
	}
	return 0;
}

static int check_derived(struct script *s, const json_t *problems, const char *flag, const json_t *value,
			 const json_t *raw, const char *file, struct err *e)
{
	struct script_numbers n = { .schema = s->family };
	json_t *one, *got;
	size_t i;
	int rc = 0;

	json_array_foreach((json_t *)problems, i, one) {
		if (value && !json_equal(json_object_get(one, flag), value))
			continue;
		if (script_known(s, one, &n.known, e) < 0)
			return ERR_FAIL;
		got = json_object();
		rc = derived_build(&n, raw, got, e);
		if (rc == 0) {
			json_t *expected = json_copy(json_object_get(n.known, "values")), *extra;
			const char *name;

			json_object_foreach(json_object_get(n.known, "values"), name, extra)
				if (!json_object_get(got, name))
					json_object_del(expected, name);
			rc = compare(got, expected, file, "derived", one, e);
			json_decref(expected);
		}
		json_decref(got);
		if (rc < 0)
			break;
	}
	return rc;
}

static int derived_for(struct script *s, const json_t *problem, const json_t *problems, const char *flag, json_t *value,
		       const char *file, json_t *out, struct err *e)
{
	struct script_numbers n = { .schema = s->family, .text = true };
	json_t *raw;
	int rc = derived_raw(s, problem, flag, value, &raw, e);

	if (rc == 0)
		rc = script_known(s, problem, &n.known, e);
	if (rc == 0 && derived_build(&n, raw, out, e) < 0)
		rc = err_where(e, "%s: derived for the header", file);
	if (rc == 0)
		rc = check_derived(s, problems, flag, value, raw, file, e);
	json_decref(raw);
	return rc;
}

int script_derived_symbolic(struct script *s, const json_t *problem, json_t **derived, struct err *e)
{
	const json_t *flag = runtime_flag(s), *known;
	const char *name = flag ? json_string_value(json_object_get(flag, "name")) : "";
	json_t *sets = json_object(), *problems, *value, *values = json_object_get(flag, "values"), *one;
	char file[SCRIPT_PATH];
	size_t i, count = flag ? json_array_size(values) : 1;
	int rc = check_problems(s, problem, &problems, e);

	*derived = NULL;
	script_file(s, NULL, file);
	for (i = 0; i < count && rc == 0; i++) {
		value = json_array_get(values, i);
		one = json_object();
		json_object_set_new(sets, value ? json_string_value(value) : "", one);
		rc = derived_for(s, problem, problems, name, value, file, one, e);
	}
	if (rc == 0)
		rc = script_known(s, problem, &known, e);
	if (rc == 0)
		*derived = json_pack("{sOso}", name, sets, "types", json_deep_copy(json_object_get(known, "types")));
	json_decref(problems);
	json_decref(sets);
	return rc;
}
