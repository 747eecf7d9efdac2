/* samples: see samples.h. */
#include "samples.h"
#include <check.h>
#include <unistd.h>
#include "attune/fs.h"
#include "attune/journal.h"

json_t *samples_one(int i)
{
	return json_pack("{s:s, s:s, s:f, s:{s:[i,b,n], s:s}}", "kind", "trial", "text", "mma BLOCK_M=32 \xe2\x82\xac \"q\" \\ \n",
			 "time_us", i / 7.0, "z", "list", i, 1, "a", "");
}

/* Whether a record that was read is this one with seq and crc added. */
bool samples_same(const json_t *read, const json_t *record, long seq)
{
	json_t *copy = json_copy((json_t *)read);
	bool out = json_integer_value(json_object_get(copy, "seq")) == seq && json_is_string(json_object_get(copy, "crc"));

	json_object_del(copy, "seq");
	json_object_del(copy, "crc");
	out = out && json_equal(copy, record);
	json_decref(copy);
	return out;
}

/* A journal of n samples; its bytes in b. */
void samples_make(const char *path, int n, struct buf *b)
{
	struct journal j;
	json_t *records;

	unlink(path);
	ck_assert_int_eq(journal_open(&j, path, &records, NULL), 0);
	json_decref(records);
	for (int i = 0; i < n; i++) {
		json_t *record = samples_one(i);

		ck_assert_int_eq(journal_append(&j, record, NULL), 0);
		json_decref(record);
	}
	journal_close(&j);
	buf_clear(b);
	ck_assert_int_eq(fs_read(path, b, 1 << 24, NULL), 0);
}

void samples_check(json_t *records, size_t n)
{
	ck_assert_uint_eq(json_array_size(records), n);
	for (size_t i = 0; i < n; i++) {
		json_t *want = samples_one((int)i);

		ck_assert(samples_same(json_array_get(records, i), want, (long)i + 1));
		json_decref(want);
	}
}
