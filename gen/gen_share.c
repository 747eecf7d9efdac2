/* gen_share: launches that differ only in numbers and in the enumerators of tensor maps are one function, which takes those as
 * an array `k`. A header of 34 entries is compiled in 0.46 s so (gcc 12 -O2), in 0.86 s with a function for each. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "gen_internal.h"

enum { SLOT = 1 }; /* stands for a literal in a skeleton */

static const char *const enumerators[][2] = {
	{ "CU_TENSOR_MAP_DATA_TYPE_", "CUtensorMapDataType" },
	{ "CU_TENSOR_MAP_INTERLEAVE_", "CUtensorMapInterleave" },
	{ "CU_TENSOR_MAP_SWIZZLE_", "CUtensorMapSwizzle" },
	{ "CU_TENSOR_MAP_L2_PROMOTION_", "CUtensorMapL2promotion" },
	{ "CU_TENSOR_MAP_FLOAT_OOB_FILL_", "CUtensorMapFloatOOBfill" },
};

/* The type of an enumerator of a tensor map, or NULL. */
static const char *type_of(const char *word)
{
	for (size_t i = 0; i < sizeof enumerators / sizeof *enumerators; i++)
		if (strncmp(word, enumerators[i][0], strlen(enumerators[i][0])) == 0)
			return enumerators[i][1];
	return NULL;
}

static size_t word_length(const char *p)
{
	size_t n = 0;

	while (isalnum((unsigned char)p[n]) || p[n] == '_' || p[n] == '.')
		n++;
	return n;
}

/* The code of a launch as the text around its literals, and these as strings. */
static json_t *taken_apart(const char *code)
{
	struct buf skeleton;
	json_t *literals = json_array(), *all;

	buf_init(&skeleton);
	while (*code) {
		size_t n = word_length(code);

		if (n > 0 && (strspn(code, "0123456789") == n || type_of(code))) {
			json_array_append_new(literals, json_stringn(code, n));
			buf_addc(&skeleton, SLOT);
		} else {
			n = n ? n : 1;
			buf_add(&skeleton, code, n);
		}
		code += n;
	}
	all = json_pack("{s:s, s:o}", "skeleton", buf_text(&skeleton), "literals", literals);
	buf_free(&skeleton);
	return all;
}

static int take_apart(json_t *to, const struct gen_names *n, const struct gen_entry *entry, struct err *e)
{
	json_t *kernels = NULL;
	struct buf code;
	int rc;

	buf_init(&code);
	rc = gen_launch_entries(json_object_get(entry->header, "launch"), &kernels, e);
	if (rc == 0)
		rc = gen_launch_steps(&code, n, entry->header, kernels, e);
	if (rc == 0)
		json_array_append_new(to, taken_apart(buf_text(&code)));
	json_decref(kernels);
	buf_free(&code);
	return rc;
}

static const char *literal(const json_t *launch, size_t i)
{
	return json_string_value(json_array_get(json_object_get(launch, "literals"), i));
}

/* Literal i of every launch of the group, as one text: equal texts share a place in k. */
static void column(struct buf *out, const json_t *group, size_t i)
{
	json_t *launch;
	size_t k;

	buf_clear(out);
	json_array_foreach(group, k, launch)
		buf_addf(out, "%s%s", k ? ", " : "", literal(launch, i));
}

static bool differs(const json_t *group, size_t i)
{
	json_t *launch;
	size_t k;

	json_array_foreach(group, k, launch)
		if (strcmp(literal(launch, i), literal(json_array_get(group, 0), i)) != 0)
			return true;
	return false;
}

/* Writes the function of a group, and gives each of its launches the function's name and its own numbers. */
static void write_function(struct buf *out, const struct gen_names *n, const json_t *group, size_t number)
{
	const json_t *first = json_array_get(group, 0);
	json_t *places = json_object(), *launch;
	struct buf text, name;
	size_t i = 0, k;

	buf_init(&text);
	buf_init(&name);
	buf_addf(&name, "%s_launch_%zu_", n->best, number);
	buf_addf(out, "static inline CUresult %s(const struct %s *handle, const struct %s_args *args,\n"
		 "\tconst struct %s_values_ *a, CUdeviceptr workspace, CUstream stream, const long long *k)\n{\n"
		 "\tCUresult r = CUDA_SUCCESS;\n\n\t(void)args;\n\t(void)a;\n\t(void)workspace;\n\t(void)k;\n", buf_text(&name),
		 n->best, n->best, n->best);
	for (const char *p = json_string_value(json_object_get(first, "skeleton")); *p; p++) {
		const char *type;

		if (*p != SLOT) {
			buf_addc(out, *p);
			continue;
		}
		column(&text, group, i);
		if (!differs(group, i++)) {
			buf_adds(out, literal(first, i - 1));
			continue;
		}
		if (!json_object_get(places, buf_text(&text))) {
			json_object_set_new(places, buf_text(&text), json_integer((json_int_t)json_object_size(places)));
			json_array_foreach(group, k, launch)
				json_array_append_new(json_object_get(launch, "numbers"), json_string(literal(launch, i - 1)));
		}
		type = type_of(literal(first, i - 1));
		if (type)
			buf_addf(out, "(%s)", type);
		buf_addf(out, "k[%lld]", (long long)json_integer_value(json_object_get(places, buf_text(&text))));
	}
	buf_adds(out, "\treturn r;\n}\n");
	json_array_foreach(group, k, launch)
		json_object_set_new(launch, "function", json_string(buf_text(&name)));
	json_decref(places);
	buf_free(&text);
	buf_free(&name);
}

static void write_functions(struct buf *out, const struct gen_names *n, const json_t *launches)
{
	json_t *launch, *other;
	size_t i, k, number = 0;

	json_array_foreach(launches, i, launch) {
		json_t *group;

		if (json_object_get(launch, "function"))
			continue;
		group = json_array();
		json_array_foreach(launches, k, other)
			if (strcmp(json_string_value(json_object_get(other, "skeleton")),
				   json_string_value(json_object_get(launch, "skeleton"))) == 0) {
				json_object_set_new(other, "numbers", json_array());
				json_array_append(group, other);
			}
		buf_adds(out, number ? "\n" : "");
		write_function(out, n, group, number++);
		json_decref(group);
	}
}

int gen_share(struct buf *out, const struct gen_names *n, const struct gen_entry *entries, size_t count, json_t **launches,
	      struct err *e)
{
	int rc = 0;

	*launches = json_array();
	for (size_t i = 0; i < count && rc == 0; i++) {
		rc = take_apart(*launches, n, &entries[i], e);
		if (rc < 0 && count > 1)
			err_where(e, "entry %s", entries[i].name);
	}
	if (rc == 0)
		write_functions(out, n, *launches);
	return rc;
}

void gen_share_numbers(struct buf *out, const json_t *launch)
{
	json_t *number;
	size_t i;

	json_array_foreach(json_object_get(launch, "numbers"), i, number)
		buf_addf(out, "%s%s", i ? ", " : "", json_string_value(number));
	if (!json_array_size(json_object_get(launch, "numbers")))
		buf_addc(out, '0');
}
