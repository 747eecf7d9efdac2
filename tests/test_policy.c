/* script_policy: what a policy is given, what is made of its answers, and that its mistakes cost no trial. Candidates are of
 * tests/families/toy (3 x 2 x 2 of `plain`, of which BLOCK=256 is too large for w=4, and 2 of `steps`). */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "attune/script.h"
#include "attune/space.h"
#include "family.h"
#include "scratch.h"

static char said[4096];

static void hear(void *to, const char *line)
{
	(void)to;
	strncat(said, line, sizeof(said) - strlen(said) - 2);
	strcat(said, "\n");
}

static struct script *open_policy(const char *text, struct err *e)
{
	struct script_options o = { .root = family_root(), .kernel = "toy", .families = "tests/families",
				    .policy = scratch_path("p.lua"), .log = hear };
	struct script *s = NULL;

	said[0] = '\0';
	scratch_write(scratch_path("p.lua"), text, strlen(text));
	if (script_open(&s, &o, e) < 0)
		return NULL;
	family_set_device(s);
	return s;
}

static struct script *begin(const char *text, uint64_t seed, const json_t *only, long *lookahead)
{
	struct script_run run = { .seed = seed, .trials = 20, .strategy = "test", .only = only };
	struct err e = {0};
	struct script *s = open_policy(text, &e);
	json_t *problem;

	ck_assert_msg(s != NULL, "%s", e.text);
	problem = family_problem(s, "n=64 m=96");
	run.problem = problem;
	ck_assert_msg(script_policy_begin(s, &run, lookahead, &e) == 0, "%s", e.text);
	json_decref(problem);
	return s;
}

/* A made-up time: smaller blocks are faster. */
static double time_of(const json_t *candidate)
{
	return 10 + (double)json_integer_value(json_object_get(candidate, "BLOCK")) / 64 +
	       (double)json_integer_value(json_object_get(candidate, "UNROLL"));
}

static void tell(struct script *s, json_t *candidate, const char *verdict)
{
	json_t *trial = json_pack("{s:O, s:s, s:s}", "candidate", candidate, "verdict", verdict, "why", "");
	struct err e = {0};

	if (!strcmp(verdict, "ok"))
		json_object_set_new(trial, "time_us", json_real(time_of(candidate)));
	ck_assert_msg(script_policy_tell(s, trial, 1.5, &e) == 0, "%s", e.text);
	json_decref(trial);
}

/* Runs to the end: texts of all candidates in order, and the notes on the way. */
static json_t *search(struct script *s, long trials, json_t *notes)
{
	json_t *texts = json_array();
	struct err e = {0};

	while ((long)json_array_size(texts) < trials) {
		json_t *candidates, *more, *c;
		long dropped;
		size_t i;

		ck_assert_msg(script_policy_ask(s, trials - (long)json_array_size(texts), 1, &candidates, &dropped, &more, &e) == 0,
			      "%s", e.text);
		if (notes)
			json_array_extend(notes, more);
		json_decref(more);
		if (!json_array_size(candidates)) {
			json_decref(candidates);
			break;
		}
		json_array_foreach(candidates, i, c) {
			struct buf text;

			buf_init(&text);
			script_candidate_text(c, &text);
			json_array_append_new(texts, json_string(buf_text(&text)));
			buf_free(&text);
			tell(s, c, "ok");
		}
		json_decref(candidates);
	}
	return texts;
}

static void check_unique(const json_t *texts)
{
	for (size_t i = 0; i < json_array_size(texts); i++)
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(json_string_value(json_array_get(texts, i)), json_string_value(json_array_get(texts, j)));
}

static bool has_note(const json_t *notes, const char *part)
{
	for (size_t i = 0; i < json_array_size(notes); i++)
		if (strstr(json_string_value(json_array_get(notes, i)), part))
			return true;
	return false;
}

/* Runs a policy whose mistake must be named by `part`, and that loses no trial by it. */
static void check_mistake(const char *policy, const char *part, long trials)
{
	struct script *s = begin(policy, 1, NULL, NULL);
	json_t *notes = json_array(), *texts = search(s, trials, notes);
	char *all = json_dumps(notes, 0);

	ck_assert_int_eq(json_array_size(texts), trials);
	check_unique(texts);
	ck_assert_msg(has_note(notes, part), "expected %s in %s (%s)", part, all, policy);
	free(all);
	json_decref(notes);
	json_decref(texts);
	script_close(s);
}

START_TEST(defaults_come_first_and_all_are_tried_once)
{
	struct script *s = begin("", 1, NULL, NULL);
	json_t *texts = search(s, 100, NULL);

	ck_assert_str_eq(json_string_value(json_array_get(texts, 0)), "plain BLOCK=128 PATH=direct UNROLL=1");
	ck_assert_str_eq(json_string_value(json_array_get(texts, 1)), "steps TILE=16");
	ck_assert_int_eq(json_array_size(texts), 14);
	check_unique(texts);
	json_decref(texts);
	script_close(s);
}
END_TEST

START_TEST(same_seed_and_results_give_the_same_search)
{
	static const char *const files[] = { "lua/policy.lua", "lua/policies/anneal.lua", "lua/policies/genetic.lua",
		"lua/policies/greedy.lua", "lua/policies/random.lua", "lua/policies/plan45.lua", "lua/policies/free.lua",
		"lua/policies/insight.lua", "lua/policies/full.lua" };
	json_t *texts[3];

	for (int i = 0; i < 3; i++) {
		struct script_options o = { .root = family_root(), .kernel = "toy", .families = "tests/families",
					    .policy = files[_i], .log = hear };
		struct script_run run = { .seed = i < 2 ? 7 : 8, .trials = 14 };
		struct err e = {0};
		json_t *notes = json_array(), *problem;
		struct script *s;

		said[0] = '\0';
		ck_assert_msg(script_open(&s, &o, &e) == 0, "%s", e.text);
		family_set_device(s);
		problem = family_problem(s, "n=64 m=96");
		run.problem = problem;
		ck_assert_msg(script_policy_begin(s, &run, NULL, &e) == 0, "%s", e.text);
		texts[i] = search(s, 14, notes);
		ck_assert_int_eq(json_array_size(texts[i]), 14);
		check_unique(texts[i]);
		ck_assert(!has_note(notes, ".lua:"));
		ck_assert_str_eq(said, "");
		json_decref(notes);
		json_decref(problem);
		script_close(s);
	}
	ck_assert(json_equal(texts[0], texts[1]));
	ck_assert(!json_equal(texts[0], texts[2]));
	for (int i = 0; i < 3; i++)
		json_decref(texts[i]);
}
END_TEST

START_TEST(a_recorded_run_is_all_there_is)
{
	json_t *only = json_pack("[s, s, s]", "plain BLOCK=64 PATH=by-8 UNROLL=2", "steps TILE=8", "plain BLOCK=256 PATH=direct UNROLL=1");
	struct script *s = begin("", 1, only, NULL);
	json_t *texts = search(s, 10, NULL);

	ck_assert_int_eq(json_array_size(texts), 3);
	check_unique(texts);
	json_decref(texts);
	json_decref(only);
	script_close(s);
}
END_TEST

static const char *const mistakes[][2] = {
	{ "function breed(run)\n  error('no idea')\nend", "p.lua:2: no idea" },
	{ "function breed(run)\n  return run.nothing.x\nend", "p.lua:2: " },
	{ "function breed(run)\n  return undefined_name\nend", "undefined_name" },
	{ "function breed(run) error({}) end", "p.lua:1: raised a table" },
	{ "function breed(run) return 5 end", "breed returned a number" },
	{ "function breed(run) end", "breed returned a nil" },
	{ "function breed(run) return {} end", "breed returned no candidate" },
	{ "function breed(run) return { variant = 'plain' } end", "a list of candidates" },
	{ "function breed(run) return { 7 } end", "candidate 1: a candidate is a table" },
	{ "function breed(run) return { {} } end", "without a variant" },
	{ "function breed(run) return { { variant = 'fast' } } end", "no variant \"fast\"" },
	{ "function breed(run) return { { variant = 'plain', BLOC = 64 } } end", "no axis BLOC" },
	{ "function breed(run) return { { variant = 'plain', BLOCK = 65 } } end", "64, 128, 256" },
	{ "function breed(run) return { { variant = 'plain', BLOCK = '64' } } end", "64, 128, 256" },
	{ "function breed(run) return { { variant = 'plain', PATH = {} } } end", "direct, by-8" },
	{ "function breed(run) return { { variant = 'plain', [1] = 2 } } end", "no axis" },
	{ "function breed(run) return { { variant = 'steps' } } end", "nothing new and legal" },
	{ "breed = 3", "breed is a number" },
	{ "function seed(run) error('at the start') end", "at the start" },
	{ "function breed(run) return run.space:random('fast') end", "no variant \"fast\"" },
	{ "function breed(run) return run.space:neighbours() end", "a candidate is a table" },
	{ "function breed(run) return run.space:neighbours({variant='plain'}, 'far') end", "far" },
	{ "function breed(run) return run.space.neighbors(1) end", "no field \"neighbors\"" },
	{ "function breed(run) return run.space:suggest('plain', { shap = 1 }) end", "the options are" },
	{ "function breed(run) return run.space:suggest('plain', { shape = -1 }) end", "shape is a number" },
	{ "function breed(run) return run.space:suggest('plain', { far = 0 }) end", "far is a number from 0.01" },
	{ "function breed(run) return run.space:suggest('plain', { far = 'x' }) end", "far is a number from 0.01" },
	{ "function breed(run) return run.rng:int(0) end", "at least 1" },
};

START_TEST(mistakes_are_named_and_cost_no_trial)
{
	check_mistake(mistakes[_i][0], mistakes[_i][1], 10);
}
END_TEST

/* Policies that mean harm: each gets its line, none hangs, none loses a trial. */
START_TEST(hostile_policies_are_survived)
{
	static const char *const cases[][2] = {
		{ "function breed() while true do pcall(function() while true do end end) end end", "steps" },
		{ "function breed() local t = {} for i = 1, 1e9 do t[i] = { i } end end", "memory" },
		{ "function breed() local s = 'x' while true do s = s .. s end end", "memory" },
		{ "function breed() return coroutine.wrap(function() end)() end", "coroutine" },
		{ "function breed(run) setmetatable(run.space, {}) end", "p.lua:1:" },
		{ "function breed(run) getmetatable(run.space).__index = nil end", "getmetatable" },
		{ "function breed(run) run.space.random = nil end", "p.lua:1:" },
		{ "function breed(run) for i in pairs(run.trials) do run.trials[i] = 3 end\n"
		  "run.ranked[1].time_us = 'x' run.ranked[1].candidate = nil return {} end", "no candidate" },
		{ "function breed() return setmetatable({}, { __index = function() error('sly') end, __len = function() return 9 end"
		  " }) end", "no candidate" },
		{ "function breed(run) return { setmetatable({}, { __index = function() return 'plain' end }) } end", "without a variant" },
		{ "function breed() local t = {} for i = 1, 1000000 do t[i] = 1 end return t end", "only the first 100000" },
		{ "function breed() local t = {} t[1] = t return t end", "without a variant" },
		{ "function breed() return { { variant = 'plain', _op = print or {}, _parents = { {}, {} }, BLOCK = 1 } } end", "p" },
		{ "function breed() return { { variant = 'plain', BLOCK = 0 / 0 } } end", "64, 128, 256" },
		{ "function breed() return { { variant = 'plain', BLOCK = math.huge } } end", "64, 128, 256" },
		{ "function breed() io.open('/etc/passwd') end", "io" },
		{ "function breed() os.exit(3) end", "os" },
		{ "function breed() return load('return 1')() end", "load" },
		{ "function breed() return require('../secret') end", "require" },
		{ "function breed() string.rep = nil return ('x'):rep(1 << 40) end", "p.lua:1:" },
		{ "function breed() return breed() end", "steps" },
		{ "function breed() return 1 + breed() end", "p.lua:1:" },
		{ "function breed(run) run.log(('%s'):rep(100)) end", "p.lua:1:" },
		{ "function breed(run) run.rng:shuffle(5) end", "table expected" },
	};

	check_mistake(cases[_i][0], cases[_i][1], 4);
}
END_TEST

START_TEST(a_broken_file_is_refused_with_its_line)
{
	static const char *const cases[][2] = {
		{ "population = 5\nfunction seed(\n", "p.lua:" }, { "x = nil + 1", "p.lua:1:" }, { "\x1bLua", "p.lua" },
		{ "while true do end", "p.lua:1:" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct err e = {0};

		ck_assert_ptr_null(open_policy(cases[i][0], &e));
		ck_assert_msg(strstr(e.text, cases[i][1]) != NULL, "%s", e.text);
	}
}
END_TEST

START_TEST(lookahead_is_a_small_number)
{
	static const char *const bad[] = { "lookahead = -1", "lookahead = 'x'", "lookahead = 1.5", "lookahead = 1e9" };
	struct script_run run = { .seed = 1, .trials = 5 };
	long lookahead = -1;
	struct script *s = begin("lookahead = 6", 1, NULL, &lookahead);

	ck_assert_int_eq(lookahead, 6);
	script_close(s);
	for (size_t i = 0; i < 4; i++) {
		struct err e = {0};
		json_t *problem;

		s = open_policy(bad[i], &e);
		ck_assert_ptr_nonnull(s);
		problem = family_problem(s, "n=64 m=96");
		run.problem = problem;
		ck_assert_int_lt(script_policy_begin(s, &run, NULL, &e), 0);
		ck_assert_ptr_nonnull(strstr(e.text, "lookahead"));
		json_decref(problem);
		script_close(s);
	}
}
END_TEST

START_TEST(trials_come_back_with_their_credit)
{
	struct script *s = begin("function seed(run)\n"
				 "  return { { variant = 'plain', BLOCK = 64, _op = 'mine', _parents = { 'k' } } }\nend\n"
				 "function observe(run, t)\n"
				 "  run.log('%s %s %s %s %d %s', t.op, t.parents[1], t.key, t.verdict, run.tried, run.strategy)\nend\n"
				 "function breed(run)\n"
				 "  local t = run.trials[1]\n"
				 "  assert(run.ranked[1] == t and t.candidate.BLOCK == 64 and #run.waiting == 0 and run.budget == 20)\n"
				 "  assert(run.problem.n == 64 and run.device.cc_number == 90 and run.generation == 1)\n"
				 "  run.log('bred')\n"
				 "  return { run.space:random() }\nend\n", 1, NULL, NULL);
	json_t *notes = json_array(), *texts = search(s, 2, notes);

	ck_assert_int_eq(json_array_size(texts), 2);
	ck_assert_uint_eq(json_array_size(notes), 0);
	ck_assert_ptr_nonnull(strstr(said, "mine k plain BLOCK=64 PATH=direct UNROLL=1 ok 1 test\nbred\n"));
	json_decref(texts);
	json_decref(notes);
	script_close(s);
}
END_TEST

START_TEST(failures_are_told_and_strangers_refused)
{
	struct script *s = begin("function breed(run)\n  assert(#run.trials == 1 and #run.ranked == 0)\n"
				 "  assert(run.trials[1].verdict == 'wrong')\n  return { run.space:random() }\nend\n"
				 "function seed(run) return { run.space:default('plain') } end", 1, NULL, NULL);
	json_t *candidates, *notes, *stranger;
	struct err e = {0};
	long dropped;

	ck_assert_int_eq(script_policy_ask(s, 5, 0, &candidates, &dropped, &notes, &e), 0);
	ck_assert_int_eq(json_array_size(candidates), 1);
	tell(s, json_array_get(candidates, 0), "wrong");
	stranger = json_pack("{s:O, s:s}", "candidate", json_array_get(candidates, 0), "verdict", "ok");
	ck_assert_int_lt(script_policy_tell(s, stranger, 0, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "told before"));
	json_decref(stranger);
	json_decref(candidates);
	json_decref(notes);
	ck_assert_int_eq(script_policy_ask(s, 5, 0, &candidates, &dropped, &notes, &e), 0);
	ck_assert_int_eq(json_array_size(notes), 0);
	json_decref(candidates);
	json_decref(notes);
	script_close(s);
}
END_TEST

START_TEST(a_long_answer_is_handed_out_in_parts)
{
	struct script *s = begin("function seed(run)\n  local c = run.space:default('plain')\n  local l = run.space:neighbours(c, 'any')\n"
				 "  l[#l + 1] = c\n  l[#l + 1] = c\n  return l\nend\n", 1, NULL, NULL);
	struct err e = {0};
	size_t n = 0;

	for (int i = 0; i < 5; i++) {
		json_t *candidates, *notes;
		long dropped;

		ck_assert_int_eq(script_policy_ask(s, 1, 0, &candidates, &dropped, &notes, &e), 0);
		n += json_array_size(candidates);
		ck_assert_int_eq(dropped, i == 0); /* the default twice */
		ck_assert_int_eq(script_policy_generation(s), 0);
		json_decref(candidates);
		json_decref(notes);
	}
	ck_assert_uint_eq(n, 5);
	script_close(s);
}
END_TEST

START_TEST(done_may_stop_and_may_fail)
{
	struct script *s = begin("function done(run) return run.tried >= 1 end", 1, NULL, NULL);
	json_t *texts;
	struct err e = {0};

	ck_assert_int_eq(script_policy_done(s, 0, &e), 0);
	texts = search(s, 1, NULL);
	ck_assert_int_eq(script_policy_done(s, 0, &e), 1);
	json_decref(texts);
	script_close(s);
	s = begin("function done(run) error('never') end", 1, NULL, NULL);
	ck_assert_int_lt(script_policy_done(s, 0, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "p.lua:1: never"));
	script_close(s);
}
END_TEST

START_TEST(samples_are_legal_and_differ)
{
	struct script *s = family_open("toy");
	json_t *problem = family_problem(s, "n=64 m=96 w=4"), *candidates, *c;
	struct err e = {0};
	size_t i, plain = 0;

	ck_assert_msg(script_sample(s, problem, NULL, 100, 3, &candidates, &e) == 0, "%s", e.text);
	ck_assert_int_eq(json_array_size(candidates), 10); /* BLOCK=256 is illegal: 2 x 2 x 2 + 2 */
	json_array_foreach(candidates, i, c) {
		ck_assert_int_eq(script_legal(s, problem, c, NULL, &e), 1);
		plain += !strcmp(json_string_value(json_object_get(c, "variant")), "plain");
		for (size_t j = 0; j < i; j++)
			ck_assert(!json_equal(c, json_array_get(candidates, j)));
	}
	ck_assert_uint_eq(plain, 8);
	json_decref(candidates);
	ck_assert_int_eq(script_sample(s, problem, "steps", 1, 3, &candidates, &e), 0);
	ck_assert_int_eq(json_array_size(candidates), 1);
	json_decref(candidates);
	ck_assert_int_lt(script_sample(s, problem, "none", 1, 3, &candidates, &e), 0);
	json_decref(problem);
	script_close(s);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("policy");

	tcase_set_timeout(cases, 120);
	tcase_add_checked_fixture(cases, scratch_make, scratch_remove);
	tcase_add_test(cases, defaults_come_first_and_all_are_tried_once);
	tcase_add_loop_test(cases, same_seed_and_results_give_the_same_search, 0, 9);
	tcase_add_test(cases, a_recorded_run_is_all_there_is);
	tcase_add_loop_test(cases, mistakes_are_named_and_cost_no_trial, 0, sizeof mistakes / sizeof *mistakes);
	tcase_add_loop_test(cases, hostile_policies_are_survived, 0, 24);
	tcase_add_test(cases, a_broken_file_is_refused_with_its_line);
	tcase_add_test(cases, lookahead_is_a_small_number);
	tcase_add_test(cases, trials_come_back_with_their_credit);
	tcase_add_test(cases, failures_are_told_and_strangers_refused);
	tcase_add_test(cases, a_long_answer_is_handed_out_in_parts);
	tcase_add_test(cases, done_may_stop_and_may_fail);
	tcase_add_test(cases, samples_are_legal_and_differ);
	return scratch_run("policy", cases);
}
