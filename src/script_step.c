/* script_step: one step of a launch, from what a script returned to the form of messages.md: a kernel, a cuBLAS product
 * (for baselines) or a memset. Names and ranges are checked; errors name the field. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "attune/problem.h"
#include "script_internal.h"

#define BYTES_MAX (1LL << 40)
#define INT_TOP 2147483647LL
#define MAP_FIELDS "1 kind tensor workspace dtype dims strides_bytes box element_strides swizzle l2 interleave oob"
#define GEMM_FIELDS "m n k batch alpha beta ta tb a lda stride_a b ldb stride_b c ldc stride_c in out"

/* Members of an object must be among the blank-separated names. */
static int check_members(const json_t *raw, const char *known, struct err *e)
{
	const char *name;
	json_t *value;

	if (!json_is_object(raw))
		return err_set(e, "a table expected");
	json_object_foreach((json_t *)raw, name, value) {
		size_t len = strlen(name);
		const char *at = strstr(known, name);

		while (at && !((at == known || at[-1] == ' ') && (at[len] == ' ' || !at[len])))
			at = strstr(at + 1, name);
		if (!at || !len)
			return err_set(e, "unknown field '%.40s' (known: %s)", name, known);
	}
	return 0;
}

/* A list of least..most integers as an array; constant: none may depend on a run-time dimension. */
static int add_list(const struct script_numbers *n, const json_t *raw, const char *key, size_t least, size_t most,
		    long long lo, long long hi, bool constant, json_t *to, struct err *e)
{
	const json_t *list = json_object_get(raw, key);
	json_t *out, *item = NULL;
	char what[64];

	if (!json_is_array(list) || json_array_size(list) < least || json_array_size(list) > most) {
		if (least == most)
			return err_set(e, "%s: a list of %zu integers expected", key, most);
		return err_set(e, "%s: a list of %zu to %zu integers expected", key, least, most);
	}
	out = json_array();
	json_object_set_new(to, key, out);
	for (size_t i = 0; i < json_array_size(list); i++) {
		snprintf(what, sizeof(what), "%s[%zu]", key, i + 1);
		if (script_number(n, json_array_get(list, i), lo, hi, what, &item, e) < 0)
			return ERR_FAIL;
		json_array_append_new(out, item);
		if (constant && json_is_string(item))
			return err_set(e, "%s: may not depend on a run-time dimension", what);
	}
	return 0;
}

static int add_integer(const struct script_numbers *n, const json_t *raw, const char *key, long long lo, long long hi,
		       json_t *to, struct err *e)
{
	json_t *value;

	if (script_number(n, json_object_get(raw, key), lo, hi, key, &value, e) < 0)
		return ERR_FAIL;
	json_object_set_new(to, key, value);
	return 0;
}

/* One of the blank-separated words; absent: left out unless required. */
static int add_word(const json_t *raw, const char *key, const char *words, bool required, json_t *to, struct err *e)
{
	json_t *value = json_object_get(raw, key), *one = json_object();
	int rc = 0;

	if (value || required) {
		json_object_set_new(one, json_is_string(value) && !strchr(json_string_value(value), ' ') ?
				    json_string_value(value) : "", json_null());
		if (check_members(one, words, NULL) < 0)
			rc = err_set(e, "%s: one of %s expected", key, words);
		else
			json_object_set(to, key, value);
	}
	json_decref(one);
	return rc;
}

static bool is_tensor(const struct script_numbers *n, const char *name)
{
	json_t *t;
	size_t i;

	json_array_foreach(json_object_get(n->known, "tensors"), i, t)
		if (name && !strcmp(json_string_value(json_object_get(t, "name")), name))
			return true;
	return false;
}

/* --- arguments --------------------------------------------------------------------------------------------------- */

static int unknown_name(const struct script_numbers *n, const char *name, struct err *e)
{
	struct buf known;
	const char *key;
	json_t *item;
	size_t i;
	int rc;

	buf_init(&known);
	json_array_foreach(json_object_get(n->known, "tensors"), i, item)
		buf_addf(&known, " %s", json_string_value(json_object_get(item, "name")));
	json_object_foreach(json_object_get(n->known, "values"), key, item)
		buf_addf(&known, " %s", key);
	rc = err_set(e, "no tensor, derived value or dimension '%.40s' (known:%s)", name, buf_text(&known));
	buf_free(&known);
	return rc;
}

/* {"tensor"} or {"workspace"} from a name or workspace(). */
static int pointer(const struct script_numbers *n, const json_t *raw, json_t *to, struct err *e)
{
	const char *name = json_string_value(raw);

	if (!name)
		name = json_string_value(json_object_get(raw, "tensor"));
	if (name && !is_tensor(n, name))
		return err_set(e, "no tensor '%.40s'", name);
	if (name) {
		json_object_set_new(to, "tensor", json_string(name));
		return 0;
	}
	if (!json_object_get(raw, "workspace"))
		return err_set(e, "the name of a tensor or workspace(offset) expected");
	return add_integer(n, raw, "workspace", 0, BYTES_MAX, to, e);
}

/* to[type] = value, within the type's range. */
static int add_typed(const struct script_numbers *n, const char *type, const json_t *value, const char *what,
		     json_t *to, struct err *e)
{
	bool narrow = !strcmp(type, "i32");
	json_t *number;

	if (!strcmp(type, "f32")) {
		if (script_real(n, value, what, &number, e) < 0)
			return ERR_FAIL;
	} else if (script_number(n, value, narrow ? -INT_TOP - 1 : LLONG_MIN, narrow ? INT_TOP : LLONG_MAX, what,
				 &number, e) < 0) {
		return ERR_FAIL;
	}
	json_object_set_new(to, type, number);
	return 0;
}

static int named_arg(const struct script_numbers *n, const char *name, json_t *to, struct err *e)
{
	const char *type = json_string_value(json_object_get(json_object_get(n->known, "types"), name));
	const json_t *value = json_object_get(json_object_get(n->known, "values"), name),
		     *dim = problem_dim(n->schema, name);

	if (is_tensor(n, name)) {
		json_object_set_new(to, "tensor", json_string(name));
		return 0;
	}
	if (!json_is_number(value))
		return unknown_name(n, name, e);
	if (!type)
		type = json_number_value(json_object_get(dim, "max")) > (double)INT_TOP ? "i64" : "i32";
	if (n->text && !json_is_true(json_object_get(dim, "fixed")) && !problem_flag(n->schema, name)) {
		json_object_set_new(to, type, json_sprintf("a->%s", name));
		return 0;
	}
	return add_typed(n, type, value, name, to, e);
}

static int tensormap(const struct script_numbers *n, const json_t *raw, json_t *to, struct err *e)
{
	size_t rank = json_array_size(json_object_get(raw, "dims"));
	const json_t *from = json_object_get(raw, "tensor");

	if (check_members(raw, MAP_FIELDS, e) < 0 ||
	    pointer(n, from ? from : raw, to, e) < 0 ||
	    add_word(raw, "dtype", "f16 bf16 f32 f64 i32", true, to, e) < 0 ||
	    add_list(n, raw, "dims", 1, 5, 1, 1LL << 32, false, to, e) < 0 ||
	    add_list(n, raw, "strides_bytes", rank - 1, rank - 1, 0, BYTES_MAX, false, to, e) < 0 ||
	    add_list(n, raw, "box", rank, rank, 1, 256, true, to, e) < 0)
		return ERR_FAIL;
	if (json_object_get(raw, "element_strides") &&
	    add_list(n, raw, "element_strides", rank, rank, 1, 8, true, to, e) < 0)
		return ERR_FAIL;
	if (add_word(raw, "swizzle", "none 32B 64B 128B", false, to, e) < 0 ||
	    add_word(raw, "l2", "none 64B 128B 256B", false, to, e) < 0 ||
	    add_word(raw, "interleave", "none 16B 32B", false, to, e) < 0)
		return ERR_FAIL;
	return add_word(raw, "oob", "zero nan", false, to, e);
}

static int typed_arg(const struct script_numbers *n, const json_t *raw, json_t *to, struct err *e)
{
	json_t *value, *map;
	const char *type = script_typed(raw, &value);

	if (type)
		return add_typed(n, type, value, type, to, e);
	if (json_object_get(raw, "workspace"))
		return pointer(n, raw, to, e);
	if (!json_object_get(raw, "tensormap"))
		return err_set(e, "a name, i32(), i64(), f32(), workspace() or tensormap { } expected");
	map = json_object();
	json_object_set_new(to, "tensormap", map);
	return tensormap(n, json_object_get(raw, "tensormap"), map, e);
}

static int add_args(const struct script_numbers *n, const json_t *raw, json_t *step, struct err *e)
{
	json_t *args = json_array(), *arg;
	size_t i;

	json_object_set_new(step, "args", args);
	if (!json_is_array(raw))
		return err_set(e, "args: a list without gaps expected (is one of them nil?)");
	json_array_foreach((json_t *)raw, i, arg) {
		json_t *to = json_object();
		int rc;

		json_array_append_new(args, to);
		if (json_is_string(arg))
			rc = named_arg(n, json_string_value(arg), to, e);
		else
			rc = typed_arg(n, arg, to, e);
		if (rc < 0)
			return err_where(e, "args[%zu]", i + 1);
	}
	return 0;
}

/* --- kinds of steps ---------------------------------------------------------------------------------------------- */

static long long product(const json_t *triple)
{
	long long p = 1;
	json_t *v;
	size_t i;

	json_array_foreach((json_t *)triple, i, v)
		p *= json_integer_value(v);
	return p;
}

static void pad(json_t *triple)
{
	while (json_array_size(triple) < 3)
		json_array_append_new(triple, json_integer(1));
}

static int check_grid(const json_t *grid, const json_t *cluster, struct err *e)
{
	for (size_t i = 0; i < 3; i++) {
		const json_t *g = json_array_get(grid, i), *c = json_array_get(cluster, i);

		if (!json_is_integer(g))
			continue;
		if (i > 0 && json_integer_value(g) > 65535)
			return err_set(e, "grid[%zu]: %lld is outside 1 .. 65535", i + 1,
				       (long long)json_integer_value(g));
		if (c && json_integer_value(g) % json_integer_value(c) != 0)
			return err_set(e, "grid[%zu]: %lld is no multiple of cluster[%zu] = %lld", i + 1,
				       (long long)json_integer_value(g), i + 1, (long long)json_integer_value(c));
	}
	return 0;
}

static int kernel_step(const struct script_numbers *n, const json_t *raw, json_t *to, struct err *e)
{
	const char *entry = json_string_value(json_object_get(raw, "entry"));
	json_t *cluster = NULL;

	if (check_members(raw, "entry grid block cluster smem pdl args workspace", e) < 0)
		return ERR_FAIL;
	if (!entry || !entry[0])
		return err_set(e, "entry: the kernel's name expected");
	json_object_set_new(to, "entry", json_string(entry));
	if (add_list(n, raw, "grid", 1, 3, 1, INT_TOP, false, to, e) < 0 ||
	    add_list(n, raw, "block", 1, 3, 1, 1024, true, to, e) < 0)
		return ERR_FAIL;
	pad(json_object_get(to, "grid"));
	pad(json_object_get(to, "block"));
	if (product(json_object_get(to, "block")) > 1024)
		return err_set(e, "block: %lld threads, 1024 at most", product(json_object_get(to, "block")));
	if (json_integer_value(json_array_get(json_object_get(to, "block"), 2)) > 64)
		return err_set(e, "block[3]: 64 at most");
	if (json_object_get(raw, "cluster")) {
		if (add_list(n, raw, "cluster", 1, 3, 1, 16, true, to, e) < 0)
			return ERR_FAIL;
		cluster = json_object_get(to, "cluster");
		pad(cluster);
		if (product(cluster) > 16)
			return err_set(e, "cluster: %lld blocks, 16 at most", product(cluster));
	}
	if (check_grid(json_object_get(to, "grid"), cluster, e) < 0)
		return ERR_FAIL;
	json_object_set_new(to, "smem", json_integer(0));
	if (json_object_get(raw, "smem") && add_integer(n, raw, "smem", 0, 1 << 20, to, e) < 0)
		return ERR_FAIL;
	if (json_object_get(raw, "pdl") && !json_is_boolean(json_object_get(raw, "pdl")))
		return err_set(e, "pdl: true or false expected");
	if (json_is_true(json_object_get(raw, "pdl")))
		json_object_set_new(to, "pdl", json_true());
	return add_args(n, json_object_get(raw, "args"), to, e);
}

static int add_pointer(const struct script_numbers *n, const json_t *raw, const char *key, json_t *to, struct err *e)
{
	json_t *p = json_object();

	json_object_set_new(to, key, p);
	return pointer(n, json_object_get(raw, key), p, e) < 0 ? err_where(e, "%s", key) : 0;
}

static int gemm_step(const struct script_numbers *n, const json_t *raw, json_t *to, struct err *e)
{
	static const char *const sizes[] = { "m", "n", "k", "batch" }, *const factors[] = { "alpha", "beta" };
	static const char *const parts[][3] = { { "a", "lda", "stride_a" },
						{ "b", "ldb", "stride_b" },
						{ "c", "ldc", "stride_c" } };
	json_t *number;

	if (check_members(raw, GEMM_FIELDS, e) < 0)
		return ERR_FAIL;
	for (size_t i = 0; i < 4; i++)
		if (add_integer(n, raw, sizes[i], 1, INT_TOP, to, e) < 0)
			return ERR_FAIL;
	for (size_t i = 0; i < 2; i++) {
		if (script_real(n, json_object_get(raw, factors[i]), factors[i], &number, e) < 0)
			return ERR_FAIL;
		json_object_set_new(to, factors[i], number);
	}
	if (add_word(raw, "ta", "N T", true, to, e) < 0 || add_word(raw, "tb", "N T", true, to, e) < 0)
		return ERR_FAIL;
	for (size_t i = 0; i < 3; i++)
		if (add_pointer(n, raw, parts[i][0], to, e) < 0 ||
		    add_integer(n, raw, parts[i][1], 1, INT_TOP, to, e) < 0 ||
		    add_integer(n, raw, parts[i][2], 0, BYTES_MAX, to, e) < 0)
			return ERR_FAIL;
	if (add_word(raw, "in", "f16 bf16 f32", true, to, e) < 0)
		return ERR_FAIL;
	return add_word(raw, "out", "f16 bf16 f32", true, to, e);
}

static int memset_step(const struct script_numbers *n, const json_t *raw, json_t *to, struct err *e)
{
	if (check_members(raw, "to value bytes", e) < 0 || add_pointer(n, raw, "to", to, e) < 0 ||
	    add_integer(n, raw, "value", 0, 255, to, e) < 0)
		return ERR_FAIL;
	return add_integer(n, raw, "bytes", 1, BYTES_MAX, to, e);
}

int script_step_build(const struct script_numbers *n, const json_t *raw, bool baseline, json_t **step, struct err *e)
{
	const json_t *gemm = json_object_get(raw, "gemm"), *set = json_object_get(raw, "memset");
	json_t *to = json_object(), *part = json_object();
	int rc;

	if (gemm || set) {
		rc = check_members(raw, gemm ? "gemm workspace" : "memset workspace", e);
		if (rc == 0 && gemm && !baseline)
			rc = err_set(e, "only a variant with `baseline = true` may use a library's product");
		json_object_set(to, gemm ? "gemm" : "memset", part);
		if (rc == 0)
			rc = gemm ? gemm_step(n, gemm, part, e) : memset_step(n, set, part, e);
		if (rc < 0)
			err_where(e, "%s", gemm ? "gemm" : "memset");
	} else {
		rc = kernel_step(n, raw, to, e);
	}
	*step = rc == 0 ? json_incref(to) : NULL;
	json_decref(part);
	json_decref(to);
	return rc;
}
