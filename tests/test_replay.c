/* Tests of replay: a recorded journal served over the wire, in a child process: what was recorded is answered as it
 * was, what was not is said not to be. Championships are in test_replay_champion.c. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "attune/fs.h"
#include "attune/journal.h"
#include "attune/wire.h"
#include "record.h"
#include "scratch.h"

static struct record rec;

static void set_up(void)
{
	record_set_up(&rec);
}

static void tear_down(void)
{
	record_tear_down(&rec);
}

static json_t *ask_trial(struct peer *p, const char *type, const char *candidate)
{
	return peer_ask(p, json_pack("{s:s, s:s, s:s, s:[]}", "type", type, "id", "x7", "candidate", candidate,
				     "launches"), NULL, 0);
}

static double number(const json_t *object, const char *member)
{
	return json_number_value(json_object_get(object, member));
}

static void finish(struct peer *p)
{
	peer_send(p, json_pack("{s:s}", "type", "quit"), NULL, 0);
	ck_assert_int_eq(peer_close(p), 0);
}

START_TEST(greets)
{
	struct peer p;
	json_t *hello, *r;

	record_all(&rec);
	hello = record_greeted(&rec, &p);
	r = json_object_get(hello, "replay");
	ck_assert_str_eq(peer_text(hello, "type"), "hello");
	ck_assert_int_eq(json_integer_value(json_object_get(hello, "protocol")), WIRE_PROTOCOL);
	ck_assert_str_eq(peer_text(json_object_get(hello, "device"), "name"), "a test");
	ck_assert_str_eq(peer_text(json_object_get(r, "recorded_on"), "arch"), "sm_90a");
	ck_assert_str_eq(peer_text(json_object_get(r, "run"), "nvcc"), "13.0");
	ck_assert_str_eq(peer_text(r, "problem"), RECORD_PROBLEM);
	ck_assert_str_eq(peer_text(r, "file"), "trials.jsonl");
	ck_assert_int_eq(json_integer_value(json_object_get(r, "records")), 12);
	ck_assert_uint_eq(json_array_size(json_object_get(r, "candidates")), 4);
	json_decref(hello);
	finish(&p);
}
END_TEST

START_TEST(trials)
{
	struct peer p;
	json_t *a;

	record_all(&rec);
	record_ready(&rec, &p);
	peer_send(&p, json_pack("{s:s, s:s}", "type", "load", "id", "x7"), "cubin", 5);
	a = ask_trial(&p, "trial", "v A=1");
	ck_assert_str_eq(peer_text(a, "type"), "result");
	ck_assert_str_eq(peer_text(a, "id"), "x7");
	ck_assert_str_eq(peer_text(a, "verdict"), "ok");
	ck_assert_double_eq(number(a, "time_us"), 8.0);
	ck_assert_double_eq(number(a, "warm_us"), 7.0);
	ck_assert_int_eq(json_integer_value(json_object_get(a, "regs")), 40);
	ck_assert(json_is_true(json_object_get(a, "recorded")));
	ck_assert_ptr_null(json_object_get(a, "generation"));
	ck_assert_ptr_null(json_object_get(a, "race"));
	json_decref(a);

	a = ask_trial(&p, "trial", "v A=2");
	ck_assert_str_eq(peer_text(a, "verdict"), "wrong");
	ck_assert_ptr_null(json_object_get(a, "time_us"));
	json_decref(a);

	a = ask_trial(&p, "judge", "v A=3");
	ck_assert_str_eq(peer_text(a, "verdict"), "ok");
	ck_assert_ptr_null(json_object_get(a, "time_us"));
	ck_assert_ptr_null(json_object_get(a, "warm_us"));
	json_decref(a);

	a = ask_trial(&p, "trial", "v A=9"); /* only an intent of it was recorded */
	ck_assert_str_eq(peer_text(a, "verdict"), "unrecorded");
	ck_assert_ptr_null(json_object_get(a, "time_us"));
	ck_assert_str_ne(peer_text(a, "why"), "");
	json_decref(a);
	finish(&p);
}
END_TEST

START_TEST(problems_are_kept_apart)
{
	struct peer p;
	json_t *a;

	record_all(&rec);
	json_decref(record_greeted(&rec, &p));
	a = ask_trial(&p, "trial", "v A=3"); /* no problem yet */
	ck_assert_str_eq(peer_text(a, "verdict"), "unrecorded");
	json_decref(a);
	a = peer_ask(&p, record_problem(RECORD_OTHER), NULL, 0);
	ck_assert_str_eq(peer_text(a, "type"), "ready");
	ck_assert_uint_eq(json_array_size(json_object_get(a, "candidates")), 1);
	json_decref(a);
	a = ask_trial(&p, "trial", "v A=3");
	ck_assert_double_eq(number(a, "time_us"), 1.0);
	json_decref(a);
	a = ask_trial(&p, "trial", "v A=1");
	ck_assert_str_eq(peer_text(a, "verdict"), "unrecorded");
	json_decref(a);
	a = peer_ask(&p, record_problem("rows=34 cols=64"), NULL, 0);
	ck_assert_str_eq(peer_text(a, "type"), "error");
	ck_assert_ptr_nonnull(strstr(peer_text(a, "text"), "'rows=34 cols=64'"));
	ck_assert_ptr_nonnull(strstr(peer_text(a, "text"), "'" RECORD_PROBLEM "', '" RECORD_OTHER "'"));
	json_decref(a);
	a = ask_trial(&p, "trial", "v A=3"); /* a refused problem does not leave the old one in place */
	ck_assert_str_eq(peer_text(a, "verdict"), "unrecorded");
	json_decref(a);
	finish(&p);
}
END_TEST

static json_t *ask_baseline(struct peer *p, const char *name)
{
	return peer_ask(p, json_pack("{s:s, s:s}", "type", "baseline", "name", name), NULL, 0);
}

START_TEST(baselines)
{
	struct peer p;
	json_t *a, *entries;

	record_all(&rec);
	record_ready(&rec, &p);
	peer_send(&p, json_pack("{s:s, s:s, s:b}", "type", "baseline", "name", "sdpa", "early", 1), "print()", 7);
	a = ask_baseline(&p, "plain");
	ck_assert_str_eq(peer_text(a, "type"), "baseline");
	ck_assert_double_eq(number(json_array_get(json_object_get(a, "entries"), 0), "time_us"), 20);
	json_decref(a);
	a = ask_baseline(&p, "sdpa");
	entries = json_object_get(a, "entries");
	ck_assert_uint_eq(json_array_size(entries), 2);
	ck_assert_str_eq(peer_text(json_array_get(entries, 0), "name"), "cudnn");
	ck_assert_str_eq(peer_text(json_array_get(entries, 1), "why"), "no");
	ck_assert_str_eq(peer_text(json_object_get(a, "versions"), "torch"), "9");
	ck_assert(json_is_true(json_object_get(a, "recorded")));
	json_decref(a);
	a = ask_baseline(&p, "cublas");
	ck_assert_uint_eq(json_array_size(json_object_get(a, "entries")), 0);
	ck_assert_ptr_nonnull(strstr(peer_text(a, "why"), "not in the recorded run"));
	json_decref(a);
	finish(&p);
}
END_TEST

START_TEST(unknown_request_and_end)
{
	struct peer p;
	json_t *a;

	record_all(&rec);
	record_ready(&rec, &p);
	a = peer_ask(&p, json_pack("{s:s}", "type", "dance"), NULL, 0);
	ck_assert_str_eq(peer_text(a, "type"), "error");
	ck_assert_ptr_nonnull(strstr(peer_text(a, "text"), "dance"));
	json_decref(a);
	ck_assert_int_eq(peer_close(&p), 0); /* the end of its input is a polite end */
}
END_TEST

static void broken(const char *bytes, size_t len)
{
	struct peer p;
	char *text;
	int status;

	record_ready(&rec, &p);
	peer_send_raw(&p, bytes, len);
	close(p.to);
	p.to = -1;
	ck_assert_ptr_null(peer_receive(&p, 20));
	text = peer_errors(&p);
	status = peer_close(&p);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 1, "status %d, said: %s", status, text);
	ck_assert_msg(strncmp(text, "attune-run: ", 12) == 0, "%s", text);
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
	free(text);
}

START_TEST(broken_streams)
{
	record_all(&rec);
	broken("GET / HTTP/1.1\r\n\r\n", 18);
	broken("ATN1\xff\xff\xff\xff\0\0\0\0", 12);
	broken("ATN1\x02\0\0\0\0\0\0\0{]", 14);
}
END_TEST

static void unusable(const char *why)
{
	struct peer p;
	json_t *first = record_greeted(&rec, &p);
	char *text = peer_errors(&p);
	int status;

	ck_assert_str_eq(peer_text(first, "type"), "error");
	ck_assert_msg(strstr(peer_text(first, "text"), why) != NULL, "'%s' does not hold '%s'",
		      peer_text(first, "text"), why);
	json_decref(first);
	free(text);
	status = peer_close(&p);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

START_TEST(unusable_records)
{
	struct err e = { 0 };
	struct journal j;
	json_t *records = NULL;
	struct buf text;

	unusable("trials.jsonl");
	ck_assert_int_eq(journal_open(&j, rec.path, &records, &e), 0);
	record_add(&j, record_trial("v A=1", "ok", 3));
	journal_close(&j);
	json_decref(records);
	unusable("no run line");
	buf_init(&text);
	ck_assert_int_eq(fs_read(rec.path, &text, 1 << 20, &e), 0);
	*strstr(text.data, "ok") = 'x';
	ck_assert_int_eq(fs_write_atomic(rec.path, text.data, text.len, &e), 0);
	unusable("trials.jsonl:1");
	buf_free(&text);
}
END_TEST

START_TEST(packed_record)
{
	struct err e = { 0 };
	struct peer p;
	struct buf text;
	char *packed = fs_join(rec.folder, "run.jsonl.gz");
	gzFile z = gzopen(packed, "wb");

	record_all(&rec);
	buf_init(&text);
	ck_assert_int_eq(fs_read(rec.path, &text, 1 << 20, &e), 0);
	ck_assert_int_eq(gzwrite(z, text.data, (unsigned)text.len), (int)text.len);
	gzclose(z);
	free(rec.path);
	rec.path = packed;
	record_ready(&rec, &p);
	finish(&p);
	buf_free(&text);
}
END_TEST

/* The same through the program that a host starts. */
START_TEST(as_a_program)
{
	char *program = peer_built("attune-run");
	const char *argv[] = { program, "--replay", rec.path, NULL };
	struct peer p;
	json_t *a;

	record_all(&rec);
	peer_start(&p, argv, NULL);
	a = peer_receive(&p, 20);
	ck_assert_str_eq(peer_text(a, "type"), "hello");
	ck_assert_str_eq(peer_text(json_object_get(a, "device"), "name"), "a test");
	json_decref(a);
	json_decref(peer_ask(&p, record_problem(RECORD_PROBLEM), NULL, 0));
	a = ask_trial(&p, "trial", "v A=4");
	ck_assert_double_eq(number(a, "time_us"), 6.0);
	ck_assert(json_is_true(json_object_get(a, "recorded")));
	json_decref(a);
	finish(&p);
	free(program);
}
END_TEST

START_TEST(thousands_of_trials)
{
	enum { CANDIDATES = 400, ASKED = 4000 };
	struct journal j;
	struct peer p;
	double before;

	record_open(&rec, &j);
	for (int i = 0; i < CANDIDATES; i++) {
		char text[64];

		snprintf(text, sizeof(text), "v BLOCK_M=%d STAGES=2 SPLIT=1", i);
		record_add(&j, record_trial(text, "ok", 5 + i));
	}
	journal_close(&j);
	json_decref(record_greeted(&rec, &p));
	json_decref(peer_ask(&p, record_problem(RECORD_PROBLEM), NULL, 0));
	before = proc_now_s();
	for (int i = 0; i < ASKED; i++) {
		char text[64];
		json_t *a;

		snprintf(text, sizeof(text), "v BLOCK_M=%d STAGES=2 SPLIT=1", i % CANDIDATES);
		a = ask_trial(&p, "trial", text);
		ck_assert_double_eq(number(a, "time_us"), 5 + i % CANDIDATES);
		json_decref(a);
	}
	ck_assert_msg(proc_now_s() - before < 4, "%.2f s for %d trials", proc_now_s() - before, ASKED);
	finish(&p);
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("replay");

	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, set_up, tear_down);
	tcase_add_test(c, greets);
	tcase_add_test(c, trials);
	tcase_add_test(c, problems_are_kept_apart);
	tcase_add_test(c, baselines);
	tcase_add_test(c, unknown_request_and_end);
	tcase_add_test(c, broken_streams);
	tcase_add_test(c, unusable_records);
	tcase_add_test(c, packed_record);
	tcase_add_test(c, as_a_program);
	tcase_add_test(c, thousands_of_trials);
	return scratch_run("replay", c);
}
