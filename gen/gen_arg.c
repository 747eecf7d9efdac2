/* gen_arg: one argument of a kernel, as C: a local variable that holds it. Numbers are literals or expressions over
 * a->NAME. A tensor map is encoded on the host at each launch, which costs no device work. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "gen_internal.h"

static bool is_expression(const char *text)
{
	int depth = 0;

	for (const char *p = text; *p; p++) {
		if (!isalnum((unsigned char)*p) && !strchr("_ ()+-*/%<>=!&|?:.,~^", *p))
			return false;
		if ((p[0] == '/' && (p[1] == '/' || p[1] == '*')) || (p[0] == '?' && p[1] == '?'))
			return false;
		depth += (*p == '(') - (*p == ')');
		if (depth < 0)
			return false;
	}
	return *text && depth == 0;
}

/* A number, a name or a member: needs no parentheses. */
static bool is_simple(const char *text)
{
	for (const char *p = text; *p; p++) {
		if (p[0] == '-' && p[1] == '>')
			p++;
		else if (!isalnum((unsigned char)*p) && *p != '_' && *p != '.')
			return false;
	}
	return true;
}

int gen_expression(struct buf *out, const json_t *v, const char *what, struct err *e)
{
	const char *text = json_string_value(v);

	if (text && !is_expression(text))
		return err_set(e, "%s: not an expression: %s", what, text);
	if (text)
		buf_adds(out, text);
	else if (!v || gen_number(out, v, NULL) < 0)
		return err_set(e, "%s: neither a number nor an expression", what);
	return 0;
}

int gen_value(struct buf *out, const json_t *v, const char *what, struct err *e)
{
	bool wrap = json_is_string(v) && !is_simple(json_string_value(v));
	int rc;

	if (wrap)
		buf_addc(out, '(');
	rc = gen_expression(out, v, what, e);
	if (wrap)
		buf_addc(out, ')');
	return rc;
}

static int choose(struct buf *out, const json_t *map, const char *key, const char *unset, const char *const (*pairs)[2],
		  struct err *e)
{
	const char *value = gen_str(map, key);

	if (!value)
		value = unset;
	for (size_t i = 0; value && pairs[i][0]; i++) {
		if (strcmp(pairs[i][0], value) == 0) {
			buf_adds(out, pairs[i][1]);
			return 0;
		}
	}
	return err_set(e, "tensor map: %s=%s is not known", key, value ? value : "(missing)");
}

static int array(struct buf *out, const char *type, const char *name, const char *part, const json_t *values, size_t n,
		 struct err *e)
{
	buf_addf(out, "\t\tconst %s %s_%s[] = { ", type, name, part);
	for (size_t i = 0; i < n; i++) {
		buf_addf(out, "%s(%s)", i ? ", " : "", type);
		if (!values)
			buf_addc(out, '1');
		else if (gen_value(out, json_array_get(values, i), part, e) < 0)
			return err_where(e, "tensor map");
	}
	buf_adds(out, n ? " };\n" : "0 };\n");
	return 0;
}

/* Declares NAME and its parts, and encodes it into r. */
static int tensor_map(struct buf *out, const struct gen_names *n, const json_t *map, const char *name, struct err *e)
{
	static const char *const dtypes[][2] = { { "f16", "CU_TENSOR_MAP_DATA_TYPE_FLOAT16" },
						 { "bf16", "CU_TENSOR_MAP_DATA_TYPE_BFLOAT16" },
						 { "f32", "CU_TENSOR_MAP_DATA_TYPE_FLOAT32" },
						 { "f64", "CU_TENSOR_MAP_DATA_TYPE_FLOAT64" },
						 { "i32", "CU_TENSOR_MAP_DATA_TYPE_INT32" },
						 { NULL, NULL } };
	static const char *const interleaves[][2] = { { "none", "CU_TENSOR_MAP_INTERLEAVE_NONE" },
						      { "16B", "CU_TENSOR_MAP_INTERLEAVE_16B" },
						      { "32B", "CU_TENSOR_MAP_INTERLEAVE_32B" },
						      { NULL, NULL } };
	static const char *const swizzles[][2] = { { "none", "CU_TENSOR_MAP_SWIZZLE_NONE" },
						   { "32B", "CU_TENSOR_MAP_SWIZZLE_32B" },
						   { "64B", "CU_TENSOR_MAP_SWIZZLE_64B" },
						   { "128B", "CU_TENSOR_MAP_SWIZZLE_128B" },
						   { NULL, NULL } };
	static const char *const l2s[][2] = { { "none", "CU_TENSOR_MAP_L2_PROMOTION_NONE" },
					      { "64B", "CU_TENSOR_MAP_L2_PROMOTION_L2_64B" },
					      { "128B", "CU_TENSOR_MAP_L2_PROMOTION_L2_128B" },
					      { "256B", "CU_TENSOR_MAP_L2_PROMOTION_L2_256B" },
					      { NULL, NULL } };
	static const char *const fills[][2] = { { "zero", "CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE" },
						{ "nan", "CU_TENSOR_MAP_FLOAT_OOB_FILL_NAN_REQUEST_ZERO_FMA" },
						{ NULL, NULL } };
	const json_t *sizes = json_object_get(map, "dims"), *strides = json_object_get(map, "strides_bytes");
	const json_t *box = json_object_get(map, "box"), *steps = json_object_get(map, "element_strides");
	const char *tensor = gen_str(map, "tensor");
	size_t rank = json_array_size(sizes);

	if (rank < 1 || rank > 5 || json_array_size(strides) != rank - 1 || json_array_size(box) != rank ||
	    (steps && json_array_size(steps) != rank))
		return err_set(e, "tensor map: dims, strides_bytes, box and element_strides do not fit together");
	if (!tensor && !json_object_get(map, "workspace"))
		return err_set(e, "tensor map: neither of a tensor nor of the workspace");
	if (array(out, "cuuint64_t", name, "sizes", sizes, rank, e) < 0 ||
	    array(out, "cuuint64_t", name, "strides", strides, rank - 1, e) < 0 ||
	    array(out, "cuuint32_t", name, "box", box, rank, e) < 0 ||
	    array(out, "cuuint32_t", name, "steps", steps, rank, e) < 0)
		return -1;
	buf_addf(out, "\t\t%s_ALIGNED_ CUtensorMap %s;\n", n->BEST, name);
	buf_addf(out, "\t\tCUresult %s_result = cuTensorMapEncodeTiled(&%s, ", name, name);
	if (choose(out, map, "dtype", NULL, dtypes, e) < 0)
		return -1;
	buf_addf(out, ", %zu,\n\t\t\t(void *)(size_t)(", rank);
	if (tensor) {
		buf_addf(out, "args->%s", tensor);
	} else {
		buf_adds(out, "workspace + (CUdeviceptr)");
		if (gen_value(out, json_object_get(map, "workspace"), "workspace", e) < 0)
			return -1;
	}
	buf_addf(out, "), %s_sizes, %s_strides, %s_box, %s_steps,\n\t\t\t", name, name, name, name);
	if (choose(out, map, "interleave", "none", interleaves, e) < 0)
		return -1;
	buf_adds(out, ", ");
	if (choose(out, map, "swizzle", "none", swizzles, e) < 0)
		return -1;
	buf_adds(out, ",\n\t\t\t");
	if (choose(out, map, "l2", "none", l2s, e) < 0)
		return -1;
	buf_adds(out, ", ");
	if (choose(out, map, "oob", "zero", fills, e) < 0)
		return -1;
	buf_adds(out, ");\n");
	return 0;
}

static int float_arg(struct buf *out, const json_t *v, const char *name, struct err *e)
{
	buf_addf(out, "\t\tfloat %s = ", name);
	if (json_is_number(v)) {
		if (gen_number(out, v, e) < 0)
			return -1;
		buf_adds(out, json_is_integer(v) ? ".0f" : "f");
	} else {
		buf_adds(out, "(float)");
		if (gen_value(out, v, "f32", e) < 0)
			return -1;
	}
	buf_adds(out, ";\n");
	return 0;
}

int gen_arg(struct buf *out, const struct gen_names *n, const json_t *arg, const char *name, struct err *e)
{
	const json_t *v;

	if (gen_is_word(gen_str(arg, "tensor"))) {
		buf_addf(out, "\t\tCUdeviceptr %s = args->%s;\n", name, gen_str(arg, "tensor"));
		return 0;
	}
	if ((v = json_object_get(arg, "i32"))) {
		if (json_is_integer(v))
			buf_addf(out, "\t\tint %s = (int)", name);
		else
			buf_addf(out, "\t\tint %s = %s_int_(", name, n->best);
		if (gen_expression(out, v, "i32", e) < 0)
			return -1;
		buf_adds(out, json_is_integer(v) ? ";\n" : ", &r);\n");
		return 0;
	}
	if ((v = json_object_get(arg, "i64"))) {
		buf_addf(out, "\t\tlong long %s = ", name);
		if (gen_expression(out, v, "i64", e) < 0)
			return -1;
		buf_adds(out, ";\n");
		return 0;
	}
	if ((v = json_object_get(arg, "f32")))
		return float_arg(out, v, name, e);
	if ((v = json_object_get(arg, "workspace"))) {
		buf_addf(out, "\t\tCUdeviceptr %s = workspace + (CUdeviceptr)", name);
		if (gen_value(out, v, "workspace", e) < 0)
			return -1;
		buf_adds(out, ";\n");
		return 0;
	}
	if ((v = json_object_get(arg, "tensormap")))
		return tensor_map(out, n, v, name, e);
	return err_set(e, "an argument of a kind that a header cannot hold");
}
