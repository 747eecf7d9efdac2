/* claim: how often chance is called a difference, how often a difference is seen, and what no claim may be made of. */
#include <jansson.h>
#include <math.h>

#include "attune/claim.h"
#include "attune/stats.h"
#include "scratch.h"

enum { PROCESSES = 3 };

/* Entries "a" and "b": a process has a level of its own that both share, and each time an error. b takes `more` times longer. */
static json_t *championship(struct stats_rng *r, double spread, double more, double noise)
{
	json_t *a = json_array(), *b = json_array();
	double a_us = 0, b_us = 0;

	for (int p = 0; p < PROCESSES; p++) {
		const double level = 5 * exp(0.01 * stats_rng_normal(r));

		a_us = level * exp(spread * stats_rng_normal(r));
		b_us = level * exp(spread * stats_rng_normal(r)) * (1 + more);
		json_array_append_new(a, json_real(a_us));
		json_array_append_new(b, json_real(b_us));
	}
	return json_pack("{s:[{s:s, s:f, s:o}, {s:s, s:f, s:o}], s:i, s:{s:f}}", "entries", "candidate", "a", "time_us", a_us,
			 "per_process_us", a, "candidate", "b", "time_us", b_us, "per_process_us", b, "processes", PROCESSES,
			 "noise", "aa_p95", noise);
}

/* Of so many championships, the share that claims anything. */
static double claimed(double spread, double more, double noise)
{
	enum { ROUNDS = 20000 };
	struct stats_rng r;
	int claims = 0;

	stats_rng_seed(&r, 7);
	for (int i = 0; i < ROUNDS; i++) {
		json_t *c = championship(&r, spread, more, noise);

		ck_assert(!claim_faster(c, 0, 1) || !claim_faster(c, 1, 0));
		claims += claim_faster(c, 0, 1) || claim_faster(c, 1, 0);
		json_decref(c);
	}
	return (double)claims / ROUNDS;
}

START_TEST(chance_is_claimed_once_in_twenty_at_most)
{
	const double rate = claimed(0.002, 0, 0);

	ck_assert_msg(rate > 0.045 && rate < 0.055, "%.4f without a threshold", rate);
	ck_assert_double_lt(claimed(0.002, 0, 0.003), 0.02);
}
END_TEST

START_TEST(differences_are_claimed)
{
	ck_assert_double_gt(claimed(0.001, 0.02, 0.002), 0.99);
	ck_assert_double_eq(claimed(0.001, 0.02, 0.05), 0); /* below the noise */
}
END_TEST

START_TEST(of_what_no_claim_is_made)
{
	struct stats_rng r;
	json_t *c, *b;

	stats_rng_seed(&r, 3);
	c = championship(&r, 1e-4, 0.1, 0.001);
	ck_assert(claim_faster(c, 0, 1));
	ck_assert(!claim_faster(c, 1, 0) && !claim_faster(c, 0, 0) && !claim_faster(c, 0, 2));
	b = json_array_get(json_object_get(c, "entries"), 1);
	json_array_remove(json_object_get(b, "per_process_us"), 1);
	ck_assert(!claim_faster(c, 0, 1)); /* b was not timed in one of them */
	json_array_remove(json_object_get(json_array_get(json_object_get(c, "entries"), 0), "per_process_us"), 1);
	ck_assert(!claim_faster(c, 0, 1));
	json_array_clear(json_object_get(b, "per_process_us"));
	ck_assert(!claim_faster(c, 0, 1) && !claim_faster(NULL, 0, 1));
	json_decref(c);
}
END_TEST

START_TEST(the_next_is_the_nearest)
{
	json_t *c = json_pack("{s:[{s:s, s:f}, {s:s, s:f}, {s:s, s:f}, {s:s, s:f}, {s:s, s:s}]}", "entries", "candidate", "slow",
			      "time_us", 6.0, "candidate", "won", "time_us", 4.0, "candidate", "near", "time_us", 4.1, "name",
			      "a baseline", "time_us", 4.05, "candidate", "failed", "why", "wrong");
	size_t entry = 9;
	double ahead;

	ck_assert_int_eq(claim_next(c, "won", &entry, &ahead), 2);
	ck_assert_uint_eq(entry, 1);
	ck_assert_double_eq_tol(ahead, 0.025, 1e-9);
	ck_assert_int_eq(claim_next(c, "failed", &entry, &ahead), -1);
	ck_assert_int_eq(claim_next(NULL, "won", &entry, &ahead), -1);
	json_decref(c);
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("claim");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, chance_is_claimed_once_in_twenty_at_most);
	tcase_add_test(c, differences_are_claimed);
	tcase_add_test(c, of_what_no_claim_is_made);
	tcase_add_test(c, the_next_is_the_nearest);
	return scratch_run("claim", c);
}
