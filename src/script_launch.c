/* script_launch: runs launch() and puts its result into the form of messages.md. Knows how launches are written (one
 * step, or a list of steps with the workspace beside them), not what a step holds (script_step.c) nor how a number that
 * depends on a run-time dimension is written (script_expr.c). */
#include <stdio.h>
#include <string.h>
#include "attune/problem.h"
#include "script_internal.h"

#define STEPS_MAX 64
#define WORKSPACE_MAX (1LL << 40)

/* Run-time dimensions and derived values (name -> whether real), and the flags that a launch must not depend on. */
static void symbols_of(const struct script *s, const json_t *known, json_t *symbols, json_t *hidden)
{
	const char *name;
	json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(s->family, "dims"), i, entry)
		if (!json_is_true(json_object_get(entry, "fixed")))
			json_object_set_new(symbols, json_string_value(json_object_get(entry, "name")), json_false());
	json_object_foreach(json_object_get(known, "types"), name, entry)
		json_object_set_new(symbols, name, json_boolean(!strcmp(json_string_value(entry), "f32")));
	json_array_foreach(json_object_get(s->family, "flags"), i, entry)
		if (!json_is_true(json_object_get(entry, "fixed")))
			json_array_append(hidden, json_object_get(entry, "name"));
}

int script_launch_raw(struct script *s, const json_t *problem, const json_t *candidate, bool symbolic,
		      const char *extra, json_t **raw, struct err *e)
{
	const char *variant = json_string_value(json_object_get(candidate, "variant"));
	json_t *symbols = json_object(), *hidden = json_array();
	struct script_call c = { .variant = variant, .of = candidate ? NULL : "reference", .field = "launch",
				 .candidate = candidate, .extra = extra };
	char file[SCRIPT_PATH];
	const json_t *known;
	int rc;

	*raw = NULL;
	if (candidate && (!variant || !script_variant(s, variant)))
		rc = err_set(e, "candidate: unknown variant '%.64s'", variant ? variant : "");
	else
		rc = script_known(s, problem, &known, e);
	if (rc == 0) {
		c.values = json_object_get(known, "values");
		symbols_of(s, known, symbols, hidden);
		c.symbols = symbolic ? symbols : NULL;
		c.hidden = hidden;
		rc = script_call(s, &c, e);
	}
	if (rc == 0 && !json_is_object(c.out) && !json_is_array(c.out)) {
		script_file(s, variant, file);
		rc = err_set(e, "%s: launch: a step { entry = ..., ... } or a list of steps expected", file);
	}
	if (rc == 0)
		*raw = json_incref(c.out);
	script_call_free(&c);
	json_decref(symbols);
	json_decref(hidden);
	return rc;
}

/* The raw steps in order: an array, the members "1", "2", ... of an object, or the object itself. */
static int raw_steps(const json_t *raw, json_t *steps, struct err *e)
{
	const char *name;
	char number[24];
	json_t *step;
	size_t i;

	if (json_is_array(raw)) {
		json_array_extend(steps, (json_t *)raw);
	} else if (!json_object_get(raw, "1")) {
		json_array_append(steps, (json_t *)raw);
	} else {
		for (i = 1; i <= STEPS_MAX + 1; i++) {
			snprintf(number, sizeof(number), "%zu", i);
			step = json_object_get(raw, number);
			if (!step)
				break;
			json_array_append(steps, step);
		}
		json_object_foreach((json_t *)raw, name, step)
			if ((name[0] < '0' || name[0] > '9') && strcmp(name, "workspace"))
				return err_set(e, "unknown field '%.40s' beside the steps (known: workspace)", name);
	}
	if (!json_array_size(steps) || json_array_size(steps) > STEPS_MAX)
		return err_set(e, "1 to %d steps expected", STEPS_MAX);
	json_array_foreach(steps, i, step)
		if (json_array_size(steps) > 1 && json_object_get(step, "workspace"))
			return err_set(e, "step %zu: workspace stands beside the steps, not in one of them", i + 1);
	return 0;
}

int script_launch_build(const struct script_numbers *n, const json_t *raw, bool baseline, json_t **launch,
			struct err *e)
{
	json_t *from = json_array(), *to = json_object(), *steps = json_array(), *bytes = NULL, *step, *one = NULL;
	const json_t *workspace = json_object_get(raw, "workspace");
	size_t i;
	int rc = 0;

	*launch = NULL;
	if (workspace)
		rc = script_number(n, workspace, 0, WORKSPACE_MAX, "workspace", &bytes, e);
	json_object_set_new(to, "workspace", bytes ? bytes : json_integer(0));
	json_object_set(to, "steps", steps);
	if (rc == 0)
		rc = raw_steps(raw, from, e);
	if (rc == 0)
		json_array_foreach(from, i, step) {
			rc = script_step_build(n, step, baseline, &one, e);
			if (rc < 0 && json_array_size(from) > 1)
				err_where(e, "step %zu", i + 1);
			if (rc < 0)
				break;
			json_array_append_new(steps, one);
		}
	if (rc == 0)
		*launch = json_incref(to);
	json_decref(from);
	json_decref(steps);
	json_decref(to);
	return rc;
}

int script_launch(struct script *s, const json_t *problem, const json_t *candidate, json_t **launch, struct err *e)
{
	const char *variant = json_string_value(json_object_get(candidate, "variant"));
	struct script_numbers n = { .schema = s->family };
	json_t *raw = NULL;
	char file[SCRIPT_PATH];
	int rc;

	*launch = NULL;
	if (!variant)
		return err_set(e, "candidate: no variant");
	rc = script_launch_raw(s, problem, candidate, false, NULL, &raw, e);
	if (rc == 0)
		rc = script_known(s, problem, &n.known, e);
	if (rc == 0 &&
	    script_launch_build(&n, raw, json_is_true(json_object_get(script_variant(s, variant), "baseline")), launch,
				e) < 0) {
		script_file(s, variant, file);
		rc = err_where(e, "%s: launch", file);
	}
	json_decref(raw);
	return rc;
}
