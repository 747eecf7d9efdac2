/* spec: reads problem specifications, checks them (ranks, sizes, strides without overlap of outputs), and computes where
 * each tensor lies. Allocates nothing large and never touches a device. */
#include "attune/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPAN_BYTES_MAX (1ll << 38)

int json_need_int(const json_t *o, const char *name, int64_t lo, int64_t hi, int64_t *value, struct err *e)
{
	const json_t *v = json_object_get(o, name);

	if (!json_is_integer(v))
		return err_set(e, "%s: an integer is needed", name);
	*value = json_integer_value(v);
	if (*value < lo || *value > hi)
		return err_set(e, "%s: %lld is not within %lld to %lld", name, (long long)*value, (long long)lo,
			       (long long)hi);
	return 0;
}

int json_need_number(const json_t *o, const char *name, double *value, struct err *e)
{
	const json_t *v = json_object_get(o, name);

	if (!json_is_number(v))
		return err_set(e, "%s: a number is needed", name);
	*value = json_number_value(v);
	return 0;
}

int json_need_text(const json_t *o, const char *name, const char **value, struct err *e)
{
	*value = json_string_value(json_object_get(o, name));
	return *value ? 0 : err_set(e, "%s: a text is needed", name);
}

/* Distinct indices must give distinct elements, or "every element is written" would mean nothing. Sufficient test: with
 * the dimensions ordered by stride, each stride is larger than the reach of all smaller ones. */
static bool overlaps(const struct tensor *t)
{
	bool used[TENSOR_RANK_MAX] = { false };
	int64_t reach = 0;

	for (int n = 0; n < t->rank; n++) {
		int best = -1;

		for (int i = 0; i < t->rank; i++)
			if (!used[i] && (best < 0 || t->stride[i] < t->stride[best]))
				best = i;
		used[best] = true;
		if (t->shape[best] == 1)
			continue;
		if (t->stride[best] <= reach)
			return true;
		reach += (t->shape[best] - 1) * t->stride[best];
	}
	return false;
}

static int parse_tensor(struct tensor *t, const json_t *j, struct err *e)
{
	const char *name, *role, *dtype;
	const json_t *shape = json_object_get(j, "shape"), *stride = json_object_get(j, "stride");
	int d;

	memset(t, 0, sizeof *t);
	if (json_need_text(j, "name", &name, e) < 0 || json_need_text(j, "role", &role, e) < 0 ||
	    json_need_text(j, "dtype", &dtype, e) < 0)
		return err_where(e, "tensor");
	if (snprintf(t->name, sizeof t->name, "%s", name) >= (int)sizeof t->name)
		return err_set(e, "tensor %s: the name is too long", name);
	t->out = strcmp(role, "out") == 0;
	if (!t->out && strcmp(role, "in") != 0)
		return err_set(e, "tensor %s: role is in or out, not %s", name, role);
	d = dtype_parse(dtype);
	if (d < 0)
		return err_set(e, "tensor %s: unknown dtype %s", name, dtype);
	t->dtype = (enum dtype)d;
	t->rank = (int)json_array_size(shape);
	if (t->rank < 1 || t->rank > TENSOR_RANK_MAX || json_array_size(stride) != (size_t)t->rank)
		return err_set(e, "tensor %s: shape and stride need the same 1 to %d members", name, TENSOR_RANK_MAX);
	t->count = t->span = 1;
	for (int i = 0; i < t->rank; i++) {
		const int64_t most = SPAN_BYTES_MAX / (int64_t)dtype_bytes(t->dtype);

		t->shape[i] = json_integer_value(json_array_get(shape, (size_t)i));
		t->stride[i] = json_integer_value(json_array_get(stride, (size_t)i));
		if (t->shape[i] < 1 || t->stride[i] < 0 || t->shape[i] > most / t->count ||
		    (t->stride[i] && t->shape[i] - 1 > (most - t->span) / t->stride[i]))
			return err_set(e, "tensor %s: shape or stride %d is out of range", name, i);
		t->count *= t->shape[i];
		t->span += (t->shape[i] - 1) * t->stride[i];
	}
	if (overlaps(t))
		return err_set(e, "tensor %s: its strides make elements overlap", name);
	return 0;
}

int spec_parse(struct spec *s, const json_t *json, struct err *e)
{
	const json_t *tensors = json_object_get(json, "tensors"), *tolerance = json_object_get(json, "tolerance");
	const char *text;
	int outs = 0;

	memset(s, 0, sizeof *s);
	if (json_need_text(json, "text", &text, e) < 0)
		return err_where(e, "problem");
	s->tensor_count = (int)json_array_size(tensors);
	if (s->tensor_count < 1 || s->tensor_count > SPEC_TENSORS_MAX)
		return err_set(e, "problem %s: 1 to %d tensors are needed", text, SPEC_TENSORS_MAX);
	for (int i = 0; i < s->tensor_count; i++) {
		if (parse_tensor(&s->tensors[i], json_array_get(tensors, (size_t)i), e) < 0)
			return err_where(e, "problem %s", text);
		outs += s->tensors[i].out;
	}
	if (outs == 0)
		return err_set(e, "problem %s: no tensor is an output", text);
	if (json_need_number(json, "flops", &s->flops, e) < 0 || json_need_number(json, "bytes", &s->bytes, e) < 0 ||
	    json_need_number(tolerance, "ratio", &s->tolerance.ratio, e) < 0 ||
	    json_need_number(tolerance, "floor", &s->tolerance.floor, e) < 0 ||
	    json_need_number(tolerance, "rel_rms", &s->tolerance.rel_rms, e) < 0)
		return err_where(e, "problem %s", text);
	s->tolerance.max_abs = json_number_value(json_object_get(tolerance, "max_abs"));
	s->tolerance.rounding = json_number_value(json_object_get(tolerance, "rounding"));
	s->tolerance.sampled = json_number_value(json_object_get(tolerance, "sampled"));
	s->text = strdup(text);
	if (!s->text)
		abort();
	s->json = json_deep_copy(json);
	return 0;
}

void spec_free(struct spec *s)
{
	free(s->text);
	json_decref(s->json);
	memset(s, 0, sizeof *s);
}

int spec_tensor(const struct spec *s, const char *name)
{
	for (int i = 0; i < s->tensor_count; i++)
		if (strcmp(s->tensors[i].name, name) == 0)
			return i;
	return -1;
}

bool tensor_walk_next(const struct tensor *t, struct tensor_walk *w, int64_t *offset)
{
	int d = t->rank - 2;

	if (w->started) {
		while (d >= 0 && ++w->index[d] == t->shape[d])
			w->index[d--] = 0;
		if (d < 0)
			return false;
	}
	w->started = true;
	*offset = 0;
	for (int i = 0; i < t->rank - 1; i++)
		*offset += w->index[i] * t->stride[i];
	return true;
}

int64_t tensor_walk_from(const struct tensor *t, struct tensor_walk *w, int64_t row)
{
	int64_t offset = 0;

	memset(w, 0, sizeof *w);
	w->started = true;
	for (int d = t->rank - 2; d >= 0; d--) {
		w->index[d] = row % t->shape[d];
		row /= t->shape[d];
		offset += w->index[d] * t->stride[d];
	}
	return offset;
}

int64_t tensor_row_length(const struct tensor *t)
{
	return t->shape[t->rank - 1];
}

int64_t tensor_row_stride(const struct tensor *t)
{
	return t->stride[t->rank - 1];
}

void tensor_element_name(const struct tensor *t, const struct tensor_walk *w, int64_t column, char *text, size_t size)
{
	size_t n = (size_t)snprintf(text, size, "%s[", t->name);

	for (int i = 0; i < t->rank && n < size; i++) {
		const int64_t at = i == t->rank - 1 ? column : w->index[i];

		n += (size_t)snprintf(text + n, size - n, "%lld%c", (long long)at, i == t->rank - 1 ? ']' : ',');
	}
}

static size_t round_256(size_t n)
{
	return (n + 255) & ~(size_t)255;
}

void layout_init(struct layout *l, const struct spec *s, size_t guard, size_t workspace)
{
	memset(l, 0, sizeof *l);
	l->guard = round_256(guard);
	l->tensor_count = s->tensor_count;
	for (int i = 0; i < s->tensor_count; i++) {
		const struct tensor *t = &s->tensors[i];

		l->offset[i] = l->total + l->guard;
		l->bytes[i] = (size_t)t->span * dtype_bytes(t->dtype);
		l->end[i] = l->total = round_256(l->offset[i] + l->bytes[i]) + l->guard;
	}
	l->workspace_guard = l->total;
	l->workspace = round_256(workspace);
	l->total += 2 * l->guard;
}
