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

/* Three structural axes, one of a single value, and two others; a third of L x M is illegal. */
static const char *const with_strategies =
	"return variant { source = 'v.cu', min_cc = 80, axes = {\n"
	"  axis { 'L', values = { 1, 2, 4, 8 }, strategy = 'launch', default = 2 },\n"
	"  axis { 'M', values = { 1, 2, 3, 4, 5 }, strategy = 'memory', default = 3 },\n"
	"  axis { 'ONE', values = { 1 }, strategy = 'memory' },\n"
	"  axis { 'X', values = { 1, 2, 3 }, strategy = 'instruction', default = 2 }, axis { 'Y', values = { 0, 1 }, default = 1 } },\n"
	"  legal = function(c, p, device) return (c.L + c.M) % 3 ~= 0, 'a third' end,\n"
	"  launch = function(c, p) return { entry = 'v', grid = { p.n }, block = { 32 }, args = { 'y' } } end,\n"
	"}\n";

/* A policy that gives what survey gives until it gives nothing. The first few have only values of L and M that are new. */
static const char *const surveys =
	"local evolve = require 'evolve'\n"
	"function seed(run) return { run.space:default('v') } end\n"
	"function breed(run)\n"
	"  local seen, known = { L = {}, M = {} }, {}\n"
	"  local function see(c) for name, values in pairs(seen) do values[c[name]] = (values[c[name]] or 0) + 1 end end\n"
	"  for _, trial in ipairs(run.trials) do see(trial.candidate) end\n"
	"  for _, c in ipairs(run.waiting) do see(c) end\n"
	"  local c = evolve.survey(run, 'v')\n"
	"  if not c then run.log('nothing more') return {} end\n"
	"  assert(c._op == 'survey' and c.X == 2 and c.Y == 1 and c.ONE == 1)\n"
	"  assert(run.space:legal(c) and not run.space:seen(c))\n"
	"  local n = #run.trials + #run.waiting\n"
	"  if n < 4 then assert(not seen.M[c.M] and (n > 2 or not seen.L[c.L]), 'tried before') end\n"
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

/* The first of what waits is told when three wait: what survey knows of is partly without result. */
START_TEST(a_survey_is_of_tiles_and_launches)
{
	struct script *s = open_run("t", with_strategies, surveys, 100);
	json_t *waiting = json_array();
	size_t all = 0;

	while (!strstr(said, "nothing more")) {
		json_t *candidates = ask(s, 1, "breed returned no candidate");

		if (!json_array_size(candidates)) {
			json_decref(candidates);
			break;
		}
		all += !strstr(said, "nothing more");
		json_array_extend(waiting, candidates);
		json_decref(candidates);
		if (json_array_size(waiting) == 3) {
			tell(s, json_array_get(waiting, 0), all % 2 ? "ok" : "wrong", 10);
			json_array_remove(waiting, 0);
		}
	}
	/* 4 x 5, of which (L + M) % 3 == 0 are not legal: 7. */
	ck_assert_msg(all >= 12 && all <= 13, "%zu", all);
	ck_assert_ptr_nonnull(strstr(said, "nothing more"));
	json_decref(waiting);
	script_close(s);
}
END_TEST

START_TEST(without_strategies_there_is_no_survey)
{
	struct script *s = open_run("t", family_variant(NULL, NULL),
				    "local evolve = require 'evolve'\n"
				    "function breed(run)\n  assert(evolve.survey(run, 'v') == nil)\n  run.log('none')\n"
				    "  return { run.space:random() }\nend\n", 10);

	for (int i = 0; i < 2; i++) {
		json_t *candidates = ask(s, 1, NULL);

		ck_assert_uint_eq(json_array_size(candidates), 1);
		json_decref(candidates);
	}
	ck_assert_str_eq(said, "none\n");
	script_close(s);
}
END_TEST

/* Of toy, where `plain` has 12 candidates and takes 20 us, and `steps` has 2 and takes 10. */
static const char *const who =
	"local evolve = require 'evolve'\n"
	"local to = evolve.to_survey\n"
	"local looks = {\n"
	"  function(run) assert(to(run, 9, 3) == nil, 'nothing has worked') end,\n"
	"  function(run)\n"
	"    assert(to(run, 9, 3) == 'plain', 'steps has not worked')\n"
	"    assert(to(run, 3, 3) == 'plain' and to(run, 2, 3) == nil, 'two of plain have been proposed')\n"
	"  end,\n"
	"  function(run)\n"
	"    assert(#run.waiting == 1 and to(run, 9, 3) == 'steps', 'the fastest first')\n"
	"    assert(to(run, 3, 3) == 'steps' and to(run, 2, 3) == nil, 'two of each, one of which waits')\n"
	"  end,\n"
	"  function(run)\n"
	"    assert(to(run, 3, 3) == 'steps' and to(run, 2, 3) == nil, 'two of steps, three of plain')\n"
	"    local other = { ranked = run.ranked, waiting = {}, trials = {}, space = run.space }\n"
	"    for _, trial in ipairs(run.trials) do\n"
	"      for _ = 1, trial.candidate.variant == 'steps' and 3 or 1 do other.trials[#other.trials + 1] = trial end\n"
	"    end\n"
	"    assert(to(other, 4, 3) == 'plain' and to(other, 4, 2) == 'plain' and to(other, 4, 1.9) == nil, 'twice as slow')\n"
	"    assert(to(other, 3, 3) == nil and to(other, 4, 3, { plain = true }) == nil)\n"
	"  end,\n"
	"}\n"
	"local plans = {\n"
	"  { { variant = 'plain', BLOCK = 64 } },\n"
	"  { { variant = 'steps', TILE = 8 }, { variant = 'steps', TILE = 16 } },\n"
	"  { { variant = 'plain', BLOCK = 64, UNROLL = 2 } },\n"
	"}\n"
	"function seed(run)\n"
	"  assert(to(run, 9, 3) == nil)\n"
	"  return { { variant = 'plain' } }\n"
	"end\n"
	"function breed(run)\n"
	"  looks[run.generation](run)\n"
	"  run.log('%d', run.generation)\n"
	"  return plans[run.generation] or { run.space:random() }\n"
	"end\n";

START_TEST(who_is_surveyed_is_short_of_trials_and_not_far_behind)
{
	struct script *s = open_run("toy", NULL, who, 20);
	json_t *c = ask(s, 9, NULL), *waits;

	tell(s, json_array_get(c, 0), "wrong", 0);
	json_decref(c);
	c = ask(s, 9, NULL);
	tell(s, json_array_get(c, 0), "ok", 20);
	json_decref(c);
	waits = ask(s, 9, NULL);
	ck_assert_uint_eq(json_array_size(waits), 2);
	tell(s, json_array_get(waits, 0), "ok", 10);
	c = ask(s, 9, NULL);
	tell(s, json_array_get(waits, 1), "ok", 10);
	tell(s, json_array_get(c, 0), "ok", 20);
	json_decref(waits);
	json_decref(c);
	json_decref(ask(s, 9, NULL));
	ck_assert_str_eq(said, "1\n2\n3\n4\n");
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
	ck_assert_uint_gt(strlen(first), 1000);
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
	tcase_add_test(t, a_survey_is_of_tiles_and_launches);
	tcase_add_test(t, without_strategies_there_is_no_survey);
	tcase_add_test(t, who_is_surveyed_is_short_of_trials_and_not_far_behind);
	tcase_add_loop_test(t, without_breed_the_default_is_what_breeds, 0, 2);
	tcase_add_test(t, far_is_explore_unless_given);
	return scratch_run("evolve", t);
}
