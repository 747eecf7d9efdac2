/* test_chip: limits and occupancy against values of NVIDIA's own calculator (cuda_occupancy.h of CUDA 13.0), and the order
 * in which the static score puts kernels. No test says what a score is, only which of two is lower. */
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

/* The score of one kernel on sm_89, for 4096 * 4096 * 64 operations. */
struct kernel {
	int ctas, threads, regs, smem, spills, hmma, ffma, mufu, steps;
};

static double score(struct kernel k)
{
	json_t *d = chip("sm_89"), *steps = json_array(), *launch, *spec = json_pack("{s:I}", "flops", (json_int_t)1 << 30);
	json_t *resources = json_pack("{s:i, s:i, s:i, s:[{s:s, s:{s:i, s:i, s:i, s:i}}]}", "regs", k.regs, "spill_store_bytes",
				      k.spills, "spill_load_bytes", k.spills, "kernels", "name", "k", "mix", "HMMA", k.hmma,
				      "FFMA", k.ffma, "MUFU", k.mufu, "LDSM", k.hmma / 4);
	double s;

	for (int i = 0; i < k.steps; i++)
		json_array_append_new(steps, i ? json_pack("{s:{s:i}}", "memset", "bytes", 4) :
						 json_pack("{s:s, s:[i,i,i], s:[i,i,i], s:i}", "entry", "k", "grid", k.ctas, 1, 1,
							   "block", k.threads, 1, 1, "smem", k.smem));
	launch = json_pack("{s:o}", "steps", steps);
	s = chip_score(d, resources, launch, spec);
	json_decref(d);
	json_decref(launch);
	json_decref(spec);
	json_decref(resources);
	return s;
}

static const struct kernel plain = { .ctas = 116, .threads = 128, .regs = 128, .smem = 32768, .hmma = 64, .ffma = 64,
				     .mufu = 32, .steps = 1 };

START_TEST(better_is_lower)
{
	struct kernel k = plain;
	double base = score(plain);

	ck_assert(isfinite(base) && base > 0);
	k.spills = 64;
	ck_assert_double_gt(score(k), 2 * (base - 1000)); /* spills cost dearly */
	k = plain;
	k.mufu = 64;
	ck_assert_double_gt(score(k), base); /* more instructions for the same products */
	k = plain;
	k.steps = 2;
	ck_assert_double_gt(score(k), base); /* one more thing to start */
	k = plain;
	k.ctas = 29;
	ck_assert_double_gt(score(k), base); /* half of the SMs idle */
	k = plain;
	k.ctas = 117;
	ck_assert_double_gt(score(k), base); /* one CTA too many for two on each SM */
	k = plain;
	k.regs = 255;
	k.smem = 90000;
	ck_assert_double_gt(score(k), base); /* one CTA an SM at a time hides less */
	k = plain;
	k.hmma = 0;
	k.ffma = 128;
	ck_assert_double_gt(score(k), 2 * base); /* no tensor cores */
}
END_TEST

START_TEST(impossible_is_infinite)
{
	struct kernel k = plain;

	k.smem = 102400;
	ck_assert(isinf(score(k)));
	k = plain;
	k.steps = 0;
	ck_assert(isinf(score(k)));
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
	tcase_add_test(tc, better_is_lower);
	tcase_add_test(tc, impossible_is_infinite);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
