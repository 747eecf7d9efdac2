/* main: `emulate`: candidates of a family run on the host and compared with the family's reference. Each candidate runs in a
 * process of its own, which a fault, a deadlock or the time limit ends. See README.md. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attune/chip.h"
#include "attune/gen.h"
#include "attune/script.h"
#include "case.h"
#include "child.h"

struct emulation {
	const char *root, *kernel, *work, *share, *arch;
	struct script *script;
	json_t *problem, *device;
	json_t *problems;    /* resolved, those that candidates run on */
	json_t *candidates;
	struct checked *checks;
	json_t **launches;   /* of the candidate at hand, one for each check */
	size_t check_count;
	long schedules, limit_s, first_schedule;
	bool all_values;
	long ok, bad, skipped;
};

static int source_of(struct emulation *m, const json_t *candidate, struct buf *source, struct err *e)
{
	const json_t *family = script_family(m->script), *variants = json_object_get(family, "variants"), *v;
	const char *file = json_string_value(json_object_get(family, "reference_source"));
	const char *name = json_string_value(json_object_get(candidate, "variant"));
	struct gen_source g = { .root = m->root };
	struct buf path, defines;
	size_t i;
	int rc;

	if (candidate)
		json_array_foreach(variants, i, v)
			if (strcmp(name, json_string_value(json_object_get(v, "name"))) == 0)
				file = json_string_value(json_object_get(v, "source"));
	buf_init(&path);
	buf_init(&defines);
	buf_addf(&path, "kernels/%s/%s", m->kernel, file);
	rc = candidate ? script_defines(m->script, m->problem, candidate, &defines, e) :
			 script_reference_defines(m->script, m->problem, &defines, e);
	g.path = buf_text(&path);
	g.defines = buf_text(&defines);
	if (rc == 0)
		rc = gen_source(source, &g, e);
	buf_free(&path);
	buf_free(&defines);
	return rc;
}

static int module_of(struct emulation *m, const json_t *candidate, struct emu_module **module, struct err *e)
{
	struct buf source;
	char why[600];
	int rc;

	buf_init(&source);
	rc = source_of(m, candidate, &source, e);
	if (rc == 0 && emu_module_open(module, buf_text(&source), m->work, m->share, why, sizeof(why)) < 0)
		rc = err_set(e, "%s", why);
	buf_free(&source);
	return rc;
}

/* Each problem with normal values and with one more kind in turn, or with all. */
static int make_checks(struct emulation *m, struct err *e)
{
	struct emu_module *reference = NULL;
	int rc = module_of(m, NULL, &reference, e);
	json_t *p;
	size_t i;

	m->checks = calloc(json_array_size(m->problems) * VALUES_COUNT, sizeof(*m->checks));
	json_array_foreach(m->problems, i, p) {
		json_t *spec = NULL;

		if (rc == 0)
			rc = script_spec(m->script, p, &spec, e);
		for (int v = 0; v < VALUES_COUNT && rc == 0; v++)
			if (m->all_values || v == VALUES_NORMAL || v == 1 + (int)i % (VALUES_COUNT - 1))
				rc = checked_open(&m->checks[m->check_count++], spec, (enum values)v, i + 1, reference, e);
		json_decref(spec);
	}
	emu_module_close(reference);
	return rc;
}

static int launches_of(struct emulation *m, const json_t *candidate, struct err *e)
{
	size_t at = 0, i;
	json_t *p;

	m->launches = calloc(m->check_count, sizeof(*m->launches));
	json_array_foreach(m->problems, i, p) {
		const char *text = json_string_value(json_object_get(p, "text"));
		json_t *launch = NULL;

		if (script_launch(m->script, p, candidate, &launch, e) < 0)
			return -1;
		while (at < m->check_count && strcmp(m->checks[at].spec.text, text) == 0)
			m->launches[at++] = json_incref(launch);
		json_decref(launch);
	}
	return 0;
}

static void emulate(struct emulation *m, const json_t *candidate)
{
	struct child t = { .checks = m->checks, .count = m->check_count, .first_schedule = m->first_schedule,
			   .schedules = m->schedules, .limit_s = m->limit_s };
	struct emu_module *module = NULL;
	struct err e = { 0 };
	struct buf text, why_not;
	char why[1200] = "";
	int legal;

	buf_init(&text);
	buf_init(&why_not);
	script_candidate_text(candidate, &text);
	legal = script_legal(m->script, m->problem, candidate, &why_not, &e);
	if (legal == 0) {
		printf("illegal  %s: %s\n", buf_text(&text), buf_text(&why_not));
		m->skipped++;
	} else if (legal < 0 || module_of(m, candidate, &module, &e) < 0 || launches_of(m, candidate, &e) < 0) {
		printf("compile  %s: %s\n", buf_text(&text), e.text);
		m->bad++;
	} else if ((t.launches = m->launches, child_run(&t, module, why, sizeof(why)))) {
		printf("right    %s\n", buf_text(&text));
		m->ok++;
	} else {
		printf("wrong    %s: %s\n", buf_text(&text), why);
		m->bad++;
	}
	fflush(stdout);
	for (size_t i = 0; m->launches && i < m->check_count; i++)
		json_decref(m->launches[i]);
	free(m->launches);
	m->launches = NULL;
	emu_module_close(module);
	buf_free(&text);
	buf_free(&why_not);
}

static int add_variant(struct emulation *m, const char *name, long random, uint64_t seed, struct err *e)
{
	json_t *c = NULL, *sample = NULL;

	if (script_candidate(m->script, name, &c, e) < 0)
		return -1;
	json_array_append_new(m->candidates, c);
	if (random > 0 && script_sample(m->script, m->problem, name, random, seed, &sample, e) < 0)
		return -1;
	json_array_extend(m->candidates, sample);
	json_decref(sample);
	return 0;
}

static bool names(const char *text, const char *name)
{
	const size_t n = strlen(name);

	for (const char *p = text; (p = strstr(p, name)); p += n)
		if ((p == text || p[-1] == ' ') && p[n] == '=')
			return true;
	return false;
}

/* A problem of the user's: what it does not say of what is fixed in machine code is as in the problem compiled for. */
static int add_problem(struct emulation *m, const char *said, struct err *e)
{
	static const char *const kinds[] = { "dims", "flags" };
	struct buf text;
	json_t *p = NULL, *v;
	size_t i;
	int rc;

	buf_init(&text);
	buf_adds(&text, said);
	for (int k = 0; k < 2; k++)
		json_array_foreach(json_object_get(script_family(m->script), kinds[k]), i, v) {
			const char *name = json_string_value(json_object_get(v, "name"));
			const json_t *is = json_object_get(m->problem, name);

			if (!json_is_true(json_object_get(v, "fixed")) || names(said, name))
				continue;
			if (json_is_string(is))
				buf_addf(&text, " %s=%s", name, json_string_value(is));
			else
				buf_addf(&text, " %s=%lld", name, (long long)json_integer_value(is));
		}
	rc = script_problem(m->script, buf_text(&text), &p, e);
	if (rc == 0)
		json_array_append_new(m->problems, p);
	buf_free(&text);
	return rc;
}

static int open_family(struct emulation *m, const char *problem, const json_t *on, struct err *e)
{
	struct script_options o = { .root = m->root, .kernel = m->kernel };
	size_t i;
	json_t *text;

	if (script_open(&m->script, &o, e) < 0 || chip_device(m->arch, &m->device, e) < 0 ||
	    script_set_device(m->script, m->device, e) < 0 || script_problem(m->script, problem, &m->problem, e) < 0)
		return -1;
	if (json_array_size(on) == 0)
		return script_odd_problems(m->script, m->problem, &m->problems, e);
	m->problems = json_array();
	json_array_foreach(on, i, text)
		if (add_problem(m, json_string_value(text), e) < 0)
			return -1;
	return 0;
}

static void help(void)
{
	puts("usage: emulate [OPTION...]\n"
	     "Runs candidates on the CPU and compares them with the family's reference. No times, no GPU.\n"
	     "  --candidate TEXT   \"mma BLOCK_M=32 ...\"; may be repeated\n"
	     "  --variant NAME     the default candidate of this variant; may be repeated (all variants)\n"
	     "  --random N         and N random legal candidates of each\n"
	     "  --seed N           seed of the random ones (1)\n"
	     "  --problem TEXT     what candidates are compiled for (\"h=2 sq=64 d=64 dtype=f16 causal=0\")\n"
	     "  --on TEXT          a problem to run on, \"h=1 sq=33 sk=301\"; may be repeated (the family's odd ones)\n"
	     "  --schedules N      how many orders of threads (2)\n"
	     "  --first N          the first of them (0)\n"
	     "  --all-values       all kinds of values on each problem\n"
	     "  --arch ARCH        whose limits hold (sm_90a)\n"
	     "  --kernel NAME      family (attn)\n"
	     "  --root DIR         folder that holds lua/, kernels/ and include/ (.)\n"
	     "  --share DIR        folder of kernel.h (tests/emulate)\n"
	     "  --work DIR         where shared objects are kept (build/tests/emulate/work)\n"
	     "  --limit S          seconds for a candidate (300)");
}

struct arguments {
	const char *problem;
	json_t *texts, *variants, *on;
	long random, seed;
};

static int parse(int argc, char **argv, struct emulation *m, struct arguments *a)
{
	static const struct option longs[] = {
		{ "candidate", 1, NULL, 'c' }, { "variant", 1, NULL, 'v' }, { "random", 1, NULL, 'N' }, { "seed", 1, NULL, 's' },
		{ "problem", 1, NULL, 'p' }, { "on", 1, NULL, 'o' }, { "schedules", 1, NULL, 'S' }, { "first", 1, NULL, 'f' },
		{ "all-values", 0, NULL, 'a' }, { "arch", 1, NULL, 'A' }, { "kernel", 1, NULL, 'k' }, { "root", 1, NULL, 'r' },
		{ "share", 1, NULL, 'h' }, { "work", 1, NULL, 'w' }, { "limit", 1, NULL, 'l' }, { "help", 0, NULL, 'H' },
		{ NULL, 0, NULL, 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (c) {
		case 'c': json_array_append_new(a->texts, json_string(optarg)); break;
		case 'v': json_array_append_new(a->variants, json_string(optarg)); break;
		case 'o': json_array_append_new(a->on, json_string(optarg)); break;
		case 'N': a->random = atol(optarg); break;
		case 's': a->seed = atol(optarg); break;
		case 'p': a->problem = optarg; break;
		case 'S': m->schedules = atol(optarg); break;
		case 'f': m->first_schedule = atol(optarg); break;
		case 'a': m->all_values = true; break;
		case 'A': m->arch = optarg; break;
		case 'k': m->kernel = optarg; break;
		case 'r': m->root = optarg; break;
		case 'h': m->share = optarg; break;
		case 'w': m->work = optarg; break;
		case 'l': m->limit_s = atol(optarg); break;
		case 'H': help(); return 1;
		default: return -1;
		}
	return optind == argc ? 0 : -1;
}

static int run(struct emulation *m, const struct arguments *a, struct err *e)
{
	size_t i;
	json_t *v, *c;

	if (open_family(m, a->problem, a->on, e) < 0)
		return -1;
	json_array_foreach(a->texts, i, v) {
		if (script_candidate(m->script, json_string_value(v), &c, e) < 0)
			return -1;
		json_array_append_new(m->candidates, c);
	}
	if (json_array_size(a->texts) + json_array_size(a->variants) == 0)
		json_array_foreach(json_object_get(script_family(m->script), "variants"), i, v)
			if (!json_is_true(json_object_get(v, "baseline")))
				json_array_append(a->variants, json_object_get(v, "name"));
	json_array_foreach(a->variants, i, v)
		if (add_variant(m, json_string_value(v), a->random, (uint64_t)a->seed, e) < 0)
			return -1;
	child_prepare("the reference", m->limit_s);
	if (make_checks(m, e) < 0)
		return -1;
	child_prepare("a candidate", 0);
	json_array_foreach(m->candidates, i, c)
		emulate(m, c);
	return 0;
}

int main(int argc, char **argv)
{
	struct emulation m = { .root = ".", .kernel = "attn", .work = "build/tests/emulate/work", .share = "tests/emulate",
			       .arch = "sm_90a", .schedules = 2, .limit_s = 300, .candidates = json_array() };
	struct arguments a = { .problem = "h=2 sq=64 d=64 dtype=f16 causal=0", .texts = json_array(), .variants = json_array(),
			       .on = json_array(), .seed = 1 };
	struct err e = { 0 };
	int rc = parse(argc, argv, &m, &a);

	if (rc)
		return rc < 0 ? 2 : 0;
	rc = run(&m, &a, &e);
	if (rc < 0)
		fprintf(stderr, "emulate: %s\n", e.text);
	else
		printf("%ld right, %ld wrong, %ld not legal here: %s (emulated)\n", m.ok, m.bad, m.skipped,
		       json_string_value(json_object_get(m.problem, "text")));
	for (size_t i = 0; i < m.check_count; i++)
		checked_close(&m.checks[i]);
	free(m.checks);
	json_decref(a.texts);
	json_decref(a.variants);
	json_decref(a.on);
	json_decref(m.candidates);
	json_decref(m.problems);
	json_decref(m.problem);
	json_decref(m.device);
	if (m.script)
		script_close(m.script);
	return rc < 0 || m.bad ? 1 : 0;
}
