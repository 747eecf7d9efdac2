/* err: first cause kept, places added in front, one bounded line whatever comes in. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "attune/err.h"
#include "scratch.h"

START_TEST(first_cause_is_kept)
{
	struct err e = {0};

	ck_assert_int_eq(err_set(&e, "first %d", 1), ERR_FAIL);
	ck_assert_int_eq(err_set(&e, "second"), ERR_FAIL);
	ck_assert_int_eq(err_set_code(&e, ERR_AGAIN, "third"), ERR_AGAIN);
	errno = ENOENT;
	ck_assert_int_eq(err_sys(&e, "fourth"), ERR_FAIL);
	ck_assert_int_eq(e.code, ERR_FAIL);
	ck_assert_str_eq(e.text, "first 1");
}
END_TEST

START_TEST(places_stand_in_front)
{
	struct err e = {0};

	err_set_code(&e, ERR_EOF, "cause");
	ck_assert_int_eq(err_where(&e, "inner %s", "file"), ERR_EOF);
	ck_assert_int_eq(err_where(&e, "outer"), ERR_EOF);
	ck_assert_str_eq(e.text, "outer: inner file: cause");
	err_clear(&e);
	ck_assert_int_eq(e.code, 0);
	ck_assert_str_eq(e.text, "");
	ck_assert_int_eq(err_where(&e, "place"), ERR_FAIL);
	ck_assert_int_eq(e.code, 0);
	ck_assert_str_eq(e.text, "");
	ck_assert_int_eq(err_set_code(&e, ERR_LIMIT, "again"), ERR_LIMIT);
	ck_assert_int_eq(e.code, ERR_LIMIT);
}
END_TEST

START_TEST(system_errors_are_named)
{
	struct err e = {0};
	char name[4096];

	errno = ENOENT;
	err_sys(&e, "%s", "/no/file");
	ck_assert_str_eq(e.text, "/no/file: No such file or directory");
	ck_assert_int_eq(errno, ENOENT);
	/* The reason survives a name of any length. */
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	err_clear(&e);
	errno = EACCES;
	err_sys(&e, "%s", name);
	ck_assert_ptr_nonnull(strstr(e.text, "...: Permission denied"));
}
END_TEST

START_TEST(null_is_allowed)
{
	errno = EIO;
	ck_assert_int_eq(err_set(NULL, "x"), ERR_FAIL);
	ck_assert_int_eq(err_set_code(NULL, ERR_INTR, "x"), ERR_INTR);
	ck_assert_int_eq(err_sys(NULL, "x"), ERR_FAIL);
	ck_assert_int_eq(err_where(NULL, "x"), ERR_FAIL);
	err_clear(NULL);
}
END_TEST

START_TEST(one_line)
{
	struct err e = {0};

	err_set(&e, "a\nb\r\nc\n\n");
	ck_assert_str_eq(e.text, "a b  c");
	err_clear(&e);
	err_set(&e, "%s", "");
	ck_assert_int_eq(e.code, ERR_FAIL);
	ck_assert_str_eq(e.text, "");
}
END_TEST

/* Every length around the bound, of one-byte and of three-byte characters: cut with "...", never inside a character. */
START_TEST(long_texts_are_cut)
{
	static const char *const units[] = {"x", "\xe2\x82\xac"};
	char text[4200];

	for (size_t u = 0; u < 6; u++) {
		/* None to two bytes before shift where the cut would fall. */
		size_t width = strlen(units[u % 2]), before = u / 2;

		for (size_t n = 990 / width; n < 3200 / width; n++) {
			struct err e = {0};
			size_t len;

			memset(text, 'b', before);
			for (size_t i = 0; i < n; i++)
				memcpy(text + before + i * width, units[u % 2], width + 1);
			err_set(&e, "%s", text);
			len = strlen(e.text);
			if (before + n * width < sizeof(e.text)) {
				ck_assert_str_eq(e.text, text);
				continue;
			}
			ck_assert_uint_lt(len, sizeof(e.text));
			ck_assert_uint_ge(len, sizeof(e.text) - 1 - width);
			ck_assert_str_eq(e.text + len - 3, "...");
			ck_assert_uint_eq((len - 3 - before) % width, 0);
		}
	}
}
END_TEST

START_TEST(places_are_cut_too)
{
	struct err e = {0};

	err_set(&e, "the cause");
	for (int i = 0; i < 500; i++) {
		err_where(&e, "place %d", i);
		ck_assert_uint_lt(strlen(e.text), sizeof(e.text));
	}
	ck_assert_int_eq(strncmp(e.text, "place 499: place 498: ", 22), 0);
	/* An err's own text may be an argument. */
	err_where(&e, "%s", e.text);
	ck_assert_int_eq(strncmp(e.text, "place 499: ", 11), 0);
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("err");

	tcase_add_test(c, first_cause_is_kept);
	tcase_add_test(c, places_stand_in_front);
	tcase_add_test(c, system_errors_are_named);
	tcase_add_test(c, null_is_allowed);
	tcase_add_test(c, one_line);
	tcase_add_test(c, long_texts_are_cut);
	tcase_add_test(c, places_are_cut_too);
	return scratch_run("err", c);
}
