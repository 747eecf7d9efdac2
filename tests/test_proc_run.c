/* proc_run: output kept and dropped, ends that come late or never, and the splitting of command lines. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "attune/fs.h"
#include "attune/proc.h"
#include "scratch.h"

#define SH(...) ((const char *const[]){"/bin/sh", "-c", __VA_ARGS__, NULL})

static int run(const char *const *argv, struct buf *out)
{
	struct proc_options o = {.argv = argv, .in_fd = -1, .out_fd = -1, .err_fd = -1};
	int status = -1;

	buf_clear(out);
	ck_assert_int_eq(proc_run(&o, out, 1 << 20, true, 20000, &status, NULL), 0);
	return status;
}

START_TEST(output_and_status)
{
	struct buf out = {0};

	ck_assert_int_eq(run(SH("echo out; echo err >&2; exit 3"), &out), 3 << 8);
	ck_assert_str_eq(buf_text(&out), "out\nerr\n");
	ck_assert_int_eq(run(SH("kill -9 $$"), &out), 9);
	ck_assert_int_eq(run((const char *const[]){"true", NULL}, &out), 0);
	ck_assert_str_eq(buf_text(&out), "");
	proc_status_text(3 << 8, &out);
	buf_addc(&out, '/');
	proc_status_text(9, &out);
	ck_assert_str_eq(buf_text(&out), "exit 3/signal 9 (Killed)");
	buf_free(&out);
}
END_TEST

START_TEST(stderr_apart)
{
	struct proc_options o = {.argv = SH("echo out; echo err >&2"), .in_fd = -1, .out_fd = -1};
	struct buf out = {0}, err = {0};
	int status;

	o.err_fd = open(scratch_path("err"), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	ck_assert_int_eq(proc_run(&o, &out, 100, false, 10000, &status, NULL), 0);
	close(o.err_fd);
	ck_assert_str_eq(buf_text(&out), "out\n");
	ck_assert_int_eq(fs_read(scratch_path("err"), &err, 100, NULL), 0);
	ck_assert_str_eq(buf_text(&err), "err\n");
	buf_free(&out);
	buf_free(&err);
}
END_TEST

START_TEST(input)
{
	struct proc_options o = {.argv = SH("cat; echo end"), .out_fd = -1, .err_fd = -1};
	struct buf out = {0};
	int status;

	scratch_write(scratch_path("in"), "some\n", 5);
	o.in_fd = open(scratch_path("in"), O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(proc_run(&o, &out, 100, true, 10000, &status, NULL), 0);
	close(o.in_fd);
	ck_assert_str_eq(buf_text(&out), "some\nend\n");
	/* Without any, the input is at its end: nothing waits for the terminal. */
	ck_assert_int_eq(run(SH("cat; echo end"), &out), 0);
	ck_assert_str_eq(buf_text(&out), "end\n");
	buf_free(&out);
}
END_TEST

START_TEST(a_flood_is_bounded)
{
	struct proc_options o = {.argv = SH("head -c 30000000 /dev/zero; echo end >&2; exit 7"), .in_fd = -1, .out_fd = -1,
				 .err_fd = -1};
	struct buf out = {0};
	int status;

	buf_adds(&out, "x");
	ck_assert_int_eq(proc_run(&o, &out, 1000, true, 60000, &status, NULL), 0);
	ck_assert_int_eq(status, 7 << 8);
	ck_assert_uint_eq(out.len, 1001);
	ck_assert_uint_lt(out.cap, 10000);
	buf_free(&out);
}
END_TEST

START_TEST(a_flood_without_end_is_killed)
{
	struct proc_options o = {.argv = SH("cat /dev/zero"), .in_fd = -1, .out_fd = -1, .err_fd = -1};
	double start = proc_now_s();
	struct buf out = {0};
	int status = 0;

	ck_assert_int_eq(proc_run(&o, &out, 0, true, 300, &status, NULL), ERR_LIMIT);
	ck_assert_double_lt(proc_now_s() - start, 60);
	ck_assert_int_eq(status, SIGKILL);
	ck_assert_uint_eq(out.len, 0);
	buf_free(&out);
}
END_TEST

/* A process that closed its output is still waited for. */
START_TEST(closed_output_is_not_the_end)
{
	struct buf out = {0};

	ck_assert_int_eq(run(SH("exec >&- 2>&-; sleep 0.4; exit 5"), &out), 5 << 8);
	buf_free(&out);
}
END_TEST

/* What was written just before the end is there, however often it is tried. */
START_TEST(the_last_words)
{
	struct buf out = {0};

	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(run((const char *const[]){"printf", "%60000d", "7", NULL}, &out), 0);
		ck_assert_uint_eq(out.len, 60000);
		ck_assert_int_eq(out.data[59999], '7');
	}
	buf_free(&out);
}
END_TEST

static const struct {
	const char *command;
	const char *words[6]; /* none: an error */
} splits[] = {
	{"attune-run", {"attune-run"}},
	{"  ssh\tbox  attune-run\n", {"ssh", "box", "attune-run"}},
	{"a 'b c' \"d e\" f\\ g", {"a", "b c", "d e", "f g"}},
	{"a'b'\"c\"d", {"abcd"}},
	{"a '' \"\"", {"a", "", ""}},
	{"x '\\' \"\\\\ \\\" \\n $HOME \\$HOME \\`\"", {"x", "\\", "\\ \" \\n $HOME $HOME `"}},
	{"$(id) `id` *;|&<>#", {"$(id)", "`id`", "*;|&<>#"}},
	{"a\\\nb \\\n c \"d\\\ne\"", {"ab", "c", "de"}},
	{"'a\nb'", {"a\nb"}},
	{"", {0}},
	{" \t\n", {0}},
	{"\\\n", {0}},
	{"'' x", {0}},
	{"a 'b", {0}},
	{"a \"b", {0}},
	{"a \"b\\", {0}},
	{"a \"b\\\"", {0}},
	{"a\\", {0}},
};

START_TEST(splitting)
{
	char **argv = NULL;
	struct err e = {0};
	int rc = proc_split(splits[_i].command, &argv, &e), n = 0;

	if (!splits[_i].words[0]) {
		ck_assert_int_lt(rc, 0);
		ck_assert_ptr_null(argv);
		ck_assert_str_ne(e.text, "");
		return;
	}
	ck_assert_int_eq(rc, 0);
	for (; splits[_i].words[n]; n++)
		ck_assert_pstr_eq(argv[n], splits[_i].words[n]);
	ck_assert_ptr_null(argv[n]);
	proc_free_argv(argv);
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("proc_run");

	tcase_set_timeout(c, 90);
	tcase_add_checked_fixture(c, scratch_make, scratch_remove);
	tcase_add_test(c, output_and_status);
	tcase_add_test(c, stderr_apart);
	tcase_add_test(c, input);
	tcase_add_test(c, a_flood_is_bounded);
	tcase_add_test(c, a_flood_without_end_is_killed);
	tcase_add_test(c, closed_output_is_not_the_end);
	tcase_add_test(c, the_last_words);
	tcase_add_loop_test(c, splitting, 0, sizeof(splits) / sizeof(splits[0]));
	return scratch_run("proc_run", c);
}
