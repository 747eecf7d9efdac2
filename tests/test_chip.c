/* test_chip: limits and occupancy against values of NVIDIA's own calculator (cuda_occupancy.h of CUDA 13.0), and what
 * the static prediction is made from, by hand for one kernel; of the score only which of two is lower. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attune/chip.h"

static json_t *chip(const char *arch)
{
	struct err e = { 0 };
	json_t *d;

	ck_assert_msg(chip_device(arch, &d, &e) == 0, "%s", e.text);
	return d;
}

START_TEST(devices)
{
	json_t *d = chip("sm_90a");
	struct err e = { 0 };

	ck_assert_str_eq(json_string_value(json_object_get(d, "name")), "sm_90a (limits only)");
	ck_assert_str_eq(json_string_value(json_object_get(d, "arch")), "sm_90a");
	ck_assert_int_eq(json_integer_value(json_object_get(d, "smem_block_bytes")), 232448);
	ck_assert_int_eq(json_integer_value(json_array_get(json_object_get(d, "cc"), 0)), 9);
	json_decref(d);
	d = chip("compute_89");
	ck_assert_int_eq(json_integer_value(json_object_get(d, "cc_number")), 89);
	json_decref(d);
	ck_assert_int_lt(chip_device("sm_70", &d, &e), 0);
	ck_assert_ptr_null(d);
	ck_assert_int_eq(strncmp(e.text, "no limits are known of sm_70, only of sm_75 sm_80 ", 50), 0);
	ck_assert_int_lt(chip_device("sm_90b", &d, NULL), 0);
	ck_assert_int_lt(chip_device("gfx90a", &d, NULL), 0);
}
END_TEST

static const struct {
	const char *arch;
	long threads, regs, smem;
	int ctas;
	const char *limit;
} fits[] = {
	{ "sm_90a", 128, 128, 0, 4, "registers" },
	{ "sm_90a", 128, 168, 0, 3, "registers" },
	{ "sm_90a", 128, 32, 51200, 4, "shared memory" },
	{ "sm_90a", 128, 32, 232448, 1, "shared memory" },
	{ "sm_90a", 128, 32, 232449, 0, "shared memory" },
	{ "sm_90a", 1024, 32, 0, 2, "threads" },
	{ "sm_90a", 32, 32, 0, 32, "CTAs" },
	{ "sm_90a", 1056, 16, 0, 0, "threads" },
	{ "sm_89", 128, 255, 0, 2, "registers" },
	{ "sm_89", 32, 16, 0, 24, "CTAs" },
	{ "sm_86", 32, 16, 0, 16, "CTAs" },
	{ "sm_89", 128, 64, 50176, 2, "shared memory" },
	{ "sm_89", 128, 64, 50177, 1, "shared memory" },
	{ "sm_75", 256, 64, 32768, 2, "shared memory" },
	{ "sm_75", 1024, 65, 0, 0, "registers" },
};

START_TEST(occupancy)
{
	json_t *d = chip(fits[_i].arch);
	const char *limit = NULL;

	ck_assert_int_eq((int)chip_occupancy(d, fits[_i].threads, fits[_i].regs, fits[_i].smem, &limit), fits[_i].ctas);
	ck_assert_str_eq(limit, fits[_i].limit);
	json_decref(d);
}
END_TEST

/* The score of one kernel on sm_89, of which one warp does so much. */
struct kernel {
	int ctas, threads, regs, smem, latency, issued, hmma, mufu, shared, loads, steps;
};

static json_t *facts_of(struct kernel k)
{
	json_t *d = chip("sm_89"), *steps = json_array(), *traces = json_array(), *facts;
	json_t *resources = json_pack("{s:i, s:i, s:i}", "regs", k.regs, "spill_store_bytes", 8, "spill_load_bytes", 12);

	for (int i = 0; i < k.steps; i++) {
		json_array_append_new(steps, i ? json_pack("{s:{s:i}}", "memset", "bytes", 4) :
						 json_pack("{s:s, s:[i,i,i], s:[i,i,i], s:i}", "entry", "k", "grid", k.ctas, 1, 1,
							   "block", k.threads, 1, 1, "smem", k.smem));
		json_array_append_new(traces, i ? json_null() :
						  json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:f}", "latency", k.latency, "issued",
							    k.issued, "tensor_cycles", 8 * k.hmma, "mufu", k.mufu, "shared_cycles",
							    k.shared, "loads", k.loads, "trips", 2.5));
	}
	facts = chip_static(d, resources, steps, traces);
	json_decref(d);
	json_decref(steps);
	json_decref(traces);
	json_decref(resources);
	return facts;
}

static double score(struct kernel k)
{
	json_t *facts = facts_of(k);
	double s = chip_score(facts);

	json_decref(facts);
	return s;
}

static const struct kernel plain = { .ctas = 116, .threads = 128, .regs = 128, .smem = 32768, .latency = 3000, .issued = 1000,
				     .hmma = 64, .mufu = 32, .shared = 200, .loads = 4, .steps = 1 };

static long fact(const json_t *facts, const char *key)
{
	const json_t *v = json_object_get(facts, key);

	ck_assert_msg(json_is_number(v), "%s", key);
	return lround(json_number_value(v));
}

/* 116 CTAs of 4 warps on 58 SMs: two on each, one warp of each on each of the four schedulers. */
START_TEST(what_keeps_an_sm_busy)
{
	json_t *facts = facts_of(plain);

	ck_assert_int_eq(fact(facts, "ctas"), 116);
	ck_assert_int_eq(fact(facts, "threads"), 128);
	ck_assert_int_eq(fact(facts, "regs"), 128);
	ck_assert_int_eq(fact(facts, "spill_bytes"), 20);
	ck_assert_int_eq(fact(facts, "smem_bytes"), 32768);
	ck_assert_int_eq(fact(facts, "occupancy"), 3);
	ck_assert_int_eq(fact(facts, "waves"), 1);
	ck_assert_int_eq(fact(facts, "steps"), 1);
	ck_assert_double_eq(json_number_value(json_object_get(facts, "trips")), 2.5);
	ck_assert_int_eq(fact(facts, "latency_cycles"), 3000);
	ck_assert_int_eq(fact(facts, "issue_cycles"), 2 * 1000);
	ck_assert_int_eq(fact(facts, "tensor_cycles"), 2 * 8 * 64);
	ck_assert_int_eq(fact(facts, "mufu_cycles"), 2 * 8 * 32);
	ck_assert_int_eq(fact(facts, "shared_cycles"), 8 * 200);
	ck_assert_int_eq(fact(facts, "global_cycles"), 8 * 4 * 512 / 64);
	/* A little more than the longest, what the tensor cores take and one wave's start. */
	ck_assert_double_gt(chip_score(facts), 3000 + 1024 + 1000);
	ck_assert_double_lt(chip_score(facts), 1.1 * 3000 + 1024 + 1000);
	json_object_del(facts, "mufu_cycles");
	ck_assert(isinf(chip_score(facts)));
	json_decref(facts);
	ck_assert(isinf(chip_score(NULL)));
}
END_TEST

START_TEST(better_is_lower)
{
	struct kernel k = plain;
	double base = score(plain);

	k.latency = 4000;
	ck_assert_double_gt(score(k), base);
	k = plain;
	k.loads = 400; /* more than all else */
	ck_assert_double_gt(score(k), 2 * base);
	k = plain;
	k.steps = 2;
	ck_assert_double_eq_tol(score(k), base + 1000, 1e-6); /* one more thing to start */
	k = plain;
	k.ctas = 117;
	ck_assert_double_gt(score(k), base); /* three CTAs on one SM */
	k = plain;
	k.regs = 255; /* two CTAs an SM: no change; */
	ck_assert_double_eq_tol(score(k), base, 1e-6);
	k.smem = 60000; /* one at a time: two waves, neither of which hides the other's latency */
	ck_assert_double_gt(score(k), base + 3000 + 900);
}
END_TEST

START_TEST(impossible_is_infinite)
{
	struct kernel k = plain;

	k.smem = 102400;
	ck_assert_ptr_null(facts_of(k));
	ck_assert(isinf(score(k)));
	k = plain;
	k.steps = 0;
	ck_assert_ptr_null(facts_of(k));
}
END_TEST

/* The step that does the work, not the one that is bigger or comes first. */
START_TEST(the_main_step_has_the_products)
{
	json_t *kernels = json_pack("[{s:s, s:{s:i}}, {s:s, s:{s:i}}]", "name", "merge", "mix", "FFMA", 900, "name", "mma", "mix",
				    "HMMA", 8);
	json_t *steps = json_pack("[{s:{}}, {s:s, s:[i], s:[i]}, {s:s, s:[i], s:[i]}]", "memset", "entry", "merge", "grid", 999,
				  "block", 999, "entry", "mma", "grid", 10, "block", 32);

	ck_assert_uint_eq(chip_main_step(kernels, steps), 2);
	json_decref(kernels);
	json_decref(steps);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("chip");
	Suite *suite = suite_create("chip");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, devices);
	tcase_add_loop_test(tc, occupancy, 0, (int)(sizeof fits / sizeof *fits));
	tcase_add_test(tc, what_keeps_an_sm_busy);
	tcase_add_test(tc, better_is_lower);
	tcase_add_test(tc, the_main_step_has_the_products);
	tcase_add_test(tc, impossible_is_infinite);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
