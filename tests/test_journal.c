/* journal: what is appended is read back, numbers to the bit; one writer at a time. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>
#include "attune/buf.h"
#include "attune/fs.h"
#include "attune/journal.h"
#include "samples.h"
#include "scratch.h"

START_TEST(the_format)
{
	const char *path = scratch_path("j");
	json_t *record = json_pack("{s:s, s:f}", "kind", "run", "a", 0.5), *records;
	char want[200];
	struct journal j;
	struct buf b = {0};
	static const char summed[] = "{\"a\":0.5,\"kind\":\"run\",\"seq\":1}";

	ck_assert_int_eq(journal_open(&j, path, &records, NULL), 0);
	ck_assert_uint_eq(json_array_size(records), 0);
	ck_assert_int_eq(j.next_seq, 1);
	ck_assert_int_eq(journal_append(&j, record, NULL), 0);
	ck_assert_int_eq(j.next_seq, 2);
	ck_assert_int_eq((int)json_object_size(record), 2);
	journal_close(&j);
	journal_close(&j);
	snprintf(want, sizeof(want), "{\"seq\":1,\"crc\":\"%08lx\",\"kind\":\"run\",\"a\":0.5}\n",
		 crc32(0, (const unsigned char *)summed, sizeof(summed) - 1));
	ck_assert_int_eq(fs_read(path, &b, 1000, NULL), 0);
	ck_assert_str_eq(buf_text(&b), want);
	json_decref(record);
	json_decref(records);
	buf_free(&b);
}
END_TEST

START_TEST(read_back_and_go_on)
{
	const char *path = scratch_path("j");
	struct buf b = {0};
	json_t *records, *record = samples_one(20);
	struct journal j;

	samples_make(path, 20, &b);
	ck_assert_int_eq(journal_read(path, &records, NULL), 0);
	samples_check(records, 20);
	json_decref(records);
	ck_assert_int_eq(journal_open(&j, path, &records, NULL), 0);
	samples_check(records, 20);
	ck_assert_int_eq(j.next_seq, 21);
	ck_assert_int_eq(journal_append(&j, record, NULL), 0);
	/* One that was read elsewhere is appended under its new number. */
	ck_assert_int_eq(journal_append(&j, json_array_get(records, 3), NULL), 0);
	journal_close(&j);
	json_decref(records);
	json_decref(record);
	ck_assert_int_eq(journal_read(path, &records, NULL), 0);
	ck_assert_uint_eq(json_array_size(records), 22);
	record = samples_one(3);
	ck_assert(samples_same(json_array_get(records, 21), record, 22));
	json_decref(record);
	json_decref(records);
	buf_free(&b);
}
END_TEST

/* Numbers keep their bits: the checksum is taken over text, so anything less would show as damage. */
START_TEST(numbers_round_trip)
{
	static const double numbers[] = {0.1, 1e22, 1e-310, -0.0, 5e-324, 1.7976931348623157e308, 1.0, 123456789.123456789};
	const char *path = scratch_path("j");
	json_t *records, *list = json_array(), *record = json_pack("{s:o, s:I, s:I}", "x", list, "lo", INT64_MIN, "hi", INT64_MAX);
	struct journal j;

	for (size_t i = 0; i < 8; i++)
		json_array_append_new(list, json_real(numbers[i]));
	ck_assert_int_eq(journal_open(&j, path, &records, NULL), 0);
	json_decref(records);
	ck_assert_int_eq(journal_append(&j, record, NULL), 0);
	journal_close(&j);
	ck_assert_int_eq(journal_read(path, &records, NULL), 0);
	ck_assert(samples_same(json_array_get(records, 0), record, 1));
	for (size_t i = 0; i < 8; i++) {
		double got = json_real_value(json_array_get(json_object_get(json_array_get(records, 0), "x"), i));

		ck_assert_int_eq(memcmp(&got, &numbers[i], sizeof(got)), 0);
	}
	json_decref(record);
	json_decref(records);
}
END_TEST

START_TEST(one_writer)
{
	const char *path = scratch_path("j");
	json_t *records;
	struct journal j, second;
	struct err e = {0};
	pid_t child;
	int status;

	ck_assert_int_eq(journal_open(&j, path, &records, NULL), 0);
	json_decref(records);
	child = fork();
	if (!child) {
		close(j.fd);
		_exit(journal_open(&second, path, &records, &e) == ERR_AGAIN && strstr(e.text, path) ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(journal_open(&second, path, &records, &e), ERR_AGAIN);
	/* Reading is always possible. */
	ck_assert_int_eq(journal_read(path, &records, NULL), 0);
	json_decref(records);
	journal_close(&j);
	ck_assert_int_eq(journal_open(&second, path, &records, NULL), 0);
	json_decref(records);
	journal_close(&second);
}
END_TEST

START_TEST(what_cannot_be_appended)
{
	const char *path = scratch_path("j");
	json_t *records, *list = json_array(), *nul = json_object();
	struct err e = {0};
	struct journal j;

	json_object_set_new(nul, "x", json_stringn("a\0b", 3));
	ck_assert_int_eq(journal_open(&j, path, &records, NULL), 0);
	json_decref(records);
	ck_assert_int_lt(journal_append(&j, list, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "must be a JSON object"));
	err_clear(&e);
	ck_assert_int_lt(journal_append(&j, nul, &e), 0);
	ck_assert_int_eq(e.code, ERR_FAIL);
	ck_assert_int_lt(journal_append(&j, NULL, NULL), 0);
	ck_assert_int_eq(j.next_seq, 1);
	journal_close(&j);
	ck_assert_int_lt(journal_append(&j, list, NULL), 0);
	ck_assert_int_eq(journal_read(path, &records, NULL), 0);
	ck_assert_uint_eq(json_array_size(records), 0);
	json_decref(records);
	json_decref(list);
	json_decref(nul);
}
END_TEST

START_TEST(packed_and_absent)
{
	const char *path = scratch_path("j.gz");
	struct buf b = {0};
	json_t *records;
	struct err e = {0};
	struct journal j;
	gzFile gz;

	samples_make(scratch_path("j"), 4, &b);
	gz = gzopen(path, "wb");
	ck_assert_int_eq(gzwrite(gz, b.data, (unsigned)b.len), (int)b.len);
	gzclose(gz);
	ck_assert_int_eq(journal_read(path, &records, NULL), 0);
	samples_check(records, 4);
	json_decref(records);
	ck_assert_int_lt(journal_read(scratch_path("none"), &records, &e), 0);
	ck_assert_ptr_null(records);
	ck_assert_ptr_nonnull(strstr(e.text, "/none: No such file"));
	err_clear(&e);
	ck_assert_int_lt(journal_open(&j, scratch_path("no/folder"), &records, &e), 0);
	ck_assert_ptr_null(records);
	ck_assert_ptr_nonnull(strstr(e.text, "No such file"));
	buf_free(&b);
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("journal");

	tcase_set_timeout(c, 90);
	tcase_add_checked_fixture(c, scratch_make, scratch_remove);
	tcase_add_test(c, the_format);
	tcase_add_test(c, read_back_and_go_on);
	tcase_add_test(c, numbers_round_trip);
	tcase_add_test(c, one_writer);
	tcase_add_test(c, what_cannot_be_appended);
	tcase_add_test(c, packed_and_absent);
	return scratch_run("journal", c);
}
