/* Tests of attune-run, whole, before the stand-in driver: what it says of itself, the verdict on each way to misbehave,
 * and that an honest candidate is judged right after every one of them. Losing children and broken streams are in
 * test_runner_survival.c; no time in here was measured on anything. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attune/wire.h"
#include "blend.h"
#include "scratch.h"

#define RIGHT "FAKE:right us=10\n"
#define PATIENCE_S 30.0

static double number(const json_t *object, const char *member)
{
	return json_number_value(json_object_get(object, member));
}

START_TEST(greeting)
{
	struct peer p;
	json_t *hello, *d;

	blend_start(&p, NULL);
	hello = peer_receive(&p, 30);
	d = json_object_get(hello, "device");
	ck_assert_str_eq(peer_text(hello, "type"), "hello");
	ck_assert_int_eq(json_integer_value(json_object_get(hello, "protocol")), WIRE_PROTOCOL);
	ck_assert(json_is_null(json_object_get(hello, "replay")));
	ck_assert_str_eq(peer_text(d, "name"), "attune stand-in (no GPU)");
	ck_assert_str_eq(peer_text(d, "arch"), "sm_90a");
	ck_assert_int_eq(json_integer_value(json_object_get(d, "sms")), 4);
	ck_assert_int_eq(json_integer_value(json_object_get(d, "smem_block_bytes")), 232448);
	ck_assert_ptr_null(strstr(peer_text(d, "uuid_hash"), "stand-in"));
	json_decref(hello);
	peer_send(&p, json_pack("{s:s}", "type", "quit"), NULL, 0);
	ck_assert_int_eq(peer_close(&p), 0);
}
END_TEST

static void no_device(const char *const *env, const char *why)
{
	struct peer p;
	json_t *hello, *answer;

	blend_start(&p, env);
	hello = peer_receive(&p, 30);
	ck_assert_str_eq(peer_text(hello, "type"), "hello");
	ck_assert(json_is_null(json_object_get(hello, "device")));
	ck_assert_msg(strstr(peer_text(hello, "why"), why) != NULL, "'%s' does not hold '%s'",
		      peer_text(hello, "why"), why);
	json_decref(hello);
	answer = peer_ask(&p, json_pack("{s:s, s:o}", "type", "problem", "problems", blend_problems()),
			  "FAKE:reference\n", 15);
	ck_assert_str_eq(peer_text(answer, "type"), "error");
	json_decref(answer);
	ck_assert_int_eq(peer_close(&p), 0);
}

START_TEST(without_a_device)
{
	static const char *const nowhere[] = { "LD_LIBRARY_PATH=/nonexistent", NULL };
	static const char *const broken[] = { "FAKECUDA_INIT=999", NULL };
	static const char *const empty[] = { "FAKECUDA_DEVICES=0", NULL };

	no_device(broken, "CUDA_ERROR_UNKNOWN");
	no_device(empty, "CUDA_ERROR_NO_DEVICE");
	if (system("ldconfig -p 2>/dev/null | grep -q 'libcuda\\.so\\.1'") == 0)
		puts("skipped: this machine has a libcuda.so.1 of its own");
	else
		no_device(nowhere, "libcuda.so.1");
}
END_TEST

START_TEST(honest_candidate)
{
	struct peer p;
	json_t *r;

	blend_ready(&p);
	r = blend_trial(&p, RIGHT, BLEND_PLAIN);
	ck_assert_msg(!strcmp(peer_text(r, "verdict"), "ok"), "%s: %s", peer_text(r, "verdict"), peer_text(r, "why"));
	/* The stand-in's clock: 10 us when all is in the L2, a quarter more when nothing is, and a graph's own time. */
	ck_assert_double_eq_tol(number(r, "time_us"), 12.5, 0.3);
	ck_assert_double_eq_tol(number(r, "warm_us"), 10, 0.3);
	ck_assert_double_le(number(r, "time_lo_us"), number(r, "time_us"));
	ck_assert_double_ge(number(r, "time_hi_us"), number(r, "time_us"));
	ck_assert_double_gt(number(r, "roofline_us"), 0);
	ck_assert_int_eq(json_integer_value(json_object_get(r, "regs")), 32);
	ck_assert_int_gt(json_integer_value(json_object_get(r, "occupancy")), 0);
	ck_assert_uint_ge(json_array_size(json_object_get(r, "checks")), 3);
	ck_assert_ptr_null(json_object_get(r, "recorded"));
	json_decref(r);
	ck_assert_int_eq(peer_close(&p), 0);
}
END_TEST

/* Three calls a graph: were the set that has just been copied still in the L2, one of the three would be the faster for it. */
START_TEST(long_calls_are_cold)
{
	struct peer p;
	json_t *r;

	blend_ready(&p);
	r = blend_trial(&p, "FAKE:right us=1000\n", BLEND_PLAIN);
	ck_assert_msg(!strcmp(peer_text(r, "verdict"), "ok"), "%s: %s", peer_text(r, "verdict"), peer_text(r, "why"));
	ck_assert_int_eq(json_integer_value(json_object_get(r, "nodes")), 3);
	ck_assert_double_eq_tol(number(r, "time_us"), 1250, 30);
	ck_assert_double_eq_tol(number(r, "warm_us"), 1000, 30);
	json_decref(r);
	ck_assert_int_eq(peer_close(&p), 0);
}
END_TEST

START_TEST(other_forms)
{
	struct peer p;
	json_t *r;

	blend_ready(&p);
	for (enum blend_form form = BLEND_MAPPED; form <= BLEND_STEPS; form++) {
		r = blend_trial(&p, RIGHT, form);
		ck_assert_msg(!strcmp(peer_text(r, "verdict"), "ok"), "form %d: %s: %s", (int)form,
			      peer_text(r, "verdict"), peer_text(r, "why"));
		ck_assert_double_ge(number(r, "time_us"), 10);
		ck_assert_double_le(number(r, "time_us"), 13);
		json_decref(r);
	}
	r = blend_trial(&p, "FAKE:wrong\n", BLEND_STEPS);
	ck_assert_str_eq(peer_text(r, "verdict"), "wrong");
	json_decref(r);
	ck_assert_int_eq(peer_close(&p), 0);
}
END_TEST

/* Each misbehaviour from the first call on, and where it says so after honest ones. */
static const struct {
	const char *image, *verdict, *why;
} misdeeds[] = {
	{ "FAKE:load\n", "load", "INVALID_IMAGE" },
	{ "FAKE:foreign\n", "load", "NO_BINARY" },
	{ "not an image at all", "load", "INVALID_IMAGE" },
	{ "FAKE:launch\n", "launch", "OUT_OF_RESOURCES" },
	{ "FAKE:wrong\n", "wrong", "" },
	{ "FAKE:wrong after=40\n", "wrong", "" },
	{ "FAKE:odd\n", "wrong", "" },
	{ "FAKE:coarse\n", "wrong", "" },
	{ "FAKE:nothing\n", "wrong", "" },
	{ "FAKE:nothing after=40\n", "wrong", "" },
	{ "FAKE:partial\n", "wrong", "" },
	{ "FAKE:nan\n", "wrong", "" },
	{ "FAKE:inputs\n", "wrong", "" },
	{ "FAKE:oob-after\n", "wrong", "" },
	{ "FAKE:oob-before\n", "wrong", "" },
	{ "FAKE:stale\n", "wrong", "" },
	{ "FAKE:nondeterministic\n", "nondeterministic", "" },
	{ "FAKE:nondeterministic each=399 after=100\n", "nondeterministic", "timed calls" },
	{ "FAKE:wrong each=399 after=100\n", "nondeterministic", "timed calls" },
	{ "FAKE:looks-done\n", "wrong", "" },
	{ "FAKE:timed\n", "wrong", "timed calls" },
	{ "FAKE:timed-late\n", "nondeterministic", "timed calls" },
	{ "FAKE:timed-bits\n", "nondeterministic", "where it is checked" },
	{ "FAKE:first-bytes\n", "nondeterministic", "left other bits" },
	{ "FAKE:spot-check\n", "cheat", "met before" },
	{ "FAKE:kept\n", "cheat", "met before" },
	{ "FAKE:right us=2\n", "cheat", "3.84 us" },
	{ "FAKE:fault\n", "fault", "ILLEGAL_ADDRESS" },
	{ "FAKE:fault after=40\n", "fault", "ILLEGAL_ADDRESS" },
	{ "FAKE:trap\n", "fault", "LAUNCH_FAILED" },
	{ "FAKE:segv\n", "fault", "" },
	{ "FAKE:exit\n", "fault", "" },
	{ "FAKE:hang\n", "hung", "" },
	{ "FAKE:hang after=40\n", "hung", "" },
};
enum { MISDEEDS = sizeof(misdeeds) / sizeof(misdeeds[0]) };

START_TEST(misdeed)
{
	const char *image = misdeeds[_i].image;
	struct peer p;
	json_t *r;
	double before, honest_s, after_s;

	blend_ready(&p);
	r = blend_trial(&p, RIGHT, BLEND_PLAIN); /* children start and warm up */
	json_decref(r);
	before = proc_now_s();
	r = blend_trial(&p, RIGHT, BLEND_PLAIN);
	honest_s = proc_now_s() - before;
	json_decref(r);

	before = proc_now_s();
	r = blend_trial(&p, image, BLEND_PLAIN);
	ck_assert_msg(!strcmp(peer_text(r, "verdict"), misdeeds[_i].verdict), "%s is %s, not %s: %s", image,
		      peer_text(r, "verdict"), misdeeds[_i].verdict, peer_text(r, "why"));
	ck_assert_msg(strstr(peer_text(r, "why"), misdeeds[_i].why) != NULL, "%s: '%s' does not hold '%s'", image,
		      peer_text(r, "why"), misdeeds[_i].why);
	ck_assert_msg(*peer_text(r, "why") && !strchr(peer_text(r, "why"), '\n'), "%s: no line says why", image);
	ck_assert_ptr_null(json_object_get(r, "time_us"));
	ck_assert_double_lt(proc_now_s() - before, PATIENCE_S);
	json_decref(r);

	before = proc_now_s();
	r = blend_trial(&p, RIGHT, BLEND_PLAIN);
	after_s = proc_now_s() - before;
	ck_assert_msg(!strcmp(peer_text(r, "verdict"), "ok"), "after %s: %s: %s", image, peer_text(r, "verdict"),
		      peer_text(r, "why"));
	ck_assert_double_eq_tol(number(r, "time_us"), 12.5, 0.3);
	ck_assert_msg(after_s < honest_s + 1, "%.2f s after %s, %.2f s otherwise", after_s, image, honest_s);
	json_decref(r);
	ck_assert_int_eq(peer_close(&p), 0);
}
END_TEST

/* Launches that no driver accepts, or that do not fit the machine code. */
START_TEST(bad_launches)
{
	static const struct {
		const char *change, *verdict;
	} bad[] = {
		{ "{\"block\": [2048, 1, 1]}", "launch" },
		{ "{\"smem\": 300000}", "launch" },
		{ "{\"grid\": [3, 1, 1], \"cluster\": [2, 1, 1]}", "launch" },
		{ "{\"args\": []}", "launch" },
		{ "{\"entry\": \"no_such_entry\"}", "load" },
		{ "{\"grid\": [1, 1, 1]}", "wrong" },
	};
	struct peer p;

	blend_ready(&p);
	blend_load(&p, "a", RIGHT);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *launches = blend_launches(BLEND_PLAIN), *change = json_loads(bad[i].change, 0, NULL), *r;

		json_object_update(json_array_get(json_object_get(json_array_get(launches, 0), "steps"), 0), change);
		json_decref(change);
		r = blend_ask(&p, "trial", "a", launches, NULL);
		ck_assert_msg(!strcmp(peer_text(r, "verdict"), bad[i].verdict), "%s is %s: %s", bad[i].change,
			      peer_text(r, "verdict"), peer_text(r, "why"));
		json_decref(r);
	}
	ck_assert_int_eq(peer_close(&p), 0);
}
END_TEST

/* Whoever fetches the inputs of the next set for the next call gains nothing, for nobody knows which that is. */
START_TEST(what_is_next_cannot_be_told)
{
	struct peer p;
	json_t *r;

	blend_ready(&p);
	r = blend_trial(&p, "FAKE:fetches\n", BLEND_PLAIN);
	ck_assert_msg(!strcmp(peer_text(r, "verdict"), "ok"), "%s: %s", peer_text(r, "verdict"), peer_text(r, "why"));
	ck_assert_double_eq_tol(number(r, "time_us"), 12.5, 0.3);
	json_decref(r);
	ck_assert_int_eq(peer_close(&p), 0);
}
END_TEST

/* State that outlives a call, where a candidate may have some. */
START_TEST(cheats_with_a_workspace)
{
	static const char *const images[] = { "FAKE:marks\n", "FAKE:counts\n" };
	struct peer p;

	blend_ready(&p);
	for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
		json_t *r = blend_trial(&p, images[i], BLEND_STEPS);

		ck_assert_msg(!strcmp(peer_text(r, "verdict"), "wrong"), "%s is %s", images[i], peer_text(r, "verdict"));
		ck_assert_msg(strstr(peer_text(r, "why"), "timed calls") != NULL, "%s: %s", images[i], peer_text(r, "why"));
		json_decref(r);
		/* It is the workspace that it needs. */
		r = blend_trial(&p, images[i], BLEND_PLAIN);
		ck_assert_msg(!strcmp(peer_text(r, "verdict"), "ok"), "%s without one is %s", images[i],
			      peer_text(r, "verdict"));
		ck_assert_int_ge(json_integer_value(json_object_get(r, "compared")), 1000);
		json_decref(r);
	}
	ck_assert_int_eq(peer_close(&p), 0);
}
END_TEST

START_TEST(judge_does_not_time)
{
	struct peer p;
	json_t *r;

	blend_ready(&p);
	blend_load(&p, "a", "FAKE:right us=2\n"); /* would be a cheat if it were timed */
	r = blend_ask(&p, "judge", "a", blend_launches(BLEND_PLAIN), NULL);
	ck_assert_str_eq(peer_text(r, "verdict"), "ok");
	ck_assert_ptr_null(json_object_get(r, "time_us"));
	json_decref(r);
	blend_load(&p, "b", "FAKE:stale\n");
	r = blend_ask(&p, "judge", "b", blend_launches(BLEND_PLAIN), NULL);
	ck_assert_str_eq(peer_text(r, "verdict"), "wrong");
	json_decref(r);
	ck_assert_int_eq(peer_close(&p), 0);
}
END_TEST

static json_t *incumbent(const char *id, double time_us)
{
	return json_pack("{s:s, s:o, s:f}", "id", id, "launches", blend_launches(BLEND_PLAIN), "time_us", time_us);
}

START_TEST(race_with_the_incumbent)
{
	struct peer p;
	json_t *r, *race;

	blend_ready(&p);
	blend_load(&p, "old", "FAKE:right us=10\n");
	blend_load(&p, "new", "FAKE:right us=9.5\n");
	blend_load(&p, "far", "FAKE:right us=200\n");
	r = blend_ask(&p, "trial", "new", blend_launches(BLEND_PLAIN), incumbent("old", 12.5));
	race = json_object_get(r, "race");
	ck_assert_str_eq(peer_text(r, "verdict"), "ok");
	ck_assert_msg(race != NULL, "a close candidate was not raced");
	ck_assert_double_eq_tol(number(race, "ratio"), 10 / 9.5, 0.02);
	ck_assert_double_le(number(race, "lo"), number(race, "ratio"));
	ck_assert_double_ge(number(race, "hi"), number(race, "ratio"));
	json_decref(r);
	r = blend_ask(&p, "trial", "far", blend_launches(BLEND_PLAIN), incumbent("old", 12.5));
	ck_assert_ptr_null(json_object_get(r, "race"));
	ck_assert_msg(!strcmp(peer_text(r, "verdict"), "ok") || !strcmp(peer_text(r, "verdict"), "slow"), "%s",
		      peer_text(r, "verdict"));
	json_decref(r);
	ck_assert_int_eq(peer_close(&p), 0);
}
END_TEST

/* Who will not win is timed by the screening only and says so; who may win is timed and checked in full. */
START_TEST(far_behind_the_incumbent)
{
	struct peer p;
	json_t *r;
	double us;

	blend_ready(&p);
	blend_load(&p, "old", "FAKE:right us=100\n");
	blend_load(&p, "far", "FAKE:right us=140\n");
	blend_load(&p, "near", "FAKE:right us=105\n");
	r = blend_ask(&p, "trial", "old", blend_launches(BLEND_PLAIN), NULL);
	ck_assert_str_eq(peer_text(r, "verdict"), "ok");
	us = number(r, "time_us");
	json_decref(r);
	r = blend_ask(&p, "trial", "far", blend_launches(BLEND_PLAIN), incumbent("old", us));
	ck_assert_str_eq(peer_text(r, "verdict"), "ok");
	ck_assert_double_eq_tol(number(r, "time_us") / us, 1.4, 0.1);
	ck_assert_int_eq(json_integer_value(json_object_get(r, "unchecked")), 2);
	ck_assert_int_eq(json_integer_value(json_object_get(r, "replays")), 5);
	ck_assert_ptr_null(json_object_get(r, "warm_us"));
	ck_assert_ptr_null(json_object_get(r, "fresh_us"));
	json_decref(r);
	r = blend_ask(&p, "trial", "near", blend_launches(BLEND_PLAIN), incumbent("old", us));
	ck_assert_str_eq(peer_text(r, "verdict"), "ok");
	ck_assert_ptr_null(json_object_get(r, "unchecked"));
	ck_assert_int_eq(json_integer_value(json_object_get(r, "replays")), 25);
	ck_assert_double_gt(number(r, "warm_us"), 0);
	ck_assert_double_gt(number(r, "fresh_us"), 0);
	json_decref(r);
	ck_assert_int_eq(peer_close(&p), 0);
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("runner");

	tcase_set_timeout(c, 120);
	tcase_add_test(c, greeting);
	tcase_add_test(c, without_a_device);
	tcase_add_test(c, honest_candidate);
	tcase_add_test(c, long_calls_are_cold);
	tcase_add_test(c, other_forms);
	tcase_add_loop_test(c, misdeed, 0, MISDEEDS);
	tcase_add_test(c, bad_launches);
	tcase_add_test(c, what_is_next_cannot_be_told);
	tcase_add_test(c, cheats_with_a_workspace);
	tcase_add_test(c, judge_does_not_time);
	tcase_add_test(c, race_with_the_incumbent);
	tcase_add_test(c, far_behind_the_incumbent);
	return scratch_run("runner", c);
}
