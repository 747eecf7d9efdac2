/* test_gen: the flat source, the template engine and the literals of C. The header is in test_gen_header. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attune/fs.h"
#include "attune/gen.h"
#include "gen_internal.h"
#include "scratch.h"

static char root[256];

static void put(const char *path, const char *text)
{
	char *full = fs_join(root, path), *slash = strrchr(full, '/');
	struct err e = { 0 };

	*slash = '\0';
	ck_assert_int_eq(fs_mkdirs(full, &e), 0);
	*slash = '/';
	ck_assert_int_eq(fs_write_atomic(full, text, strlen(text), &e), 0);
	free(full);
}

static void setup(void)
{
	scratch_new_folder(root, sizeof(root));
}

static void teardown(void)
{
	fs_remove_tree(root, NULL);
}

static const char *repository(void)
{
	const char *path = getenv("ATTUNE_ROOT");

	return path ? path : ".";
}

static void read_golden(struct buf *out, const char *name)
{
	char *path = fs_join(repository(), name);
	struct err e = { 0 };

	buf_init(out);
	ck_assert_msg(fs_read(path, out, 1 << 24, &e) == 0, "%s", e.text);
	free(path);
}

/* --- flat source -------------------------------------------------------------------------------------------------- */

START_TEST(source_flattens)
{
	struct gen_source g = { .root = root, .path = "kernels/f/v.cu", .command = "nvcc -x v.cu", .note = "one\ntwo */",
				.defines = "#define A 1\n" };
	struct err e = { 0 };
	struct buf out;

	put("kernels/f/v.cu", "#include \"attune/a.cuh\"\n#include <cuda_fp16.h>\n#include \"near.cuh\"\n#include \"attune/b.cuh\"\nlast");
	put("kernels/f/near.cuh", "  #  include   \"attune/b.cuh\" // again\r\nnear\n");
	put("include/attune/a.cuh", "# pragma once\n#include \"attune/b.cuh\"\n#if X\na\n#endif\n");
	put("include/attune/b.cuh", "#pragma once\n#pragma unroll\nb\n");
	buf_init(&out);
	ck_assert_msg(gen_source(&out, &g, &e) == 0, "%s", e.text);
	ck_assert_str_eq(buf_text(&out), "/* nvcc -x v.cu\n * one\n * two * /\n */\n#define A 1\n\n// --- attune/a.cuh\n"
					 "// --- attune/b.cuh\n#pragma unroll\nb\n#if X\na\n#endif\n#include <cuda_fp16.h>\n"
					 "// --- near.cuh\nnear\nlast\n");
	buf_free(&out);
}
END_TEST

START_TEST(source_without_comment)
{
	struct gen_source g = { .root = root, .path = "v.cu", .defines = "" };
	struct buf out;

	put("v.cu", "x\n");
	buf_init(&out);
	ck_assert_int_eq(gen_source(&out, &g, NULL), 0);
	ck_assert_str_eq(buf_text(&out), "x\n");
	buf_free(&out);
}
END_TEST

/* Each case: what the file a.cuh holds, and what the error must say. */
static const struct {
	const char *a, *error;
} source_errors[] = {
	{ "\n#include \"attune/none.cuh\"\n", "v.cu:1: include/attune/a.cuh:2: no file \"attune/none.cuh\"" },
	{ "#include \"attune/c.cuh\"\n",
	  "include cycle: include/attune/a.cuh > include/attune/c.cuh > include/attune/a.cuh" },
	{ "#include \"attune/a.cuh\"\n", "include cycle: include/attune/a.cuh > include/attune/a.cuh" },
	{ "#ifdef Y\n#include \"attune/d.cuh\"\n#endif\n", "include/attune/a.cuh:2: an include must not stand under #if" },
};

START_TEST(source_fails)
{
	struct gen_source g = { .root = root, .path = "v.cu" };
	struct err e = { 0 };
	struct buf out;

	put("v.cu", "#include \"attune/a.cuh\"\n");
	put("include/attune/a.cuh", source_errors[_i].a);
	put("include/attune/c.cuh", "#include \"attune/a.cuh\"\n");
	buf_init(&out);
	ck_assert_int_lt(gen_source(&out, &g, &e), 0);
	ck_assert_msg(strstr(e.text, source_errors[_i].error) != NULL, "%s", e.text);
	buf_free(&out);
}
END_TEST

START_TEST(source_missing_template)
{
	struct gen_source g = { .root = root, .path = "absent.cu" };
	struct err e = { 0 };
	struct buf out;

	buf_init(&out);
	ck_assert_int_lt(gen_source(&out, &g, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "absent.cu"));
	buf_free(&out);
}
END_TEST

/* --- templates and literals --------------------------------------------------------------------------------------- */

START_TEST(template_fills)
{
	static const struct gen_mark marks[] = { { "a", "x" }, { "block", "1\n2\n" }, { "none", "" }, { "open", "3" } };
	struct err e = { 0 };
	struct buf out;

	buf_init(&out);
	ck_assert_int_eq(gen_template(&out, "t", "%%# note\n[%%a%%%%a%%] 100%% %d %%%\n%%block%%\n%%none%%\n%%open%%\nend",
				      marks, 4, &e), 0);
	ck_assert_str_eq(buf_text(&out), "[xx] 100%% %d %%%\n1\n2\n3\nend\n");
	buf_clear(&out);
	ck_assert_int_lt(gen_template(&out, "t", "a\nb %%what%%\n", marks, 4, &e), 0);
	ck_assert_str_eq(e.text, "t:2: no text for the mark %%what%%");
	buf_free(&out);
}
END_TEST

START_TEST(words)
{
	unsigned char bytes[25] = { 0 };
	struct buf out;

	bytes[0] = 7;
	bytes[15] = 0x80;
	bytes[24] = 0xff;
	buf_init(&out);
	gen_words(&out, bytes, sizeof bytes);
	ck_assert_str_eq(buf_text(&out), "7,0x8000000000000000,0,0xff,\n");
	buf_free(&out);
}
END_TEST

START_TEST(numbers)
{
	static const struct {
		double v;
		const char *text;
	} reals[] = { { 0.125, "0.125" }, { 1.0, "1.0" }, { 1e-9, "1e-09" }, { 1.0 / 3, "0.3333333333333333" } };
	struct buf out;

	buf_init(&out);
	for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
		json_t *v = json_real(reals[i].v);

		buf_clear(&out);
		ck_assert_int_eq(gen_number(&out, v, NULL), 0);
		ck_assert_str_eq(buf_text(&out), reals[i].text);
		json_decref(v);
	}
	buf_clear(&out);
	gen_string(&out, "a\"\\\n?" "?=");
	ck_assert_str_eq(buf_text(&out), "\"a\\\"\\\\\\012\\?\\?=\"");
	buf_clear(&out);
	gen_comment(&out, "/* x */ ?\?/\n");
	ck_assert_ptr_null(strstr(buf_text(&out), "*/"));
	ck_assert_ptr_null(strstr(buf_text(&out), "?\?"));
	ck_assert_ptr_null(strchr(buf_text(&out), '\n'));
	buf_free(&out);
}
END_TEST

START_TEST(templates_are_current)
{
	struct buf best, entry;

	read_golden(&best, "gen/best.h.in");
	read_golden(&entry, "gen/best_entry.h.in");
	ck_assert_msg(strcmp(buf_text(&best), gen_template_best) == 0 && strcmp(buf_text(&entry), gen_template_entry) == 0,
		      "the program holds older templates than gen/: build it again");
	buf_free(&best);
	buf_free(&entry);
}
END_TEST

int main(void)
{
	TCase *files = tcase_create("files"), *pure = tcase_create("pure");
	Suite *suite = suite_create("gen");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(files, setup, teardown);
	tcase_add_test(files, source_flattens);
	tcase_add_test(files, source_without_comment);
	tcase_add_loop_test(files, source_fails, 0, (int)(sizeof source_errors / sizeof *source_errors));
	tcase_add_test(files, source_missing_template);
	tcase_add_test(pure, template_fills);
	tcase_add_test(pure, words);
	tcase_add_test(pure, numbers);
	tcase_add_test(pure, templates_are_current);
	suite_add_tcase(suite, files);
	suite_add_tcase(suite, pure);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
