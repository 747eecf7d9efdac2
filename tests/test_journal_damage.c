/* journal: crashes at any byte, damage at any byte, killed writers and full disks; damage is named by file and line. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "attune/buf.h"
#include "attune/fs.h"
#include "attune/hash.h"
#include "attune/journal.h"
#include "samples.h"
#include "scratch.h"

/* Start of line n, counted from 0. */
static size_t line_at(const struct buf *b, int n)
{
	size_t at = 0;

	while (n--)
		at = (size_t)((char *)memchr(b->data + at, '\n', b->len - at) - b->data) + 1;
	return at;
}

/* A crash may leave any beginning of the last line: every cut opens with the whole lines before it, and goes on cleanly. */
START_TEST(torn_at_every_byte)
{
	const char *path = scratch_path("j");
	struct buf b = {0};
	size_t last;

	samples_make(path, 3, &b);
	last = line_at(&b, 2);
	for (size_t cut = 0; cut <= b.len; cut++) {
		size_t whole = cut < line_at(&b, 1) ? 0 : cut < last ? 1 : cut < b.len ? 2 : 3;
		json_t *records, *record = samples_one((int)whole);
		struct journal j;

		scratch_write(path, b.data, cut);
		if (cut != line_at(&b, (int)whole)) {
			struct err e = {0};

			ck_assert_int_lt(journal_read(path, &records, &e), 0);
			ck_assert_ptr_null(records);
			ck_assert_ptr_nonnull(strstr(e.text, "cut short"));
		}
		ck_assert_int_eq(journal_open(&j, path, &records, NULL), 0);
		samples_check(records, whole);
		json_decref(records);
		ck_assert_int_eq(journal_append(&j, record, NULL), 0);
		journal_close(&j);
		json_decref(record);
		ck_assert_int_eq(journal_read(path, &records, NULL), 0);
		samples_check(records, whole + 1);
		json_decref(records);
	}
	buf_free(&b);
}
END_TEST

/* After a power cut some file systems show NULs where the last bytes should be. */
START_TEST(torn_with_nuls)
{
	const char *path = scratch_path("j");
	struct buf b = {0};
	json_t *records;
	struct journal j;

	samples_make(path, 3, &b);
	memset(b.data + line_at(&b, 2) + 5, 0, b.len - line_at(&b, 2) - 5);
	scratch_write(path, b.data, b.len);
	ck_assert_int_lt(journal_read(path, &records, NULL), 0);
	ck_assert_int_eq(journal_open(&j, path, &records, NULL), 0);
	samples_check(records, 2);
	json_decref(records);
	journal_close(&j);
	ck_assert_int_eq(journal_read(path, &records, NULL), 0);
	samples_check(records, 2);
	json_decref(records);
	buf_free(&b);
}
END_TEST

static void damaged_at(const char *path, const struct buf *b, int line)
{
	char place[300];
	json_t *records;
	struct err e = {0};
	struct journal j;

	scratch_write(path, b->data, b->len);
	snprintf(place, sizeof(place), "%s:%d: damaged: ", path, line);
	ck_assert_int_eq(journal_open(&j, path, &records, &e), ERR_FAIL);
	ck_assert_ptr_null(records);
	ck_assert_int_eq(j.fd, -1);
	ck_assert_msg(!strncmp(e.text, place, strlen(place)), "%s", e.text);
	err_clear(&e);
	ck_assert_int_eq(journal_read(path, &records, &e), ERR_FAIL);
	ck_assert_ptr_null(records);
	ck_assert_msg(!strncmp(e.text, place, strlen(place)), "%s", e.text);
}

/* Any one byte of a middle line changed to any of some others: an error that names the line, and the file is left alone. */
START_TEST(damage_in_the_middle)
{
	static const char others[] = "x0 }\"\0\xff";
	const char *path = scratch_path("j");
	struct buf b = {0}, after = {0};
	size_t from, to;

	samples_make(path, 3, &b);
	from = line_at(&b, 1);
	to = line_at(&b, 2);
	for (size_t at = from; at < to; at++) {
		char old = b.data[at];

		for (size_t k = 0; k < sizeof(others) - 1; k++) {
			if (others[k] == old)
				continue;
			b.data[at] = others[k];
			damaged_at(path, &b, 2);
		}
		b.data[at] = old;
	}
	b.data[from + 30] ^= 1;
	damaged_at(path, &b, 2);
	ck_assert_int_eq(fs_read(path, &after, 1 << 20, NULL), 0);
	ck_assert_uint_eq(after.len, b.len);
	ck_assert_int_eq(memcmp(after.data, b.data, b.len), 0);
	buf_free(&b);
	buf_free(&after);
}
END_TEST

START_TEST(lines_missing_doubled_swapped)
{
	const char *path = scratch_path("j");
	struct buf b = {0}, c = {0};
	size_t one, two;

	samples_make(path, 3, &b);
	one = line_at(&b, 1);
	two = line_at(&b, 2);
	buf_add(&c, b.data, one);
	buf_add(&c, b.data + two, b.len - two);
	damaged_at(path, &c, 2);
	buf_clear(&c);
	buf_add(&c, b.data, two);
	buf_add(&c, b.data + one, b.len - one);
	damaged_at(path, &c, 3);
	buf_clear(&c);
	buf_add(&c, b.data + one, two - one);
	buf_add(&c, b.data, one);
	damaged_at(path, &c, 1);
	buf_clear(&c);
	buf_add(&c, b.data, one);
	buf_adds(&c, "\n");
	buf_add(&c, b.data + one, b.len - one);
	damaged_at(path, &c, 2);
	buf_clear(&c);
	buf_adds(&c, "{\"seq\":1,\"kind\":\"run\"}\n");
	damaged_at(path, &c, 1);
	/* A repeated key, with the checksum of what most readers would make of it. */
	buf_clear(&c);
	buf_addf(&c, "{\"seq\":1,\"crc\":\"%08x\",\"a\":1,\"a\":2}\n", hash_crc32("{\"a\":2,\"seq\":1}", 15));
	damaged_at(path, &c, 1);
	/* A whole last line that is wrong was not torn by a crash. */
	buf_clear(&c);
	buf_add(&c, b.data, b.len);
	c.data[c.len - 5] ^= 1;
	damaged_at(path, &c, 3);
	buf_free(&b);
	buf_free(&c);
}
END_TEST

START_TEST(killed_writers)
{
	const char *path = scratch_path("j");
	size_t before = 0;

	for (int round = 0; round < 15; round++) {
		pid_t child = fork();
		json_t *records;
		struct journal j;

		if (!child) {
			if (!journal_open(&j, path, &records, NULL))
				for (int i = (int)json_array_size(records);; i++)
					journal_append(&j, samples_one(i), NULL);
			_exit(1);
		}
		usleep(20000 + 3000 * (useconds_t)round);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		ck_assert_int_eq(journal_open(&j, path, &records, NULL), 0);
		ck_assert_uint_ge(json_array_size(records), before);
		before = json_array_size(records);
		samples_check(records, before);
		json_decref(records);
		journal_close(&j);
	}
	ck_assert_uint_gt(before, 0);
}
END_TEST

START_TEST(full_disk)
{
	const char *path = scratch_path("j");
	struct rlimit limit, old;
	json_t *records, *big = json_pack("{s:s, s:o}", "kind", "trial", "x", json_array()), *small = samples_one(1);
	struct buf b = {0};
	struct err e = {0};
	struct journal j;

	for (int i = 0; i < 5000; i++)
		json_array_append_new(json_object_get(big, "x"), json_integer(i));
	samples_make(path, 1, &b);
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(journal_open(&j, path, &records, NULL), 0);
	json_decref(records);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = (struct rlimit){.rlim_cur = 10000, .rlim_max = old.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_lt(journal_append(&j, big, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, path));
	ck_assert_int_eq(j.next_seq, 2);
	/* What did not fit is gone again; a smaller one follows. */
	ck_assert_int_eq(journal_append(&j, small, NULL), 0);
	journal_close(&j);
	ck_assert_int_eq(journal_read(path, &records, NULL), 0);
	samples_check(records, 2);
	json_decref(records);
	json_decref(big);
	json_decref(small);
	buf_free(&b);
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("journal_damage");

	tcase_set_timeout(c, 90);
	tcase_add_checked_fixture(c, scratch_make, scratch_remove);
	tcase_add_test(c, torn_at_every_byte);
	tcase_add_test(c, torn_with_nuls);
	tcase_add_test(c, damage_in_the_middle);
	tcase_add_test(c, lines_missing_doubled_swapped);
	tcase_add_test(c, killed_writers);
	tcase_add_test(c, full_disk);
	return scratch_run("journal_damage", c);
}
