/* Tests of attune-run's baselines and championship, before the stand-in driver. The times that are compared are those
 * that the stand-in makes up. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "blend.h"
#include "scratch.h"

static double number(const json_t *object, const char *member)
{
	return json_number_value(json_object_get(object, member));
}

static json_t *first_launch(void)
{
	json_t *launches = blend_launches(BLEND_PLAIN), *first = json_incref(json_array_get(launches, 0));

	json_decref(launches);
	return first;
}

static json_t *image_baseline(const char *name, const char *id)
{
	return json_pack("{s:s, s:s, s:s, s:[o]}", "type", "baseline", "name", name, "id", id, "launches",
			 first_launch());
}

static const char program[] =
	"import sys, json\n"
	"for line in sys.stdin:\n"
	"    sq = json.loads(line)['sq']\n"
	"    print(json.dumps({'entries': [{'name': 'cudnn', 'time_us': sq / 40},"
	" {'name': 'math', 'why': 'not here'}], 'versions': {'torch': '0'}}), flush=True)\n";

static json_t *program_baseline(const char *text, bool early, struct peer *p)
{
	json_t *head = json_pack("{s:s, s:s, s:[s, s], s:{s:i}, s:b}", "type", "baseline", "name", "sdpa", "argv",
				 "python3", "-", "problem", "sq", 512, "early", early);

	if (!early)
		return peer_ask(p, head, text, strlen(text));
	peer_send(p, head, text, strlen(text));
	return NULL;
}

static const json_t *entry(const json_t *answer, const char *by, const char *name)
{
	const json_t *entries = json_object_get(answer, "entries");

	for (size_t i = 0; i < json_array_size(entries); i++)
		if (!strcmp(peer_text(json_array_get(entries, i), by), name))
			return json_array_get(entries, i);
	ck_abort_msg("no entry whose %s is %s", by, name);
	return NULL;
}

START_TEST(baselines)
{
	struct peer p;
	json_t *a;

	blend_ready(&p);
	program_baseline(program, true, &p);
	blend_load(&p, "b", "FAKE:right us=20\n");
	a = peer_ask(&p, image_baseline("hybrid", "b"), NULL, 0);
	ck_assert_str_eq(peer_text(a, "type"), "baseline");
	ck_assert_str_eq(peer_text(a, "name"), "hybrid");
	ck_assert_msg(json_array_size(json_object_get(a, "entries")) == 1, "%s", peer_text(a, "why"));
	ck_assert_double_eq_tol(number(json_array_get(json_object_get(a, "entries"), 0), "time_us"), 25, 0.5);
	json_decref(a);

	blend_load(&p, "w", "FAKE:wrong\n");
	a = peer_ask(&p, image_baseline("liar", "w"), NULL, 0);
	ck_assert_ptr_null(json_object_get(json_array_get(json_object_get(a, "entries"), 0), "time_us"));
	json_decref(a);

	a = program_baseline(program, false, &p);
	ck_assert_str_eq(peer_text(a, "name"), "sdpa");
	ck_assert_double_eq(number(entry(a, "name", "cudnn"), "time_us"), 12.8);
	ck_assert_str_eq(peer_text(entry(a, "name", "math"), "why"), "not here");
	ck_assert_str_eq(peer_text(json_object_get(a, "versions"), "torch"), "0");
	json_decref(a);
	ck_assert_int_eq(peer_close(&p), 0);
}
END_TEST

START_TEST(absent_baselines)
{
	struct peer p;
	json_t *a;

	blend_ready(&p);
	a = program_baseline("import attune_no_such_module\n", false, &p);
	ck_assert_uint_eq(json_array_size(json_object_get(a, "entries")), 0);
	ck_assert_str_eq(peer_text(a, "why"), "python3: no module named attune_no_such_module");
	json_decref(a);
	a = peer_ask(&p, json_pack("{s:s, s:s, s:[s], s:{}}", "type", "baseline", "name", "sdpa", "argv",
				   "no-such-python", "problem"), "1", 1);
	ck_assert_uint_eq(json_array_size(json_object_get(a, "entries")), 0);
	ck_assert_msg(strstr(peer_text(a, "why"), "no-such-python") != NULL, "%s", peer_text(a, "why"));
	json_decref(a);
	ck_assert_int_eq(peer_close(&p), 0);
}
END_TEST

static json_t *finalist(const char *id)
{
	return json_pack("{s:s, s:s, s:o}", "id", id, "candidate", id, "launches", blend_launches(BLEND_PLAIN));
}

START_TEST(championship)
{
	struct peer p;
	json_t *a;
	const json_t *fast, *slow;

	blend_ready(&p);
	blend_load(&p, "slow", "FAKE:right us=12\n");
	blend_load(&p, "fast", "FAKE:right us=10\n");
	blend_load(&p, "base", "FAKE:right us=20\n");
	json_decref(peer_ask(&p, image_baseline("hybrid", "base"), NULL, 0));
	a = peer_ask(&p, json_pack("{s:s, s:[o, o], s:[s], s:i}", "type", "champion", "entries", finalist("slow"),
				   finalist("fast"), "baselines", "hybrid", "processes", 3), NULL, 0);
	ck_assert_msg(!strcmp(peer_text(a, "type"), "champion"), "%s", peer_text(a, "text"));
	fast = entry(a, "candidate", "fast");
	slow = entry(a, "candidate", "slow");
	ck_assert_double_eq_tol(number(fast, "time_us"), 12.5, 0.3);
	ck_assert_double_eq_tol(number(slow, "time_us"), 15, 0.3);
	ck_assert_double_eq_tol(number(entry(a, "name", "hybrid"), "time_us"), 25, 0.5);
	ck_assert_uint_eq(json_array_size(json_object_get(fast, "per_process_us")), 3);
	ck_assert_int_eq(json_integer_value(json_object_get(fast, "wins")), 3);
	ck_assert_int_eq(json_integer_value(json_object_get(slow, "wins")), 0);
	ck_assert_double_le(number(fast, "lo_us"), number(fast, "time_us"));
	ck_assert_double_ge(number(fast, "hi_us"), number(fast, "time_us"));
	/* The logarithm of a ratio that is nearly 1, as the stand-in's clock has it. */
	ck_assert_double_gt(number(json_object_get(a, "noise"), "aa_p95"), 0);
	ck_assert_double_le(number(json_object_get(a, "noise"), "aa_median"),
			    number(json_object_get(a, "noise"), "aa_p95"));
	ck_assert_double_lt(number(json_object_get(a, "noise"), "aa_p95"), 0.01);
	ck_assert_ptr_null(json_object_get(a, "championship"));
	json_decref(a);
	ck_assert_int_eq(peer_close(&p), 0);
}
END_TEST

/* What is timed first in a process is faster than later, and alone it would always be the first. */
START_TEST(championship_of_one)
{
	const json_t *each, *one;
	struct peer p;
	size_t i;
	json_t *a;

	blend_ready(&p);
	blend_load(&p, "one", "FAKE:settles us=10 after=6000\n");
	a = peer_ask(&p, json_pack("{s:s, s:[o], s:[], s:i}", "type", "champion", "entries", finalist("one"), "baselines",
				   "processes", 3), NULL, 0);
	ck_assert_msg(!strcmp(peer_text(a, "type"), "champion"), "%s", peer_text(a, "text"));
	each = json_object_get(entry(a, "candidate", "one"), "per_process_us");
	ck_assert_uint_eq(json_array_size(each), 3);
	json_array_foreach((json_t *)each, i, one)
		ck_assert_double_eq_tol(json_number_value(one), 12.5, 0.3);
	json_decref(a);
	ck_assert_int_eq(peer_close(&p), 0);
}
END_TEST

/* A finalist that fails in a fresh process has no time, and does not take the others with it. */
START_TEST(championship_with_a_failure)
{
	static const char *const images[] = { "FAKE:fault after=60\n", "FAKE:stale\n", "FAKE:hang after=60\n" };

	for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
		struct peer p;
		json_t *a;

		blend_ready(&p);
		blend_load(&p, "bad", images[i]);
		blend_load(&p, "good", "FAKE:right us=10\n");
		a = peer_ask(&p, json_pack("{s:s, s:[o, o], s:[], s:i}", "type", "champion", "entries", finalist("bad"),
					   finalist("good"), "baselines", "processes", 3), NULL, 0);
		ck_assert_msg(!strcmp(peer_text(a, "type"), "champion"), "%s", peer_text(a, "text"));
		ck_assert_double_eq_tol(number(entry(a, "candidate", "good"), "time_us"), 12.5, 0.3);
		ck_assert_msg(!json_object_get(entry(a, "candidate", "bad"), "time_us"), "%s has a time", images[i]);
		ck_assert_int_eq(json_integer_value(json_object_get(entry(a, "candidate", "good"), "wins")), 3);
		json_decref(a);
		ck_assert_int_eq(peer_close(&p), 0);
	}
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("runner_final");

	tcase_set_timeout(c, 180);
	tcase_add_test(c, baselines);
	tcase_add_test(c, absent_baselines);
	tcase_add_test(c, championship);
	tcase_add_test(c, championship_of_one);
	tcase_add_test(c, championship_with_a_failure);
	return scratch_run("runner_final", c);
}
