/* gen_family: what the entries of one header have in common. It sorts a family's dimensions and flags into those that a
 * call chooses and those that are fixed into machine code, and refuses entries of different families. The lists of values
 * of what is fixed are joined, since each entry only knows those of the day it was tuned. */
#include <stdlib.h>
#include <string.h>

#include "gen_internal.h"

static const json_t *info(const struct gen_entry *entry, const char *list)
{
	return json_object_get(json_object_get(entry->header, "family_info"), list);
}

static const char *name_of(const json_t *item)
{
	return gen_str(item, "name");
}

static json_t *find(const json_t *list, const char *name)
{
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item)
		if (name_of(item) && name && strcmp(name_of(item), name) == 0)
			return item;
	return NULL;
}

static void join_values(json_t *to, const json_t *values)
{
	size_t i, k;
	json_t *v, *have;

	json_array_foreach(values, i, v) {
		bool known = false;

		json_array_foreach(to, k, have)
			known |= json_equal(have, v);
		if (!known)
			json_array_append(to, v);
	}
}

static void add_fixed(struct gen_family *f, const char *list, const json_t *item)
{
	json_t *values = json_array(), *about = json_object_get(item, "about");

	for (size_t i = 0; i < f->n; i++) {
		json_t *own = json_object_get(f->entries[i].header, "problem"), *one = json_array();

		join_values(values, json_object_get(find(info(&f->entries[i], list), name_of(item)), "values"));
		if (json_object_get(own, name_of(item)))
			json_array_append(one, json_object_get(own, name_of(item)));
		join_values(values, one);
		json_decref(one);
	}
	json_array_append_new(f->fixed, json_pack("{s:s, s:s, s:o}", "name", name_of(item), "about",
						  about ? json_string_value(about) : "", "values", values));
}

/* A dimension or flag that a call chooses means the same in every entry. */
static bool same_free(const json_t *a, const json_t *b)
{
	static const char *const keys[] = { "min", "max", "values", "divides", "fixed" };

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		const json_t *x = json_object_get(a, keys[i]), *y = json_object_get(b, keys[i]);

		if ((x || y) && !json_equal(x, y))
			return false;
	}
	return true;
}

static int check_list(const struct gen_family *f, const struct gen_entry *entry, const char *list, struct err *e)
{
	const json_t *first = info(f->entries, list), *other = info(entry, list);
	size_t i;
	json_t *item;

	if (json_array_size(first) != json_array_size(other))
		return err_set(e, "entry %s has other %s than entry %s: tune it again", entry->name, list, f->entries->name);
	json_array_foreach(first, i, item) {
		const json_t *own = json_array_get(other, i);
		bool fixed = json_is_true(json_object_get(item, "fixed"));

		if (!name_of(item) || !name_of(own) || strcmp(name_of(item), name_of(own)) != 0 ||
		    fixed != json_is_true(json_object_get(own, "fixed")) || (!fixed && !same_free(item, own)))
			return err_set(e, "entry %s: %s of its %s is not that of entry %s: tune it again", entry->name,
				       name_of(own) ? name_of(own) : "one", list, f->entries->name);
	}
	return 0;
}

static int check_tensors(const struct gen_family *f, const struct gen_entry *entry, struct err *e)
{
	const json_t *own = json_object_get(json_object_get(entry->header, "spec"), "tensors");
	size_t i;
	json_t *t;

	if (json_array_size(own) != json_array_size(f->tensors))
		return err_set(e, "entry %s has other tensors than entry %s: tune it again", entry->name, f->entries->name);
	json_array_foreach(f->tensors, i, t) {
		const json_t *o = json_array_get(own, i);

		if (!json_equal(json_object_get(t, "name"), json_object_get(o, "name")) ||
		    !json_equal(json_object_get(t, "role"), json_object_get(o, "role")) ||
		    !json_equal(json_object_get(t, "align"), json_object_get(o, "align")))
			return err_set(e, "entry %s: a tensor is not that of entry %s: tune it again", entry->name,
				       f->entries->name);
	}
	return 0;
}

static int check_entries(const struct gen_family *f, struct err *e)
{
	const char *family = gen_str(f->entries->header, "family");

	for (size_t i = 1; i < f->n; i++) {
		const struct gen_entry *entry = &f->entries[i];

		if (strcmp(gen_str(entry->header, "family"), family) != 0)
			return err_set(e, "entry %s is of the family %s, entry %s of %s", entry->name,
				       gen_str(entry->header, "family"), f->entries->name, family);
		if (check_list(f, entry, "dims", e) < 0 || check_list(f, entry, "flags", e) < 0 ||
		    check_tensors(f, entry, e) < 0)
			return -1;
		if (!json_equal(json_object_get(json_object_get(entry->header, "derived"), "types"), f->types))
			return err_set(e, "entry %s has other derived values than entry %s: tune it again", entry->name,
				       f->entries->name);
	}
	return 0;
}

int gen_family_open(struct gen_family *f, const struct gen_entry *entries, size_t n, struct err *e)
{
	json_t *derived = json_object_get(entries->header, "derived"), *item;
	const char *key;
	size_t i;

	memset(f, 0, sizeof *f);
	f->entries = entries;
	f->n = n;
	f->free = json_array();
	f->fixed = json_array();
	f->types = json_object_get(derived, "types");
	f->tensors = json_object_get(json_object_get(entries->header, "spec"), "tensors");
	f->flag = "";
	json_object_foreach(derived, key, item)
		if (strcmp(key, "types") != 0 && strcmp(key, "tensors") != 0)
			f->flag = key;
	if (check_entries(f, e) < 0)
		return -1;
	json_array_foreach(info(entries, "dims"), i, item) {
		if (!gen_is_word(name_of(item)))
			return err_set(e, "dimension %zu of the family has no name", i);
		if (json_is_true(json_object_get(item, "fixed")))
			add_fixed(f, "dims", item);
		else
			json_array_append(f->free, item);
	}
	json_array_foreach(info(entries, "flags"), i, item) {
		if (!gen_is_word(name_of(item)))
			return err_set(e, "flag %zu of the family has no name", i);
		if (json_is_true(json_object_get(item, "fixed")))
			add_fixed(f, "flags", item);
	}
	item = find(info(entries, "flags"), f->flag);
	f->flag_value = gen_str(item, "default");
	if (!f->flag_value)
		f->flag_value = json_string_value(json_array_get(json_object_get(item, "values"), 0));
	if (!f->flag_value)
		f->flag_value = "";
	return 0;
}

void gen_family_close(struct gen_family *f)
{
	json_decref(f->free);
	json_decref(f->fixed);
}

bool gen_fixed_words(const json_t *fixed)
{
	return json_is_string(json_array_get(json_object_get(fixed, "values"), 0));
}

long long gen_fixed_number(const json_t *fixed, const json_t *value)
{
	size_t i;
	json_t *v;

	if (json_is_integer(value))
		return json_integer_value(value);
	json_array_foreach(json_object_get(fixed, "values"), i, v)
		if (json_equal(v, value))
			return (long long)i + 1;
	return 0;
}

bool gen_fixed_may_be_0(const json_t *fixed)
{
	size_t i;
	json_t *v;

	json_array_foreach(json_object_get(fixed, "values"), i, v)
		if (json_is_integer(v) && json_integer_value(v) == 0)
			return true;
	return false;
}

const json_t *gen_problem_value(const struct gen_entry *entry, const json_t *item)
{
	return json_object_get(json_object_get(entry->header, "problem"), name_of(item));
}
