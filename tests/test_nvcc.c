/* nvcc: the queue, the cache and the limits, with the real compiler where it is installed (it is: CI compiles every
 * variant) and with small scripts in its place for what a real compiler rarely does: hang, flood, die. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../src/nvcc_cache.h"
#include "attune/fs.h"
#include "attune/nvcc.h"
#include "attune/proc.h"
#include "scratch.h"

static char folder[256];

static void setup(void)
{
	scratch_new_folder(folder, sizeof(folder));
}

static void teardown(void)
{
	fs_remove_tree(folder, NULL);
}

static struct nvcc *open_with(const char *program, double limit_s)
{
	struct nvcc_options o = { .program = program, .cache = folder, .jobs = 2, .time_limit_s = limit_s };
	struct nvcc *n = NULL;
	struct err e = { 0 };

	ck_assert_msg(nvcc_open(&n, &o, &e) == 0, "%s", e.text);
	return n;
}

static long wait_next(struct nvcc *n, struct nvcc_result *r)
{
	struct err e = { 0 };
	long ticket = -1;
	int rc;

	while ((rc = nvcc_next(n, &ticket, r, &e)) == 0) {
		struct pollfd fds[8];

		poll(fds, (nfds_t)nvcc_pollfds(n, fds, 8), 100);
	}
	ck_assert_msg(rc == 1, "%s", e.text);
	return ticket;
}

/* A program in the compiler's place: prints a version, otherwise runs `body`. */
static char *script(const char *body)
{
	char *path = fs_join(folder, "nvcc");
	FILE *f = fopen(path, "w");

	fprintf(f, "#!/bin/sh\ncase $1 in --version) echo 'release 13.0, V13.0.88'; exit 0;; esac\n%s\n", body);
	fclose(f);
	chmod(path, 0755);
	return path;
}

static const char kernel[] = "extern \"C\" __global__ void k(float *a) { a[threadIdx.x] *= 2; }\n";

START_TEST(compiles_once_and_keeps)
{
	struct nvcc *n = open_with(NULL, 0);
	struct nvcc_result first = { 0 }, second = { 0 };

	ck_assert_int_eq(nvcc_submit(n, kernel, kernel, "sm_80", NULL, 7, NULL), 0);
	ck_assert_int_eq(nvcc_submit(n, kernel, kernel, "sm_80", NULL, 8, NULL), 0);
	wait_next(n, &first);
	wait_next(n, &second);
	ck_assert_msg(first.ok, "%s", first.log);
	ck_assert(second.ok && second.cached && !first.cached);
	ck_assert_str_eq(first.id, second.id);
	ck_assert(first.cubin.len > 500 && memcmp(first.cubin.data, "\177ELF", 4) == 0);
	ck_assert_int_gt(json_integer_value(json_object_get(first.resources, "regs")), 0);
	nvcc_result_free(&first);
	nvcc_result_free(&second);
	nvcc_close(n);
}
END_TEST

START_TEST(cut_cubin_is_a_miss)
{
	struct nvcc *n = open_with(NULL, 0);
	struct nvcc_result r = { 0 };
	char *path, sha[65];

	nvcc_submit(n, kernel, kernel, "sm_80", NULL, 1, NULL);
	wait_next(n, &r);
	ck_assert_msg(r.ok, "%s", r.log);
	path = fs_join(r.dir, "candidate.cubin");
	snprintf(sha, sizeof(sha), "%s", r.cubin_sha256);
	ck_assert_int_eq(truncate(path, 100), 0);
	nvcc_result_free(&r);
	nvcc_submit(n, kernel, kernel, "sm_80", NULL, 2, NULL);
	ck_assert_int_eq(wait_next(n, &r), 2);
	ck_assert(r.ok && !r.cached);
	ck_assert_str_eq(r.cubin_sha256, sha);
	nvcc_result_free(&r);
	free(path);
	nvcc_close(n);
}
END_TEST

START_TEST(key_follows_body_arch_and_flags_but_not_the_comment)
{
	struct nvcc *n = open_with(NULL, 0);
	const char *arch[] = { "sm_80", "sm_80", "sm_86", "sm_80" };
	const char *whole[] = { kernel, "// another comment\n", kernel, kernel };
	json_t *flags = json_pack("[s]", "--use_fast_math");
	char *id[4] = { 0 };

	for (int i = 0; i < 4; i++) {
		struct buf source;
		struct nvcc_result r = { 0 };

		buf_init(&source);
		buf_adds(&source, whole[i]);
		if (whole[i] != kernel)
			buf_adds(&source, kernel);
		nvcc_submit(n, buf_text(&source), kernel, arch[i], i == 3 ? flags : NULL, i, NULL);
		wait_next(n, &r);
		ck_assert_msg(r.ok, "%s", r.log);
		id[i] = strdup(r.id);
		nvcc_result_free(&r);
		buf_free(&source);
	}
	ck_assert_str_eq(id[0], id[1]);
	ck_assert_str_ne(id[0], id[2]);
	ck_assert_str_ne(id[0], id[3]);
	for (int i = 0; i < 4; i++)
		free(id[i]);
	json_decref(flags);
	nvcc_close(n);
}
END_TEST

enum { PROCESSES = 6, SOURCES = 25 };

static int compile_all(const char *program)
{
	struct nvcc *n = open_with(program, 0);
	int bad = 0;

	for (int i = 0; i < SOURCES; i++) {
		struct nvcc_result r = { 0 };
		struct err e = { 0 };
		char source[40];
		long ticket;
		int rc;

		snprintf(source, sizeof source, "source %d\n", i);
		if (nvcc_submit(n, source, source, "sm_80", NULL, i, &e) < 0)
			return 100;
		while ((rc = nvcc_next(n, &ticket, &r, &e)) == 0) {
			struct pollfd fds[8];

			poll(fds, (nfds_t)nvcc_pollfds(n, fds, 8), 100);
		}
		if (rc < 0)
			fprintf(stderr, "%s\n", e.text);
		bad += rc < 0 || !r.ok || r.cubin.len != 3000;
		nvcc_result_free(&r);
	}
	nvcc_close(n);
	return bad;
}

/* Each makes and puts in place what the others do, at nearly the same moment. */
START_TEST(processes_share_a_cache)
{
	char *program = script("head -c 3000 /dev/zero >candidate.cubin");
	pid_t pids[PROCESSES];

	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(compile_all(program));
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status;

		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "process %d: status %#x", i, status);
	}
	free(program);
}
END_TEST

START_TEST(error_names_the_line)
{
	struct nvcc *n = open_with(NULL, 0);
	struct nvcc_result r = { 0 };
	const char *bad = "extern \"C\" __global__ void k(float *a) {\n  a[0] = nothing;\n}\n";

	nvcc_submit(n, bad, bad, "sm_80", NULL, 1, NULL);
	wait_next(n, &r);
	ck_assert(!r.ok);
	ck_assert_msg(strstr(r.why, "candidate.cu(2)") && strstr(r.why, "nothing"), "%s", r.why);
	nvcc_result_free(&r);
	nvcc_close(n);
}
END_TEST

START_TEST(hanging_compiler_is_stopped_with_its_children)
{
	char *path = script("sleep 300 & echo $! >\"$(dirname \"$0\")/child\"; wait"), *child = fs_join(folder, "child");
	struct nvcc *n = open_with(path, 0.5);
	struct nvcc_result r = { 0 };
	double start = proc_now_s();
	struct buf pid;
	char stat[64];

	nvcc_submit(n, kernel, kernel, "sm_80", NULL, 1, NULL);
	wait_next(n, &r);
	ck_assert(!r.ok && proc_now_s() - start < 60);
	ck_assert_msg(strstr(r.why, "stopped after"), "%s", r.why);
	nvcc_result_free(&r);
	buf_init(&pid);
	ck_assert_int_eq(fs_read(child, &pid, 100, NULL), 0);
	for (int i = 0; i < 50; i++) {
		char state = 'Z';
		FILE *f;

		snprintf(stat, sizeof(stat), "/proc/%d/stat", atoi(buf_text(&pid)));
		f = fopen(stat, "r");
		if (!f)
			goto gone;
		if (fscanf(f, "%*d %*s %c", &state) != 1)
			state = 'Z';
		fclose(f);
		if (state == 'Z')
			goto gone;
		usleep(20000);
	}
	ck_abort_msg("the compiler's child %s outlived it", buf_text(&pid));
gone:
	buf_free(&pid);
	free(path);
	free(child);
	nvcc_close(n);
}
END_TEST

START_TEST(killed_or_stopped_compiles_are_not_remembered)
{
	char *path = script("kill -9 $$");
	struct nvcc *n = open_with(path, 5);

	for (int i = 0; i < 2; i++) {
		struct nvcc_result r = { 0 };

		nvcc_submit(n, kernel, kernel, "sm_80", NULL, i, NULL);
		wait_next(n, &r);
		ck_assert(!r.ok && !r.cached);
		nvcc_result_free(&r);
	}
	free(path);
	nvcc_close(n);
}
END_TEST

START_TEST(flood_is_bounded)
{
	char *path = script("yes 'candidate.cu(1): error: flood'");
	struct nvcc *n = open_with(path, 3);
	struct nvcc_result r = { 0 };

	nvcc_submit(n, kernel, kernel, "sm_80", NULL, 1, NULL);
	wait_next(n, &r);
	ck_assert(!r.ok);
	ck_assert_msg(strstr(r.why, "flood"), "%s", r.why);
	ck_assert_uint_le(strlen(r.log), 1u << 20);
	nvcc_result_free(&r);
	free(path);
	nvcc_close(n);
}
END_TEST

START_TEST(no_compiler_and_unknown_arch_say_the_remedy)
{
	struct nvcc_options o = { .program = "nvcc-that-is-not-there", .cache = folder, .jobs = 1 };
	struct nvcc *n = NULL;
	struct err e = { 0 };

	ck_assert_int_lt(nvcc_open(&n, &o, &e), 0);
	ck_assert_msg(strstr(e.text, "nvcc-that-is-not-there") && strstr(e.text, "NVCC="), "%s", e.text);
	err_clear(&e);
	n = open_with(NULL, 0);
	ck_assert_int_lt(nvcc_check_arch(n, "sm_12345", &e), 0);
	ck_assert_msg(strstr(e.text, "sm_12345") && strstr(e.text, "sm_90"), "%s", e.text);
	ck_assert_int_eq(nvcc_check_arch(n, "sm_90a", NULL), 0);
	ck_assert_int_eq(nvcc_check_arch(n, "compute_89", NULL), 0);
	ck_assert_int_lt(nvcc_check_arch(n, "sm_9", NULL), 0);
	ck_assert_int_lt(nvcc_check_arch(n, "sm_90z", NULL), 0);
	nvcc_close(n);
}
END_TEST

START_TEST(log_gives_the_largest_kernel_and_every_warning)
{
	json_t *r = nvcc_parse_log("ptxas info    : Compiling entry function 'a' for 'sm_90a'\n"
				   "    16 bytes stack frame, 12 bytes spill stores, 8 bytes spill loads\n"
				   "ptxas info    : Used 255 registers, used 2 barriers, 1024 bytes smem, 400 bytes cmem[0]\n"
				   "candidate.cu(3): warning #177-D: variable \"x\" was declared but never referenced\n"
				   "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
				   "ptxas info    : Used 16 registers, used 1 barriers\n");

	ck_assert_int_eq(json_integer_value(json_object_get(r, "regs")), 255);
	ck_assert_int_eq(json_integer_value(json_object_get(r, "spill_store_bytes")), 12);
	ck_assert_int_eq(json_integer_value(json_object_get(r, "spill_load_bytes")), 8);
	ck_assert_int_eq(json_integer_value(json_object_get(r, "stack_bytes")), 16);
	ck_assert_int_eq(json_integer_value(json_object_get(r, "smem_static_bytes")), 1024);
	ck_assert_int_eq(json_integer_value(json_object_get(r, "barriers")), 2);
	ck_assert_uint_eq(json_array_size(json_object_get(r, "warnings")), 1);
	json_decref(r);
	r = nvcc_parse_log("ptxas info    : (C7519) Potential Performance Loss: wgmma.arrive injected\n"
			   "ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized\n");
	ck_assert_uint_eq(json_array_size(json_object_get(r, "warnings")), 1);
	json_decref(r);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("nvcc");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, compiles_once_and_keeps);
	tcase_add_test(tc, cut_cubin_is_a_miss);
	tcase_add_test(tc, key_follows_body_arch_and_flags_but_not_the_comment);
	tcase_add_test(tc, processes_share_a_cache);
	tcase_add_test(tc, error_names_the_line);
	tcase_add_test(tc, hanging_compiler_is_stopped_with_its_children);
	tcase_add_test(tc, killed_or_stopped_compiles_are_not_remembered);
	tcase_add_test(tc, flood_is_bounded);
	tcase_add_test(tc, no_compiler_and_unknown_arch_say_the_remedy);
	tcase_add_test(tc, log_gives_the_largest_kernel_and_every_warning);
	return scratch_run("nvcc", tc);
}
