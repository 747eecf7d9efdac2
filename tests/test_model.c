/* model: on a made-up kernel whose best configuration is known, and at its edges. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "attune/model.h"
#include "scratch.h"

enum { TRIALS = 400 };

static struct space *open_space(void)
{
	json_t *variants = json_loads(
		"[{\"name\":\"v\",\"axes\":["
		"{\"name\":\"A\",\"values\":[1,2,3,4,5,6,7,8]},{\"name\":\"B\",\"values\":[1,2,4,8,16,32]},"
		"{\"name\":\"C\",\"values\":[\"x\",\"y\",\"z\"]},{\"name\":\"D\",\"values\":[0,1]},{\"name\":\"E\",\"values\":[7]},"
		"{\"name\":\"F\",\"values\":[0,1,2,3]}]}]", 0, NULL);
	struct space *s = NULL;

	ck_assert_int_eq(space_open(&s, variants, NULL), 0);
	json_decref(variants);
	return s;
}

/* Best, 1, at A=6 B=8 C=y D=1; F does not matter. */
static double speed(const struct space_config *c)
{
	double a = c->at[0] - 5.0, b = c->at[1] - 3.0;

	return exp(-0.1 * a * a - 0.2 * b * b) * (c->at[2] == 1 ? 1 : 0.6) * (c->at[3] ? 1 : 0.7);
}

static int odd_fails(void *to, const struct space_config *c, struct buf *why, struct err *e)
{
	(void)to, (void)c, (void)why;
	return err_set(e, "the rule broke");
}

/* n trials of 1152 configurations; the best speed found. Nothing may come twice. */
static double search(uint64_t seed, size_t n, struct model_trial *trials)
{
	struct model_ask ask = { .shape = 1, .explore = 1, .pool = 300 };
	struct space *s = open_space();
	struct model *m = model_open(s, 0);
	struct stats_rng rng;
	double best = 0;

	stats_rng_seed(&rng, seed);
	for (size_t i = 0; i < n; i++) {
		struct space_config c;
		struct err e = {0};

		ask.spread = i < 5;
		if (i == 0)
			ck_assert_int_eq(space_default(s, 0, &c, &e), 1);
		else if (model_suggest(m, trials, i, &ask, &rng, &c, &e) != 1)
			ck_assert_int_eq(space_random(s, 0, true, &rng, &c, &e), 1);
		ck_assert(!space_seen(s, &c));
		space_see(s, &c);
		trials[i] = (struct model_trial){ .config = c, .speed = c.at[0] == 0 ? 0 : speed(&c) };
		best = fmax(best, trials[i].speed);
	}
	model_close(m);
	space_close(s);
	return best;
}

START_TEST(the_best_is_found_among_1152_in_40)
{
	static struct model_trial trials[TRIALS];
	double sum = 0;

	for (uint64_t seed = 0; seed < 10; seed++)
		sum += search(seed, 40, trials);
	ck_assert_double_gt(sum / 10, 0.97);
}
END_TEST

START_TEST(a_seed_repeats_to_the_bit_beyond_what_is_learned_from)
{
	static struct model_trial a[TRIALS], b[TRIALS];

	ck_assert_double_eq(search(3, MODEL_TRIALS + 20, a), search(3, MODEL_TRIALS + 20, b));
	for (size_t i = 0; i < MODEL_TRIALS + 20; i++)
		ck_assert(space_same(&a[i].config, &b[i].config));
}
END_TEST

START_TEST(what_waits_is_not_proposed_around_again)
{
	struct model_ask ask = { .shape = 1, .explore = 1, .pool = 300 };
	static struct model_trial trials[TRIALS];
	struct space_config first, second;
	struct space *s = open_space();
	struct model *m = model_open(s, 0);
	struct stats_rng rng;

	search(1, 10, trials);
	for (int i = 0; i < 10; i++)
		space_see(s, &trials[i].config);
	stats_rng_seed(&rng, 1);
	ck_assert_int_eq(model_suggest(m, trials, 10, &ask, &rng, &first, NULL), 1);
	space_see(s, &first);
	trials[10] = (struct model_trial){ .config = first, .waiting = true };
	ck_assert_int_eq(model_suggest(m, trials, 11, &ask, &rng, &second, NULL), 1);
	ck_assert(!space_same(&first, &second));
	model_close(m);
	space_close(s);
}
END_TEST

START_TEST(without_a_speed_only_spread_proposes)
{
	struct model_ask ask = { .shape = 0, .explore = 1, .belief = 20, .pool = 50 };
	struct model_trial trials[2] = { { .waiting = true }, { .speed = 0, .config.at = { 1 } } };
	struct space *s = open_space();
	struct model *m = model_open(s, 0);
	struct space_config c;
	struct stats_rng rng;
	struct err e = {0};

	stats_rng_seed(&rng, 1);
	ck_assert_int_eq(model_suggest(m, trials, 2, &ask, &rng, &c, &e), 0);
	ask.spread = true;
	ck_assert_int_eq(model_suggest(m, trials, 1, &ask, &rng, &c, &e), 1);
	ck_assert_int_eq(model_suggest(m, trials, 2, &ask, &rng, &c, &e), 1);
	for (uint64_t key = 0; key < s->parts[0].size; key++) {
		space_config(s, key, &c);
		space_see(s, &c);
	}
	ck_assert_int_eq(model_suggest(m, trials, 2, &ask, &rng, &c, &e), 0);
	model_close(m);
	space_forget(s);
	s->rule = odd_fails;
	m = model_open(s, 0);
	ck_assert_int_lt(model_suggest(m, trials, 2, &ask, &rng, &c, &e), 0);
	ck_assert_str_eq(e.text, "the rule broke");
	model_close(m);
	space_close(s);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("model");

	tcase_set_timeout(cases, 120);
	tcase_add_test(cases, the_best_is_found_among_1152_in_40);
	tcase_add_test(cases, a_seed_repeats_to_the_bit_beyond_what_is_learned_from);
	tcase_add_test(cases, what_waits_is_not_proposed_around_again);
	tcase_add_test(cases, without_a_speed_only_spread_proposes);
	return scratch_run("model", cases);
}
