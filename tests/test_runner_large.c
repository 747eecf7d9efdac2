/* Tests of attune-run with tensors so large that threads share the work and copies go through locked buffers, before the stand-in
 * driver, with and without memory that can be locked. The outputs are small: what is computed is not what takes the time. */
#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "blend.h"
#include "scratch.h"

enum { COLS = 1024, ROWS_IN = 9000, ROWS_OUT = 40 }; /* 18 MB an input: two buffers' worth and some */

static json_t *tensor(const char *name, const char *role, int rows)
{
	return json_pack("{s:s, s:s, s:s, s:[i, i], s:[i, i], s:i}", "name", name, "role", role, "dtype", "f16", "shape", rows, COLS,
			 "stride", COLS, 1, "align", 16);
}

/* Only as many rows of x and y are read as o has. */
static json_t *launch(const char *entry)
{
	json_t *args = json_pack("[{s:s}, {s:s}, {s:s}, {s:i}, {s:i}, {s:i}, {s:i}, {s:i}, {s:f}]", "tensor", "x", "tensor", "y",
				 "tensor", "o", "i32", ROWS_OUT, "i32", COLS, "i64", COLS, "i64", COLS, "i64", COLS, "f32", 0.25);
	json_t *step = json_pack("{s:s, s:[i, i, i], s:[i, i, i], s:i, s:o}", "entry", entry, "grid", 5, 1, 1, "block", 64, 1, 1,
				 "smem", 0, "args", args);

	return json_pack("{s:i, s:[o]}", "workspace", 0, "steps", step);
}

static void ready(struct peer *p, bool lock)
{
	const char *env[] = { lock ? "FAKECUDA_LOCK=1" : "FAKECUDA_LOCK=0", NULL };
	json_t *tensors = json_pack("[o, o, o]", tensor("x", "in", ROWS_IN), tensor("y", "in", ROWS_IN), tensor("o", "out", ROWS_OUT));
	json_t *spec = json_pack("{s:s, s:o, s:f, s:f, s:{s:f, s:f, s:f}, s:o, s:o}", "text", "large", "tensors", tensors, "flops", 1e5,
				 "bytes", 2e5, "tolerance", "ratio", 2.0, "floor", 2e-3, "rel_rms", 2e-3, "reference",
				 launch("blend_reference"), "plain", launch("blend_plain"));
	json_t *answer;

	blend_start(p, env);
	json_decref(peer_receive(p, 30));
	answer = peer_ask(p, json_pack("{s:s, s:[o]}", "type", "problem", "problems", spec), "FAKE:reference\n", 15);
	ck_assert_msg(!strcmp(peer_text(answer, "type"), "ready"), "%s", peer_text(answer, "text"));
	json_decref(answer);
}

static void judged(struct peer *p, const char *image, const char *verdict, const char *why)
{
	const char *const phases[] = { "inputs", "copies", "check", "compare", "oracle" };
	json_t *r;

	blend_load(p, image, image);
	r = blend_ask(p, "judge", image, json_pack("[o]", launch("blend")), NULL);
	ck_assert_msg(!strcmp(peer_text(r, "verdict"), verdict), "%s: %s: %s", image, peer_text(r, "verdict"), peer_text(r, "why"));
	ck_assert_msg(strstr(peer_text(r, "why"), why) != NULL, "%s: %s", image, peer_text(r, "why"));
	for (size_t i = 0; !*why && i < sizeof phases / sizeof *phases; i++)
		ck_assert_msg(json_number_value(json_object_get(json_object_get(r, "phases_ms"), phases[i])) > 0, "no %s", phases[i]);
	json_decref(r);
}

START_TEST(verdicts)
{
	struct peer p;

	ready(&p, _i);
	judged(&p, "FAKE:right\n", "ok", "");
	judged(&p, "FAKE:wrong\n", "wrong", "right is");
	judged(&p, "FAKE:nothing\n", "wrong", "not written");
	judged(&p, "FAKE:partial\n", "wrong", "not written");
	judged(&p, "FAKE:inputs\n", "wrong", "changed the input x");
	judged(&p, "FAKE:oob-after\n", "wrong", "past the end of o");
	judged(&p, "FAKE:oob-before\n", "wrong", "before the start of o");
	judged(&p, "FAKE:stale after=1\n", "wrong", "");
	judged(&p, "FAKE:fault\n", "fault", "");
	judged(&p, "FAKE:right us=11\n", "ok", "");
	ck_assert_int_eq(peer_close(&p), 0);
}
END_TEST

/* Timed as well: sets, and one of them fetched whole. */
START_TEST(trial)
{
	struct peer p;
	json_t *r;

	ready(&p, _i);
	blend_load(&p, "a", "FAKE:right us=800\n");
	r = blend_ask(&p, "trial", "a", json_pack("[o]", launch("blend")), NULL);
	ck_assert_msg(!strcmp(peer_text(r, "verdict"), "ok"), "%s: %s", peer_text(r, "verdict"), peer_text(r, "why"));
	ck_assert(json_number_value(json_object_get(json_object_get(r, "phases_ms"), "fetch")) > 0);
	json_decref(r);
	ck_assert_int_eq(peer_close(&p), 0);
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("runner_large");

	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, verdicts, 0, 2);
	tcase_add_loop_test(c, trial, 0, 2);
	return scratch_run("runner_large", c);
}
