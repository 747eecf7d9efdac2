/* script_problem: problems of a family: names, validity, odd problems, derived values, tensors, and the specification
 * that the runner judges by. What it learns of a problem is kept, because launches of one problem are asked for again
 * and again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "attune/problem.h"
#include "script_internal.h"

#define KNOWN_MAX 64 /* problems remembered at once */

static int at_family(struct script *s, struct err *e, const char *field)
{
	char file[SCRIPT_PATH];

	script_file(s, NULL, file);
	return err_where(e, "%s: %s", file, field);
}

/* Dimensions and flags alone. */
static json_t *values_of(const json_t *problem)
{
	json_t *values = json_copy((json_t *)problem);

	json_object_del(values, "text");
	json_object_del(values, "name");
	return values;
}

int script_valid(struct script *s, const json_t *problem, struct err *e)
{
	json_t *values = values_of(problem);
	struct script_call c = { .field = "valid", .values = values };
	int rc = script_call(s, &c, e);

	if (rc == 0 && c.out && !json_is_boolean(c.out)) {
		err_set(e, "true, or false and why, expected");
		rc = at_family(s, e, "valid");
	} else if (rc == 0) {
		rc = !c.out || json_is_true(c.out);
		if (!rc)
			err_set(e, "problem: %s (%s)",
				json_is_string(c.second) ? json_string_value(c.second) : "not valid",
				json_string_value(json_object_get(problem, "text")));
	}
	script_call_free(&c);
	json_decref(values);
	return rc;
}

static void attach_name(struct script *s, json_t *problem)
{
	const char *name;
	json_t *entry;

	json_object_del(problem, "name");
	json_object_foreach(s->named, name, entry)
		if (json_equal(json_object_get(json_object_get(entry, "problem"), "text"),
			       json_object_get(problem, "text"))) {
			json_object_set_new(problem, "name", json_string(name));
			return;
		}
}

static int name_problem(struct script *s, const char *name, const json_t *entry, struct err *e)
{
	const json_t *text = json_object_get(entry, "1"), *limit = json_object_get(entry, "max_abs");
	json_t *problem = NULL, *named;
	int rc;

	if (!text)
		text = json_array_get(entry, 0);
	if (!json_is_string(text) || (limit && !json_is_number(limit)) || !problem_is_name(name))
		return err_set(e, "{ \"b=1 ...\", max_abs = number } expected");
	rc = problem_parse(s->family, json_string_value(text), &problem, e);
	if (rc == 0)
		rc = script_valid(s, problem, e) == 1 ? 0 : ERR_FAIL;
	if (rc == 0) {
		named = json_pack("{sO}", "problem", problem);
		if (limit)
			json_object_set(named, "max_abs", (json_t *)limit);
		json_object_set_new(s->named, name, named);
		json_array_append_new(json_object_get(s->family, "problems"), json_string(name));
	}
	json_decref(problem);
	return rc;
}

int script_name_problems(struct script *s, const json_t *problems, struct err *e)
{
	const char *name;
	char where[128];
	json_t *entry;

	s->named = json_object();
	json_object_foreach((json_t *)problems, name, entry)
		if (name_problem(s, name, entry, e) < 0) {
			snprintf(where, sizeof(where), "problems: %.80s", name);
			return at_family(s, e, where);
		}
	return 0;
}

static int problem_by_name(struct script *s, const char *name, json_t **problem, struct err *e)
{
	const json_t *entry = json_object_get(s->named, name);
	struct buf known;
	int rc = 0;

	if (entry) {
		*problem = json_deep_copy(json_object_get(entry, "problem"));
		return 0;
	}
	buf_init(&known);
	problem_add_values(&known, json_object_get(s->family, "problems"));
	rc = err_set(e, "problem: '%s' is neither NAME=VALUE nor a named problem (known: %s)", name, buf_text(&known));
	buf_free(&known);
	return rc;
}

int script_problem(struct script *s, const char *text, json_t **problem, struct err *e)
{
	json_t *p = NULL;
	int rc;

	*problem = NULL;
	if (problem_is_name(text))
		rc = problem_by_name(s, text, &p, e);
	else
		rc = problem_parse(s->family, text, &p, e);
	if (rc == 0 && script_valid(s, p, e) != 1)
		rc = ERR_FAIL;
	if (rc == 0) {
		attach_name(s, p);
		*problem = json_incref(p);
	}
	json_decref(p);
	return rc;
}

/* What is fixed in the machine code must stay as it is. */
static int check_fixed(struct script *s, const json_t *from, const json_t *to, struct err *e)
{
	static const char *const lists[] = { "dims", "flags" };
	json_t *entry;
	size_t i;

	for (int k = 0; k < 2; k++)
		json_array_foreach(json_object_get(s->family, lists[k]), i, entry) {
			const char *name = json_string_value(json_object_get(entry, "name"));

			if (json_is_true(json_object_get(entry, "fixed")) &&
			    !json_equal(json_object_get(from, name), json_object_get(to, name)))
				return err_set(e, "%s is fixed in the machine code and cannot change", name);
		}
	return 0;
}

static int odd_problem(struct script *s, const json_t *base, const json_t *changes, json_t *odd, struct err *e)
{
	json_t *problem = NULL;
	int rc;

	if (!json_is_object(changes))
		return err_set(e, "a table of dimensions and flags expected");
	rc = problem_change(s->family, base, changes, &problem, e);
	if (rc == 0)
		rc = check_fixed(s, base, problem, e);
	if (rc == 0 && script_valid(s, problem, e) != 1)
		rc = ERR_FAIL;
	if (rc == 0) {
		attach_name(s, problem);
		json_array_append(odd, problem);
	}
	json_decref(problem);
	return rc;
}

int script_odd_problems(struct script *s, const json_t *problem, json_t **odd, struct err *e)
{
	json_t *values = values_of(problem), *list = json_array(), *changes;
	struct script_call c = { .field = "odd", .values = values };
	char where[32] = "odd";
	size_t i;
	int rc;

	*odd = NULL;
	rc = script_call(s, &c, e);
	if (rc == 0 && c.out && !json_is_array(c.out)) {
		err_set(e, "a list of problems expected");
		rc = at_family(s, e, where);
	}
	if (rc == 0)
		json_array_foreach(c.out, i, changes)
			if (odd_problem(s, problem, changes, list, e) < 0) {
				snprintf(where, sizeof(where), "odd[%zu]", i + 1);
				rc = at_family(s, e, where);
				break;
			}
	if (rc == 0)
		*odd = json_incref(list);
	script_call_free(&c);
	json_decref(values);
	json_decref(list);
	return rc;
}

/* --- what is known of a problem ---------------------------------------------------------------------------------- */

const char *script_typed(const json_t *from, json_t **value)
{
	static const char *const types[] = { "i32", "i64", "f32" };

	for (size_t i = 0; i < 3; i++) {
		*value = json_object_get(from, types[i]);
		if (*value && json_object_size(from) == 1)
			return types[i];
	}
	return NULL;
}

static int add_derived(struct script *s, json_t *values, json_t *types, struct err *e)
{
	struct script_call c = { .field = "derived", .values = values };
	json_t *from, *value;
	const char *name;
	int rc = script_call(s, &c, e);

	if (rc < 0)
		return rc;
	json_object_foreach(c.out, name, from) {
		const char *type = script_typed(from, &value);

		if (!type || !json_is_number(value) || json_object_get(values, name)) {
			err_set(e, "%s: %s", name, type ? "a dimension or flag has that name" :
				"i32(), i64() or f32() of a number expected");
			rc = at_family(s, e, "derived");
			break;
		}
		json_object_set_new(types, name, json_string(type));
	}
	if (rc == 0)
		json_object_foreach(c.out, name, from) {
			script_typed(from, &value);
			json_object_set(values, name, value);
		}
	script_call_free(&c);
	return rc;
}

static bool all_integers(const json_t *list, json_int_t least)
{
	size_t i;
	json_t *item;

	json_array_foreach((json_t *)list, i, item)
		if (!json_is_integer(item) || json_integer_value(item) < least)
			return false;
	return json_is_array(list);
}

static int check_tensor(const json_t *t, const json_t *values, struct err *e)
{
	static const char *const dtypes[] = { "f16", "bf16", "f32", "f64", "i32" };
	const char *role = json_string_value(json_object_get(t, "role"));
	const char *dtype = json_string_value(json_object_get(t, "dtype"));
	const json_t *shape = json_object_get(t, "shape"), *stride = json_object_get(t, "stride");
	json_int_t align = json_integer_value(json_object_get(t, "align"));
	bool known = false;

	for (size_t i = 0; i < sizeof(dtypes) / sizeof(*dtypes); i++)
		known = known || (dtype && !strcmp(dtype, dtypes[i]));
	if (json_object_get(values, json_string_value(json_object_get(t, "name"))))
		return err_set(e, "a dimension, flag or derived value has that name");
	if (!role || (strcmp(role, "in") && strcmp(role, "out")))
		return err_set(e, "role: \"in\" or \"out\" expected");
	if (!known)
		return err_set(e, "dtype: one of f16 bf16 f32 f64 i32 expected");
	if (!all_integers(shape, 1) || !json_array_size(shape))
		return err_set(e, "shape: a list of integers from 1 on expected");
	if (!all_integers(stride, 0) || json_array_size(stride) != json_array_size(shape))
		return err_set(e, "stride: as many integers from 0 on as the shape has expected");
	if (align < 1 || align > 256 || (align & (align - 1)))
		return err_set(e, "align: a power of two up to 256 expected");
	return 0;
}

static json_t *tensor_entry(const json_t *from)
{
	static const char *const members[] = { "role", "dtype", "shape", "stride", "align" };
	json_t *to = json_object();

	json_object_set(to, "name", json_object_get(from, "1"));
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
		json_object_set(to, members[i], json_object_get(from, members[i]));
	if (!json_object_get(to, "align"))
		json_object_set_new(to, "align", json_integer(16));
	return to;
}

static int add_tensors(struct script *s, const json_t *values, json_t *tensors, struct err *e)
{
	struct script_call c = { .field = "tensors", .values = values };
	json_t *from;
	char where[128];
	bool output = false;
	size_t i;
	int rc = script_call(s, &c, e);

	if (rc < 0)
		return rc;
	json_array_foreach(c.out, i, from) {
		const char *kind = json_string_value(json_object_get(from, "kind"));
		json_t *to = tensor_entry(from);

		json_array_append_new(tensors, to);
		if (!kind || strcmp(kind, "tensor") || !json_is_string(json_object_get(to, "name")))
			rc = err_set(e, "tensor { ... } expected");
		else
			rc = check_tensor(to, values, e);
		if (rc < 0) {
			snprintf(where, sizeof(where), "tensors[%zu]", i + 1);
			rc = at_family(s, e, where);
			break;
		}
		output = output || !strcmp(json_string_value(json_object_get(to, "role")), "out");
	}
	if (rc == 0 && !output) {
		err_set(e, "a list of tensor { ... }, at least one with role = \"out\", expected");
		rc = at_family(s, e, "tensors");
	}
	script_call_free(&c);
	return rc;
}

int script_known(struct script *s, const json_t *problem, const json_t **known, struct err *e)
{
	const char *text = json_string_value(json_object_get(problem, "text"));
	json_t *values, *types, *tensors;
	int rc = 0;

	if (!text)
		return err_set(e, "problem: not made by script_problem");
	*known = json_object_get(s->known, text);
	if (*known)
		return 0;
	values = values_of(problem);
	types = json_object();
	tensors = json_array();
	rc = add_derived(s, values, types, e);
	if (rc == 0)
		rc = add_tensors(s, values, tensors, e);
	if (rc == 0) {
		if (!s->known)
			s->known = json_object();
		if (json_object_size(s->known) >= KNOWN_MAX)
			json_object_clear(s->known);
		json_object_set_new(s->known, text,
				    json_pack("{sOsOsO}", "values", values, "types", types, "tensors", tensors));
		*known = json_object_get(s->known, text);
	}
	json_decref(values);
	json_decref(types);
	json_decref(tensors);
	return rc;
}
