/* Tests of attune-run with a reference that answers only some rows, before the stand-in driver: what is accepted then, what is
 * still found in the rows without an answer, and that nobody may leave rows out without saying so. */
#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "blend.h"
#include "scratch.h"

/* The family's problems, with a reference of the first one that answers rows / part of its rows. */
static json_t *problems(int part, double sampled)
{
	static const char *const launches[] = { "reference", "plain" };
	json_t *all = blend_problems(), *first = json_array_get(all, 0);

	for (int i = 0; i < 2; i++) {
		json_t *step = json_array_get(json_object_get(json_object_get(first, launches[i]), "steps"), 0);
		json_t *rows = json_array_get(json_object_get(step, "args"), 3);

		json_object_set_new(rows, "i32", json_integer(json_integer_value(json_object_get(rows, "i32")) / part));
	}
	if (sampled > 0)
		json_object_set_new(json_object_get(first, "tolerance"), "sampled", json_real(sampled));
	return all;
}

static void ready(struct peer *p, int part, double sampled)
{
	json_t *answer;

	blend_start(p, NULL);
	json_decref(peer_receive(p, 30));
	answer = peer_ask(p, json_pack("{s:s, s:o}", "type", "problem", "problems", problems(part, sampled)), "FAKE:reference\n", 15);
	ck_assert_msg(!strcmp(peer_text(answer, "type"), "ready"), "%s", peer_text(answer, "text"));
	json_decref(answer);
}

START_TEST(some_rows)
{
	struct peer p;
	json_t *r, *check;

	ready(&p, 2, 0.5);
	r = blend_trial(&p, "FAKE:right us=10\n", BLEND_PLAIN);
	ck_assert_msg(!strcmp(peer_text(r, "verdict"), "ok"), "%s: %s", peer_text(r, "verdict"), peer_text(r, "why"));
	check = json_array_get(json_object_get(r, "checks"), 0);
	ck_assert_int_eq(json_integer_value(json_object_get(check, "problem")), 0);
	ck_assert_int_gt(json_integer_value(json_object_get(check, "compared_elements")), 0);
	json_decref(r);
	ck_assert_int_eq(peer_close(&p), 0);
}
END_TEST

/* Misdeeds that show in any row, or only where there is no answer. */
START_TEST(still_found)
{
	static const char *const images[][2] = { { "FAKE:wrong\n", "wrong" },	{ "FAKE:nothing\n", "wrong" },
						 { "FAKE:partial\n", "wrong" }, { "FAKE:nan\n", "wrong" },
						 { "FAKE:inputs\n", "wrong" },	{ "FAKE:nondeterministic\n", "nondeterministic" } };
	struct peer p;

	ready(&p, 2, 0.5);
	for (size_t i = 0; i < sizeof images / sizeof *images; i++) {
		json_t *r = blend_trial(&p, images[i][0], BLEND_PLAIN);

		ck_assert_msg(!strcmp(peer_text(r, "verdict"), images[i][1]), "%s: %s: %s", images[i][0], peer_text(r, "verdict"),
			      peer_text(r, "why"));
		json_decref(r);
	}
	ck_assert_int_eq(peer_close(&p), 0);
}
END_TEST

/* A reference that answers less than it is said to is nobody's fault but the family's. */
static void refused(int part, double sampled)
{
	struct peer p;
	json_t *r;

	ready(&p, part, sampled);
	blend_load(&p, "a", "FAKE:right us=10\n");
	r = peer_ask(&p, json_pack("{s:s, s:s, s:s, s:o}", "type", "trial", "id", "a", "candidate", "a", "launches",
				   blend_launches(BLEND_PLAIN)), NULL, 0);
	ck_assert_str_eq(peer_text(r, "type"), "error");
	ck_assert_msg(strstr(peer_text(r, "text"), "the reference is of no use") != NULL, "%s", peer_text(r, "text"));
	json_decref(r);
	ck_assert_int_eq(peer_close(&p), 0);
}

START_TEST(too_few_rows)
{
	refused(2, 0);
	refused(4, 0.5);
}
END_TEST

/* How many checks of the first problem a result has, and whether all went by ordinary values. */
static int checks_of_first(const json_t *r, bool *ordinary)
{
	json_t *check;
	size_t i;
	int n = 0;

	*ordinary = true;
	json_array_foreach(json_object_get(r, "checks"), i, check)
		if (json_integer_value(json_object_get(check, "problem")) == 0) {
			n++;
			*ordinary &= strcmp(peer_text(check, "values"), "normal") == 0;
		}
	return n;
}

/* A problem that moves many bytes: who is near the incumbent has every kind of values, who is far behind says that it has not. */
START_TEST(large_problems)
{
	json_t *all = blend_problems(), *answer, *r, *incumbent;
	struct peer p;
	bool ordinary;

	json_object_set_new(json_array_get(all, 0), "bytes", json_real(4e7));
	blend_start(&p, NULL);
	json_decref(peer_receive(&p, 30));
	answer = peer_ask(&p, json_pack("{s:s, s:o}", "type", "problem", "problems", all), "FAKE:reference\n", 15);
	ck_assert_str_eq(peer_text(answer, "type"), "ready");
	json_decref(answer);
	blend_load(&p, "first", "FAKE:right us=20000\n");
	r = blend_ask(&p, "trial", "first", blend_launches(BLEND_PLAIN), NULL);
	ck_assert_msg(!strcmp(peer_text(r, "verdict"), "ok"), "%s: %s", peer_text(r, "verdict"), peer_text(r, "why"));
	ck_assert_ptr_null(json_object_get(r, "unchecked"));
	ck_assert_int_ge(checks_of_first(r, &ordinary), 5);
	ck_assert(!ordinary);
	incumbent = json_pack("{s:s, s:o, s:O}", "id", "first", "launches", blend_launches(BLEND_PLAIN), "time_us",
			      json_object_get(r, "time_us"));
	json_decref(r);
	blend_load(&p, "behind", "FAKE:right us=30000\n");
	r = blend_ask(&p, "trial", "behind", blend_launches(BLEND_PLAIN), json_incref(incumbent));
	ck_assert_str_eq(peer_text(r, "verdict"), "ok");
	ck_assert_int_eq(json_integer_value(json_object_get(r, "unchecked")), 3);
	ck_assert_int_ge(checks_of_first(r, &ordinary), 1);
	ck_assert(ordinary);
	json_decref(r);
	blend_load(&p, "near", "FAKE:right us=20100\n");
	r = blend_ask(&p, "trial", "near", blend_launches(BLEND_PLAIN), incumbent);
	ck_assert_str_eq(peer_text(r, "verdict"), "ok");
	ck_assert_ptr_null(json_object_get(r, "unchecked"));
	ck_assert_int_ge(checks_of_first(r, &ordinary), 5);
	json_decref(r);
	ck_assert_int_eq(peer_close(&p), 0);
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("runner_sampled");

	tcase_set_timeout(c, 120);
	tcase_add_test(c, some_rows);
	tcase_add_test(c, still_found);
	tcase_add_test(c, too_few_rows);
	tcase_add_test(c, large_problems);
	return scratch_run("runner_sampled", c);
}
