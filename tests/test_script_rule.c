/* script_rule: the quick way to legality says what legal() says, called in full for each candidate, whatever legal() does
 * with its arguments: all candidates of small families are drawn (the quick way) and asked one by one (in full). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "attune/chip.h"
#include "attune/script.h"
#include "family.h"
#include "scratch.h"

/* Two axes of 3 and 4 values, and `legal`. */
static const char *variant_of(const char *legal)
{
	static char text[8192];

	snprintf(text, sizeof(text),
		 "return variant { source = 'v.cu', min_cc = 80,\n"
		 "  axes = { axis { 'A', values = { 1, 2, 4 } }, axis { 'B', values = { 'x', 'y', 'z', 'w' } } },\n"
		 "  legal = function(c, p, device) %s end,\n"
		 "  launch = function(c, p) return { entry = 'v', grid = { p.n }, block = { 32 }, args = { 'y' } } end,\n"
		 "}\n", legal);
	return text;
}

static bool drawn(const json_t *candidates, const json_t *candidate)
{
	size_t i;
	json_t *c;

	json_array_foreach((json_t *)candidates, i, c)
		if (json_equal(c, candidate))
			return true;
	return false;
}

/* All 12 candidates: how many are legal, and that exactly those are drawn. */
static size_t check_all(struct script *s)
{
	json_t *problem = family_problem(s, "seed"), *candidates = NULL;
	size_t legal = 0;
	struct err e = { 0 };

	ck_assert_msg(script_sample(s, problem, NULL, 100, 7, &candidates, &e) == 0, "%s", e.text);
	for (int i = 0; i < 12; i++) {
		char text[64];
		json_t *c;
		struct buf why;
		int rc;

		snprintf(text, sizeof(text), "v A=%d B=%c", 1 << i % 3, "xyzw"[i / 3]);
		c = family_candidate(s, text);
		buf_init(&why);
		rc = script_legal(s, problem, c, &why, &e);
		ck_assert_msg(rc >= 0, "%s", e.text);
		ck_assert_msg(drawn(candidates, c) == (rc == 1), "%s: legal %d, drawn %d", text, rc, drawn(candidates, c));
		legal += rc == 1;
		buf_free(&why);
		json_decref(c);
	}
	ck_assert_uint_eq(json_array_size(candidates), legal);
	json_decref(candidates);
	json_decref(problem);
	return legal;
}

static const struct {
	const char *legal;
	size_t count;
} cases[] = {
	{ "return true", 12 },
	{ "return c.A < 4, 'too many'", 8 },
	{ "if c.A == 1 then return true end return c.B ~= 'x', 'no x'", 10 },
	{ "return c.variant == 'v' and p.n == 512 and device.cc[1] == 9 and device.sms == 132", 12 },
	/* What is assigned is the call's own. */
	{ "local ok = p.n == 512 and device.sms == 132 and device.cc[2] == 0 and c.A < 5 c.A = 9 p.n = 1 device.sms = 0 "
	  "device.cc[2] = 7 return ok and c.A == 9 and p.n == 1, 'changed'", 12 },
	{ "c.A = 4 p.extra = 1 return c.A == 4 and c.B ~= 'w', 'no w'", 9 },
	/* Fields are seen by whatever looks. */
	{ "local n = 0 for k, v in pairs(c) do n = n + 1 end return n == 3 and rawget(c, 'A') ~= 2, 'no 2'", 8 },
	{ "local t = {} for k in pairs(p) do t[#t + 1] = k end return #t >= 1 and rawget(p, 'n') == 512 and "
	  "rawget(device, 'sms') == 132 and rawget(c, 'B') ~= 'y', 'no y'", 9 },
	{ "local n = 0 for k in pairs(device) do if k == 'cc' then n = 1 end end return n == 1, 'no cc'", 12 },
	{ "rawset(c, 'A', 2) return c.A == 2 and c.B == 'x', 'only x'", 3 },
	{ "setmetatable(c, { __index = function() return 'gone' end }) return c.A ~= 1 and c.C == 'gone', 'no 1'", 8 },
	{ "local m = setmetatable({}, { __index = c }) return m.A == 2, 'only 2'", 4 },
	{ "return (pcall(function() return c.C end)) == false and (pcall(function() return p.zz end)) == false and c.A == 1, "
	  "'only 1'", 4 },
	/* Reads that differ from call to call; the answers do not. */
	{ "seen = rawget(_G or {}, 'seen') return c.A == 4, 'only 4'", 4 },
	{ "local first = state.n % 2 == 0 state.n = state.n + 1 if first then local x = c.B end return c.A == 2, 'only 2'", 4 },
	{ "if cache[c.A] == nil then cache[c.A] = c.A > 1 local b = c.B end return cache[c.A], 'only more'", 8 },
};

START_TEST(quick_is_right)
{
	static const char head[] = "local state, cache = { n = 0 }, {}\n_G = {}\n";
	char text[9000];
	struct script *s;
	struct err e = { 0 };

	snprintf(text, sizeof(text), "%s%s", head, variant_of(cases[_i].legal));
	ck_assert_msg(family_make(&s, NULL, NULL, text, &e) == 0, "%s", e.text);
	family_set_device(s);
	ck_assert_uint_eq(check_all(s), cases[_i].count);
	/* Again, with what was learned gone. */
	ck_assert_uint_eq(check_all(s), cases[_i].count);
	script_close(s);
}
END_TEST

static const char *const failing[][2] = {
	{ "return c.C", "kernels/t/v.lua:3: c has no field 'C' (known: A B variant)" },
	{ "return p.m", "kernels/t/v.lua:3: p has no field 'm' (known: n)" },
	{ "return 'yes'", "kernels/t/v.lua: legal: true, or false and why, expected" },
	{ "return c.A > 9", "kernels/t/v.lua: legal: true, or false and why, expected" },
	{ "error('no')", "kernels/t/v.lua:3: no" },
	{ "while c.A do end", "more than 200 million steps in one call" },
};

/* Words come from the full call, the same as ever. */
START_TEST(failures_are_worded)
{
	struct script *s;
	struct err e = { 0 };
	json_t *problem, *candidates;

	ck_assert_msg(family_make(&s, NULL, NULL, variant_of(failing[_i][0]), &e) == 0, "%s", e.text);
	family_set_device(s);
	problem = family_problem(s, "seed");
	ck_assert_int_lt(script_sample(s, problem, NULL, 5, 1, &candidates, &e), 0);
	ck_assert_ptr_null(candidates);
	ck_assert_msg(strstr(e.text, failing[_i][1]) != NULL, "%s", e.text);
	json_decref(problem);
	script_close(s);
}
END_TEST

START_TEST(a_variant_for_other_devices_has_none)
{
	struct script *s;
	struct err e = { 0 };
	json_t *problem, *candidates, *device;

	ck_assert_msg(family_make(&s, NULL, NULL, variant_of("return true"), &e) == 0, "%s", e.text);
	ck_assert_int_eq(chip_device("sm_75", &device, &e), 0);
	ck_assert_int_eq(script_set_device(s, device, &e), 0);
	json_decref(device);
	problem = family_problem(s, "seed");
	ck_assert_int_eq(script_sample(s, problem, NULL, 5, 1, &candidates, &e), 0);
	ck_assert_uint_eq(json_array_size(candidates), 0);
	json_decref(candidates);
	json_decref(problem);
	script_close(s);
}
END_TEST

/* Of every one-axis change of random candidates: whether it is a neighbour (quick), and whether it is legal (in full). */
static const char AGREE[] =
	"function seed(run)\n"
	"  local asked, wrong = 0, 0\n"
	"  for _ = 1, 40 do\n"
	"    local c, near = run.space:random(), {}\n"
	"    for _, d in ipairs(run.space:neighbours(c, 'any')) do near[run.space:key(d)] = true end\n"
	"    for _, v in ipairs(run.space.variants) do\n"
	"      for _, axis in ipairs(v.name == c.variant and v.axes or {}) do\n"
	"        local own = c[axis.name]\n"
	"        for _, value in ipairs(axis.values) do\n"
	"          c[axis.name] = value\n"
	"          if value ~= own then\n"
	"            asked = asked + 1\n"
	"            if run.space:legal(c) ~= (near[run.space:key(c)] or false) then wrong = wrong + 1 end\n"
	"          end\n"
	"        end\n"
	"        c[axis.name] = own\n"
	"      end\n"
	"    end\n"
	"  end\n"
	"  run.log('%d asked, %d wrong', asked, wrong)\n"
	"  return { run.space:random() }\n"
	"end\n";

static long asked, wrong;

static void hear(void *to, const char *line)
{
	(void)to;
	if (sscanf(line, "%ld asked, %ld wrong", &asked, &wrong) != 2)
		ck_abort_msg("%s", line);
}

/* The attention family: what is drawn is legal in full, and neighbours are exactly what is legal in full. */
START_TEST(attention_agrees)
{
	struct script_options o = { .root = family_root(), .kernel = "attn", .policy = scratch_path("p.lua"), .log = hear };
	static const char *const problems[] = { "seed", "b=2 h=16 hkv=4 sq=1024 sk=2048 d=128 causal=1 dtype=bf16", "decode" };
	json_t *problem, *candidates, *device, *c, *notes;
	struct script_run run = { .seed = 1, .trials = 1 };
	struct err e = { 0 };
	struct script *s;
	long dropped;
	size_t i;

	scratch_write(scratch_path("p.lua"), AGREE, strlen(AGREE));
	ck_assert_msg(script_open(&s, &o, &e) == 0, "%s", e.text);
	ck_assert_int_eq(chip_device("sm_90a", &device, &e), 0);
	ck_assert_int_eq(script_set_device(s, device, &e), 0);
	json_decref(device);
	problem = family_problem(s, problems[_i]);
	ck_assert_msg(script_sample(s, problem, NULL, 1500, 3, &candidates, &e) == 0, "%s", e.text);
	ck_assert_uint_gt(json_array_size(candidates), 500);
	json_array_foreach(candidates, i, c) {
		struct buf why;

		buf_init(&why);
		ck_assert_msg(script_legal(s, problem, c, &why, &e) == 1, "%s %s", buf_text(&why), e.text);
		buf_free(&why);
	}
	json_decref(candidates);
	asked = wrong = -1;
	run.problem = problem;
	ck_assert_msg(script_policy_begin(s, &run, NULL, &e) == 0, "%s", e.text);
	ck_assert_msg(script_policy_ask(s, 1, 0, &candidates, &dropped, &notes, &e) == 0, "%s", e.text);
	ck_assert_uint_eq(json_array_size(notes), 0);
	ck_assert_int_gt(asked, 500);
	ck_assert_int_eq(wrong, 0);
	json_decref(notes);
	json_decref(candidates);
	json_decref(problem);
	script_close(s);
}
END_TEST

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* 45 proposals of the default policy in the attention family, with made-up times: under 5 ms each. */
START_TEST(a_live_proposal_is_cheap)
{
	struct script_options o = { .root = family_root(), .kernel = "attn", .policy = "lua/policy.lua" };
	struct script_run run = { .seed = 1, .trials = 45 };
	struct err e = { 0 };
	json_t *device, *problem;
	struct script *s;
	double spent = 0;

	ck_assert_msg(script_open(&s, &o, &e) == 0, "%s", e.text);
	ck_assert_int_eq(chip_device("sm_90a", &device, &e), 0);
	ck_assert_int_eq(script_set_device(s, device, &e), 0);
	json_decref(device);
	run.problem = problem = family_problem(s, "seed");
	ck_assert_msg(script_policy_begin(s, &run, NULL, &e) == 0, "%s", e.text);
	for (long n = 0; n < 45;) {
		json_t *candidates, *notes, *c;
		double begun = cpu_s();
		long dropped;
		size_t i;

		ck_assert_msg(script_policy_ask(s, 45 - n, 0, &candidates, &dropped, &notes, &e) == 0, "%s", e.text);
		spent += cpu_s() - begun;
		ck_assert_uint_eq(json_array_size(notes), 0);
		ck_assert_uint_gt(json_array_size(candidates), 0);
		json_array_foreach(candidates, i, c) {
			json_t *trial = json_pack("{s:O, s:s, s:s, s:f}", "candidate", c, "verdict", "ok", "why", "", "time_us",
						  10.0 + (double)(n++ * 7 % 11));

			ck_assert_msg(script_policy_tell(s, trial, 0, &e) == 0, "%s", e.text);
			json_decref(trial);
		}
		json_decref(candidates);
		json_decref(notes);
	}
	printf("a proposal costs %.2f ms\n", 1e3 * spent / 45);
#ifndef __SANITIZE_ADDRESS__
	ck_assert_msg(spent / 45 < 5e-3, "%.2f ms", 1e3 * spent / 45);
#endif
	json_decref(problem);
	script_close(s);
}
END_TEST

#define COUNT(list) (int)(sizeof(list) / sizeof(*(list)))

int main(void)
{
	TCase *t = tcase_create("script_rule");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, scratch_make, scratch_remove);
	tcase_add_loop_test(t, quick_is_right, 0, COUNT(cases));
	tcase_add_loop_test(t, failures_are_worded, 0, COUNT(failing));
	tcase_add_test(t, a_variant_for_other_devices_has_none);
	tcase_add_loop_test(t, attention_agrees, 0, 3);
	tcase_add_test(t, a_live_proposal_is_cheap);
	return scratch_run("script_rule", t);
}
