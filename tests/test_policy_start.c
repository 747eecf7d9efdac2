/* start(): what a search tries first of a variant, by problem and device; what is no start is told by file and axis, and no search
 * begins. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "attune/script.h"
#include "family.h"
#include "scratch.h"

/* With the policy's defaults, on an invented device of 132 SMs. */
static struct script *open_variant(const char *start)
{
	char root[4096];
	struct script_options o = { .root = root, .kernel = "t", .policy = scratch_path("p.lua") };
	char variant[2048];
	struct script *s;
	struct err e = {0};

	snprintf(variant, sizeof variant,
		 "return variant { source = 'v.cu', min_cc = 80,\n"
		 "  axes = { axis { 'A', values = { 1, 2, 4 }, default = 2 }, axis { 'B', values = { 'x', 'y' }, default = 'x' } },\n"
		 "  legal = function(c) if c.A == 4 and c.B == 'y' then return false, 'both' end return true end,\n"
		 "  %s launch = function() return {} end }\n", start);
	ck_assert_msg(family_make(&s, NULL, NULL, variant, &e) == 0, "%s", e.text);
	script_close(s);
	snprintf(root, sizeof root, "%s", scratch_path(""));
	scratch_write(scratch_path("p.lua"), "", 0);
	o.policy = scratch_path("p.lua");
	ck_assert_msg(script_open(&s, &o, &e) == 0, "%s", e.text);
	family_set_device(s);
	return s;
}

static const struct {
	const char *start, *problem, *first, *tried;
} starts[] = {
	{ "", "n=8", "v A=2 B=x", "v A=2 B=x" },
	{ "start = function() return {} end,", "n=8", "v A=2 B=x", "v A=2 B=x" },
	{ "start = function() end,", "n=8", "v A=2 B=x", "v A=2 B=x" },
	{ "start = function(p) return { A = p.n > 4 and 4 or 1 } end,", "n=8", "v A=4 B=x", "v A=4 B=x" },
	{ "start = function(p) return { A = p.n > 4 and 4 or 1 } end,", "n=4", "v A=1 B=x", "v A=1 B=x" },
	{ "start = function(p, device) return { B = device.sms == 132 and 'y' or 'x' } end,", "n=8", "v A=2 B=y", "v A=2 B=y" },
	/* The nearest that is legal: one axis changed, by the fewest steps. */
	{ "start = function() return { A = 4, B = 'y' } end,", "n=8", "v A=4 B=y", "v A=2 B=y" },
};

START_TEST(the_first_candidate)
{
	struct script *s = open_variant(starts[_i].start);
	json_t *problem = family_problem(s, starts[_i].problem), *first, *candidates, *notes;
	struct script_run run = { .problem = problem, .seed = 1, .trials = 5 };
	struct err e = {0};
	struct buf text;
	long dropped;

	buf_init(&text);
	ck_assert_msg(script_first(s, problem, "v", &first, &e) == 0, "%s", e.text);
	ck_assert_int_eq(script_candidate_text(first, &text), 0);
	ck_assert_str_eq(buf_text(&text), starts[_i].first);
	buf_clear(&text);
	ck_assert_msg(script_policy_begin(s, &run, NULL, &e) == 0, "%s", e.text);
	ck_assert_int_eq(script_policy_ask(s, 1, 0, &candidates, &dropped, &notes, &e), 0);
	ck_assert_int_eq(script_candidate_text(json_array_get(candidates, 0), &text), 0);
	ck_assert_str_eq(buf_text(&text), starts[_i].tried);
	json_decref(candidates);
	json_decref(notes);
	json_decref(first);
	json_decref(problem);
	buf_free(&text);
	script_close(s);
}
END_TEST

static const struct {
	const char *start, *error;
} mistakes[] = {
	{ "start = function() return 3 end,", "kernels/t/v.lua: start: a table of axes and values expected" },
	{ "start = function() return { 'A' } end,", "kernels/t/v.lua: start: a table of axes and values expected" },
	{ "start = function() return { C = 1 } end,", "kernels/t/v.lua: start: candidate: v has no axis 'C' (known: A B)" },
	{ "start = function() return { A = 3 } end,", "kernels/t/v.lua: start: candidate: A=3 is not one of 1 2 4" },
	{ "start = function(p) return { A = p.m } end,", "p has no field 'm'" },
	{ "start = function() while true do end end,", "kernels/t/v.lua" },
};

START_TEST(no_search_begins_with_a_mistake)
{
	struct script *s = open_variant(mistakes[_i].start);
	json_t *problem = family_problem(s, "n=8"), *first;
	struct script_run run = { .problem = problem, .seed = 1, .trials = 5 };
	struct err e = {0}, other = {0};

	ck_assert_int_lt(script_first(s, problem, "v", &first, &e), 0);
	ck_assert_ptr_null(first);
	ck_assert_msg(strstr(e.text, mistakes[_i].error) != NULL, "%s", e.text);
	ck_assert_int_lt(script_policy_begin(s, &run, NULL, &other), 0);
	ck_assert_msg(strstr(other.text, mistakes[_i].error) != NULL, "%s", other.text);
	json_decref(problem);
	script_close(s);
}
END_TEST

START_TEST(where_the_variant_does_not_fit_it_is_not_asked)
{
	struct script *s = open_variant("fits = function(p) return p.n > 4, 'short' end, start = function(p) error('asked') end,");
	json_t *short_one = family_problem(s, "n=4"), *other = family_problem(s, "n=8");
	struct script_run run = { .problem = short_one, .seed = 1, .trials = 5 };
	struct err e = {0};

	ck_assert_msg(script_policy_begin(s, &run, NULL, &e) == 0, "%s", e.text);
	run.problem = other;
	ck_assert_int_lt(script_policy_begin(s, &run, NULL, &e), 0);
	ck_assert_msg(strstr(e.text, "asked") != NULL, "%s", e.text);
	json_decref(short_one);
	json_decref(other);
	script_close(s);
}
END_TEST

/* What attn's variants say is legal as it stands, or a search would begin elsewhere without a word, and can be put into a header. */
static int check_starts(struct script *s, const char *text)
{
	json_t *p = family_problem(s, text), *v, *first, *launch;
	int said = 0;
	size_t i;

	json_array_foreach(json_object_get(script_family(s), "variants"), i, v) {
		const char *name = json_string_value(json_object_get(v, "name"));
		json_t *plain = family_candidate(s, name);
		struct err e = {0};
		struct buf why;

		buf_init(&why);
		if (script_fits(s, p, name, &why, &e) == 1) {
			ck_assert_msg(script_first(s, p, name, &first, &e) == 0, "%s", e.text);
			if (!json_equal(first, plain)) {
				ck_assert_msg(script_legal(s, p, first, &why, &e) == 1, "%s of %s: %s%s", name, text, buf_text(&why),
					      e.text);
				ck_assert_msg(script_launch_symbolic(s, p, first, &launch, &e) == 0, "%s", e.text);
				json_decref(launch);
				said++;
			}
			json_decref(first);
		}
		buf_free(&why);
		json_decref(plain);
	}
	json_decref(p);
	return said;
}

START_TEST(attn_starts_where_it_may)
{
	struct script_options o = { .root = family_root(), .kernel = "attn" };
	struct err e = {0};
	struct script *s;
	int said = 0;
	json_t *name;
	size_t i;

	ck_assert_msg(script_open(&s, &o, &e) == 0, "%s", e.text);
	family_set_device(s);
	json_array_foreach(json_object_get(script_family(s), "problems"), i, name)
		said += check_starts(s, json_string_value(name));
	ck_assert_int_gt(said, 40);
	ck_assert_int_gt(check_starts(s, "b=1 h=32 hkv=1 sq=1 sk=131072 d=128"), 0);
	script_close(s);
}
END_TEST

/* Where they are measured (kernels/attn/README.md) to be near the winner: axes, each between spaces, that the start must have. */
static const struct {
	const char *problem, *variant, *axes;
} measured[] = {
	{ "decode", "decode", " PRODUCTS=mma BLOCK_N=64 GROUPS=4 STAGES=1 SPLIT=1 " },
	{ "decode4", "decode", " PRODUCTS=mma BLOCK_N=64 GROUPS=4 STAGES=1 SPLIT=2 " },
	{ "decode1long", "decode", " PRODUCTS=mma BLOCK_N=64 GROUPS=4 STAGES=1 SPLIT=8 PARTS=1 " },
	{ "b8h32kv1-q1k8192-d128", "decode", " BLOCK_M=32 WARP_M=16 PRODUCTS=wgmma BLOCK_N=128 GROUPS=2 STAGES=1 SPLIT=8 PARTS=1 " },
	{ "b4h64kv8-q8k4096-d128-causal", "decode", " BLOCK_M=64 WARP_M=16 PRODUCTS=wgmma BLOCK_N=128 GROUPS=2 STAGES=1 SPLIT=2 " },
	{ "b=8 h=128 hkv=8 sq=1 sk=4096 d=128", "decode", " BLOCK_M=16 WARP_M=16 PRODUCTS=mma " },
	{ "b=1 h=32 hkv=1 sq=1 sk=131072 d=128", "decode", " SPLIT=8 PARTS=8 " },
	{ "b1h32kv8-q64k8192-d128-causal", "decode", " WARP_M=16 PRODUCTS=wgmma BLOCK_N=128 GROUPS=2 STAGES=1 SPLIT=1 PARTS=4 " },
	{ "b=1 h=32 hkv=8 sq=32 sk=8192 d=128 causal=1", "decode", " PRODUCTS=wgmma BLOCK_N=128 GROUPS=2 STAGES=1 SPLIT=1 PARTS=8 " },
	{ "b=4 h=128 hkv=1 sq=1 sk=4096 d=128", "decode", " BLOCK_M=64 WARP_M=16 PRODUCTS=wgmma BLOCK_N=128 GROUPS=2 STAGES=1 SPLIT=8 " },
	{ "b1h8-q512k16384-d128", "hopper", " CONSUMERS=2 SPLIT_K=1 BLOCK_N=96 STAGES=3 " },
	{ "b1h8-q512k16384-d128", "hopper", " CTAS=132 AHEAD=2 TAIL=shared " },
	{ "b1h32kv8-q64k8192-d128-causal", "hopper", " CTAS=132 AHEAD=2 TAIL=shared " },
	{ "b=1 h=8 sq=256 sk=4096 d=256", "hopper", " CTAS=132 AHEAD=1 TAIL=shared " },
	{ "b=1 h=1 sq=4096 d=64 causal=1", "hopper", " CTAS=132 AHEAD=2 TAIL=shared " },
	{ "b2h10-q4096k77-d64", "hopper", " CONSUMERS=1 SPLIT_K=1 BLOCK_N=80 " },
	{ "b2h10-q4096k77-d64", "hopper", " MIN_BLOCKS=3 CTAS=396 AHEAD=2 " },
	{ "b=16 h=16 sq=256 d=64 causal=1", "hopper", " MIN_BLOCKS=3 CTAS=396 AHEAD=2 TAIL=whole SECTION=0 " },
	{ "b=1 h=16 sq=1 sk=32768 d=64", "decode", " PRODUCTS=mma BLOCK_N=64 GROUPS=8 STAGES=1 SPLIT=4 " },
	{ "b16h16-q1k1024-d64", "decode", " PRODUCTS=mma BLOCK_N=64 GROUPS=4 STAGES=1 SPLIT=1 " },
	{ "b=2 h=20 sq=1024 d=64", "hopper", " CONSUMERS=3 SPLIT_K=1 BLOCK_N=128 " },
	{ "b=2 h=20 sq=1024 d=64", "hopper", " CTAS=132 AHEAD=2 TAIL=whole " },
	{ "ragged", "hopper", " CONSUMERS=2 SPLIT_K=2 BLOCK_N=80 STAGES=6 " },
	{ "long", "hopper", " CONSUMERS=2 SPLIT_K=2 BLOCK_N=128 STAGES=4 " },
	{ "b1h8-s1024-d64-causal", "hopper", " CONSUMERS=2 SPLIT_K=2 BLOCK_N=64 STAGES=4 " },
	{ "b1h16-s512-d96", "hopper", " CONSUMERS=2 SPLIT_K=2 BLOCK_N=64 STAGES=6 " },
	{ "b1h16-s512-d192", "hopper", " CONSUMERS=1 SPLIT_K=1 BLOCK_N=128 STAGES=2 " },
	{ "b16h12-s197-d64", "hopper", " BLOCK_N=112 " },
};

START_TEST(attn_starts_where_it_was_measured)
{
	struct script_options o = { .root = family_root(), .kernel = "attn" };
	struct err e = {0};
	struct script *s;
	json_t *p, *first;
	struct buf text;

	buf_init(&text);
	ck_assert_msg(script_open(&s, &o, &e) == 0, "%s", e.text);
	family_set_device(s);
	p = family_problem(s, measured[_i].problem);
	ck_assert_msg(script_first(s, p, measured[_i].variant, &first, &e) == 0, "%s", e.text);
	ck_assert_int_eq(script_candidate_text(first, &text), 0);
	ck_assert_msg(strstr(buf_text(&text), measured[_i].axes) != NULL, "%s: %s", measured[_i].problem, buf_text(&text));
	json_decref(first);
	json_decref(p);
	buf_free(&text);
	script_close(s);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("start");

	tcase_set_timeout(cases, 60);
	tcase_add_checked_fixture(cases, scratch_make, scratch_remove);
	tcase_add_loop_test(cases, the_first_candidate, 0, (int)(sizeof starts / sizeof *starts));
	tcase_add_loop_test(cases, no_search_begins_with_a_mistake, 0, (int)(sizeof mistakes / sizeof *mistakes));
	tcase_add_test(cases, where_the_variant_does_not_fit_it_is_not_asked);
	tcase_add_test(cases, attn_starts_where_it_may);
	tcase_add_loop_test(cases, attn_starts_where_it_was_measured, 0, (int)(sizeof measured / sizeof *measured));
	return scratch_run("policy_start", cases);
}
