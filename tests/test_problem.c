/* problem: texts in any order become one canonical text; every refusal names the word and what is allowed; any bytes
 * are survived. */
#include <stdlib.h>
#include <string.h>
#include "attune/problem.h"
#include "scratch.h"

static json_t *schema;

static void open_schema(void)
{
	schema = json_loads("{\"dims\":[{\"name\":\"b\",\"min\":1,\"max\":65535},{\"name\":\"h\",\"min\":1,\"max\":64},"
			    "{\"name\":\"hkv\",\"min\":1,\"max\":64,\"default\":\"h\",\"divides\":\"h\"},"
			    "{\"name\":\"sq\",\"min\":0,\"max\":1048576,\"default\":512},"
			    "{\"name\":\"d\",\"values\":[64,128],\"default\":64}],"
			    "\"flags\":[{\"name\":\"dtype\",\"values\":[\"f16\",\"bf16\"],\"default\":\"f16\"},"
			    "{\"name\":\"causal\",\"values\":[0,1],\"default\":0}]}", 0, NULL);
	ck_assert_ptr_nonnull(schema);
}

static void close_schema(void)
{
	json_decref(schema);
}

static void expect_text(const char *text, const char *canonical)
{
	json_t *problem;
	struct err e = {0};

	ck_assert_msg(problem_parse(schema, text, &problem, &e) == 0, "%s: %s", text, e.text);
	ck_assert_str_eq(json_string_value(json_object_get(problem, "text")), canonical);
	json_decref(problem);
}

static void expect_error(const char *text, const char *error)
{
	json_t *problem;
	struct err e = {0};

	ck_assert_msg(problem_parse(schema, text, &problem, &e) < 0, "accepted: %s", text);
	ck_assert_ptr_null(problem);
	ck_assert_str_eq(e.text, error);
}

START_TEST(any_order_and_defaults)
{
	const char *canonical = "b=1 h=8 hkv=8 sq=512 d=64 dtype=f16 causal=0";

	expect_text(canonical, canonical);
	expect_text("h=8 b=1", canonical);
	expect_text("\tcausal=0\n  d=64 h=8 dtype=f16   b=1 ", canonical);
	expect_text("h=8 hkv=2 b=1 sq=0 causal=1 dtype=bf16", "b=1 h=8 hkv=2 sq=0 d=64 dtype=bf16 causal=1");
}
END_TEST

START_TEST(values_have_their_types)
{
	json_t *problem;

	ck_assert_int_eq(problem_parse(schema, "b=3 h=8 dtype=bf16", &problem, NULL), 0);
	ck_assert_int_eq(json_integer_value(json_object_get(problem, "b")), 3);
	ck_assert_int_eq(json_integer_value(json_object_get(problem, "hkv")), 8);
	ck_assert_str_eq(json_string_value(json_object_get(problem, "dtype")), "bf16");
	ck_assert(json_is_integer(json_object_get(problem, "causal")));
	json_decref(problem);
}
END_TEST

START_TEST(errors_name_the_word)
{
	static const char *const cases[][2] = {
		{ "b=1 heads=8", "problem: unknown dimension 'heads' (known: b h hkv sq d dtype causal)" },
		{ "b=1 h=8 d=96", "problem: d=96 is not one of 64 128" },
		{ "b=1 h=8 dtype=f32", "problem: dtype=f32 is not one of f16 bf16" },
		{ "b=1 h=8 causal=true", "problem: causal=true is not one of 0 1" },
		{ "b=0 h=8", "problem: b=0 is outside 1 .. 65535" },
		{ "b=-1 h=8", "problem: b=-1 is outside 1 .. 65535" },
		{ "b=1 h=8 sq=1048577", "problem: sq=1048577 is outside 0 .. 1048576" },
		{ "b=1 h=8 b=1", "problem: b is given twice" },
		{ "b=1 h=8 sq", "problem: 'sq' is not NAME=VALUE" },
		{ "b=1 h=8 =3", "problem: '=3' is not NAME=VALUE" },
		{ "b=1 h=8 sq=", "problem: 'sq=' is not NAME=VALUE" },
		{ "b=1 h=8 sq=12x", "problem: sq=12x is not an integer" },
		{ "b=1 h=8 sq=012", "problem: sq=012 is not an integer" },
		{ "b=1 h=8 sq=1e3", "problem: sq=1e3 is not an integer" },
		{ "b=1 h=8 sq=99999999999999999999", "problem: sq=99999999999999999999 is not an integer" },
		{ "b=1 h=8 hkv=3", "problem: hkv=3 does not divide h=8" },
		{ "h=8", "problem: b has no default and must be given" },
		{ "", "problem: b has no default and must be given" },
		{ "b=1 h=8 \x01\xff=1", "problem: unknown dimension '?\?' (known: b h hkv sq d dtype causal)" },
	};

	expect_error(cases[_i][0], cases[_i][1]);
}
END_TEST

START_TEST(long_texts_are_refused)
{
	char text[PROBLEM_TEXT_MAX + 2];

	memset(text, ' ', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	expect_error(text, "problem: more than 4096 bytes");
	memset(text, 'x', sizeof(text) - 2);
	text[sizeof(text) - 2] = '\0';
	ck_assert_int_lt(problem_parse(schema, text, &(json_t *){ NULL }, NULL), 0);
}
END_TEST

START_TEST(changes_are_checked)
{
	json_t *base, *changed, *changes = json_pack("{sisi}", "sq", 77, "d", 128);
	struct err e = {0};

	ck_assert_int_eq(problem_parse(schema, "b=1 h=8", &base, &e), 0);
	ck_assert_int_eq(problem_change(schema, base, changes, &changed, &e), 0);
	ck_assert_str_eq(json_string_value(json_object_get(changed, "text")),
			 "b=1 h=8 hkv=8 sq=77 d=128 dtype=f16 causal=0");
	ck_assert_str_eq(json_string_value(json_object_get(base, "text")),
			 "b=1 h=8 hkv=8 sq=512 d=64 dtype=f16 causal=0");
	json_decref(changed);
	json_object_set_new(changes, "sq", json_string("many"));
	ck_assert_int_lt(problem_change(schema, base, changes, &changed, &e), 0);
	ck_assert_str_eq(e.text, "problem: sq=many is not an integer");
	json_object_set_new(changes, "x", json_integer(1));
	json_object_del(changes, "sq");
	err_clear(&e);
	ck_assert_int_lt(problem_change(schema, base, changes, &changed, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "unknown dimension 'x'"));
	json_decref(base);
	json_decref(changes);
}
END_TEST

START_TEST(names_are_told_from_problems)
{
	ck_assert(problem_is_name("seed"));
	ck_assert(problem_is_name("seed-bf16"));
	ck_assert(!problem_is_name(""));
	ck_assert(!problem_is_name("b=1"));
	ck_assert(!problem_is_name("two words"));
}
END_TEST

/* Words of the grammar and bytes that are none, in a random row: refused, or canonical and then unchanged by parsing
 * it. */
START_TEST(any_bytes_are_survived)
{
	static const char *const parts[] = { "b=",	   "h",	 "=8",	  " ",		"sq=512",   "hkv=",
					     "dtype=bf16", "1",	 "-",	  "\xc3",	"\x7f",	    "=",
					     "causal=1",   "\n", "d=128", "4294967296", "b=1 h=8 ", "f16" };
	unsigned long long state = 88172645463325252ULL + (unsigned)_i;
	int accepted = 0;

	for (int i = 0; i < 20000; i++) {
		char text[256] = "";
		json_t *problem, *again;
		struct err e = {0};

		for (int k = 0; k < 6; k++) {
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			strcat(text, parts[(state >> 33) % (sizeof(parts) / sizeof(*parts))]);
		}
		if (problem_parse(schema, text, &problem, &e) < 0) {
			ck_assert_ptr_null(problem);
			ck_assert(e.text[0] && !strpbrk(e.text, "\n\t"));
			continue;
		}
		accepted++;
		ck_assert_int_eq(problem_parse(schema, json_string_value(json_object_get(problem, "text")), &again, &e),
				 0);
		ck_assert(json_equal(problem, again));
		json_decref(problem);
		json_decref(again);
	}
	ck_assert_int_gt(accepted, 0);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("problem");

	tcase_add_checked_fixture(t, open_schema, close_schema);
	tcase_add_test(t, any_order_and_defaults);
	tcase_add_test(t, values_have_their_types);
	tcase_add_loop_test(t, errors_name_the_word, 0, 19);
	tcase_add_test(t, long_texts_are_refused);
	tcase_add_test(t, changes_are_checked);
	tcase_add_test(t, names_are_told_from_problems);
	tcase_add_loop_test(t, any_bytes_are_survived, 0, 3);
	return scratch_run("problem", t);
}
