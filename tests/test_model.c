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
	struct model_ask ask = { .shape = 1, .explore = 1, .far = 1, .pool = 300 };
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
	struct model_ask ask = { .shape = 1, .explore = 1, .far = 1, .pool = 300 };
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
	struct model_ask ask = { .shape = 0, .explore = 1, .far = 1, .belief = 20, .pool = 50 };
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

/* A and B go together: each value of A with one of B, and no two neighbours of A with neighbours of B. */
static const uint16_t mate[] = { 2, 5, 0, 3, 6, 1, 4 };

static int go_together(void *to, const struct space_config *c, struct buf *why, struct err *e)
{
	(void)to, (void)why, (void)e;
	return c->at[1] == mate[c->at[0]];
}

/* Best, 1, at A=5, which one move of two axes reaches and no number of moves of one. */
static double paired_speed(const struct space_config *c)
{
	double a = c->at[0] - 5.0;

	return exp(-0.1 * a * a) * (c->at[2] == 1 ? 1 : 0.9);
}

/* No random configurations: the space is too small for them not to hit upon it. */
START_TEST(an_optimum_that_takes_two_axes_at_once_is_found)
{
	struct model_ask ask = { .shape = 1, .explore = 1, .far = 1, .pool = 0 };
	json_t *variants = json_loads("[{\"name\":\"v\",\"axes\":[{\"name\":\"A\",\"values\":[1,2,3,4,5,6,7]},"
				      "{\"name\":\"B\",\"values\":[1,2,3,4,5,6,7]},{\"name\":\"C\",\"values\":[1,2,3,4]},"
				      "{\"name\":\"D\",\"values\":[1,2,3,4]}]}]", 0, NULL);
	static struct model_trial trials[TRIALS];
	struct space *s = NULL;
	struct model *m;
	struct stats_rng rng;
	double best = 0;

	ck_assert_int_eq(space_open(&s, variants, NULL), 0);
	json_decref(variants);
	s->rule = go_together;
	m = model_open(s, 0);
	stats_rng_seed(&rng, (uint64_t)_i);
	for (size_t i = 0; i < 25; i++) {
		struct space_config c = { .at = { 0, mate[0] } };
		struct err e = { 0 };

		if (i > 0 && model_suggest(m, trials, i, &ask, &rng, &c, &e) != 1)
			break;
		ck_assert_int_eq(space_legal(s, &c, NULL, &e), 1);
		ck_assert(!space_seen(s, &c));
		space_see(s, &c);
		trials[i] = (struct model_trial){ .config = c, .speed = paired_speed(&c) };
		best = fmax(best, trials[i].speed);
	}
	ck_assert_double_eq(best, 1);
	model_close(m);
	space_close(s);
}
END_TEST

static int differing(const struct space_config *a, const struct space_config *b)
{
	int n = 0;

	for (int i = 0; i < 6; i++)
		n += a->at[i] != b->at[i];
	return n;
}

/* What is proposed after a search of 30 trials, of the same seed each time: in how many axes it differs from the best, and,
 * in *least, from that of the three best it is most like. */
static int asked_after_30(uint64_t seed, const struct model_ask *ask, int *least)
{
	static struct model_trial trials[TRIALS];
	struct space *s = open_space();
	struct model *m = model_open(s, 0);
	struct space_config c;
	struct stats_rng rng;
	bool taken[30] = { false };
	int from_best = 0;

	search(seed, 30, trials);
	for (int i = 0; i < 30; i++)
		space_see(s, &trials[i].config);
	stats_rng_seed(&rng, seed);
	ck_assert_int_eq(model_suggest(m, trials, 30, ask, &rng, &c, NULL), 1);
	*least = 6;
	for (int k = 0; k < 3; k++) {
		int best = -1, n;

		for (int i = 0; i < 30; i++)
			if (!taken[i] && (best < 0 || trials[i].speed > trials[best].speed))
				best = i;
		taken[best] = true;
		n = differing(&c, &trials[best].config);
		from_best = k == 0 ? n : from_best;
		*least = n < *least ? n : *least;
	}
	model_close(m);
	space_close(s);
	return from_best;
}

/* Uncertainty that counts far away only leads there; one that counts near the best only does not, but changes more there. */
START_TEST(far_is_of_what_is_far)
{
	struct model_ask calm = { .shape = 1, .explore = 0.01, .far = 0.01, .pool = 300 }, near = calm, far = calm;
	int calm_axes = 0, near_axes = 0, near_n = 0, far_n = 0, least;

	near.explore = 50;
	far.far = 50;
	for (uint64_t seed = 0; seed < 10; seed++) {
		calm_axes += asked_after_30(seed, &calm, &least);
		near_axes += asked_after_30(seed, &near, &least);
		near_n += least > 3;
		asked_after_30(seed, &far, &least);
		far_n += least > 3;
	}
	ck_assert_msg(near_n <= 1 && far_n >= 5, "%d and %d of 10 proposals far from the best", near_n, far_n);
	ck_assert_msg(near_axes > calm_axes + 5, "%d axes changed in all, %d without uncertainty", near_axes, calm_axes);
}
END_TEST

/* 20 axes of three values. Each takes a share of the speed, the first the most, by a value other than its best. */
enum { WIDE_AXES = 20 };
static double wide_speed(const struct space_config *c)
{
	double speed = 1;

	for (int a = 0; a < WIDE_AXES; a++)
		speed *= c->at[a] == a % 3 ? 1 : 1 - 0.3 / (1 + a);
	return speed;
}

static double wide_search(uint64_t seed, size_t n)
{
	struct model_ask ask = { .shape = 1, .explore = 0.3, .far = 1, .pool = 1500 };
	struct model_trial trials[64];
	json_t *axes = json_array(), *variants;
	struct space *s = NULL;
	struct model *m;
	struct stats_rng rng;
	double best = 0;

	for (int a = 0; a < WIDE_AXES; a++) {
		char name[] = { (char)('A' + a), 0 };

		json_array_append_new(axes, json_pack("{s:s, s:[s,s,s]}", "name", name, "values", "x", "y", "z"));
	}
	variants = json_pack("[{s:s, s:o}]", "name", "v", "axes", axes);
	ck_assert_int_eq(space_open(&s, variants, NULL), 0);
	json_decref(variants);
	m = model_open(s, 0);
	stats_rng_seed(&rng, seed);
	for (size_t i = 0; i < n; i++) {
		struct space_config c;

		if (i < 6 || model_suggest(m, trials, i, &ask, &rng, &c, NULL) != 1)
			ck_assert_int_eq(space_random(s, 0, true, &rng, &c, NULL), 1);
		space_see(s, &c);
		trials[i] = (struct model_trial){ .config = c, .speed = wide_speed(&c) };
		best = fmax(best, trials[i].speed);
	}
	model_close(m);
	space_close(s);
	return best;
}

/* Configurations of many axes differ in most of them, and a trial must say something of all the same. With a share of 0.5 for each
 * axis beforehand the mean of these searches was 0.773, random draws come to 0.715; it is 0.986. */
START_TEST(a_trial_says_something_of_what_differs_in_most_of_many_axes)
{
	double sum = 0;

	for (uint64_t seed = 0; seed < 10; seed++)
		sum += wide_search(seed, 45);
	ck_assert_msg(sum / 10 > 0.95, "%g of the best after 45 trials", sum / 10);
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
	tcase_add_loop_test(cases, an_optimum_that_takes_two_axes_at_once_is_found, 0, 5);
	tcase_add_test(cases, far_is_of_what_is_far);
	tcase_add_test(cases, a_trial_says_something_of_what_differs_in_most_of_many_axes);
	return scratch_run("model", cases);
}
