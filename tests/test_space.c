/* space: keys, texts, draws, moves and repair, against enumeration of small spaces; recorded spaces and their damage. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "attune/space.h"
#include "scratch.h"

static const char *const TWO =
	"[{\"name\":\"a\",\"axes\":[{\"name\":\"X\",\"values\":[1,2,4,8,16],\"default\":4,\"strategy\":\"launch\"},"
	"{\"name\":\"Y\",\"values\":[\"low\",\"mid\",\"high\"],\"default\":\"high\"},{\"name\":\"Z\",\"values\":[0.5,1.5]}]},"
	"{\"name\":\"lib\",\"baseline\":true,\"axes\":[]},"
	"{\"name\":\"b\",\"axes\":[{\"name\":\"N\",\"values\":[1,2,3,4,5,6,7,8,9,10]}]}]";

static struct space *open_text(const char *text)
{
	json_t *variants = json_loads(text, 0, NULL);
	struct space *s = NULL;
	struct err e = {0};

	ck_assert_ptr_nonnull(variants);
	ck_assert_msg(space_open(&s, variants, &e) == 0, "%s", e.text);
	json_decref(variants);
	return s;
}

/* Legal: X + N even in index, and counts how often it is asked. */
static int even(void *to, const struct space_config *c, struct buf *why, struct err *e)
{
	(void)e;
	++*(long *)to;
	if ((c->at[0] + c->at[1] + c->at[2]) % 2 == 0)
		return 1;
	if (why)
		buf_adds(why, "odd");
	return 0;
}

START_TEST(keys_number_every_configuration_once)
{
	struct space *s = open_text(TWO);
	struct space_config c;

	ck_assert_uint_eq(s->parts_n, 2);
	ck_assert_uint_eq(s->parts[1].first, 30);
	for (uint64_t key = 0; key < 40; key++) {
		space_config(s, key, &c);
		ck_assert_uint_eq(space_key(s, &c), key);
		ck_assert_uint_eq(c.part, key >= 30);
	}
	space_close(s);
}
END_TEST

START_TEST(texts_and_objects_come_back)
{
	struct space *s = open_text(TWO);

	for (uint64_t key = 0; key < 40; key++) {
		struct space_config c, back;
		struct err e = {0};
		struct buf text;
		json_t *object;

		space_config(s, key, &c);
		buf_init(&text);
		space_text(s, &c, &text);
		ck_assert_int_eq(space_parse(s, buf_text(&text), &back, &e), 0);
		ck_assert(space_same(&c, &back));
		buf_free(&text);
		object = space_to_json(s, &c);
		ck_assert_int_eq(space_from_json(s, object, &back, &e), 0);
		ck_assert(space_same(&c, &back));
		json_decref(object);
	}
	space_close(s);
}
END_TEST

START_TEST(absent_axes_take_defaults_and_credit_is_ignored)
{
	struct space *s = open_text(TWO);
	json_t *object = json_loads("{\"variant\":\"a\",\"Y\":\"low\",\"_op\":\"x\"}", 0, NULL);
	struct space_config c;
	struct buf text;

	ck_assert_int_eq(space_from_json(s, object, &c, NULL), 0);
	buf_init(&text);
	space_text(s, &c, &text);
	ck_assert_str_eq(buf_text(&text), "a X=4 Y=low Z=0.5");
	buf_free(&text);
	json_decref(object);
	space_close(s);
}
END_TEST

START_TEST(mistakes_in_a_candidate_name_what_is_allowed)
{
	static const char *const wrong[][2] = {
		{ "c", "no variant c" }, { "", "no variant" }, { "a W=1", "variant a has no axis W" },
		{ "a X=3", "1, 2, 4, 8, 16" }, { "a X", "AXIS=VALUE" }, { "a Y=LOW", "low, mid, high" },
	};
	struct space *s = open_text(TWO);

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct space_config c;
		struct err e = {0};

		ck_assert_int_lt(space_parse(s, wrong[i][0], &c, &e), 0);
		ck_assert_msg(strstr(e.text, wrong[i][1]) != NULL, "%s: %s", wrong[i][0], e.text);
	}
	space_close(s);
}
END_TEST

START_TEST(spaces_that_cannot_be_are_refused)
{
	static const char *const wrong[][2] = {
		{ "[]", "no variant" }, { "[{\"name\":\"v\",\"axes\":[{\"name\":\"A\",\"values\":[]}]}]", "axis A" },
		{ "[{\"axes\":[]}]", "without a name" }, { "[{\"name\":\"v\",\"baseline\":true,\"axes\":[]}]", "no variant" },
	};
	json_t *values = json_array(), *axes = json_array(), *many;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		json_t *variants = json_loads(wrong[i][0], 0, NULL);
		struct space *s = NULL;
		struct err e = {0};

		ck_assert_int_lt(space_open(&s, variants, &e), 0);
		ck_assert_msg(strstr(e.text, wrong[i][1]) != NULL, "%s", e.text);
		json_decref(variants);
	}
	for (int i = 0; i < 1000; i++)
		json_array_append_new(values, json_integer(i));
	for (int i = 0; i < 7; i++)
		json_array_append_new(axes, json_pack("{s:s, s:O}", "name", "A", "values", values));
	many = json_pack("[{s:s, s:o}]", "name", "v", "axes", axes);
	{
		struct space *s = NULL;
		struct err e = {0};

		ck_assert_int_lt(space_open(&s, many, &e), 0);
		ck_assert_ptr_nonnull(strstr(e.text, "2^62"));
	}
	json_decref(many);
	json_decref(values);
}
END_TEST

START_TEST(legality_is_asked_once_and_explained_when_wanted)
{
	struct space *s = open_text(TWO);
	struct space_config c = { .at = { 1 } };
	struct buf why;
	long asked = 0;

	s->rule = even;
	s->rule_to = &asked;
	buf_init(&why);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(space_legal(s, &c, NULL, NULL), 0);
	ck_assert_int_eq(asked, 1);
	ck_assert_int_eq(space_legal(s, &c, &why, NULL), 0);
	ck_assert_str_eq(buf_text(&why), "odd");
	c.at[0] = 2;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(space_legal(s, &c, &why, NULL), 1);
	ck_assert_int_eq(asked, 3);
	buf_free(&why);
	space_close(s);
}
END_TEST

START_TEST(draws_exhaust_the_legal_ones_without_repeats)
{
	struct space *s = open_text(TWO);
	struct stats_rng rng;
	struct space_config c;
	long asked = 0, n = 0;

	s->rule = even;
	s->rule_to = &asked;
	stats_rng_seed(&rng, (uint64_t)_i);
	while (space_random(s, -1, true, &rng, &c, NULL) > 0) {
		ck_assert(!space_seen(s, &c));
		ck_assert_int_eq(space_legal(s, &c, NULL, NULL), 1);
		space_see(s, &c);
		n++;
	}
	ck_assert_int_eq(n, 20); /* half of 30 and half of 10 */
	ck_assert_int_eq(space_random(s, -1, false, &rng, &c, NULL), 1);
	space_forget(s);
	ck_assert_int_eq(space_random(s, 1, true, &rng, &c, NULL), 1);
	ck_assert_uint_eq(c.part, 1);
	space_close(s);
}
END_TEST

START_TEST(draws_from_a_list_stay_in_it)
{
	struct space *s = open_text(TWO);
	json_t *texts = json_loads("[\"a X=1 Y=low Z=0.5\",\"a X=16 Y=low Z=0.5\",\"b N=3\",\"b N=3\"]", 0, NULL);
	struct space_config c, best;
	struct stats_rng rng;
	struct err e = {0};
	int n = 0;

	ck_assert_msg(space_list(s, texts, &e) == 0, "%s", e.text);
	stats_rng_seed(&rng, 1);
	ck_assert_int_eq(space_default(s, 0, &best, NULL), 1);
	ck_assert_int_eq(best.at[0], 0); /* X=4 is 2 steps from 1 and 2 from 16: the first listed */
	for (; space_random(s, -1, true, &rng, &c, NULL) > 0; n++) {
		ck_assert_int_eq(space_legal(s, &c, NULL, NULL), 1);
		space_see(s, &c);
	}
	ck_assert_int_eq(n, 3);
	json_array_append_new(texts, json_string("b N=11"));
	ck_assert_int_lt(space_list(s, texts, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "recorded candidate 5"));
	json_decref(texts);
	space_close(s);
}
END_TEST

START_TEST(neighbours_are_one_axis_away)
{
	struct space *s = open_text(TWO);
	struct space_config c = { .at = { 2, 1, 0 } }, out[32];
	long n;

	/* X up and down, both other texts of Y, the other Z. */
	n = space_neighbours(s, &c, SPACE_STEP, out, 32, NULL);
	ck_assert_int_eq(n, 5);
	n = space_neighbours(s, &c, SPACE_ANY, out, 32, NULL);
	ck_assert_int_eq(n, 7);
	for (long i = 0; i < n; i++) {
		int differ = 0;

		for (int a = 0; a < 3; a++)
			differ += out[i].at[a] != c.at[a];
		ck_assert_int_eq(differ, 1);
	}
	ck_assert_int_eq(space_neighbours(s, &c, SPACE_ANY, out, 3, NULL), 3);
	space_close(s);
}
END_TEST

START_TEST(adjacent_draws_stay_within_a_step)
{
	struct space *s = open_text(TWO);
	struct space_config c = { .at = { 2, 1, 0 } }, out;
	bool found[30] = { false };
	struct stats_rng rng;
	int n = 0;

	stats_rng_seed(&rng, 3);
	for (int i = 0; i < 1000; i++) {
		ck_assert_int_eq(space_adjacent(s, &c, false, &rng, &out, NULL), 1);
		ck_assert_int_le(abs(out.at[0] - c.at[0]), 1);
		found[space_key(s, &out)] = true;
	}
	for (int i = 0; i < 30; i++)
		n += found[i];
	ck_assert_int_eq(n, 17); /* 3 x 3 x 2 without itself */
	space_close(s);
}
END_TEST

/* Legal only where X = 16 and Y = mid: two axes away from most. */
static int corner(void *to, const struct space_config *c, struct buf *why, struct err *e)
{
	(void)to, (void)why, (void)e;
	return c->part == 0 && c->at[0] == 4 && c->at[1] == 1;
}

static int broken(void *to, const struct space_config *c, struct buf *why, struct err *e)
{
	(void)to, (void)c, (void)why;
	return err_set(e, "the rule broke");
}

START_TEST(repair_finds_the_nearest_legal_one)
{
	struct space *s = open_text(TWO);
	struct space_config c = { .at = { 1, 1, 1 } }, out;
	struct stats_rng rng;
	struct err e = {0};
	long asked = 0;

	s->rule = even;
	s->rule_to = &asked;
	ck_assert_int_eq(space_repair(s, &c, &out, NULL), 1);
	ck_assert_uint_eq(space_distance(s, &c, &out), 1);
	space_map_free(&s->known);
	s->rule = corner;
	ck_assert_int_eq(space_repair(s, &c, &out, NULL), 1);
	ck_assert_int_eq(out.at[0], 4);
	ck_assert_int_eq(out.at[2], 1);
	ck_assert_int_eq(space_default(s, 1, &out, NULL), 0);
	stats_rng_seed(&rng, 1);
	ck_assert_int_eq(space_random(s, 1, true, &rng, &out, NULL), 0);
	space_map_free(&s->known);
	s->rule = broken;
	ck_assert_int_lt(space_repair(s, &c, &out, &e), 0);
	ck_assert_str_eq(e.text, "the rule broke");
	space_close(s);
}
END_TEST

static void write_record(const char *text)
{
	scratch_write(scratch_path("r.tsv"), text, strlen(text));
}

#define HEAD "#kernel=k one device=Some GPU source=x\nbx\tmode\tconst\tstatus\ttime_ms\tmin_ms\n"

START_TEST(records_are_read)
{
	struct space_record r;
	struct err e = {0};
	struct space *s;
	struct space_config c;

	write_record(HEAD "32\tB\t7\tok\t2.5\t2\n8\tA\t7\tok\t5\t4\n16\tA\t7\tCompilationFailedConfig\t\t\n");
	ck_assert_msg(space_record_open(&r, scratch_path("r.tsv"), &e) == 0, "%s", e.text);
	ck_assert_str_eq(r.kernel, "k one");
	ck_assert_str_eq(r.device, "Some GPU");
	ck_assert_uint_eq(r.n, 3);
	ck_assert_double_eq(r.best_ms, 2.5);
	ck_assert_int_eq(space_open(&s, r.variants, &e), 0);
	space_list_keys(s, r.keys, r.n);
	ck_assert_uint_eq(s->parts[0].axes_n, 2); /* const has one value */
	ck_assert_str_eq(s->parts[0].axes[0].texts[0], "8");
	ck_assert(!s->parts[0].axes[1].ordered);
	space_config(s, r.keys[0], &c);
	ck_assert_int_eq(c.at[0], 2);
	ck_assert_int_eq(space_map_get(&r.row, space_key(s, &c)), 0);
	ck_assert_double_nan(r.time_ms[2]);
	ck_assert_str_eq(r.status[2], "CompilationFailedConfig");
	c.at[1] = !c.at[1];
	ck_assert_int_eq(space_legal(s, &c, NULL, NULL), 0);
	space_close(s);
	space_record_close(&r);
}
END_TEST

START_TEST(damaged_records_are_named)
{
	static const char *const wrong[][2] = {
		{ "", ":1:" }, { "kernel\n", ":1:" }, { "#kernel=k device=d\na\tb\n1\t2\n", ":2:" },
		{ HEAD "32\tA\t7\tok\t1\n", ":3:" }, { HEAD, "no rows" }, { HEAD "32\tA\t7\tok\tfast\t1\n", "row 1" },
		{ HEAD "32\tA\t7\tok\t-1\t1\n", "row 1" }, { HEAD "32\tA\t7\tok\t1\t1\n32\tA\t7\tok\t1\t1\n", "row 2" },
		{ HEAD "32\tA\t7\tbad\t\t\n", "no configuration has a time" },
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct space_record r;
		struct err e = {0};

		write_record(wrong[i][0]);
		ck_assert_int_lt(space_record_open(&r, scratch_path("r.tsv"), &e), 0);
		ck_assert_msg(strstr(e.text, wrong[i][1]) && strstr(e.text, "r.tsv"), "%zu: %s", i, e.text);
	}
}
END_TEST

/* In b a third of N's values; in a X=1 only, and with it one Y of three. */
static int rarely(void *to, const struct space_config *c, struct buf *why, struct err *e)
{
	(void)to, (void)why, (void)e;
	return c->part ? c->at[0] % 3 == 0 : c->at[0] == 0 && c->at[1] == 2;
}

/* What a problem rules out altogether is drawn no more, and what is legal rarely goes on being drawn. */
START_TEST(values_that_are_never_legal_are_passed_over)
{
	struct space *s = open_text(TWO);
	struct space_config c;
	struct stats_rng rng;
	long legal = 0, last[10] = { 0 };

	s->rule = rarely;
	stats_rng_seed(&rng, 1);
	for (int i = 0; i < 12000; i++)
		ck_assert_int_ge(space_draw(s, 0, i % 2, &rng, &c, NULL), 0);
	for (int i = 0; i < 1000; i++)
		legal += space_draw(s, 0, i % 2, &rng, &c, NULL);
	ck_assert_int_eq(legal, 1000);
	for (int i = 0; i < 4000; i++) {
		ck_assert_int_ge(space_draw(s, 1, false, &rng, &c, NULL), 0);
		last[c.at[0]] += i >= 2000;
	}
	for (int n = 0; n < 10; n++)
		ck_assert_msg(n % 3 == 0 ? last[n] > 300 : last[n] == 0, "N=%d drawn %ld times", n + 1, last[n]);
	space_close(s);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("space");

	tcase_add_checked_fixture(cases, scratch_make, scratch_remove);
	tcase_add_test(cases, keys_number_every_configuration_once);
	tcase_add_test(cases, texts_and_objects_come_back);
	tcase_add_test(cases, absent_axes_take_defaults_and_credit_is_ignored);
	tcase_add_test(cases, mistakes_in_a_candidate_name_what_is_allowed);
	tcase_add_test(cases, spaces_that_cannot_be_are_refused);
	tcase_add_test(cases, legality_is_asked_once_and_explained_when_wanted);
	tcase_add_loop_test(cases, draws_exhaust_the_legal_ones_without_repeats, 0, 5);
	tcase_add_test(cases, values_that_are_never_legal_are_passed_over);
	tcase_add_test(cases, draws_from_a_list_stay_in_it);
	tcase_add_test(cases, neighbours_are_one_axis_away);
	tcase_add_test(cases, adjacent_draws_stay_within_a_step);
	tcase_add_test(cases, repair_finds_the_nearest_legal_one);
	tcase_add_test(cases, records_are_read);
	tcase_add_test(cases, damaged_records_are_named);
	return scratch_run("space", cases);
}
