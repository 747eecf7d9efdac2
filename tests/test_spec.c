/* spec and launch: what is read, what is refused, and where tensors lie. */
#include <stdlib.h>
#include <string.h>
#include "attune/launch.h"
#include "attune/spec.h"
#include "scratch.h"

static json_t *problem(const char *shape, const char *stride)
{
	json_t *p = json_loads("{\"text\":\"n=1\",\"flops\":10,\"bytes\":20,"
			       "\"tolerance\":{\"ratio\":2,\"floor\":0.1,\"rel_rms\":0.2},\"tensors\":["
			       "{\"name\":\"x\",\"role\":\"in\",\"dtype\":\"f16\",\"shape\":[2,3],\"stride\":[3,1]},"
			       "{\"name\":\"o\",\"role\":\"out\",\"dtype\":\"f32\"}]}", 0, NULL);
	json_t *o = json_array_get(json_object_get(p, "tensors"), 1);

	json_object_set_new(o, "shape", json_loads(shape, 0, NULL));
	json_object_set_new(o, "stride", json_loads(stride, 0, NULL));
	return p;
}

static int parse(struct spec *s, const char *shape, const char *stride, struct err *e)
{
	json_t *p = problem(shape, stride);
	const int rc = spec_parse(s, p, e);

	json_decref(p);
	return rc;
}

START_TEST(spans_and_layout)
{
	struct spec s;
	struct layout l;
	struct err e = { 0 };

	ck_assert_msg(parse(&s, "[4,5,6]", "[40,1,6]", &e) == 0, "%s", e.text);
	ck_assert_int_eq(s.tensors[1].count, 120);
	ck_assert_int_eq(s.tensors[1].span, 3 * 40 + 4 + 5 * 6 + 1);
	layout_init(&l, &s, 1000, 500);
	ck_assert_uint_eq(l.guard, 1024);
	ck_assert_uint_eq(l.workspace, 512);
	ck_assert_uint_eq(l.offset[0], 1024);
	ck_assert_uint_ge(l.end[0], l.offset[0] + l.bytes[0] + l.guard);
	ck_assert_uint_eq(l.offset[1], l.end[0] + l.guard);
	ck_assert_uint_eq(l.bytes[1], 4 * (size_t)s.tensors[1].span);
	ck_assert_uint_eq(l.workspace_guard, l.end[1]);
	ck_assert_uint_eq(l.total, l.end[1] + 2 * l.guard);
	spec_free(&s);
}
END_TEST

START_TEST(walk_visits_each_element_once)
{
	struct spec s;
	struct err e = { 0 };
	struct tensor_walk w = { 0 };
	char seen[512] = { 0 }, name[64];
	int64_t row, n = 0;

	ck_assert_int_eq(parse(&s, "[4,5,6]", "[40,1,6]", &e), 0);
	while (tensor_walk_next(&s.tensors[1], &w, &row))
		for (int64_t i = 0; i < tensor_row_length(&s.tensors[1]); i++, n++) {
			const int64_t at = row + i * tensor_row_stride(&s.tensors[1]);

			ck_assert_int_lt(at, s.tensors[1].span);
			ck_assert_msg(!seen[at], "element %lld twice", (long long)at);
			seen[at] = 1;
			if (n == 37) {
				tensor_element_name(&s.tensors[1], &w, i, name, sizeof name);
				ck_assert_str_eq(name, "o[1,1,1]");
			}
		}
	ck_assert_int_eq(n, 120);
	/* Begun at any row, it goes on as from the first. */
	w = (struct tensor_walk){ 0 };
	for (int64_t k = 0; tensor_walk_next(&s.tensors[1], &w, &row); k++) {
		struct tensor_walk from;

		ck_assert_int_eq(tensor_walk_from(&s.tensors[1], &from, k), row);
		ck_assert(memcmp(&from, &w, sizeof w) == 0);
	}
	spec_free(&s);
}
END_TEST

START_TEST(refused_problems)
{
	static const struct {
		const char *shape, *stride, *why;
	} bad[] = {
		{ "[4,5]", "[4,1]", "overlap" },       { "[4,5]", "[0,1]", "overlap" },   { "[4]", "[1,1]", "same" },
		{ "[]", "[]", "same" },                { "[0]", "[1]", "out of range" },  { "[4]", "[-1]", "out of range" },
		{ "[1000000,1000000,1000000]", "[1000000,1000000,1]", "out of range" },
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct spec s;
		struct err e = { 0 };

		ck_assert_msg(parse(&s, bad[i].shape, bad[i].stride, &e) < 0, "%s %s", bad[i].shape, bad[i].stride);
		ck_assert_msg(strstr(e.text, bad[i].why) != NULL, "%s", e.text);
		spec_free(&s);
	}
}
END_TEST

static int read_launch(struct launch *l, const char *text, struct err *e)
{
	struct spec s;
	json_t *j = json_loads(text, 0, NULL);
	int rc;

	ck_assert_msg(j != NULL, "%s", text);
	ck_assert_int_eq(parse(&s, "[2,3]", "[3,1]", e), 0);
	rc = launch_parse(l, j, &s, e);
	json_decref(j);
	spec_free(&s);
	return rc;
}

START_TEST(launch_members)
{
	struct launch l;
	struct err e = { 0 };
	const struct kernel_step *k;

	ck_assert_msg(read_launch(&l, "{\"workspace\":64,\"steps\":["
		"{\"memset\":{\"to\":{\"workspace\":32},\"value\":7,\"bytes\":32}},"
		"{\"entry\":\"f\",\"grid\":[5,2],\"block\":[64],\"cluster\":[2,1,1],\"smem\":9,\"pdl\":true,\"args\":["
		"{\"tensor\":\"o\"},{\"i32\":-3},{\"i64\":5000000000},{\"f32\":0.5},{\"workspace\":16},"
		"{\"tensormap\":{\"tensor\":\"x\",\"dtype\":\"f16\",\"dims\":[3,2],\"strides_bytes\":[16],\"box\":[3,1],"
		"\"swizzle\":\"64B\",\"l2\":\"256B\",\"oob\":\"nan\"}}]},"
		"{\"gemm\":{\"m\":1,\"n\":2,\"k\":3,\"batch\":4,\"alpha\":1,\"beta\":0,\"ta\":\"T\",\"tb\":\"N\",\"a\":{\"tensor\":\"x\"},"
		"\"lda\":5,\"stride_a\":6,\"b\":{\"tensor\":\"x\"},\"ldb\":7,\"stride_b\":8,\"c\":{\"workspace\":0},\"ldc\":9,"
		"\"stride_c\":10,\"in\":\"f16\",\"out\":\"f32\"}}]}", &e) == 0, "%s", e.text);
	ck_assert_int_eq(l.step_count, 3);
	ck_assert_uint_eq(l.workspace, 64);
	ck_assert_uint_eq(l.steps[0].memset.to.offset, 32);
	k = &l.steps[1].kernel;
	ck_assert_str_eq(k->entry, "f");
	ck_assert_uint_eq(k->grid[1], 2);
	ck_assert_uint_eq(k->grid[2], 1);
	ck_assert_uint_eq(k->cluster[0], 2);
	ck_assert(k->pdl && k->smem == 9 && k->arg_count == 6);
	ck_assert_int_eq(k->args[0].at.tensor, 1);
	ck_assert_int_eq(k->args[1].i, -3);
	ck_assert_int_eq(k->args[2].i, 5000000000);
	ck_assert_float_eq(k->args[3].f, 0.5f);
	ck_assert_int_eq(k->args[4].at.tensor, -1);
	ck_assert(k->args[5].map->swizzle == SWIZZLE_64B && k->args[5].map->oob_nan && k->args[5].map->box[0] == 3);
	ck_assert(l.steps[2].gemm.transpose_a && !l.steps[2].gemm.transpose_b && l.steps[2].gemm.out == DTYPE_F32);
	launch_free(&l);
}
END_TEST

START_TEST(refused_launches)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "{}", "steps" },
		{ "{\"steps\":[]}", "steps" },
		{ "{\"steps\":[{}]}", "entry" },
		{ "{\"steps\":[{\"entry\":\"f\",\"block\":[1]}]}", "grid" },
		{ "{\"steps\":[{\"entry\":\"f\",\"grid\":[0],\"block\":[1]}]}", "out of range" },
		{ "{\"steps\":[{\"entry\":\"f\",\"grid\":[1,1,1,1],\"block\":[1]}]}", "grid" },
		{ "{\"steps\":[{\"entry\":\"f\",\"grid\":[1],\"block\":[1],\"args\":[{\"tensor\":\"q\"}]}]}", "argument 1" },
		{ "{\"steps\":[{\"entry\":\"f\",\"grid\":[1],\"block\":[1],\"args\":[{\"i32\":1},{}]}]}", "argument 2" },
		{ "{\"workspace\":8,\"steps\":[{\"entry\":\"f\",\"grid\":[1],\"block\":[1],\"args\":[{\"workspace\":9}]}]}",
		  "workspace" },
		{ "{\"workspace\":8,\"steps\":[{\"memset\":{\"to\":{\"workspace\":4},\"value\":0,\"bytes\":5}}]}", "more than" },
		{ "{\"steps\":[{\"memset\":{\"to\":{\"tensor\":\"x\"},\"value\":0,\"bytes\":13}}]}", "more than" },
		{ "{\"steps\":[{\"gemm\":{\"m\":1}}]}", "gemm" },
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct launch l;
		struct err e = { 0 };

		ck_assert_msg(read_launch(&l, bad[i].text, &e) < 0, "%s", bad[i].text);
		ck_assert_msg(strstr(e.text, bad[i].why) != NULL, "%s: %s", bad[i].text, e.text);
	}
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("spec");

	tcase_add_test(c, spans_and_layout);
	tcase_add_test(c, walk_visits_each_element_once);
	tcase_add_test(c, refused_problems);
	tcase_add_test(c, launch_members);
	tcase_add_test(c, refused_launches);
	return scratch_run("spec", c);
}
