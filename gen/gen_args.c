/* gen_args: the arguments of a call in a header: the structure's members, their completed 64-bit form, and the checks. It
 * knows no launch. What is fixed into machine code stands in the structure as an int, so that a call says what it means and
 * the entry that serves it can be found. */
#include <stdlib.h>
#include <string.h>

#include "gen_internal.h"

bool gen_is_integer_type(const char *type)
{
	return strcmp(type, "f32") != 0;
}

static const char *c_type(const char *type)
{
	return strcmp(type, "i64") == 0 ? "long long" : strcmp(type, "i32") == 0 ? "int" : "float";
}

/* best.h.in has a member of its own. */
static int check_names(const struct gen_family *f, struct err *e)
{
	static const char own[] = "early";
	bool taken = json_object_get(f->types, own) || json_object_get(json_object_get(f->entries[0].header, "problem"), own);
	size_t i;
	json_t *t;

	json_array_foreach((json_t *)f->tensors, i, t)
		taken = taken || (gen_str(t, "name") && strcmp(gen_str(t, "name"), own) == 0);
	return taken ? err_set(e, "%s is a member that every header has: the family must call its own otherwise", own) : 0;
}

static int check_types(const struct gen_family *f, struct err *e)
{
	const char *name;
	json_t *type;

	json_object_foreach((json_t *)f->types, name, type) {
		const char *t = json_string_value(type);

		if (!gen_is_word(name) || !t || (strcmp(t, "i64") != 0 && strcmp(t, "i32") != 0 && strcmp(t, "f32") != 0))
			return err_set(e, "derived value %s: type %s, not i32, i64 or f32", name, t ? t : "missing");
	}
	return 0;
}

/* Integers, then floats. Members of the same prefix ("q_") share a line. */
static void derived_fields(struct buf *out, const struct gen_family *f, bool wide)
{
	for (int floats = 0; floats < 2; floats++) {
		const char *name, *last_name = "", *last_type = "";
		size_t last_prefix = 0;
		json_t *type;

		json_object_foreach((json_t *)f->types, name, type) {
			const char *t = json_string_value(type), *under = strrchr(name, '_');
			const char *c = wide && gen_is_integer_type(t) ? "long long" : c_type(t);
			size_t prefix = under ? (size_t)(under - name) : strlen(name);

			if (gen_is_integer_type(t) == floats)
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

/* A fixed value as C: 64, or ATTN_BEST_DTYPE_F16. */
static void fixed_value(struct buf *out, const struct gen_names *n, const json_t *item, const json_t *value)
{
	if (!gen_fixed_words(item)) {
		buf_addf(out, "%lld", gen_fixed_number(item, value));
		return;
	}
	buf_addf(out, "%s_", n->BEST);
	gen_upper(out, gen_str(item, "name"));
	buf_addc(out, '_');
	gen_upper(out, json_string_value(value) ? json_string_value(value) : "");
}

static void fixed_field(struct buf *out, const struct gen_names *n, const struct gen_family *f, const json_t *item)
{
	const json_t *values = json_object_get(item, "values");
	size_t i, count = json_array_size(values);
	json_t *v;

	buf_addf(out, "\tint %s; /* ", gen_str(item, "name"));
	gen_comment(out, gen_str(item, "about"));
	buf_adds(out, *gen_str(item, "about") ? "; " : "");
	json_array_foreach(values, i, v) {
		buf_adds(out, i == 0 ? "" : i + 1 == count ? " or " : ", ");
		fixed_value(out, n, item, v);
	}
	if (!gen_fixed_may_be_0(item)) {
		buf_adds(out, "; 0 means ");
		fixed_value(out, n, item, gen_problem_value(f->entries, item));
	}
	buf_adds(out, " */\n");
}

/* The tensor's dtype, unless it follows what is fixed and so differs among entries. */
static const char *common_dtype(const struct gen_family *f, size_t tensor)
{
	const char *first = gen_str(json_array_get(f->tensors, tensor), "dtype");

	for (size_t i = 1; i < f->n; i++) {
		const json_t *own = json_object_get(json_object_get(f->entries[i].header, "spec"), "tensors");
		const char *dtype = gen_str(json_array_get(own, tensor), "dtype");

		if (!dtype || strcmp(dtype, first) != 0)
			return NULL;
	}
	return first;
}

int gen_args_fields(struct buf *out, const struct gen_names *n, const struct gen_family *f, struct err *e)
{
	size_t i;
	json_t *v;

	if (check_types(f, e) < 0 || check_names(f, e) < 0)
		return -1;
	json_array_foreach(f->tensors, i, v) {
		const char *name = gen_str(v, "name"), *role = gen_str(v, "role"), *dtype = gen_str(v, "dtype");

		if (!gen_is_word(name) || !role || !dtype)
			return err_set(e, "tensor %zu of the specification has no name, role or dtype", i);
		dtype = common_dtype(f, i);
		buf_addf(out, "\tCUdeviceptr %s; /* %s, %s%s%g-byte aligned */\n", name, role, dtype ? dtype : "",
			 dtype ? ", " : "", gen_num(v, "align"));
	}
	json_array_foreach(f->free, i, v) {
		const char *about = gen_str(v, "about");

		buf_addf(out, "\tint %s; /* ", gen_str(v, "name"));
		gen_comment(out, about ? about : "");
		buf_adds(out, " */\n");
	}
	json_array_foreach(f->fixed, i, v)
		fixed_field(out, n, f, v);
	derived_fields(out, f, false);
	return 0;
}

int gen_args_values(struct buf *out, const struct gen_family *f, struct err *e)
{
	size_t i, before = out->len;
	json_t *v;

	(void)e;
	json_array_foreach(f->free, i, v)
		buf_addf(out, "\tlong long %s;\n", gen_str(v, "name"));
	json_array_foreach(f->fixed, i, v)
		buf_addf(out, "\tlong long %s;\n", gen_str(v, "name"));
	derived_fields(out, f, true);
	if (out->len == before)
		buf_adds(out, "\tint none_;\n");
	return 0;
}

int gen_args_sizes(struct buf *out, const struct gen_family *f, struct err *e)
{
	size_t i, before = out->len;
	json_t *v;

	(void)e;
	json_array_foreach(f->free, i, v)
		buf_addf(out, "\ta->%s = args->%s;\n", gen_str(v, "name"), gen_str(v, "name"));
	json_array_foreach(f->fixed, i, v) {
		const char *name = gen_str(v, "name");

		if (gen_fixed_may_be_0(v))
			buf_addf(out, "\ta->%s = args->%s;\n", name, name);
		else
			buf_addf(out, "\ta->%s = args->%s ? args->%s : %lld;\n", name, name, name,
				 gen_fixed_number(v, gen_problem_value(f->entries, v)));
	}
	if (out->len == before)
		buf_adds(out, "\t(void)args;\n\t(void)a;\n");
	return 0;
}

int gen_args_first(struct buf *out, const struct gen_family *f, struct err *e)
{
	const json_t *lists[] = { f->free, f->fixed };
	size_t i;
	json_t *v;

	for (size_t l = 0; l < 2; l++) {
		json_array_foreach(lists[l], i, v) {
			const json_t *value = gen_problem_value(f->entries, v);

			if (!value)
				return err_set(e, "the problem of %s has no %s", f->entries->name, gen_str(v, "name"));
			buf_addf(out, "\ta.%s = %lld;\n", gen_str(v, "name"), gen_fixed_number(v, value));
		}
	}
	return 0;
}

int gen_args_defaults(struct buf *out, const struct gen_names *n, const struct gen_family *f, struct err *e)
{
	struct buf integers, text;
	const char *name;
	json_t *type;

	(void)e;
	buf_init(&integers);
	buf_init(&text);
	json_object_foreach((json_t *)f->types, name, type)
		if (gen_is_integer_type(json_string_value(type)))
			buf_addf(&integers, " %s", name);
	if (integers.len) {
		buf_addf(&text, "strides, in elements (%s): all 0 means contiguous tensors", buf_text(&integers) + 1);
		if (*f->flag)
			buf_addf(&text, " with %s=%s; %s_%s_... fills in others", f->flag, f->flag_value, n->best, f->flag);
		buf_adds(&text, "; others must keep every row at its tensor's alignment");
		gen_wrap(out, " *   ", " *   ", buf_text(&text));
	}
	json_object_foreach((json_t *)f->types, name, type) {
		const json_t *set = json_object_get(json_object_get(f->entries->header, "derived"), f->flag);
		const json_t *v = json_object_get(json_object_get(set, f->flag_value), name);

		if (gen_is_integer_type(json_string_value(type)))
			continue;
		buf_clear(&text);
		buf_addf(&text, "%s: 0 means ", name);
		if (json_is_string(v))
			buf_adds(&text, json_string_value(v));
		else if (json_is_number(v))
			gen_real(&text, json_number_value(v));
		if (f->n > 1)
			buf_addf(&text, " for %s, and for others what their problem derives", f->entries->name);
		gen_wrap(out, " *   ", " *   ", buf_text(&text));
	}
	buf_free(&integers);
	buf_free(&text);
	return 0;
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

static long long dtype_bytes(const char *dtype)
{
	return !dtype || strcmp(dtype, "f64") == 0 ? 8 : strchr(dtype, '3') ? 4 : 2;
}

/* What strides of one tensor ("q_sb" of q) must be multiples of, in elements; 1: anything. */
static long long stride_unit(const struct gen_family *f, const char *stride)
{
	size_t i;
	json_t *t;

	json_array_foreach(f->tensors, i, t) {
		const char *name = gen_str(t, "name");
		long long unit = (long long)json_integer_value(json_object_get(t, "align")), bytes = 1;

		if (strncmp(stride, name, strlen(name)) != 0 || strncmp(stride + strlen(name), "_s", 2) != 0)
			continue;
		for (size_t k = 0; k < f->n; k++) {
			const json_t *own = json_object_get(json_object_get(f->entries[k].header, "spec"), "tensors");
			long long size = dtype_bytes(gen_str(json_array_get(own, i), "dtype"));

			bytes = size > bytes ? size : bytes;
		}
		unit /= bytes;
		return unit > 1 && (unit & (unit - 1)) == 0 ? unit : 1;
	}
	return 1;
}

static void stride_checks(struct buf *out, const struct gen_family *f)
{
	struct buf text;
	const char *name;
	json_t *type;
	long long last = 0;

	buf_init(&text);
	/* Strides of one unit share a test: the bits of all of them are looked at together. */
	json_object_foreach((json_t *)f->types, name, type) {
		long long unit = stride_unit(f, name);

		if (!gen_is_integer_type(json_string_value(type)) || unit <= 1)
			continue;
		if (last && unit != last)
			buf_addf(&text, ") %% %lld || (", last);
		else if (last)
			buf_adds(&text, " | ");
		last = unit;
		buf_addf(&text, "a->%s", name);
	}
	if (last) {
		buf_addf(&text, ") %% %lld)", last);
		gen_wrap(out, "\t\tif ((", "\t\t     ", buf_text(&text));
		buf_adds(out, "\t\t\treturn CUDA_ERROR_INVALID_VALUE;\n");
	}
	buf_free(&text);
}

int gen_args_complete(struct buf *out, const struct gen_names *n, const struct gen_family *f, struct err *e)
{
	struct buf given;
	const char *name;
	json_t *type, *dim;
	size_t i;

	json_array_foreach(f->free, i, dim)
		if (dimension_check(out, dim, e) < 0)
			return -1;
	if (!json_object_size(f->types))
		return 0;
	buf_init(&given);
	buf_addc(out, '\t');
	gen_derive_name(out, n, f, f->flag_value);
	buf_adds(out, "(a);\n");
	json_object_foreach((json_t *)f->types, name, type)
		if (gen_is_integer_type(json_string_value(type)))
			buf_addf(&given, "%sargs->%s", given.len ? " || " : "", name);
	if (given.len) {
		gen_wrap(out, "\tif (", "\t    ", buf_text(&given));
		out->len--;
		buf_adds(out, ") {\n");
		json_object_foreach((json_t *)f->types, name, type)
			if (gen_is_integer_type(json_string_value(type)))
				buf_addf(out, "\t\ta->%s = args->%s;\n", name, name);
		stride_checks(out, f);
		buf_adds(out, "\t}\n");
	}
	json_object_foreach((json_t *)f->types, name, type)
		if (!gen_is_integer_type(json_string_value(type)))
			buf_addf(out, "\tif (args->%s != 0.0f)\n\t\ta->%s = args->%s;\n", name, name, name);
	buf_free(&given);
	return 0;
}

int gen_args_pointers(struct buf *out, const struct gen_family *f, struct err *e)
{
	size_t i;
	json_t *t;

	json_array_foreach(f->tensors, i, t) {
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
