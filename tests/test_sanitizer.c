/* test_sanitizer: logs of compute-sanitizer, as its manual shows them and cut at every place. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attune/sanitizer.h"
#include "scratch.h"

#define HEAD "========= COMPUTE-SANITIZER\n"

static void says(enum sanitizer_says want, const char *text, const char *log)
{
	struct buf got;
	enum sanitizer_says s;

	buf_init(&got);
	s = sanitizer_read(log, strlen(log), &got);
	ck_assert_msg(s == want, "%d instead of %d: '%s' of\n%s", s, want, buf_text(&got), log);
	ck_assert_str_eq(buf_text(&got), text);
	buf_free(&got);
}

static const char memcheck[] =
	HEAD "========= Invalid __global__ read of size 4 bytes\n"
	"=========     at attn_mma+0x9d0 in mma.cu:41\n"
	"=========     by thread (3,0,0) in block (0,0,0)\n"
	"=========     Address 0x7f3ac0000200 is out of bounds\n"
	"=========     Saved host backtrace up to driver entry point at kernel launch time\n"
	"=========\n"
	"========= Invalid __global__ write of size 2 bytes\n"
	"=========     at attn_mma+0xa00\n"
	"=========\n"
	"========= ERROR SUMMARY: 2 errors\n";

START_TEST(clean)
{
	says(SANITIZER_CLEAN, "", HEAD "========= ERROR SUMMARY: 0 errors\n");
	says(SANITIZER_CLEAN, "", HEAD "========= ERROR SUMMARY: 0 errors");
	says(SANITIZER_CLEAN, "", HEAD "========= LEAK SUMMARY: 0 bytes leaked in 0 allocations\r\n========= ERROR SUMMARY: 0 errors\r\n");
	says(SANITIZER_CLEAN, "", HEAD "========= RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)\n");
	says(SANITIZER_CLEAN, "", HEAD "========= Warning: something is slow\n========= ERROR SUMMARY: 0 errors\n");
}
END_TEST

START_TEST(findings)
{
	says(SANITIZER_FOUND, "Invalid __global__ read of size 4 bytes at attn_mma+0x9d0 in mma.cu:41", memcheck);
	says(SANITIZER_FOUND, "Uninitialized __global__ memory read of size 2 bytes",
	     HEAD "========= Uninitialized __global__ memory read of size 2 bytes\n========= ERROR SUMMARY: 9 errors\n");
	says(SANITIZER_FOUND, "Barrier error detected. Divergent thread(s) in block at k+0x20",
	     HEAD "========= Barrier error detected. Divergent thread(s) in block\n=========     at k+0x20\n");
	says(SANITIZER_FOUND, "Error: Race reported between Write access at k+0x10 and Read access at k+0x20 [4 hazards] "
	     "and Write access at k+0x30 [2 hazards]",
	     HEAD "========= Error: Race reported between Write access at k+0x10\n"
		  "=========     and Read access at k+0x20 [4 hazards]\n"
		  "=========     and Write access at k+0x30 [2 hazards]\n"
		  "========= Error: Race reported between Read access at k+0x40\n"
		  "=========     and Write access at k+0x50 [4 hazards]\n"
		  "========= RACECHECK SUMMARY: 2 hazards displayed (2 errors, 0 warnings)\n");
	says(SANITIZER_FOUND, "Warning: Race reported between Write access at k+0x10",
	     HEAD "========= Warning: Race reported between Write access at k+0x10\n"
		  "========= RACECHECK SUMMARY: 1 hazard displayed (0 errors, 1 warning)\n");
	says(SANITIZER_FOUND, "3 errors, none of them described", HEAD "========= ERROR SUMMARY: 3 errors\n");
	/* What ends the program after a finding does not make it less of one. */
	says(SANITIZER_FOUND, "Invalid __shared__ read of size 16 bytes",
	     HEAD "========= Invalid __shared__ read of size 16 bytes\n========= Error: process didn't terminate successfully\n"
		  "========= ERROR SUMMARY: 1 error\n");
}
END_TEST

/* Whatever is missing or in trouble is not clean. */
START_TEST(nothing)
{
	says(SANITIZER_NOTHING, "", "");
	says(SANITIZER_NOTHING, "", HEAD);
	says(SANITIZER_NOTHING, "", "ERROR SUMMARY: 0 errors\n");
	says(SANITIZER_NOTHING, "Error: Target application terminated before first instrumented API call",
	     HEAD "========= Error: Target application terminated before first instrumented API call\n"
		  "========= Tracking kernels launched by child processes requires the --target-processes all option.\n");
	says(SANITIZER_NOTHING, "Error: No attachable process found. compute-sanitizer timed-out.",
	     HEAD "========= Error: No attachable process found. compute-sanitizer timed-out.\n"
		  "========= Default timeout can be adjusted with --launch-timeout. Awaiting target completion.\n");
	says(SANITIZER_NOTHING, "Error: process didn't terminate successfully",
	     HEAD "========= Error: process didn't terminate successfully\n========= ERROR SUMMARY: 0 errors\n");
	says(SANITIZER_NOTHING, "Internal Sanitizer Error: out of memory",
	     HEAD "========= Internal Sanitizer Error: out of memory\n========= ERROR SUMMARY: 1 error\n");
	says(SANITIZER_NOTHING, "Device not supported. Please refer to the documentation",
	     HEAD "========= Device not supported. Please refer to the documentation\n========= ERROR SUMMARY: 1 error\n");
	says(SANITIZER_NOTHING, "Program hit CUDA_ERROR_INVALID_VALUE (error 1) on CUDA API call to cuFuncGetParamInfo.",
	     HEAD "========= Program hit CUDA_ERROR_INVALID_VALUE (error 1) on CUDA API call to cuFuncGetParamInfo.\n"
		  "=========     Saved host backtrace up to driver entry point at error\n========= ERROR SUMMARY: 1 error\n");
}
END_TEST

/* A log that is cut is never clean, and a finding once seen stays one. */
START_TEST(cut)
{
	const size_t first = strlen(HEAD "========= Invalid __global__ read of size 4 bytes\n");
	static const char whole[] = HEAD "========= ERROR SUMMARY: 0 errors\n";

	for (size_t n = 0; n < sizeof memcheck; n++) {
		char *log = strndup(memcheck, n);
		struct buf text;
		enum sanitizer_says s;

		buf_init(&text);
		s = sanitizer_read(log, n, &text);
		ck_assert_msg(s == (n < first ? SANITIZER_NOTHING : SANITIZER_FOUND), "%d after %zu bytes", s, n);
		buf_free(&text);
		free(log);
	}
	for (size_t n = 0; n <= strlen(HEAD) + strlen("========= ERROR SUMMARY: "); n++) {
		char *log = strndup(whole, n);
		struct buf text;

		buf_init(&text);
		ck_assert_msg(sanitizer_read(log, n, &text) != SANITIZER_CLEAN, "clean after %zu bytes", n);
		buf_free(&text);
		free(log);
	}
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("sanitizer");

	tcase_add_test(c, clean);
	tcase_add_test(c, findings);
	tcase_add_test(c, nothing);
	tcase_add_test(c, cut);
	return scratch_run("sanitizer", c);
}
