/* gen_args: the arguments of a call in a winner's header: the structure's members, their completed 64-bit form, the layout
 * helpers, and the checks. It knows no launch. Dimensions that are fixed into the machine code do not appear; derived
 * values (strides, scale) come as C expressions over a->NAME for each value of each flag that is not fixed. */
#include <stdlib.h>
#include <string.h>

#include "gen_internal.h"

static const json_t *dims(const json_t *header)
{
	return json_object_get(json_object_get(header, "family_info"), "dims");
}

static const json_t *types(const json_t *header)
{
	return json_object_get(json_object_get(header, "derived"), "types");
}

static const json_t *tensors(const json_t *header)
{
	return json_object_get(json_object_get(header, "spec"), "tensors");
}

static bool is_free(const json_t *dim)
{
	return !json_is_true(json_object_get(dim, "fixed"));
}

static bool is_integer(const char *type)
{
	return strcmp(type, "f32") != 0;
}

static const char *c_type(const char *type)
{
	return strcmp(type, "i64") == 0 ? "long long" : strcmp(type, "i32") == 0 ? "int" : "float";
}

/* The flag that chooses the derived values, the value it has in the tuned problem, and that value's expressions. A family
 * without such a flag has one set of expressions, under the empty name. */
static const json_t *tuned_expressions(const json_t *header, const char **flag, const char **value)
{
	json_t *derived = json_object_get(header, "derived"), *set;
	const char *key;

	*flag = *value = "";
	json_object_foreach(derived, key, set) {
		if (strcmp(key, "types") == 0 || strcmp(key, "tensors") == 0)
			continue;
		*flag = key;
		*value = gen_str(json_object_get(header, "problem"), key);
		return json_object_get(set, *value ? *value : "");
	}
	return NULL;
}

static int check_types(const json_t *header, struct err *e)
{
	const char *name;
	json_t *type;

	json_object_foreach((json_t *)types(header), name, type) {
		const char *t = json_string_value(type);

		if (!gen_is_word(name) || !t || (strcmp(t, "i64") != 0 && strcmp(t, "i32") != 0 && strcmp(t, "f32") != 0))
			return err_set(e, "derived value %s: type %s, not i32, i64 or f32", name, t ? t : "missing");
	}
	return 0;
}

/* Integers, then floats. Members of the same prefix ("q_") share a line. */
static void derived_fields(struct buf *out, const json_t *header, bool wide)
{
	for (int floats = 0; floats < 2; floats++) {
		const char *name, *last_name = "", *last_type = "";
		size_t last_prefix = 0;
		json_t *type;

		json_object_foreach((json_t *)types(header), name, type) {
			const char *t = json_string_value(type), *under = strrchr(name, '_');
			const char *c = wide && is_integer(t) ? "long long" : c_type(t);
			size_t prefix = under ? (size_t)(under - name) : strlen(name);

			if (is_integer(t) == floats)
				continue;
			if (strcmp(c, last_type) == 0 && prefix == last_prefix && strncmp(name, last_name, prefix) == 0)
				buf_addf(out, ", %s", name);
			else
				buf_addf(out, "%s\t%s %s", *last_type ? ";\n" : "", c, name);
			last_type = c;
			last_prefix = prefix;
			last_name = name;
		}
		if (*last_type)
			buf_adds(out, ";\n");
	}
}

int gen_args_fields(struct buf *out, const json_t *header, struct err *e)
{
	size_t i;
	json_t *v;

	if (check_types(header, e) < 0)
		return -1;
	json_array_foreach(tensors(header), i, v) {
		const char *name = gen_str(v, "name"), *role = gen_str(v, "role"), *dtype = gen_str(v, "dtype");

		if (!gen_is_word(name) || !role || !dtype)
			return err_set(e, "tensor %zu of the specification has no name, role or dtype", i);
		buf_addf(out, "\tCUdeviceptr %s; /* %s, %s, %g-byte aligned */\n", name, role, dtype, gen_num(v, "align"));
	}
	json_array_foreach(dims(header), i, v) {
		const char *name = gen_str(v, "name"), *about = gen_str(v, "about");

		if (!gen_is_word(name))
			return err_set(e, "dimension %zu of the family has no name", i);
		if (!is_free(v))
			continue;
		buf_addf(out, "\tint %s; /* ", name);
		gen_comment(out, about ? about : "");
		buf_adds(out, " */\n");
	}
	derived_fields(out, header, false);
	return 0;
}

int gen_args_values(struct buf *out, const json_t *header, struct err *e)
{
	size_t i, before = out->len;
	json_t *v;

	(void)e;
	json_array_foreach(dims(header), i, v)
		if (is_free(v))
			buf_addf(out, "\tlong long %s;\n", gen_str(v, "name"));
	derived_fields(out, header, true);
	if (out->len == before)
		buf_adds(out, "\tint none_;\n");
	return 0;
}

int gen_args_sizes(struct buf *out, const json_t *header, struct err *e)
{
	size_t i, before = out->len;
	json_t *v;

	(void)e;
	json_array_foreach(dims(header), i, v)
		if (is_free(v))
			buf_addf(out, "\ta->%s = args->%s;\n", gen_str(v, "name"), gen_str(v, "name"));
	if (out->len == before)
		buf_adds(out, "\t(void)args;\n\ta->none_ = 0;\n");
	return 0;
}

static int add_expression(struct buf *out, const json_t *expressions, const char *name, const char *type, bool cast,
			  struct err *e)
{
	const json_t *v = json_object_get(expressions, name);

	if (!v)
		return err_set(e, "derived value %s has no expression", name);
	if (strcmp(type, "f32") == 0 && json_is_number(v)) {
		if (gen_number(out, v, e) < 0)
			return err_where(e, "derived value %s", name);
		buf_adds(out, json_is_integer(v) ? ".0f" : "f");
		return 0;
	}
	return cast ? gen_value(out, v, name, e) : gen_expression(out, v, name, e);
}

static int layout_helper(struct buf *out, const struct gen_names *n, const json_t *header, const char *flag,
			 const char *value, const json_t *expressions, struct err *e)
{
	const char *name;
	json_t *type;

	if (!gen_is_word(flag) || !gen_is_word(value))
		return err_set(e, "flag %s=%s cannot be part of a name in C", flag, value);
	buf_addf(out, "%s/* Contiguous tensors with %s=%s, for the sizes that args holds. */\n", out->len ? "\n" : "", flag, value);
	buf_addf(out, "static inline void %s_%s_%s(struct %s_args *args)\n{\n", n->best, flag, value, n->best);
	buf_addf(out, "\tstruct %s_values_ sizes, *a = &sizes;\n\n\t%s_sizes_(args, a);\n", n->best, n->best);
	json_object_foreach((json_t *)types(header), name, type) {
		const char *t = json_string_value(type);

		if (!is_integer(t))
			continue;
		buf_addf(out, "\targs->%s = %s", name, strcmp(t, "i32") == 0 ? "(int)" : "");
		if (add_expression(out, expressions, name, t, strcmp(t, "i32") == 0, e) < 0)
			return -1;
		buf_adds(out, ";\n");
	}
	buf_adds(out, "}\n");
	return 0;
}

int gen_args_layouts(struct buf *out, const struct gen_names *n, const json_t *header, struct err *e)
{
	json_t *derived = json_object_get(header, "derived"), *set, *expressions;
	const char *flag, *value;

	json_object_foreach(derived, flag, set) {
		if (strcmp(flag, "types") == 0 || strcmp(flag, "tensors") == 0 || !*flag)
			continue;
		json_object_foreach(set, value, expressions)
			if (layout_helper(out, n, header, flag, value, expressions, e) < 0)
				return -1;
	}
	return 0;
}

int gen_args_defaults(struct buf *out, const json_t *header, struct err *e)
{
	const char *flag, *value, *name;
	const json_t *expressions = tuned_expressions(header, &flag, &value);
	struct buf integers, text;
	json_t *type;
	int rc = 0;

	buf_init(&integers);
	buf_init(&text);
	json_object_foreach((json_t *)types(header), name, type)
		if (is_integer(json_string_value(type)))
			buf_addf(&integers, " %s", name);
	if (integers.len) {
		buf_addf(&text, "strides, in elements (%s): all 0 means contiguous tensors", buf_text(&integers) + 1);
		if (*flag)
			buf_addf(&text, " with %s=%s, as tuned; %s_best_%s_... fills in others", flag, value ? value : "?",
				 gen_str(header, "family"), flag);
		buf_adds(&text, "; others must keep every row at its tensor's alignment");
		gen_wrap(out, " *   ", " *   ", buf_text(&text));
	}
	json_object_foreach((json_t *)types(header), name, type) {
		const char *t = json_string_value(type);

		if (is_integer(t))
			continue;
		buf_addf(out, " *   %s: 0 means ", name);
		rc = add_expression(out, expressions, name, t, false, e);
		if (rc < 0)
			break;
		buf_addc(out, '\n');
	}
	buf_free(&integers);
	buf_free(&text);
	return rc;
}

/* A dimension's range, its list of values, and what it must divide. */
static int dimension_check(struct buf *out, const json_t *dim, struct err *e)
{
	static const char refuse[] = "\t\treturn CUDA_ERROR_INVALID_VALUE;\n";
	const char *name = gen_str(dim, "name"), *divides = gen_str(dim, "divides");
	const json_t *min = json_object_get(dim, "min"), *max = json_object_get(dim, "max"), *v;
	const json_t *values = json_object_get(dim, "values");
	size_t i;

	buf_addf(out, "\tif (a->%s < ", name);
	if (!min)
		buf_addc(out, '1');
	else if (gen_number(out, min, e) < 0)
		return err_where(e, "least %s", name);
	if (max) {
		buf_addf(out, " || a->%s > ", name);
		if (gen_number(out, max, e) < 0)
			return err_where(e, "largest %s", name);
	}
	buf_addf(out, ")\n%s", refuse);
	if (json_array_size(values)) {
		buf_adds(out, "\tif (");
		json_array_foreach(values, i, v) {
			buf_addf(out, "%sa->%s != ", i ? " && " : "", name);
			if (gen_number(out, v, e) < 0)
				return err_where(e, "values of %s", name);
		}
		buf_addf(out, ")\n%s", refuse);
	}
	if (divides)
		buf_addf(out, "\tif (a->%s %% a->%s != 0)\n%s", divides, name, refuse);
	return 0;
}

static int derived_complete(struct buf *out, const json_t *header, struct err *e)
{
	const char *flag, *value, *name;
	const json_t *expressions = tuned_expressions(header, &flag, &value);
	struct buf given, copied, filled;
	json_t *type;
	int rc = 0;

	buf_init(&given);
	buf_init(&copied);
	buf_init(&filled);
	json_object_foreach((json_t *)types(header), name, type) {
		const char *t = json_string_value(type);

		if (!is_integer(t)) {
			buf_addf(out, "\ta->%s = args->%s != 0.0f ? args->%s : (float)", name, name, name);
			rc = add_expression(out, expressions, name, t, true, e);
			buf_adds(out, ";\n");
		} else {
			buf_addf(&given, "%sargs->%s", given.len ? " || " : "", name);
			buf_addf(&copied, "\t\ta->%s = args->%s;\n", name, name);
			buf_addf(&filled, "\t\ta->%s = ", name);
			rc = add_expression(&filled, expressions, name, t, false, e);
			buf_adds(&filled, ";\n");
		}
		if (rc < 0)
			goto out;
	}
	if (given.len) {
		gen_wrap(out, "\tif (", "\t    ", buf_text(&given));
		out->len--;
		buf_addf(out, ") {\n%s\t} else {\n%s\t}\n", buf_text(&copied), buf_text(&filled));
	}
out:
	buf_free(&given);
	buf_free(&copied);
	buf_free(&filled);
	return rc;
}

int gen_args_complete(struct buf *out, const json_t *header, struct err *e)
{
	size_t i;
	json_t *dim;

	json_array_foreach(dims(header), i, dim)
		if (is_free(dim) && dimension_check(out, dim, e) < 0)
			return -1;
	return derived_complete(out, header, e);
}

int gen_args_pointers(struct buf *out, const json_t *header, struct err *e)
{
	size_t i;
	json_t *t;

	json_array_foreach(tensors(header), i, t) {
		const char *name = gen_str(t, "name");
		long long align = (long long)json_integer_value(json_object_get(t, "align"));

		if (align < 0 || align > 4096)
			return err_set(e, "tensor %s: alignment %lld", name, align);
		buf_addf(out, "\tif (!args->%s", name);
		if (align > 1)
			buf_addf(out, " || args->%s %% %lld != 0", name, align);
		buf_adds(out, ")\n\t\treturn CUDA_ERROR_INVALID_VALUE;\n");
	}
	return 0;
}
