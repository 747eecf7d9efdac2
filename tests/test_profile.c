/* test_profile: ncu's tables, wide and long, whole and damaged. The figures are made up. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attune/profile.h"
#include "scratch.h"

#define ISSUE "sm__inst_issued.avg.pct_of_peak_sustained_elapsed"
#define TENSOR "sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_elapsed"
#define XU "sm__inst_executed_pipe_xu.avg.pct_of_peak_sustained_elapsed"
#define SHARED "l1tex__data_pipe_lsu_wavefronts_mem_shared.avg.pct_of_peak_sustained_elapsed"
#define L2 "lts__t_sectors.avg.pct_of_peak_sustained_elapsed"
#define DRAM "dram__throughput.avg.pct_of_peak_sustained_elapsed"
#define WARPS "sm__warps_active.avg.pct_of_peak_sustained_active"
#define WAVES "l1tex__data_pipe_lsu_wavefronts_mem_shared.sum"
#define CONFLICTS "l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum"
#define TIME "gpu__time_duration.sum"

#define WIDE_HEAD \
	"\"ID\",\"Process ID\",\"Kernel Name\",\"Block Size\",\"" DRAM "\",\"" TIME "\",\"" CONFLICTS "\",\"" WAVES "\",\"" SHARED \
	"\",\"" L2 "\",\"" XU "\",\"" ISSUE "\",\"" TENSOR "\",\"" WARPS "\"\n" \
	"\"\",\"\",\"\",\"\",\"%\",\"ns\",\"\",\"\",\"%\",\"%\",\"%\",\"%\",\"%\",\"%\"\n"

static json_t *read_log(const char *log, const char *why_holds)
{
	struct buf why;
	json_t *p;

	buf_init(&why);
	p = profile_read(log, strlen(log), &why);
	if (why_holds)
		ck_assert_msg(!p && strstr(buf_text(&why), why_holds), "'%s' does not hold '%s'", buf_text(&why), why_holds);
	else
		ck_assert_msg(p != NULL, "%s", buf_text(&why));
	buf_free(&why);
	return p;
}

static void is(const json_t *p, const char *name, double want)
{
	const json_t *v = json_object_get(p, name);

	ck_assert_msg(json_is_number(v), "no %s", name);
	ck_assert_msg(fabs(json_number_value(v) - want) < 1e-6, "%s is %g, not %g", name, json_number_value(v), want);
}

static void limit_is(const json_t *p, const char *want)
{
	const char *limit = json_string_value(json_object_get(p, "limit"));

	ck_assert_msg(want ? limit && strcmp(limit, want) == 0 : !limit, "limit %s", limit ? limit : "absent");
}

START_TEST(wide)
{
	json_t *p = read_log("==PROF== Connected to process 7 (/x/attune-run)\n==PROF== Profiling \"attn_mma\" - 0: 0%....100%\n"
			     WIDE_HEAD
			     "\"0\",\"7\",\"attn, or \"\"not\"\"\",\"(128, 1, 1)\",\"1.5\",\"4,096\",\"1,000\",\"20,000\",\"31\",\"12\","
			     "\"66.66\",\"40\",\"55.125\",\"24.9\"\n"
			     "==PROF== Disconnected from process 7\n",
			     NULL);

	is(p, "dram", 1.5);
	is(p, "shared", 31);
	is(p, "l2", 12);
	is(p, "xu", 66.66);
	is(p, "issue", 40);
	is(p, "tensor", 55.13);
	is(p, "occupancy", 24.9);
	is(p, "bank_conflicts", 5);
	is(p, "kernels", 1);
	limit_is(p, "xu");
	json_decref(p);
}
END_TEST

/* Two kernels, three parts of the time to one: 0.75 * 80 + 0.25 * 40. Conflicts are counted, not averaged. */
START_TEST(weights)
{
	json_t *p = read_log(WIDE_HEAD "\"0\",\"7\",\"a\",\"\",\"80\",\"3000\",\"0\",\"100\",\"0\",\"0\",\"0\",\"0\",\"0\",\"10\"\n"
			     "\"1\",\"7\",\"b\",\"\",\"40\",\"1000\",\"50\",\"100\",\"0\",\"0\",\"0\",\"0\",\"0\",\"50\"\n",
			     NULL);

	is(p, "dram", 70);
	is(p, "occupancy", 20);
	is(p, "bank_conflicts", 25);
	is(p, "kernels", 2);
	limit_is(p, "dram");
	json_decref(p);
	p = read_log(WIDE_HEAD "\"0\",\"7\",\"a\",\"\",\"59.9\",\"1\",\"0\",\"0\",\"1\",\"2\",\"3\",\"4\",\"5\",\"6\"\n",
		     NULL);
	limit_is(p, "latency");
	is(p, "bank_conflicts", 0);
	json_decref(p);
}
END_TEST

/* Without one of the metrics it is not known that nothing is busy; a busy one is known to be. */
START_TEST(absent)
{
	json_t *p = read_log(WIDE_HEAD "\"0\",\"7\",\"a\",\"\",\"9\",\"1\",\"n/a\",\"0\",\"1\",\"2\",\"3\",\"4\",\"(!) nan\",\"6\"\n",
			     NULL);

	ck_assert(!json_object_get(p, "tensor"));
	ck_assert(!json_object_get(p, "bank_conflicts"));
	limit_is(p, NULL);
	json_decref(p);
	p = read_log(WIDE_HEAD "\"0\",\"7\",\"a\",\"\",\"9\",\"1\",\"n/a\",\"0\",\"1\",\"2\",\"60\",\"4\",\"\",\"6\"\n", NULL);
	limit_is(p, "xu");
	json_decref(p);
}
END_TEST

START_TEST(one_a_line)
{
	json_t *p = read_log("\"ID\",\"Kernel Name\",\"Section Name\",\"Metric Name\",\"Metric Unit\",\"Metric Value\"\n"
			     "\"0\",\"k(int)\",\"Command line profiler metrics\",\"" ISSUE "\",\"%\",\"61.25\"\n"
			     "\"0\",\"k(int)\",\"Command line profiler metrics\",\"" TIME "\",\"ns\",\"1,024\"\n"
			     "\"0\",\"k(int)\",\"Command line profiler metrics\",\"" WARPS "\",\"%\",\"12.5\"\n", NULL);

	is(p, "issue", 61.25);
	is(p, "occupancy", 12.5);
	is(p, "kernels", 1);
	limit_is(p, "issue");
	json_decref(p);
}
END_TEST

START_TEST(refused)
{
	read_log("", "no report");
	read_log("==PROF== Connected to process 7\n==WARNING== No kernels were profiled.\n", "No kernels were profiled");
	read_log("==PROF== Connected\n==ERROR== ERR_NVGPUCTRPERM - The user does not have permission\n==PROF== Disconnected\n",
		 "ERR_NVGPUCTRPERM - The user");
	read_log(WIDE_HEAD, "without a row");
	read_log(WIDE_HEAD "\"0\",\"7\",\"a\",\"\",\"n/a\",\"n/a\",\"n/a\"\n", "none of the metrics");
	read_log("\"0\",\"7\",\"a\",\"1\"\n", "without a row");
}
END_TEST

/* Every prefix of a table can be read, or is refused; nothing is read past its end (the sanitizers watch). */
START_TEST(cut)
{
	static const char whole[] = WIDE_HEAD
		"\"0\",\"7\",\"a \"\"b\"\"\",\"(1, 1)\",\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\"\n";
	size_t read = 0;

	for (size_t n = 0; n < sizeof whole; n++) {
		char *log = malloc(n + 1);
		struct buf why;
		json_t *p;

		memcpy(log, whole, n);
		buf_init(&why);
		p = profile_read(log, n, &why);
		ck_assert((p != NULL) == (why.len == 0));
		read += p != NULL;
		json_decref(p);
		buf_free(&why);
		free(log);
	}
	ck_assert(read > 0 && read < sizeof whole);
}
END_TEST

/* What is asked for is what is read. */
START_TEST(asked)
{
	static const char *const all[] = { ISSUE, TENSOR, XU, SHARED, L2, DRAM, WARPS, WAVES, CONFLICTS, TIME };
	size_t length = 0;

	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		ck_assert_msg(strstr(profile_metrics(), all[i]) != NULL, "%s is not asked for", all[i]);
		length += strlen(all[i]) + 1;
	}
	ck_assert_uint_eq(strlen(profile_metrics()) + 1, length);
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("profile");

	tcase_add_test(c, wide);
	tcase_add_test(c, weights);
	tcase_add_test(c, absent);
	tcase_add_test(c, one_a_line);
	tcase_add_test(c, refused);
	tcase_add_test(c, cut);
	tcase_add_test(c, asked);
	return scratch_run("profile", c);
}
