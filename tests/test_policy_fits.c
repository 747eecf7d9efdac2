/* fits(): a variant that refuses a problem is neither drawn for it, nor shown to a policy, nor legal. `steps` of
 * tests/families/toy refuses rows of fewer than 8 elements. */
#include <jansson.h>
#include <string.h>
#include "attune/script.h"
#include "family.h"
#include "scratch.h"

static const char *const policy =
	"function seed(run)\n"
	"  local list = {}\n"
	"  for _, v in ipairs(run.space.variants) do run.log('has %s', v.name) end\n"
	"  for i = 1, 60 do list[i] = run.space:random() end\n"
	"  return list\n"
	"end\n";

static char said[256];

static void hear(void *to, const char *line)
{
	(void)to;
	strncat(said, line, sizeof(said) - strlen(said) - 2);
	strcat(said, "\n");
}

static struct script *open_toy(void)
{
	struct script_options o = { .root = family_root(), .kernel = "toy", .families = "tests/families",
				    .policy = scratch_path("p.lua"), .log = hear };
	struct err e = {0};
	struct script *s;

	said[0] = '\0';
	scratch_write(scratch_path("p.lua"), policy, strlen(policy));
	ck_assert_msg(script_open(&s, &o, &e) == 0, "%s", e.text);
	family_set_device(s);
	return s;
}

/* How many of an array's candidates are of `steps`. */
static size_t count_steps(const json_t *candidates)
{
	size_t n = 0, i;
	json_t *c;

	json_array_foreach((json_t *)candidates, i, c)
		n += !strcmp(json_string_value(json_object_get(c, "variant")), "steps");
	return n;
}

START_TEST(it_is_asked_before_legal_and_says_why)
{
	struct script *s = open_toy();
	json_t *wide = family_problem(s, "n=64 m=8"), *narrow = family_problem(s, "n=64 m=7");
	json_t *steps = family_candidate(s, "steps TILE=8");
	struct err e = {0};
	struct buf why;

	buf_init(&why);
	ck_assert_int_eq(script_fits(s, wide, "steps", &why, &e), 1);
	ck_assert_int_eq(script_legal(s, wide, steps, &why, &e), 1);
	ck_assert_int_eq(script_fits(s, narrow, "plain", &why, &e), 1);
	ck_assert_uint_eq(why.len, 0);
	ck_assert_int_eq(script_legal(s, narrow, steps, &why, &e), 0);
	ck_assert_str_eq(buf_text(&why), "rows of 7");
	ck_assert_int_eq(script_fits(s, narrow, "steps", &why, &e), 0);
	ck_assert_int_lt(script_fits(s, narrow, "none", &why, &e), 0);
	buf_free(&why);
	json_decref(steps);
	json_decref(wide);
	json_decref(narrow);
	script_close(s);
}
END_TEST

START_TEST(samples_leave_it_out)
{
	struct script *s = open_toy();
	json_t *narrow = family_problem(s, "n=64 m=7"), *candidates;
	struct err e = {0};

	ck_assert_int_eq(script_sample(s, narrow, "steps", 5, 3, &candidates, &e), 0);
	ck_assert_uint_eq(json_array_size(candidates), 0);
	json_decref(candidates);
	ck_assert_int_eq(script_sample(s, narrow, NULL, 100, 3, &candidates, &e), 0);
	ck_assert_uint_eq(json_array_size(candidates), 12);
	ck_assert_uint_eq(count_steps(candidates), 0);
	json_decref(candidates);
	json_decref(narrow);
	script_close(s);
}
END_TEST

/* 0: it fits and is there. 1: it does not. 2: it fits, but a recorded run has none of it. */
START_TEST(policies_do_not_see_it)
{
	struct script *s = open_toy();
	json_t *problem = family_problem(s, _i == 1 ? "n=64 m=7" : "n=64 m=8"), *candidates, *notes;
	json_t *only = json_pack("[s, s]", "plain BLOCK=64 PATH=direct UNROLL=1", "plain BLOCK=128 PATH=direct UNROLL=1");
	struct script_run run = { .problem = problem, .seed = 1, .trials = 20, .only = _i == 2 ? only : NULL };
	struct err e = {0};
	long dropped;

	ck_assert_msg(script_policy_begin(s, &run, NULL, &e) == 0, "%s", e.text);
	ck_assert_int_eq(script_policy_ask(s, 20, 0, &candidates, &dropped, &notes, &e), 0);
	ck_assert_str_eq(said, _i == 0 ? "has plain\nhas steps\n" : "has plain\n");
	ck_assert_uint_gt(json_array_size(candidates), 0);
	ck_assert_int_eq(count_steps(candidates) > 0, _i == 0);
	json_decref(candidates);
	json_decref(notes);
	json_decref(only);
	json_decref(problem);
	script_close(s);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("fits");

	tcase_set_timeout(cases, 60);
	tcase_add_checked_fixture(cases, scratch_make, scratch_remove);
	tcase_add_test(cases, it_is_asked_before_legal_and_says_why);
	tcase_add_test(cases, samples_leave_it_out);
	tcase_add_loop_test(cases, policies_do_not_see_it, 0, 3);
	return scratch_run("policy_fits", cases);
}
