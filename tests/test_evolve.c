/* evolve: the operators of lua/evolve.lua that the default policy is made of, asked from a policy that asserts what it expects:
 * a failing assert becomes a note of its line. And that a policy without breed() does what lua/policy.lua does. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "attune/chip.h"
#include "attune/script.h"
#include "family.h"
#include "scratch.h"

/* 4 x 5 values of which a third is illegal, an axis of one value, one of three, and RARE=1, which only one L and M allow. */
static const char *const uneven =
	"return variant { source = 'v.cu', min_cc = 80, axes = {\n"
	"  axis { 'L', values = { 1, 2, 4, 8 }, strategy = 'launch', default = 2 },\n"
	"  axis { 'M', values = { 1, 2, 3, 4, 5 }, strategy = 'memory', default = 3 },\n"
	"  axis { 'ONE', values = { 1 }, strategy = 'memory' },\n"
	"  axis { 'X', values = { 1, 2, 3 }, default = 2 }, axis { 'RARE', values = { 0, 1 }, default = 0 } },\n"
	"  legal = function(c, p, device)\n"
	"    if (c.L + c.M) % 3 == 0 then return false, 'a third' end\n"
	"    if c.RARE == 1 and (c.L ~= 2 or c.M ~= 5) then return false, 'rare' end\n"
	"    return true\n"
	"  end,\n"
	"  launch = function(c, p) return { entry = 'v', grid = { p.n }, block = { 32 }, args = { 'y' } } end,\n"
	"}\n";

/* A policy that gives what least_tried gives. The first few have only values of L and M that are new, or the rare one. */
static const char *const spreads =
	"local evolve = require 'evolve'\n"
	"function seed(run) return { run.space:default('v') } end\n"
	"function breed(run)\n"
	"  local seen = { L = {}, M = {}, RARE = {} }\n"
	"  local function see(c) for name, values in pairs(seen) do values[c[name]] = (values[c[name]] or 0) + 1 end end\n"
	"  for _, trial in ipairs(run.trials) do see(trial.candidate) end\n"
	"  for _, c in ipairs(run.waiting) do see(c) end\n"
	"  local c = evolve.least_tried(run, 'v', 200)\n"
	"  if not c then run.log('nothing more') return {} end\n"
	"  assert(c._op == 'least_tried' and c.ONE == 1)\n"
	"  assert(run.space:legal(c) and not run.space:seen(c))\n"
	"  local n = #run.trials + #run.waiting\n"
	"  if n < 4 then assert(c.RARE == 1 or not seen.M[c.M] and not seen.L[c.L], 'tried before') end\n"
	"  if n == 4 then assert(seen.RARE[1], 'the rare value is not among the first') end\n"
	"  assert(evolve.least_tried(run, 'v', 0) == nil)\n"
	"  return { c }\n"
	"end\n";

static char said[65536];

static void hear(void *to, const char *line)
{
	(void)to;
	strncat(said, line, sizeof(said) - strlen(said) - 2);
	strcat(said, "\n");
}

/* variant NULL: the family that is asked for. policy: a file, or the text of one. */
static struct script *open_run(const char *kernel, const char *variant, const char *policy, long trials)
{
	struct script_options o = { .root = family_root(), .kernel = kernel, .policy = policy, .log = hear };
	struct script_run run = { .seed = 3, .trials = trials };
	struct script *s;
	struct err e = { 0 };
	json_t *problem;

	said[0] = '\0';
	if (variant) {
		ck_assert_msg(family_make(&s, NULL, NULL, variant, &e) == 0, "%s", e.text);
		script_close(s);
		o.root = scratch_path("");
	}
	if (!strcmp(kernel, "toy"))
		o.families = "tests/families";
	if (strchr(policy, '\n')) {
		scratch_write(scratch_path("p.lua"), policy, strlen(policy));
		o.policy = scratch_path("p.lua");
	}
	ck_assert_msg(script_open(&s, &o, &e) == 0, "%s", e.text);
	if (!strcmp(kernel, "attn")) {
		json_t *device;

		ck_assert_int_eq(chip_device("sm_90a", &device, &e), 0);
		ck_assert_int_eq(script_set_device(s, device, &e), 0);
		json_decref(device);
	} else {
		family_set_device(s);
	}
	run.problem = problem = family_problem(s, !strcmp(kernel, "toy") ? "n=64 m=96" : "seed");
	ck_assert_msg(script_policy_begin(s, &run, NULL, &e) == 0, "%s", e.text);
	json_decref(problem);
	return s;
}

/* The next candidates, at most n; a note fails the test unless it is expected. */
static json_t *ask(struct script *s, long n, const char *expected)
{
	json_t *candidates, *notes;
	struct err e = { 0 };
	long dropped;

	ck_assert_msg(script_policy_ask(s, n, 0, &candidates, &dropped, &notes, &e) == 0, "%s", e.text);
	for (size_t i = 0; i < json_array_size(notes); i++) {
		const char *note = json_string_value(json_array_get(notes, i));

		ck_assert_msg(expected && strstr(note, expected), "%s", note);
	}
	json_decref(notes);
	return candidates;
}

static void tell(struct script *s, json_t *candidate, const char *verdict, double time_us)
{
	json_t *trial = json_pack("{s:O, s:s, s:s}", "candidate", candidate, "verdict", verdict, "why", "");
	struct err e = { 0 };

	if (!strcmp(verdict, "ok"))
		json_object_set_new(trial, "time_us", json_real(time_us));
	ck_assert_msg(script_policy_tell(s, trial, 0, &e) == 0, "%s", e.text);
	json_decref(trial);
}

/* The first of what waits is told when three wait: what was tried is partly without result. */
START_TEST(values_that_were_tried_least_come_first)
{
	struct script *s = open_run("t", uneven, spreads, 100);
	json_t *waiting = json_array();
	size_t all = 0;

	while (!strstr(said, "nothing more")) {
		json_t *candidates = ask(s, 1, "breed returned no candidate");

		all += json_array_size(candidates);
		json_array_extend(waiting, candidates);
		json_decref(candidates);
		if (json_array_size(waiting) == 3) {
			tell(s, json_array_get(waiting, 0), all % 2 ? "ok" : "wrong", 10);
			json_array_remove(waiting, 0);
		}
	}
	/* 12 of L x M, three of X, and three of the rare one. */
	ck_assert_uint_eq(all, 12 * 3 + 3);
	ck_assert_msg(!strstr(said, ".lua"), "%s", said);
	json_decref(waiting);
	script_close(s);
}
END_TEST

/* A made-up time: each value of each axis costs something of its own; `mma` and `hopper`, of many axes, are the fastest. */
static double time_of(const char *text)
{
	double time = *text == 'm' || *text == 'h' ? 10 : 40;
	unsigned token = 0;

	for (; *text; text++) {
		token = *text == ' ' ? 0 : token * 31 + (unsigned char)*text;
		if (text[1] == ' ' || !text[1])
			time += token % 17 / 10.0;
	}
	return time;
}

/* Texts of all candidates of a search in the attention family, with made-up times, of a budget that is used up. */
static json_t *search(const char *policy, long trials)
{
	struct script *s = open_run("attn", NULL, policy, trials);
	json_t *texts = json_array();

	while ((long)json_array_size(texts) < trials) {
		json_t *candidates = ask(s, trials - (long)json_array_size(texts), NULL), *c;
		size_t i;

		ck_assert_uint_gt(json_array_size(candidates), 0);
		json_array_foreach(candidates, i, c) {
			struct buf text;

			buf_init(&text);
			script_candidate_text(c, &text);
			json_array_append_new(texts, json_string(buf_text(&text)));
			tell(s, c, "ok", time_of(buf_text(&text)));
			buf_free(&text);
		}
		json_decref(candidates);
	}
	script_close(s);
	return texts;
}

static void check_same(const char *one, const char *other, long trials, bool same)
{
	json_t *a = search(one, trials), *b = search(other, trials);
	size_t at = 0;

	while (at < (size_t)trials && json_equal(json_array_get(a, at), json_array_get(b, at)))
		at++;
	ck_assert_msg((at == (size_t)trials) == same, "%zu of %ld trials are the same", at, trials);
	json_decref(a);
	json_decref(b);
}

/* Behind a policy: says with what options suggest is called. */
static const char *const spy =
	"local evolve = require 'evolve'\n"
	"local function tell(run, v, o)\n"
	"  run.log('%s %s %s %.17g %.17g %.17g', v, o.spread, o.belief, o.explore, o.far, o.shape or 1)\n"
	"end\n"
	"local inner = BREED\n"
	"function breed(run)\n"
	"  local space = run.space\n"
	"  run.space = setmetatable({ suggest = function(_, v, o) tell(run, v, o) return space:suggest(v, o) end }, {\n"
	"    __index = function(_, name)\n"
	"      local f = space[name]\n"
	"      return type(f) == 'function' and function(_, ...) return f(space, ...) end or f\n"
	"    end })\n"
	"  return inner(run)\n"
	"end\n";

/* text, then spy around what it calls breed. */
static char *spied(const char *text, const char *breed)
{
	const char *at = strstr(spy, "BREED");
	struct buf b;
	char *all;

	buf_init(&b);
	buf_addf(&b, "%s%.*s%s%s", text, (int)(at - spy), spy, breed, at + strlen("BREED"));
	all = strdup(buf_text(&b));
	buf_free(&b);
	return all;
}

START_TEST(without_breed_the_default_is_what_breeds)
{
	static char file[16384], first[sizeof(said)];
	char path[4200], *policy, *none;
	size_t at = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/lua/policy.lua", family_root());
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	file[fread(file, 1, sizeof(file) - 1, f)] = '\0';
	fclose(f);
	policy = spied(file, "breed");
	none = spied("", "evolve.breed");
	json_decref(search(policy, _i ? 100 : 45));
	strcpy(first, said);
	check_same(policy, none, _i ? 100 : 45, true);
	ck_assert_uint_gt(strlen(first), 500);
	while (first[at] && first[at] == said[at])
		at++;
	ck_assert_msg(first[at] == said[at], "%.60s and %.60s", first + at, said + at);
	free(policy);
	free(none);
}
END_TEST

#define SUGGESTS(options) "function breed(run)\n  local v = #run.space.variants\n" \
			  "  return { run.space:suggest(run.space.variants[v].name, { spread = run.tried < 8, " options " })\n" \
			  "           or run.space:random() }\nend\n"

START_TEST(far_is_explore_unless_given)
{
	const char *plain = SUGGESTS("explore = 4");

	check_same(plain, SUGGESTS("explore = 4, far = 4"), 30, true);
	check_same(plain, SUGGESTS("explore = 4, far = 0.01"), 30, false);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("evolve");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, scratch_make, scratch_remove);
	tcase_add_test(t, values_that_were_tried_least_come_first);
	tcase_add_loop_test(t, without_breed_the_default_is_what_breeds, 0, 2);
	tcase_add_test(t, far_is_explore_unless_given);
	return scratch_run("evolve", t);
}
