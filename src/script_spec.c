/* script_spec: the specification of a problem that the runner gets (messages.md): tensors, work, tolerance and the
 * launches of the reference. */
#include <string.h>
#include "attune/problem.h"
#include "script_internal.h"

static int at_family(struct script *s, struct err *e, const char *field)
{
	char file[SCRIPT_PATH];

	script_file(s, NULL, file);
	return err_where(e, "%s: %s", file, field);
}

/* flops(p) or bytes(p). */
static int add_work(struct script *s, const json_t *values, const char *field, json_t *spec, struct err *e)
{
	struct script_call c = { .field = field, .values = values };
	int rc = script_call(s, &c, e);

	if (rc == 0 && (!json_is_number(c.out) || json_number_value(c.out) < 0.0)) {
		err_set(e, "a number expected");
		rc = at_family(s, e, field);
	}
	if (rc == 0)
		json_object_set(spec, field, c.out);
	script_call_free(&c);
	return rc;
}

static const json_t *limit_of(struct script *s, const json_t *problem)
{
	const char *name = json_string_value(json_object_get(problem, "name"));

	return name ? json_object_get(json_object_get(s->named, name), "max_abs") : NULL;
}

static int add_tolerance(struct script *s, const json_t *problem, const json_t *values, json_t *spec, struct err *e)
{
	static const char *const members[] = { "ratio", "floor", "rel_rms", "max_abs", "sampled", "rounding" };
	struct script_call c = { .field = "tolerance", .values = values };
	json_t *to = json_object();
	const json_t *limit = limit_of(s, problem);
	int rc = script_call(s, &c, e);

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]) && rc == 0; i++) {
		json_t *v = json_object_get(c.out, members[i]);

		if (json_is_number(v) && json_number_value(v) > 0.0) {
			json_object_set(to, members[i], v);
		} else if (v || i < 3) {
			err_set(e, "%s: a number above 0 expected", members[i]);
			rc = at_family(s, e, "tolerance");
		}
	}
	if (limit)
		json_object_set(to, "max_abs", (json_t *)limit);
	if (rc == 0)
		json_object_set(spec, "tolerance", to);
	json_decref(to);
	script_call_free(&c);
	return rc;
}

static int add_reference(struct script *s, const json_t *problem, const json_t *known, const char *name,
			 const char *dtype, json_t *spec, struct err *e)
{
	struct script_numbers n = { .schema = s->family, .known = known };
	json_t *raw = NULL, *launch = NULL;
	int rc = script_launch_raw(s, problem, NULL, false, dtype, &raw, e);

	if (rc == 0 && script_launch_build(&n, raw, false, &launch, e) < 0)
		rc = at_family(s, e, "reference: launch");
	if (rc == 0)
		json_object_set(spec, name, launch);
	json_decref(raw);
	json_decref(launch);
	return rc;
}

/* The dtype of the first output. */
static const char *output_dtype(const json_t *tensors)
{
	size_t i;
	json_t *t;

	json_array_foreach((json_t *)tensors, i, t)
		if (!strcmp(json_string_value(json_object_get(t, "role")), "out"))
			return json_string_value(json_object_get(t, "dtype"));
	return "f32";
}

int script_spec(struct script *s, const json_t *problem, json_t **spec, struct err *e)
{
	json_t *to = json_object(), *known = NULL;
	const json_t *found, *values, *tensors;
	int rc;

	*spec = NULL;
	rc = script_known(s, problem, &found, e);
	if (rc < 0)
		goto out;
	known = json_incref((json_t *)found);
	values = json_object_get(known, "values");
	tensors = json_object_get(known, "tensors");
	json_object_set(to, "text", json_object_get(problem, "text"));
	json_object_set(to, "tensors", (json_t *)tensors);
	rc = add_work(s, values, "flops", to, e);
	if (rc == 0)
		rc = add_work(s, values, "bytes", to, e);
	if (rc == 0)
		rc = add_tolerance(s, problem, values, to, e);
	if (rc == 0)
		rc = add_reference(s, problem, known, "reference", "f64", to, e);
	if (rc == 0)
		rc = add_reference(s, problem, known, "plain", output_dtype(tensors), to, e);
	if (rc == 0)
		*spec = json_deep_copy(to);
out:
	json_decref(known);
	json_decref(to);
	return rc;
}
