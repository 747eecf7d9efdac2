/* Tests of replay's championships: measured side by side and recorded as such, or put together from single trials and
 * then said to be. */
#include <check.h>

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

static double number(const json_t *object, const char *member)
{
	return json_number_value(json_object_get(object, member));
}

static void finish(struct peer *p)
{
	peer_send(p, json_pack("{s:s}", "type", "quit"), NULL, 0);
	ck_assert_int_eq(peer_close(p), 0);
}

static json_t *ask_champion(struct peer *p, const char *first, const char *second, const char *baseline)
{
	json_t *entries = json_array();

	json_array_append_new(entries, json_pack("{s:s, s:s, s:{}}", "id", "c1", "candidate", first, "launches"));
	if (second)
		json_array_append_new(entries, json_pack("{s:s, s:s, s:{}}", "id", "c2", "candidate", second,
							 "launches"));
	return peer_ask(p, json_pack("{s:s, s:o, s:[s*], s:i}", "type", "champion", "entries", entries, "baselines",
				     baseline, "processes", 2), NULL, 0);
}

START_TEST(champion_as_recorded)
{
	struct peer p;
	json_t *a, *entries;

	record_all(&rec);
	record_ready(&rec, &p);
	a = ask_champion(&p, "v A=1", "v A=3", "plain");
	entries = json_object_get(a, "entries");
	ck_assert_str_eq(peer_text(a, "type"), "champion");
	ck_assert_ptr_null(json_object_get(a, "championship"));
	ck_assert_uint_eq(json_array_size(entries), 3);
	ck_assert_str_eq(peer_text(json_array_get(entries, 0), "id"), "c1");
	ck_assert_double_eq(number(json_array_get(entries, 0), "time_us"), 8.25);
	ck_assert_double_eq(number(json_array_get(entries, 1), "time_us"), 7.25);
	ck_assert_double_eq(number(json_array_get(entries, 0), "wins"), 0);
	ck_assert_double_eq(number(json_array_get(entries, 1), "wins"), 2);
	ck_assert_str_eq(peer_text(json_array_get(entries, 2), "name"), "plain");
	ck_assert_double_eq(number(json_object_get(a, "noise"), "aa_median"), 1.001);
	json_decref(a);

	/* Fewer than were measured together: who won is counted among those that are asked for. */
	a = ask_champion(&p, "v A=1", NULL, "plain");
	entries = json_object_get(a, "entries");
	ck_assert_uint_eq(json_array_size(entries), 2);
	ck_assert_double_eq(number(json_array_get(entries, 0), "wins"), 2);
	ck_assert_str_eq(peer_text(json_array_get(entries, 1), "name"), "plain");
	json_decref(a);
	a = ask_champion(&p, "v A=1", NULL, "cublas"); /* a baseline that was not there */
	ck_assert_uint_eq(json_array_size(json_object_get(a, "entries")), 1);
	json_decref(a);
	finish(&p);
}
END_TEST

START_TEST(champion_from_trials)
{
	struct peer p;
	json_t *a, *entries;

	record_all(&rec);
	record_ready(&rec, &p);
	a = ask_champion(&p, "v A=4", "v A=3", "sdpa");
	entries = json_object_get(a, "entries");
	ck_assert_str_eq(peer_text(a, "championship"), "not recorded");
	ck_assert_uint_eq(json_array_size(entries), 4);
	ck_assert_double_eq(number(json_array_get(entries, 0), "time_us"), 6);
	ck_assert_double_eq(number(json_array_get(entries, 0), "lo_us"), 5.5);
	ck_assert_double_eq(number(json_array_get(entries, 1), "time_us"), 7);
	ck_assert_ptr_null(json_object_get(json_array_get(entries, 0), "wins"));
	ck_assert_ptr_null(json_object_get(json_array_get(entries, 0), "per_process_us"));
	ck_assert_str_eq(peer_text(json_array_get(entries, 2), "name"), "cudnn");
	ck_assert_double_eq(number(json_object_get(a, "noise"), "aa_median"), 1.001);
	json_decref(a);
	a = ask_champion(&p, "v A=2", NULL, NULL); /* wrong: there is no time to tell */
	ck_assert_ptr_null(json_object_get(json_array_get(json_object_get(a, "entries"), 0), "time_us"));
	json_decref(a);
	finish(&p);
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("replay_champion");

	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, set_up, tear_down);
	tcase_add_test(c, champion_as_recorded);
	tcase_add_test(c, champion_from_trials);
	return scratch_run("replay_champion", c);
}
