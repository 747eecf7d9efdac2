/* buf: content and terminator after any mix of calls, aliasing, overflow. */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "attune/buf.h"
#include "attune/stats.h"
#include "scratch.h"

START_TEST(empty)
{
	struct buf b;
	char *taken;

	buf_init(&b);
	ck_assert_str_eq(buf_text(&b), "");
	buf_clear(&b);
	buf_add(&b, NULL, 0);
	ck_assert_uint_eq(b.len, 0);
	buf_free(&b);
	taken = buf_take(&b);
	ck_assert_str_eq(taken, "");
	free(taken);
	ck_assert_ptr_null(b.data);
}
END_TEST

START_TEST(adding)
{
	struct buf b = {0};
	char *taken;

	buf_adds(&b, "one");
	buf_addc(&b, ' ');
	buf_addf(&b, "%s %d", "two", 3);
	buf_add(&b, "\0x", 2);
	ck_assert_uint_eq(b.len, 11);
	ck_assert_int_eq(memcmp(b.data, "one two 3\0x", 12), 0);
	buf_clear(&b);
	ck_assert_str_eq(buf_text(&b), "");
	ck_assert_uint_gt(b.cap, 0);
	buf_addf(&b, "%0200d", 7);
	ck_assert_uint_eq(b.len, 200);
	taken = buf_take(&b);
	ck_assert_uint_eq(strlen(taken), 200);
	ck_assert_ptr_null(b.data);
	ck_assert_uint_eq(b.len + b.cap, 0);
	free(taken);
}
END_TEST

/* Against a model: a large plain array. */
START_TEST(any_mix)
{
	static char model[1 << 20];
	struct stats_rng r;
	struct buf b = {0};
	size_t len = 0;

	stats_rng_seed(&r, (uint64_t)_i);
	for (int step = 0; step < 2000; step++) {
		char piece[300];
		size_t n = stats_rng_below(&r, sizeof(piece));

		for (size_t i = 0; i < n; i++)
			piece[i] = (char)stats_rng_below(&r, 256);
		switch (stats_rng_below(&r, 8)) {
		case 0:
			buf_clear(&b);
			len = 0;
			break;
		case 1:
			buf_reserve(&b, n * 10);
			ck_assert_uint_gt(b.cap, b.len + n * 10);
			break;
		case 2: /* a piece of itself */
			if (len + 300 < sizeof(model) && len) {
				size_t from = stats_rng_below(&r, len), most = len - from;

				n = n < most ? n : most;
				buf_add(&b, b.data + from, n);
				memmove(model + len, model + from, n);
				len += n;
			}
			break;
		default:
			if (len + n < sizeof(model)) {
				buf_add(&b, piece, n);
				memcpy(model + len, piece, n);
				len += n;
			}
		}
		ck_assert_uint_eq(b.len, len);
		ck_assert_int_eq(memcmp(buf_text(&b), model, len), 0);
		ck_assert_int_eq(buf_text(&b)[len], 0);
	}
	buf_free(&b);
}
END_TEST

START_TEST(adding_all_of_itself_while_growing)
{
	struct buf b = {0};

	buf_adds(&b, "ab");
	for (int i = 0; i < 15; i++)
		buf_add(&b, b.data, b.len);
	ck_assert_uint_eq(b.len, 2u << 15);
	for (size_t i = 0; i < b.len; i++)
		ck_assert_int_eq(b.data[i], i % 2 ? 'b' : 'a');
	buf_free(&b);
}
END_TEST

START_TEST(overflow_aborts)
{
	struct buf b = {0};

	buf_adds(&b, "some");
	buf_reserve(&b, SIZE_MAX - 2);
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("buf");

	tcase_add_test(c, empty);
	tcase_add_test(c, adding);
	tcase_add_loop_test(c, any_mix, 0, 10);
	tcase_add_test(c, adding_all_of_itself_while_growing);
	tcase_add_test_raise_signal(c, overflow_aborts, SIGABRT);
	return scratch_run("buf", c);
}
