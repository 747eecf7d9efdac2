/* gen_derive: derived values (strides, scale) of contiguous tensors as C. The expressions of an entry hold what is fixed in
 * its machine code as numbers, so entries that differ there may have different ones; entries with equal expressions share
 * them, and the choice is made by the first fixed dimension or flag that tells them apart, else by all of them. */
#include <stdlib.h>
#include <string.h>

#include "gen_internal.h"

static const json_t *expressions(const struct gen_family *f, size_t entry)
{
	return json_object_get(json_object_get(f->entries[entry].header, "derived"), f->flag);
}

/* The first entry with the same expressions. */
static size_t set_of(const struct gen_family *f, size_t entry)
{
	for (size_t i = 0; i < entry; i++)
		if (json_equal(expressions(f, i), expressions(f, entry)))
			return i;
	return entry;
}

/* Whether equal values of one fixed item always mean equal expressions. */
static bool decides(const struct gen_family *f, const json_t *item)
{
	for (size_t i = 0; i < f->n; i++)
		for (size_t k = 0; k < i; k++)
			if (set_of(f, i) != set_of(f, k) &&
			    json_equal(gen_problem_value(&f->entries[i], item), gen_problem_value(&f->entries[k], item)))
				return false;
	return true;
}

static void add_values(struct buf *one, const struct gen_family *f, size_t entry, const json_t *only)
{
	size_t i;
	json_t *item;

	json_array_foreach(f->fixed, i, item)
		if (!only || item == only)
			buf_addf(one, "%sa->%s == %lld", one->len ? " && " : "", gen_str(item, "name"),
				 gen_fixed_number(item, gen_problem_value(&f->entries[entry], item)));
}

/* The condition under which the expressions of `set` hold. */
static void condition(struct buf *out, const struct gen_family *f, size_t set)
{
	const json_t *only = NULL;
	json_t *item, *said = json_object();
	struct buf one;
	size_t i;

	json_array_foreach(f->fixed, i, item)
		if (!only && decides(f, item))
			only = item;
	buf_init(&one);
	for (i = 0; i < f->n; i++) {
		if (set_of(f, i) != set)
			continue;
		buf_clear(&one);
		add_values(&one, f, i, only);
		if (json_object_get(said, buf_text(&one)))
			continue;
		buf_adds(out, json_object_size(said) ? " || " : "");
		buf_addf(out, only ? "%s" : "(%s)", buf_text(&one));
		json_object_set_new(said, buf_text(&one), json_true());
	}
	buf_free(&one);
	json_decref(said);
}

static int add_expression(struct buf *out, const json_t *v, const char *name, const char *type, struct err *e)
{
	if (!v)
		return err_set(e, "derived value %s has no expression", name);
	if (strcmp(type, "f32") == 0 && json_is_number(v)) {
		if (gen_number(out, v, e) < 0)
			return err_where(e, "derived value %s", name);
		buf_adds(out, json_is_integer(v) ? ".0f" : "f");
		return 0;
	}
	if (strcmp(type, "f32") == 0) {
		buf_adds(out, "(float)");
		return gen_value(out, v, name, e);
	}
	return gen_expression(out, v, name, e);
}

static int assignments(struct buf *out, const struct gen_family *f, size_t entry, const char *value, const char *indent,
		       struct err *e)
{
	const json_t *set = json_object_get(expressions(f, entry), value);
	const char *name;
	json_t *type;

	json_object_foreach((json_t *)f->types, name, type) {
		buf_addf(out, "%sa->%s = ", indent, name);
		if (add_expression(out, json_object_get(set, name), name, json_string_value(type), e) < 0)
			return -1;
		buf_adds(out, ";\n");
	}
	return 0;
}

void gen_derive_name(struct buf *out, const struct gen_names *n, const struct gen_family *f, const char *value)
{
	if (*f->flag)
		buf_addf(out, "%s_%s_%s_", n->best, f->flag, value);
	else
		buf_addf(out, "%s_contiguous_", n->best);
}

static int derive_function(struct buf *out, const struct gen_names *n, const struct gen_family *f, const char *value,
			   struct err *e)
{
	size_t last = 0, sets = 0, done = 0;

	for (size_t i = 0; i < f->n; i++) {
		if (set_of(f, i) == i) {
			last = i;
			sets++;
		}
	}
	if (sets > 1 && !json_array_size(f->fixed))
		return err_set(e, "the entries' derived values differ and nothing that is fixed tells them apart: tune them again");
	buf_adds(out, "static inline void ");
	gen_derive_name(out, n, f, value);
	buf_addf(out, "(struct %s_values_ *a)\n{\n", n->best);
	if (sets == 1) {
		buf_adds(out, json_object_size(f->types) ? "" : "\t(void)a;\n");
		if (assignments(out, f, 0, value, "\t", e) < 0)
			return -1;
	}
	for (size_t i = 0; i < f->n && sets > 1; i++) {
		if (set_of(f, i) != i)
			continue;
		buf_adds(out, done++ ? "\t} else " : "\t");
		if (i != last) {
			buf_adds(out, "if (");
			condition(out, f, i);
			buf_adds(out, ") ");
		}
		buf_adds(out, "{\n");
		if (assignments(out, f, i, value, "\t\t", e) < 0)
			return err_where(e, "entry %s", f->entries[i].name);
	}
	buf_adds(out, sets > 1 ? "\t}\n}\n" : "}\n");
	return 0;
}

/* The same for the caller's own structure. */
static int layout_helper(struct buf *out, const struct gen_names *n, const struct gen_family *f, const char *value,
			 struct err *e)
{
	const char *name;
	json_t *type;

	if (!gen_is_word(f->flag) || !gen_is_word(value))
		return err_set(e, "flag %s=%s cannot be part of a name in C", f->flag, value);
	buf_addf(out, "\n/* Contiguous tensors with %s=%s, for the sizes that args holds. */\n", f->flag, value);
	buf_addf(out, "static inline void %s_%s_%s(struct %s_args *args)\n{\n", n->best, f->flag, value, n->best);
	buf_addf(out, "\tstruct %s_values_ a;\n\n\t%s_sizes_(args, &a);\n\t", n->best, n->best);
	gen_derive_name(out, n, f, value);
	buf_adds(out, "(&a);\n");
	json_object_foreach((json_t *)f->types, name, type) {
		const char *t = json_string_value(type);

		if (gen_is_integer_type(t))
			buf_addf(out, "\targs->%s = %sa.%s;\n", name, strcmp(t, "i32") == 0 ? "(int)" : "", name);
	}
	buf_adds(out, "}\n");
	return 0;
}

int gen_derive(struct buf *out, const struct gen_names *n, const struct gen_family *f, struct err *e)
{
	const char *value;
	json_t *set;

	json_object_foreach((json_t *)expressions(f, 0), value, set) {
		buf_adds(out, out->len ? "\n" : "");
		if (derive_function(out, n, f, value, e) < 0 || (*f->flag && layout_helper(out, n, f, value, e) < 0))
			return -1;
	}
	return 0;
}
