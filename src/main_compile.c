/* main_compile: `attune compile`: the default candidate of each variant for one or more chips, or one near it where that does not
 * fit. A warning, a spill or a compile error is a failure; a variant that does not claim the chip or the problem is named as such. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "main.h"

struct tally {
	long ok, bad, skipped;
};

static void help(void)
{
	printf("usage: attune compile [OPTION...]\n\n"
	       MAIN_SESSION_HELP
	       "  --arch A,B,...    several chips (the option's other form)\n"
	       "  --problem TEXT    may be repeated (every named problem of the family)\n"
	       "  --variant NAME    may be repeated (all of them, baselines included)\n");
}

enum { NEAR_SAMPLE = 400, NEAR_TRIES = 4 };

/* How many axes of two candidates of one variant differ. */
static int distance(const json_t *a, const json_t *b)
{
	const char *axis;
	json_t *value;
	int n = 0;

	json_object_foreach((json_t *)a, axis, value)
		n += !json_equal(value, json_object_get(b, axis));
	return n;
}

/* Where the default does not fit a problem or a chip, the search starts from legal candidates near it; so does this: of a sample
 * those that differ in the fewest axes, NEAR_TRIES at most, into *near. */
static int nearest_legal(struct session *s, const char *name, const json_t *candidate, json_t **near, struct err *e)
{
	json_t *sample = NULL, *c;

	*near = NULL;
	if (script_sample(s->script, session_problem(s), name, NEAR_SAMPLE, 1, &sample, e) < 0)
		return -1;
	*near = json_array();
	while (json_array_size(sample) && json_array_size(*near) < NEAR_TRIES) {
		size_t i, best = 0;

		json_array_foreach(sample, i, c)
			if (distance(candidate, c) < distance(candidate, json_array_get(sample, best)))
				best = i;
		json_array_append(*near, json_array_get(sample, best));
		json_array_remove(sample, best);
	}
	json_decref(sample);
	return 0;
}

static json_int_t spilled(const struct nvcc_result *r)
{
	return json_integer_value(json_object_get(r->resources, "spill_store_bytes")) +
	       json_integer_value(json_object_get(r->resources, "spill_load_bytes"));
}

static bool clean(const struct nvcc_result *r)
{
	return r->ok && !spilled(r) && !json_array_size(json_object_get(r->resources, "warnings"));
}

/* Of several candidates the first that compiles without a warning or a spill: what registers a rule allows for is a fit, and by a
 * few bytes it may be wrong near the limit. With one candidate, or none that is clean, the last one's result. */
static int compile_first(struct session *s, const json_t *candidates, struct nvcc_result *r, struct err *e)
{
	size_t i;
	json_t *c;

	json_array_foreach((json_t *)candidates, i, c) {
		nvcc_result_free(r);
		*r = (struct nvcc_result){ 0 };
		if (session_compile(s, c, s->arch, r, e) < 0)
			return -1;
		if (clean(r))
			break;
	}
	return 0;
}

static void report(const struct session *s, const char *name, const struct nvcc_result *r, const char *why, struct tally *t)
{
	const json_t *warnings = json_object_get(r->resources, "warnings");

	if (clean(r)) {
		t->ok++;
		printf("ok       %-8s %-8s %s: %lld registers%s%s\n", s->arch, name, session_problem_text(s),
		       (long long)json_integer_value(json_object_get(r->resources, "regs")),
		       *why ? "; near the default, which wants " : "", why);
	} else {
		t->bad++;
		printf("FAILED   %-8s %-8s %s: %s%s (%lld bytes spilled, see %s)\n", s->arch, name, session_problem_text(s),
		       r->ok ? "" : r->why, json_array_size(warnings) ? json_string_value(json_array_get(warnings, 0)) : "",
		       (long long)spilled(r), r->dir);
	}
	fflush(stdout);
}

static int compile_variant(struct session *s, const char *name, struct tally *t, struct err *e)
{
	json_t *candidate = NULL, *list = NULL;
	struct nvcc_result r = { 0 };
	struct buf why;
	int rc;

	buf_init(&why);
	rc = script_fits(s->script, session_problem(s), name, &why, e);
	if (rc > 0 && script_first(s->script, session_problem(s), name, &candidate, e) < 0)
		rc = -1;
	if (rc > 0)
		rc = script_legal(s->script, session_problem(s), candidate, &why, e);
	if (rc > 0)
		list = json_pack("[O]", candidate);
	else if (rc == 0 && candidate)
		rc = nearest_legal(s, name, candidate, &list, e);
	if (rc >= 0 && !json_array_size(list)) {
		printf("skipped  %-8s %-8s %s: %s\n", s->arch, name, session_problem_text(s), buf_text(&why));
		t->skipped++;
	} else if (rc >= 0) {
		rc = compile_first(s, list, &r, e);
		if (rc == 0)
			report(s, name, &r, buf_text(&why), t);
	}
	nvcc_result_free(&r);
	json_decref(list);
	json_decref(candidate);
	buf_free(&why);
	return rc < 0 ? -1 : 0;
}

static int compile_for(const struct session_options *o, const json_t *variants, struct tally *t, struct err *e)
{
	struct session s;
	const json_t *list;
	size_t i;
	json_t *v;
	int rc = session_open(&s, o, e);

	if (rc < 0)
		return rc;
	list = json_array_size(variants) ? variants : json_object_get(script_family(s.script), "variants");
	json_array_foreach(list, i, v) {
		const char *name = json_is_string(v) ? json_string_value(v) : json_string_value(json_object_get(v, "name"));

		if (rc == 0)
			rc = compile_variant(&s, name, t, e);
	}
	session_close(&s);
	return rc;
}

int main_compile(int argc, char **argv)
{
	static const struct option longs[] = { MAIN_SESSION_OPTIONS,
					       { "variant", required_argument, NULL, 'v' },
					       { "all", no_argument, NULL, 'A' },
					       { NULL, 0, NULL, 0 } };
	struct session_options o;
	struct tally t = { 0 };
	struct err e = { 0 };
	json_t *problems = json_array(), *variants = json_array(), *problem;
	char *arches = NULL, *arch, *rest;
	size_t i;
	int c, rc = 0;

	main_session_defaults(&o);
	o.any_image = true;
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (c == 'p') {
			json_array_append_new(problems, json_string(optarg));
			continue;
		}
		rc = main_session_option(&o, c, optarg, &e);
		if (rc < 0)
			return main_fail(&e, EXIT_USAGE);
		if (rc == 1)
			continue;
		switch (c) {
		case 'v': json_array_append_new(variants, json_string(optarg)); break;
		case 'A': break;
		case 'h': help(); return EXIT_OK;
		default: return main_usage("compile");
		}
	}
	rc = json_array_size(problems) ? 0 : main_named_problems(&o, problems, &e);
	arches = strdup(o.arch ? o.arch : "");
	if (rc == 0 && !*arches)
		rc = err_set(&e, "--arch is missing: name one or more chips, as in --arch sm_80,sm_90a");
	for (arch = strtok_r(arches, ",", &rest); arch && rc == 0; arch = strtok_r(NULL, ",", &rest)) {
		o.arch = arch;
		json_array_foreach(problems, i, problem) {
			o.problem = json_string_value(problem);
			if (rc == 0)
				rc = compile_for(&o, variants, &t, &e);
		}
	}
	printf("%ld compiled, %ld failed, %ld not claimed\n", t.ok, t.bad, t.skipped);
	free(arches);
	json_decref(problems);
	json_decref(variants);
	if (rc < 0)
		return main_fail(&e, EXIT_BAD);
	return t.bad ? EXIT_BAD : EXIT_OK;
}
