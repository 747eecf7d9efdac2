/* blend: messages about the stand-in driver's family. The runner learns everything about it from these. */
#include "blend.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCALE 0.25
#define ROWS_A_BLOCK 8

struct shape {
	const char *text;
	int rows, cols, x_s, y_s, o_s;
};

static const struct shape shapes[] = {
	{ "rows=32 cols=64", 32, 64, 64, 64, 64 },
	{ "rows=33 cols=48", 33, 48, 64, 48, 56 },
	{ "rows=1 cols=40", 1, 40, 40, 40, 40 },
};
enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

static json_t *tensor(const char *name, const char *role, const struct shape *s, int stride)
{
	return json_pack("{s:s, s:s, s:s, s:[i, i], s:[i, i], s:i}", "name", name, "role", role, "dtype", "f16",
			 "shape", s->rows, s->cols, "stride", stride, 1, "align", 16);
}

static json_t *step(const char *entry, const struct shape *s, json_t *args)
{
	return json_pack("{s:s, s:[i, i, i], s:[i, i, i], s:i, s:o}", "entry", entry, "grid",
			 (s->rows + ROWS_A_BLOCK - 1) / ROWS_A_BLOCK, 1, 1, "block", 64, 1, 1, "smem", 0, "args", args);
}

static json_t *direct(const char *entry, const struct shape *s)
{
	json_t *args = json_pack("[{s:s}, {s:s}, {s:s}, {s:i}, {s:i}, {s:i}, {s:i}, {s:i}, {s:f}]", "tensor", "x",
				 "tensor", "y", "tensor", "o", "i32", s->rows, "i32", s->cols, "i64", s->x_s, "i64",
				 s->y_s, "i64", s->o_s, "f32", SCALE);

	return json_pack("{s:i, s:[o]}", "workspace", 0, "steps", step(entry, s, args));
}

static json_t *mapped(const struct shape *s)
{
	json_t *map = json_pack("{s:s, s:s, s:[i, i], s:[i], s:[i, i], s:s, s:s}", "tensor", "x", "dtype", "f16",
				"dims", s->cols, s->rows, "strides_bytes", 2 * s->x_s, "box", 8, 1, "swizzle", "none",
				"l2", "256B");
	json_t *args =
		json_pack("[{s:o}, {s:s}, {s:s}, {s:i}, {s:i}, {s:i}, {s:i}, {s:f}]", "tensormap", map, "tensor", "y",
			  "tensor", "o", "i32", s->rows, "i32", s->cols, "i64", s->y_s, "i64", s->o_s, "f32", SCALE);

	return json_pack("{s:i, s:[o]}", "workspace", 0, "steps", step("blend_mapped", s, args));
}

/* The sum stands behind 256 unused bytes of the workspace. */
static json_t *in_steps(const struct shape *s)
{
	int bytes = 4 * s->rows * s->cols;
	json_t *clear =
		json_pack("{s:{s:{s:i}, s:i, s:i}}", "memset", "to", "workspace", 256, "value", 0, "bytes", bytes);
	json_t *gather = json_pack("[{s:s}, {s:i}, {s:i}, {s:i}, {s:i}, {s:f}]", "tensor", "x", "workspace", 256, "i32",
				   s->rows, "i32", s->cols, "i64", s->x_s, "f32", SCALE);
	json_t *finish =
		json_pack("[{s:i}, {s:s}, {s:s}, {s:i}, {s:i}, {s:i}, {s:i}, {s:f}]", "workspace", 256, "tensor", "y",
			  "tensor", "o", "i32", s->rows, "i32", s->cols, "i64", s->y_s, "i64", s->o_s, "f32", SCALE);

	return json_pack("{s:i, s:[o, o, o]}", "workspace", 256 + bytes, "steps", clear,
			 step("blend_gather", s, gather), step("blend_finish", s, finish));
}

json_t *blend_launches(enum blend_form form)
{
	json_t *all = json_array();

	for (int i = 0; i < SHAPES; i++)
		json_array_append_new(all, form == BLEND_MAPPED ? mapped(&shapes[i]) :
					   form == BLEND_STEPS  ? in_steps(&shapes[i]) :
								  direct("blend", &shapes[i]));
	return all;
}

json_t *blend_problems(void)
{
	json_t *all = json_array();

	for (int i = 0; i < SHAPES; i++) {
		const struct shape *s = &shapes[i];
		double elements = (double)s->rows * s->cols;
		json_t *tensors = json_pack("[o, o, o]", tensor("x", "in", s, s->x_s), tensor("y", "in", s, s->y_s),
					    tensor("o", "out", s, s->o_s));

		json_array_append_new(all, json_pack("{s:s, s:o, s:f, s:f, s:{s:f, s:f, s:f}, s:o, s:o}", "text",
						     s->text, "tensors", tensors, "flops", 3 * elements, "bytes",
						     6 * elements, "tolerance", "ratio", 2.0, "floor", 2e-3,
						     "rel_rms", 2e-3, "reference", direct("blend_reference", s),
						     "plain", direct("blend_plain", s)));
	}
	return all;
}

void blend_start(struct peer *p, const char *const *env)
{
	char *program = peer_built("attune-run"), *fake = peer_built("tests/fakecuda"), path[4096];
	const char *argv[] = { program, NULL }, *all[16] = { path };
	int n = 1;

	snprintf(path, sizeof(path), "LD_LIBRARY_PATH=%s", fake);
	while (env && *env && n < 15)
		all[n++] = *env++;
	peer_start(p, argv, all);
	free(program);
	free(fake);
}

void blend_ready(struct peer *p)
{
	json_t *answer;

	blend_start(p, NULL);
	answer = peer_receive(p, 30);
	ck_assert_str_eq(peer_text(answer, "type"), "hello");
	ck_assert_msg(json_is_object(json_object_get(answer, "device")), "%s", peer_text(answer, "why"));
	json_decref(answer);
	answer = peer_ask(p, json_pack("{s:s, s:o}", "type", "problem", "problems", blend_problems()),
			  "FAKE:reference\n", 15);
	ck_assert_msg(!strcmp(peer_text(answer, "type"), "ready"), "%s", peer_text(answer, "text"));
	json_decref(answer);
}

void blend_load(struct peer *p, const char *id, const char *image)
{
	peer_send(p, json_pack("{s:s, s:s}", "type", "load", "id", id), image, strlen(image));
}

json_t *blend_ask(struct peer *p, const char *type, const char *id, json_t *launches, json_t *incumbent)
{
	return peer_ask(p, json_pack("{s:s, s:s, s:s, s:o, s:o*, s:s}", "type", type, "id", id, "candidate", id,
				     "launches", launches, "incumbent", incumbent, "effort", "full"), NULL, 0);
}

json_t *blend_trial(struct peer *p, const char *image, enum blend_form form)
{
	json_t *answer;

	blend_load(p, image, image);
	answer = blend_ask(p, "trial", image, blend_launches(form), NULL);
	ck_assert_str_eq(peer_text(answer, "type"), "result");
	ck_assert_str_eq(peer_text(answer, "id"), image);
	peer_send(p, json_pack("{s:s, s:s}", "type", "unload", "id", image), NULL, 0);
	return answer;
}
