/* Tests of torch_baseline with small programs in place of the real one: the honest answer, an absent interpreter or
 * module, and programs that flood, babble, keep silent, die or answer with what is no time. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attune/buf.h"
#include "attune/proc.h"
#include "attune/torch_baseline.h"
#include "scratch.h"

#define ECHO "import sys, json\nr = json.loads(sys.stdin.readline())\n"

/* Starts the program and asks it once. The answer, or NULL and the error. */
static json_t *ask(const char *program, double timeout_s, struct err *e)
{
	json_t *argv = json_pack("[s, s]", "python3", "-");
	json_t *request = json_pack("{s:i, s:s}", "sq", 512, "dtype", "f16");
	struct torch_baseline *t = NULL;
	json_t *answer = NULL;

	err_clear(e);
	ck_assert_msg(torch_baseline_start(&t, argv, program, strlen(program), e) == 0, "%s", e->text);
	if (torch_baseline_measure(t, request, timeout_s, &answer, e) < 0)
		ck_assert_ptr_null(answer);
	else
		ck_assert_ptr_nonnull(answer);
	torch_baseline_stop(t);
	json_decref(argv);
	json_decref(request);
	return answer;
}

static void refused(const char *program, const char *why)
{
	struct err e;
	json_t *answer = ask(program, 20, &e);

	ck_assert_msg(!answer, "accepted: %s", program);
	ck_assert_msg(strstr(e.text, why) != NULL, "'%s' does not hold '%s'", e.text, why);
	ck_assert_msg(strncmp(e.text, "python3: ", 9) == 0, "%s", e.text);
	ck_assert_ptr_null(strchr(e.text, '\n'));
}

START_TEST(honest_answer)
{
	static const char program[] = ECHO
		"print(json.dumps({'entries': [{'name': 'cudnn', 'time_us': 0.5 * r['sq'], 'warm_us': None},"
		" {'name': 'math', 'why': 'no ' + r['dtype']}], 'versions': {'torch': '9'}}), flush=True)\n"
		"sys.stdin.read()\n";
	struct err e;
	json_t *answer = ask(program, 20, &e), *entries = json_object_get(answer, "entries");

	ck_assert_msg(answer != NULL, "%s", e.text);
	ck_assert_uint_eq(json_array_size(entries), 2);
	ck_assert_double_eq(json_number_value(json_object_get(json_array_get(entries, 0), "time_us")), 256);
	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(entries, 1), "why")), "no f16");
	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(answer, "versions"), "torch")), "9");
	json_decref(answer);
}
END_TEST

START_TEST(several_requests)
{
	static const char program[] = "import sys\nn = 0\nfor line in sys.stdin:\n n += 1\n"
				      " print('{\"entries\":[{\"name\":\"a\",\"time_us\":%d}]}' % n, flush=True)\n";
	json_t *argv = json_pack("[s]", "python3"), *request = json_object();
	struct torch_baseline *t = NULL;
	struct err e = { 0 };

	ck_assert_int_eq(torch_baseline_start(&t, argv, program, strlen(program), &e), 0);
	for (int i = 1; i <= 3; i++) {
		json_t *answer = NULL, *entry;

		ck_assert_msg(torch_baseline_measure(t, request, 20, &answer, &e) == 0, "%s", e.text);
		entry = json_array_get(json_object_get(answer, "entries"), 0);
		ck_assert_double_eq(json_number_value(json_object_get(entry, "time_us")), i);
		json_decref(answer);
	}
	torch_baseline_stop(t);
	json_decref(argv);
	json_decref(request);
}
END_TEST

START_TEST(absent)
{
	json_t *argv = json_pack("[s, s]", "no-such-python-here", "-");
	struct torch_baseline *t = NULL;
	struct err e = { 0 };
	json_t *answer;

	if (torch_baseline_start(&t, argv, "1", 1, &e) == 0)
		ck_assert_int_lt(torch_baseline_measure(t, argv, 5, &answer, &e), 0);
	ck_assert_msg(strstr(e.text, "no-such-python-here") != NULL, "%s", e.text);
	torch_baseline_stop(t);
	json_decref(argv);
	refused("import attune_no_such_module", "python3: no module named attune_no_such_module");
	refused("import attune_no_such.deeper", "python3: no module named attune_no_such");
}
END_TEST

START_TEST(dies)
{
	refused("raise SystemExit(3)", "no answer (exit 3)");
	refused("import sys\nprint('sorry: no GPU', file=sys.stderr)\nsys.exit(1)", "(exit 1): sorry: no GPU");
	refused(ECHO "raise ValueError('bad\\x1b dtype')", "ValueError: bad? dtype");
	refused("import os\nos.kill(os.getpid(), 9)", "signal 9");
	refused("def (", "SyntaxError");
	refused(ECHO "print('{\"entries\":[', flush=True, end='')", "no answer (exit 0)");
	refused(ECHO "import os, time\nos.close(1)\ntime.sleep(60)", "no answer");
}
END_TEST

START_TEST(garbage)
{
	refused("print('Warning: something')", "not a JSON object: Warning: something");
	refused("print()", "not a JSON object");
	refused("print('[1, 2]')", "not a JSON object");
	refused("import sys\nsys.stdout.buffer.write(b'\\xff\\xfe\\x00\\n')", "not a JSON object");
	refused("print('{}')", "without a list of entries");
	refused("print('{\"entries\": 3}')", "without a list of entries");
	refused("print('{\"why\": \"CUDA is not available\"}')", "python3: CUDA is not available");
	refused("print('{\"entries\": [{\"time_us\": 3}]}')", "no name");
	refused("print('{\"entries\": [{\"name\": \"a\"}]}')", "neither time_us nor why");
}
END_TEST

START_TEST(times_that_are_none)
{
	static const char *const values[] = { "0", "-1.5", "NaN", "Infinity", "1e999", "null", "\\\"3\\\"",
					      "true", "[1]" };

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct err e;
		struct buf program;

		buf_init(&program);
		buf_addf(&program, "print(\"{\\\"entries\\\":[{\\\"name\\\":\\\"a\\\",\\\"time_us\\\":%s}]}\")",
			 values[i]);
		ck_assert_msg(!ask(buf_text(&program), 20, &e), "accepted: %s", buf_text(&program));
		ck_assert_msg(strstr(e.text, "time_us") || strstr(e.text, "not a JSON object"), "%s", e.text);
		buf_free(&program);
	}
}
END_TEST

START_TEST(never_answers)
{
	double before = proc_now_s();
	struct err e;

	ck_assert_ptr_null(ask("import time\ntime.sleep(1000)", 0.3, &e));
	ck_assert_int_eq(e.code, ERR_LIMIT);
	ck_assert_ptr_nonnull(strstr(e.text, "no answer within 0.3 s"));
	ck_assert_double_lt(proc_now_s() - before, 60);
}
END_TEST

START_TEST(floods)
{
	double before = proc_now_s();
	struct err e;
	json_t *answer;

	refused("import sys\nwhile True: sys.stdout.write('x' * 65536)", "without an end of line");
	refused("while True: print('x')", "not a JSON object: x");
	ck_assert_ptr_null(ask("import sys\nwhile True: sys.stderr.write('e' * 65536)", 0.5, &e));
	ck_assert_int_eq(e.code, ERR_LIMIT);
	/* More on standard error than a pipe holds must not keep an honest answer from coming. */
	answer = ask("import sys\nfor i in range(9000): print('warning: %d' % i, file=sys.stderr)\n" ECHO
		     "print('{\"entries\":[]}')", 20, &e);
	ck_assert_msg(answer != NULL, "%s", e.text);
	json_decref(answer);
	ck_assert_double_lt(proc_now_s() - before, 60);
}
END_TEST

/* What the program leaves behind is in its group and goes with it. */
START_TEST(stop_reaches_the_group)
{
	static const char program[] = ECHO "import os, time\npid = os.fork()\nif pid == 0:\n time.sleep(1000)\n"
				      "print(json.dumps({'entries': [], 'pid': pid}), flush=True)\ntime.sleep(1000)\n";
	struct err e;
	json_t *answer = ask(program, 20, &e);
	pid_t pid = (pid_t)json_integer_value(json_object_get(answer, "pid"));
	int tries = 0;

	ck_assert_int_gt(pid, 1);
	while (kill(pid, 0) == 0 && tries++ < 100) {
		char path[64], state = 0;
		FILE *f;

		/* An orphan that nobody reaps is a zombie, which has ended too. */
		snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
		f = fopen(path, "r");
		if (f && fscanf(f, "%*d %*s %c", &state) == 1 && state == 'Z')
			tries = 1000;
		if (f)
			fclose(f);
		usleep(20000);
	}
	ck_assert_msg(tries != 101, "process %d is still there", (int)pid);
	json_decref(answer);
}
END_TEST

START_TEST(refuses_nonsense)
{
	static const char *const argvs[] = { "[]", "{}", "[3]", "[\"\"]", "[\"python3\", null]" };
	struct torch_baseline *t = NULL;
	struct err e;
	char *large = calloc(1, 200000);
	json_t *argv;

	for (size_t i = 0; i < sizeof(argvs) / sizeof(argvs[0]); i++) {
		argv = json_loads(argvs[i], 0, NULL);
		err_clear(&e);
		ck_assert_int_lt(torch_baseline_start(&t, argv, "1", 1, &e), 0);
		ck_assert_ptr_null(t);
		ck_assert_ptr_nonnull(strstr(e.text, "argv"));
		json_decref(argv);
	}
	argv = json_pack("[s]", "python3");
	err_clear(&e);
	ck_assert_int_lt(torch_baseline_start(&t, argv, large, 10, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "NUL"));
	memset(large, '#', 199999);
	err_clear(&e);
	ck_assert_int_lt(torch_baseline_start(&t, argv, large, 199999, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "199999 bytes"));
	torch_baseline_stop(NULL);
	json_decref(argv);
	free(large);
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("torch_baseline");

	signal(SIGPIPE, SIG_IGN);
	tcase_set_timeout(c, 120);
	tcase_add_test(c, honest_answer);
	tcase_add_test(c, several_requests);
	tcase_add_test(c, absent);
	tcase_add_test(c, dies);
	tcase_add_test(c, garbage);
	tcase_add_test(c, times_that_are_none);
	tcase_add_test(c, never_answers);
	tcase_add_test(c, floods);
	tcase_add_test(c, stop_reaches_the_group);
	tcase_add_test(c, refuses_nonsense);
	return scratch_run("torch_baseline", c);
}
